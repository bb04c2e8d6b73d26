/* Claims: limits by actor and by stock, chains, and taking back. */
#include "engine/commerce/claim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

enum { CAPACITY = 6 };

static int setup(void **state)
{
	static struct claims c;
	*state = &c;
	return claims_setup(&c, CAPACITY, &(struct part_options){.seed = 5}) != STATUS_ok;
}

static int teardown(void **state)
{
	bool is_valid = claims_are_valid(*state);
	claims_teardown(*state);
	return !is_valid;
}

static struct identifier id(uint64_t n) { return (struct identifier){n, 0, false}; }

static struct claim claim_of(uint64_t n, uint64_t actor, uint64_t reward)
{
	return (struct claim){.id = {n, 0}, .actor = {actor, 0}, .reward = {reward, 0}};
}

static status add(struct claims *c, uint64_t n, uint64_t actor, uint64_t reward, int64_t stock, uint32_t per_actor)
{
	struct claim claim = claim_of(n, actor, reward);
	(void)claims_prepare(c);
	status s = claims_can_add(c, &claim, (struct claim_terms){stock, per_actor});
	if (s == STATUS_ok)
		claims_add(c, &claim);
	assert_true(claims_are_valid(c));
	return s;
}

static void limits_by_actor_and_stock(void **state)
{
	struct claims *c = *state;
	assert_int_equal(add(c, 1, 10, 20, 3, 2), STATUS_ok);
	assert_int_equal(add(c, 1, 11, 20, 3, 2), STATUS_already_exists);
	assert_int_equal(add(c, 2, 10, 20, 3, 2), STATUS_ok);
	assert_int_equal(add(c, 3, 10, 20, 3, 2), STATUS_already_claimed);
	assert_int_equal(add(c, 3, 11, 20, 3, 2), STATUS_ok);
	assert_int_equal(add(c, 4, 12, 20, 3, 2), STATUS_out_of_stock);
	assert_int_equal(add(c, 4, 10, 20, 3, 2), STATUS_already_claimed); /* comes first */
	assert_int_equal(add(c, 4, 10, 21, STOCK_UNLIMITED, 1), STATUS_ok);
	assert_int_equal(add(c, 5, 10, 22, 0, 1), STATUS_out_of_stock);
	assert_int_equal(claims_count(c, id(10), id(20)), 2);
	assert_int_equal(claims_taken(c, id(20)), 3);
	assert_int_equal(claims_taken(c, id(99)), 0);
	assert_null(claims_find(c, id(5)));
	assert_int_equal(claims_find(c, id(4))->reward.low, 21);
}

static void what_is_taken_back_can_be_claimed_again(void **state)
{
	struct claims *c = *state;
	for (uint64_t n = 1; n <= 4; n++)
		assert_int_equal(add(c, n, 10, 20, 4, 4), STATUS_ok);
	assert_int_equal(add(c, 5, 10, 20, 4, 4), STATUS_already_claimed);
	const uint64_t order[] = {2, 4, 1, 3}; /* the middle, the newest, the oldest, the last */
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(claims_can_remove(c, id(order[i])), STATUS_ok);
		claims_remove(c, id(order[i]));
		assert_true(claims_are_valid(c));
		assert_int_equal(claims_count(c, id(10), id(20)), 3 - i);
		assert_int_equal(claims_can_remove(c, id(order[i])), STATUS_not_found);
	}
	assert_int_equal(slots_in_use(&c->tallies), 0);
	assert_int_equal(add(c, 5, 10, 20, 4, 4), STATUS_ok);
}

static void a_full_pool_refuses(void **state)
{
	struct claims *c = *state;
	for (uint64_t n = 1; n <= CAPACITY; n++)
		assert_int_equal(add(c, n, n, n, 1, 1), STATUS_ok);
	assert_int_equal(add(c, 7, 7, 7, 1, 1), STATUS_pool_exhausted);
	assert_int_equal(add(c, 7, 1, 1, 1, 1), STATUS_already_claimed);
	claims_remove(c, id(3));
	assert_int_equal(add(c, 7, 7, 7, 1, 1), STATUS_ok);
}

static void a_claim_is_used_and_free_again(void **state)
{
	struct claims *c = *state;
	assert_int_equal(add(c, 1, 1, 1, 1, 1), STATUS_ok);
	claims_set_used(c, id(1), true);
	assert_true(claims_find(c, id(1))->flags & CLAIM_IS_USED);
	claims_set_used(c, id(1), false);
	assert_false(claims_find(c, id(1))->flags & CLAIM_IS_USED);
}

#define test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(limits_by_actor_and_stock),
		test(what_is_taken_back_can_be_claimed_again),
		test(a_full_pool_refuses),
		test(a_claim_is_used_and_free_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
