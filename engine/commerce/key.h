/*
 * key: what objects are found by: 128-bit ids and skus. A key's hash takes a seed, because
 * peers choose the keys. Pure functions, any thread.
 */
#ifndef ENGINE_COMMERCE_KEY_H
#define ENGINE_COMMERCE_KEY_H

#include "engine/base/hash.h"
#include "proto/event.h"

#include <string.h>

/* An id without its form takes 16 bytes; the form is a bit of the object's flags. */
static inline struct wire_id id_pack(struct identifier id) { return (struct wire_id){id.low, id.high}; }

static inline struct identifier id_unpack(struct wire_id id, bool is_uuid)
{
	return (struct identifier){id.low, id.high, is_uuid};
}

static inline bool id_equal(struct wire_id a, struct wire_id b) { return a.low == b.low && a.high == b.high; }

static inline uint64_t id_hash(struct wire_id id, uint64_t seed) { return hash_128(id.high, id.low, seed); }

/* The rest of the text is zero, so that two of them are compared and hashed whole. */
struct sku {
	char text[SKU_BYTES_MAX];
	uint8_t bytes;
};
static_assert(sizeof(struct sku) == 32);

/* false: empty, or longer than SKU_BYTES_MAX. */
static inline bool sku_make(struct sku *sku, const char *text, size_t bytes)
{
	if (bytes == 0 || bytes > SKU_BYTES_MAX)
		return false;
	*sku = (struct sku){.bytes = (uint8_t)bytes};
	memcpy(sku->text, text, bytes);
	return true;
}

static inline bool sku_equal(const struct sku *a, const struct sku *b) { return memcmp(a, b, sizeof *a) == 0; }

static inline uint64_t sku_hash(const struct sku *sku, uint64_t seed) { return hash_bytes(sku, sizeof *sku, seed); }

/* A closed object that has to leave so that a new one finds room. */
struct victim {
	struct wire_id id;
	bool is_needed;
};

#endif
