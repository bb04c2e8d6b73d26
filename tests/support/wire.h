/*
 * wire: what the tests of proto share: one opened message at a time, replies as
 * text, events as JSON and as records.
 */
#ifndef TESTS_SUPPORT_WIRE_H
#define TESTS_SUPPORT_WIRE_H

#include "engine/base/cursor.h"
#include "engine/base/random.h"
#include "proto/frame.h"
#include "proto/reply.h"
#include "proto/request.h"

enum { WIRE_REPLY_BYTES = 1 << 20, WIRE_BATCH_MAX = 4096 };

struct wire {
	struct arena arena;
	struct protocol_limits limits;
	struct request request;
	struct problem problem;
	struct event event;
	char reply[WIRE_REPLY_BYTES + 1];
	size_t reply_bytes;
};

/* Heap object with an arena of its own; fails the test when memory is short. */
struct wire *wire_create(bool is_plane);
void wire_destroy(struct wire **w);

/* Opens, decodes and answers the whole message the way a service with no rewards
 * would: pong, nothing located, not_found; all else as wire_result does. The reply is left in
 * w->reply, zero-terminated. */
void wire_answer(struct wire *w, const void *message, size_t bytes);

/* A good result of the event's, with seq 1 and always the same values. */
void wire_result(struct reply *p, const struct event *event);

/* A record with its own text: what decoding one event came to. */
struct wire_event {
	enum event_type type;
	uint8_t record[EVENT_RECORD_BYTES_MAX];
	char text[1200];
	uint32_t text_bytes;
};

/* A random valid event of the configured space. */
void wire_random_event(struct random *random, bool is_plane, struct wire_event *e);
void wire_random_event_of(struct random *random, enum event_type type, bool is_plane, struct wire_event *e);
/* Borrows e. */
struct event wire_event_view(const struct wire_event *e);
/* The same event as a JSON object. */
void wire_event_json(const struct wire_event *e, struct cursor *out);
/* Whether two events mean the same: equal records but for where their texts stand, equal texts. */
bool wire_event_equal(enum event_type type, const void *a, const char *a_text, const void *b, const char *b_text);

#endif
