/*
 * run: a number of rewards in slots. The store is a handful of runs.
 *
 *   hot      x y from until kinds reach_x reach_y   32 bits each, one column each: what filters read
 *   exact    64 bytes a slot: what decides a candidate and what a match carries; the
 *            reward's own radius and the version at which it ended beside it
 *   cold     56 bytes a slot: the rest; names in a text blob
 *   table    open addressing of slot numbers by XXH3 of the id
 *   levels   packed runs only: bounding boxes of blocks of 32 slots, of 64 blocks, of
 *            64 of those, ... for positions and for the rewards' own circles
 *   blocks   packed runs only: is every slot of a block active, in stock and alive? Then
 *            a query without kinds need not look at more than the places
 *
 * A packed run is complete when readers first see it; then only `ended` changes. An
 * open run grows by run_append: readers see a prefix of it. Memory: one mapping a run,
 * owned by the run, in huge pages where it is large.
 *
 * Replicas: where there are several memory nodes a packed run exists once on each, the same
 * bytes at other addresses. They are one run: made before readers see it, ended together,
 * given back together. The first is the run that the view names; the writer knows no other.
 *
 * Versions: a slot counts at version V iff born <= V and not (0 < ended <= V).
 */
#ifndef ENGINE_STORE_RUN_H
#define ENGINE_STORE_RUN_H

#include "engine/base/check.h"
#include "engine/store/filter.h"
#include "engine/store/geometry.h"
#include "engine/store/store.h"

#include <stdatomic.h>
#include <stddef.h>

enum {
	RUN_BLOCK = FILTER_BLOCK,
	RUN_FANOUT = 64, /* measured: 16 costs a fifth more at 100 hits, 32 a tenth */
	RUN_LEVELS_MAX = 8,
	RUN_REPLICAS_MAX = 16, /* further nodes share them */
	RUN_SLOT_NONE = UINT32_MAX,
};
static_assert(FILTER_STEP % RUN_BLOCK == 0 && RUN_FANOUT % FILTER_NODE_STEP == 0);

/* One line holds all that a match needs, so an answer costs one cache miss a match. */
struct exact {
	double x, y;
	double cosine; /* geometry_cosine(y); unused on the plane */
	uint64_t id_low, id_high;
	int64_t value;
	int64_t remaining; /* STOCK_UNLIMITED, or what is left */
	uint8_t kind;
	bool id_is_uuid;
};
static_assert(sizeof(struct exact) == 64 && offsetof(struct exact, id_low) == 24 && offsetof(struct exact, kind) == 56);

struct cold {
	int64_t from_ms, until_ms, benefit_value;
	int64_t stock; /* what there was at first */
	uint64_t born;
	uint64_t name; /* offset in the text: a length byte and the name */
	uint32_t per_actor;
	uint8_t benefit_type;
	char benefit_currency[CURRENCY_BYTES];
};
static_assert(sizeof(struct cold) == 56 && offsetof(struct cold, born) == 32 && offsetof(struct cold, per_actor) == 48);

/* What a query asks of a block before it looks at the places alone, on one line. */
struct run_block {
	int32_t from;  /* the latest; INT32_MAX where one is out of stock */
	int32_t until; /* the earliest */
	_Atomic uint32_t has_ended;
	uint32_t unused;
};
static_assert(sizeof(struct run_block) == 16);

struct run_level {
	uint32_t node_count;
	float *min_x, *max_x, *min_y, *max_y;                         /* of positions */
	float *reach_min_x, *reach_max_x, *reach_min_y, *reach_max_y; /* of own circles */
};

struct run {
	float *x, *y, *reach_x, *reach_y;
	int32_t *from, *until;
	uint32_t *kinds;
	struct exact *exact;
	double *radius;
	_Atomic uint64_t *ended; /* version; 0: alive */
	struct run_block *blocks;
	uint64_t born_max;      /* every slot's born is at most this */
	_Atomic uint32_t count; /* slots that readers may see */
	unsigned level_count;   /* 0: not packed */
	struct run_level levels[RUN_LEVELS_MAX];
	struct cold *cold;
	char *text;
	_Atomic uint32_t *table; /* slot + 1, 0: free */
	uint32_t table_mask;
	uint32_t capacity; /* slots */
	bool is_plane;
	uint64_t text_used, text_capacity;
	unsigned replica_count; /* at least 1; of the first one */
	struct run *replicas[RUN_REPLICAS_MAX]; /* [0] is the run itself */
	/* The writer's, under the store's lock. */
	uint32_t ended_count;
	bool is_merging;
	struct run *next;
	size_t byte_count;
	struct region region;
	struct holding holding;
};

/* Bytes that a packed run of so many slots and so much text takes at most, however full its table. */
uint64_t run_bytes_most(uint64_t capacity, uint64_t text_capacity);
/* Exactly what run_create or run_create_open takes for a run of these. */
uint64_t run_bytes(bool is_packed, uint32_t capacity, uint64_t text_capacity);

/* A run that is to be packed, without slots, the caller's until run_destroy, on the node as account_open takes it.
 * STATUS_pool_exhausted. */
status run_create(struct run **run, struct account *account, bool is_plane, uint32_t capacity, uint64_t text_capacity,
                  int node);
/* An open run in the room, which outlives it. */
status run_create_open(struct run **run, struct arena *room, bool is_plane, uint32_t capacity, uint64_t text_capacity);
/* Copies a finished run that no reader sees yet to nodes[1] up to nodes[count - 1].
 * STATUS_pool_exhausted: some are missing; run_destroy takes those that are there. */
status run_replicate(struct run *run, struct account *account, const int nodes[], unsigned count);
/* The replica of this number; open runs have one for everybody. */
static inline const struct run *run_replica(const struct run *run, unsigned number)
{
	return __builtin_expect(number == 0, 1) || number >= run->replica_count ? run : run->replicas[number];
}
/* Bytes of all replicas. */
static inline uint64_t run_resident_bytes(const struct run *run) { return run->byte_count * run->replica_count; }
/* With its replicas. */
void run_destroy(struct run **run);
/* Makes an open run empty again; no reader may see it. */
void run_clear(struct run *run);

/* Writes a slot that no reader sees yet; the reward is copied. */
void run_fill(struct run *run, uint32_t slot, const struct reward *reward, unsigned kind, uint64_t born, uint64_t seed);
/* The same from a slot of another run. */
void run_copy(struct run *run, uint32_t slot, const struct run *from, uint32_t from_slot, uint64_t seed);
/* Open runs: the next slot, visible to readers when this returns (by version, later). */
uint32_t run_append(struct run *run, const struct reward *reward, unsigned kind, uint64_t born, uint64_t seed);
/* Packed runs, when all slots are filled: padding, boxes, count. */
void run_finish(struct run *run, uint32_t count);

/* Bytes of text that a reward's name takes. */
static inline uint64_t run_text_bytes(uint32_t name_bytes) { return 1 + (uint64_t)name_bytes; }

static inline bool run_sees(const struct run *run, uint32_t slot, uint64_t version)
{
	uint64_t ended = atomic_load_explicit(&run->ended[slot], memory_order_relaxed);
	if (__builtin_expect(ended != 0, 0) && ended <= version)
		return false;
	return run->born_max <= version || run->cold[slot].born <= version;
}

/* Packed runs: does every slot of the block count at this time and version, whatever its kind?
 * `at` as by filter_at; strict, because the columns are in seconds. */
static inline bool run_block_is_open(const struct run *run, uint32_t block, int32_t at, uint64_t version)
{
	const struct run_block *b = &run->blocks[block];
	return b->from < at && b->until - 1 > at && run->born_max <= version &&
	       atomic_load_explicit(&b->has_ended, memory_order_relaxed) == 0;
}

/* The slot ends at a version, in all replicas; readers learn it when that is published. */
static inline void run_end(struct run *run, uint32_t slot, uint64_t version)
{
	for (unsigned i = 0; i < run->replica_count; i++) {
		struct run *replica = run->replicas[i];
		if (replica->level_count != 0)
			atomic_store_explicit(&replica->blocks[slot / RUN_BLOCK].has_ended, 1, memory_order_relaxed);
		atomic_store_explicit(&replica->ended[slot], version, memory_order_relaxed);
	}
}

/* The slot of an id that counts at this version, or RUN_SLOT_NONE. */
uint32_t run_find(const struct run *run, struct identifier id, uint64_t version, uint64_t seed);

#endif
