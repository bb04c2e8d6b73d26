/*
 * source: the bytes of a file, plain or gzipped, or of standard input. What csv and
 * lines read from, and the one place that sees zlib. One thread at a time.
 */
#ifndef ENGINE_BASE_SOURCE_H
#define ENGINE_BASE_SOURCE_H

#include <stddef.h>

struct source;

/* "-" is standard input. NULL: errno says why the file cannot be opened. */
struct source *source_open(const char *path);
void source_close(struct source **source);

/* The next byte, or -1 at the end. */
int source_byte(struct source *source);
/* At most capacity - 1 bytes, up to and with the line's end, and a zero byte; false at the end. */
bool source_line(struct source *source, char *bytes, size_t capacity);
/* At the end: why the file broke off, told once; NULL for a file that was whole. */
const char *source_error(struct source *source);
/* How much of the file was read, 0 to 1; below 0 where nobody knows (a pipe). */
double source_fraction(const struct source *source);

#endif
