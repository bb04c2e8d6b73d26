/*
 * pool: fixed-size objects, reserved at setup, borrowed and returned in O(1) without a
 * system call, named by handles that are checked in every build.
 *
 * Owner        One thread borrows, returns, collects and grows: plain loads and stores, no
 *              atomic instruction. (Or several threads, one after another, with a
 *              happens-before between them.) Any thread may resolve and read the statistics.
 * Other        With `remote_returns` other threads may call pool_return_remote. The object goes
 * threads      on a list that many push to and the owner takes whole, with one exchange: nobody
 *              pops single entries, so there is no ABA. The owner takes it when its own free list
 *              is empty, and in pool_collect. Who gives an object back claims its slot by
 *              compare-and-swap, so of any number of returns of one handle exactly one wins. The
 *              owner's own return pays for that, too, in such pools only: one locked instruction.
 * Handles      32 bits of index, with the pool's tag in the bits above its largest index, and 32
 *              bits of generation. A slot's word is the handle while the object is borrowed, and
 *              its complement while it is free, which is the handle of another slot; so one
 *              comparison tells stale, returned, forged and foreign handles. They resolve to
 *              NULL and are counted. A slot that was borrowed with the last generation is
 *              retired at its return. {0} is never valid.
 * Errors       Full is STATUS_pool_exhausted, counted; nothing grows unless pool_grow is called
 *              and `extents_max` allows it, and then no object moves.
 * Memory       The pool owns the objects; a borrower has one until it gives it back. What is in
 *              a fresh object is not defined. What the pool knows about its slots stands apart
 *              from the objects: a write after return cannot break the pool, and borrowing
 *              never waits for a cold object. The free list is a stack of the handles that will
 *              be given next, so a borrow needs nothing but its top. The words of the slots stand
 *              behind the pool's own fields: no pointer has to be loaded to find one.
 *
 * Sources: generation handles as in Sander Mertens' and Noel Llopis' handle tables ("Managing
 * Data Relationships", 2010); the free list is a stack of indices; the remote list is Treiber's
 * stack (IBM RJ 5118, 1986) without its pop, as in mimalloc's thread-free lists (Leijen 2019).
 */
#ifndef ENGINE_MEMORY_POOL_H
#define ENGINE_MEMORY_POOL_H

#include "engine/base/check.h"
#include "engine/base/probe.h"
#include "engine/base/sanitizer.h"
#include "engine/base/status.h"
#include "engine/memory/region.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#ifdef SANITIZER_ADDRESS
#include <sanitizer/asan_interface.h>
#define POOL_SHOW(bytes, count) __asan_unpoison_memory_region(bytes, count)
#define POOL_HIDE(bytes, count) __asan_poison_memory_region(bytes, count)
#else
#define POOL_SHOW(bytes, count) ((void)(bytes), (void)(count))
#define POOL_HIDE(bytes, count) ((void)(bytes), (void)(count))
#endif

struct pool_handle {
	uint64_t bits;
};

/* Chosen at the start. All of them cost one predictable branch while they are off. */
enum pool_debug {
	POOL_DEBUG_poison = 1,      /* filled on return, checked on borrow: a write after return stops us */
	POOL_DEBUG_canary = 2,      /* a word behind each object, checked on return: a write behind it stops us */
	POOL_DEBUG_trap = 4,        /* pages of its own for each object, not accessible while it is free */
	POOL_DEBUG_last_caller = 8, /* file:line of the last borrow and return, for the messages */
};

enum { POOL_OBJECTS_MAX = 1 << 28 };

enum pool_way {
	POOL_WAY_long = 1,    /* anything but a plain stack and one thread */
	POOL_WAY_watched = 2, /* somebody listens to the probes */
};

struct pool_options {
	const char *name; /* stays the caller's; must outlive the pool */
	size_t object_bytes;
	uint32_t capacity;       /* objects in an extent */
	uint32_t extents_max;    /* 0 is 1: does not grow */
	enum region_pages pages; /* the best kind to try */
	const struct numa *numa; /* NULL: any node */
	int node;                /* wanted, -1: any */
	bool lock;
	bool is_untouched; /* pages come when they are first used, not at setup */
	bool shared_lines;   /* different threads write neighbouring objects: whole cache lines each */
	bool is_fifo;        /* the object that is free longest is borrowed next; else the last returned */
	bool remote_returns; /* other threads return, too */
	uint32_t tag;        /* for repeatable handles; 0: drawn by the kernel. Two pools need two tags */
	unsigned debug;      /* enum pool_debug */
	uint32_t fail_one_in; /* every Nth borrow fails as if the pool were full; 0: none */
	uint32_t lives_max;   /* borrows of a slot until it is retired; 0: about 2^32 */
};

struct pool_cold;

struct pool {
	/* Read by everybody, written at setup, by pool_grow and by pool_watch. */
	alignas(CACHE_LINE_BYTES) uint8_t *objects;
	uint32_t mask;           /* of the words: an index's part of a handle */
	uint32_t stride;
	_Atomic uint32_t returns_below; /* handles of a generation from here on are returned the long way; 0: all */
	uint32_t object_bytes;
	uint32_t tag;
	_Atomic uint32_t count;
	uint64_t *free_list;     /* handles to give next */
	_Atomic uint64_t *links; /* of the remote list; NULL: no remote returns */
	struct pool_cold *cold;
	_Atomic uint8_t ways;    /* enum pool_way: any of them takes the long way */

	/* Written by the owner at every borrow and return. */
	alignas(CACHE_LINE_BYTES) _Atomic(uint64_t *) top; /* behind the handle to give next */
	_Atomic(uint64_t *) low;          /* from there down a borrow takes the long way: at free_lowest, or everywhere */
	_Atomic uint64_t borrowed_total;
	_Atomic uint32_t free_lowest;     /* the fewest there were since slots came or went */
	_Atomic uint32_t high_water_past; /* until then */
	_Atomic uint32_t retired;
	_Atomic uint64_t exhausted_total;
	_Atomic uint64_t collected_total; /* taken from the remote list */
	uint32_t fifo_head;               /* in the FIFO's ring; its tail is as many further as are free */
	uint32_t until_failure;

	/* Written by any thread, rarely by the owner. */
	alignas(CACHE_LINE_BYTES) _Atomic uint32_t remote_head; /* slot + 1; 0: empty */
	_Atomic uint64_t remote_total;
	_Atomic uint64_t stale_total;

	alignas(CACHE_LINE_BYTES) _Atomic uint64_t words[]; /* of each slot; a power of two of them */
};

static_assert(sizeof(struct pool) == 3 * CACHE_LINE_BYTES);
static_assert(offsetof(struct pool, words) == sizeof(struct pool));
static_assert(offsetof(struct pool, top) == CACHE_LINE_BYTES);
static_assert(offsetof(struct pool, until_failure) < 2 * CACHE_LINE_BYTES);
static_assert(offsetof(struct pool, remote_head) == 2 * CACHE_LINE_BYTES);

/* STATUS_invalid_field for options that cannot be, STATUS_pool_exhausted when the system has no memory. */
status pool_setup(struct pool **pool, const struct pool_options *options);
/* Nobody uses the pool or its objects any more. */
void pool_teardown(struct pool **pool);

#define POOL_TEXT_OF(x) #x
#define POOL_TEXT(x) POOL_TEXT_OF(x)
#define POOL_HERE __FILE__ ":" POOL_TEXT(__LINE__)

/* The owner takes an object. STATUS_pool_exhausted: there is none; handle and object are null then. */
#define pool_borrow(pool, handle, object) pool_borrow_at(pool, handle, object, POOL_HERE)
/* The owner gives one back; *handle is null afterwards. STATUS_not_found for a handle that is not
 * (or no longer) valid: nothing was done but counting it. */
#define pool_return(pool, handle) pool_return_at(pool, handle, POOL_HERE)
/* The same from another thread than the owner. STATUS_invalid_state without `remote_returns`. */
#define pool_return_remote(pool, handle) pool_return_remote_at(pool, handle, POOL_HERE)
status pool_return_remote_at(struct pool *pool, struct pool_handle *handle, const char *caller);

/* The owner takes what others returned; how many that were. */
uint32_t pool_collect(struct pool *pool);
/* The owner adds an extent; slow. STATUS_pool_exhausted: no more are allowed, or no memory. */
status pool_grow(struct pool *pool);

/*
 * Probes in the hot functions would cost a load and a branch in each of them. Instead, whoever notices that somebody
 * listens (probe.h) says so here, again and again: borrow and return then take the long way, where the probes are.
 * One thread, any; the owner may meanwhile use the pool, and a call may get lost: so call until it is not wanted.
 */
void pool_watch(struct pool *pool, bool is_wanted);

struct pool_statistics {
	const char *name;
	uint32_t object_bytes, stride;
	uint32_t capacity; /* now, without what is retired */
	uint32_t in_use, high_water;
	uint64_t borrowed_total, returned_total, exhausted_total, stale_total;
	uint32_t retired;
	uint32_t extents, extents_max;
	int node;
	enum region_pages pages; /* the worst kind of the extents */
	bool locked;             /* all of them */
	size_t reserved_bytes;   /* objects and what the pool keeps about them */
	size_t hugetlb_wanted, hugetlb_missed; /* bytes of both, as of a region */
	size_t unlocked_bytes; /* of both: that the system refused to lock */
	int lock_error;        /* why, as of a region */
};

/* Any thread, while the pool is used: each number is right for some moment of the call. What was borrowed and what was
 * returned never goes back from one call to the next, and their difference is what is in use. */
void pool_read_statistics(const struct pool *pool, struct pool_statistics *statistics);
/* Where the pool lies: the objects' address space (what is not yet in an extent has no memory),
 * and the tables. */
struct pool_range {
	const void *bytes;
	size_t size;
};
enum { POOL_RANGES = 2 };
void pool_ranges(const struct pool *pool, struct pool_range ranges[POOL_RANGES]);
/* For bills, with the checks of the bill (enum pool_debug): what each object takes, and what a pool without remote returns
 * takes beside its objects, but for the rest of a page. */
uint64_t pool_stride_bytes(uint64_t object_bytes, bool shared_lines, unsigned debug);
uint64_t pool_table_bytes(uint64_t capacity, unsigned debug);
/* What is known about a handle's slot, for messages and for people. */
void pool_describe(const struct pool *pool, struct pool_handle handle, char *text, size_t capacity);
/* Walks everything; the owner calls, nobody else is in the pool. */
bool pool_is_valid(const struct pool *pool);

/* ---- below: the short way of the hot functions, and their long way ---------------------------- */

struct pool_loan {
	struct pool_handle handle;
	void *object; /* NULL: there is none */
};

struct pool_loan pool_borrow_long(struct pool *pool, const char *caller);
status pool_return_long(struct pool *pool, uint64_t bits, const char *caller);
[[gnu::cold]] void *pool_refuse(struct pool *pool);

static inline uint32_t pool_slot_of(const struct pool *p, uint64_t bits) { return (uint32_t)(bits >> 32) & p->mask; }

static inline uint64_t pool_word(const struct pool *p, uint32_t slot)
{
	return atomic_load_explicit(&p->words[slot], memory_order_relaxed);
}

static inline void *pool_object_of(const struct pool *p, uint32_t slot)
{
	return p->objects + (size_t)slot * p->stride;
}

static inline uint64_t *pool_top(const struct pool *p) { return atomic_load_explicit(&p->top, memory_order_relaxed); }

/* Only the owner writes these. Readers of the statistics rely on the order: the top, then the count. */
static inline void pool_take_top(struct pool *p, uint64_t *top)
{
	atomic_store_explicit(&p->top, top, memory_order_relaxed);
	uint64_t borrowed = atomic_load_explicit(&p->borrowed_total, memory_order_relaxed);
	atomic_store_explicit(&p->borrowed_total, borrowed + 1, memory_order_release);
}

static inline status pool_borrow_at(struct pool *p, struct pool_handle *handle, void **object, const char *caller)
{
	uint64_t *top = pool_top(p);
	/* No more than the fewest ever: there is none, or this is a new high-water mark. */
	if (__builtin_expect(top <= atomic_load_explicit(&p->low, memory_order_relaxed), 0)) {
		struct pool_loan loan = pool_borrow_long(p, caller);
		*handle = loan.handle;
		*object = loan.object;
		return loan.object != NULL ? STATUS_ok : STATUS_pool_exhausted;
	}
	uint64_t bits = top[-1];
	uint32_t slot = pool_slot_of(p, bits);
	pool_take_top(p, top - 1);
	atomic_store_explicit(&p->words[slot], bits, memory_order_relaxed);
	handle->bits = bits;
	*object = pool_object_of(p, slot);
	POOL_SHOW(*object, p->object_bytes);
	return STATUS_ok;
}

static inline status pool_return_at(struct pool *p, struct pool_handle *handle, const char *caller)
{
	uint64_t bits = handle->bits;
	uint32_t slot = pool_slot_of(p, bits);
	uint32_t returns_below = atomic_load_explicit(&p->returns_below, memory_order_relaxed);
	handle->bits = 0;
	if (__builtin_expect(pool_word(p, slot) != bits || (uint32_t)bits >= returns_below, 0))
		return pool_return_long(p, bits, caller);
	POOL_HIDE(pool_object_of(p, slot), p->object_bytes);
	atomic_store_explicit(&p->words[slot], ~bits, memory_order_relaxed);
	uint64_t *top = pool_top(p);
	*top = bits + 1;
	atomic_store_explicit(&p->top, top + 1, memory_order_relaxed);
	return STATUS_ok;
}

/* The object, or NULL for a handle that is not (or no longer) valid. Any thread; the object stays
 * only as long as the caller knows that nobody returns it. */
static inline void *pool_resolve(struct pool *p, struct pool_handle handle)
{
	uint32_t slot = pool_slot_of(p, handle.bits);
	if (__builtin_expect(pool_word(p, slot) != handle.bits, 0))
		return pool_refuse(p);
	return pool_object_of(p, slot);
}

#endif
