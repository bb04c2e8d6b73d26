/*
 * heap_sample: which call sites hold the general heap, from a sample of its blocks.
 *
 * A point is set on the line of all bytes that a thread allocates, an exponentially
 * distributed distance behind the last (so points are a Poisson process, and no pattern of
 * sizes can hide between them); the block that covers one is sampled. A block of s bytes is
 * sampled with the probability 1 - exp(-s / period), so one that was stands for the inverse of
 * that many of its kind: the sums are unbiased whatever the sizes are. As in TCMalloc and Go.
 * Sizes are those that the allocator gives (malloc_usable_size), as in heap_statistics.
 *
 * To be found again when it is freed, a sampled block begins at the start of a page, or is a
 * large one (heap_large): a block that does neither is told by the look at its address that
 * free takes anyway. Others are looked up in the table.
 *
 * The table has its size from the start; when it is full, further samples are dropped and
 * counted. Threads: any; a mutex, taken once a sample.
 */
#ifndef ENGINE_MEMORY_HEAP_SAMPLE_H
#define ENGINE_MEMORY_HEAP_SAMPLE_H

#include "engine/base/status.h"
#include "engine/memory/account.h"
#include "engine/memory/bill.h"
#include "engine/memory/call_stack.h"
#include "engine/memory/heap_large.h"

enum { HEAP_SAMPLE_FRAMES = 29 };

/* 0: a build whose heap takes no samples and asks for none, for trovebench to measure what that costs. */
#ifndef TROVE_HEAP_SAMPLES
#define TROVE_HEAP_SAMPLES 1
#endif


struct heap_sample {
	const void *block; /* NULL: this row is free */
	size_t bytes;
	uint64_t period; /* when it was taken */
	uint32_t next, frame_count;
	uintptr_t frames[HEAP_SAMPLE_FRAMES]; /* innermost first; addresses that are returned to */
};

struct heap_sample_statistics {
	uint64_t period; /* 0: off */
	uint32_t capacity, live;
	uint64_t taken_total, dropped_total;
};

/* Reserves the table, without touching it; sampling stays off. STATUS_pool_exhausted: no memory. */
status heap_sample_setup(struct account *account, uint32_t capacity);
/* Sampling is off and what was sampled is forgotten; blocks stay. */
void heap_sample_teardown(void);
void heap_sample_bill(uint32_t capacity, struct bill *bill);

/* The mean distance in bytes, 0: off. Live blocks keep their samples. seed 0: drawn. */
void heap_sample_set_period(uint64_t bytes, uint64_t seed);

void heap_sample_statistics(struct heap_sample_statistics *out);

/* Copies live samples, at most so many, and moves *from (0 at first) on; how many, 0: that was all. A few at a
 * time, so that nobody waits long. */
uint32_t heap_sample_read(uint32_t *from, struct heap_sample *out, uint32_t most);

/* How many blocks a sample stands for. */
double heap_sample_weight(const struct heap_sample *sample);

/* ---- for heap_calls.c ---------------------------------------------------------------------------- */

struct heap_cell;

/* Does the block that brought the cell's count to allocated_bytes cover a point? Sets the next one. */
bool heap_sample_is_due(struct heap_cell *cell, uint64_t allocated_bytes, size_t block_bytes, bool is_shared);
/* false: the table is full, or there is none. */
bool heap_sample_add(const void *block, size_t bytes, const struct call_site *site);
/* Is it sampled, and with what size? Only for blocks that heap_sample_may_be. */
bool heap_sample_find(const void *block, size_t *bytes);
/* false: it was not sampled. */
bool heap_sample_forget(const void *block, size_t *bytes);

/* What is no large block and does not begin a page is plain. */
static inline bool heap_sample_may_be(const void *block)
{
	static_assert((HEAP_LARGE_HEADER & (HEAP_LARGE_HEADER - 1)) == 0);
	return ((uintptr_t)block & (HEAP_LARGE_PAGE - 1) & ~(uintptr_t)HEAP_LARGE_HEADER) == 0;
}

#endif
