/*
 * arena: bump allocation over bytes that the owner reserved once. For everything
 * that lives for one message or one snapshot build: nothing is freed alone, all
 * of it goes at once by reset. When it is full it says NULL; it never grows.
 * Nothing that points into an arena may outlive its reset. One thread at a time.
 */
#ifndef ENGINE_MEMORY_ARENA_H
#define ENGINE_MEMORY_ARENA_H

#include "engine/base/check.h"
#include "engine/base/probe.h"
#include "engine/base/sanitizer.h"
#include "engine/base/status.h"
#include "engine/memory/account.h"

#include <stddef.h>
#include <stdint.h>

struct arena {
	uint8_t *bytes;
	size_t used;
	size_t capacity;
	size_t last_zone; /* debug builds: where the last red zone lies, 0: none */
	bool is_packed;
	size_t prefaulted; /* bytes that a start touches */
	struct region region;
	struct holding holding; /* in use and high water are brought up to date by a reset */
};

struct arena_options {
	const char *name;   /* static text */
	const char *option; /* the key that sizes it, or NULL */
	struct account *account;
	bool is_on_any_node;   /* not the writer's alone */
	bool is_packed;        /* what is taken follows without gaps: no red zones in debug builds */
	size_t prefault_bytes; /* at most so much of it is touched at the start; 0: all, where the policy says so */
};

/* Reserves capacity bytes, page-aligned, zero. options may be NULL: not accounted.
 * STATUS_pool_exhausted if the system has none. The caller owns the arena, which must
 * stay where it is. */
status arena_init(struct arena *a, size_t capacity, const struct arena_options *options);
void arena_deinit(struct arena *a);
/* Forgets the high-water mark, and gives pages back to the system that are neither in use nor touched at a start: how
 * many bytes. Nothing of locked memory or hugetlb pages. The arena's owner calls; slow. */
size_t arena_trim(struct arena *a);

/*
 * Debug builds put a red zone behind everything that is taken, look at all of them at each
 * reset, and fill what a reset gives up; under the address sanitizer what is not taken may
 * not be touched at all. So a write behind an object, and a use after the reset, are found.
 */
#if defined(TROVE_DEBUG) || defined(SANITIZER_ADDRESS)
void arena_guard_take(struct arena *a, size_t start, size_t count);
void arena_guard_reset(struct arena *a, size_t mark);
#else
static inline void arena_guard_take(struct arena *a, size_t start, size_t count) { (void)a, (void)start, (void)count; }
static inline void arena_guard_reset(struct arena *a, size_t mark) { (void)a, (void)mark; }
#endif

/* count bytes at the given power-of-two alignment, or NULL when the arena is full. */
static inline void *arena_take(struct arena *a, size_t count, size_t alignment)
{
	size_t start = (a->used + alignment - 1) & ~(alignment - 1);
	if (__builtin_expect(start > a->capacity || a->capacity - start < count, 0))
		return NULL;
	a->used = start + count;
	arena_guard_take(a, start, count);
	return a->bytes + start;
}

/* Says in the account what is used now; a reset does so by itself. */
static inline void arena_note(struct arena *a) { holding_use(&a->holding, a->used); }

static inline size_t arena_mark(const struct arena *a) { return a->used; }

static inline void arena_reset(struct arena *a, size_t mark)
{
	CHECK(mark <= a->used, "arena reset to %zu of %zu", mark, a->used);
	arena_note(a);
	PROBE3(arena_reset, a->holding.name, a->used, mark);
	arena_guard_reset(a, mark);
	a->used = mark;
}

#endif
