/* Results in both encodings, replies that are short of room, and a client's reader that trusts nothing. */
#include "engine/base/check.h"
#include "proto/json_write.h"
#include "tests/support/wire.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static const struct match matches[] = {
	{{7, 0, false}, 12.5, 100, STOCK_UNLIMITED, "coffee"},
	{{0x23456789abcd, 0x0188f0c400007000, true}, 1.0 / 3, -100, 5, "tea"},
	{{9, 1, false}, 40000, 0, 0, "coffee"},
};
static const struct reward_view plain_view = {
	.reward = {2, 0, false},
	.x = -122.5,
	.y = 37.75,
	.radius = 50,
	.stock = STOCK_UNLIMITED,
	.remaining = STOCK_UNLIMITED,
	.until_ms = INT64_MAX,
	.per_actor = 1,
	.kind = "default",
	.name = "",
};

static void open_message(struct wire *w, struct reply *p, const void *message, size_t bytes)
{
	assert_int_equal(request_open(&w->request, message, bytes, &w->limits, &w->arena, &w->problem), STATUS_ok);
	reply_open(p, &w->request, w->reply, WIRE_REPLY_BYTES);
}

static void next(struct wire *w)
{
	assert_int_equal(request_next(&w->request, &w->event, &w->problem), STATUS_ok);
}

static void close_message(struct wire *w, struct reply *p)
{
	w->reply_bytes = reply_close(p);
	w->reply[w->reply_bytes] = '\0';
	request_close(&w->request);
}

static void test_json_results(void **)
{
	static const char message[] = "[{\"type\":\"locate\",\"id\":1,\"x\":1,\"y\":1},{\"type\":\"locate\",\"x\":1,\"y\":1},"
	                              "{\"type\":\"reward.get\",\"id\":3,\"reward\":2},{\"type\":\"reward.get\",\"reward\":2},"
	                              "{\"type\":\"ping\",\"id\":6}]";
	struct wire *w = wire_create(false);
	struct reply p;
	struct reward_view view = plain_view;
	open_message(w, &p, message, sizeof message - 1);
	next(w);
	reply_located(&p, &w->event, 7, matches, 3);
	next(w);
	reply_located(&p, &w->event, 0, NULL, 0);
	next(w);
	reply_reward(&p, &w->event, &view);
	next(w);
	view = (struct reward_view){
		.reward = {0, 1, true},
		.x = 1,
		.y = 2,
		.radius = 0.5,
		.value = -7,
		.stock = 10,
		.remaining = 9,
		.from_ms = 5,
		.until_ms = 6,
		.benefit_type = BENEFIT_AMOUNT,
		.benefit_value = 250,
		.benefit_currency = "EUR",
		.per_actor = 3,
		.kind = "tea",
		.name = "A \"B\" \xe2\x82\xac\xff",
	};
	reply_reward(&p, &w->event, &view);
	next(w);
	struct problem overloaded = {.status = STATUS_overloaded, .has_id = true, .id = {6, 0, false}};
	reply_problem(&p, &overloaded, 20);
	close_message(w, &p);
	assert_string_equal(
		w->reply,
		"[{\"type\":\"located\",\"id\":\"1\",\"count\":7,\"truncated\":true,\"rewards\":["
		"{\"reward\":\"7\",\"distance\":12.5,\"kind\":\"coffee\",\"value\":100,\"remaining\":null},"
		"{\"reward\":\"0188f0c4-0000-7000-0000-23456789abcd\",\"distance\":0.3333333333333333,\"kind\":\"tea\","
		"\"value\":-100,\"remaining\":5},"
		"{\"reward\":\"18446744073709551625\",\"distance\":40000,\"kind\":\"coffee\",\"value\":0,\"remaining\":0}]},"
		"{\"type\":\"located\",\"count\":0,\"truncated\":false,\"rewards\":[]},"
		"{\"type\":\"reward\",\"id\":\"3\",\"reward\":\"2\",\"x\":-122.5,\"y\":37.75,\"radius\":50,\"kind\":\"default\","
		"\"value\":0,\"stock\":null,\"remaining\":null,\"per_actor\":1},"
		"{\"type\":\"reward\",\"reward\":\"00000000-0000-0001-0000-000000000000\",\"x\":1,\"y\":2,\"radius\":0.5,"
		"\"kind\":\"tea\",\"value\":-7,\"stock\":10,\"remaining\":9,\"per_actor\":3,\"from\":5,\"until\":6,"
		"\"benefit\":{\"amount\":250,\"currency\":\"EUR\"},\"name\":\"A \\\"B\\\" \xe2\x82\xac\xef\xbf\xbd\"},"
		"{\"type\":\"error\",\"id\":\"6\",\"code\":\"overloaded\",\"message\":\"the queue is full, try again\","
		"\"retry\":\"same_id\",\"retry_after_ms\":20}]");
	wire_destroy(&w);
}

/* The reader of a client finds in the frame what was put in. */
static void test_binary_located(void **)
{
	struct wire *w = wire_create(false);
	struct reply p;
	struct frame_reader reader;
	struct frame_result r;
	uint8_t message[256];
	struct cursor out;
	cursor_init(&out, message, sizeof message);
	struct locate_record record = {.head = {.id = {4, 5}, .flags = EVENT_HAS_ID | EVENT_ID_IS_UUID}};
	frame_build(&out, EVENT_locate, 99, &record, 1, NULL, 0);
	open_message(w, &p, message, cursor_used(&out));
	next(w);
	reply_located(&p, &w->event, 7, matches, 3);
	close_message(w, &p);
	frame_reader_open(&reader, w->reply, w->reply_bytes);
	assert_int_equal(frame_reader_next(&reader, &r), STATUS_ok);
	assert_int_equal(r.request, 99);
	assert_true(r.head->id.low == 4 && r.head->id.high == 5);
	assert_int_equal(r.head->flags, RESULT_HAS_ID | RESULT_ID_IS_UUID | RESULT_TRUNCATED);
	assert_int_equal(r.head->count, 7);
	assert_int_equal(r.head->returned, 3);
	assert_int_equal(r.head->text_bytes, strlen("coffeetea"));
	for (unsigned i = 0; i < 3; i++) {
		const struct match_record *m = &r.matches[i];
		assert_true(m->reward.low == matches[i].reward.low && m->reward.high == matches[i].reward.high);
		assert_int_equal(m->flags, matches[i].reward.is_uuid ? MATCH_REWARD_IS_UUID : 0);
		assert_true(m->distance == matches[i].distance && m->value == matches[i].value);
		assert_true(m->remaining == matches[i].remaining);
		assert_int_equal(m->kind_bytes, strlen(matches[i].kind));
		assert_memory_equal(r.text + m->kind_offset, matches[i].kind, m->kind_bytes);
	}
	assert_false(frame_reader_has_next(&reader));
	wire_destroy(&w);
}

/* A batch of located results into every capacity from the least one on: each reply
 * is whole, and every result is either the answer or says too_large. */
static void squeeze(struct wire *w, const void *message, size_t bytes, uint32_t count)
{
	struct reply p;
	unsigned whole = 0;
	for (size_t capacity = reply_bytes_least(count); whole < count; capacity += 7) {
		char *room = malloc(capacity);
		assert_int_equal(request_open(&w->request, message, bytes, &w->limits, &w->arena, &w->problem), STATUS_ok);
		reply_open(&p, &w->request, room, capacity);
		for (uint32_t i = 0; i < count; i++) {
			next(w);
			reply_located(&p, &w->event, 3, matches, 3);
		}
		size_t used = reply_close(&p);
		assert_in_range(used, 1, capacity);
		memcpy(w->reply, room, used);
		w->reply[used] = '\0';
		unsigned located = 0, too_large = 0;
		struct frame_reader reader;
		struct frame_result r;
		if (w->request.encoding == ENCODING_BINARY) {
			frame_reader_open(&reader, room, used);
			for (; frame_reader_has_next(&reader); located += r.head->code == STATUS_ok,
			                                       too_large += r.head->code == STATUS_too_large)
				assert_int_equal(frame_reader_next(&reader, &r), STATUS_ok);
		} else {
			for (const char *at = w->reply; (at = strstr(at, "{\"type\":\"")) != NULL; at++)
				located += strstr(at, "{\"type\":\"located\"") == at, too_large += strstr(at, "{\"type\":\"error\"") == at;
			assert_true(w->reply[0] == '[' && w->reply[used - 1] == ']');
		}
		assert_int_equal(located + too_large, count);
		assert_in_range(located, whole, count);
		whole = located;
		request_close(&w->request);
		free(room);
	}
}

static void test_little_room(void **)
{
	static const char json[] = "[{\"type\":\"locate\",\"id\":1,\"x\":1,\"y\":1},{\"type\":\"locate\",\"x\":1,\"y\":1},"
	                           "{\"type\":\"locate\",\"id\":3,\"x\":1,\"y\":1},{\"type\":\"locate\",\"x\":1,\"y\":1}]";
	struct wire *w = wire_create(false);
	uint8_t message[1024];
	struct cursor out;
	struct locate_record records[2] = {};
	cursor_init(&out, message, sizeof message);
	frame_build(&out, EVENT_locate, 1, records, 1, NULL, 0);
	frame_build(&out, EVENT_locate, 2, records, 2, NULL, 0);
	frame_build(&out, EVENT_locate, 3, records, 1, NULL, 0);
	squeeze(w, json, sizeof json - 1, 4);
	squeeze(w, message, cursor_used(&out), 4);
	wire_destroy(&w);
}

/* The worst errors, for every event, in the least room. */
static void test_worst_errors(void **)
{
	enum { COUNT = 100 };
	struct wire *w = wire_create(false);
	struct problem worst = {.status = STATUS_deadline_exceeded, .has_id = true, .id = {UINT64_MAX, UINT64_MAX, false}};
	char json[8 * COUNT];
	struct cursor out;
	struct reply p;
	memset(worst.field, '\x01', sizeof worst.field - 1);
	memset(worst.message, '\x01', sizeof worst.message - 1);
	cursor_init(&out, json, sizeof json);
	for (unsigned i = 0; i < COUNT; i++)
		cursor_bytes(&out, i == 0 ? "[{}" : ",{}", 3);
	cursor_byte(&out, ']');
	for (unsigned encoding = 0; encoding < 2; encoding++) {
		uint8_t frames[COUNT * 64];
		if (encoding == 1)
			cursor_init(&out, frames, sizeof frames);
		for (unsigned i = 0; encoding == 1 && i < COUNT; i++)
			frame_build(&out, EVENT_ping, i, &(struct ping_record){}, 1, NULL, 0);
		size_t capacity = reply_bytes_least(COUNT);
		char *room = malloc(capacity);
		assert_int_equal(request_open(&w->request, out.start, cursor_used(&out), &w->limits, &w->arena, &w->problem),
		                 STATUS_ok);
		reply_open(&p, &w->request, room, capacity);
		for (unsigned i = 0; i < COUNT; i++)
			reply_problem(&p, &worst, UINT32_MAX);
		assert_in_range(reply_close(&p), COUNT, capacity);
		request_close(&w->request);
		assert_in_range(reply_refusal((enum encoding)encoding, &worst, UINT32_MAX, room, reply_bytes_least(1)), 1,
		                reply_bytes_least(1));
		free(room);
	}
	wire_destroy(&w);
}

/* A refusal that has room tells everything, and names the frame's request. */
static void test_refusal(void **)
{
	struct problem problem = {.status = STATUS_draining, .frame_request = 42};
	struct frame_reader reader;
	struct frame_result r;
	char room[1024];
	size_t bytes = reply_refusal(ENCODING_BINARY, &problem, 9, room, sizeof room);
	frame_reader_open(&reader, room, bytes);
	assert_int_equal(frame_reader_next(&reader, &r), STATUS_ok);
	assert_int_equal(r.head->code, STATUS_draining);
	assert_int_equal(r.head->retry, RETRY_same_id);
	assert_int_equal(r.head->retry_after_ms, 9);
	assert_int_equal(r.request, 42);
	bytes = reply_refusal(ENCODING_JSON, &problem, 9, room, sizeof room);
	room[bytes] = '\0';
	assert_string_equal(room, "{\"type\":\"error\",\"code\":\"draining\",\"message\":\"the service is stopping\","
	                          "\"retry\":\"same_id\",\"retry_after_ms\":9}");
}

/* Every byte of a good reply changed, and every prefix of it: the reader ends, in its bounds. */
static void test_reader(void **)
{
	struct wire *w = wire_create(false);
	struct reply p;
	struct frame_reader reader;
	struct frame_result r;
	uint8_t message[256];
	struct cursor out;
	cursor_init(&out, message, sizeof message);
	frame_build(&out, EVENT_locate, 99, &(struct locate_record){}, 1, NULL, 0);
	open_message(w, &p, message, cursor_used(&out));
	next(w);
	reply_located(&p, &w->event, 7, matches, 3);
	close_message(w, &p);
	uint8_t *copy = malloc(w->reply_bytes);
	for (size_t i = 0; i < w->reply_bytes; i++)
		for (unsigned value = 0; value < 256; value += 17) {
			memcpy(copy, w->reply, w->reply_bytes);
			copy[i] = (uint8_t)value;
			frame_reader_open(&reader, copy, w->reply_bytes);
			while (frame_reader_has_next(&reader) && frame_reader_next(&reader, &r) == STATUS_ok)
				;
		}
	free(copy);
	for (size_t bytes = 1; bytes < w->reply_bytes; bytes++) {
		copy = malloc(bytes);
		memcpy(copy, w->reply, bytes);
		frame_reader_open(&reader, copy, bytes);
		assert_int_equal(frame_reader_next(&reader, &r), STATUS_malformed);
		free(copy);
	}
	wire_destroy(&w);
}

static void test_not_finite(void **)
{
	char room[64];
	struct cursor out;
	cursor_init(&out, room, sizeof room);
	json_write_double(&out, NAN);
	json_write_double(&out, -INFINITY);
	json_write_integer(&out, INT64_MIN);
	assert_memory_equal(room, "nullnull-9223372036854775808", cursor_used(&out));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json_results), cmocka_unit_test(test_binary_located), cmocka_unit_test(test_little_room),
		cmocka_unit_test(test_worst_errors), cmocka_unit_test(test_refusal),        cmocka_unit_test(test_reader),
		cmocka_unit_test(test_not_finite),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
