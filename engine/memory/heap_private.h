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
	metric_cell freed_bytes, allocations, frees, frozen_allocations;
	_Atomic int thread_id;
};

struct heap_counters {
	struct heap_cell cells[HEAP_THREADS_MAX];
	_Atomic unsigned cell_count; /* handed out; may run past the last */
	atomic_bool is_frozen;
	atomic_bool is_counted;
};

extern struct heap_counters heap_counters;
extern thread_local bool heap_thread_is_exempt;

#endif
