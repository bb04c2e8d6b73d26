/*
 * http: requests by hand to a running troved, and what comes back, for tests. A connection reads answers one by one, so
 * that keep-alive and pipelining can be looked at. Failures of the set-up end the test.
 */
#ifndef TESTS_SUPPORT_HTTP_H
#define TESTS_SUPPORT_HTTP_H

#include "tests/support/service.h"

#include <stddef.h>

enum { HTTP_BYTES_MAX = 512 << 10 };

struct http {
	int fd;
	size_t count;      /* bytes read that no answer has taken yet */
	int code;          /* of the last answer; 0: the connection ended instead */
	bool says_close;   /* it had Connection: close */
	size_t body_bytes;
	char head[8192];   /* zero-terminated, as the body */
	char body[HTTP_BYTES_MAX];
	char bytes[HTTP_BYTES_MAX];
};

/* The caller's; http_close gives it back. */
struct http *http_open(uint16_t port);
struct http *http_open_unix(const char *path);
void http_close(struct http **http);

/* false: the peer takes no more. */
bool http_send(struct http *http, const void *bytes, size_t count);
bool http_say(struct http *http, const char *text);
/* Reads one answer; without_body: to HEAD. Returns its code, 0 at the end. "100 Continue" is an answer, too. */
int http_read(struct http *http, bool without_body);
/* Sends and reads. */
int http_ask(struct http *http, const char *text);
/* Value of a header of the last answer, "" without it. The text holds until the next call. */
const char *http_header(struct http *http, const char *name);
/* Whether the peer closes, within 10 s, and sends nothing before it. */
bool http_ends(struct http *http);

#endif
