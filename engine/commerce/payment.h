/*
 * payment: what a payment is, and which event leads from which state to which.
 *
 * Everything here is a pure function of one record, so the same rules serve payments in the
 * pool (payments.h), closed ones that were read back from elsewhere, and tests.
 *
 * An authorization holds an amount. Of it, parts are captured (taken for good) and parts of that
 * refunded; what is held no more without being captured is voided. Always
 *     0 <= refunded <= captured, captured + voided <= authorized
 * and captured + voided = authorized once nothing is held.
 */
#ifndef ENGINE_COMMERCE_PAYMENT_H
#define ENGINE_COMMERCE_PAYMENT_H

#include "engine/commerce/key.h"
#include "engine/commerce/money.h"
#include "proto/result.h"

#define PAYMENT_EVENT_TABLE(X) X(authorize) X(capture) X(refund) X(void) X(expire)

enum payment_event {
#define X(name) PAYMENT_DO_##name,
	PAYMENT_EVENT_TABLE(X)
#undef X
	PAYMENT_EVENT_COUNT
};

/*
 * The state table. X(state, event, refusal or ok, state if something is left, state if nothing is)
 * What counts as left: after capture the amount that is held; after every other event the
 * amount that can be refunded. A refused cell stays where it is.
 */
#define PAYMENT_TABLE(X) \
	X(none, authorize, ok, authorized, authorized) \
	X(none, capture, not_found, none, none) \
	X(none, refund, not_found, none, none) \
	X(none, void, not_found, none, none) \
	X(none, expire, not_found, none, none) \
	X(authorized, authorize, already_exists, authorized, authorized) \
	X(authorized, capture, ok, partially_captured, captured) \
	X(authorized, refund, invalid_state, authorized, authorized) \
	X(authorized, void, ok, voided, voided) \
	X(authorized, expire, ok, expired, expired) \
	X(partially_captured, authorize, already_exists, partially_captured, partially_captured) \
	X(partially_captured, capture, ok, partially_captured, captured) \
	X(partially_captured, refund, ok, partially_captured, partially_captured) \
	X(partially_captured, void, ok, captured, refunded) \
	X(partially_captured, expire, ok, captured, refunded) \
	X(captured, authorize, already_exists, captured, captured) \
	X(captured, capture, invalid_state, captured, captured) \
	X(captured, refund, ok, captured, refunded) \
	X(captured, void, invalid_state, captured, captured) \
	X(captured, expire, invalid_state, captured, captured) \
	X(refunded, authorize, already_exists, refunded, refunded) \
	X(refunded, capture, invalid_state, refunded, refunded) \
	X(refunded, refund, invalid_state, refunded, refunded) \
	X(refunded, void, invalid_state, refunded, refunded) \
	X(refunded, expire, invalid_state, refunded, refunded) \
	X(voided, authorize, already_exists, voided, voided) \
	X(voided, capture, invalid_state, voided, voided) \
	X(voided, refund, invalid_state, voided, voided) \
	X(voided, void, invalid_state, voided, voided) \
	X(voided, expire, invalid_state, voided, voided) \
	X(expired, authorize, already_exists, expired, expired) \
	X(expired, capture, invalid_state, expired, expired) \
	X(expired, refund, invalid_state, expired, expired) \
	X(expired, void, invalid_state, expired, expired) \
	X(expired, expire, invalid_state, expired, expired)

enum payment_flag : uint8_t {
	PAYMENT_ID_IS_UUID = 1 << 0,
	PAYMENT_ACTOR_IS_UUID = 1 << 1,
	PAYMENT_CART_IS_UUID = 1 << 2,
	PAYMENT_HAS_ACTOR = 1 << 3,
	PAYMENT_HAS_CART = 1 << 4,
};

struct payment {
	struct wire_id id, actor, cart;
	int64_t authorized, captured, refunded, voided;
	uint32_t expires_s; /* Unix seconds; then what is held lapses */
	currency_code currency;
	uint8_t state; /* enum payment_state */
	uint8_t flags;
};
static_assert(sizeof(struct payment) == 88);

/* Instead of an amount: all that is left. Void and expire take nothing else. */
enum : int64_t { PAYMENT_ALL = -1 };

/*
 * Decides what an event makes of a payment (NULL: there is none). For authorize, *after holds
 * ids, currency, expiry and flags already. Refusals in the order of the status table:
 * invalid_field (an amount that cannot be), not_found, already_exists, invalid_state,
 * amount_exceeds, amount_overflow. *after is defined only with STATUS_ok.
 */
status payment_plan(const struct payment *before, enum payment_event event, int64_t amount, struct payment *after);

static inline int64_t payment_held(const struct payment *p) { return p->authorized - p->captured - p->voided; }
static inline int64_t payment_refundable(const struct payment *p) { return p->captured - p->refunded; }

/* Something is held: it can expire. */
static inline bool payment_is_open(const struct payment *p)
{
	return p->state == PAYMENT_authorized || p->state == PAYMENT_partially_captured;
}
/* No event changes it any more. */
static inline bool payment_is_final(const struct payment *p)
{
	return p->state == PAYMENT_refunded || p->state == PAYMENT_voided || p->state == PAYMENT_expired;
}

const char *payment_event_name(enum payment_event event);
/* Amounts and state agree. */
bool payment_is_valid(const struct payment *payment);

#endif
