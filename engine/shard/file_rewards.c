#include "engine/shard/file_rewards.h"

#include "engine/base/check.h"

#include <stdlib.h>

static uint64_t key_of(uint64_t low, uint64_t high) { return low ^ high * 0x9e3779b97f4a7c15u; }

static void note(void *context, struct identifier id)
{
	struct file_rewards *f = context;
	CHECK(f->count < f->room, "more than %zu rewards", f->room);
	f->keys[f->count++] = key_of(id.low, id.high);
}

status file_rewards_setup(struct file_rewards *f, struct store *store, struct account *account)
{
	struct store_statistics statistics;
	store_statistics(store, &statistics);
	*f = (struct file_rewards){.room = statistics.rewards};
	if (f->room == 0)
		return STATUS_ok;
	f->holding = (struct holding){.name = "ids of rewards.file", .option = "rewards.capacity", .kind = HOLDING_buffer};
	size_t bytes = f->room * sizeof *f->keys;
	status s = account_open(account, &f->region, &f->holding, bytes, 0, -1);
	if (s != STATUS_ok)
		return s;
	f->keys = (uint64_t *)(void *)f->region.bytes;
	store_visit_ids(store, note, f);
	holding_use(&f->holding, bytes);
	return STATUS_ok;
}

void file_rewards_teardown(struct file_rewards *f)
{
	if (f->keys != NULL)
		account_close(&f->region, &f->holding);
	*f = (struct file_rewards){};
}

void file_rewards_bill(int64_t rewards_capacity, struct bill *bill)
{
	bill_add(bill, "shard", "rewards.capacity", (uint64_t)rewards_capacity, sizeof(uint64_t),
	         "ids of rewards.file: what is not among them leaves no record when it is removed");
}

static int by_value(const void *left, const void *right)
{
	const uint64_t *a = left, *b = right;
	return *a < *b ? -1 : *a > *b;
}

bool file_rewards_has(struct file_rewards *f, struct wire_id reward)
{
	uint64_t key = key_of(reward.low, reward.high);
	if (f->count == 0)
		return false;
	if (!f->is_sorted)
		qsort(f->keys, f->count, sizeof *f->keys, by_value);
	f->is_sorted = true;
	return bsearch(&key, f->keys, f->count, sizeof *f->keys, by_value) != NULL;
}
