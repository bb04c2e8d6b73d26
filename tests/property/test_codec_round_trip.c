/*
 * Any event, in JSON and in binary, is decoded to one and the same record; a wrong
 * one is refused by both for the same reason; and no allocation is made on the way.
 */
#include "engine/base/check.h"
#include "proto/field.h"
#include "tests/support/allocation_count.h"
#include "tests/support/wire.h"

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
	{{8, 9, true}, 1.0 / 3, -100, 5, "tea"},
};

static void expect_event(struct wire *w, const void *message, size_t bytes, const struct wire_event *e)
{
	if (request_open(&w->request, message, bytes, &w->limits, &w->arena, &w->problem) != STATUS_ok)
		fail_msg("refused: %s: %.*s", w->problem.message, (int)bytes, (const char *)message);
	assert_int_equal(w->request.count, 1);
	assert_int_equal(request_needs_writer(&w->request), event_class_of(e->type) != EVENT_QUERY);
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

/* ---- wrong values ----------------------------------------------------------------- */

static void put_number(uint8_t *at, double value) { memcpy(at, &value, sizeof value); }
static void put_integer(uint8_t *at, size_t bytes, int64_t value) { memcpy(at, &value, bytes); }

/* The middle of a character stays: JSON could not say the rest of it. */
static void spoil_text(struct random *random, struct wire_event *e)
{
	size_t at = random_below(random, e->text_bytes + 1ull);
	if (at < e->text_bytes && (unsigned char)e->text[at] < 0x80)
		e->text[at] = "A,\x7f\n"[random_below(random, 4)];
}

/* Puts a value that may be out of range into a field that both forms can say it in. */
static void spoil(struct random *random, struct wire_event *e)
{
	static const int64_t integers[] = {-1, 0, 1, 1024, 1025, INTEGER_MAX, INTEGER_MAX + 1, -INTEGER_MAX, INT32_MAX};
	static const double numbers[] = {-1e300, -1e15, -180.5, -90.5, -0.5, 0, 0.5, 90.5, 180.5, 1e15, 1.5e15, 1e300};
	const struct field_list *list = field_list_of(e->type);
	const struct field *f = &list->fields[random_below(random, list->count)];
	uint32_t flags = ((struct event_head *)(void *)e->record)->flags;
	bool is_there = f->has == 0 || (flags & f->has) != 0;
	int64_t integer = integers[random_below(random, COUNT_OF(integers))];
	double number = numbers[random_below(random, COUNT_OF(numbers))];
	uint8_t *at = e->record + f->offset;
	uint32_t area = e->type == EVENT_locate ? ((struct locate_record *)(void *)e->record)->area : 0;
	if (f->form == FIELD_integer && is_there)
		put_integer(at, f->bytes, integer);
	else if (f->form == FIELD_x || f->form == FIELD_y || f->form == FIELD_radius ||
	         (f->form == FIELD_area_radius && area == LOCATE_RADIUS))
		put_number(at, number);
	else if (f->form == FIELD_area_box && area == LOCATE_BOX)
		put_number(at + sizeof(double) * random_below(random, 4), number);
	else if (f->form == FIELD_kind || f->form == FIELD_kinds || f->form == FIELD_name || f->form == FIELD_sku)
		spoil_text(random, e);
	else if (f->form == FIELD_currency)
		at[random_below(random, CURRENCY_BYTES)] = (uint8_t)"Aa1\n"[random_below(random, 4)];
	else if (f->form == FIELD_benefit && e->record[offsetof(struct reward_put_record, benefit_type)] != BENEFIT_NONE)
		put_integer(at, sizeof integer, integer);
}

static status decode_one(struct wire *w, const struct cursor *message)
{
	status s = request_open(&w->request, message->start, cursor_used(message), &w->limits, &w->arena, &w->problem);
	if (s != STATUS_ok)
		return s;
	s = request_next(&w->request, &w->event, &w->problem);
	request_close(&w->request);
	return s;
}

/* A wrong value is refused by both forms, for the same field, or by neither. */
static void same_refusals(bool is_plane, uint64_t seed)
{
	static uint8_t binary_room[1 << 15], json_room[1 << 15];
	struct wire *binary = wire_create(is_plane), *json = wire_create(is_plane);
	struct random random = {seed};
	unsigned refused = 0;
	for (unsigned i = 0; i < 30000; i++) {
		struct wire_event e;
		struct cursor out;
		wire_random_event(&random, is_plane, &e);
		spoil(&random, &e);
		cursor_init(&out, binary_room, sizeof binary_room);
		frame_build(&out, e.type, 1, e.record, 1, e.text, e.text_bytes);
		status a = decode_one(binary, &out);
		cursor_init(&out, json_room, sizeof json_room);
		wire_event_json(&e, &out);
		status b = decode_one(json, &out);
		if (a != b || (a != STATUS_ok && strcmp(binary->problem.field, json->problem.field) != 0))
			fail_msg("binary: %s %s %s; JSON: %s %s %s: %.*s", status_code(a), binary->problem.field,
			         binary->problem.message, status_code(b), json->problem.field, json->problem.message,
			         (int)cursor_used(&out), (const char *)json_room);
		refused += a != STATUS_ok;
	}
	assert_in_range(refused, 3000, 25000);
	wire_destroy(&binary);
	wire_destroy(&json);
}

static void test_same_refusals(void **)
{
	same_refusals(false, 11);
	same_refusals(true, 12);
}

/* ---- allocations ------------------------------------------------------------------- */

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
			wire_result(&reply, &w->event);
	}
	w->reply_bytes = reply_close(&reply);
	request_close(&w->request);
}

static void test_no_allocation(void **)
{
	enum { EVENTS = 1000 };
	if (!allocation_count_available()) {
		printf("SKIP: a sanitizer or valgrind owns the heap, allocations cannot be counted\n");
		skip();
	}
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
	if (!allocation_count_available()) {
		printf("SKIP: a sanitizer or valgrind owns the heap, allocations cannot be counted\n");
		skip();
	}
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
		cmocka_unit_test(test_same_refusals),
		cmocka_unit_test(test_counter),
		cmocka_unit_test(test_no_allocation),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
