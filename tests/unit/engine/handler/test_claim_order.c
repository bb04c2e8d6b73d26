/* Several refusals of a claim at once: the one that comes first among the codes is told, for every combination. */
#include "engine/handler/handler.h"
#include "tests/support/instance.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* In the order of the codes. */
enum {
	NO_CART = 1 << 0,
	CLOSED_CART = 1 << 1, /* not together with NO_CART */
	INACTIVE = 1 << 2,
	FAR = 1 << 3,
	CLAIMED = 1 << 4,
	GONE = 1 << 5,
	CURRENCY = 1 << 6,
	FULL = 1 << 7,
	ALL = 1 << 8,
};
static const status code[] = {STATUS_not_found,       STATUS_invalid_state, STATUS_not_active,        STATUS_too_far,
                              STATUS_already_claimed, STATUS_out_of_stock,  STATUS_currency_mismatch, STATUS_pool_exhausted};

enum { CLAIMS_MAX = 600 };

static unsigned id;

static void must(struct instance *i, const char *json)
{
	status s = instance_do(i, json);
	if (s != STATUS_ok)
		fail_msg("%s: %s %s", json, status_code(s), i->problem.message);
}

static void put_reward(struct instance *i, unsigned reward, unsigned what)
{
	char json[256];
	snprintf(json, sizeof json,
	         "{\"type\":\"reward.put\",\"id\":%u,\"reward\":%u,\"x\":%d,\"y\":0,\"radius\":10,\"stock\":%d%s,"
	         "\"benefit\":{\"amount\":5,\"currency\":\"EUR\"}}",
	         ++id, reward, what & FAR ? 100 : 0, what & GONE ? (what & CLAIMED ? 1 : 0) : 9,
	         what & INACTIVE ? ",\"until\":1000" : "");
	must(i, json);
}

/* A reward, an actor and a cart for which all of it is true. */
static void arrange(struct instance *i, unsigned n, unsigned what)
{
	char json[256];
	put_reward(i, n, 0);
	if (what & CLAIMED) {
		snprintf(json, sizeof json, "{\"type\":\"claim\",\"id\":%u,\"actor\":%u,\"reward\":%u,\"x\":0,\"y\":0}", ++id, n, n);
		must(i, json);
	}
	put_reward(i, n, what);
	if (what & NO_CART)
		return;
	snprintf(json, sizeof json, "{\"type\":\"cart.open\",\"id\":%u,\"cart\":%u,\"currency\":\"%s\"}", ++id, n,
	         what & CURRENCY ? "USD" : "EUR");
	must(i, json);
	if (!(what & CLOSED_CART))
		return;
	snprintf(json, sizeof json,
	         "{\"type\":\"cart.add\",\"id\":%u,\"cart\":%u,\"sku\":\"a\",\"unit_price\":7}", ++id, n);
	must(i, json);
	snprintf(json, sizeof json, "{\"type\":\"cart.checkout\",\"id\":%u,\"cart\":%u,\"payment\":%u}", ++id, n, n);
	must(i, json);
}

static status try_claim(struct instance *i, unsigned n)
{
	char json[256];
	snprintf(json, sizeof json, "{\"type\":\"claim\",\"id\":%u,\"actor\":%u,\"reward\":%u,\"x\":0,\"y\":0,\"cart\":%u}", ++id,
	         n, n, n);
	return instance_do(i, json);
}

static bool is_possible(unsigned what)
{
	return !((what & NO_CART) && (what & (CLOSED_CART | CURRENCY)));
}

static void fill_claims(struct instance *i)
{
	char json[256];
	put_reward(i, 5000, 0);
	for (unsigned n = 0;; n++) {
		snprintf(json, sizeof json,
		         "{\"type\":\"reward.put\",\"id\":%u,\"reward\":5000,\"x\":0,\"y\":0,\"radius\":10,\"stock\":%d}",
		         ++id, CLAIMS_MAX * 2);
		if (n == 0)
			must(i, json);
		snprintf(json, sizeof json, "{\"type\":\"claim\",\"id\":%u,\"actor\":%u,\"reward\":5000,\"x\":0,\"y\":0}", ++id,
		         10000 + n);
		status s = instance_do(i, json);
		if (s == STATUS_pool_exhausted)
			return;
		assert_int_equal(s, STATUS_ok);
		assert_true(n < CLAIMS_MAX);
	}
}

static void try_all(struct instance *i, unsigned always, unsigned *tried)
{
	for (unsigned what = 0; what < FULL; what++) {
		unsigned all = what | always;
		if (!is_possible(what))
			continue;
		status wanted = all == 0 ? STATUS_ok : code[__builtin_ctz(all)];
		uint64_t before = commerce_digest(&i->commerce);
		status s = try_claim(i, what + 1);
		if (s != wanted)
			fail_msg("refusals %x: expected %s, found %s (%s)", all, status_code(wanted), status_code(s), i->problem.message);
		assert_true(s == STATUS_ok || commerce_digest(&i->commerce) == before);
		++*tried;
	}
}

static void the_earlier_code_wins(void **state)
{
	(void)state;
	unsigned tried = 0;
	struct instance *i = instance_create(&(struct commerce_options){.seed = 1, .claims_capacity = CLAIMS_MAX}, false);
	for (unsigned what = 0; what < FULL; what++)
		if (is_possible(what))
			arrange(i, what + 1, what);
	try_all(i, 0, &tried);
	fill_claims(i);
	/* The one that succeeded has a discount and a claim now: arranged anew for the full pool. */
	arrange(i, 3000, 0);
	assert_int_equal(try_claim(i, 3000), STATUS_pool_exhausted);
	for (unsigned what = 1; what < FULL; what++) {
		if (!is_possible(what))
			continue;
		assert_int_equal(try_claim(i, what + 1), code[__builtin_ctz(what)]);
		tried++;
	}
	print_message("%u combinations\n", tried);
	assert_true(commerce_is_valid(&i->commerce));
	instance_destroy(&i);
}

/* Also when the window of ids has forgotten it: the claim itself has not. */
static void an_id_that_exists_is_told_before_what_the_reward_says(void **state)
{
	(void)state;
	static const char claim[] = "{\"type\":\"claim\",\"id\":700000,\"actor\":1,\"reward\":1,\"x\":0,\"y\":0}";
	struct instance *i = instance_create(&(struct commerce_options){.seed = 1, .claims_capacity = CLAIMS_MAX}, false);
	put_reward(i, 1, 0);
	must(i, claim);
	static const unsigned ways[] = {0, FAR, INACTIVE, FAR | INACTIVE, GONE};
	for (unsigned k = 0; k < sizeof ways / sizeof *ways; k++) {
		put_reward(i, 1, ways[k]);
		assert_int_equal(instance_do(i, claim), STATUS_already_exists);
	}
	instance_destroy(&i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_earlier_code_wins),
		cmocka_unit_test(an_id_that_exists_is_told_before_what_the_reward_says),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
