/* What was saved, record by record: the right ones make the same instance, wrong ones are refused
 * and never crash; an instance that is too small names its option. */
#include "engine/commerce/save.h"

#include "engine/base/check.h"
#include "engine/base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

enum { RECORDS_MAX = 64, BYTES_MAX = 16 << 10, NOW_MS = 1000000 };
enum : uint64_t { FAR = UINT64_C(1) << 40 };

struct record {
	uint32_t kind;
	size_t offset, count;
};

struct stream {
	struct record records[RECORDS_MAX];
	size_t count, used;
	uint8_t bytes[BYTES_MAX];
};

struct bench {
	struct commerce from, to;
	struct stream stream;
};

static status note(void *context, uint32_t kind, const void *bytes, size_t count)
{
	struct stream *s = context;
	assert_true(s->count < RECORDS_MAX && count <= BYTES_MAX - s->used);
	s->records[s->count++] = (struct record){kind, s->used, count};
	memcpy(s->bytes + s->used, bytes, count);
	s->used += count;
	return STATUS_ok;
}

static struct identifier id(uint64_t n) { return (struct identifier){n, 7, n % 2 == 1}; }

static struct cart_line line(const char *sku, int64_t price, uint32_t quantity)
{
	struct cart_line l = {.unit_price = price, .quantity = quantity};
	assert_true(sku_make(&l.sku, sku, strlen(sku)));
	return l;
}

static void open_cart(struct commerce *c, uint64_t n, uint32_t lines)
{
	struct cart_opening o = {.cart = id(n), .currency = currency_parse("EUR"), .ttl_ms = 5000};
	o.has_actor = n % 2;
	o.actor = id(90);
	carts_open(&c->carts, &o, NOW_MS);
	for (uint32_t i = 0; i < lines; i++) {
		char sku[16];
		snprintf(sku, sizeof sku, "sku-%u", i);
		struct cart_line l = line(sku, 100 + i, 1 + i);
		carts_add(&c->carts, id(n), &l, NOW_MS + 1000 * (int64_t)n);
	}
}

static void fill_carts(struct commerce *c)
{
	for (uint64_t n = 1; n <= 6; n++)
		open_cart(c, n, n == 1 || n == 6 ? 0 : n == 2 ? 21 : 2);
	struct cart_discount discount = {.claim = id_pack(id(30)),
	                                 .benefit = {500, 0, BENEFIT_PERCENT}};
	carts_apply_discount(&c->carts, id(3), &discount, NOW_MS);
	carts_check_out(&c->carts, id(4), NOW_MS);
	carts_expire(&c->carts, id(5), NOW_MS + 1);
	carts_expire(&c->carts, id(6), NOW_MS + 2);
}

static void fill_payments(struct commerce *c)
{
	for (uint64_t n = 10; n < 14; n++) {
		struct payment p = {.id = id_pack(id(n)), .currency = currency_parse("USD"), .flags = n % 2 ? PAYMENT_ID_IS_UUID : 0,
		                    .expires_s = 77};
		assert_int_equal(payment_plan(NULL, PAYMENT_DO_authorize, 100, &p), STATUS_ok);
		payments_put(&c->payments, &p);
		struct payment after;
		if (n == 10)
			continue;
		assert_int_equal(payment_plan(&p, PAYMENT_DO_capture, n == 11 ? 40 : PAYMENT_ALL, &after), STATUS_ok);
		payments_put(&c->payments, &after);
	}
}

static void add_claim(struct commerce *c, uint64_t n)
{
	claims_add(&c->claims, &(struct claim){.id = id_pack(id(n)), .actor = id_pack(id(90)), .reward = id_pack(id(50 + n / 32)),
	                                       .benefit_value = 500, .benefit_type = BENEFIT_PERCENT, .at_s = 5,
	                                       .flags = CLAIM_IS_USED});
}

static void fill(struct commerce *c)
{
	struct product product = {.unit_price = 250, .currency = currency_parse("EUR"), .name_bytes = 5, .name = "Apple"};
	assert_true(sku_make(&product.sku, "apple", 5));
	products_put(&c->products, &product);
	fill_carts(c);
	fill_payments(c);
	for (uint64_t n = 30; n < 34; n++)
		add_claim(c, n);
	/* Where it was, and yet the newest. */
	claims_remove(&c->claims, id(30));
	add_claim(c, 30);
	for (uint64_t n = 1; n <= 70; n++)
		idempotency_remember(&c->idempotency, id(n), n, 100 + n, NOW_MS);
	for (uint64_t n = 10; n < 13; n++)
		history_remember(&c->payment_history, id(n), 150 + n);
	/* Out of reach of a block that begins with those. */
	history_remember(&c->payment_history, id(14), FAR);
}

static struct commerce_options small(uint64_t seed)
{
	return (struct commerce_options){
		.products_capacity = 2, .carts_capacity = 6, .carts_extents = 5, .payments_capacity = 4, .claims_capacity = 4,
		.idempotency_capacity = 64, .idempotency_age_ms = INT32_MAX, .payments_history = 64, .seed = seed};
}

static int make_bench(void **state)
{
	static struct bench bench;
	struct commerce_options o = small(1);
	memset(&bench, 0, sizeof bench);
	assert_int_equal(commerce_setup(&bench.from, &o), STATUS_ok);
	o = small(2);
	assert_int_equal(commerce_setup(&bench.to, &o), STATUS_ok);
	fill(&bench.from);
	assert_int_equal(commerce_save(&bench.from, note, &bench.stream), STATUS_ok);
	*state = &bench;
	return 0;
}

static int remove_bench(void **state)
{
	struct bench *b = *state;
	commerce_teardown(&b->from);
	commerce_teardown(&b->to);
	return 0;
}

/* Record `skip` is left out, record `twice` comes twice; -1: none. What comes out is whole, whatever it is. */
static status restore(struct bench *b, int skip, int twice)
{
	struct commerce_restore r;
	const struct stream *s = &b->stream;
	commerce_reset(&b->to);
	commerce_restore_start(&r, &b->to);
	for (size_t i = 0; i < s->count; i++)
		for (int times = (int)i == skip ? 0 : (int)i == twice ? 2 : 1; times > 0; times--)
			(void)commerce_restore_put(&r, s->records[i].kind, s->bytes + s->records[i].offset, s->records[i].count);
	status result = commerce_restore_finish(&r);
	assert_true(result == STATUS_ok || r.text[0] != '\0');
	if (result == STATUS_ok)
		assert_true(commerce_is_valid(&b->to));
	return result;
}

static void the_same_comes_out(void **state)
{
	struct bench *b = *state;
	assert_int_equal(restore(b, -1, -1), STATUS_ok);
	assert_true(commerce_digest(&b->from) == commerce_digest(&b->to));
	assert_int_equal(idempotency_find(&b->to.idempotency, id(5), 5, NOW_MS).position, 105);
	uint64_t place = 0;
	assert_true(history_find(&b->to.payment_history, id(11), &place) && place == 161);
	assert_true(history_find(&b->to.payment_history, id(14), &place) && place == FAR);
	assert_false(history_find(&b->to.payment_history, id(13), &place));
	assert_int_equal(claims_count(&b->to.claims, id(90), id(50)), claims_count(&b->from.claims, id(90), id(50)));
	assert_int_equal(claims_taken(&b->to.claims, id(51)), claims_taken(&b->from.claims, id(51)));
	struct victim victim;
	struct cart_opening o = {.cart = id(8), .currency = currency_parse("EUR"), .ttl_ms = 1};
	assert_int_equal(carts_can_open(&b->to.carts, &o, &victim), STATUS_ok);
	assert_int_equal(victim.id.low, 6);
	carts_evict(&b->to.carts, victim.id);
	carts_open(&b->to.carts, &o, NOW_MS);
	o.cart = id(9);
	assert_int_equal(carts_can_open(&b->to.carts, &o, &victim), STATUS_ok);
	assert_int_equal(victim.id.low, 4);
}

/* Where among the records a claim stands. */
static size_t place_of_claim(const struct stream *s, uint64_t n)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->records[i].kind == SAVED_claim && memcmp(s->bytes + s->records[i].offset, &n, sizeof n) == 0)
			return i;
	fail_msg("claim %llu was not saved", (unsigned long long)n);
	return 0;
}

static void claims_are_saved_in_their_order(void **state)
{
	struct bench *b = *state;
	assert_int_equal(restore(b, -1, -1), STATUS_ok);
	for (unsigned times = 0; times < 2; times++) {
		assert_true(place_of_claim(&b->stream, 31) < place_of_claim(&b->stream, 30));
		assert_true(place_of_claim(&b->stream, 32) < place_of_claim(&b->stream, 33));
		b->stream.count = b->stream.used = 0;
		assert_int_equal(commerce_save(&b->to, note, &b->stream), STATUS_ok);
	}
}

static void a_record_missing_or_twice_is_refused(void **state)
{
	struct bench *b = *state;
	for (int i = 0; i < (int)b->stream.count; i++) {
		assert_int_equal(restore(b, i, -1), STATUS_malformed);
		assert_int_equal(restore(b, -1, i), STATUS_malformed);
	}
}

static void a_record_of_another_size_is_refused(void **state)
{
	struct bench *b = *state;
	for (size_t i = 0; i < b->stream.count; i++) {
		size_t count = b->stream.records[i].count;
		for (size_t cut = 0; cut < count; cut++) {
			b->stream.records[i].count = cut;
			assert_int_equal(restore(b, -1, -1), STATUS_malformed);
		}
		b->stream.records[i].count = count;
	}
}

static void records_in_another_order_do_no_harm(void **state)
{
	struct bench *b = *state;
	struct random random = {.state = 1};
	unsigned refused = 0;
	for (unsigned i = 0; i < 5000; i++) {
		struct record *a = &b->stream.records[random_below(&random, b->stream.count)];
		struct record *c = &b->stream.records[random_below(&random, b->stream.count)];
		struct record old = *a;
		*a = *c, *c = old;
		refused += restore(b, -1, -1) != STATUS_ok;
		old = *a, *a = *c, *c = old;
	}
	assert_true(refused > 1000);
}

/* A price or a time may as well be another one: what is accepted must be whole. */
static void a_flipped_bit_does_no_harm(void **state)
{
	struct bench *b = *state;
	unsigned refused = 0;
	for (size_t i = 0; i < b->stream.used; i++)
		for (unsigned bit = 0; bit < 8; bit++) {
			b->stream.bytes[i] ^= (uint8_t)(1u << bit);
			refused += restore(b, -1, -1) != STATUS_ok;
			b->stream.bytes[i] ^= (uint8_t)(1u << bit);
		}
	printf("%u of %zu flipped bits were refused\n", refused, b->stream.used * 8);
	assert_true(refused > b->stream.used);
	assert_int_equal(restore(b, -1, -1), STATUS_ok);
}

static void other_bytes_do_no_harm(void **state)
{
	struct bench *b = *state;
	static const uint8_t odd[] = {0, 1, 0x7f, 0x80, 0xff};
	struct random random = {.state = 2};
	for (unsigned i = 0; i < 20000; i++) {
		uint8_t kept[BYTES_MAX];
		memcpy(kept, b->stream.bytes, b->stream.used);
		for (unsigned n = 1 + (unsigned)random_below(&random, 12); n > 0; n--)
			b->stream.bytes[random_below(&random, b->stream.used)] = odd[random_below(&random, sizeof odd)];
		(void)restore(b, -1, -1);
		memcpy(b->stream.bytes, kept, b->stream.used);
	}
}

static void a_small_instance_names_its_option(void **state)
{
	struct bench *b = *state;
	static const char *const keys[] = {"products.capacity", "carts.capacity", "carts.extents", "payments.capacity",
	                                   "claims.capacity", "idempotency.capacity"};
	for (unsigned i = 0; i < COUNT_OF(keys); i++) {
		struct commerce_options o = small(3);
		struct commerce c;
		struct commerce_restore r;
		int64_t *capacities[] = {&o.products_capacity, &o.carts_capacity, &o.carts_extents, &o.payments_capacity,
		                         &o.claims_capacity, &o.idempotency_capacity};
		*capacities[i] -= i >= 5 ? 64 : 1;
		b->stream.bytes[offsetof(struct saved_head, products)] = 2;
		b->stream.bytes[offsetof(struct saved_head, blocks)] = i == 5 ? 3 : 2;
		if (*capacities[i] == 0)
			*capacities[i] = 1;
		assert_int_equal(commerce_setup(&c, &o), STATUS_ok);
		commerce_restore_start(&r, &c);
		assert_int_equal(commerce_restore_put(&r, SAVED_head, b->stream.bytes, sizeof(struct saved_head)), STATUS_pool_exhausted);
		assert_non_null(strstr(r.text, keys[i]));
		commerce_teardown(&c);
	}
}

static void only_an_empty_instance_is_filled(void **state)
{
	struct bench *b = *state;
	struct commerce_restore r;
	commerce_restore_start(&r, &b->from);
	assert_int_equal(commerce_restore_put(&r, SAVED_head, b->stream.bytes, sizeof(struct saved_head)), STATUS_invalid_state);
	commerce_reset(&b->from);
	assert_true(commerce_is_valid(&b->from));
	commerce_restore_start(&r, &b->from);
	assert_int_equal(commerce_restore_finish(&r), STATUS_malformed);
}

/* As earlier versions saved it: once for each refund, with times; and longer than it may be now. */
static void a_payment_saved_twice_counts_once(void **state)
{
	struct bench *b = *state;
	size_t at = 0;
	while (at < b->stream.count && b->stream.records[at].kind != SAVED_history)
		at++;
	assert_true(at < b->stream.count);
	struct saved_block *block = (void *)(b->stream.bytes + b->stream.records[at].offset);
	assert_int_equal(block->used, 3);
	memcpy(block->entries[2].key, block->entries[0].key, sizeof block->entries[0].key);
	block->newest_s = 5;
	assert_int_equal(restore(b, -1, -1), STATUS_ok);
	uint64_t place = 0;
	assert_int_equal(b->to.payment_history.count, 3);
	assert_true(history_find(&b->to.payment_history, id(10), &place) && place == 162);
	assert_false(history_find(&b->to.payment_history, id(12), &place));
	block->entries[1].content[0] = 1;
	assert_int_equal(restore(b, -1, -1), STATUS_malformed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_same_comes_out, make_bench, remove_bench),
		cmocka_unit_test_setup_teardown(claims_are_saved_in_their_order, make_bench, remove_bench),
		cmocka_unit_test_setup_teardown(a_record_missing_or_twice_is_refused, make_bench, remove_bench),
		cmocka_unit_test_setup_teardown(a_record_of_another_size_is_refused, make_bench, remove_bench),
		cmocka_unit_test_setup_teardown(records_in_another_order_do_no_harm, make_bench, remove_bench),
		cmocka_unit_test_setup_teardown(a_flipped_bit_does_no_harm, make_bench, remove_bench),
		cmocka_unit_test_setup_teardown(other_bytes_do_no_harm, make_bench, remove_bench),
		cmocka_unit_test_setup_teardown(a_small_instance_names_its_option, make_bench, remove_bench),
		cmocka_unit_test_setup_teardown(a_payment_saved_twice_counts_once, make_bench, remove_bench),
		cmocka_unit_test_setup_teardown(only_an_empty_instance_is_filled, make_bench, remove_bench),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
