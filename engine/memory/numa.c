#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "engine/memory/numa.h"

#include "engine/base/check.h"

#include <errno.h>
#include <numa.h>
#include <numaif.h>
#include <sched.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- what there is --------------------------------------------------------------------- */

/* A list of numbers behind key, or the file's first line when key is "". */
static bool read_set(const char *path, const char *key, struct number_set *set)
{
	char line[4096]; /* 1024 numbers, of which no two are neighbours, have 2500 bytes */
	size_t key_bytes = strlen(key);
	bool is_read = false;
	FILE *f = fopen(path, "re");
	if (f == NULL)
		return false;
	while (!is_read && fgets(line, sizeof line, f) != NULL)
		if (strncmp(line, key, key_bytes) == 0)
			is_read = number_set_parse(line + key_bytes, set) == STATUS_ok;
	fclose(f);
	return is_read;
}

/* The kernel lists nodes that could be plugged in as allowed; those with memory count. */
static void find_nodes(struct number_set *nodes)
{
	struct number_set with_memory;
	if (!read_set("/proc/self/status", "Mems_allowed_list:", nodes))
		*nodes = (struct number_set){};
	if (read_set("/sys/devices/system/node/has_memory", "", &with_memory))
		number_set_intersect(nodes, &with_memory);
}

static long prefer(void *bytes, size_t size, unsigned node)
{
	enum { WORD_BITS = sizeof(unsigned long) * 8 };
	unsigned long mask[NUMBER_SET_LIMIT / WORD_BITS] = {};
	mask[node / WORD_BITS] = 1UL << node % WORD_BITS;
	/* The kernel takes one bit less than it is told. */
	return mbind(bytes, size, MPOL_PREFERRED, mask, NUMBER_SET_LIMIT + 1, 0);
}

/* Under docker's seccomp profile libnuma finds NUMA, and mbind is refused: only trying
 * tells. Returns errno. */
static int try_one_page(unsigned node)
{
	size_t size = (size_t)sysconf(_SC_PAGESIZE);
	void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return errno;
	int error = prefer(page, size, node) == 0 ? 0 : errno;
	munmap(page, size);
	return error;
}

[[gnu::format(printf, 2, 3)]] static void set_reason(struct numa *numa, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(numa->reason, sizeof numa->reason, format, arguments);
	va_end(arguments);
}

void numa_setup(struct numa *numa, bool enabled)
{
	*numa = (struct numa){};
	if (!enabled) {
		set_reason(numa, "switched off");
		return;
	}
	errno = 0;
	if (numa_available() < 0) {
		/* Docker's default seccomp profile refuses even the question. */
		if (errno == EPERM)
			set_reason(numa, "asking for NUMA is not permitted, as in a container without CAP_SYS_NICE");
		else
			set_reason(numa, "the kernel offers no NUMA");
		return;
	}
	find_nodes(&numa->nodes);
	numa->node_count = number_set_count(&numa->nodes);
	if (numa->node_count == 0) {
		set_reason(numa, "the kernel does not say which nodes are allowed");
		return;
	}
	unsigned first = number_set_next(&numa->nodes, 0);
	int error = try_one_page(first);
	numa->is_permitted = error == 0;
	if (numa->node_count == 1)
		set_reason(numa, "node %u is the only one", first);
	else if (error == EPERM)
		set_reason(numa, "mbind is not permitted, as in a container without CAP_SYS_NICE");
	else if (error != 0)
		set_reason(numa, "mbind failed: %s", strerrordesc_np(error));
	else
		numa->can_place = true;
}

void numa_describe(const struct numa *numa, char *text, size_t capacity)
{
	char nodes[64];
	if (!numa->can_place) {
		snprintf(text, capacity, "any node: %s", numa->reason);
		return;
	}
	number_set_print(&numa->nodes, nodes, sizeof nodes);
	snprintf(text, capacity, "%u nodes (%s), memory is placed", numa->node_count, nodes);
}

/* ---- placing ---------------------------------------------------------------------------- */

int numa_node(const struct numa *numa, int node)
{
	return numa->can_place && node >= 0 && number_set_has(&numa->nodes, (unsigned)node) ? node : NUMA_ANY_NODE;
}

status numa_place(const struct numa *numa, void *bytes, size_t size, int node)
{
	node = numa_node(numa, node);
	if (node == NUMA_ANY_NODE || size == 0)
		return STATUS_ok;
	CHECK((uintptr_t)bytes % (uintptr_t)sysconf(_SC_PAGESIZE) == 0, "placing %p, which no page starts at", bytes);
	return prefer(bytes, size, (unsigned)node) == 0 ? STATUS_ok : STATUS_internal;
}

void *numa_take(const struct numa *numa, size_t size, int node)
{
	node = numa_node(numa, node);
	if (node == NUMA_ANY_NODE) {
		void *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		return bytes == MAP_FAILED ? NULL : bytes;
	}
	/* libnuma would bind, and the process would be killed when the node is full. The
	 * setting is the calling thread's. */
	numa_set_bind_policy(0);
	return numa_alloc_onnode(size, node);
}

void numa_give(void **bytes, size_t size)
{
	if (*bytes != NULL)
		munmap(*bytes, size);
	*bytes = NULL;
}

/* ---- asking ------------------------------------------------------------------------------ */

int numa_node_of_processor(const struct numa *numa, int cpu)
{
	return numa->can_place && cpu >= 0 ? numa_node(numa, numa_node_of_cpu(cpu)) : NUMA_ANY_NODE;
}

int numa_node_of_thread(void)
{
	unsigned cpu, node;
	return getcpu(&cpu, &node) == 0 ? (int)node : NUMA_ANY_NODE;
}

enum { ASK_PAGES = 256 }; /* by one call; its lists are on the stack */

static bool ask(const uint8_t *bytes, size_t page_bytes, unsigned count, int where[ASK_PAGES])
{
	void *pages[ASK_PAGES];
	for (unsigned i = 0; i < count; i++)
		pages[i] = (void *)(uintptr_t)(bytes + i * page_bytes);
	return move_pages(0, count, pages, NULL, where, 0) == 0;
}

status numa_count_pages(const void *bytes, size_t size, unsigned node_count, size_t pages_on_node[], size_t *absent)
{
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	size_t left = (size + page_bytes - 1) / page_bytes;
	const uint8_t *at = bytes;
	memset(pages_on_node, 0, node_count * sizeof *pages_on_node);
	*absent = 0;
	while (left != 0) {
		int where[ASK_PAGES];
		unsigned count = left < ASK_PAGES ? (unsigned)left : ASK_PAGES;
		if (!ask(at, page_bytes, count, where))
			return STATUS_invalid_state;
		for (unsigned i = 0; i < count; i++) {
			if (where[i] >= 0 && (unsigned)where[i] < node_count)
				pages_on_node[where[i]]++;
			else
				++*absent;
		}
		at += count * page_bytes;
		left -= count;
	}
	return STATUS_ok;
}
