/* All rewards, once each: as one number, and their ids. */
#include "engine/base/hash.h"
#include "engine/store/inside.h"

/* What a reward is, without gaps; where it lies, and the number of its kind, are no part of it. */
struct content {
	double x, y, radius;
	uint64_t id_low, id_high;
	int64_t value, remaining, stock, from_ms, until_ms, benefit_value;
	uint64_t kind, name; /* their hashes */
	uint64_t currency, per_actor, benefit_type, id_is_uuid;
};
static_assert(sizeof(struct content) == 17 * 8);

static uint64_t digest_of(const struct store *store, const struct run *run, uint32_t slot)
{
	const struct exact *e = &run->exact[slot];
	const struct cold *c = &run->cold[slot];
	const char *name = run->text + c->name;
	struct content content = {
		.x = e->x, .y = e->y, .radius = run->radius[slot],
		.id_low = e->id_low, .id_high = e->id_high,
		.value = e->value, .remaining = e->remaining, .stock = c->stock,
		.from_ms = c->from_ms, .until_ms = c->until_ms, .benefit_value = c->benefit_value,
		.kind = hash_bytes(store->kinds.names[e->kind], store->kinds.lengths[e->kind], 1),
		.name = hash_bytes(name + 1, (uint8_t)name[0], 2),
		.currency = hash_bytes(c->benefit_currency, sizeof c->benefit_currency, 3),
		.per_actor = c->per_actor, .benefit_type = c->benefit_type, .id_is_uuid = e->id_is_uuid,
	};
	return hash_bytes(&content, sizeof content, 0);
}

/* The lock keeps the merger from changing the view. */
static void visit_all(struct store *store, void (*visit)(void *context, const struct run *run, uint32_t slot), void *context)
{
	pthread_mutex_lock(&store->lock);
	const struct view *view = store_view(store);
	for (unsigned i = 0; i < view->run_count; i++) {
		const struct run *run = view->runs[i];
		uint32_t count = atomic_load_explicit(&run->count, memory_order_acquire);
		for (uint32_t slot = 0; slot < count; slot++)
			if (atomic_load_explicit(&run->ended[slot], memory_order_relaxed) == 0)
				visit(context, run, slot);
	}
	pthread_mutex_unlock(&store->lock);
}

struct digesting {
	const struct store *store;
	uint64_t sum;
};

static void add_digest(void *context, const struct run *run, uint32_t slot)
{
	struct digesting *d = context;
	d->sum += digest_of(d->store, run, slot);
}

uint64_t store_digest(struct store *store)
{
	struct digesting d = {.store = store};
	visit_all(store, add_digest, &d);
	return d.sum;
}

struct naming {
	store_id_visitor *visit;
	void *context;
};

static void name_one(void *context, const struct run *run, uint32_t slot)
{
	const struct naming *n = context;
	const struct exact *e = &run->exact[slot];
	n->visit(n->context, (struct identifier){e->id_low, e->id_high, e->id_is_uuid});
}

void store_visit_ids(struct store *store, store_id_visitor *visit, void *context)
{
	visit_all(store, name_one, &(struct naming){visit, context});
}
