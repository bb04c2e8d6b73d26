/*
 * What time ends by itself: carts that are left, holds that lapse. It is published with its seq, can be read, gives the
 * claim back, and is the same after a restart.
 */
#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "tests/support/peer.h"
#include "tests/support/service.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const sets[] = {"memory.prefault=false", "memory.pages=small", "events.threads=2", "log.level=warning", NULL};

struct day {
	struct service service;
	struct peer peer, sub;
	char reply[8192];
};

static int begin(void **state)
{
	struct day *d = calloc(1, sizeof *d);
	service_start(&d->service, sets);
	*state = d;
	bool is_there = peer_open(&d->peer, d->service.port) && peer_subscribe(&d->sub, (uint16_t)(d->service.port + 2));
	clock_sleep_ms(100);
	return is_there ? 0 : -1;
}

static int end(void **state)
{
	struct day *d = *state;
	peer_close(&d->peer);
	peer_close(&d->sub);
	int code = service_stop(&d->service, SIGTERM);
	free(d);
	return code;
}

static const char *has(struct day *d, const char *json, const char *text)
{
	if (!peer_ask(&d->peer, json, d->reply, sizeof d->reply) || strstr(d->reply, text) == NULL)
		fail_msg("%s was answered %s, expected %s", json, d->reply, text);
	return d->reply;
}

/* The next publication of the topic within three seconds. */
static int64_t told(struct day *d, const char *topic, const char *text)
{
	char line[2048];
	uint32_t number;
	while (peer_waits(&d->sub, 3000)) {
		assert_true(peer_receive(&d->sub, line, sizeof line, &number));
		if (strncmp(line, topic, strlen(topic)) != 0 || line[strlen(topic)] != ' ')
			continue;
		if (strstr(line, text) == NULL)
			fail_msg("%s, expected %s", line, text);
		assert_true(text_number(line, "seq") > 0 && text_number(line, "at") > 0);
		return text_number(line, "seq");
	}
	fail_msg("nothing was published of %s", topic);
	return 0;
}

static void start_again(struct day *d)
{
	peer_close(&d->peer);
	peer_close(&d->sub);
	service_stop(&d->service, SIGKILL);
	service_again(&d->service, sets);
	assert_true(peer_open(&d->peer, d->service.port) && peer_subscribe(&d->sub, (uint16_t)(d->service.port + 2)));
	clock_sleep_ms(100);
}

static void a_cart_that_is_left(void **state)
{
	struct day *d = *state;
	int64_t start = clock_unix_ms();
	has(d, "[{\"type\":\"reward.put\",\"id\":1,\"reward\":1,\"x\":1,\"y\":1,\"radius\":9,"
	    "\"benefit\":{\"amount\":3,\"currency\":\"EUR\"}},"
	    "{\"type\":\"claim\",\"id\":2,\"actor\":1,\"reward\":1,\"x\":1,\"y\":1},"
	    "{\"type\":\"cart.open\",\"id\":3,\"cart\":1,\"currency\":\"EUR\",\"ttl_ms\":1000},"
	    "{\"type\":\"cart.add\",\"id\":4,\"cart\":1,\"sku\":\"a\",\"unit_price\":10},"
	    "{\"type\":\"cart.apply\",\"id\":5,\"cart\":1,\"claim\":2},"
	    "{\"type\":\"cart.open\",\"id\":6,\"cart\":2,\"currency\":\"EUR\",\"ttl_ms\":1000}]", "\"total\":7");
	int64_t seq = told(d, "cart.abandoned", "\"cart\":\"1\"");
	assert_true(seq > 6);
	assert_true(clock_unix_ms() - start >= 1000);
	has(d, "{\"type\":\"cart.get\",\"cart\":1}", "\"state\":\"abandoned\"");
	assert_int_equal(text_number(d->reply, "subtotal"), 10);
	clock_sleep_ms(300);
	has(d, "{\"type\":\"cart.get\",\"cart\":2}", "\"state\":\"expired\""); /* it was empty */
	has(d, "{\"type\":\"cart.add\",\"id\":7,\"cart\":1,\"sku\":\"a\",\"unit_price\":10}", "\"code\":\"invalid_state\"");
	has(d, "{\"type\":\"feed.read\",\"after\":0,\"topics\":[\"cart.abandoned\"]}", "\"cart.abandoned\"");
	start_again(d);
	has(d, "{\"type\":\"cart.get\",\"cart\":1}", "\"state\":\"abandoned\"");
	has(d, "{\"type\":\"cart.get\",\"cart\":2}", "\"state\":\"expired\"");
	/* The claim is free for another cart, once. */
	has(d, "[{\"type\":\"cart.open\",\"id\":8,\"cart\":3,\"currency\":\"EUR\"},"
	    "{\"type\":\"cart.add\",\"id\":9,\"cart\":3,\"sku\":\"a\",\"unit_price\":10},"
	    "{\"type\":\"cart.apply\",\"id\":10,\"cart\":3,\"claim\":2}]", "\"discount\":3,\"total\":7");
	start_again(d);
	has(d, "{\"type\":\"cart.get\",\"cart\":3}", "\"discount\":3,\"total\":7");
	has(d, "[{\"type\":\"cart.open\",\"id\":11,\"cart\":4,\"currency\":\"EUR\"},"
	    "{\"type\":\"cart.apply\",\"id\":12,\"cart\":4,\"claim\":2}]", "\"code\":\"invalid_state\"");
}

/* Every change gives it its time again. */
static void a_cart_that_is_used_stays(void **state)
{
	struct day *d = *state;
	has(d, "{\"type\":\"cart.open\",\"id\":1,\"cart\":1,\"currency\":\"EUR\",\"ttl_ms\":2000}", "open");
	for (int i = 0; i < 8; i++) {
		char json[160];
		clock_sleep_ms(500);
		snprintf(json, sizeof json, "{\"type\":\"cart.add\",\"id\":%d,\"cart\":1,\"sku\":\"a\",\"unit_price\":1}", i + 2);
		has(d, json, "\"state\":\"open\"");
	}
	has(d, "{\"type\":\"cart.get\",\"cart\":1}", "\"total\":8");
}

static void holds_that_lapse(void **state)
{
	struct day *d = *state;
	int64_t start = clock_unix_ms();
	has(d, "[{\"type\":\"payment.authorize\",\"id\":1,\"payment\":1,\"amount\":10,\"currency\":\"EUR\",\"ttl_ms\":1000},"
	    "{\"type\":\"payment.authorize\",\"id\":2,\"payment\":2,\"amount\":10,\"currency\":\"EUR\",\"ttl_ms\":2500},"
	    "{\"type\":\"payment.capture\",\"id\":3,\"payment\":2,\"amount\":4}]", "\"partially_captured\"");
	int64_t first = told(d, "payment.expired", "\"payment\":\"1\"");
	assert_true(clock_unix_ms() - start >= 1000);
	has(d, "{\"type\":\"payment.get\",\"payment\":1}", "\"state\":\"expired\"");
	assert_int_equal(text_number(d->reply, "voided"), 10);
	int64_t second = told(d, "payment.expired", "\"payment\":\"2\"");
	assert_true(clock_unix_ms() - start >= 2500);
	assert_true(second > first);
	static const char rest[] = "\"state\":\"captured\",\"authorized\":10,\"captured\":4,\"refunded\":0,\"voided\":6";
	has(d, "{\"type\":\"payment.get\",\"payment\":2}", rest);
	start_again(d);
	has(d, "{\"type\":\"payment.get\",\"payment\":1}", "\"state\":\"expired\"");
	has(d, "{\"type\":\"payment.get\",\"payment\":2}", rest);
	has(d, "{\"type\":\"payment.capture\",\"id\":4,\"payment\":1}", "\"code\":\"invalid_state\"");
	has(d, "{\"type\":\"payment.refund\",\"id\":5,\"payment\":2}", "\"state\":\"refunded\"");
}

/* What lapses while nobody runs is ended by the next start, once. */
static void time_goes_on_while_it_is_down(void **state)
{
	struct day *d = *state;
	has(d, "[{\"type\":\"payment.authorize\",\"id\":1,\"payment\":1,\"amount\":10,\"currency\":\"EUR\",\"ttl_ms\":1000},"
	    "{\"type\":\"cart.open\",\"id\":2,\"cart\":1,\"currency\":\"EUR\",\"ttl_ms\":1000},"
	    "{\"type\":\"cart.add\",\"id\":3,\"cart\":1,\"sku\":\"a\",\"unit_price\":10}]", "\"seq\":3");
	peer_close(&d->peer);
	peer_close(&d->sub);
	service_stop(&d->service, SIGKILL);
	clock_sleep_ms(2500);
	service_again(&d->service, sets);
	assert_true(peer_open(&d->peer, d->service.port) && peer_subscribe(&d->sub, (uint16_t)(d->service.port + 2)));
	clock_sleep_ms(500);
	has(d, "{\"type\":\"payment.get\",\"payment\":1}", "\"state\":\"expired\"");
	has(d, "{\"type\":\"cart.get\",\"cart\":1}", "\"state\":\"abandoned\"");
	has(d, "{\"type\":\"feed.read\",\"after\":3}", "\"last\":5,\"more\":false");
	start_again(d);
	clock_sleep_ms(300);
	has(d, "{\"type\":\"feed.read\",\"after\":3}", "\"last\":5,\"more\":false");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_cart_that_is_left, begin, end),
		cmocka_unit_test_setup_teardown(a_cart_that_is_used_stays, begin, end),
		cmocka_unit_test_setup_teardown(holds_that_lapse, begin, end),
		cmocka_unit_test_setup_teardown(time_goes_on_while_it_is_down, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
