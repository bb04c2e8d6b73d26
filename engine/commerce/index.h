/*
 * index: finds objects by key: one open-addressing table of 32-bit slot numbers.
 *
 * A cell holds a slot number and no key: the key stands in the object, which the owner compares.
 * What the slot number leaves of the 32 bits says how far the cell is from its home, and repeats a few
 * bits of the hash: so a search looks at an object only when it is most likely the one, and a removal
 * at none. Each look would be a line that no cache holds. A distance that does not fit is made anew
 * from the object's key.
 * The table has a cell and a half for each object that there can be, so it is at most two
 * thirds full, costs 6 bytes an object, and never grows. A hash is mapped to its home by
 * multiplication instead of a mask, so any size will do; collisions go to the next cell.
 * Removal shifts back what follows (Knuth, TAOCP 3, 6.4, algorithm R): there are no tombstones,
 * and a table that lived long is as fast as a fresh one. Equal hashes may stand in it many times.
 *
 * One thread. The owner of the objects owns the index, and tells the hash of a slot when asked.
 */
#ifndef ENGINE_COMMERCE_INDEX_H
#define ENGINE_COMMERCE_INDEX_H

#include "engine/memory/account.h"

#include <stdint.h>

enum : uint32_t { SLOT_NONE = UINT32_MAX };

/* The hash of the key of the object in a slot. */
typedef uint64_t index_hash(const void *owner, uint32_t slot);

struct index {
	uint32_t *cells; /* from the low bits up: slot + 1, distance, bits of the hash; 0: empty */
	uint32_t size, count, capacity;
	unsigned slot_bits, distance_bits;
	index_hash *hash_of;
	const void *owner;
	struct region region;
	struct holding holding;
};

struct index_options {
	const char *name;   /* static text */
	const char *option; /* the key that sizes it */
	struct account *account;
	uint32_t capacity; /* objects */
	index_hash *hash_of;
	const void *owner;
};

/* Bytes of the table; for the bill. */
uint64_t index_bytes(uint64_t capacity);

/* STATUS_pool_exhausted when the system has no memory. */
status index_setup(struct index *index, const struct index_options *options);
void index_teardown(struct index *index);

/* There is room: no more slots than the capacity. */
void index_insert(struct index *index, uint64_t hash, uint32_t slot);
/* The slot is in it, with this hash; its object still stands. */
void index_remove(struct index *index, uint64_t hash, uint32_t slot);

/* Takes all slots out. */
void index_clear(struct index *index);

/* Every slot is found from its home. Slow. */
bool index_is_valid(const struct index *index);

static inline uint32_t index_home(const struct index *index, uint64_t hash)
{
	return (uint32_t)((hash >> 32) * index->size >> 32);
}

static inline uint32_t index_after(const struct index *index, uint32_t cell)
{
	return cell + 1 == index->size ? 0 : cell + 1;
}

/* The cells of a hash are wanted soon. */
static inline void index_fetch(const struct index *index, uint64_t hash)
{
	__builtin_prefetch(&index->cells[index_home(index, hash)], 1);
}

/* The bits of a hash that stand in its cell. */
static inline uint32_t index_mark(const struct index *index, uint64_t hash)
{
	return (uint32_t)((hash & UINT32_MAX) << (index->slot_bits + index->distance_bits));
}

/*
 * All slots that may have a hash, one after another, and a few that have not:
 *     for (uint32_t cell = index_home(ix, hash), slot; index_next(ix, hash, &cell, &slot);)
 *         if (has_key(slot)) ...
 */
static inline bool index_next(const struct index *index, uint64_t hash, uint32_t *cell, uint32_t *slot)
{
	uint32_t mark = index_mark(index, hash), below = (UINT32_C(1) << (index->slot_bits + index->distance_bits)) - 1;
	uint32_t content;
	do {
		content = index->cells[*cell];
		*cell = index_after(index, *cell);
	} while (content != 0 && (content & ~below) != mark);
	*slot = (content & ((UINT32_C(1) << index->slot_bits) - 1)) - 1;
	return content != 0;
}

#endif
