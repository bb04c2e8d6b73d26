/* Heads of answers. No banner: who is asked need not say what it is. */
#include "engine/admin/inside.h"

#include "engine/base/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* X(code, reason of RFC 9110) */
#define CODES(X) \
	X(200, "OK") X(202, "Accepted") X(204, "No Content") X(304, "Not Modified") X(400, "Bad Request") \
	X(401, "Unauthorized") X(403, "Forbidden") X(404, "Not Found") X(405, "Method Not Allowed") \
	X(408, "Request Timeout") X(409, "Conflict") X(413, "Content Too Large") X(414, "URI Too Long") \
	X(415, "Unsupported Media Type") X(417, "Expectation Failed") X(422, "Unprocessable Content") \
	X(431, "Request Header Fields Too Large") X(500, "Internal Server Error") \
	X(503, "Service Unavailable") X(505, "HTTP Version Not Supported")

const char *answer_reason(int code)
{
	switch (code) {
#define X(number, reason) \
	case number: \
		return reason;
		CODES(X)
#undef X
	default: return "Unknown";
	}
}

static void write_connection(const struct connection *c, struct cursor *out)
{
	if (c->closes)
		cursor_literal(out, "Connection: close\r\n");
	else if (c->request.parser.http_minor == 0)
		cursor_literal(out, "Connection: keep-alive\r\n");
}

static void count_answer(struct connection *c, int code)
{
	metric_add(&c->admin->metrics.answers[c->listener * CLASS_COUNT + (unsigned)code / 100 - 1], 1);
}

void answer_set(struct connection *c, int code, const char *type, const char *headers, const void *body, size_t bytes)
{
	struct cursor out;
	cursor_init(&out, c->out, sizeof c->out);
	cursor_format(&out, "HTTP/1.1 %d %s\r\nDate: %s\r\n", code, answer_reason(code), server_date(c->admin));
	cursor_format(&out, "Content-Type: %s\r\nContent-Length: %zu\r\n", type, bytes);
	cursor_literal(&out, "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n");
	write_connection(c, &out);
	cursor_format(&out, "%s\r\n", headers);
	CHECK(!out.full, "the head of an answer is too large");
	c->tail = NULL;
	c->tail_bytes = 0;
	if (request_is_head(&c->request))
		bytes = 0;
	if (bytes <= cursor_left(&out)) {
		cursor_bytes(&out, body, bytes);
	} else {
		c->tail = body;
		c->tail_bytes = bytes;
	}
	c->out_bytes = cursor_used(&out);
	c->written = 0;
	count_answer(c, code);
}

static void write_headers(struct connection *c, int code, struct cursor *out)
{
	if (code == 401)
		cursor_literal(out, "WWW-Authenticate: Bearer\r\n");
	if (code == 503)
		cursor_literal(out, "Retry-After: 1\r\n");
	if (code != 405)
		return;
	cursor_literal(out, "Allow: ");
	gate_write_allow(c->admin, c->listener, c->request.path, out);
	cursor_literal(out, "\r\n");
}

void answer_refuse(struct connection *c, int code, const char *sentence)
{
	char headers[256], json[256];
	struct cursor out;
	cursor_init(&out, headers, sizeof headers - 1);
	write_headers(c, code, &out);
	*out.at = '\0';
	int n = snprintf(json, sizeof json, "{\"error\":\"%s\"}\n", sentence);
	answer_set(c, code, "application/json", headers, json, (size_t)n);
}
