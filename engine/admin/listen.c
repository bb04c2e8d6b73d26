#include "engine/admin/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 256 };

static const char unix_prefix[] = "unix:";

static const char *unix_path(const char *address)
{
	return strncmp(address, unix_prefix, sizeof unix_prefix - 1) == 0 ? address + sizeof unix_prefix - 1 : NULL;
}

/* "127.0.0.1:9090", "[::1]:9090" or "localhost:0" */
static bool split(const char *address, char host[OPTION_TEXT_BYTES], const char **port)
{
	const char *colon = strrchr(address, ':');
	if (colon == NULL || colon == address)
		return false;
	char *end;
	unsigned long number = strtoul(colon + 1, &end, 10);
	if (colon[1] < '0' || colon[1] > '9' || *end != '\0' || number > UINT16_MAX)
		return false;
	size_t bytes = (size_t)(colon - address);
	bool has_brackets = bytes >= 3 && address[0] == '[' && address[bytes - 1] == ']';
	if (!has_brackets && memchr(address, ':', bytes) != NULL)
		return false;
	snprintf(host, OPTION_TEXT_BYTES, "%.*s", (int)(has_brackets ? bytes - 2 : bytes), address + has_brackets);
	*port = colon + 1;
	return true;
}

bool listen_is_address(const char *address)
{
	char host[OPTION_TEXT_BYTES];
	const char *port, *path = unix_path(address);
	if (path == NULL)
		return split(address, host, &port);
	return path[0] == '/' && strlen(path) < sizeof ((struct sockaddr_un *)NULL)->sun_path;
}

static bool is_loopback(const struct sockaddr *a)
{
	if (a->sa_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr) >> 24 == 127;
	if (a->sa_family != AF_INET6)
		return false;
	const struct in6_addr *six = &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr;
	return IN6_IS_ADDR_LOOPBACK(six) || (IN6_IS_ADDR_V4MAPPED(six) && six->s6_addr[12] == 127);
}

bool listen_is_local(const char *address)
{
	char host[OPTION_TEXT_BYTES];
	const char *port;
	if (unix_path(address) != NULL)
		return true;
	if (!split(address, host, &port))
		return false;
	if (strcmp(host, "localhost") == 0)
		return true;
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV}, *found;
	if (getaddrinfo(host, port, &hints, &found) != 0)
		return false;
	bool is_local = is_loopback(found->ai_addr);
	freeaddrinfo(found);
	return is_local;
}

static status fail(struct option_problem *problem, const char *key, const char *address, const char *why)
{
	snprintf(problem->text, sizeof problem->text, "%s: cannot listen on %s: %s", key, address, why);
	return STATUS_internal;
}

/* -1: errno says why. */
static int open_socket(const struct sockaddr *a, socklen_t bytes)
{
	int on = 1, fd = socket(a->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (a->sa_family != AF_UNIX)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(fd, a, bytes) == 0)
		return fd;
	int error = errno;
	close(fd);
	errno = error;
	return -1;
}

/* Whether the file is a socket that nobody listens on. */
static bool is_left_over(const struct sockaddr_un *a)
{
	struct stat about;
	if (lstat(a->sun_path, &about) != 0 || !S_ISSOCK(about.st_mode))
		return false;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	bool is_refused = fd >= 0 && connect(fd, (const struct sockaddr *)a, sizeof *a) != 0 && errno == ECONNREFUSED;
	if (fd >= 0)
		close(fd);
	return is_refused;
}

/* Nobody gets in before listen(), so the file's mode is right from the first connection on. */
static int open_unix(const char *path, unsigned mode)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
	int fd = open_socket((struct sockaddr *)&a, sizeof a);
	if (fd < 0 && errno == EADDRINUSE && is_left_over(&a) && unlink(path) == 0)
		fd = open_socket((struct sockaddr *)&a, sizeof a);
	if (fd < 0 || (chmod(path, mode) == 0 && listen(fd, BACKLOG) == 0))
		return fd;
	int error = errno;
	close(fd);
	unlink(path);
	errno = error;
	return -1;
}

static bool add(struct listen_sockets *s, int fd, unsigned kind, const char *path)
{
	if (s->count == LISTEN_SOCKETS_MAX)
		return false;
	struct listen_socket *one = &s->socket[s->count++];
	*one = (struct listen_socket){.fd = fd, .kind = kind};
	snprintf(one->path, sizeof one->path, "%s", path);
	return true;
}

static status open_all(struct listen_sockets *s, const char *key, const char *address, unsigned kind, bool needs_local,
                       const struct addrinfo *found, struct option_problem *problem)
{
	for (const struct addrinfo *a = found; a != NULL; a = a->ai_next) {
		if (needs_local && !is_loopback(a->ai_addr))
			return fail(problem, key, address, "it is reached from other machines, and there is no admin.token");
		int fd = open_socket(a->ai_addr, a->ai_addrlen);
		/* A machine without IPv6 has a name for ::1 all the same. */
		if (fd < 0 && a != found && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL))
			continue;
		bool is_open = fd >= 0 && listen(fd, BACKLOG) == 0;
		int error = errno;
		if (is_open && add(s, fd, kind, ""))
			continue;
		if (fd >= 0)
			close(fd);
		return fail(problem, key, address, is_open ? "there are too many listeners" : strerror(error));
	}
	return STATUS_ok;
}

status listen_open(struct listen_sockets *sockets, const char *key, const char *address, unsigned kind, bool needs_local,
                   unsigned mode, struct option_problem *problem)
{
	char host[OPTION_TEXT_BYTES];
	const char *port, *path = unix_path(address);
	if (path != NULL) {
		int fd = open_unix(path, mode);
		if (fd < 0)
			return fail(problem, key, address, strerror(errno));
		if (add(sockets, fd, kind, path))
			return STATUS_ok;
		close(fd);
		unlink(path);
		return fail(problem, key, address, "there are too many listeners");
	}
	if (!split(address, host, &port))
		return fail(problem, key, address, "it is no address");
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found;
	int error = getaddrinfo(host, port, &hints, &found);
	if (error != 0)
		return fail(problem, key, address, gai_strerror(error));
	status s = open_all(sockets, key, address, kind, needs_local, found, problem);
	freeaddrinfo(found);
	return s;
}

void listen_close(struct listen_sockets *sockets)
{
	for (unsigned i = 0; i < sockets->count; i++) {
		struct listen_socket *one = &sockets->socket[i];
		if (one->path[0] != '\0')
			unlink(one->path);
		close(one->fd);
	}
	sockets->count = 0;
}
