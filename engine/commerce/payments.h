/*
 * payments: the payments that can still change, in a pool.
 *
 * A payment that nothing can change any more (refunded, voided, expired) leaves at once. One
 * that is captured holds nothing, but may be refunded for months: it rests in the pool as long as
 * its slot is not needed, and the one that was touched longest ago leaves first. One that
 * holds an amount never leaves: with payments.capacity of those, a new one is refused. Who
 * leaves is handed to the caller with its last record, for the journal's index; a refund of such
 * a one is planned on that record (payment_plan), and payments_put takes it in again.
 *
 * Holds lapse: a hand goes over the slots (payments_sweep) and names those whose time is over.
 * One hold lapses at most one turn of the hand late; no payment pays for a timer.
 *
 * One thread: the writer. const functions read and decide; the others cannot fail after a
 * positive answer. A pointer to a payment holds until the next change.
 */
#ifndef ENGINE_COMMERCE_PAYMENTS_H
#define ENGINE_COMMERCE_PAYMENTS_H

#include "engine/commerce/payment.h"
#include "engine/commerce/slots.h"

struct payments {
	struct slots slots;
	struct index by_id;
	uint64_t seed;
	uint32_t oldest, newest; /* of those that rest; SLOT_NONE */
};

status payments_setup(struct payments *payments, uint32_t capacity, const struct part_options *options);
void payments_teardown(struct payments *payments);
void payments_bill(struct bill *bill, uint64_t capacity);

/* NULL: not in the pool. */
const struct payment *payments_find(const struct payments *payments, struct identifier id);
/* Whether a planned record finds its place. victim: who must be evicted before. STATUS_pool_exhausted. */
status payments_can_put(const struct payments *payments, const struct payment *after, struct victim *victim);
/* The record as planned: takes it in, replaces it, or lets it go when it is final. */
void payments_put(struct payments *payments, const struct payment *after);
/* Takes out one that rests; its last record. */
void payments_evict(struct payments *payments, struct wire_id id, struct payment *last);

/* Looks at so many slots from *hand on; the ids of holds whose time is over. Returns how many. */
uint32_t payments_sweep(const struct payments *payments, uint32_t *hand, int64_t now_ms, uint32_t slots,
                        struct identifier *ids, uint32_t ids_max);

/* Calls with every payment in the pool: those that rest last, oldest first; so payments_put makes the same of them. */
typedef void payment_visitor(void *context, const struct payment *payment);
void payments_visit(const struct payments *payments, payment_visitor *visit, void *context);

/* Nothing is in it any more; the memory stays. */
void payments_reset(struct payments *payments);

uint64_t payments_digest(const struct payments *payments);
bool payments_are_valid(const struct payments *payments);

#endif
