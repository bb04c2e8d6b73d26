#include "tests/support/peer.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REQ = 0x30, SUB = 0x21, PATIENCE_S = 20 };

static bool write_all(int fd, const void *bytes, size_t count)
{
	const char *at = bytes;
	while (count > 0) {
		ssize_t n = send(fd, at, count, MSG_NOSIGNAL);
		if (n <= 0)
			return false;
		at += n;
		count -= (size_t)n;
	}
	return true;
}

static bool read_all(int fd, void *bytes, size_t count)
{
	char *at = bytes;
	while (count > 0) {
		ssize_t n = recv(fd, at, count, 0);
		if (n <= 0)
			return false;
		at += n;
		count -= (size_t)n;
	}
	return true;
}

static bool open_as(struct peer *p, uint16_t port, uint8_t protocol)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct timeval patience = {.tv_sec = PATIENCE_S};
	uint8_t hello[8] = {0, 'S', 'P', 0, 0, protocol, 0, 0}, theirs[8];
	int on = 1;
	*p = (struct peer){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
	setsockopt(p->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	setsockopt(p->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (connect(p->fd, (struct sockaddr *)&a, sizeof a) == 0 && write_all(p->fd, hello, sizeof hello) &&
	    read_all(p->fd, theirs, sizeof theirs))
		return true;
	peer_close(p);
	return false;
}

bool peer_open(struct peer *p, uint16_t port) { return open_as(p, port, REQ); }

bool peer_subscribe(struct peer *p, uint16_t port)
{
	bool is_open = open_as(p, port, SUB);
	p->sent = UINT32_MAX; /* what comes has no number */
	return is_open;
}

void peer_close(struct peer *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
}

bool peer_send(struct peer *p, const char *text)
{
	uint8_t head[12] = {};
	size_t count = strlen(text);
	uint64_t bytes = count + 4;
	uint32_t number = ++p->sent | 0x80000000u;
	for (int i = 0; i < 8; i++)
		head[i] = (uint8_t)(bytes >> (56 - 8 * i));
	for (int i = 0; i < 4; i++)
		head[8 + i] = (uint8_t)(number >> (24 - 8 * i));
	return write_all(p->fd, head, sizeof head) && write_all(p->fd, text, count);
}

bool peer_receive(struct peer *p, char *reply, size_t capacity, uint32_t *number)
{
	uint8_t head[12];
	uint64_t bytes = 0;
	size_t extra = p->sent == UINT32_MAX ? 0 : 4;
	if (!read_all(p->fd, head, 8 + extra))
		return false;
	for (int i = 0; i < 8; i++)
		bytes = bytes << 8 | head[i];
	*number = 0;
	for (size_t i = 0; i < extra; i++)
		*number = *number << 8 | head[8 + i];
	*number &= 0x7fffffffu;
	if (bytes < extra || bytes - extra >= capacity)
		return false;
	reply[bytes - extra] = '\0';
	return read_all(p->fd, reply, bytes - extra);
}

bool peer_waits(const struct peer *p, int timeout_ms)
{
	struct pollfd one = {.fd = p->fd, .events = POLLIN};
	return poll(&one, 1, timeout_ms) > 0;
}

bool peer_ask(struct peer *p, const char *text, char *reply, size_t capacity)
{
	uint32_t number = 0;
	reply[0] = '\0';
	return peer_send(p, text) && peer_receive(p, reply, capacity, &number) && number == p->sent;
}

int64_t text_number(const char *text, const char *name)
{
	char wanted[64];
	snprintf(wanted, sizeof wanted, "\"%s\":", name);
	const char *at = strstr(text, wanted);
	return at == NULL ? INT64_MIN : strtoll(at + strlen(wanted), NULL, 10);
}

unsigned text_count(const char *text, const char *what)
{
	unsigned count = 0;
	for (const char *at = text; (at = strstr(at, what)) != NULL; at++)
		count++;
	return count;
}

size_t text_split(char *text, char **item, size_t most)
{
	size_t count = 0;
	unsigned depth = 0;
	bool is_quoted = false;
	for (char *c = text; *c != '\0'; c++) {
		if (*c == '"' && (c == text || c[-1] != '\\'))
			is_quoted = !is_quoted;
		if (is_quoted)
			continue;
		if (*c == '{' && depth++ == 0 && count < most)
			item[count++] = c;
		if (*c == '}' && --depth == 0 && c[1] != '\0')
			*++c = '\0';
	}
	return count;
}
