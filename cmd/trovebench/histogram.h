/*
 * histogram: latencies with a bounded error (1/64, about 1.6 %) in bounded memory:
 * 64 steps to each power of two (the idea of HdrHistogram). Any thread may record.
 */
#ifndef CMD_TROVEBENCH_HISTOGRAM_H
#define CMD_TROVEBENCH_HISTOGRAM_H

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

enum { HISTOGRAM_STEP_BITS = 6, HISTOGRAM_CELLS = (64 - HISTOGRAM_STEP_BITS + 1) << HISTOGRAM_STEP_BITS };

struct histogram {
	_Atomic uint64_t cell[HISTOGRAM_CELLS];
};

static inline void histogram_clear(struct histogram *h) { memset((void *)h, 0, sizeof *h); }

static inline unsigned histogram_place(uint64_t value)
{
	if (value < 1u << HISTOGRAM_STEP_BITS)
		return (unsigned)value;
	unsigned shift = 63 - (unsigned)__builtin_clzll(value) - HISTOGRAM_STEP_BITS;
	return ((shift + 1) << HISTOGRAM_STEP_BITS) + (unsigned)(value >> shift) - (1u << HISTOGRAM_STEP_BITS);
}

static inline void histogram_record(struct histogram *h, int64_t ns)
{
	atomic_fetch_add_explicit(&h->cell[histogram_place(ns < 0 ? 0 : (uint64_t)ns)], 1, memory_order_relaxed);
}

/* The value below which `share` (0 to 1) of the records lie, in nanoseconds. */
static inline double histogram_quantile(const struct histogram *h, double share)
{
	uint64_t total = 0, seen = 0;
	for (unsigned i = 0; i < HISTOGRAM_CELLS; i++)
		total += h->cell[i];
	uint64_t wanted = (uint64_t)(share * (double)total);
	for (unsigned i = 0; i < HISTOGRAM_CELLS; i++) {
		seen += h->cell[i];
		if (seen > wanted) {
			unsigned shift = i >> HISTOGRAM_STEP_BITS;
			if (shift == 0)
				return (double)i;
			uint64_t step = (i & ((1u << HISTOGRAM_STEP_BITS) - 1)) + (1u << HISTOGRAM_STEP_BITS);
			return (double)((step + 1) << (shift - 1));
		}
	}
	return 0;
}

#endif
