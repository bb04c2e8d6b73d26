/*
 * The merger thread: keeps the runs few.
 *
 * Runs are merged in size tiers (logarithmic method: Bentley and Saxe, Decomposable
 * Searching Problems, J. Algorithms 1980): starting at the smallest, a run joins as
 * long as it is no larger than those before it together, so each merge at least doubles
 * what it rewrites and a reward is rewritten about log2(n / 1024) times. After a moment
 * without changes a run joins up to four times as large. A run of which more than half
 * has ended is rewritten alone.
 *
 * A merge copies what is alive at the published version into a new packed run, without
 * the lock. What ended meanwhile was logged by the writer and ends in the new run before
 * readers see it. A slot that ended at or before the published version can be left out:
 * whoever sees the new view sees at least that version.
 */
#include "engine/base/clock.h"
#include "engine/base/thread.h"
#include "engine/memory/heap.h"
#include "engine/store/inside.h"
#include "engine/store/pack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	MERGE_RUNS_LEAST = 4,
	IDLE_GROWTH = 4,
	IDLE_MS = 100,
	RETRY_MS = 1000, /* after a merge that found no memory */
};

struct merge {
	struct run *runs[VIEW_RUNS_MAX];
	unsigned run_count;
	uint64_t published;
	struct pack_place *places; /* index: position in slots */
	struct slot_of {
		uint32_t run, slot;
	} *slots;
	uint32_t count;
	uint64_t text_bytes;
	struct run *merged;
	uint32_t ends_done;
};

static uint32_t run_count_of(const struct run *run) { return atomic_load_explicit(&run->count, memory_order_relaxed); }

/* ---- giving back -------------------------------------------------------------------- */

static void give_back_run(struct store *store, struct run *run)
{
	if (run->level_count == 0) {
		run_clear(run);
		run->next = store->spare_runs;
		store->spare_runs = run;
		return;
	}
	atomic_fetch_sub_explicit(&store->resident_bytes, run_resident_bytes(run), memory_order_relaxed);
	run_destroy(&run);
}

/* With the lock, which it gives up while it waits for readers. */
static void reclaim(struct store *store)
{
	struct run *runs = store->retired_runs;
	struct view *views = store->retired_views;
	if (runs == NULL && views == NULL)
		return;
	store->retired_runs = NULL;
	store->retired_views = NULL;
	pthread_mutex_unlock(&store->lock);
	epoch_wait(&store->epoch, &store->merger_record);
	pthread_mutex_lock(&store->lock);
	for (struct run *next; runs != NULL; runs = next) {
		next = runs->next;
		give_back_run(store, runs);
	}
	for (struct view *next; views != NULL; views = next) {
		next = views->next;
		views->next = store->spare_views;
		store->spare_views = views;
	}
}

static void destroy_list(struct run *run)
{
	for (struct run *next; run != NULL; run = next) {
		next = run->next;
		run_destroy(&run);
	}
}

void store_drop_runs(struct store *store)
{
	struct view *view = store_view(store);
	for (unsigned i = 0; view != NULL && i < view->run_count; i++)
		run_destroy(&view->runs[i]);
	destroy_list(store->retired_runs);
	destroy_list(store->spare_runs);
}

/* ---- choosing ----------------------------------------------------------------------- */

static int by_size(const void *a, const void *b)
{
	const struct run *x = *(struct run *const *)a;
	const struct run *y = *(struct run *const *)b;
	uint32_t nx = run_count_of(x);
	uint32_t ny = run_count_of(y);
	return nx < ny ? -1 : nx > ny;
}

static bool is_half_ended(const struct run *run) { return run->ended_count > run_count_of(run) / 2; }

/* Everything in one packed run, without slots that no reader sees, and an empty open one. */
static bool is_settled(const struct store *store)
{
	const struct view *view = store_view(store);
	if (run_count_of(view->runs[0]) != 0 || view->run_count > 2)
		return false;
	return view->run_count == 1 ||
	       (view->runs[1]->level_count != 0 && view->runs[1]->ended_count <= store->unpublished_ends);
}

/* More than the bill has: slots that ended in runs too small to be rewritten alone add up. */
static bool is_above_bill(const struct store *store, const struct merge *m)
{
	uint64_t slots = 0;
	uint64_t text = 0;
	for (unsigned i = 0; i < m->run_count; i++) {
		if (m->runs[i]->level_count == 0)
			continue;
		slots += m->runs[i]->capacity;
		text += m->runs[i]->text_used;
	}
	return slots > store_slots_max(store->capacity) || text > store_text_max(store->capacity, store->name_bytes_max);
}

/* Under the lock. Fills m->runs; false: nothing to do now. */
static bool choose(struct store *store, struct merge *m, bool is_idle)
{
	const struct view *view = store_view(store);
	unsigned count = view->run_count - 1;
	memcpy(m->runs, view->runs + 1, count * sizeof m->runs[0]);
	m->run_count = count;
	if (store->settle_waiters != 0)
		return count != 0 && !is_settled(store);
	if (count == 0)
		return false;
	if (count > 1 && is_above_bill(store, m))
		return true;
	qsort(m->runs, count, sizeof m->runs[0], by_size);
	uint64_t sum = run_count_of(m->runs[0]);
	unsigned growth = is_idle ? IDLE_GROWTH : 1;
	unsigned k = 1;
	for (; k < count && run_count_of(m->runs[k]) <= growth * sum; k++)
		sum += run_count_of(m->runs[k]);
	m->run_count = k;
	if (k >= MERGE_RUNS_LEAST || (is_idle && k >= 2))
		return true;
	for (unsigned i = 0; i < count; i++) {
		if (!is_half_ended(m->runs[i]))
			continue;
		m->runs[0] = m->runs[i];
		m->run_count = 1;
		return true;
	}
	return false;
}

/* ---- building, without the lock ------------------------------------------------------- */

static bool is_kept(const struct merge *m, const struct run *run, uint32_t slot)
{
	uint64_t ended = atomic_load_explicit(&run->ended[slot], memory_order_relaxed);
	return ended == 0 || ended > m->published;
}

static status gather(struct merge *m)
{
	uint64_t most = 0;
	for (unsigned i = 0; i < m->run_count; i++)
		most += run_count_of(m->runs[i]);
	m->places = malloc((most + 1) * sizeof *m->places);
	m->slots = malloc((most + 1) * sizeof *m->slots);
	if (m->places == NULL || m->slots == NULL || most > INT32_MAX)
		return STATUS_pool_exhausted;
	for (uint32_t i = 0; i < m->run_count; i++) {
		const struct run *run = m->runs[i];
		for (uint32_t slot = 0; slot < run_count_of(run); slot++) {
			if (!is_kept(m, run, slot))
				continue;
			m->places[m->count] = (struct pack_place){run->x[slot], run->y[slot], m->count};
			m->slots[m->count++] = (struct slot_of){i, slot};
			m->text_bytes += run_text_bytes((uint8_t)run->text[run->cold[slot].name]);
		}
	}
	return STATUS_ok;
}

static status build(const struct store *store, struct merge *m)
{
	status s = gather(m);
	if (s != STATUS_ok || m->count == 0)
		return s;
	s = run_create(&m->merged, store->account, store->is_plane, m->count, m->text_bytes,
	               store->replica_nodes[0]);
	if (s != STATUS_ok)
		return s;
	pack_order(m->places, m->count, store->is_plane);
	for (uint32_t i = 0; i < m->count; i++) {
		struct slot_of from = m->slots[m->places[i].index];
		run_copy(m->merged, i, m->runs[from.run], from.slot, store->seed);
	}
	run_finish(m->merged, m->count);
	return run_replicate(m->merged, store->account, store->replica_nodes, store->replica_count);
}

/* ---- installing --------------------------------------------------------------------- */

static void end_again(struct merge *m, const struct end *end, uint64_t seed)
{
	struct identifier id = {.low = end->id_low, .high = end->id_high};
	/* None: the copy was made after the end, and carries it. */
	uint32_t slot = run_find(m->merged, id, UINT64_MAX, seed);
	if (slot != RUN_SLOT_NONE)
		run_end(m->merged, slot, end->version);
}

/* Most of a long log is worked off without the lock, so that the writer waits little. */
static void catch_up(struct store *store, struct merge *m)
{
	enum { FEW = 64 };
	while (m->merged != NULL && store->end_count - m->ends_done > FEW) {
		uint32_t until = store->end_count;
		pthread_mutex_unlock(&store->lock);
		for (; m->ends_done < until; m->ends_done++)
			end_again(m, &store->ends[m->ends_done], store->seed);
		pthread_mutex_lock(&store->lock);
	}
	for (; m->merged != NULL && m->ends_done < store->end_count; m->ends_done++)
		end_again(m, &store->ends[m->ends_done], store->seed);
}

static bool is_source(const struct merge *m, const struct run *run)
{
	for (unsigned i = 0; i < m->run_count; i++)
		if (m->runs[i] == run)
			return true;
	return false;
}

static uint32_t count_ended(const struct run *run)
{
	uint32_t ended = 0;
	for (uint32_t slot = 0; slot < run_count_of(run); slot++)
		ended += atomic_load_explicit(&run->ended[slot], memory_order_relaxed) != 0;
	return ended;
}

/* Under the lock. */
static void replace_sources(struct store *store, struct merge *m, struct view *view)
{
	const struct view *old = store_view(store);
	for (unsigned i = 0; i < old->run_count; i++)
		if (!is_source(m, old->runs[i]))
			view->runs[view->run_count++] = old->runs[i];
	if (m->merged != NULL)
		view->runs[view->run_count++] = m->merged;
	store_install(store, view);
	for (unsigned i = 0; i < m->run_count; i++) {
		m->runs[i]->next = store->retired_runs;
		store->retired_runs = m->runs[i];
	}
	atomic_fetch_add_explicit(&store->merges_total, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&store->merged_rewards_total, m->count, memory_order_relaxed);
	if (m->merged != NULL)
		atomic_fetch_add_explicit(&store->resident_bytes, run_resident_bytes(m->merged), memory_order_relaxed);
}

/* Under the lock; gives it up while it builds. */
static status merge_runs(struct store *store, struct merge *m)
{
	m->published = atomic_load_explicit(&store->version, memory_order_relaxed);
	store->end_count = 0;
	store->is_merging = true;
	for (unsigned i = 0; i < m->run_count; i++)
		m->runs[i]->is_merging = true;
	pthread_mutex_unlock(&store->lock);
	status s = build(store, m);
	uint32_t ended = s == STATUS_ok && m->merged != NULL ? count_ended(m->merged) : 0;
	pthread_mutex_lock(&store->lock);
	catch_up(store, m);
	struct view *view = s == STATUS_ok ? store_take_view(store) : NULL;
	if (view == NULL) {
		for (unsigned i = 0; i < m->run_count; i++)
			m->runs[i]->is_merging = false;
		run_destroy(&m->merged);
		s = STATUS_pool_exhausted;
	} else {
		if (m->merged != NULL)
			m->merged->ended_count = ended + m->ends_done;
		replace_sources(store, m, view);
	}
	store->is_merging = false;
	store->end_count = 0;
	free(m->places);
	free(m->slots);
	return s;
}

/* ---- the thread --------------------------------------------------------------------- */

/* Under the lock. true: nothing changed for so long. */
static bool wait_for_work(struct store *store, int64_t timeout_ms)
{
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += timeout_ms / 1000;
	until.tv_nsec += timeout_ms % 1000 * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	int e = 0;
	while (e != ETIMEDOUT && !store->was_changed && !store->is_stopping && store->settle_waiters == 0)
		e = pthread_cond_timedwait(&store->work, &store->lock, &until);
	return e == ETIMEDOUT;
}

/* Under the lock. What a settling store needs before it can merge everything. */
static void prepare_settle(struct store *store)
{
	if (run_count_of(store_view(store)->runs[0]) != 0)
		(void)store_freeze(store); /* without spares: after the next merge */
	if (is_settled(store)) {
		store->settle_waiters = 0;
		pthread_cond_broadcast(&store->settled);
	}
}

static void *merger_main(void *argument)
{
	heap_exempt_thread(); /* it builds runs */
	thread_name("trove-merger");
	struct store *store = argument;
	struct merge *m = calloc(1, sizeof *m);
	CHECK(m != NULL, "no memory for the merger");
	bool is_idle = false;
	pthread_mutex_lock(&store->lock);
	while (!store->is_stopping) {
		reclaim(store);
		store->was_changed = false;
		if (store->settle_waiters != 0)
			prepare_settle(store);
		*m = (struct merge){};
		if (choose(store, m, is_idle)) {
			if (merge_runs(store, m) != STATUS_ok)
				(void)wait_for_work(store, RETRY_MS);
			is_idle = false;
			continue;
		}
		if (store->retired_views == NULL && store->settle_waiters == 0)
			is_idle = wait_for_work(store, IDLE_MS);
	}
	pthread_mutex_unlock(&store->lock);
	free(m);
	return NULL;
}

status merge_setup(struct store *store)
{
	store->has_merger = pthread_create(&store->merger, NULL, merger_main, store) == 0;
	return store->has_merger ? STATUS_ok : STATUS_pool_exhausted;
}

void merge_teardown(struct store *store)
{
	if (!store->has_merger)
		return;
	pthread_mutex_lock(&store->lock);
	store->is_stopping = true;
	pthread_cond_signal(&store->work);
	pthread_mutex_unlock(&store->lock);
	pthread_join(store->merger, NULL);
	store->has_merger = false;
}

void store_settle(struct store *store)
{
	pthread_mutex_lock(&store->lock);
	while (!is_settled(store)) {
		store->settle_waiters++;
		pthread_cond_signal(&store->work);
		pthread_cond_wait(&store->settled, &store->lock);
	}
	pthread_mutex_unlock(&store->lock);
}
