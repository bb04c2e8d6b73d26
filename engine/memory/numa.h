/*
 * numa: which memory node bytes come from. What this machine, a cpuset or a container
 * does not allow becomes "any node": callers place as they like and never ask first.
 *
 * Ownership: a struct numa is set up once, by main, and only read after that.
 * Threads: any. Nothing here belongs on the hot path, as each call is a system call, but
 * numa_node_of_thread, which asks the vdso.
 * After: mbind(2), move_pages(2), numa(3).
 */
#ifndef ENGINE_MEMORY_NUMA_H
#define ENGINE_MEMORY_NUMA_H

#include "engine/base/number_set.h"
#include "engine/base/status.h"

#include <stddef.h>

enum { NUMA_ANY_NODE = -1 };

struct numa {
	struct number_set nodes; /* that we may have memory from; empty where that is unknown */
	unsigned node_count;
	bool is_permitted; /* a real mbind was let through */
	bool can_place;    /* permitted, and there is a choice */
	char reason[96];   /* why not; "" when it can */
};

/* Never fails: what is not there is left out. Not enabled: any node for everything. */
void numa_setup(struct numa *numa, bool enabled);

/* One line for the log: "2 nodes (0-1), memory is placed" or "any node: <reason>". */
void numa_describe(const struct numa *numa, char *text, size_t capacity);

/* The node itself when memory can be placed there, else NUMA_ANY_NODE. */
int numa_node(const struct numa *numa, int node);

/* Prefers the node for size bytes of whole pages that nobody has touched yet; pages that
 * are there already stay where they are. When the node is full others give. Any node is
 * nothing to do. STATUS_internal if the kernel refuses what it allowed at setup. */
[[gnu::nonnull]] status numa_place(const struct numa *numa, void *bytes, size_t size, int node);

/* size bytes of zero pages that prefer the node, for numa_give; NULL if there are none. */
[[gnu::nonnull]] void *numa_take(const struct numa *numa, size_t size, int node);
/* *bytes may be NULL, and is afterwards. size is that of numa_take. */
void numa_give(void **bytes, size_t size);

/* The node of a processor if memory can be placed there, else NUMA_ANY_NODE; also for cpu -1. */
int numa_node_of_processor(const struct numa *numa, int cpu);

/* The node of the processor that runs this thread just now; NUMA_ANY_NODE if unknown. */
int numa_node_of_thread(void);

/* Where the pages of a range are: pages_on_node[n] of node n < node_count; *absent: not
 * there yet, or on a node past those. STATUS_invalid_state where the kernel does not tell. */
[[gnu::nonnull]] status numa_count_pages(const void *bytes, size_t size, unsigned node_count,
                                         size_t pages_on_node[], size_t *absent);

#endif
