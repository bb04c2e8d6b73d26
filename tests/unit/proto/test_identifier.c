/* Ids: what is read, what is refused, and that they are printed as they came. */
#include "engine/base/random.h"
#include "proto/event.h"
#include "proto/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static void test_forms(void **)
{
	static const struct {
		const char *given, *printed;
		uint64_t high, low;
	} cases[] = {
		{"0", "0", 0, 0},
		{"42", "42", 0, 42},
		{"9007199254740993", "9007199254740993", 0, 9007199254740993u},
		{"18446744073709551615", "18446744073709551615", 0, UINT64_MAX},
		{"18446744073709551616", "18446744073709551616", 1, 0},
		{"10000000000000000000", "10000000000000000000", 0, 10000000000000000000u},
		{"100000000000000000000000000000000000000", "100000000000000000000000000000000000000", 0x4b3b4ca85a86c47a,
	         0x098a224000000000},
		{"340282366920938463463374607431768211455", "340282366920938463463374607431768211455", UINT64_MAX, UINT64_MAX},
		{"0188F0C4-89ab-7CDE-8f01-23456789abcD", "0188f0c4-89ab-7cde-8f01-23456789abcd", 0x0188f0c489ab7cde,
	         0x8f0123456789abcd},
		{"00000000-0000-0000-0000-000000000000", "00000000-0000-0000-0000-000000000000", 0, 0},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct identifier id;
		char text[IDENTIFIER_TEXT_BYTES];
		assert_true(identifier_parse(cases[i].given, strlen(cases[i].given), &id));
		assert_true(id.low == cases[i].low && id.high == cases[i].high);
		assert_int_equal(identifier_format(id, text), strlen(cases[i].printed));
		assert_string_equal(text, cases[i].printed);
	}
}

static void test_refused(void **)
{
	static const char *const cases[] = {
		"", "-1", "+1", "01", "00", " 1", "1 ", "1.0", "1e3", "0x10", "abc",
		"340282366920938463463374607431768211456", "999999999999999999999999999999999999999",
		"1000000000000000000000000000000000000000", "0188f0c489ab7cde8f0123456789abcd",
		"0188f0c4-89ab-7cde-8f01-23456789abc", "0188f0c4-89ab-7cde-8f01-23456789abcde",
		"0188f0c4-89ab-7cde-8f01-23456789abcg", "0188f0c4-89ab-7cde-8f01023456789abcd",
		"{0188f0c4-89ab-7cde-8f01-23456789abcd}",
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct identifier id;
		if (identifier_parse(cases[i], strlen(cases[i]), &id))
			fail_msg("\"%s\" was taken", cases[i]);
	}
	struct identifier id;
	assert_false(identifier_parse("1\0002", 3, &id));
}

static void test_random(void **)
{
	struct random random = {1};
	for (unsigned i = 0; i < 100000; i++) {
		struct identifier id = {random_next(&random), random_next(&random) >> random_below(&random, 64), i % 2 != 0}, back;
		char text[IDENTIFIER_TEXT_BYTES];
		size_t bytes = identifier_format(id, text);
		assert_int_equal(bytes, strlen(text));
		assert_true(identifier_parse(text, bytes, &back));
		assert_true(identifier_equal(id, back) && id.is_uuid == back.is_uuid);
	}
}

static void test_event_names(void **)
{
	assert_string_equal(event_name(EVENT_reward_put), "reward.put");
	assert_null(event_name(EVENT_NONE));
	assert_null(event_name((enum event_type)999));
	assert_int_equal(event_type_of("locate", 6), EVENT_locate);
	assert_int_equal(event_type_of("locat", 5), EVENT_NONE);
	assert_int_equal(event_type_of("locate\0", 7), EVENT_NONE);
	assert_false(event_is_change(EVENT_locate) || event_is_change(EVENT_NONE) || event_is_change((enum event_type)77));
	assert_true(event_is_change(EVENT_reward_remove));
	assert_int_equal(event_record_bytes(EVENT_locate), sizeof(struct locate_record));
}

static void test_utf8(void **)
{
	static const struct {
		const char *text;
		size_t prefix;
	} cases[] = {
		{"abc", 3}, {"\xc3\xa9", 2}, {"\xe2\x82\xac", 3}, {"\xf0\x9f\x8e\x81", 4}, {"a\xc3", 1}, {"a\xe2\x82", 1},
		{"a\x80", 1}, {"\xc0\x80", 0}, {"\xc1\xbf", 0}, {"\xe0\x9f\xbf", 0}, {"\xed\xa0\x80", 0}, {"\xef\xbf\xbf", 3},
		{"\xf0\x8f\xbf\xbf", 0}, {"\xf4\x8f\xbf\xbf", 4}, {"\xf4\x90\x80\x80", 0}, {"\xf5\x80\x80\x80", 0}, {"\xff", 0},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_int_equal(text_utf8_prefix(cases[i].text, strlen(cases[i].text)), cases[i].prefix);
	assert_true(text_has_control("a\x1f", 2) && text_has_control("\x7f", 1) && text_has_control("\xc2\x85", 2));
	assert_false(text_has_control("\xc2\xa0", 2) || text_has_control("Caf\xc3\xa9 \xc4\x80", 8));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),  cmocka_unit_test(test_refused),     cmocka_unit_test(test_random),
		cmocka_unit_test(test_event_names), cmocka_unit_test(test_utf8),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
