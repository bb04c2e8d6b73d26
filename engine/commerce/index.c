#include "engine/commerce/index.h"

#include "engine/base/check.h"

#include <string.h>

/* One cell always stays empty, where a search ends. */
static uint64_t size_of(uint64_t capacity) { return capacity + (capacity + 1) / 2 + (capacity < 2); }

uint64_t index_bytes(uint64_t capacity) { return size_of(capacity) * sizeof(uint32_t); }

static unsigned bits_of(uint32_t value) { return 32 - (unsigned)__builtin_clz(value | 1); }

/* Distances are short: half of what the slot leaves is plenty for them. */
status index_setup(struct index *index, const struct index_options *o)
{
	CHECK(o->capacity < UINT32_C(1) << 30, "%s: %u slots", o->name, o->capacity);
	*index = (struct index){
		.size = (uint32_t)size_of(o->capacity),
		.capacity = o->capacity,
		.slot_bits = bits_of(o->capacity),
		.distance_bits = (32 - bits_of(o->capacity)) / 2,
		.hash_of = o->hash_of,
		.owner = o->owner,
		.holding = {.name = o->name, .option = o->option, .kind = HOLDING_buffer},
	};
	size_t bytes = index_bytes(o->capacity);
	status s = account_open(o->account, &index->region, &index->holding, bytes, bytes, ACCOUNT_NODE);
	if (s != STATUS_ok)
		return s;
	index->cells = (uint32_t *)(void *)index->region.bytes;
	holding_use(&index->holding, bytes);
	return STATUS_ok;
}

void index_teardown(struct index *index)
{
	account_close(&index->region, &index->holding);
	index->cells = NULL;
}

/* ---- cells --------------------------------------------------------------------------------- */

static uint32_t slot_at(const struct index *index, uint32_t cell)
{
	return (index->cells[cell] & ((UINT32_C(1) << index->slot_bits) - 1)) - 1;
}

/* How far forward it is from one cell to another. */
static uint32_t way(const struct index *index, uint32_t from, uint32_t to)
{
	return to >= from ? to - from : to + index->size - from;
}

/* The longest stands for all that do not fit. */
static uint32_t distance_max(const struct index *index) { return (UINT32_C(1) << index->distance_bits) - 1; }

[[gnu::noinline, gnu::cold]] static uint32_t distance_by_key(const struct index *index, uint32_t cell)
{
	return way(index, index_home(index, index->hash_of(index->owner, slot_at(index, cell))), cell);
}

static inline uint32_t distance_at(const struct index *index, uint32_t cell)
{
	uint32_t noted = index->cells[cell] >> index->slot_bits & distance_max(index);
	return noted < distance_max(index) ? noted : distance_by_key(index, cell);
}

/* What stands at `from`, or is new, goes to `cell`, which is so far from its home. */
static void put(struct index *index, uint32_t cell, uint32_t content, uint32_t distance)
{
	uint32_t most = distance_max(index), noted = distance < most ? distance : most;
	index->cells[cell] = (content & ~(most << index->slot_bits)) | noted << index->slot_bits;
}

/* ---- changes ------------------------------------------------------------------------------- */

void index_insert(struct index *index, uint64_t hash, uint32_t slot)
{
	CHECK(index->count < index->capacity, "%s: more than %u", index->holding.name, index->capacity);
	uint32_t home = index_home(index, hash), cell = home;
	while (index->cells[cell] != 0)
		cell = index_after(index, cell);
	put(index, cell, index_mark(index, hash) | (slot + 1), way(index, home, cell));
	index->count++;
}

/* What follows a hole moves into it, unless its home lies behind the hole. */
static void close_hole(struct index *index, uint32_t hole)
{
	uint32_t back = 1;
	for (uint32_t at = index_after(index, hole); index->cells[at] != 0; at = index_after(index, at), back++) {
		uint32_t distance = distance_at(index, at);
		if (distance < back)
			continue;
		put(index, hole, index->cells[at], distance - back);
		hole = at;
		back = 0;
	}
	index->cells[hole] = 0;
}

void index_remove(struct index *index, uint64_t hash, uint32_t slot)
{
	uint32_t cell = index_home(index, hash);
	while (slot_at(index, cell) != slot) {
		CHECK(index->cells[cell] != 0, "%s: slot %u is not in it", index->holding.name, slot);
		cell = index_after(index, cell);
	}
	close_hole(index, cell);
	index->count--;
}

void index_clear(struct index *index)
{
	if (index->count != 0)
		memset(index->cells, 0, index->size * sizeof *index->cells);
	index->count = 0;
}

/* As its key says: the place, the distance and the mark. */
static bool is_found(const struct index *index, uint32_t cell)
{
	uint64_t hash = index->hash_of(index->owner, slot_at(index, cell));
	uint32_t home = index_home(index, hash);
	for (uint32_t at = home; at != cell; at = index_after(index, at))
		if (index->cells[at] == 0 || slot_at(index, at) == slot_at(index, cell))
			return false;
	return distance_at(index, cell) == way(index, home, cell) &&
	       index->cells[cell] >> (index->slot_bits + index->distance_bits) ==
	               index_mark(index, hash) >> (index->slot_bits + index->distance_bits);
}

bool index_is_valid(const struct index *index)
{
	uint32_t count = 0;
	for (uint32_t cell = 0; cell < index->size; cell++)
		if (index->cells[cell] != 0) {
			count++;
			if (!is_found(index, cell))
				return false;
		}
	return count == index->count && count <= index->capacity;
}
