/* The journal on good days: append, wait, read back, files, drops, full, lock. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "engine/journal/journal.h"

#include "engine/base/clock.h"
#include "engine/base/random.h"
#include "engine/journal/inside.h"
#include "engine/journal/record.h"
#include "tests/support/allocation_count.h"
#include "tests/support/journal_files.h"
#include "tests/support/valgrind.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct bench {
	char folder[FILES_PATH_BYTES];
	struct journal_options options;
	struct journal *journal;
	struct journal_report report;
	struct checker checker;
};

static int make_bench(void **state)
{
	struct bench *b = calloc(1, sizeof *b);
	make_folder(b->folder);
	b->options = small_options(b->folder);
	*state = b;
	return 0;
}

static int remove_bench(void **state)
{
	struct bench *b = *state;
	journal_close(&b->journal);
	remove_folder(b->folder);
	free(b);
	return 0;
}

static status open_after(struct bench *b, uint64_t after)
{
	b->checker = (struct checker){.last = after};
	return journal_open(&b->journal, &b->options, after, check_record, &b->checker, &b->report);
}

static void open_bench(struct bench *b)
{
	status s = open_after(b, 0);
	if (s != STATUS_ok)
		fail_msg("%s: %s", status_code(s), b->report.text);
	assert_int_equal(b->checker.wrong, 0);
}

static void append_durable(struct bench *b, uint64_t count, uint64_t group)
{
	struct journal_stat stat;
	journal_stat(b->journal, &stat);
	uint64_t last = stat.appended;
	assert_true(append_records(b->journal, &last, count, group));
	assert_true(journal_wait(b->journal, last, 20000));
	assert_int_equal(journal_released(b->journal), last);
}

static void a_new_folder_gets_an_empty_journal(void **state)
{
	struct bench *b = *state;
	open_bench(b);
	assert_int_equal(b->report.records, 0);
	assert_int_equal(b->report.first, 1);
	assert_int_equal(b->report.last, 0);
	assert_false(b->report.is_torn);
	journal_close(&b->journal);
	open_bench(b);
	assert_int_equal(b->report.last, 0);
	assert_false(b->report.is_torn);
}

static void what_was_appended_is_read_back(void **state)
{
	struct bench *b = *state;
	open_bench(b);
	append_durable(b, 1000, 7);
	journal_close(&b->journal);
	open_bench(b);
	assert_int_equal(b->checker.last, 1000);
	assert_int_equal(b->report.last, 1000);
	assert_int_equal(b->report.proven, 1000);
	assert_false(b->report.is_torn);
	append_durable(b, 10, 1);
	journal_close(&b->journal);
	assert_int_equal(open_after(b, 990), STATUS_ok);
	assert_int_equal(b->checker.last, 1010);
	assert_int_equal(b->checker.wrong, 0);
}

static void many_files_are_one_journal(void **state)
{
	struct bench *b = *state;
	open_bench(b);
	append_durable(b, 20000, 64);
	journal_close(&b->journal);
	open_bench(b);
	assert_int_equal(b->checker.last, 20000);
	assert_true(b->report.files > 5);
	append_durable(b, 20000, 1000);
	journal_close(&b->journal);
	open_bench(b);
	assert_int_equal(b->checker.last, 40000);
}

static void the_size_of_files_may_change(void **state)
{
	struct bench *b = *state;
	open_bench(b);
	append_durable(b, 5000, 64);
	journal_close(&b->journal);
	b->options.segment_bytes = 2 * FILES_SEGMENT_BYTES;
	open_bench(b);
	assert_int_equal(b->checker.last, 5000);
	append_durable(b, 10000, 64);
	journal_close(&b->journal);
	b->options.segment_bytes = FILES_SEGMENT_BYTES;
	open_bench(b);
	append_durable(b, 10, 64);
	journal_close(&b->journal);
	open_bench(b);
	assert_int_equal(b->checker.last, 15010);
}

/* The first record that is left, of a journal that is closed and reaches beyond `known`. */
static uint64_t first_of(struct bench *b, uint64_t known)
{
	assert_int_equal(journal_verify(b->folder, known, NULL, NULL, &b->report), STATUS_ok);
	return b->report.first;
}

static void full_is_said_and_passes(void **state)
{
	struct bench *b = *state;
	struct journal_stat stat;
	uint64_t last = 0;
	b->options.segments_max = 4;
	open_bench(b);
	while (last < 100000) {
		uint64_t sequence = last;
		status s = append_one(b->journal, &sequence);
		if (s != STATUS_ok) {
			assert_int_equal(s, STATUS_journal_full);
			journal_stat(b->journal, &stat);
			if (stat.durable == last && stat.files == 4)
				break;
			clock_sleep_ms(1);
			continue;
		}
		last = sequence;
	}
	assert_in_range(last, 5000, 99999);
	assert_true(stat.full > 0);
	assert_false(stat.is_failed);
	journal_drop_before(b->journal, last);
	append_durable(b, 1000, 10);
	journal_close(&b->journal);
	uint64_t first = first_of(b, last);
	assert_in_range(first, 2, last);
	assert_int_equal(open_after(b, first - 1), STATUS_ok);
	assert_int_equal(b->checker.last, last + 1000);
	assert_int_equal(b->checker.wrong, 0);
}

static void dropped_files_are_reused(void **state)
{
	struct bench *b = *state;
	struct journal_stat stat;
	b->options.segments_max = 6;
	open_bench(b);
	for (unsigned i = 0; i < 40; i++) {
		append_durable(b, 1000, 50);
		journal_drop_before(b->journal, journal_durable(b->journal) - 500);
	}
	journal_stat(b->journal, &stat);
	assert_in_range(stat.files, 1, 6);
	journal_close(&b->journal);
	/* The state that the journal goes on from would be missing records. */
	assert_int_equal(open_after(b, 0), STATUS_malformed);
	assert_non_null(strstr(b->report.text, "files are missing"));
	assert_int_equal(open_after(b, 40001), STATUS_malformed);
	assert_int_equal(open_after(b, first_of(b, 40000) - 1), STATUS_ok);
	assert_int_equal(b->checker.last, 40000);
	/* What the file held in its earlier life is no torn tail. */
	assert_false(b->report.is_torn);
	assert_int_equal(b->checker.wrong, 0);
}

static void a_running_journal_is_read(void **state)
{
	struct bench *b = *state;
	struct checker checker = {0};
	uint64_t last = 0;
	open_bench(b);
	append_durable(b, 12000, 100);
	for (unsigned i = 0; i < 240; i++)
		assert_int_equal(journal_read(b->journal, checker.last, 50, check_record, &checker, &last), STATUS_ok);
	assert_int_equal(checker.last, 12000);
	assert_int_equal(last, 12000);
	checker.last = 7000;
	assert_int_equal(journal_read(b->journal, 7000, 100000, check_record, &checker, &last), STATUS_ok);
	assert_int_equal(checker.last, 12000);
	checker.last = 5;
	assert_int_equal(journal_read(b->journal, 5, 3, check_record, &checker, &last), STATUS_ok);
	assert_int_equal(last, 8);
	assert_int_equal(journal_read(b->journal, 12000, 3, check_record, &checker, &last), STATUS_ok);
	assert_int_equal(last, 12000);
	assert_int_equal(checker.wrong, 0);
	journal_drop_before(b->journal, 9000);
	struct journal_stat stat;
	do {
		clock_sleep_ms(1);
		journal_stat(b->journal, &stat);
	} while (stat.first < 6000);
	assert_int_equal(journal_read(b->journal, 5, 3, check_record, &checker, &last), STATUS_not_found);
}

static void an_entry_has_a_greatest_size(void **state)
{
	struct bench *b = *state;
	struct journal_place at;
	uint8_t *body = calloc(1, JOURNAL_BODY_BYTES_MAX + 1);
	struct journal_entry entry = {.body = body, .body_bytes = JOURNAL_BODY_BYTES_MAX + 1};
	open_bench(b);
	assert_int_equal(journal_append(b->journal, &entry, &at), STATUS_too_large);
	entry.body_bytes--;
	for (unsigned i = 0; i < 50; i++) {
		while (journal_append(b->journal, &entry, &at) != STATUS_ok)
			clock_sleep_ms(1);
	}
	journal_commit(b->journal);
	assert_true(journal_wait(b->journal, 50, 10000));
	journal_close(&b->journal);
	assert_int_equal(journal_verify(b->folder, 0, NULL, NULL, &b->report), STATUS_ok);
	assert_int_equal(b->report.last, 50);
	free(body);
}

static void others_are_kept_out(void **state)
{
	struct bench *b = *state;
	struct journal *second;
	struct journal_report report;
	open_bench(b);
	assert_int_equal(journal_open(&second, &b->options, 0, NULL, NULL, &report), STATUS_invalid_state);
	assert_non_null(strstr(report.text, "in use by process"));
	assert_int_equal(journal_verify(b->folder, 0, NULL, NULL, &report), STATUS_invalid_state);
	pid_t child = fork();
	if (child == 0)
		_exit(journal_open(&second, &b->options, 0, NULL, NULL, &report) == STATUS_invalid_state &&
		              strstr(report.text, "in use by process") != NULL
		          ? 0
		          : 1);
	int code;
	assert_int_equal(waitpid(child, &code, 0), child);
	assert_int_equal(code, 0);
	journal_close(&b->journal);
	assert_int_equal(journal_verify(b->folder, 0, NULL, NULL, &report), STATUS_ok);
}

static void a_missing_journal_is_not_made_by_reading(void **state)
{
	struct bench *b = *state;
	assert_int_equal(journal_verify(b->folder, 0, NULL, NULL, &b->report), STATUS_not_found);
	assert_int_equal(journal_verify("/nowhere/at/all", 0, NULL, NULL, &b->report), STATUS_not_found);
}

static void a_folder_that_cannot_be_written_is_said(void **state)
{
	struct bench *b = *state;
	b->options.directory = "/proc/self/journal";
	assert_int_equal(open_after(b, 0), STATUS_internal);
	assert_non_null(strstr(b->report.text, "cannot make"));
}

static void interval_and_none_release_before_they_sync(void **state)
{
	struct bench *b = *state;
	b->options.durability = JOURNAL_none;
	open_bench(b);
	append_durable(b, 100, 10);
	assert_int_equal(journal_durable(b->journal), 0);
	append_durable(b, 20000, 10);
	journal_close(&b->journal);
	b->options.durability = JOURNAL_interval;
	open_bench(b);
	assert_int_equal(b->checker.last, 20100);
	append_durable(b, 100, 10);
	assert_true(wait_durable(b->journal, 20200));
	journal_close(&b->journal);
	open_bench(b);
	assert_int_equal(b->checker.last, 20200);
}

static void note_released(void *context, uint64_t sequence)
{
	_Atomic uint64_t *last = context;
	if (sequence > *last)
		*last = sequence;
}

static void the_hook_hears_what_is_released(void **state)
{
	struct bench *b = *state;
	_Atomic uint64_t released = 0;
	b->options.released = note_released;
	b->options.context = &released;
	open_bench(b);
	append_durable(b, 100, 10);
	assert_int_equal(released, 100);
	journal_close(&b->journal);
}

static long faults_of_this_thread(void)
{
	struct rusage usage;
	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_minflt + usage.ru_majflt;
}

static void appending_neither_faults_nor_allocates(void **state)
{
	struct bench *b = *state;
	b->options.segment_bytes = 4 << 20;
	open_bench(b);
	uint64_t last = 0, allocations = 0;
	long faults = 0;
	/* The first round warms up: all code runs once, the change of files and the counting included. */
	for (unsigned round = 0; round < 2; round++) {
		long before = faults_of_this_thread();
		uint64_t allocated = allocation_count_of_thread();
		assert_true(append_records(b->journal, &last, 100000, 64));
		allocations = allocation_count_of_thread() - allocated;
		faults = faults_of_this_thread() - before;
	}
	/* The address and thread sanitizers have pages and a malloc of their own. */
	if (allocation_count_available())
		assert_int_equal(faults, 0);
	assert_int_equal(allocations, 0);
	assert_true(wait_durable(b->journal, last));
}

static void options_that_disagree_are_refused(void **state)
{
	struct bench *b = *state;
	b->options.buffer_bytes = 300000;
	assert_int_equal(open_after(b, 0), STATUS_invalid_field);
	assert_non_null(strstr(b->report.text, "power of two"));
	b->options.buffer_bytes = 1 << 20;
	b->options.segment_bytes = 300001;
	assert_int_equal(open_after(b, 0), STATUS_invalid_field);
}

static void the_bill_names_the_ring(void **state)
{
	struct bench *b = *state;
	struct bill *bill = calloc(1, sizeof *bill);
	journal_bill(&b->options, bill);
	assert_true(bill_sum(bill) >= (uint64_t)b->options.buffer_bytes);
	assert_string_equal(bill->lines[0].option, "data.buffer_bytes");
	free(bill);
}

static void defaults_are_of_use(void **state)
{
	struct bench *b = *state;
	struct option_set set = {0};
	struct option_problem problem;
	struct journal_options options = {.directory = b->folder};
	option_add(&set, journal_option_rows, journal_option_count, &options);
	assert_int_equal(options.durability, JOURNAL_always);
	assert_int_equal(options.segment_bytes, 64 << 20);
	assert_true(journal_options_agree(&options, &problem));
	assert_true(option_set_assignment(&set, "data.durability=none", OPTION_FROM_command_line, &problem));
	assert_int_equal(options.durability, JOURNAL_none);
}

/* libpmem looks at its environment when it is loaded: all of this once more, in a new process. */
static void all_of_it_on_persistent_memory(void **state)
{
	struct bench *b = *state;
	struct journal_stat stat;
	const char *forced = getenv("PMEM_IS_PMEM_FORCE");
	open_bench(b);
	append_durable(b, 10, 1);
	journal_stat(b->journal, &stat);
	assert_int_equal(stat.is_persistent_memory, forced != NULL && forced[0] == '1');
	if (forced != NULL)
		return;
	if (is_in_valgrind()) {
		printf("SKIP: valgrind is what it would start\n");
		skip();
	}
	pid_t child = fork();
	if (child == 0) {
		setenv("PMEM_IS_PMEM_FORCE", "1", 1);
		/* Its summary must not be counted as ours. */
		if (freopen("/dev/null", "w", stdout) != NULL && freopen("/dev/null", "w", stderr) != NULL)
			execl("/proc/self/exe", "test_journal", NULL);
		_exit(127);
	}
	int code;
	assert_int_equal(waitpid(child, &code, 0), child);
	assert_int_equal(code, 0);
}

/* Everything is dropped while somebody reads; the files wait for the reader. */
static void drop_and_look(void *context, const struct journal_record *record)
{
	struct bench *b = context;
	struct journal_stat stat;
	if (record->sequence == 10) {
		journal_drop_before(b->journal, 12000);
		clock_sleep_ms(200);
		journal_stat(b->journal, &stat);
		assert_int_equal(stat.first, 1);
	}
	check_record(&b->checker, record);
}

static void a_reader_keeps_the_files(void **state)
{
	struct bench *b = *state;
	struct journal_stat stat;
	uint64_t last;
	open_bench(b);
	append_durable(b, 12000, 100);
	b->checker = (struct checker){};
	assert_int_equal(journal_read(b->journal, 0, UINT32_MAX, drop_and_look, b, &last), STATUS_ok);
	assert_int_equal(b->checker.last, 12000);
	assert_int_equal(b->checker.wrong, 0);
	for (unsigned tries = 0; tries < 1000; tries++) {
		journal_stat(b->journal, &stat);
		if (stat.first > 1)
			break;
		clock_sleep_ms(5);
	}
	assert_true(stat.first > 1);
}

/* ---- where reads begin ---------------------------------------------------------------------------- */

enum { MANY = 80000, READERS = READ_ENDS, LOOKS = 3000 };

static void note_place(void *context, const struct journal_record *record)
{
	((uint64_t *)context)[record->sequence] = record->place;
}

static void a_read_begins_near_what_it_looks_for(void **state)
{
	struct bench *b = *state;
	static uint64_t places[MANY + 1];
	struct read_place start;
	uint64_t last;
	b->options.segment_bytes = 8 << 20;
	open_bench(b);
	append_durable(b, MANY, 500);
	assert_int_equal(journal_read(b->journal, 0, UINT32_MAX, note_place, places, &last), STATUS_ok);
	assert_int_equal(last, MANY);
	struct random random = {.state = 6};
	for (unsigned i = 0; i < LOOKS; i++) {
		uint64_t after = random_below(&random, MANY);
		assert_true(journal_find_start(b->journal, after, &start));
		assert_true(start.sequence <= after + 1);
		assert_in_range(places[after + 1] - journal_place(start.number, start.offset), 0,
		                READ_PLACE_BYTES + JOURNAL_RECORD_BYTES_MAX);
		assert_true(start.sequence == b->journal->files[0].first_sequence || start.offset == JOURNAL_HEAD_BYTES ||
		            places[start.sequence] == journal_place(start.number, start.offset));
		struct checker checker = {.last = after};
		assert_int_equal(journal_read(b->journal, after, 3, check_record, &checker, &last), STATUS_ok);
		assert_int_equal(checker.wrong, 0);
		assert_int_equal(last, after + 3 < MANY ? after + 3 : MANY);
	}
	/* Some that read on in turns each go on where they were. */
	struct checker readers[READERS];
	for (unsigned i = 0; i < READERS; i++)
		readers[i] = (struct checker){.last = i * (MANY / READERS)};
	for (unsigned turn = 0; turn < 20; turn++)
		for (unsigned i = 0; i < READERS; i++) {
			uint64_t after = readers[i].last;
			if (turn > 0) {
				assert_true(journal_find_start(b->journal, after, &start));
				assert_int_equal(start.sequence, after + 1);
			}
			assert_int_equal(journal_read(b->journal, after, 7, check_record, &readers[i], &last), STATUS_ok);
			assert_int_equal(readers[i].last, after + 7);
			assert_int_equal(readers[i].wrong, 0);
		}
}

#define journal_test(f) cmocka_unit_test_setup_teardown(f, make_bench, remove_bench)

int main(void)
{
	const struct CMUnitTest tests[] = {
		journal_test(a_new_folder_gets_an_empty_journal),
		journal_test(what_was_appended_is_read_back),
		journal_test(many_files_are_one_journal),
		journal_test(the_size_of_files_may_change),
		journal_test(full_is_said_and_passes),
		journal_test(dropped_files_are_reused),
		journal_test(a_running_journal_is_read),
		journal_test(a_reader_keeps_the_files),
		journal_test(a_read_begins_near_what_it_looks_for),
		journal_test(an_entry_has_a_greatest_size),
		journal_test(others_are_kept_out),
		journal_test(a_missing_journal_is_not_made_by_reading),
		journal_test(a_folder_that_cannot_be_written_is_said),
		journal_test(interval_and_none_release_before_they_sync),
		journal_test(the_hook_hears_what_is_released),
		journal_test(appending_neither_faults_nor_allocates),
		journal_test(options_that_disagree_are_refused),
		journal_test(the_bill_names_the_ring),
		journal_test(defaults_are_of_use),
		journal_test(all_of_it_on_persistent_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
