/*
 * The shard's own struct, for the files of this folder only.
 */
#ifndef ENGINE_SHARD_SHARD_PRIVATE_H
#define ENGINE_SHARD_SHARD_PRIVATE_H

#include "engine/base/ring.h"
#include "engine/base/wakeup.h"
#include "engine/handler/handler.h"
#include "engine/shard/worker.h"
#include "proto/reply.h"

#include <pthread.h>

struct shard {
	struct shard_options options;
	struct protocol_limits limits;
	struct state state;
	struct worker *workers; /* options.workers of them, then the writer's */
	struct worker *writer;
	struct arena effects; /* the writer's, for one batch */
	uint64_t seq;         /* of the last change; the writer's */
	pthread_t thread;
	bool has_thread;
	atomic_bool draining;
	atomic_bool stopping;
	struct ring queue;
	struct wakeup wakeup;
	/* Jobs pushed and not yet done, on a line of its own: many threads write it. */
	alignas(CACHE_LINE_BYTES) _Atomic uint64_t queued;
};

/* Told with `overloaded`: by then the writer has been through its queue many times. */
enum { RETRY_AFTER_MS = 10 };

/* Of the effects of one batch. */
enum { EFFECT_BYTES = 64 * sizeof(struct effect_reward_put) };

/* shard.c: answers one message from end to end on the calling thread. is_writer says
 * whether changes may be made. */
void shard_answer(struct shard *shard, struct worker *worker, struct shard_job *job, bool is_writer);

/* metrics.c */
void shard_count_problem(struct worker *worker, status s);

#endif
