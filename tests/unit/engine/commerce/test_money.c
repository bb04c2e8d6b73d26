/* Money: currencies, checked arithmetic, rounding. */
#include "engine/commerce/money.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void every_currency_comes_back(void **state)
{
	(void)state;
	static bool seen[1 << 16];
	char letters[CURRENCY_BYTES], back[CURRENCY_BYTES];
	for (int i = 0; i < 26 * 26 * 26; i++) {
		letters[0] = (char)('A' + i / 676);
		letters[1] = (char)('A' + i / 26 % 26);
		letters[2] = (char)('A' + i % 26);
		currency_code code = currency_parse(letters);
		assert_int_not_equal(code, 0);
		assert_false(seen[code]);
		seen[code] = true;
		currency_format(code, back);
		assert_memory_equal(letters, back, CURRENCY_BYTES);
	}
}

static void what_is_no_currency_is_none(void **state)
{
	(void)state;
	char back[CURRENCY_BYTES];
	const char *const bad[] = {"eur", "EU ", "E1R", "\0\0\0", "[[[", "@@@"};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_equal(currency_parse(bad[i]), 0);
	currency_format(0, back);
	assert_memory_equal(back, "???", 3);
	currency_format(UINT16_MAX, back);
	assert_memory_equal(back, "???", 3);
}

static void sums_and_products_stop_at_the_limit(void **state)
{
	(void)state;
	int64_t out = 7;
	assert_int_equal(money_add(MONEY_MAX - 1, 1, &out), STATUS_ok);
	assert_true(out == MONEY_MAX);
	assert_int_equal(money_add(MONEY_MAX, 1, &out), STATUS_amount_overflow);
	assert_int_equal(money_add(INT64_MAX, INT64_MAX, &out), STATUS_amount_overflow);
	assert_true(out == MONEY_MAX);
	assert_int_equal(money_times(MONEY_MAX, 1, &out), STATUS_ok);
	assert_int_equal(money_times(MONEY_MAX / 2 + 1, 2, &out), STATUS_amount_overflow);
	assert_int_equal(money_times(INT64_MAX, UINT64_MAX, &out), STATUS_amount_overflow);
	assert_int_equal(money_times(1, UINT64_MAX, &out), STATUS_amount_overflow);
	assert_int_equal(money_times(0, UINT64_MAX, &out), STATUS_ok);
	assert_true(out == 0);
}

static int64_t percent(int64_t basis_points, int64_t subtotal)
{
	struct benefit b = {.value = basis_points, .type = BENEFIT_PERCENT};
	assert_int_equal(benefit_check(&b), STATUS_ok);
	return benefit_of(&b, subtotal);
}

static void percentages_round_half_up(void **state)
{
	(void)state;
	assert_int_equal(percent(1000, 1999), 200); /* 199.9 */
	assert_int_equal(percent(5000, 1), 1);      /* 0.5 */
	assert_int_equal(percent(4999, 1), 0);
	assert_int_equal(percent(250, 20), 1);      /* 0.5 */
	assert_int_equal(percent(250, 60), 2);      /* 1.5: not to even, which would be 2 as well */
	assert_int_equal(percent(250, 100), 3);     /* 2.5: to even would be 2 */
	assert_int_equal(percent(1, 4999), 0);
	assert_int_equal(percent(1, 5000), 1);
	assert_int_equal(percent(10000, 12345), 12345);
	assert_int_equal(percent(10000, 0), 0);
	assert_true(percent(10000, MONEY_MAX) == MONEY_MAX); /* the product would not fit 64 bits */
	assert_true(percent(3333, MONEY_MAX) == (int64_t)(((__int128)MONEY_MAX * 3333 + 5000) / 10000));
}

static void amounts_never_go_below_zero(void **state)
{
	(void)state;
	struct benefit b = {.value = 500, .currency = currency_parse("EUR"), .type = BENEFIT_AMOUNT};
	assert_int_equal(benefit_check(&b), STATUS_ok);
	assert_int_equal(benefit_of(&b, 501), 500);
	assert_int_equal(benefit_of(&b, 500), 500);
	assert_int_equal(benefit_of(&b, 499), 499);
	assert_int_equal(benefit_of(&b, 0), 0);
}

static void what_is_no_benefit_is_refused(void **state)
{
	(void)state;
	const currency_code eur = currency_parse("EUR");
	const struct benefit bad[] = {
		{0, 0, BENEFIT_NONE},      {0, 0, BENEFIT_PERCENT},   {10001, 0, BENEFIT_PERCENT}, {-1, 0, BENEFIT_PERCENT},
		{5, 0, BENEFIT_AMOUNT},    {0, eur, BENEFIT_AMOUNT},  {-5, eur, BENEFIT_AMOUNT},   {INT64_MAX, eur, BENEFIT_AMOUNT},
		{5, eur, 3},
	};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_equal(benefit_check(&bad[i]), STATUS_invalid_field);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_currency_comes_back),
		cmocka_unit_test(what_is_no_currency_is_none),
		cmocka_unit_test(sums_and_products_stop_at_the_limit),
		cmocka_unit_test(percentages_round_half_up),
		cmocka_unit_test(amounts_never_go_below_zero),
		cmocka_unit_test(what_is_no_benefit_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
