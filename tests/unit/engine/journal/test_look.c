/*
 * A journal read beside the process that writes it: what is read is right and whole up to a record that was
 * durable, at any moment, while files come and go; nobody waits for anybody; damage is damage all the same.
 */
#include "engine/journal/look.h"

#include "engine/base/clock.h"
#include "tests/support/journal_files.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { KEPT = 20000, LOOKS = 60 };

struct bench {
	char folder[FILES_PATH_BYTES], path[FILES_PATH_BYTES], text[512];
	struct journal_options options;
	struct journal *journal;
	struct journal_look look;
	struct journal_report report;
	struct checker checker;
	_Atomic bool must_stop;
	uint64_t last;
};

static int make_bench(void **state)
{
	struct bench *b = calloc(1, sizeof *b);
	make_folder(b->folder);
	b->options = small_options(b->folder);
	b->look.directory = -1;
	assert_int_equal(journal_open(&b->journal, &b->options, 0, NULL, NULL, &b->report), STATUS_ok);
	*state = b;
	return 0;
}

static int remove_bench(void **state)
{
	struct bench *b = *state;
	journal_look_close(&b->look);
	journal_close(&b->journal);
	remove_folder(b->folder);
	free(b);
	return 0;
}

static status look(struct bench *b)
{
	return journal_look_open(&b->look, b->folder, b->text, sizeof b->text);
}

static status read_on(struct bench *b)
{
	b->checker = (struct checker){.last = b->look.first - 1};
	status s = journal_look_read(&b->look, check_record, &b->checker, &b->report);
	return s;
}

/* Opens, reads, closes. */
static status look_once(struct bench *b)
{
	status s = look(b);
	if (s != STATUS_ok)
		return s;
	s = read_on(b);
	journal_look_close(&b->look);
	return s;
}

static void an_empty_one(void **state)
{
	struct bench *b = *state;
	assert_int_equal(look_once(b), STATUS_ok);
	assert_true(b->look.is_live);
	assert_int_equal(b->look.until, 0);
	assert_int_equal(b->report.last, 0);
	assert_int_equal(journal_look_open(&b->look, "/nowhere/at/all", b->text, sizeof b->text), STATUS_not_found);
}

/* Everything that was answered is seen at once, also before the journal rested. */
static void what_is_durable_is_read(void **state)
{
	struct bench *b = *state;
	for (unsigned i = 0; i < 10; i++) {
		assert_true(append_records(b->journal, &b->last, i == 5 ? 3000 : 3, 1));
		assert_true(wait_durable(b->journal, b->last));
		assert_int_equal(look_once(b), STATUS_ok);
		assert_int_equal(b->look.until, b->last);
		assert_int_equal(b->checker.last, b->last);
		assert_int_equal(b->checker.wrong, 0);
		assert_int_equal(b->report.last, b->last);
	}
}

/* Nobody has it: all that a start would take, without a mark, and no lock is left behind. */
static void what_nobody_has(void **state)
{
	struct bench *b = *state;
	assert_true(append_records(b->journal, &b->last, 3000, 10));
	assert_true(wait_durable(b->journal, b->last));
	journal_close(&b->journal);
	assert_int_equal(look(b), STATUS_ok);
	assert_false(b->look.is_live);
	assert_int_equal(b->look.until, UINT64_MAX);
	assert_int_equal(read_on(b), STATUS_ok);
	assert_int_equal(b->checker.last, b->last);
	/* It starts while we look; then we say so. */
	assert_int_equal(journal_open(&b->journal, &b->options, 0, NULL, NULL, &b->report), STATUS_ok);
	assert_int_equal(read_on(b), STATUS_overloaded);
}

static void *write_and_drop(void *argument)
{
	struct bench *b = argument;
	while (!b->must_stop) {
		if (!append_records(b->journal, &b->last, 50, 5))
			break;
		if (b->last > KEPT)
			journal_drop_before(b->journal, b->last - KEPT);
		clock_sleep_ms(1); /* a file in some tens of milliseconds */
	}
	return NULL;
}

static void while_it_is_written_and_files_go(void **state)
{
	struct bench *b = *state;
	pthread_t thread;
	unsigned good = 0, again = 0;
	uint64_t first = 0;
	assert_int_equal(pthread_create(&thread, NULL, write_and_drop, b), 0);
	while (journal_durable(b->journal) < KEPT + KEPT / 2)
		clock_sleep_ms(1);
	for (unsigned i = 0; i < LOOKS; i++) {
		uint64_t durable = journal_durable(b->journal);
		status s = look_once(b);
		if (s == STATUS_overloaded) {
			again++;
			continue;
		}
		if (s != STATUS_ok)
			fail_msg("look %u: %s %s", i, b->text, b->report.text);
		good++;
		assert_int_equal(b->checker.wrong, 0);
		assert_int_equal(b->checker.last, b->look.until);
		assert_int_equal(b->report.last, b->look.until);
		assert_true(b->look.until >= durable && b->look.until <= journal_durable(b->journal));
		assert_true(b->report.first >= first);
		first = b->report.first;
	}
	b->must_stop = true;
	pthread_join(thread, NULL);
	printf("%u looks, %u to be done again; the oldest record was %llu at last\n", good, again, (unsigned long long)first);
	assert_true(good > LOOKS / 4 && first > 1);
}

struct dropping {
	struct bench *bench;
	bool is_done;
};

/* In the middle of the first file all but the newest go. */
static void drop_others(void *context, const struct journal_record *record)
{
	struct dropping *d = context;
	struct journal_stat stat;
	if (d->is_done || record->sequence < d->bench->look.first + 10)
		return;
	d->is_done = true;
	journal_drop_before(d->bench->journal, d->bench->last);
	do {
		clock_sleep_ms(1);
		journal_stat(d->bench->journal, &stat);
	} while (stat.files > 2);
}

static void overtaken_is_said(void **state)
{
	struct bench *b = *state;
	struct dropping dropping = {.bench = b};
	assert_true(append_records(b->journal, &b->last, 12000, 10));
	assert_true(wait_durable(b->journal, b->last));
	assert_int_equal(look(b), STATUS_ok);
	assert_int_equal(journal_look_read(&b->look, drop_others, &dropping, &b->report), STATUS_overloaded);
	assert_true(dropping.is_done);
	journal_look_close(&b->look);
	/* More may be going still. */
	status s = STATUS_overloaded;
	for (unsigned tries = 0; tries < 100 && s == STATUS_overloaded; tries++)
		s = look_once(b);
	assert_int_equal(s, STATUS_ok);
	assert_true(b->look.first > 1);
	assert_int_equal(b->checker.last, b->last);
	assert_int_equal(b->checker.wrong, 0);
}

static void damage_is_located(void **state)
{
	struct bench *b = *state;
	size_t bytes;
	assert_true(append_records(b->journal, &b->last, 12000, 10));
	assert_true(wait_durable(b->journal, b->last));
	file_path(b->folder, 2, b->path);
	uint8_t *content = load_file(b->path, &bytes);
	content[100000] ^= 1;
	store_file(b->path, content, bytes);
	free(content);
	assert_int_equal(look_once(b), STATUS_malformed);
	assert_true(b->report.is_damaged);
	assert_int_equal(b->report.file_number, 2);
	assert_int_equal(b->checker.wrong, 0);
	assert_int_equal(unlink(b->path), 0);
	status s = look_once(b);
	assert_true(s == STATUS_malformed);
}

#define look_test(f) cmocka_unit_test_setup_teardown(f, make_bench, remove_bench)

int main(void)
{
	const struct CMUnitTest tests[] = {
		look_test(an_empty_one),
		look_test(what_is_durable_is_read),
		look_test(what_nobody_has),
		look_test(while_it_is_written_and_files_go),
		look_test(overtaken_is_said),
		look_test(damage_is_located),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
