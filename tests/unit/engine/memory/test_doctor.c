/* The reading adds up to the resident set, and the doctor names planted faults. Each
 * fault is planted in a process of its own, so that they do not hide one another. */
#include "engine/base/sanitizer.h"
#include "engine/memory/arena.h"
#include "engine/memory/doctor.h"
#include "engine/memory/heap_large.h"
#include "engine/memory/resident.h"
#include "tests/support/emulated.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define MIB ((size_t)1 << 20)

struct fixture {
	struct account account;
	struct memory_reading reading;
	struct doctor doctor;
	char text[16384];
	unsigned found;
};

static void examine(struct fixture *f)
{
	struct cursor out;
	cursor_init(&out, f->text, sizeof f->text - 1);
	if (!reading_take(&f->account, &f->reading))
		_exit(90);
	f->found = doctor_examine(&f->doctor, &f->reading, &out);
	*out.at = '\0';
}

static void note(struct fixture *f)
{
	if (!reading_take(&f->account, &f->reading))
		_exit(90);
	doctor_note(&f->doctor, &f->reading);
}

static void *touched(size_t bytes)
{
	void *block = malloc(bytes);
	memset(block, 1, bytes);
	asm volatile("" : : "r"(block) : "memory"); /* or the compiler leaves both out */
	return block;
}

static void check_sums(const struct memory_reading *r)
{
	int64_t sum = 0;
	for (unsigned i = 0; i < RUNG_COUNT; i++)
		sum += r->ladder[i];
	if (sum != (int64_t)r->resident)
		_exit(91);
}

/* ---- faults -------------------------------------------------------------------------- */

static void plant_nothing(struct fixture *f)
{
	for (int i = 0; i < 6; i++)
		note(f);
}

static void plant_leak(struct fixture *f)
{
	for (int i = 0; i < 8; i++) {
		for (int k = 0; k < 500; k++)
			(void)touched(1000);
		note(f);
	}
	(void)touched(1000);
}

/* Frees all but every 64th of blocks that share pages. */
static void plant_fragments(struct fixture *f)
{
	enum { BLOCKS = 40000 };
	void **blocks = malloc(BLOCKS * sizeof *blocks);
	for (int i = 0; i < BLOCKS; i++)
		blocks[i] = touched(1024);
	for (int i = 0; i < BLOCKS; i++)
		if (i % 32 != 0)
			free(blocks[i]);
	heap_collect();
	note(f);
	note(f);
}

/* Messages of all sizes: freed, and waiting for the next ones. */
static void plant_waiting_blocks(struct fixture *f)
{
	enum { BLOCKS = 150 };
	void *blocks[BLOCKS];
	for (int i = 0; i < BLOCKS; i++)
		blocks[i] = touched(HEAP_LARGE_LEAST + (size_t)i * 1000);
	for (int i = 0; i < BLOCKS; i++)
		free(blocks[i]);
	note(f);
	note(f);
	if (f->reading.heap.resident < 12 * MIB)
		_exit(92);
}

struct hand_over {
	void *blocks[4000];
	pthread_barrier_t barrier;
};

static void *take_and_idle(void *argument)
{
	struct hand_over *h = argument;
	for (int i = 0; i < 4000; i++)
		h->blocks[i] = touched(10000);
	pthread_barrier_wait(&h->barrier);
	pause();
	return NULL;
}

static void plant_idle_cache(struct fixture *f)
{
	struct hand_over *h = malloc(sizeof *h);
	pthread_t thread;
	pthread_barrier_init(&h->barrier, NULL, 2);
	pthread_create(&thread, NULL, take_and_idle, h);
	pthread_barrier_wait(&h->barrier);
	for (int i = 0; i < 4000; i++)
		free(h->blocks[i]);
	note(f);
}

static struct arena oversized;

static void plant_oversized(struct fixture *f)
{
	const struct arena_options options = {.name = "planted buffers", .option = "planted.bytes_max", .account = &f->account};
	if (arena_init(&oversized, 64 * MIB, &options) != STATUS_ok)
		_exit(92);
	memset(oversized.bytes, 1, oversized.capacity); /* prefaulted */
	(void)arena_take(&oversized, 1000, 8);
	arena_reset(&oversized, 0);
}

static void plant_mapped_file(struct fixture *f)
{
	(void)f;
	char path[] = "/tmp/planted-file.XXXXXX";
	int file = mkstemp(path);
	if (file < 0 || ftruncate(file, 32 * MIB) != 0)
		_exit(92);
	void *bytes = mmap(NULL, 32 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (bytes == MAP_FAILED)
		_exit(92);
	unlink(path);
	memset(bytes, 1, 32 * MIB);
}

static void plant_unexplained(struct fixture *f)
{
	(void)f;
	void *bytes = mmap(NULL, 32 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(bytes, 1, 32 * MIB);
}

/* Entered by hand: a machine may have the pages. */
static void plant_missing_huge_pages(struct fixture *f)
{
	static struct holding holding = {.name = "planted pages", .kind = HOLDING_buffer, .bytes = &holding,
	                                 .reserved = sizeof holding, .hugetlb_wanted = 64 * MIB, .hugetlb_missed = 6 * MIB};
	account_add(&f->account, &holding);
}

static void *allocate_once(void *unused)
{
	(void)unused;
	free(touched(10));
	return NULL;
}

static void plant_frozen_allocation(struct fixture *f)
{
	(void)f;
	pthread_t thread;
	heap_freeze();
	pthread_create(&thread, NULL, allocate_once, NULL);
	pthread_join(thread, NULL);
	heap_thaw();
}

/* Of a pool's 1000 objects so many are borrowed and not returned in each round, and as many are borrowed and returned. */
static void use_pool(struct fixture *f, int kept_a_round)
{
	static struct pool *pool;
	static struct holding holding = {.name = "planted objects", .option = "planted.capacity", .kind = HOLDING_pool};
	const struct pool_options options = {.name = holding.name, .object_bytes = 64, .capacity = 1000};
	if (account_open_pool(&f->account, &pool, &holding, &options) != STATUS_ok)
		_exit(92);
	for (int i = 0; i < 8; i++) {
		struct pool_handle handles[40];
		void *object;
		for (int k = 0; k < 40; k++)
			if (pool_borrow(pool, &handles[k], &object) != STATUS_ok)
				_exit(92);
		for (int k = kept_a_round; k < 40; k++)
			if (pool_return(pool, &handles[k]) != STATUS_ok)
				_exit(92);
		if (i < 7) /* the last one is what is examined */
			note(f);
	}
}

static void plant_pool_leak(struct fixture *f) { use_pool(f, 40); }
static void plant_busy_pool(struct fixture *f) { use_pool(f, 0); }

/* ---- running them -------------------------------------------------------------------- */

/* In a child: plants, examines, tells by its exit code whether exactly these were found. */
static void expect(void (*plant)(struct fixture *f), unsigned findings, const char *word)
{
	int ends[2];
	char text[16384] = "";
	assert_int_equal(pipe(ends), 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct fixture *f = calloc(1, sizeof *f);
		account_setup(&f->account, &(struct account_policy){});
		heap_count_calls();
		plant(f);
		examine(f);
		check_sums(&f->reading);
		if (write(ends[1], f->text, strlen(f->text)) < 0)
			_exit(93);
		_exit(f->found == findings && strstr(f->text, word) != NULL ? 0 : 1);
	}
	close(ends[1]);
	size_t used = 0;
	for (ssize_t n; (n = read(ends[0], text + used, sizeof text - 1 - used)) > 0;)
		used += (size_t)n;
	close(ends[0]);
	int code;
	assert_int_equal(waitpid(child, &code, 0), child);
	if (code != 0)
		fail_msg("wanted findings %x and '%s', code %d; the doctor says:\n%s", findings, word, code, text);
}

static void test_planted_faults_are_named(void **state)
{
	(void)state;
	if (is_emulated())
		skip();
	if (!heap_is_mimalloc()) {
		print_message("SKIP: malloc is not mimalloc's here (a sanitizer's?)\n");
		skip();
	}
	expect(plant_nothing, 0, "Nothing is odd");
	expect(plant_leak, 1u << FINDING_leak, "A leak");
	expect(plant_pool_leak, 1u << FINDING_pool_leak, "The pool of planted objects fills");
	expect(plant_pool_leak, 1u << FINDING_pool_leak, "than planted.capacity allows for");
	expect(plant_busy_pool, 0, "Nothing is odd");
	expect(plant_waiting_blocks, 0, "Nothing is odd");
	expect(plant_fragments, 1u << FINDING_fragmented, "fragmented");
	expect(plant_idle_cache, 1u << FINDING_idle_cache, "idle thread's cache");
	expect(plant_oversized, 1u << FINDING_oversized, "planted.bytes_max");
	expect(plant_mapped_file, 1u << FINDING_mapped_file, "planted-file");
	expect(plant_unexplained, 1u << FINDING_unexplained, "unexplained");
	expect(plant_missing_huge_pages, 1u << FINDING_no_hugetlb,
	       "wants 64.0 MiB in hugetlb pages, and 6.0 MiB are in ordinary ones. Reserve\n  32 pages of 2 MiB");
	expect(plant_frozen_allocation, 1u << FINDING_frozen_allocations, "after the start");
}

static void test_reading_explains_the_resident_set(void **state)
{
	(void)state;
	struct account account;
	struct arena arena = {};
	struct memory_reading *r = malloc(sizeof *r);
	char json[16384];
	struct cursor out;
	account_setup(&account, &(struct account_policy){});
	const struct arena_options options = {.name = "an arena", .option = "a.b", .account = &account};
	assert_int_equal(arena_init(&arena, 8 * MIB, &options), STATUS_ok);
	void *bytes = arena_take(&arena, 3 * MIB, 64);
	assert_non_null(bytes);
	memset(bytes, 1, 3 * MIB);
	arena_reset(&arena, 0);
	assert_non_null(arena_take(&arena, 2 * MIB, 64));
	atomic_store(&arena.holding.in_use, 0);
	arena_note(&arena);
	assert_true(reading_take(&account, r));
	assert_int_equal(r->holding_count, 1);
	assert_int_equal(r->holdings[0].reserved, 8 * MIB);
	assert_in_range(r->holdings[0].in_use, 2 * MIB, 2 * MIB + 64); /* a debug build has a red zone behind it */
	assert_in_range(r->holdings[0].resident, 3 * MIB, 3 * MIB + 8192);
	cursor_init(&out, json, sizeof json - 1);
	reading_write_json(r, &out);
	*out.at = '\0';
	assert_false(out.full);
	assert_non_null(strstr(json, "\"name\":\"an arena\",\"kind\":\"arena\",\"option\":\"a.b\""));
	arena_deinit(&arena);
	assert_true(reading_take(&account, r));
	assert_int_equal(r->holding_count, 0);
	account_teardown(&account);
	free(r);
}

/* Got or not, as the machine has them: what the holdings say is added up, pools and little ones too. */
static void test_hugetlb_pages_are_added_up(void **state)
{
	(void)state;
	if (is_emulated())
		skip();
	struct account account;
	struct arena large = {}, little = {};
	struct pool *pool;
	struct holding holding = {};
	struct memory_reading *r = malloc(sizeof *r);
	char json[16384];
	struct cursor out;
	account_setup(&account, &(struct account_policy){.pages = REGION_PAGES_2m, .node = -1});
	assert_int_equal(arena_init(&large, 3 * MIB, &(struct arena_options){.name = "large", .account = &account}), STATUS_ok);
	assert_int_equal(arena_init(&little, MIB, &(struct arena_options){.name = "little", .account = &account}), STATUS_ok);
	/* Tables of half a MiB, so they want none. */
	const struct pool_options options = {.name = "pool", .object_bytes = 256, .capacity = 16384};
	assert_int_equal(account_open_pool(&account, &pool, &holding, &options), STATUS_ok);
	struct pool_statistics statistics;
	pool_read_statistics(pool, &statistics);
	assert_int_equal(large.holding.hugetlb_wanted, 4 * MIB);
	assert_int_equal(statistics.hugetlb_wanted, 4 * MIB);
	assert_int_equal(statistics.hugetlb_missed, statistics.pages == REGION_PAGES_2m ? 0 : 4 * MIB);

	assert_true(reading_take(&account, r));
	assert_int_equal(r->hugetlb.wanted, 8 * MIB);
	assert_int_equal(r->hugetlb.missed, large.holding.hugetlb_missed + statistics.hugetlb_missed);
	cursor_init(&out, json, sizeof json - 1);
	reading_write_json(r, &out);
	*out.at = '\0';
	assert_non_null(strstr(json, "\"hugetlb_wanted_bytes\":8388608,\"hugetlb_missed_bytes\":"));

	account_close_pool(&pool, &holding);
	arena_deinit(&large);
	arena_deinit(&little);
	assert_true(reading_take(&account, r));
	assert_int_equal(r->hugetlb.wanted, 0);
	account_teardown(&account);
	free(r);
}

/* Every third page or so, so that there are many ranges. */
static size_t touch_some(uint8_t *bytes, size_t size)
{
	size_t touched_bytes = 0;
	for (size_t at = 0; at < size; at += 4096)
		if (rand() % 3 == 0) {
			bytes[at] = 1;
			touched_bytes += 4096;
		}
	return touched_bytes;
}

static void near(size_t scanned, size_t without)
{
	size_t apart = scanned > without ? scanned - without : without - scanned;
	if (apart > 256 << 10) /* either reads files, and touches the heap and the stack a little */
		fail_msg("%zu by a scan, %zu without", scanned, without);
}

static void test_a_scan_finds_what_smaps_finds(void **state)
{
	(void)state;
	struct resident pages;
	resident_open(&pages);
	if (pages.pagemap < 0) {
		printf("SKIP a scan of pages: this kernel has none (Linux 6.7 has)\n");
		skip();
	}
	resident_close(&pages);
	struct account account;
	struct arena plain = {}, huge = {};
	struct memory_reading *scanned = malloc(sizeof *scanned), *without = malloc(sizeof *without);
	uint8_t *zero = mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	uint8_t *file = mmap(NULL, 64 << 10, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	size_t expected;
	srand(1);
	assert_true(zero != MAP_FAILED && file != MAP_FAILED);
	for (size_t at = 0; at < 4 * MIB; at += 4096)
		assert_int_equal(*(volatile uint8_t *)&zero[at], 0); /* the one page of zeros is nobody's */
	for (size_t at = 0; at < 64 << 10; at += 8192)
		file[at] = *(volatile uint8_t *)&file[at + 4096]; /* half becomes ours, half stays the file's */
	account_setup(&account, &(struct account_policy){});
	assert_int_equal(arena_init(&plain, 8 * MIB, &(struct arena_options){.name = "plain", .account = &account}), STATUS_ok);
	account.policy.pages = REGION_PAGES_transparent;
	account.policy.prefault = true;
	assert_int_equal(arena_init(&huge, 8 * MIB, &(struct arena_options){.name = "huge", .account = &account}), STATUS_ok);
	expected = touch_some(arena_take(&plain, 7 * MIB, 4096), 7 * MIB);

	for (int i = 0; i < 2; i++) {
		assert_true(reading_take(&account, scanned));
		assert_true(reading_take_without_scan(&account, without));
	}
	assert_int_equal(scanned->holding_count, 2);
	assert_int_equal(without->holding_count, 2);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(scanned->holdings[i].resident, without->holdings[i].resident);
	const struct reading_holding *row = scanned->holdings;
	row += strcmp(row->name, "plain") != 0;
	assert_in_range(row->resident, expected, expected + 8192);
	near(scanned->resident, without->resident);
	near(scanned->anonymous, without->anonymous);
	near(scanned->huge, without->huge);
	near(scanned->heap.resident, without->heap.resident);
	near(scanned->program, without->program);
	near(scanned->stacks, without->stacks);
	near(scanned->files, without->files);
	check_sums(scanned);
	check_sums(without);
	arena_deinit(&plain);
	arena_deinit(&huge);
	account_teardown(&account);
	munmap(zero, 4 * MIB);
	munmap(file, 64 << 10);
	close(fd);
	free(scanned);
	free(without);
}

static unsigned examine_text(struct fixture *f)
{
	struct cursor out;
	cursor_init(&out, f->text, sizeof f->text - 1);
	f->found = doctor_examine(&f->doctor, &f->reading, &out);
	*out.at = '\0';
	return f->found & 1u << FINDING_short_group;
}

/* Told where it is so (a sanitizer's heap), and of a reading that says so: this program is linked with mimalloc. */
static void test_another_heap_is_named(void **state)
{
	(void)state;
	if (is_emulated())
		skip();
	struct fixture *f = calloc(1, sizeof *f);
	account_setup(&f->account, &(struct account_policy){});
	examine(f);
	assert_int_equal(f->found >> FINDING_not_mimalloc & 1, !heap_is_mimalloc());
	assert_true(heap_is_mimalloc() || strstr(f->text, f->reading.heap.description) != NULL);
	account_teardown(&f->account);

	f->reading = (struct memory_reading){.at_ms = 1000, .resident = 64 * MIB, .heap.is_mimalloc = true};
	(void)examine_text(f);
	assert_int_equal(f->found & 1u << FINDING_not_mimalloc, 0);
	f->reading.heap.is_mimalloc = false;
	snprintf(f->reading.heap.description, sizeof f->reading.heap.description, "the C library's heap, not mimalloc");
	(void)examine_text(f);
	assert_int_equal(f->found, 1u << FINDING_not_mimalloc);
	assert_non_null(strstr(f->text, "The heap is the C library's heap, not mimalloc: the numbers of the heap are missing"));
	free(f);
}

/* Numbers made up: to be short in earnest is left to an integration test. */
static void test_a_short_cgroup_is_blamed_on_who_grew(void **state)
{
	(void)state;
	struct fixture *f = calloc(1, sizeof *f);
	f->reading = (struct memory_reading){.at_ms = 1000, .anonymous = 60 * MIB, .resident = 64 * MIB,
	                                     .group = {.limit = 100 * MIB, .anonymous = 60 * MIB, .failures = 3, .path = "/a"}};
	assert_false(doctor_sees_shortage(&f->doctor, &f->reading)); /* nothing to compare with */
	assert_int_equal(examine_text(f), 0);
	doctor_note(&f->doctor, &f->reading);
	assert_false(doctor_sees_shortage(&f->doctor, &f->reading));

	f->reading.at_ms = 11000;
	f->reading.group.failures = 13;
	f->reading.group.anonymous = 100 * MIB;
	assert_true(doctor_sees_shortage(&f->doctor, &f->reading));
	assert_int_not_equal(examine_text(f), 0);
	assert_non_null(strstr(f->text, "cgroup /a: its limit of 100.0 MiB was reached 10 times in 10 s, and 0 processes"));
	assert_non_null(strstr(f->text, "trove holds 60.0 MiB, others in it hold 40.0 MiB now. Somebody else"));
	doctor_note(&f->doctor, &f->reading);
	assert_false(doctor_sees_shortage(&f->doctor, &f->reading));
	assert_int_not_equal(examine_text(f), 0); /* still told to who asks later */

	f->reading.anonymous = 98 * MIB;
	assert_int_not_equal(examine_text(f), 0);
	assert_non_null(strstr(f->text, "Raise the limit, or lower"));
	free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reading_explains_the_resident_set),
		cmocka_unit_test(test_hugetlb_pages_are_added_up),
		cmocka_unit_test(test_a_scan_finds_what_smaps_finds),
		cmocka_unit_test(test_planted_faults_are_named),
		cmocka_unit_test(test_another_heap_is_named),
		cmocka_unit_test(test_a_short_cgroup_is_blamed_on_who_grew),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
