/*
 * The journal after bad days, on its files: cut, torn, flipped, lost, exchanged. Whatever was
 * durable is there or its loss is said, with the place; what is not right is never handed out.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "engine/journal/journal.h"

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/random.h"
#include "engine/journal/record.h"
#include "tests/support/journal_files.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { PLACES_MAX = 1 << 17 };

struct bench {
	char folder[FILES_PATH_BYTES], other[FILES_PATH_BYTES], path[FILES_PATH_BYTES];
	struct journal_options options;
	struct journal *journal;
	struct journal_report report;
	struct checker checker;
	_Atomic bool must_fail;
	_Atomic unsigned syncs;
	/* Where each record of a file lies, by sequence; filled by note_place. */
	uint64_t number[PLACES_MAX], offset[PLACES_MAX];
};

static int make_bench(void **state)
{
	struct bench *b = calloc(1, sizeof *b);
	make_folder(b->folder);
	make_folder(b->other);
	b->options = small_options(b->folder);
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

static status open_bench(struct bench *b)
{
	b->checker = (struct checker){0};
	return journal_open(&b->journal, &b->options, 0, check_record, &b->checker, &b->report);
}

static int must_fail(void *context, enum journal_step step)
{
	struct bench *b = context;
	b->syncs += step == JOURNAL_STEP_sync;
	return step == JOURNAL_STEP_sync && b->must_fail ? EIO : 0;
}

/* count records, closed in good order. */
static void fill(struct bench *b, uint64_t count)
{
	uint64_t last = 0;
	b->options.directory = b->folder;
	assert_int_equal(open_bench(b), STATUS_ok);
	assert_true(append_records(b->journal, &last, count, 10));
	assert_true(journal_wait(b->journal, last, 20000));
	journal_close(&b->journal);
}

/* The same in two parts, the second after the first was durable, but the process ends at once: no
 * mark, no farewell. */
static void fill_and_crash(struct bench *b, uint64_t count)
{
	uint64_t last = 0;
	b->options.fault = must_fail;
	b->options.fault_context = b;
	assert_int_equal(open_bench(b), STATUS_ok);
	assert_true(append_records(b->journal, &last, count * 2 / 3, 10));
	assert_true(journal_wait(b->journal, last, 20000));
	assert_true(append_records(b->journal, &last, count - last, 10));
	assert_true(journal_wait(b->journal, last, 20000));
	b->must_fail = true;
	journal_close(&b->journal);
	b->must_fail = false;
	b->options.fault = NULL;
}

static void note_place(void *context, const struct journal_record *r)
{
	struct bench *b = context;
	CHECK(r->sequence < PLACES_MAX, "too many records for this test");
	b->number[r->sequence] = r->file_number;
	b->offset[r->sequence] = r->offset;
}

static void find_places(struct bench *b)
{
	assert_int_equal(journal_verify(b->folder, 0, note_place, b, &b->report), STATUS_ok);
}

static status verify_other(struct bench *b)
{
	b->checker = (struct checker){0};
	return journal_verify(b->other, 0, check_record, &b->checker, &b->report);
}

/* Opens the other folder for writing, appends, and reads all of it once more. */
static void goes_on(struct bench *b, uint64_t expected)
{
	b->options.directory = b->other;
	assert_int_equal(open_bench(b), STATUS_ok);
	assert_int_equal(b->checker.wrong, 0);
	assert_int_equal(b->checker.last, expected);
	uint64_t last = expected;
	assert_true(append_records(b->journal, &last, 5, 2));
	assert_true(journal_wait(b->journal, last, 20000));
	journal_close(&b->journal);
	assert_int_equal(verify_other(b), STATUS_ok);
	assert_int_equal(b->checker.last, expected + 5);
	assert_int_equal(b->checker.wrong, 0);
	assert_false(b->report.is_torn);
}

/* ---- cut ------------------------------------------------------------------------------- */

static void cut_at_every_byte_of_the_last_record(void **state)
{
	struct bench *b = *state;
	fill_and_crash(b, 96);
	find_places(b);
	file_path(b->other, 1, b->path);
	size_t bytes;
	copy_folder(b->folder, b->other);
	uint8_t *whole = load_file(b->path, &bytes);
	size_t end = b->offset[96] + record_room(sizeof(struct record_head) + body_bytes_of(96));
	for (size_t cut = b->offset[96]; cut <= end; cut++) {
		store_file(b->path, whole, cut);
		assert_int_equal(verify_other(b), STATUS_ok);
		assert_int_equal(b->checker.wrong, 0);
		assert_int_equal(b->checker.last, cut == end ? 96 : 95);
		assert_int_equal(b->report.is_torn, cut != end && cut != b->offset[96]);
		if (b->report.is_torn) {
			assert_int_equal(b->report.offset, b->offset[96]);
			assert_int_equal(b->report.sequence, 96);
		}
		goes_on(b, cut == end ? 96 : 95);
	}
	/* After a good farewell the same cut is a loss. */
	free(whole);
	remove_folder(b->folder);
	make_folder(b->folder);
	fill(b, 96);
	copy_folder(b->folder, b->other);
	whole = load_file(b->path, &bytes);
	store_file(b->path, whole, b->offset[96] + 3);
	assert_int_equal(verify_other(b), STATUS_malformed);
	assert_int_equal(b->report.sequence, 96);
	assert_int_equal(b->report.offset, b->offset[96]);
	free(whole);
}

/* ---- flipped ---------------------------------------------------------------------------- */

/* The record in which an offset lies, or 0. */
static uint64_t record_of(const struct bench *b, uint64_t last, size_t offset)
{
	for (uint64_t s = 1; s <= last; s++)
		if (offset >= b->offset[s] && offset < b->offset[s] + record_room(sizeof(struct record_head) + body_bytes_of(s)))
			return s;
	return 0;
}

static void assert_said(const struct bench *b, status s, size_t offset, uint64_t hit)
{
	if (hit != 0 || offset < JOURNAL_SECTOR_BYTES) {
		assert_int_equal(s, STATUS_malformed);
		assert_true(b->report.is_damaged);
		assert_int_equal(b->report.offset, hit == 0 ? 0 : b->offset[hit]);
		assert_int_equal(b->checker.last, hit == 0 ? 0 : hit - 1);
	} else {
		/* A mark, the rest of the first page, the zeros behind the last record. */
		assert_int_equal(s, STATUS_ok);
		assert_true(b->report.is_torn);
		assert_true(b->report.offset <= offset && b->report.offset + JOURNAL_HEAD_BYTES > offset);
	}
	assert_non_null(strstr(b->report.text, "0000000000000001.journal, offset"));
}

static void a_bit_flipped_at_every_byte_is_located(void **state)
{
	struct bench *b = *state;
	enum { RECORDS = 60 };
	struct random random = {.state = 7};
	fill(b, RECORDS);
	find_places(b);
	copy_folder(b->folder, b->other);
	file_path(b->other, 1, b->path);
	size_t bytes;
	uint8_t *whole = load_file(b->path, &bytes);
	FILE *file = fopen(b->path, "r+b");
	assert_non_null(file);
	setvbuf(file, NULL, _IONBF, 0);
	size_t end = b->offset[RECORDS] + record_room(sizeof(struct record_head) + body_bytes_of(RECORDS));
	for (size_t i = 0; i < end + sizeof(struct record_head); i++) {
		uint8_t flipped = (uint8_t)(whole[i] ^ 1u << random_below(&random, 8));
		fseek(file, (long)i, SEEK_SET);
		assert_int_equal(fwrite(&flipped, 1, 1, file), 1);
		status s = verify_other(b);
		assert_int_equal(b->checker.wrong, 0);
		assert_said(b, s, i, record_of(b, RECORDS, i));
		fseek(file, (long)i, SEEK_SET);
		assert_int_equal(fwrite(&whole[i], 1, 1, file), 1);
	}
	fclose(file);
	assert_int_equal(verify_other(b), STATUS_ok);
	assert_false(b->report.is_torn);
	free(whole);
}

static void damage_stops_the_start_and_changes_nothing(void **state)
{
	struct bench *b = *state;
	fill(b, 500);
	find_places(b);
	copy_folder(b->folder, b->other);
	file_path(b->other, b->number[250], b->path);
	size_t bytes, after_bytes;
	uint8_t *content = load_file(b->path, &bytes);
	content[b->offset[250] + 70] ^= 4;
	store_file(b->path, content, bytes);
	b->options.directory = b->other;
	assert_int_equal(open_bench(b), STATUS_malformed);
	assert_null(b->journal);
	assert_int_equal(b->checker.last, 249);
	assert_int_equal(b->report.sequence, 250);
	assert_non_null(strstr(b->report.text, "record 250 is lost"));
	assert_non_null(strstr(b->report.text, "from a backup"));
	uint8_t *after = load_file(b->path, &after_bytes);
	assert_int_equal(after_bytes, bytes);
	assert_memory_equal(after, content, bytes);
	free(after);
	free(content);
}

/* ---- holes, lost and foreign files --------------------------------------------------------- */

static void a_hole_in_the_middle_is_refused(void **state)
{
	struct bench *b = *state;
	struct random random = {.state = 11};
	fill_and_crash(b, 3000);
	find_places(b);
	for (unsigned i = 0; i < 100; i++) {
		/* In the first part: of the last group nothing that follows tells. */
		uint64_t hit = 1 + random_below(&random, 2000);
		copy_folder(b->folder, b->other);
		file_path(b->other, b->number[hit], b->path);
		size_t bytes;
		uint8_t *content = load_file(b->path, &bytes);
		size_t at = b->offset[hit] / 512 * 512;
		if (at < JOURNAL_HEAD_BYTES)
			at = JOURNAL_HEAD_BYTES;
		memset(content + at, 0, bytes - at < 4096 ? bytes - at : 4096);
		store_file(b->path, content, bytes);
		free(content);
		assert_int_equal(verify_other(b), STATUS_malformed);
		assert_true(b->checker.last < hit);
		assert_int_equal(b->checker.wrong, 0);
		assert_int_equal(b->report.file_number, b->number[b->report.sequence]);
		assert_int_equal(b->report.offset, b->offset[b->report.sequence]);
	}
}

static void a_lost_file_is_named(void **state)
{
	struct bench *b = *state;
	fill(b, 12000);
	find_places(b);
	assert_true(b->number[12000] >= 4);
	copy_folder(b->folder, b->other);
	file_path(b->other, 2, b->path);
	unlink(b->path);
	assert_int_equal(verify_other(b), STATUS_malformed);
	assert_non_null(strstr(b->report.text, "0000000000000002.journal, offset 0"));
	assert_non_null(strstr(b->report.text, "the file is missing"));
	/* Two files that changed their names. */
	copy_folder(b->folder, b->other);
	char second[FILES_PATH_BYTES], aside[FILES_PATH_BYTES];
	file_path(b->other, 3, second);
	file_path(b->other, 99, aside);
	rename(b->path, aside);
	rename(second, b->path);
	rename(aside, second);
	assert_int_equal(verify_other(b), STATUS_malformed);
	assert_non_null(strstr(b->report.text, "0000000000000002.journal, offset 0"));
}

static void a_file_of_another_journal_is_refused(void **state)
{
	struct bench *b = *state;
	fill(b, 6000);
	copy_folder(b->folder, b->other);
	remove_folder(b->folder);
	make_folder(b->folder);
	fill(b, 6000);
	char from[FILES_PATH_BYTES];
	file_path(b->folder, 2, from);
	file_path(b->other, 2, b->path);
	size_t bytes;
	uint8_t *content = load_file(from, &bytes);
	store_file(b->path, content, bytes);
	free(content);
	assert_int_equal(verify_other(b), STATUS_malformed);
	assert_non_null(strstr(b->report.text, "another journal"));
}

static void exchanged_records_are_refused(void **state)
{
	struct bench *b = *state;
	fill(b, 200);
	find_places(b);
	copy_folder(b->folder, b->other);
	file_path(b->other, 1, b->path);
	size_t bytes;
	uint8_t *content = load_file(b->path, &bytes);
	/* 10 and 71 have bodies of the same size. */
	size_t room = record_room(sizeof(struct record_head) + body_bytes_of(10));
	assert_int_equal(body_bytes_of(10), body_bytes_of(71));
	uint8_t aside[256];
	memcpy(aside, content + b->offset[10], room);
	memcpy(content + b->offset[10], content + b->offset[71], room);
	memcpy(content + b->offset[71], aside, room);
	store_file(b->path, content, bytes);
	free(content);
	assert_int_equal(verify_other(b), STATUS_malformed);
	assert_int_equal(b->report.sequence, 10);
	assert_int_equal(b->checker.last, 9);
}

static void append_with_time(struct bench *b, const char *folder, int64_t time_ms)
{
	struct journal_place at;
	struct journal_entry entry = {.body = "12345678", .body_bytes = 8, .time_ms = time_ms};
	b->options.directory = folder;
	assert_int_equal(journal_open(&b->journal, &b->options, 0, NULL, NULL, &b->report), STATUS_ok);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(journal_append(b->journal, &entry, &at), STATUS_ok);
	assert_int_equal(at.sequence, 103);
	journal_close(&b->journal);
}

/* The same journal, the same sequence, but of a history that went another way. */
static void a_record_of_another_history_is_refused(void **state)
{
	struct bench *b = *state;
	char path[FILES_PATH_BYTES];
	size_t bytes;
	fill(b, 100);
	copy_folder(b->folder, b->other);
	append_with_time(b, b->folder, 1);
	append_with_time(b, b->other, 2);
	find_places(b);
	file_path(b->folder, 1, path);
	uint8_t *one = load_file(path, &bytes);
	file_path(b->other, 1, path);
	uint8_t *two = load_file(path, &bytes);
	memcpy(two + b->offset[102], one + b->offset[102], sizeof(struct record_head) + 8);
	store_file(path, two, bytes);
	free(one);
	free(two);
	assert_int_equal(verify_other(b), STATUS_malformed);
	assert_int_equal(b->report.sequence, 102);
	assert_non_null(strstr(b->report.text, "does not follow the one before it"));
}

/* ---- power loss ------------------------------------------------------------------------------ */

/* What the disk holds: of each block the old or the new one, between two groups. */
static void tear(struct bench *b, const char *old, const char *new, struct random *random, size_t block)
{
	copy_folder(old, b->other);
	for (uint64_t number = 1; number < 64; number++) {
		char path[FILES_PATH_BYTES];
		size_t bytes, old_bytes;
		file_path(new, number, path);
		if (access(path, F_OK) != 0)
			continue;
		uint8_t *content = load_file(path, &bytes);
		file_path(old, number, path);
		uint8_t *before = access(path, F_OK) == 0 ? load_file(path, &old_bytes) : calloc(1, bytes);
		for (size_t at = 0; at < bytes; at += block)
			if (random_below(random, 3) == 0)
				memcpy(content + at, before + at, block);
		file_path(b->other, number, path);
		store_file(path, content, bytes);
		free(before);
		free(content);
	}
}

/* durable records, then `more` that are written but not synced, over recycled files or fresh ones. */
static void torn_group(struct bench *b, uint64_t durable, uint64_t more, size_t block, unsigned tries, bool is_recycled)
{
	char old[FILES_PATH_BYTES];
	struct random random = {.state = durable};
	uint64_t last = 0;
	make_folder(old);
	b->options.fault = must_fail;
	b->options.fault_context = b;
	b->options.directory = b->folder;
	assert_int_equal(open_bench(b), STATUS_ok);
	assert_true(append_records(b->journal, &last, durable, 20));
	assert_true(journal_wait(b->journal, last, 20000));
	if (is_recycled)
		journal_drop_before(b->journal, last);
	struct journal_stat stat;
	do {
		clock_sleep_ms(1);
		journal_stat(b->journal, &stat);
	} while (!stat.is_at_rest);
	/* A mark is written at rest, once; let it not come between: wait for its sync, or until it was there before. */
	unsigned before = atomic_load(&b->syncs);
	for (unsigned i = 0; i < 1000 && atomic_load(&b->syncs) == before; i++)
		clock_sleep_ms(1);
	clock_sleep_ms(20);
	b->must_fail = true;
	copy_folder(b->folder, old);
	for (uint64_t i = 0; i < more && append_one(b->journal, &last) == STATUS_ok; i++)
		;
	journal_commit(b->journal);
	assert_false(journal_wait(b->journal, last, 5000));
	journal_close(&b->journal);
	b->must_fail = false;
	b->options.fault = NULL;
	uint64_t longest = 0;
	for (unsigned i = 0; i < tries; i++) {
		tear(b, old, b->folder, &random, block);
		b->checker = (struct checker){.last = stat.first - 1};
		b->options.directory = b->other;
		status s = journal_open(&b->journal, &b->options, stat.first - 1, check_record, &b->checker, &b->report);
		if (s != STATUS_ok)
			fail_msg("try %u: %s", i, b->report.text);
		assert_int_equal(b->checker.wrong, 0);
		assert_in_range(b->checker.last, durable, last);
		longest = b->checker.last > longest ? b->checker.last : longest;
		uint64_t again = b->checker.last;
		assert_true(append_records(b->journal, &again, 7, 3));
		journal_close(&b->journal);
		b->checker = (struct checker){.last = stat.first - 1};
		assert_int_equal(journal_verify(b->other, stat.first - 1, check_record, &b->checker, &b->report), STATUS_ok);
		assert_int_equal(b->checker.last, again);
		assert_int_equal(b->checker.wrong, 0);
		assert_false(b->report.is_torn);
	}
	remove_folder(old);
	assert_true(longest > durable);
}

static void a_torn_group_of_sectors_is_cut(void **state) { torn_group(*state, 1000, 30, 512, 150, false); }

static void a_torn_group_of_pages_is_cut(void **state) { torn_group(*state, 1000, 2000, 4096, 60, false); }

static void a_group_torn_over_files_is_cut(void **state) { torn_group(*state, 1700, 5000, 4096, 60, false); }

static void a_group_torn_over_recycled_files_is_cut(void **state) { torn_group(*state, 12000, 3000, 512, 40, true); }

/* ---- one journal, torn at random in its last megabyte ------------------------------------------ */

static void random_damage_is_never_silent(void **state)
{
	struct bench *b = *state;
	struct random random = {.state = 3};
	fill(b, 12000);
	find_places(b);
	for (unsigned i = 0; i < 200; i++) {
		uint64_t number = 1 + random_below(&random, b->number[12000]);
		size_t bytes, block = random_below(&random, 2) == 0 ? 512 : 4096;
		copy_folder(b->folder, b->other);
		file_path(b->other, number, b->path);
		uint8_t *content = load_file(b->path, &bytes);
		size_t from = random_below(&random, bytes / block) * block;
		bool is_changed = false;
		for (size_t k = from; k < from + block; k++) {
			uint8_t now = random_below(&random, 2) == 0 ? 0 : (uint8_t)random_next(&random);
			is_changed |= now != content[k];
			content[k] = now;
		}
		store_file(b->path, content, bytes);
		free(content);
		status s = verify_other(b);
		assert_int_equal(b->checker.wrong, 0);
		if (s == STATUS_ok)
			assert_int_equal(b->checker.last, 12000);
		else
			assert_true(is_changed && b->report.is_damaged && b->report.file_number == number);
	}
}

#define recovery_test(f) cmocka_unit_test_setup_teardown(f, make_bench, remove_bench)

int main(void)
{
	const struct CMUnitTest tests[] = {
		recovery_test(cut_at_every_byte_of_the_last_record),
		recovery_test(a_bit_flipped_at_every_byte_is_located),
		recovery_test(damage_stops_the_start_and_changes_nothing),
		recovery_test(a_hole_in_the_middle_is_refused),
		recovery_test(a_lost_file_is_named),
		recovery_test(a_file_of_another_journal_is_refused),
		recovery_test(exchanged_records_are_refused),
		recovery_test(a_record_of_another_history_is_refused),
		recovery_test(a_torn_group_of_sectors_is_cut),
		recovery_test(a_torn_group_of_pages_is_cut),
		recovery_test(a_group_torn_over_files_is_cut),
		recovery_test(a_group_torn_over_recycled_files_is_cut),
		recovery_test(random_damage_is_never_silent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
