/*
 * malloc and its family, counted, on top of mimalloc. The dynamic linker prefers the
 * program's own definitions to those of a library, so libnng's and libevent's calls
 * come through here, too. What each call costs beside mimalloc: one look-up of the
 * block's size and three stores to the thread's own line. Sampling (heap_sample.h) adds nothing
 * to that but what a sampled block costs: the comparison that finds it stands where the one
 * with "has this thread a line?" stood, and one look at an address tells large and sampled blocks.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* gettid */
#endif
#include "engine/base/sanitizer.h"
#include "engine/memory/heap_large.h"
#include "engine/memory/heap_private.h"
#include "engine/memory/heap_sample.h"

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

/* What a thread has before its first block: whatever it allocates goes the slow way. */
static struct heap_cell no_cell;
static thread_local struct heap_cell *own_cell = &no_cell;

void heap_count_calls(void)
{
	heap_link_copies();
	atomic_store(&heap_counters.is_counted, true);
}

static struct heap_cell *take_cell(void)
{
	unsigned i = atomic_fetch_add(&heap_counters.cell_count, 1);
	own_cell = &heap_counters.cells[i < HEAP_THREADS_MAX ? i : HEAP_THREADS_MAX - 1];
	own_cell->is_own = i < HEAP_THREADS_MAX - 1;
	atomic_store_explicit(&own_cell->thread_id, gettid(), memory_order_relaxed);
	return own_cell;
}

/* How a block came to be: its alignment, if it asked for one, and whether its contents count already. */
enum { HAS_CONTENTS = 1 };

static inline bool find_sample(const void *block, size_t *bytes)
{
	return TROVE_HEAP_SAMPLES && heap_sample_find(block, bytes);
}

static inline bool forget_sample(const void *block, size_t *bytes)
{
	return TROVE_HEAP_SAMPLES && heap_sample_forget(block, bytes);
}

static inline bool is_special(const void *block) { return __builtin_expect(heap_sample_may_be(block), 0); }

[[gnu::noinline]] static size_t size_of_special(void *block)
{
	size_t bytes;
	if (find_sample(block, &bytes))
		return bytes;
	struct heap_large *large = heap_large_of(block);
	return large != NULL ? heap_large_size(large) : mi_usable_size(block);
}

/* As large or sampled: it may only begin a page. */
[[gnu::noinline]] static bool is_entered(void *block)
{
	size_t bytes;
	return find_sample(block, &bytes) || heap_large_of(block) != NULL;
}

static inline size_t size_of(void *block) { return is_special(block) ? size_of_special(block) : mi_usable_size(block); }

/* A sampled block of mimalloc's begins a page, so it may have to move. */
static void *sample(void *block, size_t bytes, struct call_site site, size_t how)
{
	void *place = block;
	if (!is_special(block)) {
		size_t alignment = how & ~(size_t)HAS_CONTENTS;
		place = mi_malloc_aligned(bytes, alignment > HEAP_LARGE_PAGE ? alignment : HEAP_LARGE_PAGE);
		if (place == NULL)
			return block;
		if (how & HAS_CONTENTS)
			memcpy(place, block, bytes);
	}
	void *unused = heap_sample_add(place, bytes, &site) ? block : place;
	if (place == block)
		return block;
	mi_free(unused);
	return unused == block ? place : block;
}

[[gnu::noinline]] static void *note_taken_slowly(void *block, size_t bytes, struct call_site site, size_t how)
{
	struct heap_cell *c = own_cell != &no_cell ? own_cell : take_cell();
	uint64_t allocated;
	if (c->is_own) {
		metric_add(&c->allocated_bytes, bytes);
		metric_add(&c->allocations, 1);
		allocated = metric_read(&c->allocated_bytes);
	} else {
		allocated = atomic_fetch_add_explicit(&c->allocated_bytes, bytes, memory_order_relaxed) + bytes;
		atomic_fetch_add_explicit(&c->allocations, 1, memory_order_relaxed);
	}
	if (!TROVE_HEAP_SAMPLES) {
		if (c->is_own)
			atomic_store_explicit(&c->look_at, UINT64_MAX, memory_order_relaxed);
		return block;
	}
	return heap_sample_is_due(c, allocated, bytes, !c->is_own) ? sample(block, bytes, site, how) : block;
}

static inline void note_defect(const void *caller)
{
	if (atomic_load_explicit(&heap_counters.is_frozen, memory_order_relaxed) && !heap_thread_is_exempt &&
	    call_stack_is_own(caller))
		atomic_fetch_add_explicit(&own_cell->frozen_allocations, 1, memory_order_relaxed);
}

static inline void *note_taken(void *block, struct call_site site, size_t how)
{
	if (__builtin_expect(block == NULL, 0))
		return NULL;
	struct heap_cell *c = own_cell;
	size_t bytes = size_of(block);
	uint64_t allocated = metric_read(&c->allocated_bytes) + bytes;
	if (__builtin_expect(allocated >= atomic_load_explicit(&c->look_at, memory_order_relaxed), 0)) {
		block = note_taken_slowly(block, bytes, site, how);
	} else {
		atomic_store_explicit(&c->allocated_bytes, allocated, memory_order_relaxed);
		metric_add(&c->allocations, 1);
	}
	note_defect(site.caller);
	return block;
}

[[gnu::noinline]] static void note_freed_slowly(size_t bytes)
{
	struct heap_cell *c = own_cell != &no_cell ? own_cell : take_cell();
	atomic_fetch_add_explicit(&c->freed_bytes, bytes, memory_order_relaxed);
	atomic_fetch_add_explicit(&c->frees, 1, memory_order_relaxed);
}

static inline void note_freed(size_t bytes)
{
	struct heap_cell *c = own_cell;
	if (__builtin_expect(!c->is_own, 0)) {
		note_freed_slowly(bytes);
		return;
	}
	metric_add(&c->freed_bytes, bytes);
	metric_add(&c->frees, 1);
}

static inline void *take(size_t bytes)
{
	bool is_fresh;
	return __builtin_expect(bytes >= HEAP_LARGE_LEAST, 0) ? heap_large_take(bytes, &is_fresh) : mi_malloc(bytes);
}

/* Gives it back and says what it counted for. */
[[gnu::noinline]] static size_t give_special(void *block)
{
	size_t bytes = 0;
	bool is_sampled = forget_sample(block, &bytes);
	struct heap_large *large = heap_large_of(block);
	if (!is_sampled)
		bytes = large != NULL ? heap_large_size(large) : mi_usable_size(block);
	if (large != NULL)
		heap_large_give(large);
	else
		mi_free(block);
	return bytes;
}

static inline size_t give(void *block)
{
	if (is_special(block))
		return give_special(block);
	size_t bytes = mi_usable_size(block);
	mi_free(block);
	return bytes;
}

EXPORTED void *malloc(size_t bytes) { return note_taken(take(bytes), CALL_SITE(), 0); }

EXPORTED void *calloc(size_t items, size_t bytes)
{
	size_t all;
	bool is_fresh;
	if (ckd_mul(&all, items, bytes) || all < HEAP_LARGE_LEAST)
		return note_taken(mi_calloc(items, bytes), CALL_SITE(), HAS_CONTENTS);
	void *block = heap_large_take(all, &is_fresh);
	if (block != NULL && !is_fresh)
		memset(block, 0, all);
	return note_taken(block, CALL_SITE(), HAS_CONTENTS);
}

EXPORTED void free(void *block)
{
	if (block == NULL)
		return;
	note_freed(give(block));
}

/* Where the old block is large or sampled, or the new one is large. */
static void *move(void *block, size_t old, size_t bytes)
{
	if (bytes <= old && bytes >= old / 2 && old >= HEAP_LARGE_LEAST) {
		(void)forget_sample(block, &old); /* it counts as a new one */
		return block;
	}
	void *moved = take(bytes);
	if (moved == NULL)
		return NULL;
	memcpy(moved, block, old < bytes ? old : bytes);
	(void)give(block);
	return moved;
}

EXPORTED void *realloc(void *block, size_t bytes)
{
	size_t old = block == NULL ? 0 : size_of(block);
	bool is_moved = bytes >= HEAP_LARGE_LEAST || (block != NULL && is_special(block) && is_entered(block));
	void *moved = !is_moved ? mi_realloc(block, bytes) : block == NULL ? take(bytes) : move(block, old, bytes);
	if (moved == NULL)
		return NULL;
	if (block != NULL)
		note_freed(old);
	return note_taken(moved, CALL_SITE(), HAS_CONTENTS);
}

EXPORTED size_t malloc_usable_size(void *block) { return block == NULL ? 0 : size_of(block); }

EXPORTED void *aligned_alloc(size_t alignment, size_t bytes)
{
	return note_taken(mi_aligned_alloc(alignment, bytes), CALL_SITE(), alignment);
}

EXPORTED void *memalign(size_t alignment, size_t bytes)
{
	return note_taken(mi_memalign(alignment, bytes), CALL_SITE(), alignment);
}

EXPORTED int posix_memalign(void **block, size_t alignment, size_t bytes)
{
	int code = mi_posix_memalign(block, alignment, bytes);
	if (code == 0)
		*block = note_taken(*block, CALL_SITE(), alignment);
	return code;
}

#endif
