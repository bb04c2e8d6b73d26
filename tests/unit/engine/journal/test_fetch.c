/* Single records by their places: from the ring, from files, and what is no place. */
#include "engine/journal/journal.h"

#include "engine/base/clock.h"
#include "engine/base/random.h"
#include "engine/journal/record.h"
#include "tests/support/allocation_count.h"
#include "tests/support/journal_files.h"
#include "tests/support/peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { RECORDS = 30000 };

struct bench {
	char folder[FILES_PATH_BYTES];
	struct journal_options options;
	struct journal *journal;
	struct journal_report report;
	uint64_t last;
	uint64_t place[RECORDS + 1]; /* by sequence, as append said */
	uint64_t moved;              /* records that a start saw elsewhere */
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

static void compare_place(void *context, const struct journal_record *r)
{
	struct bench *b = context;
	b->moved += r->place != b->place[r->sequence];
}

static void open_bench(struct bench *b)
{
	assert_int_equal(journal_open(&b->journal, &b->options, 0, compare_place, b, &b->report), STATUS_ok);
	assert_int_equal(b->report.last, b->last);
	assert_int_equal(b->moved, 0);
}

static void append(struct bench *b, uint64_t count)
{
	for (struct journal_place at = {.sequence = b->last}; count > 0; count--) {
		while (append_at(b->journal, &at) != STATUS_ok)
			clock_sleep_ms(1);
		assert_int_equal(at.sequence, b->last + 1);
		assert_true(at.place > b->place[b->last]);
		b->last = at.sequence;
		b->place[at.sequence] = at.place;
		if (count % 50 == 1)
			journal_commit(b->journal);
	}
}

static void make_durable(struct bench *b)
{
	journal_commit(b->journal);
	assert_true(journal_wait(b->journal, b->last, 20000));
}

static void fetch_right(struct bench *b, uint64_t sequence)
{
	struct checker checker = {.last = sequence - 1};
	assert_int_equal(journal_fetch(b->journal, b->place[sequence], check_record, &checker), STATUS_ok);
	assert_int_equal(checker.last, sequence);
	assert_int_equal(checker.wrong, 0);
}

static void fetch_all(struct bench *b, uint64_t step)
{
	for (uint64_t sequence = 1; sequence <= b->last; sequence += step)
		fetch_right(b, sequence);
}

/* Beyond the ring's end and over files' ends, whole and wrapped. */
static void what_was_just_appended_is_there(void **state)
{
	struct bench *b = *state;
	open_bench(b);
	for (unsigned i = 0; i < RECORDS / 3; i++) {
		append(b, 1);
		fetch_right(b, b->last);
		if (i > 40)
			fetch_right(b, b->last - 40);
	}
}

static void what_left_the_ring_comes_from_its_file(void **state)
{
	struct bench *b = *state;
	open_bench(b);
	append(b, RECORDS / 2);
	fetch_all(b, 1);
	make_durable(b);
	fetch_all(b, 1);
	struct journal_stat stat;
	journal_stat(b->journal, &stat);
	assert_true(stat.files > 5);
}

static void places_outlive_restarts_and_other_sizes_of_files(void **state)
{
	struct bench *b = *state;
	const int64_t sizes[] = {FILES_SEGMENT_BYTES, 2 * FILES_SEGMENT_BYTES, FILES_SEGMENT_BYTES, FILES_SEGMENT_BYTES + 4096};
	for (unsigned i = 0; i < 4; i++) {
		b->options.segment_bytes = sizes[i];
		open_bench(b);
		fetch_all(b, 7);
		append(b, RECORDS / 5);
		make_durable(b);
		fetch_all(b, 7);
		journal_close(&b->journal);
	}
	open_bench(b);
	fetch_all(b, 1);
}

static void what_was_dropped_is_not_found(void **state)
{
	struct bench *b = *state;
	struct checker checker = {0};
	struct journal_stat stat;
	open_bench(b);
	append(b, RECORDS / 2);
	make_durable(b);
	journal_drop_before(b->journal, b->last);
	do {
		clock_sleep_ms(1);
		journal_stat(b->journal, &stat);
	} while (!stat.is_at_rest);
	assert_int_equal(journal_fetch(b->journal, b->place[1], check_record, &checker), STATUS_not_found);
	/* Its file is gone, but the ring still has it. */
	fetch_right(b, stat.first - 1);
	append(b, RECORDS / 2);
	make_durable(b);
	assert_int_equal(journal_fetch(b->journal, b->place[stat.first - 1], check_record, &checker), STATUS_not_found);
	assert_int_equal(checker.last, 0);
	for (uint64_t sequence = stat.first; sequence <= b->last; sequence++)
		fetch_right(b, sequence);
}

static void refuse(struct bench *b, uint64_t place)
{
	struct checker checker = {0};
	status s = journal_fetch(b->journal, place, check_record, &checker);
	if (s != STATUS_malformed && s != STATUS_not_found)
		fail_msg("place %llx: %s", (unsigned long long)place, status_code(s));
	assert_int_equal(checker.last, 0);
}

static void what_is_no_place_is_refused(void **state)
{
	struct bench *b = *state;
	struct random random = {.state = 3};
	open_bench(b);
	refuse(b, 0);
	refuse(b, journal_place(1, JOURNAL_HEAD_BYTES));
	append(b, RECORDS / 2);
	make_durable(b);
	for (uint64_t sequence = 1; sequence < b->last; sequence++) {
		uint64_t inside = b->place[sequence] + 8 * (1 + random_below(&random, 7));
		if (inside < b->place[sequence + 1])
			refuse(b, inside);
		refuse(b, b->place[sequence] + 1);
	}
	for (uint64_t number = 0; number < 20; number++) {
		refuse(b, journal_place(number, 0));
		refuse(b, journal_place(number, JOURNAL_SECTOR_BYTES));
		refuse(b, journal_place(number, FILES_SEGMENT_BYTES - 8));
		refuse(b, journal_place(number, FILES_SEGMENT_BYTES));
		refuse(b, journal_place(number + 1, 0) - 8);
	}
	refuse(b, b->place[b->last] + record_room(sizeof(struct record_head) + body_bytes_of(b->last)));
	refuse(b, UINT64_MAX - 7);
	for (unsigned i = 0; i < 10000; i++)
		refuse(b, (random_next(&random) >> random_below(&random, 64)) | 4);
}

/* A file that was used again, and grew no further since: behind its end are records of its earlier life. */
static void an_earlier_life_of_a_file_is_not_shown(void **state)
{
	struct bench *b = *state;
	struct journal_stat stat;
	open_bench(b);
	append(b, RECORDS / 4);
	make_durable(b);
	journal_drop_before(b->journal, b->last);
	do {
		clock_sleep_ms(1);
		journal_stat(b->journal, &stat);
	} while (stat.files > 2 || stat.files_ahead < 2);
	uint64_t number = b->place[b->last] >> JOURNAL_OFFSET_BITS;
	while (b->place[b->last] >> JOURNAL_OFFSET_BITS == number)
		append(b, 1);
	make_durable(b);
	journal_close(&b->journal);
	/* The next start goes on in a file of another size; this one ends where it ends. */
	b->options.segment_bytes = 2 * FILES_SEGMENT_BYTES;
	assert_int_equal(journal_verify(b->folder, b->last, NULL, NULL, &b->report), STATUS_ok);
	assert_int_equal(journal_open(&b->journal, &b->options, b->report.first - 1, compare_place, b, &b->report), STATUS_ok);
	append(b, 10);
	make_durable(b);
	unsigned refused = 0;
	for (uint64_t sequence = 1; sequence < stat.first; sequence++) {
		uint64_t offset = b->place[sequence] & (journal_place(1, 0) - 1);
		if (offset <= (b->place[b->last - 10] & (journal_place(1, 0) - 1)) + 8192)
			continue;
		refuse(b, journal_place(number + 1, offset));
		refused++;
	}
	assert_true(refused > 0);
}

static void a_record_that_changed_on_the_disk_is_refused(void **state)
{
	struct bench *b = *state;
	char path[FILES_PATH_BYTES];
	size_t bytes;
	open_bench(b);
	append(b, 1000);
	make_durable(b);
	journal_close(&b->journal);
	open_bench(b);
	file_path(b->folder, 1, path);
	uint8_t *content = load_file(path, &bytes);
	content[(b->place[500] & (journal_place(1, 0) - 1)) + 20] ^= 1;
	content[(b->place[600] & (journal_place(1, 0) - 1)) + sizeof(struct record_head)] ^= 1;
	store_file(path, content, bytes);
	free(content);
	refuse(b, b->place[500]);
	refuse(b, b->place[600]);
	fetch_right(b, 501);
}

/* Who asks in turn for what two bad files hold gets no line for each. */
static void each_bad_file_is_said_once(void **state)
{
	struct bench *b = *state;
	char path[FILES_PATH_BYTES + 8];
	uint64_t last = 0;
	open_bench(b);
	append(b, RECORDS);
	make_durable(b);
	for (uint64_t number = 1; number <= 2; number++) {
		file_path(b->folder, number, path);
		assert_int_equal(truncate(path, JOURNAL_HEAD_BYTES), 0);
	}
	while (b->place[last + 1] >> JOURNAL_OFFSET_BITS < 2)
		last++;
	snprintf(path, sizeof path, "%s/log", b->folder);
	int before = log_catch(path);
	for (unsigned i = 0; i < 10; i++) {
		refuse(b, b->place[last - i]);
		refuse(b, b->place[last + 1 + i]);
	}
	char *log = log_caught(before, path), says[100];
	for (unsigned number = 1; number <= 2; number++) {
		uint64_t place = b->place[number == 1 ? last : last + 1];
		snprintf(says, sizeof says, "%016x.journal, offset %llu: cannot be read: no whole record is there", number,
		         (unsigned long long)(place & (journal_place(1, 0) - 1)));
		if (text_count(log, says) != 1)
			fail_msg("%s is not in the log once:\n%s", says, log);
	}
	assert_int_equal(text_count(log, "\n"), 2);
	free(log);
}

static void fetching_allocates_nothing(void **state)
{
	struct bench *b = *state;
	open_bench(b);
	append(b, RECORDS);
	make_durable(b);
	fetch_all(b, 97);
	uint64_t before = allocation_count_of_thread();
	fetch_all(b, 13);
	assert_int_equal(allocation_count_of_thread() - before, 0);
}

#define fetch_test(f) cmocka_unit_test_setup_teardown(f, make_bench, remove_bench)

int main(void)
{
	const struct CMUnitTest tests[] = {
		fetch_test(what_was_just_appended_is_there),
		fetch_test(what_left_the_ring_comes_from_its_file),
		fetch_test(places_outlive_restarts_and_other_sizes_of_files),
		fetch_test(what_was_dropped_is_not_found),
		fetch_test(what_is_no_place_is_refused),
		fetch_test(an_earlier_life_of_a_file_is_not_shown),
		fetch_test(a_record_that_changed_on_the_disk_is_refused),
		fetch_test(each_bad_file_is_said_once),
		fetch_test(fetching_allocates_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
