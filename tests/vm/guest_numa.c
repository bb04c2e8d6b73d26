/*
 * engine/memory/numa in the guest, where there are two nodes: what is placed is where the
 * kernel says it is, whoever touches it. One mode for each kind of machine.
 */
#include "engine/base/thread.h"
#include "engine/memory/numa.h"
#include "tests/support/deny_placement.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sysexits.h>

enum { NODES = 2, BYTES = 8 << 20, PAGE_BYTES = 4096 };

struct report {
	unsigned failed;
};

[[gnu::format(printf, 3, 4)]] static void say(struct report *report, bool is_ok, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	printf(is_ok ? "ok " : "not ok ");
	vprintf(format, arguments);
	printf("\n");
	va_end(arguments);
	report->failed += !is_ok;
}

/* ---- touching from a processor of one's choice --------------------------------------- */

struct touch {
	unsigned cpu;
	uint8_t *bytes;
	size_t size;
	int node; /* of the thread, once it was pinned */
};

static void *touch_pinned(void *argument)
{
	struct touch *t = argument;
	t->node = thread_pin(t->cpu) == STATUS_ok ? numa_node_of_thread() : NUMA_ANY_NODE;
	for (size_t i = 0; i < t->size; i += PAGE_BYTES)
		t->bytes[i] = 1;
	return NULL;
}

/* In this guest processor n belongs to node n. */
static bool touch(unsigned cpu, void *bytes, size_t size)
{
	struct touch t = {.cpu = cpu, .bytes = bytes, .size = size};
	pthread_t thread;
	if (pthread_create(&thread, NULL, touch_pinned, &t) != 0)
		return false;
	pthread_join(thread, NULL);
	return t.node == (int)cpu;
}

/* Nearly all: a node that is short gives a page of the other. */
static void are_on(struct report *report, const void *bytes, size_t size, unsigned node, const char *what, unsigned cpu)
{
	size_t on_node[NODES] = {}, absent = 0, pages = size / PAGE_BYTES;
	bool is_told = numa_count_pages(bytes, size, NODES, on_node, &absent) == STATUS_ok;
	say(report, is_told && absent == 0 && on_node[node] >= pages - pages / 100,
	    "%s on node %u, touched by processor %u: %zu and %zu of %zu pages on nodes 0 and 1", what, node, cpu, on_node[0],
	    on_node[1], pages);
}

static uint8_t *map(size_t size)
{
	void *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return bytes == MAP_FAILED ? NULL : bytes;
}

/* ---- two nodes ---------------------------------------------------------------------------- */

static void place(struct report *report, const struct numa *numa, unsigned node, unsigned cpu)
{
	uint8_t *bytes = map(BYTES);
	bool is_placed = bytes != NULL && numa_place(numa, bytes, BYTES, (int)node) == STATUS_ok && touch(cpu, bytes, BYTES);
	if (is_placed)
		are_on(report, bytes, BYTES, node, "placed", cpu);
	else
		say(report, false, "placed on node %u, touched by processor %u", node, cpu);
	if (bytes != NULL)
		munmap(bytes, BYTES);
}

static void take(struct report *report, const struct numa *numa, unsigned node, unsigned cpu)
{
	void *bytes = numa_take(numa, BYTES, (int)node);
	if (bytes != NULL && touch(cpu, bytes, BYTES))
		are_on(report, bytes, BYTES, node, "taken", cpu);
	else
		say(report, false, "taken on node %u, touched by processor %u", node, cpu);
	numa_give(&bytes, BYTES);
}

/* Without a wish pages come from where they are touched; else the checks above show nothing. */
static void any(struct report *report, const struct numa *numa, unsigned cpu)
{
	uint8_t *bytes = map(BYTES);
	bool is_placed = bytes != NULL && numa_place(numa, bytes, BYTES, NUMA_ANY_NODE) == STATUS_ok &&
	                 numa_place(numa, bytes, BYTES, 7) == STATUS_ok && touch(cpu, bytes, BYTES);
	if (is_placed)
		are_on(report, bytes, BYTES, cpu, "any node is", cpu);
	else
		say(report, false, "any node, touched by processor %u", cpu);
	if (bytes != NULL)
		munmap(bytes, BYTES);
}

static size_t free_bytes(unsigned node)
{
	char path[64], line[128];
	unsigned long kib = 0;
	snprintf(path, sizeof path, "/sys/devices/system/node/node%u/meminfo", node);
	FILE *f = fopen(path, "re");
	if (f == NULL)
		return 0;
	while (fgets(line, sizeof line, f) != NULL)
		if (sscanf(line, "Node %*u MemFree: %lu", &kib) == 1)
			break;
	fclose(f);
	return kib << 10;
}

/* Asking a node for more than it has must end with memory of another, not with a kill. */
static void overfill(struct report *report, const struct numa *numa, bool is_taken)
{
	size_t size = (free_bytes(1) + (48 << 20)) & ~((size_t)PAGE_BYTES - 1);
	size_t on_node[NODES] = {}, absent = 0;
	void *bytes = is_taken ? numa_take(numa, size, 1) : map(size);
	bool is_there = bytes != NULL && (is_taken || numa_place(numa, bytes, size, 1) == STATUS_ok) && touch(0, bytes, size) &&
	                numa_count_pages(bytes, size, NODES, on_node, &absent) == STATUS_ok;
	say(report, is_there && absent == 0 && on_node[0] > 0 && on_node[1] > on_node[0],
	    "%s: node 1 is full, node 0 gives: %zu and %zu pages on nodes 0 and 1", is_taken ? "taken" : "placed", on_node[0],
	    on_node[1]);
	if (bytes != NULL)
		numa_give(&bytes, size);
}

/* Pages that nobody has touched are absent, and counting does not bring them. */
static void count_untouched(struct report *report)
{
	size_t on_node[NODES], absent = 0;
	uint8_t *bytes = map(BYTES);
	bool is_told = bytes != NULL && numa_count_pages(bytes, BYTES, NODES, on_node, &absent) == STATUS_ok;
	say(report, is_told && absent == BYTES / PAGE_BYTES && on_node[0] + on_node[1] == 0, "untouched pages are absent");
	if (bytes != NULL)
		munmap(bytes, BYTES);
}

static void with_nodes(struct report *report)
{
	struct numa numa;
	char text[160];
	numa_setup(&numa, true);
	numa_describe(&numa, text, sizeof text);
	say(report, strcmp(text, "2 nodes (0-1), memory is placed") == 0, "described: %s", text);
	for (unsigned node = 0; node < NODES; node++)
		for (unsigned cpu = 0; cpu < NODES; cpu++) {
			place(report, &numa, node, cpu);
			take(report, &numa, node, cpu);
		}
	for (unsigned cpu = 0; cpu < NODES; cpu++)
		any(report, &numa, cpu);
	count_untouched(report);
	overfill(report, &numa, false);
	overfill(report, &numa, true);
}

/* ---- less than that ---------------------------------------------------------------------- */

/* Every wish is taken, and the bytes come from wherever: node, or the touching processor's. */
static void degraded(struct report *report, const char *expected, int node)
{
	struct numa numa;
	char text[160];
	numa_setup(&numa, true);
	numa_describe(&numa, text, sizeof text);
	say(report, !numa.can_place && strcmp(text, expected) == 0, "described: %s", text);
	for (int wanted = 0; wanted < NODES; wanted++)
		for (unsigned cpu = 0; cpu < NODES; cpu++) {
			uint8_t *placed = map(BYTES);
			void *taken = numa_take(&numa, BYTES, wanted);
			bool is_fine = placed != NULL && taken != NULL && numa_node(&numa, wanted) == NUMA_ANY_NODE &&
			               numa_place(&numa, placed, BYTES, wanted) == STATUS_ok && touch(cpu, placed, BYTES) &&
			               touch(cpu, taken, BYTES);
			say(report, is_fine, "node %d wanted by processor %u: any node", wanted, cpu);
			if (is_fine) {
				are_on(report, placed, BYTES, node < 0 ? cpu : (unsigned)node, "placed", cpu);
				are_on(report, taken, BYTES, node < 0 ? cpu : (unsigned)node, "taken", cpu);
			}
			numa_give(&taken, BYTES);
			if (placed != NULL)
				munmap(placed, BYTES);
		}
}

int main(int argc, char **argv)
{
	const char *mode = argc == 2 ? argv[1] : "";
	struct report report = {};
	if (strcmp(mode, "nodes") == 0)
		with_nodes(&report);
	else if (strcmp(mode, "refused") == 0 && deny_placement(false))
		degraded(&report, "any node: mbind is not permitted, as in a container without CAP_SYS_NICE", NUMA_ANY_NODE);
	else if (strcmp(mode, "one") == 0)
		degraded(&report, "any node: node 1 is the only one", 1);
	else {
		fprintf(stderr, "not ok guest_numa '%s'\nusage: guest_numa nodes|refused|one\n", mode);
		return EX_USAGE;
	}
	return report.failed == 0 ? 0 : 1;
}
