/*
 * percentile: quantiles of durations in fixed memory. Buckets are log-linear as in
 * HdrHistogram (G. Tene): 64 to each power of two, so a value read back is at most
 * 1.6 % above what was put in. One thread.
 */
#ifndef CMD_TROVECTL_PERCENTILE_H
#define CMD_TROVECTL_PERCENTILE_H

#include <stdint.h>

enum { PERCENTILE_STEP_BITS = 6, PERCENTILE_BITS_MAX = 42 /* 73 minutes in ns */ };
enum { PERCENTILE_BUCKETS = (PERCENTILE_BITS_MAX - PERCENTILE_STEP_BITS + 1) << PERCENTILE_STEP_BITS };

struct percentile {
	uint64_t count, greatest_ns;
	uint64_t bucket[PERCENTILE_BUCKETS];
};

/* All zero is empty. A value too large counts as the largest. */
void percentile_add(struct percentile *p, int64_t ns, uint64_t times);
/* The least value that the share (0 to 1) of what was added does not exceed; 0 when empty. */
uint64_t percentile_read(const struct percentile *p, double share);

#endif
