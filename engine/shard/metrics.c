#include "engine/shard/metrics.h"

#include "engine/shard/shard_private.h"

struct shard_now_metrics {
	SHARD_NOW_METRICS(METRIC_VALUE)
};
struct shard_start_metrics {
	SHARD_START_METRICS(METRIC_VALUE)
};
struct shard_journal_metrics {
	SHARD_JOURNAL_METRICS(METRIC_VALUE)
};
struct shard_snapshot_metrics {
	SHARD_SNAPSHOT_METRICS(METRIC_VALUE)
};

/* ---- labels -------------------------------------------------------------------------- */

static const char *encoding_value(unsigned index) { return index == ENCODING_JSON ? "json" : "binary"; }

static const char *event_value(unsigned index)
{
	switch (index) {
#define X(symbol, number, name, class, record, result) \
	case number: return name;
		EVENT_TABLE(X)
#undef X
	default: return NULL;
	}
}

static const char *code_value(unsigned index) { return index == STATUS_ok ? NULL : status_code((status)index); }
static const char *ended_value(unsigned index)
{
	static const char *const values[METRIC_SERIES_ended] = {
		[SHARD_ENDED_cart] = "cart", [SHARD_ENDED_payment] = "payment", [SHARD_ENDED_claim] = "claim"};
	return values[index];
}

static const char *check_value(unsigned index)
{
	static const char *const values[METRIC_SERIES_check] = {
		[SHARD_CHECK_none] = "none", [SHARD_CHECK_agrees] = "agrees", [SHARD_CHECK_older] = "older",
		[SHARD_CHECK_differs] = "differs"};
	return values[index];
}

/* The whole is by event. */
static const char *stage_value(unsigned index)
{
	return index == LATENCY_whole ? NULL : latency_stage_name((enum latency_stage)index);
}

static const struct metric_label metric_label_encoding = {"encoding", METRIC_SERIES_encoding, encoding_value};
static const struct metric_label metric_label_event = {"type", METRIC_SERIES_event, event_value};
static const struct metric_label metric_label_code = {"code", METRIC_SERIES_code, code_value};
static const struct metric_label metric_label_stage = {"stage", METRIC_SERIES_stage, stage_value};
static const struct metric_label metric_label_check = {"result", METRIC_SERIES_check, check_value};
static const struct metric_label metric_label_ended = {"what", METRIC_SERIES_ended, ended_value};

enum { TABLE_counted, TABLE_duration, TABLE_now, TABLE_start, TABLE_journal, TABLE_snapshot };

const struct metric_table shard_metric_tables[] = {
	[TABLE_counted] = METRIC_TABLE(SHARD_METRICS(METRIC_ROW)),
	[TABLE_duration] = METRIC_TABLE(SHARD_DURATION_METRICS(METRIC_ROW)),
	[TABLE_now] = METRIC_TABLE(SHARD_NOW_METRICS(METRIC_ROW)),
	[TABLE_start] = METRIC_TABLE(SHARD_START_METRICS(METRIC_ROW)),
	[TABLE_journal] = METRIC_TABLE(SHARD_JOURNAL_METRICS(METRIC_ROW)),
	[TABLE_snapshot] = METRIC_TABLE(SHARD_SNAPSHOT_METRICS(METRIC_ROW)),
};
const size_t shard_metric_table_count = COUNT_OF(shard_metric_tables);

/* ---- a scrape ------------------------------------------------------------------------- */

void shard_count_problem(struct worker *worker, status s) { metric_add(&worker->metrics.refused[s], 1); }

static void write_counted(const struct shard *shard, struct metric_page *page)
{
	struct shard_metrics sum = {};
	for (unsigned i = 0; i <= shard->options.workers; i++)
		metric_collect(&sum, &shard->workers[i].metrics, sizeof sum);
	metric_collect(&sum, &shard->held.metrics, sizeof sum);
	metric_collect(&sum, &shard->held.writer_metrics, sizeof sum);
	metric_write_cells(page, &shard_metric_tables[TABLE_counted], &sum);
}

static void write_durations(const struct shard *shard, struct metric_page *page)
{
	struct shard_duration_metrics durations = {};
	latency_read(shard->latency, durations.messages, durations.events, durations.stages);
	metric_write_cells(page, &shard_metric_tables[TABLE_duration], &durations);
}

static void write_now(const struct shard *shard, struct metric_page *page)
{
	const struct shard_now_metrics now = {
		.queue = {(double)atomic_load(&shard->queued)},
		.queue_limit = {(double)shard->options.queue},
		.held = {(double)atomic_load(&shard->held.pending)},
	};
	metric_write_values(page, &shard_metric_tables[TABLE_now], &now);
}

static void write_start(const struct shard *shard, struct metric_page *page)
{
	struct shard_start_metrics start = {};
	start.check[shard->start_check] = 1;
	metric_write_values(page, &shard_metric_tables[TABLE_start], &start);
}

static void write_journal(const struct shard *shard, struct metric_page *page)
{
	struct journal_stat stat;
	if (shard->journal == NULL)
		return;
	journal_stat(shard->journal, &stat);
	const struct shard_journal_metrics journal = {
		.seq = {(double)stat.durable},
		/* The two are not read at one moment. */
		.waiting = {stat.appended > stat.durable ? (double)(stat.appended - stat.durable) : 0},
		.bytes = {(double)stat.bytes},
		.bytes_limit = {(double)shard->parts.journal->segments_max * (double)shard->parts.journal->segment_bytes},
		.files = {(double)stat.files},
		.flushes = {(double)stat.flushes},
		.flushed_bytes = {(double)stat.flushed_bytes},
		.failures = {(double)stat.failures},
		.full = {(double)stat.full},
		.failed = {stat.is_failed},
		.persistent_memory = {stat.is_persistent_memory},
	};
	metric_write_values(page, &shard_metric_tables[TABLE_journal], &journal);
}

static void write_snapshot(const struct shard *shard, struct metric_page *page)
{
	if (shard->shadow == NULL)
		return;
	const struct shadow_counters *c = &shard->shadow->counters;
	int64_t created_ms = atomic_load(&c->created_ms);
	const struct shard_snapshot_metrics snapshot = {
		.seq = {(double)atomic_load(&c->seq)},
		.age_s = {created_ms == 0 ? 0 : (double)(clock_unix_ms() - created_ms) / 1000},
		.total = {(double)atomic_load(&c->total)},
		.failures = {(double)atomic_load(&c->failures)},
		.damaged_seq = {(double)atomic_load(&c->damaged)},
		.duration_s = {(double)atomic_load(&c->duration_ns) * 1e-9},
	};
	metric_write_values(page, &shard_metric_tables[TABLE_snapshot], &snapshot);
}

void shard_write_metrics(const struct shard *shard, struct metric_page *page)
{
	write_counted(shard, page);
	write_durations(shard, page);
	write_now(shard, page);
	write_start(shard, page);
	write_journal(shard, page);
	write_snapshot(shard, page);
}
