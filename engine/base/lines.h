/*
 * lines: reads a text file line by line, plain or gzipped.
 *
 * Memory: the reader owns its buffer, which is the limit of a line; a line's bytes
 * hold until the next call. One thread at a time.
 */
#ifndef ENGINE_BASE_LINES_H
#define ENGINE_BASE_LINES_H

#include "engine/base/attribute.h"

#include <stddef.h>
#include <stdint.h>

struct lines;

enum lines_result { LINES_LINE, LINES_END, LINES_BAD };

struct line {
	char *text; /* zero-terminated, without its line end */
	size_t bytes;
	uint64_t number; /* from 1 */
};

/* For lines_close. */
void lines_free(struct lines *lines);
/* "-" is standard input. NULL: errno says why the file cannot be opened. The reader is the
 * caller's until lines_close. */
[[OWNED_BY(lines_free), NEEDS(1)]] struct lines *lines_open(const char *path, size_t line_bytes_max);
static inline void lines_close(struct lines **lines)
{
	lines_free(*lines);
	*lines = NULL;
}

/* LINES_BAD: *reason, which holds until lines_close, says what is wrong; line->number says where. A line
 * that is too long is skipped and reading may go on; a file that broke off ends with the next call. */
[[nodiscard, NEEDS(1, 2, 3)]] enum lines_result lines_next(struct lines *lines, struct line *line, const char **reason);
/* How much of the file was read, 0 to 1; below 0 where nobody knows (a pipe). */
double lines_fraction(const struct lines *lines);

#endif
