/* What an operator may ask of a running shard. Main thread. */
#include "engine/shard/shard_private.h"

#include "engine/memory/heap.h"

#include <sched.h>

enum { TRIES = 1000 };

/* A worker is held by an answering thread for the time of one message; ours for that of one system call. */
static bool take(struct worker *w)
{
	for (int i = 0; i < TRIES; i++) {
		if (!atomic_exchange_explicit(&w->busy, true, memory_order_acquire))
			return true;
		sched_yield();
	}
	return false;
}

/* The whole arena is taken, once, as the buffer: that says nothing of what replies need of it. Now there is none in it. */
static void forget_reply(struct arena *reply)
{
	atomic_store_explicit(&reply->holding.in_use, 0, memory_order_relaxed);
	atomic_store_explicit(&reply->holding.high_water, 0, memory_order_relaxed);
}

void shard_trim(struct shard *shard, struct shard_trimmed *trimmed)
{
	*trimmed = (struct shard_trimmed){};
	for (unsigned i = 0; i < shard->options.workers; i++) {
		struct worker *w = &shard->workers[i];
		if (!take(w)) {
			trimmed->busy++;
			continue;
		}
		trimmed->bytes += arena_trim(&w->arena);
		trimmed->bytes += arena_trim(&w->reply);
		forget_reply(&w->reply);
		trimmed->arenas += 2;
		worker_return(w);
	}
	heap_collect();
	heap_trim();
}

status shard_snapshot_look(struct shard *shard, struct shard_snapshot_asked *asked)
{
	struct journal_stat stat;
	if (shard->shadow == NULL)
		return STATUS_not_found;
	journal_stat(shard->journal, &stat);
	asked->durable = stat.durable;
	asked->newest = atomic_load(&shard->shadow->counters.seq);
	asked->failures = atomic_load(&shard->shadow->counters.failures);
	return asked->newest >= asked->durable ? STATUS_already_exists : STATUS_ok;
}

status shard_snapshot(struct shard *shard, struct shard_snapshot_asked *asked)
{
	status s = shard_snapshot_look(shard, asked);
	if (s == STATUS_ok)
		shadow_ask(shard->shadow);
	return s;
}
