#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* mincore */
#endif
#include "engine/memory/arena.h"

#include "engine/memory/numa.h"

#include <string.h>
#include <sys/mman.h>

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
	a->prefaulted = options->prefault_bytes == 0 ? capacity : options->prefault_bytes;
	if (s == STATUS_ok)
		POOL_HIDE(a->bytes, capacity);
	return s;
}

/* How much of it is there is asked first, so that what is said was given back. */
static size_t give_back(uint8_t *bytes, size_t count)
{
	unsigned char present[256];
	size_t resident = 0;
	for (size_t done = 0; done < count; done += sizeof present * REGION_SMALL_BYTES) {
		size_t part = count - done < sizeof present * REGION_SMALL_BYTES ? count - done : sizeof present * REGION_SMALL_BYTES;
		if (mincore(bytes + done, part, present) != 0)
			return 0;
		for (size_t i = 0; i < part / REGION_SMALL_BYTES; i++)
			resident += (present[i] & 1) * REGION_SMALL_BYTES;
	}
	return resident != 0 && madvise(bytes, count, MADV_DONTNEED) == 0 ? resident : 0;
}

size_t arena_trim(struct arena *a)
{
	size_t kept = a->used > a->prefaulted ? a->used : a->prefaulted;
	atomic_store_explicit(&a->holding.in_use, a->used, memory_order_relaxed);
	atomic_store_explicit(&a->holding.high_water, a->used, memory_order_relaxed);
	/* Half of a huge page would break it. */
	size_t page = a->region.pages == REGION_PAGES_transparent ? REGION_2M_BYTES : REGION_SMALL_BYTES;
	kept = (kept + page - 1) & ~(page - 1);
	bool is_plain = a->region.pages == REGION_PAGES_small || a->region.pages == REGION_PAGES_transparent;
	if (!is_plain || a->region.locked || kept >= a->region.reserved)
		return 0;
	return give_back(a->bytes + kept, a->region.reserved - kept);
}

void arena_deinit(struct arena *a)
{
	if (a->bytes != NULL)
		POOL_SHOW(a->bytes, a->capacity); /* the addresses may be somebody else's next */
	account_close(&a->region, &a->holding);
	*a = (struct arena){};
}
