/* malloc's family as troved has it: contents survive every way of growing, shrinking and
 * reusing, small and large, and large blocks that another thread frees come back. The options memory.heap_* do what they say. */
#include "engine/base/random.h"
#include "engine/memory/heap.h"
#include "engine/memory/heap_large.h"
#include "tests/support/emulated.h"

#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define MIB ((size_t)1 << 20)

static bool is_there(void)
{
	heap_count_calls();
	if (heap_is_mimalloc())
		return true;
	print_message("SKIP: malloc is not mimalloc's here (a sanitizer's?)\n");
	return false;
}

static size_t resident(void)
{
	unsigned long all = 0, pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%lu %lu", &all, &pages), 2);
	fclose(f);
	return pages * 4096;
}

/* ---- contents ------------------------------------------------------------------------ */

enum { BLOCKS = 48 };

struct block {
	unsigned char *bytes;
	size_t size;
	unsigned char mark;
};

static size_t any_size(struct random *r)
{
	static const size_t most[] = {200, 20000, 600 << 10, 3 << 20, 10 << 20};
	return 1 + random_below(r, most[random_below(r, 5)]);
}

static void fill(struct block *b, struct random *r)
{
	b->mark = (unsigned char)random_below(r, 256);
	memset(b->bytes, b->mark, b->size);
}

static void check(const struct block *b, size_t size)
{
	assert_true(malloc_usable_size(b->bytes) >= size);
	for (size_t i = 0; i < size; i += i < 64 || size - i < 4200 ? 1 : 4001)
		if (b->bytes[i] != b->mark)
			fail_msg("byte %zu of %zu is %u, not %u", i, size, b->bytes[i], b->mark);
}

static void take(struct block *b, struct random *r)
{
	b->size = any_size(r);
	if (random_below(r, 3) != 0) {
		b->bytes = malloc(b->size);
	} else {
		b->bytes = calloc(1, b->size);
		b->mark = 0;
		check(b, b->size);
	}
	assert_non_null(b->bytes);
	fill(b, r);
}

static void change(struct block *b, struct random *r)
{
	size_t size = any_size(r);
	check(b, b->size);
	b->bytes = realloc(b->bytes, size);
	assert_non_null(b->bytes);
	check(b, size < b->size ? size : b->size);
	b->size = size;
	fill(b, r);
}

static void test_contents_survive(void **state)
{
	(void)state;
	if (!is_there())
		skip();
	struct random r = {77};
	static struct block blocks[BLOCKS];
	struct heap_statistics before, after;
	heap_statistics(&before);
	for (int i = 0; i < 4000; i++) {
		struct block *b = &blocks[random_below(&r, BLOCKS)];
		if (b->bytes == NULL) {
			take(b, &r);
		} else if (random_below(&r, 2) == 0) {
			change(b, &r);
		} else {
			check(b, b->size);
			free(b->bytes);
			b->bytes = NULL;
		}
		if (i % 500 == 0)
			heap_trim();
	}
	for (int i = 0; i < BLOCKS; i++)
		free(blocks[i].bytes);
	heap_statistics(&after);
	assert_in_range(after.live_bytes, 0, before.live_bytes + 65536);
	volatile size_t too_much = SIZE_MAX / 2 + 10; /* or the compiler objects */
	void *volatile block = malloc(too_much); /* volatile: or clang assumes that it succeeds */
	assert_null(block);
	block = calloc(too_much / 2, 8);
	assert_null(block);
}

/* ---- between threads ------------------------------------------------------------------- */

enum { PLACES = 16, MESSAGES = 3000 };

struct exchange {
	_Atomic(void *) place[PLACES];
	atomic_bool is_done;
};

static void *free_all(void *argument)
{
	struct exchange *x = argument;
	while (!atomic_load(&x->is_done)) {
		for (int i = 0; i < PLACES; i++)
			free(atomic_exchange(&x->place[i], NULL));
		usleep(100);
	}
	for (int i = 0; i < PLACES; i++)
		free(atomic_exchange(&x->place[i], NULL));
	return NULL;
}

/* mimalloc 3.0.1 alone holds more than 500 MB at the end of this. */
static void test_large_blocks_come_back_from_other_threads(void **state)
{
	(void)state;
	if (is_emulated() || !is_there())
		skip();
	static struct exchange x;
	struct random r = {5};
	pthread_t thread;
	size_t before = resident();
	assert_int_equal(pthread_create(&thread, NULL, free_all, &x), 0);
	for (int i = 0; i < MESSAGES; i++) {
		size_t size = 300000 + random_below(&r, 1500000);
		unsigned char *bytes = malloc(size);
		assert_non_null(bytes);
		memset(bytes, 1, size);
		for (void *none = NULL; !atomic_compare_exchange_weak(&x.place[i % PLACES], &none, bytes); none = NULL)
			usleep(50);
	}
	atomic_store(&x.is_done, true);
	pthread_join(thread, NULL);
	size_t after = resident();
	print_message("%zu MiB more after %d messages\n", after > before ? (after - before) / MIB : 0, MESSAGES);
	assert_true(after < before + 128 * MIB);
	heap_trim();
	heap_trim();
	assert_true(resident() < before + 64 * MIB);
}

/* ---- sizes ----------------------------------------------------------------------------- */

static void test_a_block_is_hardly_larger_than_asked_for(void **state)
{
	(void)state;
	if (!is_there())
		skip();
	struct random r = {9};
	for (int i = 0; i < 2000; i++) {
		size_t size = HEAP_LARGE_LEAST + random_below(&r, (size_t)HEAP_LARGE_LEAST << random_below(&r, 12));
		size_t given = size + HEAP_LARGE_HEADER;
		unsigned char *block = malloc(size);
		assert_non_null(block);
		assert_true(heap_large_of(block) != NULL);
		assert_in_range(malloc_usable_size(block), size, given + given / 4);
		assert_int_equal(malloc_usable_size(block), heap_large_bytes(size) - HEAP_LARGE_HEADER);
		block[0] = block[size - 1] = 1;
		free(block);
	}
	/* Of many that are given back at once, so many wait. */
	enum { MANY = 60, MOST = 16 << 20 };
	static unsigned char *many[MANY];
	struct heap_statistics statistics;
	heap_trim();
	heap_trim();
	heap_large_set_most(MOST);
	for (int i = 0; i < MANY; i++)
		assert_non_null(many[i] = malloc(MIB));
	for (int i = 0; i < MANY; i++)
		free(many[i]);
	heap_statistics(&statistics);
	heap_large_set_most(HEAP_LARGE_KEPT_BYTES);
	assert_in_range(statistics.waiting_bytes, MOST - 2 * MIB, MOST);
	unsigned char *below = malloc(HEAP_LARGE_LEAST - 1);
	assert_non_null(below);
	assert_null(heap_large_of(below));
	free(below);
}

/* One after another, of one size: each is the one that was given back before, whoever gives it. */
static void *give_back(void *block)
{
	free(block);
	return NULL;
}

static void test_a_freed_block_is_the_next_one(void **state)
{
	(void)state;
	if (is_emulated() || !is_there())
		skip();
	struct heap_statistics before, after;
	static const size_t sizes[] = {17000, 20000, 100000, 980000};
	heap_trim();
	heap_trim(); /* or there may be no room for more that wait */
	for (unsigned k = 0; k < sizeof sizes / sizeof *sizes; k++) {
		void *first = malloc(sizes[k]);
		pthread_t thread;
		assert_int_equal(pthread_create(&thread, NULL, give_back, first), 0);
		pthread_join(thread, NULL);
		void *second = malloc(sizes[k] - sizes[k] / 100);
		assert_ptr_equal(second, first);
		heap_statistics(&before);
		free(second);
		heap_statistics(&after);
		assert_in_range(after.waiting_bytes, before.waiting_bytes + sizes[k], before.waiting_bytes + sizes[k] * 5 / 4 + 4096);
	}
	heap_trim();
	heap_trim();
	heap_statistics(&after);
	assert_int_equal(after.waiting_bytes, 0);
}

/* ---- options --------------------------------------------------------------------------- */

/* Options stay set, so each is tried in a child, which says by its exit code whether it found what it should. */
static int in_child(int (*run)(int64_t value), int64_t value)
{
	pid_t child = fork();
	int code = -1;
	assert_true(child >= 0);
	if (child == 0)
		_exit(run(value));
	assert_int_equal(waitpid(child, &code, 0), child);
	return code;
}

/* Takes and frees 64 MiB. Where pages go at once they are gone then; where they wait, when the heap is collected. */
static int keeps_freed_pages(int64_t purge_delay_ms)
{
	enum { COUNT = 16000 };
	static void *blocks[COUNT];
	heap_set_options(false, purge_delay_ms);
	size_t before = resident();
	for (int i = 0; i < COUNT; i++)
		memset(blocks[i] = malloc(4096), 1, 4096);
	for (int i = 0; i < COUNT; i++)
		free(blocks[i]);
	bool are_there = resident() > before + 32 * MIB;
	heap_collect();
	bool stay = resident() > before + 32 * MIB;
	return (are_there ? 1 : 0) + (stay ? 2 : 0);
}

static void test_freed_pages_go_after_the_delay(void **state)
{
	(void)state;
	if (is_emulated() || !is_there())
		skip();
	assert_int_equal(in_child(keeps_freed_pages, 0), 0);
	assert_int_equal(in_child(keeps_freed_pages, 3600000), 1 << 8);
	assert_int_equal(in_child(keeps_freed_pages, -1), 3 << 8);
}

/* Of 16 MiB of blocks, how many MiB lie where the kernel was told to use huge pages; whether it has some just now is
 * another matter. */
static int advised_mib(int64_t large_pages)
{
	enum { COUNT = 4096 };
	static char *blocks[COUNT];
	char line[512];
	uintptr_t first = 0, last = 0;
	unsigned found = 0;
	heap_set_options(large_pages != 0, 1000);
	for (int i = 0; i < COUNT; i++)
		blocks[i] = malloc(4096);
	FILE *f = fopen("/proc/self/smaps", "re");
	while (f != NULL && fgets(line, sizeof line, f) != NULL) {
		char *end;
		uintptr_t start = strtoul(line, &end, 16);
		if (*end == '-' && end != line) {
			first = start;
			last = strtoul(end + 1, NULL, 16);
		} else if (strncmp(line, "VmFlags:", 8) == 0 && strstr(line, " hg") != NULL) {
			for (int i = 0; i < COUNT; i++)
				found += (uintptr_t)blocks[i] >= first && (uintptr_t)blocks[i] < last;
		}
	}
	return (int)(found / 256);
}

static void test_huge_pages_are_asked_for_where_the_heap_is(void **state)
{
	(void)state;
	if (is_emulated() || !is_there())
		skip();
	if (access("/sys/kernel/mm/transparent_hugepage", F_OK) != 0) {
		print_message("SKIP: this kernel has no transparent huge pages\n");
		skip();
	}
	assert_int_equal(in_child(advised_mib, false), 0);
	assert_in_range(in_child(advised_mib, true) >> 8, 14, 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_contents_survive),
		cmocka_unit_test(test_large_blocks_come_back_from_other_threads),
		cmocka_unit_test(test_a_block_is_hardly_larger_than_asked_for),
		cmocka_unit_test(test_a_freed_block_is_the_next_one),
		cmocka_unit_test(test_freed_pages_go_after_the_delay),
		cmocka_unit_test(test_huge_pages_are_asked_for_where_the_heap_is),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
