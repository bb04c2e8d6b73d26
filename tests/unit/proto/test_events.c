/*
 * Every field of the events of commerce, from their tables: left out, of a wrong type, out of
 * range, misspelt; in JSON and in binary. What the tables cannot say stands in lists below.
 */
#include "engine/base/check.h"
#include "proto/field.h"
#include "tests/support/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { FIRST_TYPE = EVENT_claim };

#define LINE "{\"type\":\"cart.add\",\"id\":1,\"cart\":2,\"sku\":"
#define FEED "{\"type\":\"feed.read\",\"after\":0"
#define S31 "abcdefghijklmnopqrstuvwxyz01234"

/* ---- JSON --------------------------------------------------------------------------- */

static void good_value(const struct field *f, char value[static 32])
{
	switch (f->form) {
	case FIELD_identifier: snprintf(value, 32, "7"); break;
	case FIELD_integer: snprintf(value, 32, "%lld", (long long)f->low); break;
	case FIELD_kinds: snprintf(value, 32, "[\"reward.claimed\"]"); break;
	case FIELD_currency: snprintf(value, 32, "\"EUR\""); break;
	case FIELD_name:
	case FIELD_sku: snprintf(value, 32, "\"espresso\""); break;
	default: snprintf(value, 32, "1");
	}
}

/* An event with all its fields, but one left out (value NULL), of another value, or of another name. */
static size_t write_event(char *out, size_t room, enum event_type type, uint32_t index, const char *name, const char *value)
{
	const struct field_list *list = field_list_of(type);
	size_t at = (size_t)snprintf(out, room, "{\"type\":\"%s\"", event_name(type));
	for (uint32_t i = 0; i < list->count; i++) {
		char good[32];
		good_value(&list->fields[i], good);
		if (i != index)
			at += (size_t)snprintf(out + at, room - at, ",\"%s\":%s", list->fields[i].name, good);
		else if (value != NULL || name != NULL)
			at += (size_t)snprintf(out + at, room - at, ",\"%s\":%s", name != NULL ? name : list->fields[i].name,
			                       value != NULL ? value : good);
	}
	return at + (size_t)snprintf(out + at, room - at, "}");
}

static void expect_json(struct wire *w, const char *json, status code, const char *field)
{
	wire_answer(w, json, strlen(json));
	status got = strstr(w->reply, "\"type\":\"error\"") == NULL ? STATUS_ok : w->problem.status;
	if (got != code || (code != STATUS_ok && strcmp(w->problem.field, field) != 0))
		fail_msg("%s -> %s, expected %s of %s", json, w->reply, status_code(code), field);
}

static void value_gives(struct wire *w, enum event_type type, uint32_t index, const char *value, status code)
{
	char json[1024];
	write_event(json, sizeof json, type, index, NULL, value);
	expect_json(w, json, code, field_list_of(type)->fields[index].name);
}

static void check_json_integer(struct wire *w, enum event_type type, uint32_t index)
{
	const struct field *f = &field_list_of(type)->fields[index];
	char value[32];
	snprintf(value, sizeof value, "%lld", (long long)f->high);
	value_gives(w, type, index, value, STATUS_ok);
	snprintf(value, sizeof value, "%lld", (long long)f->high + 1);
	value_gives(w, type, index, value, STATUS_invalid_field);
	snprintf(value, sizeof value, "%lld", (long long)f->low - 1);
	value_gives(w, type, index, value, STATUS_invalid_field);
	value_gives(w, type, index, "1.5", STATUS_invalid_field);
	value_gives(w, type, index, "-9223372036854775808", STATUS_invalid_field);
	value_gives(w, type, index, "99999999999999999999", STATUS_invalid_field);
}

static void check_json_field(struct wire *w, enum event_type type, uint32_t index)
{
	static const char *const wrong[] = {"true", "null", "{}", "[]", "\"\"", "[1]"};
	const struct field *f = &field_list_of(type)->fields[index];
	char json[1024], name[40], hint[80];
	/* The last names an element. */
	for (size_t i = 0; i < COUNT_OF(wrong) - (f->form == FIELD_kinds); i++)
		value_gives(w, type, index, wrong[i], STATUS_invalid_field);
	value_gives(w, type, index, NULL, f->need == FIELD_required ? STATUS_missing_field : STATUS_ok);
	if (f->form == FIELD_integer)
		check_json_integer(w, type, index);
	/* A misspelt field is told before a missing one, with the right spelling where that can be guessed. */
	snprintf(name, sizeof name, "%s_", f->name);
	write_event(json, sizeof json, type, index, name, NULL);
	expect_json(w, json, STATUS_unknown_field, name);
	snprintf(hint, sizeof hint, "did you mean \\\"%s\\\"?", f->name);
	if (strlen(f->name) > 2 && strstr(w->reply, hint) == NULL)
		fail_msg("%s -> %s, expected %s", json, w->reply, hint);
}

static void test_json_fields(void **)
{
	struct wire *w = wire_create(false);
	for (unsigned type = FIRST_TYPE; type <= EVENT_TYPE_MAX; type++) {
		const struct field_list *list = field_list_of((enum event_type)type);
		char json[1024];
		write_event(json, sizeof json, (enum event_type)type, list->count, NULL, NULL);
		expect_json(w, json, STATUS_ok, "");
		for (uint32_t i = 0; i < list->count; i++)
			check_json_field(w, (enum event_type)type, i);
	}
	wire_destroy(&w);
}

static void test_json_texts(void **)
{
	static const struct {
		const char *json;
		status code;
		const char *field;
	} cases[] = {
		{LINE "\"" S31 "\"}", STATUS_ok, ""},
		{LINE "\"" S31 "5\"}", STATUS_invalid_field, "sku"},
		{LINE "\"\"}", STATUS_invalid_field, "sku"},
		{LINE "5}", STATUS_invalid_field, "sku"},
		{LINE "\"caf\xc3\xa9 \\\"1\\\"\"}", STATUS_ok, ""},
		{LINE "\"a\\tb\"}", STATUS_invalid_field, "sku"},
		{LINE "\"a\\u0080b\"}", STATUS_invalid_field, "sku"},
		{LINE "\"a\",\"quantity\":0}", STATUS_invalid_field, "quantity"},
		{LINE "\"a\",\"quantity\":4294967297}", STATUS_invalid_field, "quantity"},
		{LINE "\"a\",\"zero\":0}", STATUS_unknown_field, "zero"},
		{"{\"type\":\"cart.remove\",\"id\":1,\"cart\":2,\"sku\":\"a\",\"unit_price\":5}", STATUS_unknown_field, "unit_price"},
		{"{\"type\":\"cart.set\",\"id\":1,\"cart\":2,\"sku\":\"a\"}", STATUS_missing_field, "quantity"},
		{"{\"type\":\"cart.open\",\"id\":1,\"cart\":2,\"currency\":\"eur\"}", STATUS_invalid_field, "currency"},
		{"{\"type\":\"cart.open\",\"id\":1,\"cart\":2,\"currency\":\"EURO\"}", STATUS_invalid_field, "currency"},
		{"{\"type\":\"cart.open\",\"id\":1,\"cart\":2,\"currency\":\"EU\"}", STATUS_invalid_field, "currency"},
		{"{\"type\":\"cart.open\",\"id\":1,\"cart\":2,\"currency\":978}", STATUS_invalid_field, "currency"},
		{"{\"type\":\"claim\",\"id\":1,\"actor\":2,\"reward\":3,\"x\":181,\"y\":0}", STATUS_invalid_field, "x"},
		{"{\"type\":\"claim\",\"id\":1,\"actor\":2,\"reward\":3,\"x\":0,\"y\":1e999}", STATUS_invalid_field, "y"},
		{FEED "}", STATUS_ok, ""},
		{FEED ",\"topics\":[\"reward.claimed\",\"Reward\"]}", STATUS_invalid_field, "topics[1]"},
		{FEED ",\"topics\":[\"a,b\"]}", STATUS_invalid_field, "topics[0]"},
		{FEED ",\"topics\":[\"a\",5]}", STATUS_invalid_field, "topics[1]"},
		{FEED ",\"topics\":\"a\"}", STATUS_invalid_field, "topics"},
		{FEED ",\"limit\":0}", STATUS_invalid_field, "limit"},
		{"{\"type\":\"cart.checkuot\",\"id\":1}", STATUS_unknown_type, "type"},
	};
	struct wire *w = wire_create(false);
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		expect_json(w, cases[i].json, cases[i].code, cases[i].field);
	assert_non_null(strstr(w->reply, "did you mean \\\"cart.checkout\\\"?"));
	wire_destroy(&w);
}

/* ---- binary ------------------------------------------------------------------------- */

static void expect_binary(struct wire *w, const struct wire_event *e, status code, const char *field)
{
	uint8_t message[2048];
	struct cursor out;
	struct frame_reader reader;
	struct frame_result r;
	cursor_init(&out, message, sizeof message);
	frame_build(&out, e->type, 1, e->record, 1, e->text, e->text_bytes);
	assert_false(out.full);
	wire_answer(w, message, cursor_used(&out));
	frame_reader_open(&reader, w->reply, w->reply_bytes);
	assert_int_equal(frame_reader_next(&reader, &r), STATUS_ok);
	if (r.head->code != code || (code != STATUS_ok && strcmp(w->problem.field, field) != 0))
		fail_msg("%s: %s %s %s, expected %s of %s", event_name(e->type), status_code((status)r.head->code),
		         w->problem.field, w->problem.message, status_code(code), field);
}

/* Through memcpy: the record is bytes, and a copied event is not looked at as a head. */
static void change_flags(struct wire_event *e, uint32_t set, uint32_t clear)
{
	uint8_t *at = e->record + offsetof(struct event_head, flags);
	uint32_t flags;
	memcpy(&flags, at, sizeof flags);
	flags = (flags | set) & ~clear;
	memcpy(at, &flags, sizeof flags);
}

static void check_binary_integer(struct wire *w, const struct wire_event *base, const struct field *f)
{
	struct wire_event e = *base;
	change_flags(&e, f->has, 0);
	const int64_t wrong[] = {f->low - 1, f->high + 1, INT64_MIN, INT64_MAX};
	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		field_integer_store(f, e.record, wrong[i]);
		int64_t stored = field_integer_load(f, e.record);
		bool is_good = (stored >= f->low && stored <= f->high) ||
		               (stored == f->absent && f->has == 0 && f->need == FIELD_optional);
		expect_binary(w, &e, is_good ? STATUS_ok : STATUS_invalid_field, f->name);
	}
	/* A record cannot leave a required number out. */
	field_integer_store(f, e.record, f->absent);
	if (f->has == 0)
		expect_binary(w, &e, f->need == FIELD_required ? STATUS_invalid_field : STATUS_ok, f->name);
}

static void put_text(struct wire_event *e, const struct field *f, const char *text, uint32_t bytes)
{
	struct wire_text place = {e->text_bytes, bytes};
	memcpy(e->text + e->text_bytes, text, bytes);
	e->text_bytes += bytes;
	memcpy(e->record + f->offset, &place, sizeof place);
}

static void check_binary_text(struct wire *w, const struct wire_event *base, const struct field *f)
{
	static const struct {
		const char *text;
		uint32_t bytes;
		bool is_good;
	} cases[] = {
		{S31, 31, true}, {"\xc3", 1, false}, {"a\n", 2, false}, {"\xff", 1, false}, {"a\0", 2, false},
		{"caf\xc3\xa9", 5, true}, {S31 S31 S31 S31 S31, 128, false},
	};
	struct wire_text bad[] = {{UINT32_MAX, 1}, {0, UINT32_MAX}, {base->text_bytes + 1, 1}};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct wire_event e = *base;
		put_text(&e, f, cases[i].text, cases[i].bytes);
		expect_binary(w, &e, cases[i].is_good ? STATUS_ok : STATUS_invalid_field, f->name);
	}
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct wire_event e = *base;
		memcpy(e.record + f->offset, &bad[i], sizeof bad[i]);
		expect_binary(w, &e, STATUS_invalid_field, f->name);
	}
	struct wire_event e = *base;
	memset(e.record + f->offset, 0, sizeof(struct wire_text));
	expect_binary(w, &e, f->need == FIELD_required ? STATUS_missing_field : STATUS_ok, f->name);
}

static void check_binary_field(struct wire *w, const struct wire_event *base, const struct field *f)
{
	struct wire_event e = *base;
	switch (f->form) {
	case FIELD_integer: check_binary_integer(w, base, f); break;
	case FIELD_name:
	case FIELD_sku: check_binary_text(w, base, f); break;
	case FIELD_currency:
		e.record[f->offset + 1] = 'u';
		expect_binary(w, &e, STATUS_invalid_field, f->name);
		break;
	case FIELD_identifier:
		if (f->has == 0 || f->has == EVENT_HAS_ID)
			break;
		change_flags(&e, 0, f->has | f->uuid);
		memset(e.record + f->offset, 0, sizeof(struct wire_id));
		expect_binary(w, &e, STATUS_ok, "");
		change_flags(&e, f->uuid, 0);
		expect_binary(w, &e, STATUS_invalid_field, f->name);
		change_flags(&e, 0, f->uuid);
		e.record[f->offset] = 1;
		expect_binary(w, &e, STATUS_invalid_field, f->name);
		break;
	default: break;
	}
}

static void check_binary_flags(struct wire *w, const struct wire_event *base)
{
	for (unsigned bit = 0; bit < 32; bit++) {
		struct wire_event e = *base;
		if ((field_list_of(e.type)->flags & 1u << bit) != 0)
			continue;
		change_flags(&e, 1u << bit, 0);
		expect_binary(w, &e, STATUS_invalid_field, "flags");
	}
	struct wire_event e = *base;
	change_flags(&e, 0, EVENT_HAS_ID | EVENT_ID_IS_UUID);
	memset(e.record, 0, sizeof(struct wire_id));
	expect_binary(w, &e, event_is_change(e.type) ? STATUS_missing_field : STATUS_ok, "id");
}

static void test_binary_fields(void **)
{
	struct wire *w = wire_create(false);
	struct random random = {21};
	unsigned seen[EVENT_TYPE_MAX + 1] = {};
	for (unsigned i = 0; i < 4000; i++) {
		struct wire_event e;
		wire_random_event(&random, false, &e);
		if ((unsigned)e.type < (unsigned)FIRST_TYPE || seen[e.type]++ >= 10 || e.text_bytes > 1000)
			continue;
		const struct field_list *list = field_list_of(e.type);
		expect_binary(w, &e, STATUS_ok, "");
		for (uint32_t k = 0; k < list->count; k++)
			check_binary_field(w, &e, &list->fields[k]);
		check_binary_flags(w, &e);
	}
	for (unsigned type = FIRST_TYPE; type <= EVENT_TYPE_MAX; type++)
		assert_int_not_equal(seen[type], 0);
	wire_destroy(&w);
}

/* Members that are no field. */
static void test_binary_zeros(void **)
{
	static const struct {
		enum event_type type;
		size_t offset, bytes;
	} zeros[] = {
		{EVENT_product_put, offsetof(struct product_put_record, zero), 1},
		{EVENT_cart_open, offsetof(struct cart_open_record, zero), 1},
		{EVENT_cart_add, offsetof(struct cart_line_record, zero), 4},
		{EVENT_cart_set, offsetof(struct cart_line_record, zero), 4},
		{EVENT_cart_remove, offsetof(struct cart_line_record, zero), 4},
		{EVENT_payment_authorize, offsetof(struct payment_authorize_record, zero), 1},
		{EVENT_feed_read, offsetof(struct feed_read_record, zero), 4},
	};
	struct wire *w = wire_create(false);
	struct random random = {22};
	for (size_t i = 0; i < COUNT_OF(zeros); i++)
		for (size_t k = 0; k < zeros[i].bytes; k++) {
			struct wire_event e;
			do
				wire_random_event(&random, false, &e);
			while (e.type != zeros[i].type);
			e.record[zeros[i].offset + k] = 1;
			expect_binary(w, &e, STATUS_invalid_field, "zero");
			e.record[zeros[i].offset + k] = 0;
			expect_binary(w, &e, STATUS_ok, "");
			if (e.type != EVENT_cart_remove)
				continue;
			e.record[offsetof(struct cart_line_record, unit_price)] = 5;
			expect_binary(w, &e, STATUS_invalid_field, "unit_price");
		}
	wire_destroy(&w);
}

/* Missing before wrong, as in JSON. */
static void test_binary_order(void **)
{
	struct wire *w = wire_create(false);
	struct wire_event e = {.type = EVENT_product_put};
	struct product_put_record *r = (void *)e.record;
	r->head = (struct event_head){.id = {1, 0}, .flags = EVENT_HAS_ID | 1u << 31};
	r->unit_price = -5;
	expect_binary(w, &e, STATUS_missing_field, "sku");
	r->head.flags = 1u << 31;
	expect_binary(w, &e, STATUS_missing_field, "id");
	wire_destroy(&w);
}

static void test_classes(void **)
{
	static const enum event_type reads[] = {EVENT_product_get, EVENT_cart_get, EVENT_payment_get};
	struct wire *w = wire_create(false);
	for (unsigned type = 0; type <= EVENT_TYPE_MAX + 2; type++) {
		const char *name = event_name((enum event_type)type);
		bool is_read = false;
		for (size_t i = 0; i < COUNT_OF(reads); i++)
			is_read |= type == (unsigned)reads[i];
		assert_int_equal(event_class_of((enum event_type)type) == EVENT_READ, is_read);
		if (name == NULL)
			assert_int_equal(event_class_of((enum event_type)type), EVENT_QUERY);
	}
	wire_destroy(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json_fields),  cmocka_unit_test(test_json_texts),   cmocka_unit_test(test_binary_fields),
		cmocka_unit_test(test_binary_zeros), cmocka_unit_test(test_binary_order), cmocka_unit_test(test_classes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
