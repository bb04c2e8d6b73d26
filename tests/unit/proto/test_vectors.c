/*
 * The golden vectors: both requests of each come to the same records, and the
 * replies in both encodings say the same. That they are written byte for byte is
 * test_generated's part; here the bytes are only read. Run from the checkout.
 */
#include "engine/base/check.h"
#include "tests/support/wire.h"

#include <dirent.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { FILE_BYTES = 1 << 16 };

static size_t read_file(const char *name, const char *kind, char *text)
{
	char path[256];
	snprintf(path, sizeof path, "proto/vectors/%s.%s", name, kind);
	FILE *in = fopen(path, "rb");
	if (in == NULL)
		fail_msg("%s: cannot be opened", path);
	size_t bytes = fread(text, 1, FILE_BYTES - 1, in);
	text[bytes] = '\0';
	fclose(in);
	return bytes;
}

/* "hh hh ..." up to a comment or the line's end. */
static size_t read_bytes(const char *at, uint8_t *bytes)
{
	size_t count = 0;
	for (;; count++) {
		char *end;
		at += strspn(at, " ");
		if (*at == '#' || *at == '\n' || *at == '\0')
			return count;
		bytes[count] = (uint8_t)strtoul(at, &end, 16);
		assert_int_equal(end - at, 2);
		at = end;
	}
}

/* Lines of "offset: hex bytes # comment", and lines of comment. */
static size_t read_hex(const char *name, const char *kind, uint8_t *bytes)
{
	static char text[FILE_BYTES];
	size_t count = 0;
	read_file(name, kind, text);
	for (const char *line = text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
		char *at;
		if (*line == '#')
			continue;
		assert_int_equal(strtoul(line, &at, 16), count);
		assert_int_equal(*at, ':');
		count += read_bytes(at + 1, bytes + count);
	}
	return count;
}

struct message {
	struct arena arena;
	struct request request;
	struct event event;
	struct problem problem;
	status status;
};

static void open_message(struct message *m, const void *bytes, size_t count)
{
	static const struct protocol_limits limits = {.batch_max = 64};
	assert_int_equal(arena_init(&m->arena, 1 << 20, NULL), STATUS_ok);
	assert_int_equal(request_open(&m->request, bytes, count, &limits, &m->arena, &m->problem), STATUS_ok);
}

static void check_requests(const char *name)
{
	static char json[FILE_BYTES];
	static uint8_t hex[FILE_BYTES];
	struct message a, b;
	open_message(&a, json, read_file(name, "request.json", json));
	open_message(&b, hex, read_hex(name, "request.hex", hex));
	assert_int_equal(a.request.count, b.request.count);
	for (uint32_t i = 0; i < a.request.count; i++) {
		a.status = request_next(&a.request, &a.event, &a.problem);
		b.status = request_next(&b.request, &b.event, &b.problem);
		assert_int_equal(a.status, b.status);
		if (a.status == STATUS_ok)
			assert_true(wire_event_equal(a.event.type, a.event.head, a.event.text, b.event.head, b.event.text));
		else
			assert_string_equal(a.problem.message, b.problem.message);
	}
	request_close(&a.request);
	request_close(&b.request);
	arena_deinit(&a.arena);
	arena_deinit(&b.arena);
}

static const char *text_of(const json_t *json, const char *name)
{
	const char *text = json_string_value(json_object_get(json, name));
	return text != NULL ? text : "";
}

static void check_identifier(const json_t *json, const char *name, struct wire_id id, bool is_uuid)
{
	char text[IDENTIFIER_TEXT_BYTES];
	identifier_format((struct identifier){id.low, id.high, is_uuid}, text);
	assert_string_equal(text_of(json, name), text);
}

static int64_t stock_of(const json_t *json, const char *name)
{
	const json_t *value = json_object_get(json, name);
	assert_non_null(value);
	return json_is_null(value) ? STOCK_UNLIMITED : json_integer_value(value);
}

static void check_text(const char *text, struct wire_text place, const char *expected)
{
	assert_int_equal(place.bytes, strlen(expected));
	assert_memory_equal(text + place.offset, expected, place.bytes);
}

static void check_match(const json_t *json, const struct match_record *m, const char *text)
{
	check_identifier(json, "reward", m->reward, m->flags & MATCH_REWARD_IS_UUID);
	assert_true(json_number_value(json_object_get(json, "distance")) == m->distance);
	assert_int_equal(json_integer_value(json_object_get(json, "value")), m->value);
	assert_int_equal(stock_of(json, "remaining"), m->remaining);
	check_text(text, (struct wire_text){m->kind_offset, m->kind_bytes}, text_of(json, "kind"));
}

static int64_t integer_of(const json_t *json, const char *name) { return json_integer_value(json_object_get(json, name)); }

static void check_inline(const json_t *json, const char *name, const char *text, size_t bytes)
{
	assert_int_equal(strlen(text_of(json, name)), bytes);
	assert_memory_equal(text_of(json, name), text, bytes);
}

/* An id that may be missing. */
static void check_other(const json_t *json, const char *name, struct wire_id id, bool is_given, bool is_uuid)
{
	if (is_given)
		check_identifier(json, name, id, is_uuid);
	else
		assert_null(json_object_get(json, name));
}

static void check_cart(const json_t *json, const struct frame_result *r)
{
	const struct cart_record *c = r->cart;
	const json_t *lines = json_object_get(json, "lines");
	check_identifier(json, "cart", c->cart, c->flags & EVENT_CART_IS_UUID);
	check_other(json, "actor", c->actor, c->flags & EVENT_HAS_ACTOR, c->flags & EVENT_ACTOR_IS_UUID);
	assert_string_equal(text_of(json, "state"), cart_state_name((enum cart_state)c->state));
	assert_int_equal(integer_of(json, "line_count"), c->line_count);
	assert_int_equal(integer_of(json, "subtotal"), c->subtotal);
	assert_int_equal(integer_of(json, "discount"), c->discount);
	assert_int_equal(integer_of(json, "total"), c->total);
	assert_int_equal(integer_of(json, "expires"), c->expires_ms);
	check_inline(json, "currency", c->currency, CURRENCY_BYTES);
	assert_int_equal(r->head->count, c->line_count);
	assert_int_equal(json_array_size(lines), r->head->returned);
	for (uint32_t i = 0; i < r->head->returned; i++) {
		const json_t *line = json_array_get(lines, i);
		check_inline(line, "sku", r->lines[i].sku, r->lines[i].sku_bytes);
		assert_int_equal(integer_of(line, "quantity"), r->lines[i].quantity);
		assert_int_equal(integer_of(line, "unit_price"), r->lines[i].unit_price);
		assert_int_equal(integer_of(line, "amount"), r->lines[i].amount);
	}
}

static void check_payment(const json_t *json, const struct payment_record *p)
{
	check_identifier(json, "payment", p->payment, p->flags & EVENT_PAYMENT_IS_UUID);
	check_other(json, "actor", p->actor, p->flags & EVENT_HAS_ACTOR, p->flags & EVENT_ACTOR_IS_UUID);
	check_other(json, "cart", p->cart, p->flags & EVENT_HAS_CART, p->flags & EVENT_CART_IS_UUID);
	assert_string_equal(text_of(json, "state"), payment_state_name((enum payment_state)p->state));
	assert_int_equal(integer_of(json, "authorized"), p->authorized);
	assert_int_equal(integer_of(json, "captured"), p->captured);
	assert_int_equal(integer_of(json, "refunded"), p->refunded);
	assert_int_equal(integer_of(json, "voided"), p->voided);
	assert_int_equal(integer_of(json, "expires"), p->expires_ms);
	check_inline(json, "currency", p->currency, CURRENCY_BYTES);
}

static void check_feed(const json_t *json, const struct frame_result *r)
{
	const json_t *publications = json_object_get(json, "publications");
	const char *at = r->text;
	assert_int_equal(json_array_size(publications), r->head->returned);
	assert_int_equal(integer_of(json, "last"), r->head->seq);
	assert_int_equal(json_is_true(json_object_get(json, "more")), (r->head->flags & RESULT_TRUNCATED) != 0);
	for (uint32_t i = 0; i < r->head->returned; i++) {
		const char *end = memchr(at, '\n', r->head->text_bytes - (size_t)(at - r->text));
		json_t *line = json_loadb(at, (size_t)(end - at), 0, NULL);
		assert_true(line != NULL && json_equal(line, json_array_get(publications, i)));
		json_decref(line);
		at = end + 1;
	}
}

static void check_commerce(const json_t *json, const struct frame_result *r)
{
	switch (r->head->type) {
	case RESULT_claimed:
		check_identifier(json, "claim", r->claimed->claim, r->claimed->flags & EVENT_CLAIM_IS_UUID);
		check_identifier(json, "reward", r->claimed->reward, r->claimed->flags & EVENT_REWARD_IS_UUID);
		assert_int_equal(stock_of(json, "remaining"), r->claimed->remaining);
		break;
	case RESULT_product:
		check_inline(json, "sku", r->product->sku, r->product->sku_bytes);
		check_inline(json, "name", r->product->name, r->product->name_bytes);
		check_inline(json, "currency", r->product->currency, CURRENCY_BYTES);
		assert_int_equal(integer_of(json, "unit_price"), r->product->unit_price);
		break;
	case RESULT_cart: check_cart(json, r); break;
	case RESULT_payment: check_payment(json, r->payment); break;
	case RESULT_feed: check_feed(json, r); break;
	default: break;
	}
}

static const char *state_of(const struct result_header *h)
{
	if (h->payment_state != PAYMENT_none)
		return payment_state_name((enum payment_state)h->payment_state);
	return h->cart_state != CART_none ? cart_state_name((enum cart_state)h->cart_state) : "";
}

static void check_result(const json_t *json, const struct frame_result *r)
{
	static const char *const types[] = {
#define X(symbol, number, name) [number] = name,
		RESULT_TABLE(X)
#undef X
	};
	assert_string_equal(text_of(json, "type"), types[r->head->type]);
	if (r->head->flags & RESULT_HAS_ID)
		check_identifier(json, "id", r->head->id, r->head->flags & RESULT_ID_IS_UUID);
	else
		assert_null(json_object_get(json, "id"));
	assert_int_equal(json_is_true(json_object_get(json, "replayed")), (r->head->flags & RESULT_REPLAYED) != 0);
	assert_string_equal(text_of(json, "state"), r->cart != NULL      ? cart_state_name((enum cart_state)r->cart->state)
	                                            : r->payment != NULL ? payment_state_name((enum payment_state)r->payment->state)
	                                                                 : state_of(r->head));
	if (r->head->type != RESULT_feed)
		assert_int_equal(integer_of(json, "seq"), r->head->seq);
	check_commerce(json, r);
	switch (r->head->type) {
	case RESULT_error:
		assert_string_equal(text_of(json, "code"), status_code((status)r->head->code));
		assert_string_equal(text_of(json, "retry"), retry_name((enum retry)r->head->retry));
		check_text(r->text, r->head->field, text_of(json, "field"));
		check_text(r->text, r->head->message, text_of(json, "message"));
		break;
	case RESULT_located:
		assert_int_equal(json_integer_value(json_object_get(json, "count")), r->head->count);
		assert_int_equal(json_is_true(json_object_get(json, "truncated")), (r->head->flags & RESULT_TRUNCATED) != 0);
		assert_int_equal(json_array_size(json_object_get(json, "rewards")), r->head->returned);
		for (uint32_t i = 0; i < r->head->returned; i++)
			check_match(json_array_get(json_object_get(json, "rewards"), i), &r->matches[i], r->text);
		break;
	case RESULT_reward:
		check_identifier(json, "reward", r->reward->reward, r->reward->flags & MATCH_REWARD_IS_UUID);
		assert_true(json_number_value(json_object_get(json, "x")) == r->reward->x);
		assert_int_equal(stock_of(json, "stock"), r->reward->stock);
		assert_int_equal(stock_of(json, "remaining"), r->reward->remaining);
		assert_int_equal(json_integer_value(json_object_get(json, "until")), r->reward->until_ms);
		check_text(r->text, r->reward->kind, text_of(json, "kind"));
		check_text(r->text, r->reward->name, text_of(json, "name"));
		break;
	default: break;
	}
}

static void check_replies(const char *name)
{
	static char text[FILE_BYTES];
	static uint8_t hex[FILE_BYTES];
	struct frame_reader reader;
	struct frame_result r;
	json_t *json = json_loadb(text, read_file(name, "reply.json", text), 0, NULL);
	assert_non_null(json);
	frame_reader_open(&reader, hex, read_hex(name, "reply.hex", hex));
	size_t count = json_is_array(json) ? json_array_size(json) : 1;
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(frame_reader_next(&reader, &r), STATUS_ok);
		check_result(json_is_array(json) ? json_array_get(json, i) : json, &r);
	}
	assert_false(frame_reader_has_next(&reader));
	json_decref(json);
}

static void test_vectors(void **)
{
	static const char suffix[] = ".request.json";
	unsigned count = 0;
	DIR *folder = opendir("proto/vectors");
	assert_non_null(folder);
	for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
		size_t bytes = strlen(entry->d_name), suffix_bytes = sizeof suffix - 1;
		if (bytes <= suffix_bytes || strcmp(entry->d_name + bytes - suffix_bytes, suffix) != 0)
			continue;
		entry->d_name[bytes - suffix_bytes] = '\0';
		check_requests(entry->d_name);
		check_replies(entry->d_name);
		count++;
	}
	closedir(folder);
	assert_in_range(count, 10, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_vectors)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
