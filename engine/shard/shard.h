/*
 * shard: the middle of the service. Takes messages, answers queries on the thread
 * that brought them, hands changes to the one writer, and gives every message
 * exactly one reply.
 *
 * Threads: shard_handle: any, many at once, never blocks and allocates nothing of
 * ours. One writer thread of the shard's own does all changes. Set-up, drain and
 * teardown: the main thread.
 * Memory: the shard owns its workers (decode arena, reply buffer, counters), all
 * reserved at start. A job belongs to whoever submitted it and must stay where it is
 * until done was called.
 */
#ifndef ENGINE_SHARD_SHARD_H
#define ENGINE_SHARD_SHARD_H

#include "engine/base/metric.h"
#include "engine/base/number_set.h"
#include "engine/base/option.h"
#include "engine/commerce/commerce.h"
#include "engine/journal/journal.h"
#include "engine/shard/latency.h"
#include "engine/shard/receipt.h"
#include "engine/store/store.h"

#define SHARD_OPTIONS(O) \
	O(integer, shard, message_bytes_max, "events.message_bytes_max", "1MiB", 1024, 1 << 30, "bytes", startup, \
	  "Largest message that is taken; a larger one is answered too_large.") \
	O(integer, shard, batch_max, "events.batch_max", "4096", 1, 65536, "", startup, \
	  "Most events in one message; a larger batch is refused with too_large.") \
	O(integer, shard, reply_bytes_max, "events.reply_bytes_max", "2MiB", 65536, 1 << 30, "bytes", startup, \
	  "Largest reply; results that do not fit are answered too_large. At least 400 bytes for each event of a batch.") \
	O(integer, shard, decode_bytes_max, "events.decode_bytes_max", "16MiB", 1 << 20, 1 << 30, "bytes", startup, \
	  "Memory that decoding one JSON message may take; beyond it the message is too_large.") \
	O(integer, shard, queue, "events.queue", "1024", 2, 1 << 20, "", startup, \
	  "Messages with changes that may wait for the writer (a power of two); beyond it they are answered overloaded.") \
	O(integer, shard, writer_cpu, "events.writer_cpu", "-1", -1, NUMBER_SET_LIMIT - 1, "", startup, \
	  "Processor that the writer's thread keeps to, with its memory on that processor's node; -1: any.") \
	O(integer, shard, snapshot_bytes, "data.snapshot_bytes", "256MiB", 0, INT64_C(1) << 40, "bytes", startup, \
	  "A snapshot is made after so much journal (or an eighth of what it may take); 0: never, and the journal only grows.") \
	O(integer, shard, retention_ms, "data.retention_ms", "86400000", 0, 315360000000, "ms", startup, \
	  "How long the journal is kept for feed.read after snapshots hold its records; less when data.segments_max is near.") \
	O(choice, shard, receipt, "data.receipt", "refuse", 0, 0, "refuse|warn", startup, \
	  "What a start does when its state is not the one that the last stop left: say why and end, or warn and go on.")

enum shard_receipt_option { SHARD_RECEIPT_refuse, SHARD_RECEIPT_warn };

struct shard_options {
	SHARD_OPTIONS(OPTION_MEMBER)
	bool is_plane;       /* from the option `space` */
	unsigned workers;    /* threads that may call shard_handle at once */
	struct account *account; /* where its memory is entered, or NULL */
};

extern const struct option shard_option_rows[];
extern const size_t shard_option_count;

/* Whether options that depend on each other agree; else problem says which do not. */
bool shard_options_agree(const struct shard_options *options, struct option_problem *problem);

/* What a shard of these options takes at most. */
void shard_bill(const struct shard_options *options, struct bill *bill);
/* And its snapshots. */
void shard_snapshot_bill(const struct shard_options *options, const struct commerce_options *commerce,
                         int64_t rewards_capacity, struct bill *bill);

/* Readers that the store must have room for. */
#define SHARD_READERS(workers) ((workers) + 1)

struct shard;
struct snapshot_options;

/* Where a shard takes its time from. Any thread. */
struct shard_clock {
	int64_t (*unix_ms)(void *context);
	int64_t (*monotonic_ns)(void *context);
	void *context;
};

/* What a shard works on and with. All of it stays the caller's and outlives the shard. */
struct shard_parts {
	struct store *store;
	struct commerce *commerce;
	const struct commerce_options *commerce_options; /* for snapshots; NULL: none are made */
	int64_t carts_ttl_ms, payments_ttl_ms, claims_ttl_ms;
	const struct journal_options *journal; /* NULL: nothing is kept, changes are answered at once (tests) */
	/* Messages whose replies may wait for the journal at once. Beyond it further ones wait, and once the journal is stuck
	 * changes are answered `overloaded`, so that a bad disk does not take all of the caller's jobs. 0: no limit. */
	uint64_t held_max;
	/* What happened, once it is durable; or NULL. Any thread, one call at a time; must not block. */
	void (*publish)(void *context, const char *topic, const char *json);
	void *publish_context;
	const struct shard_clock *clock; /* NULL: the system's; of what depends on time, not of measurements */
	/* Tests: how snapshots are written (chunk_bytes, fault); NULL in service. */
	const struct snapshot_options *snapshots;
	bool is_driven; /* tests: the writer and the snapshots have no threads, the two shard_step functions do their turns */
};

/* A message on its way. */
struct shard_job {
	const void *message;
	size_t message_bytes;
	int64_t received_ns; /* monotonic */
	int64_t received_ms; /* Unix time: the events' `at` where they carry none */
	/* Called exactly once, from shard_handle, the writer's thread or the journal's. The reply's
	 * bytes hold during the call; the job may be reused from then on. */
	void (*done)(struct shard_job *job, const void *reply, size_t reply_bytes);
	/* Before done: all of it was turned away, unreadable or by load. The owner makes it false again. */
	bool is_refused;
	struct latency_trail trail; /* the shard's */
};

/*
 * The options agree and are copied. What the journal holds is carried out before this returns.
 * Else report->text says what failed, and where. STATUS_pool_exhausted: the system has no memory, or no thread.
 * STATUS_invalid_field: an option does not do: writer_cpu, or a capacity for what the journal holds. Others: the journal
 * cannot be used.
 */
status shard_setup(struct shard **shard, const struct shard_options *options, const struct shard_parts *parts,
                   struct journal_report *report);
/*
 * The first half of a stop. No more changes: they are answered `draining`. Waits (timeout_ms at most) until what was done
 * is durable, whatever data.durability says, and its replies have left; false: not all is. The writer's thread is gone then,
 * and the state stands still; the main thread calls shard_turn every few ms, so that reads are answered still.
 */
bool shard_rest(struct shard *shard, int64_t timeout_ms);
void shard_turn(struct shard *shard);
/* After shard_rest. The caller fills in what became of messages, the shard the rest; it is in the file for the next start when
 * it is STATUS_ok, else text says why not. Slow: reads all of the state. */
status shard_write_receipt(struct shard *shard, struct receipt *receipt, char text[RECEIPT_TEXT_BYTES]);

/* Both halves: no more changes; waits (two seconds at most) until what was done is durable and its replies have left. Those that
 * still wait then never leave: their jobs are the caller's again. */
void shard_stop(struct shard *shard);
/* After shard_stop, and when nobody calls shard_handle any more. */
void shard_teardown(struct shard **shard);

void shard_handle(struct shard *shard, struct shard_job *job);
/* After done, before the job is used again: its reply has gone, or it has none, and its durations are counted. Any thread. */
void shard_finish(struct shard *shard, const struct shard_job *job, bool had_reply);

/* Of a driven shard: one turn of the writer, on the calling thread, which is always the same one. How many messages
 * it took; with no room for replies some may be left. */
uint64_t shard_step(struct shard *shard);
/* Of a driven shard: one look of the snapshots' thread: one is made if it is due, files that nothing needs go. */
void shard_step_snapshots(struct shard *shard);
/* Of a driven shard: waits until what was done is durable, and every reply and publication has left. false: the journal
 * has failed, or it takes too long. */
bool shard_settle(struct shard *shard, int64_t timeout_ms);

/* control.c, main thread: what the scratch arenas of answering threads hold beyond what a start touches goes back to the
 * system, and their high-water marks fall to what is in use. An arena that is busy all the time is left out. */
struct shard_trimmed {
	unsigned arenas, busy;
	uint64_t bytes;
};
void shard_trim(struct shard *shard, struct shard_trimmed *trimmed);

/* Asks for a snapshot now; it is made in the background. STATUS_not_found: none are made (data.snapshot_bytes).
 * STATUS_already_exists: the newest one holds everything that is durable. */
struct shard_snapshot_asked {
	uint64_t newest, durable; /* sequences: of the newest snapshot, and of the last durable change */
	uint64_t failures;        /* so far */
};
status shard_snapshot(struct shard *shard, struct shard_snapshot_asked *asked);
/* The same without asking for one. */
status shard_snapshot_look(struct shard *shard, struct shard_snapshot_asked *asked);

/* From now on changes are answered `draining`. Queries go on. */
void shard_drain(struct shard *shard);
/* A reader of the journal: feed.read, tools. NULL: there is none. */
struct journal *shard_journal(struct shard *shard);
/* Messages that were taken and not yet answered. */
uint64_t shard_in_flight(const struct shard *shard);

/* How long events take; see latency.h. */
struct latency *shard_latency(const struct shard *shard);

void shard_write_metrics(const struct shard *shard, struct metric_page *page);
/* The tables of what that writes. */
extern const struct metric_table shard_metric_tables[];
extern const size_t shard_metric_table_count;

#endif
