/* What counts as a whole effect, on bytes that may come from anywhere, and what is published of one. */
#include "engine/base/check.h"
#include "proto/content.h"
#include "proto/effect.h"
#include "tests/support/effects.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static void test_names(void **)
{
	assert_string_equal(effect_name(EFFECT_cart_line), "cart_line");
	assert_null(effect_name(EFFECT_NONE));
	assert_null(effect_name((enum effect_type)(EFFECT_TYPE_MAX + 1)));
	assert_string_equal(cart_state_name(CART_checked_out), "checked_out");
	assert_string_equal(cart_state_name((enum cart_state)200), "none");
	assert_string_equal(payment_state_name(PAYMENT_partially_captured), "partially_captured");
	assert_string_equal(payment_state_name((enum payment_state)200), "none");
}

/* A block of its own size, so that the sanitizer sees one byte too much. */
static uint8_t *copy_of(const uint8_t *bytes, size_t count)
{
	uint8_t *copy = malloc(count != 0 ? count : 1);
	memcpy(copy, bytes, count);
	return copy;
}

static void test_whole(void **)
{
	struct random random = {41};
	uint8_t room[EFFECT_BYTES_MAX];
	for (unsigned i = 0; i < 20000; i++) {
		enum effect_type type = (enum effect_type)(1 + i % EFFECT_TYPE_MAX);
		size_t bytes = effect_random(&random, type, room);
		uint8_t *effect = copy_of(room, bytes);
		const struct effect_head *head = (const void *)effect;
		struct event event;
		if (!effect_is_whole(effect, bytes))
			fail_msg("%s of %u is refused", effect_name(type), head->event_type);
		assert_int_equal(effect_event(head, &event), head->event_type != EVENT_NONE);
		if (head->event_type != EVENT_NONE) {
			assert_int_equal(event.type, head->event_type);
			assert_int_equal(content_packed_bytes(&event), head->request_bytes);
			assert_memory_equal(&event.head->id, &head->id, sizeof head->id);
		}
		assert_false(effect_is_whole(effect, bytes - 1));
		free(effect);
	}
}

/* What is whole can be read to its end: its event, its publications. */
static void use(const uint8_t *effect)
{
	const struct effect_head *head = (const void *)effect;
	struct event event;
	if (effect_event(head, &event))
		(void)content_hash(&event, 1);
	for (unsigned i = 0; i < effect_publications(head); i++) {
		char room[PUBLICATION_BYTES_MAX];
		struct cursor out;
		cursor_init(&out, room, sizeof room);
		(void)effect_publish(head, i, UINT64_MAX, &out);
		assert_false(out.full);
	}
}

static void test_hostile(void **)
{
	struct random random = {42};
	uint8_t room[EFFECT_BYTES_MAX];
	unsigned taken = 0;
	for (unsigned i = 0; i < 40 * EFFECT_TYPE_MAX; i++) {
		size_t bytes = effect_random(&random, (enum effect_type)(1 + i % EFFECT_TYPE_MAX), room);
		for (size_t at = 0; at < bytes; at++)
			for (unsigned value = 0; value < 256; value += 51) {
				uint8_t *effect = copy_of(room, bytes);
				effect[at] = (uint8_t)(value + random_below(&random, 51));
				if (effect_is_whole(effect, bytes))
					use(effect), taken++;
				free(effect);
			}
		for (size_t count = 0; count < bytes; count += 1 + random_below(&random, 4)) {
			uint8_t *cut = copy_of(room, count);
			assert_false(effect_is_whole(cut, count));
			if (count >= sizeof(struct effect_head)) {
				memcpy(cut, &(uint32_t){(uint32_t)count}, sizeof(uint32_t));
				assert_false(effect_is_whole(cut, count));
			}
			free(cut);
		}
	}
	assert_in_range(taken, 1000, UINT32_MAX);
}

/* One thing wrong at a time. Each `spoil` is a statement on the effect `e` of its type. */
#define REFUSE(symbol, spoil) \
	do { \
		struct random random = {43}; \
		alignas(8) uint8_t room[EFFECT_BYTES_MAX]; \
		for (unsigned i = 0; i < 20; i++) { \
			size_t bytes = effect_random(&random, EFFECT_##symbol, room); \
			struct effect_##symbol value, *e = &value; \
			memcpy(e, room, sizeof *e); \
			assert_true(effect_is_whole(room, bytes)); \
			spoil; \
			memcpy(room, e, sizeof *e); \
			if (effect_is_whole(room, bytes)) \
				fail_msg("%s with %s is taken", #symbol, #spoil); \
		} \
	} while (0)

static void test_heads(void **)
{
	REFUSE(claim, e->head.type = EFFECT_cart_open);
	REFUSE(claim, e->head.type = EFFECT_NONE);
	REFUSE(claim, e->head.type = EFFECT_TYPE_MAX + 1);
	REFUSE(claim, e->head.event_type = EVENT_NONE);
	REFUSE(claim, e->head.event_type = EVENT_cart_open);
	REFUSE(claim, e->head.event_type = EVENT_TYPE_MAX + 1);
	REFUSE(claim, e->head.request_bytes--);
	REFUSE(claim, e->head.request_bytes = 0);
	REFUSE(claim, e->head.bytes++);
	REFUSE(claim, e->head.flags |= 1u << 11);
	REFUSE(claim, e->head.flags |= 1u << 31);
	REFUSE(claim, e->head.id.high ^= 1);
	REFUSE(refused, e->head.event_type = EVENT_cart_get);
	REFUSE(cart_expire, e->head.event_type = EVENT_cart_open);
	REFUSE(cart_expire, e->head.type = EFFECT_cart_apply);
	REFUSE(claim_expire, e->head.event_type = EVENT_claim);
}

static void test_values(void **)
{
	REFUSE(reward_put, e->x = __builtin_nan(""));
	REFUSE(reward_put, e->radius = -1);
	REFUSE(reward_put, e->stock = -2);
	REFUSE(reward_put, e->per_actor = 0);
	REFUSE(reward_put, e->until_ms = e->from_ms);
	REFUSE(reward_put, e->kind_bytes = 0);
	REFUSE(reward_put, e->kind_bytes = KIND_BYTES_MAX + 1);
	REFUSE(reward_put, e->kind[0] = 'K');
	REFUSE(reward_put, e->name_bytes = NAME_BYTES_MAX + 1);
	REFUSE(reward_put, e->name[0] = '\n');
	REFUSE(reward_put, e->benefit_type = 3);
	REFUSE(refused, e->code = STATUS_ok);
	REFUSE(refused, e->code = STATUS_COUNT);
	REFUSE(refused, e->cart_state = CART_STATE_COUNT);
	REFUSE(refused, e->payment_state = PAYMENT_STATE_COUNT);
	REFUSE(refused, e->zero = 1);
	REFUSE(refused, memset(e->field, 'x', sizeof e->field));
	REFUSE(refused, memset(e->message, 'x', sizeof e->message));
	REFUSE(refused, e->message[0] = '\xff');
	REFUSE(claim, e->claimed.remaining = -2);
	REFUSE(claim, e->claimed.flags = 1u << 11);
	REFUSE(claim, e->claimed.zero = 1);
	REFUSE(claim, e->zero = 1);
	REFUSE(claim, e->benefit_type = 3);
	REFUSE(claim, (e->benefit_type = BENEFIT_PERCENT, e->benefit_value = 10001));
	REFUSE(claim, (e->benefit_type = BENEFIT_AMOUNT, e->benefit_currency[2] = '\0'));
	REFUSE(product_put, e->product.unit_price = -1);
	REFUSE(product_put, e->product.currency[0] = 'e');
	REFUSE(product_put, e->product.sku_bytes = 0);
	REFUSE(product_put, e->product.sku_bytes = SKU_BYTES_MAX + 1);
	REFUSE(product_put, e->product.name_bytes = NAME_BYTES_MAX + 1);
	REFUSE(product_put, e->zero = 1);
	REFUSE(product_remove, e->sku_bytes = 0);
	REFUSE(product_remove, e->sku_bytes = UINT8_MAX);
	REFUSE(cart_open, e->ttl_ms = 0);
	REFUSE(cart_open, e->cart.state = CART_none);
	REFUSE(cart_open, e->cart.state = CART_STATE_COUNT);
	REFUSE(cart_open, e->cart.state = CART_abandoned);
	REFUSE(cart_line, e->sku_bytes = UINT8_MAX);
	REFUSE(cart_line, e->quantity = QUANTITY_MAX + 1);
	REFUSE(cart_line, e->unit_price = -1);
	REFUSE(cart_line, e->zero = 1);
	REFUSE(cart_apply, e->cart.total++);
	REFUSE(cart_apply, e->cart.discount = -1);
	REFUSE(cart_apply, e->cart.subtotal = INT64_MIN);
	REFUSE(cart_apply, e->cart.currency[1] = '1');
	REFUSE(cart_apply, e->cart.flags |= 1u << 16);
	REFUSE(cart_apply, e->cart.zero = 1);
	REFUSE(cart_apply, e->cart.expires_ms = -1);
	REFUSE(cart_checkout, e->cart.state = CART_open);
	REFUSE(cart_checkout, e->payment.state = PAYMENT_none);
	REFUSE(cart_checkout, e->payment.captured = e->payment.authorized + 1);
	REFUSE(cart_expire, e->cart.state = CART_open);
	REFUSE(payment, e->payment.state = PAYMENT_STATE_COUNT);
	REFUSE(payment, e->payment.refunded = e->payment.captured + 1);
	REFUSE(payment, e->payment.voided = INT64_MAX);
	REFUSE(payment, e->payment.authorized = -1);
	REFUSE(payment, e->payment.currency[0] = ' ');
	REFUSE(payment, e->payment.flags |= 1u << 20);
	REFUSE(payment, e->amount = -1);
}

/* ---- publications ------------------------------------------------------------------- */

static json_t *published(const struct effect_head *effect, unsigned number, uint64_t seq)
{
	char room[PUBLICATION_BYTES_MAX];
	struct cursor out;
	cursor_init(&out, room, sizeof room);
	const char *topic = effect_publish(effect, number, seq, &out);
	assert_false(out.full);
	assert_null(memchr(room, '\n', cursor_used(&out)));
	json_t *json = json_loadb(room, cursor_used(&out), JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(json);
	assert_string_equal(json_string_value(json_object_get(json, "type")), topic);
	assert_int_equal(json_integer_value(json_object_get(json, "seq")), seq);
	assert_int_equal(json_integer_value(json_object_get(json, "at")), effect->at_ms);
	return json;
}

static unsigned expected_count(const struct effect_head *effect)
{
	switch (effect->type) {
	case EFFECT_claim: return (effect->flags & EFFECT_IS_DEPLETED) != 0 ? 2 : 1;
	case EFFECT_cart_checkout: return 2;
	case EFFECT_cart_expire: return ((const struct effect_cart_expire *)(const void *)effect)->cart.state == CART_abandoned;
	case EFFECT_payment: return 1;
	default: return 0;
	}
}

static void test_any_publication(void **)
{
	struct random random = {44};
	uint8_t room[EFFECT_BYTES_MAX];
	for (unsigned i = 0; i < 5000; i++) {
		(void)effect_random(&random, (enum effect_type)(1 + i % EFFECT_TYPE_MAX), room);
		const struct effect_head *effect = (const void *)room;
		assert_int_equal(effect_publications(effect), expected_count(effect));
		for (unsigned k = 0; k < effect_publications(effect); k++)
			json_decref(published(effect, k, i));
	}
}

static void expect_text(const struct effect_head *effect, unsigned number, const char *expected)
{
	char room[PUBLICATION_BYTES_MAX + 1];
	struct cursor out;
	cursor_init(&out, room, PUBLICATION_BYTES_MAX);
	(void)effect_publish(effect, number, 12, &out);
	room[cursor_used(&out)] = '\0';
	assert_string_equal(room, expected);
}

static void test_claims(void **)
{
	struct effect_claim e = {
		.head = {.type = EFFECT_claim, .event_type = EVENT_claim, .at_ms = 1700000000000},
		.claimed = {.claim = {1, 0}, .reward = {2, 0}, .remaining = STOCK_UNLIMITED, .flags = EVENT_CLAIM_IS_UUID},
		.actor = {3, 0},
		.cart = {4, 0},
	};
	expect_text(&e.head, 0, "{\"type\":\"reward.claimed\",\"seq\":12,\"at\":1700000000000,"
	                        "\"claim\":\"00000000-0000-0000-0000-000000000001\",\"reward\":\"2\",\"actor\":\"3\","
	                        "\"remaining\":null}");
	e.claimed.remaining = 0;
	e.head.flags = EFFECT_IS_DEPLETED | EVENT_HAS_CART | EVENT_ACTOR_IS_UUID;
	e.claimed.flags = EVENT_REWARD_IS_UUID;
	expect_text(&e.head, 0, "{\"type\":\"reward.claimed\",\"seq\":12,\"at\":1700000000000,\"claim\":\"1\","
	                        "\"reward\":\"00000000-0000-0000-0000-000000000002\","
	                        "\"actor\":\"00000000-0000-0000-0000-000000000003\",\"remaining\":0,\"cart\":\"4\"}");
	expect_text(&e.head, 1, "{\"type\":\"reward.depleted\",\"seq\":12,\"at\":1700000000000,"
	                        "\"reward\":\"00000000-0000-0000-0000-000000000002\"}");
}

static void test_carts(void **)
{
	const struct cart_record cart = {.cart = {5, 0},
	                                 .actor = {6, 0},
	                                 .subtotal = 1000,
	                                 .discount = 1,
	                                 .total = 999,
	                                 .line_count = 3,
	                                 .currency = "EUR",
	                                 .state = CART_abandoned};
	struct effect_cart_expire expiry = {.head = {.type = EFFECT_cart_expire, .at_ms = 7}, .cart = cart};
	struct effect_cart_checkout checkout = {
		.head = {.type = EFFECT_cart_checkout, .event_type = EVENT_cart_checkout, .at_ms = 7},
		.cart = cart,
		.payment = {.payment = {8, 0}, .cart = {5, 0}, .authorized = 999, .flags = EVENT_HAS_CART, .currency = "EUR",
	                    .state = PAYMENT_authorized},
	};
	expect_text(&expiry.head, 0, "{\"type\":\"cart.abandoned\",\"seq\":12,\"at\":7,\"cart\":\"5\",\"line_count\":3,"
	                             "\"total\":999,\"currency\":\"EUR\"}");
	expiry.cart.flags = EVENT_HAS_ACTOR;
	expect_text(&expiry.head, 0, "{\"type\":\"cart.abandoned\",\"seq\":12,\"at\":7,\"cart\":\"5\",\"actor\":\"6\","
	                             "\"line_count\":3,\"total\":999,\"currency\":\"EUR\"}");
	expiry.cart.state = CART_expired;
	assert_int_equal(effect_publications(&expiry.head), 0);
	expect_text(&checkout.head, 0, "{\"type\":\"cart.checked_out\",\"seq\":12,\"at\":7,\"cart\":\"5\",\"payment\":\"8\","
	                               "\"total\":999,\"currency\":\"EUR\"}");
	expect_text(&checkout.head, 1,
	            "{\"type\":\"payment.authorized\",\"seq\":12,\"at\":7,\"payment\":\"8\",\"state\":\"authorized\","
	            "\"amount\":999,\"authorized\":999,\"captured\":0,\"refunded\":0,\"voided\":0,\"currency\":\"EUR\","
	            "\"cart\":\"5\"}");
}

static void test_payments(void **)
{
	static const struct {
		uint16_t event_type;
		const char *topic;
	} cases[] = {
		{EVENT_payment_authorize, "payment.authorized"}, {EVENT_payment_capture, "payment.captured"},
		{EVENT_payment_refund, "payment.refunded"},      {EVENT_payment_void, "payment.voided"},
		{EVENT_NONE, "payment.expired"},
	};
	struct effect_payment e = {
		.head = {.type = EFFECT_payment, .at_ms = 7},
		.payment = {.payment = {8, 0}, .actor = {9, 0}, .authorized = 100, .captured = 60, .refunded = 10, .voided = 5,
	                    .flags = EVENT_HAS_ACTOR | EVENT_PAYMENT_IS_UUID, .currency = "EUR", .state = PAYMENT_captured},
		.amount = 25,
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		char expected[512];
		e.head.event_type = cases[i].event_type;
		snprintf(expected, sizeof expected,
		         "{\"type\":\"%s\",\"seq\":12,\"at\":7,\"payment\":\"00000000-0000-0000-0000-000000000008\","
		         "\"state\":\"captured\",\"amount\":25,\"authorized\":100,\"captured\":60,\"refunded\":10,\"voided\":5,"
		         "\"currency\":\"EUR\",\"actor\":\"9\"}", cases[i].topic);
		assert_int_equal(effect_publications(&e.head), 1);
		expect_text(&e.head, 0, expected);
	}
}

/* The longest there can be has room; with less, the cursor says so. */
static void test_room(void **)
{
	struct effect_payment e = {
		.head = {.type = EFFECT_payment, .at_ms = INT64_MIN},
		.payment = {{UINT64_MAX, UINT64_MAX}, {UINT64_MAX, UINT64_MAX}, {UINT64_MAX, UINT64_MAX}, INT64_MIN, INT64_MIN,
	                    INT64_MIN, INT64_MIN, 0, EVENT_HAS_ACTOR | EVENT_HAS_CART, "EUR", PAYMENT_partially_captured},
		.amount = INT64_MIN,
	};
	for (size_t room = 0; room <= PUBLICATION_BYTES_MAX; room++) {
		uint8_t *bytes = malloc(room != 0 ? room : 1);
		struct cursor out;
		cursor_init(&out, bytes, room);
		(void)effect_publish(&e.head, 0, UINT64_MAX, &out);
		assert_true(out.full || room > 400);
		assert_true(!out.full || room < PUBLICATION_BYTES_MAX);
		free(bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),  cmocka_unit_test(test_whole),    cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_heads),  cmocka_unit_test(test_values),   cmocka_unit_test(test_any_publication),
		cmocka_unit_test(test_claims), cmocka_unit_test(test_carts),    cmocka_unit_test(test_payments),
		cmocka_unit_test(test_room),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
