/*
 * reply: writes the results of one message in the encoding in which it came, one
 * per event, in order, straight into the caller's bytes.
 *
 * A result that does not fit is replaced by a too_large error for that event; room
 * for the errors of all the events that are still to come is kept back, so a reply
 * always has one result per event. Nothing is allocated. One thread at a time.
 */
#ifndef PROTO_REPLY_H
#define PROTO_REPLY_H

#include "engine/base/attribute.h"
#include "engine/base/cursor.h"
#include "proto/request.h"
#include "proto/result.h"

/* A reward as it stands in a located result. */
struct match {
	struct identifier reward;
	double distance;     /* geo: metres */
	int64_t value;
	int64_t remaining;   /* STOCK_UNLIMITED, or what is left */
	const char *kind;    /* zero-terminated; the caller's, during the call */
};

/* A reward in full, for reward.get. Text is zero-terminated and the caller's. */
struct reward_view {
	struct identifier reward;
	double x, y, radius;
	int64_t value, stock, remaining, from_ms, until_ms, benefit_value;
	uint32_t per_actor;
	enum benefit_type benefit_type;
	char benefit_currency[CURRENCY_BYTES + 1];
	const char *kind;
	const char *name; /* "" for none */
};

struct reply {
	struct cursor out;
	enum encoding encoding;
	bool is_batch;
	uint32_t count;   /* results that the message must have */
	uint32_t written;
	/* Private to proto. */
	size_t frame_start;
	uint32_t frame_count;
	enum event_type frame_type;
	const uint8_t *message; /* binary: the request, whose frame headers are answered */
	size_t message_at;
};

/* Room that a reply needs for the worst case of every event refused; a buffer of at
 * least this is required by reply_open. */
size_t reply_bytes_least(uint32_t batch_max);

/* After request_open succeeded. Message and bytes stay the caller's and must hold until reply_close. */
[[WRITES(3, 4)]] void reply_open(struct reply *p, const struct request *r, void *bytes, size_t capacity);

/* Exactly one of these for each event, in order. `event` is the event answered. */
void reply_pong(struct reply *p, const struct event *event);
/* What the answer to a change says about it. */
struct change_note {
	uint64_t seq;     /* 0: of a read, which has none */
	bool is_replayed; /* the stored answer of an earlier event with this id */
};
void reply_ok(struct reply *p, const struct event *event, struct change_note note);
void reply_claimed(struct reply *p, const struct event *event, struct change_note note, const struct claimed_record *claimed);
void reply_product(struct reply *p, const struct event *event, const struct product_record *product);
void reply_payment(struct reply *p, const struct event *event, struct change_note note, const struct payment_record *payment);
/* The answer to a change of a cart has no lines: it is stored under the event's id, and a basket of a
 * thousand lines would make each further one carry them all. */
void reply_cart(struct reply *p, const struct event *event, struct change_note note, const struct cart_record *cart);
/* Fills in the next line; false: there is none. */
typedef bool reply_next_line(void *context, struct line_record *line);
void reply_cart_lines(struct reply *p, const struct event *event, const struct cart_record *cart, reply_next_line *next,
                      void *context);
/* Publications as JSON objects, a line end behind each. `last`: read on behind that seq. */
struct feed {
	const char *lines;
	size_t bytes;
	uint32_t count;
	uint64_t last;
	bool has_more;
};
void reply_feed(struct reply *p, const struct event *event, const struct feed *feed);
void reply_located(struct reply *p, const struct event *event, uint64_t count, const struct match *matches,
                   uint32_t match_count);
void reply_reward(struct reply *p, const struct event *event, const struct reward_view *reward);
/* For an event that could not be decoded, or was refused. retry_after_ms is told for
 * overloaded (0: not told). */
void reply_problem(struct reply *p, const struct problem *problem, uint32_t retry_after_ms);

/* The finished reply's length. */
size_t reply_close(struct reply *p);

/* The whole reply to a message that request_open refused. Returns its length. */
[[WRITES(4, 5)]] size_t reply_refusal(enum encoding encoding, const struct problem *problem, uint32_t retry_after_ms, void *bytes,
                     size_t capacity);

#endif
