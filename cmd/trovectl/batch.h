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
		struct product_put_record product_put;
		struct cart_open_record cart_open;
		struct cart_line_record cart_line;
		struct cart_checkout_record cart_checkout;
		struct payment_amount_record payment_amount;
		uint8_t record[EVENT_RECORD_BYTES_MAX];
	};
	uint32_t text_bytes;
	uint32_t attempts;
	uint64_t line;  /* of the file */
	uint64_t tag;   /* the caller's */
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

/* Appends text that a record points to; the caller sees to it that there is room. */
struct wire_text batch_text(struct batch_event *event, const char *text, size_t bytes);
/* How much text a record of that type points into. */
uint32_t batch_text_bytes(enum event_type type, const void *record);

/* The message of all events, one frame for each run of one type. Returns its length; it holds until the
 * batch changes. */
size_t batch_encode(struct batch *b);

#endif
