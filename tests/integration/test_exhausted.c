/*
 * Everything that can be used up: pools, the writer's queue, the last piece of a reward, what a payment holds, the time
 * that an event may wait. Full is said at once and is not remembered; of what can be had once, one gets it.
 */
#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "tests/support/crowd.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MANY = 64, REPLY = 8192 };

static char reply[REPLY];

static const char *ask(struct peer *p, const char *json)
{
	if (!peer_ask(p, json, reply, sizeof reply))
		fail_msg("no reply to %s", json);
	return reply;
}

static void has(struct peer *p, const char *json, const char *text)
{
	if (strstr(ask(p, json), text) == NULL)
		fail_msg("%s was answered %s, expected %s", json, reply, text);
}

static void is_full(struct peer *p, const char *json)
{
	has(p, json, "\"code\":\"pool_exhausted\"");
	assert_non_null(strstr(reply, "\"retry\":\"same_id\""));
	assert_null(strstr(reply, "\"seq\"")); /* not kept */
	has(p, json, "\"code\":\"pool_exhausted\"");
	assert_null(strstr(reply, "\"replayed\""));
}

/* ---- pools -------------------------------------------------------------------------------------------------------- */

static const char *const tiny[] = {
	"carts.capacity=2",    "carts.extents=2",       "payments.capacity=2",  "claims.capacity=2",    "products.capacity=2",
	"rewards.capacity=10", "memory.prefault=false", "memory.pages=small",   "events.threads=2",     "log.level=warning",
	NULL};

static struct peer tiny_peer;

static int start_tiny(void **state)
{
	struct service *s = malloc(sizeof *s);
	service_start(s, tiny);
	*state = s;
	return peer_open(&tiny_peer, s->port) ? 0 : -1;
}

static int stop(void **state)
{
	struct service *s = *state;
	peer_close(&tiny_peer);
	int code = service_stop(s, SIGTERM);
	free(s);
	return code;
}

static void carts_run_out(void **state)
{
	struct peer *p = &tiny_peer;
	(void)state;
	has(p, "{\"type\":\"cart.open\",\"id\":1,\"cart\":1,\"currency\":\"EUR\"}", "\"seq\"");
	has(p, "{\"type\":\"cart.open\",\"id\":2,\"cart\":2,\"currency\":\"EUR\"}", "\"seq\"");
	is_full(p, "{\"type\":\"cart.open\",\"id\":3,\"cart\":3,\"currency\":\"EUR\"}");
	has(p, "{\"type\":\"cart.get\",\"cart\":1}", "\"state\":\"open\""); /* never a live one dropped */
	has(p, "{\"type\":\"cart.add\",\"id\":4,\"cart\":1,\"sku\":\"a\",\"unit_price\":1}", "\"seq\"");
	has(p, "{\"type\":\"cart.checkout\",\"id\":5,\"cart\":1,\"payment\":1}", "\"authorized\"");
	has(p, "{\"type\":\"cart.open\",\"id\":3,\"cart\":3,\"currency\":\"EUR\"}", "\"state\":\"open\"");
	assert_null(strstr(reply, "\"replayed\""));
	has(p, "{\"type\":\"cart.get\",\"cart\":2}", "\"state\":\"open\"");
	has(p, "{\"type\":\"cart.open\",\"id\":3,\"cart\":3,\"currency\":\"EUR\"}", "\"replayed\":true");
}

static void extents_run_out(void **state)
{
	struct peer *p = &tiny_peer;
	char json[200];
	(void)state;
	has(p, "{\"type\":\"cart.open\",\"id\":1,\"cart\":1,\"currency\":\"EUR\"}", "\"seq\"");
	for (int i = 0; i < 40; i++) {
		snprintf(json, sizeof json, "{\"type\":\"cart.add\",\"id\":%d,\"cart\":1,\"sku\":\"s%d\",\"unit_price\":1}", 10 + i, i);
		has(p, json, "\"seq\"");
	}
	static const char more[] = "{\"type\":\"cart.add\",\"id\":99,\"cart\":1,\"sku\":\"more\",\"unit_price\":5}";
	is_full(p, more);
	has(p, "{\"type\":\"cart.get\",\"cart\":1}", "\"total\":40");
	has(p, "{\"type\":\"cart.add\",\"id\":100,\"cart\":1,\"sku\":\"s7\",\"unit_price\":1}", "\"total\":41"); /* takes no room */
	has(p, "{\"type\":\"cart.remove\",\"id\":101,\"cart\":1,\"sku\":\"s3\"}", "\"total\":40");
	has(p, more, "\"total\":45");
	has(p, more, "\"replayed\":true");
}

static void payments_run_out(void **state)
{
	struct peer *p = &tiny_peer;
	(void)state;
	static const char third[] = "{\"type\":\"payment.authorize\",\"id\":3,\"payment\":3,\"amount\":9,\"currency\":\"EUR\"}";
	has(p, "{\"type\":\"payment.authorize\",\"id\":1,\"payment\":1,\"amount\":9,\"currency\":\"EUR\"}", "\"authorized\":9");
	has(p, "{\"type\":\"payment.authorize\",\"id\":2,\"payment\":2,\"amount\":9,\"currency\":\"EUR\"}", "\"authorized\":9");
	is_full(p, third);
	has(p, "{\"type\":\"payment.get\",\"payment\":1}", "\"state\":\"authorized\"");
	has(p, "{\"type\":\"payment.void\",\"id\":4,\"payment\":1}", "\"voided\":9");
	has(p, third, "\"state\":\"authorized\"");
	has(p, third, "\"replayed\":true");
	has(p, "{\"type\":\"payment.get\",\"payment\":1}", "\"state\":\"voided\""); /* from the journal */
	/* A captured one leaves for a new one, and comes back to be refunded. */
	has(p, "{\"type\":\"payment.capture\",\"id\":5,\"payment\":2}", "\"state\":\"captured\"");
	has(p, "{\"type\":\"payment.authorize\",\"id\":6,\"payment\":4,\"amount\":9,\"currency\":\"EUR\"}", "\"authorized\":9");
	has(p, "{\"type\":\"payment.get\",\"payment\":2}", "\"state\":\"captured\"");
	has(p, "{\"type\":\"payment.refund\",\"id\":7,\"payment\":2}", "\"state\":\"refunded\"");
}

static void products_run_out(void **state)
{
	struct peer *p = &tiny_peer;
	(void)state;
	static const char third[] = "{\"type\":\"product.put\",\"id\":3,\"sku\":\"c\",\"unit_price\":9,\"currency\":\"EUR\"}";
	has(p, "{\"type\":\"product.put\",\"id\":1,\"sku\":\"a\",\"unit_price\":9,\"currency\":\"EUR\"}", "ok");
	has(p, "{\"type\":\"product.put\",\"id\":2,\"sku\":\"b\",\"unit_price\":9,\"currency\":\"EUR\"}", "ok");
	is_full(p, third);
	has(p, "{\"type\":\"product.put\",\"id\":4,\"sku\":\"b\",\"unit_price\":8,\"currency\":\"EUR\"}", "ok"); /* takes no room */
	has(p, "{\"type\":\"product.remove\",\"id\":5,\"sku\":\"a\"}", "ok");
	has(p, third, "\"type\":\"ok\"");
	has(p, third, "\"replayed\":true");
}

static void claims_run_out(void **state)
{
	struct peer *p = &tiny_peer;
	(void)state;
	static const char third[] = "{\"type\":\"claim\",\"id\":13,\"actor\":3,\"reward\":1,\"x\":1,\"y\":1}";
	has(p, "{\"type\":\"reward.put\",\"id\":1,\"reward\":1,\"x\":1,\"y\":1,\"radius\":9,\"stock\":9}", "ok");
	has(p, "{\"type\":\"claim\",\"id\":11,\"actor\":1,\"reward\":1,\"x\":1,\"y\":1}", "\"remaining\":8");
	has(p, "{\"type\":\"claim\",\"id\":12,\"actor\":2,\"reward\":1,\"x\":1,\"y\":1}", "\"remaining\":7");
	is_full(p, third);
	has(p, "{\"type\":\"reward.get\",\"reward\":1}", "\"remaining\":7");
	/* Claims are kept for good; room is made by a start with more of it. */
	struct service *s = *state;
	peer_close(p);
	assert_int_equal(service_stop(s, SIGTERM), 0);
	const char *sets[COUNT_OF(tiny) + 1];
	memcpy(sets, tiny, sizeof tiny);
	sets[COUNT_OF(tiny) - 1] = "claims.capacity=3";
	sets[COUNT_OF(tiny)] = NULL;
	service_again(s, sets);
	assert_true(peer_open(p, s->port));
	has(p, third, "\"remaining\":6");
	has(p, third, "\"replayed\":true");
}

/* ---- many at once -------------------------------------------------------------------------------------------------- */

static const char *const usual[] = {"memory.prefault=false", "memory.pages=small", "events.threads=4", "log.level=warning", NULL};

struct many {
	struct service *service;
	struct peer peer[MANY], one, sub;
	char reply[MANY][1024];
};

static int start_many(void **state)
{
	struct many *m = calloc(1, sizeof *m);
	m->service = malloc(sizeof *m->service);
	service_start(m->service, usual);
	for (int i = 0; i < MANY; i++)
		assert_true(peer_open(&m->peer[i], m->service->port));
	assert_true(peer_open(&m->one, m->service->port));
	assert_true(peer_subscribe(&m->sub, (uint16_t)(m->service->port + 2)));
	clock_sleep_ms(100);
	*state = m;
	return 0;
}

static int stop_many(void **state)
{
	struct many *m = *state;
	for (int i = 0; i < MANY; i++)
		peer_close(&m->peer[i]);
	peer_close(&m->one);
	peer_close(&m->sub);
	int code = service_stop(m->service, SIGTERM);
	free(m->service);
	free(m);
	return code;
}

/* The format's number is filled in with 1000 and the peer's number; all are sent before any reply is read. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static void all_ask(struct many *m, const char *format)
{
	char json[256];
	uint32_t number;
	for (int i = 0; i < MANY; i++) {
		snprintf(json, sizeof json, format, 1000 + i, i + 1);
		assert_true(peer_send(&m->peer[i], json));
	}
	for (int i = 0; i < MANY; i++)
		assert_true(peer_receive(&m->peer[i], m->reply[i], sizeof m->reply[i], &number));
}
#pragma GCC diagnostic pop

static int count_replies(const struct many *m, const char *text)
{
	int count = 0;
	for (int i = 0; i < MANY; i++)
		count += strstr(m->reply[i], text) != NULL;
	return count;
}

static void the_last_piece_goes_to_one(void **state)
{
	struct many *m = *state;
	int claimed = 0, depleted = 0;
	char text[2048];
	uint32_t number;
	has(&m->one, "{\"type\":\"reward.put\",\"id\":1,\"reward\":5,\"x\":1,\"y\":1,\"radius\":9,\"stock\":1}", "ok");
	all_ask(m, "{\"type\":\"claim\",\"id\":%d,\"actor\":%d,\"reward\":5,\"x\":1,\"y\":1}");
	assert_int_equal(count_replies(m, "\"type\":\"claimed\""), 1);
	assert_int_equal(count_replies(m, "\"code\":\"out_of_stock\""), MANY - 1);
	has(&m->one, "{\"type\":\"reward.get\",\"reward\":5}", "\"remaining\":0");
	has(&m->one, "{\"type\":\"locate\",\"x\":1,\"y\":1,\"radius\":5}", "\"count\":0");
	while (peer_waits(&m->sub, 300)) {
		assert_true(peer_receive(&m->sub, text, sizeof text, &number));
		claimed += strncmp(text, "reward.claimed ", 15) == 0;
		depleted += strncmp(text, "reward.depleted ", 16) == 0;
	}
	assert_int_equal(claimed, 1);
	assert_int_equal(depleted, 1);
	/* Each of them, asked again, says the same again. */
	all_ask(m, "{\"type\":\"claim\",\"id\":%d,\"actor\":%d,\"reward\":5,\"x\":1,\"y\":1}");
	assert_int_equal(count_replies(m, "\"replayed\":true"), MANY);
	assert_int_equal(count_replies(m, "\"type\":\"claimed\""), 1);
}

static void what_is_held_is_captured_once(void **state)
{
	struct many *m = *state;
	has(&m->one, "{\"type\":\"payment.authorize\",\"id\":1,\"payment\":5,\"amount\":1000,\"currency\":\"EUR\"}", "authorized");
	all_ask(m, "{\"type\":\"payment.capture\",\"id\":%d,\"payment\":5}");
	assert_int_equal(count_replies(m, "\"captured\":1000"), 1);
	assert_int_equal(count_replies(m, "\"code\":\"invalid_state\"") + count_replies(m, "\"code\":\"amount_exceeds\""), MANY - 1);
	assert_int_equal(count_replies(m, "\"state\":\"captured\""), MANY);
	has(&m->one, "{\"type\":\"payment.get\",\"payment\":5}", "\"authorized\":1000,\"captured\":1000,\"refunded\":0,\"voided\":0");
}

static void and_in_parts_no_more_than_is_held(void **state)
{
	struct many *m = *state;
	has(&m->one, "{\"type\":\"payment.authorize\",\"id\":1,\"payment\":5,\"amount\":1000,\"currency\":\"EUR\"}", "authorized");
	all_ask(m, "{\"type\":\"payment.capture\",\"id\":%d,\"payment\":5,\"amount\":300}");
	assert_int_equal(count_replies(m, "\"type\":\"payment\""), 3);
	assert_int_equal(count_replies(m, "\"code\":\"amount_exceeds\""), MANY - 3);
	has(&m->one, "{\"type\":\"payment.get\",\"payment\":5}", "\"captured\":900,\"refunded\":0");
}

static void checked_out_once(void **state)
{
	struct many *m = *state;
	has(&m->one, "[{\"type\":\"cart.open\",\"id\":1,\"cart\":5,\"currency\":\"EUR\"},"
	    "{\"type\":\"cart.add\",\"id\":2,\"cart\":5,\"sku\":\"a\",\"unit_price\":70}]", "\"total\":70");
	all_ask(m, "{\"type\":\"cart.checkout\",\"id\":%d,\"cart\":5,\"payment\":%d}");
	assert_int_equal(count_replies(m, "\"authorized\":70"), 1);
	assert_int_equal(count_replies(m, "\"code\":\"invalid_state\""), MANY - 1);
	int payments = 0;
	for (int i = 1; i <= MANY; i++) {
		char json[64];
		snprintf(json, sizeof json, "{\"type\":\"payment.get\",\"payment\":%d}", i);
		payments += strstr(ask(&m->one, json), "\"type\":\"payment\"") != NULL;
	}
	assert_int_equal(payments, 1);
}

/* ---- the queue, and waiting in it --------------------------------------------------------------------------------- */

/* As many changes as a message may have; they hold up the writer for some milliseconds. */
static char *long_batch(unsigned first)
{
	enum { EVENTS = 4000, EACH = 128 };
	char *text = malloc(EVENTS * EACH + 2);
	size_t n = 1;
	text[0] = '[';
	for (unsigned i = 0; i < EVENTS; i++)
		n += (size_t)snprintf(text + n, EACH,
		                      "{\"type\":\"product.put\",\"id\":%u,\"sku\":\"s%u\",\"unit_price\":9,\"currency\":\"EUR\"}%c",
		                      first + i, i, i + 1 < EVENTS ? ',' : ']');
	text[n] = '\0';
	return text;
}

static void drain(struct peer *p)
{
	static char large[4 << 20];
	uint32_t number;
	assert_true(peer_receive(p, large, sizeof large, &number));
}

static void what_waits_too_long_is_not_done(void **state)
{
	struct many *m = *state;
	int late = 0, done = 0;
	for (unsigned round = 0; round < 40 && late == 0; round++) {
		char *batch = long_batch(1000000 + round * 10000);
		char format[200];
		snprintf(format, sizeof format,
		         "{\"type\":\"payment.authorize\",\"id\":%u%%d,\"payment\":%u%%04d,\"amount\":5,"
		         "\"currency\":\"EUR\",\"deadline_ms\":1}",
		         round + 1, round + 1);
		assert_true(peer_send(&m->one, batch));
		free(batch);
		all_ask(m, format);
		drain(&m->one);
		for (int i = 0; i < MANY; i++) {
			char json[64];
			bool is_late = strstr(m->reply[i], "\"code\":\"deadline_exceeded\"") != NULL;
			snprintf(json, sizeof json, "{\"type\":\"payment.get\",\"payment\":%u%04d}", round + 1, i + 1);
			has(&m->one, json, is_late ? "\"code\":\"not_found\"" : "\"state\":\"authorized\"");
			late += is_late;
			done += !is_late;
		}
	}
	print_message("%d too late, %d done\n", late, done);
	assert_true(late > 0);
}

/* 64 connections, a queue of three: some are refused, and send again until all is done, once. */
static void a_full_queue_is_said_and_loses_nothing(void **state)
{
	struct service s;
	struct many *m = calloc(1, sizeof *m);
	uint64_t refused = 0;
	uint32_t number;
	(void)state;
	service_start(&s, (const char *const[]){"events.queue=4", "memory.prefault=false", "memory.pages=small", "events.threads=4",
	                                        NULL});
	for (int i = 0; i < MANY; i++)
		assert_true(peer_open(&m->peer[i], s.port));
	assert_true(peer_open(&m->one, s.port));
	has(&m->one, "{\"type\":\"payment.authorize\",\"id\":1,\"payment\":5,\"amount\":1000000,\"currency\":\"EUR\"}", "authorized");
	for (unsigned round = 0; round < 50; round++) {
		bool is_done[MANY] = {};
		for (int done = 0; done < MANY;) {
			char json[200];
			for (int i = 0; i < MANY; i++) {
				snprintf(json, sizeof json, "{\"type\":\"payment.capture\",\"id\":%u,\"payment\":5,\"amount\":7}",
				         1000 + round * MANY + (unsigned)i);
				if (!is_done[i])
					assert_true(peer_send(&m->peer[i], json));
			}
			for (int i = 0; i < MANY; i++) {
				if (is_done[i])
					continue;
				assert_true(peer_receive(&m->peer[i], m->reply[i], sizeof m->reply[i], &number));
				is_done[i] = strstr(m->reply[i], "\"type\":\"payment\"") != NULL;
				done += is_done[i];
				refused += !is_done[i];
				if (!is_done[i])
					assert_true(strstr(m->reply[i], "\"code\":\"overloaded\"") != NULL &&
					            strstr(m->reply[i], "\"retry_after_ms\":") != NULL);
			}
		}
	}
	print_message("%llu times overloaded\n", (unsigned long long)refused);
	assert_true(refused > 0);
	has(&m->one, "{\"type\":\"payment.get\",\"payment\":5}", "\"captured\":22400"); /* 50 * 64 * 7 */
	assert_true(service_metric(&s, "trove_events_refused_total{code=\"overloaded\"}") == (double)refused);
	for (int i = 0; i < MANY; i++)
		peer_close(&m->peer[i]);
	peer_close(&m->one);
	assert_int_equal(service_stop(&s, SIGTERM), 0);
	free(m);
}

/* ---- pools that fail ------------------------------------------------------------------------------------------------ */

static void pools_that_fail_now_and_then(void **state)
{
	static const char *const sets[] = {"memory.pool_fail_one_in=5", "memory.prefault=false", "memory.pages=small",
	                                   "data.segment_bytes=262144", NULL};
	struct service s;
	struct crowd *crowd = calloc(1, sizeof *crowd);
	uint64_t put_off = 0, answered = 0, exhausted = 0;
	(void)state;
	service_start(&s, sets);
	crowd_init(crowd, &s, CROWD_MAX, 99);
	crowd->pause_us = 200;
	for (unsigned i = 0; i < CROWD_MAX; i++)
		crowd->shopper[i].may_be_refused = true;
	double before = service_metric(&s, "trove_events_refused_total{code=\"pool_exhausted\"}");
	crowd_start(crowd);
	clock_sleep_ms(3000);
	crowd_stop(crowd);
	for (unsigned i = 0; i < CROWD_MAX; i++) {
		put_off += crowd->shopper[i].put_off;
		answered += crowd->shopper[i].answered;
		exhausted += crowd->shopper[i].exhausted;
	}
	print_message("%llu events done, %llu batches refused for load\n", (unsigned long long)answered,
	              (unsigned long long)put_off);
	/* The journal's small files may run short as well, so not every batch was stopped by a pool. */
	assert_true(put_off > 0);
	double refused = service_metric(&s, "trove_events_refused_total{code=\"pool_exhausted\"}") - before;
	print_message("%.0f counted, %llu told, %.0f times journal_full\n", refused, (unsigned long long)exhausted,
	              service_metric(&s, "trove_events_refused_total{code=\"journal_full\"}"));
	assert_true(refused == (double)exhausted);
	assert_true(service_metric(&s, "trove_events_refused_total{code=\"overloaded\"}") == 0);
	assert_true(service_metric(&s, "trove_events_refused_total{code=\"internal\"}") == 0);
	crowd_check(crowd, &s);
	service_stop(&s, SIGKILL);
	service_again(&s, sets + 1);
	crowd_check(crowd, &s);
	/* A start replays what was planned when there was room: pools that fail do not stop it. */
	assert_int_equal(service_stop(&s, SIGTERM), 0);
	service_again(&s, sets);
	crowd_check(crowd, &s);
	crowd_deinit(crowd);
	free(crowd);
	assert_int_equal(service_stop(&s, SIGTERM), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(carts_run_out, start_tiny, stop),
		cmocka_unit_test_setup_teardown(extents_run_out, start_tiny, stop),
		cmocka_unit_test_setup_teardown(payments_run_out, start_tiny, stop),
		cmocka_unit_test_setup_teardown(products_run_out, start_tiny, stop),
		cmocka_unit_test_setup_teardown(claims_run_out, start_tiny, stop),
		cmocka_unit_test_setup_teardown(the_last_piece_goes_to_one, start_many, stop_many),
		cmocka_unit_test_setup_teardown(what_is_held_is_captured_once, start_many, stop_many),
		cmocka_unit_test_setup_teardown(and_in_parts_no_more_than_is_held, start_many, stop_many),
		cmocka_unit_test_setup_teardown(checked_out_once, start_many, stop_many),
		cmocka_unit_test_setup_teardown(what_waits_too_long_is_not_done, start_many, stop_many),
		cmocka_unit_test(a_full_queue_is_said_and_loses_nothing),
		cmocka_unit_test(pools_that_fail_now_and_then),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
