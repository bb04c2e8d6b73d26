/*
 * file_rewards: which rewards rewards.file brought at this start, for the snapshots. The removal of one of them is kept,
 * or the next start would bring it again; that of any other protects from nothing, and is left out. Without that every
 * reward that came and went by event would leave a record for ever.
 *
 * How      8 bytes for each: a number is its own key, a UUID is folded, so one in a great many removals may be kept for
 *          nothing. Sorted when first asked.
 * Owner    The shard, which takes them before anything else changes the store. Afterwards the shadow's thread alone.
 */
#ifndef ENGINE_SHARD_FILE_REWARDS_H
#define ENGINE_SHARD_FILE_REWARDS_H

#include "engine/memory/account.h"
#include "engine/memory/bill.h"
#include "engine/store/store.h"
#include "proto/event.h"

struct file_rewards {
	struct region region;
	struct holding holding;
	uint64_t *keys;
	size_t count, room;
	bool is_sorted;
};

/* STATUS_pool_exhausted: no memory. */
status file_rewards_setup(struct file_rewards *file, struct store *store, struct account *account);
void file_rewards_teardown(struct file_rewards *file);
void file_rewards_bill(int64_t rewards_capacity, struct bill *bill);

bool file_rewards_has(struct file_rewards *file, struct wire_id reward);

#endif
