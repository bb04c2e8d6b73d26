/* Percentiles of the histogram beside those of the sorted values themselves. */
#include "engine/base/check.h"
#include "engine/base/histogram.h"
#include "engine/base/random.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const double shares[] = {0, 0.01, 0.25, 0.5, 0.9, 0.95, 0.99, 0.999, 0.9999, 1};

static int ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

/* By nearest rank, in whole numbers: shares are multiples of 1/10000. */
static uint64_t twin(const uint64_t *sorted, size_t count, double share)
{
	uint64_t parts = (uint64_t)llround(share * 10000);
	uint64_t rank = (parts * count + 9999) / 10000;
	return sorted[rank == 0 ? 0 : rank - 1];
}

static void compare(const char *name, uint64_t *values, size_t count)
{
	static struct histogram h;
	double found[COUNT_OF(shares)];
	histogram_clear(&h);
	for (size_t i = 0; i < count; i++)
		histogram_record(&h, (int64_t)values[i]);
	assert_int_equal(histogram_quantiles(&h, shares, COUNT_OF(shares), found), count);
	qsort(values, count, sizeof *values, ascending);
	for (size_t i = 0; i < COUNT_OF(shares); i++) {
		double expected = (double)twin(values, count, shares[i]);
		if (fabs(found[i] - expected) > expected * HISTOGRAM_ERROR_MAX)
			fail_msg("%s: p%g of %zu is %.1f, by the histogram %.1f", name, shares[i] * 100, count, expected, found[i]);
		assert_true(histogram_quantile(&h, shares[i]) == found[i]);
	}
}

enum { VALUES = 20000 };

static uint64_t uniform(struct random *r, size_t i) { (void)i; return random_next(r) >> 30; }
static uint64_t exponential(struct random *r, size_t i) { (void)i; return (uint64_t)(-log(1 - random_between(r, 0, 1)) * 20000); }
static uint64_t octaves(struct random *r, size_t i) { (void)i; return random_next(r) >> (27 + random_next(r) % 37); }
/* All alike but for a few far away: a rank that is off by one is seen. */
static uint64_t one_in_a_hundred(struct random *r, size_t i) { (void)r; return i % 100 == 0 ? 50000000 : 3; }
static uint64_t edges(struct random *r, size_t i)
{
	uint64_t power = UINT64_C(1) << i % HISTOGRAM_BITS;
	return power + random_next(r) % 3 - (power > 1);
}
static uint64_t same(struct random *r, size_t i) { (void)r; (void)i; return 123457; }
/* Each at the far end of its cell, where the error is greatest. */
static uint64_t ends(struct random *r, size_t i)
{
	(void)i;
	unsigned place = (unsigned)(random_next(r) % HISTOGRAM_CELLS);
	return (random_next(r) & 1) != 0 ? histogram_least(place) : histogram_least(place + 1) - 1;
}

static void percentiles_are_those_of_the_sorted_values(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		uint64_t (*next)(struct random *, size_t);
	} kinds[] = {{"uniform", uniform}, {"exponential", exponential}, {"octaves", octaves}, {"1 in 100", one_in_a_hundred},
	             {"edges", edges}, {"same", same}, {"ends", ends}};
	static const size_t counts[] = {1, 2, 3, 99, 100, 101, 1000, 1001, VALUES};
	static uint64_t values[VALUES];
	struct random random = {7};
	for (size_t kind = 0; kind < COUNT_OF(kinds); kind++)
		for (size_t c = 0; c < COUNT_OF(counts); c++) {
			for (size_t i = 0; i < counts[c]; i++)
				values[i] = kinds[kind].next(&random, i);
			compare(kinds[kind].name, values, counts[c]);
		}
}

static void cells_are_without_gaps_and_in_order(void **state)
{
	(void)state;
	for (unsigned place = 0; place < HISTOGRAM_CELLS; place++) {
		uint64_t least = histogram_least(place), next = histogram_least(place + 1);
		assert_true(next > least);
		assert_int_equal(histogram_place(least), place);
		assert_int_equal(histogram_place(next - 1), place);
		assert_true(histogram_middle(place) - (double)least <= (double)least * HISTOGRAM_ERROR_MAX);
		assert_true((double)(next - 1) - histogram_middle(place) <= (double)(next - 1) * HISTOGRAM_ERROR_MAX);
	}
	assert_int_equal(histogram_least(HISTOGRAM_CELLS), HISTOGRAM_VALUE_MAX + 1);
}

static void what_is_out_of_range_counts_at_its_end(void **state)
{
	(void)state;
	static struct histogram h;
	histogram_clear(&h);
	assert_true(histogram_quantile(&h, 0.5) == 0);
	histogram_record(&h, -5);
	assert_true(histogram_quantile(&h, 1) == 0);
	histogram_record(&h, INT64_MAX);
	assert_int_equal(histogram_total(&h), 2);
	assert_int_equal(histogram_last(&h), HISTOGRAM_CELLS - 1);
	assert_int_equal(histogram_place(UINT64_MAX), HISTOGRAM_CELLS - 1);
}

enum { THREADS = 4, EACH = 100000 };

static void *record_many(void *argument)
{
	for (int64_t i = 0; i < EACH; i++)
		histogram_record(argument, i % 50);
	return NULL;
}

static void many_threads_lose_nothing(void **state)
{
	(void)state;
	static struct histogram h;
	pthread_t threads[THREADS];
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, record_many, &h), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (unsigned place = 0; place < 50; place++)
		assert_int_equal(histogram_count(&h, place), THREADS * EACH / 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(percentiles_are_those_of_the_sorted_values),
		cmocka_unit_test(cells_are_without_gaps_and_in_order),
		cmocka_unit_test(what_is_out_of_range_counts_at_its_end),
		cmocka_unit_test(many_threads_lose_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
