/* Results of commerce in both encodings: what they say, with too little room, and to a reader that trusts nothing. */
#include "engine/base/check.h"
#include "tests/support/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static const struct claimed_record claimed = {
	.claim = {1, 0}, .reward = {2, 1}, .remaining = 0, .flags = EVENT_REWARD_IS_UUID};
static const struct product_record product = {
	.unit_price = 9007199254740992, .currency = "JPY", .sku_bytes = 3, .sku = "a\"b", .name_bytes = 2, .name = "\xc3\xa9"};
static const struct cart_record cart = {.cart = {7, 0},
                                        .actor = {8, 0},
                                        .subtotal = 30,
                                        .discount = 30,
                                        .line_count = 2,
                                        .currency = "EUR",
                                        .state = CART_checked_out};
static const struct payment_record payment = {.payment = {9, 0},
                                              .actor = {8, 0},
                                              .cart = {7, 0},
                                              .authorized = 4,
                                              .captured = 3,
                                              .refunded = 2,
                                              .voided = 1,
                                              .currency = "EUR",
                                              .state = PAYMENT_captured};
static const struct line_record lines[] = {{10, 20, 2, 1, "a"}, {10, 10, 1, 2, "\xc3\xa9"}};
static const char feed_lines[] = "{\"seq\":5}\n{\"seq\":6}\n{\"seq\":6}\n";
static const struct feed feed = {feed_lines, sizeof feed_lines - 1, 3, 8, true};

static bool next_line(void *context, struct line_record *line)
{
	uint32_t *at = context;
	if (*at == COUNT_OF(lines))
		return false;
	*line = lines[(*at)++];
	return true;
}

enum kind { CLAIMED, PRODUCT, CART, CART_LINES, PAYMENT, FEED, OK, KINDS };

static void answer(struct reply *p, const struct event *event, enum kind kind, struct change_note note)
{
	switch (kind) {
	case CLAIMED: reply_claimed(p, event, note, &claimed); return;
	case PRODUCT: reply_product(p, event, &product); return;
	case CART: reply_cart(p, event, note, &cart); return;
	case CART_LINES: reply_cart_lines(p, event, &cart, next_line, &(uint32_t){0}); return;
	case PAYMENT: reply_payment(p, event, note, &payment); return;
	case FEED: reply_feed(p, event, &feed); return;
	default: reply_ok(p, event, note); return;
	}
}

/* A message of so many pings: what is answered is the caller's. */
static void open_message(struct wire *w, enum encoding encoding, uint32_t count, struct reply *p, void *room, size_t capacity)
{
	static uint8_t message[4096];
	static const struct ping_record pings[64] = {};
	struct cursor out;
	cursor_init(&out, message, sizeof message);
	if (encoding == ENCODING_BINARY)
		frame_build(&out, EVENT_ping, 3, pings, count, NULL, 0);
	for (uint32_t i = 0; encoding == ENCODING_JSON && i < count; i++) {
		cursor_byte(&out, i == 0 ? '[' : ',');
		cursor_literal(&out, "{\"type\":\"ping\"}");
	}
	if (encoding == ENCODING_JSON)
		cursor_byte(&out, ']');
	assert_int_equal(request_open(&w->request, message, cursor_used(&out), &w->limits, &w->arena, &w->problem), STATUS_ok);
	reply_open(p, &w->request, room, capacity);
}

static void next(struct wire *w)
{
	assert_int_equal(request_next(&w->request, &w->event, &w->problem), STATUS_ok);
}

static void answer_one(struct wire *w, enum encoding encoding, enum kind kind, struct change_note note)
{
	struct reply p;
	open_message(w, encoding, 1, &p, w->reply, WIRE_REPLY_BYTES);
	next(w);
	answer(&p, &w->event, kind, note);
	w->reply_bytes = reply_close(&p);
	w->reply[w->reply_bytes] = '\0';
	request_close(&w->request);
}

static void test_json(void **)
{
	static const struct {
		enum kind kind;
		struct change_note note;
		const char *reply;
	} cases[] = {
		{CLAIMED, {3, true}, "[{\"type\":\"claimed\",\"claim\":\"1\",\"reward\":\"00000000-0000-0001-0000-000000000002\","
	                             "\"remaining\":0,\"seq\":3,\"replayed\":true}]"},
		{PRODUCT, {}, "[{\"type\":\"product\",\"sku\":\"a\\\"b\",\"unit_price\":9007199254740992,\"currency\":\"JPY\","
	                      "\"name\":\"\xc3\xa9\"}]"},
		{CART, {4, false}, "[{\"type\":\"cart\",\"cart\":\"7\",\"state\":\"checked_out\",\"line_count\":2,\"subtotal\":30,"
	                           "\"discount\":30,\"total\":0,\"currency\":\"EUR\",\"seq\":4}]"},
		{CART_LINES, {}, "[{\"type\":\"cart\",\"cart\":\"7\",\"state\":\"checked_out\",\"line_count\":2,\"lines\":["
	                         "{\"sku\":\"a\",\"quantity\":2,\"unit_price\":10,\"amount\":20},"
	                         "{\"sku\":\"\xc3\xa9\",\"quantity\":1,\"unit_price\":10,\"amount\":10}],\"subtotal\":30,"
	                         "\"discount\":30,\"total\":0,\"currency\":\"EUR\"}]"},
		{PAYMENT, {}, "[{\"type\":\"payment\",\"payment\":\"9\",\"state\":\"captured\",\"authorized\":4,\"captured\":3,"
	                      "\"refunded\":2,\"voided\":1,\"currency\":\"EUR\"}]"},
		{FEED, {}, "[{\"type\":\"feed\",\"publications\":[{\"seq\":5},{\"seq\":6},{\"seq\":6}],\"last\":8,\"more\":true}]"},
		{OK, {UINT64_MAX, true}, "[{\"type\":\"ok\",\"seq\":18446744073709551615,\"replayed\":true}]"},
	};
	struct wire *w = wire_create(false);
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		answer_one(w, ENCODING_JSON, cases[i].kind, cases[i].note);
		assert_string_equal(w->reply, cases[i].reply);
	}
	wire_destroy(&w);
}

static void test_empty(void **)
{
	struct wire *w = wire_create(false);
	struct reply p;
	open_message(w, ENCODING_JSON, 2, &p, w->reply, WIRE_REPLY_BYTES);
	next(w);
	reply_feed(&p, &w->event, &(struct feed){.lines = "", .last = 4});
	next(w);
	reply_cart_lines(&p, &w->event, &cart, next_line, &(uint32_t){COUNT_OF(lines)});
	w->reply[reply_close(&p)] = '\0';
	request_close(&w->request);
	assert_non_null(strstr(w->reply, "\"publications\":[],\"last\":4,\"more\":false}"));
	assert_non_null(strstr(w->reply, "\"lines\":[],"));
	wire_destroy(&w);
}

static struct frame_result read_one(struct wire *w)
{
	struct frame_reader reader;
	struct frame_result r;
	frame_reader_open(&reader, w->reply, w->reply_bytes);
	assert_int_equal(frame_reader_next(&reader, &r), STATUS_ok);
	assert_false(frame_reader_has_next(&reader));
	return r;
}

static void test_binary(void **)
{
	struct wire *w = wire_create(false);
	struct frame_result r;
	answer_one(w, ENCODING_BINARY, CLAIMED, (struct change_note){3, true});
	r = read_one(w);
	assert_int_equal(r.head->type, RESULT_claimed);
	assert_int_equal(r.head->seq, 3);
	assert_int_equal(r.head->flags, RESULT_REPLAYED);
	assert_memory_equal(r.claimed, &claimed, sizeof claimed);
	answer_one(w, ENCODING_BINARY, PRODUCT, (struct change_note){});
	r = read_one(w);
	assert_int_equal(r.head->type, RESULT_product);
	assert_memory_equal(r.product, &product, sizeof product);
	answer_one(w, ENCODING_BINARY, CART, (struct change_note){4, false});
	r = read_one(w);
	assert_int_equal(r.head->type, RESULT_cart);
	assert_true(r.head->seq == 4 && r.head->flags == 0 && r.head->count == 2 && r.head->returned == 0);
	assert_memory_equal(r.cart, &cart, sizeof cart);
	answer_one(w, ENCODING_BINARY, CART_LINES, (struct change_note){});
	r = read_one(w);
	assert_true(r.head->seq == 0 && r.head->count == 2 && r.head->returned == 2);
	assert_memory_equal(r.cart, &cart, sizeof cart);
	assert_memory_equal(r.lines, lines, sizeof lines);
	answer_one(w, ENCODING_BINARY, PAYMENT, (struct change_note){5, false});
	r = read_one(w);
	assert_int_equal(r.head->type, RESULT_payment);
	assert_memory_equal(r.payment, &payment, sizeof payment);
	answer_one(w, ENCODING_BINARY, FEED, (struct change_note){});
	r = read_one(w);
	assert_int_equal(r.head->type, RESULT_feed);
	assert_true(r.head->seq == 8 && r.head->returned == 3 && r.head->flags == RESULT_TRUNCATED);
	assert_int_equal(r.head->text_bytes, feed.bytes);
	assert_memory_equal(r.text, feed_lines, feed.bytes);
	wire_destroy(&w);
}

static void test_refusals(void **)
{
	const struct problem stored = {.status = STATUS_invalid_state, .field = "payment", .message = "m", .has_id = true,
	                               .id = {1, 0, false}, .payment_state = PAYMENT_voided, .seq = 9, .is_replayed = true};
	const struct problem unstored = {.status = STATUS_not_found, .message = "m", .cart_state = CART_abandoned};
	struct wire *w = wire_create(false);
	struct reply p;
	struct frame_reader reader;
	struct frame_result r;
	for (unsigned encoding = 0; encoding < 2; encoding++) {
		open_message(w, (enum encoding)encoding, 2, &p, w->reply, WIRE_REPLY_BYTES);
		reply_problem(&p, &stored, 0);
		reply_problem(&p, &unstored, 0);
		w->reply_bytes = reply_close(&p);
		w->reply[w->reply_bytes] = '\0';
		request_close(&w->request);
		if (encoding == ENCODING_JSON)
			assert_string_equal(w->reply, "[{\"type\":\"error\",\"id\":\"1\",\"code\":\"invalid_state\",\"field\":\"payment\","
			                              "\"message\":\"m\",\"retry\":\"new_id\",\"state\":\"voided\",\"seq\":9,"
			                              "\"replayed\":true},{\"type\":\"error\",\"code\":\"not_found\",\"message\":\"m\","
			                              "\"retry\":\"new_id\",\"state\":\"abandoned\"}]");
	}
	frame_reader_open(&reader, w->reply, w->reply_bytes);
	assert_int_equal(frame_reader_next(&reader, &r), STATUS_ok);
	assert_true(r.head->payment_state == PAYMENT_voided && r.head->cart_state == CART_none && r.head->seq == 9);
	assert_int_equal(r.head->flags, RESULT_HAS_ID | RESULT_REPLAYED);
	assert_int_equal(frame_reader_next(&reader, &r), STATUS_ok);
	assert_true(r.head->payment_state == PAYMENT_none && r.head->cart_state == CART_abandoned && r.head->seq == 0);
	wire_destroy(&w);
}

/* The next event's problem starts clean. */
static void test_problem_cleared(void **)
{
	struct wire *w = wire_create(false);
	w->problem = (struct problem){.cart_state = CART_open, .payment_state = PAYMENT_voided, .seq = 5, .is_replayed = true};
	wire_answer(w, "{\"type\":\"ping\",\"id\":-1}", 23);
	assert_null(strstr(w->reply, "state"));
	assert_null(strstr(w->reply, "seq"));
	assert_null(strstr(w->reply, "replayed"));
	wire_destroy(&w);
}

/* ---- too little room ---------------------------------------------------------------- */

enum { COUNT = 6, WORST_LINES = 2000 };

static bool many_lines(void *context, struct line_record *line)
{
	uint32_t *left = context;
	*line = lines[0];
	return *left != 0 && (*left)-- != 0;
}

/* From the least room on: each result is the answer, or too_large with the seq of what was done. */
static void squeeze(struct wire *w, enum encoding encoding, enum kind kind)
{
	unsigned whole = 0;
	for (size_t capacity = reply_bytes_least(COUNT); whole < COUNT; capacity += 11) {
		struct reply p;
		char *room = malloc(capacity);
		open_message(w, encoding, COUNT, &p, room, capacity);
		for (uint32_t i = 0; i < COUNT; i++) {
			next(w);
			answer(&p, &w->event, kind, (struct change_note){12345, false});
		}
		size_t used = reply_close(&p);
		request_close(&w->request);
		assert_in_range(used, 1, capacity);
		memcpy(w->reply, room, used);
		w->reply[w->reply_bytes = used] = '\0';
		free(room);
		unsigned good = 0, bad = 0;
		if (encoding == ENCODING_BINARY) {
			struct frame_reader reader;
			struct frame_result r;
			for (frame_reader_open(&reader, w->reply, used); frame_reader_has_next(&reader);) {
				assert_int_equal(frame_reader_next(&reader, &r), STATUS_ok);
				good += r.head->code == STATUS_ok;
				bad += r.head->code == STATUS_too_large;
			}
		} else {
			for (const char *at = w->reply; (at = strstr(at, "{\"type\":\"")) != NULL; at++)
				good += strstr(at, "{\"type\":\"error\"") != at, bad += strstr(at, "\"too_large\"") != NULL &&
				                                                       strstr(at, "{\"type\":\"error\"") == at;
			if (bad != 0 && kind != PRODUCT && kind != CART_LINES && kind != FEED)
				assert_non_null(strstr(w->reply, "\"seq\":12345}"));
		}
		assert_int_equal(good + bad, COUNT);
		assert_in_range(good, whole, COUNT);
		whole = good;
	}
}

static void test_little_room(void **)
{
	struct wire *w = wire_create(false);
	for (unsigned kind = 0; kind < KINDS; kind++)
		for (unsigned encoding = 0; encoding < 2; encoding++)
			squeeze(w, (enum encoding)encoding, (enum kind)kind);
	wire_destroy(&w);
}

/* Lines are not asked for when there is no room for them any more. */
static void test_many_lines(void **)
{
	struct wire *w = wire_create(false);
	struct cart_record big = cart;
	big.line_count = WORST_LINES;
	for (unsigned encoding = 0; encoding < 2; encoding++) {
		struct reply p;
		uint32_t left = WORST_LINES;
		open_message(w, (enum encoding)encoding, 1, &p, w->reply, 4096);
		next(w);
		reply_cart_lines(&p, &w->event, &big, many_lines, &left);
		assert_in_range(left, WORST_LINES - 100, WORST_LINES - 1);
		w->reply_bytes = reply_close(&p);
		w->reply[w->reply_bytes] = '\0';
		request_close(&w->request);
		if (encoding == ENCODING_JSON)
			assert_non_null(strstr(w->reply, "\"too_large\""));
		else
			assert_int_equal(read_one(w).head->code, STATUS_too_large);
	}
	wire_destroy(&w);
}

/* The longest errors that there are, for every event, in the least room. */
static void test_worst_errors(void **)
{
	struct problem worst = {.status = STATUS_deadline_exceeded, .has_id = true, .id = {UINT64_MAX, UINT64_MAX, false},
	                        .payment_state = PAYMENT_partially_captured, .cart_state = CART_checked_out,
	                        .seq = UINT64_MAX, .is_replayed = true};
	struct wire *w = wire_create(false);
	memset(worst.field, '\x01', sizeof worst.field - 1);
	memset(worst.message, '\x01', sizeof worst.message - 1);
	for (unsigned encoding = 0; encoding < 2; encoding++) {
		struct reply p;
		size_t capacity = reply_bytes_least(COUNT);
		char *room = malloc(capacity);
		open_message(w, (enum encoding)encoding, COUNT, &p, room, capacity);
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

/* ---- a reader that trusts nothing -------------------------------------------------------- */

/* All that the reader hands out lies in the message. */
static uint64_t read_all(const uint8_t *bytes, size_t count)
{
	struct frame_reader reader;
	struct frame_result r;
	uint64_t sum = 0;
	frame_reader_open(&reader, bytes, count);
	while (frame_reader_has_next(&reader) && frame_reader_next(&reader, &r) == STATUS_ok) {
		if (r.claimed != NULL)
			sum += r.claimed->zero;
		for (unsigned i = 0; r.product != NULL && i < r.product->sku_bytes; i++)
			sum += (uint8_t)r.product->sku[i];
		for (unsigned i = 0; r.product != NULL && i < r.product->name_bytes; i++)
			sum += (uint8_t)r.product->name[i];
		for (uint32_t i = 0; r.cart != NULL && i < r.head->returned; i++)
			for (unsigned k = 0; k < r.lines[i].sku_bytes; k++)
				sum += (uint8_t)r.lines[i].sku[k];
		if (r.payment != NULL)
			sum += strlen(payment_state_name((enum payment_state)r.payment->state));
		uint32_t ends = 0;
		for (uint32_t i = 0; i < r.head->text_bytes; i++)
			ends += r.text[i] == '\n';
		assert_true(r.head->type != RESULT_feed || ends == r.head->returned);
	}
	return sum;
}

static void test_reader(void **)
{
	struct wire *w = wire_create(false);
	for (unsigned kind = 0; kind < KINDS; kind++) {
		answer_one(w, ENCODING_BINARY, (enum kind)kind, (struct change_note){1, true});
		for (size_t at = 0; at < w->reply_bytes; at++)
			for (unsigned value = 0; value < 256; value++) {
				uint8_t *copy = malloc(w->reply_bytes);
				memcpy(copy, w->reply, w->reply_bytes);
				copy[at] = (uint8_t)value;
				(void)read_all(copy, w->reply_bytes);
				free(copy);
			}
		for (size_t bytes = 1; bytes < w->reply_bytes; bytes++) {
			struct frame_reader reader;
			struct frame_result r;
			uint8_t *copy = malloc(bytes);
			memcpy(copy, w->reply, bytes);
			frame_reader_open(&reader, copy, bytes);
			assert_int_equal(frame_reader_next(&reader, &r), STATUS_malformed);
			free(copy);
		}
	}
	wire_destroy(&w);
}

/* Each lie about a content is seen. */
static void test_lies(void **)
{
	enum { HEAD = sizeof(struct frame_header), CONTENT = HEAD + sizeof(struct result_header) };
	static const struct {
		enum kind kind;
		size_t at;
		uint8_t value;
	} cases[] = {
		{PRODUCT, CONTENT + offsetof(struct product_record, sku_bytes), 0},
		{PRODUCT, CONTENT + offsetof(struct product_record, sku_bytes), SKU_BYTES_MAX + 1},
		{PRODUCT, CONTENT + offsetof(struct product_record, name_bytes), NAME_BYTES_MAX + 1},
		{CART, CONTENT + offsetof(struct cart_record, state), CART_STATE_COUNT},
		{CART, HEAD + offsetof(struct result_header, returned), 1},
		{CART_LINES, HEAD + offsetof(struct result_header, returned), 1},
		{CART_LINES, HEAD + offsetof(struct result_header, returned) + 3, 0x80},
		{CART_LINES, HEAD + offsetof(struct result_header, count), 1},
		{CART_LINES, CONTENT + sizeof(struct cart_record) + offsetof(struct line_record, sku_bytes), SKU_BYTES_MAX + 1},
		{PAYMENT, CONTENT + offsetof(struct payment_record, state), PAYMENT_STATE_COUNT},
		{PAYMENT, HEAD + offsetof(struct result_header, type), RESULT_cart},
		{PAYMENT, HEAD + offsetof(struct result_header, type), 10},
		{CLAIMED, HEAD + offsetof(struct result_header, text_bytes), 1},
		{FEED, HEAD + offsetof(struct result_header, returned), 2},
		{FEED, HEAD + offsetof(struct result_header, returned), 4},
		{FEED, CONTENT + sizeof feed_lines - 2, ' '},
		{OK, HEAD + offsetof(struct result_header, cart_state), CART_STATE_COUNT},
		{OK, HEAD + offsetof(struct result_header, payment_state), PAYMENT_STATE_COUNT},
	};
	struct wire *w = wire_create(false);
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct frame_reader reader;
		struct frame_result r;
		answer_one(w, ENCODING_BINARY, cases[i].kind, (struct change_note){1, false});
		(void)read_one(w);
		w->reply[cases[i].at] = (char)cases[i].value;
		frame_reader_open(&reader, w->reply, w->reply_bytes);
		if (frame_reader_next(&reader, &r) != STATUS_malformed)
			fail_msg("lie %zu is believed", i);
	}
	wire_destroy(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json),        cmocka_unit_test(test_empty),
		cmocka_unit_test(test_binary),      cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_little_room), cmocka_unit_test(test_many_lines),
		cmocka_unit_test(test_reader),      cmocka_unit_test(test_worst_errors),
		cmocka_unit_test(test_lies),        cmocka_unit_test(test_problem_cleared),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
