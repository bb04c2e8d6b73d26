/*
 * number_set: a set of small numbers (processors, memory nodes) and the text that Linux
 * writes for one: "0,2,4-7". A plain value; reads no state.
 */
#ifndef ENGINE_BASE_NUMBER_SET_H
#define ENGINE_BASE_NUMBER_SET_H

#include "engine/base/status.h"

#include <stddef.h>
#include <stdint.h>

enum { NUMBER_SET_LIMIT = 1024 }; /* members are below it */

struct number_set {
	uint64_t words[NUMBER_SET_LIMIT / 64];
};

static inline bool number_set_has(const struct number_set *set, unsigned number)
{
	return number < NUMBER_SET_LIMIT && (set->words[number / 64] >> number % 64 & 1) != 0;
}

/* What is not below the limit is left out. */
static inline void number_set_add(struct number_set *set, unsigned number)
{
	if (number < NUMBER_SET_LIMIT)
		set->words[number / 64] |= UINT64_C(1) << number % 64;
}

unsigned number_set_count(const struct number_set *set);

/* The least member that is at least from; NUMBER_SET_LIMIT if there is none. */
unsigned number_set_next(const struct number_set *set, unsigned from);

/* Only what is in other, too. */
void number_set_intersect(struct number_set *set, const struct number_set *other);

/* "0,2,4-7", blanks around it; "" is the empty set. STATUS_invalid_field (and *set empty)
 * for anything else, also for a range that runs down or past the limit. */
status number_set_parse(const char *text, struct number_set *set);

/* The same text again; cut off where it does not fit. */
void number_set_print(const struct number_set *set, char *text, size_t capacity);

#endif
