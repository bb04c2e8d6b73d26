/*
 * Worlds from seeds; README.md. Without arguments: seeds from 1 on, as many as CI runs.
 *     test_simulation [-v] [--seeds N] [--from SEED] [--seconds N] [--steps N] [SEED]
 */
#include "tests/sim/world.h"

#include "engine/base/clock.h"
#include "engine/base/log.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef SIM_SEEDS
#define SIM_SEEDS 1000
#endif
enum { STEPS = 120 };

struct run {
	uint64_t from, seeds, steps;
	int64_t seconds; /* 0: no limit */
	bool is_talkative;
};

static bool take_number(int argc, char **argv, int *i, const char *name, uint64_t *value)
{
	if (strcmp(argv[*i], name) != 0 || *i + 1 >= argc)
		return false;
	*value = strtoull(argv[++*i], NULL, 10);
	return true;
}

static bool take_arguments(int argc, char **argv, struct run *run)
{
	const char *one = getenv("TROVE_SEED");
	uint64_t seconds = 0;
	*run = (struct run){.from = 1, .seeds = SIM_SEEDS, .steps = STEPS};
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "-v") == 0)
			run->is_talkative = true;
		else if (argv[i][0] >= '0' && argv[i][0] <= '9')
			one = argv[i];
		else if (!take_number(argc, argv, &i, "--seeds", &run->seeds) && !take_number(argc, argv, &i, "--from", &run->from) &&
		         !take_number(argc, argv, &i, "--seconds", &seconds) && !take_number(argc, argv, &i, "--steps", &run->steps))
			return false;
	}
	run->seconds = (int64_t)seconds;
	if (one != NULL && one[0] != '\0') {
		run->from = strtoull(one, NULL, 10);
		run->seeds = 1;
	}
	return true;
}

static void add_up(struct world_report *sum, const struct world_report *one)
{
	sum->events += one->events;
	sum->messages += one->messages;
	sum->crashes += one->crashes;
	sum->torn += one->torn;
	sum->faults += one->faults;
	sum->repeated += one->repeated;
	sum->publications += one->publications;
	sum->expired += one->expired;
	for (int s = 0; s < STATUS_COUNT; s++)
		sum->answers[s] += one->answers[s];
}

static void print_sum(const struct world_report *sum, uint64_t seeds, double seconds)
{
	printf("%llu seeds in %.1f s: %u events in %u messages, %u repeated, %u publications, %u ended by time, %u crashes "
	       "(%u torn tails), %u failures of the device\n",
	       (unsigned long long)seeds, seconds, sum->events, sum->messages, sum->repeated, sum->publications, sum->expired,
	       sum->crashes, sum->torn, sum->faults);
	for (int s = 0; s < STATUS_COUNT; s++)
		if (sum->answers[s] != 0)
			printf("  %s %u\n", status_code((status)s), sum->answers[s]);
}

/* A CHECK in the engine ends the process: say in which world. */
static volatile uint64_t current_seed;

static void on_abort(int number)
{
	char text[96];
	int bytes = snprintf(text, sizeof text, "FAILED: seed %llu ends the process; TROVE_SEED=%llu\n",
	                     (unsigned long long)current_seed, (unsigned long long)current_seed);
	(void)!write(STDOUT_FILENO, text, (size_t)bytes);
	signal(number, SIG_DFL);
	raise(number);
}

int main(int argc, char **argv)
{
	struct run run;
	struct world_report sum = {};
	uint64_t failed = 0, done = 0;
	if (!take_arguments(argc, argv, &run)) {
		fprintf(stderr, "usage: %s [-v] [--seeds N] [--from SEED] [--seconds N] [--steps N] [SEED]\n", argv[0]);
		return 64;
	}
	log_setup(run.is_talkative ? LOG_info : LOG_error, LOG_FORMAT_text);
	signal(SIGABRT, on_abort);
	int64_t start = clock_monotonic_ns();
	for (uint64_t seed = run.from; done < run.seeds; seed++, done++) {
		struct world_report report;
		if (run.seconds != 0 && clock_monotonic_ns() - start > run.seconds * 1000000000)
			break;
		current_seed = seed;
		bool is_right = world_run(seed, (unsigned)run.steps, run.is_talkative, &report);
		add_up(&sum, &report);
		if (!is_right) {
			failed++;
			printf("FAILED: seed %llu: %s\n  again: TROVE_SEED=%llu %s -v\n", (unsigned long long)seed, report.why,
			       (unsigned long long)seed, argv[0]);
		}
		if (run.seeds == 1)
			printf("digest %016llx\n", (unsigned long long)report.digest);
	}
	print_sum(&sum, done, (double)(clock_monotonic_ns() - start) / 1e9);
	printf("%llu passed, %llu failed\n", (unsigned long long)(done - failed), (unsigned long long)failed);
	return failed == 0 ? 0 : 1;
}
