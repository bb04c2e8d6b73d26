/*
 * metric: counters that cost one store each, and the text in which they are read.
 *
 * A module lists its counters in an X-macro table. Each thread has cells of its own
 * on cache lines of its own and is their only writer; a scrape sums them. So a sum
 * may lag by what is being counted at that moment, and never goes back. Cells belong to the
 * module that counts; a scrape borrows them for one reading and writes into the caller's cursor.
 */
#ifndef ENGINE_BASE_METRIC_H
#define ENGINE_BASE_METRIC_H

#include "engine/base/cursor.h"

#include <stdatomic.h>
#include <stdint.h>

/* Latency in powers of two from 2^10 ns (about 1 us) to 2^29 ns (about 0.5 s). */
enum { METRIC_BUCKETS = 20, METRIC_BUCKET_FIRST = 10 };

typedef _Atomic uint64_t metric_cell;

struct metric_histogram {
	metric_cell bucket[METRIC_BUCKETS + 1]; /* the last: above all bounds */
	metric_cell sum_ns;
};

/* Only the cell's one writer. */
static inline void metric_add(metric_cell *cell, uint64_t amount)
{
	atomic_store_explicit(cell, atomic_load_explicit(cell, memory_order_relaxed) + amount, memory_order_relaxed);
}

static inline uint64_t metric_read(const metric_cell *cell) { return atomic_load_explicit(cell, memory_order_relaxed); }

static inline void metric_observe(struct metric_histogram *h, uint64_t ns)
{
	unsigned bits = ns <= 1u << METRIC_BUCKET_FIRST ? 0 : 64 - (unsigned)__builtin_clzll(ns - 1) - METRIC_BUCKET_FIRST;
	metric_add(&h->bucket[bits < METRIC_BUCKETS ? bits : METRIC_BUCKETS], 1);
	metric_add(&h->sum_ns, ns);
}

/* Prometheus text, version 0.0.4. type: "counter", "gauge", "histogram". */
static inline void metric_write_head(struct cursor *out, const char *name, const char *type, const char *help)
{
	cursor_format(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static inline void metric_write_value(struct cursor *out, const char *name, double value)
{
	cursor_format(out, "%s %.17g\n", name, value);
}

/* buckets: not yet cumulative, METRIC_BUCKETS + 1 of them. */
static inline void metric_write_histogram(struct cursor *out, const char *name, const uint64_t *buckets, double sum_s)
{
	uint64_t count = 0;
	for (int i = 0; i < METRIC_BUCKETS; i++) {
		count += buckets[i];
		cursor_format(out, "%s_bucket{le=\"%.9g\"} %llu\n", name, (double)(1ull << (i + METRIC_BUCKET_FIRST)) * 1e-9,
		              (unsigned long long)count);
	}
	count += buckets[METRIC_BUCKETS];
	cursor_format(out, "%s_bucket{le=\"+Inf\"} %llu\n%s_sum %.9g\n%s_count %llu\n", name, (unsigned long long)count,
	              name, sum_s, name, (unsigned long long)count);
}

#endif
