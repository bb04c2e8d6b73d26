/*
 * arena: bump allocation over bytes that the owner reserved once. For everything
 * that lives for one message or one snapshot build: nothing is freed alone, all
 * of it goes at once by reset. When it is full it says NULL; it never grows.
 * Nothing that points into an arena may outlive its reset. One thread at a time.
 */
#ifndef ENGINE_MEMORY_ARENA_H
#define ENGINE_MEMORY_ARENA_H

#include "engine/base/check.h"
#include "engine/base/status.h"

#include <stddef.h>
#include <stdint.h>

struct arena {
	uint8_t *bytes;
	size_t used;
	size_t capacity;
	size_t high_water;
};

/* Reserves capacity bytes (page-aligned, zero, paid for when first touched).
 * STATUS_pool_exhausted if the system has none. The caller owns the arena. */
status arena_init(struct arena *a, size_t capacity);
void arena_deinit(struct arena *a);

/* count bytes at the given power-of-two alignment, or NULL when the arena is full. */
static inline void *arena_take(struct arena *a, size_t count, size_t alignment)
{
	size_t start = (a->used + alignment - 1) & ~(alignment - 1);
	if (__builtin_expect(start > a->capacity || a->capacity - start < count, 0))
		return NULL;
	a->used = start + count;
	if (a->used > a->high_water)
		a->high_water = a->used;
	return a->bytes + start;
}

static inline size_t arena_mark(const struct arena *a) { return a->used; }

static inline void arena_reset(struct arena *a, size_t mark)
{
	CHECK(mark <= a->used, "arena reset to %zu of %zu", mark, a->used);
#ifdef TROVE_DEBUG
	__builtin_memset(a->bytes + mark, 0xa5, a->used - mark);
#endif
	a->used = mark;
}

#endif
