#include "engine/shard/shard_private.h"

void shard_count_problem(struct worker *worker, status s) { metric_add(&worker->counters.refused[s], 1); }

/* Sum of one cell over all workers; the cell is given by its offset in the counters. */
static uint64_t sum(const struct shard *shard, size_t offset)
{
	uint64_t total = 0;
	for (unsigned i = 0; i <= shard->options.workers; i++)
		total += metric_read((const metric_cell *)((const char *)&shard->workers[i].counters + offset));
	return total;
}

#define SUM(member) sum(shard, offsetof(struct worker_counters, member))

static void write_labelled(const struct shard *shard, struct cursor *out, const char *name, const char *label,
                           const char *value, size_t offset)
{
	cursor_format(out, "%s{%s=\"%s\"} %llu\n", name, label, value, (unsigned long long)sum(shard, offset));
}

static void write_latency(const struct shard *shard, struct cursor *out)
{
	const struct held *held = &shard->held;
	uint64_t buckets[METRIC_BUCKETS + 1];
	for (size_t i = 0; i <= METRIC_BUCKETS; i++)
		buckets[i] = SUM(latency.bucket[i]) + metric_read(&held->counters.latency.bucket[i]) +
		             metric_read(&held->skipped.latency.bucket[i]);
	metric_write_head(out, "trove_message_duration_seconds", "histogram",
	                  "From a message's receipt to its finished reply; when it grows, look at batch sizes and limits.");
	double sum_s = (double)(SUM(latency.sum_ns) + metric_read(&held->counters.latency.sum_ns) +
	                        metric_read(&held->skipped.latency.sum_ns)) * 1e-9;
	metric_write_histogram(out, "trove_message_duration_seconds", buckets, sum_s);
}

static void write_journal(const struct shard *shard, struct cursor *out)
{
	struct journal_stat stat;
	if (shard->journal == NULL)
		return;
	journal_stat(shard->journal, &stat);
	metric_write_head(out, "trove_journal_seq", "gauge", "Sequence number of the last change that is durable.");
	metric_write_value(out, "trove_journal_seq", (double)stat.durable);
	metric_write_head(out, "trove_journal_waiting_records", "gauge", "Changes that wait for the disk; replies wait for them.");
	metric_write_value(out, "trove_journal_waiting_records", (double)(stat.appended - stat.durable));
	metric_write_head(out, "trove_journal_bytes", "gauge", "Bytes of all journal files; data.segments_max bounds them.");
	metric_write_value(out, "trove_journal_bytes", (double)stat.bytes);
	metric_write_head(out, "trove_journal_flushes_total", "counter", "Group commits.");
	metric_write_value(out, "trove_journal_flushes_total", (double)stat.flushes);
	metric_write_head(out, "trove_journal_failures_total", "counter",
	                  "Writes or syncs that failed; changes are refused with journal_full until one succeeds: look at the disk.");
	metric_write_value(out, "trove_journal_failures_total", (double)stat.failures);
	metric_write_head(out, "trove_journal_full_total", "counter", "Changes that found no room in the journal.");
	metric_write_value(out, "trove_journal_full_total", (double)stat.full);
	metric_write_head(out, "trove_journal_failed", "gauge", "1 while writes fail and changes are refused.");
	metric_write_value(out, "trove_journal_failed", stat.is_failed);
}

void shard_write_metrics(const struct shard *shard, struct cursor *out)
{
	static const char *const encodings[] = {"json", "binary"};
	metric_write_head(out, "trove_messages_total", "counter", "Messages answered, by encoding.");
	for (size_t i = 0; i < COUNT_OF(encodings); i++)
		write_labelled(shard, out, "trove_messages_total", "encoding", encodings[i],
		               offsetof(struct worker_counters, messages) + i * sizeof(metric_cell));

	metric_write_head(out, "trove_events_total", "counter", "Well-formed events, by type.");
#define X(symbol, number, name, class, record, result) \
	write_labelled(shard, out, "trove_events_total", "type", name, offsetof(struct worker_counters, events[number]));
	EVENT_TABLE(X)
#undef X

	metric_write_head(out, "trove_events_refused_total", "counter",
	                  "Events and messages answered with an error, by code; overloaded and pool_exhausted call for action.");
	for (int code = STATUS_ok + 1; code < STATUS_COUNT; code++)
		write_labelled(shard, out, "trove_events_refused_total", "code", status_code((status)code),
		               offsetof(struct worker_counters, refused) + (size_t)code * sizeof(metric_cell));

	metric_write_head(out, "trove_matches_total", "counter", "Rewards that matched a locate.");
	metric_write_value(out, "trove_matches_total", (double)SUM(matches));
	metric_write_head(out, "trove_reply_bytes_total", "counter", "Bytes of replies.");
	metric_write_value(out, "trove_reply_bytes_total",
	                   (double)(SUM(reply_bytes) + metric_read(&shard->held.counters.reply_bytes) +
	                            metric_read(&shard->held.skipped.reply_bytes)));
	metric_write_head(out, "trove_writer_queue_messages", "gauge",
	                  "Messages with changes that wait for the writer; at events.queue it answers overloaded.");
	metric_write_value(out, "trove_writer_queue_messages", (double)atomic_load(&shard->queued));
	metric_write_head(out, "trove_replies_held", "gauge",
	                  "Replies that wait until the journal has made durable what they say.");
	metric_write_value(out, "trove_replies_held", (double)atomic_load(&shard->held.pending));
	metric_write_head(out, "trove_publications_dropped_total", "counter",
	                  "Publications that found no room to wait; subscribers see the gap in seq and ask feed.read.");
	metric_write_value(out, "trove_publications_dropped_total", (double)metric_read(&shard->held.dropped));
	write_latency(shard, out);
	write_journal(shard, out);
	shadow_write_metrics(shard->shadow, out);
}
