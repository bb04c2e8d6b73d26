#include "engine/memory/heap.h"

#include "engine/memory/heap_large.h"
#include "engine/memory/heap_private.h"

struct heap_counters heap_counters;
thread_local bool heap_thread_is_exempt;

void heap_freeze(void) { atomic_store(&heap_counters.is_frozen, true); }
void heap_thaw(void) { atomic_store(&heap_counters.is_frozen, false); }
void heap_exempt_thread(void) { heap_thread_is_exempt = true; }

void heap_statistics(struct heap_statistics *out)
{
	unsigned handed_out = atomic_load(&heap_counters.cell_count);
	*out = (struct heap_statistics){.is_counted = atomic_load(&heap_counters.is_counted),
	                                .waiting_bytes = heap_large_waiting()};
	out->thread_count = handed_out < HEAP_THREADS_MAX ? handed_out : HEAP_THREADS_MAX;
	uint64_t taken = 0, freed = 0;
	for (unsigned i = 0; i < out->thread_count; i++) {
		const struct heap_cell *c = &heap_counters.cells[i];
		struct heap_thread *t = &out->threads[i];
		/* Freed first: what is freed meanwhile by another thread must not exceed what was taken. */
		t->freed_bytes = metric_read(&c->freed_bytes);
		t->frees = metric_read(&c->frees);
		t->id = atomic_load_explicit(&c->thread_id, memory_order_relaxed);
		freed += t->freed_bytes;
		out->frees_total += t->frees;
	}
	for (unsigned i = 0; i < out->thread_count; i++) {
		const struct heap_cell *c = &heap_counters.cells[i];
		struct heap_thread *t = &out->threads[i];
		t->allocated_bytes = metric_read(&c->allocated_bytes);
		t->allocations = metric_read(&c->allocations);
		taken += t->allocated_bytes;
		out->allocations_total += t->allocations;
		out->frozen_allocations_total += metric_read(&c->frozen_allocations);
	}
	out->live_bytes = taken > freed ? taken - freed : 0;
}
