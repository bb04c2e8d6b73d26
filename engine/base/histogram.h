/*
 * histogram: durations (or any positive integers) with a bounded error in bounded memory, as in HdrHistogram
 * (G. Tene): 64 cells to each power of two. Values below 64 have a cell each; above, a cell's middle is at most
 * 1/128 (0.8 %) off what was put in. In nanoseconds it reaches to 137 s; what is larger counts as the largest.
 *
 * A cell's place is arithmetic alone, so others keep cells of their own kind (the service: narrower ones, a set for
 * each thread) and share the rest. Memory is the caller's; all zero is empty. Threads: histogram_record may be called by
 * many at once, histogram_add by one writer; reading meanwhile may miss what is being added.
 */
#ifndef ENGINE_BASE_HISTOGRAM_H
#define ENGINE_BASE_HISTOGRAM_H

#include <math.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

enum { HISTOGRAM_STEP_BITS = 6, HISTOGRAM_STEPS = 1 << HISTOGRAM_STEP_BITS, HISTOGRAM_BITS = 37 };
/* Cells come in octaves: the first holds the values below 64, each next one those up to twice as large. */
enum { HISTOGRAM_OCTAVES = HISTOGRAM_BITS - HISTOGRAM_STEP_BITS + 1, HISTOGRAM_CELLS = HISTOGRAM_OCTAVES * HISTOGRAM_STEPS };
#define HISTOGRAM_ERROR_MAX (1.0 / (2 * HISTOGRAM_STEPS))
#define HISTOGRAM_VALUE_MAX ((UINT64_C(1) << HISTOGRAM_BITS) - 1)

struct histogram {
	_Atomic uint64_t cell[HISTOGRAM_CELLS];
};

static inline unsigned histogram_place(uint64_t value)
{
	if (value < HISTOGRAM_STEPS)
		return (unsigned)value;
	if (value > HISTOGRAM_VALUE_MAX)
		return HISTOGRAM_CELLS - 1;
	unsigned shift = 63 - (unsigned)__builtin_clzll(value) - HISTOGRAM_STEP_BITS;
	return (shift << HISTOGRAM_STEP_BITS) + (unsigned)(value >> shift);
}

/* The least value of a cell; of HISTOGRAM_CELLS: the first that is too large. */
static inline uint64_t histogram_least(unsigned place)
{
	if (place < HISTOGRAM_STEPS)
		return place;
	return (uint64_t)(HISTOGRAM_STEPS + place % HISTOGRAM_STEPS) << (place / HISTOGRAM_STEPS - 1);
}

/* What stands for all values of a cell. */
static inline double histogram_middle(unsigned place)
{
	uint64_t least = histogram_least(place);
	return (double)least + (double)(histogram_least(place + 1) - 1 - least) / 2;
}

static inline uint64_t histogram_count(const struct histogram *h, unsigned place)
{
	return atomic_load_explicit(&h->cell[place], memory_order_relaxed);
}

static inline void histogram_clear(struct histogram *h) { memset((void *)h, 0, sizeof *h); }

/* Any thread; below zero (clocks of two processors) is zero. */
static inline void histogram_record(struct histogram *h, int64_t value)
{
	unsigned place = histogram_place(value < 0 ? 0 : (uint64_t)value);
	atomic_fetch_add_explicit(&h->cell[place], 1, memory_order_relaxed);
}

/* Only the one writer. */
static inline void histogram_add(struct histogram *h, unsigned place, uint64_t times)
{
	atomic_store_explicit(&h->cell[place], histogram_count(h, place) + times, memory_order_relaxed);
}

static inline uint64_t histogram_total(const struct histogram *h)
{
	uint64_t total = 0;
	for (unsigned i = 0; i < HISTOGRAM_CELLS; i++)
		total += histogram_count(h, i);
	return total;
}

/* The greatest cell that is not empty; 0 when all are. */
static inline unsigned histogram_last(const struct histogram *h)
{
	for (unsigned i = HISTOGRAM_CELLS; i-- > 0;)
		if (histogram_count(h, i) != 0)
			return i;
	return 0;
}

/* How many of total a share is, rounded up; what multiplying rounded is not. */
static inline double histogram_rank(double share, uint64_t total) { return ceil(share * (double)total * (1 - 4e-16)); }

/*
 * The values that the shares (0 to 1, ascending) of what was put in do not exceed, by nearest rank, in one pass.
 * Returns how many values there are; with none, all are 0.
 */
static inline uint64_t histogram_quantiles(const struct histogram *h, const double *shares, unsigned count, double *values)
{
	uint64_t total = histogram_total(h), seen = 0;
	unsigned done = 0;
	for (unsigned i = 0; i < HISTOGRAM_CELLS && done < count; i++) {
		seen += histogram_count(h, i);
		while (done < count && seen != 0 && (double)seen >= histogram_rank(shares[done], total))
			values[done++] = histogram_middle(i);
	}
	while (done < count) /* more was put in meanwhile */
		values[done++] = total == 0 ? 0 : histogram_middle(histogram_last(h));
	return total;
}

static inline double histogram_quantile(const struct histogram *h, double share)
{
	double value;
	(void)histogram_quantiles(h, &share, 1, &value);
	return value;
}

#endif
