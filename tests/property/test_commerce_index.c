/* The index beside a naive twin: random insertions, removals and searches, with hashes that
 * collide much, little, and at the end of the table. */
#include "engine/base/random.h"
#include "engine/commerce/index.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

enum { SLOTS_MAX = 512, STEPS = 60000, LARGE = 1 << 17, LARGE_STEPS = 12000 };

struct twin {
	struct index index;
	uint64_t hashes[SLOTS_MAX]; /* of the objects, which are nothing else */
	bool is_in[SLOTS_MAX];
	unsigned count;
};

static uint64_t hash_of(const void *owner, uint32_t slot)
{
	const struct twin *t = owner;
	return t->hashes[slot];
}

/* Slots that a search yields must be all that have the hash, each once. */
static void expect_found(const struct twin *t, unsigned slots, uint64_t hash)
{
	bool seen[SLOTS_MAX] = {};
	for (uint32_t cell = index_home(&t->index, hash), slot; index_next(&t->index, hash, &cell, &slot);) {
		assert_true(slot < slots && t->is_in[slot]);
		assert_false(seen[slot]);
		seen[slot] = true;
	}
	for (unsigned slot = 0; slot < slots; slot++)
		if (t->is_in[slot] && t->hashes[slot] == hash)
			assert_true(seen[slot]);
}

static uint64_t draw_hash(struct random *r, unsigned kind)
{
	switch (kind) {
	case 0: return random_next(r);
	case 1: return random_below(r, 8) << 61;                     /* eight homes */
	case 2: return UINT64_MAX << 32 | random_next(r);             /* all at the last cell: they go around */
	default: return (random_next(r) | UINT64_C(7) << 61) - random_below(r, 3); /* near the end */
	}
}

/* Of an index of `capacity`, so many slots are used. */
static void run(unsigned capacity, unsigned slots, unsigned steps, unsigned kind, uint64_t seed)
{
	static struct twin t;
	struct random r = {seed};
	memset(&t, 0, sizeof t);
	assert_int_equal(index_setup(&t.index, &(struct index_options){"twin", "", NULL, capacity, hash_of, &t}), STATUS_ok);
	for (unsigned i = 0; i < steps; i++) {
		uint32_t slot = (uint32_t)random_below(&r, slots);
		bool fills = i / 4096 % 2 == 0;
		if (!t.is_in[slot] && random_below(&r, 4) < (fills ? 3 : 1)) {
			t.hashes[slot] = draw_hash(&r, kind);
			index_insert(&t.index, t.hashes[slot], slot);
			t.is_in[slot] = true;
			t.count++;
		} else if (t.is_in[slot] && random_below(&r, 4) < (fills ? 1 : 3)) {
			index_remove(&t.index, t.hashes[slot], slot);
			t.is_in[slot] = false;
			t.count--;
		}
		assert_int_equal(t.index.count, t.count);
		if (i % (steps / 1000) == 0) {
			assert_true(index_is_valid(&t.index));
			expect_found(&t, slots, t.hashes[random_below(&r, slots)]);
			expect_found(&t, slots, random_next(&r));
		}
	}
	index_teardown(&t.index);
}

static void an_index_does_what_its_twin_does(void **state)
{
	(void)state;
	const unsigned capacities[] = {1, 2, 3, 7, 64, SLOTS_MAX};
	for (size_t i = 0; i < sizeof capacities / sizeof capacities[0]; i++)
		for (unsigned kind = 0; kind < 4; kind++)
			run(capacities[i], capacities[i], STEPS, kind, i * 10 + kind + 1);
}

/* The more slots, the fewer bits are left for a distance: here it is 127 at most, but 500 have one home. */
static void distances_that_do_not_fit_are_found_again(void **state)
{
	(void)state;
	for (unsigned kind = 1; kind < 3; kind++)
		run(LARGE, SLOTS_MAX, LARGE_STEPS, kind, kind);
}

static void it_is_at_most_two_thirds_full_and_6_bytes_an_object(void **state)
{
	(void)state;
	for (uint64_t capacity = 1; capacity < 10000; capacity++)
		assert_true(capacity * 3 <= index_bytes(capacity) / 4 * 2);
	assert_int_equal(index_bytes(1000000), 6000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_index_does_what_its_twin_does),
		cmocka_unit_test(distances_that_do_not_fit_are_found_again),
		cmocka_unit_test(it_is_at_most_two_thirds_full_and_6_bytes_an_object),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
