/*
 * Readers while the writer changes things and merges run: each answer must be one
 * version of the store. The writer moves a reward back and forth, changes pairs in one
 * publish, and adds and removes others so that runs freeze and merge all the time.
 */
#include "engine/base/clock.h"
#include "engine/base/random.h"
#include "engine/base/sanitizer.h"
#include "engine/store/find.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { READERS = 3, MOVER = 1, PAIR_A = 2, PAIR_B = 3, OTHERS = 100, OTHER_COUNT = 4000 };

struct scene {
	struct store *store;
	_Atomic bool is_done;
	_Atomic uint64_t problems;
	_Atomic uint64_t reads;
	_Atomic unsigned readers; /* that have begun */
	_Atomic int64_t published; /* the mover's value that every later read must have reached */
};

static struct reward reward_at(uint64_t id, double x, double y, int64_t value)
{
	return (struct reward){.id = {.low = id}, .x = x, .y = y, .radius = 1, .value = value, .stock = STOCK_UNLIMITED,
	                       .until_ms = INT64_MAX, .per_actor = 1, .name = "name", .name_bytes = 4};
}

static uint64_t locate(struct store_reader *reader, double x, int64_t *value)
{
	struct locate_query q = {.x = x, .y = 0, .area = LOCATE_BOX, .box = {x - 30, -1, x + 30, 1}, .at_ms = 5, .limit = 16};
	struct locate_result result;
	store_locate(reader, &q, &result);
	*value = result.count > 0 ? result.matches[0].value : -1;
	return result.count;
}

static void problem(struct scene *s, const char *what)
{
	if (atomic_fetch_add(&s->problems, 1) == 0)
		fprintf(stderr, "a reader saw %s\n", what);
}

static void read_once(struct scene *s, struct store_reader *reader)
{
	int64_t value;
	int64_t least = atomic_load(&s->published);
	/* It is at x = 90 or x = 110: in both cases once within 70 to 130, never nowhere or twice. */
	if (locate(reader, 100, &value) != 1)
		problem(s, "the moving reward not exactly once");
	else if (value < least)
		problem(s, "an older version than one published before it began");
	struct reward_view view;
	if (store_get(reader, (struct identifier){.low = MOVER}, &view) != STATUS_ok)
		problem(s, "no moving reward by id");
	/* The pair stands at one place and changes its values in one publish. */
	struct locate_query q = {.x = 300, .area = LOCATE_RADIUS, .radius = 1, .at_ms = 5, .limit = 16};
	struct locate_result result;
	store_locate(reader, &q, &result);
	if (result.count != 0 && result.count != 2)
		problem(s, "half a pair");
	else if (result.count == 2 && result.matches[0].value != result.matches[1].value)
		problem(s, "a pair of two versions");
	atomic_fetch_add(&s->reads, 1);
}

static void *reader_main(void *argument)
{
	struct scene *s = argument;
	struct store_reader *reader = NULL;
	if (store_reader_create(s->store, &reader) != STATUS_ok)
		abort();
	store_reader_use_replica(reader, atomic_fetch_add(&s->readers, 1));
	while (!atomic_load(&s->is_done))
		read_once(s, reader);
	store_reader_destroy(&reader);
	return NULL;
}

static void put(struct store *store, struct reward reward)
{
	status s;
	while ((s = store_put(store, &reward)) == STATUS_overloaded)
		clock_sleep_ms(1);
	if (s != STATUS_ok)
		abort();
}

static void take_away(struct store *store, uint64_t id)
{
	status s;
	while ((s = store_remove(store, (struct identifier){.low = id})) == STATUS_overloaded)
		clock_sleep_ms(1);
}

static void write_round(struct scene *s, struct random *r, int64_t round)
{
	put(s->store, reward_at(MOVER, round % 2 == 0 ? 90 : 110, 0, round));
	if (round % 5 == 4) {
		take_away(s->store, PAIR_A);
		take_away(s->store, PAIR_B);
	} else {
		put(s->store, reward_at(PAIR_A, 300, 0, round));
		put(s->store, reward_at(PAIR_B, 300, 0, round));
	}
	for (int i = 0; i < 20; i++) {
		uint64_t id = OTHERS + random_below(r, OTHER_COUNT);
		if (random_below(r, 3) == 0)
			take_away(s->store, id);
		else
			put(s->store, reward_at(id, random_between(r, 1000, 2000), random_between(r, 0, 1000), 0));
	}
	store_publish(s->store);
	atomic_store(&s->published, round);
}

static void test_readers_see_one_version(void **state)
{
	const unsigned *replicas = *state;
	struct scene s = {};
	struct store_options options = {.is_plane = true, .capacity = 10000, .readers_max = READERS, .kernel = "auto",
	                                .replicas = *replicas};
	assert_int_equal(store_setup(&s.store, &options), STATUS_ok);
	put(s.store, reward_at(MOVER, 90, 0, 0));
	store_publish(s.store);
	pthread_t threads[READERS];
	for (int i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, reader_main, &s), 0);
	struct random r = {1};
	const char *text = getenv("TROVE_TEST_SECONDS");
	int64_t until = clock_monotonic_ns() + (text == NULL ? 3 : atoll(text)) * 1000000000;
	int64_t round = 1;
	for (; clock_monotonic_ns() < until; round++) {
		write_round(&s, &r, round);
		if (round % 1000 == 0)
			store_settle(s.store);
	}
	atomic_store(&s.is_done, true);
	for (int i = 0; i < READERS; i++)
		pthread_join(threads[i], NULL);
	struct store_statistics statistics;
	store_statistics(s.store, &statistics);
	printf("%ld rounds, %lu reads, %lu merges of %lu rewards\n", (long)round, (unsigned long)s.reads,
	       (unsigned long)statistics.merges_total, (unsigned long)statistics.merged_rewards_total);
	store_teardown(&s.store);
	assert_int_equal(s.problems, 0);
	assert_true(s.reads > 0 && statistics.merges_total > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		{"readers_see_one_version", test_readers_see_one_version, NULL, NULL, &(unsigned){1}},
		{"readers_of_replicas_see_one_version", test_readers_see_one_version, NULL, NULL, &(unsigned){READERS}},
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
