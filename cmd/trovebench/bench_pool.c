/*
 * pool: borrow and return beside a bare free list over the same cells, beside the least that checks
 * handles, and beside general allocators, each in a process of its own (contestant.h), asked in turn.
 */
#include "cmd/trovebench/bench.h"
#include "cmd/trovebench/contestant.h"
#include "engine/base/check.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

/* What is aimed at: the pool's rate over the bare list's, and the rest in nanoseconds. */
static const double list_target = 1 / 1.3;
enum { P99_NS = 60, WORST_OVER_EMPTY_NS = 2000, RESOLVE_NS = 2 };

struct arena_of_pools {
	struct report report;
	struct contestant contestants[CONTESTANT_POOL_COUNT];
};

static void case_name(char *text, size_t capacity, const struct contestant_case *c)
{
	static const char *const sizes[] = {"64 B", "512 B", "64 and 512 B"};
	snprintf(text, capacity, "%s, %s, %u thread%s", sizes[c->sizes], c->is_random ? "random" : "LIFO", c->threads,
	         c->threads == 1 ? "" : "s");
}

static void compare_rates(struct arena_of_pools *a, const struct contestant_case *that, const char *group)
{
	const struct bench_arguments *arguments = a->report.arguments;
	struct contestant_request request = {.that = *that, .measure = MEASURE_PAIRS, .seconds = arguments->seconds};
	struct bench_case cases[CONTESTANT_POOL_COUNT];
	unsigned place[CONTESTANT_POOL_COUNT], count = 0;
	for (unsigned i = 0; i < CONTESTANT_POOL_COUNT; i++) {
		place[i] = count;
		if (!a->contestants[i].is_there)
			continue;
		cases[count++] = (struct bench_case){.name = contestant_name(i),
		                                     .reference = i == CONTESTANT_list ? NULL : &cases[0],
		                                     .target = i == CONTESTANT_pool ? list_target : 0};
	}
	for (unsigned k = 0; k < arguments->repeat; k++) {
		for (unsigned i = 0; i < CONTESTANT_POOL_COUNT; i++) {
			if (!a->contestants[i].is_there)
				continue;
			struct contestant_answer answer = contestant_ask(&a->contestants[i], &request);
			cases[place[i]].rates[k] = (double)answer.units / answer.seconds;
		}
	}
	bench_finish(arguments, cases, count);
	report_cases(&a->report, group, cases, count, "pair");
	/* What of a miss is the price of checks. */
	double over_checked = cases[place[CONTESTANT_pool]].ratio / cases[place[CONTESTANT_checked]].ratio;
	report_note(&a->report, "  pool over the checked list %.2f", over_checked);
	double best = 0;
	for (unsigned i = place[CONTESTANT_pool] + 1; i < count; i++)
		best = cases[i].ratio > best ? cases[i].ratio : best;
	if (best == 0)
		return;
	double over_best = cases[place[CONTESTANT_pool]].ratio / best;
	if (that->is_random)
		report_figure(&a->report, "", "pool over the best of them", over_best, 1, false);
	else
		report_note(&a->report, "  pool over the best of them %.2f", over_best);
}

static void compare_latencies(struct arena_of_pools *a, const struct contestant_case *that)
{
	unsigned repeat = a->report.arguments->repeat;
	struct contestant_request request = {.that = *that, .measure = MEASURE_LATENCY};
	double p50[CONTESTANT_POOL_COUNT][REPEAT_MAX], p99[CONTESTANT_POOL_COUNT][REPEAT_MAX];
	double worst[CONTESTANT_POOL_COUNT][REPEAT_MAX];
	double empty_worst[REPEAT_MAX];
	for (unsigned k = 0; k < repeat; k++) {
		for (unsigned i = 0; i < CONTESTANT_POOL_COUNT; i++) {
			if (!a->contestants[i].is_there)
				continue;
			struct contestant_answer answer = contestant_ask(&a->contestants[i], &request);
			p50[i][k] = answer.p50;
			p99[i][k] = answer.p99;
			worst[i][k] = answer.worst;
			if (i == CONTESTANT_pool)
				empty_worst[k] = answer.empty_worst;
		}
	}
	char text[400] = "";
	for (unsigned i = 0; i < CONTESTANT_POOL_COUNT; i++) {
		size_t used = strlen(text);
		if (a->contestants[i].is_there)
			snprintf(text + used, sizeof text - used, "%s%s %.0f/%.0f/%.0f", used == 0 ? "" : ", ", contestant_name(i),
			         bench_median(p50[i], repeat), bench_median(p99[i], repeat), bench_median(worst[i], repeat));
	}
	report_note(&a->report, "  one operation, p50/p99/worst ns: %s", text);
	report_figure(&a->report, "", "pool, p99 ns", bench_median(p99[CONTESTANT_pool], repeat), P99_NS, true);
	double over_empty = bench_median(worst[CONTESTANT_pool], repeat) - bench_median(empty_worst, repeat);
	report_figure(&a->report, "", "worst over empty loop's ns", over_empty, WORST_OVER_EMPTY_NS, true);
}

static void measure_resolve(struct arena_of_pools *a)
{
	double ns[REPEAT_MAX];
	unsigned repeat = a->report.arguments->repeat;
	struct contestant_request request = {.that = {.sizes = SIZES_64, .is_random = true, .threads = 1},
	                                     .measure = MEASURE_RESOLVE,
	                                     .seconds = a->report.arguments->seconds};
	for (unsigned k = 0; k < repeat; k++) {
		struct contestant_answer answer = contestant_ask(&a->contestants[CONTESTANT_pool], &request);
		ns[k] = answer.seconds * 1e9 / (double)answer.units;
	}
	report_figure(&a->report, "resolve, in cache", "pool, ns", bench_median(ns, repeat), RESOLVE_NS, true);
}

static void open_all(struct arena_of_pools *a)
{
	for (unsigned i = 0; i < CONTESTANT_POOL_COUNT; i++) {
		contestant_open(&a->contestants[i], i);
		if (!a->contestants[i].is_there)
			report_note(&a->report, "SKIP: %s: not installed (see deploy/packages)", contestant_name(i));
	}
}

int bench_pool(const struct bench_arguments *arguments)
{
	static const struct contestant_case shapes[] = {
		{.sizes = SIZES_64}, {.sizes = SIZES_64, .is_random = true}, {.sizes = SIZES_512},
		{.sizes = SIZES_512, .is_random = true}, {.sizes = SIZES_MIXED, .is_random = true},
	};
	struct arena_of_pools a;
	report_open(&a.report, "pool", arguments);
	open_all(&a);
	measure_resolve(&a);
	/* All cases of one thread come first: see start_helper in contest.c. */
	for (unsigned i = 0; i < 2 * COUNT_OF(shapes); i++) {
		struct contestant_case that = shapes[i % COUNT_OF(shapes)];
		char group[64];
		that.threads = i < COUNT_OF(shapes) ? 1 : 2;
		case_name(group, sizeof group, &that);
		compare_rates(&a, &that, group);
		compare_latencies(&a, &that);
	}
	for (unsigned i = 0; i < CONTESTANT_POOL_COUNT; i++)
		contestant_close(&a.contestants[i]);
	report_close(&a.report);
	return EX_OK;
}
