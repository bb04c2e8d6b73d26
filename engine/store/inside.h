/*
 * inside: the store's parts, for the files of this folder only.
 *
 * Design. Readers take, in this order: an epoch section, `view`, `version`, the view's
 * last_version; they see min(version, last_version). Everything that a change does is
 * stamped with the version that the next store_publish makes current, so a release
 * store of `version` shows all of it at once.
 * Why last_version: when the set of runs changes, the view that goes out of use is
 * sealed at the version then published. A reader that still holds it never looks at
 * a later version, whose changes may only have been made in the runs of newer views.
 *
 * The writer and the merger exclude each other by `lock`, held for a change, for a
 * publish, and by the merger only to choose runs and to put the merged one in their
 * place, never while it builds. Readers do not know the lock.
 * What left the view goes to the retired lists; the merger waits for the readers that
 * may still see it (epoch_wait), then gives packed runs back to the system and open runs
 * and views to the spare lists, so the writer never allocates.
 */
#ifndef ENGINE_STORE_INSIDE_H
#define ENGINE_STORE_INSIDE_H

#include "engine/base/epoch.h"
#include "engine/base/number_set.h"
#include "engine/memory/arena.h"
#include "engine/store/find.h"
#include "engine/store/kinds.h"
#include "engine/store/run.h"
#include "engine/store/search.h"
#include "engine/store/store.h"

#include <pthread.h>

enum {
	OPEN_SLOTS = 256,
	OPEN_RUNS = 96,       /* open or frozen at one time */
	VIEW_RUNS_MAX = 128,  /* more than OPEN_RUNS and all size tiers */
	VIEWS = 192,
	ENDS_MAX = 1 << 18,   /* removals and replacements during one merge */
	OPEN_TEXT_BYTES = OPEN_SLOTS * (1 + NAME_BYTES_MAX), /* run_text_bytes of full names */
};

/* An open run in the room of all, and the zone that debug builds put behind it. */
static inline uint64_t store_open_run_bytes(void) { return run_bytes(false, OPEN_SLOTS, OPEN_TEXT_BYTES) + CACHE_LINE_BYTES; }

struct view {
	_Atomic uint64_t last_version; /* UINT64_MAX while in use */
	unsigned run_count;
	struct run *runs[VIEW_RUNS_MAX]; /* [0] is the open one */
	struct view *next;
};

/* A slot that ended while its run was being merged, to be ended again in the merged run. */
struct end {
	uint64_t id_low, id_high;
	uint64_t version;
};

/* A found reward, before it is copied out. */
struct nearest {
	double distance;
	double square;
	const struct exact *exact;
};

struct store_reader {
	struct epoch_record record;
	struct store *store;
	bool is_taken;
	struct search search;
	/* store_locate's result so far: a heap, the farthest first, once it is full. */
	uint64_t count;
	uint32_t limit;
	uint32_t nearest_count;
	struct nearest nearest[LOCATE_LIMIT_MAX];
	struct match matches[LOCATE_LIMIT_MAX];
	/* store_find's */
	struct found_slot *found;
	uint64_t found_capacity;
	uint32_t run_number;
	unsigned replica;  /* that the last query read */
	bool is_kept_to_it;
	char name[NAME_BYTES_MAX + 1];
};

struct store {
	/* What readers read. */
	_Atomic(struct view *) view;
	_Atomic uint64_t version;
	const struct filter *filter;
	bool is_plane;
	unsigned replica_count; /* of each packed run */
	uint64_t seed;
	struct epoch epoch;
	struct kinds kinds;
	int replica_nodes[RUN_REPLICAS_MAX];
	uint8_t replica_of_node[NUMBER_SET_LIMIT];

	/* Counters, for anyone. */
	alignas(CACHE_LINE_BYTES) _Atomic uint64_t live;
	_Atomic uint64_t run_count;
	_Atomic uint64_t merges_total;
	_Atomic uint64_t merged_rewards_total;
	_Atomic uint64_t resident_bytes;
	_Atomic uint64_t name_bytes; /* of what is live; the writer's */

	/* Under the lock. */
	alignas(CACHE_LINE_BYTES) pthread_mutex_t lock;
	pthread_cond_t work;    /* for the merger */
	pthread_cond_t settled; /* for store_settle */
	uint64_t capacity;
	struct account *account;
	uint64_t name_bytes_max;
	struct run *spare_runs;
	struct view *spare_views;
	struct run *retired_runs;
	struct view *retired_views;
	bool is_stopping;
	bool is_merging;
	bool was_changed; /* since the merger last looked */
	unsigned settle_waiters;
	uint64_t unpublished_ends; /* ended, but readers still see them */
	uint32_t end_count;
	struct end *ends;
	struct arena open_room, ends_room, readers_room;

	pthread_t merger;
	bool has_merger;
	struct epoch_record merger_record;
	struct view views[VIEWS];
	unsigned readers_max;
	struct store_reader *readers;
};

/*
 * What packed runs may hold while the merger rests, slots that ended included, and bytes of
 * text; beyond it the merger puts everything into one run next. The writer cannot add to them meanwhile
 * more than the open runs take. So these and one merged run are all that there ever is.
 */
static inline uint64_t store_slots_max(uint64_t capacity) { return capacity + capacity / 2; }
static inline uint64_t store_text_max(uint64_t capacity, uint64_t name_bytes_max)
{
	return store_slots_max(capacity) + name_bytes_max + name_bytes_max / 2;
}

/* Under the lock: the next version. */
static inline uint64_t store_next_version(const struct store *store)
{
	return atomic_load_explicit(&store->version, memory_order_relaxed) + 1;
}

static inline struct view *store_view(const struct store *store)
{
	return atomic_load_explicit(&store->view, memory_order_acquire);
}

/* Under the lock. A view to fill, or NULL when none is spare. */
struct view *store_take_view(struct store *store);
/* Under the lock: seals the view in use and puts this one in its place. */
void store_install(struct store *store, struct view *view);
/* Under the lock: whether there is a spare run, a spare view and a place in it. */
bool store_can_freeze(const struct store *store);
/* Under the lock: puts an empty open run in front. STATUS_overloaded when nothing is spare. */
status store_freeze(struct store *store);
/* Under the lock: the run and slot of a live reward. */
bool store_live_slot(const struct store *store, struct identifier id, struct run **run, uint32_t *slot);

/* merge.c */
status merge_setup(struct store *store);
void merge_teardown(struct store *store);
/* Gives all runs and views back; nobody reads any more. */
void store_drop_runs(struct store *store);

#endif
