#include "cmd/trovebench/report.h"

#include "engine/base/clock.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

enum { MISSED_NAMED = 64 };

/* Of the one report. */
static struct {
	unsigned targets, missed;
	char names[MISSED_NAMED][160];
} verdict;

double bench_now(void) { return (double)clock_monotonic_ns() * 1e-9; }

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;
	return x < y ? -1 : x > y;
}

double bench_median(double *values, unsigned count)
{
	qsort(values, count, sizeof *values, by_value);
	return count % 2 == 1 ? values[count / 2] : 0.5 * (values[count / 2 - 1] + values[count / 2]);
}

static double time_once(const struct bench_case *c, double seconds)
{
	uint64_t done = 0;
	double start = bench_now(), now;
	do {
		done += c->work(c->context);
		now = bench_now();
	} while (now - start < seconds);
	return (double)done / (now - start);
}

void bench_run(const struct bench_arguments *a, struct bench_case *cases, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		bench_use(cases[i].work(cases[i].context)); /* warm up */
	for (unsigned k = 0; k < a->repeat; k++)
		for (unsigned i = 0; i < count; i++)
			cases[i].rates[k] = time_once(&cases[i], a->seconds);
	bench_finish(a, cases, count);
}

void bench_finish(const struct bench_arguments *a, struct bench_case *cases, unsigned count)
{
	double sorted[REPEAT_MAX];
	for (unsigned i = 0; i < count; i++) {
		struct bench_case *c = &cases[i];
		memcpy(sorted, c->rates, a->repeat * sizeof *sorted);
		c->rate = bench_median(sorted, a->repeat);
		for (unsigned k = 0; c->reference != NULL && k < a->repeat; k++)
			sorted[k] = c->rates[k] / c->reference->rates[k];
		c->ratio = c->reference == NULL ? 0 : bench_median(sorted, a->repeat);
	}
}

void report_open(struct report *r, const char *scenario, const struct bench_arguments *arguments)
{
	*r = (struct report){.arguments = arguments};
	if (arguments->is_json)
		printf("{\"scenario\":\"%s\",\"seconds\":%g,\"repeat\":%u,\"rows\":[", scenario, arguments->seconds,
		       arguments->repeat);
	else
		printf("%s: medians of %u repetitions of %g s, the cases of a group in turn\n", scenario, arguments->repeat,
		       arguments->seconds);
}

static void comma(struct report *r)
{
	if (r->is_open)
		putchar(',');
	r->is_open = true;
}

void report_note(struct report *r, const char *format, ...)
{
	char text[512];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	if (r->arguments->is_json) {
		comma(r);
		printf("{\"note\":\"%s\"}", text);
	} else {
		printf("  %s\n", text);
	}
	fflush(stdout);
}

static void print_rate(char *text, size_t capacity, double rate, const char *unit)
{
	const char *scale = rate >= 1e9 ? "G" : rate >= 1e6 ? "M" : rate >= 1e3 ? "k" : "";
	double value = rate / (rate >= 1e9 ? 1e9 : rate >= 1e6 ? 1e6 : rate >= 1e3 ? 1e3 : 1);
	snprintf(text, capacity, "%8.3g %s%s/s", value, scale, unit);
}

/* A target was looked at. */
static void judge(struct report *r, const char *group, const char *name, bool is_met)
{
	if (group[0] != '\0')
		snprintf(r->group, sizeof r->group, "%s", group);
	verdict.targets++;
	if (is_met)
		return;
	if (verdict.missed < MISSED_NAMED)
		snprintf(verdict.names[verdict.missed], sizeof *verdict.names, "%s%s%.90s", r->group,
		         r->group[0] == '\0' ? "" : ": ", name);
	verdict.missed++;
}

void report_cases(struct report *r, const char *group, const struct bench_case *cases, unsigned count, const char *unit)
{
	for (unsigned i = 0; i < count; i++) {
		const struct bench_case *c = &cases[i];
		double target = c->target / r->arguments->slack;
		bool is_met = c->ratio >= target;
		if (target != 0)
			judge(r, group, c->name, is_met);
		if (r->arguments->is_json) {
			comma(r);
			printf("{\"group\":\"%s\",\"case\":\"%s\",\"rate\":%.6g,\"unit\":\"%s/s\"", group, c->name, c->rate, unit);
			if (c->reference != NULL)
				printf(",\"ratio\":%.4g,\"reference\":\"%s\"", c->ratio, c->reference->name);
			if (target != 0)
				printf(",\"target\":%g,\"met\":%s", target, is_met ? "true" : "false");
			printf("}");
			continue;
		}
		char rate[64];
		print_rate(rate, sizeof rate, c->rate, unit);
		printf("  %-26s %-26s %-20s", i == 0 ? group : "", c->name, rate);
		if (c->reference != NULL)
			printf(" %7.2fx %s", c->ratio, c->reference->name);
		if (target != 0)
			printf("  target %.3gx %s", target, is_met ? "met" : "MISSED");
		printf("\n");
	}
	fflush(stdout);
}

void report_figure(struct report *r, const char *group, const char *name, double value, double bound, bool is_at_most)
{
	bound = is_at_most ? bound * r->arguments->slack : bound / r->arguments->slack;
	bool is_met = is_at_most ? value <= bound : value >= bound;
	judge(r, group, name, is_met);
	if (r->arguments->is_json) {
		comma(r);
		printf("{\"group\":\"%s\",\"case\":\"%s\",\"value\":%.4g,\"%s\":%g,\"met\":%s}", group, name, value,
		       is_at_most ? "at_most" : "at_least", bound, is_met ? "true" : "false");
	} else {
		printf("  %-26s %-26s %.2f  target %s %g %s\n", group, name, value, is_at_most ? "at most" : "at least", bound,
		       is_met ? "met" : "MISSED");
	}
	fflush(stdout);
}

void report_close(struct report *r)
{
	unsigned named = verdict.missed < MISSED_NAMED ? verdict.missed : MISSED_NAMED;
	if (r->arguments->is_json) {
		printf("],\"targets\":%u,\"missed\":%u,\"missed_targets\":[", verdict.targets, verdict.missed);
		for (unsigned i = 0; i < named; i++)
			printf("%s\"%s\"", i == 0 ? "" : ",", verdict.names[i]);
		printf("]}\n");
	} else if (verdict.missed == 0) {
		printf(verdict.targets == 0 ? "no targets\n" : "all %u targets met\n", verdict.targets);
	} else {
		printf("%u of %u targets missed:\n", verdict.missed, verdict.targets);
		for (unsigned i = 0; i < named; i++)
			printf("  %s\n", verdict.names[i]);
		if (named < verdict.missed)
			printf("  and %u more\n", verdict.missed - named);
	}
	fflush(stdout);
}

int report_exit_code(const struct bench_arguments *arguments)
{
	if (!arguments->checks)
		return EX_OK;
	if (verdict.targets == 0)
		fprintf(stderr, "trovebench: --check: the scenario has no targets\n");
	return verdict.targets == 0 ? EX_USAGE : verdict.missed != 0;
}
