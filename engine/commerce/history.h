/*
 * history: where the journal has the last record of each payment that nothing holds any more.
 *
 * The last `capacity` of them exactly, each once: one that is refunded in parts is moved up by each refund and takes no
 * second place, so neither does its index grow into a run of equal hashes. A full history forgets the one whose record
 * is the oldest; until then the journal keeps the file of that record (history_oldest).
 *
 * An entry is 24 bytes, and 6 in the index. It holds a 64-bit keyed hash of the id, not the id: the caller compares
 * that with the record. Of two ids of one hash (2^-64 for two of them; the seed is secret) only the one that closed last
 * is found: the other is forgotten early, and never taken for it.
 *
 * One thread: the writer. Nothing allocates, remember cannot fail.
 */
#ifndef ENGINE_COMMERCE_HISTORY_H
#define ENGINE_COMMERCE_HISTORY_H

#include "engine/commerce/key.h"
#include "engine/commerce/slots.h"

struct history_entry {
	uint64_t key, place;
	uint32_t older, newer; /* in the order of places; SLOT_NONE */
};
static_assert(sizeof(struct history_entry) == 24);

struct history {
	struct history_entry *entries;
	struct index by_key;
	uint32_t capacity, count;
	uint32_t oldest, newest; /* SLOT_NONE */
	uint64_t seed;
	struct region region;
	struct holding holding;
};

status history_setup(struct history *history, uint32_t capacity, const struct part_options *options);
void history_teardown(struct history *history);
void history_bill(struct bill *bill, uint64_t capacity);

/* false: it never was in it, or is forgotten. */
bool history_find(const struct history *history, struct identifier id, uint64_t *place);
/* The place is not below the last one. */
void history_remember(struct history *history, struct identifier id, uint64_t place);
/* The least place that may still be asked for. false: there is none. */
bool history_oldest(const struct history *history, uint64_t *place);

/* Each with its key under history->seed, the oldest first. */
typedef void history_visitor(void *context, uint64_t key, uint64_t place);
void history_visit(const struct history *history, history_visitor *visit, void *context);
/* What was visited, in that order, under the same seed (history->seed is set before). false: its place is below the last one. */
bool history_restore(struct history *history, uint64_t key, uint64_t place);
/* Nothing is in it any more; the memory stays. */
void history_reset(struct history *history);

/* Of places alone: the same whatever the seed. */
uint64_t history_digest(const struct history *history);
bool history_is_valid(const struct history *history);

#endif
