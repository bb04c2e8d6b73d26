/*
 * The persistent-memory path in the guest: a file on a DAX file system is mapped so that
 * what is flushed from the cache is durable (MAP_SYNC), and holds what was written.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sysexits.h>
#include <unistd.h>

enum { BYTES = 8 << 20 };

static int say(bool is_ok, const char *what, const char *path)
{
	printf("%s %s: %s\n", is_ok ? "ok" : "not ok", what, path);
	return is_ok ? 0 : 1;
}

static uint8_t content(size_t at) { return (uint8_t)(at * 31 + (at >> 12)); }

static int write_content(uint8_t *bytes, const char *path)
{
	for (size_t i = 0; i < BYTES; i++)
		bytes[i] = content(i);
	return say(msync(bytes, BYTES, MS_SYNC) == 0, "written through MAP_SYNC", path);
}

static int read_content(const uint8_t *bytes, const char *path)
{
	size_t wrong = 0;
	for (size_t i = 0; i < BYTES; i++)
		wrong += bytes[i] != content(i);
	return say(wrong == 0, "the content is still there", path);
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: guest_dax write|read|refused FILE\n");
		return EX_USAGE;
	}
	const char *path = argv[2];
	bool is_refused = strcmp(argv[1], "refused") == 0;
	bool is_read = strcmp(argv[1], "read") == 0;
	int fd = open(path, is_read ? O_RDWR : O_RDWR | O_CREAT, 0600);
	if (fd < 0 || (!is_read && ftruncate(fd, BYTES) != 0))
		return say(false, "opened", path);
	void *bytes = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED_VALIDATE | MAP_SYNC, fd, 0);
	close(fd);
	if (is_refused)
		return say(bytes == MAP_FAILED, "no MAP_SYNC without DAX", path);
	if (bytes == MAP_FAILED)
		return say(false, "mapped with MAP_SYNC", path);
	return is_read ? read_content(bytes, path) : write_content(bytes, path);
}
