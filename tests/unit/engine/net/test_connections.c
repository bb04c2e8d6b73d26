/* Connections: as many as there may be, found by the id of their pipe, from any thread. */
#include "engine/net/connections.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct pool_statistics statistics_of(const struct connections *c)
{
	struct pool_statistics s;
	pool_read_statistics(c->pool, &s);
	return s;
}

static void full_is_an_answer_and_passes(void **state)
{
	(void)state;
	struct connections c;
	assert_int_equal(connections_setup(&c, NULL, 3), STATUS_ok);
	/* The first and the last share a chain. */
	assert_int_equal(connections_add(&c, 100), STATUS_ok);
	assert_int_equal(connections_add(&c, 101), STATUS_ok);
	assert_int_equal(connections_add(&c, 104), STATUS_ok);
	assert_int_equal(connections_add(&c, 105), STATUS_pool_exhausted);
	assert_int_equal(connections_count(&c), 3);
	assert_int_equal(connections_remove(&c, 105), STATUS_not_found);
	assert_int_equal(connections_remove(&c, 100), STATUS_ok);
	assert_int_equal(connections_remove(&c, 100), STATUS_not_found);
	assert_int_equal(connections_add(&c, 108), STATUS_ok);
	assert_int_equal(connections_remove(&c, 104), STATUS_ok);
	assert_int_equal(connections_remove(&c, 108), STATUS_ok);
	assert_int_equal(connections_remove(&c, 101), STATUS_ok);
	struct pool_statistics s = statistics_of(&c);
	assert_int_equal(s.in_use, 0);
	assert_int_equal(s.high_water, 3);
	assert_int_equal(s.exhausted_total, 1);
	assert_int_equal(s.stale_total, 0); /* no chain named what was given back */
	assert_true(pool_is_valid(c.pool));
	connections_teardown(&c);
}

static void who_is_to_go_is_told_once(void **state)
{
	(void)state;
	struct connections c;
	assert_int_equal(connections_setup(&c, NULL, 1), STATUS_ok);
	assert_false(connections_dismiss(&c, 7));
	assert_int_equal(connections_add(&c, 7), STATUS_ok);
	assert_true(connections_dismiss(&c, 7));
	assert_false(connections_dismiss(&c, 7));
	assert_int_equal(connections_remove(&c, 7), STATUS_ok);
	assert_false(connections_dismiss(&c, 7));
	assert_int_equal(connections_add(&c, 9), STATUS_ok); /* the same slot, another life */
	assert_false(connections_dismiss(&c, 7));
	assert_true(connections_dismiss(&c, 9));
	connections_teardown(&c);
}

static void it_is_in_the_account_and_below_its_bill(void **state)
{
	(void)state;
	struct account account;
	struct connections c;
	static struct bill bill;
	account_setup(&account, &(struct account_policy){.prefault = true, .node = -1, .pool_fail_one_in = 3});
	assert_int_equal(connections_setup(&c, &account, 1000), STATUS_ok);
	assert_string_equal(c.pool_holding.name, "connections");
	assert_string_equal(c.pool_holding.option, "events.peers_max");
	assert_ptr_equal(c.pool_holding.account, &account);
	connections_bill(&bill, 1000);
	uint64_t held = statistics_of(&c).reserved_bytes + c.heads_holding.reserved;
	assert_in_range(held, 1, bill_sum(&bill));
	unsigned refused = 0;
	for (uint32_t pipe = 1; pipe <= 300; pipe++)
		refused += connections_add(&c, pipe) == STATUS_pool_exhausted;
	assert_int_equal(refused, 100);
	assert_int_equal(connections_count(&c), 200);
	connections_teardown(&c);
	account_teardown(&account);
}

enum { THREADS = 4, ROUNDS = 20000, MOST = 8 };

struct comer {
	struct connections *all;
	uint32_t pipe_first;
	unsigned taken, refused, wrong;
};

/* Three at a time on each of four threads: sometimes more than there may be. */
static void *come_and_go(void *argument)
{
	struct comer *comer = argument;
	for (uint32_t i = 0; i < ROUNDS; i++) {
		bool is_taken[3];
		uint32_t pipe = comer->pipe_first + i % 1000 * 3;
		for (uint32_t k = 0; k < 3; k++) {
			is_taken[k] = connections_add(comer->all, pipe + k) == STATUS_ok;
			comer->taken += is_taken[k];
			comer->refused += !is_taken[k];
		}
		for (uint32_t k = 0; k < 3; k++) {
			comer->wrong += connections_dismiss(comer->all, pipe + k) != is_taken[k];
			comer->wrong += (connections_remove(comer->all, pipe + k) == STATUS_ok) != is_taken[k];
		}
	}
	return NULL;
}

static void threads_do_not_disturb_one_another(void **state)
{
	(void)state;
	struct connections c;
	struct comer comers[THREADS];
	pthread_t threads[THREADS];
	uint64_t taken = 0, refused = 0;
	assert_int_equal(connections_setup(&c, NULL, MOST), STATUS_ok);
	for (uint32_t i = 0; i < THREADS; i++) {
		comers[i] = (struct comer){.all = &c, .pipe_first = i << 20};
		assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, &comers[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(comers[i].wrong, 0);
		taken += comers[i].taken;
		refused += comers[i].refused;
	}
	struct pool_statistics s = statistics_of(&c);
	assert_int_equal(s.borrowed_total, taken);
	assert_int_equal(s.exhausted_total, refused);
	assert_int_equal(s.in_use, 0);
	assert_in_range(s.high_water, 3, MOST);
	assert_true(pool_is_valid(c.pool));
	connections_teardown(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(full_is_an_answer_and_passes),
		cmocka_unit_test(who_is_to_go_is_told_once),
		cmocka_unit_test(it_is_in_the_account_and_below_its_bill),
		cmocka_unit_test(threads_do_not_disturb_one_another),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
