#include "engine/commerce/index.h"

#include "engine/base/check.h"

#include <string.h>

/* One cell always stays empty, where a search ends. */
static uint64_t size_of(uint64_t capacity) { return capacity + (capacity + 1) / 2 + (capacity < 2); }

uint64_t index_bytes(uint64_t capacity) { return size_of(capacity) * sizeof(uint32_t); }

status index_setup(struct index *index, const struct index_options *o)
{
	*index = (struct index){
		.size = (uint32_t)size_of(o->capacity),
		.capacity = o->capacity,
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

void index_insert(struct index *index, uint64_t hash, uint32_t slot)
{
	CHECK(index->count < index->capacity, "%s: more than %u", index->holding.name, index->capacity);
	uint32_t cell = index_home(index, hash);
	while (index->cells[cell] != 0)
		cell = index_after(index, cell);
	index->cells[cell] = slot + 1;
	index->count++;
}

/* How far forward it is from one cell to another. */
static uint32_t distance(const struct index *index, uint32_t from, uint32_t to)
{
	return to >= from ? to - from : to + index->size - from;
}

static uint32_t home_at(const struct index *index, uint32_t cell)
{
	return index_home(index, index->hash_of(index->owner, index->cells[cell] - 1));
}

/* What follows a hole moves into it, unless its home lies behind the hole. */
static void close_hole(struct index *index, uint32_t hole)
{
	for (uint32_t at = index_after(index, hole); index->cells[at] != 0; at = index_after(index, at)) {
		if (distance(index, home_at(index, at), at) < distance(index, hole, at))
			continue;
		index->cells[hole] = index->cells[at];
		hole = at;
	}
	index->cells[hole] = 0;
}

void index_remove(struct index *index, uint64_t hash, uint32_t slot)
{
	uint32_t cell = index_home(index, hash);
	while (index->cells[cell] != slot + 1) {
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

static bool is_found(const struct index *index, uint32_t cell)
{
	for (uint32_t at = home_at(index, cell); at != cell; at = index_after(index, at))
		if (index->cells[at] == 0 || index->cells[at] == index->cells[cell])
			return false;
	return true;
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
