/*
 * log: one line an entry on stderr, as text or JSON.
 *
 * The sink is process-wide (with the CPU features the only thing that is). Any
 * thread may log; an entry is one write(2), so lines do not mix. Not for the hot
 * path: it makes a system call. Text stays the caller's and is only read during the call.
 */
#ifndef ENGINE_BASE_LOG_H
#define ENGINE_BASE_LOG_H

enum log_level { LOG_error, LOG_warning, LOG_info, LOG_debug };
enum log_format { LOG_FORMAT_text, LOG_FORMAT_json };

/* May be called again at any time, from any thread. */
void log_setup(enum log_level level, enum log_format format);

/* part names the module ("net", "store"); the text has no line end. */
[[gnu::format(printf, 3, 4)]] void log_write(enum log_level level, const char *part, const char *format, ...);

#define log_error(part, ...) log_write(LOG_error, part, __VA_ARGS__)
#define log_warning(part, ...) log_write(LOG_warning, part, __VA_ARGS__)
#define log_info(part, ...) log_write(LOG_info, part, __VA_ARGS__)
#define log_debug(part, ...) log_write(LOG_debug, part, __VA_ARGS__)

#endif
