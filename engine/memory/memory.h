/*
 * memory: the options of the process's memory, and how much of it there may be.
 * Main thread, before anything is reserved; keeps nothing.
 */
#ifndef ENGINE_MEMORY_MEMORY_H
#define ENGINE_MEMORY_MEMORY_H

#include "engine/base/option.h"

#define MEMORY_OPTIONS(O) \
	O(integer, memory, limit_bytes, "memory.limit_bytes", "0", 0, INT64_MAX, "bytes", startup, \
	  "Most memory that the bill may come to, else troved does not start; 0: what cgroup, ulimit and machine allow.") \
	O(choice, memory, pages, "memory.pages", "transparent", 0, 0, "small|transparent|2m|1g", startup, \
	  "Best kind of pages to try for what is reserved: hugetlb pages of 1 GiB or 2 MiB, transparent huge ones, 4 KiB.") \
	O(boolean, memory, prefault, "memory.prefault", "true", 0, 0, "", startup, \
	  "Touch everything that is reserved at the start, so that no event waits for a page.") \
	O(boolean, memory, lock, "memory.lock", "false", 0, 0, "", startup, \
	  "Lock what is reserved into memory (RLIMIT_MEMLOCK must allow it), so that it is never swapped out.") \
	O(boolean, memory, lock_program, "memory.lock_program", "true", 0, 0, "", startup, \
	  "Lock the program's code (some MiB, as far as RLIMIT_MEMLOCK allows): else others in its cgroup make events wait.") \
	O(choice, memory, numa, "memory.numa", "auto", 0, 0, "auto|off", startup, \
	  "auto: memory comes from the node that uses it, rewards from each node, where there are several; off: any node.") \
	O(boolean, memory, heap_large_pages, "memory.heap_large_pages", "false", 0, 0, "", startup, \
	  "Let the general heap use huge pages: fewer TLB misses, more memory (two pages of 2 MiB a thread in the bill).") \
	O(integer, memory, heap_purge_delay_ms, "memory.heap_purge_delay_ms", "1000", -1, 3600000, "ms", startup, \
	  "How long the general heap keeps freed pages before it gives them back; -1: for ever.") \
	O(integer, memory, heap_sample_bytes, "memory.heap_sample_bytes", "524288", 0, 1 << 30, "bytes", live, \
	  "Mean distance between the samples of the heap profile (/debug/pprof/heap): smaller is finer; 0: none are taken.") \
	O(integer, memory, heap_samples_max, "memory.heap_samples_max", "8192", 64, 1 << 20, "", startup, \
	  "Live blocks that the heap profile can hold; further samples are dropped and counted.") \
	O(text, memory, pool_debug, "memory.pool_debug", "", 0, 0, "", startup, \
	  "Checks in every pool, separated by commas: poison, canary, trap (a page for each object), last_caller.") \
	O(integer, memory, pool_fail_one_in, "memory.pool_fail_one_in", "0", 0, 1 << 30, "", startup, \
	  "Tests: one in so many borrows from a pool is answered as if the pool were full; 0: none.")

enum memory_numa { MEMORY_NUMA_auto, MEMORY_NUMA_off };

struct memory_options {
	MEMORY_OPTIONS(OPTION_MEMBER)
};

extern const struct option memory_option_rows[];
extern const size_t memory_option_count;

/* The checks of memory.pool_debug as bits of enum pool_debug; false: problem names the word. */
bool memory_pool_debug(const struct memory_options *options, unsigned *debug, struct option_problem *problem);

struct memory_limit {
	uint64_t bytes;   /* UINT64_MAX: none is known */
	char source[320]; /* "MemTotal", "cgroup memory.max of /x", ... */
};

/*
 * The smallest of: memory.max (cgroup v2) or memory.limit_in_bytes (v1) of this process's
 * group and of those above it, RLIMIT_AS, and the machine's MemTotal. What is absent or
 * not understood does not count. root is put before /proc and /sys: "" but in tests.
 */
void memory_limit(const char *root, struct memory_limit *out);

/* An own ceiling (memory.limit_bytes); 0: none. */
void memory_limit_lower(struct memory_limit *limit, int64_t limit_bytes);

#endif
