/*
 * result: what the answers about products, carts, claims and payments hold. The same records
 * stand in binary replies and in effects (so a stored answer is the first one again), and JSON is
 * written from them.
 *
 * Packed, little-endian, any alignment. Text is inline.
 */
#ifndef PROTO_RESULT_H
#define PROTO_RESULT_H

#include "proto/event.h"

/* X(symbol, number on the wire, name) */
#define RESULT_TABLE(X) \
	X(error, 0, "error") \
	X(pong, 1, "pong") \
	X(ok, 2, "ok") \
	X(located, 3, "located") \
	X(reward, 4, "reward") \
	X(claimed, 5, "claimed") \
	X(product, 6, "product") \
	X(cart, 7, "cart") \
	X(payment, 8, "payment") \
	X(feed, 9, "feed")

enum result_type {
#define X(symbol, number, name) RESULT_##symbol = number,
	RESULT_TABLE(X)
#undef X
};

/* Where a cart, and a payment, can be. X(name, text) */
#define CART_STATE_TABLE(X) \
	X(none, "there is none") \
	X(open, "takes lines") \
	X(checked_out, "closed by cart.checkout") \
	X(abandoned, "its time was over, and it held lines") \
	X(expired, "its time was over, and it was empty")

enum cart_state : uint8_t {
#define X(name, text) CART_##name,
	CART_STATE_TABLE(X)
#undef X
	CART_STATE_COUNT
};

#define PAYMENT_STATE_TABLE(X) \
	X(none, "there is none") \
	X(authorized, "the whole amount is held") \
	X(partially_captured, "a part is captured, the rest is still held") \
	X(captured, "nothing is held, and of what was captured something can be refunded") \
	X(refunded, "all that was captured is refunded") \
	X(voided, "released before anything was captured") \
	X(expired, "lapsed before anything was captured")

enum payment_state : uint8_t {
#define X(name, text) PAYMENT_##name,
	PAYMENT_STATE_TABLE(X)
#undef X
	PAYMENT_STATE_COUNT
};

/* "open", "captured"; "none" of a number that is none. Static text. */
const char *cart_state_name(enum cart_state state);
const char *payment_state_name(enum payment_state state);

/* The forms of ids in these records are EVENT_*_IS_UUID, who is there EVENT_HAS_ACTOR and EVENT_HAS_CART. */

struct [[gnu::packed]] claimed_record {
	struct wire_id claim; /* the event's id */
	struct wire_id reward;
	int64_t remaining; /* STOCK_UNLIMITED, or what is left */
	uint32_t flags;
	uint32_t zero;
};
static_assert(sizeof(struct claimed_record) == 48);
static_assert(offsetof(struct claimed_record, reward) == 16 && offsetof(struct claimed_record, remaining) == 32 &&
              offsetof(struct claimed_record, flags) == 40);

struct [[gnu::packed]] product_record {
	int64_t unit_price;
	char currency[CURRENCY_BYTES];
	uint8_t sku_bytes;
	char sku[SKU_BYTES_MAX];
	uint8_t name_bytes; /* 0: no name */
	char name[NAME_BYTES_MAX + 1];
};
static_assert(sizeof(struct product_record) == 172);
static_assert(offsetof(struct product_record, currency) == 8 && offsetof(struct product_record, sku) == 12 &&
              offsetof(struct product_record, name_bytes) == 43 && offsetof(struct product_record, name) == 44);

struct [[gnu::packed]] cart_record {
	struct wire_id cart;
	struct wire_id actor;
	int64_t subtotal;
	int64_t discount;
	int64_t total;      /* subtotal - discount, never below 0 */
	int64_t expires_ms; /* open: Unix milliseconds, if nothing changes until then; else 0 */
	uint32_t line_count;
	uint32_t flags;
	char currency[CURRENCY_BYTES];
	uint8_t state; /* enum cart_state */
	uint32_t zero;
};
static_assert(sizeof(struct cart_record) == 80);
static_assert(offsetof(struct cart_record, actor) == 16 && offsetof(struct cart_record, subtotal) == 32 &&
              offsetof(struct cart_record, total) == 48 && offsetof(struct cart_record, expires_ms) == 56 &&
              offsetof(struct cart_record, line_count) == 64 && offsetof(struct cart_record, flags) == 68 &&
              offsetof(struct cart_record, currency) == 72 && offsetof(struct cart_record, state) == 75);

/* A line of cart.get's answer. */
struct [[gnu::packed]] line_record {
	int64_t unit_price;
	int64_t amount; /* unit_price times quantity */
	uint32_t quantity;
	uint8_t sku_bytes;
	char sku[SKU_BYTES_MAX];
};
static_assert(sizeof(struct line_record) == 52);
static_assert(offsetof(struct line_record, amount) == 8 && offsetof(struct line_record, quantity) == 16 &&
              offsetof(struct line_record, sku_bytes) == 20 && offsetof(struct line_record, sku) == 21);

/* 0 <= refunded <= captured, captured + voided <= authorized */
struct [[gnu::packed]] payment_record {
	struct wire_id payment;
	struct wire_id actor;
	struct wire_id cart;
	int64_t authorized;
	int64_t captured;
	int64_t refunded;
	int64_t voided;
	int64_t expires_ms; /* while something is held: when that lapses; else 0 */
	uint32_t flags;
	char currency[CURRENCY_BYTES];
	uint8_t state; /* enum payment_state */
};
static_assert(sizeof(struct payment_record) == 96);
static_assert(offsetof(struct payment_record, actor) == 16 && offsetof(struct payment_record, cart) == 32 &&
              offsetof(struct payment_record, authorized) == 48 && offsetof(struct payment_record, voided) == 72 &&
              offsetof(struct payment_record, expires_ms) == 80 && offsetof(struct payment_record, flags) == 88 &&
              offsetof(struct payment_record, currency) == 92 && offsetof(struct payment_record, state) == 95);

#endif
