/*
 * engine: durable changes in process, from the message's bytes to the reply that may leave: decode,
 * plan, journal, sync, apply, encode. Half of them authorize a payment, half void it again. Beside
 * them the bare device with the same bytes in a commit, and SQLite with as many rows in a
 * transaction; and a start: how fast what was journalled is carried out again.
 */
#include "cmd/trovebench/bench.h"
#include "cmd/trovebench/disk_peers.h"
#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/shard/shard.h"
#include "proto/frame.h"

#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

enum { MESSAGES = 64, BATCH_MAX = 4096, MESSAGE_BYTES = 128 * BATCH_MAX, ROW_BYTES = 256, REPLAYED = 2000000 };

static const double durable_target = 500000, bare_target = 0.85, sqlite_target = 1, replay_target = 2e6;

struct message {
	struct shard_job job; /* first: done finds the message */
	struct engine *engine;
	uint8_t *bytes;
	size_t count;
};

struct engine {
	struct disk_peers peers;
	char journal_folder[512];
	struct account account;
	struct shard_options options;
	struct journal_options journal;
	struct commerce_options commerce_options;
	struct option_set set;
	struct store *store;
	struct commerce commerce;
	struct shard *shard;
	struct message messages[MESSAGES];
	struct message *free[MESSAGES];
	_Atomic unsigned free_head;
	unsigned free_tail;
	sem_t has_free;
	unsigned batch;
	unsigned in_flight;
	uint64_t next_id;
	_Atomic uint64_t failed;
	double bytes_a_change;
};

static void on_done(struct shard_job *job, const void *reply, size_t bytes)
{
	struct message *m = (struct message *)job;
	struct engine *e = m->engine;
	struct frame_reader reader;
	struct frame_result result;
	frame_reader_open(&reader, reply, bytes);
	if (frame_reader_next(&reader, &result) != STATUS_ok || result.head->code != STATUS_ok)
		e->failed++;
	shard_finish(e->shard, job, true);
	e->free[e->free_head++ % MESSAGES] = m;
	sem_post(&e->has_free);
}

/* As many payments are authorized as then voided. */
static void build(struct engine *e, struct message *m)
{
	unsigned pairs = e->batch / 2;
	struct cursor out;
	static struct payment_authorize_record authorize[BATCH_MAX / 2];
	static struct payment_key_record drop[BATCH_MAX / 2];
	for (unsigned i = 0; i < pairs; i++) {
		uint64_t id = e->next_id += 2;
		authorize[i] = (struct payment_authorize_record){.head = {.id = {id, 1}, .flags = EVENT_HAS_ID}, .payment = {id, 2},
		                                                 .amount = 1999, .currency = "EUR"};
		drop[i] = (struct payment_key_record){.head = {.id = {id + 1, 1}, .flags = EVENT_HAS_ID}, .payment = {id, 2}};
	}
	cursor_init(&out, m->bytes, MESSAGE_BYTES);
	frame_build(&out, EVENT_payment_authorize, 1, authorize, pairs, NULL, 0);
	frame_build(&out, EVENT_payment_void, 2, drop, pairs, NULL, 0);
	m->count = cursor_used(&out);
}

static void send_one(struct engine *e)
{
	while (sem_wait(&e->has_free) != 0)
		continue;
	struct message *m = e->free[e->free_tail++ % MESSAGES];
	build(e, m);
	m->job.message = m->bytes;
	m->job.message_bytes = m->count;
	m->job.received_ns = clock_monotonic_ns();
	m->job.received_ms = clock_unix_ms();
	m->job.done = on_done;
	shard_handle(e->shard, &m->job);
}

static uint64_t changes(void *context)
{
	struct engine *e = context;
	unsigned messages = 1 + 16384 / e->batch;
	for (unsigned i = 0; i < messages; i++)
		send_one(e);
	uint64_t changes_each = e->batch / 2 * UINT64_C(2);
	return messages * changes_each;
}

static uint64_t bare(void *context)
{
	struct engine *e = context;
	bare_commit(&e->peers, (size_t)(e->bytes_a_change * e->batch));
	return e->batch;
}

static uint64_t rows(void *context)
{
	struct engine *e = context;
	sqlite_commit(&e->peers, e->batch, ROW_BYTES);
	return e->batch;
}

/* ---- set-up ------------------------------------------------------------------------------ */

static bool open_shard(struct engine *e, struct journal_report *report)
{
	struct store_options store = {.capacity = 1000, .readers_max = SHARD_READERS(1), .kernel = "auto", .account = &e->account};
	struct shard_parts parts = {.commerce = &e->commerce,
	                            .carts_ttl_ms = e->commerce_options.carts_ttl_ms,
	                            .payments_ttl_ms = e->commerce_options.payments_ttl_ms,
	                            .journal = &e->journal};
	if (store_setup(&e->store, &store) != STATUS_ok || commerce_setup(&e->commerce, &e->commerce_options) != STATUS_ok)
		return false;
	parts.store = e->store;
	e->options.workers = 1;
	return shard_setup(&e->shard, &e->options, &parts, report) == STATUS_ok;
}

static void close_shard(struct engine *e)
{
	shard_teardown(&e->shard);
	commerce_teardown(&e->commerce);
	store_teardown(&e->store);
}

static bool open_engine(struct engine *e)
{
	struct journal_report report = {};
	option_add(&e->set, shard_option_rows, shard_option_count, &e->options);
	option_add(&e->set, journal_option_rows, journal_option_count, &e->journal);
	option_add(&e->set, commerce_option_rows, commerce_option_count, &e->commerce_options);
	/* Memory as troved takes it unless told otherwise. */
	account_setup(&e->account, &(struct account_policy){.pages = REGION_PAGES_transparent, .prefault = true, .node = -1});
	e->options.account = e->journal.account = e->commerce_options.account = &e->account;
	snprintf(e->journal_folder, sizeof e->journal_folder, "%s/journal", e->peers.folder);
	e->journal.directory = e->journal_folder;
	for (unsigned i = 0; i < MESSAGES; i++) {
		e->messages[i].engine = e;
		e->messages[i].bytes = malloc(MESSAGE_BYTES);
		if (e->messages[i].bytes == NULL)
			return false;
	}
	if (open_shard(e, &report))
		return true;
	fprintf(stderr, "trovebench: %s\n", report.text);
	return false;
}

/* So many messages may be on their way at once. */
static void allow(struct engine *e, unsigned in_flight)
{
	sem_init(&e->has_free, 0, in_flight);
	e->free_head = in_flight;
	e->free_tail = 0;
	for (unsigned i = 0; i < in_flight; i++)
		e->free[i] = &e->messages[i];
	e->in_flight = in_flight;
}

static void settle(struct engine *e)
{
	struct journal_stat stat;
	while (shard_in_flight(e->shard) != 0)
		clock_sleep_ms(1);
	do {
		clock_sleep_ms(10);
		journal_stat(shard_journal(e->shard), &stat);
	} while (stat.files_ahead < 2 || stat.durable != stat.appended);
}

/* ---- what is compared ------------------------------------------------------------------------- */

static void measure_bytes(struct engine *e)
{
	struct journal_stat before, after;
	e->batch = 64;
	allow(e, 2);
	journal_stat(shard_journal(e->shard), &before);
	uint64_t done = changes(e);
	settle(e);
	journal_stat(shard_journal(e->shard), &after);
	e->bytes_a_change = (double)(after.flushed_bytes - before.flushed_bytes) / (double)done;
}

/* Two messages on their way: one is synced while the next is planned, so a sync carries one. */
static void compare(struct report *r, struct engine *e, unsigned batch)
{
	char group[64];
	struct bench_case cases[] = {
		{.name = "pwrite + fdatasync", .work = bare, .context = e},
		{.name = "changes", .work = changes, .context = e, .reference = &cases[0], .target = bare_target},
		{.name = "SQLite WAL, FULL", .work = rows, .context = e, .reference = &cases[0]},
	};
	e->batch = batch;
	allow(e, 2);
	bench_run(r->arguments, cases, COUNT_OF(cases));
	snprintf(group, sizeof group, "batches of %u", batch);
	report_cases(r, group, cases, COUNT_OF(cases), "change");
	report_figure(r, "", "changes over SQLite's rows", cases[1].rate / cases[2].rate, sqlite_target, false);
	settle(e);
}

static void measure_freely(struct report *r, struct engine *e)
{
	struct bench_case c = {.name = "changes", .work = changes, .context = e};
	e->batch = 64;
	allow(e, MESSAGES);
	bench_run(r->arguments, &c, 1);
	report_cases(r, "batches of 64, 64 on their way", &c, 1, "change");
	report_figure(r, "", "durable changes a second", c.rate, durable_target, false);
	settle(e);
}

/* What a start does with a journal of two million changes. */
static void measure_start(struct report *r, struct engine *e)
{
	struct journal_report report;
	journal_stat(shard_journal(e->shard), &(struct journal_stat){});
	close_shard(e);
	remove_folder(e->journal_folder);
	CHECK(open_shard(e, &report), "%s", report.text);
	/* No more on their way than data.buffer_bytes holds, however long the disk takes. */
	allow(e, MESSAGES / 4);
	e->batch = 512;
	for (uint64_t done = 0; done < REPLAYED;)
		done += changes(e);
	settle(e);
	close_shard(e);
	double start = bench_now();
	CHECK(open_shard(e, &report), "%s", report.text);
	double seconds = bench_now() - start;
	report_note(r, "a start carries out %llu changes in %.2f s", (unsigned long long)report.records, seconds);
	report_figure(r, "", "changes carried out again a second", (double)report.records / seconds, replay_target, false);
}

int bench_engine(const struct bench_arguments *arguments)
{
	struct report report;
	struct engine *e = calloc(1, sizeof *e);
	int code = EX_OSERR;
	if (e == NULL)
		return code;
	report_open(&report, "engine", arguments);
	if (!disk_peers_open(&e->peers)) {
		fprintf(stderr, "trovebench: cannot write below the working directory: %s\n", strerror(errno));
	} else if (open_engine(e)) {
		measure_bytes(e);
		report_note(&report, "a change is %.0f bytes of journal", e->bytes_a_change);
		compare(&report, e, 64);
		compare(&report, e, 512);
		compare(&report, e, 4096);
		measure_freely(&report, e);
		measure_start(&report, e);
		CHECK(e->failed == 0, "%llu messages began with a refusal", (unsigned long long)e->failed);
		code = EX_OK;
	}
	close_shard(e);
	disk_peers_close(&e->peers);
	report_close(&report);
	for (unsigned i = 0; i < MESSAGES; i++)
		free(e->messages[i].bytes);
	free(e);
	return code;
}
