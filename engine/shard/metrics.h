/*
 * What the shard counts and shows; the tables of its metrics.
 *
 * Each worker, and whoever lets held replies go, has a struct shard_metrics of its own and is its only
 * writer at any moment. Sums are taken by metrics.c at a scrape.
 */
#ifndef ENGINE_SHARD_METRICS_H
#define ENGINE_SHARD_METRICS_H

#include "engine/base/metric.h"
#include "engine/base/status.h"
#include "engine/shard/latency.h"
#include "proto/event.h"

enum {
	METRIC_SERIES_encoding = 2,              /* by enum encoding */
	METRIC_SERIES_event = EVENT_TYPE_MAX + 1, /* by enum event_type */
	METRIC_SERIES_code = STATUS_COUNT,       /* by status */
	METRIC_SERIES_stage = LATENCY_STAGE_COUNT, /* by enum latency_stage */
	METRIC_SERIES_ended = 3,                 /* by enum shard_ended */
	METRIC_SERIES_check = 4,                 /* by enum shard_check */
};

/* What a start made of the last stop's receipt. */
enum shard_check { SHARD_CHECK_none, SHARD_CHECK_agrees, SHARD_CHECK_older, SHARD_CHECK_differs };

/* What ends without an event of its own. */
enum shard_ended { SHARD_ENDED_cart, SHARD_ENDED_payment, SHARD_ENDED_claim };

#define SHARD_METRICS(M) \
	M(counter, shard, messages, "trove_messages_total", encoding, \
	  "Messages whose events were answered, by encoding; none at all: peers cannot reach events.reply.") \
	M(counter, shard, message_bytes, "trove_message_bytes_total", none, \
	  "Bytes of all messages that came; per message near events.message_bytes_max: send smaller batches.") \
	M(counter, shard, events, "trove_events_total", event, \
	  "Well-formed events, by type; compare with trove_events_refused_total.") \
	M(counter, shard, refused, "trove_events_refused_total", code, \
	  "Events and messages answered with an error, by code; overloaded, pool_exhausted, journal_full and internal call " \
	  "for action, the others for a look at who sends.") \
	M(counter, shard, replays, "trove_replays_total", none, \
	  "Changes sent again under a known id and answered as the first time; many: clients time out before the answer.") \
	M(counter, shard, expired, "trove_expired_total", ended, \
	  "Carts, payments and claims that time ended; more than usual: clients stop half way, or a TTL is too short.") \
	M(counter, shard, evicted, "trove_evicted_total", ended, \
	  "Closed carts and payments that left for new ones; they cannot be read any more: raise carts.capacity or " \
	  "payments.capacity to keep them longer.") \
	M(counter, shard, matches, "trove_matches_total", none, \
	  "Rewards that matched a locate; falling while events stay: look at the rewards' radius, stock and times.") \
	M(counter, shard, reply_bytes, "trove_reply_bytes_total", none, \
	  "Bytes of replies; per message near events.reply_bytes_max: lower the limit in locate events.") \
	M(counter, shard, publications_dropped, "trove_publications_dropped_total", none, \
	  "Publications that found no room to wait for the journal; subscribers see the gap in seq and ask feed.read: " \
	  "look at the disk, or send smaller batches.")

struct shard_metrics {
	SHARD_METRICS(METRIC_CELL)
};

/* Filled for one scrape out of finer histograms: latency.h. */
#define SHARD_DURATION_METRICS(M) \
	M(histogram, shard_duration, messages, "trove_message_duration_seconds", none, \
	  "From a message's receipt until the kernel has its reply, refused ones too; when it grows and events do not, look at " \
	  "batch sizes.") \
	M(histogram, shard_duration, events, "trove_event_duration_seconds", event, \
	  "The same by event, which takes as long as its message; when it grows, see trove_stage_duration_seconds, or GET " \
	  "/latency for percentiles of both.") \
	M(histogram, shard_duration, stages, "trove_stage_duration_seconds", stage, \
	  "The same by stage, all events; queue grows: the writer is busy; journal: the disk is slow; send: peers are.")

struct shard_duration_metrics {
	SHARD_DURATION_METRICS(METRIC_CELL)
};

#define SHARD_NOW_METRICS(M) \
	M(gauge, shard_now, queue, "trove_writer_queue_messages", none, \
	  "Messages with changes that wait for the writer; near its limit: too many changes, or a slow disk.") \
	M(gauge, shard_now, queue_limit, "trove_writer_queue_limit_messages", none, \
	  "Where further ones are answered overloaded; events.queue sets it.") \
	M(gauge, shard_now, held, "trove_replies_held", none, \
	  "Replies that wait until the journal has made durable what they say; at 3/4 of events.contexts a disk that hangs makes " \
	  "changes overloaded.")

#define SHARD_START_METRICS(M) \
	M(gauge, shard_start, check, "trove_start_check", check, \
	  "1 at what the start found of the last stop: agrees; none (no receipt: a first start); older (it was ended without " \
	  "one); differs (data.receipt=warn let it go on): changes were lost or damaged, look into the log.")

#define SHARD_JOURNAL_METRICS(M) \
	M(gauge, shard_journal, seq, "trove_journal_seq", none, \
	  "Sequence number of the last change that is durable; standing still under changes: look at the disk.") \
	M(gauge, shard_journal, waiting, "trove_journal_waiting_records", none, \
	  "Changes that wait for the disk, and replies for them; thousands: the disk is slow.") \
	M(gauge, shard_journal, bytes, "trove_journal_bytes", none, \
	  "Bytes of all journal files; near the limit: look whether snapshots are made.") \
	M(gauge, shard_journal, bytes_limit, "trove_journal_limit_bytes", none, \
	  "Where changes are answered journal_full: data.segments_max files of data.segment_bytes.") \
	M(gauge, shard_journal, files, "trove_journal_files", none, \
	  "Journal files in use; only growing: snapshots fail, or remembered ids need them.") \
	M(counter, shard_journal, flushes, "trove_journal_flushes_total", none, \
	  "Group commits; changes for each of them tell how well they are grouped.") \
	M(counter, shard_journal, flushed_bytes, "trove_journal_flushed_bytes_total", none, \
	  "Bytes made durable; compare with what the disk can write.") \
	M(counter, shard_journal, failures, "trove_journal_failures_total", none, \
	  "Writes or syncs that failed; changes are refused with journal_full until one succeeds: look at the disk and the log.") \
	M(counter, shard_journal, full, "trove_journal_full_total", none, \
	  "Changes that found no room in the journal; raise data.buffer_bytes for bursts, data.segments_max for good.") \
	M(gauge, shard_journal, failed, "trove_journal_failed", none, \
	  "1 while writes fail and changes are refused: the log says why, and it resumes by itself.") \
	M(gauge, shard_journal, persistent_memory, "trove_journal_persistent_memory", none, \
	  "1 where changes are made durable by cache flushes (pmem_persist), on a DAX file system; 0 elsewhere, by msync: where " \
	  "it was meant to be 1, look how the file system of data.directory is mounted (-o dax).")

#define SHARD_SNAPSHOT_METRICS(M) \
	M(gauge, shard_snapshot, seq, "trove_snapshot_seq", none, \
	  "Last change in the newest snapshot; a start replays what came later.") \
	M(gauge, shard_snapshot, age_s, "trove_snapshot_age_seconds", none, \
	  "Since the newest snapshot, 0 with none; it grows while little changes: compare with trove_journal_bytes.") \
	M(counter, shard_snapshot, total, "trove_snapshots_total", none, \
	  "Snapshots made; one for each data.snapshot_bytes of changes is usual.") \
	M(counter, shard_snapshot, failures, "trove_snapshot_failures_total", none, \
	  "Snapshots that failed; the journal grows until one succeeds: look at the disk and the log.") \
	M(gauge, shard_snapshot, damaged_seq, "trove_journal_damaged_seq", none, \
	  "A record before the snapshot that is lost or damaged, 0 with none: the log says what to do.") \
	M(gauge, shard_snapshot, duration_s, "trove_snapshot_duration_seconds", none, \
	  "How long the newest took; minutes: the disk or the processor is short.")

#endif
