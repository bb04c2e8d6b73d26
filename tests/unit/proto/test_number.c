/* Doubles as text: read back as the same bits, in the expected shape, near the shortest. */
#include "engine/base/random.h"
#include "proto/number.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static void check_round_trip(double value, unsigned *longer)
{
	char text[NUMBER_TEXT_BYTES + 1], best[NUMBER_TEXT_BYTES];
	size_t bytes = number_format(value, text);
	assert_in_range(bytes, 1, NUMBER_TEXT_BYTES);
	text[bytes] = '\0';
	double back = strtod(text, NULL);
	if (memcmp(&back, &value, sizeof back) != 0)
		fail_msg("%a printed as %s", value, text);
	int digits = 0, least = 1;
	for (size_t i = 0; i < bytes && text[i] != 'e'; i++)
		digits += text[i] >= '0' && text[i] <= '9' && !(digits == 0 && text[i] == '0');
	if (strchr(text, '.') == NULL)
		return;
	for (; least < 17; least++) {
		snprintf(best, sizeof best, "%.*e", least - 1, value);
		if (strtod(best, NULL) == value)
			break;
	}
	*longer += digits > least;
}

static void test_shapes(void **)
{
	static const struct {
		double value;
		const char *text;
	} cases[] = {
		{0, "0"}, {-0.0, "-0.0"}, {1, "1"}, {-1, "-1"}, {0.1, "0.1"}, {123.456, "123.456"}, {1e15, "1000000000000000"},
		{9007199254740994, "9007199254740994"},
		{1e16, "1e+16"}, {5.077777777777778e20, "5.077777777777778e+20"}, {1e-6, "0.000001"}, {1e-7, "1e-7"}, {1.5e-9, "1.5e-9"},
		{0x1.fffffffffffffp1023, "1.7976931348623157e+308"}, {0x1p-1074, "5e-324"}, {0x1p-1022, "2.2250738585072014e-308"},
		{1.0 / 3, "0.3333333333333333"}, {-122.4194155, "-122.4194155"}, {9007199254740992, "9007199254740992"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char text[NUMBER_TEXT_BYTES + 1];
		text[number_format(cases[i].value, text)] = '\0';
		assert_string_equal(text, cases[i].text);
	}
}

static void test_random_bits(void **)
{
	struct random random = {7};
	unsigned longer = 0;
	for (unsigned i = 0; i < 100000; i++) {
		uint64_t bits = random_next(&random);
		double value;
		memcpy(&value, &bits, sizeof value);
		if (isfinite(value))
			check_round_trip(value, &longer);
	}
	assert_in_range(longer, 0, 300);
}

static void test_distances(void **)
{
	struct random random = {8};
	unsigned longer = 0;
	for (unsigned i = 0; i < 100000; i++)
		check_round_trip(random_between(&random, 0, 30000), &longer);
	for (int exponent = -1074; exponent < 1024; exponent++)
		for (int step = -2; step <= 2; step++)
			check_round_trip(nextafter(ldexp(1, exponent), step < 0 ? 0 : INFINITY) , &longer);
	assert_in_range(longer, 0, 300);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_random_bits),
		cmocka_unit_test(test_distances),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
