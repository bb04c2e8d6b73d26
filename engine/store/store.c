/* Set-up, the writer's side, statistics. Queries: reader.c. Views: view.c. Merging: merge.c. */
#include "engine/store/store.h"

#include "engine/base/clock.h"
#include "engine/base/hash.h"
#include "engine/memory/numa.h"
#include "engine/store/inside.h"
#include "engine/store/pack.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* ---- set-up ------------------------------------------------------------------------- */

static uint64_t random_seed(const void *address)
{
	uint64_t parts[2] = {(uint64_t)clock_monotonic_ns(), (uint64_t)(uintptr_t)address};
	return hash_bytes(parts, sizeof parts, (uint64_t)clock_unix_ms());
}

/* All in one mapping: whoever reads what is resident pays for each. */
static status setup_runs(struct store *store)
{
	const struct arena_options room = {.name = "open reward runs", .account = store->account};
	status s = arena_init(&store->open_room, OPEN_RUNS * store_open_run_bytes(), &room);
	for (unsigned i = 0; i < OPEN_RUNS && s == STATUS_ok; i++) {
		struct run *run = NULL;
		s = run_create_open(&run, &store->open_room, store->is_plane, OPEN_SLOTS, OPEN_TEXT_BYTES);
		if (s != STATUS_ok)
			break;
		run->next = store->spare_runs;
		store->spare_runs = run;
		atomic_fetch_add_explicit(&store->resident_bytes, run_resident_bytes(run), memory_order_relaxed);
	}
	arena_note(&store->open_room);
	return s;
}

static void setup_views(struct store *store)
{
	for (unsigned i = 0; i < VIEWS; i++) {
		store->views[i].next = store->spare_views;
		store->spare_views = &store->views[i];
	}
	struct view *view = store_take_view(store);
	view->runs[0] = store->spare_runs;
	store->spare_runs = store->spare_runs->next;
	view->run_count = 1;
	store_install(store, view);
}

unsigned store_replicas(const struct store_options *o)
{
	unsigned count = o->replicas != 0 ? o->replicas : o->numa != NULL && o->numa->can_place ? o->numa->node_count : 1;
	return count < RUN_REPLICAS_MAX ? count : RUN_REPLICAS_MAX;
}

/* The first is on the writer's node, where that is known: the writer reads it. Nodes without
 * one of their own share the others'. */
static void setup_replicas(struct store *store, const struct store_options *o)
{
	store->replica_count = store_replicas(o);
	store->replica_nodes[0] = ACCOUNT_NODE;
	for (unsigned n = 0; n < NUMBER_SET_LIMIT; n++)
		store->replica_of_node[n] = (uint8_t)(n % store->replica_count);
	for (unsigned i = 1; i < store->replica_count; i++)
		store->replica_nodes[i] = NUMA_ANY_NODE;
	if (store->replica_count == 1 || o->numa == NULL || !o->numa->can_place)
		return;
	const struct number_set *nodes = &o->numa->nodes;
	int first = o->account == NULL ? NUMA_ANY_NODE : numa_node(o->numa, o->account->policy.node);
	unsigned node = first == NUMA_ANY_NODE ? number_set_next(nodes, 0) : (unsigned)first;
	for (unsigned i = 0; i < store->replica_count; i++) {
		store->replica_nodes[i] = (int)node;
		store->replica_of_node[node] = (uint8_t)i;
		node = number_set_next(nodes, node + 1);
		if (node == NUMBER_SET_LIMIT)
			node = number_set_next(nodes, 0);
	}
}

static status setup_readers(struct store *store, unsigned readers_max)
{
	size_t bytes = (size_t)readers_max * sizeof *store->readers;
	const struct arena_options room = {.name = "reward readers", .account = store->account, .is_on_any_node = true};
	status s = arena_init(&store->readers_room, bytes, &room);
	if (s != STATUS_ok)
		return s;
	store->readers = arena_take(&store->readers_room, bytes, alignof(struct store_reader));
	CHECK(store->readers != NULL, "room for %u readers", readers_max);
	memset(store->readers, 0, bytes); /* also faults the pages in, once */
	arena_note(&store->readers_room);
	store->readers_max = readers_max;
	for (unsigned i = 0; i < readers_max; i++)
		epoch_register(&store->epoch, &store->readers[i].record);
	epoch_register(&store->epoch, &store->merger_record);
	return STATUS_ok;
}

static status setup_parts(struct store *store, unsigned readers_max)
{
	status s = setup_runs(store);
	if (s != STATUS_ok)
		return s;
	setup_views(store);
	s = setup_readers(store, readers_max);
	if (s != STATUS_ok)
		return s;
	s = arena_init(&store->ends_room, ENDS_MAX * sizeof *store->ends,
	               &(struct arena_options){.name = "ends during a merge", .account = store->account});
	if (s != STATUS_ok)
		return s;
	store->ends = arena_take(&store->ends_room, ENDS_MAX * sizeof *store->ends, alignof(struct end));
	return merge_setup(store);
}

status store_setup(struct store **out, const struct store_options *options)
{
	const struct filter *filter = NULL;
	status s = filter_choose(options->kernel, &filter);
	if (s != STATUS_ok)
		return s;
	struct store *store = aligned_alloc(alignof(struct store), sizeof *store);
	if (store == NULL)
		return STATUS_pool_exhausted;
	memset(store, 0, sizeof *store);
	store->filter = filter;
	store->is_plane = options->is_plane;
	store->capacity = options->capacity;
	store->account = options->account;
	setup_replicas(store, options);
	store->name_bytes_max = store_name_bytes_max(options);
	store->seed = random_seed(store);
	epoch_init(&store->epoch);
	pthread_mutex_init(&store->lock, NULL);
	pthread_cond_init(&store->work, NULL);
	pthread_cond_init(&store->settled, NULL);
	s = setup_parts(store, options->readers_max == 0 ? 1 : options->readers_max);
	if (s != STATUS_ok) {
		store_teardown(&store);
		return s;
	}
	*out = store;
	return STATUS_ok;
}

void store_teardown(struct store **out)
{
	struct store *store = *out;
	if (store == NULL)
		return;
	merge_teardown(store);
	store_drop_runs(store);
	arena_deinit(&store->open_room);
	arena_deinit(&store->ends_room);
	arena_deinit(&store->readers_room);
	pthread_cond_destroy(&store->settled);
	pthread_cond_destroy(&store->work);
	pthread_mutex_destroy(&store->lock);
	free(store);
	*out = NULL;
}

status store_reader_create(struct store *store, struct store_reader **out)
{
	status s = STATUS_pool_exhausted;
	pthread_mutex_lock(&store->lock);
	for (unsigned i = 0; i < store->readers_max && s != STATUS_ok; i++) {
		struct store_reader *r = &store->readers[i];
		if (r->is_taken)
			continue;
		r->is_taken = true;
		r->store = store;
		r->search.filter = store->filter;
		r->search.is_plane = store->is_plane;
		r->search.ignore_tree = false;
		r->is_kept_to_it = false;
		*out = r;
		s = STATUS_ok;
	}
	pthread_mutex_unlock(&store->lock);
	return s;
}

void store_reader_destroy(struct store_reader **reader)
{
	if (*reader == NULL)
		return;
	struct store *store = (*reader)->store;
	pthread_mutex_lock(&store->lock);
	(*reader)->is_taken = false;
	pthread_mutex_unlock(&store->lock);
	*reader = NULL;
}

/* ---- changes ------------------------------------------------------------------------ */

bool store_live_slot(const struct store *store, struct identifier id, struct run **run, uint32_t *slot)
{
	const struct view *view = store_view(store);
	for (unsigned i = 0; i < view->run_count; i++) {
		*slot = run_find(view->runs[i], id, UINT64_MAX, store->seed);
		if (*slot == RUN_SLOT_NONE)
			continue;
		*run = view->runs[i];
		return true;
	}
	return false;
}

/* A slot that ends in a run that is being merged has to end in the merged run, too. */
static bool can_end(const struct store *store, const struct run *run)
{
	return !run->is_merging || store->end_count < ENDS_MAX;
}

static uint32_t slot_name_bytes(const struct run *run, uint32_t slot) { return (uint8_t)run->text[run->cold[slot].name]; }

static uint64_t live_name_bytes(const struct store *store)
{
	return atomic_load_explicit(&store->name_bytes, memory_order_relaxed);
}

static void end_slot(struct store *store, struct run *run, uint32_t slot)
{
	uint64_t version = store_next_version(store);
	atomic_fetch_sub_explicit(&store->name_bytes, slot_name_bytes(run, slot), memory_order_relaxed);
	run_end(run, slot, version);
	run->ended_count++;
	store->unpublished_ends++;
	if (run->is_merging)
		store->ends[store->end_count++] = (struct end){run->exact[slot].id_low, run->exact[slot].id_high, version};
}

static uint32_t open_count(const struct store *store)
{
	return atomic_load_explicit(&store_view(store)->runs[0]->count, memory_order_relaxed);
}

static const char *kind_of(const struct reward *reward, uint32_t *bytes)
{
	*bytes = reward->kind_bytes == 0 ? 7 : reward->kind_bytes;
	return reward->kind_bytes == 0 ? "default" : reward->kind;
}

struct put_plan {
	bool is_new;
	struct run *old_run;
	uint32_t old_slot;
};

/* Under the lock. */
static status plan_put(const struct store *store, const struct reward *reward, struct put_plan *plan)
{
	uint32_t kind_bytes;
	const char *kind = kind_of(reward, &kind_bytes);
	plan->is_new = !store_live_slot(store, reward->id, &plan->old_run, &plan->old_slot);
	bool is_full = open_count(store) == OPEN_SLOTS;
	if ((is_full && !store_can_freeze(store)) || (!plan->is_new && !can_end(store, plan->old_run)))
		return STATUS_overloaded;
	uint64_t live = atomic_load_explicit(&store->live, memory_order_relaxed);
	if (plan->is_new && live >= store->capacity)
		return STATUS_pool_exhausted;
	uint64_t freed = plan->is_new ? 0 : slot_name_bytes(plan->old_run, plan->old_slot);
	if (live_name_bytes(store) - freed + reward->name_bytes > store->name_bytes_max)
		return STATUS_pool_exhausted;
	return kinds_can_add(&store->kinds, kind, kind_bytes) ? STATUS_ok : STATUS_pool_exhausted;
}

/* The lock is not part of what const promises: a plan changes nothing that anyone sees. */
static pthread_mutex_t *lock_of(const struct store *store)
{
	return (pthread_mutex_t *)((uintptr_t)store + offsetof(struct store, lock));
}

status store_can_put(const struct store *store, const struct reward *reward)
{
	struct put_plan plan;
	pthread_mutex_lock(lock_of(store));
	status s = plan_put(store, reward, &plan);
	pthread_mutex_unlock(lock_of(store));
	return s;
}

bool store_lacks_kind(const struct store *store, const struct reward *reward)
{
	uint32_t bytes;
	const char *kind = kind_of(reward, &bytes);
	return !kinds_can_add(&store->kinds, kind, bytes);
}

static status put_locked(struct store *store, const struct reward *reward)
{
	struct put_plan plan;
	status s = plan_put(store, reward, &plan);
	if (s != STATUS_ok)
		return s;
	if (open_count(store) == OPEN_SLOTS && store_freeze(store) != STATUS_ok)
		return STATUS_overloaded;
	uint32_t kind_bytes;
	const char *kind = kind_of(reward, &kind_bytes);
	unsigned kind_number = kinds_add(&store->kinds, kind, kind_bytes);
	if (!plan.is_new)
		end_slot(store, plan.old_run, plan.old_slot);
	run_append(store_view(store)->runs[0], reward, kind_number, store_next_version(store), store->seed);
	atomic_fetch_add_explicit(&store->name_bytes, reward->name_bytes, memory_order_relaxed);
	if (plan.is_new)
		atomic_fetch_add_explicit(&store->live, 1, memory_order_relaxed);
	return STATUS_ok;
}

status store_put(struct store *store, const struct reward *reward)
{
	pthread_mutex_lock(&store->lock);
	status s = put_locked(store, reward);
	pthread_mutex_unlock(&store->lock);
	return s;
}

static status plan_remove(const struct store *store, struct identifier id, struct run **run, uint32_t *slot)
{
	if (!store_live_slot(store, id, run, slot))
		return STATUS_not_found;
	return can_end(store, *run) ? STATUS_ok : STATUS_overloaded;
}

status store_can_remove(const struct store *store, struct identifier id)
{
	struct run *run;
	uint32_t slot;
	pthread_mutex_lock(lock_of(store));
	status s = plan_remove(store, id, &run, &slot);
	pthread_mutex_unlock(lock_of(store));
	return s;
}

status store_remove(struct store *store, struct identifier id)
{
	struct run *run;
	uint32_t slot;
	pthread_mutex_lock(&store->lock);
	status s = plan_remove(store, id, &run, &slot);
	if (s == STATUS_ok) {
		end_slot(store, run, slot);
		atomic_fetch_sub_explicit(&store->live, 1, memory_order_relaxed);
	}
	pthread_mutex_unlock(&store->lock);
	return s;
}

/* ---- what is left of a stock ---- */

/* The live reward as it could be put in again; its text stays in the run. */
static struct reward reward_of(const struct store *store, const struct run *run, uint32_t slot)
{
	const struct exact *e = &run->exact[slot];
	const struct cold *c = &run->cold[slot];
	const char *name = run->text + c->name, *kind = store->kinds.names[e->kind];
	struct reward reward = {
		.id = {e->id_low, e->id_high, e->id_is_uuid},
		.x = e->x,
		.y = e->y,
		.radius = run->radius[slot],
		.value = e->value,
		.stock = c->stock,
		.from_ms = c->from_ms,
		.until_ms = c->until_ms,
		.benefit_value = c->benefit_value,
		.per_actor = c->per_actor,
		.benefit_type = (enum benefit_type)c->benefit_type,
		.kind = kind,
		.kind_bytes = (uint32_t)strlen(kind),
		.name = name + 1,
		.name_bytes = (uint8_t)name[0],
	};
	memcpy(reward.benefit_currency, c->benefit_currency, sizeof reward.benefit_currency);
	return reward;
}

static status find_reward(const struct store *store, struct identifier id, struct reward *reward)
{
	struct run *run;
	uint32_t slot;
	if (!store_live_slot(store, id, &run, &slot))
		return STATUS_not_found;
	*reward = reward_of(store, run, slot);
	return STATUS_ok;
}

status store_can_set_taken(const struct store *store, struct identifier id)
{
	struct reward reward;
	struct put_plan plan;
	pthread_mutex_lock(lock_of(store));
	status s = find_reward(store, id, &reward);
	if (s == STATUS_ok && reward.stock != STOCK_UNLIMITED)
		s = plan_put(store, &reward, &plan);
	pthread_mutex_unlock(lock_of(store));
	return s;
}

status store_set_taken(struct store *store, struct identifier id, uint64_t taken)
{
	struct reward reward;
	pthread_mutex_lock(&store->lock);
	status s = find_reward(store, id, &reward);
	reward.taken = taken;
	if (s == STATUS_ok && reward.stock != STOCK_UNLIMITED)
		s = put_locked(store, &reward);
	pthread_mutex_unlock(&store->lock);
	return s;
}

uint64_t store_publish(struct store *store)
{
	pthread_mutex_lock(&store->lock);
	uint64_t version = store_next_version(store);
	atomic_store_explicit(&store->version, version, memory_order_release);
	store->unpublished_ends = 0;
	pthread_mutex_unlock(&store->lock);
	return version;
}

/* ---- load --------------------------------------------------------------------------- */

/* Leaves the last row of each id in `places`, which has room for all rows. Returns how
 * many; UINT32_MAX without memory. */
static uint32_t last_rows(const struct store *store, const struct reward *rewards, uint32_t count,
                          struct pack_place *places)
{
	uint64_t size = 16;
	while (size < (uint64_t)count * 2)
		size *= 2;
	uint32_t *table = calloc(size, sizeof *table); /* row + 1 */
	if (table == NULL)
		return UINT32_MAX;
	uint32_t kept = 0;
	for (uint32_t row = count; row-- > 0;) {
		const struct reward *reward = &rewards[row];
		uint64_t i = hash_128(reward->id.high, reward->id.low, store->seed) & (size - 1);
		while (table[i] != 0 && !identifier_equal(rewards[table[i] - 1].id, reward->id))
			i = (i + 1) & (size - 1);
		if (table[i] != 0)
			continue;
		table[i] = row + 1;
		places[kept++] = (struct pack_place){(float)reward->x, (float)reward->y, row};
	}
	free(table);
	return kept;
}

static status fill_packed(struct store *store, struct run *run, const struct reward *rewards,
                          const struct pack_place *places, uint32_t count)
{
	for (uint32_t slot = 0; slot < count; slot++) {
		const struct reward *reward = &rewards[places[slot].index];
		uint32_t kind_bytes;
		const char *kind = kind_of(reward, &kind_bytes);
		unsigned kind_number = kinds_add(&store->kinds, kind, kind_bytes);
		if (kind_number == KIND_NONE)
			return STATUS_pool_exhausted;
		run_fill(run, slot, reward, kind_number, store_next_version(store), store->seed);
	}
	run_finish(run, count);
	return run_replicate(run, store->account, store->replica_nodes, store->replica_count);
}

/* Live rewards that the rows replace, and the bytes of their names. */
static uint64_t count_replaced(const struct store *store, const struct reward *rewards,
                               const struct pack_place *places, uint32_t count, uint64_t *name_bytes)
{
	uint64_t replaced = 0;
	*name_bytes = 0;
	struct run *run;
	uint32_t slot;
	if (atomic_load_explicit(&store->live, memory_order_relaxed) == 0)
		return 0;
	for (uint32_t i = 0; i < count; i++) {
		if (!store_live_slot(store, rewards[places[i].index].id, &run, &slot))
			continue;
		replaced++;
		*name_bytes += slot_name_bytes(run, slot);
	}
	return replaced;
}

static void end_replaced(struct store *store, const struct reward *rewards, const struct pack_place *places,
                         uint32_t count)
{
	struct run *run;
	uint32_t slot;
	for (uint32_t i = 0; i < count; i++)
		if (store_live_slot(store, rewards[places[i].index].id, &run, &slot))
			end_slot(store, run, slot);
}

static status install_behind(struct store *store, struct run *run)
{
	const struct view *old = store_view(store);
	if (old->run_count == VIEW_RUNS_MAX)
		return STATUS_overloaded;
	struct view *view = store_take_view(store);
	if (view == NULL)
		return STATUS_overloaded;
	memcpy(view->runs, old->runs, old->run_count * sizeof view->runs[0]);
	view->run_count = old->run_count;
	view->runs[view->run_count++] = run;
	store_install(store, view);
	store->was_changed = true;
	pthread_cond_signal(&store->work);
	return STATUS_ok;
}

/* Under the lock, from the rows kept in places to a run in the view. */
static status load_places(struct store *store, const struct reward *rewards, struct pack_place *places, uint32_t count)
{
	uint64_t text = 0;
	uint64_t replaced_names;
	for (uint32_t i = 0; i < count; i++)
		text += run_text_bytes(rewards[places[i].index].name_bytes);
	uint64_t replaced = count_replaced(store, rewards, places, count, &replaced_names);
	uint64_t live = atomic_load_explicit(&store->live, memory_order_relaxed) + count - replaced;
	if (live > store->capacity || live_name_bytes(store) - replaced_names + (text - count) > store->name_bytes_max)
		return STATUS_pool_exhausted;
	if (store->is_merging && replaced > ENDS_MAX - store->end_count)
		return STATUS_overloaded;
	struct run *run = NULL;
	status s = run_create(&run, store->account, store->is_plane, count, text, store->replica_nodes[0]);
	if (s != STATUS_ok)
		return s;
	pack_order(places, count, store->is_plane);
	s = fill_packed(store, run, rewards, places, count);
	if (s == STATUS_ok && replaced != 0)
		end_replaced(store, rewards, places, count);
	if (s == STATUS_ok)
		s = install_behind(store, run);
	if (s != STATUS_ok) {
		run_destroy(&run);
		return s;
	}
	atomic_store_explicit(&store->live, live, memory_order_relaxed);
	atomic_fetch_add_explicit(&store->resident_bytes, run_resident_bytes(run), memory_order_relaxed);
	atomic_fetch_add_explicit(&store->name_bytes, text - count, memory_order_relaxed);
	atomic_store_explicit(&store->version, store_next_version(store), memory_order_release);
	store->unpublished_ends = 0;
	return STATUS_ok;
}

status store_load(struct store *store, const struct reward *rewards, uint64_t count)
{
	if (count == 0)
		return STATUS_ok;
	if (count > INT32_MAX)
		return STATUS_pool_exhausted;
	struct pack_place *places = malloc(count * sizeof *places);
	if (places == NULL)
		return STATUS_pool_exhausted;
	uint32_t kept = last_rows(store, rewards, (uint32_t)count, places);
	status s = STATUS_pool_exhausted;
	if (kept != UINT32_MAX) {
		pthread_mutex_lock(&store->lock);
		s = load_places(store, rewards, places, kept);
		pthread_mutex_unlock(&store->lock);
	}
	free(places);
	return s;
}

/* ---- statistics --------------------------------------------------------------------- */

void store_statistics(const struct store *store, struct store_statistics *out)
{
	*out = (struct store_statistics){
		.rewards = atomic_load_explicit(&store->live, memory_order_relaxed),
		.capacity = store->capacity,
		.version = atomic_load_explicit(&store->version, memory_order_relaxed),
		.runs = atomic_load_explicit(&store->run_count, memory_order_relaxed),
		.merges_total = atomic_load_explicit(&store->merges_total, memory_order_relaxed),
		.merged_rewards_total = atomic_load_explicit(&store->merged_rewards_total, memory_order_relaxed),
		.resident_bytes = atomic_load_explicit(&store->resident_bytes, memory_order_relaxed),
		.name_bytes = live_name_bytes(store),
		.name_bytes_max = store->name_bytes_max,
		.kernel = store->filter->name,
	};
}
