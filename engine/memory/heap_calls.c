/*
 * malloc and its family, counted, on top of mimalloc. The dynamic linker prefers the
 * program's own definitions to those of a library, so libnng's and libevent's calls
 * come through here, too. What each call costs beside mimalloc: one look-up of the
 * block's size and three stores to the thread's own line.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* gettid */
#endif
#include "engine/base/sanitizer.h"
#include "engine/memory/heap_large.h"
#include "engine/memory/heap_private.h"

#include <malloc.h>
#include <stdckdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(SANITIZER_ADDRESS) || defined(SANITIZER_THREAD)

void heap_count_calls(void) {}

#else
#include <mimalloc.h>

#define EXPORTED [[gnu::visibility("default")]]

/* The bounds of the program's own code, from the linker. */
extern const char __executable_start[], etext[];

static thread_local struct heap_cell *own_cell;

void heap_count_calls(void) { atomic_store(&heap_counters.is_counted, true); }

static struct heap_cell *take_cell(void)
{
	unsigned i = atomic_fetch_add(&heap_counters.cell_count, 1);
	own_cell = &heap_counters.cells[i < HEAP_THREADS_MAX ? i : HEAP_THREADS_MAX - 1];
	atomic_store_explicit(&own_cell->thread_id, gettid(), memory_order_relaxed);
	return own_cell;
}

static inline void add(metric_cell *cell, const struct heap_cell *of, uint64_t amount)
{
	if (__builtin_expect(of == &heap_counters.cells[HEAP_THREADS_MAX - 1], 0))
		atomic_fetch_add_explicit(cell, amount, memory_order_relaxed); /* shared */
	else
		metric_add(cell, amount);
}

static inline size_t size_of(void *block)
{
	struct heap_large *large = heap_large_of(block);
	return large != NULL ? heap_large_size(large) : mi_usable_size(block);
}

static inline void *note_taken(void *block, const void *caller)
{
	if (__builtin_expect(block == NULL, 0))
		return NULL;
	struct heap_cell *c = own_cell != NULL ? own_cell : take_cell();
	add(&c->allocated_bytes, c, size_of(block));
	add(&c->allocations, c, 1);
	if (atomic_load_explicit(&heap_counters.is_frozen, memory_order_relaxed) && !heap_thread_is_exempt &&
	    (const char *)caller >= __executable_start && (const char *)caller < etext)
		add(&c->frozen_allocations, c, 1);
	return block;
}

static inline void note_freed(size_t bytes)
{
	struct heap_cell *c = own_cell != NULL ? own_cell : take_cell();
	add(&c->freed_bytes, c, bytes);
	add(&c->frees, c, 1);
}

static inline void *take(size_t bytes)
{
	bool is_fresh;
	return __builtin_expect(bytes >= HEAP_LARGE_LEAST, 0) ? heap_large_take(bytes, &is_fresh) : mi_malloc(bytes);
}

static inline void give(void *block)
{
	struct heap_large *large = heap_large_of(block);
	if (__builtin_expect(large != NULL, 0))
		heap_large_give(large);
	else
		mi_free(block);
}

EXPORTED void *malloc(size_t bytes) { return note_taken(take(bytes), __builtin_return_address(0)); }

EXPORTED void *calloc(size_t items, size_t bytes)
{
	size_t all;
	bool is_fresh;
	if (ckd_mul(&all, items, bytes) || all < HEAP_LARGE_LEAST)
		return note_taken(mi_calloc(items, bytes), __builtin_return_address(0));
	void *block = heap_large_take(all, &is_fresh);
	if (block != NULL && !is_fresh)
		memset(block, 0, all);
	return note_taken(block, __builtin_return_address(0));
}

EXPORTED void free(void *block)
{
	if (block == NULL)
		return;
	note_freed(size_of(block));
	give(block);
}

/* Where the old block, the new one or both are large. */
static void *move(void *block, size_t old, size_t bytes)
{
	if (bytes <= old && bytes >= old / 2 && old >= HEAP_LARGE_LEAST)
		return block;
	void *moved = take(bytes);
	if (moved == NULL)
		return NULL;
	memcpy(moved, block, old < bytes ? old : bytes);
	give(block);
	return moved;
}

EXPORTED void *realloc(void *block, size_t bytes)
{
	size_t old = block == NULL ? 0 : size_of(block);
	bool is_large = bytes >= HEAP_LARGE_LEAST || (block != NULL && heap_large_of(block) != NULL);
	void *moved = !is_large ? mi_realloc(block, bytes) : block == NULL ? take(bytes) : move(block, old, bytes);
	if (moved == NULL)
		return NULL;
	if (block != NULL)
		note_freed(old);
	return note_taken(moved, __builtin_return_address(0));
}

EXPORTED size_t malloc_usable_size(void *block) { return block == NULL ? 0 : size_of(block); }

EXPORTED void *aligned_alloc(size_t alignment, size_t bytes)
{
	return note_taken(mi_aligned_alloc(alignment, bytes), __builtin_return_address(0));
}

EXPORTED void *memalign(size_t alignment, size_t bytes)
{
	return note_taken(mi_memalign(alignment, bytes), __builtin_return_address(0));
}

EXPORTED int posix_memalign(void **block, size_t alignment, size_t bytes)
{
	int code = mi_posix_memalign(block, alignment, bytes);
	if (code == 0)
		note_taken(*block, __builtin_return_address(0));
	return code;
}

#endif
