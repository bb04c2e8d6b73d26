#include "cmd/trovectl/percentile.h"

#include <math.h>

enum { STEPS = 1 << PERCENTILE_STEP_BITS };

/* Values below STEPS have a bucket each; above, the highest bits decide. */
static unsigned bucket_of(uint64_t ns)
{
	if (ns < STEPS)
		return (unsigned)ns;
	unsigned shift = 63 - (unsigned)__builtin_clzll(ns) - PERCENTILE_STEP_BITS;
	return (shift + 1) * STEPS + (unsigned)((ns >> shift) - STEPS);
}

static uint64_t bucket_top(unsigned bucket)
{
	if (bucket < STEPS)
		return bucket;
	unsigned shift = bucket / STEPS - 1;
	return ((uint64_t)(bucket % STEPS + STEPS + 1) << shift) - 1;
}

void percentile_add(struct percentile *p, int64_t ns, uint64_t times)
{
	uint64_t value = ns < 0 ? 0 : (uint64_t)ns;
	if (value >> PERCENTILE_BITS_MAX != 0)
		value = (1ull << PERCENTILE_BITS_MAX) - 1;
	p->bucket[bucket_of(value)] += times;
	p->count += times;
	if (value > p->greatest_ns)
		p->greatest_ns = value;
}

uint64_t percentile_read(const struct percentile *p, double share)
{
	uint64_t wanted = (uint64_t)ceil(share * (double)p->count);
	uint64_t seen = 0;
	for (unsigned i = 0; i < PERCENTILE_BUCKETS; i++) {
		seen += p->bucket[i];
		if (seen != 0 && seen >= wanted)
			return bucket_top(i) < p->greatest_ns ? bucket_top(i) : p->greatest_ns;
	}
	return p->greatest_ns;
}
