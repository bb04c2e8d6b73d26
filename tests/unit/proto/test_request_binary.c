/* Binary frames: what a header may say, what a record may hold, and the error for each lie. */
#include "tests/support/wire.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static const struct locate_record locate = {.x = 1, .y = 2};
static const struct reward_put_record put = {
	.head = {.id = {1, 0}, .flags = EVENT_HAS_ID},
	.reward = {2, 0},
	.stock = STOCK_UNLIMITED,
	.per_actor = 1,
	.until_ms = INT64_MAX,
};

/* Answers one frame and gives its first result. */
static struct frame_result answer(struct wire *w, const void *message, size_t bytes)
{
	struct frame_reader reader;
	struct frame_result result;
	wire_answer(w, message, bytes);
	frame_reader_open(&reader, w->reply, w->reply_bytes);
	assert_true(frame_reader_has_next(&reader));
	assert_int_equal(frame_reader_next(&reader, &result), STATUS_ok);
	return result;
}

static void expect(struct wire *w, enum event_type type, const void *record, const char *text, size_t text_bytes,
                   status code, const char *field)
{
	uint8_t message[2048];
	struct cursor out;
	cursor_init(&out, message, sizeof message);
	frame_build(&out, type, 99, record, 1, text, (uint32_t)text_bytes);
	struct frame_result r = answer(w, message, cursor_used(&out));
	if (r.head->code != code)
		fail_msg("%s %s: %s, expected %s", w->problem.field, w->problem.message, status_code((status)r.head->code),
		         status_code(code));
	assert_int_equal(r.request, 99);
	assert_int_equal(r.head->field.bytes, strlen(field));
	assert_memory_equal(r.text + r.head->field.offset, field, strlen(field));
	assert_true(code == STATUS_ok || r.head->message.bytes != 0);
	assert_int_equal(r.head->retry, status_retry(code));
}

#define LOCATE(changes, text, code, field) \
	do { \
		struct locate_record r = locate; \
		changes; \
		expect(w, EVENT_locate, &r, text, sizeof(text) - 1, STATUS_##code, field); \
	} while (0)
#define PUT(changes, text, code, field) \
	do { \
		struct reward_put_record r = put; \
		changes; \
		expect(w, EVENT_reward_put, &r, text, sizeof(text) - 1, STATUS_##code, field); \
	} while (0)

static void test_heads(void **)
{
	struct wire *w = wire_create(false);
	LOCATE(, "", ok, "");
	LOCATE(r.head.flags = 1u << 7, "", invalid_field, "flags");
	LOCATE(r.head.flags = EVENT_REWARD_IS_UUID, "", invalid_field, "flags");
	LOCATE(r.head.flags = EVENT_HAS_ID | EVENT_ID_IS_UUID, "", ok, "");
	LOCATE(r.head.flags = EVENT_ID_IS_UUID, "", invalid_field, "id");
	LOCATE(r.head.id.high = 1, "", invalid_field, "id");
	LOCATE(r.actor.low = 1, "", invalid_field, "actor");
	LOCATE(r.head.at_ms = 1, "", invalid_field, "at");
	LOCATE((r.head.at_ms = -1, r.head.flags = EVENT_HAS_AT), "", invalid_field, "at");
	LOCATE((r.head.at_ms = 0, r.head.flags = EVENT_HAS_AT), "", ok, "");
	LOCATE(r.head.deadline_ms = 1, "", invalid_field, "deadline_ms");
	LOCATE(r.head.flags = EVENT_HAS_DEADLINE, "", invalid_field, "deadline_ms");
	LOCATE((r.head.deadline_ms = 1u << 31, r.head.flags = EVENT_HAS_DEADLINE), "", ok, "");
	LOCATE((r.head.deadline_ms = 0x80000001, r.head.flags = EVENT_HAS_DEADLINE), "", invalid_field, "deadline_ms");
	PUT((r.head.flags = 0, r.head.id.low = 0), "", missing_field, "id");
	/* missing comes before invalid */
	PUT((r.head.flags = 1u << 31, r.radius = NAN), "", missing_field, "id");
	wire_destroy(&w);
}

static void test_locate(void **)
{
	struct wire *w = wire_create(false);
	static const double bad[] = {NAN, INFINITY, -INFINITY, 180.1, -180.1, 1e300};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		LOCATE(r.x = bad[i], "", invalid_field, "x");
		LOCATE(r.y = bad[i], "", invalid_field, "y");
		LOCATE((r.area = LOCATE_BOX, r.box[0] = bad[i]), "", invalid_field, "box[0]");
		LOCATE((r.area = LOCATE_BOX, r.box[1] = bad[i]), "", invalid_field, "box[1]");
		LOCATE((r.area = LOCATE_BOX, r.box[2] = bad[i]), "", invalid_field, "box[2]");
		LOCATE((r.area = LOCATE_BOX, r.box[3] = bad[i]), "", invalid_field, "box[3]");
	}
	LOCATE(r.y = 90.1, "", invalid_field, "y");
	LOCATE((r.area = LOCATE_RADIUS, r.radius = NAN), "", invalid_field, "radius");
	LOCATE((r.area = LOCATE_RADIUS, r.radius = -1), "", invalid_field, "radius");
	LOCATE((r.area = LOCATE_RADIUS, r.radius = INFINITY), "", invalid_field, "radius");
	LOCATE((r.area = LOCATE_RADIUS, r.radius = 1e300), "", ok, "");
	LOCATE((r.area = LOCATE_RADIUS, r.radius = 5, r.box[2] = 1), "", invalid_field, "area");
	LOCATE(r.radius = 5, "", invalid_field, "area");
	LOCATE(r.area = 3, "", invalid_field, "area");
	LOCATE((r.area = LOCATE_BOX, r.box[0] = 1, r.box[2] = -1), "", ok, "");
	LOCATE((r.area = LOCATE_BOX, r.box[1] = 1, r.box[3] = -1), "", invalid_field, "box");
	LOCATE(r.limit = LOCATE_LIMIT_MAX, "", ok, "");
	LOCATE(r.limit = LOCATE_LIMIT_MAX + 1, "", invalid_field, "limit");
	LOCATE((r.kinds = (struct wire_text){0, 5}), "a,b-c", ok, "");
	LOCATE((r.kinds = (struct wire_text){2, 3}), "a,b-c", ok, "");
	LOCATE((r.kinds = (struct wire_text){0, 6}), "a,b-c", invalid_field, "kinds");
	LOCATE((r.kinds = (struct wire_text){6, 1}), "a,b-c", invalid_field, "kinds");
	LOCATE((r.kinds = (struct wire_text){UINT32_MAX, 2}), "a,b-c", invalid_field, "kinds");
	LOCATE((r.kinds = (struct wire_text){2, UINT32_MAX}), "a,b-c", invalid_field, "kinds");
	LOCATE((r.kinds = (struct wire_text){1, 0}), "a,b-c", invalid_field, "kinds");
	LOCATE((r.kinds = (struct wire_text){0, 2}), "a,", invalid_field, "kinds[1]");
	LOCATE((r.kinds = (struct wire_text){0, 2}), ",a", invalid_field, "kinds[0]");
	LOCATE((r.kinds = (struct wire_text){0, 4}), "a,,b", invalid_field, "kinds[1]");
	LOCATE((r.kinds = (struct wire_text){0, 3}), "a\0b", invalid_field, "kinds[0]");
	LOCATE((r.kinds = (struct wire_text){0, 65}), "a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a",
	       invalid_field, "kinds");
	w->limits.is_plane = true;
	LOCATE((r.x = 1e15, r.y = -1e15), "", ok, "");
	LOCATE(r.x = 1.1e15, "", invalid_field, "x");
	LOCATE((r.area = LOCATE_BOX, r.box[0] = 1, r.box[2] = -1), "", invalid_field, "box");
	LOCATE((r.area = LOCATE_RADIUS, r.radius = 1.1e15), "", invalid_field, "radius");
	wire_destroy(&w);
}

static void test_reward(void **)
{
	struct wire *w = wire_create(false);
	PUT(, "", ok, "");
	PUT(r.radius = NAN, "", invalid_field, "radius");
	PUT(r.radius = -INFINITY, "", invalid_field, "radius");
	PUT(r.value = INTEGER_MAX + 1, "", invalid_field, "value");
	PUT(r.stock = -2, "", invalid_field, "stock");
	PUT(r.stock = INT64_MAX, "", invalid_field, "stock");
	PUT(r.per_actor = 0, "", invalid_field, "per_actor");
	PUT(r.from_ms = -1, "", invalid_field, "from");
	PUT(r.until_ms = 0, "", invalid_field, "until");
	PUT((r.from_ms = 5, r.until_ms = 5), "", invalid_field, "until");
	PUT(r.benefit_type = 3, "", invalid_field, "benefit");
	PUT(r.benefit_value = 3, "", invalid_field, "benefit");
	PUT(r.benefit_type = BENEFIT_PERCENT, "", invalid_field, "benefit.percent_bp");
	PUT((r.benefit_type = BENEFIT_PERCENT, r.benefit_value = 10000), "", ok, "");
	PUT((r.benefit_type = BENEFIT_PERCENT, r.benefit_value = 1, r.benefit_currency[0] = 'E'), "", invalid_field,
	    "benefit.currency");
	PUT((r.benefit_type = BENEFIT_AMOUNT, r.benefit_value = 1), "", invalid_field, "benefit.currency");
	PUT((r.benefit_type = BENEFIT_AMOUNT, r.benefit_value = 0, memcpy(r.benefit_currency, "EUR", 3)), "", invalid_field,
	    "benefit.amount");
	PUT((r.benefit_type = BENEFIT_AMOUNT, r.benefit_value = 1, memcpy(r.benefit_currency, "EUR", 3)), "", ok, "");
	PUT((r.kind = (struct wire_text){0, 6}), "coffee", ok, "");
	PUT((r.kind = (struct wire_text){0, 6}), "Coffee", invalid_field, "kind");
	PUT((r.kind = (struct wire_text){0, 32}), "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", invalid_field, "kind");
	PUT((r.name = (struct wire_text){0, 5}), "Caf\xc3\xa9", ok, "");
	PUT((r.name = (struct wire_text){0, 4}), "Caf\xc3\xa9", invalid_field, "name");
	PUT((r.name = (struct wire_text){4, 1}), "Caf\xc3\xa9", invalid_field, "name");
	PUT((r.name = (struct wire_text){0, 3}), "a\0b", invalid_field, "name");
	PUT((r.name = (struct wire_text){0, 3}), "a\x7f" "b", invalid_field, "name");
	PUT((r.head.flags = EVENT_HAS_ID | EVENT_REWARD_IS_UUID), "", ok, "");
	wire_destroy(&w);
}

/* A good message of two frames, whose headers the next test bends. */
static size_t two_frames(uint8_t *bytes, size_t capacity)
{
	struct cursor out;
	struct ping_record pings[3] = {};
	struct locate_record r = locate;
	r.kinds = (struct wire_text){0, 3};
	cursor_init(&out, bytes, capacity);
	frame_build(&out, EVENT_ping, 7, pings, 3, NULL, 0);
	frame_build(&out, EVENT_locate, 8, &r, 1, "tea", 3);
	assert_false(out.full);
	return cursor_used(&out);
}

static void test_headers(void **)
{
	enum { SECOND = 32 + 3 * 32 };
	struct wire *w = wire_create(false);
	static const struct {
		size_t at;
		uint8_t value;
		const char *told; /* NULL: still good */
	} cases[] = {
		{24, 77, NULL},
		{4, 0, "version 0"},
		{4, 2, "version 2"},
		{5, 2, "kind 2"},
		{5, 0, "kind 0"},
		{20, 1, "reserved"},
		{8, 0, "no events"},
		{8, 2, "96 bytes of records; 2 of ping are 64"},
		{8, 4, "4 of ping are 128"},
		{11, 0x80, "ping"},
		{12, 95, "95 bytes of records"},
		{6, 2, "locate"},
		{16, 1, "no frame begins at byte 129"},
		{19, 0xff, "the message has"},
		{SECOND, 'X', "no frame begins at byte 128"},
		{SECOND + 16, 2, "byte 274"},
		{SECOND + 16, 4, "the message has"},
	};
	uint8_t good[512], bad[512];
	size_t bytes = two_frames(good, sizeof good);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		memcpy(bad, good, bytes);
		bad[cases[i].at] = cases[i].value;
		struct frame_result r = answer(w, bad, bytes);
		if (cases[i].told == NULL) {
			assert_int_equal(r.head->code, STATUS_ok);
			continue;
		}
		assert_int_equal(r.head->code, STATUS_malformed);
		assert_int_equal(r.event_type, 0);
		if (strstr(w->problem.message, cases[i].told) == NULL)
			fail_msg("\"%s\" does not tell \"%s\"", w->problem.message, cases[i].told);
	}
	wire_destroy(&w);
}

static void test_several_frames(void **)
{
	struct wire *w = wire_create(false);
	struct frame_reader reader;
	struct frame_result r;
	uint8_t message[512];
	size_t bytes = two_frames(message, sizeof message);
	wire_answer(w, message, bytes);
	frame_reader_open(&reader, w->reply, w->reply_bytes);
	for (unsigned i = 0; i < 4; i++) {
		assert_true(frame_reader_has_next(&reader));
		assert_int_equal(frame_reader_next(&reader, &r), STATUS_ok);
		assert_int_equal(r.head->type, i < 3 ? RESULT_pong : RESULT_located);
		assert_int_equal(r.event_type, i < 3 ? EVENT_ping : EVENT_locate);
		assert_int_equal(r.request, i < 3 ? 7 : 8);
	}
	assert_false(frame_reader_has_next(&reader));
	w->limits.batch_max = 3;
	assert_int_equal(answer(w, message, bytes).head->code, STATUS_too_large);
	wire_destroy(&w);
}

/* A type of a later version: skipped by its lengths, answered with its id. */
static void test_unknown_type(void **)
{
	struct wire *w = wire_create(false);
	uint8_t message[32 + 2 * 40 + 64] = {};
	struct event_head head = {.id = {5, 0}, .flags = EVENT_HAS_ID};
	struct frame_header h = {
		.magic = FRAME_MAGIC, .version = 1, .kind = 1, .type = 77, .count = 2, .body_bytes = 80, .text_bytes = 0};
	struct frame_reader reader;
	struct frame_result r;
	struct cursor out;
	memcpy(message, &h, sizeof h);
	memcpy(message + 32, &head, sizeof head);
	cursor_init(&out, message + 112, 64);
	frame_build(&out, EVENT_ping, 1, &(struct ping_record){}, 1, NULL, 0);
	wire_answer(w, message, sizeof message);
	frame_reader_open(&reader, w->reply, w->reply_bytes);
	assert_int_equal(frame_reader_next(&reader, &r), STATUS_ok);
	assert_int_equal(r.head->code, STATUS_unknown_type);
	assert_int_equal(r.head->id.low, 5);
	assert_int_equal(frame_reader_next(&reader, &r), STATUS_ok);
	assert_int_equal(r.head->code, STATUS_unknown_type);
	assert_int_equal(r.head->flags, 0);
	assert_int_equal(frame_reader_next(&reader, &r), STATUS_ok);
	assert_int_equal(r.head->type, RESULT_pong);
	/* A huge count may not make a huge reply out of nothing. */
	h.count = 80;
	memcpy(message, &h, sizeof h);
	assert_int_equal(answer(w, message, sizeof message).head->code, STATUS_malformed);
	wire_destroy(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_heads),   cmocka_unit_test(test_locate),         cmocka_unit_test(test_reward),
		cmocka_unit_test(test_headers), cmocka_unit_test(test_several_frames), cmocka_unit_test(test_unknown_type),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
