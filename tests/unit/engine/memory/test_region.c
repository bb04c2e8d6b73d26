/* Regions: what was asked, what was got, what the kernel says about it. */
#include "engine/memory/region.h"

#include "engine/base/check.h"
#include "engine/base/sanitizer.h"
#include "engine/memory/account.h"
#include "tests/support/emulated.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const size_t mib = (size_t)1 << 20;

static void it_is_whole_pages_of_zeros_and_prefaulted_on_demand(void **state)
{
	(void)state;
	struct region r;
	struct region_pages_found found;
	for (int prefault = 0; prefault < 2; prefault++) {
		struct region_options options = {.name = "test", .node = -1, .prefault = prefault};
		assert_int_equal(region_open(&r, 100001, &options), STATUS_ok);
		assert_int_equal(r.size, 100001);
		assert_int_equal(r.reserved, 25 * REGION_SMALL_BYTES);
		assert_int_equal(r.pages, REGION_PAGES_small);
		assert_false(r.locked);
		if (!is_emulated() && region_measure(&r, &found) == STATUS_ok)
			assert_int_equal(found.resident, prefault ? r.reserved : 0);
		else
			print_message("SKIP: resident bytes: no /proc/self/smaps\n");
		for (size_t i = 0; i < r.reserved; i++)
			assert_int_equal(r.bytes[i], 0);
		memset(r.bytes, 1, r.reserved);
		region_close(&r);
		assert_null(r.bytes);
		region_close(&r);
	}
}

/* Whatever the machine has, what is recorded must be what the kernel says. */
static void the_pages_recorded_are_the_pages_got(void **state)
{
	(void)state;
	for (enum region_pages wanted = REGION_PAGES_small; wanted <= REGION_PAGES_1g; wanted++) {
		struct region r;
		struct region_pages_found found;
		struct region_options options = {.name = "pages", .pages = wanted, .node = -1, .prefault = true};
		assert_int_equal(region_open(&r, 5 * mib, &options), STATUS_ok);
		assert_int_equal(r.wanted, wanted);
		assert_true(r.pages <= wanted);
		assert_true(r.pages != REGION_PAGES_1g); /* never for less than one page */
		size_t unit = r.pages == REGION_PAGES_2m ? REGION_2M_BYTES : REGION_SMALL_BYTES;
		assert_int_equal(r.reserved % unit, 0);
		assert_int_equal(r.hugetlb_wanted, wanted >= REGION_PAGES_2m ? 6 * mib : 0);
		assert_int_equal(r.hugetlb_missed, r.pages == REGION_PAGES_2m ? 0 : r.hugetlb_wanted);
		print_message("wanted %s, got %s\n", region_pages_text(wanted), region_pages_text(r.pages));
		if (!is_emulated() && region_measure(&r, &found) == STATUS_ok) {
			assert_true(found.resident >= r.size);
			if (r.pages == REGION_PAGES_small)
				assert_int_equal(found.huge, 0);
			else if (r.pages == REGION_PAGES_transparent)
				assert_true(found.huge >= REGION_2M_BYTES);
			else
				assert_int_equal(found.huge, r.reserved);
		}
		r.bytes[0] = r.bytes[r.reserved - 1] = 1;
		region_close(&r);
	}
}

static void little_memory_gets_no_huge_page(void **state)
{
	(void)state;
	struct region r;
	struct region_options options = {.name = "little", .pages = REGION_PAGES_1g, .node = -1, .prefault = true};
	assert_int_equal(region_open(&r, mib, &options), STATUS_ok);
	assert_int_equal(r.pages, REGION_PAGES_small);
	assert_int_equal(r.reserved, mib);
	assert_int_equal(r.hugetlb_wanted, 0); /* so none is missed */
	assert_int_equal(r.hugetlb_missed, 0);
	region_close(&r);
}

/* At a place where no huge page fits, so that the machine does not matter. */
static void huge_pages_that_were_not_got_are_counted(void **state)
{
	(void)state;
	if (is_emulated())
		skip();
	uint8_t *space = region_reserve(8 * mib, 2 * mib);
	assert_non_null(space);
	uint8_t *askew = space + REGION_SMALL_BYTES;
	for (enum region_pages wanted = REGION_PAGES_small; wanted <= REGION_PAGES_1g; wanted++) {
		struct region r;
		struct region_options options = {.name = "missed", .pages = wanted, .node = -1};
		assert_int_equal(region_open_at(&r, askew, 7 * mib, 3 * mib, &options), STATUS_ok);
		assert_true(r.pages <= REGION_PAGES_transparent);
		assert_int_equal(r.hugetlb_wanted, wanted >= REGION_PAGES_2m ? 4 * mib : 0);
		assert_int_equal(r.hugetlb_missed, r.hugetlb_wanted);
		region_close(&r);
	}
	region_release(space, 8 * mib);
}

static void sizes_that_cannot_be_are_refused(void **state)
{
	(void)state;
	struct region r;
	struct region_options options = {.name = "none", .node = -1};
	assert_int_equal(region_open(&r, 0, &options), STATUS_invalid_field);
	assert_int_equal(region_open(&r, SIZE_MAX - 1, &options), STATUS_pool_exhausted);
	assert_int_equal(region_open(&r, SIZE_MAX / 8, &options), STATUS_pool_exhausted);
	assert_null(r.bytes);
}

static void a_part_of_reserved_space_is_opened_in_place(void **state)
{
	(void)state;
	struct region first, second;
	struct region_options options = {.name = "part", .node = -1, .prefault = true};
	uint8_t *space = region_reserve(8 * mib, 2 * mib);
	assert_non_null(space);
	assert_int_equal((uintptr_t)space % (2 * mib), 0);
	assert_int_equal(region_open_at(&first, space, 8 * mib, mib, &options), STATUS_ok);
	assert_ptr_equal(first.bytes, space);
	assert_int_equal(region_open_at(&second, space + first.reserved, 8 * mib - first.reserved, 7 * mib, &options), STATUS_ok);
	assert_ptr_equal(second.bytes, space + mib);
	space[8 * mib - 1] = 1;
	assert_int_equal(region_open_at(&second, space, mib, 2 * mib, &options), STATUS_invalid_field);
	region_release(space, 8 * mib);
}

/* All of it, the objects and tables of pools too, as long as it is held. */
static bool refused_locks_are_added_up(void)
{
	struct account account;
	struct region r;
	struct holding holding = {.name = "arena", .kind = HOLDING_arena}, of_pool = {};
	struct pool *pool;
	struct account_unlocked all, rest, none;
	struct pool_statistics statistics;
	account_setup(&account, &(struct account_policy){.lock = true, .node = -1});
	if (account_open(&account, &r, &holding, mib, mib, ACCOUNT_NODE) != STATUS_ok ||
	    account_open_pool(&account, &pool, &of_pool,
	                      &(struct pool_options){.name = "pool", .object_bytes = 4096, .capacity = 256}) != STATUS_ok)
		return false;
	account_read_unlocked(&account, &all);
	pool_read_statistics(pool, &statistics);
	account_close_pool(&pool, &of_pool);
	account_read_unlocked(&account, &rest);
	account_close(&r, &holding);
	account_read_unlocked(&account, &none);
	account_teardown(&account);
	return all.error != 0 && statistics.reserved_bytes > mib && all.bytes == mib + statistics.reserved_bytes &&
	       rest.error != 0 && rest.bytes == mib && none.error == 0 && none.bytes == 0;
}

/* What a process without the right to lock sees; in a child, because it gives that right up. */
static int open_without_the_right(void)
{
	struct region r;
	struct rlimit none = {};
	struct region_options options = {.name = "locked", .node = -1, .lock = true};
	if (setrlimit(RLIMIT_MEMLOCK, &none) != 0 || (geteuid() == 0 && setuid(65534) != 0))
		return 2;
	if (region_open(&r, mib, &options) != STATUS_ok || r.locked || r.lock_error == 0)
		return 1;
	r.bytes[0] = 1;
	region_close(&r);
	return refused_locks_are_added_up() ? 0 : 3;
}

static void a_lock_is_verified_and_a_refused_one_is_recorded(void **state)
{
	(void)state;
	struct region r;
	struct region_pages_found found;
	struct region_options options = {.name = "locked", .node = -1, .lock = true};
	assert_int_equal(region_open(&r, mib, &options), STATUS_ok);
	assert_int_equal(r.locked, r.lock_error == 0);
#if !defined(SANITIZER_ADDRESS) && !defined(SANITIZER_THREAD) /* they make mlock do nothing */
	if (r.locked && !is_emulated() && region_measure(&r, &found) == STATUS_ok)
		assert_int_equal(found.locked, r.reserved);
	pid_t child = fork();
	if (child == 0)
		_exit(open_without_the_right());
	int result = 0;
	assert_int_equal(waitpid(child, &result, 0), child);
	assert_true(WIFEXITED(result));
	assert_int_equal(WEXITSTATUS(result), 0);
#else
	(void)found;
	(void)open_without_the_right;
	print_message("SKIP: locks: the sanitizer makes mlock do nothing\n");
#endif
	region_close(&r);
}

static void it_has_its_name_where_the_kernel_keeps_names(void **state)
{
	(void)state;
	struct region r;
	struct region_options options = {.name = "named-region", .node = -1};
	assert_int_equal(region_open(&r, mib, &options), STATUS_ok);
	char prefix[32], line[512];
	snprintf(prefix, sizeof prefix, "%lx-", (unsigned long)r.bytes);
	FILE *maps = fopen("/proc/self/maps", "r");
	bool is_found = false, is_named = false;
	while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
		if (strncmp(line, prefix, strlen(prefix)) == 0) {
			is_found = true;
			is_named = strstr(line, "trove:named-region") != NULL;
		}
	}
	if (maps != NULL)
		fclose(maps);
	if (is_found && !is_named)
		print_message("SKIP: names: this kernel keeps none\n");
	region_close(&r);
}

static void *open_and_close(void *argument)
{
	struct region_options options = {.name = "many", .pages = REGION_PAGES_1g, .node = -1, .prefault = true};
	for (unsigned i = 0; i < 200; i++) {
		struct region r;
		if (region_open(&r, (1 + i % 3) * mib, &options) != STATUS_ok)
			return argument;
		for (size_t k = 0; k < r.reserved; k += REGION_SMALL_BYTES)
			if (r.bytes[k]++ != 0) /* somebody else's */
				return argument;
		region_close(&r);
	}
	return NULL;
}

/* A place that is unmapped for a moment is another thread's the next. */
static void threads_do_not_take_each_others_places(void **state)
{
	(void)state;
	pthread_t threads[4];
	for (unsigned i = 0; i < COUNT_OF(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, open_and_close, (void *)(uintptr_t)1), 0);
	for (unsigned i = 0; i < COUNT_OF(threads); i++) {
		void *failed;
		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_whole_pages_of_zeros_and_prefaulted_on_demand),
		cmocka_unit_test(the_pages_recorded_are_the_pages_got),
		cmocka_unit_test(little_memory_gets_no_huge_page),
		cmocka_unit_test(huge_pages_that_were_not_got_are_counted),
		cmocka_unit_test(sizes_that_cannot_be_are_refused),
		cmocka_unit_test(a_part_of_reserved_space_is_opened_in_place),
		cmocka_unit_test(a_lock_is_verified_and_a_refused_one_is_recorded),
		cmocka_unit_test(it_has_its_name_where_the_kernel_keeps_names),
		cmocka_unit_test(threads_do_not_take_each_others_places),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
