#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "engine/shard/overlay.h"

#include "engine/shard/replay.h"

#include <stdlib.h>
#include <string.h>

enum { REGION_BYTES = OVERLAY_BYTES + OVERLAY_EFFECTS * sizeof(uint32_t) };

status overlay_setup(struct overlay *o, struct account *account)
{
	*o = (struct overlay){.holding = {.name = "reward changes", .option = "data.snapshot_bytes", .kind = HOLDING_buffer}};
	status s = account_open(account, &o->region, &o->holding, REGION_BYTES, 0, -1);
	if (s != STATUS_ok)
		return s;
	o->bytes = o->region.bytes;
	o->places = (uint32_t *)(void *)(o->bytes + OVERLAY_BYTES);
	return STATUS_ok;
}

void overlay_teardown(struct overlay *o) { account_close(&o->region, &o->holding); }

void overlay_bill(struct bill *bill)
{
	bill_add(bill, "shard", "data.snapshot_bytes", 1, REGION_BYTES, "changes of rewards between two snapshots");
}

void overlay_clear(struct overlay *o)
{
	o->used = 0;
	o->count = 0;
	holding_use(&o->holding, 0);
}

/* ---- order ----------------------------------------------------------------------------------- */

static int by_place(const void *left, const void *right)
{
	const uint32_t *a = left, *b = right;
	return *a < *b ? -1 : *a > *b;
}

static int by_id(const void *left, const void *right, void *overlay)
{
	const uint8_t *bytes = ((struct overlay *)overlay)->bytes;
	const uint32_t *a = left, *b = right;
	int order = wire_id_order(reward_effect_id((const struct effect_head *)(const void *)(bytes + *a)),
	                          reward_effect_id((const struct effect_head *)(const void *)(bytes + *b)));
	return order != 0 ? order : by_place(left, right);
}

/* They stand in the order of time, so the last one behind the same id counts. */
void overlay_sort(struct overlay *o)
{
	uint32_t kept = 0;
	if (o->count == 0)
		return;
	qsort_r(o->places, o->count, sizeof *o->places, by_id, o);
	for (uint32_t i = 0; i < o->count; i++) {
		bool is_last = i + 1 == o->count ||
		               wire_id_order(reward_effect_id(overlay_at(o, i)), reward_effect_id(overlay_at(o, i + 1))) != 0;
		if (is_last)
			o->places[kept++] = o->places[i];
	}
	o->count = kept;
}

static size_t room_of(const struct effect_head *effect) { return (effect->bytes + 7u) & ~(size_t)7; }

static void close_gaps(struct overlay *o)
{
	size_t used = 0;
	overlay_sort(o);
	qsort(o->places, o->count, sizeof *o->places, by_place);
	for (uint32_t i = 0; i < o->count; i++) {
		const struct effect_head *effect = overlay_at(o, i);
		size_t room = room_of(effect);
		memmove(o->bytes + used, effect, effect->bytes);
		o->places[i] = (uint32_t)used;
		used += room;
	}
	o->used = used;
}

static bool has_room(const struct overlay *o, size_t bytes)
{
	return o->count < OVERLAY_EFFECTS && bytes <= OVERLAY_BYTES - o->used;
}

bool overlay_add(struct overlay *o, const struct effect_head *effect)
{
	size_t room = room_of(effect);
	if (!has_room(o, room)) {
		close_gaps(o);
		/* Else it would be put together for every few. */
		if (o->count > OVERLAY_EFFECTS / 4 * 3 || o->used > OVERLAY_BYTES / 4 * 3)
			return false;
	}
	memcpy(o->bytes + o->used, effect, effect->bytes);
	o->places[o->count++] = (uint32_t)o->used;
	o->used += room;
	holding_use(&o->holding, o->used);
	return true;
}
