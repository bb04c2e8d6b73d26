#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* fopencookie */
#endif
#include "engine/base/kept.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Five of /proc/self, five of the cgroup, and the limits of the groups above it. */
enum { KEPT_MAX = 24, PATH_BYTES = 256 };

struct kept {
	char path[PATH_BYTES];
	int fd;
	pid_t pid; /* whose /proc/self it is */
};

struct stream {
	struct kept *kept;
	off_t at;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct kept table[KEPT_MAX];
static unsigned table_count;

static bool reopen(struct kept *k)
{
	if (k->fd >= 0)
		close(k->fd);
	k->fd = open(k->path, O_RDONLY | O_CLOEXEC);
	k->pid = getpid();
	return k->fd >= 0;
}

static struct kept *find(const char *path)
{
	bool is_kernels = strncmp(path, "/proc/self/", 11) == 0 || strncmp(path, "/sys/", 5) == 0;
	if (!is_kernels || strlen(path) >= PATH_BYTES)
		return NULL;
	for (struct kept *k = table; k < table + table_count; k++)
		if (strcmp(k->path, path) == 0)
			return (k->fd >= 0 && k->pid == getpid()) || reopen(k) ? k : NULL;
	if (table_count == KEPT_MAX)
		return NULL;
	struct kept *k = &table[table_count];
	k->fd = -1;
	memcpy(k->path, path, strlen(path) + 1);
	if (!reopen(k))
		return NULL;
	table_count++;
	return k;
}

static struct kept *find_locked(const char *path)
{
	pthread_mutex_lock(&lock);
	struct kept *k = find(path);
	pthread_mutex_unlock(&lock);
	return k;
}

static ssize_t read_on(void *cookie, char *bytes, size_t capacity)
{
	struct stream *s = cookie;
	pthread_mutex_lock(&lock);
	ssize_t count = pread(s->kept->fd, bytes, capacity, s->at);
	/* A group that went and came again is another one. */
	if (count < 0 && s->at == 0 && reopen(s->kept))
		count = pread(s->kept->fd, bytes, capacity, 0);
	pthread_mutex_unlock(&lock);
	s->at += count > 0 ? count : 0;
	return count;
}

static int forget(void *cookie)
{
	free(cookie);
	return 0;
}

FILE *kept_open(const char *path)
{
	struct kept *k = find_locked(path);
	if (k == NULL)
		return fopen(path, "re");
	struct stream *s = malloc(sizeof *s);
	if (s == NULL)
		return NULL;
	*s = (struct stream){.kept = k};
	FILE *f = fopencookie(s, "r", (cookie_io_functions_t){.read = read_on, .close = forget});
	if (f == NULL)
		free(s);
	return f;
}

int kept_descriptor(const char *path)
{
	const struct kept *k = find_locked(path);
	return k == NULL ? -1 : k->fd;
}
