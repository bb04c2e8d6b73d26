/* The journal while things fail: full disks, errors of the device, kill -9. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "engine/journal/journal.h"

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/random.h"
#include "engine/journal/record.h"
#include "engine/journal/segment.h"
#include "tests/support/journal_files.h"
#include "tests/support/peer.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { KILLS = 100, RECORDS_KEPT = 60000, PLACES_MAX = 1 << 18, BLOCK_BYTES = 512, LOST_BYTES = 128 << 10 };

struct bench {
	char folder[FILES_PATH_BYTES];
	struct journal_options options;
	struct journal *journal;
	struct journal_report report;
	struct checker checker;
	_Atomic int sync_error, write_error, prepare_error, drop_error;
	_Atomic unsigned drops; /* that were tried */
	/* Any step fails now and then, and syncs that fail lose blocks. */
	_Atomic bool is_shaky;
	struct random shakes, shakes_of_writer;
	uint64_t place[PLACES_MAX];   /* by sequence, of records that were appended by append_placed */
	_Atomic unsigned losses;
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

/* What a device may do to pages whose writing failed: some are as before. They are clean in memory then,
 * so syncing once more would not write them. */
static void lose_blocks(struct bench *b, uint64_t number, uint64_t offset)
{
	static const uint8_t zeros[BLOCK_BYTES];
	char path[FILES_PATH_BYTES];
	file_path(b->folder, number, path);
	int file = open(path, O_WRONLY | O_CLOEXEC);
	if (file < 0)
		return;
	offset = (offset + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
	for (uint64_t end = offset + LOST_BYTES; offset < end && offset < FILES_SEGMENT_BYTES; offset += BLOCK_BYTES)
		if (random_below(&b->shakes, 3) == 0 && pwrite(file, zeros, sizeof zeros, (off_t)offset) > 0)
			b->losses++;
	close(file);
}

static void lose_what_was_not_durable(struct bench *b)
{
	uint64_t last = journal_durable(b->journal);
	if (last >= PLACES_MAX || b->place[last] == 0)
		return;
	uint64_t number = b->place[last] >> JOURNAL_OFFSET_BITS;
	uint64_t end = b->place[last] + record_room(sizeof(struct record_head) + body_bytes_of(last));
	lose_blocks(b, number, end - journal_place(number, 0));
	lose_blocks(b, number + 1, 0);
}

static int fault(void *context, enum journal_step step)
{
	struct bench *b = context;
	int error = step == JOURNAL_STEP_sync    ? b->sync_error
	            : step == JOURNAL_STEP_write ? b->write_error
	            : step == JOURNAL_STEP_drop  ? b->drop_error
	                                         : b->prepare_error;
	b->drops += step == JOURNAL_STEP_drop;
	if (error == 0 && b->is_shaky && random_below(&b->shakes, 3) == 0)
		error = random_below(&b->shakes, 2) == 0 ? EIO : ENOSPC;
	if (error == 0 || step != JOURNAL_STEP_sync || !b->is_shaky)
		return error;
	/* So long that the writer meets the end of the ring. */
	clock_sleep_ms((int64_t)random_below(&b->shakes, 4));
	lose_what_was_not_durable(b);
	return error;
}

static void open_bench(struct bench *b, uint64_t expected)
{
	b->options.fault = fault;
	b->options.fault_context = b;
	b->checker = (struct checker){0};
	status s = journal_open(&b->journal, &b->options, 0, check_record, &b->checker, &b->report);
	if (s != STATUS_ok)
		fail_msg("%s: %s", status_code(s), b->report.text);
	assert_int_equal(b->checker.wrong, 0);
	assert_int_equal(b->checker.last, expected);
}

/* ---- errors of the device ------------------------------------------------------------- */

static void wait_for(struct bench *b, bool is_failed)
{
	struct journal_stat stat;
	unsigned tries = 0;
	do {
		clock_sleep_ms(1);
		journal_stat(b->journal, &stat);
	} while (stat.is_failed != is_failed && ++tries < 10000);
	assert_int_equal(stat.is_failed, is_failed);
}

static void an_error_stops_changes_until_it_passes(void **state)
{
	struct bench *b = *state;
	struct journal_stat stat;
	struct journal_place at = {0};
	uint64_t last = 0;
	open_bench(b, 0);
	assert_true(append_records(b->journal, &last, 500, 10));
	assert_true(journal_wait(b->journal, 500, 10000));

	b->sync_error = EIO;
	for (at.sequence = last; at.sequence < 570;)
		assert_int_equal(append_at(b->journal, &at), STATUS_ok);
	journal_commit(b->journal);
	assert_false(journal_wait(b->journal, 570, 10000));
	journal_stat(b->journal, &stat);
	assert_true(stat.is_failed);
	assert_non_null(strstr(stat.text, "Input/output error"));
	assert_non_null(strstr(stat.text, "behind 500"));
	assert_int_equal(stat.durable, 500);
	assert_int_equal(stat.released, 500);
	assert_int_equal(stat.appended, 570);
	assert_true(stat.failures > 0);
	struct journal_place no = at;
	assert_int_equal(append_at(b->journal, &no), STATUS_journal_full);
	struct checker checker = {.last = 569};
	assert_int_equal(journal_fetch(b->journal, at.place, check_record, &checker), STATUS_ok);
	assert_int_equal(checker.wrong, 0);

	b->sync_error = 0;
	wait_for(b, false);
	assert_int_equal(journal_durable(b->journal), 570);
	last = 570;
	assert_true(append_records(b->journal, &last, 10, 1));
	assert_true(journal_wait(b->journal, 580, 10000));
	journal_stat(b->journal, &stat);
	assert_false(stat.is_failed);
	assert_string_equal(stat.text, "");
	journal_close(&b->journal);
	open_bench(b, 580);
	assert_false(b->report.is_torn);
}

static void a_mark_that_fails_is_written_again(void **state)
{
	struct bench *b = *state;
	uint64_t last = 0;
	b->options.retry_ms = 2;
	open_bench(b, 0);
	assert_true(append_records(b->journal, &last, 50, 10));
	assert_true(journal_wait(b->journal, 50, 10000));
	b->sync_error = EIO;
	wait_for(b, true);
	clock_sleep_ms(20);
	b->sync_error = 0;
	wait_for(b, false);
	b->sync_error = EIO;
	journal_close(&b->journal);
	assert_int_equal(journal_verify(b->folder, 0, NULL, NULL, &b->report), STATUS_ok);
	assert_int_equal(b->report.proven, 50);
	assert_false(b->report.is_torn);
}

static void closing_tries_a_last_time(void **state)
{
	struct bench *b = *state;
	uint64_t last = 0;
	b->options.retry_ms = 1 << 20;
	open_bench(b, 0);
	b->write_error = ENOSPC;
	assert_true(append_records(b->journal, &last, 50, 50));
	wait_for(b, true);
	b->write_error = 0;
	journal_close(&b->journal);
	open_bench(b, 50);
	assert_false(b->report.is_torn);
}

static void append_placed(struct bench *b, uint64_t *last, uint64_t count)
{
	for (struct journal_place at = {.sequence = *last}; count > 0; count--) {
		while (append_at(b->journal, &at) != STATUS_ok)
			clock_sleep_ms(1);
		*last = at.sequence;
		b->place[at.sequence] = at.place;
		if (random_below(&b->shakes_of_writer, 20) == 0)
			journal_commit(b->journal);
	}
	journal_commit(b->journal);
}

/* The process ends in the middle of failures: what is there is a prefix that holds all that was durable. */
static void end_and_begin_again(struct bench *b, uint64_t *last)
{
	b->sync_error = EIO;
	uint64_t durable = journal_durable(b->journal);
	journal_close(&b->journal);
	b->is_shaky = false;
	b->sync_error = 0;
	b->checker = (struct checker){0};
	if (journal_verify(b->folder, 0, check_record, &b->checker, &b->report) != STATUS_ok)
		fail_msg("%s", b->report.text);
	assert_int_equal(b->checker.wrong, 0);
	assert_in_range(b->checker.last, durable, *last);
	*last = b->checker.last;
	/* Their numbers come again, elsewhere: what an old place says is lost might be durable. */
	for (uint64_t i = *last + 1; i < PLACES_MAX; i++)
		b->place[i] = 0;
	open_bench(b, *last);
}

static void failures_at_any_moment_lose_nothing(void **state)
{
	struct bench *b = *state;
	struct journal_stat stat;
	uint64_t last = 0, failures = 0, full = 0;
	b->options.retry_ms = 1;
	b->options.buffer_bytes = 256 << 10;
	b->shakes.state = 1;
	b->shakes_of_writer.state = 2;
	open_bench(b, 0);
	/* A busy machine takes more rounds to meet them. */
	for (unsigned i = 0; i < 60 || (i < 120 && (failures <= 100 || full <= 10 || b->losses <= 100)); i++) {
		b->is_shaky = true;
		append_placed(b, &last, 1 + random_below(&b->shakes_of_writer, i % 3 == 1 ? 5000 : 300));
		journal_stat(b->journal, &stat);
		failures += stat.failures;
		full += stat.full;
		if (i % 4 == 3) {
			end_and_begin_again(b, &last);
			continue;
		}
		b->is_shaky = i % 4 == 2;
		assert_true(wait_durable(b->journal, last));
	}
	b->is_shaky = false;
	assert_true(wait_durable(b->journal, last));
	journal_close(&b->journal);
	open_bench(b, last);
	assert_false(b->report.is_torn);
	assert_true(failures > 100 && full > 10);
	assert_true(b->losses > 100);
}

static void a_file_that_cannot_be_made_is_tried_again(void **state)
{
	struct bench *b = *state;
	struct journal_stat stat;
	uint64_t last = 0, sequence;
	open_bench(b, 0);
	b->prepare_error = ENOSPC;
	do {
		sequence = last;
		status s = append_one(b->journal, &sequence);
		if (s == STATUS_ok)
			last = sequence;
		else
			clock_sleep_ms(1);
		journal_stat(b->journal, &stat);
	} while (stat.files_ahead != 0 || stat.full < 10 || stat.durable != last);
	assert_non_null(strstr(stat.text, "No space left"));
	assert_false(stat.is_failed);
	b->prepare_error = 0;
	assert_true(append_records(b->journal, &last, 5000, 100));
	assert_true(journal_wait(b->journal, last, 10000));
	journal_stat(b->journal, &stat);
	assert_string_equal(stat.text, "");
	journal_close(&b->journal);
	open_bench(b, last);
}

/* ---- files that cannot be dropped ---------------------------------------------------------- */

static size_t files_of(const char *folder)
{
	static uint64_t numbers[SEGMENT_FILES_MAX];
	size_t count = 0;
	int directory = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(segment_list(directory, numbers, SEGMENT_FILES_MAX, &count, false), 0);
	close(directory);
	return count;
}

static struct journal_stat settled(struct bench *b, bool is_at_rest)
{
	struct journal_stat stat;
	unsigned tries = 0;
	do {
		clock_sleep_ms(1);
		journal_stat(b->journal, &stat);
	} while ((stat.is_at_rest != is_at_rest || stat.files_ahead != 2) && ++tries < 10000);
	assert_int_equal(stat.is_at_rest, is_at_rest);
	assert_int_equal(stat.bytes, files_of(b->folder) * FILES_SEGMENT_BYTES);
	return stat;
}

static void a_file_that_cannot_be_dropped_stays(void **state)
{
	struct bench *b = *state;
	struct checker checker = {0};
	char path[FILES_PATH_BYTES + 8];
	uint64_t last = 0, read;
	b->options.retry_ms = 2;
	b->drop_error = EACCES;
	open_bench(b, 0);
	assert_true(append_records(b->journal, &last, 12000, 100));
	assert_true(wait_durable(b->journal, last));
	struct journal_stat before = settled(b, true);
	assert_true(before.files > 4);

	snprintf(path, sizeof path, "%s/log", b->folder);
	int stderr_before = log_catch(path);
	journal_drop_before(b->journal, last);
	for (unsigned i = 0; i < 10000 && b->drops < 10; i++)
		clock_sleep_ms(1);
	assert_true(b->drops >= 10);
	b->drops = 0;
	b->drop_error = EIO;
	struct journal_stat stat = settled(b, false);
	assert_int_equal(stat.first, 1);
	assert_int_equal(stat.files, before.files);
	assert_false(stat.is_failed);
	/* It goes on, and the file is as good as ever. */
	assert_true(append_records(b->journal, &last, 100, 10));
	assert_true(wait_durable(b->journal, last));
	assert_int_equal(journal_read(b->journal, 0, UINT32_MAX, check_record, &checker, &read), STATUS_ok);
	assert_int_equal(read, last);
	assert_int_equal(checker.wrong, 0);

	b->drop_error = 0;
	stat = settled(b, true);
	assert_int_equal(stat.files, 1);
	char *log = log_caught(stderr_before, path);
	if (text_count(log, "0000000000000001.journal is not needed any more and cannot be dropped: Permission denied") != 1 ||
	    text_count(log, "cannot be dropped") != 1 || text_count(log, "are dropped again") != 1)
		fail_msg("%s", log);
	free(log);
	journal_close(&b->journal);
	assert_int_equal(journal_verify(b->folder, stat.first - 1, NULL, NULL, &b->report), STATUS_ok);
	assert_int_equal(b->report.first, stat.first);
	assert_int_equal(b->report.last, last);
}

/* An O_PATH descriptor names files and syncs nothing. */
static void a_name_that_is_not_durable_is_taken_back(void **state)
{
	struct bench *b = *state;
	open_bench(b, 0);
	journal_close(&b->journal);
	int directory = open(b->folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(segment_is_there(directory, 1));
	assert_int_equal(segment_rename(directory, 1, 9), EBADF);
	assert_true(segment_is_there(directory, 1));
	assert_false(segment_is_there(directory, 9));
	assert_int_equal(segment_remove(directory, 1), EBADF);
	assert_false(segment_is_there(directory, 1));
	close(directory);
}

static void a_journal_that_cannot_begin_says_so(void **state)
{
	struct bench *b = *state;
	b->prepare_error = ENOSPC;
	b->options.fault = fault;
	b->options.fault_context = b;
	assert_int_equal(journal_open(&b->journal, &b->options, 0, NULL, NULL, &b->report), STATUS_journal_full);
	assert_non_null(strstr(b->report.text, "No space left"));
	b->prepare_error = 0;
	open_bench(b, 0);
}

/* ---- a disk that is full ------------------------------------------------------------------ */

static void a_full_disk_is_survived(void **state)
{
	struct bench *b = *state;
	struct journal_stat stat;
	char filler[FILES_PATH_BYTES + 16];
	if (geteuid() != 0 || mount("trove-test", b->folder, "tmpfs", 0, "size=1536k") != 0) {
		printf("SKIP: a_full_disk_is_survived: mounting a small tmpfs needs root\n");
		skip();
	}
	snprintf(filler, sizeof filler, "%s/filler", b->folder);
	uint8_t *bytes = calloc(1, 600 << 10);
	store_file(filler, bytes, 600 << 10);
	free(bytes);
	open_bench(b, 0);
	uint64_t last = 0, sequence;
	unsigned refused = 0;
	do {
		sequence = last;
		if (append_one(b->journal, &sequence) == STATUS_ok) {
			last = sequence;
		} else {
			clock_sleep_ms(1);
			refused++;
		}
		journal_stat(b->journal, &stat);
	} while (refused < 100 || stat.durable != last);
	assert_non_null(strstr(stat.text, "No space left"));
	assert_int_equal(stat.durable, last);
	struct checker checker = {0};
	assert_int_equal(journal_read(b->journal, 0, UINT32_MAX, check_record, &checker, &sequence), STATUS_ok);
	assert_int_equal(checker.last, last);
	assert_int_equal(checker.wrong, 0);
	unlink(filler);
	assert_true(append_records(b->journal, &last, 2000, 50));
	assert_true(journal_wait(b->journal, last, 10000));
	journal_close(&b->journal);
	open_bench(b, last);
	journal_close(&b->journal);
	umount(b->folder);
}

/* ---- kill -9 ---------------------------------------------------------------------------------- */

/* Never returns. Acknowledges each released sequence by the pipe. */
static void acknowledge(void *context, uint64_t sequence)
{
	int pipe = *(const int *)context;
	ssize_t n = write(pipe, &sequence, sizeof sequence);
	(void)n;
}

/* With failures among its days, or without. */
[[noreturn]] static void live(struct bench *b, int pipe, uint64_t last, bool is_shaky)
{
	struct random random = {.state = last};
	struct journal_report report;
	struct checker checker = {0};
	b->options.released = acknowledge;
	b->options.context = &pipe;
	b->options.fault = fault;
	b->options.fault_context = b;
	b->options.retry_ms = 1;
	if (journal_open(&b->journal, &b->options, 0, check_record, &checker, &report) != STATUS_ok || checker.wrong != 0)
		_exit(1);
	if (checker.last < last)
		_exit(2);
	b->is_shaky = is_shaky;
	last = checker.last;
	for (;;)
		append_records(b->journal, &last, 1 + random_below(&random, 100), 1 + random_below(&random, 40));
}

static void killed_at_any_moment_it_keeps_what_it_acknowledged(void **state)
{
	struct bench *b = *state;
	struct random random = {.state = 99};
	uint64_t acknowledged = 0, total = 0;
	for (unsigned i = 0; i < KILLS; i++) {
		int ends[2], code;
		assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
		pid_t child = fork();
		if (child == 0)
			live(b, ends[1], acknowledged, i % 3 == 2);
		close(ends[1]);
		/* From before it is open to well into its work. */
		uint64_t sequence = 0;
		if (i % 4 != 0 && read(ends[0], &sequence, sizeof sequence) == sizeof sequence)
			acknowledged = sequence;
		usleep((useconds_t)random_below(&random, 8000));
		kill(child, SIGKILL);
		while (read(ends[0], &sequence, sizeof sequence) == sizeof sequence)
			acknowledged = sequence;
		close(ends[0]);
		assert_int_equal(waitpid(child, &code, 0), child);
		if (!WIFSIGNALED(code))
			fail_msg("the child ended by itself with %d", WEXITSTATUS(code));
		b->checker = (struct checker){0};
		status s = journal_verify(b->folder, 0, check_record, &b->checker, &b->report);
		if (s == STATUS_not_found && acknowledged == 0)
			continue;
		if (s != STATUS_ok)
			fail_msg("kill %u: %s", i, b->report.text);
		assert_int_equal(b->checker.wrong, 0);
		assert_true(b->checker.last >= acknowledged);
		if (acknowledged < RECORDS_KEPT)
			continue;
		/* A new one: each start and each look here reads all of it. */
		total += acknowledged;
		acknowledged = 0;
		remove_folder(b->folder);
		make_folder(b->folder);
	}
	assert_true(total + acknowledged > 1000);
	if (acknowledged == 0)
		return;
	open_bench(b, b->checker.last);
}

#define fault_test(f) cmocka_unit_test_setup_teardown(f, make_bench, remove_bench)

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* First: a thread of an earlier test must not be in the children. */
		fault_test(killed_at_any_moment_it_keeps_what_it_acknowledged),
		fault_test(an_error_stops_changes_until_it_passes),
		fault_test(a_mark_that_fails_is_written_again),
		fault_test(closing_tries_a_last_time),
		fault_test(failures_at_any_moment_lose_nothing),
		fault_test(a_file_that_cannot_be_made_is_tried_again),
		fault_test(a_file_that_cannot_be_dropped_stays),
		fault_test(a_name_that_is_not_durable_is_taken_back),
		fault_test(a_journal_that_cannot_begin_says_so),
		fault_test(a_full_disk_is_survived),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
