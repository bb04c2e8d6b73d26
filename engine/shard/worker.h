/*
 * worker: what one thread needs to answer one message: a reader of the store, an
 * arena to decode into, a reply buffer, metrics. Reserved at start, borrowed for
 * the time of one message, so that the library's threads need nothing of their own.
 *
 * Private to the shard. A worker is used by one thread at a time; the flag hands it
 * over with acquire and release.
 */
#ifndef ENGINE_SHARD_WORKER_H
#define ENGINE_SHARD_WORKER_H

#include "engine/shard/metrics.h"
#include "engine/shard/shard.h"
#include "proto/request.h"

#include <stdalign.h>
#include <stdatomic.h>

struct worker {
	alignas(CACHE_LINE_BYTES) atomic_bool busy;
	alignas(CACHE_LINE_BYTES) struct store_reader *reader;
	struct arena arena;
	struct arena reply; /* its bytes are the buffer */
	struct request request;
	size_t feed_bytes; /* of the journal, that feed.read may still look at for this message */
	alignas(CACHE_LINE_BYTES) struct shard_metrics metrics;
};

status worker_init(struct worker *w, const struct shard_options *options, struct store *store, bool is_writer);
void worker_deinit(struct worker *w);

/* A free one of count workers; there are as many as threads that borrow. */
struct worker *worker_borrow(struct worker *workers, unsigned count);
void worker_return(struct worker *w);

/* Hands the finished reply, which stands in the worker's buffer, to the job's owner and counts it. */
void worker_finish(struct worker *worker, struct shard_job *job, size_t reply_bytes);

#endif
