#include "engine/store/run.h"

#include "engine/base/hash.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

static uint32_t round_up(uint32_t count, uint32_t step) { return (count + step - 1) / step * step; }

/* Places one array after the other in the mapping. Called without a mapping first, to
 * learn the size. The gap keeps columns from sharing cache sets. */
struct layout {
	uint8_t *bytes;
	size_t used;
};

static void *place(struct layout *l, size_t count, size_t size)
{
	size_t start = l->used;
	l->used = (start + count * size + CACHE_LINE_BYTES - 1) / CACHE_LINE_BYTES * CACHE_LINE_BYTES + 5 * CACHE_LINE_BYTES;
	return l->bytes == NULL ? NULL : l->bytes + start;
}

static void place_columns(struct run *run, struct layout *l)
{
	uint32_t slots = round_up(run->capacity, FILTER_STEP);
	run->x = place(l, slots, sizeof *run->x);
	run->y = place(l, slots, sizeof *run->y);
	run->from = place(l, slots, sizeof *run->from);
	run->until = place(l, slots, sizeof *run->until);
	run->kinds = place(l, slots, sizeof *run->kinds);
	run->reach_x = place(l, slots, sizeof *run->reach_x);
	run->reach_y = place(l, slots, sizeof *run->reach_y);
	run->exact = place(l, run->capacity, sizeof *run->exact);
	run->radius = place(l, run->capacity, sizeof *run->radius);
	run->ended = place(l, run->capacity, sizeof *run->ended);
	run->cold = place(l, run->capacity, sizeof *run->cold);
	run->table = place(l, (size_t)run->table_mask + 1, sizeof *run->table);
	run->text = place(l, run->text_capacity, 1);
}

static void place_levels(struct run *run, struct layout *l)
{
	uint32_t blocks = run->level_count == 0 ? 0 : run->levels[0].node_count;
	run->blocks = place(l, blocks, sizeof *run->blocks);
	for (unsigned i = 0; i < run->level_count; i++) {
		struct run_level *level = &run->levels[i];
		float **columns[] = {&level->min_x,       &level->max_x,       &level->min_y,       &level->max_y,
		                     &level->reach_min_x, &level->reach_max_x, &level->reach_min_y, &level->reach_max_y};
		for (unsigned c = 0; c < COUNT_OF(columns); c++)
			*columns[c] = place(l, round_up(level->node_count, FILTER_NODE_STEP), sizeof(float));
	}
}

static size_t place_all(struct run *run, uint8_t *bytes)
{
	struct layout l = {.bytes = bytes};
	place_levels(run, &l);
	place_columns(run, &l);
	return l.used;
}

static void plan_levels(struct run *run)
{
	uint32_t nodes = round_up(run->capacity, RUN_BLOCK) / RUN_BLOCK;
	for (;;) {
		CHECK(run->level_count < RUN_LEVELS_MAX, "a run of %u slots", run->capacity);
		run->levels[run->level_count++].node_count = nodes;
		if (nodes <= RUN_FANOUT)
			return;
		nodes = round_up(nodes, RUN_FANOUT) / RUN_FANOUT;
	}
}

/* A table at most two thirds full keeps probes short. */
static uint32_t table_mask_for(uint32_t capacity)
{
	uint64_t size = 16;
	while (size * 2 < (uint64_t)capacity * 3)
		size *= 2;
	return (uint32_t)(size - 1);
}

static void plan(struct run *run, bool is_packed, uint32_t capacity, uint64_t text_capacity)
{
	run->capacity = capacity;
	run->text_capacity = text_capacity;
	run->table_mask = table_mask_for(capacity);
	if (is_packed)
		plan_levels(run);
	run->byte_count = place_all(run, NULL);
}

uint64_t run_bytes(bool is_packed, uint32_t capacity, uint64_t text_capacity)
{
	struct run run = {};
	plan(&run, is_packed, capacity, text_capacity);
	return run.byte_count + sizeof run;
}

uint64_t run_bytes_most(uint64_t capacity, uint64_t text_capacity)
{
	/* Sizes of tables are powers of two: up to three entries a slot. */
	uint64_t table_bytes = ((uint64_t)table_mask_for((uint32_t)capacity) + 1) * sizeof(uint32_t);
	return run_bytes(true, (uint32_t)capacity, text_capacity) - table_bytes + 3 * (capacity + 16) * sizeof(uint32_t);
}

static struct run *make(bool is_plane, bool is_packed, uint32_t capacity, uint64_t text_capacity)
{
	struct run *run = calloc(1, sizeof *run);
	if (run == NULL)
		return NULL;
	run->is_plane = is_plane;
	/* Readers of an open run look while it grows: there each slot's own `born` counts. */
	run->born_max = is_packed ? 0 : UINT64_MAX;
	plan(run, is_packed, capacity, text_capacity);
	run->replicas[run->replica_count++] = run;
	return run;
}

status run_create_open(struct run **out, struct arena *room, bool is_plane, uint32_t capacity, uint64_t text_capacity)
{
	struct run *run = make(is_plane, false, capacity, text_capacity);
	if (run == NULL)
		return STATUS_pool_exhausted;
	uint8_t *bytes = arena_take(room, run->byte_count, CACHE_LINE_BYTES);
	CHECK(bytes != NULL, "room for an open run");
	place_all(run, bytes);
	*out = run;
	return STATUS_ok;
}

status run_create(struct run **out, struct account *account, bool is_plane, uint32_t capacity, uint64_t text_capacity,
                  int node)
{
	struct run *run = make(is_plane, true, capacity, text_capacity);
	if (run == NULL)
		return STATUS_pool_exhausted;
	run->holding = (struct holding){.name = "reward runs", .option = "rewards.capacity", .kind = HOLDING_snapshot};
	status s = account_open(account, &run->region, &run->holding, run->byte_count, run->byte_count, node);
	if (s != STATUS_ok) {
		free(run);
		return s;
	}
	holding_use(&run->holding, run->byte_count);
	place_all(run, run->region.bytes);
	*out = run;
	return STATUS_ok;
}

status run_replicate(struct run *run, struct account *account, const int nodes[], unsigned count)
{
	for (unsigned i = 1; i < count; i++) {
		struct run *replica = NULL;
		status s = run_create(&replica, account, run->is_plane, run->capacity, run->text_capacity, nodes[i]);
		if (s != STATUS_ok)
			return s;
		CHECK(replica != NULL, "a run that was created");
		memcpy(replica->region.bytes, run->region.bytes, run->byte_count);
		replica->born_max = run->born_max;
		replica->text_used = run->text_used;
		atomic_store_explicit(&replica->count, atomic_load_explicit(&run->count, memory_order_relaxed),
		                      memory_order_relaxed);
		run->replicas[run->replica_count++] = replica;
	}
	return STATUS_ok;
}

void run_destroy(struct run **out)
{
	struct run *run = *out;
	*out = NULL;
	if (run == NULL)
		return;
	for (unsigned i = run->replica_count; i-- > 0;) {
		struct run *replica = run->replicas[i];
		account_close(&replica->region, &replica->holding);
		free(replica);
	}
}

void run_clear(struct run *run)
{
	for (uint32_t i = 0; i <= run->table_mask; i++)
		atomic_store_explicit(&run->table[i], 0, memory_order_relaxed);
	atomic_store_explicit(&run->count, 0, memory_order_relaxed);
	run->text_used = 0;
	run->ended_count = 0;
	run->is_merging = false;
	run->next = NULL;
}

static void fill_hot(struct run *run, uint32_t slot, int64_t from_ms, int64_t until_ms)
{
	const struct exact *e = &run->exact[slot];
	double radius = run->radius[slot];
	run->x[slot] = (float)e->x;
	run->y[slot] = (float)e->y;
	run->from[slot] = filter_from(from_ms);
	run->until[slot] = filter_until(until_ms);
	run->kinds[slot] = e->remaining == 0 ? 0 : 1u << (e->kind % 31);
	struct geometry_reach reach = run->is_plane ? geometry_plane_reach(radius) : geometry_geo_reach(e->y, e->cosine, radius);
	/* What rounding this slot's and the query's place to floats, and the filter's own
	 * subtraction, can hide: a few 2^-24 of the largest number met; geo: of 540 degrees. */
	double hidden_x = run->is_plane ? (fabs(e->x) + reach.x) * 0x1p-21 + FLT_MIN : 2e-4;
	double hidden_y = run->is_plane ? (fabs(e->y) + reach.y) * 0x1p-21 + FLT_MIN : 2e-4;
	run->reach_x[slot] = filter_float_above(reach.x + hidden_x);
	run->reach_y[slot] = filter_float_above(reach.y + hidden_y);
}

static uint64_t fill_text(struct run *run, const char *name, uint32_t bytes)
{
	CHECK(bytes <= NAME_BYTES_MAX && run->text_used + run_text_bytes(bytes) <= run->text_capacity, "a name of %u bytes",
	      bytes);
	uint64_t offset = run->text_used;
	run->text[offset] = (char)bytes;
	if (bytes != 0)
		memcpy(run->text + offset + 1, name, bytes);
	run->text_used += run_text_bytes(bytes);
	return offset;
}

static void fill_table(struct run *run, uint32_t slot, uint64_t seed)
{
	uint32_t i = (uint32_t)hash_128(run->exact[slot].id_high, run->exact[slot].id_low, seed) & run->table_mask;
	while (atomic_load_explicit(&run->table[i], memory_order_relaxed) != 0)
		i = (i + 1) & run->table_mask;
	atomic_store_explicit(&run->table[i], slot + 1, memory_order_release);
}

static int64_t remaining_of(const struct reward *reward)
{
	if (reward->stock == STOCK_UNLIMITED)
		return STOCK_UNLIMITED;
	return reward->taken < (uint64_t)reward->stock ? reward->stock - (int64_t)reward->taken : 0;
}

void run_fill(struct run *run, uint32_t slot, const struct reward *reward, unsigned kind, uint64_t born, uint64_t seed)
{
	struct cold *c = &run->cold[slot];
	run->exact[slot] = (struct exact){
		.x = reward->x,
		.y = reward->y,
		.cosine = run->is_plane ? 1 : geometry_cosine(reward->y),
		.id_low = reward->id.low,
		.id_high = reward->id.high,
		.value = reward->value,
		.remaining = remaining_of(reward),
		.kind = (uint8_t)kind,
		.id_is_uuid = reward->id.is_uuid,
	};
	run->radius[slot] = reward->radius;
	atomic_store_explicit(&run->ended[slot], 0, memory_order_relaxed);
	*c = (struct cold){
		.from_ms = reward->from_ms,
		.until_ms = reward->until_ms,
		.benefit_value = reward->benefit_value,
		.stock = reward->stock,
		.born = born,
		.name = fill_text(run, reward->name, reward->name_bytes),
		.per_actor = reward->per_actor,
		.benefit_type = (uint8_t)reward->benefit_type,
	};
	memcpy(c->benefit_currency, reward->benefit_currency, sizeof c->benefit_currency);
	if (run->born_max < born)
		run->born_max = born;
	fill_hot(run, slot, reward->from_ms, reward->until_ms);
	fill_table(run, slot, seed);
}

void run_copy(struct run *run, uint32_t slot, const struct run *from, uint32_t from_slot, uint64_t seed)
{
	run->exact[slot] = from->exact[from_slot];
	run->radius[slot] = from->radius[from_slot];
	uint64_t ended = atomic_load_explicit(&from->ended[from_slot], memory_order_relaxed);
	if (ended != 0)
		run_end(run, slot, ended);
	struct cold *c = &run->cold[slot];
	*c = from->cold[from_slot];
	const char *name = from->text + c->name;
	c->name = fill_text(run, name + 1, (uint8_t)name[0]);
	if (run->born_max < c->born)
		run->born_max = c->born;
	run->x[slot] = from->x[from_slot];
	run->y[slot] = from->y[from_slot];
	run->from[slot] = from->from[from_slot];
	run->until[slot] = from->until[from_slot];
	run->kinds[slot] = from->kinds[from_slot];
	run->reach_x[slot] = from->reach_x[from_slot];
	run->reach_y[slot] = from->reach_y[from_slot];
	fill_table(run, slot, seed);
}

uint32_t run_append(struct run *run, const struct reward *reward, unsigned kind, uint64_t born, uint64_t seed)
{
	uint32_t slot = atomic_load_explicit(&run->count, memory_order_relaxed);
	CHECK(slot < run->capacity, "append to a full run of %u", run->capacity);
	run_fill(run, slot, reward, kind, born, seed);
	atomic_store_explicit(&run->count, slot + 1, memory_order_release);
	return slot;
}

static void pad_columns(struct run *run, uint32_t count)
{
	for (uint32_t i = count; i < round_up(run->capacity, FILTER_STEP); i++) {
		run->x[i] = run->y[i] = NAN;
		run->reach_x[i] = run->reach_y[i] = NAN;
		run->from[i] = INT32_MAX;
		run->until[i] = INT32_MIN;
		run->kinds[i] = 0;
	}
}

static void level_pad(struct run_level *l, uint32_t first)
{
	for (uint32_t i = first; i < round_up(l->node_count, FILTER_NODE_STEP); i++) {
		l->min_x[i] = l->max_x[i] = l->min_y[i] = l->max_y[i] = NAN;
		l->reach_min_x[i] = l->reach_max_x[i] = l->reach_min_y[i] = l->reach_max_y[i] = NAN;
	}
}

static void level_start(struct run_level *l, uint32_t i)
{
	l->min_x[i] = l->min_y[i] = l->reach_min_x[i] = l->reach_min_y[i] = INFINITY;
	l->max_x[i] = l->max_y[i] = l->reach_max_x[i] = l->reach_max_y[i] = -INFINITY;
}

static void widen(float *low, float *high, float new_low, float new_high)
{
	if (new_low < *low)
		*low = new_low;
	if (new_high > *high)
		*high = new_high;
}

static void block_boxes(struct run *run, uint32_t count)
{
	struct run_level *l = &run->levels[0];
	for (uint32_t i = 0; i < l->node_count; i++)
		level_start(l, i);
	for (uint32_t slot = 0; slot < count; slot++) {
		uint32_t i = slot / RUN_BLOCK;
		double x = run->x[slot];
		double y = run->y[slot];
		widen(&l->min_x[i], &l->max_x[i], run->x[slot], run->x[slot]);
		widen(&l->min_y[i], &l->max_y[i], run->y[slot], run->y[slot]);
		widen(&l->reach_min_x[i], &l->reach_max_x[i], filter_float_below(x - run->reach_x[slot]),
		      filter_float_above(x + run->reach_x[slot]));
		widen(&l->reach_min_y[i], &l->reach_max_y[i], filter_float_below(y - run->reach_y[slot]),
		      filter_float_above(y + run->reach_y[slot]));
	}
	level_pad(l, l->node_count);
}

static void block_windows(struct run *run, uint32_t count)
{
	for (uint32_t i = 0; i < run->levels[0].node_count; i++)
		run->blocks[i] = (struct run_block){.from = INT32_MIN, .until = INT32_MAX};
	for (uint32_t slot = 0; slot < count; slot++) {
		struct run_block *b = &run->blocks[slot / RUN_BLOCK];
		int32_t from = run->kinds[slot] == 0 ? INT32_MAX : run->from[slot];
		if (from > b->from)
			b->from = from;
		if (run->until[slot] < b->until)
			b->until = run->until[slot];
	}
}

static void parent_boxes(const struct run_level *children, struct run_level *l)
{
	for (uint32_t i = 0; i < l->node_count; i++)
		level_start(l, i);
	for (uint32_t child = 0; child < children->node_count; child++) {
		uint32_t i = child / RUN_FANOUT;
		widen(&l->min_x[i], &l->max_x[i], children->min_x[child], children->max_x[child]);
		widen(&l->min_y[i], &l->max_y[i], children->min_y[child], children->max_y[child]);
		widen(&l->reach_min_x[i], &l->reach_max_x[i], children->reach_min_x[child], children->reach_max_x[child]);
		widen(&l->reach_min_y[i], &l->reach_max_y[i], children->reach_min_y[child], children->reach_max_y[child]);
	}
	level_pad(l, l->node_count);
}

void run_finish(struct run *run, uint32_t count)
{
	CHECK(count <= run->capacity, "%u slots of %u", count, run->capacity);
	pad_columns(run, count);
	block_boxes(run, count);
	block_windows(run, count);
	for (unsigned i = 1; i < run->level_count; i++)
		parent_boxes(&run->levels[i - 1], &run->levels[i]);
	atomic_store_explicit(&run->count, count, memory_order_release);
}

uint32_t run_find(const struct run *run, struct identifier id, uint64_t version, uint64_t seed)
{
	uint32_t i = (uint32_t)hash_128(id.high, id.low, seed) & run->table_mask;
	for (;; i = (i + 1) & run->table_mask) {
		uint32_t entry = atomic_load_explicit(&run->table[i], memory_order_acquire);
		if (entry == 0)
			return RUN_SLOT_NONE;
		const struct exact *e = &run->exact[entry - 1];
		if (e->id_low == id.low && e->id_high == id.high && run_sees(run, entry - 1, version))
			return entry - 1;
	}
}
