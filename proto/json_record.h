/*
 * json_record: members of JSON objects that results and publications have in common. They follow
 * at least one other member. The record is borrowed for the call; what does not fit sets the
 * cursor's `full`.
 */
#ifndef PROTO_JSON_RECORD_H
#define PROTO_JSON_RECORD_H

#include "engine/base/cursor.h"
#include "proto/result.h"

/* authorized, captured, refunded, voided, currency, and actor and cart where they are known */
void json_record_payment(struct cursor *c, const struct payment_record *payment);
/* total and currency */
void json_record_total(struct cursor *c, const struct cart_record *cart);
void json_record_actor(struct cursor *c, struct wire_id actor, uint32_t flags);

#endif
