/* Snapshots: what was put comes back; whatever is cut, flipped, missing or foreign is seen, and the one before
 * is found; what fails while one is written leaves the older ones as they were. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "engine/journal/snapshot.h"

#include "engine/base/check.h"
#include "engine/base/random.h"
#include "tests/support/allocation_count.h"
#include "tests/support/journal_files.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const uint64_t ours[2] = {11, 22}, theirs[2] = {11, 23};

struct bench {
	char folder[FILES_PATH_BYTES];
	struct snapshots s;
	struct snapshot_found found;
	int error, after; /* fails with this from the nth time on */
	enum snapshot_step step;
};

static int fault(void *context, enum snapshot_step step)
{
	struct bench *b = context;
	return b->error != 0 && step == b->step && b->after-- <= 0 ? b->error : 0;
}

static void open_bench(struct bench *b, size_t chunk_bytes)
{
	assert_int_equal(snapshots_open(&b->s, &(struct snapshot_options){
		.directory = b->folder, .chunk_bytes = chunk_bytes, .fault = fault, .fault_context = b}), STATUS_ok);
}

static int make_bench(void **state)
{
	struct bench *b = calloc(1, sizeof *b);
	make_folder(b->folder);
	open_bench(b, 256);
	*state = b;
	return 0;
}

static int remove_bench(void **state)
{
	struct bench *b = *state;
	snapshots_close(&b->s);
	remove_folder(b->folder);
	free(b);
	return 0;
}

/* ---- records whose content follows from the sequence and their number --------------------------- */

struct script {
	uint64_t sequence;
	unsigned records, bytes_max, next;
	bool is_wrong;
};

static size_t make_record(const struct script *s, unsigned n, uint32_t *kind, uint8_t bytes[SNAPSHOT_RECORD_BYTES_MAX])
{
	struct random random = {.state = s->sequence * 1000003 + n};
	*kind = (uint32_t)random_next(&random);
	size_t count = n % 5 == 4 ? s->bytes_max : random_below(&random, s->bytes_max + 1);
	for (size_t i = 0; i < count; i++)
		bytes[i] = (uint8_t)random_next(&random);
	return count;
}

static status check_record_of(void *context, uint32_t kind, const void *bytes, size_t count)
{
	static uint8_t expected[SNAPSHOT_RECORD_BYTES_MAX];
	struct script *s = context;
	uint32_t expected_kind;
	size_t expected_count = make_record(s, s->next++, &expected_kind, expected);
	s->is_wrong |= kind != expected_kind || count != expected_count || memcmp(bytes, expected, count) != 0 ||
	               ((uintptr_t)bytes & 7) != 0;
	return STATUS_ok;
}

static status write_one(struct bench *b, struct script script)
{
	static uint8_t bytes[SNAPSHOT_RECORD_BYTES_MAX];
	(void)snapshot_start(&b->s, ours, script.sequence, 1234);
	for (unsigned n = 0; n < script.records; n++) {
		uint32_t kind;
		size_t count = make_record(&script, n, &kind, bytes);
		status s = snapshot_put(&b->s, kind, bytes, count);
		if (s != STATUS_ok) {
			assert_int_equal(snapshot_finish(&b->s), s);
			return s;
		}
	}
	return snapshot_finish(&b->s);
}

static struct script small(uint64_t sequence) { return (struct script){.sequence = sequence, .records = 9, .bytes_max = 60}; }

static void expect(struct bench *b, struct script script)
{
	status s = snapshot_find(&b->s, ours, &b->found);
	if (s != STATUS_ok)
		fail_msg("%s: %s", status_code(s), b->found.text);
	assert_int_equal(b->found.sequence, script.sequence);
	assert_int_equal(b->found.records, script.records);
	assert_int_equal(b->found.created_ms, 1234);
	s = snapshot_read(&b->s, b->found.sequence, check_record_of, &script);
	if (s != STATUS_ok)
		fail_msg("%s: %s", status_code(s), b->s.text);
	assert_false(script.is_wrong);
	assert_int_equal(script.next, script.records);
}

static void path_of(const struct bench *b, uint64_t sequence, const char *end, char path[FILES_PATH_BYTES + 64])
{
	snprintf(path, FILES_PATH_BYTES + 64, "%s/%016llx%s", b->folder, (unsigned long long)sequence, end);
}

static bool is_there(const struct bench *b, uint64_t sequence, const char *end)
{
	char path[FILES_PATH_BYTES + 64];
	path_of(b, sequence, end, path);
	return access(path, F_OK) == 0;
}

/* ---- the good way -------------------------------------------------------------------------------- */

static void what_was_put_comes_back(void **state)
{
	struct bench *b = *state;
	assert_int_equal(snapshot_find(&b->s, ours, &b->found), STATUS_not_found);
	assert_non_null(strstr(b->found.text, b->folder));
	assert_int_equal(write_one(b, (struct script){.sequence = 1}), STATUS_ok);
	expect(b, (struct script){.sequence = 1});
	assert_int_equal(write_one(b, small(7)), STATUS_ok);
	expect(b, small(7));
	assert_int_equal(write_one(b, (struct script){.sequence = 7, .records = 20, .bytes_max = 3}), STATUS_ok);
	expect(b, (struct script){.sequence = 7, .records = 20, .bytes_max = 3});
	snapshots_close(&b->s);
	open_bench(b, 0);
	expect(b, (struct script){.sequence = 7, .records = 20, .bytes_max = 3});
	allocation_count_start();
	status s = write_one(b, (struct script){.sequence = UINT64_MAX, .records = 500, .bytes_max = SNAPSHOT_RECORD_BYTES_MAX});
	assert_true(allocation_count_stop() <= 1); /* opendir's */
	assert_int_equal(s, STATUS_ok);
	expect(b, (struct script){.sequence = UINT64_MAX, .records = 500, .bytes_max = SNAPSHOT_RECORD_BYTES_MAX});
	assert_string_equal(b->found.text, "");
}

static void too_large_a_record_is_refused_and_nothing_else(void **state)
{
	struct bench *b = *state;
	static uint8_t bytes[SNAPSHOT_RECORD_BYTES_MAX + 1];
	assert_int_equal(snapshot_start(&b->s, ours, 3, 0), STATUS_ok);
	assert_int_equal(snapshot_put(&b->s, 1, bytes, sizeof bytes), STATUS_too_large);
	assert_int_equal(snapshot_put(&b->s, 1, bytes, sizeof bytes - 1), STATUS_ok);
	assert_int_equal(snapshot_finish(&b->s), STATUS_ok);
	assert_int_equal(snapshot_find(&b->s, ours, &b->found), STATUS_ok);
	assert_int_equal(b->found.records, 1);
}

static status stop_at_third(void *context, uint32_t kind, const void *bytes, size_t count)
{
	(void)kind, (void)bytes, (void)count;
	return ++*(unsigned *)context == 3 ? STATUS_pool_exhausted : STATUS_ok;
}

static void a_visitor_can_stop(void **state)
{
	struct bench *b = *state;
	unsigned count = 0;
	assert_int_equal(write_one(b, small(7)), STATUS_ok);
	assert_int_equal(snapshot_read(&b->s, 7, stop_at_third, &count), STATUS_pool_exhausted);
	assert_int_equal(count, 3);
	assert_int_equal(snapshot_read(&b->s, 8, stop_at_third, &count), STATUS_not_found);
}

static void the_newest_two_are_kept(void **state)
{
	struct bench *b = *state;
	uint64_t needed = 9;
	for (uint64_t n = 1; n <= 5; n++) {
		assert_int_equal(write_one(b, small(n * 16)), STATUS_ok);
		assert_int_equal(snapshot_drop_old(&b->s, &needed), STATUS_ok);
		assert_int_equal(needed, n == 1 ? 0 : (n - 1) * 16);
		assert_true(is_there(b, n * 16, ".snapshot"));
		assert_int_equal(is_there(b, (n - 1) * 16, ".snapshot"), n > 1);
		assert_false(n > 1 && is_there(b, (n - 2) * 16, ".snapshot"));
	}
}

static void the_identity_is_the_journals(void **state)
{
	struct bench *b = *state;
	struct journal *journal;
	struct journal_report report;
	struct journal_options o = small_options(b->folder);
	uint64_t identity[2], again[2];
	assert_int_equal(snapshot_journal_identity(b->folder, identity), STATUS_not_found);
	assert_int_equal(journal_open(&journal, &o, 0, NULL, NULL, &report), STATUS_ok);
	assert_int_equal(snapshot_journal_identity(b->folder, identity), STATUS_ok);
	assert_int_equal(write_one(b, small(1)), STATUS_ok);
	journal_close(&journal);
	/* The journal leaves the snapshot alone. */
	assert_int_equal(journal_open(&journal, &o, 0, NULL, NULL, &report), STATUS_ok);
	journal_close(&journal);
	assert_int_equal(snapshot_journal_identity(b->folder, again), STATUS_ok);
	assert_memory_equal(identity, again, sizeof identity);
	expect(b, small(1));
}

/* ---- damage ----------------------------------------------------------------------------------------- */

/* The newest, with other bytes, is refused and the one before found. */
static void expect_refused(struct bench *b, const char *path, const uint8_t *bytes, size_t count, const char *what, size_t at)
{
	store_file(path, bytes, count);
	status s = snapshot_find(&b->s, ours, &b->found);
	if (s != STATUS_ok || b->found.sequence != 7 || b->found.refused != 1 || strstr(b->found.text, path) == NULL)
		fail_msg("%s at %zu: %s, %llu, %s", what, at, status_code(s), (unsigned long long)b->found.sequence, b->found.text);
	unsigned ignored = 10; /* never stops */
	if (snapshot_read(&b->s, 8, stop_at_third, &ignored) != STATUS_malformed)
		fail_msg("%s at %zu: read", what, at);
}

static uint8_t *two_snapshots(struct bench *b, char path[FILES_PATH_BYTES + 64], size_t *count)
{
	assert_int_equal(write_one(b, small(7)), STATUS_ok);
	assert_int_equal(write_one(b, small(8)), STATUS_ok);
	path_of(b, 8, ".snapshot", path);
	return load_file(path, count);
}

static void a_cut_anywhere_is_seen(void **state)
{
	struct bench *b = *state;
	char path[FILES_PATH_BYTES + 64];
	size_t count;
	uint8_t *bytes = two_snapshots(b, path, &count);
	assert_true(count > sizeof(struct snapshot_head) + 2 * sizeof(struct snapshot_chunk) + sizeof(struct snapshot_end));
	for (size_t cut = 0; cut < count; cut++)
		expect_refused(b, path, bytes, cut, "cut", cut);
	uint8_t *more = calloc(1, count + 8);
	memcpy(more, bytes, count);
	for (size_t n = 1; n <= 8; n++)
		expect_refused(b, path, more, count + n, "longer", n);
	store_file(path, bytes, count);
	expect(b, small(8));
	free(more);
	free(bytes);
}

static void a_flipped_bit_anywhere_is_seen(void **state)
{
	struct bench *b = *state;
	char path[FILES_PATH_BYTES + 64];
	size_t count;
	uint8_t *bytes = two_snapshots(b, path, &count);
	for (size_t i = 0; i < count; i++) {
		bytes[i] ^= (uint8_t)(1u << i % 8);
		expect_refused(b, path, bytes, count, "flip", i);
		bytes[i] ^= (uint8_t)(1u << i % 8);
	}
	free(bytes);
}

static void chunks_that_are_moved_are_seen(void **state)
{
	struct bench *b = *state;
	char path[FILES_PATH_BYTES + 64];
	size_t count;
	uint8_t *bytes = two_snapshots(b, path, &count);
	struct snapshot_chunk first;
	memcpy(&first, bytes + sizeof(struct snapshot_head), sizeof first);
	size_t second = sizeof(struct snapshot_head) + sizeof first + first.bytes;
	/* Without the first chunk. */
	uint8_t *other = malloc(count);
	memcpy(other, bytes, sizeof(struct snapshot_head));
	memcpy(other + sizeof(struct snapshot_head), bytes + second, count - second);
	expect_refused(b, path, other, count - second + sizeof(struct snapshot_head), "chunk left out", 0);
	/* The content of another one, under this head. */
	char old[FILES_PATH_BYTES + 64];
	size_t old_count;
	path_of(b, 7, ".snapshot", old);
	uint8_t *before = load_file(old, &old_count);
	expect_refused(b, path, before, old_count, "renamed", 0);
	memcpy(before, bytes, sizeof(struct snapshot_head));
	expect_refused(b, path, before, old_count, "another head", 0);
	free(before);
	free(other);
	free(bytes);
}

static void one_of_another_journal_is_refused(void **state)
{
	struct bench *b = *state;
	assert_int_equal(write_one(b, small(7)), STATUS_ok);
	assert_int_equal(snapshot_find(&b->s, theirs, &b->found), STATUS_malformed);
	assert_non_null(strstr(b->found.text, "another journal"));
	assert_int_equal(snapshot_find(&b->s, NULL, &b->found), STATUS_ok);
	assert_memory_equal(b->found.identity, ours, sizeof ours);
}

/* Whoever knows the checksums can write anything: it is still only refused. */
static void a_forged_record_stays_within_its_chunk(void **state)
{
	struct bench *b = *state;
	char path[FILES_PATH_BYTES + 64];
	size_t count;
	uint8_t *bytes = two_snapshots(b, path, &count);
	const size_t at = sizeof(struct snapshot_head), body = at + sizeof(struct snapshot_chunk);
	static const uint32_t odd[] = {UINT32_MAX, UINT32_MAX - 7, 0x80000000, SNAPSHOT_RECORD_BYTES_MAX + 1, 1000, 1};
	uint64_t seed = b->s.head.checksum;
	for (unsigned i = 0; i < COUNT_OF(odd) * 2; i++) {
		uint8_t *forged = malloc(count);
		struct snapshot_chunk chunk;
		memcpy(forged, bytes, count);
		memcpy(&chunk, forged + at, sizeof chunk);
		if (i < COUNT_OF(odd)) {
			memcpy(forged + body + offsetof(struct snapshot_record, bytes), &odd[i], sizeof odd[i]);
			chunk.body_checksum = hash_bytes(forged + body, chunk.bytes, seed);
		} else {
			chunk.bytes = odd[i - COUNT_OF(odd)];
		}
		chunk.checksum = snapshot_chunk_checksum(&chunk, seed);
		memcpy(forged + at, &chunk, sizeof chunk);
		expect_refused(b, path, forged, count, "forged", i);
		free(forged);
	}
	free(bytes);
}

/* A damaged one neither counts as kept nor stays for ever; made again it is good. */
static void damaged_ones_do_not_count(void **state)
{
	struct bench *b = *state;
	char path[FILES_PATH_BYTES + 64];
	size_t count;
	uint64_t needed;
	uint8_t *bytes = two_snapshots(b, path, &count);
	expect_refused(b, path, bytes, count - 1, "cut", 0);
	assert_int_equal(snapshot_drop_old(&b->s, &needed), STATUS_ok);
	assert_int_equal(needed, 0);
	assert_int_equal(write_one(b, small(9)), STATUS_ok);
	assert_int_equal(snapshot_drop_old(&b->s, &needed), STATUS_ok);
	assert_int_equal(needed, 7);
	assert_true(is_there(b, 7, ".snapshot") && is_there(b, 8, ".snapshot"));
	assert_int_equal(write_one(b, small(8)), STATUS_ok);
	assert_int_equal(snapshot_drop_old(&b->s, &needed), STATUS_ok);
	assert_int_equal(needed, 8);
	assert_false(is_there(b, 7, ".snapshot"));
	expect(b, small(9));
	free(bytes);
}

/* ---- failures ------------------------------------------------------------------------------------------ */

static void expect_nothing_happened(struct bench *b, status s, int error)
{
	assert_int_equal(s, error == EIO ? STATUS_internal : STATUS_journal_full);
	assert_non_null(strstr(b->s.text, strerrordesc_np(error)));
	assert_false(is_there(b, 8, ".snapshot.making"));
	assert_false(is_there(b, 8, ".snapshot"));
	expect(b, small(7));
}

static void an_error_at_any_step_leaves_the_old_one(void **state)
{
	struct bench *b = *state;
	static const int errors[] = {EIO, ENOSPC};
	assert_int_equal(write_one(b, small(7)), STATUS_ok);
	for (unsigned i = 0; i < COUNT_OF(errors); i++)
		for (b->step = SNAPSHOT_STEP_write; b->step <= SNAPSHOT_STEP_rename; b->step++)
			for (int after = 0; after < (b->step == SNAPSHOT_STEP_write ? 4 : 1); after++) {
				b->after = after;
				b->error = errors[i];
				status s = write_one(b, small(8));
				b->error = 0;
				expect_nothing_happened(b, s, errors[i]);
			}
	assert_int_equal(write_one(b, small(8)), STATUS_ok);
	expect(b, small(8));
}

static void a_file_that_may_not_grow_is_survived(void **state)
{
	struct bench *b = *state;
	assert_int_equal(write_one(b, small(7)), STATUS_ok);
	pid_t child = fork();
	if (child == 0) {
		signal(SIGXFSZ, SIG_IGN);
		setrlimit(RLIMIT_FSIZE, &(struct rlimit){700, 700});
		_exit(write_one(b, small(8)) == STATUS_journal_full && strstr(b->s.text, "File too large") != NULL ? 0 : 1);
	}
	int result;
	assert_int_equal(waitpid(child, &result, 0), child);
	assert_true(WIFEXITED(result) && WEXITSTATUS(result) == 0);
	assert_false(is_there(b, 8, ".snapshot.making"));
	expect(b, small(7));
}

static void a_full_disk_is_survived(void **state)
{
	struct bench *b = *state;
	struct script large = {.sequence = 8, .records = 300, .bytes_max = 60000};
	if (geteuid() != 0 || mount("trove-test", b->folder, "tmpfs", 0, "size=1m") != 0) {
		printf("SKIP: a_full_disk_is_survived: mounting a small tmpfs needs root\n");
		skip();
	}
	snapshots_close(&b->s);
	open_bench(b, 0);
	assert_int_equal(write_one(b, small(7)), STATUS_ok);
	expect_nothing_happened(b, write_one(b, large), ENOSPC);
	assert_int_equal(write_one(b, small(8)), STATUS_ok);
	expect(b, small(8));
	snapshots_close(&b->s);
	umount(b->folder);
}

static void leave_unfinished(struct bench *b)
{
	pid_t child = fork();
	if (child == 0) {
		(void)snapshot_start(&b->s, ours, 8, 0);
		(void)snapshot_put(&b->s, 1, "half", 4);
		raise(SIGKILL);
	}
	int result;
	assert_int_equal(waitpid(child, &result, 0), child);
	assert_true(is_there(b, 8, ".snapshot.making"));
}

static void what_a_kill_left_is_removed(void **state)
{
	struct bench *b = *state;
	assert_int_equal(write_one(b, small(7)), STATUS_ok);
	leave_unfinished(b);
	expect(b, small(7));
	snapshots_close(&b->s);
	open_bench(b, 256);
	assert_false(is_there(b, 8, ".snapshot.making"));
	/* Also by the next one that is written. */
	leave_unfinished(b);
	assert_int_equal(write_one(b, small(9)), STATUS_ok);
	assert_false(is_there(b, 8, ".snapshot.making"));
	expect(b, small(9));
}

static void one_that_is_written_by_another_process_stays(void **state)
{
	struct bench *b = *state;
	struct journal *journal;
	struct journal_report report;
	struct journal_options o = small_options(b->folder);
	struct bench other = *b;
	assert_int_equal(journal_open(&journal, &o, 0, NULL, NULL, &report), STATUS_ok);
	assert_int_equal(snapshot_start(&b->s, ours, 8, 1234), STATUS_ok);
	open_bench(&other, 256);
	assert_true(is_there(b, 8, ".snapshot.making"));
	snapshots_close(&other.s);
	assert_int_equal(snapshot_finish(&b->s), STATUS_ok);
	journal_close(&journal);
	expect(b, (struct script){.sequence = 8});
}

static void the_bill_has_its_chunk(void **state)
{
	struct bill *bill = calloc(1, sizeof *bill);
	(void)state;
	snapshot_bill(bill);
	assert_int_equal(bill_sum(bill), SNAPSHOT_CHUNK_BYTES);
	free(bill);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, make_bench, remove_bench)
	const struct CMUnitTest tests[] = {
		T(what_was_put_comes_back),
		T(too_large_a_record_is_refused_and_nothing_else),
		T(a_visitor_can_stop),
		T(the_newest_two_are_kept),
		T(the_identity_is_the_journals),
		T(a_cut_anywhere_is_seen),
		T(a_flipped_bit_anywhere_is_seen),
		T(chunks_that_are_moved_are_seen),
		T(a_forged_record_stays_within_its_chunk),
		T(one_of_another_journal_is_refused),
		T(damaged_ones_do_not_count),
		T(an_error_at_any_step_leaves_the_old_one),
		T(a_file_that_may_not_grow_is_survived),
		T(a_full_disk_is_survived),
		T(what_a_kill_left_is_removed),
		T(one_that_is_written_by_another_process_stays),
		T(the_bill_has_its_chunk),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
