/*
 * source: the bytes of a file, plain or gzipped, or of standard input. What csv and
 * lines read from. gzip.h is the other direction. One thread at a time.
 */
#ifndef ENGINE_BASE_SOURCE_H
#define ENGINE_BASE_SOURCE_H

#include "engine/base/attribute.h"

#include <stddef.h>

struct source;

/* For source_close. */
void source_free(struct source *source);
/* "-" is standard input. NULL: errno says why the file cannot be opened. The source is the
 * caller's until source_close. */
[[OWNED_BY(source_free), NEEDS(1)]] struct source *source_open(const char *path);
static inline void source_close(struct source **source)
{
	source_free(*source);
	*source = NULL;
}

/* The next byte, or -1 at the end. */
[[NEEDS(1)]] int source_byte(struct source *source);
/* At most capacity - 1 bytes, up to and with the line's end, and a zero byte; false at the end. */
[[NEEDS(1), WRITES(2, 3)]] bool source_line(struct source *source, char *bytes, size_t capacity);
/* At the end: why the file broke off, told once; NULL for a file that was whole. The text is the
 * source's. */
const char *source_error(struct source *source);
/* How much of the file was read, 0 to 1; below 0 where nobody knows (a pipe). */
double source_fraction(const struct source *source);

#endif
