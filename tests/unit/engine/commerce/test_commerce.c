/* Commerce as a whole: the bill and what is reserved, no memory, digests, claims on carts. */
#include "engine/base/sanitizer.h"
#include "engine/commerce/commerce.h"
#include "tests/support/valgrind.h"
#include "tests/support/emulated.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/resource.h>
#include <cmocka.h>

static struct commerce c; /* one at a time */

static struct commerce_options options(void)
{
	struct option_set set = {};
	struct commerce_options o = {};
	option_add(&set, commerce_option_rows, commerce_option_count, &o);
	o.seed = 1;
	return o;
}

static struct identifier id(uint64_t n) { return (struct identifier){n, 0, false}; }

static size_t reserved(const struct account *account)
{
	size_t sum = 0;
	struct pool_statistics s;
	for (const struct holding *h = account->first; h != NULL; h = h->next) {
		assert_non_null(h->option);
		if (h->kind != HOLDING_pool) {
			sum += h->reserved;
			continue;
		}
		pool_read_statistics(h->pool, &s);
		sum += s.reserved_bytes;
	}
	return sum;
}

static void the_bill_covers_what_is_reserved(void **state)
{
	(void)state;
	static struct bill bill;
	const int64_t sizes[] = {1, 100, 5000, 8192};
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		struct account account;
		struct commerce_options o = options();
		if (i > 0)
			o.products_capacity = o.carts_capacity = o.carts_extents = o.payments_capacity = o.claims_capacity =
				o.idempotency_capacity = sizes[i];
		bill.line_count = 0;
		commerce_bill(&o, &bill);
		account_setup(&account, &(struct account_policy){.pages = REGION_PAGES_small});
		o.account = &account;
		assert_int_equal(commerce_setup(&c, &o), STATUS_ok);
		uint64_t sum = reserved(&account);
		printf("billed %llu, reserved %llu\n", (unsigned long long)bill_sum(&bill), (unsigned long long)sum);
		/* Whole pages: one more for each mapping. */
		assert_true(sum <= bill_sum(&bill) + 20 * 4096 && bill_sum(&bill) <= sum + 20 * 4096);
		assert_true(commerce_is_valid(&c));
		commerce_teardown(&c);
		account_teardown(&account); /* checks that nothing is held */
	}
}

static void without_memory_nothing_is_held(void **state)
{
	(void)state;
	if (is_emulated()) /* it takes no notice of limits */
		skip();
#if defined(SANITIZER_ADDRESS) || defined(SANITIZER_THREAD)
	printf("SKIP: a sanitizer needs all of the address space\n");
#else
	struct rlimit before, now;
	if (is_in_valgrind()) {
		printf("SKIP: valgrind needs more address space\n");
		return;
	}
	assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
	unsigned failures = 0;
	/* Less and less of it, so that each of the mappings is once the one that fails. */
	for (rlim_t limit = UINT64_C(512) << 20; limit > UINT64_C(4) << 20; limit -= UINT64_C(1) << 20) {
		struct account account;
		struct commerce_options o = options();
		account_setup(&account, &(struct account_policy){.pages = REGION_PAGES_small});
		o.account = &account;
		now = before;
		now.rlim_cur = limit;
		assert_int_equal(setrlimit(RLIMIT_AS, &now), 0);
		status s = commerce_setup(&c, &o);
		assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
		failures += s == STATUS_pool_exhausted;
		assert_true(s == STATUS_ok || s == STATUS_pool_exhausted);
		commerce_teardown(&c);
		account_teardown(&account);
	}
	assert_true(failures > 10);
#endif
}

static void open_cart(uint64_t n, uint64_t actor)
{
	struct cart_opening o = {.cart = id(n), .actor = id(actor), .has_actor = actor != 0, .currency = currency_parse("EUR"),
	                         .ttl_ms = 1000};
	carts_open(&c.carts, &o, 5000);
}

static void add_claim(uint64_t n, uint64_t actor, struct benefit benefit)
{
	claims_add(&c.claims, &(struct claim){.id = id_pack(id(n)), .actor = id_pack(id(actor)), .reward = id_pack(id(1)),
	                                      .benefit_value = benefit.value, .benefit_type = benefit.type,
	                                      .benefit_currency = benefit.currency});
}

static status apply(uint64_t cart, uint64_t claim)
{
	struct victim victim;
	commerce_prepare(&c, COMMERCE_NEEDS_lines);
	status s = commerce_can_apply_claim(&c, id(cart), id(claim), &victim);
	if (s == STATUS_ok)
		commerce_apply_claim(&c, id(cart), id(claim), 5000);
	return s;
}

static void a_claim_serves_one_cart_of_its_actor(void **state)
{
	(void)state;
	const struct benefit tenth = {1000, 0, BENEFIT_PERCENT};
	struct commerce_options o = options();
	assert_int_equal(commerce_setup(&c, &o), STATUS_ok);
	open_cart(1, 10);
	open_cart(2, 11);
	open_cart(3, 0); /* nobody's: anybody's claim */
	add_claim(1, 10, tenth);
	add_claim(2, 10, (struct benefit){});
	add_claim(3, 11, (struct benefit){5, currency_parse("USD"), BENEFIT_AMOUNT});
	assert_int_equal(apply(1, 9), STATUS_not_found);
	assert_int_equal(apply(9, 1), STATUS_not_found);
	assert_int_equal(apply(2, 1), STATUS_not_found);
	assert_int_equal(apply(1, 2), STATUS_invalid_state);
	assert_int_equal(apply(2, 3), STATUS_currency_mismatch);
	assert_int_equal(apply(1, 1), STATUS_ok);
	assert_int_equal(apply(1, 1), STATUS_invalid_state);
	assert_int_equal(apply(3, 1), STATUS_invalid_state);
	assert_int_equal(commerce_expire_cart(&c, id(1), 99000), CART_expired);
	assert_int_equal(apply(3, 1), STATUS_ok); /* free again */
	assert_true(commerce_is_valid(&c));
	commerce_teardown(&c);
}

/* The same content in another order, with another seed, after detours. */
static uint64_t digest_of(bool is_backwards, uint64_t seed, uint64_t carts)
{
	struct commerce_options o = options();
	o.seed = seed;
	assert_int_equal(commerce_setup(&c, &o), STATUS_ok);
	for (uint64_t i = 0; i < carts; i++)
		open_cart(is_backwards ? carts - i : i + 1, 10);
	add_claim(is_backwards ? 2 : 1, 10, (struct benefit){});
	add_claim(is_backwards ? 1 : 2, 10, (struct benefit){});
	if (is_backwards) {
		add_claim(3, 10, (struct benefit){});
		claims_remove(&c.claims, id(3));
	}
	idempotency_remember(&c.idempotency, id(1), 2, 3, 4);
	uint64_t digest = commerce_digest(&c);
	commerce_teardown(&c);
	return digest;
}

static void a_digest_is_of_the_content_alone(void **state)
{
	(void)state;
	uint64_t digest = digest_of(false, 1, 50);
	assert_true(digest == digest_of(true, 2, 50));
	assert_true(digest == digest_of(true, 0, 50)); /* a seed of its own */
	assert_true(digest != digest_of(false, 1, 49));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_bill_covers_what_is_reserved),
		cmocka_unit_test(without_memory_nothing_is_held),
		cmocka_unit_test(a_claim_serves_one_cart_of_its_actor),
		cmocka_unit_test(a_digest_is_of_the_content_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
