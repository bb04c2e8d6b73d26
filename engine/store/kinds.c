#include "engine/store/kinds.h"

#include "engine/base/hash.h"

#include <string.h>

/* The table's place where the name stands or would stand. */
static unsigned place_of(const struct kinds *k, const char *name, uint32_t bytes)
{
	unsigned place = (unsigned)hash_bytes(name, bytes, 0) % KINDS_TABLE;
	for (;; place = (place + 1) % KINDS_TABLE) {
		unsigned entry = atomic_load_explicit(&k->table[place], memory_order_acquire);
		if (entry == 0)
			return place;
		if (k->lengths[entry - 1] == bytes && memcmp(k->names[entry - 1], name, bytes) == 0)
			return place;
	}
}

unsigned kinds_find(const struct kinds *k, const char *name, uint32_t bytes)
{
	unsigned entry = atomic_load_explicit(&k->table[place_of(k, name, bytes)], memory_order_acquire);
	return entry == 0 ? KIND_NONE : entry - 1;
}

bool kinds_can_add(const struct kinds *k, const char *name, uint32_t bytes)
{
	return bytes <= KIND_BYTES_MAX && (k->count < KINDS_MAX || kinds_find(k, name, bytes) != KIND_NONE);
}

unsigned kinds_add(struct kinds *k, const char *name, uint32_t bytes)
{
	if (!kinds_can_add(k, name, bytes))
		return KIND_NONE;
	unsigned place = place_of(k, name, bytes);
	unsigned entry = atomic_load_explicit(&k->table[place], memory_order_relaxed);
	if (entry != 0)
		return entry - 1;
	unsigned kind = k->count++;
	memcpy(k->names[kind], name, bytes);
	k->lengths[kind] = (uint8_t)bytes;
	atomic_store_explicit(&k->table[place], (uint16_t)(kind + 1), memory_order_release);
	return kind;
}
