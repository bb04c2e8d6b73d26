/*
 * request: one HTTP/1.0 or 1.1 request out of the bytes of a connection, by llhttp (the parser of Node.js).
 *
 * The bytes are the connection's read buffer. The head must fit into it as a whole: what is found there (path, query,
 * headers) points into it and is zero-terminated in place. The body is copied where the caller wants it, or passed over.
 *
 *   request_begin; then request_feed with all bytes so far, each time more came, until it says something else than
 *   MORE. At HEAD the caller decides on the body (request_take_body, or nothing) and feeds again. At COMPLETE
 *   request->used bytes belong to this request; what follows is the next one's. At BROKEN `code` says what to answer;
 *   the connection is of no use any more.
 *
 * Refused, because others in front of us could read it another way: two lengths, a length with chunks, a bare
 * line feed, blanks before a colon, folded headers, two Host or Authorization headers, none of Host in HTTP/1.1
 * (RFC 9112, sections 2.2, 3.2, 5.1, 6.1 and 11).
 * Thread: one at a time. Allocates nothing. The buffer and the body's room stay the caller's.
 */
#ifndef ENGINE_ADMIN_REQUEST_H
#define ENGINE_ADMIN_REQUEST_H

#include <llhttp.h>
#include <stddef.h>
#include <stdint.h>

enum {
	REQUEST_HEAD_BYTES_MAX = 8 << 10,
	REQUEST_HEADERS_MAX = 64,         /* in a request; browsers send about 20 */
	REQUEST_BODY_BYTES_MAX = 64 << 10, /* taken from the wire; what is kept of it is up to the caller */
};

/* The headers that somebody asks for, kept ready; all others are passed over. At most 16. */
#define REQUEST_HEADER_TABLE(X) \
	X(host, "host") X(authorization, "authorization") X(expect, "expect") X(origin, "origin") X(accept, "accept") \
	X(accept_encoding, "accept-encoding") X(content_type, "content-type") X(content_length, "content-length") \
	X(transfer_encoding, "transfer-encoding") X(user_agent, "user-agent") X(if_none_match, "if-none-match")

enum request_header {
#define X(symbol, name) REQUEST_HEADER_##symbol,
	REQUEST_HEADER_TABLE(X)
#undef X
	REQUEST_HEADER_COUNT
};
static_assert(REQUEST_HEADER_COUNT <= 16);

enum request_progress { REQUEST_MORE, REQUEST_HEAD, REQUEST_COMPLETE, REQUEST_BROKEN };

struct request_span {
	uint16_t start, end; /* in the buffer; both 0: not there */
};

struct request {
	llhttp_t parser;
	char *bytes;
	size_t used; /* of the bytes, by this request */
	uint32_t head_bytes;
	uint16_t header_count;
	uint16_t code;        /* BROKEN: the answer's */
	const char *complaint; /* BROKEN: a sentence, static text */
	struct request_span target, name, value;
	struct request_span header[REQUEST_HEADER_COUNT];
	bool is_head_done, is_complete, keeps_alive, is_value_open;
	/* Behind the head. */
	const char *path, *query; /* decoded nothing; query is "" without one */
	uint64_t body_bytes;      /* so far */
	uint64_t wire_bytes;      /* the same with what chunks cost */
	char *body;               /* NULL: passed over */
	size_t body_room;
};

/* The buffer holds at least REQUEST_HEAD_BYTES_MAX + 1 bytes. */
void request_begin(struct request *r, char *bytes);
/* count: bytes in the buffer, those of before included. */
enum request_progress request_feed(struct request *r, size_t count);
/* At MORE behind a head: the body so far need not stay in the buffer. Returns how many bytes are left there. */
size_t request_drop_body(struct request *r);

/* At HEAD: where the body goes, and how much may come. A longer one breaks the request with 413. */
void request_take_body(struct request *r, char *room, size_t bytes);

/* "GET", "HEAD", ... */
const char *request_method(const struct request *r);
bool request_is_head(const struct request *r);
/* NULL: not there. Zero-terminated, without blanks at either end. After HEAD. */
const char *request_header(const struct request *r, enum request_header which);
/* Whether a body is to come or came. After HEAD. */
bool request_has_body(const struct request *r);
/* Whether the client waits for "100 Continue" before it sends the body. After HEAD. */
bool request_expects_continue(const struct request *r);

#endif
