/*
 * receipt: what a stop leaves for the next start: how far it came, and what the state was then. A start comes to
 * the state by another way (snapshot and journal), so that both agree says that nothing was lost or changed on it.
 *
 * A text file in the journal's folder, written anew by every stop whose changes are all durable; a receipt that is
 * older than the journal's last record is of an earlier stop, and says nothing but that so much was there.
 * Compared is what must be equal: how much is remembered depends on options, and rewards on rewards.file, so these two
 * only count where what they depend on is as it was.
 *
 * One thread; memory is the caller's. The state that is looked at must not move. Errors: a text, and
 *     STATUS_not_found   there is none
 *     STATUS_malformed   not a receipt, damaged, or in a form that this version does not know
 *     STATUS_internal    the system refused
 */
#ifndef ENGINE_SHARD_RECEIPT_H
#define ENGINE_SHARD_RECEIPT_H

#include "engine/base/status.h"
#include "engine/commerce/commerce.h"
#include "engine/store/store.h"

enum { RECEIPT_TEXT_BYTES = 512 };

struct receipt_state {
	uint64_t objects;       /* products, carts, payments, claims */
	uint64_t remembered[2]; /* events, closed payments */
	uint64_t blocks[2];     /* that there is room for, of each */
	uint64_t rewards;
	uint64_t file_rewards;  /* those that rewards.file brought at the start */
};

struct receipt {
	uint64_t identity[2]; /* of the journal */
	uint64_t seq;         /* of the last change */
	int64_t stopped_ms;   /* Unix time */
	/* Messages of this life: accepted is the sum of the others. */
	uint64_t accepted, answered, refused, in_flight;
	struct receipt_state state;
};

/* file_rewards stays as it is. Slow: reads everything. */
void receipt_take_state(struct receipt_state *state, const struct commerce *commerce, struct store *store);
/* One number for the log. */
uint64_t receipt_digest(const struct receipt_state *state);
/* What of the state is not as it was, for a sentence; NULL: all is. */
const char *receipt_difference(const struct receipt_state *before, const struct receipt_state *now);

/* On stable storage, in place of the last one, when it is STATUS_ok. */
status receipt_write(const char *directory, const struct receipt *receipt, char text[RECEIPT_TEXT_BYTES]);
status receipt_read(const char *directory, struct receipt *receipt, char text[RECEIPT_TEXT_BYTES]);

#endif
