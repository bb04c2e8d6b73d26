/*
 * held: what must not leave yet: replies and publications that wait until what they say is durable.
 *
 * How      The writer encodes replies one behind another into a ring of bytes, and notes each in a
 *          batch from a pool, in a queue, in order. Whoever learns that more is durable (the
 *          journal's flusher) or that nothing needs waiting for (the writer) lets go of what is due.
 *          Letting go is done by one thread at a time; another one that comes meanwhile leaves it
 *          to that one, so nobody waits.
 * Owner    The shard. Memory is reserved at setup; a full ring makes the writer wait, and with it the
 *          queue of changes, which then answers overloaded.
 * Threads  open, close, publish: the writer. release: any. The rest: main.
 */
#ifndef ENGINE_SHARD_HELD_H
#define ENGINE_SHARD_HELD_H

#include "engine/base/ring.h"
#include "engine/memory/account.h"
#include "engine/memory/bill.h"
#include "engine/shard/metrics.h"
#include "engine/shard/shard.h"
#include "proto/effect.h"

struct batch {
	struct pool_handle handle;
	struct shard_job *job;
	uint64_t seq;   /* due when this is released */
	const uint8_t *reply;
	size_t reply_bytes;
	uint64_t end;   /* place behind it in the ring of bytes */
};

struct held {
	const struct shard_parts *parts;
	/* Writer. */
	alignas(CACHE_LINE_BYTES) struct pool *batches;
	struct holding batches_holding, replies_holding, publications_holding;
	struct region replies_region, publications_region;
	uint8_t *replies, *publications;
	size_t replies_bytes, reply_bytes_max, batch_count;
	uint64_t head;              /* next place for a reply */
	uint64_t published;         /* next place for a publication */
	struct ring queue;          /* of batches */
	alignas(CACHE_LINE_BYTES) struct shard_metrics writer_metrics; /* of replies that did not wait, and of publications */
	/* Whoever lets go. */
	alignas(CACHE_LINE_BYTES) atomic_bool is_busy;
	struct batch *first;        /* taken out of the queue, not yet due */
	_Atomic uint64_t tail;      /* of replies */
	_Atomic uint64_t told;      /* of publications */
	_Atomic uint64_t publications_end; /* up to where they are whole */
	_Atomic uint64_t pending;   /* batches opened and not yet let go */
	alignas(CACHE_LINE_BYTES) struct shard_metrics metrics;
};

status held_init(struct held *held, const struct shard_options *options, const struct shard_parts *parts);
void held_deinit(struct held *held);
void held_bill(const struct shard_options *options, struct bill *bill);

/* Room for the largest reply, and a batch to hold it; NULL: the writer has to wait for room. */
struct batch *held_open(struct held *held, void **bytes);
/* Whether max replies wait, or another of the largest size would leave no room for one that is let go at once. */
bool held_is_full(const struct held *held, uint64_t max);
/* It is not needed after all. */
void held_cancel(struct held *held, struct batch *batch);
/* The reply stands in the bytes that held_open gave; it leaves when seq is released. */
void held_close(struct held *held, struct batch *batch, struct shard_job *job, size_t reply_bytes, uint64_t seq);
/* It waits for nothing and leaves at once. */
void held_skip(struct held *held, struct batch *batch, struct shard_job *job, size_t reply_bytes);
/* Keeps an effect's publications until seq is released; without room they are dropped and counted: who listens
 * sees the gap and asks feed.read. */
void held_publish(struct held *held, const struct effect_head *effect, uint64_t seq);
/* Lets go of all that is due; released: up to where now. Asks again until nothing is. */
void held_release(struct held *held, uint64_t (*released)(void *context), void *context);

/* Everything has left that was closed or published; asked by the writer. */
bool held_is_empty(const struct held *held);
/* Nothing leaves any more. */
void held_silence(struct held *held);

#endif
