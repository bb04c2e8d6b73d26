/*
 * idempotency: which events were done already, and where their answers stand.
 *
 * The last `capacity` remembered ids at least, unless they are older than age_ms. Of each entry
 * the window keeps a 64-bit keyed hash of the id, a 64-bit hash of the content, and the position
 * of the stored answer (any number that does not fall: a journal's sequence), 20 bytes, beside
 * 6 in the index and a quarter of one for the base of 64 entries (a block). A full window
 * forgets its oldest block.
 *
 * Collisions. Two ids of one hash: the window may point to another id's answer. The id stands in
 * full at that position: the caller compares the 128 bits there and, if it is another one, asks
 * on with idempotency_next. So no event gets another one's answer. Two contents of one hash under
 * the same id, 2^-64 for a peer that reuses an id by mistake: it gets the first answer instead of
 * id_reused, unless the caller compares the content at the position, too. Nothing is done twice.
 * The seed is secret and drawn at the start, so a peer cannot look for either.
 *
 * One thread: the writer. find and next only read; remember cannot fail. Nothing allocates.
 */
#ifndef ENGINE_COMMERCE_IDEMPOTENCY_H
#define ENGINE_COMMERCE_IDEMPOTENCY_H

#include "engine/commerce/key.h"
#include "engine/commerce/slots.h"

enum { IDEMPOTENCY_BLOCK = 64 };

struct idempotency_entry {
	uint32_t key[2], content[2]; /* halves: 8-byte members would pad the entry to 24 */
	uint32_t offset;             /* of the position, from the block's */
};
static_assert(sizeof(struct idempotency_entry) == 20);

struct idempotency_block {
	uint64_t position;
	uint32_t newest_s; /* Unix time of its last entry; the block is too old when that is */
	uint32_t used;
};
static_assert(sizeof(struct idempotency_block) == 16);

struct idempotency {
	struct idempotency_entry *entries;
	struct idempotency_block *blocks;
	struct index index;
	uint32_t block_count;
	uint32_t block;   /* that is being filled */
	uint64_t count;   /* entries now */
	uint64_t newest_position;
	int64_t age_s;
	uint64_t seed;
	struct region region;
	struct holding holding;
};

enum idempotency_match { IDEMPOTENCY_new, IDEMPOTENCY_same, IDEMPOTENCY_other };

struct idempotency_found {
	enum idempotency_match match;
	uint64_t position; /* of the stored answer; not of a new one */
	uint32_t cell;     /* where idempotency_next goes on */
};

status idempotency_setup(struct idempotency *window, uint32_t capacity, int64_t age_ms, const struct part_options *options);
void idempotency_teardown(struct idempotency *window);
void idempotency_bill(struct bill *bill, uint64_t capacity);

struct idempotency_found idempotency_find(const struct idempotency *window, struct identifier id, uint64_t content,
                                          int64_t now_ms);
/* The position holds another id: what else it may be. */
struct idempotency_found idempotency_next(const struct idempotency *window, struct identifier id, uint64_t content,
                                          int64_t now_ms, const struct idempotency_found *last);
/* It will be asked for soon. */
static inline void idempotency_fetch(const struct idempotency *window, struct wire_id id)
{
	index_fetch(&window->index, id_hash(id, window->seed));
}

/* The position is not below the last one. */
void idempotency_remember(struct idempotency *window, struct identifier id, uint64_t content, uint64_t position,
                          int64_t now_ms);

/* Blocks of entries, the oldest first, as they were filled. */
typedef void idempotency_visitor(void *context, const struct idempotency_block *block, const struct idempotency_entry *entries);
void idempotency_visit(const struct idempotency *window, idempotency_visitor *visit, void *context);
uint32_t idempotency_blocks_used(const struct idempotency *window);
/* The least position that an answer now or later may still come from. false: there is none. */
bool idempotency_oldest(const struct idempotency *window, int64_t now_ms, uint64_t *position);
/* Behind the last one, of the same seed (window->seed is set before); there is room. false: it cannot be, nothing was done. */
bool idempotency_restore(struct idempotency *window, const struct idempotency_block *block,
                         const struct idempotency_entry *entries);
/* Nothing is in it any more; the memory stays. */
void idempotency_reset(struct idempotency *window);

/* Of contents and positions: the same whatever the window's seed; contents may be hashed under it by the caller. */
uint64_t idempotency_digest(const struct idempotency *window);
/* Of positions alone: what is remembered, whatever it was hashed under. */
uint64_t idempotency_place_digest(const struct idempotency *window);
bool idempotency_is_valid(const struct idempotency *window);

#endif
