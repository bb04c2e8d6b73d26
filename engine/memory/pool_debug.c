#include "engine/memory/pool_debug.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

enum { POISON = 0xdb, TEXT_BYTES = 384 };

size_t pool_canary_bytes(unsigned debug) { return debug & POOL_DEBUG_canary ? sizeof(uint64_t) : 0; }

static bool has(const struct pool *p, enum pool_debug mode) { return p->cold->options.debug & mode; }

static size_t shown_bytes(const struct pool *p) { return p->object_bytes + pool_canary_bytes(p->cold->options.debug); }

/* Another one for each slot, so that a copy of a neighbour is found, too. */
static uint64_t canary_of(const struct pool *p, uint32_t slot)
{
	return ((uint64_t)(p->tag | slot) << 32 | ~slot) * 0x9e3779b97f4a7c15u;
}

static void write_canary(struct pool *p, uint32_t slot)
{
	uint64_t canary = canary_of(p, slot);
	memcpy((uint8_t *)pool_object_of(p, slot) + p->object_bytes, &canary, sizeof canary);
}

bool pool_debug_is_whole(const struct pool *p, uint32_t slot)
{
	uint64_t canary;
	if (!has(p, POOL_DEBUG_canary))
		return true;
	memcpy(&canary, (uint8_t *)pool_object_of(p, slot) + p->object_bytes, sizeof canary);
	return canary == canary_of(p, slot);
}

static void protect(struct pool *p, uint32_t slot, int protection)
{
	int result = mprotect(pool_object_of(p, slot), p->stride, protection);
	/* The likely cause: each change of protection splits a mapping, and vm.max_map_count is the limit. */
	CHECK(result == 0, "pool %s: page trap of slot %" PRIu32 ": %s", p->cold->options.name, slot, strerror(errno));
}

static void hide(struct pool *p, uint32_t slot)
{
	if (has(p, POOL_DEBUG_poison))
		memset(pool_object_of(p, slot), POISON, p->object_bytes);
	POOL_HIDE(pool_object_of(p, slot), p->stride);
	if (has(p, POOL_DEBUG_trap))
		protect(p, slot, PROT_NONE);
}

static bool is_poisoned(const struct pool *p, uint32_t slot)
{
	const uint8_t *bytes = pool_object_of(p, slot);
	for (uint32_t i = 0; i < p->object_bytes; i++)
		if (bytes[i] != POISON)
			return false;
	return true;
}

void pool_debug_prepare(struct pool *p, uint32_t slot) { hide(p, slot); }

void pool_debug_open(struct pool *p, struct pool_handle handle, const char *caller)
{
	char text[TEXT_BYTES];
	uint32_t slot = pool_slot_of(p, handle.bits);
	if (has(p, POOL_DEBUG_trap))
		protect(p, slot, PROT_READ | PROT_WRITE);
	POOL_SHOW(pool_object_of(p, slot), shown_bytes(p));
	if (has(p, POOL_DEBUG_poison) && !is_poisoned(p, slot)) {
		pool_describe(p, handle, text, sizeof text);
		CHECK(!"written after return", "%s", text);
	}
	if (has(p, POOL_DEBUG_canary))
		write_canary(p, slot);
	if (p->cold->callers != NULL)
		atomic_store_explicit(&p->cold->callers[slot].borrowed, caller, memory_order_relaxed);
}

void pool_debug_close(struct pool *p, struct pool_handle handle, const char *caller)
{
	char text[TEXT_BYTES];
	uint32_t slot = pool_slot_of(p, handle.bits);
	if (!pool_debug_is_whole(p, slot)) {
		pool_describe(p, handle, text, sizeof text);
		CHECK(!"written behind the object", "%s", text);
	}
	if (p->cold->callers != NULL)
		atomic_store_explicit(&p->cold->callers[slot].returned, caller, memory_order_relaxed);
	hide(p, slot);
}

void pool_describe(const struct pool *p, struct pool_handle handle, char *text, size_t capacity)
{
	uint32_t slot = pool_slot_of(p, handle.bits);
	const char *name = p->cold->options.name;
	if (handle.bits >> 32 != (p->tag | slot) || slot >= atomic_load_explicit(&p->count, memory_order_acquire)) {
		snprintf(text, capacity, "pool %s: handle %#" PRIx64 " is not one of this pool", name, handle.bits);
		return;
	}
	uint64_t word = pool_word(p, slot);
	const char *state = word == handle.bits ? "borrowed" : word >> 32 == handle.bits >> 32 ? "stale, borrowed again" : "returned";
	int length = snprintf(text, capacity, "pool %s: handle %#" PRIx64 ", slot %" PRIu32 ", generation %" PRIu32 ", %s", name,
	                      handle.bits, slot, (uint32_t)handle.bits, state);
	if (p->cold->callers == NULL || length < 0 || (size_t)length >= capacity)
		return;
	const struct pool_callers *c = &p->cold->callers[slot];
	const char *borrowed = atomic_load_explicit(&c->borrowed, memory_order_relaxed);
	const char *returned = atomic_load_explicit(&c->returned, memory_order_relaxed);
	snprintf(text + length, capacity - (size_t)length, "; last borrowed at %s, last returned at %s",
	         borrowed == NULL ? "(never)" : borrowed, returned == NULL ? "(never)" : returned);
}
