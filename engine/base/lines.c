#include "engine/base/lines.h"

#include "engine/base/source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct lines {
	struct source *source;
	uint64_t number;
	size_t capacity;
	char bytes[];
};

struct lines *lines_open(const char *path, size_t line_bytes_max)
{
	/* Room for the line, its end, and the zero byte. */
	struct lines *lines = malloc(sizeof *lines + line_bytes_max + 2);
	if (lines == NULL) {
		errno = ENOMEM;
		return NULL;
	}
	*lines = (struct lines){.source = source_open(path), .capacity = line_bytes_max + 2};
	if (lines->source == NULL) {
		free(lines);
		return NULL;
	}
	return lines;
}

void lines_free(struct lines *lines)
{
	if (lines != NULL)
		source_close(&lines->source);
	free(lines);
}

static void skip_rest(struct lines *lines)
{
	while (source_line(lines->source, lines->bytes, lines->capacity))
		if (strchr(lines->bytes, '\n') != NULL)
			return;
}

enum lines_result lines_next(struct lines *lines, struct line *line, const char **reason)
{
	line->number = ++lines->number;
	if (!source_line(lines->source, lines->bytes, lines->capacity)) {
		*reason = source_error(lines->source);
		return *reason == NULL ? LINES_END : LINES_BAD;
	}
	size_t bytes = strlen(lines->bytes);
	if (bytes + 1 == lines->capacity && lines->bytes[bytes - 1] != '\n') {
		skip_rest(lines);
		*reason = "the line is too long";
		return LINES_BAD;
	}
	while (bytes > 0 && (lines->bytes[bytes - 1] == '\n' || lines->bytes[bytes - 1] == '\r'))
		bytes--;
	lines->bytes[bytes] = '\0';
	line->text = lines->bytes;
	line->bytes = bytes;
	return LINES_LINE;
}

double lines_fraction(const struct lines *lines) { return source_fraction(lines->source); }
