/*
 * batch: events on their way into one binary message, with what the caller wants to
 * know of each when its result comes.
 *
 * A batch owns its memory, made once by batch_init. One thread.
 */
#ifndef CMD_TROVECTL_BATCH_H
#define CMD_TROVECTL_BATCH_H

#include "engine/base/cursor.h"
#include "proto/event.h"

enum { BATCH_TEXT_BYTES = 1152 /* of one event, at most */, SOURCE_BYTES = 48 };

struct batch_event {
	enum event_type type;
	union {
		struct event_head head;
		struct ping_record ping;
		struct locate_record locate;
		struct reward_put_record reward_put;
		struct reward_key_record reward_key;
	};
	uint32_t text_bytes;
	uint32_t attempts;
	uint64_t line;  /* of the file */
	int64_t time_ms; /* recorded; 0: none */
	char source[SOURCE_BYTES];
	char text[BATCH_TEXT_BYTES];
};

struct batch {
	struct batch_event *event;
	uint32_t count, capacity;
	uint8_t *bytes; /* of the encoded message */
	size_t bytes_capacity;
};

bool batch_init(struct batch *b, uint32_t capacity);
void batch_deinit(struct batch *b);

/* A place to fill, zeroed but for its text; NULL when the batch is full. */
struct batch_event *batch_add(struct batch *b);

/* The message of all events, one frame for each run of one type. Returns its length; it holds until the
 * batch changes. */
size_t batch_encode(struct batch *b);

#endif
