/*
 * request: reads the events of one message, JSON or binary, one after another.
 *
 * request_open looks at the message as a whole; request_next gives the events in
 * order, each either valid or with its problem. Every value is checked here:
 * types, ranges, unknown and missing fields, coordinates of the configured space,
 * text. What request_next calls good needs no further check of its shape.
 *
 * Memory: the message belongs to the caller and must hold until the last event
 * was used; binary events are read where they lie. JSON is decoded by jansson
 * into the caller's arena, which is full sooner than memory is (then: too_large);
 * request_close gives the arena back to where it was. Nothing else is allocated.
 * Thread: one request is used by one thread; many requests may be open at once on
 * different threads.
 */
#ifndef PROTO_REQUEST_H
#define PROTO_REQUEST_H

#include "engine/base/attribute.h"
#include "engine/base/status.h"
#include "engine/memory/arena.h"
#include "proto/result.h"

struct protocol_limits {
	uint32_t batch_max; /* events in a message */
	bool is_plane;      /* else coordinates are degrees of longitude and latitude */
};

enum encoding { ENCODING_JSON, ENCODING_BINARY };

/* Why an event (or a whole message) was refused. Fixed size, owned by the caller. */
struct problem {
	status status;
	char field[64];    /* as in "rewards" or "box[2]"; empty when none is to blame */
	char message[160]; /* for people: what was wrong and what was expected */
	/* The event's id, as far as it could be read, for the reply. */
	bool has_id;
	struct identifier id;
	/* Binary: the request id of the frame to blame, 0 when unknown. */
	uint64_t frame_request;
	/* Decided by the state: where the object was (0: not told), and, when the refusal was stored under
	 * the event's id, its seq and whether this is the stored one. */
	enum cart_state cart_state;
	enum payment_state payment_state;
	uint64_t seq;
	bool is_replayed;
};

struct request {
	enum encoding encoding;
	bool is_batch;     /* JSON: an array; a single object gets a single object back */
	uint32_t count;    /* events in the message */
	/* Private to proto. */
	const struct protocol_limits *limits;
	struct arena *arena;
	size_t arena_mark;
	const uint8_t *bytes;
	size_t bytes_count;
	size_t at;
	uint32_t index;
	bool needs_writer;
	uint32_t frame_left;
	uint32_t frame_record_bytes;
	uint32_t frame_text_bytes;
	uint64_t frame_request;
	const char *frame_text;
	enum event_type frame_type;
	void *json;
	/* The record and text of the JSON event that was decoded last. */
	alignas(8) uint8_t record[EVENT_RECORD_BYTES_MAX];
	char text[EVENT_TEXT_BYTES_MAX];
};

/*
 * STATUS_ok: request_next gives request->count events. Otherwise problem holds the
 * one error to reply with, encoding says in which form (JSON where it cannot be
 * told), and nothing needs closing.
 */
[[READS(2, 3)]] status request_open(struct request *r, const void *bytes, size_t count, const struct protocol_limits *limits,
                    struct arena *arena, struct problem *problem);

/* Whether any event of the message is a change or a read in order; does not move the request. */
bool request_needs_writer(const struct request *r);

/*
 * The next event. Call exactly count times. STATUS_ok: *event is valid until the
 * next call. Otherwise *problem says why this event is refused; go on with the next.
 */
status request_next(struct request *r, struct event *event, struct problem *problem);

/*
 * What request_next gives after so many more, if it is binary and of the same frame, else NULL. Nobody has checked
 * it yet: for fetching early what it will need.
 */
const struct event_head *request_ahead(const struct request *r, uint32_t events);

void request_close(struct request *r);

#endif
