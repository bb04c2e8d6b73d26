#include "cmd/trovectl/complaint.h"

#include <stdarg.h>
#include <stdio.h>

enum { PRINTED_MAX = 20 };

void complaint_add(struct complaints *c, uint64_t line, const char *format, ...)
{
	va_list arguments;
	if (++c->count > PRINTED_MAX + 1)
		return;
	progress_clear(c->progress);
	if (c->count == PRINTED_MAX + 1) {
		fprintf(stderr, "trovectl: %s: further ones are only counted\n", c->path);
		return;
	}
	fprintf(stderr, "trovectl: %s:%llu: ", c->path, (unsigned long long)line);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
}
