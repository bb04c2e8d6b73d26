#include "tests/support/http.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct http *open_on(int fd)
{
	struct http *h = calloc(1, sizeof *h);
	assert_non_null(h);
	h->fd = fd;
	return h;
}

struct http *http_open(uint16_t port) { return open_on(service_connect_tcp(port)); }
struct http *http_open_unix(const char *path) { return open_on(service_connect_unix(path)); }

void http_close(struct http **http)
{
	close((*http)->fd);
	free(*http);
	*http = NULL;
}

bool http_send(struct http *h, const void *bytes, size_t count)
{
	for (const char *at = bytes; count > 0;) {
		ssize_t n = send(h->fd, at, count, MSG_NOSIGNAL);
		if (n <= 0)
			return false;
		at += n;
		count -= (size_t)n;
	}
	return true;
}

bool http_say(struct http *h, const char *text) { return http_send(h, text, strlen(text)); }

/* false: the end, or nothing for ten seconds. */
static bool read_more(struct http *h)
{
	assert_true(h->count < sizeof h->bytes - 1);
	ssize_t n = recv(h->fd, h->bytes + h->count, sizeof h->bytes - 1 - h->count, 0);
	if (n <= 0)
		return false;
	h->count += (size_t)n;
	h->bytes[h->count] = '\0';
	return true;
}

static void drop(struct http *h, size_t count)
{
	memmove(h->bytes, h->bytes + count, h->count - count);
	h->count -= count;
	h->bytes[h->count] = '\0';
}

const char *http_header(struct http *h, const char *name)
{
	static char value[1024];
	size_t bytes = strlen(name);
	for (const char *line = strchr(h->head, '\n'); line != NULL; line = strchr(line + 1, '\n'))
		if (strncasecmp(line + 1, name, bytes) == 0 && line[1 + bytes] == ':') {
			const char *at = line + 2 + bytes + strspn(line + 2 + bytes, " ");
			snprintf(value, sizeof value, "%.*s", (int)strcspn(at, "\r\n"), at);
			return value;
		}
	return "";
}

int http_read(struct http *h, bool without_body)
{
	char *end;
	h->code = 0;
	h->body_bytes = 0;
	h->head[0] = h->body[0] = '\0';
	h->bytes[h->count] = '\0';
	while ((end = strstr(h->bytes, "\r\n\r\n")) == NULL)
		if (!read_more(h))
			return 0;
	size_t head = (size_t)(end - h->bytes) + 4;
	assert_true(head < sizeof h->head);
	memcpy(h->head, h->bytes, head);
	h->head[head] = '\0';
	drop(h, head);
	assert_memory_equal(h->head, "HTTP/1.1 ", 9);
	h->code = (int)strtol(h->head + 9, NULL, 10);
	h->says_close = strcasecmp(http_header(h, "Connection"), "close") == 0;
	size_t body = without_body || h->code == 100 ? 0 : strtoul(http_header(h, "Content-Length"), NULL, 10);
	while (h->count < body)
		if (!read_more(h))
			return h->code = 0;
	memcpy(h->body, h->bytes, body);
	h->body[body] = '\0';
	h->body_bytes = body;
	drop(h, body);
	return h->code;
}

int http_ask(struct http *h, const char *text)
{
	bool is_sent = http_say(h, text);
	int code = http_read(h, strncmp(text, "HEAD ", 5) == 0);
	if (!is_sent && code == 0)
		print_message("nothing was taken nor answered\n");
	return code;
}

bool http_ends(struct http *h)
{
	char byte;
	return h->count == 0 && (recv(h->fd, &byte, 1, 0) == 0 || errno == ECONNRESET);
}
