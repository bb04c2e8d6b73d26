#include "engine/commerce/claim.h"

#include "engine/base/check.h"

static const char option_key[] = "claims.capacity";

/* In the pool: the claim, and the chain of the same actor's on the same reward. */
struct place {
	struct claim claim;
	uint32_t newer, older;
	uint32_t count; /* of the chain, in its newest */
	uint32_t unused;
};
static_assert(sizeof(struct place) == 80);

struct tally {
	struct wire_id reward;
	uint64_t taken;
};

static struct place *at(const struct claims *c, uint32_t slot) { return slots_at(&c->slots, slot); }
static struct tally *tally_at(const struct claims *c, uint32_t slot) { return slots_at(&c->tallies, slot); }

static uint64_t pair_hash(const struct claims *c, struct wire_id actor, struct wire_id reward)
{
	return id_hash(actor, id_hash(reward, c->seed));
}

static uint64_t hash_of_id(const void *owner, uint32_t slot)
{
	const struct claims *c = owner;
	return id_hash(at(c, slot)->claim.id, c->seed);
}

static uint64_t hash_of_pair(const void *owner, uint32_t slot)
{
	const struct claims *c = owner;
	return pair_hash(c, at(c, slot)->claim.actor, at(c, slot)->claim.reward);
}

static uint64_t hash_of_tally(const void *owner, uint32_t slot)
{
	const struct claims *c = owner;
	return id_hash(tally_at(c, slot)->reward, c->seed);
}

/* ---- setup ------------------------------------------------------------------------------------ */

static status setup_slots(struct slots *slots, const char *name, size_t bytes, uint32_t capacity, const struct part_options *o)
{
	return slots_setup(slots, &(struct slots_options){name, option_key, o->account, bytes, capacity, o->fail_one_in, o->debug});
}

static status setup_index(struct claims *c, struct index *index, const char *name, uint32_t capacity, index_hash *hash_of,
                          const struct part_options *o)
{
	return index_setup(index, &(struct index_options){name, option_key, o->account, capacity, hash_of, c});
}

status claims_setup(struct claims *c, uint32_t capacity, const struct part_options *o)
{
	*c = (struct claims){.seed = o->seed};
	status s = setup_slots(&c->slots, "claims", sizeof(struct place), capacity, o);
	if (s == STATUS_ok)
		s = setup_slots(&c->tallies, "claimed rewards", sizeof(struct tally), capacity, o);
	if (s == STATUS_ok)
		s = setup_index(c, &c->by_id, "claims by id", capacity, hash_of_id, o);
	if (s == STATUS_ok)
		s = setup_index(c, &c->by_actor, "claims by actor", capacity, hash_of_pair, o);
	if (s == STATUS_ok)
		s = setup_index(c, &c->tally_by_reward, "claimed rewards by id", capacity, hash_of_tally, o);
	if (s != STATUS_ok)
		claims_teardown(c);
	return s;
}

void claims_teardown(struct claims *c)
{
	index_teardown(&c->tally_by_reward);
	index_teardown(&c->by_actor);
	index_teardown(&c->by_id);
	slots_teardown(&c->tallies);
	slots_teardown(&c->slots);
}

void claims_bill(struct bill *bill, uint64_t capacity)
{
	slots_bill(bill, option_key, capacity, sizeof(struct place), 2, "claims");
	slots_bill(bill, option_key, capacity, sizeof(struct tally), 1, "claimed rewards");
}

status claims_prepare(struct claims *c)
{
	status s = slots_prepare(&c->slots);
	status t = slots_prepare(&c->tallies);
	return s != STATUS_ok ? s : t;
}

/* ---- asking ----------------------------------------------------------------------------------- */

static uint32_t find(const struct claims *c, struct wire_id id)
{
	uint64_t hash = id_hash(id, c->seed);
	for (uint32_t cell = index_home(&c->by_id, hash), slot; index_next(&c->by_id, hash, &cell, &slot);)
		if (id_equal(at(c, slot)->claim.id, id))
			return slot;
	return SLOT_NONE;
}

/* The newest of a chain. */
static uint32_t find_newest(const struct claims *c, struct wire_id actor, struct wire_id reward)
{
	uint64_t hash = pair_hash(c, actor, reward);
	for (uint32_t cell = index_home(&c->by_actor, hash), slot; index_next(&c->by_actor, hash, &cell, &slot);)
		if (id_equal(at(c, slot)->claim.actor, actor) && id_equal(at(c, slot)->claim.reward, reward))
			return slot;
	return SLOT_NONE;
}

static uint32_t find_tally(const struct claims *c, struct wire_id reward)
{
	uint64_t hash = id_hash(reward, c->seed);
	for (uint32_t cell = index_home(&c->tally_by_reward, hash), slot; index_next(&c->tally_by_reward, hash, &cell, &slot);)
		if (id_equal(tally_at(c, slot)->reward, reward))
			return slot;
	return SLOT_NONE;
}

const struct claim *claims_find(const struct claims *c, struct identifier id)
{
	uint32_t slot = find(c, id_pack(id));
	return slot == SLOT_NONE ? NULL : &at(c, slot)->claim;
}

static uint32_t count_of(const struct claims *c, struct wire_id actor, struct wire_id reward)
{
	uint32_t slot = find_newest(c, actor, reward);
	return slot == SLOT_NONE ? 0 : at(c, slot)->count;
}

static uint64_t taken_of(const struct claims *c, struct wire_id reward)
{
	uint32_t slot = find_tally(c, reward);
	return slot == SLOT_NONE ? 0 : tally_at(c, slot)->taken;
}

uint32_t claims_count(const struct claims *c, struct identifier actor, struct identifier reward)
{
	return count_of(c, id_pack(actor), id_pack(reward));
}

uint64_t claims_taken(const struct claims *c, struct identifier reward) { return taken_of(c, id_pack(reward)); }

status claims_can_add(const struct claims *c, const struct claim *claim, struct claim_terms terms)
{
	uint64_t taken = taken_of(c, claim->reward);
	if (find(c, claim->id) != SLOT_NONE)
		return STATUS_already_exists;
	if (count_of(c, claim->actor, claim->reward) >= terms.per_actor)
		return STATUS_already_claimed;
	if (terms.stock != STOCK_UNLIMITED && taken >= (uint64_t)terms.stock)
		return STATUS_out_of_stock;
	bool has_room = slots_has_reserve(&c->slots) && (taken > 0 || slots_has_reserve(&c->tallies));
	return has_room ? STATUS_ok : STATUS_pool_exhausted;
}

status claims_can_remove(const struct claims *c, struct identifier id)
{
	return find(c, id_pack(id)) == SLOT_NONE ? STATUS_not_found : STATUS_ok;
}

/* ---- changes ------------------------------------------------------------------------------------ */

static void count_one(struct claims *c, struct wire_id reward)
{
	uint32_t slot = find_tally(c, reward);
	if (slot == SLOT_NONE) {
		slot = slots_take(&c->tallies);
		*tally_at(c, slot) = (struct tally){.reward = reward};
		index_insert(&c->tally_by_reward, id_hash(reward, c->seed), slot);
	}
	tally_at(c, slot)->taken++;
}

static void uncount_one(struct claims *c, struct wire_id reward)
{
	uint32_t slot = find_tally(c, reward);
	if (--tally_at(c, slot)->taken > 0)
		return;
	index_remove(&c->tally_by_reward, id_hash(reward, c->seed), slot);
	slots_give(&c->tallies, slot);
}

void claims_add(struct claims *c, const struct claim *claim)
{
	uint64_t hash = pair_hash(c, claim->actor, claim->reward);
	uint32_t older = find_newest(c, claim->actor, claim->reward);
	uint32_t slot = slots_take(&c->slots);
	*at(c, slot) = (struct place){.claim = *claim, .newer = SLOT_NONE, .older = older, .count = 1};
	if (older != SLOT_NONE) {
		at(c, slot)->count = at(c, older)->count + 1;
		at(c, older)->newer = slot;
		index_remove(&c->by_actor, hash, older);
	}
	index_insert(&c->by_actor, hash, slot);
	index_insert(&c->by_id, id_hash(claim->id, c->seed), slot);
	count_one(c, claim->reward);
}

/* The next older one takes its place at the head of the chain. */
static void replace_newest(struct claims *c, uint32_t slot, uint32_t count)
{
	uint64_t hash = hash_of_pair(c, slot);
	uint32_t older = at(c, slot)->older;
	index_remove(&c->by_actor, hash, slot);
	if (older == SLOT_NONE)
		return;
	at(c, older)->newer = SLOT_NONE;
	at(c, older)->count = count;
	index_insert(&c->by_actor, hash, older);
}

static void unlink_older(struct claims *c, uint32_t slot, uint32_t newest)
{
	const struct place *place = at(c, slot);
	at(c, place->newer)->older = place->older;
	if (place->older != SLOT_NONE)
		at(c, place->older)->newer = place->newer;
	at(c, newest)->count--;
}

void claims_remove(struct claims *c, struct identifier id)
{
	uint32_t slot = find(c, id_pack(id));
	CHECK(slot != SLOT_NONE, "a claim that is not there is removed");
	struct claim claim = at(c, slot)->claim;
	uint32_t newest = find_newest(c, claim.actor, claim.reward);
	index_remove(&c->by_id, hash_of_id(c, slot), slot);
	if (newest == slot)
		replace_newest(c, slot, at(c, slot)->count - 1);
	else
		unlink_older(c, slot, newest);
	slots_give(&c->slots, slot);
	uncount_one(c, claim.reward);
}

void claims_set_used(struct claims *c, struct identifier id, bool is_used)
{
	uint32_t slot = find(c, id_pack(id));
	CHECK(slot != SLOT_NONE, "a claim that is not there is used");
	uint8_t *flags = &at(c, slot)->claim.flags;
	*flags = (uint8_t)(is_used ? *flags | CLAIM_IS_USED : *flags & ~CLAIM_IS_USED);
}

uint32_t claims_sweep(const struct claims *c, uint32_t *hand, int64_t before_ms, uint32_t slots, struct identifier *ids,
                      uint32_t ids_max)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < slots && count < ids_max; i++) {
		uint32_t slot = *hand < c->slots.capacity ? *hand : 0;
		*hand = slot + 1;
		if (!slots_is_live(&c->slots, slot))
			continue;
		const struct claim *claim = &at(c, slot)->claim;
		if ((int64_t)claim->at_s < before_ms / 1000)
			ids[count++] = id_unpack(claim->id, claim->flags & CLAIM_ID_IS_UUID);
	}
	return count;
}

/* ---- all of them ---------------------------------------------------------------------------------- */

/* A chain is visited when its oldest one comes by. */
void claims_visit(const struct claims *c, claim_visitor *visit, void *context)
{
	for (uint32_t slot = 0; slot < c->slots.capacity; slot++)
		if (slots_is_live(&c->slots, slot) && at(c, slot)->older == SLOT_NONE)
			for (uint32_t next = slot; next != SLOT_NONE; next = at(c, next)->newer)
				visit(context, &at(c, next)->claim);
}

void claims_reset(struct claims *c)
{
	index_clear(&c->by_id);
	index_clear(&c->by_actor);
	index_clear(&c->tally_by_reward);
	slots_clear(&c->slots);
	slots_clear(&c->tallies);
}

void claims_visit_tallies(const struct claims *c, claim_tally_visitor *visit, void *context)
{
	for (uint32_t slot = 0; slot < c->tallies.capacity; slot++)
		if (slots_is_live(&c->tallies, slot))
			visit(context, tally_at(c, slot)->reward, tally_at(c, slot)->taken);
}

static void add_digest(void *context, const struct claim *claim)
{
	uint64_t *sum = context;
	*sum += hash_bytes(claim, sizeof *claim, 1);
}

/* Tallies follow from the claims. */
uint64_t claims_digest(const struct claims *c)
{
	uint64_t sum = 0;
	claims_visit(c, add_digest, &sum);
	return sum;
}

static bool chain_is_valid(const struct claims *c, uint32_t newest)
{
	uint32_t newer = SLOT_NONE, count = 0;
	for (uint32_t slot = newest; slot != SLOT_NONE; newer = slot, slot = at(c, slot)->older) {
		const struct place *place = at(c, slot);
		if (!slots_is_live(&c->slots, slot) || place->newer != newer || count++ == at(c, newest)->count ||
		    !id_equal(place->claim.actor, at(c, newest)->claim.actor) ||
		    !id_equal(place->claim.reward, at(c, newest)->claim.reward))
			return false;
	}
	return count == at(c, newest)->count;
}

static bool places_are_valid(const struct claims *c)
{
	uint32_t count = 0, chained = 0;
	for (uint32_t slot = 0; slot < c->slots.capacity; slot++) {
		if (!slots_is_live(&c->slots, slot))
			continue;
		const struct place *place = at(c, slot);
		count++;
		if (find(c, place->claim.id) != slot)
			return false;
		if (place->newer != SLOT_NONE)
			continue;
		chained += place->count;
		if (find_newest(c, place->claim.actor, place->claim.reward) != slot || !chain_is_valid(c, slot))
			return false;
	}
	return count == chained && count == c->by_id.count && count == slots_in_use(&c->slots);
}

static bool tallies_are_valid(const struct claims *c)
{
	uint64_t taken = 0;
	uint32_t count = 0;
	for (uint32_t slot = 0; slot < c->tallies.capacity; slot++) {
		if (!slots_is_live(&c->tallies, slot))
			continue;
		count++;
		taken += tally_at(c, slot)->taken;
		if (tally_at(c, slot)->taken == 0 || find_tally(c, tally_at(c, slot)->reward) != slot)
			return false;
	}
	return taken == c->by_id.count && count == c->tally_by_reward.count && count == slots_in_use(&c->tallies);
}

bool claims_are_valid(const struct claims *c)
{
	return places_are_valid(c) && tallies_are_valid(c) && index_is_valid(&c->by_id) && index_is_valid(&c->by_actor) &&
	       index_is_valid(&c->tally_by_reward) && pool_is_valid(c->slots.pool) && pool_is_valid(c->tallies.pool);
}
