/* A million sessions, each one open, empty cart and one remembered event, in less than 96 MiB
 * beyond the process without them: the arithmetic, and the resident set. */
#include "engine/base/sanitizer.h"
#include "engine/commerce/commerce.h"
#include "tests/support/valgrind.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>
#include <cmocka.h>

#define SESSIONS UINT64_C(1000000)
#define LIMIT (UINT64_C(96) << 20)

static uint64_t resident_bytes(void)
{
	unsigned long long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%*u %llu", &pages), 1);
	fclose(f);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t print(const char *what, uint64_t bytes)
{
	printf("%12" PRIu64 "  %s\n", bytes, what);
	return bytes;
}

static uint64_t arithmetic(void)
{
	uint64_t words = 2;
	while (words < SESSIONS)
		words *= 2;
	uint64_t blocks = SESSIONS / IDEMPOTENCY_BLOCK + 1;
	uint64_t sum = print("carts", SESSIONS * sizeof(struct cart));
	sum += print("the pool's handles to give next", SESSIONS * 8);
	sum += print("the pool's words", words * 8);
	sum += print("index of carts", index_bytes(SESSIONS));
	sum += print("remembered events", blocks * IDEMPOTENCY_BLOCK * sizeof(struct idempotency_entry));
	sum += print("their blocks", blocks * sizeof(struct idempotency_block));
	sum += print("index of remembered events", index_bytes(blocks * IDEMPOTENCY_BLOCK));
	printf("%12" PRIu64 "  together: %.1f bytes a session, %.1f MiB\n", sum, (double)sum / (double)SESSIONS,
	       (double)sum / 0x1p20);
	return sum;
}

static void open_session(struct commerce *c, uint64_t n)
{
	struct cart_opening o = {.cart = {n * 0x9e3779b97f4a7c15u, n, true}, .currency = currency_parse("EUR"), .ttl_ms = 1800000};
	struct victim victim;
	commerce_prepare(c, COMMERCE_NEEDS_cart);
	assert_int_equal(carts_can_open(&c->carts, &o, &victim), STATUS_ok);
	assert_false(victim.is_needed);
	carts_open(&c->carts, &o, 1000);
	idempotency_remember(&c->idempotency, (struct identifier){n, 5, false}, n, n, 1000);
}

static void a_million_sessions_take_less_than_96_mib(void **state)
{
	(void)state;
	static struct commerce c;
	uint64_t expected = arithmetic();
	assert_true(expected < LIMIT);
	uint64_t before = resident_bytes();
	assert_int_equal(commerce_setup(&c, &(struct commerce_options){
		.products_capacity = 1, .carts_capacity = (int64_t)SESSIONS, .carts_extents = 1, .payments_capacity = 1,
		.claims_capacity = 1, .payments_history = 1, .idempotency_capacity = (int64_t)SESSIONS,
		.idempotency_age_ms = 3600000, .seed = 1,
	}), STATUS_ok);
	for (uint64_t n = 1; n <= SESSIONS; n++)
		open_session(&c, n);
	uint64_t after = resident_bytes();
	for (uint64_t n = 1; n <= SESSIONS; n += 997)
		assert_int_equal(idempotency_find(&c.idempotency, (struct identifier){n, 5, false}, n, 1000).position, n);
	assert_int_equal(c.carts.by_id.count, SESSIONS);
	printf("%12" PRIu64 "  measured: %.1f bytes a session, %.1f MiB\n", after - before,
	       (double)(after - before) / (double)SESSIONS, (double)(after - before) / 0x1p20);
	commerce_teardown(&c);
#if defined(SANITIZER_ADDRESS) || defined(SANITIZER_THREAD)
	printf("SKIP the measurement: the sanitizer's own memory is in it\n");
#else
	if (is_in_valgrind()) {
		printf("SKIP the measurement: valgrind's own memory is in it\n");
		return;
	}
	assert_true(after - before < LIMIT);
	assert_true(after - before > expected / 20 * 19); /* all of it was touched: it is the whole price */
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(a_million_sessions_take_less_than_96_mib)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
