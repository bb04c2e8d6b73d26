/*
 * save: all of commerce as a stream of records, and an instance made of such a stream.
 *
 * What is saved is the content, not the memory: the records (saved.h) hold objects in an order
 * in which the same functions that live changes use put them together again: closed carts and
 * resting payments oldest first, the claims of an actor on a reward in their order, remembered
 * events block by block. So the restored instance has the same digest and answers every later
 * change as the saved one would; only slots, and with them the order of sweeps, are its own.
 * The hashes in remembered events are keyed: their seed is in the stream, which is therefore as
 * secret as the seed.
 *
 * Memory: nothing is allocated; a record is on the stack. The stream's bytes are the caller's.
 * Thread: the one that owns the instance.
 * Errors: what a restore reads is checked, and nothing in it can crash the process:
 *     STATUS_malformed       a record that cannot be, in this place or at all
 *     STATUS_pool_exhausted  an option is smaller than what was saved; the text names it
 *     STATUS_invalid_state   the instance was not empty
 * The first refusal stays, with its text; the instance then holds a part: commerce_reset it.
 */
#ifndef ENGINE_COMMERCE_SAVE_H
#define ENGINE_COMMERCE_SAVE_H

#include "engine/commerce/commerce.h"
#include "engine/commerce/saved.h"

/* Takes a record. Not STATUS_ok: no more are given, and that is the answer. */
typedef status commerce_put(void *context, uint32_t kind, const void *bytes, size_t count);

status commerce_save(const struct commerce *commerce, commerce_put *put, void *context);

struct commerce_restore {
	struct commerce *commerce;
	struct saved_head head, found; /* what was promised, and came; version 0: no head yet */
	uint64_t records;
	uint32_t cart;       /* the slot of the one that is being put together */
	uint32_t lines_left; /* of it */
	bool wants_discount;
	status status;
	char text[256];
};

static inline bool commerce_owns_kind(uint32_t kind) { return kind >= SAVED_head && kind < SAVED_END; }

/* An empty instance, which is the caller's, like the restore. */
void commerce_restore_start(struct commerce_restore *restore, struct commerce *commerce);
/* The next record, of any alignment. It is a commerce_put, so that a stream can be restored while it is read. */
status commerce_restore_put(void *restore, uint32_t kind, const void *bytes, size_t count);
/* Everything that was promised is there. */
status commerce_restore_finish(struct commerce_restore *restore);

#endif
