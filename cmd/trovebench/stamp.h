/*
 * stamp: the processor's counter, fenced, for operations of a few nanoseconds.
 */
#ifndef CMD_TROVEBENCH_STAMP_H
#define CMD_TROVEBENCH_STAMP_H

#include "cmd/trovebench/report.h"

static inline uint64_t stamp(void)
{
#ifdef __x86_64__
	__builtin_ia32_lfence();
	uint64_t now = __builtin_ia32_rdtsc();
	__builtin_ia32_lfence();
	return now;
#else
	return (uint64_t)(bench_now() * 1e9);
#endif
}

/* What two of them cost when there is nothing between. */
static inline double stamp_cost(void)
{
	double costs[REPEAT_MAX];
	for (unsigned i = 0; i < REPEAT_MAX; i++) {
		uint64_t start = stamp();
		costs[i] = (double)(stamp() - start);
	}
	return bench_median(costs, REPEAT_MAX);
}

#endif
