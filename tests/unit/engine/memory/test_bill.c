#include "engine/base/human.h"
#include "engine/memory/bill.h"
#include "engine/memory/group.h"
#include "engine/memory/pool.h"
#include "tests/support/emulated.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cmocka.h>

static void lines_add_up_and_the_largest_is_named(void **state)
{
	(void)state;
	struct bill bill = {.limit = {1000, "a test"}};
	bill_add(&bill, "store", "rewards.capacity", 3, 100, "slots of %d", 100);
	bill_add(&bill, "net", "", 1, 301, "sockets");
	bill_add(&bill, "shard", "events.queue", 7, 10, "jobs");
	assert_int_equal(bill_sum(&bill), 671);
	assert_string_equal(bill_largest(&bill)->owner, "net");
	assert_string_equal(bill.lines[0].what, "slots of 100");
	assert_true(bill_fits(&bill));
	bill.limit.bytes = 671;
	assert_true(bill_fits(&bill));
	bill.limit.bytes = 670;
	assert_false(bill_fits(&bill));
}

static void what_is_too_large_to_count_never_fits(void **state)
{
	(void)state;
	struct bill bill = {.limit = {UINT64_MAX, "none"}};
	bill_add(&bill, "store", "x", UINT64_C(1) << 33, UINT64_C(1) << 33, "a product beyond 2^64");
	assert_true(bill.lines[0].bytes == UINT64_MAX);
	assert_false(bill_fits(&bill));

	bill.line_count = 0;
	bill_add(&bill, "store", "x", 2, UINT64_C(1) << 62, "half of it");
	bill_add(&bill, "store", "x", 2, UINT64_C(1) << 62, "the other half");
	assert_true(bill_sum(&bill) == UINT64_MAX);
	assert_false(bill_fits(&bill));
	assert_true(bill_plus(UINT64_MAX, 1) == UINT64_MAX && bill_times(0, UINT64_MAX) == 0);
}

static void assert_human(uint64_t bytes, const char *expected)
{
	assert_string_equal(human_bytes((double)bytes).text, expected);
}

static void numbers_are_written_for_people_too(void **state)
{
	(void)state;
	assert_human(0, "0 B");
	assert_human(1023, "1023 B");
	assert_human(1536, "1.5 KiB");
	assert_human(UINT64_C(3435973837), "3.2 GiB");
	assert_human(UINT64_MAX, "16.0 EiB");
}

static void the_table_ends_with_sum_and_limit(void **state)
{
	(void)state;
	static char text[BILL_TEXT_BYTES];
	struct bill bill = {.limit = {2048, "cgroup memory.max of /x"}};
	struct cursor out;
	for (unsigned i = 0; i < BILL_LINES_MAX; i++)
		bill_add(&bill, "store", "rewards.capacity", UINT64_MAX, UINT64_MAX, "%0*d", BILL_WHAT_BYTES * 2, 1);
	cursor_init(&out, text, sizeof text);
	bill_write(&bill, &out);
	assert_false(out.full); /* the longest there can be */

	bill.line_count = 0;
	bill_add(&bill, "store", "rewards.capacity", 3, 100, "slots");
	bill_add(&bill, "program", "", 1, 24, "code");
	cursor_init(&out, text, sizeof text);
	bill_write(&bill, &out);
	cursor_byte(&out, '\0');
	assert_non_null(strstr(text, "\n           300       300 B  store    3 x 100                rewards.capacity "));
	assert_non_null(strstr(text, "\n            24        24 B  program  1 x 24                 - "));
	assert_non_null(strstr(text, " slots\n"));
	assert_non_null(strstr(text, "\n           324       324 B  sum; the limit is 2048 (2.0 KiB, cgroup memory.max of /x)\n"));

	bill.limit.bytes = UINT64_MAX;
	cursor_init(&out, text, sizeof text);
	bill_write(&bill, &out);
	cursor_byte(&out, '\0');
	assert_non_null(strstr(text, "sum; no limit is known\n"));
}

/* ---- pools ---------------------------------------------------------------------------- */

/* Whatever is checked: what a pool reserves is billed, and but for the rests of its pages no more. */
static void pools_are_billed_with_their_checks(void **state)
{
	(void)state;
	enum { ALL = POOL_DEBUG_poison | POOL_DEBUG_canary | POOL_DEBUG_trap | POOL_DEBUG_last_caller, PAGES = 2 * 4096 };
	struct pool_options o = {.name = "billed", .capacity = 500, .node = -1};
	for (o.debug = 0; o.debug <= ALL; o.debug++)
		for (o.object_bytes = 8; o.object_bytes < 10000; o.object_bytes = o.object_bytes * 5 + 16) {
			struct pool *pool;
			struct pool_statistics found;
			o.shared_lines = o.object_bytes % 3 == 0;
			assert_int_equal(pool_setup(&pool, &o), STATUS_ok);
			pool_read_statistics(pool, &found);
			uint64_t billed = o.capacity * pool_stride_bytes(o.object_bytes, o.shared_lines, o.debug) +
			                  pool_table_bytes(o.capacity, o.debug) + PAGES;
			if (found.reserved_bytes > billed || billed > found.reserved_bytes + PAGES)
				fail_msg("checks %u, objects of %zu bytes: %zu bytes, billed are %lu", o.debug, o.object_bytes,
				         found.reserved_bytes, (unsigned long)billed);
			pool_teardown(&pool);
		}
}

/* ---- limits, in a tree of files like the kernel's -------------------------------------- */

static char root[64];

static int make_root(void **state)
{
	(void)state;
	snprintf(root, sizeof root, "/tmp/trove-bill.XXXXXX");
	return mkdtemp(root) == NULL;
}

static int remove_root(void **state)
{
	(void)state;
	char command[128];
	snprintf(command, sizeof command, "rm -r %s", root);
	return system(command);
}

static void write_file(const char *path, const char *text)
{
	char full[256];
	snprintf(full, sizeof full, "%s%s", root, path);
	for (char *slash = full + strlen(root) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
		*slash = '\0';
		mkdir(full, 0700);
		*slash = '/';
	}
	FILE *f = fopen(full, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void assert_limit(uint64_t bytes, const char *source)
{
	struct memory_limit limit;
	memory_limit(root, &limit);
	assert_string_equal(limit.source, source);
	assert_true(limit.bytes == bytes);
}

static void without_files_there_is_no_limit(void **state)
{
	(void)state;
	struct memory_limit limit;
	assert_limit(UINT64_MAX, "none is known");
	memory_limit(root, &limit);
	memory_limit_lower(&limit, 0);
	assert_true(limit.bytes == UINT64_MAX);
	memory_limit_lower(&limit, 5000);
	assert_true(limit.bytes == 5000);
	assert_string_equal(limit.source, "memory.limit_bytes");
	memory_limit_lower(&limit, 6000); /* an own ceiling makes no room */
	assert_true(limit.bytes == 5000);
}

static void the_machine_has_an_end(void **state)
{
	(void)state;
	write_file("/proc/meminfo", "MemFree: 5 kB\nMemTotal:       1000 kB\nMemAvailable: 3 kB\n");
	assert_limit(1024000, "MemTotal");
	write_file("/proc/meminfo", "MemTotal: lots\n");
	assert_limit(UINT64_MAX, "none is known");
}

static void v2_own_group_and_those_above_it(void **state)
{
	(void)state;
	write_file("/proc/meminfo", "MemTotal: 100000 kB\n");
	write_file("/proc/self/cgroup", "0::/a/b\n");
	write_file("/sys/fs/cgroup/a/b/memory.max", "max\n");
	assert_limit(102400000, "MemTotal");
	write_file("/sys/fs/cgroup/a/b/memory.max", "3000000\n");
	assert_limit(3000000, "cgroup memory.max of /a/b");
	write_file("/sys/fs/cgroup/a/memory.max", "2000000\n");
	assert_limit(2000000, "cgroup memory.max of /a");
	write_file("/sys/fs/cgroup/a/memory.max", "4000000\n");
	assert_limit(3000000, "cgroup memory.max of /a/b");
	/* in a container the own group is the root of the mount */
	write_file("/sys/fs/cgroup/memory.max", "1000000\n");
	assert_limit(1000000, "cgroup memory.max of /");
	write_file("/proc/self/cgroup", "0::/docker/0123\n");
	assert_limit(1000000, "cgroup memory.max of /");
	write_file("/proc/self/cgroup", "0::/\n");
	assert_limit(1000000, "cgroup memory.max of /");
}

static void v1_without_its_words_for_no_limit(void **state)
{
	(void)state;
	write_file("/proc/self/cgroup", "9:cpuset:/x\n4:memory:/app/one\n1:name=systemd:/\n");
	write_file("/sys/fs/cgroup/memory/app/one/memory.limit_in_bytes", "9223372036854771712\n");
	assert_limit(UINT64_MAX, "none is known");
	write_file("/sys/fs/cgroup/memory/app/memory.limit_in_bytes", "5000000\n");
	assert_limit(5000000, "cgroup memory.limit_in_bytes of /app");
	write_file("/sys/fs/cgroup/memory/app/one/memory.limit_in_bytes", "4000000\n");
	assert_limit(4000000, "cgroup memory.limit_in_bytes of /app/one");
	write_file("/proc/self/cgroup", "4:memory:/elsewhere\n");
	write_file("/sys/fs/cgroup/memory/memory.limit_in_bytes", "3000000\n");
	assert_limit(3000000, "cgroup memory.limit_in_bytes of /");
}

static void a_group_says_how_it_fares(void **state)
{
	(void)state;
	struct memory_group g;
	assert_false(memory_group_read(root, &g));
	assert_true(g.limit == 0);
	write_file("/proc/self/cgroup", "0::/a/b\n");
	write_file("/sys/fs/cgroup/a/b/memory.max", "max\n");
	write_file("/sys/fs/cgroup/a/memory.max", "8000\n");
	assert_true(memory_group_read(root, &g)); /* an older kernel: no more than this */
	assert_true(g.limit == 8000 && g.current == 0 && g.failures == 0 && g.kills == 0);
	write_file("/sys/fs/cgroup/a/memory.current", "7000\n");
	write_file("/sys/fs/cgroup/a/memory.stat", "file 10\nanon 6500\nanon_thp 0\n");
	write_file("/sys/fs/cgroup/a/memory.events", "low 1\nhigh 2\nmax 3\noom 4\noom_kill 5\noom_group_kill 6\n");
	assert_true(memory_group_read(root, &g));
	assert_string_equal(g.path, "/a");
	assert_true(g.current == 7000 && g.anonymous == 6500 && g.failures == 3 && g.kills == 5);

	write_file("/proc/self/cgroup", "4:memory:/one\n");
	write_file("/sys/fs/cgroup/memory/one/memory.limit_in_bytes", "9000\n");
	write_file("/sys/fs/cgroup/memory/one/memory.usage_in_bytes", "8999\n");
	write_file("/sys/fs/cgroup/memory/one/memory.stat", "rss 1\ntotal_rss 4000\n");
	write_file("/sys/fs/cgroup/memory/one/memory.failcnt", "77\n");
	write_file("/sys/fs/cgroup/memory/one/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n");
	assert_true(memory_group_read(root, &g));
	assert_string_equal(g.limit_file, "memory.limit_in_bytes");
	assert_true(g.limit == 9000 && g.current == 8999 && g.anonymous == 4000 && g.failures == 77 && g.kills == 2);
}

static void files_alone_make_no_shortage(void **state)
{
	(void)state;
	const struct memory_group before = {.limit = 1000, .anonymous = 100, .failures = 5, .kills = 1};
	struct memory_group after = before;
	after.anonymous = 900;
	assert_false(memory_group_was_short(&before, &after)); /* near it, not at it */
	after.failures = 6;
	assert_true(memory_group_was_short(&before, &after));
	after.anonymous = 100;
	assert_false(memory_group_was_short(&before, &after));
	after.kills = 2;
	assert_true(memory_group_was_short(&before, &after));
}

static void garbage_does_not_count(void **state)
{
	(void)state;
	write_file("/proc/self/cgroup", "nonsense\n0\n0:\n0::/a\n");
	const char *const garbage[] = {"", "\n", "-5\n", "12 apples\n", "0x10\n", "99999999999999999999999999\n"};
	for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++) {
		write_file("/sys/fs/cgroup/a/memory.max", garbage[i]);
		assert_limit(UINT64_MAX, "none is known");
	}
	write_file("/sys/fs/cgroup/a/memory.max", "7");
	assert_limit(7, "cgroup memory.max of /a");
}

static void ulimit_counts(void **state)
{
	(void)state;
	struct rlimit before, now;
	if (is_emulated())
		skip();
	assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
	now = before;
	now.rlim_cur = (rlim_t)1 << 46; /* above what a sanitizer maps */
	assert_int_equal(setrlimit(RLIMIT_AS, &now), 0);
	assert_limit(UINT64_C(1) << 46, "ulimit -v");
	assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
}

#define limit_test(f) cmocka_unit_test_setup_teardown(f, make_root, remove_root)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_add_up_and_the_largest_is_named),
		cmocka_unit_test(what_is_too_large_to_count_never_fits),
		cmocka_unit_test(numbers_are_written_for_people_too),
		cmocka_unit_test(the_table_ends_with_sum_and_limit),
		cmocka_unit_test(pools_are_billed_with_their_checks),
		limit_test(without_files_there_is_no_limit),
		limit_test(the_machine_has_an_end),
		limit_test(v2_own_group_and_those_above_it),
		limit_test(v1_without_its_words_for_no_limit),
		limit_test(a_group_says_how_it_fares),
		limit_test(files_alone_make_no_shortage),
		limit_test(garbage_does_not_count),
		limit_test(ulimit_counts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
