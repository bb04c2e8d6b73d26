/* What JSON events may say, which error each wrong one gets, and in which order errors come. */
#include "proto/json_scrub.h"
#include "tests/support/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

struct rule {
	const char *json;
	const char *code;  /* NULL: the event is good */
	const char *field;
};

#define PUT "{\"type\":\"reward.put\",\"id\":1,\"reward\":2,\"x\":1,\"y\":2,\"radius\":3"
#define LOCATE "{\"type\":\"locate\",\"x\":1,\"y\":2"
#define A31 "aaaaaaaaaabbbbbbbbbbccccccccccd"
#define A127 A31 A31 A31 A31 "123"
#define KINDS8 "\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\""

static const struct rule both_spaces[] = {
	{"{\"type\":\"ping\"}", NULL, NULL},
	{" \t\r\n{\"type\":\"ping\"}\n", NULL, NULL},
	{"{\"type\":\"ping\",\"id\":9007199254740992}", NULL, NULL},
	{"{\"type\":\"ping\",\"id\":9007199254740993}", "invalid_field", "id"},
	{"{\"type\":\"ping\",\"id\":-1}", "invalid_field", "id"},
	{"{\"type\":\"ping\",\"id\":1.0}", "invalid_field", "id"},
	{"{\"type\":\"ping\",\"id\":null}", "invalid_field", "id"},
	{"{\"type\":\"ping\",\"id\":\"\"}", "invalid_field", "id"},
	{"{\"type\":\"ping\",\"id\":\"007\"}", "invalid_field", "id"},
	{"{\"type\":\"ping\",\"id\":\"340282366920938463463374607431768211455\"}", NULL, NULL},
	{"{\"type\":\"ping\",\"id\":\"340282366920938463463374607431768211456\"}", "invalid_field", "id"},
	{"{\"type\":\"ping\",\"at\":0}", NULL, NULL},
	{"{\"type\":\"ping\",\"at\":-1}", "invalid_field", "at"},
	{"{\"type\":\"ping\",\"at\":\"now\"}", "invalid_field", "at"},
	{"{\"type\":\"ping\",\"deadline_ms\":0}", "invalid_field", "deadline_ms"},
	{"{\"type\":\"ping\",\"deadline_ms\":2147483648}", NULL, NULL},
	{"{\"type\":\"ping\",\"deadline_ms\":2147483649}", "invalid_field", "deadline_ms"},
	{"{\"type\":\"ping\",\"deadline_ms\":4294967297}", "invalid_field", "deadline_ms"},
	/* the type itself */
	{"{}", "missing_field", "type"},
	{"{\"type\":5}", "invalid_field", "type"},
	{"{\"type\":null}", "invalid_field", "type"},
	{"{\"type\":\"\"}", "unknown_type", "type"},
	{"{\"type\":\"Ping\"}", "unknown_type", "type"},
	{"{\"type\":\"reward.putt\"}", "unknown_type", "type"},
	/* unknown before missing before invalid */
	{"{\"type\":\"locate\",\"x\":\"far\",\"z\":1}", "unknown_field", "z"},
	{"{\"type\":\"locate\",\"x\":\"far\"}", "missing_field", "y"},
	{"{\"type\":\"locate\",\"x\":\"far\",\"y\":1}", "invalid_field", "x"},
	{"{\"type\":\"nothing\",\"z\":1}", "unknown_type", "type"},
	{PUT ",\"benefit\":{\"percent\":1},\"x_\":1}", "unknown_field", "benefit.percent"},
	{"{\"type\":\"reward.put\",\"benefit\":{\"percent\":1}}", "unknown_field", "benefit.percent"},
	{"{\"type\":\"reward.put\",\"reward\":2,\"x\":1,\"y\":2,\"radius\":3}", "missing_field", "id"},
	{"{\"type\":\"reward.put\",\"id\":1,\"x\":1,\"y\":2,\"radius\":3}", "missing_field", "reward"},
	{"{\"type\":\"reward.put\",\"id\":1,\"reward\":2,\"y\":2,\"radius\":3}", "missing_field", "x"},
	{"{\"type\":\"reward.put\",\"id\":1,\"reward\":2,\"x\":1,\"y\":2}", "missing_field", "radius"},
	{"{\"type\":\"reward.remove\",\"reward\":2}", "missing_field", "id"},
	{"{\"type\":\"reward.remove\",\"id\":2}", "missing_field", "reward"},
	{"{\"type\":\"reward.remove\",\"id\":2,\"reward\":\"2\"}", NULL, NULL},
	{"{\"type\":\"reward.get\",\"reward\":2}", NULL, NULL},
	{"{\"type\":\"reward.get\",\"reward\":2,\"actor\":2}", "unknown_field", "actor"},
	/* locate */
	{LOCATE "}", NULL, NULL},
	{LOCATE ",\"x\":1}", "malformed", ""},
	{"{\"type\":\"locate\",\"x\":true,\"y\":2}", "invalid_field", "x"},
	{"{\"type\":\"locate\",\"x\":NaN,\"y\":2}", "malformed", ""},
	{"{\"type\":\"locate\",\"x\":1e999,\"y\":2}", "invalid_field", "x"},
	{"{\"type\":\"locate\",\"x\":2,\"y\":-1e999}", "invalid_field", "y"},
	{LOCATE ",\"actor\":\"x\"}", "invalid_field", "actor"},
	{LOCATE ",\"radius\":0}", NULL, NULL},
	{LOCATE ",\"radius\":-0.1}", "invalid_field", "radius"},
	{LOCATE ",\"radius\":\"1\"}", "invalid_field", "radius"},
	{LOCATE ",\"radius\":1e400}", "invalid_field", "radius"},
	{LOCATE ",\"radius\":1,\"box\":[1,1,2,2]}", "invalid_field", "box"},
	{LOCATE ",\"box\":[1,1,2,2],\"radius\":1}", "invalid_field", "box"},
	{LOCATE ",\"box\":[1,1,2,2]}", NULL, NULL},
	{LOCATE ",\"box\":[1,1,1,1]}", NULL, NULL},
	{LOCATE ",\"box\":[1,1,2]}", "invalid_field", "box"},
	{LOCATE ",\"box\":[1,1,2,2,3]}", "invalid_field", "box"},
	{LOCATE ",\"box\":{}}", "invalid_field", "box"},
	{LOCATE ",\"box\":[1,1,\"2\",2]}", "invalid_field", "box[2]"},
	{LOCATE ",\"box\":[1,3,2,2]}", "invalid_field", "box"},
	{LOCATE ",\"limit\":1}", NULL, NULL},
	{LOCATE ",\"limit\":1024}", NULL, NULL},
	{LOCATE ",\"limit\":0}", "invalid_field", "limit"},
	{LOCATE ",\"limit\":1025}", "invalid_field", "limit"},
	{LOCATE ",\"limit\":4294967297}", "invalid_field", "limit"},
	{LOCATE ",\"limit\":1.5}", "invalid_field", "limit"},
	{LOCATE ",\"kinds\":[\"a\"]}", NULL, NULL},
	{LOCATE ",\"kinds\":[\"a-z_0.9\",\"" A31 "\"]}", NULL, NULL},
	{LOCATE ",\"kinds\":[]}", "invalid_field", "kinds"},
	{LOCATE ",\"kinds\":\"a\"}", "invalid_field", "kinds"},
	{LOCATE ",\"kinds\":[\"a\",\"B\"]}", "invalid_field", "kinds[1]"},
	{LOCATE ",\"kinds\":[\"a\",5]}", "invalid_field", "kinds[1]"},
	{LOCATE ",\"kinds\":[\"a\",\"\"]}", "invalid_field", "kinds[1]"},
	{LOCATE ",\"kinds\":[\"a,b\"]}", "invalid_field", "kinds[0]"},
	{LOCATE ",\"kinds\":[\"a\",\"" A31 "e\"]}", "invalid_field", "kinds[1]"},
	{LOCATE ",\"kinds\":[" KINDS8 "," KINDS8 "," KINDS8 "," KINDS8 "]}", NULL, NULL},
	{LOCATE ",\"kinds\":[" KINDS8 "," KINDS8 "," KINDS8 "," KINDS8 ",\"a\"]}", "invalid_field", "kinds"},
	{LOCATE ",\"kinds\":[" KINDS8 "," KINDS8 ",\"\xc3\xa9\"]}", "invalid_field", "kinds[16]"},
	/* reward.put */
	{PUT "}", NULL, NULL},
	{PUT ",\"kind\":\"coffee\"}", NULL, NULL},
	{PUT ",\"kind\":\"\"}", "invalid_field", "kind"},
	{PUT ",\"kind\":\"Coffee\"}", "invalid_field", "kind"},
	{PUT ",\"kind\":\"" A31 "e\"}", "invalid_field", "kind"},
	{PUT ",\"value\":-9007199254740992}", NULL, NULL},
	{PUT ",\"value\":-9007199254740993}", "invalid_field", "value"},
	{PUT ",\"value\":1.5}", "invalid_field", "value"},
	{PUT ",\"value\":99999999999999999999}", "invalid_field", "value"},
	{PUT ",\"stock\":0}", NULL, NULL},
	{PUT ",\"stock\":-1}", "invalid_field", "stock"},
	{PUT ",\"stock\":9007199254740992}", NULL, NULL},
	{PUT ",\"stock\":9007199254740993}", "invalid_field", "stock"},
	{PUT ",\"stock\":null}", "invalid_field", "stock"},
	{PUT ",\"per_actor\":1}", NULL, NULL},
	{PUT ",\"per_actor\":4294967295}", NULL, NULL},
	{PUT ",\"per_actor\":4294967296}", "invalid_field", "per_actor"},
	{PUT ",\"per_actor\":0}", "invalid_field", "per_actor"},
	{PUT ",\"from\":5,\"until\":6}", NULL, NULL},
	{PUT ",\"from\":5,\"until\":5}", "invalid_field", "until"},
	{PUT ",\"from\":-1}", "invalid_field", "from"},
	{PUT ",\"until\":9223372036854775807}", "invalid_field", "until"},
	{PUT ",\"benefit\":{\"percent_bp\":1}}", NULL, NULL},
	{PUT ",\"benefit\":{\"percent_bp\":10000}}", NULL, NULL},
	{PUT ",\"benefit\":{\"percent_bp\":10001}}", "invalid_field", "benefit.percent_bp"},
	{PUT ",\"benefit\":{\"percent_bp\":0}}", "invalid_field", "benefit.percent_bp"},
	{PUT ",\"benefit\":{\"percent_bp\":\"1\"}}", "invalid_field", "benefit.percent_bp"},
	{PUT ",\"benefit\":{\"amount\":1,\"currency\":\"EUR\"}}", NULL, NULL},
	{PUT ",\"benefit\":{\"amount\":0,\"currency\":\"EUR\"}}", "invalid_field", "benefit.amount"},
	{PUT ",\"benefit\":{\"amount\":9007199254740993,\"currency\":\"EUR\"}}", "invalid_field", "benefit.amount"},
	{PUT ",\"benefit\":{\"amount\":1,\"currency\":\"eur\"}}", "invalid_field", "benefit.currency"},
	{PUT ",\"benefit\":{\"amount\":1,\"currency\":\"EURO\"}}", "invalid_field", "benefit.currency"},
	{PUT ",\"benefit\":{\"amount\":1,\"currency\":978}}", "invalid_field", "benefit.currency"},
	{PUT ",\"benefit\":{\"amount\":1}}", "missing_field", "benefit.currency"},
	{PUT ",\"benefit\":{\"currency\":\"EUR\"}}", "missing_field", "benefit.amount"},
	{PUT ",\"benefit\":{}}", "missing_field", "benefit"},
	{PUT ",\"benefit\":5}", "invalid_field", "benefit"},
	{PUT ",\"benefit\":{\"percent_bp\":5,\"currency\":\"EUR\"}}", "invalid_field", "benefit"},
	{PUT ",\"name\":\"" A127 "\"}", NULL, NULL},
	{PUT ",\"name\":\"" A127 "x\"}", "invalid_field", "name"},
	{PUT ",\"name\":\"\"}", "invalid_field", "name"},
	{PUT ",\"name\":\"Caf\\u00e9 \xf0\x9f\x8e\x81\"}", NULL, NULL},
	{PUT ",\"name\":\"a\\nb\"}", "invalid_field", "name"},
	{PUT ",\"name\":\"a\\u0085b\"}", "invalid_field", "name"},
	{PUT ",\"name\":\"a\\u0000b\"}", "malformed", ""},
	{PUT ",\"name\":\"\xff\"}", "malformed", ""},
	{PUT ",\"name\":\"\\ud800\"}", "malformed", ""},
};

static const struct rule geo_only[] = {
	{"{\"type\":\"locate\",\"x\":180,\"y\":90}", NULL, NULL},
	{"{\"type\":\"locate\",\"x\":-180,\"y\":-90}", NULL, NULL},
	{"{\"type\":\"locate\",\"x\":180.00000000000003,\"y\":90}", "invalid_field", "x"},
	{"{\"type\":\"locate\",\"x\":1,\"y\":90.00000000000002}", "invalid_field", "y"},
	{LOCATE ",\"box\":[179,1,-179,2]}", NULL, NULL},
	{LOCATE ",\"box\":[181,1,-179,2]}", "invalid_field", "box[0]"},
	{LOCATE ",\"box\":[1,1,2,91]}", "invalid_field", "box[3]"},
	{LOCATE ",\"radius\":1e300}", NULL, NULL},
};

static const struct rule plane_only[] = {
	{"{\"type\":\"locate\",\"x\":1e15,\"y\":-1e15}", NULL, NULL},
	{"{\"type\":\"locate\",\"x\":1.0000000000000002e15,\"y\":0}", "invalid_field", "x"},
	{LOCATE ",\"box\":[2,1,1,2]}", "invalid_field", "box"},
	{LOCATE ",\"radius\":1e16}", "invalid_field", "radius"},
};

static void check_rules(bool is_plane, const struct rule *rules, size_t count)
{
	struct wire *w = wire_create(is_plane);
	for (size_t i = 0; i < count; i++) {
		const struct rule *r = &rules[i];
		wire_answer(w, r->json, strlen(r->json));
		char expected[80];
		snprintf(expected, sizeof expected, "\"code\":\"%s\"", r->code != NULL ? r->code : "");
		bool is_good = strstr(w->reply, "\"code\"") == NULL || strstr(w->reply, "\"not_found\"") != NULL;
		if (r->code == NULL ? !is_good : strstr(w->reply, expected) == NULL)
			fail_msg("%s -> %s, expected %s", r->json, w->reply, r->code != NULL ? r->code : "no error");
		if (r->code != NULL && strcmp(w->problem.field, r->field) != 0)
			fail_msg("%s -> %s, expected field %s", r->json, w->reply, r->field);
		if (r->code != NULL && w->problem.message[0] == '\0')
			fail_msg("%s -> %s, without a message", r->json, w->reply);
	}
	wire_destroy(&w);
}

static void test_rules(void **)
{
	check_rules(false, both_spaces, sizeof both_spaces / sizeof both_spaces[0]);
	check_rules(true, both_spaces, sizeof both_spaces / sizeof both_spaces[0]);
	check_rules(false, geo_only, sizeof geo_only / sizeof geo_only[0]);
	check_rules(true, plane_only, sizeof plane_only / sizeof plane_only[0]);
}

/* Whole replies, word for word: they are what people see. */
static void test_replies(void **)
{
	static const struct {
		const char *message, *reply;
	} cases[] = {
		{"{\"type\":\"ping\"}", "{\"type\":\"pong\"}"},
		{"{\"type\":\"ping\",\"id\":7}", "{\"type\":\"pong\",\"id\":\"7\"}"},
		{"{\"type\":\"ping\",\"id\":\"0188F0C4-89AB-7CDE-8F01-23456789ABCD\"}",
	         "{\"type\":\"pong\",\"id\":\"0188f0c4-89ab-7cde-8f01-23456789abcd\"}"},
		{"[]", "[]"},
		{"[{\"type\":\"ping\"}]", "[{\"type\":\"pong\"}]"},
		{LOCATE ",\"id\":3}", "{\"type\":\"located\",\"id\":\"3\",\"count\":0,\"truncated\":false,\"rewards\":[]}"},
		{"[{\"type\":\"ping\"},7,{\"type\":\"locat\",\"id\":4},{\"type\":\"locate\",\"raduis\":1,\"id\":\"5\"}," PUT "}]",
	         "[{\"type\":\"pong\"},"
	         "{\"type\":\"error\",\"code\":\"malformed\",\"message\":\"an event must be an object, not an integer\","
	         "\"retry\":\"never\"},"
	         "{\"type\":\"error\",\"id\":\"4\",\"code\":\"unknown_type\",\"field\":\"type\",\"message\":\"there is no event "
	         "type \\\"locat\\\"; did you mean \\\"locate\\\"?\",\"retry\":\"never\"},"
	         "{\"type\":\"error\",\"id\":\"5\",\"code\":\"unknown_field\",\"field\":\"raduis\",\"message\":\"there is no such "
	         "field; did you mean \\\"radius\\\"?\",\"retry\":\"never\"},"
	         "{\"type\":\"ok\",\"id\":\"1\",\"seq\":1}]"},
		{"{\"type\":\"reward.get\",\"reward\":1}",
	         "{\"type\":\"error\",\"code\":\"not_found\",\"message\":\"there is no such object\",\"retry\":\"new_id\"}"},
		{"{\"type\":\"ping\",}",
	         "{\"type\":\"error\",\"code\":\"malformed\",\"message\":\"line 1, column 16: string or '}' expected near "
	         "'}'\",\"retry\":\"never\"}"},
		{"", "{\"type\":\"error\",\"code\":\"malformed\",\"message\":\"the message is empty\",\"retry\":\"never\"}"},
		{"GET / HTTP/1.1",
	         "{\"type\":\"error\",\"code\":\"malformed\",\"message\":\"the message is neither JSON nor a binary "
	         "frame\",\"retry\":\"never\"}"},
	};
	struct wire *w = wire_create(false);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		wire_answer(w, cases[i].message, strlen(cases[i].message));
		assert_string_equal(w->reply, cases[i].reply);
	}
	wire_destroy(&w);
}

static void test_batch_limit(void **)
{
	struct wire *w = wire_create(false);
	w->limits.batch_max = 2;
	wire_answer(w, "[{},{}]", 7);
	assert_int_equal(w->reply[0], '[');
	wire_answer(w, "[{},{},{}]", 10);
	assert_string_equal(w->reply, "{\"type\":\"error\",\"code\":\"too_large\",\"message\":\"3 events, the limit for a "
	                              "message is 2\",\"retry\":\"never\"}");
	wire_destroy(&w);
}

static void test_small_arena(void **)
{
	struct wire *w = wire_create(false);
	const char *message = "[{\"type\":\"ping\"},{\"type\":\"ping\"},{\"type\":\"ping\"},{\"type\":\"ping\",\"id\":1e999}]";
	bool seen_good = false;
	for (size_t capacity = 0; capacity < 8192; capacity += 8) {
		w->arena.capacity = capacity;
		wire_answer(w, message, strlen(message));
		bool is_good = w->reply[0] == '[';
		if (!is_good)
			assert_non_null(strstr(w->reply, "\"too_large\""));
		assert_true(is_good || !seen_good);
		seen_good |= is_good;
	}
	assert_true(seen_good);
	w->arena.capacity = 64 << 20;
	wire_destroy(&w);
}

/* Only numbers are overwritten; what jansson would refuse stays as it is. */
static void test_scrub(void **)
{
	static const struct {
		const char *before, *after;
	} cases[] = {
		{"1e999", "-1e99"},
		{"[-1E+999,1e307,1e-999]", "[-1e99  ,1e307,1e-999]"},
		{"9223372036854775807", "9223372036854775807"},
		{"9223372036854775808", "-1e99              "},
		{"-92233720368547758080 ", "-1e99                 "},
		{"0.00001e312", "0.00001e312"},
		{"0.00001e313", "-1e99      "},
		{"0e99999999999999999999", "0e99999999999999999999"},
		{"1e99999999999999999999", "-1e99                 "},
		{"1e-99999999999999999999", "1e-99999999999999999999"},
		{"\"1e999\\\"1e999\"", "\"1e999\\\"1e999\""},
		{"01e999 1.e999 1e999e1 5e.1-4033333333333333333333 1-99999999999999999999 -e9999", NULL},
		{"\"1e999", "\"1e999"},
		{"\"\\", "\"\\"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char text[128];
		snprintf(text, sizeof text, "%s", cases[i].before);
		json_scrub_numbers(text, strlen(text));
		assert_string_equal(text, cases[i].after != NULL ? cases[i].after : cases[i].before);
	}
}

/* One impossible number spoils its own event only. */
static void test_numbers(void **)
{
	struct wire *w = wire_create(false);
	const char *message = "[{\"type\":\"ping\",\"id\":\"1e999\"},{\"type\":\"locate\",\"x\":1e999,\"y\":0},"
	                      "{\"type\":\"locate\",\"x\":0.5,\"y\":-12345678901234567890},{\"type\":\"ping\",\"id\":8}]";
	wire_answer(w, message, strlen(message));
	assert_non_null(strstr(w->reply, "\"field\":\"id\""));
	assert_non_null(strstr(w->reply, "\"field\":\"x\""));
	assert_non_null(strstr(w->reply, "\"field\":\"y\""));
	assert_non_null(strstr(w->reply, "{\"type\":\"pong\",\"id\":\"8\"}]"));
	wire_destroy(&w);
}

static void test_needs_writer(void **)
{
	static const struct {
		const char *message;
		bool needs_writer;
	} cases[] = {
		{"[]", false},
		{"{\"type\":\"ping\"}", false},
		{"[{\"type\":\"ping\"},3,{\"type\":\"reward.remove\"}]", true},
		{"{\"type\":\"reward.put\"}", true},
	};
	struct wire *w = wire_create(false);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		status s = request_open(&w->request, cases[i].message, strlen(cases[i].message), &w->limits, &w->arena, &w->problem);
		assert_int_equal(s, STATUS_ok);
		assert_int_equal(request_needs_writer(&w->request), cases[i].needs_writer);
		request_close(&w->request);
	}
	wire_destroy(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules),       cmocka_unit_test(test_replies), cmocka_unit_test(test_batch_limit),
		cmocka_unit_test(test_small_arena), cmocka_unit_test(test_numbers), cmocka_unit_test(test_needs_writer),
		cmocka_unit_test(test_scrub),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
