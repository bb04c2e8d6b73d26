/* Any event, in JSON and in binary, is decoded to one and the same record; and no allocation is made on the way. */
#include "tests/support/allocation_count.h"
#include "tests/support/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static const struct match matches[] = {
	{{7, 0, false}, 12.5, 100, STOCK_UNLIMITED, "coffee"},
	{{8, 9, true}, 1.0 / 3, -100, 5, "tea"},
};

static void expect_event(struct wire *w, const void *message, size_t bytes, const struct wire_event *e)
{
	if (request_open(&w->request, message, bytes, &w->limits, &w->arena, &w->problem) != STATUS_ok)
		fail_msg("refused: %s: %.*s", w->problem.message, (int)bytes, (const char *)message);
	assert_int_equal(w->request.count, 1);
	assert_int_equal(request_has_change(&w->request), event_is_change(e->type));
	if (request_next(&w->request, &w->event, &w->problem) != STATUS_ok)
		fail_msg("%s %s: %.*s", w->problem.field, w->problem.message, (int)bytes, (const char *)message);
	assert_int_equal(w->event.type, e->type);
	if (!wire_event_equal(e->type, e->record, e->text, w->event.head, w->event.text))
		fail_msg("decoded to something else: %.*s", (int)bytes, (const char *)message);
	request_close(&w->request);
}

static void round_trip(struct wire *w, struct random *random, uint64_t count)
{
	static uint8_t buffer[1 << 16];
	for (uint64_t i = 0; i < count; i++) {
		struct wire_event e;
		struct cursor out;
		wire_random_event(random, w->limits.is_plane, &e);
		/* Any alignment will do. */
		cursor_init(&out, buffer + i % 8, sizeof buffer - 8);
		frame_build(&out, e.type, i, e.record, 1, e.text, e.text_bytes);
		expect_event(w, out.start, cursor_used(&out), &e);
		cursor_init(&out, buffer, sizeof buffer);
		wire_event_json(&e, &out);
		assert_false(out.full);
		expect_event(w, out.start, cursor_used(&out), &e);
	}
}

static void test_geo(void **)
{
	struct wire *w = wire_create(false);
	round_trip(w, &(struct random){1}, 30000);
	wire_destroy(&w);
}

static void test_plane(void **)
{
	struct wire *w = wire_create(true);
	round_trip(w, &(struct random){2}, 30000);
	wire_destroy(&w);
}

/* Every kind of result, so that each encoder's path is walked. */
static void answer(struct wire *w, const void *message, size_t bytes)
{
	static const struct reward_view view = {.kind = "coffee", .name = "Caf\xc3\xa9", .until_ms = INT64_MAX, .x = 0.1};
	struct reply reply;
	if (request_open(&w->request, message, bytes, &w->limits, &w->arena, &w->problem) != STATUS_ok)
		abort();
	reply_open(&reply, &w->request, w->reply, WIRE_REPLY_BYTES);
	for (uint32_t i = 0; i < w->request.count; i++) {
		if (request_next(&w->request, &w->event, &w->problem) != STATUS_ok)
			reply_problem(&reply, &w->problem, 5);
		else if (w->event.type == EVENT_ping)
			reply_pong(&reply, &w->event);
		else if (w->event.type == EVENT_locate)
			reply_located(&reply, &w->event, 3, matches, 2);
		else if (w->event.type == EVENT_reward_get)
			reply_reward(&reply, &w->event, &view);
		else
			reply_ok(&reply, &w->event, i);
	}
	w->reply_bytes = reply_close(&reply);
	request_close(&w->request);
}

static void test_no_allocation(void **)
{
	enum { EVENTS = 1000 };
	if (!allocation_count_available())
		skip();
	struct wire *w = wire_create(false);
	struct random random = {3};
	uint8_t *binary = malloc(1 << 20), *json = malloc(1 << 20);
	struct cursor binary_out, json_out;
	cursor_init(&binary_out, binary, 1 << 20);
	cursor_init(&json_out, json, 1 << 20);
	cursor_byte(&json_out, '[');
	for (unsigned i = 0; i < EVENTS; i++) {
		struct wire_event e;
		wire_random_event(&random, false, &e);
		if (i % 10 == 0) /* some are refused */
			((struct event_head *)(void *)e.record)->flags |= 1u << 31;
		frame_build(&binary_out, e.type, i, e.record, 1, e.text, e.text_bytes);
		if (i != 0)
			cursor_byte(&json_out, ',');
		wire_event_json(&e, &json_out);
	}
	cursor_byte(&json_out, ']');
	assert_false(binary_out.full || json_out.full);

	/* jansson reads its hash seed once in a process. */
	wire_answer(w, "{}", 2);
	allocation_count_start();
	answer(w, binary, cursor_used(&binary_out));
	assert_int_equal(allocation_count_stop(), 0);
	assert_int_equal(w->request.count, EVENTS);
	assert_int_equal(w->arena.used, 0);
	allocation_count_start();
	answer(w, json, cursor_used(&json_out));
	assert_int_equal(allocation_count_stop(), 0);
	assert_int_equal(w->request.count, EVENTS);
	free(binary);
	free(json);
	wire_destroy(&w);
}

/* The counter itself counts. */
static void test_counter(void **)
{
	if (!allocation_count_available())
		skip();
	allocation_count_start();
	void *volatile room = malloc(10);
	free(room);
	assert_int_equal(allocation_count_stop(), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_geo),
		cmocka_unit_test(test_plane),
		cmocka_unit_test(test_counter),
		cmocka_unit_test(test_no_allocation),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
