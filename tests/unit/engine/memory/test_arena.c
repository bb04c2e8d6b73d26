/* Arenas: what is taken, marks, high water; and that nothing outlives a reset or runs over
 * its end unseen, where the build looks (debug, address sanitizer). */
#include "engine/base/sanitizer.h"
#include "engine/memory/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void test_take_mark_and_reset(void **state)
{
	(void)state;
	struct arena a;
	assert_int_equal(arena_init(&a, 1 << 16, NULL), STATUS_ok);
	uint8_t *first = arena_take(&a, 10, 1);
	uint64_t *second = arena_take(&a, 8, 8);
	assert_non_null(first);
	assert_int_equal((uintptr_t)second % 8, 0);
	assert_true((uint8_t *)second >= first + 10);
	assert_int_equal((uintptr_t)arena_take(&a, 1, 64) % 64, 0);
	size_t mark = arena_mark(&a);
	uint8_t *behind = arena_take(&a, 1000, 16);
	memset(behind, 7, 1000);
	*second = 42;
	arena_reset(&a, mark);
	assert_int_equal(*second, 42);
	assert_ptr_equal(arena_take(&a, 1000, 16), behind);
	arena_reset(&a, 0);
	assert_true(atomic_load(&a.holding.high_water) >= 1000 + mark);
	assert_ptr_equal(arena_take(&a, 10, 1), first);
	arena_deinit(&a);
	arena_deinit(&a);
}

static void test_full_is_an_answer(void **state)
{
	(void)state;
	struct arena a;
	assert_int_equal(arena_init(&a, 4096, NULL), STATUS_ok);
	assert_null(arena_take(&a, 4097, 1));
	assert_null(arena_take(&a, SIZE_MAX, 1));
	assert_null(arena_take(&a, SIZE_MAX - 8, 16));
	assert_non_null(arena_take(&a, 4096, 1));
	assert_null(arena_take(&a, 1, 1));
	arena_reset(&a, 0);
	assert_non_null(arena_take(&a, 1, 1));
	arena_deinit(&a);
}

static void test_packed_has_no_gaps(void **state)
{
	(void)state;
	struct arena a;
	const struct arena_options packed = {.name = "packed", .is_packed = true};
	assert_int_equal(arena_init(&a, 4096, &packed), STATUS_ok);
	uint8_t *bytes = arena_take(&a, 3, 1);
	for (int i = 1; i < 1000; i++)
		assert_ptr_equal(arena_take(&a, 3, 1), bytes + 3 * i);
	arena_deinit(&a);
}

/* ---- misuse, in a child ---------------------------------------------------------------- */

static void run_over(struct arena *a)
{
	volatile uint8_t *bytes = arena_take(a, 24, 8);
	(void)arena_take(a, 24, 8);
	bytes[24] = 1;
	arena_reset(a, 0);
}

static void use_after_reset(struct arena *a)
{
	volatile uint8_t *bytes = arena_take(a, 24, 8);
	bytes[3] = 77;
	arena_reset(a, 0);
	/* A debug build has filled it; the address sanitizer ends us at the look. */
	if (bytes[3] == 0xa5)
		abort();
}

static bool dies(void (*misuse)(struct arena *a))
{
	int result = 0;
	fflush(stdout);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct arena a;
		fclose(stderr); /* the report is expected */
		if (arena_init(&a, 4096, NULL) == STATUS_ok)
			misuse(&a);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &result, 0), child);
	return !WIFEXITED(result) || WEXITSTATUS(result) != 0;
}

static void test_misuse_is_found(void **state)
{
	(void)state;
#if !defined(TROVE_DEBUG) && !defined(SANITIZER_ADDRESS)
	print_message("SKIP: only debug builds and the address sanitizer look\n");
	skip();
#endif
	assert_true(dies(run_over));
	assert_true(dies(use_after_reset));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_take_mark_and_reset),
		cmocka_unit_test(test_full_is_an_answer),
		cmocka_unit_test(test_packed_has_no_gaps),
		cmocka_unit_test(test_misuse_is_found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
