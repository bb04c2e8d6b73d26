#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "engine/base/cpu.h"

#include "engine/base/cgroup.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __x86_64__
#include <cpuid.h>
#endif

enum {
	LEAF1_ECX_FMA = 1 << 12,
	LEAF1_ECX_OSXSAVE = 1 << 27,
	LEAF7_EBX_AVX2 = 1 << 5,
	LEAF7_EBX_AVX512F = 1 << 16,
	LEAF7_EBX_AVX512DQ = 1 << 17,
	LEAF7_EBX_AVX512BW = 1 << 30,
	XCR0_YMM = 0x6,     /* SSE and AVX state */
	XCR0_ZMM = 0xe6,    /* and opmask, upper halves, upper registers */
};
#define LEAF7_EBX_AVX512VL (1u << 31)

struct cpu_features cpu_features_from(const struct cpu_registers *r)
{
	struct cpu_features f = {};
	uint64_t xcr0 = (r->leaf1_ecx & LEAF1_ECX_OSXSAVE) != 0 ? r->xcr0 : 0;
	uint32_t avx512 = LEAF7_EBX_AVX512F | LEAF7_EBX_AVX512DQ | LEAF7_EBX_AVX512BW | LEAF7_EBX_AVX512VL;
	f.avx2 = (xcr0 & XCR0_YMM) == XCR0_YMM && (r->leaf1_ecx & LEAF1_ECX_FMA) != 0 && (r->leaf7_ebx & LEAF7_EBX_AVX2) != 0;
	f.avx512 = f.avx2 && (xcr0 & XCR0_ZMM) == XCR0_ZMM && (r->leaf7_ebx & avx512) == avx512;
	return f;
}

struct cpu_features cpu_features(void)
{
	struct cpu_registers r = {};
#ifdef __x86_64__
	uint32_t a, b, c, d;
	if (__get_cpuid(1, &a, &b, &c, &d))
		r.leaf1_ecx = c;
	if (__get_cpuid_count(7, 0, &a, &b, &c, &d))
		r.leaf7_ebx = b;
	if ((r.leaf1_ecx & LEAF1_ECX_OSXSAVE) != 0) {
		uint32_t low, high;
		__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
		r.xcr0 = (uint64_t)high << 32 | low;
	}
#endif
	return cpu_features_from(&r);
}

/* One or two numbers from the start of a file. */
static bool read_numbers(const char *path, long long *first, long long *second)
{
	char line[64], *end;
	FILE *f = fopen(path, "re");
	if (f == NULL)
		return false;
	bool has_line = fgets(line, sizeof line, f) != NULL;
	fclose(f);
	if (!has_line)
		return false;
	*first = strtoll(line, &end, 10);
	*second = strtoll(end, NULL, 10);
	return end != line;
}

static unsigned whole_processors(long long quota, long long period)
{
	return quota <= 0 || period <= 0 ? 0 : (unsigned)((quota + period - 1) / period);
}

static unsigned quota_v2(const char *root, const char *group)
{
	char path[640];
	long long quota, period;
	snprintf(path, sizeof path, "%s/sys/fs/cgroup%s/cpu.max", root, group);
	return read_numbers(path, &quota, &period) ? whole_processors(quota, period) : 0;
}

static unsigned quota_v1(const char *root, const char *group)
{
	char path[640];
	long long quota, period, unused;
	snprintf(path, sizeof path, "%s/sys/fs/cgroup/cpu%s/cpu.cfs_quota_us", root, group);
	if (!read_numbers(path, &quota, &unused))
		return 0;
	snprintf(path, sizeof path, "%s/sys/fs/cgroup/cpu%s/cpu.cfs_period_us", root, group);
	return read_numbers(path, &period, &unused) ? whole_processors(quota, period) : 0;
}

/* The own group's quota and of those above it, which hold for it, too; the last one looked at is the root of the mount:
 * inside a container that is the own group, whatever path is told. */
static unsigned smallest(const char *root, const char *controller, unsigned (*quota)(const char *, const char *))
{
	char group[CGROUP_PATH_BYTES];
	unsigned least = 0;
	cgroup_path(root, controller, group, sizeof group);
	do {
		unsigned count = quota(root, strcmp(group, "/") == 0 ? "" : group);
		if (count != 0 && (least == 0 || count < least))
			least = count;
	} while (cgroup_up(group));
	return least;
}

unsigned cpu_quota(const char *root)
{
	unsigned v2 = smallest(root, "", quota_v2), v1 = smallest(root, "cpu", quota_v1);
	return v2 != 0 && (v1 == 0 || v2 < v1) ? v2 : v1;
}

unsigned cpu_count(void)
{
	cpu_set_t set;
	unsigned count = 1;
	if (sched_getaffinity(0, sizeof set, &set) == 0)
		count = (unsigned)CPU_COUNT(&set);
	unsigned quota = cpu_quota("");
	if (quota != 0 && quota < count)
		count = quota;
	return count == 0 ? 1 : count;
}
