/*
 * reply_write: one result in each encoding; private to reply.c, which decides
 * what is written and whether it fits. All of these only write into the cursor
 * and keep nothing: what they are given is borrowed for the call.
 */
#ifndef PROTO_REPLY_WRITE_H
#define PROTO_REPLY_WRITE_H

#include "proto/frame.h"
#include "proto/reply.h"

/* The event's id in a result. */
struct result_id {
	bool is_given;
	struct identifier id;
};

/* Why an event was refused. */
struct error {
	status code;
	const char *field, *message; /* "": not told */
	uint32_t retry_after_ms;     /* 0: not told */
	enum cart_state cart_state;
	enum payment_state payment_state;
	struct change_note note; /* seq 0: nothing was written down */
};

/* An error without field and message: what always fits. */
enum {
	JSON_ERROR_BYTES =
		sizeof(",{\"type\":\"error\",\"id\":\"\",\"code\":\"\",\"retry\":\"same_id\",\"retry_after_ms\":,\"state\":\"\",\"seq\":,"
		       "\"replayed\":true}") +
		39 /* id */ + 31 /* code */ + 10 /* milliseconds */ + 31 /* state */ + 20 /* seq */,
	BINARY_ERROR_BYTES = sizeof(struct result_header),
};

void json_result_pong(struct cursor *c, struct result_id id);
void json_result_ok(struct cursor *c, struct result_id id, struct change_note note);
void json_result_claimed(struct cursor *c, struct result_id id, struct change_note note, const struct claimed_record *claimed);
void json_result_product(struct cursor *c, struct result_id id, const struct product_record *product);
/* next is NULL in the answer to a change. */
void json_result_cart(struct cursor *c, struct result_id id, struct change_note note, const struct cart_record *cart,
                      reply_next_line *next, void *context);
void json_result_payment(struct cursor *c, struct result_id id, struct change_note note, const struct payment_record *payment);
void json_result_feed(struct cursor *c, struct result_id id, const struct feed *feed);
void json_result_located(struct cursor *c, struct result_id id, uint64_t count, const struct match *matches,
                         uint32_t match_count);
void json_result_reward(struct cursor *c, struct result_id id, const struct reward_view *reward);
void json_result_error(struct cursor *c, struct result_id id, const struct error *error);

void binary_result_pong(struct cursor *c, struct result_id id);
void binary_result_ok(struct cursor *c, struct result_id id, struct change_note note);
void binary_result_claimed(struct cursor *c, struct result_id id, struct change_note note, const struct claimed_record *claimed);
void binary_result_product(struct cursor *c, struct result_id id, const struct product_record *product);
/* next is NULL in the answer to a change. */
void binary_result_cart(struct cursor *c, struct result_id id, struct change_note note, const struct cart_record *cart,
                      reply_next_line *next, void *context);
void binary_result_payment(struct cursor *c, struct result_id id, struct change_note note, const struct payment_record *payment);
void binary_result_feed(struct cursor *c, struct result_id id, const struct feed *feed);
void binary_result_located(struct cursor *c, struct result_id id, uint64_t count, const struct match *matches,
                         uint32_t match_count);
void binary_result_reward(struct cursor *c, struct result_id id, const struct reward_view *reward);
void binary_result_error(struct cursor *c, struct result_id id, const struct error *error);

#endif
