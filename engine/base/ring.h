/*
 * ring: a bounded queue of pointers, many producers and one consumer, on
 * Concurrency Kit's ck_ring. A full ring says so at once; it never grows or waits.
 *
 * What the producer wrote before ring_push is seen by the consumer after ring_pop.
 * The ring owns its slots, not what the pointers point to.
 */
#ifndef ENGINE_BASE_RING_H
#define ENGINE_BASE_RING_H

#include "engine/base/check.h"
#include "engine/base/sanitizer.h"
#include "engine/base/status.h"

#include <ck_ring.h>
#include <stdalign.h>
#include <stdlib.h>

struct ring {
	alignas(CACHE_LINE_BYTES) ck_ring_t ck;
	ck_ring_buffer_t *slots;
};

/* capacity: a power of two of at least 2; one slot of it stays free. */
static inline status ring_init(struct ring *r, unsigned capacity)
{
	CHECK(capacity >= 2 && (capacity & (capacity - 1)) == 0, "ring capacity %u", capacity);
	r->slots = calloc(capacity, sizeof *r->slots);
	if (r->slots == NULL)
		return STATUS_pool_exhausted;
	ck_ring_init(&r->ck, capacity);
	return STATUS_ok;
}

static inline void ring_deinit(struct ring *r)
{
	free(r->slots);
	r->slots = NULL;
}

/* Any thread. STATUS_overloaded when full. */
static inline status ring_push(struct ring *r, void *item)
{
	SANITIZER_RELEASE(item);
	SANITIZER_IGNORE_BEGIN();
	bool pushed = ck_ring_enqueue_mpsc(&r->ck, r->slots, item);
	SANITIZER_IGNORE_END();
	return pushed ? STATUS_ok : STATUS_overloaded;
}

/* The one consumer. NULL when empty. */
static inline void *ring_pop(struct ring *r)
{
	void *item = NULL;
	SANITIZER_IGNORE_BEGIN();
	bool popped = ck_ring_dequeue_mpsc(&r->ck, r->slots, &item);
	SANITIZER_IGNORE_END();
	if (!popped)
		return NULL;
	SANITIZER_ACQUIRE(item);
	return item;
}

/* Any thread; already old when it returns. */
static inline unsigned ring_size(const struct ring *r)
{
	SANITIZER_IGNORE_BEGIN();
	unsigned size = ck_ring_size(&r->ck);
	SANITIZER_IGNORE_END();
	return size;
}

#endif
