/*
 * exchange: batches out, results in, for load and replay. While a batch is on its way
 * the next one is filled; results come back in the order of the events.
 *
 * Memory: all batches are made by exchange_open. The callback may read the event and
 * the result while it runs. One thread.
 */
#ifndef CMD_TROVECTL_EXCHANGE_H
#define CMD_TROVECTL_EXCHANGE_H

#include "cmd/trovectl/arguments.h"
#include "cmd/trovectl/batch.h"
#include "engine/net/client.h"
#include "proto/frame.h"

struct exchange_result {
	const struct batch_event *event;
	const struct frame_result *result; /* NULL: there was none, `error` says why */
	const char *error;
};

struct exchange_options {
	const struct settings *settings;
	uint32_t in_flight; /* messages */
	uint32_t batch;     /* events in one */
	void (*on_result)(void *context, const struct exchange_result *result);
	/* Once for each message, before its results: from due_ns to the reply. */
	void (*on_message)(void *context, int64_t latency_ns, uint32_t events);
	void *context;
};

struct exchange {
	struct exchange_options options;
	struct client *client;
	struct batch *batch; /* in_flight + 1 of them, used in turn */
	int64_t *due_ns;
	uint32_t current;
	uint64_t messages;
};

/* A sysexits code; a message is on stderr when it is not 0. */
int exchange_open(struct exchange *x, const struct exchange_options *options);
void exchange_close(struct exchange *x);

/* The batch that is being filled. */
struct batch *exchange_batch(struct exchange *x);
/* Sends it, if there is anything in it. due_ns: when it should have gone out, 0 for now. */
void exchange_send(struct exchange *x, int64_t due_ns);
/* Takes results until that moment of clock_monotonic_ns. */
void exchange_wait_until(struct exchange *x, int64_t moment_ns);
/* Takes the results of all that was sent. */
void exchange_drain(struct exchange *x);

#endif
