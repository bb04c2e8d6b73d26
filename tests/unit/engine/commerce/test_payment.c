/* The state table of payments, cell by cell, and payments in their pool. */
#include "engine/base/check.h"
#include "engine/commerce/payments.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define none PAYMENT_none
#define auth PAYMENT_authorized
#define part PAYMENT_partially_captured
#define capt PAYMENT_captured
#define refd PAYMENT_refunded
#define void_ PAYMENT_voided
#define expi PAYMENT_expired
#define no {STATUS_invalid_state, none, none}
#define gone {STATUS_not_found, none, none}
#define dup {STATUS_already_exists, none, none}
#define yes(some, all) {STATUS_ok, some, all}

/* Written down a second time, by hand: what a part and what all of it leads to. */
static const struct {
	status refusal;
	enum payment_state of_part, of_all;
} expected[PAYMENT_STATE_COUNT][PAYMENT_EVENT_COUNT] = {
	/* authorize, capture, refund, void, expire */
	[none] = {yes(auth, auth), gone, gone, gone, gone},
	[auth] = {dup, yes(part, capt), no, yes(void_, void_), yes(expi, expi)},
	[part] = {dup, yes(part, capt), yes(part, part), yes(capt, refd), yes(capt, refd)},
	[capt] = {dup, no, yes(capt, refd), no, no},
	[refd] = {dup, no, no, no, no},
	[void_] = {dup, no, no, no, no},
	[expi] = {dup, no, no, no, no},
};

static struct payment of(enum payment_state s, int64_t captured, int64_t refunded, int64_t voided)
{
	struct payment p = {.id = {1, 0}, .authorized = 100, .captured = captured, .refunded = refunded, .voided = voided,
	                    .currency = currency_parse("EUR"), .state = (uint8_t)s};
	assert_true(payment_is_valid(&p));
	return p;
}

/* A payment in the state; `is_empty`: one of which nothing would be left after void or expire. */
static struct payment example(enum payment_state s, bool is_empty)
{
	switch (s) {
	case part: return of(s, 40, is_empty ? 40 : 10, 0);
	case capt: return of(s, 100, 30, 0);
	case refd: return of(s, 60, 60, 40);
	case void_:
	case expi: return of(s, 0, 0, 100);
	default: return of(auth, 0, 0, 0);
	}
}

static void expect_cell(enum payment_state s, enum payment_event e, bool is_all)
{
	bool takes_all = e == PAYMENT_DO_void || e == PAYMENT_DO_expire;
	struct payment before = example(s, is_all && takes_all);
	struct payment after = {.id = {1, 0}, .currency = currency_parse("EUR")};
	int64_t amount = takes_all ? PAYMENT_ALL : e == PAYMENT_DO_authorize ? 100 : is_all ? PAYMENT_ALL : 5;
	status got = payment_plan(s == none ? NULL : &before, e, amount, &after);
	if (got != expected[s][e].refusal)
		fail_msg("%s, %s: %s", payment_state_name(s), payment_event_name(e), status_code(got));
	if (got != STATUS_ok)
		return;
	enum payment_state wanted = is_all ? expected[s][e].of_all : expected[s][e].of_part;
	if (after.state != wanted)
		fail_msg("%s, %s, %s: %s", payment_state_name(s), payment_event_name(e), is_all ? "all" : "a part",
		         payment_state_name(after.state));
	assert_true(payment_is_valid(&after));
}

static void every_state_times_every_event(void **state)
{
	(void)state;
	for (int s = 0; s < PAYMENT_STATE_COUNT; s++)
		for (int e = 0; e < PAYMENT_EVENT_COUNT; e++) {
			expect_cell((enum payment_state)s, (enum payment_event)e, false);
			expect_cell((enum payment_state)s, (enum payment_event)e, true);
		}
}

static void the_readme_has_the_same_table(void **state)
{
	(void)state;
	static char text[64 << 10];
	FILE *f = fopen("engine/commerce/README.md", "r");
	assert_non_null(f);
	text[fread(text, 1, sizeof text - 1, f)] = '\0';
	fclose(f);
#define X(s, e, refusal, some, all) \
	{ \
		char row[160]; \
		if (STATUS_##refusal != STATUS_ok) \
			snprintf(row, sizeof row, "\n| %s | %s | `%s` |\n", #s, #e, #refusal); \
		else if (strcmp(#some, #all) == 0) \
			snprintf(row, sizeof row, "\n| %s | %s | %s |\n", #s, #e, #some); \
		else \
			snprintf(row, sizeof row, "\n| %s | %s | %s; nothing left: %s |\n", #s, #e, #some, #all); \
		if (strstr(text, row) == NULL) \
			fail_msg("engine/commerce/README.md lacks this row:%s", row); \
	}
	PAYMENT_TABLE(X)
#undef X
}

static struct payment planned(const struct payment *before, enum payment_event e, int64_t amount)
{
	struct payment after = {.id = {1, 0}, .currency = currency_parse("EUR"), .expires_s = 1000};
	assert_int_equal(payment_plan(before, e, amount, &after), STATUS_ok);
	return after;
}

static void amounts_are_held_captured_refunded_voided(void **state)
{
	(void)state;
	struct payment p = planned(NULL, PAYMENT_DO_authorize, 100), q;
	assert_int_equal(payment_plan(&p, PAYMENT_DO_capture, 101, &q), STATUS_amount_exceeds);
	p = planned(&p, PAYMENT_DO_capture, 30);
	p = planned(&p, PAYMENT_DO_capture, 30);
	assert_int_equal(payment_held(&p), 40);
	assert_int_equal(payment_plan(&p, PAYMENT_DO_capture, 41, &q), STATUS_amount_exceeds);
	assert_int_equal(payment_plan(&p, PAYMENT_DO_refund, 61, &q), STATUS_amount_exceeds);
	p = planned(&p, PAYMENT_DO_refund, 20);
	p = planned(&p, PAYMENT_DO_void, PAYMENT_ALL);
	assert_int_equal(p.state, PAYMENT_captured);
	assert_int_equal(p.voided, 40);
	p = planned(&p, PAYMENT_DO_refund, PAYMENT_ALL);
	assert_int_equal(p.state, PAYMENT_refunded);
	assert_true(p.authorized == 100 && p.captured == 60 && p.refunded == 60 && p.voided == 40);
}

static void amounts_that_cannot_be_are_invalid(void **state)
{
	(void)state;
	struct payment p = planned(NULL, PAYMENT_DO_authorize, 100), q;
	const int64_t bad[] = {0, -2, INT64_MIN};
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		assert_int_equal(payment_plan(&p, PAYMENT_DO_capture, bad[i], &q), STATUS_invalid_field);
		assert_int_equal(payment_plan(&p, PAYMENT_DO_refund, bad[i], &q), STATUS_invalid_field);
	}
	assert_int_equal(payment_plan(&p, PAYMENT_DO_void, 5, &q), STATUS_invalid_field);
	assert_int_equal(payment_plan(NULL, PAYMENT_DO_authorize, -1, &q), STATUS_invalid_field);
	assert_int_equal(payment_plan(NULL, PAYMENT_DO_authorize, MONEY_MAX + 1, &q), STATUS_amount_overflow);
	assert_int_equal(payment_plan(&p, PAYMENT_DO_capture, INT64_MAX, &q), STATUS_amount_exceeds);
}

static void a_payment_of_nothing_goes_through(void **state)
{
	(void)state;
	struct payment p = planned(NULL, PAYMENT_DO_authorize, 0);
	p = planned(&p, PAYMENT_DO_capture, PAYMENT_ALL);
	assert_int_equal(p.state, PAYMENT_captured);
	p = planned(&p, PAYMENT_DO_refund, PAYMENT_ALL);
	assert_int_equal(p.state, PAYMENT_refunded);
}

/* ---- in the pool -------------------------------------------------------------------------------- */

enum { CAPACITY = 3 };

static int open_payments(void **state)
{
	static struct payments p;
	*state = &p;
	return payments_setup(&p, CAPACITY, &(struct part_options){.seed = 1}) != STATUS_ok;
}

static int close_payments(void **state)
{
	bool is_valid = payments_are_valid(*state);
	payments_teardown(*state);
	return !is_valid;
}

static struct identifier id(uint64_t n) { return (struct identifier){n, 0, false}; }

static struct payment hold(uint64_t n)
{
	struct payment p = planned(NULL, PAYMENT_DO_authorize, 100);
	p.id = (struct wire_id){n, 0};
	return p;
}

static void put(struct payments *p, const struct payment *after)
{
	struct victim victim;
	(void)slots_prepare(&p->slots);
	assert_int_equal(payments_can_put(p, after, &victim), STATUS_ok);
	assert_false(victim.is_needed);
	payments_put(p, after);
	assert_true(payments_are_valid(p));
}

static void change(struct payments *p, uint64_t n, enum payment_event e, int64_t amount)
{
	struct payment after = planned(payments_find(p, id(n)), e, amount);
	payments_put(p, &after);
	assert_true(payments_are_valid(p));
}

static void final_ones_leave_the_pool(void **state)
{
	struct payments *p = *state;
	for (uint64_t n = 1; n <= 100; n++) {
		struct payment one = hold(n);
		put(p, &one);
		change(p, n, n % 2 ? PAYMENT_DO_void : PAYMENT_DO_expire, PAYMENT_ALL);
		assert_null(payments_find(p, id(n)));
	}
}

static void holds_never_leave_and_captured_ones_do_oldest_first(void **state)
{
	struct payments *p = *state;
	struct victim victim;
	struct payment last;
	for (uint64_t n = 1; n <= CAPACITY; n++) {
		struct payment one = hold(n);
		put(p, &one);
	}
	struct payment four = hold(4);
	(void)slots_prepare(&p->slots);
	assert_int_equal(payments_can_put(p, &four, &victim), STATUS_pool_exhausted);
	change(p, 2, PAYMENT_DO_capture, PAYMENT_ALL);
	change(p, 1, PAYMENT_DO_capture, PAYMENT_ALL);
	change(p, 2, PAYMENT_DO_refund, 10); /* touched last */
	assert_int_equal(payments_can_put(p, &four, &victim), STATUS_ok);
	assert_true(victim.is_needed && victim.id.low == 1);
	payments_evict(p, victim.id, &last);
	assert_int_equal(last.captured, 100);
	payments_put(p, &four);
	assert_true(payments_are_valid(p));
	assert_null(payments_find(p, id(1)));
	/* The one that left is refunded from its record, and taken in again. */
	struct payment back = planned(&last, PAYMENT_DO_refund, 40);
	assert_int_equal(payments_can_put(p, &back, &victim), STATUS_ok);
	assert_int_equal(victim.id.low, 2);
	payments_evict(p, victim.id, &last);
	payments_put(p, &back);
	assert_int_equal(payments_find(p, id(1))->refunded, 40);
}

static void a_hand_finds_what_lapses(void **state)
{
	struct payments *p = *state;
	struct identifier ids[CAPACITY];
	uint32_t hand = 0;
	for (uint64_t n = 1; n <= 2; n++) {
		struct payment one = hold(n);
		one.expires_s = (uint32_t)(1000 * n);
		put(p, &one);
	}
	assert_int_equal(payments_sweep(p, &hand, 999999, 10, ids, CAPACITY), 0);
	assert_int_equal(payments_sweep(p, &hand, 1000000, CAPACITY, ids, CAPACITY), 1);
	assert_int_equal(ids[0].low, 1);
	change(p, 2, PAYMENT_DO_capture, PAYMENT_ALL); /* holds nothing: nothing lapses */
	change(p, 1, PAYMENT_DO_capture, 10);
	assert_int_equal(payments_sweep(p, &hand, INT64_MAX, CAPACITY, ids, CAPACITY), 1);
	assert_int_equal(ids[0].low, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_state_times_every_event),
		cmocka_unit_test(the_readme_has_the_same_table),
		cmocka_unit_test(amounts_are_held_captured_refunded_voided),
		cmocka_unit_test(amounts_that_cannot_be_are_invalid),
		cmocka_unit_test(a_payment_of_nothing_goes_through),
		cmocka_unit_test_setup_teardown(final_ones_leave_the_pool, open_payments, close_payments),
		cmocka_unit_test_setup_teardown(holds_never_leave_and_captured_ones_do_oldest_first, open_payments, close_payments),
		cmocka_unit_test_setup_teardown(a_hand_finds_what_lapses, open_payments, close_payments),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
