#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "engine/base/cpu.h"

#include <sched.h>
#include <stdio.h>
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
	FILE *f = fopen(path, "re");
	if (f == NULL)
		return false;
	*second = 0;
	int n = fscanf(f, "%lld %lld", first, second);
	fclose(f);
	return n >= 1;
}

/* The part of /proc/self/cgroup that follows the controller list. */
static void cgroup_path(const char *controller, char *path, size_t capacity)
{
	snprintf(path, capacity, "/");
	FILE *f = fopen("/proc/self/cgroup", "re");
	if (f == NULL)
		return;
	char line[512];
	while (fgets(line, sizeof line, f) != NULL) {
		char *first = strchr(line, ':');
		char *second = first == NULL ? NULL : strchr(first + 1, ':');
		if (second == NULL)
			continue;
		*second = '\0';
		bool match = controller[0] == '\0' ? first[1] == '\0' : strstr(first + 1, controller) != NULL;
		if (!match)
			continue;
		second[1 + strcspn(second + 1, "\n")] = '\0';
		snprintf(path, capacity, "%s", second + 1);
		break;
	}
	fclose(f);
}

/* Processors that the cgroup's quota pays for, rounded up; 0 for no limit. */
static unsigned cgroup_quota(void)
{
	char group[512];
	char path[640];
	long long quota = 0;
	long long period = 0;
	cgroup_path("", group, sizeof group);
	/* Inside a container the own group is mounted as the root. */
	const char *groups[] = {group, ""};
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof path, "/sys/fs/cgroup%s/cpu.max", groups[i]);
		if (read_numbers(path, &quota, &period) && quota > 0 && period > 0)
			return (unsigned)((quota + period - 1) / period);
	}
	cgroup_path("cpu", group, sizeof group);
	groups[0] = group;
	for (int i = 0; i < 2; i++) {
		long long unused;
		snprintf(path, sizeof path, "/sys/fs/cgroup/cpu%s/cpu.cfs_quota_us", groups[i]);
		bool limited = read_numbers(path, &quota, &unused) && quota > 0;
		snprintf(path, sizeof path, "/sys/fs/cgroup/cpu%s/cpu.cfs_period_us", groups[i]);
		if (limited && read_numbers(path, &period, &unused) && period > 0)
			return (unsigned)((quota + period - 1) / period);
	}
	return 0;
}

unsigned cpu_count(void)
{
	cpu_set_t set;
	unsigned count = 1;
	if (sched_getaffinity(0, sizeof set, &set) == 0)
		count = (unsigned)CPU_COUNT(&set);
	unsigned quota = cgroup_quota();
	if (quota != 0 && quota < count)
		count = quota;
	return count == 0 ? 1 : count;
}
