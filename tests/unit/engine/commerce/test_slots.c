/* Pool slots by number, and the one in reserve. */
#include "engine/commerce/slots.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

enum { CAPACITY = 3 };

static void setup(struct slots *s, uint32_t fail_one_in)
{
	assert_int_equal(slots_setup(s, &(struct slots_options){"test", "test.capacity", NULL, 32, CAPACITY, fail_one_in, 0}),
	                 STATUS_ok);
}

static void the_reserve_is_what_is_taken(void **state)
{
	(void)state;
	struct slots s;
	setup(&s, 0);
	for (int i = 0; i < CAPACITY; i++) {
		assert_int_equal(slots_prepare(&s), STATUS_ok);
		uint32_t reserve = s.reserve;
		assert_int_equal(slots_prepare(&s), STATUS_ok); /* stays the same */
		assert_int_equal(s.reserve, reserve);
		assert_int_equal(slots_in_use(&s), i);
		assert_false(slots_is_live(&s, reserve));
		assert_int_equal(slots_take(&s), reserve);
		assert_true(slots_is_live(&s, reserve));
	}
	assert_int_equal(slots_prepare(&s), STATUS_pool_exhausted);
	assert_false(slots_has_reserve(&s));
	slots_teardown(&s);
}

static void a_replay_takes_without_a_reserve_whatever_fails(void **state)
{
	(void)state;
	struct slots s;
	for (uint32_t fail_one_in = 2; fail_one_in < 5; fail_one_in++) {
		setup(&s, fail_one_in);
		for (int i = 0; i < CAPACITY; i++)
			assert_true(slots_is_live(&s, slots_take(&s)));
		assert_int_equal(slots_in_use(&s), CAPACITY);
		slots_teardown(&s);
	}
}

static void who_leaves_becomes_the_reserve_and_is_zero(void **state)
{
	(void)state;
	static const char zero[32];
	struct slots s;
	uint32_t taken[CAPACITY];
	setup(&s, 0);
	for (int i = 0; i < CAPACITY; i++) {
		taken[i] = slots_take(&s);
		memset(slots_at(&s, taken[i]), 7, sizeof zero);
	}
	slots_keep(&s, taken[1]);
	assert_int_equal(s.reserve, taken[1]);
	assert_memory_equal(slots_at(&s, taken[1]), zero, sizeof zero);
	slots_keep(&s, taken[2]); /* there is one: goes to the pool */
	assert_int_equal(s.reserve, taken[1]);
	assert_int_equal(slots_in_use(&s), 1);
	assert_false(slots_is_live(&s, taken[2]));
	assert_int_equal(slots_take(&s), taken[1]);
	assert_int_equal(slots_prepare(&s), STATUS_ok);
	assert_memory_equal(slots_at(&s, s.reserve), zero, sizeof zero);
	slots_teardown(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_reserve_is_what_is_taken),
		cmocka_unit_test(a_replay_takes_without_a_reserve_whatever_fails),
		cmocka_unit_test(who_leaves_becomes_the_reserve_and_is_zero),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
