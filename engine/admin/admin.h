/*
 * admin: HTTP for people on call and for probes, on libevent. Today the observe
 * listener only: GET /livez, /readyz, /metrics, /allocator and
 * /allocator/doctor; it changes nothing.
 *
 * Thread: all of it on the thread that runs the event loop it was given (main).
 * What it shows comes through the functions in admin_sources, so that it knows no
 * other module; they are called on that thread and must not block.
 * Memory: one page buffer of fixed size; connections are libevent's. Borrowed until teardown: the
 * loop and what admin_sources point to; options are read at setup.
 */
#ifndef ENGINE_ADMIN_ADMIN_H
#define ENGINE_ADMIN_ADMIN_H

#include "engine/base/cursor.h"
#include "engine/base/option.h"
#include "engine/base/status.h"
#include "engine/memory/bill.h"

struct event_base;

#define ADMIN_OPTIONS(O) \
	O(text, admin, observe_listen, "observe.listen", "127.0.0.1:9090", 0, 0, "", startup, \
	  "Address and port of the read-only HTTP listener (probes and metrics); empty: none.")

struct admin_options {
	ADMIN_OPTIONS(OPTION_MEMBER)
};

extern const struct option admin_option_rows[];
extern const size_t admin_option_count;

struct admin_sources {
	void *context;
	/* NULL when ready, else a short reason. */
	const char *(*not_ready)(void *context);
	void (*write_metrics)(void *context, struct cursor *out);
	/* JSON; plain sentences. */
	void (*write_allocator)(void *context, struct cursor *out);
	void (*write_doctor)(void *context, struct cursor *out);
};

struct admin;

/* What the listener takes at most. */
void admin_bill(const struct admin_options *options, struct bill *bill);

/* On failure problem names the address and the reason. */
status admin_setup(struct admin **admin, const struct admin_options *options, struct event_base *loop,
                   const struct admin_sources *sources, struct option_problem *problem);
void admin_teardown(struct admin **admin);

#endif
