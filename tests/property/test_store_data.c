/*
 * The store and the brute-force twin on real places: San Francisco's restaurants asked
 * from its taxis, the world's cities asked from all over. Needs the folder TROVE_DATA;
 * without it the tests are skipped, visibly.
 */
#include "engine/base/csv.h"
#include "engine/base/random.h"
#include "engine/store/find.h"
#include "tests/support/oracle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct places {
	size_t count;
	double *x, *y;
};

static bool read_places(const char *file, size_t most, struct places *p)
{
	const char *folder = getenv("TROVE_DATA");
	char path[512];
	snprintf(path, sizeof path, "%s/%s", folder == NULL ? "../shared/data" : folder, file);
	struct csv *csv = csv_open(path);
	if (csv == NULL) {
		printf("SKIP: no %s in TROVE_DATA\n", file);
		return false;
	}
	*p = (struct places){0, calloc(most, sizeof(double)), calloc(most, sizeof(double))};
	int lon = csv_column(csv, "lon");
	int lat = csv_column(csv, "lat");
	const char *reason;
	for (; p->count < most && csv_next(csv, &reason) == CSV_RECORD; p->count++) {
		p->x[p->count] = strtod(csv_field(csv, lon), NULL);
		p->y[p->count] = strtod(csv_field(csv, lat), NULL);
	}
	csv_close(&csv);
	return true;
}

static void drop_places(struct places *p)
{
	free(p->x);
	free(p->y);
}

static struct store *load(const struct places *p, bool is_plane, const char *kernel, struct oracle *oracle)
{
	struct store *store = NULL;
	struct store_options options = {.is_plane = is_plane, .capacity = p->count, .readers_max = 1, .kernel = kernel};
	struct reward *rows = calloc(p->count, sizeof *rows);
	if (store_setup(&store, &options) != STATUS_ok)
		fail_msg("no store with %s", kernel);
	oracle->rewards = calloc(p->count, sizeof *oracle->rewards);
	oracle->capacity = p->count;
	for (size_t i = 0; i < p->count; i++) {
		rows[i] = (struct reward){.id = {.low = i}, .x = p->x[i], .y = p->y[i], .radius = (double)(i % 500),
		                          .stock = (int64_t)(i % 9), .until_ms = INT64_MAX, .per_actor = 1};
		oracle->rewards[i] = (struct oracle_reward){.reward = rows[i], .kind = "default", .is_alive = true};
	}
	oracle->count = p->count;
	assert_int_equal(store_load(store, rows, p->count), STATUS_ok);
	free(rows);
	return store;
}

static void compare(const struct oracle *oracle, struct store_reader *reader, const struct locate_query *q)
{
	struct locate_result got;
	struct oracle_match *want;
	store_locate(reader, q, &got);
	uint64_t count = oracle_locate(oracle, q, &want);
	assert_int_equal(got.count, count);
	for (uint32_t i = 0; i < got.match_count; i++) {
		assert_true(identifier_equal(got.matches[i].reward, want[i].reward));
		assert_memory_equal(&got.matches[i].distance, &want[i].distance, sizeof(double));
	}
	free(want);
}

static void ask_from(const struct places *rewards, const struct places *from, bool is_plane, const char *kernel,
                     unsigned queries)
{
	struct oracle oracle;
	struct store_reader *reader = NULL;
	struct random r = {17};
	oracle_init(&oracle, is_plane);
	struct store *store = load(rewards, is_plane, kernel, &oracle);
	assert_int_equal(store_reader_create(store, &reader), STATUS_ok);
	for (unsigned i = 0; i < queries; i++) {
		size_t k = random_below(&r, from->count);
		double size = 0.001 * (double)(1 + random_below(&r, 50));
		struct locate_query q = {.x = from->x[k], .y = from->y[k], .area = (enum locate_area)(i % 3), .limit = 64,
		                         .radius = is_plane ? size : size * 111195, .at_ms = 1};
		double box[4] = {q.x - size, q.y - size, q.x + size, q.y + size};
		memcpy(q.box, box, sizeof box);
		compare(&oracle, reader, &q);
	}
	store_reader_destroy(&reader);
	store_teardown(&store);
	oracle_deinit(&oracle);
}

static void test_san_francisco(void **state)
{
	(void)state;
	struct places rewards, taxis;
	if (!read_places("rewards_sf.csv.gz", 100000, &rewards) || !read_places("locations_sf.csv.gz", 300000, &taxis))
		skip();
	ask_from(&rewards, &taxis, false, "auto", 3000);
	ask_from(&rewards, &taxis, false, "scalar", 600);
	ask_from(&rewards, &taxis, true, "auto", 600);
	drop_places(&rewards);
	drop_places(&taxis);
}

static void test_world(void **state)
{
	(void)state;
	struct places rewards;
	if (!read_places("rewards_world.csv.gz", 200000, &rewards))
		skip();
	ask_from(&rewards, &rewards, false, "auto", 150);
	ask_from(&rewards, &rewards, true, "auto", 150);
	drop_places(&rewards);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_san_francisco), cmocka_unit_test(test_world)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
