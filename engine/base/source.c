#include "engine/base/source.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { BUFFER_BYTES = 256 << 10 };

struct source {
	gzFile file;
	int64_t file_bytes; /* 0: not a plain file */
	bool failed;        /* what would follow is no data */
};

struct source *source_open(const char *path)
{
	struct source *source = malloc(sizeof *source);
	if (source == NULL) {
		errno = ENOMEM;
		return NULL;
	}
	struct stat about;
	errno = 0;
	gzFile file = strcmp(path, "-") == 0 ? gzdopen(dup(STDIN_FILENO), "rb") : gzopen(path, "rb");
	if (file == NULL) {
		if (errno == 0)
			errno = ENOMEM;
		free(source);
		return NULL;
	}
	gzbuffer(file, BUFFER_BYTES);
	int64_t file_bytes = stat(path, &about) == 0 && S_ISREG(about.st_mode) ? about.st_size : 0;
	*source = (struct source){.file = file, .file_bytes = file_bytes};
	return source;
}

void source_free(struct source *source)
{
	if (source != NULL)
		gzclose(source->file);
	free(source);
}

int source_byte(struct source *source) { return source->failed ? -1 : gzgetc(source->file); }

bool source_line(struct source *source, char *bytes, size_t capacity)
{
	return !source->failed && gzgets(source->file, bytes, (int)capacity) != NULL;
}

const char *source_error(struct source *source)
{
	int error;
	const char *text = gzerror(source->file, &error);
	if (source->failed || error == Z_OK || error == Z_STREAM_END)
		return NULL;
	source->failed = true;
	return text;
}

double source_fraction(const struct source *source)
{
	return source->file_bytes == 0 ? -1 : (double)gzoffset(source->file) / (double)source->file_bytes;
}
