/*
 * http: one bounded GET from the observe listener, over HTTP/1.0. Blocking, with one
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

/* address: HOST:PORT, "[::1]:9090" too. false: problem says why there is no answer. */
bool http_get(const char *address, const char *path, int64_t timeout_ms, struct http_answer *answer);

#endif
