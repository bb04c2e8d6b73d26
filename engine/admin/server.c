/*
 * The HTTP thread: an event loop, the listening sockets, and a sweep over the connections' deadlines.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "engine/admin/inside.h"

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/base/thread.h"
#include "engine/memory/heap.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SWEEP_MS = 100, ACCEPTS_AT_ONCE = 32 };

const char *server_date(struct admin *admin)
{
	int64_t now_s = clock_unix_ms() / 1000;
	struct tm utc;
	if (now_s != admin->date_s && gmtime_r(&(time_t){now_s}, &utc) != NULL &&
	    strftime(admin->date, sizeof admin->date, "%a, %d %b %Y %H:%M:%S GMT", &utc) != 0)
		admin->date_s = now_s;
	return admin->date;
}

/* ---- accepting ------------------------------------------------------------------------------------ */

/* Sockets that cannot be accepted from stay readable: without a pause the loop would spin. */
static void go_deaf(struct admin *admin)
{
	metric_add(&admin->metrics.drops[DROP_no_descriptor], 1);
	for (unsigned i = 0; i < admin->sockets.count; i++)
		event_del(admin->socket_event[i]);
	admin->is_deaf = true;
}

static void hear_again(struct admin *admin)
{
	for (unsigned i = 0; i < admin->sockets.count; i++)
		event_add(admin->socket_event[i], NULL);
	admin->is_deaf = false;
}

/* The process has no descriptor left: a spare one, or that of the slowest connection. */
static bool find_descriptor(struct admin *admin, enum listener listener, bool *is_on_spare)
{
	struct connection *slowest;
	while (!spare_lend(&admin->spares)) {
		slowest = connection_slowest(admin, listener);
		if (slowest == NULL)
			return false;
		metric_add(&admin->metrics.drops[DROP_crowded], 1);
		*is_on_spare = slowest->is_on_spare;
		connection_close(slowest);
		if (!*is_on_spare)
			return true;
	}
	*is_on_spare = true;
	return true;
}

/* Without descriptors accept4 says so before it looks whether there is anybody. */
static bool somebody_waits(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	return poll(&p, 1, 0) > 0;
}

/* false: nobody else waits, or nobody can be let in. */
static bool accept_one(struct admin *admin, const struct listen_socket *socket)
{
	enum listener listener = (enum listener)socket->kind;
	bool is_on_spare = false;
	for (;;) {
		int fd = accept4(socket->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			connection_open(admin, listener, fd, is_on_spare);
			return true;
		}
		if (errno == EAGAIN)
			return false;
		if (errno == EINTR || errno == ECONNABORTED || errno == EPROTO)
			continue;
		bool is_short = errno == EMFILE || errno == ENFILE;
		if (is_short && !somebody_waits(socket->fd))
			return false;
		if (!is_short || !find_descriptor(admin, listener, &is_on_spare)) {
			go_deaf(admin);
			return false;
		}
	}
}

static void on_knock(evutil_socket_t fd, short what, void *argument)
{
	(void)what;
	struct admin *admin = argument;
	for (unsigned i = 0; i < admin->sockets.count; i++)
		if (admin->sockets.socket[i].fd == (int)fd)
			for (int n = 0; n < ACCEPTS_AT_ONCE && accept_one(admin, &admin->sockets.socket[i]); n++)
				continue;
}

/* ---- the loop --------------------------------------------------------------------------------------- */

static void on_sweep(evutil_socket_t fd, short what, void *argument)
{
	(void)fd;
	(void)what;
	struct admin *admin = argument;
	int64_t now_ns = clock_monotonic_ns();
	/* From the end: the last one takes the place of one that is closed. */
	for (unsigned i = admin->open_count; i > 0; i--)
		connection_expire(admin->open[i - 1], now_ns);
	spare_refill(&admin->spares);
	if (admin->is_deaf)
		hear_again(admin);
}

static void on_answered(evutil_socket_t fd, short what, void *argument)
{
	(void)fd;
	(void)what;
	struct admin *admin = argument;
	desk_collect(admin);
	if (atomic_load_explicit(&admin->is_stopping, memory_order_acquire))
		event_base_loopbreak(admin->loop);
}

static void *run(void *argument)
{
	struct admin *admin = argument;
	thread_name("trove-http");
	(void)thread_ask_short_slices(); /* probes tell the truth under full load, too */
	heap_exempt_thread();
	event_base_dispatch(admin->loop);
	return NULL;
}

static bool add_events(struct admin *admin)
{
	admin->loop = event_base_new();
	if (admin->loop == NULL)
		return false;
	admin->sweep = event_new(admin->loop, -1, EV_PERSIST, on_sweep, admin);
	admin->answered = event_new(admin->loop, admin->desk.answered_fd, EV_READ | EV_PERSIST, on_answered, admin);
	if (admin->sweep == NULL || admin->answered == NULL ||
	    event_add(admin->sweep, &(struct timeval){.tv_usec = SWEEP_MS * 1000}) != 0 || event_add(admin->answered, NULL) != 0)
		return false;
	for (unsigned i = 0; i < admin->sockets.count; i++) {
		struct event *e = event_new(admin->loop, admin->sockets.socket[i].fd, EV_READ | EV_PERSIST, on_knock, admin);
		admin->socket_event[i] = e;
		if (e == NULL || event_add(e, NULL) != 0)
			return false;
	}
	return true;
}

status server_start(struct admin *admin)
{
	sigset_t all, before;
	if (!add_events(admin))
		return STATUS_pool_exhausted;
	/* Signals are main's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	admin->has_thread = pthread_create(&admin->thread, NULL, run, admin) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return admin->has_thread ? STATUS_ok : STATUS_pool_exhausted;
}

void server_stop(struct admin *admin)
{
	atomic_store_explicit(&admin->is_stopping, true, memory_order_release);
	if (admin->has_thread) {
		ssize_t written = write(admin->desk.answered_fd, &(uint64_t){1}, sizeof(uint64_t));
		CHECK(written == sizeof(uint64_t), "the HTTP thread cannot be woken");
		pthread_join(admin->thread, NULL);
		admin->has_thread = false;
	}
	while (admin->open_count > 0)
		connection_close(admin->open[admin->open_count - 1]);
	for (unsigned i = 0; i < LISTEN_SOCKETS_MAX; i++)
		if (admin->socket_event[i] != NULL)
			event_free(admin->socket_event[i]);
	if (admin->sweep != NULL)
		event_free(admin->sweep);
	if (admin->answered != NULL)
		event_free(admin->answered);
	if (admin->loop != NULL)
		event_base_free(admin->loop);
}
