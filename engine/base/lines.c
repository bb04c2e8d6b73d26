#include "engine/base/lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

struct lines {
	gzFile file;
	int64_t file_bytes; /* 0: not a plain file */
	uint64_t number;
	size_t capacity;
	bool failed;
	char bytes[];
};

struct lines *lines_open(const char *path, size_t line_bytes_max)
{
	errno = 0;
	gzFile file = strcmp(path, "-") == 0 ? gzdopen(dup(STDIN_FILENO), "rb") : gzopen(path, "rb");
	if (file == NULL) {
		if (errno == 0)
			errno = ENOMEM;
		return NULL;
	}
	/* Room for the line, its end, and the zero byte. */
	struct lines *lines = malloc(sizeof *lines + line_bytes_max + 2);
	if (lines == NULL) {
		gzclose(file);
		errno = ENOMEM;
		return NULL;
	}
	struct stat about;
	int64_t file_bytes = stat(path, &about) == 0 && S_ISREG(about.st_mode) ? about.st_size : 0;
	*lines = (struct lines){.file = file, .file_bytes = file_bytes, .capacity = line_bytes_max + 2};
	return lines;
}

void lines_close(struct lines **lines)
{
	if (*lines != NULL)
		gzclose((*lines)->file);
	free(*lines);
	*lines = NULL;
}

static enum lines_result at_end(struct lines *lines, const char **reason)
{
	int error;
	const char *text = gzerror(lines->file, &error);
	if (lines->failed || error == Z_OK || error == Z_STREAM_END)
		return LINES_END;
	lines->failed = true;
	*reason = text;
	return LINES_BAD;
}

static void skip_rest(struct lines *lines)
{
	while (gzgets(lines->file, lines->bytes, (int)lines->capacity) != NULL)
		if (strchr(lines->bytes, '\n') != NULL)
			return;
}

enum lines_result lines_next(struct lines *lines, struct line *line, const char **reason)
{
	line->number = ++lines->number;
	if (lines->failed || gzgets(lines->file, lines->bytes, (int)lines->capacity) == NULL)
		return at_end(lines, reason);
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

double lines_fraction(const struct lines *lines)
{
	return lines->file_bytes == 0 ? -1 : (double)gzoffset(lines->file) / (double)lines->file_bytes;
}
