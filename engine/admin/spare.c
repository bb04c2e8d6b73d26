/*
 * When a process has no descriptors left, accept() fails, and a probe would find nobody at home. So a few are held
 * open on /dev/null, and one is given up for a connection. It comes back by dup3(), which closes the connection and
 * takes its number in one step: no other thread can snatch it then. When it is lent another thread may be faster; what
 * it took is made up for once there are descriptors again.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "engine/admin/inside.h"

#include <fcntl.h>
#include <unistd.h>

void spare_setup(struct spares *s)
{
	*s = (struct spares){.null_fd = open("/dev/null", O_RDWR | O_CLOEXEC)};
	spare_refill(s);
}

void spare_teardown(struct spares *s)
{
	while (s->count > 0)
		close(s->fd[--s->count]);
	if (s->null_fd >= 0)
		close(s->null_fd);
	s->null_fd = -1;
}

bool spare_lend(struct spares *s)
{
	if (s->count == 0)
		return false;
	close(s->fd[--s->count]);
	return true;
}

void spare_take_back(struct spares *s, int fd)
{
	if (s->count < SPARES_MAX && dup3(s->null_fd, fd, O_CLOEXEC) == fd)
		s->fd[s->count++] = fd;
	else
		close(fd);
}

void spare_refill(struct spares *s)
{
	while (s->count < SPARES_MAX && s->null_fd >= 0) {
		int fd = fcntl(s->null_fd, F_DUPFD_CLOEXEC, 0);
		if (fd < 0)
			return;
		s->fd[s->count++] = fd;
	}
}
