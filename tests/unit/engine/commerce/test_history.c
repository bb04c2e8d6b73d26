/* The history of closed payments beside a list that is searched from its end: each once, the last ones, in order. */
#include "engine/commerce/history.h"

#include "engine/base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

enum { CAPACITY = 100, SEED = 9 };

static int setup(void **state)
{
	static struct history h;
	*state = &h;
	return history_setup(&h, CAPACITY, &(struct part_options){.seed = SEED}) != STATUS_ok;
}

static int teardown(void **state)
{
	bool is_valid = history_is_valid(*state);
	history_teardown(*state);
	return !is_valid;
}

static struct identifier id(uint64_t n) { return (struct identifier){n, 1, false}; }

/* 0: it is not in it. */
static uint64_t place_of(const struct history *h, uint64_t n)
{
	uint64_t place = 0;
	return history_find(h, id(n), &place) ? place : 0;
}

static void what_a_list_says(void **state)
{
	struct history *h = *state;
	enum { IDS = 300, STEPS = 20000 };
	static uint64_t places[IDS];
	struct random random = {.state = 4};
	for (uint64_t step = 1; step <= STEPS; step++) {
		/* Some far more often than others. */
		uint64_t n = random_below(&random, 1 + random_below(&random, IDS)), oldest;
		places[n] = step * 1000;
		history_remember(h, id(n), places[n]);
		if (step % 50 != 0)
			continue;
		uint64_t least = UINT64_MAX;
		for (uint64_t i = 0; i < IDS; i++) {
			unsigned newer = 0;
			for (uint64_t other = 0; other < IDS; other++)
				newer += places[other] > places[i];
			uint64_t expected = newer < CAPACITY ? places[i] : 0;
			assert_int_equal(place_of(h, i), expected);
			least = expected != 0 && expected < least ? expected : least;
		}
		assert_true(history_oldest(h, &oldest) && oldest == least);
		assert_true(history_is_valid(h));
	}
}

static void many_refunds_of_one_take_one_place(void **state)
{
	struct history *h = *state;
	for (uint64_t n = 1; n < CAPACITY; n++)
		history_remember(h, id(n), n);
	for (uint64_t i = 0; i < 100 * CAPACITY; i++)
		history_remember(h, id(1000), CAPACITY + i);
	assert_int_equal(h->count, CAPACITY);
	assert_int_equal(h->by_key.count, CAPACITY);
	for (uint64_t n = 1; n < CAPACITY; n++)
		assert_int_equal(place_of(h, n), n);
	assert_int_equal(place_of(h, 1000), 101 * CAPACITY - 1);
}

struct copied {
	struct history *to;
	uint64_t least; /* of what must come next */
};

static void copy(void *context, uint64_t key, uint64_t place)
{
	struct copied *c = context;
	assert_true(place >= c->least);
	c->least = place;
	assert_true(history_restore(c->to, key, place));
}

static void a_smaller_one_takes_the_last(void **state)
{
	struct history *h = *state;
	struct history small;
	assert_int_equal(history_setup(&small, 10, &(struct part_options){.seed = SEED}), STATUS_ok);
	for (uint64_t n = 1; n <= 150; n++)
		history_remember(h, id(n % 120), n);
	struct copied copied = {.to = &small};
	history_visit(h, copy, &copied);
	assert_true(history_is_valid(&small));
	for (uint64_t n = 141; n <= 150; n++)
		assert_int_equal(place_of(&small, n % 120), n);
	assert_int_equal(place_of(&small, 140 % 120), 0);
	assert_false(history_restore(&small, 1, 149));
	history_reset(&small);
	assert_int_equal(place_of(&small, 150 % 120), 0);
	assert_true(history_restore(&small, 1, 149));
	assert_true(history_is_valid(&small));
	history_teardown(&small);
}

/* The key is all that it knows. */
static void of_one_hash_the_last_is_found(void **state)
{
	struct history *h = *state;
	history_remember(h, id(1), 10);
	history_remember(h, id(2), 20);
	assert_true(history_restore(h, id_hash(id_pack(id(1)), SEED), 30));
	assert_int_equal(place_of(h, 1), 30);
	assert_int_equal(place_of(h, 2), 20);
	assert_int_equal(h->count, 2);
}

#define test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(what_a_list_says),
		test(many_refunds_of_one_take_one_place),
		test(a_smaller_one_takes_the_last),
		test(of_one_hash_the_last_is_found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
