#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "cmd/troved/take_over.h"

#include "engine/base/clock.h"
#include "engine/base/log.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static const char file_name[] = "take-over.sock", ready[] = "ready\n", refused[] = "refused\n", freed[] = "free\n";

/* Who asks while the main thread is busy waits in line. */
enum { LINE_BYTES = 64, BACKLOG = 32 };

/* A process that is killed closes its sockets one by one, and then it is gone. */
enum { DEATH_MS = 5000 };

void take_over_init(struct take_over *t) { *t = (struct take_over){.directory = -1, .listener = -1, .asker = -1}; }

/* Through the folder's descriptor: its path may be longer than a socket's address. */
static struct sockaddr_un address_in(int directory)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	snprintf(a.sun_path, sizeof a.sun_path, "/proc/self/fd/%d/%s", directory, file_name);
	return a;
}

/* ---- the old one ------------------------------------------------------------------- */

static void say_and_close(int fd, const char *word)
{
	(void)send(fd, word, strlen(word), MSG_NOSIGNAL); /* it may be gone */
	close(fd);
}

static void end(struct take_over *t, const char *word)
{
	if (t->asker >= 0)
		say_and_close(t->asker, word);
	t->asker = -1;
}

static void on_asked(evutil_socket_t listener, short what, void *argument)
{
	(void)what;
	struct take_over *t = argument;
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct ucred peer = {};
	if (fd < 0)
		return;
	(void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &(socklen_t){sizeof peer});
	if (t->asker >= 0 && !take_over_is_asked(t))
		take_over_refuse(t);
	bool is_first = t->asker < 0;
	if (is_first) {
		t->asker = fd;
		t->is_offered = false;
	}
	if (is_first && t->asked(t->context)) {
		log_info("take-over", "process %ld takes over", (long)peer.pid);
		return;
	}
	log_warning("take-over", "process %ld wants to take over, too late", (long)peer.pid);
	if (is_first)
		t->asker = -1;
	say_and_close(fd, refused);
}

static int listen_in(int directory)
{
	struct sockaddr_un address = address_in(directory);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	(void)unlinkat(directory, file_name, 0); /* the journal's lock is ours: so it is a dead one's */
	mode_t before = umask(0177);
	bool is_open = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, BACKLOG) == 0;
	int error = errno;
	umask(before);
	if (!is_open && fd >= 0)
		close(fd);
	errno = error;
	return is_open ? fd : -1;
}

void take_over_listen(struct take_over *t, const char *directory, struct event_base *loop, bool (*asked)(void *context),
                      void *context)
{
	t->asked = asked;
	t->context = context;
	t->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	t->listener = t->directory < 0 ? -1 : listen_in(t->directory);
	t->event = t->listener < 0 ? NULL : event_new(loop, t->listener, EV_READ | EV_PERSIST, on_asked, t);
	if (t->event == NULL || event_add(t->event, NULL) != 0)
		log_warning("take-over", "%s/%s cannot be made: %s; nobody can take over from this process", directory, file_name,
		            strerrordesc_np(errno));
}

/* It has nothing to say now: what can be read is its end. */
bool take_over_is_asked(const struct take_over *t)
{
	struct pollfd p = {.fd = t->asker, .events = POLLIN | POLLRDHUP};
	return t->asker >= 0 && poll(&p, 1, 0) == 0;
}

enum take_over_answer take_over_offer(struct take_over *t)
{
	char answer;
	if (!t->is_offered && t->asker >= 0)
		t->is_offered = send(t->asker, ready, sizeof ready - 1, MSG_NOSIGNAL) == sizeof ready - 1;
	if (!t->is_offered)
		return TAKE_OVER_gone;
	ssize_t n = recv(t->asker, &answer, 1, 0);
	if (n == 1)
		return TAKE_OVER_agreed;
	return n < 0 && errno == EAGAIN ? TAKE_OVER_waits : TAKE_OVER_gone;
}

void take_over_refuse(struct take_over *t) { end(t, refused); }

void take_over_say_closing(struct take_over *t)
{
	if (t->asker >= 0)
		dprintf(t->asker, "closing %" PRId64 "\n", clock_monotonic_ns());
}

void take_over_close(struct take_over *t)
{
	if (t->event != NULL)
		event_free(t->event);
	t->event = NULL;
	if (t->listener >= 0) {
		(void)unlinkat(t->directory, file_name, 0);
		close(t->listener);
	}
	if (t->directory >= 0)
		close(t->directory);
	t->listener = t->directory = -1;
}

void take_over_leave(struct take_over *t) { end(t, freed); }

/* ---- the new one ------------------------------------------------------------------- */

static int connect_in(const char *path)
{
	int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0)
		return -1;
	struct sockaddr_un address = address_in(directory);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
		close(fd);
		fd = -1;
	}
	close(directory);
	return fd;
}

/* Tells of the end of the process that listens; -1: this system cannot. */
static int watch_peer(int fd)
{
	struct ucred peer = {};
#ifdef SO_PEERPIDFD /* also of another container's */
	int watch;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &watch, &(socklen_t){sizeof watch}) == 0)
		return watch;
#endif
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &(socklen_t){sizeof peer}) != 0 || peer.pid <= 0)
		return -1;
	return pidfd_open(peer.pid, 0);
}

/* Then its locks and ports are free. */
static bool has_died(int watch)
{
	int64_t until_ns = clock_monotonic_ns() + DEATH_MS * 1000000ll;
	struct pollfd p = {.fd = watch, .events = POLLIN};
	while (watch >= 0) {
		int64_t left_ms = (until_ns - clock_monotonic_ns()) / 1000000;
		if (left_ms <= 0)
			return false;
		if (poll(&p, 1, (int)left_ms) > 0)
			return true;
	}
	return false;
}

/* Says yes to "ready", and reads up to the end; false: that does not come in time. */
static bool read_all(int fd, char line[LINE_BYTES], int64_t timeout_ms)
{
	int64_t until_ns = clock_monotonic_ns() + timeout_ms * 1000000;
	size_t used = 0;
	bool has_agreed = false;
	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int64_t left_ms = (until_ns - clock_monotonic_ns()) / 1000000;
		if (left_ms <= 0)
			return false;
		if (poll(&p, 1, (int)left_ms) <= 0)
			continue;
		ssize_t n = read(fd, line + used, LINE_BYTES - 1 - used);
		if (n <= 0)
			return true;
		used += (size_t)n;
		if (!has_agreed && strstr(line, ready) != NULL)
			has_agreed = send(fd, "y", 1, MSG_NOSIGNAL) == 1;
	}
}

/* All that the old one had is free, whether it left in good order or died. */
static bool has_left(struct take_over *t, const char *line, int watch)
{
	int64_t end_ns = clock_monotonic_ns();
	bool has_closed = sscanf(line, "ready closing %" SCNd64, &t->closed_ns) == 1;
	if (has_closed && strstr(line, freed) != NULL)
		return true;
	if (strstr(line, refused) != NULL)
		return false;
	if (!has_died(watch))
		return has_closed; /* an older version does not say that all is free */
	if (!has_closed)
		t->closed_ns = end_ns;
	log_warning("take-over", "the old one died%s: a start as after a crash", has_closed ? " while it closed" : "");
	return true;
}

bool take_over_ask(struct take_over *t, const char *directory, int64_t timeout_ms, char text[256])
{
	char line[LINE_BYTES] = "";
	int fd = connect_in(directory);
	if (fd < 0) {
		log_info("take-over", "nobody runs on %s: an ordinary start", directory);
		return true;
	}
	int64_t start_ns = clock_monotonic_ns();
	int watch = watch_peer(fd);
	bool has_ended = read_all(fd, line, timeout_ms);
	bool is_free = has_ended && has_left(t, line, watch);
	if (watch >= 0)
		close(watch);
	close(fd);
	if (is_free)
		log_info("take-over", "the old one has ended, %lld ms after it was asked",
		         (long long)((clock_monotonic_ns() - start_ns) / 1000000));
	else
		snprintf(text, 256, "--take-over: the process that runs on %.150s %s", directory,
		         has_ended ? "goes on, or ends by itself; its log says why" : "does not end");
	return is_free;
}
