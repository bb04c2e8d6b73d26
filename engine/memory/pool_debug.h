/*
 * pool_debug: what pool.c does besides while a debug mode is on; and the fields of a pool
 * that are rarely looked at. Inside of the pool, included by it alone.
 */
#ifndef ENGINE_MEMORY_POOL_DEBUG_H
#define ENGINE_MEMORY_POOL_DEBUG_H

#include "engine/memory/pool.h"

struct pool_callers {
	_Atomic(const char *) borrowed, returned;
};

struct pool_cold {
	struct pool_options options;
	uint32_t generation_first;
	struct pool_callers *callers; /* of each slot, or NULL */
	struct region tables;
	size_t space_bytes, mapped; /* address space of the objects, and how much of it has memory */
	uint32_t region_count;
	_Atomic uint64_t returned_seen; /* by whoever read the statistics */
	/* Written by pool_grow, read by statistics. */
	_Atomic uint32_t extents;
	_Atomic size_t reserved_bytes, hugetlb_wanted, hugetlb_missed, unlocked_bytes;
	_Atomic int pages, lock_error;
	atomic_bool is_locked;
	struct region regions[]; /* one for each extent that needed more pages */
};

size_t pool_canary_bytes(unsigned debug);
/* A slot that has never been borrowed. */
void pool_debug_prepare(struct pool *pool, uint32_t slot);
/* The handle was just given out. */
void pool_debug_open(struct pool *pool, struct pool_handle handle, const char *caller);
/* The slot was just claimed by who returns this handle. */
void pool_debug_close(struct pool *pool, struct pool_handle handle, const char *caller);
/* The canary of a borrowed slot is as it was. */
bool pool_debug_is_whole(const struct pool *pool, uint32_t slot);

#endif
