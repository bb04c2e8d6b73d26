/*
 * client: sends requests to a troved over nng REQ with a fixed number in flight, and
 * hands the replies back in the order of the requests. For trovectl and tests; not
 * part of the service.
 *
 * Thread: one thread calls; nng's own threads move the messages. Memory: slots are
 * made by client_open and are the client's; a reply's bytes hold during the callback; the
 * options are copied, their context stays the caller's until client_close.
 */
#ifndef ENGINE_NET_CLIENT_H
#define ENGINE_NET_CLIENT_H

#include "engine/base/attribute.h"
#include "engine/base/option.h"
#include "engine/base/status.h"

#include <stddef.h>
#include <stdint.h>

struct client;

struct client_reply {
	const void *bytes;   /* NULL: there was none, `error` says why */
	size_t count;
	const char *error;
	uint64_t tag;        /* as given to client_send */
	int64_t sent_ns;     /* monotonic */
	int64_t latency_ns;
};

struct client_options {
	const char *url;
	unsigned in_flight;
	int64_t timeout_ms; /* of reaching the service, and of one request from sending to reply */
	/* When the connection ends in front of a reply the request is sent again over the next one, within timeout_ms: for
	 * those whose changes have ids, which are done once. Else that is an error at once. */
	bool sends_again;
	void (*on_reply)(void *context, const struct client_reply *reply);
	void *context;
};

/* Connects. STATUS_not_found: nobody answers at the url (problem says so). */
status client_open(struct client **client, const struct client_options *options, struct option_problem *problem);
/* Waits for a free slot, which may call on_reply for earlier requests. The bytes are copied. */
[[READS(2, 3)]] void client_send(struct client *client, const void *bytes, size_t count, uint64_t tag);
/* Hands over the replies that come until then (clock_monotonic_ns), and returns not before. A moment that
 * has passed: those that are here already. */
void client_wait_until(struct client *client, int64_t moment_ns);
/* Waits for all replies. */
void client_drain(struct client *client);
/* Drains first. */
void client_close(struct client **client);

#endif
