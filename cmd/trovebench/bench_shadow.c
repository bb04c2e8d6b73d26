/*
 * shadow: what a snapshot costs while it is made, and what it saves at the next start. A stream of changes,
 * few in flight, over many open carts: how long is it from one answer to the next, without snapshots and while they
 * are made? Then a start with a million open carts, from a snapshot and from the journal alone.
 */
#include "cmd/trovebench/bench.h"
#include "cmd/trovebench/disk_peers.h"
#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/histogram.h"
#include "engine/shard/shard.h"
#include "proto/frame.h"

#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

enum { BATCH = 512, IN_FLIGHT = 4, PAUSED_CARTS = 100000, STARTED_CARTS = 1000000, METRICS_BYTES = 256 << 10 };

static const double longer_ms_target = 5, start_s_target = 2;

struct message {
	struct shard_job job; /* first: done finds the message */
	struct rig *rig;
	uint8_t *bytes;
};

struct rig {
	struct disk_peers peers;
	char folder[512];
	struct shard_options options;
	struct journal_options journal;
	struct commerce_options commerce_options;
	struct option_set set;
	struct store *store;
	struct commerce commerce;
	struct shard *shard;
	struct message messages[IN_FLIGHT];
	sem_t free;
	uint64_t next_id;
	/* On the thread that answers. */
	struct histogram gaps;
	int64_t answered_ns, longest_ns;
	_Atomic uint64_t failed;
};

static void on_done(struct shard_job *job, const void *reply, size_t bytes)
{
	struct rig *g = ((struct message *)job)->rig;
	struct frame_reader reader;
	struct frame_result result;
	int64_t now_ns = clock_monotonic_ns(), gap_ns = now_ns - g->answered_ns;
	frame_reader_open(&reader, reply, bytes);
	if (frame_reader_next(&reader, &result) != STATUS_ok || result.head->code != STATUS_ok)
		g->failed++;
	histogram_record(&g->gaps, gap_ns);
	g->longest_ns = gap_ns > g->longest_ns ? gap_ns : g->longest_ns;
	g->answered_ns = now_ns;
	job->done = NULL;
	sem_post(&g->free);
}

static void send_carts(struct rig *g, unsigned count)
{
	static struct cart_open_record records[BATCH];
	struct cursor out;
	struct message *m = g->messages;
	while (sem_wait(&g->free) != 0)
		continue;
	while (m->job.done != NULL)
		m++;
	for (unsigned i = 0; i < count; i++) {
		uint64_t id = ++g->next_id;
		records[i] = (struct cart_open_record){
			.head = {.id = {id, 1}, .flags = EVENT_HAS_ID}, .cart = {id, 2}, .currency = "EUR", .ttl_ms = TTL_DEFAULT};
	}
	cursor_init(&out, m->bytes, BATCH * sizeof *records + 4096);
	frame_build(&out, EVENT_cart_open, 1, records, count, NULL, 0);
	m->job = (struct shard_job){.message = m->bytes, .message_bytes = cursor_used(&out), .done = on_done};
	m->job.received_ns = clock_monotonic_ns();
	m->job.received_ms = clock_unix_ms();
	shard_handle(g->shard, &m->job);
}

static void settle(struct rig *g)
{
	while (shard_in_flight(g->shard) != 0)
		clock_sleep_ms(1);
}

/* ---- a shard ------------------------------------------------------------------------------- */

static double open_shard(struct rig *g, int64_t snapshot_bytes)
{
	struct store_options store = {.capacity = 1000, .readers_max = SHARD_READERS(1), .kernel = "auto"};
	struct journal_report report = {};
	CHECK(store_setup(&g->store, &store) == STATUS_ok && commerce_setup(&g->commerce, &g->commerce_options) == STATUS_ok,
	      "no memory");
	struct shard_parts parts = {.store = g->store, .commerce = &g->commerce, .commerce_options = &g->commerce_options,
	                            .carts_ttl_ms = 86400000, .payments_ttl_ms = 86400000, .journal = &g->journal};
	g->options.snapshot_bytes = snapshot_bytes;
	g->options.workers = 1;
	double start = bench_now();
	CHECK(shard_setup(&g->shard, &g->options, &parts, &report) == STATUS_ok, "%s", report.text);
	return bench_now() - start;
}

static void close_shard(struct rig *g)
{
	settle(g);
	shard_teardown(&g->shard);
	commerce_teardown(&g->commerce);
	store_teardown(&g->store);
}

static uint64_t metric_of(struct rig *g, const char *name)
{
	static char page[METRICS_BYTES], wanted[64];
	struct cursor out;
	cursor_init(&out, page, sizeof page - 1);
	shard_write_metrics(g->shard, &(struct metric_page){&out, METRIC_TEXT});
	page[cursor_used(&out)] = '\0';
	snprintf(wanted, sizeof wanted, "\n%s ", name);
	const char *at = strstr(page, wanted);
	return at == NULL ? 0 : (uint64_t)strtod(at + strlen(wanted), NULL);
}

static void fill(struct rig *g, unsigned carts)
{
	for (unsigned done = 0; done < carts; done += BATCH)
		send_carts(g, BATCH);
	settle(g);
}

static bool open_rig(struct rig *g)
{
	option_add(&g->set, shard_option_rows, shard_option_count, &g->options);
	option_add(&g->set, journal_option_rows, journal_option_count, &g->journal);
	option_add(&g->set, commerce_option_rows, commerce_option_count, &g->commerce_options);
	snprintf(g->folder, sizeof g->folder, "%s/journal", g->peers.folder);
	g->journal.directory = g->folder;
	g->commerce_options.carts_capacity = STARTED_CARTS + 600000;
	g->commerce_options.idempotency_capacity = STARTED_CARTS;
	sem_init(&g->free, 0, IN_FLIGHT);
	for (unsigned i = 0; i < IN_FLIGHT; i++) {
		g->messages[i].rig = g;
		g->messages[i].bytes = malloc(BATCH * sizeof(struct cart_open_record) + 4096);
		if (g->messages[i].bytes == NULL)
			return false;
	}
	return true;
}

/* ---- the stream --------------------------------------------------------------------------------- */

struct pauses {
	double usual_ms, longest_ms;
};

/* Until so many snapshots are made, or for so long; one change a message. */
static struct pauses stream(struct rig *g, unsigned snapshots, double seconds)
{
	double until = bench_now() + seconds;
	histogram_clear(&g->gaps);
	send_carts(g, 1);
	settle(g);
	g->longest_ns = 0;
	g->answered_ns = clock_monotonic_ns();
	for (unsigned i = 0; snapshots != 0 || bench_now() < until; i++) {
		send_carts(g, 1);
		if (snapshots != 0 && i % 256 == 0 && metric_of(g, "trove_snapshots_total") >= snapshots)
			break;
		CHECK(bench_now() < until + 60, "no snapshot was made in a minute");
	}
	settle(g);
	return (struct pauses){histogram_quantile(&g->gaps, 0.999) / 1e6, (double)g->longest_ns / 1e6};
}

static void measure_pause(struct report *r, struct rig *g)
{
	open_shard(g, 0);
	fill(g, PAUSED_CARTS);
	struct pauses without = stream(g, 0, 3 * r->arguments->seconds);
	close_shard(g);
	open_shard(g, 1 << 20);
	struct pauses with = stream(g, 3, 3 * r->arguments->seconds);
	close_shard(g);
	report_note(r,
	            "answer to answer over %d open carts, p99.9 / longest: %.2f / %.2f ms, while snapshots are made %.2f / %.2f ms",
	            PAUSED_CARTS, without.usual_ms, without.longest_ms, with.usual_ms, with.longest_ms);
	report_figure(r, "", "p99.9 longer while a snapshot is made, ms", with.usual_ms - without.usual_ms, longer_ms_target, true);
	report_figure(r, "", "longest longer while a snapshot is made, ms", with.longest_ms - without.longest_ms, longer_ms_target,
	              true);
}

static void measure_start(struct report *r, struct rig *g)
{
	remove_folder(g->folder);
	open_shard(g, 0);
	fill(g, STARTED_CARTS);
	close_shard(g);
	double replayed = open_shard(g, 0);
	close_shard(g);
	open_shard(g, 1 << 20);
	while (metric_of(g, "trove_snapshot_seq") < STARTED_CARTS)
		clock_sleep_ms(20);
	close_shard(g);
	double loaded = open_shard(g, 0);
	CHECK(metric_of(g, "trove_journal_seq") >= STARTED_CARTS, "carts are missing");
	close_shard(g);
	report_note(r, "a start with %d open carts: by the journal alone %.2f s", STARTED_CARTS, replayed);
	report_figure(r, "", "from a snapshot, s", loaded, start_s_target, true);
}

int bench_shadow(const struct bench_arguments *arguments)
{
	struct report report;
	struct rig *g = calloc(1, sizeof *g);
	int code = EX_OSERR;
	if (g == NULL)
		return code;
	report_open(&report, "shadow", arguments);
	if (!disk_peers_open(&g->peers)) {
		fprintf(stderr, "trovebench: cannot write below the working directory: %s\n", strerror(errno));
	} else if (open_rig(g)) {
		measure_pause(&report, g);
		measure_start(&report, g);
		CHECK(g->failed == 0, "%llu messages began with a refusal", (unsigned long long)g->failed);
		code = EX_OK;
	}
	disk_peers_close(&g->peers);
	report_close(&report);
	for (unsigned i = 0; i < IN_FLIGHT; i++)
		free(g->messages[i].bytes);
	free(g);
	return code;
}
