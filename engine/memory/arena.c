#include "engine/memory/arena.h"

#include "engine/memory/numa.h"

#include <string.h>

#if defined(TROVE_DEBUG) || defined(SANITIZER_ADDRESS)

/* Zones are linked backwards by their offsets, so that a reset finds those behind its mark. */
struct zone {
	uint64_t mark;
	uint64_t previous;
};
#define ZONE_MARK UINT64_C(0xfdfdfdfdfdfdfdfd)

static void close_zone(struct arena *a)
{
	struct zone zone = {ZONE_MARK ^ a->used, a->last_zone};
	if (a->is_packed || a->capacity - a->used < sizeof zone)
		return;
	POOL_SHOW(a->bytes + a->used, sizeof zone);
	memcpy(a->bytes + a->used, &zone, sizeof zone);
	POOL_HIDE(a->bytes + a->used, sizeof zone);
	a->last_zone = a->used;
	a->used += sizeof zone;
}

void arena_guard_take(struct arena *a, size_t start, size_t count)
{
	POOL_SHOW(a->bytes + start, count);
	close_zone(a);
}

void arena_guard_reset(struct arena *a, size_t mark)
{
	POOL_SHOW(a->bytes + mark, a->used - mark);
	while (a->last_zone >= mark && a->last_zone != 0) {
		struct zone zone;
		memcpy(&zone, a->bytes + a->last_zone, sizeof zone);
		CHECK(zone.mark == (ZONE_MARK ^ a->last_zone), "%s: a write ran over the end of what was taken, at byte %zu",
		      a->holding.name, a->last_zone);
		a->last_zone = zone.previous;
	}
	memset(a->bytes + mark, 0xa5, a->used - mark);
	POOL_HIDE(a->bytes + mark, a->used - mark);
}

#endif

status arena_init(struct arena *a, size_t capacity, const struct arena_options *options)
{
	static const struct arena_options none = {.name = "arena"};
	if (options == NULL)
		options = &none;
	*a = (struct arena){
		.holding = {.name = options->name, .option = options->option, .kind = HOLDING_arena},
		.capacity = capacity,
	};
	status s = account_open(options->account, &a->region, &a->holding, capacity,
	                        options->prefault_bytes == 0 ? capacity : options->prefault_bytes,
	                        options->is_on_any_node ? NUMA_ANY_NODE : ACCOUNT_NODE);
	a->bytes = a->region.bytes;
	a->is_packed = options->is_packed;
	if (s == STATUS_ok)
		POOL_HIDE(a->bytes, capacity);
	return s;
}

void arena_deinit(struct arena *a)
{
	if (a->bytes != NULL)
		POOL_SHOW(a->bytes, a->capacity); /* the addresses may be somebody else's next */
	account_close(&a->region, &a->holding);
	*a = (struct arena){};
}
