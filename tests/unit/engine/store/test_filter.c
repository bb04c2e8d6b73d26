/* Each vector filter names the same slots as the scalar one, on random and on nasty columns. */
#include "engine/base/random.h"
#include "engine/store/filter.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { SLOTS = 2560 }; /* long scans work in batches of 1024: two whole ones and a part */

struct columns {
	alignas(64) float x[SLOTS], y[SLOTS], reach_x[SLOTS], reach_y[SLOTS];
	alignas(64) int32_t from[SLOTS], until[SLOTS];
	alignas(64) uint32_t kinds[SLOTS];
};

static const float nasty[] = {0, -0.0f, 1e-45f, -1e-45f, FLT_MIN, 1, -1, 1.0000001f, FLT_MAX, -FLT_MAX,
                              INFINITY, -INFINITY, NAN, 1e15f, -1e15f, 180, -180, 359.99997f, 360};

static float value(struct random *r, bool is_nasty)
{
	if (is_nasty)
		return nasty[random_below(r, sizeof nasty / sizeof *nasty)];
	return (float)random_between(r, -2, 2);
}

static void fill(struct columns *c, struct random *r, bool is_nasty)
{
	for (int i = 0; i < SLOTS; i++) {
		c->x[i] = value(r, is_nasty);
		c->y[i] = value(r, is_nasty);
		c->reach_x[i] = value(r, is_nasty);
		c->reach_y[i] = value(r, is_nasty);
		c->from[i] = is_nasty ? (int32_t)random_next(r) : (int32_t)random_below(r, 4);
		c->until[i] = is_nasty ? INT32_MAX : 2 + (int32_t)random_below(r, 4);
		c->kinds[i] = random_below(r, 8) == 0 ? 0 : 1u << random_below(r, 31);
	}
}

static struct filter_query query(struct random *r, bool is_nasty)
{
	return (struct filter_query){
		.min_x = value(r, is_nasty),
		.max_x = value(r, is_nasty),
		.min_y = value(r, is_nasty),
		.max_y = value(r, is_nasty),
		.x = value(r, is_nasty),
		.y = value(r, is_nasty),
		.radius_squared = value(r, is_nasty),
		.inner_squared = value(r, is_nasty),
		.period = random_below(r, 2) == 0 ? 360 : INFINITY,
		.at = is_nasty ? (int32_t)random_next(r) : (int32_t)random_below(r, 6),
		.kinds = random_below(r, 2) == 0 ? UINT32_MAX : (uint32_t)random_next(r),
	};
}

static void same_slots(filter_slots *reference, filter_slots *tested, const struct columns *c,
                       const struct filter_query *q, uint32_t first, uint32_t count)
{
	const struct filter_columns columns = {c->x, c->y, c->from, c->until, c->kinds, c->reach_x, c->reach_y};
	uint32_t want[SLOTS + FILTER_SPARE];
	uint32_t got[SLOTS + FILTER_SPARE];
	uint32_t n = reference(&columns, q, first, count, want);
	assert_int_equal(tested(&columns, q, first, count, got), n);
	assert_memory_equal(got, want, n * sizeof *got);
}

static void same_nodes(filter_nodes *reference, filter_nodes *tested, const struct columns *c,
                       const struct filter_query *q, uint32_t count)
{
	const struct filter_boxes boxes = {c->x, c->reach_x, c->y, c->reach_y};
	uint32_t want[SLOTS + FILTER_SPARE];
	uint32_t got[SLOTS + FILTER_SPARE];
	uint32_t n = reference(&boxes, q, 0, count, want);
	assert_int_equal(tested(&boxes, q, 0, count, got), n);
	assert_memory_equal(got, want, n * sizeof *got);
}

static void same_blocks(filter_blocks *reference, filter_blocks *tested, const struct columns *c,
                        const struct filter_query *q)
{
	const struct filter_columns columns = {c->x, c->y, c->from, c->until, c->kinds, c->reach_x, c->reach_y};
	static const uint32_t blocks[] = {3, 0, 7, 31};
	uint32_t want[4 * FILTER_BLOCK + FILTER_SPARE];
	uint32_t got[4 * FILTER_BLOCK + FILTER_SPARE];
	bool want_clear, got_clear;
	uint32_t n = reference(&columns, q, blocks, 4, want, &want_clear);
	assert_int_equal(tested(&columns, q, blocks, 4, got, &got_clear), n);
	assert_memory_equal(got, want, n * sizeof *got);
	assert_int_equal(got_clear, want_clear);
}

static void test_same_as_scalar(void **state)
{
	const struct filter *f = NULL;
	if (filter_choose(*state, &f) != STATUS_ok) {
		printf("SKIP: this machine has no %s\n", (const char *)*state);
		skip();
	}
	struct random r = {11};
	static struct columns c;
	for (int i = 0; i < 3000; i++) {
		bool is_nasty = i % 3 == 0;
		fill(&c, &r, is_nasty);
		struct filter_query q = query(&r, is_nasty);
		static const uint32_t counts[] = {64, 128, 192, 1024, 1088, 2112, SLOTS};
		uint32_t count = counts[random_below(&r, sizeof counts / sizeof counts[0])];
		uint32_t first = (uint32_t)random_below(&r, (SLOTS - count) / 64 + 1) * 64;
		same_slots(filter_scalar.box, f->box, &c, &q, first, count);
		same_slots(filter_scalar.circle, f->circle, &c, &q, first, count);
		same_slots(filter_scalar.reach, f->reach, &c, &q, first, count);
		same_blocks(filter_scalar.blocks_box, f->blocks_box, &c, &q);
		same_blocks(filter_scalar.blocks_circle, f->blocks_circle, &c, &q);
		same_nodes(filter_scalar.nodes_box, f->nodes_box, &c, &q, 16 * (1 + (uint32_t)random_below(&r, 4)));
		same_nodes(filter_scalar.nodes_reach, f->nodes_reach, &c, &q, 16);
	}
}

static void test_windows_keep_their_order(void **state)
{
	(void)state;
	static const int64_t times[] = {INT64_MIN, INT64_MIN + 1, -1001, -1000, -999, -1, 0, 1, 999, 1000, 1001,
	                                4294967294999, 4294967295000, 4294967295999, 4294967296000, 4294967296001,
	                                INT64_MAX - 1, INT64_MAX};
	enum { COUNT = sizeof times / sizeof *times };
	for (int i = 0; i < COUNT; i++) {
		for (int k = 0; k < COUNT; k++) {
			if (times[i] <= times[k])
				assert_true(filter_from(times[i]) <= filter_at(times[k]));
			if (times[i] < times[k])
				assert_true(filter_at(times[i]) < filter_until(times[k]));
			if (filter_from(times[i]) < filter_at(times[k]))
				assert_true(times[i] <= times[k]);
			if (filter_until(times[k]) - 1 > filter_at(times[i]))
				assert_true(times[i] < times[k]);
		}
	}
}

static void test_floats_are_rounded_outward(void **state)
{
	(void)state;
	struct random r = {12};
	for (int i = 0; i < 100000; i++) {
		double v = random_between(&r, -1, 1) * pow(10, random_between(&r, -330, 38));
		assert_true(filter_float_below(v) <= v && filter_float_above(v) >= v);
		float near = filter_float_below(v);
		for (int step = 0; step < 6 && fabs(v) > 1e-30; step++)
			near = nextafterf(near, INFINITY);
		assert_true(fabs(v) <= 1e-30 || near >= filter_float_above(v));
	}
}

static void test_unknown_filter(void **state)
{
	(void)state;
	const struct filter *f = NULL;
	assert_int_equal(filter_choose("sse9", &f), STATUS_invalid_field);
	assert_int_equal(filter_choose("auto", &f), STATUS_ok);
	assert_non_null(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		{"same_as_scalar_avx2", test_same_as_scalar, NULL, NULL, (char[]){"avx2"}},
		{"same_as_scalar_avx512", test_same_as_scalar, NULL, NULL, (char[]){"avx512"}},
		cmocka_unit_test(test_windows_keep_their_order),
		cmocka_unit_test(test_floats_are_rounded_outward),
		cmocka_unit_test(test_unknown_filter),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
