/*
 * What a loss of power, or a bad disk, leaves of a journal: cut and torn at every byte of its last record, a bit
 * flipped anywhere, a hole in the middle. What the files prove is recovered to the last record; what they prove and
 * do not hold stops the start, with one line that names the place. Most are read by the library, some by real starts.
 */
#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/hash.h"
#include "engine/base/random.h"
#include "engine/journal/record.h"
#include "tests/support/journal_files.h"
#include "tests/support/peer.h"
#include "tests/support/service.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { EVENTS = 3000, FILES_MOST = 16, LAST_MEGABYTE = 1 << 20 };

/* No snapshots: what is damaged here is all that there is. */
static const char *const sets[] = {
	"data.segment_bytes=262144", "data.buffer_bytes=262144", "memory.prefault=false", "memory.pages=small",
	"rewards.capacity=1000",     "products.capacity=100",    "carts.capacity=100",    "events.threads=2",
	"log.level=warning",         "data.snapshot_bytes=0",    NULL};

struct found {
	uint64_t file, offset, bytes;
};

/* A journal as it was, in memory, and what stands where. */
struct base {
	struct service service;
	char folder[192];
	uint8_t *file[FILES_MOST];
	size_t bytes[FILES_MOST];
	uint64_t files;
	struct journal_report report;
	struct found record[EVENTS + 1];
	uint64_t body[EVENTS + 1]; /* hashes */
	struct random random;
};

/* ---- making one --------------------------------------------------------------------------------------------------- */

/* Record n is the authorization of payment n. */
static void shop(struct base *b)
{
	static char text[1 << 16], reply[1 << 18];
	struct peer p;
	assert_true(peer_open(&p, b->service.port));
	for (unsigned n = 1; n <= EVENTS;) {
		unsigned count = 1 + (unsigned)random_below(&b->random, 60);
		size_t used = 0;
		for (unsigned i = 0; i < count && n <= EVENTS; i++, n++)
			used += (size_t)snprintf(text + used, sizeof text - used,
			                         "%c{\"type\":\"payment.authorize\",\"id\":%u,\"payment\":%u,\"amount\":%u,"
			                         "\"currency\":\"EUR\"}",
			                         i == 0 ? '[' : ',', n, n, n);
		snprintf(text + used, sizeof text - used, "]");
		assert_true(peer_ask(&p, text, reply, sizeof reply));
		assert_null(strstr(reply, "error"));
	}
	peer_close(&p);
}

static void note(void *context, const struct journal_record *record)
{
	struct base *b = context;
	assert_true(record->sequence <= EVENTS);
	b->record[record->sequence] =
		(struct found){record->file_number, record->offset, sizeof(struct record_head) + record->body_bytes};
	b->body[record->sequence] = hash_bytes(record->body, record->body_bytes, 1);
}

static void load(struct base *b)
{
	char path[FILES_PATH_BYTES];
	for (uint64_t n = 1; n <= FILES_MOST; n++) {
		file_path(b->folder, n, path);
		if (access(path, R_OK) != 0)
			break;
		b->file[n - 1] = load_file(path, &b->bytes[n - 1]);
		b->files = n;
	}
	assert_int_equal(journal_verify(b->folder, 0, note, b, &b->report), STATUS_ok);
	assert_int_equal(b->report.last, EVENTS);
	assert_true(b->report.files > 3);
}

/* How it ended: killed just after the last answer, or closed in good order. */
static struct base *make(int number)
{
	struct base *b = calloc(1, sizeof *b);
	b->random.state = (uint64_t)number;
	service_start(&b->service, sets);
	snprintf(b->folder, sizeof b->folder, "%s/journal", b->service.folder);
	shop(b);
	service_stop(&b->service, number);
	load(b);
	print_message("the last is %llu, proven are %llu\n", (unsigned long long)b->report.last,
	              (unsigned long long)b->report.proven);
	return b;
}

static int make_killed(void **state)
{
	*state = make(SIGKILL);
	return 0;
}

static int make_closed(void **state)
{
	*state = make(SIGTERM);
	return 0;
}

static int discard(void **state)
{
	struct base *b = *state;
	for (uint64_t n = 0; n < b->files; n++)
		free(b->file[n]);
	free(b);
	return 0;
}

/* One file as it was, but for count bytes; NULL: zeros. The other files are untouched. */
static void write_with(struct base *b, uint64_t number, size_t at, const uint8_t *bytes, size_t count)
{
	char path[FILES_PATH_BYTES];
	uint8_t *copy = malloc(b->bytes[number - 1]);
	assert_non_null(copy);
	memcpy(copy, b->file[number - 1], b->bytes[number - 1]);
	if (bytes == NULL)
		memset(copy + at, 0, count);
	else
		memcpy(copy + at, bytes, count);
	file_path(b->folder, number, path);
	store_file(path, copy, b->bytes[number - 1]);
	free(copy);
}

static void restore(struct base *b)
{
	char path[FILES_PATH_BYTES];
	for (uint64_t n = 1; n <= FILES_MOST; n++) {
		file_path(b->folder, n, path);
		if (n <= b->files)
			store_file(path, b->file[n - 1], b->bytes[n - 1]);
		else
			unlink(path);
	}
}

/* ---- what must come of it ------------------------------------------------------------------------------------------- */

struct outcome {
	status status;
	uint64_t last, sequence;
	bool is_same; /* what was read is what was written, from the first on without a gap */
	struct journal_report report;
	uint64_t next;
	const struct base *base;
};

static void compare(void *context, const struct journal_record *record)
{
	struct outcome *o = context;
	o->is_same &= record->sequence == o->next && record->sequence <= EVENTS &&
	              hash_bytes(record->body, record->body_bytes, 1) == o->base->body[record->sequence];
	o->next++;
}

static void verify(struct base *b, struct outcome *o)
{
	*o = (struct outcome){.is_same = true, .next = 1, .base = b};
	o->status = journal_verify(b->folder, 0, compare, o, &o->report);
	assert_true(o->is_same);
}

/* Record `touched` is spoilt: it is known to have been durable, or not. */
static void expect(const struct base *b, const struct outcome *o, uint64_t touched, const char *how, size_t at)
{
	bool must_stop = touched <= b->report.proven;
	if (must_stop ? o->status != STATUS_malformed || o->report.sequence != touched
	              : o->status != STATUS_ok || o->report.last != touched - 1)
		fail_msg("%s at byte %zu of record %llu (proven: %llu): %s, last %llu, blamed %llu: %s", how, at,
		         (unsigned long long)touched, (unsigned long long)b->report.proven, status_code(o->status),
		         (unsigned long long)o->report.last, (unsigned long long)o->report.sequence, o->report.text);
	if (must_stop && (strstr(o->report.text, ".journal") == NULL || o->report.file_number != b->record[touched].file))
		fail_msg("damage is not located: %s", o->report.text);
}

/* ---- by the library --------------------------------------------------------------------------------------------------- */

static void torn_at_every_byte_of_the_last_record(void **state)
{
	struct base *b = *state;
	const struct found *last = &b->record[EVENTS];
	uint8_t garbage[2048];
	struct outcome o;
	assert_true(last->bytes < sizeof garbage);
	for (size_t keep = 0; keep < last->bytes; keep++) {
		size_t rest = last->bytes - keep;
		for (size_t i = 0; i < rest; i++) /* none of them as it was */
			garbage[i] = (uint8_t)(b->file[last->file - 1][last->offset + keep + i] ^ (1 + random_below(&b->random, 255)));
		write_with(b, last->file, last->offset + keep, garbage, rest);
		verify(b, &o);
		expect(b, &o, EVENTS, "torn", keep);
		/* Zeros behind the cut, where there were others. */
		bool is_changed = false;
		for (size_t i = 0; i < rest; i++)
			is_changed |= b->file[last->file - 1][last->offset + keep + i] != 0;
		write_with(b, last->file, last->offset + keep, NULL, rest);
		verify(b, &o);
		if (is_changed)
			expect(b, &o, EVENTS, "cut", keep);
	}
	restore(b);
}

/* A place in the last megabyte of records. */
static uint64_t some_record(struct base *b)
{
	uint64_t first = EVENTS;
	for (uint64_t bytes = 0; first > 1 && bytes < LAST_MEGABYTE; first--)
		bytes += b->record[first].bytes;
	return first + random_below(&b->random, EVENTS - first + 1);
}

static void flip(struct base *b, uint64_t n, size_t at)
{
	const struct found *r = &b->record[n];
	uint8_t byte = (uint8_t)(b->file[r->file - 1][r->offset + at] ^ 1u << random_below(&b->random, 8));
	write_with(b, r->file, r->offset + at, &byte, 1);
}

static void put_back(struct base *b, uint64_t n)
{
	uint64_t number = b->record[n].file;
	write_with(b, number, 0, b->file[number - 1], 0);
}

static void a_flipped_bit_anywhere(void **state)
{
	struct base *b = *state;
	struct outcome o;
	unsigned stopped = 0;
	for (int i = 0; i < (service_is_sanitized() ? 200 : 1500); i++) {
		uint64_t n = some_record(b);
		size_t at = random_below(&b->random, b->record[n].bytes);
		flip(b, n, at);
		verify(b, &o);
		expect(b, &o, n, "flipped", at);
		put_back(b, n);
		stopped += o.status != STATUS_ok;
	}
	print_message("%u of the flipped bits stop a start\n", stopped);
}

/* Everything from a random place on is not there: as if it had never been written. */
static void cut_at_random_places(void **state)
{
	struct base *b = *state;
	struct outcome o;
	for (int i = 0; i < (service_is_sanitized() ? 50 : 300); i++) {
		uint64_t n = some_record(b);
		const struct found *r = &b->record[n];
		size_t keep = random_below(&b->random, r->bytes);
		for (uint64_t file = r->file + 1; file <= b->files; file++)
			write_with(b, file, 0, NULL, b->bytes[file - 1]);
		write_with(b, r->file, r->offset + keep, NULL, b->bytes[r->file - 1] - r->offset - keep);
		verify(b, &o);
		/* Whatever proved more stood behind the cut, or is the mark of good order. */
		bool is_last = o.status == STATUS_ok && o.report.last >= n - 1 && o.report.last <= n;
		bool is_told = o.status == STATUS_malformed && o.report.text[0] != '\0';
		if (!is_last && !is_told)
			fail_msg("cut in record %llu: %s, last %llu", (unsigned long long)n, status_code(o.status),
			         (unsigned long long)o.report.last);
		restore(b);
	}
}

/* ---- by real starts -------------------------------------------------------------------------------------------------- */

/* One clear line. */
static void assert_stops(struct base *b, const char *says)
{
	char path[256];
	snprintf(path, sizeof path, "%s/log", b->service.folder);
	assert_int_equal(truncate(path, 0), 0);
	int code = service_refused(&b->service, sets);
	char *log = service_log(&b->service);
	const char *end = strchr(log, '\n');
	if (code != 74 || end == NULL || end[1] != '\0' || strstr(log, says) == NULL)
		fail_msg("exit code %d, expected one line with \"%s\": %s", code, says, log);
	free(log);
}

static void assert_holds(struct base *b, uint64_t last)
{
	char json[80], reply[1024];
	struct peer p;
	service_again(&b->service, sets);
	assert_true(service_metric(&b->service, "trove_journal_seq") == (double)last);
	assert_true(peer_open(&p, b->service.port));
	for (uint64_t n = last > 3 ? last - 3 : 1; n <= last + 3; n++) {
		snprintf(json, sizeof json, "{\"type\":\"payment.get\",\"payment\":%llu}", (unsigned long long)n);
		assert_true(peer_ask(&p, json, reply, sizeof reply));
		bool is_there = text_number(reply, "authorized") == (int64_t)n;
		if (is_there != (n <= last))
			fail_msg("up to %llu was recovered, but: %s", (unsigned long long)last, reply);
	}
	peer_close(&p);
	service_stop(&b->service, SIGKILL);
}

static void check_start(struct base *b, uint64_t touched)
{
	char name[64];
	snprintf(name, sizeof name, "%016llx.journal", (unsigned long long)b->record[touched].file);
	if (touched <= b->report.proven)
		assert_stops(b, name);
	else
		assert_holds(b, touched - 1);
	restore(b);
}

static void real_starts(void **state)
{
	struct base *b = *state;
	const struct found *last = &b->record[EVENTS];
	unsigned most = service_is_sanitized() ? 8 : 30;
	assert_holds(b, EVENTS);
	restore(b);
	for (unsigned i = 0; i < most; i++) {
		size_t keep = random_below(&b->random, last->bytes - 8);
		write_with(b, last->file, last->offset + keep, NULL, b->bytes[last->file - 1] - last->offset - keep);
		check_start(b, EVENTS);
		uint64_t n = some_record(b);
		flip(b, n, random_below(&b->random, b->record[n].bytes));
		check_start(b, n);
	}
}

static void a_hole_stops_the_start(void **state)
{
	struct base *b = *state;
	char path[FILES_PATH_BYTES];
	file_path(b->folder, 2, path);
	assert_int_equal(unlink(path), 0);
	assert_stops(b, "0000000000000002.journal");
	char *log = service_log(&b->service);
	print_message("%s", log);
	free(log);
	restore(b);
	write_with(b, 2, 8192, NULL, 4096);
	assert_stops(b, "0000000000000002.journal");
	log = service_log(&b->service);
	print_message("%s", log);
	free(log);
	restore(b);
	assert_holds(b, EVENTS);
	restore(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(torn_at_every_byte_of_the_last_record, make_killed, discard),
		cmocka_unit_test_setup_teardown(torn_at_every_byte_of_the_last_record, make_closed, discard),
		cmocka_unit_test_setup_teardown(a_flipped_bit_anywhere, make_killed, discard),
		cmocka_unit_test_setup_teardown(a_flipped_bit_anywhere, make_closed, discard),
		cmocka_unit_test_setup_teardown(cut_at_random_places, make_killed, discard),
		cmocka_unit_test_setup_teardown(real_starts, make_killed, discard),
		cmocka_unit_test_setup_teardown(real_starts, make_closed, discard),
		cmocka_unit_test_setup_teardown(a_hole_stops_the_start, make_killed, discard),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
