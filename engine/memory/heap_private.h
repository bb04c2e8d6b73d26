/*
 * What heap.c and heap_calls.c share. Process-wide by nature, like malloc itself.
 */
#ifndef ENGINE_MEMORY_HEAP_PRIVATE_H
#define ENGINE_MEMORY_HEAP_PRIVATE_H

#include "engine/base/metric.h"
#include "engine/memory/heap.h"

#include <stdalign.h>

struct heap_cell {
	alignas(64) metric_cell allocated_bytes;
	/* From so many allocated bytes on, the next block goes the slow way: it is sampled, or this is no thread's own cell. */
	_Atomic uint64_t look_at;
	metric_cell freed_bytes, allocations, frees, frozen_allocations;
	_Atomic uint64_t point; /* of the sampler */
	_Atomic int thread_id;
	_Atomic uint32_t epoch; /* of the sampler's period, when the point was set */
	bool is_own;            /* one thread's: counted by plain stores */
};

struct heap_counters {
	struct heap_cell cells[HEAP_THREADS_MAX];
	_Atomic unsigned cell_count; /* handed out; may run past the last */
	atomic_bool is_frozen;
	atomic_bool is_counted;
};

/* Makes the linker take heap_copies.c. */
void heap_link_copies(void);

extern struct heap_counters heap_counters;
extern thread_local bool heap_thread_is_exempt;

#endif
