/*
 * journal: durable appends beside what the device allows (the same bytes by pwrite and fdatasync
 * into blocks that were written before) and beside SQLite (WAL, synchronous=FULL); one at a time;
 * how fast a journal is read back, and how soon it is open behind a snapshot near its end.
 *
 * In batches, two are on their way: one is synced while the next is appended, so each sync carries
 * one batch, as the bare commit does. The folder is made where the program is run from: that
 * must be on the device that is to be measured.
 */
#include "cmd/trovebench/bench.h"
#include "cmd/trovebench/disk_peers.h"
#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/journal/journal.h"
#include "engine/journal/record.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

enum { BODY_BYTES = 64, RECORD_BYTES = sizeof(struct record_head) + BODY_BYTES, REPLAYED = 5000000 };
enum { LATENCIES_MAX = 1 << 16, PAGE_BYTES = 4096 };

static const double bare_target = 0.85, sqlite_target = 1;
static const double one_target = 1.4, durable_target = 500000, replay_target = 2e6, tail_target = 0.2;

struct bench {
	struct disk_peers peers;
	char folder[512]; /* of the journal */
	struct journal *journal;
	struct journal_options options;
	struct journal_place at;
	unsigned batch;
	_Atomic int64_t released_ns;
	double *latency;
};

/* ---- the journal ----------------------------------------------------------------------- */

static void note_released(void *context, uint64_t sequence)
{
	struct bench *b = context;
	(void)sequence;
	atomic_store_explicit(&b->released_ns, clock_monotonic_ns(), memory_order_release);
}

static bool open_journal(struct bench *b)
{
	struct journal_report report;
	snprintf(b->folder, sizeof b->folder, "%s/journal", b->peers.folder);
	b->options = (struct journal_options){.durability = JOURNAL_always,
	                                      .interval_ms = 100,
	                                      .segment_bytes = 64 << 20,
	                                      .segments_max = 64,
	                                      .buffer_bytes = 8 << 20,
	                                      .directory = b->folder,
	                                      .released = note_released,
	                                      .context = b};
	if (journal_open(&b->journal, &b->options, b->at.sequence, NULL, NULL, &report) == STATUS_ok)
		return true;
	fprintf(stderr, "trovebench: %s\n", report.text);
	return false;
}

static void append_batch(struct bench *b, unsigned count)
{
	struct journal_entry entry = {.type = 1, .body = b->peers.bytes, .body_bytes = BODY_BYTES, .time_ms = 1};
	for (unsigned i = 0; i < count; i++) {
		while (journal_append(b->journal, &entry, &b->at) != STATUS_ok)
			journal_wait(b->journal, b->at.sequence, 10);
	}
	journal_commit(b->journal);
	/* As a service with snapshots does: old files are reused. */
	journal_drop_before(b->journal, journal_durable(b->journal));
}

static uint64_t journal_batches(void *context)
{
	struct bench *b = context;
	append_batch(b, b->batch);
	journal_wait(b->journal, b->at.sequence - b->batch, -1);
	return b->batch;
}

static uint64_t journal_freely(void *context)
{
	struct bench *b = context;
	for (unsigned i = 0; i < 256; i++)
		append_batch(b, 64);
	/* Half a ring may be on its way. */
	uint64_t behind = 32768;
	journal_wait(b->journal, b->at.sequence > behind ? b->at.sequence - behind : 0, -1);
	return 256 * 64;
}

/* ---- the bare device ------------------------------------------------------------------------ */

static uint64_t bare_batches(void *context)
{
	struct bench *b = context;
	bare_commit(&b->peers, (size_t)b->batch * RECORD_BYTES);
	return b->batch;
}

static uint64_t sqlite_batches(void *context)
{
	struct bench *b = context;
	sqlite_commit(&b->peers, b->batch, BODY_BYTES);
	return b->batch;
}

/* ---- groups ------------------------------------------------------------------------------------ */

static void settle(struct bench *b)
{
	struct journal_stat stat;
	do {
		clock_sleep_ms(10);
		journal_stat(b->journal, &stat);
	} while (stat.files_ahead < 2 || stat.durable != b->at.sequence);
}

static void compare_batches(struct report *r, struct bench *b, unsigned batch)
{
	char group[64];
	struct bench_case cases[] = {
		{.name = "pwrite + fdatasync", .work = bare_batches, .context = b},
		{.name = "journal", .work = journal_batches, .context = b, .reference = &cases[0], .target = bare_target},
		{.name = "SQLite WAL, FULL", .work = sqlite_batches, .context = b, .reference = &cases[0]},
	};
	b->batch = batch;
	settle(b);
	bench_run(r->arguments, cases, COUNT_OF(cases));
	snprintf(group, sizeof group, "%u in a commit", batch);
	report_cases(r, group, cases, COUNT_OF(cases), "record");
	report_figure(r, "", "journal over SQLite", cases[1].rate / cases[2].rate, sqlite_target, false);
	settle(b);
}

static void measure_freely(struct report *r, struct bench *b)
{
	struct bench_case c = {.name = "journal", .work = journal_freely, .context = b};
	settle(b);
	bench_run(r->arguments, &c, 1);
	report_cases(r, "64 a batch, many on the way", &c, 1, "record");
	report_figure(r, "", "durable records a second", c.rate, durable_target, false);
	settle(b);
}

static void measure_one(struct report *r, struct bench *b)
{
	const struct bench_arguments *a = r->arguments;
	double bare[REPEAT_MAX], one[REPEAT_MAX], ratio[REPEAT_MAX], woken[REPEAT_MAX];
	for (unsigned k = 0; k < a->repeat; k++) {
		unsigned count = 0;
		for (double end = bench_now() + a->seconds; bench_now() < end && count < LATENCIES_MAX;) {
			int64_t start = clock_monotonic_ns();
			bare_commit(&b->peers, PAGE_BYTES);
			b->latency[count++] = (double)(clock_monotonic_ns() - start) * 1e-3;
		}
		bare[k] = bench_median(b->latency, count);
		double *until_woken = b->latency + LATENCIES_MAX;
		count = 0;
		for (double end = bench_now() + a->seconds; bench_now() < end && count < LATENCIES_MAX;) {
			int64_t start = clock_monotonic_ns();
			append_batch(b, 1);
			journal_wait(b->journal, b->at.sequence, -1);
			until_woken[count] = (double)(clock_monotonic_ns() - start) * 1e-3;
			b->latency[count++] = (double)(atomic_load(&b->released_ns) - start) * 1e-3;
		}
		one[k] = bench_median(b->latency, count);
		woken[k] = bench_median(until_woken, count);
		ratio[k] = one[k] / bare[k];
	}
	report_note(r, "one at a time, p50 us: pwrite + fdatasync of 4 KiB %.0f, journal until its hook is called %.0f, until "
	               "the appending thread runs again %.0f",
	            bench_median(bare, a->repeat), bench_median(one, a->repeat), bench_median(woken, a->repeat));
	report_figure(r, "", "journal over bare, p50", bench_median(ratio, a->repeat), one_target, true);
}

static void count_record(void *context, const struct journal_record *record)
{
	uint64_t *sum = context;
	*sum += record->body_bytes;
}

static uint64_t replay(void *context)
{
	struct bench *b = context;
	struct journal_report report;
	uint64_t sum = 0;
	CHECK(journal_verify(b->folder, 0, count_record, &sum, &report) == STATUS_ok, "cannot replay: %s", report.text);
	bench_use(sum);
	return report.records;
}

/* Seconds until it is open behind all but the last thousand records. */
static double open_behind(struct bench *b, bool checks_later)
{
	struct journal_options options = b->options;
	struct journal_report report;
	uint64_t sum = 0;
	options.checks_later = checks_later;
	double start = bench_now();
	status s = journal_open(&b->journal, &options, REPLAYED - 1000, count_record, &sum, &report);
	double seconds = bench_now() - start;
	CHECK(s == STATUS_ok && report.last == REPLAYED, "cannot open: %s", report.text);
	journal_close(&b->journal);
	return seconds;
}

static void measure_tail(struct report *r, struct bench *b)
{
	double all[REPEAT_MAX], tail[REPEAT_MAX], ratio[REPEAT_MAX];
	unsigned repeat = r->arguments->repeat;
	for (unsigned k = 0; k < repeat; k++) {
		all[k] = open_behind(b, false);
		tail[k] = open_behind(b, true);
		ratio[k] = tail[k] / all[k];
	}
	report_note(r, "open behind a snapshot of all but 1000 of 5 M records, ms: every file read %.1f, old ones by their "
	               "heads %.1f",
	            1000 * bench_median(all, repeat), 1000 * bench_median(tail, repeat));
	report_figure(r, "", "heads only over every file read", bench_median(ratio, repeat), tail_target, true);
}

static void fill(struct bench *b)
{
	struct journal_entry entry = {.type = 1, .body = b->peers.bytes, .body_bytes = BODY_BYTES, .time_ms = 1};
	while (b->at.sequence < REPLAYED) {
		if (journal_append(b->journal, &entry, &b->at) != STATUS_ok)
			clock_sleep_ms(1);
		else if (b->at.sequence % 1024 == 0)
			journal_commit(b->journal);
	}
}

static bool measure_replay(struct report *r, struct bench *b)
{
	journal_close(&b->journal);
	remove_folder(b->folder);
	b->at = (struct journal_place){0};
	if (!open_journal(b))
		return false;
	fill(b);
	journal_close(&b->journal);
	struct bench_case c = {.name = "journal", .work = replay, .context = b};
	bench_run(r->arguments, &c, 1);
	report_cases(r, "replay, 5 M of 64 B", &c, 1, "record");
	report_figure(r, "", "records a second", c.rate, replay_target, false);
	measure_tail(r, b);
	return true;
}

int bench_journal(const struct bench_arguments *arguments)
{
	struct report report;
	struct bench *b = calloc(1, sizeof *b);
	int code = EX_OSERR;
	if (b == NULL)
		return code;
	b->latency = calloc(2 * LATENCIES_MAX, sizeof *b->latency);
	report_open(&report, "journal", arguments);
	if (b->latency == NULL || !disk_peers_open(&b->peers)) {
		fprintf(stderr, "trovebench: cannot write below the working directory: %s\n", strerror(errno));
	} else if (open_journal(b)) {
		settle(b);
		measure_one(&report, b);
		compare_batches(&report, b, 64);
		compare_batches(&report, b, 512);
		compare_batches(&report, b, 4096);
		measure_freely(&report, b);
		code = measure_replay(&report, b) ? EX_OK : EX_OSERR;
	}
	journal_close(&b->journal);
	disk_peers_close(&b->peers);
	report_close(&report);
	free(b->latency);
	free(b);
	return code;
}
