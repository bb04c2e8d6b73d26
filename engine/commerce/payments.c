#include "engine/commerce/payments.h"

#include "engine/base/check.h"

#include <stddef.h>

/* In the pool: the record, and the list of those that rest. */
struct place {
	struct payment payment;
	uint32_t older, newer;
};
static_assert(sizeof(struct place) == 96);

static struct place *at(const struct payments *p, uint32_t slot) { return slots_at(&p->slots, slot); }

static uint64_t hash_of(const void *owner, uint32_t slot)
{
	const struct payments *p = owner;
	return id_hash(at(p, slot)->payment.id, p->seed);
}

status payments_setup(struct payments *p, uint32_t capacity, const struct part_options *o)
{
	*p = (struct payments){.seed = o->seed, .oldest = SLOT_NONE, .newest = SLOT_NONE};
	status s = slots_setup(&p->slots, &(struct slots_options){"payments", "payments.capacity", o->account,
	                       sizeof(struct place), capacity, o->fail_one_in, o->debug});
	if (s == STATUS_ok)
		s = index_setup(&p->by_id, &(struct index_options){"payments by id", "payments.capacity", o->account, capacity,
		                hash_of, p});
	if (s != STATUS_ok)
		payments_teardown(p);
	return s;
}

void payments_teardown(struct payments *p)
{
	index_teardown(&p->by_id);
	slots_teardown(&p->slots);
}

void payments_bill(struct bill *bill, uint64_t capacity)
{
	slots_bill(bill, "payments.capacity", capacity, sizeof(struct place), 1, "payments");
}

static uint32_t find(const struct payments *p, struct wire_id id)
{
	uint64_t hash = id_hash(id, p->seed);
	for (uint32_t cell = index_home(&p->by_id, hash), slot; index_next(&p->by_id, hash, &cell, &slot);)
		if (id_equal(at(p, slot)->payment.id, id))
			return slot;
	return SLOT_NONE;
}

const struct payment *payments_find(const struct payments *p, struct identifier id)
{
	uint32_t slot = find(p, id_pack(id));
	return slot == SLOT_NONE ? NULL : &at(p, slot)->payment;
}

/* ---- those that rest, oldest first ------------------------------------------------------ */

static void rest(struct payments *p, uint32_t slot)
{
	struct place *place = at(p, slot);
	place->older = p->newest;
	place->newer = SLOT_NONE;
	if (p->newest == SLOT_NONE)
		p->oldest = slot;
	else
		at(p, p->newest)->newer = slot;
	p->newest = slot;
}

static void wake(struct payments *p, uint32_t slot)
{
	struct place *place = at(p, slot);
	if (place->payment.state != PAYMENT_captured)
		return;
	if (place->older == SLOT_NONE)
		p->oldest = place->newer;
	else
		at(p, place->older)->newer = place->newer;
	if (place->newer == SLOT_NONE)
		p->newest = place->older;
	else
		at(p, place->newer)->older = place->older;
}

/* ---- changes ------------------------------------------------------------------------------ */

status payments_can_put(const struct payments *p, const struct payment *after, struct victim *victim)
{
	*victim = (struct victim){};
	if (payment_is_final(after) || slots_has_reserve(&p->slots) || find(p, after->id) != SLOT_NONE)
		return STATUS_ok;
	if (p->oldest == SLOT_NONE)
		return STATUS_pool_exhausted;
	*victim = (struct victim){at(p, p->oldest)->payment.id, true};
	return STATUS_ok;
}

/* Out of list and index; the slot is the caller's. */
static void take_out(struct payments *p, uint32_t slot)
{
	wake(p, slot);
	index_remove(&p->by_id, hash_of(p, slot), slot);
}

void payments_put(struct payments *p, const struct payment *after)
{
	uint32_t slot = find(p, after->id);
	if (payment_is_final(after)) {
		if (slot != SLOT_NONE) {
			take_out(p, slot);
			slots_give(&p->slots, slot);
		}
		return;
	}
	if (slot == SLOT_NONE) {
		slot = slots_take(&p->slots);
		index_insert(&p->by_id, id_hash(after->id, p->seed), slot);
	} else {
		wake(p, slot);
	}
	at(p, slot)->payment = *after;
	if (after->state == PAYMENT_captured)
		rest(p, slot);
}

void payments_evict(struct payments *p, struct wire_id id, struct payment *last)
{
	uint32_t slot = find(p, id);
	CHECK(slot != SLOT_NONE && at(p, slot)->payment.state == PAYMENT_captured, "a payment that does not rest is evicted");
	*last = at(p, slot)->payment;
	take_out(p, slot);
	slots_keep(&p->slots, slot);
}

uint32_t payments_sweep(const struct payments *p, uint32_t *hand, int64_t now_ms, uint32_t slots, struct identifier *ids,
                        uint32_t ids_max)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < slots && count < ids_max; i++) {
		uint32_t slot = *hand < p->slots.capacity ? *hand : 0;
		*hand = slot + 1;
		if (!slots_is_live(&p->slots, slot))
			continue;
		const struct payment *payment = &at(p, slot)->payment;
		if (payment_is_open(payment) && (int64_t)payment->expires_s <= now_ms / 1000)
			ids[count++] = id_unpack(payment->id, payment->flags & PAYMENT_ID_IS_UUID);
	}
	return count;
}

/* ---- all of them ----------------------------------------------------------------------------- */

void payments_visit(const struct payments *p, payment_visitor *visit, void *context)
{
	for (uint32_t slot = 0; slot < p->slots.capacity; slot++)
		if (slots_is_live(&p->slots, slot) && at(p, slot)->payment.state != PAYMENT_captured)
			visit(context, &at(p, slot)->payment);
	for (uint32_t slot = p->oldest; slot != SLOT_NONE; slot = at(p, slot)->newer)
		visit(context, &at(p, slot)->payment);
}

void payments_reset(struct payments *p)
{
	index_clear(&p->by_id);
	slots_clear(&p->slots);
	p->oldest = p->newest = SLOT_NONE;
}

static void add_digest(void *context, const struct payment *payment)
{
	uint64_t *sum = context;
	*sum += hash_bytes(payment, sizeof *payment, 0);
}

uint64_t payments_digest(const struct payments *p)
{
	uint64_t sum = 0;
	payments_visit(p, add_digest, &sum);
	return sum;
}

static bool list_is_valid(const struct payments *p, uint32_t expected)
{
	uint32_t count = 0, before = SLOT_NONE;
	for (uint32_t slot = p->oldest; slot != SLOT_NONE; slot = at(p, slot)->newer) {
		if (!slots_is_live(&p->slots, slot) || at(p, slot)->older != before || ++count > expected ||
		    at(p, slot)->payment.state != PAYMENT_captured)
			return false;
		before = slot;
	}
	return p->newest == before && count == expected;
}

bool payments_are_valid(const struct payments *p)
{
	uint32_t count = 0, resting = 0;
	for (uint32_t slot = 0; slot < p->slots.capacity; slot++)
		if (slots_is_live(&p->slots, slot)) {
			const struct payment *payment = &at(p, slot)->payment;
			count++;
			resting += payment->state == PAYMENT_captured;
			if (!payment_is_valid(payment) || payment_is_final(payment) || find(p, payment->id) != slot)
				return false;
		}
	return count == p->by_id.count && count == slots_in_use(&p->slots) && list_is_valid(p, resting) &&
	       index_is_valid(&p->by_id) && pool_is_valid(p->slots.pool);
}
