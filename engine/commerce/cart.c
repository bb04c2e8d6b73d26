#include "engine/commerce/cart.h"

#include "engine/base/check.h"
#include "engine/commerce/cart_inside.h"

static uint64_t hash_of(const void *owner, uint32_t slot)
{
	const struct carts *c = owner;
	return id_hash(cart_at(c, slot)->id, c->seed);
}

status carts_setup(struct carts *c, uint32_t capacity, uint32_t extents, const struct part_options *o)
{
	*c = (struct carts){.seed = o->seed, .empty = {SLOT_NONE, SLOT_NONE}, .filled = {SLOT_NONE, SLOT_NONE}};
	status s = slots_setup(&c->slots, &(struct slots_options){"carts", "carts.capacity", o->account, sizeof(struct cart),
	                       capacity, o->fail_one_in, o->debug});
	if (s == STATUS_ok)
		s = slots_setup(&c->extents, &(struct slots_options){"cart extents", "carts.extents", o->account,
		                sizeof(struct cart_extent), extents, o->fail_one_in, o->debug});
	if (s == STATUS_ok)
		s = index_setup(&c->by_id, &(struct index_options){"carts by id", "carts.capacity", o->account, capacity, hash_of, c});
	if (s != STATUS_ok)
		carts_teardown(c);
	return s;
}

void carts_teardown(struct carts *c)
{
	index_teardown(&c->by_id);
	slots_teardown(&c->extents);
	slots_teardown(&c->slots);
}

void carts_bill(struct bill *bill, uint64_t capacity, uint64_t extents)
{
	slots_bill(bill, "carts.capacity", capacity, sizeof(struct cart), 1, "carts");
	slots_bill(bill, "carts.extents", extents, sizeof(struct cart_extent), 0, "cart extents of 20 lines");
}

status carts_prepare(struct carts *c) { return slots_prepare(&c->slots); }

status carts_prepare_lines(struct carts *c) { return slots_prepare(&c->extents); }

/* ---- finding ------------------------------------------------------------------------------------ */

uint32_t cart_find(const struct carts *c, struct wire_id id)
{
	uint64_t hash = id_hash(id, c->seed);
	for (uint32_t cell = index_home(&c->by_id, hash), slot; index_next(&c->by_id, hash, &cell, &slot);)
		if (id_equal(cart_at(c, slot)->id, id))
			return slot;
	return SLOT_NONE;
}

const struct cart *carts_find(const struct carts *c, struct identifier id)
{
	uint32_t slot = cart_find(c, id_pack(id));
	return slot == SLOT_NONE ? NULL : cart_at(c, slot);
}

status cart_find_open(const struct carts *c, struct identifier id, const struct cart **cart)
{
	*cart = carts_find(c, id);
	if (*cart == NULL)
		return STATUS_not_found;
	return (*cart)->state == CART_open ? STATUS_ok : STATUS_invalid_state;
}

/* For an apply: the plan found it. */
static uint32_t open_slot(const struct carts *c, struct identifier id)
{
	uint32_t slot = cart_find(c, id_pack(id));
	CHECK(slot != SLOT_NONE && cart_at(c, slot)->state == CART_open, "a cart that is not open is changed");
	return slot;
}

/* ---- time ---------------------------------------------------------------------------------------- */

static uint32_t seconds_of(int64_t ms)
{
	int64_t s = ms / 1000;
	return s < 0 ? 0 : s > UINT32_MAX ? UINT32_MAX : (uint32_t)s;
}

/* Up to the next second, so that it never lives shorter than its TTL. */
static uint32_t end_of(const struct cart *cart, int64_t now_ms)
{
	uint64_t end = (uint64_t)seconds_of(now_ms + 999) + cart->ttl_s;
	return end > UINT32_MAX ? UINT32_MAX : (uint32_t)end;
}

void cart_renew(struct cart *cart, int64_t now_ms) { cart->time_s = end_of(cart, now_ms); }

int64_t carts_expiry(const struct cart *cart, int64_t now_ms) { return (int64_t)end_of(cart, now_ms) * 1000; }

/* ---- closed carts ---------------------------------------------------------------------------------- */

void cart_enqueue(struct carts *c, struct cart_queue *queue, uint32_t slot)
{
	cart_at(c, slot)->next = SLOT_NONE;
	if (queue->last == SLOT_NONE)
		queue->first = slot;
	else
		cart_at(c, queue->last)->next = slot;
	queue->last = slot;
}

static void dequeue(const struct carts *c, struct cart_queue *queue)
{
	queue->first = cart_at(c, queue->first)->next;
	if (queue->first == SLOT_NONE)
		queue->last = SLOT_NONE;
}

void cart_give_extents(struct carts *c, uint32_t extent)
{
	while (extent != SLOT_NONE) {
		uint32_t next = cart_extent_at(c, extent)->next;
		slots_give(&c->extents, extent);
		extent = next;
	}
}

static void close_cart(struct carts *c, uint32_t slot, enum cart_state state, int64_t now_ms)
{
	struct cart *cart = cart_at(c, slot);
	cart->state = state;
	cart->time_s = seconds_of(now_ms);
	if (state != CART_expired) {
		cart_enqueue(c, &c->filled, slot);
		return;
	}
	cart_give_extents(c, cart->extent); /* a discount without lines */
	cart->extent = SLOT_NONE;
	cart_enqueue(c, &c->empty, slot);
}

void carts_evict(struct carts *c, struct wire_id id)
{
	uint32_t slot = cart_find(c, id);
	CHECK(slot != SLOT_NONE && (slot == c->empty.first || slot == c->filled.first), "a cart is evicted out of turn");
	struct cart *cart = cart_at(c, slot);
	dequeue(c, slot == c->empty.first ? &c->empty : &c->filled);
	if (cart->extent != SLOT_NONE) {
		cart_give_extents(c, cart_extent_at(c, cart->extent)->next);
		slots_keep(&c->extents, cart->extent);
	}
	index_remove(&c->by_id, id_hash(id, c->seed), slot);
	slots_keep(&c->slots, slot);
}

/* ---- opening and closing ----------------------------------------------------------------------------- */

status carts_can_open(const struct carts *c, const struct cart_opening *o, struct victim *victim)
{
	*victim = (struct victim){};
	if (o->currency == 0 || o->ttl_ms <= 0)
		return STATUS_invalid_field;
	if (carts_find(c, o->cart) != NULL)
		return STATUS_already_exists;
	if (slots_has_reserve(&c->slots))
		return STATUS_ok;
	uint32_t slot = c->empty.first != SLOT_NONE ? c->empty.first : c->filled.first;
	if (slot == SLOT_NONE)
		return STATUS_pool_exhausted;
	*victim = (struct victim){cart_at(c, slot)->id, true};
	return STATUS_ok;
}

static uint8_t flags_of(const struct cart_opening *o)
{
	return (uint8_t)((o->cart.is_uuid ? CART_ID_IS_UUID : 0) | (o->has_actor ? CART_HAS_ACTOR : 0) |
	                 (o->has_actor && o->actor.is_uuid ? CART_ACTOR_IS_UUID : 0));
}

void carts_open(struct carts *c, const struct cart_opening *o, int64_t now_ms)
{
	uint32_t slot = slots_take(&c->slots);
	struct cart *cart = cart_at(c, slot);
	*cart = (struct cart){
		.id = id_pack(o->cart),
		.actor = o->has_actor ? id_pack(o->actor) : (struct wire_id){},
		.extent = SLOT_NONE,
		.ttl_s = seconds_of(o->ttl_ms > INT64_MAX - 999 ? o->ttl_ms : o->ttl_ms + 999),
		.currency = o->currency,
		.state = CART_open,
		.flags = flags_of(o),
	};
	cart_renew(cart, now_ms);
	index_insert(&c->by_id, id_hash(cart->id, c->seed), slot);
}

status carts_can_check_out(const struct carts *c, struct identifier id, struct cart_totals *totals)
{
	const struct cart *cart;
	status s = cart_find_open(c, id, &cart);
	if (s != STATUS_ok)
		return s;
	if (carts_line_count(c, cart) == 0)
		return STATUS_invalid_state;
	carts_totals(c, cart, totals);
	return STATUS_ok;
}

void carts_check_out(struct carts *c, struct identifier id, int64_t now_ms)
{
	close_cart(c, open_slot(c, id), CART_checked_out, now_ms);
}

enum cart_state carts_expire(struct carts *c, struct identifier id, int64_t now_ms)
{
	uint32_t slot = open_slot(c, id);
	enum cart_state state = carts_line_count(c, cart_at(c, slot)) > 0 ? CART_abandoned : CART_expired;
	close_cart(c, slot, state, now_ms);
	return state;
}

uint32_t carts_sweep(const struct carts *c, uint32_t *hand, int64_t now_ms, uint32_t slots, struct identifier *ids,
                     uint32_t ids_max)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < slots && count < ids_max; i++) {
		uint32_t slot = *hand < c->slots.capacity ? *hand : 0;
		*hand = slot + 1;
		if (!slots_is_live(&c->slots, slot))
			continue;
		const struct cart *cart = cart_at(c, slot);
		if (cart->state == CART_open && (int64_t)cart->time_s <= now_ms / 1000)
			ids[count++] = id_unpack(cart->id, cart->flags & CART_ID_IS_UUID);
	}
	return count;
}

void carts_reset(struct carts *c)
{
	index_clear(&c->by_id);
	slots_clear(&c->slots);
	slots_clear(&c->extents);
	c->empty = c->filled = (struct cart_queue){SLOT_NONE, SLOT_NONE};
}
