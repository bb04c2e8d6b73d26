/* Every state of a payment times every event, through plan and apply, against the table of engine/commerce/payment.h. */
#include "engine/handler/handler.h"
#include "tests/support/instance.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { AUTHORIZED = 100, CAPTURED = 40, PART = 10 };

struct cell {
	enum payment_state state;
	enum payment_event event;
	status refusal;
	enum payment_state some_left, none_left;
};

static const struct cell cells[] = {
#define X(state, event, refusal, some, none) \
	{PAYMENT_##state, PAYMENT_DO_##event, STATUS_##refusal, PAYMENT_##some, PAYMENT_##none},
	PAYMENT_TABLE(X)
#undef X
};
static_assert(sizeof cells / sizeof cells[0] == PAYMENT_STATE_COUNT * PAYMENT_EVENT_COUNT);

static struct effect_payment last; /* what the last event made of it */

static status take(struct instance *i, struct effect_head *effect)
{
	if (effect == NULL)
		return STATUS_internal;
	memcpy(&last, effect, sizeof last);
	instance_apply(i, effect);
	instance_forget(i);
	return STATUS_ok;
}

/* amount 0: all that is left. */
static status happen(struct instance *i, enum payment_event event, int amount)
{
	static unsigned id;
	char json[256], extra[64] = "";
	struct effect_head *effect;
	if (event == PAYMENT_DO_expire)
		return take(i, plan_payment_expiry(&i->state, (struct identifier){.low = 7}, i->now_ms, &i->arena));
	if (event == PAYMENT_DO_authorize)
		snprintf(extra, sizeof extra, ",\"amount\":%d,\"currency\":\"EUR\"", AUTHORIZED);
	else if (amount != 0 && event != PAYMENT_DO_void)
		snprintf(extra, sizeof extra, ",\"amount\":%d", amount);
	snprintf(json, sizeof json, "{\"type\":\"payment.%s\",\"id\":%u,\"payment\":7%s}", payment_event_name(event), ++id, extra);
	status s = instance_plan(i, json, &effect);
	return s == STATUS_ok ? take(i, effect) : s;
}

/* Into the state; where there is a way to nothing left to refund, by that one. */
static void lead_to(struct instance *i, enum payment_state state, bool is_refunded)
{
	if (state != PAYMENT_none)
		assert_int_equal(happen(i, PAYMENT_DO_authorize, 0), STATUS_ok);
	if (state == PAYMENT_partially_captured)
		assert_int_equal(happen(i, PAYMENT_DO_capture, CAPTURED), STATUS_ok);
	if (state == PAYMENT_captured || state == PAYMENT_refunded)
		assert_int_equal(happen(i, PAYMENT_DO_capture, 0), STATUS_ok);
	if (state == PAYMENT_refunded || (state == PAYMENT_partially_captured && is_refunded))
		assert_int_equal(happen(i, PAYMENT_DO_refund, 0), STATUS_ok);
	if (state == PAYMENT_voided)
		assert_int_equal(happen(i, PAYMENT_DO_void, 0), STATUS_ok);
	if (state == PAYMENT_expired)
		assert_int_equal(happen(i, PAYMENT_DO_expire, 0), STATUS_ok);
	if (state != PAYMENT_none)
		assert_int_equal(last.payment.state, state);
}

static void check_amounts(const struct payment_record *p, enum payment_state state)
{
	assert_int_equal(p->state, state);
	assert_true(0 <= p->refunded && p->refunded <= p->captured && p->captured + p->voided <= p->authorized);
	assert_int_equal(p->authorized, AUTHORIZED);
	assert_int_equal(p->expires_ms != 0, p->authorized - p->captured - p->voided > 0);
}

static void check_accepted(struct instance *i, const struct cell *cell, bool is_part, bool is_refunded)
{
	assert_int_equal(happen(i, cell->event, is_part ? PART : 0), STATUS_ok);
	const struct payment_record *p = &last.payment;
	int64_t left = cell->event == PAYMENT_DO_capture ? p->authorized - p->captured - p->voided : p->captured - p->refunded;
	check_amounts(p, left > 0 ? cell->some_left : cell->none_left);
	bool takes_part = cell->event == PAYMENT_DO_capture || cell->event == PAYMENT_DO_refund;
	if (takes_part)
		assert_int_equal(last.amount == PART, is_part);
	if (takes_part && is_part)
		assert_true(left > 0);
	if (is_refunded && !takes_part)
		assert_int_equal(left, 0);
}

static void check_refused(struct instance *i, const struct cell *cell, int amount)
{
	uint64_t before = commerce_digest(&i->commerce);
	status s = happen(i, cell->event, amount);
	/* What time would do has nobody to be refused to. */
	assert_int_equal(s, cell->event == PAYMENT_DO_expire ? STATUS_internal : cell->refusal);
	if (cell->event != PAYMENT_DO_expire && cell->refusal != STATUS_not_found)
		assert_int_equal(i->problem.payment_state, cell->state);
	assert_true(commerce_digest(&i->commerce) == before);
}

static void check_cell(void **state)
{
	const struct cell *cell = *state;
	for (int variant = 0; variant < 4; variant++) {
		bool is_part = variant & 1, is_refunded = variant & 2;
		if (cell->event == PAYMENT_DO_refund && is_refunded && cell->state == PAYMENT_partially_captured)
			continue; /* nothing is left to refund: below */
		struct instance *i = instance_create(&(struct commerce_options){.seed = 1}, false);
		lead_to(i, cell->state, is_refunded);
		if (cell->refusal == STATUS_ok)
			check_accepted(i, cell, is_part, is_refunded);
		else
			check_refused(i, cell, is_part ? PART : 0);
		assert_true(commerce_is_valid(&i->commerce));
		instance_destroy(&i);
	}
}

/* An amount beyond what is left, in every state in which a part may be taken. */
static void more_than_is_left_is_refused_and_nothing_taken(void **state)
{
	(void)state;
	for (size_t n = 0; n < sizeof cells / sizeof cells[0]; n++) {
		const struct cell *cell = &cells[n];
		if (cell->refusal != STATUS_ok || (cell->event != PAYMENT_DO_capture && cell->event != PAYMENT_DO_refund))
			continue;
		struct instance *i = instance_create(&(struct commerce_options){.seed = 1}, false);
		lead_to(i, cell->state, false);
		const struct payment_record *p = &last.payment;
		int64_t most = cell->event == PAYMENT_DO_capture ? p->authorized - p->captured : p->captured - p->refunded;
		uint64_t before = commerce_digest(&i->commerce);
		assert_int_equal(happen(i, cell->event, (int)most + 1), STATUS_amount_exceeds);
		assert_int_equal(i->problem.payment_state, cell->state);
		assert_true(commerce_digest(&i->commerce) == before);
		assert_int_equal(happen(i, cell->event, (int)most), STATUS_ok);
		instance_destroy(&i);
	}
}

int main(void)
{
	static char names[sizeof cells / sizeof cells[0]][64];
	struct CMUnitTest tests[sizeof cells / sizeof cells[0] + 1];
	size_t count = 0;
	for (; count < sizeof cells / sizeof cells[0]; count++) {
		snprintf(names[count], sizeof names[count], "%s_%s", payment_state_name(cells[count].state),
		         payment_event_name(cells[count].event));
		tests[count] = (struct CMUnitTest){names[count], check_cell, NULL, NULL, (void *)(uintptr_t)&cells[count]};
	}
	tests[count] = (struct CMUnitTest)cmocka_unit_test(more_than_is_left_is_refused_and_nothing_taken);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
