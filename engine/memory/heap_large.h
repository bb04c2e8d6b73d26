/*
 * heap_large: blocks of the general heap from 16 KiB up, as mappings of their own.
 *
 * Why: libnng takes a message's block on one thread and frees it on another. Of blocks of
 * about 1 MiB or more mimalloc 3.0.1 (Debian 13) then never reuses or returns any: 1.2 GB
 * after 9,000 messages of up to 1.2 MB each, with no option that helps. Of smaller ones each
 * thread keeps pages of 512 KiB for each of its sizes, which fill up slowly.
 *
 * A freed block waits in a list of its size for the next one, whoever asks, so that a stream
 * of messages needs no system calls; what waited from one heap_trim to the next is given
 * back, and no more wait than heap_large_set_most says. Sizes are four for each doubling, and
 * from 1 MiB on eight: at most a fifth of a block is not asked for, or a ninth. Any thread; a
 * mutex, held for no system call.
 * A block is told from one of mimalloc's by a header in front of it that holds a number
 * drawn at the start: see heap_large_of.
 */
#ifndef ENGINE_MEMORY_HEAP_LARGE_H
#define ENGINE_MEMORY_HEAP_LARGE_H

#include "engine/memory/bill.h"

#include <stddef.h>
#include <stdint.h>

enum {
	HEAP_LARGE_LEAST = 16 << 10,
	HEAP_LARGE_HEADER = 64, /* a block begins so far behind its page */
	HEAP_LARGE_PAGE = 4096,
	HEAP_LARGE_KEPT_BYTES = 64 << 20,
};

struct heap_large;

/* NULL: the system has none. *is_fresh: all zero. */
void *heap_large_take(size_t bytes, bool *is_fresh);
void heap_large_give(struct heap_large *block);
size_t heap_large_size(const struct heap_large *block);
/* For bills: what a block of so many bytes takes, and what waits. */
size_t heap_large_bytes(size_t bytes);
void heap_large_bill(uint64_t most, struct bill *bill);
/* So many bytes may wait; until it is said, HEAP_LARGE_KEPT_BYTES. */
void heap_large_set_most(size_t bytes);

/* Bytes of blocks that wait. */
size_t heap_large_waiting(void);

struct heap_large *heap_large_check(void *block);

/* The large block that begins here, or NULL: it is mimalloc's. */
static inline struct heap_large *heap_large_of(void *block)
{
	if (__builtin_expect(((uintptr_t)block & (HEAP_LARGE_PAGE - 1)) != HEAP_LARGE_HEADER, 1))
		return NULL;
	return heap_large_check(block);
}

#endif
