/*
 * http: one bounded GET from the observe listener, or POST to the admin listener, over HTTP/1.0. Blocking, with one
 * deadline for all of it. The body belongs to the caller.
 */
#ifndef CMD_TROVECTL_HTTP_H
#define CMD_TROVECTL_HTTP_H

#include <stddef.h>
#include <stdint.h>

enum { HTTP_ANSWER_BYTES_MAX = 1 << 20 };

struct http_answer {
	int code;          /* 200, 503 … */
	const char *body;  /* zero-terminated, inside bytes */
	char bytes[HTTP_ANSWER_BYTES_MAX + 1];
	char problem[256]; /* when there was no answer */
};

/* address: HOST:PORT, "[::1]:9090" or unix:/PATH. false: problem says why there is no answer. */
bool http_get(const char *address, const char *path, int64_t timeout_ms, struct http_answer *answer);
/* The same without a body; token: what Authorization brings, "" for none. */
bool http_post(const char *address, const char *path, const char *token, int64_t timeout_ms, struct http_answer *answer);

#endif
