/* cart_inside: what the files of cart share. */
#ifndef ENGINE_COMMERCE_CART_INSIDE_H
#define ENGINE_COMMERCE_CART_INSIDE_H

#include "engine/commerce/cart.h"

/* Twenty lines of a cart. The members up to `discount` count in the first one only. */
struct cart_extent {
	uint32_t next, last; /* SLOT_NONE: none; `last` may be the first itself */
	uint32_t line_count; /* of the cart */
	uint32_t unused;
	int64_t subtotal;
	struct cart_discount discount;
	struct cart_line lines[CART_EXTENT_LINES];
};
static_assert(sizeof(struct cart_extent) <= 1024);

static inline struct cart *cart_at(const struct carts *c, uint32_t slot) { return slots_at(&c->slots, slot); }

static inline struct cart_extent *cart_extent_at(const struct carts *c, uint32_t slot) { return slots_at(&c->extents, slot); }

/* NULL: it has none. */
static inline struct cart_extent *cart_first_extent(const struct carts *c, const struct cart *cart)
{
	return cart->extent == SLOT_NONE ? NULL : cart_extent_at(c, cart->extent);
}

/* SLOT_NONE: there is none. */
uint32_t cart_find(const struct carts *carts, struct wire_id id);
/* The open cart of an id, or why not. */
status cart_find_open(const struct carts *carts, struct identifier id, const struct cart **cart);
/* Gives all extents from this one on back to the pool. */
void cart_give_extents(struct carts *carts, uint32_t extent);
/* A change: its life begins anew. */
void cart_renew(struct cart *cart, int64_t now_ms);
/* Behind the last one of the queue. */
void cart_enqueue(struct carts *carts, struct cart_queue *queue, uint32_t slot);
/* Whether the next line (or the discount) begins an extent. */
/* Takes an extent and hangs it on at the end. */
void cart_add_extent(struct carts *carts, struct cart *cart);
/* A line behind the last one; the subtotal is the caller's. */
void cart_append(struct carts *carts, struct cart *cart, const struct cart_line *line);
status cart_check_line(const struct cart_line *line, const struct cart *cart, currency_code currency);
/* Whether a subtotal fits with a line more. */
status cart_check_subtotal(int64_t subtotal, const struct cart_line *line);
/* Of line_count lines. */
uint32_t cart_extents_for(uint32_t line_count);

#endif
