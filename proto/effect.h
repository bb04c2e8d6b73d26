/*
 * effect: what a change does to the state, decided by a handler's plan and carried out by its
 * apply. The one table of effects, and their fixed layouts.
 *
 * An effect holds everything that apply needs, so that applying it again on the same state gives
 * the same state, and everything that the answer says, so that the answer can be given again. It is
 * the body of a journal record, and behind it stands the event that asked for it, packed
 * (content.h): what was asked and what was done. Effects of time, not of an event, have none.
 *
 * Packed, little-endian. A layout never changes: another one gets another number, and the old one
 * stays readable as long as journals may hold it. It lives in the batch's arena, until that is
 * reset; nobody keeps a pointer to one.
 */
#ifndef PROTO_EFFECT_H
#define PROTO_EFFECT_H

#include "engine/base/cursor.h"
#include "engine/base/status.h"
#include "proto/result.h"

/* X(symbol, number, record) */
#define EFFECT_TABLE(X) \
	X(reward_put, 1, effect_reward_put) \
	X(reward_remove, 2, effect_reward_remove) \
	X(refused, 3, effect_refused) \
	X(claim, 4, effect_claim) \
	X(product_put, 5, effect_product_put) \
	X(product_remove, 6, effect_product_remove) \
	X(cart_open, 7, effect_cart_open) \
	X(cart_line, 8, effect_cart_line) \
	X(cart_apply, 9, effect_cart_apply) \
	X(cart_checkout, 10, effect_cart_checkout) \
	X(cart_expire, 11, effect_cart_expire) \
	X(payment, 12, effect_payment) \
	X(claim_expire, 13, effect_claim_expire)

enum effect_type {
	EFFECT_NONE = 0,
#define X(symbol, number, record) EFFECT_##symbol = number,
	EFFECT_TABLE(X)
#undef X
	EFFECT_TYPE_MAX = 13,
};

struct [[gnu::packed]] effect_head {
	uint32_t bytes;         /* of the effect and the event behind it */
	uint16_t type;          /* enum effect_type */
	uint16_t event_type;    /* enum event_type of what asked for it; EVENT_NONE: time */
	uint32_t request_bytes; /* of the packed event, the last part of `bytes` */
	uint32_t flags;         /* EVENT_*_IS_UUID and EVENT_HAS_* of the event, and enum effect_flag */
	struct wire_id id;      /* the event's */
	int64_t at_ms;          /* when it was planned, Unix; never falls from one effect to the next */
};
static_assert(sizeof(struct effect_head) == 40);
static_assert(offsetof(struct effect_head, type) == 4 && offsetof(struct effect_head, event_type) == 6 &&
              offsetof(struct effect_head, request_bytes) == 8 && offsetof(struct effect_head, flags) == 12 &&
              offsetof(struct effect_head, id) == 16 && offsetof(struct effect_head, at_ms) == 32);

/* Above those of events. */
enum effect_flag : uint32_t {
	EFFECT_CLAIM_IS_UUID = 1 << 16,       /* of the claim that a cart's discount came from */
	EFFECT_EVICTS_CART = 1 << 17,         /* a closed cart leaves to make room: evicted_cart */
	EFFECT_EVICTS_PAYMENT = 1 << 18,      /* a closed payment leaves to make room: evicted_payment */
	EFFECT_RELEASES_CLAIM = 1 << 19,      /* the claim can be used again */
	EFFECT_IS_DEPLETED = 1 << 20,         /* nothing of the reward is left */
};

struct [[gnu::packed]] effect_reward_put {
	struct effect_head head;
	struct wire_id reward;
	double x;
	double y;
	double radius;
	int64_t value;
	int64_t stock;
	int64_t from_ms;
	int64_t until_ms;
	int64_t benefit_value;
	uint32_t per_actor;
	uint8_t benefit_type;
	char benefit_currency[CURRENCY_BYTES];
	uint8_t kind_bytes;
	uint8_t name_bytes;
	char kind[KIND_BYTES_MAX];
	char name[NAME_BYTES_MAX];
};
static_assert(sizeof(struct effect_reward_put) == 288);
static_assert(offsetof(struct effect_reward_put, reward) == 40 && offsetof(struct effect_reward_put, x) == 56 &&
              offsetof(struct effect_reward_put, per_actor) == 120 && offsetof(struct effect_reward_put, kind) == 130 &&
              offsetof(struct effect_reward_put, name) == 161);

struct [[gnu::packed]] effect_reward_remove {
	struct effect_head head;
	struct wire_id reward;
};
static_assert(sizeof(struct effect_reward_remove) == 56);

/* A refusal that is final for its id. */
enum { REFUSAL_FIELD_BYTES = 24, REFUSAL_MESSAGE_BYTES = 160 };
struct [[gnu::packed]] effect_refused {
	struct effect_head head;
	uint16_t code; /* status */
	uint8_t cart_state;
	uint8_t payment_state;
	uint32_t zero;
	char field[REFUSAL_FIELD_BYTES];     /* zero-terminated; empty: none */
	char message[REFUSAL_MESSAGE_BYTES]; /* zero-terminated */
};
static_assert(sizeof(struct effect_refused) == 232);
static_assert(offsetof(struct effect_refused, code) == 40 && offsetof(struct effect_refused, field) == 48 &&
              offsetof(struct effect_refused, message) == 72);

struct [[gnu::packed]] effect_claim {
	struct effect_head head;
	struct claimed_record claimed;
	struct wire_id actor;
	struct wire_id cart; /* with EVENT_HAS_CART: applied to it */
	int64_t benefit_value;
	char benefit_currency[CURRENCY_BYTES];
	uint8_t benefit_type;
	uint32_t zero;
	struct wire_id evicted_cart;
};
static_assert(sizeof(struct effect_claim) == 152);
static_assert(offsetof(struct effect_claim, claimed) == 40 && offsetof(struct effect_claim, actor) == 88 &&
              offsetof(struct effect_claim, cart) == 104 && offsetof(struct effect_claim, benefit_value) == 120 &&
              offsetof(struct effect_claim, benefit_currency) == 128 && offsetof(struct effect_claim, benefit_type) == 131 &&
              offsetof(struct effect_claim, evicted_cart) == 136);

struct [[gnu::packed]] effect_product_put {
	struct effect_head head;
	struct product_record product;
	uint32_t zero;
};
static_assert(sizeof(struct effect_product_put) == 216);

struct [[gnu::packed]] effect_product_remove {
	struct effect_head head;
	uint8_t sku_bytes;
	char sku[SKU_BYTES_MAX];
};
static_assert(sizeof(struct effect_product_remove) == 72);

struct [[gnu::packed]] effect_cart_open {
	struct effect_head head;
	struct cart_record cart; /* as it is then; so in all that follow */
	int64_t ttl_ms;
	struct wire_id evicted_cart;
};
static_assert(sizeof(struct effect_cart_open) == 144);
static_assert(offsetof(struct effect_cart_open, cart) == 40 && offsetof(struct effect_cart_open, ttl_ms) == 120 &&
              offsetof(struct effect_cart_open, evicted_cart) == 128);

/* cart.add, cart.set, cart.remove, told apart by event_type. */
struct [[gnu::packed]] effect_cart_line {
	struct effect_head head;
	struct cart_record cart;
	int64_t unit_price; /* that counts; remove: 0 */
	uint32_t quantity;  /* remove: 0 is all */
	uint8_t sku_bytes;
	char sku[SKU_BYTES_MAX];
	uint32_t zero;
	struct wire_id evicted_cart;
};
static_assert(sizeof(struct effect_cart_line) == 184);
static_assert(offsetof(struct effect_cart_line, unit_price) == 120 && offsetof(struct effect_cart_line, quantity) == 128 &&
              offsetof(struct effect_cart_line, sku_bytes) == 132 && offsetof(struct effect_cart_line, sku) == 133 &&
              offsetof(struct effect_cart_line, evicted_cart) == 168);

struct [[gnu::packed]] effect_cart_apply {
	struct effect_head head;
	struct cart_record cart;
	struct wire_id claim;
	struct wire_id evicted_cart;
};
static_assert(sizeof(struct effect_cart_apply) == 152);
static_assert(offsetof(struct effect_cart_apply, claim) == 120 && offsetof(struct effect_cart_apply, evicted_cart) == 136);

struct [[gnu::packed]] effect_cart_checkout {
	struct effect_head head;
	struct cart_record cart;
	struct payment_record payment;
	struct wire_id evicted_payment;
};
static_assert(sizeof(struct effect_cart_checkout) == 232);
static_assert(offsetof(struct effect_cart_checkout, payment) == 120 &&
              offsetof(struct effect_cart_checkout, evicted_payment) == 216);

struct [[gnu::packed]] effect_cart_expire {
	struct effect_head head;
	struct cart_record cart;
	struct wire_id claim; /* with EFFECT_RELEASES_CLAIM */
};
static_assert(sizeof(struct effect_cart_expire) == 136);

/* authorize, capture, refund, void by event_type; expiry is of time. */
struct [[gnu::packed]] effect_payment {
	struct effect_head head;
	struct payment_record payment;
	int64_t amount; /* by which this event changed it */
	struct wire_id evicted_payment;
};
static_assert(sizeof(struct effect_payment) == 160);
static_assert(offsetof(struct effect_payment, payment) == 40 && offsetof(struct effect_payment, amount) == 136 &&
              offsetof(struct effect_payment, evicted_payment) == 144);

/* Of time: the claim is forgotten. */
struct [[gnu::packed]] effect_claim_expire {
	struct effect_head head; /* EVENT_REWARD_IS_UUID, EFFECT_CLAIM_IS_UUID */
	struct wire_id claim;
	struct wire_id reward;
};
static_assert(sizeof(struct effect_claim_expire) == 72);
static_assert(offsetof(struct effect_claim_expire, claim) == 40 && offsetof(struct effect_claim_expire, reward) == 56);

enum { EFFECT_BYTES_MAX = sizeof(struct effect_reward_put) + EVENT_RECORD_BYTES_MAX + EVENT_TEXT_BYTES_MAX };

/* "cart_line"; NULL for a number that is no type. Static text. */
const char *effect_name(enum effect_type type);

/* Whether the bytes, which may come from a file, are one whole effect: its type known, its lengths right, its
 * event (if any) readable. Then it may be applied. */
bool effect_is_whole(const void *bytes, size_t count);

/* The effect's event, borrowed; false: it has none. The effect is whole. */
bool effect_event(const struct effect_head *effect, struct event *event);

/* ---- publications ---- */

/* X(symbol, topic, made of an effect and so told by feed.read) */
#define TOPIC_TABLE(X) \
	X(reward_claimed, "reward.claimed", true) \
	X(reward_depleted, "reward.depleted", true) \
	X(cart_checked_out, "cart.checked_out", true) \
	X(cart_abandoned, "cart.abandoned", true) \
	X(payment_authorized, "payment.authorized", true) \
	X(payment_captured, "payment.captured", true) \
	X(payment_voided, "payment.voided", true) \
	X(payment_refunded, "payment.refunded", true) \
	X(payment_expired, "payment.expired", true) \
	X(canary_changed, "canary.changed", false) \
	X(service_state, "service.state", false)

enum topic {
#define X(symbol, name, is_of_effect) TOPIC_##symbol,
	TOPIC_TABLE(X)
#undef X
	TOPIC_COUNT
};

/* Static text. */
const char *topic_name(enum topic topic);

enum { PUBLICATIONS_MAX = 2, PUBLICATION_BYTES_MAX = 768 };

/* How many publications an effect makes. */
unsigned effect_publications(const struct effect_head *effect);
enum topic effect_topic(const struct effect_head *effect, unsigned number);
/* Writes the number-th as a JSON object with `type` (the topic), `seq` and `at`; returns its topic, static text. */
const char *effect_publish(const struct effect_head *effect, unsigned number, uint64_t seq, struct cursor *out);

#endif
