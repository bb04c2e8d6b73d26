#include "engine/base/log.h"

#include "engine/base/check.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static _Atomic(enum log_level) sink_level = LOG_info;
static _Atomic(enum log_format) sink_format = LOG_FORMAT_text;

void log_setup(enum log_level level, enum log_format format)
{
	atomic_store_explicit(&sink_level, level, memory_order_relaxed);
	atomic_store_explicit(&sink_format, format, memory_order_relaxed);
}

/* Peers' bytes can reach a log line: control characters must not forge a second one. */
static void make_printable(char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = ' ';
}

static void append_json_string(char *out, size_t capacity, const char *text)
{
	size_t n = 0;
	for (; *text != '\0' && n + 3 < capacity; text++) {
		if (*text == '"' || *text == '\\')
			out[n++] = '\\';
		out[n++] = *text;
	}
	out[n] = '\0';
}

void log_write(enum log_level level, const char *part, const char *format, ...)
{
	static const char *const names[] = {"error", "warning", "info", "debug"};
	if (level > atomic_load_explicit(&sink_level, memory_order_relaxed))
		return;

	char text[1024];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	make_printable(text);

	struct timespec now;
	struct tm utc;
	char stamp[32];
	clock_gettime(CLOCK_REALTIME, &now);
	if (gmtime_r(&now.tv_sec, &utc) == NULL || strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &utc) == 0)
		snprintf(stamp, sizeof stamp, "%lld", (long long)now.tv_sec);
	int millisecond = (int)(now.tv_nsec / 1000000);

	char line[2400];
	int n;
	if (atomic_load_explicit(&sink_format, memory_order_relaxed) == LOG_FORMAT_json) {
		char escaped[2100];
		append_json_string(escaped, sizeof escaped, text);
		n = snprintf(line, sizeof line, "{\"time\":\"%s.%03dZ\",\"level\":\"%s\",\"part\":\"%s\",\"message\":\"%s\"}\n", stamp,
		             millisecond, names[level], part, escaped);
	} else {
		n = snprintf(line, sizeof line, "%s.%03dZ %-7s %s: %s\n", stamp, millisecond, names[level], part, text);
	}
	CHECK(n > 0 && (size_t)n < sizeof line, "log line of %d bytes", n);
	/* There is nowhere to report that stderr is gone. */
	ssize_t written = write(STDERR_FILENO, line, (size_t)n);
	(void)written;
}
