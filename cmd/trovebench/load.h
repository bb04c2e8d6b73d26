/*
 * load: requests over nng REQ at full rate (closed loop) or at a given rate (open
 * loop), the same code for whatever answers: one socket, one connection, a context
 * for each request in flight, everything in the library's callbacks. The first 0.2
 * seconds warm up and are not counted.
 */
#ifndef CMD_TROVEBENCH_LOAD_H
#define CMD_TROVEBENCH_LOAD_H

#include "engine/base/histogram.h"

#include <stddef.h>

struct load_message {
	const void *bytes;
	size_t count;
};

struct load_options {
	const char *url;
	const struct load_message *messages; /* sent round robin */
	size_t message_count;
	unsigned in_flight;
	double seconds;
	double rate; /* messages a second; 0: as fast as replies come */
	/* Changes a copy of the message before it is sent, by its number; or NULL. Any thread. */
	void (*prepare)(void *context, void *message, uint64_t number);
	/* Looks at one reply; false counts as an error. NULL: any reply is good. */
	bool (*check)(void *context, const void *reply, size_t count);
	void *context;
};

struct load_result {
	uint64_t replies, errors;
	uint64_t late; /* open loop: sent more than 1 ms after it was due, still measured from then */
	double seconds;
	double rate;
	size_t reply_bytes; /* of the last one */
	struct histogram latency; /* open loop: from when the request was due */
};

/* false: nobody answers at the url, or nothing came back. */
bool load_run(const struct load_options *options, struct load_result *result);

#endif
