/*
 * The shard's own struct, for the files of this folder only.
 */
#ifndef ENGINE_SHARD_SHARD_PRIVATE_H
#define ENGINE_SHARD_SHARD_PRIVATE_H

#include "engine/base/clock.h"
#include "engine/base/ring.h"
#include "engine/base/wakeup.h"
#include "engine/handler/handler.h"
#include "engine/shard/held.h"
#include "engine/shard/shadow.h"
#include "engine/shard/worker.h"
#include "proto/reply.h"

#include <pthread.h>

enum { TOUCHED = 4096 };

struct shard {
	struct shard_options options;
	struct protocol_limits limits;
	struct shard_parts parts;
	struct state state;
	struct journal *journal; /* or NULL */
	struct shadow *shadow;   /* or NULL */
	struct latency *latency;
	struct held held;
	struct worker *workers; /* options.workers of them, then the writer's */
	struct worker *writer;
	/* The writer's. */
	struct arena effects; /* for one batch */
	uint64_t seq;         /* of the last change */
	uint64_t committed;   /* up to where the journal's flusher was told */
	uint64_t needed;      /* what the message in work has said so far must be durable up to here */
	uint64_t touched[TOUCHED]; /* by hash of an object's key: the last change of it, or of a namesake */
	int64_t now_ms;       /* Unix time that never goes back */
	int64_t swept_ns;
	struct shadow_start start;
	struct file_rewards file; /* where snapshots are made */
	uint32_t cart_hand, payment_hand, claim_hand;
	int64_t full_ns;      /* since when as many replies wait as may; 0: there is room */
	int64_t stuck_ns;     /* when that was too long the last time; 0: never */
	bool is_full;         /* the message in work must not wait for the journal */
	unsigned behind;       /* kinds whose last sweep ended as many as one may */
	struct stored *stored; /* an effect that was read back */
	pthread_t thread;
	bool has_thread;
	bool is_started;
	bool is_resting;      /* the main thread does the writer's work; set when that is gone */
	uint32_t turned_away; /* events of the message in work */
	/* Main: what the start found. */
	struct receipt receipt;
	uint64_t file_rewards; /* struct receipt_state */
	enum shard_check start_check;
	atomic_bool draining;
	atomic_bool stopping;
	int64_t stop_by_ns;   /* written before stopping: from then on the writer waits for no room */
	struct ring queue;
	struct wakeup wakeup;
	atomic_bool waits_for_room;
	/* Jobs pushed and not yet taken, on a line of its own: many threads write it. */
	alignas(CACHE_LINE_BYTES) _Atomic uint64_t queued;
};

/* Told with `overloaded`: by then the writer has been through its queue many times. */
enum { RETRY_AFTER_MS = 10 };

/* Of the effects of one batch. */
enum { EFFECT_BYTES = 64 * EFFECT_BYTES_MAX };

/* An effect out of the journal. */
struct stored {
	uint64_t seq;
	size_t bytes;
	alignas(8) uint8_t effect[EFFECT_BYTES_MAX];
};

static inline int64_t shard_unix_ms(const struct shard *shard)
{
	const struct shard_clock *clock = shard->parts.clock;
	return clock == NULL ? clock_unix_ms() : clock->unix_ms(clock->context);
}

static inline int64_t shard_monotonic_ns(const struct shard *shard)
{
	const struct shard_clock *clock = shard->parts.clock;
	return clock == NULL ? clock_monotonic_ns() : clock->monotonic_ns(clock->context);
}

/* shard.c: answers one message of queries from end to end on the calling thread. */
void shard_answer(struct shard *shard, struct worker *worker, struct shard_job *job);
/* The journal's hook: replies may leave. */
void shard_on_released(void *shard, uint64_t sequence);
/* Up to where changes are as durable as they have to be. */
uint64_t shard_released(void *shard);

/* change.c: the writer's way of one event; each writes its result into the reply. */
void shard_change(struct shard *shard, const struct event *event, const struct shard_job *job, struct reply *reply);
void shard_read(struct shard *shard, const struct event *event, const struct shard_job *job, struct reply *reply);
/* The reply to the message in work must wait for this one. */
static inline void shard_need(struct shard *shard, uint64_t seq)
{
	if (shard->needed < seq)
		shard->needed = seq;
}
/* Kinds of what time ends, as bits: 1 << enum shard_ended. */
enum { SWEEP_ALL = 1 << SHARD_ENDED_cart | 1 << SHARD_ENDED_payment | 1 << SHARD_ENDED_claim };
/* Ends what is over its time of these kinds, some slots at a time. Those of which more may be due go into shard->behind. */
void shard_sweep(struct shard *shard, unsigned kinds);

/* touched.c: the effect is the last change; the last one of what a read asks for. */
void shard_touch(struct shard *shard, const struct effect_head *effect);
uint64_t shard_last_change(struct shard *shard, const struct event *event);

/* recover.c: opens the journal and carries out what it holds. */
status shard_recover(struct shard *shard, struct journal_report *report);

/* receipt_check.c. Before the journal is opened: is it the one that the last stop was of? With report->text where not, and
 * STATUS_malformed where that ends the start. */
status shard_read_receipt(struct shard *shard, struct journal_report *report);
/* When the state is there, before anything changes: is it the one that the last stop left? In the same way. */
status shard_check_receipt(struct shard *shard, struct journal_report *report);

/* Deadlines count from receipt: what waited too long is not done. */
static inline bool shard_is_late(const struct shard *shard, const struct event *event, const struct shard_job *job)
{
	return (event->head->flags & EVENT_HAS_DEADLINE) != 0 &&
	       shard_monotonic_ns(shard) - job->received_ns > (int64_t)event->head->deadline_ms * 1000000;
}

/* A well-formed event of the message. */
static inline void shard_count_event(struct worker *worker, struct shard_job *job, enum event_type type)
{
	metric_add(&worker->metrics.events[type], 1);
	if (TROVE_OBSERVE)
		latency_note(&job->trail, type);
}

/* metrics.c */
void shard_count_problem(struct worker *worker, status s);

#endif
