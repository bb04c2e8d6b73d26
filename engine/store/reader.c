/* Queries. The steps are in README.md; the design of versions in inside.h. */
#include "engine/memory/numa.h"
#include "engine/store/find.h"
#include "engine/store/inside.h"

#include <string.h>

enum { RANK_MAX = 32 };

/* The replica on the node that runs this thread. A thread that is moved while it reads has the
 * same answer from further away. */
static unsigned choose_replica(const struct store_reader *r)
{
	if (r->is_kept_to_it)
		return r->replica;
	int node = numa_node_of_thread();
	return node < 0 || node >= NUMBER_SET_LIMIT ? 0 : r->store->replica_of_node[node];
}

/* Enters a section and takes a version of the store; leave with end_read. */
static const struct view *begin_read(struct store_reader *r, uint64_t *version)
{
	struct store *store = r->store;
	if (__builtin_expect(store->replica_count > 1, 0))
		r->replica = choose_replica(r);
	epoch_enter(&r->record);
	struct view *view = store_view(store);
	uint64_t published = atomic_load_explicit(&store->version, memory_order_acquire);
	uint64_t last = atomic_load_explicit(&view->last_version, memory_order_relaxed);
	*version = published < last ? published : last;
	return view;
}

static void end_read(struct store_reader *r) { epoch_leave(&r->store->epoch, &r->record); }

static struct store_reader *reader_of(struct search *s)
{
	return (struct store_reader *)((char *)s - offsetof(struct store_reader, search));
}

/* ---- the nearest so far ------------------------------------------------------------ */

static inline bool is_nearer(const struct nearest *a, const struct nearest *b)
{
	if (a->distance != b->distance)
		return a->distance < b->distance;
	if (a->exact->id_high != b->exact->id_high)
		return a->exact->id_high < b->exact->id_high;
	return a->exact->id_low < b->exact->id_low;
}

/* The heap's root is the farthest. */
static void sift_down(struct nearest *heap, uint32_t count, uint32_t i)
{
	struct nearest moved = heap[i];
	for (uint32_t child; (child = 2 * i + 1) < count; i = child) {
		if (child + 1 < count && is_nearer(&heap[child], &heap[child + 1]))
			child++;
		if (!is_nearer(&moved, &heap[child]))
			break;
		heap[i] = heap[child];
	}
	heap[i] = moved;
}

static void make_heap(struct nearest *heap, uint32_t count)
{
	for (uint32_t i = count / 2; i-- > 0;)
		sift_down(heap, count, i);
}

static void keep(struct store_reader *r, const struct nearest *n)
{
	if (r->nearest_count < r->limit) {
		r->nearest[r->nearest_count++] = *n;
		if (r->nearest_count == r->limit)
			make_heap(r->nearest, r->limit);
	} else if (is_nearer(n, &r->nearest[0])) {
		r->nearest[0] = *n;
		sift_down(r->nearest, r->limit, 0);
	}
}

/* Ranks of a short list: how many are nearer. No branch depends on the distances, which
 * for a list in random order is several times as fast as any sort. false: two are equal. */
static bool rank_nearest(const struct nearest *list, uint32_t count, uint32_t *order)
{
	double distances[RANK_MAX];
	uint32_t seen = 0;
	for (uint32_t i = 0; i < count; i++)
		distances[i] = list[i].distance;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t rank = 0;
		for (uint32_t k = 0; k < count; k++)
			rank += distances[k] < distances[i];
		order[rank] = i;
		seen |= 1u << rank;
	}
	return seen == (uint32_t)((UINT64_C(1) << count) - 1);
}

static void sort_nearest(struct nearest *list, uint32_t count)
{
	make_heap(list, count);
	for (uint32_t end = count; end-- > 1;) {
		struct nearest farthest = list[0];
		list[0] = list[end];
		sift_down(list, end, 0);
		list[end] = farthest;
	}
}

/* ---- locate ------------------------------------------------------------------------ */

/* Is it farther than the farthest kept for certain? Saves the distance of most rewards
 * of a long list; the margin covers the rounding of both squares. */
static inline bool is_hopeless(const struct store_reader *r, double square)
{
	return r->nearest_count == r->limit && square > r->nearest[0].square * (1 + 1e-12) + 1e-280;
}

static void visit_locate(struct search *s, const struct run *run, const uint32_t *slots, uint32_t count,
                         enum certainty certainty)
{
	struct store_reader *r = reader_of(s);
	for (uint32_t i = 0; i < count; i++)
		__builtin_prefetch(&run->exact[slots[i]]);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t slot = slots[i];
		const struct exact *e = &run->exact[slot];
		if (certainty < CERTAIN_OPEN && !search_is_eligible(s, run, slot))
			continue;
		double square = search_square(s, e);
		if (certainty < CERTAIN_MATCH && !search_is_inside(s, run, e, square))
			continue;
		r->count++;
		if (is_hopeless(r, square))
			continue;
		struct nearest n = {search_distance(s, e, square), square, e};
		keep(r, &n);
	}
}

static void copy_match(const struct store_reader *r, const struct nearest *n, struct match *match)
{
	const struct exact *e = n->exact;
	*match = (struct match){
		.reward = {e->id_low, e->id_high, e->id_is_uuid},
		.distance = n->distance,
		.value = e->value,
		.remaining = e->remaining,
		.kind = r->store->kinds.names[e->kind],
	};
}

static void copy_matches(struct store_reader *r)
{
	uint32_t order[RANK_MAX];
	if (r->nearest_count <= RANK_MAX && rank_nearest(r->nearest, r->nearest_count, order)) {
		for (uint32_t i = 0; i < r->nearest_count; i++)
			copy_match(r, &r->nearest[order[i]], &r->matches[i]);
		return;
	}
	sort_nearest(r->nearest, r->nearest_count);
	for (uint32_t i = 0; i < r->nearest_count; i++)
		copy_match(r, &r->nearest[i], &r->matches[i]);
}

static void search_view(struct store_reader *r, const struct view *view, search_visitor *visit)
{
	for (unsigned i = 0; i < view->run_count; i++) {
		r->run_number = i;
		search_run(&r->search, run_replica(view->runs[i], r->replica), visit);
	}
}

void store_locate(struct store_reader *r, const struct locate_query *query, struct locate_result *result)
{
	const struct view *view = begin_read(r, &r->search.version);
	search_prepare(&r->search, query, &r->store->kinds);
	r->count = 0;
	r->nearest_count = 0;
	r->limit = query->limit < LOCATE_LIMIT_MAX ? query->limit : LOCATE_LIMIT_MAX;
	DEBUG_CHECK(r->limit >= 1);
	search_view(r, view, visit_locate);
	copy_matches(r);
	end_read(r);
	*result = (struct locate_result){r->count, r->nearest_count, r->matches};
}

/* ---- find -------------------------------------------------------------------------- */

static inline void find_slot(struct store_reader *r, uint32_t slot)
{
	if (r->count < r->found_capacity)
		r->found[r->count] = (struct found_slot){r->run_number, slot};
	r->count++;
}

static void visit_find(struct search *s, const struct run *run, const uint32_t *slots, uint32_t count,
                       enum certainty certainty)
{
	struct store_reader *r = reader_of(s);
	if (certainty == CERTAIN_MATCH && r->count + count <= r->found_capacity) {
		struct found_slot *found = r->found + r->count;
		const uint32_t run_number = r->run_number;
		for (uint32_t i = 0; i < count; i++)
			found[i] = (struct found_slot){run_number, slots[i]};
		r->count += count;
		return;
	}
	for (uint32_t i = 0; i < count; i++) {
		const struct exact *e = &run->exact[slots[i]];
		if (certainty < CERTAIN_OPEN && !search_is_eligible(s, run, slots[i]))
			continue;
		if (certainty == CERTAIN_MATCH || search_is_inside(s, run, e, s->area == LOCATE_BOX ? 0 : search_square(s, e)))
			find_slot(r, slots[i]);
	}
}

uint64_t store_find(struct store_reader *r, const struct locate_query *query, struct found_slot *found,
                    uint64_t capacity)
{
	const struct view *view = begin_read(r, &r->search.version);
	search_prepare(&r->search, query, &r->store->kinds);
	r->count = 0;
	r->found = found;
	r->found_capacity = capacity;
	search_view(r, view, visit_find);
	end_read(r);
	return r->count;
}

void store_reader_use_index(struct store_reader *r, bool use) { r->search.ignore_tree = !use; }

void store_reader_use_replica(struct store_reader *r, unsigned replica)
{
	r->replica = replica < r->store->replica_count ? replica : 0;
	r->is_kept_to_it = true;
}

unsigned store_reader_replica(const struct store_reader *r) { return r->replica; }

/* ---- get --------------------------------------------------------------------------- */

static void copy_view(struct store_reader *r, const struct run *run, uint32_t slot, struct reward_view *view)
{
	const struct exact *e = &run->exact[slot];
	const struct cold *c = &run->cold[slot];
	const char *name = run->text + c->name;
	size_t bytes = (uint8_t)name[0];
	memcpy(r->name, name + 1, bytes);
	r->name[bytes] = '\0';
	*view = (struct reward_view){
		.reward = {e->id_low, e->id_high, e->id_is_uuid},
		.x = e->x,
		.y = e->y,
		.radius = run->radius[slot],
		.value = e->value,
		.stock = c->stock,
		.remaining = e->remaining,
		.from_ms = c->from_ms,
		.until_ms = c->until_ms,
		.benefit_value = c->benefit_value,
		.per_actor = c->per_actor,
		.benefit_type = (enum benefit_type)c->benefit_type,
		.kind = r->store->kinds.names[e->kind],
		.name = r->name,
	};
	memcpy(view->benefit_currency, c->benefit_currency, CURRENCY_BYTES);
}

status store_get(struct store_reader *r, struct identifier id, struct reward_view *out)
{
	uint64_t version;
	status s = STATUS_not_found;
	const struct view *view = begin_read(r, &version);
	for (unsigned i = 0; i < view->run_count && s != STATUS_ok; i++) {
		const struct run *run = run_replica(view->runs[i], r->replica);
		uint32_t slot = run_find(run, id, version, r->store->seed);
		if (slot == RUN_SLOT_NONE)
			continue;
		copy_view(r, run, slot, out);
		s = STATUS_ok;
	}
	end_read(r);
	return s;
}
