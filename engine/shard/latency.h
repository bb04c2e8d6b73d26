/*
 * latency: how long events take, by type and stage, over the life and over the last minute.
 *
 * What      An event takes as long as its message: its answer leaves with the message's reply. So a message is
 *           stamped at the end of each stage, once, on whatever thread that is; and when its reply has gone, all
 *           stages are entered at once, as many times as it held events of a type. The stages add up to the whole.
 * Threads   stamps: the job's owner of the moment. record: any thread; it borrows one of the recorders, and is then
 *           the only writer of its cells. turn and write: any, rarely; they take a lock among themselves and never
 *           make a recorder wait.
 * Owner     The shard. All of it is reserved at setup and in the memory bill: recorders are touched then, what is
 *           kept for readers as types and durations appear.
 * Error     HISTOGRAM_ERROR_MAX (0.8 %) of a percentile; the clock costs no system call (vDSO).
 */
#ifndef ENGINE_SHARD_LATENCY_H
#define ENGINE_SHARD_LATENCY_H

#include "engine/base/clock.h"
#include "engine/base/cursor.h"
#include "engine/base/histogram.h"
#include "engine/base/metric.h"
#include "engine/memory/account.h"
#include "engine/memory/bill.h"
#include "proto/event.h"

/* X(symbol, sentence). In order; a message may leave some out. */
#define LATENCY_STAGES(X) \
	X(decode, "from receipt until the message is decoded and handed on") \
	X(queue, "a change's wait for the writer") \
	X(plan, "deciding, applying, encoding the reply; on the writer also decoding again") \
	X(journal, "a reply's wait until what it says is durable") \
	X(send, "until the kernel has the reply") \
	X(whole, "from receipt until then")

enum latency_stage {
#define X(symbol, sentence) LATENCY_##symbol,
	LATENCY_STAGES(X)
#undef X
	LATENCY_STAGE_COUNT
};

/* One message's way; part of its job. Moments are monotonic nanoseconds; 0: it did not come by there. */
struct latency_trail {
	int64_t decoded_ns, taken_ns, planned_ns, released_ns;
	uint32_t types;                     /* bit N: it holds events of type N */
	uint32_t count[EVENT_TYPE_MAX + 1]; /* of those; else not written */
};
static_assert(EVENT_TYPE_MAX < 32);

static inline void latency_open(struct latency_trail *trail)
{
	trail->decoded_ns = trail->taken_ns = trail->planned_ns = trail->released_ns = 0;
	trail->types = 0;
}

static inline void latency_note(struct latency_trail *trail, enum event_type type)
{
	uint32_t bit = UINT32_C(1) << type;
	trail->count[type] = (trail->types & bit) != 0 ? trail->count[type] + 1 : 1;
	trail->types |= bit;
}

/* The end of a stage. */
static inline int64_t latency_now(void) { return TROVE_OBSERVE ? clock_monotonic_ns() : 0; }

struct latency;

/* threads: that record. STATUS_pool_exhausted: no memory. */
status latency_setup(struct latency **latency, struct account *account, unsigned threads);
void latency_teardown(struct latency **latency);
void latency_bill(struct bill *bill, unsigned threads);

/* The message's end: sent_ns is when its reply had gone, 0 when it has none. */
void latency_record(struct latency *latency, const struct latency_trail *trail, int64_t received_ns, int64_t sent_ns);

/* Keeps the last minute; to be called every second or so. */
void latency_turn(struct latency *latency, int64_t now_ns);

/* Of the life: what messages took, events by type, and events by stage but the whole; all zero before. */
void latency_read(struct latency *latency, struct metric_histogram *messages,
                  struct metric_histogram by_type[EVENT_TYPE_MAX + 1], struct metric_histogram by_stage[LATENCY_STAGE_COUNT]);

const char *latency_stage_name(enum latency_stage stage);

enum { LATENCY_ASKED_MAX = 16 };

/*
 * JSON. percentiles: some of 0 to 100, ascending or not, between commas; NULL or "": p50 to p99.99.
 * type: an event's name or "all": that one alone, with its histogram; NULL or "": every type, without.
 * STATUS_invalid_field: percentiles are none, or more than LATENCY_ASKED_MAX. STATUS_not_found: there is no such type.
 * Nothing is written then.
 */
status latency_write_json(struct latency *latency, const char *percentiles, const char *type, struct cursor *out);

#endif
