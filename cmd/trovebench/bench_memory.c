/*
 * memory: the scorecard. One workload, the carts of a real shop (trace.h), served by our pool,
 * our arena and four general allocators, each in fresh processes; printed as a Markdown table.
 */
#include "cmd/trovebench/bench.h"
#include "cmd/trovebench/contestant.h"
#include "cmd/trovebench/trace.h"

#include <sysexits.h>

/* What a programmer has to do; not measured, but true. */
static const char *const effort[CONTESTANT_COUNT] = {
	[CONTESTANT_pool] = "a size and a maximum for each type",
	[CONTESTANT_arena] = "lives that end together",
	[CONTESTANT_glibc] = "none",
	[CONTESTANT_mimalloc] = "link it first",
	[CONTESTANT_jemalloc] = "link or preload it",
	[CONTESTANT_tcmalloc] = "link or preload it",
};

struct score {
	double p50, p999, worst, overhead, fragmentation, rate, scaling;
};

static struct contestant_answer ask_fresh(enum contestant_kind kind, const struct contestant_request *request)
{
	struct contestant c;
	struct contestant_answer answer = {};
	contestant_open(&c, kind);
	if (c.is_there)
		answer = contestant_ask(&c, request);
	contestant_close(&c);
	return answer;
}

static bool is_there(enum contestant_kind kind)
{
	struct contestant c;
	contestant_open(&c, kind);
	bool result = c.is_there;
	contestant_close(&c);
	return result;
}

static struct score measure(const struct bench_arguments *arguments, enum contestant_kind kind)
{
	enum { FIGURES = 7 };
	double values[FIGURES][REPEAT_MAX];
	for (unsigned k = 0; k < arguments->repeat; k++) {
		struct contestant_request request = {.that.threads = 1, .measure = MEASURE_TRACE_LATENCY};
		struct contestant_answer a = ask_fresh(kind, &request);
		request = (struct contestant_request){
			.that.threads = 1, .measure = MEASURE_TRACE_RATE, .seconds = arguments->seconds};
		struct contestant_answer one = ask_fresh(kind, &request);
		request.that.threads = 2;
		struct contestant_answer two = ask_fresh(kind, &request);
		double rate = (double)one.units / one.seconds;
		const double row[FIGURES] = {a.p50,          a.p999, a.worst,
		                             a.overhead,     a.fragmentation, rate,
		                             (double)two.units / two.seconds / rate};
		for (unsigned i = 0; i < FIGURES; i++)
			values[i][k] = row[i];
	}
	double m[FIGURES];
	for (unsigned i = 0; i < FIGURES; i++)
		m[i] = bench_median(values[i], arguments->repeat);
	return (struct score){m[0], m[1], m[2], m[3], m[4], m[5], m[6]};
}

static void print(struct report *report, enum contestant_kind kind, const struct score *s)
{
	if (report->arguments->is_json)
		report_note(report,
		            "%s: p50 %.1f ns, p99.9 %.1f ns, max %.1f us, overhead %.2f, fragmentation %.2f, "
		            "two threads %.2f, effort: %s",
		            contestant_name(kind), s->p50, s->p999, s->worst / 1000, s->overhead, s->fragmentation, s->scaling,
		            effort[kind]);
	else
		printf("| %s | %.0f / %.0f ns / %.0f us | %.2f | %.2f | %.2f | %s |\n", contestant_name(kind), s->p50, s->p999,
		       s->worst / 1000, s->overhead, s->fragmentation, s->scaling, effort[kind]);
	fflush(stdout);
}

int bench_memory(const struct bench_arguments *arguments)
{
	static const enum contestant_kind order[] = {CONTESTANT_pool,  CONTESTANT_arena,    CONTESTANT_mimalloc,
	                                             CONTESTANT_glibc, CONTESTANT_jemalloc, CONTESTANT_tcmalloc};
	struct report report;
	report_open(&report, "memory", arguments);
	if (!trace_is_there()) {
		report_note(&report, "SKIP: no retail.csv.gz in TROVE_DATA");
		report_close(&report);
		return EX_OK;
	}
	if (!arguments->is_json)
		printf("\n| | one operation, p50 / p99.9 / max | resident / asked, 2,000 carts open | "
		       "the same, one object in 10 left at random | 2 threads / 1 | effort |\n|---|---|---|---|---|---|\n");
	for (unsigned i = 0; i < sizeof order / sizeof *order; i++) {
		if (!is_there(order[i])) {
			report_note(&report, "SKIP: %s: not installed (see deploy/packages)", contestant_name(order[i]));
			continue;
		}
		struct score score = measure(arguments, order[i]);
		print(&report, order[i], &score);
	}
	if (!arguments->is_json)
		printf("\n");
	report_close(&report);
	return EX_OK;
}
