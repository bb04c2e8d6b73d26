/*
 * cpu: what this processor and the operating system let us use, and how many
 * processors the process may use. Thread-safe; reads no state of ours.
 */
#ifndef ENGINE_BASE_CPU_H
#define ENGINE_BASE_CPU_H

#include <stdint.h>

struct cpu_features {
	bool avx2;   /* with FMA */
	bool avx512; /* F, BW, DQ and VL */
};

/* Raw register values, so that the decision can be tested for any machine. */
struct cpu_registers {
	uint32_t leaf1_ecx;
	uint32_t leaf7_ebx;
	uint64_t xcr0; /* 0 where XGETBV is not enabled */
};

/* A vector unit counts only if the processor has it (CPUID) *and* the operating
 * system saves its registers (XCR0); the second is what a naive check forgets. */
struct cpu_features cpu_features_from(const struct cpu_registers *r);
/* Of this machine; all false on processors that are not x86-64. */
struct cpu_features cpu_features(void);

/* Processors that the quota of the cgroup and of those above it pays for, rounded up; 0: no limit. root is put
 * before /proc and /sys: "" but in tests. */
unsigned cpu_quota(const char *root);

/* Processors that this process may use: affinity mask and cgroup quota (v1, v2)
 * included, rounded up. At least 1. */
unsigned cpu_count(void);

#endif
