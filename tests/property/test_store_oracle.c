/*
 * The store and a brute-force twin get the same changes and the same queries; their
 * answers must be the same to the last bit: ids, order, distances, count. For each
 * filter that this machine has, with and without the index, in both spaces, from one to
 * three replicas.
 *
 * TROVE_TEST_SEED repeats a failure, TROVE_TEST_ROUNDS makes it longer.
 */
#include "engine/base/random.h"
#include "engine/store/filter.h"
#include "engine/store/find.h"
#include "tests/support/oracle.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW (INT64_C(1700000000000))

enum cloud { CLOUD_UNIFORM, CLOUD_CLUSTERED, CLOUD_ADVERSARIAL, CLOUDS };

struct world {
	bool is_plane;
	enum cloud cloud;
	const char *kernel;
	struct random random;
	struct store *store;
	struct store_reader *reader;
	struct oracle oracle;
	unsigned kind_count;
	unsigned replicas;
	uint64_t id_range;
};

static const double adversarial_geo_x[] = {-180, 180, 179.99999999, -179.99999999, 0, -0.0, 5e-324, 1e-300, 90, -90,
                                            0.1,  1e-7, -1e-9, 179.9999, -179.9999};
static const double adversarial_geo_y[] = {-90, 90, 89.9999999, -89.9999999, 0, -0.0, 5e-324, 1e-12, 45, 89.99,
                                            -89.99, 0.1, 60, 89.999999999999};
static const double adversarial_plane[] = {0,    -0.0, 5e-324, -5e-324, 1e-310, 1e-200, 1e-45, 1.5e-45, 1e15, -1e15,
                                           1e15 - 0.125, 3, 4, 5, 0.1, 0.2, 0.30000000000000004, 16777217, 16777216,
                                           33554433.5, -16777217, 1e8 + 0.25, 1.17549435e-38, 999999999999999};

static double pick(struct random *r, const double *list, size_t count) { return list[random_below(r, count)]; }
#define PICK(r, list) pick(r, list, sizeof(list) / sizeof *(list))

static double clamp(double v, double low, double high) { return v < low ? low : v > high ? high : v; }

static void random_place(struct world *w, double *x, double *y)
{
	struct random *r = &w->random;
	double size_x = w->is_plane ? 1000 : 180;
	double size_y = w->is_plane ? 1000 : 90;
	switch (w->cloud) {
	case CLOUD_UNIFORM:
		*x = random_between(r, -size_x, size_x);
		*y = random_between(r, -size_y, size_y);
		return;
	case CLOUD_CLUSTERED: {
		double spread = pow(10, random_between(r, -9, 0));
		double cx = (double)random_below(r, 5) * size_x / 2 - size_x;
		double cy = (double)random_below(r, 5) * size_y / 2 - size_y;
		*x = clamp(cx + random_between(r, -spread, spread), -size_x, size_x);
		*y = clamp(cy + random_between(r, -spread, spread), -size_y, size_y);
		return;
	}
	default:
		*x = w->is_plane ? PICK(r, adversarial_plane) : PICK(r, adversarial_geo_x);
		*y = w->is_plane ? PICK(r, adversarial_plane) : PICK(r, adversarial_geo_y);
		if (random_below(r, 4) == 0)
			*x = nextafter(*x, 0);
		if (random_below(r, 4) == 0)
			*y = nextafter(*y, 0);
	}
}

static double random_radius(struct world *w)
{
	struct random *r = &w->random;
	switch (random_below(r, 8)) {
	case 0:
		return 0;
	case 1:
		return w->is_plane ? 1e15 : 20015114.442; /* everywhere, nearly */
	case 2:
		return pow(10, random_between(r, -320, 0));
	case 3:
		return w->is_plane ? 5 : 10007557.2; /* the 3-4-5 triangle; a quarter of the way round */
	case 4:
		return w->is_plane ? random_between(r, 0, 1e8) : random_between(r, 0, 2.1e7);
	default:
		return pow(10, random_between(r, -3, w->is_plane ? 3 : 6));
	}
}

static int64_t random_time(struct random *r)
{
	static const int64_t edges[] = {0, NOW, NOW - 1, NOW + 1, NOW + 999, NOW - 1000, NOW + 1000, INT64_MAX, INT64_MIN,
	                                INT64_MAX - 1, -1, 4294967296000, 4294967295999, 9007199254740992, -9007199254740992};
	return edges[random_below(r, sizeof edges / sizeof *edges)];
}

static struct identifier random_id(struct world *w)
{
	uint64_t n = random_below(&w->random, w->id_range);
	return (struct identifier){n % 7 == 0 ? 0 : n, n % 3, n % 2 == 0};
}

static struct reward random_reward(struct world *w, char kind[32], char name[128])
{
	struct random *r = &w->random;
	struct reward reward = {
		.id = random_id(w),
		.value = (int64_t)random_next(r) >> 12,
		.stock = random_below(r, 8) == 0 ? 0 : random_below(r, 2) == 0 ? STOCK_UNLIMITED : (int64_t)random_below(r, 100),
		.from_ms = random_below(r, 3) == 0 ? random_time(r) : 0,
		.until_ms = random_below(r, 3) == 0 ? random_time(r) : INT64_MAX,
		.per_actor = 1,
		.kind = kind,
		.name = name,
		.radius = random_radius(w),
	};
	random_place(w, &reward.x, &reward.y);
	reward.kind_bytes = (uint32_t)snprintf(kind, 32, "kind-%d", (int)random_below(r, w->kind_count));
	reward.name_bytes = (uint32_t)random_below(r, 128);
	memset(name, 'a' + (int)random_below(r, 26), reward.name_bytes);
	return reward;
}

static void random_kinds(struct world *w, char *list, struct locate_query *q)
{
	if (random_below(&w->random, 2) == 0)
		return;
	int used = 0;
	for (uint64_t n = 1 + random_below(&w->random, 4); n > 0; n--)
		used += snprintf(list + used, 32, "%skind-%d", used == 0 ? "" : ",", (int)random_below(&w->random, w->kind_count + 3));
	q->kinds = list;
	q->kinds_bytes = (uint32_t)used;
}

/* Half of the queries stand where a reward does or where its distance is the radius. */
static struct locate_query random_query(struct world *w, char *kinds)
{
	struct random *r = &w->random;
	struct locate_query q = {.at_ms = NOW, .area = (enum locate_area)random_below(r, 3)};
	if (random_below(r, 4) == 0)
		q.at_ms = random_time(r);
	random_place(w, &q.x, &q.y);
	q.radius = random_radius(w);
	const struct reward *other =
	    w->oracle.count == 0 ? NULL : &w->oracle.rewards[random_below(r, w->oracle.count)].reward;
	if (other != NULL && random_below(r, 3) == 0) {
		q.x = other->x;
		q.y = other->y;
	} else if (other != NULL && random_below(r, 2) == 0) {
		q.radius = oracle_distance(&w->oracle, q.x, q.y, other->x, other->y);
		if (random_below(r, 3) == 0)
			q.radius = nextafter(q.radius, 0);
	}
	if (q.area == LOCATE_BOX) {
		random_place(w, &q.box[0], &q.box[1]);
		random_place(w, &q.box[2], &q.box[3]);
		if (other != NULL && random_below(r, 2) == 0) {
			q.box[0] = other->x;
			q.box[3] = other->y;
		}
		bool is_crossing = !w->is_plane && random_below(r, 2) == 0;
		if ((q.box[0] > q.box[2]) != is_crossing) {
			double t = q.box[0];
			q.box[0] = q.box[2];
			q.box[2] = t;
		}
		if (q.box[1] > q.box[3]) {
			double t = q.box[1];
			q.box[1] = q.box[3];
			q.box[3] = t;
		}
	}
	q.limit = random_below(r, 3) == 0 ? LOCATE_LIMIT_MAX : 1 + (uint32_t)random_below(r, 20);
	random_kinds(w, kinds, &q);
	return q;
}

static bool same_bits(double a, double b) { return memcmp(&a, &b, sizeof a) == 0; }

static void compare(struct world *w, const struct locate_query *q, bool use_index)
{
	struct locate_result got;
	struct oracle_match *want;
	store_reader_use_index(w->reader, use_index);
	store_reader_use_replica(w->reader, (unsigned)random_below(&w->random, w->replicas));
	store_locate(w->reader, q, &got);
	uint64_t count = oracle_locate(&w->oracle, q, &want);
	if (got.count != count)
		fail_msg("%s %s cloud %d index %d area %d at %.17g %.17g radius %.17g box %.17g %.17g %.17g %.17g: %lu, not %lu",
		         w->kernel, w->is_plane ? "plane" : "geo", w->cloud, use_index, q->area, q->x, q->y, q->radius,
		         q->box[0], q->box[1], q->box[2], q->box[3], (unsigned long)got.count, (unsigned long)count);
	assert_int_equal(got.match_count, count < q->limit ? count : q->limit);
	for (uint32_t i = 0; i < got.match_count; i++) {
		assert_true(identifier_equal(got.matches[i].reward, want[i].reward));
		assert_int_equal(got.matches[i].reward.is_uuid, want[i].reward.is_uuid);
		assert_true(same_bits(got.matches[i].distance, want[i].distance));
		assert_int_equal(got.matches[i].value, want[i].value);
		assert_int_equal(got.matches[i].remaining, want[i].remaining);
		assert_string_equal(got.matches[i].kind, want[i].kind);
	}
	struct found_slot found[1];
	assert_int_equal(store_find(w->reader, q, found, 1), count);
	free(want);
}

static void compare_get(struct world *w)
{
	struct identifier id = random_id(w);
	struct reward_view got;
	const struct oracle_reward *want = oracle_get(&w->oracle, id);
	store_reader_use_replica(w->reader, (unsigned)random_below(&w->random, w->replicas));
	status s = store_get(w->reader, id, &got);
	assert_int_equal(s, want == NULL ? STATUS_not_found : STATUS_ok);
	if (want == NULL)
		return;
	assert_true(same_bits(got.x, want->reward.x) && same_bits(got.y, want->reward.y));
	assert_true(got.radius == want->reward.radius && got.stock == want->reward.stock);
	assert_true(got.from_ms == want->reward.from_ms && got.until_ms == want->reward.until_ms);
	assert_string_equal(got.kind, want->kind);
	assert_string_equal(got.name, want->name);
}

static void change(struct world *w)
{
	if (random_below(&w->random, 4) == 0) {
		struct identifier id = random_id(w);
		bool is_there = oracle_remove(&w->oracle, id);
		assert_int_equal(store_can_remove(w->store, id), is_there ? STATUS_ok : STATUS_not_found);
		assert_int_equal(store_remove(w->store, id), is_there ? STATUS_ok : STATUS_not_found);
		return;
	}
	char kind[32];
	char name[128];
	struct reward reward = random_reward(w, kind, name);
	assert_int_equal(store_can_put(w->store, &reward), STATUS_ok);
	assert_int_equal(store_put(w->store, &reward), STATUS_ok);
	oracle_put(&w->oracle, &reward);
}

static void load(struct world *w, unsigned count)
{
	struct reward *rows = calloc(count, sizeof *rows);
	char(*kinds)[32] = calloc(count, sizeof *kinds);
	char(*names)[128] = calloc(count, sizeof *names);
	for (unsigned i = 0; i < count; i++) {
		rows[i] = random_reward(w, kinds[i], names[i]);
		oracle_put(&w->oracle, &rows[i]);
	}
	assert_int_equal(store_load(w->store, rows, count), STATUS_ok);
	free(rows);
	free(kinds);
	free(names);
}

static void check_all(struct world *w, unsigned queries)
{
	struct store_statistics statistics;
	store_statistics(w->store, &statistics);
	assert_int_equal(statistics.rewards, oracle_live(&w->oracle));
	for (unsigned i = 0; i < queries; i++) {
		char kinds[256];
		struct locate_query q = random_query(w, kinds);
		compare(w, &q, true);
		compare(w, &q, false);
		compare_get(w);
	}
}

static unsigned rounds(void)
{
	const char *text = getenv("TROVE_TEST_ROUNDS");
	return text == NULL ? 1 : (unsigned)strtoul(text, NULL, 10);
}

static void run_world(bool is_plane, enum cloud cloud, const char *kernel, uint64_t seed)
{
	struct world w = {.is_plane = is_plane, .cloud = cloud, .kernel = kernel, .random = {seed},
	                  .replicas = 1 + (unsigned)cloud};
	struct store_options options = {.is_plane = is_plane, .capacity = 100000, .readers_max = 2, .kernel = kernel,
	                                .replicas = w.replicas};
	w.kind_count = cloud == CLOUD_UNIFORM ? 3 : 200;
	w.id_range = 3000;
	oracle_init(&w.oracle, is_plane);
	assert_int_equal(store_setup(&w.store, &options), STATUS_ok);
	assert_int_equal(store_reader_create(w.store, &w.reader), STATUS_ok);
	check_all(&w, 3);
	load(&w, 1 + (unsigned)random_below(&w.random, 2500));
	check_all(&w, 40 * rounds());
	for (int step = 0; step < 12; step++) {
		for (uint64_t n = random_below(&w.random, 700); n > 0; n--)
			change(&w);
		store_publish(w.store);
		check_all(&w, 12 * rounds());
		if (random_below(&w.random, 3) == 0)
			store_settle(w.store);
	}
	store_settle(w.store);
	check_all(&w, 60 * rounds());
	store_reader_destroy(&w.reader);
	store_teardown(&w.store);
	oracle_deinit(&w.oracle);
}

static void test_same_as_oracle(void **state)
{

	const char *kernel = *state;
	const char *seed_text = getenv("TROVE_TEST_SEED");
	uint64_t seed = seed_text == NULL ? 20260101 : strtoull(seed_text, NULL, 10);
	const struct filter *filter;
	if (filter_choose(kernel, &filter) != STATUS_ok) {
		printf("SKIP: this machine has no %s\n", kernel);
		skip();
	}
	for (unsigned round = 0; round < rounds(); round++)
		for (int plane = 0; plane < 2; plane++)
			for (int cloud = 0; cloud < CLOUDS; cloud++)
				run_world(plane != 0, (enum cloud)cloud, kernel, seed + round);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		{"same_as_oracle_scalar", test_same_as_oracle, NULL, NULL, (char[]){"scalar"}},
		{"same_as_oracle_avx2", test_same_as_oracle, NULL, NULL, (char[]){"avx2"}},
		{"same_as_oracle_avx512", test_same_as_oracle, NULL, NULL, (char[]){"avx512"}},
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
