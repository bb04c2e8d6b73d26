/* What a store takes at most; the bounds of its packed runs are explained in inside.h. */
#include "engine/store/inside.h"
#include "engine/store/pack.h"

/* Packed runs at one time: sizes double, so there are few; each has its own padding. */
enum { NAME_BYTES_LEAST = 64 << 10, PACKED_RUNS = 32, PADDING_BYTES = 32 << 10, MERGE_PLACE_BYTES = 20 };
static_assert(sizeof(struct pack_place) + 2 * sizeof(uint32_t) == MERGE_PLACE_BYTES);

uint64_t store_name_bytes_max(const struct store_options *o)
{
	uint64_t bytes = o->capacity * (o->name_bytes == 0 ? NAME_BYTES_MAX : o->name_bytes);
	return bytes < NAME_BYTES_LEAST ? NAME_BYTES_LEAST : bytes;
}

/* Loading at the start takes less than merging does later: one run, the places, and the rows of the file. */
static void bill_packed(const struct store_options *o, struct bill *bill)
{
	static const char key[] = "rewards.capacity";
	unsigned name_bytes = o->name_bytes == 0 ? NAME_BYTES_MAX : o->name_bytes;
	unsigned replicas = store_replicas(o);
	uint64_t names = store_name_bytes_max(o);
	uint64_t slots = store_slots_max(o->capacity);
	bill_add(bill, "store", key, replicas, run_bytes_most(slots, store_text_max(o->capacity, names)),
	         "packed runs, half as many ended slots included; names of %u bytes on average; for each node",
	         name_bytes);
	bill_add(bill, "store", key, replicas, run_bytes(true, (uint32_t)o->capacity, o->capacity + names),
	         "the merged run that is built beside them, for each node");
	bill_add(bill, "store", key, o->capacity, MERGE_PLACE_BYTES, "places, while a merge orders them");
	bill_add(bill, "store", "", (uint64_t)replicas * PACKED_RUNS, PADDING_BYTES, "gaps between the columns of packed runs");
}

void store_bill(const struct store_options *o, struct bill *bill)
{
	bill_packed(o, bill);
	bill_add(bill, "store", "", OPEN_RUNS, store_open_run_bytes(), "open runs of %d rewards", OPEN_SLOTS);
	bill_add(bill, "store", "", ENDS_MAX, sizeof(struct end), "ends to repeat after a merge");
	bill_add(bill, "store", "", 1, sizeof(struct store), "%d views, kinds, counters", VIEWS);
	bill_add(bill, "store", "events.threads", o->readers_max, sizeof(struct store_reader), "readers with their results");
}
