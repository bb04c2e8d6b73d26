/* The sample of the heap: what it adds up to beside the truth, who is named, and that sampled blocks are
 * blocks like others, whoever frees them and however full the table is. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* asprintf */
#endif
#include "engine/base/random.h"
#include "engine/memory/heap.h"
#include "engine/memory/heap_sample.h"
#include "tests/support/emulated.h"

#include <malloc.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS = 65536, PERIOD = 4096, SEED = 20 };
#define MIB ((size_t)1 << 20)

static struct heap_sample rows[ROWS];

/* What the call sites below hold, by malloc_usable_size. */
struct site {
	void *(*take)(size_t bytes);
	size_t least, most, goal; /* bytes */
	size_t live;
	void **blocks;
	uint32_t count;
};

[[gnu::noinline]] static void *take_small(size_t bytes)
{
	void *block = malloc(bytes);
	__asm__ volatile("" : "+r"(block)); /* no tail call: it would not be seen */
	return block;
}

[[gnu::noinline]] static void *take_middle(size_t bytes)
{
	void *block = calloc(1, bytes);
	__asm__ volatile("" : "+r"(block));
	return block;
}

[[gnu::noinline]] static void *take_large(size_t bytes)
{
	void *block = realloc(NULL, bytes);
	__asm__ volatile("" : "+r"(block));
	return block;
}

enum { SITES = 3 };
static void *(*const takers[SITES])(size_t) = {take_small, take_middle, take_large};

static bool start(uint32_t capacity, uint64_t period)
{
	heap_count_calls();
	if (!heap_is_mimalloc()) {
		print_message("SKIP: malloc is not mimalloc's here (a sanitizer's?)\n");
		return false;
	}
	assert_int_equal(heap_sample_setup(NULL, capacity), STATUS_ok);
	heap_sample_set_period(period, SEED);
	return true;
}

/* Which of the takers an address lies in: the last one that begins before it, and not far. -1: none. */
static int site_of(uintptr_t address)
{
	int found = -1;
	for (int i = 0; i < SITES; i++)
		if ((uintptr_t)takers[i] < address && address - (uintptr_t)takers[i] < 200 &&
		    (found < 0 || (uintptr_t)takers[i] > (uintptr_t)takers[found]))
			found = i;
	return found;
}

static void estimate(double sums[SITES + 1])
{
	uint32_t count = heap_sample_read(&(uint32_t){}, rows, ROWS);
	memset(sums, 0, (SITES + 1) * sizeof *sums);
	for (uint32_t i = 0; i < count; i++) {
		int site = site_of(rows[i].frames[0]);
		double bytes = heap_sample_weight(&rows[i]) * (double)rows[i].bytes;
		if (site >= 0) {
			sums[site] += bytes;
			sums[SITES] += bytes;
		}
	}
}

static void expect(const struct site *sites, double most_of_all, double most_of_one, const char *when)
{
	double sums[SITES + 1], truth = 0;
	estimate(sums);
	for (int i = 0; i < SITES; i++) {
		double error = sums[i] / (double)sites[i].live - 1;
		print_message("%s: site %d: %.2f MiB live, %+.2f %%\n", when, i, (double)sites[i].live / 0x1p20, error * 100);
		assert_true(fabs(error) <= most_of_one);
		truth += (double)sites[i].live;
	}
	print_message("%s: all: %.2f MiB live, %+.2f %%\n", when, truth / 0x1p20, (sums[SITES] / truth - 1) * 100);
	assert_true(fabs(sums[SITES] / truth - 1) <= most_of_all);
}

static void fill(struct site *s, struct random *r)
{
	s->blocks = calloc(s->goal / s->least + 1, sizeof *s->blocks);
	assert_non_null(s->blocks);
	while (s->live < s->goal) {
		size_t bytes = s->least + random_below(r, s->most - s->least);
		void *block = s->take(bytes);
		assert_non_null(block);
		s->live += malloc_usable_size(block);
		s->blocks[s->count++] = block;
	}
}

static void drop(struct site *s, uint32_t at)
{
	s->live -= malloc_usable_size(s->blocks[at]);
	free(s->blocks[at]);
	s->blocks[at] = NULL;
}

static void *drop_even(void *argument)
{
	struct site *sites = argument;
	for (int i = 0; i < SITES; i++)
		for (uint32_t k = 0; k < sites[i].count; k += 2)
			drop(&sites[i], k);
	return NULL;
}

/* About 37,000 samples: their sum's standard deviation is 0.4 %. */
static void test_sums_are_true(void **state)
{
	(void)state;
	if (is_emulated() || !start(ROWS, PERIOD))
		skip();
	struct random r = {3};
	struct heap_statistics before, after;
	heap_statistics(&before);
	struct site sites[SITES] = {
		{.take = take_small, .least = 16, .most = 400, .goal = 60 * MIB},
		{.take = take_middle, .least = 1000, .most = 60000, .goal = 60 * MIB},
		{.take = take_large, .least = 100000, .most = 3 * MIB, .goal = 200 * MIB},
	};
	for (int i = 0; i < SITES; i++)
		fill(&sites[i], &r);
	struct heap_sample_statistics s;
	heap_sample_statistics(&s);
	assert_int_equal(s.dropped_total, 0);
	assert_in_range(s.live, 15000, ROWS);
	expect(sites, 0.02, 0.04, "all");
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, drop_even, sites), 0);
	pthread_join(thread, NULL);
	expect(sites, 0.02, 0.04, "half");
	heap_sample_set_period(PERIOD * 4, SEED); /* what is alive keeps its own */
	expect(sites, 0.02, 0.04, "period");
	for (int i = 0; i < SITES; i++) {
		for (uint32_t k = 1; k < sites[i].count; k += 2)
			drop(&sites[i], k);
		assert_int_equal(sites[i].live, 0);
		free(sites[i].blocks);
	}
	double sums[SITES + 1];
	estimate(sums);
	assert_true(sums[SITES] == 0);
	heap_statistics(&after);
	assert_in_range(after.live_bytes, 0, before.live_bytes + 65536);
	heap_sample_teardown();
}

/* ---- blocks are blocks ------------------------------------------------------------------------------ */

static bool is_sampled(const void *block)
{
	size_t bytes;
	return heap_sample_may_be(block) && heap_sample_find(block, &bytes);
}

static void test_alignment_is_kept(void **state)
{
	(void)state;
	if (!start(4096, 1)) /* everything is sampled */
		skip();
	for (size_t alignment = 16; alignment <= 65536; alignment *= 2) {
		void *blocks[3] = {};
		assert_int_equal(posix_memalign(&blocks[0], alignment, 3 * alignment), 0);
		blocks[1] = aligned_alloc(alignment, 100 * alignment);
		blocks[2] = memalign(alignment, 1);
		for (int i = 0; i < 3; i++) {
			assert_non_null(blocks[i]);
			assert_int_equal((uintptr_t)blocks[i] % alignment, 0);
			assert_true(is_sampled(blocks[i]));
			memset(blocks[i], 1, malloc_usable_size(blocks[i]));
			free(blocks[i]);
		}
	}
	heap_sample_teardown();
}

static void test_contents_follow(void **state)
{
	(void)state;
	if (!start(4096, 1))
		skip();
	unsigned char *bytes = calloc(10, 100);
	assert_true(is_sampled(bytes));
	for (int i = 0; i < 1000; i++)
		assert_int_equal(bytes[i], 0);
	memset(bytes, 7, 1000);
	static const size_t sizes[] = {5000, 400, 700000, 600000, 90, 2000000, 10};
	size_t kept = 1000;
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		bytes = realloc(bytes, sizes[i]);
		assert_true(is_sampled(bytes));
		assert_true(malloc_usable_size(bytes) >= sizes[i]);
		kept = kept < sizes[i] ? kept : sizes[i];
		for (size_t k = 0; k < kept; k++)
			assert_int_equal(bytes[k], 7);
	}
	free(bytes);
	heap_sample_teardown();
}

static void test_full_table_drops(void **state)
{
	(void)state;
	if (!start(10, 1))
		skip();
	void *blocks[50];
	for (int i = 0; i < 50; i++)
		assert_non_null(blocks[i] = take_small(100));
	struct heap_sample_statistics s;
	heap_sample_statistics(&s);
	assert_int_equal(s.live, 10);
	assert_in_range(s.dropped_total, 40, 60);
	for (int i = 0; i < 50; i++)
		free(blocks[i]);
	void *next = take_small(100);
	assert_true(is_sampled(next));
	free(next);
	heap_sample_teardown();
}

static void test_off_is_off(void **state)
{
	(void)state;
	if (!start(100, 0))
		skip();
	for (int i = 0; i < 100000; i++)
		free(take_small(1000));
	struct heap_sample_statistics s, later;
	heap_sample_statistics(&s);
	assert_int_equal(s.live, 0);
	heap_sample_set_period(1000, SEED);
	for (int i = 0; i < 1000; i++)
		free(take_small(1000));
	heap_sample_statistics(&later);
	assert_in_range(later.taken_total - s.taken_total, 500, 900); /* 1 - 1/e of them */
	void *block = take_middle(1000000);
	assert_true(is_sampled(block));
	heap_sample_set_period(0, SEED);
	heap_sample_statistics(&s);
	free(take_small(1000000));
	heap_sample_statistics(&later);
	assert_int_equal(later.taken_total, s.taken_total);
	free(block);
	heap_sample_statistics(&later);
	assert_int_equal(later.live, 0);
	heap_sample_teardown();
}

/* ---- who is named ---------------------------------------------------------------------------------------- */

[[gnu::noinline]] static char *through_library(const char *text)
{
	char *copy = NULL;
	assert_true(asprintf(&copy, "%s", text) > 0);
	return copy;
}

static bool lies_in(const struct heap_sample *s, unsigned frame, const void *function)
{
	uintptr_t at = s->frames[frame], start = (uintptr_t)function;
	return at > start && at - start < 200;
}

static const struct heap_sample *sample_of(const void *block)
{
	uint32_t count = heap_sample_read(&(uint32_t){}, rows, ROWS);
	for (uint32_t i = 0; i < count; i++)
		if (rows[i].block == block)
			return &rows[i];
	return NULL;
}

[[gnu::noinline]] static void *take_deep(unsigned depth)
{
	void *block = depth == 0 ? take_small(77) : take_deep(depth - 1);
	__asm__ volatile("" : "+r"(block));
	return block;
}

static void test_callers_are_named(void **state)
{
	(void)state;
	if (!start(4096, 1))
		skip();
	void *block = take_deep(5);
	const struct heap_sample *s = sample_of(block);
	assert_non_null(s);
	assert_true(lies_in(s, 0, (const void *)take_small));
	for (unsigned i = 1; i <= 6; i++)
		assert_true(lies_in(s, i, (const void *)take_deep));
	assert_true(s->frame_count > 7 && s->frame_count < HEAP_SAMPLE_FRAMES);
	free(block);
	block = take_deep(200);
	s = sample_of(block);
	assert_non_null(s);
	assert_int_equal(s->frame_count, HEAP_SAMPLE_FRAMES);
	free(block);
	char *text = through_library("a text that libc copies");
	s = sample_of(text);
	assert_non_null(s);
	assert_false(call_stack_is_own((const void *)s->frames[0]));
	bool is_found = false;
	for (unsigned i = 1; i < s->frame_count; i++)
		is_found = is_found || lies_in(s, i, (const void *)through_library);
	assert_true(is_found);
	free(text);
	heap_sample_teardown();
}

/* ---- many threads ----------------------------------------------------------------------------------------- */

enum { THREADS = 140, ROUNDS = 2000 }; /* more than have cells of their own */

static void *churn(void *argument)
{
	_Atomic(void *) *places = argument;
	struct random r = {(uint64_t)(uintptr_t)&r};
	for (int i = 0; i < ROUNDS; i++) {
		unsigned char *block = malloc(1 + random_below(&r, 2000));
		assert_non_null(block);
		*block = 1;
		free(atomic_exchange(&places[random_below(&r, 64)], block));
	}
	return NULL;
}

static void test_many_threads(void **state)
{
	(void)state;
	if (is_emulated() || !start(4096, 3000))
		skip();
	static _Atomic(void *) places[64];
	static pthread_t threads[THREADS];
	struct heap_statistics before, after;
	heap_statistics(&before);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, churn, places), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < 64; i++)
		free(places[i]);
	struct heap_sample_statistics s;
	heap_sample_statistics(&s);
	double due = (double)THREADS * ROUNDS * 1000 / 3000; /* of the bytes that were asked for */
	print_message("%llu samples of about %.0f\n", (unsigned long long)s.taken_total, due);
	assert_true((double)s.taken_total > due * 0.7 && (double)s.taken_total < due * 1.2);
	assert_in_range(s.live, 0, 200);
	heap_statistics(&after);
	assert_int_equal(after.allocations_total - before.allocations_total - (after.frees_total - before.frees_total) < 1000, true);
	heap_sample_teardown();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sums_are_true),      cmocka_unit_test(test_alignment_is_kept),
		cmocka_unit_test(test_contents_follow),    cmocka_unit_test(test_full_table_drops),
		cmocka_unit_test(test_off_is_off),         cmocka_unit_test(test_callers_are_named),
		cmocka_unit_test(test_many_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
