/* Pools: handles, limits, growth, numbers, debug modes. */
#include "engine/memory/pool.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct pool *open_pool(const struct pool_options *options)
{
	struct pool *pool = NULL;
	assert_int_equal(pool_setup(&pool, options), STATUS_ok);
	assert_true(pool_is_valid(pool));
	return pool;
}

static struct pool_statistics statistics_of(const struct pool *pool)
{
	struct pool_statistics s;
	pool_read_statistics(pool, &s);
	return s;
}

static struct pool_handle borrow(struct pool *pool)
{
	struct pool_handle handle;
	void *object;
	assert_int_equal(pool_borrow(pool, &handle, &object), STATUS_ok);
	assert_non_null(object);
	assert_ptr_equal(pool_resolve(pool, handle), object);
	memset(object, 0x11, statistics_of(pool).object_bytes);
	return handle;
}

static void refused(struct pool *pool, struct pool_handle handle)
{
	uint64_t before = statistics_of(pool).stale_total;
	assert_null(pool_resolve(pool, handle));
	struct pool_handle again = handle;
	assert_int_equal(pool_return(pool, &again), STATUS_not_found);
	assert_int_equal(again.bits, 0);
	assert_int_equal(statistics_of(pool).stale_total, before + 2);
	assert_true(pool_is_valid(pool));
}

static void a_handle_is_valid_from_borrow_to_return(void **state)
{
	(void)state;
	struct pool *pool = open_pool(&(struct pool_options){.name = "test", .object_bytes = 40, .capacity = 8, .node = -1});
	struct pool_handle handle = borrow(pool), copy = handle;
	assert_int_equal(pool_return(pool, &handle), STATUS_ok);
	assert_int_equal(handle.bits, 0);
	refused(pool, copy); /* returned */
	struct pool_handle next = borrow(pool);
	assert_int_equal(next.bits >> 32, copy.bits >> 32);
	assert_true(next.bits != copy.bits);
	refused(pool, copy); /* stale: the slot is somebody else's */
	assert_non_null(pool_resolve(pool, next));
	refused(pool, (struct pool_handle){});
	pool_teardown(&pool);
	assert_null(pool);
	pool_teardown(&pool);
}

static void forged_handles_are_refused_in_any_state_of_the_slot(void **state)
{
	(void)state;
	for (uint32_t capacity = 1; capacity <= 9; capacity++) {
		struct pool_options options = {.name = "test", .object_bytes = 8, .capacity = capacity, .node = -1};
		struct pool *pool = open_pool(&options);
		struct pool_handle real = borrow(pool);
		for (unsigned bit = 0; bit < 64; bit++)
			refused(pool, (struct pool_handle){real.bits ^ UINT64_C(1) << bit});
		refused(pool, (struct pool_handle){~real.bits});
		refused(pool, (struct pool_handle){UINT64_MAX});
		struct pool_handle old = real;
		assert_int_equal(pool_return(pool, &real), STATUS_ok);
		/* Free: neither the handle that comes next nor what is kept of the slot may pass. */
		for (unsigned bit = 0; bit < 64; bit++)
			refused(pool, (struct pool_handle){old.bits ^ UINT64_C(1) << bit});
		for (int step = -2; step < 3; step++)
			refused(pool, (struct pool_handle){old.bits + (uint64_t)step});
		refused(pool, (struct pool_handle){~old.bits});
		refused(pool, (struct pool_handle){});
		pool_teardown(&pool);
	}
}

static void another_pools_handles_are_refused(void **state)
{
	(void)state;
	struct pool_options options = {.name = "a", .object_bytes = 8, .capacity = 100, .node = -1, .tag = 1};
	struct pool *a = open_pool(&options);
	options.name = "b";
	options.tag = 2;
	struct pool *b = open_pool(&options);
	options.name = "c";
	options.tag = 0;
	struct pool *c = open_pool(&options);
	for (unsigned i = 0; i < 100; i++) {
		struct pool_handle of_a = borrow(a), of_b = borrow(b), of_c = borrow(c);
		refused(b, of_a);
		refused(a, of_b);
		refused(a, of_c);
		refused(c, of_b);
	}
	pool_teardown(&a);
	pool_teardown(&b);
	pool_teardown(&c);
}

static void a_full_pool_says_so_and_counts(void **state)
{
	(void)state;
	struct pool *pool = open_pool(&(struct pool_options){.name = "test", .object_bytes = 8, .capacity = 3, .node = -1});
	struct pool_handle handles[3], none = {1};
	void *object = &none;
	for (unsigned i = 0; i < 3; i++)
		handles[i] = borrow(pool);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(pool_borrow(pool, &none, &object), STATUS_pool_exhausted);
	assert_null(object);
	assert_int_equal(none.bits, 0);
	assert_int_equal(pool_grow(pool), STATUS_pool_exhausted);
	assert_int_equal(pool_return(pool, &handles[1]), STATUS_ok);
	handles[1] = borrow(pool);
	struct pool_statistics s = statistics_of(pool);
	assert_string_equal(s.name, "test");
	assert_int_equal(s.exhausted_total, 5);
	assert_int_equal(s.capacity, 3);
	assert_int_equal(s.in_use, 3);
	assert_int_equal(s.high_water, 3);
	assert_int_equal(s.borrowed_total, 4);
	assert_int_equal(s.returned_total, 1);
	assert_int_equal(s.extents, 1);
	assert_true(s.reserved_bytes >= 2 * REGION_SMALL_BYTES);
	pool_teardown(&pool);
}

static void the_borrow_count_goes_beyond_32_bits(void **state)
{
	(void)state;
	struct pool *pool = open_pool(&(struct pool_options){.name = "test", .object_bytes = 8, .capacity = 3, .node = -1});
	struct pool_handle handle = borrow(pool);
	assert_int_equal(pool_return(pool, &handle), STATUS_ok);
	/* As after 2^32 - 1 borrows. */
	atomic_store(&pool->borrowed_total, UINT32_MAX);
	assert_int_equal(statistics_of(pool).borrowed_total, UINT32_MAX);
	for (unsigned i = 1; i < 4; i++) {
		handle = borrow(pool);
		assert_int_equal(statistics_of(pool).borrowed_total, (uint64_t)UINT32_MAX + i);
		assert_int_equal(statistics_of(pool).in_use, 1);
		assert_int_equal(pool_return(pool, &handle), STATUS_ok);
	}
	assert_true(pool_is_valid(pool));
	pool_teardown(&pool);
}

static void a_slot_whose_generations_are_used_up_is_retired(void **state)
{
	(void)state;
	for (int is_fifo = 0; is_fifo < 2; is_fifo++) {
		struct pool *pool = open_pool(&(struct pool_options){
			.name = "test", .object_bytes = 8, .capacity = 4, .node = -1, .lives_max = 3, .is_fifo = is_fifo});
		struct pool_handle seen[12];
		for (unsigned i = 0; i < 12; i++) {
			struct pool_handle handle = borrow(pool);
			for (unsigned k = 0; k < i; k++)
				assert_true(seen[k].bits != handle.bits);
			seen[i] = handle;
			assert_int_equal(pool_return(pool, &handle), STATUS_ok);
			assert_true(pool_is_valid(pool));
		}
		struct pool_statistics s = statistics_of(pool);
		assert_int_equal(s.retired, 4);
		assert_int_equal(s.capacity, 0);
		assert_int_equal(s.in_use, 0);
		assert_int_equal(s.high_water, 1);
		assert_int_equal(s.returned_total, 12);
		struct pool_handle handle;
		void *object;
		assert_int_equal(pool_borrow(pool, &handle, &object), STATUS_pool_exhausted);
		for (unsigned i = 0; i < 12; i++)
			refused(pool, seen[i]);
		pool_teardown(&pool);
	}
}

static void objects_are_aligned_and_do_not_overlap(void **state)
{
	(void)state;
	static const size_t sizes[] = {1, 8, 16, 17, 40, 64, 65, 100, 512, 5000};
	for (unsigned i = 0; i < 2 * COUNT_OF(sizes); i++) {
		bool shared = i % 2;
		struct pool_options options = {
			.name = "test", .object_bytes = sizes[i / 2], .capacity = 5, .node = -1, .shared_lines = shared};
		struct pool *pool = open_pool(&options);
		void *objects[5];
		struct pool_handle handles[5];
		for (unsigned k = 0; k < 5; k++) {
			assert_int_equal(pool_borrow(pool, &handles[k], &objects[k]), STATUS_ok);
			assert_int_equal((uintptr_t)objects[k] % (shared ? 64 : 16), 0);
			memset(objects[k], (int)k, sizes[i / 2]);
		}
		for (unsigned k = 0; k < 5; k++)
			for (size_t b = 0; b < sizes[i / 2]; b++)
				assert_int_equal(((uint8_t *)objects[k])[b], k);
		size_t step = (size_t)((uint8_t *)objects[1] - (uint8_t *)objects[0]);
		assert_true(step - sizes[i / 2] < (shared ? 64 : 16));
		pool_teardown(&pool);
	}
}

static void reuse_is_last_in_first_out_or_by_option_the_longest_free(void **state)
{
	(void)state;
	for (int is_fifo = 0; is_fifo < 2; is_fifo++) {
		struct pool_options options = {.name = "test", .object_bytes = 8, .capacity = 3, .node = -1, .is_fifo = is_fifo};
		struct pool *pool = open_pool(&options);
		struct pool_handle a = borrow(pool), b = borrow(pool);
		uint64_t index_a = a.bits >> 32, index_b = b.bits >> 32;
		assert_int_equal(pool_return(pool, &a), STATUS_ok);
		assert_int_equal(pool_return(pool, &b), STATUS_ok);
		struct pool_handle next[3] = {borrow(pool), borrow(pool), borrow(pool)};
		assert_int_equal(next[1].bits >> 32, index_a);
		assert_int_equal(next[is_fifo ? 2 : 0].bits >> 32, index_b);
		pool_teardown(&pool);
	}
}

static void growth_is_asked_for_bounded_and_moves_nothing(void **state)
{
	(void)state;
	for (int is_fifo = 0; is_fifo < 2; is_fifo++) {
		struct pool_options options = {.name = "test",
		                               .object_bytes = 100,
		                               .capacity = 70,
		                               .extents_max = 3,
		                               .node = -1,
		                               .is_fifo = is_fifo,
		                               .pages = REGION_PAGES_1g};
		struct pool *pool = open_pool(&options);
		struct pool_handle handles[210], none;
		void *objects[210], *object;
		for (unsigned i = 0; i < 210; i++) {
			if (i == 70 || i == 140) {
				assert_int_equal(pool_borrow(pool, &none, &object), STATUS_pool_exhausted);
				assert_int_equal(pool_grow(pool), STATUS_ok);
				assert_true(pool_is_valid(pool));
				assert_int_equal(statistics_of(pool).capacity, i + 70);
				assert_int_equal(statistics_of(pool).high_water, i);
			}
			assert_int_equal(pool_borrow(pool, &handles[i], &objects[i]), STATUS_ok);
			memset(objects[i], (int)i, 100);
		}
		assert_int_equal(pool_grow(pool), STATUS_pool_exhausted);
		assert_int_equal(statistics_of(pool).extents, 3);
		assert_int_equal(statistics_of(pool).high_water, 210);
		for (unsigned i = 0; i < 210; i++) {
			assert_ptr_equal(pool_resolve(pool, handles[i]), objects[i]);
			assert_int_equal(((uint8_t *)objects[i])[99], (uint8_t)i);
			assert_int_equal(pool_return(pool, &handles[i]), STATUS_ok);
		}
		assert_true(pool_is_valid(pool));
		pool_teardown(&pool);
	}
}

static void options_that_cannot_be_are_refused(void **state)
{
	(void)state;
	const struct pool_options wrong[] = {
		{.name = "test", .object_bytes = 0, .capacity = 1},
		{.name = "test", .object_bytes = 8, .capacity = 0},
		{.name = NULL, .object_bytes = 8, .capacity = 1},
		{.name = "test", .object_bytes = SIZE_MAX, .capacity = 1},
		{.name = "test", .object_bytes = 8, .capacity = POOL_OBJECTS_MAX + 1},
		{.name = "test", .object_bytes = 8, .capacity = 1 << 20, .extents_max = 1 << 20},
		{.name = "test", .object_bytes = 8, .capacity = 1 << 20, .tag = 1 << 12},
	};
	struct pool *pool = NULL;
	for (unsigned i = 0; i < COUNT_OF(wrong); i++) {
		assert_int_equal(pool_setup(&pool, &wrong[i]), STATUS_invalid_field);
		assert_null(pool);
	}
	struct pool_options huge = {.name = "test", .object_bytes = REGION_1G_BYTES, .capacity = 1 << 20};
	assert_int_equal(pool_setup(&pool, &huge), STATUS_pool_exhausted);
	assert_null(pool);
}

static void one_in_n_fails_where_that_was_asked(void **state)
{
	(void)state;
	struct pool_options options = {.name = "test", .object_bytes = 8, .capacity = 100, .node = -1, .fail_one_in = 4};
	struct pool *pool = open_pool(&options);
	for (unsigned i = 1; i <= 20; i++) {
		struct pool_handle handle;
		void *object;
		assert_int_equal(pool_borrow(pool, &handle, &object), i % 4 == 0 ? STATUS_pool_exhausted : STATUS_ok);
	}
	assert_int_equal(statistics_of(pool).exhausted_total, 5);
	assert_int_equal(statistics_of(pool).in_use, 15);
	pool_teardown(&pool);
}

/* ---- what must stop the process ---------------------------------------------------------------- */

/* Runs the act in a child. Its exit code is 0 if it lived; text is what it said. */
static int run_in_child(void (*act)(struct pool *), const struct pool_options *options, char *text, size_t capacity)
{
	int channel[2], result = 0;
	assert_int_equal(pipe(channel), 0);
	fflush(NULL);
	pid_t child = fork();
	if (child == 0) {
		struct pool *pool = NULL;
		dup2(channel[1], STDERR_FILENO);
		signal(SIGABRT, SIG_DFL);
		signal(SIGSEGV, SIG_DFL);
		if (pool_setup(&pool, options) == STATUS_ok)
			act(pool);
		_exit(0);
	}
	close(channel[1]);
	size_t length = 0;
	for (ssize_t n; length < capacity - 1 && (n = read(channel[0], text + length, capacity - 1 - length)) > 0;)
		length += (size_t)n;
	text[length] = '\0';
	close(channel[0]);
	assert_int_equal(waitpid(child, &result, 0), child);
	return WIFEXITED(result) ? WEXITSTATUS(result) : 128 + WTERMSIG(result);
}

static void use(struct pool *pool, bool is_after, size_t at)
{
	struct pool_handle handle = {};
	void *object = NULL;
	if (pool_borrow(pool, &handle, &object) != STATUS_ok)
		_exit(99);
	volatile uint8_t *bytes = object;
	if (!is_after)
		bytes[at] ^= 1;
	(void)pool_return(pool, &handle);
	if (is_after)
		bytes[at] ^= 1;
	(void)pool_borrow(pool, &handle, &object);
	(void)pool_return(pool, &handle);
}

static void write_after_return(struct pool *pool) { use(pool, true, 39); }
static void write_behind(struct pool *pool) { use(pool, false, 40); }
static void behave(struct pool *pool) { use(pool, false, 39); }

static void debug_modes_find_what_they_are_for(void **state)
{
	(void)state;
	char text[8192];
	struct pool_options options = {.name = "carts", .object_bytes = 40, .capacity = 3, .node = -1};
	static const struct {
		unsigned debug;
		void (*act)(struct pool *);
		const char *word;
		int code; /* 0: lives */
	} table[] = {
		{0, behave, "", 0},
		{POOL_DEBUG_poison | POOL_DEBUG_canary | POOL_DEBUG_trap | POOL_DEBUG_last_caller, behave, "", 0},
		{POOL_DEBUG_poison, write_after_return, "written after return", 128 + SIGABRT},
		{POOL_DEBUG_poison | POOL_DEBUG_last_caller, write_after_return, "test_pool.c:", 128 + SIGABRT},
		{POOL_DEBUG_canary, write_behind, "written behind the object", 128 + SIGABRT},
		{POOL_DEBUG_canary | POOL_DEBUG_last_caller, write_behind, "test_pool.c:", 128 + SIGABRT},
		{POOL_DEBUG_trap, write_after_return, "", 128 + SIGSEGV},
	};
	for (unsigned i = 0; i < COUNT_OF(table); i++) {
		options.debug = table[i].debug;
		int code = run_in_child(table[i].act, &options, text, sizeof text);
#ifdef SANITIZER_ADDRESS /* it is faster, and says it its own way */
		if (table[i].code != 0 && code != 0)
			continue;
#endif
		bool is_named = code != 128 + SIGABRT || strstr(text, "pool carts") != NULL;
		if (code != table[i].code || strstr(text, table[i].word) == NULL || !is_named)
			fail_msg("case %u: code %d, expected %d with '%s'; it said: %s", i, code, table[i].code, table[i].word, text);
	}
}

#ifdef SANITIZER_ADDRESS
static void read_after_return(struct pool *pool)
{
	struct pool_handle handle;
	void *object;
	(void)pool_borrow(pool, &handle, &object);
	*(volatile uint8_t *)object = 1;
	(void)pool_return(pool, &handle);
	if (*(volatile uint8_t *)object == 1)
		_exit(0);
}

static void the_address_sanitizer_sees_a_use_after_return(void **state)
{
	(void)state;
	char text[8192];
	struct pool_options options = {.name = "test", .object_bytes = 40, .capacity = 3, .node = -1};
	assert_int_not_equal(run_in_child(read_after_return, &options, text, sizeof text), 0);
	assert_non_null(strstr(text, "use-after-poison"));
}
#endif

static void a_handle_is_described_for_people(void **state)
{
	(void)state;
	char text[400];
	struct pool_options options = {
		.name = "carts", .object_bytes = 40, .capacity = 3, .node = -1, .debug = POOL_DEBUG_last_caller};
	struct pool *pool = open_pool(&options);
	struct pool_handle handle = borrow(pool), copy = handle;
	pool_describe(pool, handle, text, sizeof text);
	assert_non_null(strstr(text, "pool carts"));
	assert_non_null(strstr(text, "borrowed; last borrowed at tests/unit/engine/memory/test_pool.c:"));
	assert_int_equal(pool_return(pool, &handle), STATUS_ok);
	pool_describe(pool, copy, text, sizeof text);
	assert_non_null(strstr(text, ", returned;"));
	handle = borrow(pool);
	pool_describe(pool, copy, text, sizeof text);
	assert_non_null(strstr(text, "stale, borrowed again"));
	pool_describe(pool, (struct pool_handle){copy.bits ^ UINT64_C(1) << 63}, text, sizeof text);
	assert_non_null(strstr(text, "not one of this pool"));
	pool_teardown(&pool);
}

/* While somebody listens to the probes borrow and return go the long way: nothing else is different. */
static void test_watching_changes_nothing(void **state)
{
	(void)state;
	enum { COUNT = 8 };
	struct pool_options options = {.name = "watched", .object_bytes = 24, .capacity = COUNT, .node = -1};
	struct pool *pool;
	struct pool_handle handles[COUNT], more;
	struct pool_statistics s;
	void *object;
	assert_int_equal(pool_setup(&pool, &options), STATUS_ok);
	for (int i = 0; i < 5; i++)
		assert_int_equal(pool_borrow(pool, &handles[i], &object), STATUS_ok);
	assert_int_equal(pool_return(pool, &handles[4]), STATUS_ok);
	pool_watch(pool, true);
	for (int round = 0; round < 3; round++) {
		assert_int_equal(pool_borrow(pool, &more, &object), STATUS_ok);
		assert_int_equal(atomic_load(&pool->ways), POOL_WAY_watched);
		assert_ptr_equal(atomic_load(&pool->low), (void *)UINTPTR_MAX); /* the next one is seen, too */
		assert_int_equal(atomic_load(&pool->returns_below), 0);         /* and its return */
		assert_int_equal(pool_return(pool, &more), STATUS_ok);
	}
	pool_read_statistics(pool, &s);
	assert_int_equal(s.in_use, 4);
	assert_int_equal(s.high_water, 5);
	for (int i = 4; i < COUNT; i++)
		assert_int_equal(pool_borrow(pool, &handles[i], &object), STATUS_ok);
	assert_int_equal(pool_borrow(pool, &more, &object), STATUS_pool_exhausted);
	assert_int_equal(pool_return(pool, &handles[0]), STATUS_ok);
	pool_watch(pool, false);
	assert_int_equal(pool_borrow(pool, &handles[0], &object), STATUS_ok);
	assert_int_equal(atomic_load(&pool->ways), 0);
	assert_ptr_equal(atomic_load(&pool->low), pool->free_list); /* the lowest that there was: the short way is back */
	assert_int_equal(atomic_load(&pool->returns_below), UINT32_MAX);
	pool_read_statistics(pool, &s);
	assert_int_equal(s.high_water, COUNT);
	assert_int_equal(s.borrowed_total, 5 + 3 + 4 + 1);
	assert_int_equal(s.exhausted_total, 1);
	assert_true(pool_is_valid(pool));
	pool_teardown(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_watching_changes_nothing),
		cmocka_unit_test(a_handle_is_valid_from_borrow_to_return),
		cmocka_unit_test(forged_handles_are_refused_in_any_state_of_the_slot),
		cmocka_unit_test(another_pools_handles_are_refused),
		cmocka_unit_test(a_full_pool_says_so_and_counts),
		cmocka_unit_test(the_borrow_count_goes_beyond_32_bits),
		cmocka_unit_test(a_slot_whose_generations_are_used_up_is_retired),
		cmocka_unit_test(objects_are_aligned_and_do_not_overlap),
		cmocka_unit_test(reuse_is_last_in_first_out_or_by_option_the_longest_free),
		cmocka_unit_test(growth_is_asked_for_bounded_and_moves_nothing),
		cmocka_unit_test(options_that_cannot_be_are_refused),
		cmocka_unit_test(one_in_n_fails_where_that_was_asked),
		cmocka_unit_test(debug_modes_find_what_they_are_for),
#ifdef SANITIZER_ADDRESS
		cmocka_unit_test(the_address_sanitizer_sees_a_use_after_return),
#endif
		cmocka_unit_test(a_handle_is_described_for_people),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
