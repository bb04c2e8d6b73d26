/*
 * cart: baskets: a header of 48 bytes each, and lines in extents of 20 from a pool of their own.
 *
 * Most open carts are empty or small, and a million empty ones must be cheap: the first extent
 * is taken with the first line (or the discount), further ones as lines come, as long as the pool
 * has any. Lines stand in the order in which they came; an extent of 1 KiB holds 20. The price of a
 * line is fixed when it is added; the same sku at the same price is one line.
 *
 * Life. An open cart lives for its TTL after its last change, at least. A timer for each cart would
 * cost 8 bytes of links; instead a hand goes over the headers (carts_sweep, a thousand of them
 * in a few microseconds) and names those whose time is over, at most one turn late. Until
 * then such a cart is open, and a change renews it. A cart whose time is over becomes abandoned if
 * it holds lines, else expired. Both, and checked-out ones, are closed: they can be read
 * until their place is needed. Then empty ones go first, they hold nothing that anybody would
 * want to read, and after them the one that was closed first; by the order of closing, which is
 * the order of use up to one turn of the hand. An open cart never leaves; with carts.capacity of
 * those a new one is refused.
 *
 * One thread: the writer. const functions read and decide; the others cannot fail after a
 * positive answer. Pointers to carts and lines hold until the next change.
 */
#ifndef ENGINE_COMMERCE_CART_H
#define ENGINE_COMMERCE_CART_H

#include "engine/commerce/key.h"
#include "engine/commerce/money.h"
#include "engine/commerce/slots.h"
#include "proto/result.h"

enum { CART_EXTENT_LINES = 20 };

enum cart_flag : uint8_t {
	CART_ID_IS_UUID = 1 << 0,
	CART_ACTOR_IS_UUID = 1 << 1,
	CART_HAS_ACTOR = 1 << 2,
};

struct cart {
	struct wire_id id, actor;
	uint32_t time_s; /* Unix seconds: when an open one expires, when a closed one was closed */
	uint32_t extent; /* the first; SLOT_NONE */
	union {
		uint32_t ttl_s; /* open */
		uint32_t next;  /* closed: the one that was closed next */
	};
	currency_code currency;
	uint8_t state; /* enum cart_state */
	uint8_t flags;
};
static_assert(sizeof(struct cart) == 48);

struct cart_line {
	struct sku sku;
	int64_t unit_price;
	uint32_t quantity;
	uint32_t zero;
};
static_assert(sizeof(struct cart_line) == 48);

/* A benefit that a claim brought. */
struct cart_discount {
	struct wire_id claim;
	struct benefit benefit; /* BENEFIT_NONE: there is none */
	bool claim_is_uuid;
};

/* What a cart comes to. */
struct cart_totals {
	int64_t subtotal, discount, total; /* total = subtotal - discount, never below 0 */
	currency_code currency;
	uint32_t line_count;
};

/* A list of closed carts, the first closed first. */
struct cart_queue {
	uint32_t first, last;
};

struct carts {
	struct slots slots, extents;
	struct index by_id;
	uint64_t seed;
	struct cart_queue empty, filled;
	uint32_t lines_max; /* of a cart that is to get a line more; 0: any. Set after the setup; what is there may be longer */
};

status carts_setup(struct carts *carts, uint32_t capacity, uint32_t extents, const struct part_options *options);
void carts_teardown(struct carts *carts);
void carts_bill(struct bill *bill, uint64_t capacity, uint64_t extents);

/* Borrow what opening a cart, and what a change to one, may take. */
status carts_prepare(struct carts *carts);
status carts_prepare_lines(struct carts *carts);

/* ---- reading ---- */

/* NULL: there is none. */
const struct cart *carts_find(const struct carts *carts, struct identifier id);
uint32_t carts_line_count(const struct carts *carts, const struct cart *cart);
void carts_totals(const struct carts *carts, const struct cart *cart, struct cart_totals *totals);
/* Whether it has as many lines as one may have: lines of further skus or prices are refused. */
bool carts_is_at_most(const struct carts *carts, const struct cart *cart);
/* Whether a line more takes an extent. */
bool carts_needs_extent(const struct carts *carts, const struct cart *cart);
/* NULL: none was applied. */
const struct cart_discount *carts_discount(const struct carts *carts, const struct cart *cart);
/* When an open cart expires that is changed now; Unix milliseconds. */
int64_t carts_expiry(const struct cart *cart, int64_t now_ms);
/* The oldest line of a sku, NULL: none. At any price: price is -1. */
const struct cart_line *carts_find_line(const struct carts *carts, const struct cart *cart, const struct sku *sku, int64_t price);

/* All lines in order: for (const struct cart_line *l = cart_first_line(carts, cart, &at); l; l = cart_next_line(carts, &at)) */
struct cart_cursor {
	uint32_t extent, line, left;
};
const struct cart_line *cart_first_line(const struct carts *carts, const struct cart *cart, struct cart_cursor *cursor);
const struct cart_line *cart_next_line(const struct carts *carts, struct cart_cursor *cursor);

/* ---- opening and closing ---- */

struct cart_opening {
	struct identifier cart, actor;
	bool has_actor;
	currency_code currency;
	int64_t ttl_ms;
};
/* STATUS_already_exists, pool_exhausted. victim: who must be evicted before. */
status carts_can_open(const struct carts *carts, const struct cart_opening *opening, struct victim *victim);
void carts_open(struct carts *carts, const struct cart_opening *opening, int64_t now_ms);

/* STATUS_not_found, invalid_state (not open, or without lines). */
status carts_can_check_out(const struct carts *carts, struct identifier id, struct cart_totals *totals);
void carts_check_out(struct carts *carts, struct identifier id, int64_t now_ms);

/* Looks at so many slots from *hand on; the ids of open carts whose time is over. Returns how many. */
uint32_t carts_sweep(const struct carts *carts, uint32_t *hand, int64_t now_ms, uint32_t slots, struct identifier *ids,
                     uint32_t ids_max);
/* Abandoned or expired, as it holds lines or not. The cart is open. */
enum cart_state carts_expire(struct carts *carts, struct identifier id, int64_t now_ms);
/* The victim of a plan. Its header and extent are what comes next out of the pools. */
void carts_evict(struct carts *carts, struct wire_id id);

/* ---- lines and discount; each renews the cart's life ---- */

/*
 * All: STATUS_not_found, invalid_state (not open). Besides:
 * add     more of a sku at a price        currency_mismatch, amount_overflow, pool_exhausted (also by lines_max)
 * set     the cart then holds the sku in one line of this quantity and price; the same refusals
 * remove  0: all of the sku, else so many, the last added first; not_found (the sku), amount_exceeds
 * discount  one for each cart: invalid_state if there is one; currency_mismatch, pool_exhausted
 * STATUS_invalid_field: a quantity of 0, a price or benefit that cannot be.
 */
status carts_can_add(const struct carts *carts, struct identifier id, const struct cart_line *line, currency_code currency,
                     struct victim *victim);
void carts_add(struct carts *carts, struct identifier id, const struct cart_line *line, int64_t now_ms);
status carts_can_set(const struct carts *carts, struct identifier id, const struct cart_line *line, currency_code currency,
                     struct victim *victim);
void carts_set(struct carts *carts, struct identifier id, const struct cart_line *line, int64_t now_ms);
status carts_can_remove(const struct carts *carts, struct identifier id, const struct sku *sku, uint64_t quantity);
void carts_remove(struct carts *carts, struct identifier id, const struct sku *sku, uint64_t quantity, int64_t now_ms);
status carts_can_discount(const struct carts *carts, struct identifier id, const struct benefit *benefit, struct victim *victim);
void carts_apply_discount(struct carts *carts, struct identifier id, const struct cart_discount *discount, int64_t now_ms);

/* What the cart comes to after a change that was allowed. */
void carts_after_add(const struct carts *carts, const struct cart *cart, const struct cart_line *line,
                     struct cart_totals *totals);
void carts_after_set(const struct carts *carts, const struct cart *cart, const struct cart_line *line,
                     struct cart_totals *totals);
void carts_after_remove(const struct carts *carts, const struct cart *cart, const struct sku *sku, uint64_t quantity,
                        struct cart_totals *totals);
void carts_after_discount(const struct carts *carts, const struct cart *cart, const struct benefit *benefit,
                          struct cart_totals *totals);

/* What was saved, into carts where all of it has room (save.h). Closed ones in the order of closing; then the discount,
 * then the lines. *slot: for these. false: it cannot be, nothing was done. */
bool carts_restore(struct carts *carts, const struct cart *cart, uint32_t *slot);
bool carts_restore_discount(struct carts *carts, uint32_t slot, const struct cart_discount *discount);
bool carts_restore_line(struct carts *carts, uint32_t slot, const struct cart_line *line);

/* Calls with every cart: the open ones, then the closed ones of each queue, in the order of closing. */
typedef void cart_visitor(void *context, const struct cart *cart);
void carts_visit(const struct carts *carts, cart_visitor *visit, void *context);

/* Nothing is in it any more; the memory stays. */
void carts_reset(struct carts *carts);

uint64_t carts_digest(const struct carts *carts);
bool carts_are_valid(const struct carts *carts);

#endif
