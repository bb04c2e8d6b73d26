/* Carts: lines over several extents, totals, discounts, closing, and who leaves a full pool. */
#include "engine/commerce/cart.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

enum { CARTS = 4, EXTENTS = 6, TTL_MS = 60000 };

static currency_code eur, usd;

static int setup(void **state)
{
	static struct carts c;
	*state = &c;
	eur = currency_parse("EUR");
	usd = currency_parse("USD");
	return carts_setup(&c, CARTS, EXTENTS, &(struct part_options){.seed = 3}) != STATUS_ok;
}

static int teardown(void **state)
{
	bool is_valid = carts_are_valid(*state);
	carts_teardown(*state);
	return !is_valid;
}

static struct identifier id(uint64_t n) { return (struct identifier){n, 7, false}; }

static struct cart_line line_of(unsigned sku, uint32_t quantity, int64_t price)
{
	struct cart_line line = {.unit_price = price, .quantity = quantity};
	char text[16];
	int n = snprintf(text, sizeof text, "sku-%u", sku);
	assert_true(sku_make(&line.sku, text, (size_t)n));
	return line;
}

static struct cart_opening opening(uint64_t n)
{
	return (struct cart_opening){.cart = id(n), .currency = eur, .ttl_ms = TTL_MS};
}

static status can_open(struct carts *c, uint64_t n, struct victim *victim)
{
	struct cart_opening o = opening(n);
	(void)carts_prepare(c);
	return carts_can_open(c, &o, victim);
}

static void open(struct carts *c, uint64_t n, int64_t now_ms)
{
	struct cart_opening o = opening(n);
	struct victim victim;
	assert_int_equal(can_open(c, n, &victim), STATUS_ok);
	if (victim.is_needed)
		carts_evict(c, victim.id);
	carts_open(c, &o, now_ms);
	assert_true(carts_are_valid(c));
}

static status add(struct carts *c, uint64_t n, struct cart_line line)
{
	struct victim victim;
	(void)carts_prepare_lines(c);
	status s = carts_can_add(c, id(n), &line, eur, &victim);
	if (s != STATUS_ok)
		return s;
	if (victim.is_needed)
		carts_evict(c, victim.id);
	carts_add(c, id(n), &line, 0);
	assert_true(carts_are_valid(c));
	return s;
}

static status set(struct carts *c, uint64_t n, struct cart_line line)
{
	struct victim victim;
	(void)carts_prepare_lines(c);
	status s = carts_can_set(c, id(n), &line, eur, &victim);
	if (s == STATUS_ok)
		carts_set(c, id(n), &line, 0);
	assert_true(carts_are_valid(c));
	return s;
}

static status take(struct carts *c, uint64_t n, unsigned sku, uint64_t quantity)
{
	struct sku key = line_of(sku, 1, 0).sku;
	status s = carts_can_remove(c, id(n), &key, quantity);
	if (s == STATUS_ok)
		carts_remove(c, id(n), &key, quantity, 0);
	assert_true(carts_are_valid(c));
	return s;
}

/* "1x2@300 ..." : sku, quantity, price */
static void expect_lines(struct carts *c, uint64_t n, const char *expected)
{
	char text[2048] = "";
	size_t used = 0;
	struct cart_cursor at;
	const struct cart *cart = carts_find(c, id(n));
	for (const struct cart_line *l = cart_first_line(c, cart, &at); l != NULL; l = cart_next_line(c, &at))
		used += (size_t)snprintf(text + used, sizeof text - used, "%s%.*sx%u@%lld", used ? " " : "", l->sku.bytes - 4,
		                         l->sku.text + 4, l->quantity, (long long)l->unit_price);
	assert_string_equal(text, expected);
}

static void expect_totals(struct carts *c, uint64_t n, int64_t subtotal, int64_t discount, int64_t total)
{
	struct cart_totals t;
	carts_totals(c, carts_find(c, id(n)), &t);
	assert_int_equal(t.subtotal, subtotal);
	assert_int_equal(t.discount, discount);
	assert_int_equal(t.total, total);
}

static void lines_merge_by_sku_and_price(void **state)
{
	struct carts *c = *state;
	open(c, 1, 0);
	assert_int_equal(add(c, 1, line_of(1, 2, 300)), STATUS_ok);
	assert_int_equal(add(c, 1, line_of(2, 1, 50)), STATUS_ok);
	assert_int_equal(add(c, 1, line_of(1, 3, 300)), STATUS_ok);
	assert_int_equal(add(c, 1, line_of(1, 1, 250)), STATUS_ok); /* the price has changed: a line of its own */
	expect_lines(c, 1, "1x5@300 2x1@50 1x1@250");
	expect_totals(c, 1, 1800, 0, 1800);
}

static void set_makes_one_line(void **state)
{
	struct carts *c = *state;
	open(c, 1, 0);
	assert_int_equal(set(c, 1, line_of(1, 2, 300)), STATUS_ok);
	assert_int_equal(add(c, 1, line_of(2, 1, 50)), STATUS_ok);
	assert_int_equal(add(c, 1, line_of(1, 1, 250)), STATUS_ok);
	assert_int_equal(set(c, 1, line_of(1, 7, 200)), STATUS_ok);
	expect_lines(c, 1, "1x7@200 2x1@50");
	expect_totals(c, 1, 1450, 0, 1450);
}

static void remove_takes_the_newest_first(void **state)
{
	struct carts *c = *state;
	open(c, 1, 0);
	assert_int_equal(add(c, 1, line_of(1, 5, 300)), STATUS_ok);
	assert_int_equal(add(c, 1, line_of(2, 1, 50)), STATUS_ok);
	assert_int_equal(add(c, 1, line_of(1, 2, 250)), STATUS_ok);
	assert_int_equal(take(c, 1, 1, 8), STATUS_amount_exceeds);
	assert_int_equal(take(c, 1, 3, 1), STATUS_not_found);
	assert_int_equal(take(c, 1, 1, 3), STATUS_ok);
	expect_lines(c, 1, "1x4@300 2x1@50");
	assert_int_equal(take(c, 1, 1, 4), STATUS_ok);
	assert_int_equal(take(c, 1, 2, 0), STATUS_ok);
	expect_lines(c, 1, "");
	assert_int_equal(slots_in_use(&c->extents), 0);
}

static void a_cart_has_so_many_lines_at_most(void **state)
{
	struct carts *c = *state;
	struct victim victim;
	struct cart_line fourth = line_of(4, 1, 10);
	c->lines_max = 3;
	open(c, 1, 0);
	for (unsigned sku = 1; sku <= 3; sku++)
		assert_int_equal(add(c, 1, line_of(sku, 1, 10)), STATUS_ok);
	assert_int_equal(add(c, 1, line_of(4, 1, 10)), STATUS_pool_exhausted);
	assert_int_equal(add(c, 1, line_of(3, 1, 11)), STATUS_pool_exhausted); /* at another price it is another line */
	assert_int_equal(set(c, 1, line_of(4, 1, 10)), STATUS_pool_exhausted);
	assert_int_equal(add(c, 1, line_of(4, 1, MONEY_MAX)), STATUS_amount_overflow); /* which comes first */
	assert_int_equal(add(c, 1, line_of(3, 4, 10)), STATUS_ok);
	assert_int_equal(set(c, 1, line_of(2, 7, 11)), STATUS_ok);
	expect_lines(c, 1, "1x1@10 2x7@11 3x5@10");
	/* Nobody has to leave for what is refused. */
	assert_int_equal(carts_can_add(c, id(1), &fourth, eur, &victim), STATUS_pool_exhausted);
	assert_false(victim.is_needed);
	/* Only who has too many is refused, and only until there are fewer. */
	open(c, 2, 0);
	assert_int_equal(add(c, 2, line_of(4, 1, 10)), STATUS_ok);
	assert_int_equal(take(c, 1, 1, 0), STATUS_ok);
	assert_int_equal(add(c, 1, line_of(4, 1, 10)), STATUS_ok);
	/* One that was allowed more keeps it; what a plan allowed before is done. */
	c->lines_max = 2;
	assert_int_equal(add(c, 1, line_of(5, 1, 10)), STATUS_pool_exhausted);
	assert_int_equal(set(c, 1, line_of(4, 2, 10)), STATUS_ok);
	struct cart_line fifth = line_of(5, 1, 10);
	(void)carts_prepare_lines(c);
	carts_add(c, id(1), &fifth, 0);
	expect_lines(c, 1, "2x7@11 3x5@10 4x2@10 5x1@10");
}

static void lines_go_on_in_further_extents(void **state)
{
	struct carts *c = *state;
	open(c, 1, 0);
	for (unsigned i = 0; i < EXTENTS * CART_EXTENT_LINES; i++) {
		assert_int_equal(slots_in_use(&c->extents), (i + 19) / 20);
		assert_int_equal(add(c, 1, line_of(i, 1, 10 + i)), STATUS_ok);
	}
	assert_int_equal(add(c, 1, line_of(999, 1, 1)), STATUS_pool_exhausted);
	assert_int_equal(add(c, 1, line_of(5, 1, 15)), STATUS_ok); /* merges: needs no room */
	for (unsigned i = 0; i < 100; i++) /* the first ones: everything behind moves up */
		assert_int_equal(take(c, 1, i, 0), STATUS_ok);
	assert_int_equal(slots_in_use(&c->extents), 1);
	expect_lines(c, 1, "100x1@110 101x1@111 102x1@112 103x1@113 104x1@114 105x1@115 106x1@116 107x1@117 108x1@118 109x1@119 "
	                   "110x1@120 111x1@121 112x1@122 113x1@123 114x1@124 115x1@125 116x1@126 117x1@127 118x1@128 119x1@129");
}

static void amounts_that_do_not_fit_are_refused(void **state)
{
	struct carts *c = *state;
	struct victim victim;
	open(c, 1, 0);
	assert_int_equal(add(c, 1, line_of(1, 2, MONEY_MAX / 2 + 1)), STATUS_amount_overflow);
	assert_int_equal(add(c, 1, line_of(1, 1, MONEY_MAX)), STATUS_ok);
	assert_int_equal(add(c, 1, line_of(2, 1, 1)), STATUS_amount_overflow);
	assert_int_equal(set(c, 1, line_of(1, 2, MONEY_MAX / 2)), STATUS_ok); /* replaces: fits */
	assert_int_equal(add(c, 1, line_of(3, UINT32_MAX, 0)), STATUS_ok);
	assert_int_equal(add(c, 1, line_of(3, 1, 0)), STATUS_amount_overflow);
	struct cart_line line = line_of(4, 1, 1);
	assert_int_equal(carts_can_add(c, id(1), &line, usd, &victim), STATUS_currency_mismatch);
	assert_int_equal(carts_can_set(c, id(1), &line, usd, &victim), STATUS_currency_mismatch);
	assert_int_equal(add(c, 1, line_of(4, 0, 1)), STATUS_invalid_field);
	assert_int_equal(add(c, 1, line_of(4, 1, -1)), STATUS_invalid_field);
	assert_int_equal(add(c, 2, line_of(4, 1, 1)), STATUS_not_found);
}

static status discount(struct carts *c, uint64_t n, struct benefit benefit)
{
	struct victim victim;
	struct cart_discount d = {.claim = {99, 0}, .benefit = benefit};
	(void)carts_prepare_lines(c);
	status s = carts_can_discount(c, id(n), &benefit, &victim);
	if (s == STATUS_ok)
		carts_apply_discount(c, id(n), &d, 0);
	assert_true(carts_are_valid(c));
	return s;
}

static void a_discount_follows_the_subtotal_and_stops_at_zero(void **state)
{
	struct carts *c = *state;
	open(c, 1, 0);
	open(c, 2, 0);
	assert_int_equal(discount(c, 1, (struct benefit){500, usd, BENEFIT_AMOUNT}), STATUS_currency_mismatch);
	assert_int_equal(discount(c, 1, (struct benefit){500, eur, BENEFIT_AMOUNT}), STATUS_ok); /* before any line */
	assert_int_equal(discount(c, 1, (struct benefit){1000, 0, BENEFIT_PERCENT}), STATUS_invalid_state);
	expect_totals(c, 1, 0, 0, 0);
	assert_int_equal(add(c, 1, line_of(1, 1, 300)), STATUS_ok);
	expect_totals(c, 1, 300, 300, 0);
	assert_int_equal(add(c, 1, line_of(1, 1, 300)), STATUS_ok);
	expect_totals(c, 1, 600, 500, 100);
	assert_int_equal(take(c, 1, 1, 0), STATUS_ok);
	expect_totals(c, 1, 0, 0, 0);
	assert_non_null(carts_discount(c, carts_find(c, id(1)))); /* stays without lines */
	assert_int_equal(add(c, 2, line_of(1, 1, 1999)), STATUS_ok);
	assert_int_equal(discount(c, 2, (struct benefit){1000, 0, BENEFIT_PERCENT}), STATUS_ok);
	expect_totals(c, 2, 1999, 200, 1799);
}

static void a_discount_alone_goes_with_its_cart(void **state)
{
	struct carts *c = *state;
	open(c, 1, 0);
	assert_int_equal(discount(c, 1, (struct benefit){1000, 0, BENEFIT_PERCENT}), STATUS_ok);
	assert_int_equal(slots_in_use(&c->extents), 1);
	assert_int_equal(carts_expire(c, id(1), 1000), CART_expired);
	assert_int_equal(slots_in_use(&c->extents), 0);
}

static void closed_carts_are_read_and_not_changed(void **state)
{
	struct carts *c = *state;
	struct cart_totals totals;
	struct victim victim;
	open(c, 1, 0);
	assert_int_equal(can_open(c, 1, &victim), STATUS_already_exists);
	assert_int_equal(carts_can_check_out(c, id(1), &totals), STATUS_invalid_state); /* nothing in it */
	assert_int_equal(add(c, 1, line_of(1, 2, 300)), STATUS_ok);
	assert_int_equal(carts_can_check_out(c, id(1), &totals), STATUS_ok);
	assert_int_equal(totals.total, 600);
	carts_check_out(c, id(1), 5000);
	assert_int_equal(carts_find(c, id(1))->state, CART_checked_out);
	expect_lines(c, 1, "1x2@300");
	assert_int_equal(add(c, 1, line_of(1, 2, 300)), STATUS_invalid_state);
	assert_int_equal(take(c, 1, 1, 0), STATUS_invalid_state);
	assert_int_equal(carts_can_check_out(c, id(1), &totals), STATUS_invalid_state);
	assert_int_equal(carts_can_check_out(c, id(2), &totals), STATUS_not_found);
}

static void the_hand_finds_idle_carts_and_a_change_renews(void **state)
{
	struct carts *c = *state;
	struct identifier ids[CARTS];
	uint32_t hand = 0;
	open(c, 1, 0);
	open(c, 2, 0);
	open(c, 3, 30000);
	struct cart_line line = line_of(1, 1, 1);
	(void)carts_prepare_lines(c);
	carts_add(c, id(2), &line, 30000);
	assert_int_equal(carts_sweep(c, &hand, TTL_MS - 1, CARTS, ids, CARTS), 0);
	assert_int_equal(carts_sweep(c, &hand, TTL_MS, CARTS, ids, CARTS), 1);
	assert_int_equal(ids[0].low, 1);
	assert_int_equal(carts_sweep(c, &hand, TTL_MS + 30000, 100, ids, 2), 2); /* stops when there is no room */
	uint32_t found = 0; /* in small steps the hand comes by everywhere */
	for (int i = 0; i < CARTS; i++)
		found += carts_sweep(c, &hand, TTL_MS + 30000, 1, ids, CARTS);
	assert_int_equal(found, 3);
	assert_int_equal(carts_expire(c, id(1), 60000), CART_expired);
	assert_int_equal(carts_expire(c, id(2), 60000), CART_abandoned);
	assert_int_equal(carts_sweep(c, &hand, INT64_MAX, CARTS, ids, CARTS), 1);
}

static void a_full_pool_lets_closed_ones_go_and_open_ones_never(void **state)
{
	struct carts *c = *state;
	struct victim victim;
	for (uint64_t n = 1; n <= CARTS; n++)
		open(c, n, 0);
	assert_int_equal(can_open(c, 9, &victim), STATUS_pool_exhausted);
	for (uint64_t n = 1; n <= 3; n++)
		assert_int_equal(add(c, n, line_of(1, 1, 1)), STATUS_ok);
	carts_check_out(c, id(3), 1000);
	(void)carts_expire(c, id(1), 2000);
	(void)carts_expire(c, id(4), 3000);
	open(c, 11, 4000); /* takes the empty one's place, then in order of closing */
	assert_null(carts_find(c, id(4)));
	open(c, 12, 4000);
	assert_null(carts_find(c, id(3)));
	open(c, 13, 4000);
	assert_null(carts_find(c, id(1)));
	assert_int_equal(can_open(c, 14, &victim), STATUS_pool_exhausted);
	assert_non_null(carts_find(c, id(2)));
}

static void lines_find_room_in_closed_carts(void **state)
{
	struct carts *c = *state;
	open(c, 1, 0);
	open(c, 2, 0);
	open(c, 3, 0);
	for (unsigned i = 0; i < 60; i++)
		assert_int_equal(add(c, 1, line_of(i, 1, 1)), STATUS_ok);
	for (unsigned i = 0; i < 60; i++)
		assert_int_equal(add(c, 2, line_of(i, 1, 1)), STATUS_ok);
	assert_int_equal(add(c, 3, line_of(1, 1, 1)), STATUS_pool_exhausted);
	carts_check_out(c, id(1), 1000);
	assert_int_equal(add(c, 3, line_of(1, 1, 1)), STATUS_ok);
	assert_null(carts_find(c, id(1)));
	assert_int_equal(slots_in_use(&c->extents), 4);
}

#define test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(lines_merge_by_sku_and_price),
		test(set_makes_one_line),
		test(remove_takes_the_newest_first),
		test(lines_go_on_in_further_extents),
		test(a_cart_has_so_many_lines_at_most),
		test(amounts_that_do_not_fit_are_refused),
		test(a_discount_follows_the_subtotal_and_stops_at_zero),
		test(a_discount_alone_goes_with_its_cart),
		test(closed_carts_are_read_and_not_changed),
		test(the_hand_finds_idle_carts_and_a_change_renews),
		test(a_full_pool_lets_closed_ones_go_and_open_ones_never),
		test(lines_find_room_in_closed_carts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
