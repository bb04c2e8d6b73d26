/* What sampling costs an allocation-heavy load, the worst there can be: nothing but malloc, free and a touch of each
 * block. Off and on in turns, in one run; the medians' ratio is printed. The bound is wide, because others work on the
 * machine; HEAP_COST_ROUNDS makes it longer for figures that are kept.
 * Runs alone: it measures. */
#include "engine/base/clock.h"
#include "engine/base/random.h"
#include "engine/memory/heap.h"
#include "engine/memory/heap_sample.h"
#include "tests/support/emulated.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { PERIOD = 512 << 10, LIVE = 4096, CALLS = 400000, ROUNDS = 5, ROUNDS_MAX = 1001 };

/* Processor time: others on the machine count for less. */
static int64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Nanoseconds of a malloc and a free; sizes are those of small messages and objects. */
static double time_load(void *blocks[LIVE], size_t bytes_most, uint64_t seed)
{
	struct random r = {seed};
	int64_t start = now_ns();
	for (int i = 0; i < CALLS; i++) {
		uint64_t drawn = random_next(&r);
		void **at = &blocks[drawn % LIVE];
		free(*at);
		size_t bytes = 16 + (drawn >> 32) % bytes_most;
		*at = malloc(bytes);
		assert_non_null(*at);
		memset(*at, 1, bytes);
	}
	return (double)(now_ns() - start) / CALLS;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double measure(size_t bytes_most)
{
	static double off[ROUNDS_MAX], on[ROUNDS_MAX], ratio[ROUNDS_MAX];
	static void *blocks[LIVE];
	const char *text = getenv("HEAP_COST_ROUNDS");
	int rounds = text == NULL ? ROUNDS : (int)strtol(text, NULL, 10);
	assert_in_range(rounds, 1, ROUNDS_MAX);
	(void)time_load(blocks, bytes_most, 1);
	for (int i = 0; i < rounds; i++) {
		for (int k = 0; k < 2; k++) { /* who is first takes turns, too */
			bool is_on = (i + k) % 2 == 0;
			heap_sample_set_period(is_on ? PERIOD : 0, (uint64_t)i + 1);
			*(is_on ? &on[i] : &off[i]) = time_load(blocks, bytes_most, (uint64_t)i + 2);
		}
		ratio[i] = off[i] / on[i];
	}
	heap_sample_set_period(0, 1);
	for (int i = 0; i < LIVE; i++) {
		free(blocks[i]);
		blocks[i] = NULL;
	}
	qsort(on, (size_t)rounds, sizeof *on, ascending);
	qsort(off, (size_t)rounds, sizeof *off, ascending);
	qsort(ratio, (size_t)rounds, sizeof *ratio, ascending);
	print_message("malloc, touch and free of up to %zu bytes: %.1f ns, sampled every 512 KiB %.1f ns: %.3f of the rate\n",
	              bytes_most, off[rounds / 2], on[rounds / 2], ratio[rounds / 2]);
	return ratio[rounds / 2];
}

/* A disturbance makes one measurement worse, a defect each. */
static void is_cheap(size_t bytes_most, double least)
{
	double best = 0;
	for (int i = 0; i < 6 && best < least; i++) {
		double ratio = measure(bytes_most);
		best = ratio > best ? ratio : best;
	}
	assert_true(best >= least);
}

static void test_sampling_costs_little(void **state)
{
	(void)state;
	heap_count_calls();
	const char *build = getenv("TROVE_BUILD");
	if (is_emulated() || !heap_is_mimalloc() || (build != NULL && strstr(build, "-undefined") != NULL)) {
		print_message("SKIP: malloc is not mimalloc's here (a sanitizer's?), or this is an emulator, or slow code\n");
		skip();
	}
	assert_int_equal(heap_sample_setup(NULL, 8192), STATUS_ok);
	is_cheap(240, 0.9);
	is_cheap(4000, 0.9);
	struct heap_sample_statistics s;
	heap_sample_statistics(&s);
	assert_true(s.taken_total > 1000);
	heap_sample_teardown();
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_sampling_costs_little)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
