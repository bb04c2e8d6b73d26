/*
 * route: what HTTP answers, as a table. Whoever shows something adds a row:
 *
 *   {"GET", "/latency", ADMIN_BOTH, write_latency}
 *
 * GET serves HEAD, too. A row with ADMIN_CHANGES is served by the admin listener alone, to those who have the token.
 *
 * Threads: `run` is called on the main thread, so it may look at everything that main may; it must not block, for as long
 * as it takes no other page is made (probes are answered by another thread meanwhile).
 * Memory: it writes into answer->body, a page buffer of ADMIN_PAGE_BYTES that is lent for this one answer; or it points
 * `constant` to bytes that stay (an embedded page). The request's text belongs to the connection and holds during the call.
 */
#ifndef ENGINE_ADMIN_ROUTE_H
#define ENGINE_ADMIN_ROUTE_H

#include "engine/base/cursor.h"
#include "engine/base/status.h"

#include <stddef.h>

enum { ADMIN_PAGE_BYTES = 256 << 10 };

/* Who serves a row. EARLY: both, and while the service recovers as it was made before; so it must do without what is set
 * up later, and its headers and constants must stay. */
enum admin_rows { ADMIN_BOTH, ADMIN_EARLY, ADMIN_CHANGES };

struct admin_request {
	const char *method, *path;
	const char *query;  /* behind the '?', as it came; "" without one */
	const char *accept; /* the header; "" without one */
	const char *body;   /* zero-terminated; "" without one */
	size_t body_bytes;
};

/* As it is when `run` is called: 200, application/json, no headers, an empty body. A body that does not fit is
 * answered with 500. */
struct admin_answer {
	int code;
	const char *type;    /* Content-Type; static text */
	const char *headers; /* further ones, each with its "\r\n"; static text */
	struct cursor body;
	const void *constant; /* instead of the body; NULL: the body counts */
	size_t constant_bytes;
};

struct admin_route {
	const char *method; /* "GET", "POST" or "PUT" */
	const char *path;
	enum admin_rows rows;
	void (*run)(void *context, const struct admin_request *request, struct admin_answer *answer);
};

/* A value of the query ("p=99&stage=plan"), with %XX and + decoded. STATUS_not_found: it is not there;
 * STATUS_invalid_field: longer than the room, or wrongly encoded. value is "" then. */
status admin_query(const struct admin_request *request, const char *name, char *value, size_t capacity);

/* A code other than 200 with a sentence as JSON. */
void admin_refuse(struct admin_answer *answer, int code, const char *sentence);

#endif
