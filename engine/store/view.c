/* Which runs make up the store, as one pointer; the rules of it are in inside.h. */
#include "engine/store/inside.h"

#include <string.h>

struct view *store_take_view(struct store *store)
{
	struct view *view = store->spare_views;
	if (view == NULL)
		return NULL;
	store->spare_views = view->next;
	atomic_store_explicit(&view->last_version, UINT64_MAX, memory_order_relaxed);
	view->run_count = 0;
	return view;
}

void store_install(struct store *store, struct view *view)
{
	struct view *old = store_view(store);
	if (old != NULL) {
		/* Before any later publish, which is under the same lock: who sees a later version sees this. */
		atomic_store_explicit(&old->last_version, atomic_load_explicit(&store->version, memory_order_relaxed),
		                      memory_order_relaxed);
		old->next = store->retired_views;
		store->retired_views = old;
	}
	atomic_store_explicit(&store->view, view, memory_order_release);
	atomic_store_explicit(&store->run_count, view->run_count, memory_order_relaxed);
}

bool store_can_freeze(const struct store *store)
{
	return store->spare_runs != NULL && store->spare_views != NULL && store_view(store)->run_count < VIEW_RUNS_MAX;
}

status store_freeze(struct store *store)
{
	if (!store_can_freeze(store))
		return STATUS_overloaded;
	const struct view *old = store_view(store);
	struct view *view = store_take_view(store);
	struct run *run = store->spare_runs;
	store->spare_runs = run->next;
	run->next = NULL;
	view->runs[0] = run;
	memcpy(view->runs + 1, old->runs, old->run_count * sizeof view->runs[0]);
	view->run_count = old->run_count + 1;
	store_install(store, view);
	store->was_changed = true;
	pthread_cond_signal(&store->work);
	return STATUS_ok;
}
