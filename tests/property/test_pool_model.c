/*
 * A pool beside a naive model: random borrows, returns, double returns, remote returns,
 * forged and old handles, growth, in every combination of options. The model is an array
 * of what is held and a list of which slots are free in which order.
 */
#include "engine/base/random.h"
#include "engine/memory/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { CAPACITY = 13, EXTENTS = 3, SLOTS = CAPACITY * EXTENTS, OLD = 64, STEPS = 4000, LIVES = 40 };

struct held {
	struct pool_handle handle;
	uint8_t *object;
	uint8_t content;
};

struct model {
	struct random random;
	struct pool_options options;
	struct pool *pool;
	struct held held[SLOTS + 1]; /* one more for a borrow that fails */
	unsigned in_use, high_water;
	struct pool_handle old[OLD]; /* were valid once */
	unsigned olds;
	uint32_t free[SLOTS]; /* indices, the oldest first; known where nothing is returned remotely */
	unsigned free_count;
	unsigned lives[SLOTS];
	unsigned extents, retired, attempts, pending;
	uint64_t borrowed, exhausted, stale;
};

static uint32_t index_of(const struct model *m, struct pool_handle handle)
{
	return (uint32_t)(handle.bits >> 32) & (m->options.extents_max > 1 ? 63 : 15);
}

static void add_free(struct model *m, uint32_t index) { m->free[m->free_count++] = index; }

static uint32_t take_free(struct model *m)
{
	uint32_t index = m->options.is_fifo ? m->free[0] : m->free[m->free_count - 1];
	if (m->options.is_fifo)
		memmove(m->free, m->free + 1, (m->free_count - 1) * sizeof m->free[0]);
	m->free_count--;
	return index;
}

static void add_extent(struct model *m)
{
	for (unsigned i = 0; i < CAPACITY; i++)
		add_free(m, m->extents * CAPACITY + (m->options.is_fifo ? i : CAPACITY - 1 - i));
	m->extents++;
}

static bool is_held_whole(const struct model *m, const struct held *h)
{
	for (size_t i = 0; i < m->options.object_bytes; i++)
		if (h->object[i] != h->content)
			return false;
	return true;
}

static void do_borrow(struct model *m)
{
	struct held *h = &m->held[m->in_use];
	void *object;
	bool must_fail = m->options.fail_one_in != 0 && ++m->attempts % m->options.fail_one_in == 0;
	unsigned available = m->free_count;
	status s = pool_borrow(m->pool, &h->handle, &object);
	if (must_fail || available == 0) {
		assert_int_equal(s, STATUS_pool_exhausted);
		assert_null(object);
		m->exhausted++;
		return;
	}
	assert_int_equal(s, STATUS_ok);
	uint32_t index = index_of(m, h->handle);
	if (m->options.remote_returns) { /* in an order that is not said */
		unsigned at = 0;
		while (at < m->free_count && m->free[at] != index)
			at++;
		assert_true(at < m->free_count);
		m->free[at] = m->free[--m->free_count];
	} else {
		assert_int_equal(index, take_free(m));
	}
	for (unsigned i = 0; i < m->in_use; i++)
		assert_true(m->held[i].handle.bits != h->handle.bits && m->held[i].object != object);
	for (unsigned i = 0; i < (m->olds < OLD ? m->olds : OLD); i++)
		assert_true(m->old[i].bits != h->handle.bits);
	h->object = object;
	h->content = (uint8_t)random_next(&m->random);
	memset(object, h->content, m->options.object_bytes);
	m->lives[index]++;
	m->borrowed++;
	if (++m->in_use > m->high_water)
		m->high_water = m->in_use;
}

static void do_return(struct model *m)
{
	if (m->in_use == 0)
		return;
	struct held *h = &m->held[random_below(&m->random, m->in_use)];
	struct pool_handle handle = h->handle;
	assert_ptr_equal(pool_resolve(m->pool, handle), h->object);
	assert_true(is_held_whole(m, h));
	bool is_remote = m->options.remote_returns && random_below(&m->random, 2) == 0;
	assert_int_equal(is_remote ? pool_return_remote(m->pool, &handle) : pool_return(m->pool, &handle), STATUS_ok);
	assert_int_equal(handle.bits, 0);
	uint32_t index = index_of(m, h->handle);
	m->old[m->olds++ % OLD] = h->handle;
	if (m->options.lives_max != 0 && m->lives[index] == m->options.lives_max)
		m->retired++;
	else
		add_free(m, index);
	*h = m->held[--m->in_use];
}

static void expect_refusal(struct model *m, struct pool_handle handle)
{
	assert_null(pool_resolve(m->pool, handle));
	struct pool_handle copy = handle;
	m->stale++;
	if (m->options.remote_returns && random_below(&m->random, 2) == 0)
		assert_int_equal(pool_return_remote(m->pool, &copy), STATUS_not_found);
	else
		assert_int_equal(pool_return(m->pool, &copy), STATUS_not_found);
	m->stale++;
}

static void do_old(struct model *m)
{
	if (m->olds > 0)
		expect_refusal(m, m->old[random_below(&m->random, m->olds < OLD ? m->olds : OLD)]);
}

/* Near misses of what is or was valid, and noise. */
static void do_forge(struct model *m)
{
	uint64_t bits = random_next(&m->random);
	if (m->in_use > 0 && random_below(&m->random, 2) == 0)
		bits = m->held[random_below(&m->random, m->in_use)].handle.bits;
	else if (m->olds > 0 && random_below(&m->random, 2) == 0)
		bits = m->old[random_below(&m->random, m->olds < OLD ? m->olds : OLD)].bits;
	switch (random_below(&m->random, 4)) {
	case 0: bits ^= UINT64_C(1) << random_below(&m->random, 64); break;
	case 1: bits += random_below(&m->random, 5) - 2; break;
	case 2: bits = ~bits; break;
	default: bits += random_next(&m->random) << 32; break;
	}
	for (unsigned i = 0; i < m->in_use; i++)
		if (m->held[i].handle.bits == bits)
			return;
	expect_refusal(m, (struct pool_handle){bits});
}

static void do_grow(struct model *m)
{
	bool may = m->extents < (m->options.extents_max == 0 ? 1 : m->options.extents_max);
	assert_int_equal(pool_grow(m->pool), may ? STATUS_ok : STATUS_pool_exhausted);
	if (may)
		add_extent(m);
}

static void compare(struct model *m)
{
	struct pool_statistics s;
	pool_read_statistics(m->pool, &s);
	assert_int_equal(s.capacity, m->extents * CAPACITY - s.retired);
	assert_int_equal(s.in_use, m->in_use);
	assert_int_equal(s.borrowed_total, m->borrowed);
	assert_int_equal(s.returned_total, m->borrowed - m->in_use);
	assert_int_equal(s.exhausted_total, m->exhausted);
	assert_int_equal(s.stale_total, m->stale);
	assert_int_equal(s.extents, m->extents);
	if (!m->options.remote_returns) { /* else what was returned counts as out until it is collected */
		assert_int_equal(s.high_water, m->high_water);
		assert_int_equal(s.retired, m->retired);
	} else {
		assert_true(s.high_water >= m->high_water);
	}
	assert_true(pool_is_valid(m->pool));
	for (unsigned i = 0; i < m->in_use; i++)
		assert_true(is_held_whole(m, &m->held[i]));
}

static void step(struct model *m)
{
	/* The balance between filling and emptying changes, so that both ends are reached. */
	uint64_t phase = m->borrowed / 64 % 2;
	uint64_t draw = random_below(&m->random, 100);
	if (draw < (phase ? 30u : 50u))
		do_borrow(m);
	else if (draw < 80)
		do_return(m);
	else if (draw < 88)
		do_old(m);
	else if (draw < 97)
		do_forge(m);
	else if (draw < 99)
		(void)pool_collect(m->pool);
	else
		do_grow(m);
}

static void run(const struct pool_options *options, uint64_t seed)
{
	struct model *m = calloc(1, sizeof *m);
	assert_non_null(m);
	m->random.state = seed;
	m->options = *options;
	assert_int_equal(pool_setup(&m->pool, options), STATUS_ok);
	add_extent(m);
	for (unsigned i = 0; i < STEPS; i++) {
		step(m);
		if (i % 16 == 0)
			compare(m);
	}
	while (m->in_use > 0)
		do_return(m);
	(void)pool_collect(m->pool);
	compare(m);
	struct pool_statistics s;
	pool_read_statistics(m->pool, &s);
	assert_int_equal(s.retired, m->retired);
	pool_teardown(&m->pool);
	free(m);
}

static void a_pool_does_what_its_model_does(void **state)
{
	(void)state;
	for (unsigned bits = 0; bits < 128; bits++) {
		struct pool_options options = {
			.name = "model",
			.object_bytes = bits & 1 ? 24 : 100,
			.capacity = CAPACITY,
			.node = -1,
			.extents_max = bits & 2 ? EXTENTS : 1,
			.is_fifo = bits & 4,
			.remote_returns = bits & 8,
			.lives_max = bits & 16 ? LIVES : 0,
			.fail_one_in = bits & 32 ? 7 : 0,
			.shared_lines = bits & 1,
			.tag = bits & 1 ? 5 : 0,
		};
		if (bits & 64)
			options.debug = POOL_DEBUG_poison | POOL_DEBUG_canary | POOL_DEBUG_last_caller | (bits & 1 ? POOL_DEBUG_trap : 0);
		run(&options, 1000 + bits);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(a_pool_does_what_its_model_does)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
