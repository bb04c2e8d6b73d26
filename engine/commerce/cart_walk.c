/* All carts: visits, the digest, and the slow walker. */
#include "engine/commerce/cart.h"
#include "engine/commerce/cart_inside.h"

void carts_visit(const struct carts *c, cart_visitor *visit, void *context)
{
	for (uint32_t slot = 0; slot < c->slots.capacity; slot++)
		if (slots_is_live(&c->slots, slot) && cart_at(c, slot)->state == CART_open)
			visit(context, cart_at(c, slot));
	for (uint32_t slot = c->empty.first; slot != SLOT_NONE; slot = cart_at(c, slot)->next)
		visit(context, cart_at(c, slot));
	for (uint32_t slot = c->filled.first; slot != SLOT_NONE; slot = cart_at(c, slot)->next)
		visit(context, cart_at(c, slot));
}

/* ---- digest -------------------------------------------------------------------------------------- */

static uint64_t digest_of_lines(const struct carts *c, const struct cart *cart)
{
	uint64_t hash = 0;
	struct cart_cursor at;
	for (const struct cart_line *line = cart_first_line(c, cart, &at); line != NULL; line = cart_next_line(c, &at))
		hash = hash_bytes(line, sizeof *line, hash);
	const struct cart_discount *d = carts_discount(c, cart);
	if (d == NULL)
		return hash;
	hash = id_hash(d->claim, hash + d->claim_is_uuid);
	return hash_128((uint64_t)d->benefit.value, (uint64_t)d->benefit.currency << 8 | d->benefit.type, hash);
}

/* Where a cart and its extents lie, and who was closed after it, is no part of it. */
static uint64_t digest_of(const struct carts *c, const struct cart *cart)
{
	struct cart content = *cart;
	content.extent = 0;
	if (content.state != CART_open)
		content.next = 0;
	return hash_bytes(&content, sizeof content, digest_of_lines(c, cart));
}

uint64_t carts_digest(const struct carts *c)
{
	uint64_t sum = 0;
	for (uint32_t slot = 0; slot < c->slots.capacity; slot++)
		if (slots_is_live(&c->slots, slot))
			sum += digest_of(c, cart_at(c, slot));
	return sum;
}

/* ---- walker ---------------------------------------------------------------------------------------- */

struct census {
	uint32_t carts, extents, empty, filled;
};

static bool extents_are_valid(const struct carts *c, const struct cart *cart, uint32_t *count)
{
	const struct cart_extent *first = cart_first_extent(c, cart);
	uint32_t found = 0, last = SLOT_NONE;
	for (uint32_t slot = cart->extent; slot != SLOT_NONE; slot = cart_extent_at(c, slot)->next) {
		if (!slots_is_live(&c->extents, slot) || ++found > c->extents.capacity)
			return false;
		last = slot;
	}
	*count += found;
	if (first == NULL)
		return true;
	uint32_t needed = cart_extents_for(first->line_count);
	bool is_for_discount = needed == 0 && found == 1 && first->discount.benefit.type != BENEFIT_NONE;
	return first->last == last && (is_for_discount || (needed > 0 && found == needed));
}

static bool lines_are_valid(const struct carts *c, const struct cart *cart)
{
	int64_t subtotal = 0;
	struct cart_cursor at;
	for (const struct cart_line *line = cart_first_line(c, cart, &at); line != NULL; line = cart_next_line(c, &at)) {
		int64_t amount;
		if (line->quantity == 0 || line->sku.bytes == 0 || line->zero != 0 ||
		    carts_find_line(c, cart, &line->sku, line->unit_price) != line ||
		    money_times(line->unit_price, line->quantity, &amount) != STATUS_ok ||
		    money_add(subtotal, amount, &subtotal) != STATUS_ok)
			return false;
	}
	struct cart_totals totals;
	carts_totals(c, cart, &totals);
	return totals.subtotal == subtotal && totals.discount >= 0 && totals.total >= 0 &&
	       totals.total == subtotal - totals.discount;
}

static bool cart_is_valid(const struct carts *c, uint32_t slot, struct census *census)
{
	const struct cart *cart = cart_at(c, slot);
	census->carts++;
	census->empty += cart->state == CART_expired;
	census->filled += cart->state == CART_checked_out || cart->state == CART_abandoned;
	bool has_lines = carts_line_count(c, cart) > 0;
	bool agrees = cart->state == CART_open || (cart->state == CART_expired && cart->extent == SLOT_NONE) ||
	              ((cart->state == CART_checked_out || cart->state == CART_abandoned) && has_lines);
	return agrees && cart->currency != 0 && cart_find(c, cart->id) == slot &&
	       extents_are_valid(c, cart, &census->extents) && lines_are_valid(c, cart);
}

static bool queue_is_valid(const struct carts *c, const struct cart_queue *queue, bool is_empty, uint32_t expected)
{
	uint32_t count = 0, last = SLOT_NONE;
	for (uint32_t slot = queue->first; slot != SLOT_NONE; slot = cart_at(c, slot)->next) {
		if (!slots_is_live(&c->slots, slot) || ++count > expected || cart_at(c, slot)->state == CART_open ||
		    (cart_at(c, slot)->state == CART_expired) != is_empty)
			return false;
		last = slot;
	}
	return count == expected && queue->last == last;
}

bool carts_are_valid(const struct carts *c)
{
	struct census census = {};
	for (uint32_t slot = 0; slot < c->slots.capacity; slot++)
		if (slots_is_live(&c->slots, slot) && !cart_is_valid(c, slot, &census))
			return false;
	return census.carts == c->by_id.count && census.carts == slots_in_use(&c->slots) &&
	       census.extents == slots_in_use(&c->extents) && queue_is_valid(c, &c->empty, true, census.empty) &&
	       queue_is_valid(c, &c->filled, false, census.filled) && index_is_valid(&c->by_id) &&
	       pool_is_valid(c->slots.pool) && pool_is_valid(c->extents.pool);
}
