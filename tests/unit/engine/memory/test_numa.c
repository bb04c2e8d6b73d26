/* numa on whatever machine this is: mostly one node, or no right to place. Two nodes are
 * seen by tests/vm. */
#include "engine/memory/numa.h"
#include "tests/support/deny_placement.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { PAGES = 300 }; /* more than one question to the kernel holds */

static size_t page_bytes(void) { return (size_t)sysconf(_SC_PAGESIZE); }

/* The kernel behind an emulator may not know these calls. */
static void needs_answers(status s)
{
	if (s == STATUS_ok)
		return;
	printf("SKIP: the kernel does not say where pages are\n");
	skip();
}

static size_t present(const void *bytes, size_t size, size_t *absent)
{
	size_t on_node[NUMBER_SET_LIMIT], sum = 0;
	needs_answers(numa_count_pages(bytes, size, NUMBER_SET_LIMIT, on_node, absent));
	for (size_t i = 0; i < NUMBER_SET_LIMIT; i++)
		sum += on_node[i];
	return sum;
}

static void setup_is_consistent(void **state)
{
	(void)state;
	struct numa numa;
	char text[160];
	numa_setup(&numa, true);
	numa_describe(&numa, text, sizeof text);
	printf("numa: %s\n", text);
	assert_int_equal(numa.node_count, number_set_count(&numa.nodes));
	assert_int_equal(numa.can_place, numa.reason[0] == '\0');
	assert_true(!numa.can_place || (numa.is_permitted && numa.node_count > 1));
	assert_int_equal(strncmp(text, "any node: ", 10) == 0, !numa.can_place);
	assert_int_equal(numa_node(&numa, NUMA_ANY_NODE), NUMA_ANY_NODE);
	assert_int_equal(numa_node(&numa, NUMBER_SET_LIMIT), NUMA_ANY_NODE);
	assert_int_equal(numa_node(&numa, INT32_MIN), NUMA_ANY_NODE);
}

/* A description of a machine, so that the choice is seen on any. */
static void only_nodes_that_can_be_chosen_are(void **state)
{
	(void)state;
	char text[160];
	struct numa numa = {.node_count = 2, .is_permitted = true, .can_place = true};
	number_set_add(&numa.nodes, 1);
	number_set_add(&numa.nodes, 3);
	assert_int_equal(numa_node(&numa, 1), 1);
	assert_int_equal(numa_node(&numa, 3), 3);
	assert_int_equal(numa_node(&numa, 0), NUMA_ANY_NODE);
	assert_int_equal(numa_node(&numa, 2), NUMA_ANY_NODE);
	numa_describe(&numa, text, sizeof text);
	assert_string_equal(text, "2 nodes (1,3), memory is placed");
	numa.can_place = false;
	assert_int_equal(numa_node(&numa, 1), NUMA_ANY_NODE);
}

static void switched_off_is_any_node(void **state)
{
	(void)state;
	struct numa numa;
	char text[160];
	numa_setup(&numa, false);
	numa_describe(&numa, text, sizeof text);
	assert_string_equal(text, "any node: switched off");
	assert_int_equal(numa_node(&numa, 0), NUMA_ANY_NODE);
	/* Nothing is looked at, so nothing can go wrong. */
	assert_int_equal(numa_place(&numa, &numa, 1, 0), STATUS_ok);
}

/* Takes, places and counts on every node there is, and on one that there is not. */
static void use(const struct numa *numa)
{
	for (int node = NUMA_ANY_NODE; node < 4; node++) {
		size_t size = PAGES * page_bytes(), absent;
		uint8_t *bytes = numa_take(numa, size, node);
		assert_non_null(bytes);
		assert_int_equal(bytes[0] | bytes[size - 1], 0);
		memset(bytes, 1, size);
		assert_int_equal(present(bytes, size, &absent), PAGES);
		assert_int_equal(absent, 0);
		void *given = bytes;
		numa_give(&given, size);
		assert_null(given);
		numa_give(&given, size);

		bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		assert_ptr_not_equal(bytes, MAP_FAILED);
		assert_int_equal(numa_place(numa, bytes, size, node), STATUS_ok);
		bytes[0] = bytes[(PAGES - 1) * page_bytes()] = 1;
		size_t there = present(bytes, size, &absent);
		assert_true(there >= 2 && there + absent == PAGES); /* huge pages may bring more */
		munmap(bytes, size);
	}
}

static void memory_can_be_used_anywhere(void **state)
{
	(void)state;
	struct numa numa;
	numa_setup(&numa, true);
	use(&numa);
	numa_setup(&numa, false);
	use(&numa);
}

static void threads_know_their_node(void **state)
{
	(void)state;
	struct numa numa;
	numa_setup(&numa, true);
	int node = numa_node_of_thread();
	assert_in_range(node + 1, 0, NUMBER_SET_LIMIT);
	if (numa.node_count == 0) {
		printf("SKIP: no NUMA in this kernel\n");
		skip();
	}
	assert_int_not_equal(node, NUMA_ANY_NODE);
}

/* ---- where placing is refused ------------------------------------------------------------ */

enum { CHILD_fine, CHILD_no_filter, CHILD_permitted, CHILD_placed, CHILD_silent, CHILD_no_memory };

static int refused(bool and_asking)
{
	struct numa numa;
	size_t size = 16 * page_bytes();
	if (!deny_placement(and_asking))
		return CHILD_no_filter;
	numa_setup(&numa, true);
	if (numa.is_permitted || numa.can_place)
		return CHILD_permitted;
	if (numa.reason[0] == '\0' || ((and_asking || numa.node_count > 1) && strstr(numa.reason, "not permitted") == NULL))
		return CHILD_silent;
	uint8_t *bytes = numa_take(&numa, size, 0);
	if (bytes == NULL)
		return CHILD_no_memory;
	memset(bytes, 1, size);
	/* What is any node everywhere does not ask the kernel again; what insists is told. */
	if (numa_place(&numa, bytes, size, 0) != STATUS_ok)
		return CHILD_placed;
	struct numa wrong = {.node_count = 2, .can_place = true};
	number_set_add(&wrong.nodes, 0);
	return numa_place(&wrong, bytes, size, 0) == STATUS_internal ? CHILD_fine : CHILD_placed;
}

static void assert_any_node(bool and_asking)
{
	int result;
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0)
		_exit(refused(and_asking));
	assert_int_equal(waitpid(child, &result, 0), child);
	assert_true(WIFEXITED(result));
	if (WEXITSTATUS(result) == CHILD_no_filter) {
		printf("SKIP: no seccomp filters here\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(result), CHILD_fine);
}

static void a_refused_mbind_is_any_node(void **state)
{
	(void)state;
	assert_any_node(false);
}

static void where_asking_is_refused_it_is_said(void **state)
{
	(void)state;
	assert_any_node(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(setup_is_consistent),
		cmocka_unit_test(only_nodes_that_can_be_chosen_are),
		cmocka_unit_test(switched_off_is_any_node),
		cmocka_unit_test(memory_can_be_used_anywhere),
		cmocka_unit_test(threads_know_their_node),
		cmocka_unit_test(a_refused_mbind_is_any_node),
		cmocka_unit_test(where_asking_is_refused_it_is_said),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
