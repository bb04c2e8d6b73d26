/*
 * metric: tables of metrics that stand beside the code that counts, and the text in which they are read.
 *
 * A module lists its metrics once, as an X-macro, and gets from it the members that it counts in and the rows
 * of its table:
 *
 *   #define NET_METRICS(M) \
 *       M(counter, net, peers_dropped, "trove_peers_dropped_total", peer_reason, "What it counts; what to do then.")
 *   struct net_metrics { NET_METRICS(METRIC_CELL) };
 *
 * Columns: type, owner struct, member, name, labels, one or two sentences to the operator. For each word of the
 * column `labels` there are METRIC_SERIES_word (how many series) and metric_label_word. A member is an array of that
 * many; with the labels `none` an array of one, so its name is the address of its cell.
 *
 * Cells     What is counted all the time. Each thread has a struct of them on cache lines of its own and is their
 *           only writer; a scrape sums them. So a sum may lag by what is being counted at that moment, and never goes
 *           back. They belong to the module that counts.
 * Values    What somebody knows anyway (lengths, limits, sums of others): doubles, filled for one scrape.
 */
#ifndef ENGINE_BASE_METRIC_H
#define ENGINE_BASE_METRIC_H

#include "engine/base/cursor.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* 0: a build that counts nothing and measures no latency, for trovebench to measure what that costs. */
#ifndef TROVE_OBSERVE
#define TROVE_OBSERVE 1
#endif

/* Latency in powers of two from 2^10 ns (about 1 us) to 2^29 ns (about 0.5 s). */
enum { METRIC_BUCKETS = 20, METRIC_BUCKET_FIRST = 10 };

typedef _Atomic uint64_t metric_cell;

/* As it is read: filled for one scrape out of what has finer cells (histogram.h). */
struct metric_histogram {
	metric_cell bucket[METRIC_BUCKETS + 1]; /* the last: above all bounds */
	metric_cell sum_ns;
};

/* Only the cell's one writer. */
static inline void metric_add(metric_cell *cell, uint64_t amount)
{
	if (TROVE_OBSERVE)
		atomic_store_explicit(cell, atomic_load_explicit(cell, memory_order_relaxed) + amount, memory_order_relaxed);
}

/* Any thread; for what is rare: connections that come and go, failures. */
static inline void metric_add_shared(metric_cell *cell, uint64_t amount)
{
	atomic_fetch_add_explicit(cell, amount, memory_order_relaxed);
}

static inline uint64_t metric_read(const metric_cell *cell) { return atomic_load_explicit(cell, memory_order_relaxed); }

/* ---- tables ---------------------------------------------------------------------------- */

enum metric_type { METRIC_counter, METRIC_gauge, METRIC_histogram };

struct metric_label {
	const char *name; /* NULL: none. Several, separated by commas: who writes the series knows their values */
	unsigned count;
	const char *(*value)(unsigned index); /* static text; NULL: there is no such series */
};

enum { METRIC_SERIES_none = 1 };
extern const struct metric_label metric_label_none;

struct metric {
	const char *name;
	enum metric_type type;
	const struct metric_label *label;
	size_t offset; /* of the member */
	const char *help;
};

struct metric_table {
	const struct metric *rows;
	size_t count;
};

typedef metric_cell metric_member_counter;
typedef metric_cell metric_member_gauge;
typedef struct metric_histogram metric_member_histogram;

#define METRIC_CELL(type, owner, member, name, labels, help) metric_member_##type member[METRIC_SERIES_##labels];
#define METRIC_VALUE(type, owner, member, name, labels, help) double member[METRIC_SERIES_##labels];
#define METRIC_ROW(type_, owner, member, name_, labels, help_) \
	{.name = name_, .type = METRIC_##type_, .label = &metric_label_##labels, \
	 .offset = offsetof(struct owner##_metrics, member), .help = help_},
#define METRIC_TABLE(...) {(const struct metric[]){__VA_ARGS__}, \
	sizeof((const struct metric[]){__VA_ARGS__}) / sizeof(struct metric)}

/* Adds one thread's struct of cells to a sum of the same type, which nobody else sees. */
void metric_collect(void *sum, const void *cells, size_t bytes);

/* ---- the page ---------------------------------------------------------------------------- */

/* Prometheus text 0.0.4, or OpenMetrics 1.0.0. */
enum metric_format { METRIC_TEXT, METRIC_OPEN };

struct metric_page {
	struct cursor *out;
	enum metric_format format;
};

/* The better one of those that an Accept header takes; NULL: there was no such header. */
enum metric_format metric_format_for(const char *accept);
/* Static text. */
const char *metric_content_type(enum metric_format format);

/* All rows of a table, out of a struct of cells or of values. */
void metric_write_cells(struct metric_page *page, const struct metric_table *table, const void *cells);
void metric_write_values(struct metric_page *page, const struct metric_table *table, const void *values);
/* The lines in front of a row's series, for who writes those by himself. */
void metric_write_head(struct metric_page *page, const struct metric *metric);
/* And the end of such a line. */
void metric_write_number(struct metric_page *page, double number);
/* Behind everything. */
void metric_write_end(struct metric_page *page);

const char *metric_type_name(enum metric_type type);

#endif
