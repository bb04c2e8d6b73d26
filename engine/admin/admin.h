/*
 * admin: HTTP for people on call, scrapers and probes, on libevent.
 *
 * Two listeners: observe serves what changes nothing, admin that and the changes. What they serve is the table of
 * routes that main hands over (route.h), and the probes /livez, /readyz and /healthz, which are answered here.
 *
 * Threads: a thread of its own accepts, reads, parses, answers probes and refusals from memory, and writes. Everything
 * else is made on the main thread, into one of a few page buffers that the two hand to each other (desk.h); so no page,
 * slow client or recovery keeps a probe waiting, and main's state needs no lock. Neither thread answers events.
 * set-up, serve, teardown, and the functions of routes: main. The others: any thread.
 * Memory: connections (state, 8 KiB to read, 8 KiB to write) and pages come from two pools, reserved at setup, in the
 * bill and in GET /allocator. Full: the connection that keeps us waiting longest makes room for a new one; without a
 * free page a page is answered 503 with Retry-After.
 * Borrowed until teardown: the account, the routes, their context. Options are copied.
 */
#ifndef ENGINE_ADMIN_ADMIN_H
#define ENGINE_ADMIN_ADMIN_H

#include "engine/admin/metrics.h"
#include "engine/admin/route.h"
#include "engine/base/cursor.h"
#include "engine/base/option.h"
#include "engine/base/status.h"
#include "engine/memory/account.h"
#include "engine/memory/bill.h"

struct event_base;

#define ADMIN_OPTIONS(O) \
	O(list, admin, observe_listen, "observe.listen", "127.0.0.1:9090", 0, 0, "", startup, \
	  "Read-only HTTP (probes, metrics): HOST:PORT or unix:/PATH; empty: none.") \
	O(integer, admin, observe_connections_max, "observe.connections_max", "64", 4, 4096, "", startup, \
	  "Connections to observe.listen; for a further one the one that keeps us waiting longest is closed.") \
	O(integer, admin, pages, "observe.pages", "4", 1, 16, "", startup, \
	  "Answers of up to 256 KiB in work or on their way at once, on both listeners; further ones get 503 and Retry-After.") \
	O(integer, admin, request_timeout_ms, "observe.request_timeout_ms", "5000", 100, 600000, "ms", startup, \
	  "How long a request may take to arrive, and again its answer to be read, on both listeners; then it is closed.") \
	O(integer, admin, idle_timeout_ms, "observe.idle_timeout_ms", "75000", 100, 3600000, "ms", startup, \
	  "How long a connection may stay open between requests, on both listeners; longer than scrapers' intervals.") \
	O(list, admin, admin_listen, "admin.listen", "127.0.0.1:9091", 0, 0, "", startup, \
	  "HTTP that may change something: HOST:PORT or unix:/PATH; empty: none. Beyond this machine only with admin.token.") \
	O(integer, admin, admin_connections_max, "admin.connections_max", "16", 4, 4096, "", startup, \
	  "Connections to admin.listen; for a further one the one that keeps us waiting longest is closed.") \
	O(secret, admin, token, "admin.token", "", 0, 0, "", startup, \
	  "What a change must bring as Authorization: Bearer; better by TROVE_ADMIN_TOKEN than by --set; empty: nothing.")

struct admin_options {
	ADMIN_OPTIONS(OPTION_MEMBER)
	struct account *account; /* where its pools are entered, or NULL */
};

extern const struct option admin_option_rows[];
extern const size_t admin_option_count;

/* Addresses, and a token where one is needed; else problem says what is wrong. */
bool admin_options_agree(const struct admin_options *options, struct option_problem *problem);

/* What the listeners take at most. */
void admin_bill(const struct admin_options *options, struct bill *bill);

/* Why somebody who asks is told 503. X(name, what is said, /readyz, /healthz) */
#define ADMIN_REASONS(X) \
	X(recovering, "recovering", true, true) \
	X(draining, "draining", true, true) \
	X(journal_failed, "the journal takes no changes", false, true) \
	X(stalled, "the main thread does not move", true, true)

enum admin_reason {
#define X(name, text, ready, health) ADMIN_REASON_##name,
	ADMIN_REASONS(X)
#undef X
	ADMIN_REASON_COUNT
};

struct admin;

/* Listens and answers probes from now on; not ready for the reason `recovering`. STATUS_invalid_field: an address
 * that is none; STATUS_internal: the system refuses it; STATUS_pool_exhausted: no memory. problem names it. */
status admin_setup(struct admin **admin, const struct admin_options *options, const struct admin_route *routes,
                   size_t route_count, void *context, struct option_problem *problem);
/* From now on pages are made, by this loop, which is main's; recovering is over. */
status admin_serve(struct admin *admin, struct event_base *loop);
/* Closes everything; the loop is still there. */
void admin_teardown(struct admin **admin);

void admin_set_reason(struct admin *admin, enum admin_reason reason, bool is_so);
/* Main says that it moves, once a second or more often while it serves; else /livez is 503 after 30 s. */
void admin_beat(struct admin *admin);

/* The reasons that hold, as a JSON array. Main. */
void admin_write_reasons(struct admin *admin, struct cursor *out);

#endif
