#include "engine/base/cpu.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

/* A machine that has everything; the tests take one thing away. */
static const struct cpu_registers all = {
	.leaf1_ecx = 1u << 12 | 1u << 27,
	.leaf7_ebx = 1u << 5 | 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31,
	.xcr0 = 0xe7,
};

static void a_vector_unit_counts_only_with_the_system(void **state)
{
	(void)state;
	struct cpu_features f = cpu_features_from(&all);
	assert_true(f.avx2 && f.avx512);

	struct cpu_registers r = all;
	r.xcr0 = 0x7; /* the system saves AVX state only */
	f = cpu_features_from(&r);
	assert_true(f.avx2 && !f.avx512);

	r.xcr0 = 0x3; /* SSE only */
	f = cpu_features_from(&r);
	assert_false(f.avx2 || f.avx512);

	r = all;
	r.leaf1_ecx &= ~(1u << 27); /* XGETBV is not enabled: xcr0 means nothing */
	f = cpu_features_from(&r);
	assert_false(f.avx2 || f.avx512);
}

static void every_part_of_avx512_is_needed(void **state)
{
	(void)state;
	const unsigned bits[] = {16, 17, 30, 31};
	for (size_t i = 0; i < sizeof bits / sizeof bits[0]; i++) {
		struct cpu_registers r = all;
		r.leaf7_ebx &= ~(1u << bits[i]);
		struct cpu_features f = cpu_features_from(&r);
		assert_true(f.avx2 && !f.avx512);
	}
	struct cpu_registers r = all;
	r.leaf1_ecx &= ~(1u << 12); /* FMA */
	struct cpu_features f = cpu_features_from(&r);
	assert_false(f.avx2 || f.avx512);
}

/* ---- quotas, in a tree of files like the kernel's ------------------------------------- */

static char root[] = "/tmp/trove-cpu.XXXXXX";

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

static void quotas_are_read_from_both_kinds_of_cgroup(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(root));
	assert_int_equal(cpu_quota(root), 0); /* no cgroups at all */

	/* v1; "cpuset" is another controller than "cpu" */
	write_file("/proc/self/cgroup", "9:cpuset:/\n4:cpu,cpuacct:/app\n1:name=systemd:/\n");
	write_file("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
	write_file("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
	assert_int_equal(cpu_quota(root), 0);
	write_file("/sys/fs/cgroup/cpu/app/cpu.cfs_quota_us", "90000\n");
	write_file("/sys/fs/cgroup/cpu/app/cpu.cfs_period_us", "100000\n");
	assert_int_equal(cpu_quota(root), 1);
	write_file("/sys/fs/cgroup/cpu/app/cpu.cfs_quota_us", "250000\n");
	assert_int_equal(cpu_quota(root), 3);

	/* v2, as a container sees it: its own group is the root */
	write_file("/proc/self/cgroup", "0::/docker/0123\n");
	write_file("/sys/fs/cgroup/cpu/app/cpu.cfs_quota_us", "-1\n");
	write_file("/sys/fs/cgroup/cpu.max", "max 100000\n");
	assert_int_equal(cpu_quota(root), 0);
	write_file("/sys/fs/cgroup/cpu.max", "150000 100000\n");
	assert_int_equal(cpu_quota(root), 2);

	/* v2, as the host sees it: a limit higher up holds, too, in whatever order they come */
	write_file("/sys/fs/cgroup/docker/0123/cpu.max", "400000 100000\n");
	assert_int_equal(cpu_quota(root), 2);
	write_file("/sys/fs/cgroup/cpu.max", "max 100000\n");
	assert_int_equal(cpu_quota(root), 4);
	write_file("/sys/fs/cgroup/docker/cpu.max", "300000 100000\n");
	assert_int_equal(cpu_quota(root), 3);
	write_file("/sys/fs/cgroup/docker/0123/cpu.max", "100000 100000\n");
	assert_int_equal(cpu_quota(root), 1);

	/* both at once: the smaller one; v1 above the own group */
	write_file("/proc/self/cgroup", "4:cpu,cpuacct:/app/a/b\n0::/docker/0123\n");
	write_file("/sys/fs/cgroup/docker/0123/cpu.max", "800000 100000\n");
	write_file("/sys/fs/cgroup/docker/cpu.max", "max 100000\n");
	assert_int_equal(cpu_quota(root), 8);
	write_file("/sys/fs/cgroup/cpu/app/cpu.cfs_quota_us", "500000\n");
	assert_int_equal(cpu_quota(root), 5);

	/* what is not understood is no limit */
	write_file("/sys/fs/cgroup/cpu/app/cpu.cfs_quota_us", "many\n");
	write_file("/sys/fs/cgroup/docker/0123/cpu.max", "\n");
	assert_int_equal(cpu_quota(root), 0);

	char command[128];
	snprintf(command, sizeof command, "rm -r %s", root);
	assert_int_equal(system(command), 0);
}

static void this_machine_has_processors(void **state)
{
	(void)state;
	assert_in_range(cpu_count(), 1, 4096);
#ifdef __x86_64__
	struct cpu_features f = cpu_features();
	assert_int_equal(f.avx2, __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"));
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_vector_unit_counts_only_with_the_system),
		cmocka_unit_test(every_part_of_avx512_is_needed),
		cmocka_unit_test(quotas_are_read_from_both_kinds_of_cgroup),
		cmocka_unit_test(this_machine_has_processors),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
