/*
 * slots: a pool whose objects are named by 32-bit slot numbers, and one slot in reserve.
 *
 * Links between objects and cells of an index are slot numbers, half the size of a handle; all
 * of them are made and dropped here in engine/commerce, so they need no generation. The walkers
 * (X_is_valid) find one that would point to nothing.
 *
 * The reserve is what makes an apply that cannot fail out of a borrow that can: slots_prepare
 * borrows before an event is planned, the plan asks whether there is a reserve, and the apply
 * takes it. A borrow that fails (the pool is full, or fail_one_in says so) is so seen by the
 * plan. The object that leaves to make room becomes the reserve itself.
 *
 * One thread: the writer. Objects in reserve and fresh ones are zero.
 */
#ifndef ENGINE_COMMERCE_SLOTS_H
#define ENGINE_COMMERCE_SLOTS_H

#include "engine/commerce/index.h"
#include "engine/memory/bill.h"

struct slots {
	struct pool *pool;
	uint32_t capacity;
	uint32_t reserve; /* SLOT_NONE: there is none */
	struct holding holding;
};

struct slots_options {
	const char *name, *option;
	struct account *account;
	size_t object_bytes;
	uint32_t capacity;
	uint32_t fail_one_in; /* of the pool; 0: none */
	unsigned debug;       /* of the pool */
};

/* What all parts of commerce are told beside their capacities. */
struct part_options {
	struct account *account;
	uint64_t seed; /* of the indexes' hashes */
	uint32_t fail_one_in;
	unsigned debug;
};

status slots_setup(struct slots *slots, const struct slots_options *options);
void slots_teardown(struct slots *slots);
/* Lines of the bill for so many objects: them, what the pool knows about them, and indexes of 6 bytes. */
void slots_bill(struct bill *bill, const char *option, uint64_t capacity, uint64_t object_bytes, unsigned indexes,
                const char *what);

/* Has one in reserve afterwards, or says STATUS_pool_exhausted. */
status slots_prepare(struct slots *slots);
/* The same for a replay, which does not plan: whether slots_take finds one. */
bool slots_has_room(struct slots *slots);
/* The reserve; without one it borrows, and there must be one to borrow (a replay does not prepare). */
uint32_t slots_take(struct slots *slots);
void slots_give(struct slots *slots, uint32_t slot);
/* Becomes the reserve; given back if there is one. */
void slots_keep(struct slots *slots, uint32_t slot);

/* Gives all back; the lowest slot is the next one out. The reserve stays. */
void slots_clear(struct slots *slots);

/* Objects in use, the reserve not counted. */
uint32_t slots_in_use(const struct slots *slots);
/* Objects that there can be: slots that were worn out do not count. */
uint32_t slots_room(const struct slots *slots);

static inline bool slots_has_reserve(const struct slots *s) { return s->reserve != SLOT_NONE; }

static inline void *slots_at(const struct slots *s, uint32_t slot) { return pool_object_of(s->pool, slot); }

/* Holds an object. A free slot's word is the handle of another one. */
static inline bool slots_is_live(const struct slots *s, uint32_t slot)
{
	return slot < s->capacity && slot != s->reserve && pool_slot_of(s->pool, pool_word(s->pool, slot)) == slot;
}

#endif
