/*
 * A start behind a snapshot: files that hold only what it has are taken by their heads. What is missing
 * among them or foreign stops it as before; what is damaged inside them is found by who reads them.
 */
#include "engine/journal/record.h"
#include "tests/support/journal_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { RECORDS = 12000, HOLE_AT = 100000 };

struct bench {
	char folder[FILES_PATH_BYTES], other[FILES_PATH_BYTES], path[FILES_PATH_BYTES];
	struct journal_options options;
	struct journal *journal;
	struct journal_report report;
	struct checker checker;
	struct journal_stat stat;
};

static status open_after(struct bench *b, uint64_t after)
{
	b->checker = (struct checker){.last = after};
	b->options.directory = b->other;
	return journal_open(&b->journal, &b->options, after, check_record, &b->checker, &b->report);
}

/* A journal of several files in `folder`; each test works on a copy in `other`. */
static int make_bench(void **state)
{
	struct bench *b = calloc(1, sizeof *b);
	uint64_t last = 0;
	make_folder(b->folder);
	make_folder(b->other);
	b->options = small_options(b->folder);
	b->options.checks_later = true;
	assert_int_equal(journal_open(&b->journal, &b->options, 0, NULL, NULL, &b->report), STATUS_ok);
	assert_true(append_records(b->journal, &last, RECORDS, 10));
	assert_true(wait_durable(b->journal, last));
	journal_stat(b->journal, &b->stat);
	assert_true(b->stat.files > 5);
	journal_close(&b->journal);
	copy_folder(b->folder, b->other);
	*state = b;
	return 0;
}

static int remove_bench(void **state)
{
	struct bench *b = *state;
	journal_close(&b->journal);
	remove_folder(b->folder);
	remove_folder(b->other);
	free(b);
	return 0;
}

static void only_the_tail_is_read(void **state)
{
	struct bench *b = *state;
	assert_int_equal(open_after(b, RECORDS - 10), STATUS_ok);
	assert_int_equal(b->report.first, 1);
	assert_int_equal(b->report.last, RECORDS);
	assert_int_equal(b->report.files, b->stat.files);
	assert_int_equal(b->report.files_passed, b->stat.files - 1);
	assert_in_range(b->report.records, 10, RECORDS / 4);
	assert_int_equal(b->checker.last, RECORDS);
	assert_int_equal(b->checker.wrong, 0);
	/* It goes on, and what was passed over can be read. */
	uint64_t last = RECORDS, read;
	assert_true(append_records(b->journal, &last, 20, 5));
	assert_true(wait_durable(b->journal, last));
	b->checker = (struct checker){0};
	assert_int_equal(journal_read(b->journal, 0, UINT32_MAX, check_record, &b->checker, &read), STATUS_ok);
	assert_int_equal(read, RECORDS + 20);
	assert_int_equal(b->checker.wrong, 0);
	journal_close(&b->journal);
	assert_int_equal(journal_verify(b->other, 0, NULL, NULL, &b->report), STATUS_ok);
}

/* The file that holds the record behind `after` is read, wherever in it that stands. */
static void the_tail_begins_in_any_file(void **state)
{
	struct bench *b = *state;
	uint64_t before = UINT64_MAX;
	for (uint64_t after = 0; after <= RECORDS; after += 97) {
		assert_int_equal(open_after(b, after), STATUS_ok);
		assert_int_equal(b->checker.last, RECORDS);
		assert_int_equal(b->checker.wrong, 0);
		assert_int_equal(b->report.last, RECORDS);
		assert_true(b->report.records >= RECORDS - after && b->report.records <= before);
		before = b->report.records;
		journal_close(&b->journal);
	}
	b->options.checks_later = false;
	assert_int_equal(open_after(b, RECORDS), STATUS_ok);
	assert_int_equal(b->report.records, RECORDS);
}

static void one_that_is_missing_stops_it(void **state)
{
	struct bench *b = *state;
	for (uint64_t number = 2; number < b->stat.files; number++) {
		copy_folder(b->folder, b->other);
		file_path(b->other, number, b->path);
		assert_int_equal(unlink(b->path), 0);
		assert_int_equal(open_after(b, RECORDS), STATUS_malformed);
		assert_true(b->report.is_damaged);
		assert_int_equal(b->report.file_number, number);
		assert_non_null(strstr(b->report.text, "the file is missing"));
	}
}

static void change_byte(struct bench *b, uint64_t number, size_t at)
{
	size_t bytes;
	file_path(b->other, number, b->path);
	uint8_t *content = load_file(b->path, &bytes);
	content[at] ^= 1;
	store_file(b->path, content, bytes);
	free(content);
}

static void one_that_is_foreign_or_cut_stops_it(void **state)
{
	struct bench *b = *state;
	size_t bytes;
	change_byte(b, 3, offsetof(struct segment_head, identity));
	assert_int_equal(open_after(b, RECORDS), STATUS_malformed);
	assert_int_equal(b->report.file_number, 3);
	copy_folder(b->folder, b->other);
	file_path(b->other, 3, b->path);
	uint8_t *content = load_file(b->path, &bytes);
	store_file(b->path, content, bytes / 2);
	free(content);
	assert_int_equal(open_after(b, RECORDS), STATUS_malformed);
	assert_int_equal(b->report.file_number, 3);
	/* Exchanged. */
	char second[FILES_PATH_BYTES];
	copy_folder(b->folder, b->other);
	file_path(b->other, 2, second);
	assert_int_equal(rename(second, b->path), 0);
	assert_int_equal(open_after(b, RECORDS), STATUS_malformed);
}

static void a_hole_in_one_is_found_by_who_reads_it(void **state)
{
	struct bench *b = *state;
	uint64_t last;
	change_byte(b, 2, HOLE_AT);
	assert_int_equal(open_after(b, RECORDS), STATUS_ok);
	b->checker = (struct checker){0};
	assert_int_equal(journal_read(b->journal, 0, UINT32_MAX, check_record, &b->checker, &last), STATUS_malformed);
	assert_int_equal(b->checker.wrong, 0);
	assert_int_equal(b->checker.last, last);
	assert_in_range(last, 1, RECORDS - 1);
	journal_close(&b->journal);
	b->options.checks_later = false;
	assert_int_equal(open_after(b, RECORDS), STATUS_malformed);
	assert_int_equal(b->report.sequence, last + 1);
	assert_int_equal(b->report.file_number, 2);
}

/* Cut while somebody reads it, as a bad sector is: an error, not a signal. Files large enough that not all was read yet. */
enum { LARGE_BYTES = 4 << 20, CUT_AT = 1 << 20 };

struct cutting {
	char path[FILES_PATH_BYTES];
	struct checker checker;
	uint64_t offset; /* of the last record seen */
};

static void cut_and_check(void *context, const struct journal_record *record)
{
	struct cutting *c = context;
	if (record->sequence == 1)
		assert_int_equal(truncate(c->path, CUT_AT), 0);
	c->offset = record->offset;
	check_record(&c->checker, record);
}

static void what_the_disk_does_not_give_is_an_error(void **state)
{
	struct bench *b = *state;
	struct cutting cutting = {};
	uint64_t last = 0, read;
	remove_folder(b->other);
	make_folder(b->other);
	b->options.segment_bytes = LARGE_BYTES;
	assert_int_equal(open_after(b, 0), STATUS_ok);
	do
		assert_true(append_records(b->journal, &last, RECORDS, 100) && wait_durable(b->journal, last));
	while (journal_stat(b->journal, &b->stat), b->stat.files < 2);
	file_path(b->other, 1, cutting.path);
	assert_int_equal(journal_read(b->journal, 0, UINT32_MAX, cut_and_check, &cutting, &read), STATUS_internal);
	assert_int_equal(cutting.checker.wrong, 0);
	assert_int_equal(cutting.checker.last, read);
	/* All that stood before the cut, but for the record on it. */
	assert_in_range(cutting.offset, CUT_AT / 2, CUT_AT - 1);
}

#define passed_test(f) cmocka_unit_test_setup_teardown(f, make_bench, remove_bench)

int main(void)
{
	const struct CMUnitTest tests[] = {
		passed_test(only_the_tail_is_read),
		passed_test(the_tail_begins_in_any_file),
		passed_test(one_that_is_missing_stops_it),
		passed_test(one_that_is_foreign_or_cut_stops_it),
		passed_test(a_hole_in_one_is_found_by_who_reads_it),
		passed_test(what_the_disk_does_not_give_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
