#include "engine/commerce/history.h"

#include "engine/base/check.h"

static uint64_t hash_of(const void *owner, uint32_t entry) { return ((const struct history *)owner)->entries[entry].key; }

status history_setup(struct history *h, uint32_t capacity, const struct part_options *o)
{
	static const char option[] = "payments.history";
	*h = (struct history){
		.capacity = capacity,
		.oldest = SLOT_NONE,
		.newest = SLOT_NONE,
		.seed = o->seed,
		.holding = {.name = "closed payments", .option = option, .kind = HOLDING_buffer},
	};
	size_t bytes = capacity * sizeof *h->entries;
	status s = account_open(o->account, &h->region, &h->holding, bytes, bytes, ACCOUNT_NODE);
	if (s == STATUS_ok)
		s = index_setup(&h->by_key,
		                &(struct index_options){"closed payments index", option, o->account, capacity, hash_of, h});
	if (s != STATUS_ok) {
		history_teardown(h);
		return s;
	}
	h->entries = (struct history_entry *)(void *)h->region.bytes;
	holding_use(&h->holding, bytes);
	return STATUS_ok;
}

void history_teardown(struct history *h)
{
	index_teardown(&h->by_key);
	account_close(&h->region, &h->holding);
}

void history_bill(struct bill *bill, uint64_t capacity)
{
	bill_add(bill, "commerce", "payments.history", capacity, sizeof(struct history_entry), "closed payments in the journal");
	bill_add(bill, "commerce", "payments.history", 1, index_bytes(capacity) + 2 * 4096, "their index");
}

/* ---- finding --------------------------------------------------------------------------------- */

static uint32_t find(const struct history *h, uint64_t key)
{
	for (uint32_t cell = index_home(&h->by_key, key), entry; index_next(&h->by_key, key, &cell, &entry);)
		if (h->entries[entry].key == key)
			return entry;
	return SLOT_NONE;
}

bool history_find(const struct history *h, struct identifier id, uint64_t *place)
{
	uint32_t entry = find(h, id_hash(id_pack(id), h->seed));
	if (entry == SLOT_NONE)
		return false;
	*place = h->entries[entry].place;
	return true;
}

bool history_oldest(const struct history *h, uint64_t *place)
{
	if (h->oldest == SLOT_NONE)
		return false;
	*place = h->entries[h->oldest].place;
	return true;
}

/* ---- remembering ------------------------------------------------------------------------------ */

static void take_out(struct history *h, uint32_t entry)
{
	const struct history_entry *e = &h->entries[entry];
	if (e->older == SLOT_NONE)
		h->oldest = e->newer;
	else
		h->entries[e->older].newer = e->newer;
	if (e->newer == SLOT_NONE)
		h->newest = e->older;
	else
		h->entries[e->newer].older = e->older;
}

static void add_newest(struct history *h, uint32_t entry, uint64_t key, uint64_t place)
{
	h->entries[entry] = (struct history_entry){.key = key, .place = place, .older = h->newest, .newer = SLOT_NONE};
	if (h->newest == SLOT_NONE)
		h->oldest = entry;
	else
		h->entries[h->newest].newer = entry;
	h->newest = entry;
}

static uint32_t new_entry(struct history *h)
{
	if (h->count < h->capacity)
		return h->count++;
	uint32_t entry = h->oldest;
	index_remove(&h->by_key, h->entries[entry].key, entry);
	take_out(h, entry);
	return entry;
}

static void remember(struct history *h, uint64_t key, uint64_t place)
{
	uint32_t entry = find(h, key);
	bool is_new = entry == SLOT_NONE;
	if (is_new)
		entry = new_entry(h);
	else
		take_out(h, entry);
	add_newest(h, entry, key, place);
	if (is_new)
		index_insert(&h->by_key, key, entry);
}

static bool is_in_order(const struct history *h, uint64_t place)
{
	return h->newest == SLOT_NONE || h->entries[h->newest].place <= place;
}

void history_remember(struct history *h, struct identifier id, uint64_t place)
{
	CHECK(is_in_order(h, place), "place %llu behind %llu", (unsigned long long)place,
	      (unsigned long long)h->entries[h->newest].place);
	remember(h, id_hash(id_pack(id), h->seed), place);
}

bool history_restore(struct history *h, uint64_t key, uint64_t place)
{
	if (!is_in_order(h, place))
		return false;
	remember(h, key, place);
	return true;
}

/* ---- all of them ------------------------------------------------------------------------------ */

void history_visit(const struct history *h, history_visitor *visit, void *context)
{
	for (uint32_t entry = h->oldest; entry != SLOT_NONE; entry = h->entries[entry].newer)
		visit(context, h->entries[entry].key, h->entries[entry].place);
}

void history_reset(struct history *h)
{
	index_clear(&h->by_key);
	h->count = 0;
	h->oldest = h->newest = SLOT_NONE;
}

uint64_t history_digest(const struct history *h)
{
	uint64_t sum = 0;
	for (uint32_t entry = 0; entry < h->count; entry++)
		sum += hash_128(h->entries[entry].place, 0, 0);
	return sum;
}

bool history_is_valid(const struct history *h)
{
	uint32_t count = 0, before = SLOT_NONE;
	for (uint32_t entry = h->oldest; entry != SLOT_NONE; before = entry, entry = h->entries[entry].newer) {
		const struct history_entry *e = &h->entries[entry];
		bool is_ordered = before == SLOT_NONE || h->entries[before].place <= e->place;
		if (++count > h->count || e->older != before || !is_ordered || find(h, e->key) != entry)
			return false;
	}
	return h->newest == before && count == h->count && count == h->by_key.count && index_is_valid(&h->by_key);
}
