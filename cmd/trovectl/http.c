#include "cmd/trovectl/http.h"

#include "engine/base/clock.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

[[gnu::format(printf, 2, 3)]] static bool fail(struct http_answer *answer, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(answer->problem, sizeof answer->problem, format, arguments);
	va_end(arguments);
	return false;
}

static bool wait_for(int fd, short events, int64_t deadline_ns)
{
	struct pollfd p = {.fd = fd, .events = events};
	for (;;) {
		int64_t left_ms = (deadline_ns - clock_monotonic_ns()) / 1000000;
		int ready = poll(&p, 1, left_ms < 0 ? 0 : (int)left_ms);
		if (ready > 0)
			return true;
		if (ready == 0 || errno != EINTR) {
			errno = ready == 0 ? ETIMEDOUT : errno;
			return false;
		}
	}
}

/* errno tells why it is -1. */
static int connect_to(const struct addrinfo *a, int64_t deadline_ns)
{
	int fd = socket(a->ai_family, a->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, a->ai_protocol);
	if (fd < 0)
		return -1;
	int error = 0;
	socklen_t bytes = sizeof error;
	if (connect(fd, a->ai_addr, a->ai_addrlen) == 0)
		return fd;
	if (errno == EINPROGRESS && wait_for(fd, POLLOUT, deadline_ns) &&
	    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &bytes) == 0 && error == 0)
		return fd;
	error = error != 0 ? error : errno;
	close(fd);
	errno = error;
	return -1;
}

static int open_unix(const char *path, int64_t deadline_ns)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	struct addrinfo one = {
		.ai_family = AF_UNIX, .ai_socktype = SOCK_STREAM, .ai_addr = (struct sockaddr *)&a, .ai_addrlen = sizeof a};
	if (strlen(path) >= sizeof a.sun_path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(a.sun_path, path, strlen(path) + 1);
	return connect_to(&one, deadline_ns);
}

static int open_connection(const char *address, int64_t deadline_ns, struct http_answer *answer)
{
	char host[256];
	if (strncmp(address, "unix:", 5) == 0) {
		int fd = open_unix(address + 5, deadline_ns);
		if (fd < 0)
			fail(answer, "cannot reach %.100s: %s", address, strerror(errno));
		return fd;
	}
	const char *colon = strrchr(address, ':');
	size_t bytes = colon == NULL ? 0 : (size_t)(colon - address);
	bool has_brackets = bytes >= 2 && address[0] == '[' && address[bytes - 1] == ']';
	if (bytes == 0 || bytes >= sizeof host) {
		fail(answer, "'%.100s' is no address; expected HOST:PORT", address);
		return -1;
	}
	snprintf(host, sizeof host, "%.*s", (int)(has_brackets ? bytes - 2 : bytes), address + has_brackets);
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
	int error = getaddrinfo(host, colon + 1, &hints, &found);
	if (error != 0) {
		fail(answer, "%.100s: %s", address, gai_strerror(error));
		return -1;
	}
	int fd = -1;
	for (const struct addrinfo *a = found; a != NULL && fd < 0; a = a->ai_next)
		fd = connect_to(a, deadline_ns);
	if (fd < 0)
		fail(answer, "cannot reach %.100s: %s", address, strerror(errno));
	freeaddrinfo(found);
	return fd;
}

static bool send_all(int fd, const char *text, size_t bytes, int64_t deadline_ns)
{
	while (bytes > 0) {
		ssize_t n = send(fd, text, bytes, MSG_NOSIGNAL);
		if (n > 0) {
			text += n;
			bytes -= (size_t)n;
		} else if (n < 0 && errno != EINTR && (errno != EAGAIN || !wait_for(fd, POLLOUT, deadline_ns))) {
			return false;
		}
	}
	return true;
}

/* Up to the peer's close. */
static bool receive_all(int fd, struct http_answer *answer, size_t *used, int64_t deadline_ns)
{
	for (*used = 0;;) {
		if (*used == HTTP_ANSWER_BYTES_MAX) {
			errno = EFBIG;
			return false;
		}
		ssize_t n = recv(fd, answer->bytes + *used, HTTP_ANSWER_BYTES_MAX - *used, 0);
		if (n == 0)
			return true;
		if (n > 0)
			*used += (size_t)n;
		else if (errno != EINTR && (errno != EAGAIN || !wait_for(fd, POLLIN, deadline_ns)))
			return false;
	}
}

/* "HTTP/1.1 200 OK", headers, an empty line, the body. */
static bool split_answer(struct http_answer *answer)
{
	char *end = strstr(answer->bytes, "\r\n\r\n");
	if (strncmp(answer->bytes, "HTTP/1.", 7) != 0 || end == NULL)
		return false;
	const char *blank = strchr(answer->bytes, ' ');
	answer->code = blank == NULL ? 0 : (int)strtol(blank, NULL, 10);
	answer->body = end + 4;
	return answer->code >= 100 && answer->code <= 599;
}

static bool exchange(const char *address, const char *request, int64_t timeout_ms, struct http_answer *answer)
{
	size_t used = 0;
	int64_t deadline_ns = clock_monotonic_ns() + timeout_ms * 1000000;
	int fd = open_connection(address, deadline_ns, answer);
	if (fd < 0)
		return false;
	bool good = send_all(fd, request, strlen(request), deadline_ns) && receive_all(fd, answer, &used, deadline_ns);
	int error = errno;
	close(fd);
	if (!good)
		return fail(answer, "%.100s: no answer: %s", address, strerror(error));
	answer->bytes[used] = '\0';
	return split_answer(answer) || fail(answer, "%.100s: the answer is not HTTP", address);
}

bool http_get(const char *address, const char *path, int64_t timeout_ms, struct http_answer *answer)
{
	char request[512];
	snprintf(request, sizeof request, "GET %.200s HTTP/1.0\r\nHost: trove\r\nConnection: close\r\n\r\n", path);
	return exchange(address, request, timeout_ms, answer);
}

bool http_post(const char *address, const char *path, const char *token, int64_t timeout_ms, struct http_answer *answer)
{
	char request[768];
	snprintf(request, sizeof request,
	         "POST %.200s HTTP/1.0\r\nHost: trove\r\nContent-Length: 0\r\n%s%.300s%sConnection: close\r\n\r\n", path,
	         token[0] != '\0' ? "Authorization: Bearer " : "", token, token[0] != '\0' ? "\r\n" : "");
	return exchange(address, request, timeout_ms, answer);
}
