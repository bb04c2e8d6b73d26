/*
 * Random events are planned and applied in one instance, whose pools are small and sometimes fail; their effects
 * alone are applied in another, as a start does. Both come to the same. And money is kept: of no payment more is
 * refunded than captured, or captured and voided than authorized, and what all payments hold is what all effects did.
 */
#include "engine/handler/handler.h"
#include "engine/base/random.h"
#include "tests/support/instance.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { STEPS = 60000, PAYMENTS_MAX = STEPS + 1, REACH = 24, CARTS = 14, REWARDS = 6, SKUS = 5, ACTORS = 5, CLAIMS_REACH = 20 };

struct money {
	int64_t authorized, captured, refunded, voided;
};

struct run {
	struct instance *live, *replay;
	struct random random;
	uint64_t id;
	uint64_t payments; /* ids given so far */
	uint64_t claim[CLAIMS_REACH], claims;
	struct money last[PAYMENTS_MAX], all; /* of each payment, as its last effect said; what effects did */
	uint64_t done, refused, exhausted, ended;
};

static unsigned below(struct run *r, unsigned bound) { return (unsigned)random_below(&r->random, bound); }

/* A payment among the latest; now and then a new one. */
static unsigned long long some_payment(struct run *r)
{
	unsigned back = below(r, REACH);
	return r->payments > back ? r->payments - back : 1;
}

enum { TEXT = 320 };

static void random_cart_event(struct run *r, char *json)
{
	unsigned long long id = ++r->id, cart = 1 + below(r, CARTS);
	char price[40] = "";
	if (below(r, 2) == 0)
		snprintf(price, sizeof price, ",\"unit_price\":%u", below(r, 500));
	switch (below(r, 6)) {
	case 0:
		snprintf(json, TEXT, "{\"type\":\"cart.open\",\"id\":%llu,\"cart\":%llu,\"currency\":\"%s\",\"ttl_ms\":%u%s}", id, cart,
		         below(r, 6) == 0 ? "USD" : "EUR", 1000 + below(r, 60000), below(r, 2) == 0 ? ",\"actor\":1" : "");
		return;
	case 1:
		snprintf(json, TEXT, "{\"type\":\"cart.remove\",\"id\":%llu,\"cart\":%llu,\"sku\":\"s%u\"%s}", id, cart, below(r, SKUS),
		         below(r, 2) == 0 ? ",\"quantity\":2" : "");
		return;
	case 2:
		snprintf(json, TEXT, "{\"type\":\"cart.checkout\",\"id\":%llu,\"cart\":%llu,\"payment\":%llu}", id, cart,
		         (unsigned long long)++r->payments);
		return;
	case 3:
		snprintf(json, TEXT, "{\"type\":\"cart.apply\",\"id\":%llu,\"cart\":%llu,\"claim\":%llu}", id, cart,
		         (unsigned long long)r->claim[below(r, CLAIMS_REACH)]);
		return;
	case 4:
		snprintf(json, TEXT, "{\"type\":\"cart.set\",\"id\":%llu,\"cart\":%llu,\"sku\":\"s%u\",\"quantity\":%u%s}", id, cart,
		         below(r, SKUS), 1 + below(r, 9), price);
		return;
	default:
		/* Many skus, so that extents run out. */
		snprintf(json, TEXT, "{\"type\":\"cart.add\",\"id\":%llu,\"cart\":%llu,\"sku\":\"s%u\",\"quantity\":%u%s}", id, cart,
		         below(r, 2) == 0 ? below(r, SKUS) : below(r, 60), 1 + below(r, 9), price);
		return;
	}
}

static void random_payment_event(struct run *r, char *json)
{
	static const char *const types[] = {"capture", "capture", "refund", "refund", "void"};
	unsigned long long id = ++r->id;
	unsigned which = below(r, 7);
	if (which >= 5) {
		snprintf(json, TEXT, "{\"type\":\"payment.authorize\",\"id\":%llu,\"payment\":%llu,\"amount\":%u,\"currency\":\"EUR\","
		         "\"ttl_ms\":%u}", id, below(r, 8) == 0 ? some_payment(r) : (unsigned long long)++r->payments, below(r, 1000),
		         1000 + below(r, 90000));
		return;
	}
	char amount[32] = "";
	if (which < 4 && below(r, 2) == 0)
		snprintf(amount, sizeof amount, ",\"amount\":%u", 1 + below(r, 400));
	snprintf(json, TEXT, "{\"type\":\"payment.%s\",\"id\":%llu,\"payment\":%llu%s}", types[which], id, some_payment(r), amount);
}

static void random_other_event(struct run *r, char *json)
{
	unsigned long long id = ++r->id;
	switch (below(r, 8)) {
	case 0:
		snprintf(json, TEXT, "{\"type\":\"product.put\",\"id\":%llu,\"sku\":\"s%u\",\"unit_price\":%u,\"currency\":\"EUR\"}", id,
		         below(r, SKUS), below(r, 900));
		return;
	case 1: snprintf(json, TEXT, "{\"type\":\"product.remove\",\"id\":%llu,\"sku\":\"s%u\"}", id, below(r, SKUS)); return;
	case 2:
		snprintf(json, TEXT,
		         "{\"type\":\"reward.put\",\"id\":%llu,\"reward\":%u,\"x\":0,\"y\":0,\"radius\":9,\"stock\":%u,\"per_actor\":%u,"
		         "\"benefit\":{%s}}", id, 1 + below(r, REWARDS), 1 + below(r, 400), 1 + below(r, 60),
		         below(r, 2) == 0 ? "\"percent_bp\":1500" : "\"amount\":70,\"currency\":\"EUR\"");
		return;
	case 3:
		snprintf(json, TEXT, "{\"type\":\"reward.remove\",\"id\":%llu,\"reward\":%u}", id, 1 + below(r, 4 * REWARDS));
		return;
	default: {
		char cart[32] = "";
		if (below(r, 3) == 0)
			snprintf(cart, sizeof cart, ",\"cart\":%u", 1 + below(r, CARTS));
		r->claim[r->claims++ % CLAIMS_REACH] = id;
		snprintf(json, TEXT, "{\"type\":\"claim\",\"id\":%llu,\"actor\":%u,\"reward\":%u,\"x\":%u,\"y\":0%s}", id,
		         1 + below(r, ACTORS), 1 + below(r, REWARDS), below(r, 12), cart);
	}
	}
}

/* ---- money ------------------------------------------------------------------------------------------------------------ */

static void note_payment(struct run *r, const struct payment_record *p)
{
	uint64_t n = p->payment.low;
	assert_true(n > 0 && n < PAYMENTS_MAX);
	assert_true(0 <= p->refunded && p->refunded <= p->captured && p->captured <= p->authorized);
	assert_true(p->captured + p->voided <= p->authorized);
	struct money *last = &r->last[n];
	assert_true(p->captured >= last->captured && p->refunded >= last->refunded && p->voided >= last->voided);
	*last = (struct money){p->authorized, p->captured, p->refunded, p->voided};
}

static void note_money(struct run *r, const struct effect_head *effect)
{
	if (effect->type == EFFECT_cart_checkout) {
		const struct effect_cart_checkout *e = (const void *)effect;
		r->all.authorized += e->payment.authorized;
		assert_int_equal(e->payment.authorized, e->cart.total);
		note_payment(r, &e->payment);
	}
	if (effect->type != EFFECT_payment)
		return;
	const struct effect_payment *e = (const void *)effect;
	switch (effect->event_type) {
	case EVENT_payment_authorize: r->all.authorized += e->amount; break;
	case EVENT_payment_capture: r->all.captured += e->amount; break;
	case EVENT_payment_refund: r->all.refunded += e->amount; break;
	default: r->all.voided += e->amount; break;
	}
	note_payment(r, &e->payment);
}

/* ---- the two --------------------------------------------------------------------------------------------------------- */

static void take(struct run *r, const struct effect_head *effect)
{
	assert_true(effect_is_whole(effect, effect->bytes));
	note_money(r, effect);
	instance_apply(r->live, effect);
	r->replay->place = r->live->place - 1; /* where the journal has it */
	instance_apply(r->replay, effect);
}

static void happen(struct run *r)
{
	char json[TEXT];
	struct effect_head *effect;
	switch (below(r, 3)) {
	case 0: random_cart_event(r, json); break;
	case 1: random_payment_event(r, json); break;
	default: random_other_event(r, json); break;
	}
	uint64_t before = r->id % 16 == 0 ? commerce_digest(&r->live->commerce) : 0;
	status s = instance_plan(r->live, json, &effect);
	if (before != 0)
		assert_true(commerce_digest(&r->live->commerce) == before); /* a plan changes nothing */
	r->exhausted += s == STATUS_pool_exhausted;
	r->refused += s != STATUS_ok;
	r->done += s == STATUS_ok;
	if (s == STATUS_ok)
		take(r, effect);
	instance_forget(r->live);
}

/* What the writer does when it sweeps. */
static void pass_time(struct run *r, uint32_t *cart_hand, uint32_t *payment_hand)
{
	struct identifier ids[16];
	struct instance *live = r->live;
	live->now_ms += below(r, 400);
	uint32_t count = carts_sweep(&live->commerce.carts, cart_hand, live->now_ms, 8, ids, 16);
	for (uint32_t i = 0; i < count; i++) {
		struct effect_head *effect = plan_cart_expiry(&live->state, ids[i], live->now_ms, &live->arena);
		if (effect != NULL)
			take(r, effect);
		r->ended += effect != NULL;
	}
	count = payments_sweep(&live->commerce.payments, payment_hand, live->now_ms, 8, ids, 16);
	for (uint32_t i = 0; i < count; i++) {
		struct effect_head *effect = plan_payment_expiry(&live->state, ids[i], live->now_ms, &live->arena);
		if (effect != NULL)
			take(r, effect);
		r->ended += effect != NULL;
	}
	instance_forget(live);
}

static void check_sums(const struct run *r)
{
	struct money sum = {};
	for (uint64_t i = 0; i < PAYMENTS_MAX; i++) {
		sum.authorized += r->last[i].authorized;
		sum.captured += r->last[i].captured;
		sum.refunded += r->last[i].refunded;
		sum.voided += r->last[i].voided;
	}
	assert_memory_equal(&sum, &r->all, sizeof sum);
	assert_true(sum.refunded <= sum.captured && sum.captured + sum.voided <= sum.authorized);
}

static void run(unsigned fail_one_in, uint64_t seed)
{
	struct commerce_options options = {.products_capacity = 4, .carts_capacity = 9, .carts_extents = 12, .payments_capacity = 12,
	                                   .claims_capacity = 3000, .seed = 1, .fail_one_in = fail_one_in};
	struct run *r = calloc(1, sizeof *r);
	uint32_t hands[2] = {};
	r->random.state = seed;
	r->live = instance_create(&options, false);
	options.seed = 2;
	options.fail_one_in = 0;
	r->replay = instance_create(&options, true);
	for (unsigned step = 0; step < STEPS; step++) {
		happen(r);
		if (below(r, 4) == 0)
			pass_time(r, &hands[0], &hands[1]);
		if (step % 997 == 0 || step + 1 == STEPS)
			assert_true(commerce_digest(&r->live->commerce) == commerce_digest(&r->replay->commerce));
	}
	assert_true(commerce_is_valid(&r->live->commerce) && commerce_is_valid(&r->replay->commerce));
	check_sums(r);
	print_message("%llu done, %llu refused, %llu of them for want of room, %llu ended by time\n", (unsigned long long)r->done,
	              (unsigned long long)r->refused, (unsigned long long)r->exhausted, (unsigned long long)r->ended);
	assert_true(r->done > STEPS / 8 && r->exhausted > 0 && r->ended > 0);
	instance_destroy(&r->live);
	instance_destroy(&r->replay);
	free(r);
}

static void effects_alone_lead_to_the_same_state(void **state)
{
	(void)state;
	run(0, 11);
}

static void and_where_pools_fail(void **state)
{
	(void)state;
	run(7, 12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(effects_alone_lead_to_the_same_state),
		cmocka_unit_test(and_where_pools_fail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
