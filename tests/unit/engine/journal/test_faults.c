/* The journal while things fail: full disks, errors of the device, kill -9. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "engine/journal/journal.h"

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/random.h"
#include "tests/support/journal_files.h"

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

enum { KILLS = 100, RECORDS_KEPT = 60000 };

struct bench {
	char folder[FILES_PATH_BYTES];
	struct journal_options options;
	struct journal *journal;
	struct journal_report report;
	struct checker checker;
	_Atomic int sync_error, prepare_error;
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

static int fault(void *context, enum journal_step step)
{
	struct bench *b = context;
	return step == JOURNAL_STEP_sync ? b->sync_error : b->prepare_error;
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

static void an_error_stops_changes_until_resumed(void **state)
{
	struct bench *b = *state;
	struct journal_stat stat;
	struct journal_lost lost;
	uint64_t last = 0;
	open_bench(b, 0);
	assert_true(append_records(b->journal, &last, 500, 10));
	assert_true(journal_wait(b->journal, 500, 10000));
	assert_int_equal(journal_resume(b->journal, &lost), STATUS_ok);
	assert_true(lost.last < lost.first);

	b->sync_error = EIO;
	assert_true(append_records(b->journal, &last, 70, 70));
	assert_false(journal_wait(b->journal, 570, 10000));
	journal_stat(b->journal, &stat);
	assert_true(stat.is_failed);
	assert_non_null(strstr(stat.text, "Input/output error"));
	assert_non_null(strstr(stat.text, "behind 500"));
	assert_int_equal(stat.durable, 500);
	assert_int_equal(stat.released, 500);
	uint64_t sequence = last;
	assert_int_equal(append_one(b->journal, &sequence), STATUS_journal_full);
	assert_int_equal(journal_resume(b->journal, &lost), STATUS_journal_full);

	b->sync_error = 0;
	assert_int_equal(journal_resume(b->journal, &lost), STATUS_ok);
	assert_int_equal(lost.first, 501);
	assert_int_equal(lost.last, 570);
	last = 500;
	assert_true(append_records(b->journal, &last, 10, 1));
	assert_true(journal_wait(b->journal, 510, 10000));
	journal_stat(b->journal, &stat);
	assert_false(stat.is_failed);
	assert_string_equal(stat.text, "");
	journal_close(&b->journal);
	open_bench(b, 510);
	assert_false(b->report.is_torn);
}

/* What was given up may lie in several files; it must not come back. */
static void what_was_given_up_stays_away(void **state)
{
	struct bench *b = *state;
	struct journal_lost lost;
	struct journal_stat stat;
	uint64_t durable = 0;
	struct random random = {.state = 5};
	open_bench(b, 0);
	for (unsigned i = 0; i < 30; i++) {
		uint64_t last = durable;
		assert_true(append_records(b->journal, &last, random_below(&random, 900), 30));
		assert_true(journal_wait(b->journal, last, 10000));
		durable = last;
		do {
			clock_sleep_ms(1);
			journal_stat(b->journal, &stat);
		} while (stat.files_ahead < 2);
		b->sync_error = i % 2 == 0 ? EIO : ENOSPC;
		for (uint64_t more = 1 + random_below(&random, 4000); more > 0 && append_one(b->journal, &last) == STATUS_ok; more--)
			;
		journal_commit(b->journal);
		assert_false(journal_wait(b->journal, last, 10000));
		b->sync_error = 0;
		if (i % 3 == 2) {
			/* Instead of resuming, the process ends and starts again: all that was written may count. */
			journal_close(&b->journal);
			assert_int_equal(journal_verify(b->folder, 0, NULL, NULL, &b->report), STATUS_ok);
			assert_true(b->report.last >= durable);
			durable = b->report.last;
			open_bench(b, durable);
			continue;
		}
		assert_int_equal(journal_resume(b->journal, &lost), STATUS_ok);
		assert_int_equal(lost.first, durable + 1);
		assert_int_equal(lost.last, last);
	}
	journal_close(&b->journal);
	open_bench(b, durable);
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

[[noreturn]] static void live(struct bench *b, int pipe, uint64_t last)
{
	struct random random = {.state = last};
	struct journal_report report;
	struct checker checker = {0};
	b->options.released = acknowledge;
	b->options.context = &pipe;
	if (journal_open(&b->journal, &b->options, 0, check_record, &checker, &report) != STATUS_ok || checker.wrong != 0)
		_exit(1);
	if (checker.last < last)
		_exit(2);
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
			live(b, ends[1], acknowledged);
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
		fault_test(an_error_stops_changes_until_resumed),
		fault_test(what_was_given_up_stays_away),
		fault_test(a_file_that_cannot_be_made_is_tried_again),
		fault_test(a_journal_that_cannot_begin_says_so),
		fault_test(a_full_disk_is_survived),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
