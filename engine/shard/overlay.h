/*
 * overlay: the last effect on each reward since a snapshot, for the one that comes next. Bounded: when
 * it is full, a snapshot is due, and it is empty again.
 *
 * How      Effects stand one behind another, as they came; where they begin, in a table. A full one is
 *          put together (only the last of each reward stays), and is given up only if that brings little.
 * Owner    The shadow, whose thread is the only one. Memory is reserved at set-up, touched when used.
 */
#ifndef ENGINE_SHARD_OVERLAY_H
#define ENGINE_SHARD_OVERLAY_H

#include "engine/memory/account.h"
#include "engine/memory/bill.h"
#include "proto/effect.h"

enum { OVERLAY_BYTES = 24 << 20, OVERLAY_EFFECTS = 64 << 10 };

struct overlay {
	struct region region;
	struct holding holding;
	uint32_t *places;
	uint8_t *bytes;
	size_t used;
	uint32_t count;
};

status overlay_setup(struct overlay *overlay, struct account *account);
void overlay_teardown(struct overlay *overlay);
void overlay_bill(struct bill *bill);

/* Takes a copy. false: it is full. */
bool overlay_add(struct overlay *overlay, const struct effect_head *effect);
/* Only the last of each reward, the least id first. Until the next add. */
void overlay_sort(struct overlay *overlay);
void overlay_clear(struct overlay *overlay);

static inline const struct effect_head *overlay_at(const struct overlay *o, uint32_t i)
{
	return (const struct effect_head *)(const void *)(o->bytes + o->places[i]);
}

#endif
