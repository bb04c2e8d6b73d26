/*
 * heap: the general allocator (mimalloc), and what is taken from it. It serves start-up,
 * configuration, HTTP and the libraries; the hot path has arenas and pools.
 *
 * Counting: heap_calls.c puts itself between the program with its libraries and
 * mimalloc, because mimalloc cannot tell how much of what it holds is alive. A program
 * has it when it calls heap_count_calls; others get zeros.
 * Threads: any. Each thread counts on a line of its own.
 */
#ifndef ENGINE_MEMORY_HEAP_H
#define ENGINE_MEMORY_HEAP_H

#include "engine/base/option.h"

#include <stddef.h>
#include <stdint.h>

enum { HEAP_THREADS_MAX = 128 }; /* further threads share the last line */

/* What one thread did. Blocks may be freed by another thread than took them, so
 * freed may be more than allocated. */
struct heap_thread {
	uint64_t allocated_bytes, freed_bytes, allocations, frees;
	int id; /* of the kernel */
};

struct heap_statistics {
	bool is_counted;
	uint64_t live_bytes, allocations_total, frees_total;
	uint64_t waiting_bytes; /* blocks that were freed and wait for the next message (heap_large.h) */
	/* Since heap_freeze: taken by trove's own code, not by a library, on threads that
	 * answer events. Anything but 0 is a defect of ours. */
	uint64_t frozen_allocations_total;
	unsigned thread_count;
	struct heap_thread threads[HEAP_THREADS_MAX];
};

/* "mimalloc 3.0" where malloc is mimalloc's, else what it is instead. */
bool heap_is_mimalloc(void);
void heap_describe(char *text, size_t capacity);

/* Purging (-1: never), and whether the kernel is asked for huge pages; before much was allocated, once. */
void heap_set_options(bool large_pages, int64_t purge_delay_ms);

/* Gives unused pages of the calling thread's heap back to the system. */
void heap_collect(void);

/* Gives large blocks back that waited since the last call: every ten seconds or so. */
void heap_trim(void);
/* Is there a large block in this range? */
bool heap_has_large(uintptr_t start, uintptr_t end);

/* Is any of the heap's own memory in this range? */
bool heap_holds(uintptr_t start, uintptr_t end);

/* Makes the linker take heap_calls.c. */
void heap_count_calls(void);
/* From now on allocations of ours on data-plane threads are counted as a defect. */
void heap_freeze(void);
void heap_thaw(void);
/* This thread may allocate: it answers no events. */
void heap_exempt_thread(void);

void heap_statistics(struct heap_statistics *out);

#endif
