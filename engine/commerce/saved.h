/*
 * saved: the records in which the content of commerce is saved, byte for byte. README.md lists
 * their order.
 *
 * Little-endian, without gaps, pointers or slots: what points to an object names it by its id or
 * follows it. The format has one version for all; a record of another size or kind is malformed.
 * What is said to be zero is checked. Pure layout, any thread.
 */
#ifndef ENGINE_COMMERCE_SAVED_H
#define ENGINE_COMMERCE_SAVED_H

#include "engine/commerce/idempotency.h"
#include "engine/commerce/product.h"

#include <stddef.h>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "what is saved is little-endian");

enum { SAVED_VERSION = 1 };

/* Numbers of kinds are written: none is used again for something else. */
enum saved_kind : uint32_t {
	SAVED_head = 0x100,
	SAVED_product,
	SAVED_cart,
	SAVED_discount,
	SAVED_line,
	SAVED_payment,
	SAVED_claim,
	SAVED_block,
	SAVED_history, /* closed payments, as a block; no contents, no time */
	SAVED_END,
};

/* How many of each follow, so that an instance that is too small refuses before anything is in it. */
struct saved_head {
	uint32_t version, history; /* blocks of payment_history */
	uint64_t seed; /* of the hashes in remembered entries, of both windows: secret */
	uint32_t products, carts, extents, payments, claims, blocks;
};
static_assert(sizeof(struct saved_head) == 40);
static_assert(offsetof(struct saved_head, history) == 4 && offsetof(struct saved_head, seed) == 8 &&
              offsetof(struct saved_head, products) == 16 &&
              offsetof(struct saved_head, carts) == 20 && offsetof(struct saved_head, extents) == 24 &&
              offsetof(struct saved_head, payments) == 28 && offsetof(struct saved_head, claims) == 32 &&
              offsetof(struct saved_head, blocks) == 36);

struct [[gnu::packed]] saved_product {
	struct sku sku;
	int64_t unit_price;
	currency_code currency;
	uint8_t name_bytes;
	char name[PRODUCT_NAME_BYTES_MAX]; /* the rest is 0 */
	uint8_t zero[6];
};
static_assert(sizeof(struct saved_product) == 176);
static_assert(offsetof(struct saved_product, unit_price) == 32 && offsetof(struct saved_product, currency) == 40 &&
              offsetof(struct saved_product, name_bytes) == 42 && offsetof(struct saved_product, name) == 43 &&
              offsetof(struct saved_product, zero) == 170);

/* The discount follows, if there is one, then the lines in order. */
struct [[gnu::packed]] saved_cart {
	struct wire_id id, actor;
	uint32_t time_s, ttl_s; /* ttl: 0 in a closed one */
	uint32_t lines;
	currency_code currency;
	uint8_t state;
	uint8_t flags; /* enum cart_flag, SAVED_HAS_DISCOUNT */
};
enum { SAVED_HAS_DISCOUNT = 1 << 7 };
static_assert(sizeof(struct saved_cart) == 48);
static_assert(offsetof(struct saved_cart, actor) == 16 && offsetof(struct saved_cart, time_s) == 32 &&
              offsetof(struct saved_cart, ttl_s) == 36 && offsetof(struct saved_cart, lines) == 40 &&
              offsetof(struct saved_cart, currency) == 44 && offsetof(struct saved_cart, state) == 46 &&
              offsetof(struct saved_cart, flags) == 47);

struct [[gnu::packed]] saved_discount {
	struct wire_id claim;
	int64_t value;
	currency_code currency;
	uint8_t type;
	uint8_t claim_is_uuid; /* 0 or 1 */
	uint32_t zero;
};
static_assert(sizeof(struct saved_discount) == 32);
static_assert(offsetof(struct saved_discount, value) == 16 && offsetof(struct saved_discount, currency) == 24 &&
              offsetof(struct saved_discount, type) == 26 && offsetof(struct saved_discount, claim_is_uuid) == 27 &&
              offsetof(struct saved_discount, zero) == 28);

struct [[gnu::packed]] saved_line {
	struct sku sku;
	int64_t unit_price;
	uint32_t quantity, zero;
};
static_assert(sizeof(struct saved_line) == 48);
static_assert(offsetof(struct saved_line, unit_price) == 32 && offsetof(struct saved_line, quantity) == 40 &&
              offsetof(struct saved_line, zero) == 44);

struct [[gnu::packed]] saved_payment {
	struct wire_id id, actor, cart;
	int64_t authorized, captured, refunded, voided;
	uint32_t expires_s;
	currency_code currency;
	uint8_t state, flags;
};
static_assert(sizeof(struct saved_payment) == 88);
static_assert(offsetof(struct saved_payment, actor) == 16 && offsetof(struct saved_payment, cart) == 32 &&
              offsetof(struct saved_payment, authorized) == 48 && offsetof(struct saved_payment, captured) == 56 &&
              offsetof(struct saved_payment, refunded) == 64 && offsetof(struct saved_payment, voided) == 72 &&
              offsetof(struct saved_payment, expires_s) == 80 && offsetof(struct saved_payment, currency) == 84 &&
              offsetof(struct saved_payment, state) == 86 && offsetof(struct saved_payment, flags) == 87);

struct [[gnu::packed]] saved_claim {
	struct wire_id id, actor, reward;
	int64_t benefit_value;
	uint32_t at_s;
	currency_code benefit_currency;
	uint8_t benefit_type, flags;
};
static_assert(sizeof(struct saved_claim) == 64);
static_assert(offsetof(struct saved_claim, actor) == 16 && offsetof(struct saved_claim, reward) == 32 &&
              offsetof(struct saved_claim, benefit_value) == 48 && offsetof(struct saved_claim, at_s) == 56 &&
              offsetof(struct saved_claim, benefit_currency) == 60 && offsetof(struct saved_claim, benefit_type) == 62 &&
              offsetof(struct saved_claim, flags) == 63);

/* Remembered events; entries beyond `used` are zero. */
struct [[gnu::packed]] saved_entry {
	uint32_t key[2], content[2]; /* halves, the low one first */
	uint32_t offset;
};
static_assert(sizeof(struct saved_entry) == 20);
static_assert(offsetof(struct saved_entry, content) == 8 && offsetof(struct saved_entry, offset) == 16);

struct [[gnu::packed]] saved_block {
	uint64_t position;
	uint32_t newest_s, used;
	struct saved_entry entries[IDEMPOTENCY_BLOCK];
};
static_assert(sizeof(struct saved_block) == 1296);
static_assert(offsetof(struct saved_block, newest_s) == 8 && offsetof(struct saved_block, used) == 12 &&
              offsetof(struct saved_block, entries) == 16);

#endif
