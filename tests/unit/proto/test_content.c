/* Which events are the same, and how one is kept and read again. */
#include "engine/base/check.h"
#include "proto/content.h"
#include "proto/field.h"
#include "tests/support/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { SEED = 77, PACKED_BYTES_MAX = EVENT_RECORD_BYTES_MAX + EVENT_TEXT_BYTES_MAX };

static void expect_same(const struct event *a, const struct event *b)
{
	const char *difference = content_difference(a, b);
	if (difference != NULL)
		fail_msg("%s differs in %s", event_name(a->type), difference);
	assert_int_equal(content_hash(a, SEED), content_hash(b, SEED));
}

static void expect_other(const struct event *a, const struct event *b, const char *field)
{
	const char *difference = content_difference(a, b);
	if (difference == NULL || strcmp(difference, field) != 0)
		fail_msg("%s differs in %s, expected %s", event_name(a->type), difference != NULL ? difference : "nothing", field);
	assert_int_not_equal(content_hash(a, SEED), content_hash(b, SEED));
	difference = content_difference(b, a);
	assert_true(difference != NULL && strcmp(difference, field) == 0);
}

/* Only bytes are touched: a copied event is not looked at as a record. */
static void put_u32(struct wire_event *e, size_t offset, uint32_t value) { memcpy(e->record + offset, &value, sizeof value); }

static uint32_t flags_of(const struct wire_event *e)
{
	uint32_t flags;
	memcpy(&flags, e->record + offsetof(struct event_head, flags), sizeof flags);
	return flags;
}

static void put_flags(struct wire_event *e, uint32_t flags) { put_u32(e, offsetof(struct event_head, flags), flags); }

/* ---- the same ----------------------------------------------------------------------- */

/* As JSON, and as a record whose text stands elsewhere. */
static void test_twins(void **)
{
	struct wire *w = wire_create(false);
	struct random random = {31};
	static uint8_t json[1 << 14];
	for (unsigned i = 0; i < 20000; i++) {
		struct wire_event e, moved;
		struct cursor out;
		wire_random_event(&random, false, &e);
		cursor_init(&out, json, sizeof json);
		wire_event_json(&e, &out);
		assert_int_equal(request_open(&w->request, json, cursor_used(&out), &w->limits, &w->arena, &w->problem), STATUS_ok);
		assert_int_equal(request_next(&w->request, &w->event, &w->problem), STATUS_ok);
		struct event view = wire_event_view(&e);
		expect_same(&view, &w->event);
		request_close(&w->request);
		/* 16 bytes further on, with other text before and a deadline. */
		moved = e;
		memset(moved.text, '#', sizeof moved.text);
		memcpy(moved.text + 16, e.text, e.text_bytes);
		const struct field_list *list = field_list_of(e.type);
		for (uint32_t k = 0; k < list->count; k++) {
			const struct field *f = &list->fields[k];
			struct wire_text place;
			memcpy(&place, moved.record + f->offset, sizeof place);
			if (f->form != FIELD_kind && f->form != FIELD_kinds && f->form != FIELD_name && f->form != FIELD_sku)
				continue;
			put_u32(&moved, f->offset, place.bytes != 0 ? place.offset + 16 : 0);
		}
		put_flags(&moved, flags_of(&moved) | EVENT_HAS_DEADLINE);
		put_u32(&moved, offsetof(struct event_head, deadline_ms), 5);
		struct event other = wire_event_view(&moved);
		expect_same(&view, &other);
	}
	wire_destroy(&w);
}

static void decode(struct wire *w, const char *json)
{
	assert_int_equal(request_open(&w->request, json, strlen(json), &w->limits, &w->arena, &w->problem), STATUS_ok);
	if (request_next(&w->request, &w->event, &w->problem) != STATUS_ok)
		fail_msg("%s: %s %s", json, w->problem.field, w->problem.message);
	request_close(&w->request);
}

/* The form of an id is no part of it, and there is one zero. */
static void test_by_value(void **)
{
	struct wire *a = wire_create(false), *b = wire_create(false);
	decode(a, "{\"type\":\"claim\",\"id\":18,\"actor\":\"2\",\"reward\":3,\"x\":-0.0,\"y\":0}");
	decode(b, "{\"type\":\"claim\",\"id\":\"00000000-0000-0000-0000-000000000012\",\"actor\":2,"
	          "\"reward\":\"00000000-0000-0000-0000-000000000003\",\"x\":0,\"y\":-0.0,\"deadline_ms\":7}");
	expect_same(&a->event, &b->event);
	decode(b, "{\"type\":\"claim\",\"id\":18,\"actor\":2,\"reward\":3,\"x\":0,\"y\":0,\"cart\":0}");
	expect_other(&a->event, &b->event, "cart");
	decode(b, "{\"type\":\"claim\",\"id\":18,\"actor\":2,\"reward\":3,\"x\":0,\"y\":0,\"at\":0}");
	expect_other(&a->event, &b->event, "at");
	decode(b, "{\"type\":\"ping\",\"id\":18}");
	expect_other(&a->event, &b->event, "type");
	wire_destroy(&a);
	wire_destroy(&b);
}

/* ---- not the same --------------------------------------------------------------------- */

/* Another value of one field; false: this event has none to change. */
static bool change_field(struct wire_event *e, const struct field *f)
{
	struct wire_text place;
	memcpy(&place, e->record + f->offset, sizeof place);
	switch (f->form) {
	case FIELD_kind:
	case FIELD_kinds:
	case FIELD_name:
	case FIELD_sku:
		if (place.bytes == 0)
			return false;
		e->text[place.offset + place.bytes - 1] ^= 1;
		return true;
	case FIELD_area_radius:
	case FIELD_area_box: {
		uint32_t area;
		memcpy(&area, e->record + offsetof(struct locate_record, area), sizeof area);
		if (area != (f->form == FIELD_area_box ? LOCATE_BOX : LOCATE_RADIUS))
			return false;
		break;
	}
	default: break;
	}
	if (f->has != 0)
		put_flags(e, flags_of(e) | f->has);
	e->record[f->offset] ^= 1;
	return true;
}

static void test_each_field(void **)
{
	struct random random = {32};
	unsigned named = 0;
	for (unsigned i = 0; i < 20000; i++) {
		struct wire_event e, changed;
		wire_random_event(&random, false, &e);
		struct event view = wire_event_view(&e);
		const struct field_list *list = field_list_of(e.type);
		const struct field *f = &list->fields[random_below(&random, list->count)];
		changed = e;
		if (!change_field(&changed, f))
			continue;
		struct event other = wire_event_view(&changed);
		if (strcmp(f->name, "deadline_ms") == 0)
			expect_same(&view, &other);
		else
			expect_other(&view, &other, f->name);
		named++;
	}
	assert_in_range(named, 10000, 20000);
}

/* A part of a text that moves from one field to the next is another content. */
static void test_text_borders(void **)
{
	struct wire *a = wire_create(false), *b = wire_create(false);
	decode(a, "{\"type\":\"product.put\",\"id\":1,\"sku\":\"ab\",\"unit_price\":1,\"currency\":\"EUR\",\"name\":\"c\"}");
	decode(b, "{\"type\":\"product.put\",\"id\":1,\"sku\":\"a\",\"unit_price\":1,\"currency\":\"EUR\",\"name\":\"bc\"}");
	expect_other(&a->event, &b->event, "sku");
	wire_destroy(&a);
	wire_destroy(&b);
}

/* ---- packed --------------------------------------------------------------------------- */

static void test_packed(void **)
{
	struct random random = {33};
	for (unsigned i = 0; i < 20000; i++) {
		struct wire_event e;
		struct event again;
		wire_random_event(&random, i % 2 != 0, &e);
		struct event view = wire_event_view(&e);
		size_t bytes = content_packed_bytes(&view);
		assert_in_range(bytes, event_record_bytes(e.type), PACKED_BYTES_MAX);
		/* Its own block: one byte too much is seen. */
		uint8_t *packed = malloc(bytes), *twice = malloc(bytes);
		content_pack(&view, packed);
		assert_true(content_unpack(&again, e.type, packed, bytes));
		assert_int_equal(again.head->flags, flags_of(&e) & ~(uint32_t)EVENT_HAS_DEADLINE);
		expect_same(&view, &again);
		assert_int_equal(content_packed_bytes(&again), bytes);
		content_pack(&again, twice);
		assert_memory_equal(packed, twice, bytes);
		assert_false(content_unpack(&again, e.type, packed, bytes - 1));
		assert_false(content_unpack(&again, EVENT_NONE, packed, bytes));
		free(packed);
		free(twice);
	}
}

/* Every byte changed, and every prefix: what is taken is a valid event in these very bytes. */
static void test_hostile(void **)
{
	struct random random = {34};
	for (unsigned i = 0; i < 600; i++) {
		struct wire_event e;
		struct event again;
		wire_random_event(&random, false, &e);
		struct event view = wire_event_view(&e);
		size_t bytes = content_packed_bytes(&view);
		uint8_t *packed = malloc(bytes), *twice = malloc(bytes);
		for (size_t at = 0; at < bytes; at++) {
			content_pack(&view, packed);
			packed[at] ^= (uint8_t)(1 + random_below(&random, 255));
			if (!content_unpack(&again, e.type, packed, bytes))
				continue;
			assert_int_equal(content_packed_bytes(&again), bytes);
			content_pack(&again, twice);
			assert_memory_equal(packed, twice, bytes);
		}
		for (unsigned type = 0; type <= EVENT_TYPE_MAX + 1; type++)
			(void)content_unpack(&again, (enum event_type)type, packed, bytes);
		free(packed);
		free(twice);
		for (size_t count = 0; count < bytes; count++) {
			uint8_t *cut = malloc(count != 0 ? count : 1), whole[PACKED_BYTES_MAX];
			content_pack(&view, whole);
			memcpy(cut, whole, count);
			assert_false(content_unpack(&again, e.type, cut, count));
			free(cut);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_twins),        cmocka_unit_test(test_by_value), cmocka_unit_test(test_each_field),
		cmocka_unit_test(test_text_borders), cmocka_unit_test(test_packed),   cmocka_unit_test(test_hostile),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
