/* Durations by type and stage: known messages in, percentiles and counts out. */
#include "engine/shard/latency.h"

#include "engine/base/check.h"

#include <jansson.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { PAGE_BYTES = 256 << 10 };
static const int64_t second = 1000000000;
static char page[PAGE_BYTES];

static int begin(void **state)
{
	struct latency *l;
	assert_int_equal(latency_setup(&l, NULL, 4), STATUS_ok);
	*state = l;
	return 0;
}

static int end(void **state)
{
	latency_teardown((struct latency **)state);
	assert_null(*state);
	return 0;
}

/* A message of count events of a type, whose stages take so long. 0: it did not come by there. */
struct way {
	enum event_type type;
	uint32_t count;
	int64_t decode, queue, plan, journal, send;
};

static void record(struct latency *l, const struct way *w)
{
	struct latency_trail trail;
	int64_t at = 5 * second, sent = 0;
	latency_open(&trail);
	for (uint32_t i = 0; i < w->count; i++)
		latency_note(&trail, w->type);
	trail.decoded_ns = at += w->decode;
	if (w->queue != 0)
		trail.taken_ns = at += w->queue;
	trail.planned_ns = at += w->plan;
	if (w->journal != 0)
		trail.released_ns = at += w->journal;
	if (w->send != 0)
		sent = at += w->send;
	latency_record(l, &trail, 5 * second, sent);
}

static json_t *look(struct latency *l, const char *percentiles)
{
	struct cursor out;
	json_error_t error;
	cursor_init(&out, page, sizeof page);
	assert_int_equal(latency_write_json(l, percentiles, NULL, &out), STATUS_ok);
	assert_false(out.full);
	json_t *root = json_loadb(page, cursor_used(&out), 0, &error);
	if (root == NULL)
		fail_msg("%s: %.*s", error.text, (int)cursor_used(&out), page);
	return root;
}

/* A number of {"events":[{"type":...,"stages":{stage:{window:{name:...}}}}]}; below 0: not there. */
static double number(json_t *root, const char *type, const char *stage, const char *window, const char *name)
{
	json_t *row;
	size_t i;
	json_array_foreach(json_object_get(root, "events"), i, row)
		if (strcmp(json_string_value(json_object_get(row, "type")), type) == 0) {
			json_t *value = json_object_get(
				json_object_get(json_object_get(json_object_get(row, "stages"), stage), window), name);
			return value == NULL ? -1 : json_number_value(value);
		}
	return -1;
}

static void near(double found, double expected_us)
{
	if (fabs(found - expected_us) > expected_us * HISTOGRAM_ERROR_MAX + 0.0005)
		fail_msg("%.4f us, expected %.4f", found, expected_us);
}

static void each_stage_has_its_own(void **state)
{
	struct latency *l = *state;
	record(l, &(struct way){EVENT_claim, 3, 1000, 20000, 300000, 4000000, 50000});
	record(l, &(struct way){EVENT_locate, 1, 500, 0, 7000, 0, 900});
	json_t *root = look(l, "50");
	static const struct {
		const char *stage;
		double claim_us, locate_us;
	} expected[] = {{"decode", 1, 0.5}, {"queue", 20, -1}, {"plan", 300, 7}, {"journal", 4000, -1}, {"send", 50, 0.9},
	                {"whole", 4371, 8.4}};
	for (size_t i = 0; i < COUNT_OF(expected); i++) {
		const char *stage = expected[i].stage;
		near(number(root, "claim", stage, "life", "p50"), expected[i].claim_us);
		near(number(root, "claim", stage, "life", "mean"), expected[i].claim_us);
		near(number(root, "claim", stage, "minute", "max"), expected[i].claim_us);
		assert_true(number(root, "claim", stage, "life", "count") == 3);
		assert_true(number(root, "locate", stage, "life", "count") == (expected[i].locate_us < 0 ? -1 : 1));
		if (expected[i].locate_us >= 0)
			near(number(root, "locate", stage, "minute", "p50"), expected[i].locate_us);
	}
	assert_true(number(root, "all", "whole", "life", "count") == 4);
	assert_true(number(root, "ping", "whole", "life", "count") == -1);
	json_t *messages = json_object_get(json_object_get(json_object_get(root, "messages"), "stages"), "whole");
	assert_int_equal(json_integer_value(json_object_get(json_object_get(messages, "life"), "count")), 2);
	json_decref(root);
}

static void what_cannot_be_read_is_a_message(void **state)
{
	struct latency *l = *state;
	record(l, &(struct way){EVENT_NONE, 0, 1000, 0, 2000, 0, 300});
	record(l, &(struct way){EVENT_ping, 1, 1000, 0, 2000, 0, 300});
	json_t *root = look(l, "50");
	json_t *stages = json_object_get(json_object_get(root, "messages"), "stages");
	assert_int_equal(json_object_size(stages), 1);
	json_t *life = json_object_get(json_object_get(stages, "whole"), "life");
	assert_int_equal(json_integer_value(json_object_get(life, "count")), 2);
	near(json_number_value(json_object_get(life, "mean")), 3.3);
	assert_true(number(root, "all", "decode", "life", "count") == 1);
	json_decref(root);
}

static void percentiles_as_asked(void **state)
{
	struct latency *l = *state;
	for (int64_t i = 1; i <= 10000; i++)
		record(l, &(struct way){EVENT_ping, 1, 100, 0, i * 1000 - 100, 0, 0});
	json_t *root = look(l, "99.99, 50,0,100");
	near(number(root, "ping", "whole", "life", "p50"), 5000);
	near(number(root, "ping", "whole", "life", "p99.99"), 9999);
	near(number(root, "ping", "whole", "life", "p0"), 1);
	near(number(root, "ping", "whole", "life", "p100"), 10000);
	assert_true(number(root, "ping", "whole", "life", "p99") == -1);
	json_decref(root);
	root = look(l, NULL);
	static const char *const usual[] = {"p50", "p90", "p95", "p99", "p99.9", "p99.99"};
	static const double us[] = {5000, 9000, 9500, 9900, 9990, 9999};
	for (size_t i = 0; i < COUNT_OF(usual); i++)
		near(number(root, "ping", "whole", "minute", usual[i]), us[i]);
	json_decref(root);
}

static void nonsense_is_refused(void **state)
{
	struct latency *l = *state;
	static const char *const bad[] = {"x", "101", "-1", "nan", "inf", "1,", ",1", "1;2", "50 60",
	                                  "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17"};
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct cursor out;
		cursor_init(&out, page, sizeof page);
		assert_int_equal(latency_write_json(l, bad[i], NULL, &out), STATUS_invalid_field);
		assert_int_equal(cursor_used(&out), 0);
	}
}

static void one_type_comes_with_its_histogram(void **state)
{
	struct latency *l = *state;
	struct cursor out;
	json_error_t error;
	record(l, &(struct way){EVENT_ping, 4, 100, 0, 900, 0, 0});
	record(l, &(struct way){EVENT_ping, 2, 1000, 0, 999000, 0, 0});
	record(l, &(struct way){EVENT_locate, 9, 1000, 0, 9000, 0, 0});
	cursor_init(&out, page, sizeof page);
	assert_int_equal(latency_write_json(l, "99", "lokate", &out), STATUS_not_found);
	assert_int_equal(cursor_used(&out), 0);
	assert_int_equal(latency_write_json(l, "99", "ping", &out), STATUS_ok);
	json_t *root = json_loadb(page, cursor_used(&out), 0, &error);
	assert_non_null(root);
	assert_int_equal(json_array_size(json_object_get(root, "events")), 1);
	json_t *whole = json_object_get(json_object_get(json_array_get(json_object_get(root, "events"), 0), "stages"), "whole");
	json_t *buckets = json_object_get(json_object_get(whole, "life"), "buckets");
	static const double us[] = {1, 1000}, times[] = {4, 2};
	assert_int_equal(json_array_size(buckets), 2);
	for (size_t i = 0; i < 2; i++) {
		json_t *b = json_array_get(buckets, i);
		double from = json_number_value(json_array_get(b, 0)), to = json_number_value(json_array_get(b, 1));
		assert_true(from <= us[i] && us[i] < to && to <= from * 1.26);
		assert_true(json_number_value(json_array_get(b, 2)) == times[i]);
	}
	json_decref(root);
}

static void the_last_minute_forgets_what_the_life_keeps(void **state)
{
	struct latency *l = *state;
	int64_t now = clock_monotonic_ns();
	for (int i = 0; i < 100; i++)
		record(l, &(struct way){EVENT_ping, 2, 1000, 0, 999000, 0, 0});
	for (int turn = 1; turn <= 6; turn++)
		latency_turn(l, now + turn * 10 * second + turn);
	json_t *root = look(l, "50");
	assert_true(number(root, "ping", "whole", "minute", "count") == 200);
	json_decref(root);

	latency_turn(l, now + 65 * second); /* less than a turn since: nothing happens */
	for (int i = 0; i < 5; i++)
		record(l, &(struct way){EVENT_ping, 1, 1000, 0, 3000, 0, 0});
	for (int turn = 7; turn <= 9; turn++)
		latency_turn(l, now + turn * 10 * second + turn);
	root = look(l, "50,100");
	assert_true(number(root, "ping", "whole", "minute", "count") == 5);
	near(number(root, "ping", "whole", "minute", "p100"), 4);
	near(number(root, "ping", "whole", "minute", "mean"), 4);
	assert_true(number(root, "ping", "whole", "life", "count") == 205);
	near(number(root, "ping", "whole", "life", "p50"), 1000);
	json_decref(root);

	for (int turn = 10; turn <= 20; turn++)
		latency_turn(l, now + turn * 10 * second + turn);
	root = look(l, "50");
	assert_true(number(root, "ping", "whole", "minute", "count") == 0);
	assert_true(number(root, "ping", "whole", "minute", "p50") == -1);
	json_decref(root);
}

/* A cell of a recorder is 32 bits wide. */
static void counts_go_on_beyond_32_bits(void **state)
{
	struct latency *l = *state;
	struct latency_trail trail;
	latency_open(&trail);
	latency_note(&trail, EVENT_ping);
	trail.count[EVENT_ping] = UINT32_C(3) << 30;
	trail.planned_ns = second + 1000;
	for (int i = 1; i <= 5; i++) {
		latency_record(l, &trail, second, 0);
		json_decref(look(l, NULL));
	}
	json_t *root = look(l, NULL);
	assert_true(number(root, "ping", "whole", "life", "count") == 5 * 3221225472.0);
	json_decref(root);
}

static uint64_t total(const struct metric_histogram *h, unsigned from)
{
	uint64_t sum = 0;
	for (unsigned i = from; i <= METRIC_BUCKETS; i++)
		sum += metric_read(&h->bucket[i]);
	return sum;
}

static void what_prometheus_gets_adds_up(void **state)
{
	struct latency *l = *state;
	struct metric_histogram messages = {}, types[EVENT_TYPE_MAX + 1] = {}, stages[LATENCY_STAGE_COUNT] = {};
	record(l, &(struct way){EVENT_ping, 7, 1, 0, 1, 0, 0});
	record(l, &(struct way){EVENT_claim, 5, 1000, 20000, 300000, 4000000, 50000});
	record(l, &(struct way){EVENT_cart_add, 1, 1000, 20000, 300000, 4 * second, 50000});
	latency_read(l, &messages, types, stages);
	assert_int_equal(total(&messages, 0), 3);
	uint64_t events = 0;
	for (unsigned type = 0; type <= EVENT_TYPE_MAX; type++)
		events += total(&types[type], 0);
	assert_int_equal(events, 13);
	/* 2 ns; 4.4 ms, between 2^22 and 2^23 ns; above all bounds. */
	assert_int_equal(metric_read(&types[EVENT_ping].bucket[0]), 7);
	assert_int_equal(metric_read(&types[EVENT_claim].bucket[23 - METRIC_BUCKET_FIRST]), 5);
	assert_int_equal(metric_read(&types[EVENT_cart_add].bucket[METRIC_BUCKETS]), 1);
	assert_int_equal(total(&stages[LATENCY_decode], 0), 13);
	assert_int_equal(total(&stages[LATENCY_journal], 0), 6);
	assert_int_equal(total(&stages[LATENCY_whole], 0), 0);
	assert_int_equal(metric_read(&stages[LATENCY_journal].sum_ns), 5 * 4000000 + 4 * second);
	assert_int_equal(metric_read(&types[EVENT_claim].sum_ns), 5 * 4371000);
}

enum { THREADS = 4, EACH = 50000 };

static void *record_many(void *argument)
{
	for (int i = 0; i < EACH; i++)
		record(argument, &(struct way){1 + (enum event_type)(i % EVENT_TYPE_MAX), 2, 100 + i % 1000, 0, 100, 0, 50});
	return NULL;
}

static void threads_lose_nothing_while_others_read(void **state)
{
	struct latency *l = *state;
	pthread_t threads[THREADS];
	double before = -1; /* as long as nothing was recorded, it is not there */
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, record_many, l), 0);
	for (int i = 0; i < 20; i++) {
		latency_turn(l, clock_monotonic_ns() + i * 10 * second);
		json_t *root = look(l, NULL);
		double now = number(root, "all", "whole", "life", "count");
		assert_true(now >= before);
		before = now;
		json_decref(root);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	json_t *root = look(l, NULL);
	assert_true(number(root, "all", "whole", "life", "count") == 2.0 * THREADS * EACH);
	double sum = 0;
	for (unsigned type = 1; type <= EVENT_TYPE_MAX; type++)
		sum += number(root, event_name((enum event_type)type), "send", "life", "count");
	assert_true(sum == 2.0 * THREADS * EACH);
	json_decref(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_stage_has_its_own, begin, end),
		cmocka_unit_test_setup_teardown(what_cannot_be_read_is_a_message, begin, end),
		cmocka_unit_test_setup_teardown(percentiles_as_asked, begin, end),
		cmocka_unit_test_setup_teardown(nonsense_is_refused, begin, end),
		cmocka_unit_test_setup_teardown(one_type_comes_with_its_histogram, begin, end),
		cmocka_unit_test_setup_teardown(the_last_minute_forgets_what_the_life_keeps, begin, end),
		cmocka_unit_test_setup_teardown(counts_go_on_beyond_32_bits, begin, end),
		cmocka_unit_test_setup_teardown(what_prometheus_gets_adds_up, begin, end),
		cmocka_unit_test_setup_teardown(threads_lose_nothing_while_others_read, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
