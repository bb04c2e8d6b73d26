/* What store.h promises, piece by piece, and that queries and changes allocate nothing. */
#include "engine/base/random.h"
#include "engine/store/find.h"
#include "engine/store/inside.h"
#include "engine/store/store.h"
#include "tests/support/allocation_count.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct store *make_store(bool is_plane, uint64_t capacity)
{
	struct store *store = NULL;
	struct store_options options = {.is_plane = is_plane, .capacity = capacity, .readers_max = 2, .kernel = "auto"};
	assert_int_equal(store_setup(&store, &options), STATUS_ok);
	return store;
}

static struct reward make_reward(uint64_t id, double x, double y)
{
	return (struct reward){.id = {.low = id}, .x = x, .y = y, .radius = 10, .stock = STOCK_UNLIMITED,
	                       .until_ms = INT64_MAX, .per_actor = 1};
}

static uint64_t count_near(struct store_reader *reader, double x, double y, double radius)
{
	struct locate_query q = {.x = x, .y = y, .area = LOCATE_RADIUS, .radius = radius, .limit = 16};
	struct locate_result result;
	store_locate(reader, &q, &result);
	return result.count;
}

static void test_changes_show_when_published(void **state)
{
	(void)state;
	struct store *store = make_store(true, 10);
	struct store_reader *reader = NULL;
	assert_int_equal(store_reader_create(store, &reader), STATUS_ok);
	struct reward reward = make_reward(1, 5, 5);
	assert_int_equal(store_put(store, &reward), STATUS_ok);
	assert_int_equal(count_near(reader, 5, 5, 1), 0);
	uint64_t version = store_publish(store);
	assert_int_equal(count_near(reader, 5, 5, 1), 1);
	reward.x = 50;
	assert_int_equal(store_put(store, &reward), STATUS_ok);
	assert_int_equal(count_near(reader, 5, 5, 1), 1);
	assert_int_equal(count_near(reader, 50, 5, 1), 0);
	store_settle(store); /* with changes that are not published: they stay hidden */
	assert_int_equal(count_near(reader, 5, 5, 1), 1);
	assert_int_equal(count_near(reader, 50, 5, 1), 0);
	assert_true(store_publish(store) > version);
	assert_int_equal(count_near(reader, 5, 5, 1), 0);
	assert_int_equal(count_near(reader, 50, 5, 1), 1);
	assert_int_equal(store_remove(store, reward.id), STATUS_ok);
	assert_int_equal(store_remove(store, reward.id), STATUS_not_found);
	store_publish(store);
	assert_int_equal(count_near(reader, 50, 5, 1), 0);
	store_settle(store);
	store_reader_destroy(&reader);
	store_teardown(&store);
	assert_null(store);
}

static void test_limits(void **state)
{
	(void)state;
	struct store *store = make_store(true, 300);
	for (uint64_t i = 0; i < 300; i++) {
		char kind[32];
		struct reward reward = make_reward(i, 0, 0);
		reward.kind = kind;
		reward.kind_bytes = (uint32_t)snprintf(kind, sizeof kind, "k%d", (int)(i % KINDS_MAX));
		assert_int_equal(store_put(store, &reward), STATUS_ok);
	}
	struct reward more = make_reward(1000, 0, 0);
	assert_int_equal(store_can_put(store, &more), STATUS_pool_exhausted);
	assert_int_equal(store_put(store, &more), STATUS_pool_exhausted);
	struct reward other_kind = make_reward(1, 0, 0); /* replaces, but "default" would be kind 256 */
	assert_int_equal(store_put(store, &other_kind), STATUS_pool_exhausted);
	assert_int_equal(store_remove(store, (struct identifier){.low = 7}), STATUS_ok);
	more.kind = "k3";
	more.kind_bytes = 2;
	assert_int_equal(store_put(store, &more), STATUS_ok);
	struct store_reader *readers[3] = {};
	assert_int_equal(store_reader_create(store, &readers[0]), STATUS_ok);
	assert_int_equal(store_reader_create(store, &readers[1]), STATUS_ok);
	assert_int_equal(store_reader_create(store, &readers[2]), STATUS_pool_exhausted);
	store_reader_destroy(&readers[0]);
	assert_int_equal(store_reader_create(store, &readers[2]), STATUS_ok);
	struct store_statistics statistics;
	store_statistics(store, &statistics);
	assert_int_equal(statistics.rewards, 300);
	store_teardown(&store);
}

/* A name of so many bytes. */
static status put_named(struct store *store, uint64_t id, uint32_t name_bytes)
{
	static const char letters[NAME_BYTES_MAX + 1] = "name";
	struct reward reward = make_reward(id, 0, 0);
	reward.name = letters;
	reward.name_bytes = name_bytes;
	assert_int_equal(store_can_put(store, &reward), store_put(store, &reward));
	status s = store_put(store, &reward);
	store_publish(store);
	return s;
}

static void test_names_have_a_bound(void **state)
{
	(void)state;
	struct store *store = NULL;
	struct store_options options = {.is_plane = true, .capacity = 8192, .name_bytes = 10, .readers_max = 1, .kernel = "auto"};
	assert_int_equal(store_name_bytes_max(&options), 81920);
	assert_int_equal(store_setup(&store, &options), STATUS_ok);
	uint64_t most = 81920 / 127;
	for (uint64_t id = 0; id < most; id++)
		assert_int_equal(put_named(store, id, 127), STATUS_ok);
	assert_int_equal(put_named(store, most, 127), STATUS_pool_exhausted);
	assert_int_equal(put_named(store, most, 81920 % 127), STATUS_ok);
	assert_int_equal(put_named(store, most + 1, 1), STATUS_pool_exhausted);
	assert_int_equal(put_named(store, 5, 127), STATUS_ok); /* in place of itself */
	assert_int_equal(store_remove(store, (struct identifier){.low = 5}), STATUS_ok);
	assert_int_equal(put_named(store, most + 1, 127), STATUS_ok);
	struct store_statistics statistics;
	store_statistics(store, &statistics);
	assert_int_equal(statistics.name_bytes, 81920);

	struct reward rows[2] = {make_reward(1, 0, 0), make_reward(90000, 0, 0)};
	rows[0].name = rows[1].name = "longer";
	rows[0].name_bytes = rows[1].name_bytes = 6;
	assert_int_equal(store_load(store, rows, 2), STATUS_ok); /* id 1 had 127 */
	rows[1].id.low = 90001;
	for (int i = 0; i < 19; i++, rows[1].id.low++)
		assert_int_equal(store_load(store, rows + 1, 1), STATUS_ok);
	assert_int_equal(store_load(store, rows + 1, 1), STATUS_pool_exhausted);
	store_teardown(&store);
}

static uint64_t packed_slots(struct store *store)
{
	uint64_t slots = 0;
	pthread_mutex_lock(&store->lock);
	const struct view *view = store_view(store);
	for (unsigned i = 0; i < view->run_count; i++)
		if (view->runs[i]->level_count != 0)
			slots += view->runs[i]->capacity;
	pthread_mutex_unlock(&store->lock);
	return slots;
}

/* Ended slots wait for a merge; however the changes come, they stay within what the bill has. Here a little less than
 * half of the rewards change, so that no size tier and no run that is half ended calls for the largest run. */
static void test_the_bill_holds_while_all_changes(void **state)
{
	const unsigned *replicas = *state;
	enum { REWARDS = 200000, CHANGED = REWARDS / 2 - 100, PUTS = 400000 };
	struct store *store = NULL;
	struct store_options options = {.is_plane = true, .capacity = REWARDS, .name_bytes = 4, .readers_max = 1, .kernel = "auto",
	                                .replicas = *replicas};
	struct bill bill = {};
	store_bill(&options, &bill);
	assert_int_equal(store_setup(&store, &options), STATUS_ok);
	struct reward *rows = calloc(REWARDS, sizeof *rows);
	for (uint64_t i = 0; i < REWARDS; i++) {
		rows[i] = make_reward(i, (double)i, 0);
		rows[i].name = "four";
		rows[i].name_bytes = 4;
	}
	assert_int_equal(store_load(store, rows, REWARDS), STATUS_ok);
	struct random r = {7};
	uint64_t most_slots = 0;
	uint64_t most_bytes = 0;
	for (uint64_t i = 0; i < PUTS; i++) {
		struct store_statistics s;
		while (store_put(store, &rows[random_below(&r, CHANGED)]) == STATUS_overloaded)
			sched_yield();
		store_publish(store);
		store_statistics(store, &s);
		most_bytes = s.resident_bytes > most_bytes ? s.resident_bytes : most_bytes;
		uint64_t slots = i % 64 == 0 ? packed_slots(store) : 0;
		most_slots = slots > most_slots ? slots : most_slots;
	}
	assert_in_range(most_slots, REWARDS, store_slots_max(REWARDS) + OPEN_RUNS * OPEN_SLOTS);
	assert_in_range(most_bytes, 0, bill_sum(&bill));
	free(rows);
	store_teardown(&store);
}

static void test_unknown_kernel(void **state)
{
	(void)state;
	struct store *store = NULL;
	struct store_options options = {.capacity = 1, .readers_max = 1, .kernel = "abacus"};
	assert_int_equal(store_setup(&store, &options), STATUS_invalid_field);
	assert_null(store);
}

static void test_last_row_wins(void **state)
{
	(void)state;
	struct store *store = make_store(true, 10);
	struct store_reader *reader = NULL;
	assert_int_equal(store_reader_create(store, &reader), STATUS_ok);
	struct reward rows[] = {make_reward(1, 0, 0), make_reward(2, 0, 0), make_reward(1, 100, 0)};
	assert_int_equal(store_load(store, rows, 3), STATUS_ok);
	assert_int_equal(count_near(reader, 0, 0, 1), 1);
	assert_int_equal(count_near(reader, 100, 0, 1), 1);
	rows[0].x = 200;
	assert_int_equal(store_load(store, rows, 1), STATUS_ok);
	assert_int_equal(count_near(reader, 100, 0, 1), 0);
	assert_int_equal(count_near(reader, 200, 0, 1), 1);
	store_reader_destroy(&reader);
	store_teardown(&store);
}

static void ask_everything(struct store_reader *reader, struct random *r)
{
	struct locate_query q = {.x = random_between(r, -1, 1), .y = random_between(r, -1, 1), .radius = 20000,
	                         .box = {-0.1, -0.1, 0.1, 0.1}, .limit = LOCATE_LIMIT_MAX, .kinds = "default", .kinds_bytes = 7};
	struct locate_result result;
	struct reward_view view;
	for (int area = 0; area < 3; area++) {
		q.area = (enum locate_area)area;
		store_locate(reader, &q, &result);
	}
	(void)!(store_get(reader, (struct identifier){.low = random_below(r, 5000)}, &view) == STATUS_ok);
}

static void test_nothing_is_allocated(void **state)
{
	(void)state;
	if (!allocation_count_available()) {
		printf("SKIP: a sanitizer or valgrind owns the heap, allocations cannot be counted\n");
		skip();
	}
	struct store *store = make_store(false, 10000);
	struct store_reader *reader = NULL;
	struct random r = {3};
	assert_int_equal(store_reader_create(store, &reader), STATUS_ok);
	for (uint64_t i = 0; i < 5000; i++) {
		struct reward reward = make_reward(i, random_between(&r, -1, 1), random_between(&r, -1, 1));
		assert_int_equal(store_put(store, &reward), STATUS_ok);
	}
	store_publish(store);
	store_settle(store);
	ask_everything(reader, &r);
	allocation_count_start();
	void *volatile proof = malloc(1);
	free(proof);
	assert_true(allocation_count_stop() > 0);
	allocation_count_start();
	/* Fewer changes than an open run holds: the merger, which may allocate, stays asleep. */
	for (uint64_t i = 0; i < 5000; i++) {
		if (i % 50 == 0) {
			struct reward reward = make_reward(i, random_between(&r, -1, 1), random_between(&r, -1, 1));
			assert_int_equal(store_put(store, &reward), STATUS_ok);
			store_publish(store);
		}
		ask_everything(reader, &r);
	}
	assert_int_equal(allocation_count_stop(), 0);
	store_reader_destroy(&reader);
	store_teardown(&store);
}

static bool view_has(const struct store *store, const struct view *view, struct identifier id, uint64_t version)
{
	for (unsigned i = 0; i < view->run_count; i++)
		if (run_find(view->runs[i], id, version, store->seed) != RUN_SLOT_NONE)
			return true;
	return false;
}

/* A reader that took its view just before the set of runs changed: it must not look at a
 * version in which a reward has ended in its runs and begun in a run that it does not have. */
static void test_a_view_out_of_use_is_sealed(void **state)
{
	(void)state;
	struct store *store = make_store(true, 10000);
	struct store_reader *reader = NULL;
	struct reward moved = make_reward(1, 0, 0);
	assert_int_equal(store_reader_create(store, &reader), STATUS_ok);
	assert_int_equal(store_put(store, &moved), STATUS_ok);
	uint64_t before = store_publish(store);

	epoch_enter(&reader->record); /* keeps the view from being used again */
	struct view *view = store_view(store);
	assert_true(view->last_version == UINT64_MAX);
	for (uint64_t i = 2; store_view(store) == view; i++) {
		struct reward other = make_reward(i, 1000 + (double)i, 1000);
		before = atomic_load(&store->version);
		assert_int_equal(store_put(store, &other), STATUS_ok);
		store_publish(store);
	}
	assert_int_equal(view->last_version, before);

	moved.x = 500;
	assert_int_equal(store_put(store, &moved), STATUS_ok);
	uint64_t after = store_publish(store);
	assert_true(view_has(store, view, moved.id, view->last_version));
	assert_false(view_has(store, view, moved.id, after)); /* what the seal is for */
	assert_true(view_has(store, store_view(store), moved.id, after));
	epoch_leave(&store->epoch, &reader->record);
	assert_int_equal(count_near(reader, 500, 0, 1), 1);
	store_reader_destroy(&reader);
	store_teardown(&store);
}

static unsigned count_packed(struct account *account, size_t *bytes)
{
	unsigned count = 0;
	*bytes = 0;
	for (const struct holding *h = account->first; h != NULL; h = h->next) {
		if (strcmp(h->name, "reward runs") != 0)
			continue;
		count++;
		*bytes += h->reserved;
	}
	return count;
}

/* This machine may have one node: then two replicas are forced, and both are on it. */
static void test_replicas_are_counted_and_end_together(void **state)
{
	(void)state;
	struct account account;
	struct store *store = NULL;
	struct store_reader *reader = NULL;
	struct store_statistics before, after;
	size_t bytes;
	account_setup(&account, &(struct account_policy){});
	struct store_options options = {.is_plane = true, .capacity = 100, .readers_max = 1, .kernel = "auto",
	                                .account = &account, .replicas = 2};
	assert_int_equal(store_replicas(&options), 2);
	assert_int_equal(store_setup(&store, &options), STATUS_ok);
	assert_int_equal(store_reader_create(store, &reader), STATUS_ok);
	assert_int_equal(count_packed(&account, &bytes), 0);
	store_statistics(store, &before);
	struct reward rows[] = {make_reward(1, 5, 5), make_reward(2, 5, 5)};
	assert_int_equal(store_load(store, rows, 2), STATUS_ok);
	assert_int_equal(count_packed(&account, &bytes), 2);
	store_statistics(store, &after);
	assert_in_range(after.resident_bytes - before.resident_bytes, bytes - 2 * REGION_SMALL_BYTES, bytes);
	const struct run *run = store_view(store)->runs[1];
	assert_ptr_equal(run_replica(run, 0), run);
	assert_ptr_not_equal(run_replica(run, 1)->exact, run->exact);
	assert_ptr_equal(run_replica(run, 2), run);
	assert_memory_equal(run_replica(run, 1)->exact, run->exact, 2 * sizeof *run->exact);
	assert_int_equal(store_remove(store, rows[0].id), STATUS_ok);
	store_publish(store);
	for (unsigned replica = 0; replica < 2; replica++) {
		store_reader_use_replica(reader, replica);
		assert_int_equal(count_near(reader, 5, 5, 1), 1);
		assert_int_equal(store_reader_replica(reader), replica);
	}
	store_settle(store);
	assert_int_equal(store_view(store)->runs[1]->replica_count, 2);
	store_reader_destroy(&reader);
	store_teardown(&store);
	account_teardown(&account); /* nothing is left in it */
}

enum { DIGESTED = 2000 };

static struct reward digested(uint64_t id)
{
	struct reward r = make_reward(id, (double)(id % 180), 5);
	r.kind = id % 2 == 0 ? "coffee" : "tea";
	r.kind_bytes = id % 2 == 0 ? 6 : 3;
	r.name = "a name";
	r.name_bytes = (uint32_t)(id % 7);
	r.stock = 100;
	return r;
}

static uint64_t digest_after(bool is_backwards, bool has_others, const struct reward *last)
{
	struct store *store = make_store(false, 2 * DIGESTED);
	for (uint64_t i = 0; i < DIGESTED; i++) {
		struct reward other = make_reward(DIGESTED + i, 1, 1), r = digested(is_backwards ? DIGESTED - 1 - i : i);
		while (has_others && store_put(store, &other) == STATUS_overloaded)
			store_settle(store);
		while (store_put(store, &r) == STATUS_overloaded)
			store_settle(store);
		store_publish(store);
		if (has_others)
			assert_int_equal(store_remove(store, other.id), STATUS_ok);
	}
	if (last != NULL)
		assert_int_equal(store_put(store, last), STATUS_ok);
	store_publish(store);
	uint64_t digest = store_digest(store);
	store_settle(store);
	assert_true(store_digest(store) == digest);
	store_teardown(&store);
	return digest;
}

/* Whatever way it went, the same rewards are the same; and every field counts. */
static void test_a_digest_is_of_the_content_alone(void **state)
{
	(void)state;
	uint64_t digest = digest_after(false, false, NULL);
	assert_true(digest == digest_after(true, false, NULL));
	assert_true(digest == digest_after(false, true, NULL));
	struct reward same = digested(7);
	assert_true(digest == digest_after(false, false, &same));
	struct reward others[12];
	for (int i = 0; i < 12; i++)
		others[i] = digested(7);
	others[0].x += 1e-9;
	others[1].y = 6;
	others[2].radius = 11;
	others[3].value = 1;
	others[4].stock = 101;
	others[5].from_ms = 1;
	others[6].until_ms--;
	others[7].per_actor = 2;
	others[8].taken = 1;
	others[9].kind = "coffee", others[9].kind_bytes = 6;
	others[10].name = "other", others[10].name_bytes = 5;
	others[11].benefit_type = BENEFIT_PERCENT, others[11].benefit_value = 5;
	for (int i = 0; i < 12; i++)
		assert_true(digest != digest_after(false, false, &others[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_changes_show_when_published),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_names_have_a_bound),
		{"the_bill_holds_while_all_changes", test_the_bill_holds_while_all_changes, NULL, NULL, &(unsigned){1}},
		{"the_bill_holds_for_replicas", test_the_bill_holds_while_all_changes, NULL, NULL, &(unsigned){2}},
		cmocka_unit_test(test_unknown_kernel),
		cmocka_unit_test(test_last_row_wins),
		cmocka_unit_test(test_a_view_out_of_use_is_sealed),
		cmocka_unit_test(test_replicas_are_counted_and_end_together),
		cmocka_unit_test(test_a_digest_is_of_the_content_alone),
		cmocka_unit_test(test_nothing_is_allocated),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
