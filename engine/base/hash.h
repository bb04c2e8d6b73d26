/*
 * hash: the one place that sees xxHash (XXH3, https://github.com/Cyan4973/xxHash).
 * For tables and checksums; not a defence against an attacker who picks keys, so
 * tables over peers' keys take a seed. Pure: keys are only read during a call.
 */
#ifndef ENGINE_BASE_HASH_H
#define ENGINE_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* Reads by memcpy, which compiles to the same loads. xxHash's default for gcc reads what is no uint64_t as one: inlined
 * behind stores of doubles or of 32 bits, gcc then takes the stores for unused, and the hash is of something else. */
#define XXH_FORCE_MEMORY_ACCESS 0
#define XXH_INLINE_ALL
#include <xxhash.h>

static inline uint64_t hash_bytes(const void *bytes, size_t count, uint64_t seed)
{
	return XXH3_64bits_withSeed(bytes, count, seed);
}

/* Hash of a 128-bit key given as two halves. */
static inline uint64_t hash_128(uint64_t high, uint64_t low, uint64_t seed)
{
	uint64_t key[2] = {high, low};
	return XXH3_64bits_withSeed(key, sizeof key, seed);
}

#endif
