/* generate ROOT: brings the generated files of the checkout at ROOT up to date. */
#include "proto/generate/generate.h"

#include <stdlib.h>
#include <string.h>

static bool write_file(const char *root, const struct output *o)
{
	char path[512];
	snprintf(path, sizeof path, "%s/%s", root, o->path);
	FILE *out = fopen(path, "wb");
	bool is_good = out != NULL && fwrite(o->text, 1, o->bytes, out) == o->bytes;
	if (out != NULL)
		is_good &= fclose(out) == 0;
	if (!is_good)
		perror(path);
	return is_good;
}

int main(int argc, char **argv)
{
	static struct output outputs[OUTPUTS_MAX];
	bool is_good = true;
	if (argc != 2) {
		fprintf(stderr, "usage: generate ROOT\n");
		return 64;
	}
	size_t count = generate_all(argv[1], outputs);
	for (size_t i = 0; i < count; i++) {
		size_t bytes;
		char *old = generate_read(argv[1], outputs[i].path, &bytes);
		if (old == NULL || bytes != outputs[i].bytes || memcmp(old, outputs[i].text, bytes) != 0) {
			is_good &= write_file(argv[1], &outputs[i]);
			printf("%s\n", outputs[i].path);
		}
		free(old);
		free(outputs[i].text);
	}
	return is_good ? 0 : 1;
}
