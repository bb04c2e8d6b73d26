/*
 * Worlds from seeds; README.md. Without arguments: seeds from 1 on, as many as CI runs.
 *     test_simulation [-v] [--seeds N] [--from SEED] [--seconds N] [--steps N] [SEED]
 */
#include "tests/sim/world.h"

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/log.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SIM_SEEDS
#define SIM_SEEDS 1000
#endif
enum { STEPS = 120 };

struct run {
	uint64_t from, seeds, steps;
	int64_t seconds; /* 0: no limit */
	bool is_talkative;
	const char *program;
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
	sum->snapshots += one->snapshots;
	sum->snapshots_failed += one->snapshots_failed;
	sum->images += one->images;
	sum->damaged += one->damaged;
	sum->files_left += one->files_left;
	sum->again += one->again;
	sum->left += one->left;
	for (int s = 0; s < STATUS_COUNT; s++)
		sum->answers[s] += one->answers[s];
}

static void print_sum(const struct world_report *sum, uint64_t seeds, double seconds)
{
	printf("%llu seeds in %.1f s: %u events in %u messages, %u repeated, %u publications, %u ended by time, %u crashes "
	       "(%u torn tails), %u failures of the device\n",
	       (unsigned long long)seeds, seconds, sum->events, sum->messages, sum->repeated, sum->publications, sum->expired,
	       sum->crashes, sum->torn, sum->faults);
	printf("  %u snapshots, %u not finished, %u crashes in the middle of one, %u damaged; the journal lost files %u times, "
	       "%u ids were forgotten and done again, %u closed payments left\n",
	       sum->snapshots, sum->snapshots_failed, sum->images, sum->damaged, sum->files_left, sum->again, sum->left);
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

struct outcome {
	struct world_report sum;
	uint64_t done, failed;
};

static void fail(const struct run *run, uint64_t seed, const char *why, struct outcome *o)
{
	o->failed++;
	printf("FAILED: seed %llu: %s\n  again: TROVE_SEED=%llu %s -v\n", (unsigned long long)seed, why, (unsigned long long)seed,
	       run->program);
}

/* Every so-many-th seed, from one on. */
static void run_some(const struct run *run, uint64_t first, uint64_t every, int64_t start_ns, struct outcome *o)
{
	*o = (struct outcome){};
	for (uint64_t i = first; i < run->seeds; i += every, o->done++) {
		struct world_report report;
		if (run->seconds != 0 && clock_monotonic_ns() - start_ns > run->seconds * 1000000000)
			break;
		current_seed = run->from + i;
		if (!world_run(current_seed, (unsigned)run->steps, run->is_talkative, &report))
			fail(run, current_seed, report.why, o);
		add_up(&o->sum, &report);
		if (run->seeds == 1)
			printf("digest %016llx\n", (unsigned long long)report.digest);
	}
}

/* A process for each processor: worlds share nothing. */
static void run_all(const struct run *run, int64_t start_ns, struct outcome *o)
{
	enum { PROCESSES_MAX = 8 };
	int ends[PROCESSES_MAX][2];
	pid_t child[PROCESSES_MAX];
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned count = cpus < 1 ? 1 : cpus > PROCESSES_MAX ? PROCESSES_MAX : (unsigned)cpus;
	*o = (struct outcome){};
	fflush(NULL);
	for (unsigned i = 0; i < count; i++) {
		CHECK(pipe(ends[i]) == 0 && (child[i] = fork()) >= 0, "no process for a part of the worlds");
		if (child[i] != 0) {
			close(ends[i][1]);
			continue;
		}
		run_some(run, i, count, start_ns, o);
		fflush(NULL);
		_exit(write(ends[i][1], o, sizeof *o) != sizeof *o);
	}
	for (unsigned i = 0; i < count; i++) {
		struct outcome part;
		int how = 1;
		bool is_whole = read(ends[i][0], &part, sizeof part) == sizeof part;
		bool is_well = waitpid(child[i], &how, 0) == child[i] && how == 0;
		close(ends[i][0]);
		if (!is_whole || !is_well) { /* it has said in which world; the rest of its worlds were not run */
			o->failed++;
			o->done++;
			continue;
		}
		o->failed += part.failed;
		o->done += part.done;
		add_up(&o->sum, &part.sum);
	}
}

int main(int argc, char **argv)
{
	struct run run;
	struct outcome outcome;
	if (!take_arguments(argc, argv, &run)) {
		fprintf(stderr, "usage: %s [-v] [--seeds N] [--from SEED] [--seconds N] [--steps N] [SEED]\n", argv[0]);
		return 64;
	}
	run.program = argv[0];
	log_setup(run.is_talkative ? LOG_info : LOG_error, LOG_FORMAT_text);
	static const int ends[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE};
	for (unsigned i = 0; i < sizeof ends / sizeof *ends; i++)
		signal(ends[i], on_abort);
	int64_t start_ns = clock_monotonic_ns();
	if (run.seeds == 1 || run.is_talkative)
		run_some(&run, 0, 1, start_ns, &outcome);
	else
		run_all(&run, start_ns, &outcome);
	print_sum(&outcome.sum, outcome.done, (double)(clock_monotonic_ns() - start_ns) / 1e9);
	printf("%llu passed, %llu failed\n", (unsigned long long)(outcome.done - outcome.failed), (unsigned long long)outcome.failed);
	return outcome.failed == 0 ? 0 : 1;
}
