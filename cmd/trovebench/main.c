/*
 * trovebench: measures trove's parts beside what they compete with, in one run.
 * One row of the table is one scenario, in a file bench_*.c of its own.
 */
#include "cmd/trovebench/bench.h"
#include "cmd/trovebench/contestant.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

static const struct scenario {
	const char *name;
	int (*run)(const struct bench_arguments *arguments);
	double seconds;  /* unless told: of one repetition of one case */
	unsigned repeat;
	const char *help;
} scenarios[] = {
	{"filter", bench_filter, 0.2, 7, "SIMD filters beside a plain read of memory and the scalar reference"},
	{"index", bench_index, 0.2, 7, "finding rewards beside Boost.Geometry's packed R-tree"},
	{"codec", bench_codec, 0.2, 7, "reading events and writing replies, binary beside JSON"},
	{"service", bench_service, 1, 5, "the service over ipc beside a bare nng echo and Redis"},
	{"observe", bench_observe, 0.25, 21, "the service beside itself built without metrics, probes, heap samples"},
	{"http", bench_http, 5, 1, "probes and metrics while the service is under full load"},
	{"engine", bench_engine, 0.5, 7, "durable changes in process beside the bare device and SQLite; a start"},
	{"journal", bench_journal, 0.5, 7, "durable appends beside the bare device and SQLite; replay"},
	{"snapshot", bench_snapshot, 1, 3, "a million carts saved and restored, beside the bare device"},
	{"shadow", bench_shadow, 1, 1, "changes while snapshots are made of the state, and a start from one"},
	{"pool", bench_pool, 0.05, 7, "memory pools beside a bare free list and general allocators"},
	{"memory", bench_memory, 0.1, 5, "the scorecard of allocators on the carts of a real shop"},
};

enum { SCENARIOS = sizeof scenarios / sizeof *scenarios };

static void usage(FILE *out)
{
	fprintf(out, "usage: trovebench SCENARIO [--json] [--seconds N] [--repeat N] [--check] [--slack N]\n");
	for (unsigned i = 0; i < SCENARIOS; i++)
		fprintf(out, "  %-9s %4g s x %-2u  %s\n", scenarios[i].name, scenarios[i].seconds, scenarios[i].repeat,
		        scenarios[i].help);
	fprintf(out, "options, with their defaults:\n"
	             "  --json       one JSON object instead of the table (off)\n"
	             "  --seconds N  how long one repetition of one case lasts (as above)\n"
	             "  --repeat N   repetitions, of which the median counts; at most 64 (as above)\n"
	             "  --check      exit code 1 where a target is missed; the last lines say which (off: 0)\n"
	             "  --slack N    targets are N times easier: ratios and rates N times less, times N times longer (1)\n"
	             "exit codes: 0 measured, 1 with --check a target was missed, 64 usage, others: it cannot be measured here\n"
	             "example: trovebench index --repeat 11\n");
}

static bool parse(int argc, char **argv, struct bench_arguments *a)
{
	for (int i = 2; i < argc; i++) {
		char *end = NULL;
		bool has_value = i + 1 < argc;
		if (strcmp(argv[i], "--json") == 0) {
			a->is_json = true;
		} else if (strcmp(argv[i], "--check") == 0) {
			a->checks = true;
		} else if (strcmp(argv[i], "--slack") == 0 && has_value) {
			a->slack = strtod(argv[++i], &end);
			if (*end != '\0' || !(a->slack >= 1e-9 && a->slack <= 1e9))
				return false;
		} else if (strcmp(argv[i], "--seconds") == 0 && has_value) {
			a->seconds = strtod(argv[++i], &end);
			if (*end != '\0' || !(a->seconds > 0 && a->seconds <= 3600))
				return false;
		} else if (strcmp(argv[i], "--repeat") == 0 && has_value) {
			a->repeat = (unsigned)strtoul(argv[++i], &end, 10);
			if (*end != '\0' || a->repeat < 1 || a->repeat > REPEAT_MAX)
				return false;
		} else {
			return false;
		}
	}
	return true;
}

static bool is_help(const char *text)
{
	return strcmp(text, "--help") == 0 || strcmp(text, "-h") == 0 || strcmp(text, "help") == 0;
}

int main(int argc, char **argv)
{
	/* The service scenario starts this program again as the echo that it measures. */
	if (argc == 4 && strcmp(argv[1], "echo-server") == 0)
		return bench_service_echo(argv[2], strtoul(argv[3], NULL, 10));
	/* And pool and memory as each allocator. */
	if (argc == 3 && strcmp(argv[1], "pool-contestant") == 0)
		return contestant_serve(argv[2]);
	for (int i = 1; i < argc; i++) {
		if (is_help(argv[i])) {
			usage(stdout);
			return EX_OK;
		}
	}
	for (unsigned i = 0; argc >= 2 && i < SCENARIOS; i++) {
		if (strcmp(argv[1], scenarios[i].name) != 0)
			continue;
		struct bench_arguments arguments = {.seconds = scenarios[i].seconds, .slack = 1, .repeat = scenarios[i].repeat};
		if (!parse(argc, argv, &arguments)) {
			fprintf(stderr, "trovebench: an option is unknown or its value out of range\n");
			usage(stderr);
			return EX_USAGE;
		}
		int code = scenarios[i].run(&arguments);
		return code == EX_OK ? report_exit_code(&arguments) : code;
	}
	if (argc >= 2)
		fprintf(stderr, "trovebench: no scenario '%s'\n", argv[1]);
	usage(stderr);
	return EX_USAGE;
}
