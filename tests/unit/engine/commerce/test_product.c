/* The catalogue. */
#include "engine/commerce/product.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

enum { CAPACITY = 2 };

static int setup(void **state)
{
	static struct products p;
	*state = &p;
	return products_setup(&p, CAPACITY, &(struct part_options){.seed = 4}) != STATUS_ok;
}

static int teardown(void **state)
{
	bool is_valid = products_are_valid(*state);
	products_teardown(*state);
	return !is_valid;
}

static struct product product_of(const char *sku, int64_t price)
{
	struct product p = {.unit_price = price, .currency = currency_parse("GBP"), .name_bytes = 4, .name = "name"};
	assert_true(sku_make(&p.sku, sku, strlen(sku)));
	return p;
}

static status put(struct products *p, struct product product)
{
	(void)slots_prepare(&p->slots);
	status s = products_can_put(p, &product);
	if (s == STATUS_ok)
		products_put(p, &product);
	assert_true(products_are_valid(p));
	return s;
}

static void skus_have_1_to_31_bytes(void **state)
{
	(void)state;
	struct sku a, b;
	assert_false(sku_make(&a, "", 0));
	assert_false(sku_make(&a, "12345678901234567890123456789012", 32));
	assert_true(sku_make(&a, "1234567890123456789012345678901", 31));
	assert_true(sku_make(&b, "123456789012345678901234567890", 30));
	assert_false(sku_equal(&a, &b));
	assert_true(sku_make(&a, "a", 1) && sku_make(&b, "A", 1));
	assert_false(sku_equal(&a, &b)); /* case counts */
	assert_true(sku_make(&a, "a", 1) && sku_make(&b, "a\0", 2));
	assert_false(sku_equal(&a, &b)); /* so does the length */
}

static void put_replaces_and_remove_makes_room(void **state)
{
	struct products *p = *state;
	struct product a = product_of("a", 1), c = product_of("c", 3);
	assert_int_equal(put(p, a), STATUS_ok);
	assert_int_equal(put(p, product_of("b", 2)), STATUS_ok);
	assert_int_equal(put(p, c), STATUS_pool_exhausted);
	a.unit_price = 9;
	assert_int_equal(put(p, a), STATUS_ok);
	assert_int_equal(products_find(p, &a.sku)->unit_price, 9);
	assert_memory_equal(products_find(p, &a.sku)->name, "name", 4);
	assert_int_equal(products_can_remove(p, &c.sku), STATUS_not_found);
	assert_int_equal(products_can_remove(p, &a.sku), STATUS_ok);
	products_remove(p, &a.sku);
	assert_null(products_find(p, &a.sku));
	assert_int_equal(put(p, c), STATUS_ok);
}

static void what_cannot_be_is_refused(void **state)
{
	struct products *p = *state;
	struct product a = product_of("a", -1);
	assert_int_equal(put(p, a), STATUS_invalid_field);
	assert_int_equal(put(p, product_of("a", MONEY_MAX + 1)), STATUS_invalid_field);
	a = product_of("a", 1);
	a.currency = 0;
	assert_int_equal(put(p, a), STATUS_invalid_field);
	a = product_of("a", 1);
	a.name_bytes = PRODUCT_NAME_BYTES_MAX + 1;
	assert_int_equal(put(p, a), STATUS_invalid_field);
}

#define test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(skus_have_1_to_31_bytes),
		test(put_replaces_and_remove_makes_room),
		test(what_cannot_be_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
