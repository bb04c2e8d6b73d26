/*
 * Loaded before a troved by LD_PRELOAD: what a bad disk and a bad clock do. Files in the folder TROVE_FAULTS switch it:
 *   sync    fsync, fdatasync and msync fail with EIO
 *   slow    they take as many milliseconds longer as stand in it, or until it is gone
 *   read    pread fails with EIO
 *   write   pwrite fails with EIO
 *           In sync, slow and read a word may be followed by the end of a path: then it is fsync and pread of such files.
 *   clock   CLOCK_REALTIME is off by so many milliseconds as stand in it
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define VISIBLE [[gnu::visibility("default")]]

static bool is_on(const char *name)
{
	char path[512];
	const char *folder = getenv("TROVE_FAULTS");
	if (folder == NULL)
		return false;
	snprintf(path, sizeof path, "%s/%s", folder, name);
	return access(path, F_OK) == 0;
}

static void *next(const char *name) { return dlsym(RTLD_NEXT, name); }

static int fail(void)
{
	errno = EIO;
	return -1;
}

enum { SWITCH_BYTES = 512 };

static void read_switch(const char *name, char text[SWITCH_BYTES])
{
	char path[512];
	const char *folder = getenv("TROVE_FAULTS");
	text[0] = '\0';
	snprintf(path, sizeof path, "%s/%s", folder != NULL ? folder : "", name);
	int fd = folder == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, SWITCH_BYTES - 1) : 0;
	text[n > 0 ? n : 0] = '\0';
	if (fd >= 0)
		close(fd);
}

/* The number that stands in the file; 0: there is none. */
static int64_t number_in(const char *name)
{
	char text[SWITCH_BYTES];
	read_switch(name, text);
	return strtoll(text, NULL, 10);
}

/* Whether what stands in the file speaks of this one. fd -1: memory. */
static bool is_meant(const char *name, int fd)
{
	char text[SWITCH_BYTES], link[64], path[SWITCH_BYTES];
	read_switch(name, text);
	const char *end = strchr(text, ' ');
	if (end++ == NULL)
		return true;
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, sizeof path - 1);
	path[n > 0 ? n : 0] = '\0';
	size_t bytes = strlen(path), wanted = strlen(end);
	return bytes >= wanted && strcmp(path + bytes - wanted, end) == 0;
}

static bool is_of_files(const char *name)
{
	char text[SWITCH_BYTES];
	read_switch(name, text);
	return strchr(text, ' ') != NULL;
}

static void wait_as_slow(int fd)
{
	for (int64_t slept = 0; slept < number_in("slow") && is_meant("slow", fd); slept += 5)
		nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
}

static bool sync_fails(int fd)
{
	wait_as_slow(fd);
	return is_on("sync") && is_meant("sync", fd);
}

VISIBLE int fsync(int fd) { return sync_fails(fd) ? fail() : ((int (*)(int))next("fsync"))(fd); }
VISIBLE int fdatasync(int fd) { return sync_fails(fd) ? fail() : ((int (*)(int))next("fdatasync"))(fd); }
VISIBLE int msync(void *at, size_t bytes, int flags)
{
	return sync_fails(-1) ? fail() : ((int (*)(void *, size_t, int))next("msync"))(at, bytes, flags);
}

typedef ssize_t read_at(int, void *, size_t, off_t);
VISIBLE ssize_t pread(int fd, void *bytes, size_t count, off_t at)
{
	if (is_of_files("slow"))
		wait_as_slow(fd);
	return is_on("read") && is_meant("read", fd) ? fail() : ((read_at *)next("pread"))(fd, bytes, count, at);
}
VISIBLE ssize_t pread64(int fd, void *bytes, size_t count, off_t at) { return pread(fd, bytes, count, at); }

typedef ssize_t write_at(int, const void *, size_t, off_t);
VISIBLE ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at)
{
	return is_on("write") ? fail() : ((write_at *)next("pwrite"))(fd, bytes, count, at);
}
VISIBLE ssize_t pwrite64(int fd, const void *bytes, size_t count, off_t at) { return pwrite(fd, bytes, count, at); }

/* Read again every few milliseconds. */
static int64_t offset_ms(int64_t now_ms)
{
	static _Atomic int64_t offset, looked_ms;
	if (getenv("TROVE_FAULTS") == NULL || now_ms - looked_ms < 5)
		return offset;
	looked_ms = now_ms;
	offset = number_in("clock");
	return offset;
}

VISIBLE int clock_gettime(clockid_t clock, struct timespec *time)
{
	int code = (int)syscall(SYS_clock_gettime, clock, time);
	if (code != 0 || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE))
		return code;
	struct timespec steady;
	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &steady);
	int64_t ms = offset_ms((int64_t)steady.tv_sec * 1000 + steady.tv_nsec / 1000000);
	int64_t ns = time->tv_nsec + ms % 1000 * 1000000 + 1000000000;
	time->tv_sec += ms / 1000 - 1 + ns / 1000000000;
	time->tv_nsec = ns % 1000000000;
	return 0;
}
