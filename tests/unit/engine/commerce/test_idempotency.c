/* The idempotency window: what it knows, how long, and what it does with equal hashes. */
#include "engine/commerce/idempotency.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

enum { CAPACITY = 1000, AGE_MS = 10000 };

static int setup(void **state)
{
	static struct idempotency w;
	*state = &w;
	return idempotency_setup(&w, CAPACITY, AGE_MS, &(struct part_options){.seed = 9}) != STATUS_ok;
}

static int teardown(void **state)
{
	bool is_valid = idempotency_is_valid(*state);
	idempotency_teardown(*state);
	return !is_valid;
}

static struct identifier id(uint64_t n) { return (struct identifier){n, 1, false}; }

static void expect(const struct idempotency *w, uint64_t n, uint64_t content, int64_t now, enum idempotency_match match,
                   uint64_t position)
{
	struct idempotency_found f = idempotency_find(w, id(n), content, now);
	assert_int_equal(f.match, match);
	if (match != IDEMPOTENCY_new)
		assert_int_equal(f.position, position);
}

static void new_same_and_other(void **state)
{
	struct idempotency *w = *state;
	expect(w, 1, 11, 0, IDEMPOTENCY_new, 0);
	idempotency_remember(w, id(1), 11, 100, 0);
	idempotency_remember(w, id(2), 22, 100, 0);
	expect(w, 1, 11, 0, IDEMPOTENCY_same, 100);
	expect(w, 1, 12, 0, IDEMPOTENCY_other, 100);
	expect(w, 2, 22, 0, IDEMPOTENCY_same, 100);
	expect(w, 3, 11, 0, IDEMPOTENCY_new, 0);
}

static void the_last_capacity_ones_are_known(void **state)
{
	struct idempotency *w = *state;
	enum { COUNT = 5000 };
	for (uint64_t n = 1; n <= COUNT; n++) {
		idempotency_remember(w, id(n), n * 3, n * 1000, 0);
		if (n % 97 == 0)
			assert_true(idempotency_is_valid(w));
		expect(w, n > CAPACITY ? n - CAPACITY + 1 : 1, n > CAPACITY ? (n - CAPACITY + 1) * 3 : 3, 0, IDEMPOTENCY_same,
		       n > CAPACITY ? (n - CAPACITY + 1) * 1000 : 1000);
	}
	/* And hardly more: one block beside what is full. */
	expect(w, COUNT - CAPACITY - 2 * IDEMPOTENCY_BLOCK, 3 * (COUNT - CAPACITY - 2 * IDEMPOTENCY_BLOCK), 0, IDEMPOTENCY_new, 0);
	assert_true(w->count >= CAPACITY && w->count <= CAPACITY + 2 * IDEMPOTENCY_BLOCK);
}

static void what_is_too_old_is_new(void **state)
{
	struct idempotency *w = *state;
	idempotency_remember(w, id(1), 11, 1, 1000);
	expect(w, 1, 11, 1000 + AGE_MS, IDEMPOTENCY_same, 1);
	expect(w, 1, 11, 1000 + AGE_MS + 1000, IDEMPOTENCY_new, 0);
	for (uint64_t n = 2; n <= IDEMPOTENCY_BLOCK; n++) /* fills the block with younger ones */
		idempotency_remember(w, id(n), n, n, 5000);
	idempotency_remember(w, id(1), 12, 500, 16000); /* the same id again, in the next block */
	expect(w, 1, 12, 16001, IDEMPOTENCY_same, 500);
	expect(w, 1, 11, 16001, IDEMPOTENCY_other, 500);
}

/* Done again after it was forgotten: from then on it is the second time that counts, and nothing else comes back. */
static void what_was_forgotten_stays_so(void **state)
{
	struct idempotency *w = *state;
	idempotency_remember(w, id(1), 1, 100, 1000);
	idempotency_remember(w, id(2), 2, 200, 2000);
	int64_t later = 2000 + AGE_MS + 1000;
	expect(w, 1, 1, later, IDEMPOTENCY_new, 0);
	idempotency_remember(w, id(1), 1, 300, later);
	expect(w, 1, 1, later, IDEMPOTENCY_same, 300);
	expect(w, 2, 2, later, IDEMPOTENCY_new, 0);
	uint64_t oldest;
	assert_true(idempotency_oldest(w, later, &oldest));
	assert_int_equal(oldest, 300);
}

static void positions_may_be_far_apart(void **state)
{
	struct idempotency *w = *state;
	const uint64_t positions[] = {0, UINT32_MAX, (uint64_t)UINT32_MAX + 1, UINT64_C(1) << 40, UINT64_MAX - 1, UINT64_MAX};
	for (uint64_t n = 0; n < 6; n++)
		idempotency_remember(w, id(n), n, positions[n], 0);
	for (uint64_t n = 0; n < 6; n++)
		expect(w, n, n, 0, IDEMPOTENCY_same, positions[n]);
}

/* Equal hashes of two ids: found one after the other, the caller knows which it is. */
static void ids_of_one_hash_are_told_apart_by_the_caller(void **state)
{
	struct idempotency *w = *state;
	idempotency_remember(w, id(1), 11, 1, 0);
	idempotency_remember(w, id(2), 22, 2, 0);
	uint32_t second = 1;
	index_remove(&w->index, ((uint64_t)w->entries[second].key[1] << 32) | w->entries[second].key[0], second);
	w->entries[second].key[0] = w->entries[0].key[0];
	w->entries[second].key[1] = w->entries[0].key[1];
	index_insert(&w->index, ((uint64_t)w->entries[0].key[1] << 32) | w->entries[0].key[0], second);
	struct idempotency_found f = idempotency_find(w, id(1), 22, 0);
	assert_int_equal(f.match, IDEMPOTENCY_other);
	assert_int_equal(f.position, 1);
	f = idempotency_next(w, id(1), 22, 0, &f);
	assert_int_equal(f.match, IDEMPOTENCY_same);
	assert_int_equal(f.position, 2);
	f = idempotency_next(w, id(1), 22, 0, &f);
	assert_int_equal(f.match, IDEMPOTENCY_new);
	assert_true(idempotency_is_valid(w));
}

#define test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(new_same_and_other),
		test(the_last_capacity_ones_are_known),
		test(what_is_too_old_is_new),
		test(what_was_forgotten_stays_so),
		test(positions_may_be_far_apart),
		test(ids_of_one_hash_are_told_apart_by_the_caller),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
