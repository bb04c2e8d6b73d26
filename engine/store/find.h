/*
 * find: what benchmarks and tests want to know beyond store.h.
 */
#ifndef ENGINE_STORE_FIND_H
#define ENGINE_STORE_FIND_H

#include "engine/base/attribute.h"
#include "engine/store/store.h"

/* Where a match stands: the number of its run in the view, and its slot there. Everything
 * about a reward is one array access away from it. */
struct found_slot {
	uint32_t run, slot;
};

/* All matches, in no order and without distances: what an index query of another library
 * gives. found is the caller's. Writes at most capacity, returns how many there are. Otherwise as store_locate. */
[[WRITES(3, 4)]] uint64_t store_find(struct store_reader *reader, const struct locate_query *query, struct found_slot *found,
                    uint64_t capacity);

/* false: this reader looks at every slot. Results must not change. */
void store_reader_use_index(struct store_reader *reader, bool use);

/* Packed runs are read from this replica, wherever the thread runs. Results must not change. */
void store_reader_use_replica(struct store_reader *reader, unsigned replica);
/* The replica that the last query read. */
unsigned store_reader_replica(const struct store_reader *reader);

#endif
