#include "engine/commerce/idempotency.h"

#include "engine/base/check.h"

#include <string.h>

static uint64_t join(const uint32_t halves[2]) { return (uint64_t)halves[1] << 32 | halves[0]; }

static void split(uint64_t value, uint32_t halves[2])
{
	halves[0] = (uint32_t)value;
	halves[1] = (uint32_t)(value >> 32);
}

/* The block that is being filled holds no full part of the window, so there is one more. */
static uint64_t blocks_for(uint64_t capacity) { return (capacity + IDEMPOTENCY_BLOCK - 1) / IDEMPOTENCY_BLOCK + 1; }

static uint64_t table_bytes(uint64_t blocks)
{
	return blocks * (IDEMPOTENCY_BLOCK * sizeof(struct idempotency_entry) + sizeof(struct idempotency_block));
}

static uint64_t hash_of(const void *owner, uint32_t entry)
{
	const struct idempotency *w = owner;
	return join(w->entries[entry].key);
}

static const char option[] = "idempotency.capacity";

status idempotency_setup(struct idempotency *w, uint32_t capacity, int64_t age_ms, const struct part_options *o)
{
	uint32_t blocks = (uint32_t)blocks_for(capacity);
	*w = (struct idempotency){
		.block_count = blocks,
		.age_s = (age_ms + 999) / 1000,
		.seed = o->seed,
		.holding = {.name = "idempotency window", .option = option, .kind = HOLDING_buffer},
	};
	size_t bytes = table_bytes(blocks);
	status s = account_open(o->account, &w->region, &w->holding, bytes, bytes, ACCOUNT_NODE);
	if (s == STATUS_ok)
		s = index_setup(&w->index, &(struct index_options){"idempotency index", option, o->account,
		                blocks * IDEMPOTENCY_BLOCK, hash_of, w});
	if (s != STATUS_ok) {
		idempotency_teardown(w);
		return s;
	}
	w->blocks = (struct idempotency_block *)(void *)w->region.bytes;
	w->entries = (struct idempotency_entry *)(void *)(w->blocks + blocks);
	holding_use(&w->holding, bytes);
	return STATUS_ok;
}

void idempotency_teardown(struct idempotency *w)
{
	index_teardown(&w->index);
	account_close(&w->region, &w->holding);
}

void idempotency_bill(struct bill *bill, uint64_t capacity)
{
	uint64_t entries = blocks_for(capacity) * IDEMPOTENCY_BLOCK;
	bill_add(bill, "commerce", option, entries, sizeof(struct idempotency_entry), "remembered events");
	bill_add(bill, "commerce", option, 1,
	         index_bytes(entries) + blocks_for(capacity) * sizeof(struct idempotency_block) + 2 * 4096, "their index");
}

/* ---- asking -------------------------------------------------------------------------------- */

static bool is_too_old(const struct idempotency *w, uint32_t entry, int64_t now_ms)
{
	return (int64_t)w->blocks[entry / IDEMPOTENCY_BLOCK].newest_s + w->age_s < now_ms / 1000;
}

static struct idempotency_found search(const struct idempotency *w, uint64_t key, uint64_t content, int64_t now_ms,
                                       uint32_t cell)
{
	for (uint32_t entry; index_next(&w->index, key, &cell, &entry);) {
		const struct idempotency_entry *e = &w->entries[entry];
		if (join(e->key) != key || is_too_old(w, entry, now_ms))
			continue;
		return (struct idempotency_found){
			.match = join(e->content) == content ? IDEMPOTENCY_same : IDEMPOTENCY_other,
			.position = w->blocks[entry / IDEMPOTENCY_BLOCK].position + e->offset,
			.cell = cell,
		};
	}
	return (struct idempotency_found){.match = IDEMPOTENCY_new};
}

struct idempotency_found idempotency_find(const struct idempotency *w, struct identifier id, uint64_t content,
                                          int64_t now_ms)
{
	uint64_t key = id_hash(id_pack(id), w->seed);
	return search(w, key, content, now_ms, index_home(&w->index, key));
}

struct idempotency_found idempotency_next(const struct idempotency *w, struct identifier id, uint64_t content,
                                          int64_t now_ms, const struct idempotency_found *last)
{
	return search(w, id_hash(id_pack(id), w->seed), content, now_ms, last->cell);
}

/* ---- remembering ---------------------------------------------------------------------------- */

static void forget_block(struct idempotency *w, uint32_t block)
{
	uint32_t first = block * IDEMPOTENCY_BLOCK;
	/* Nobody has looked at these for long: all cells come at once instead of one after another. */
	for (uint32_t i = 0; i < w->blocks[block].used; i++)
		index_fetch(&w->index, hash_of(w, first + i));
	for (uint32_t i = 0; i < w->blocks[block].used; i++)
		index_remove(&w->index, hash_of(w, first + i), first + i);
	w->count -= w->blocks[block].used;
	w->blocks[block] = (struct idempotency_block){};
}

/* A block that is too old is not written on: that would make it young, and what was forgotten would be known again. */
static bool may_fill(const struct idempotency *w, const struct idempotency_block *b, uint64_t position, int64_t now_ms)
{
	return b->used == 0 || (b->used < IDEMPOTENCY_BLOCK && position - b->position <= UINT32_MAX &&
	                        !is_too_old(w, w->block * IDEMPOTENCY_BLOCK, now_ms));
}

/* The block to write into, with the position in reach of an offset. */
static struct idempotency_block *open_block(struct idempotency *w, uint64_t position, int64_t now_ms)
{
	struct idempotency_block *b = &w->blocks[w->block];
	if (!may_fill(w, b, position, now_ms)) {
		w->block = w->block + 1 == w->block_count ? 0 : w->block + 1;
		b = &w->blocks[w->block];
		forget_block(w, w->block);
	}
	if (b->used == 0)
		b->position = position;
	return b;
}

void idempotency_remember(struct idempotency *w, struct identifier id, uint64_t content, uint64_t position, int64_t now_ms)
{
	CHECK(position >= w->newest_position, "position %llu after %llu", (unsigned long long)position,
	      (unsigned long long)w->newest_position);
	uint64_t key = id_hash(id_pack(id), w->seed);
	struct idempotency_block *b = open_block(w, position, now_ms);
	uint32_t entry = w->block * IDEMPOTENCY_BLOCK + b->used++;
	struct idempotency_entry *e = &w->entries[entry];
	split(key, e->key);
	split(content, e->content);
	e->offset = (uint32_t)(position - b->position);
	/* A clock that was set back does not make the block older. */
	if (now_ms / 1000 > (int64_t)b->newest_s)
		b->newest_s = (uint32_t)(now_ms / 1000);
	index_insert(&w->index, key, entry);
	w->newest_position = position;
	w->count++;
}

/* ---- saving and restoring ------------------------------------------------------------------- */

void idempotency_visit(const struct idempotency *w, idempotency_visitor *visit, void *context)
{
	for (uint32_t i = 1; i <= w->block_count; i++) {
		uint32_t block = (uint32_t)(((uint64_t)w->block + i) % w->block_count);
		if (w->blocks[block].used > 0)
			visit(context, &w->blocks[block], &w->entries[(size_t)block * IDEMPOTENCY_BLOCK]);
	}
}

uint32_t idempotency_blocks_used(const struct idempotency *w)
{
	uint32_t count = 0;
	for (uint32_t block = 0; block < w->block_count; block++)
		count += w->blocks[block].used > 0;
	return count;
}

bool idempotency_oldest(const struct idempotency *w, int64_t now_ms, uint64_t *position)
{
	for (uint32_t i = 1; i <= w->block_count; i++) {
		uint32_t block = (uint32_t)(((uint64_t)w->block + i) % w->block_count);
		if (w->blocks[block].used == 0 || is_too_old(w, block * IDEMPOTENCY_BLOCK, now_ms))
			continue;
		*position = w->blocks[block].position;
		return true;
	}
	return false;
}

/* Positions do not fall, and none wraps. */
static bool is_in_order(const struct idempotency *w, const struct idempotency_block *b, const struct idempotency_entry *entries)
{
	uint32_t last = 0;
	if (b->used == 0 || b->used > IDEMPOTENCY_BLOCK || b->position < w->newest_position || entries[0].offset != 0)
		return false;
	for (uint32_t i = 0; i < b->used; last = entries[i].offset, i++)
		if (entries[i].offset < last)
			return false;
	return b->position <= UINT64_MAX - last;
}

bool idempotency_restore(struct idempotency *w, const struct idempotency_block *b, const struct idempotency_entry *entries)
{
	if (!is_in_order(w, b, entries))
		return false;
	if (w->blocks[w->block].used > 0)
		w->block++;
	CHECK(w->block < w->block_count, "block %u of %u is restored", w->block, w->block_count);
	w->blocks[w->block] = *b;
	uint32_t first = w->block * IDEMPOTENCY_BLOCK;
	memcpy(&w->entries[first], entries, b->used * sizeof *entries);
	for (uint32_t i = 0; i < b->used; i++)
		index_insert(&w->index, hash_of(w, first + i), first + i);
	w->newest_position = b->position + entries[b->used - 1].offset;
	w->count += b->used;
	return true;
}

void idempotency_reset(struct idempotency *w)
{
	index_clear(&w->index);
	memset(w->blocks, 0, w->block_count * sizeof *w->blocks);
	w->block = 0;
	w->count = 0;
	w->newest_position = 0;
}

/* ---- all of them ------------------------------------------------------------------------------ */

uint64_t idempotency_digest(const struct idempotency *w)
{
	uint64_t sum = 0;
	for (uint32_t block = 0; block < w->block_count; block++)
		for (uint32_t i = 0; i < w->blocks[block].used; i++) {
			const struct idempotency_entry *e = &w->entries[block * IDEMPOTENCY_BLOCK + i];
			sum += hash_128(join(e->content), w->blocks[block].position + e->offset, 0);
		}
	return sum;
}

uint64_t idempotency_place_digest(const struct idempotency *w)
{
	uint64_t sum = 0;
	for (uint32_t block = 0; block < w->block_count; block++)
		for (uint32_t i = 0; i < w->blocks[block].used; i++)
			sum += hash_128(w->blocks[block].position + w->entries[block * IDEMPOTENCY_BLOCK + i].offset, 0, 0);
	return sum;
}

static bool is_indexed(const struct idempotency *w, uint32_t entry)
{
	uint64_t hash = hash_of(w, entry);
	for (uint32_t cell = index_home(&w->index, hash), found; index_next(&w->index, hash, &cell, &found);)
		if (found == entry)
			return true;
	return false;
}

bool idempotency_is_valid(const struct idempotency *w)
{
	uint64_t count = 0;
	for (uint32_t block = 0; block < w->block_count; block++) {
		if (w->blocks[block].used > IDEMPOTENCY_BLOCK)
			return false;
		for (uint32_t i = 0; i < w->blocks[block].used; i++, count++)
			if (!is_indexed(w, block * IDEMPOTENCY_BLOCK + i))
				return false;
	}
	return count == w->count && count == w->index.count && index_is_valid(&w->index);
}
