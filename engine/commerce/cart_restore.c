/* Carts from what was saved: the same objects, checked, in slots of their own. */
#include "engine/commerce/cart.h"
#include "engine/commerce/cart_inside.h"

enum { FLAGS_ALL = CART_ID_IS_UUID | CART_ACTOR_IS_UUID | CART_HAS_ACTOR };

static bool is_possible(const struct cart *cart)
{
	bool has_no_actor = cart->actor.low == 0 && cart->actor.high == 0 && !(cart->flags & CART_ACTOR_IS_UUID);
	bool is_closed = cart->state == CART_checked_out || cart->state == CART_abandoned || cart->state == CART_expired;
	return (is_closed ? cart->ttl_s == 0 : cart->state == CART_open && cart->ttl_s > 0) && !(cart->flags & ~FLAGS_ALL) &&
	       ((cart->flags & CART_HAS_ACTOR) || has_no_actor) && currency_is_sound(cart->currency);
}

bool carts_restore(struct carts *c, const struct cart *cart, uint32_t *slot)
{
	if (!is_possible(cart) || cart_find(c, cart->id) != SLOT_NONE)
		return false;
	*slot = slots_take(&c->slots);
	struct cart *own = cart_at(c, *slot);
	*own = *cart;
	own->extent = SLOT_NONE;
	index_insert(&c->by_id, id_hash(own->id, c->seed), *slot);
	if (own->state != CART_open)
		cart_enqueue(c, own->state == CART_expired ? &c->empty : &c->filled, *slot);
	return true;
}

bool carts_restore_discount(struct carts *c, uint32_t slot, const struct cart_discount *discount)
{
	struct cart *cart = cart_at(c, slot);
	currency_code currency = discount->benefit.type == BENEFIT_AMOUNT ? cart->currency : 0;
	if (cart->extent != SLOT_NONE || benefit_check(&discount->benefit) != STATUS_ok || discount->benefit.currency != currency)
		return false;
	cart_add_extent(c, cart);
	cart_extent_at(c, cart->extent)->discount = *discount;
	return true;
}

bool carts_restore_line(struct carts *c, uint32_t slot, const struct cart_line *line)
{
	struct cart *cart = cart_at(c, slot);
	const struct cart_extent *first = cart_first_extent(c, cart);
	if (cart_check_line(line, cart, cart->currency) != STATUS_ok ||
	    cart_check_subtotal(first == NULL ? 0 : first->subtotal, line) != STATUS_ok ||
	    carts_find_line(c, cart, &line->sku, line->unit_price) != NULL)
		return false;
	cart_append(c, cart, line);
	cart_extent_at(c, cart->extent)->subtotal += line->unit_price * line->quantity;
	return true;
}
