#include "engine/shard/worker.h"

#include <pthread.h>
#include <sched.h>

/* A batch of some hundred JSON events needs no more; the rest is there for the largest messages. */
enum { DECODE_TOUCHED_BYTES = 1 << 20 };

/* The writer's is on the writer's node; any thread takes any of the others. */
status worker_init(struct worker *w, const struct shard_options *options, struct store *store, bool is_writer)
{
	status s = store_reader_create(store, &w->reader);
	if (s != STATUS_ok)
		return s;
	const struct arena_options decode = {
		.name = "decode arenas",
		.option = "events.decode_bytes_max",
		.account = options->account,
		.is_on_any_node = !is_writer,
		.prefault_bytes = DECODE_TOUCHED_BYTES,
	};
	const struct arena_options reply = {
		.name = "reply buffers",
		.option = "events.reply_bytes_max",
		.account = options->account,
		.is_on_any_node = !is_writer,
	};
	s = arena_init(&w->arena, (size_t)options->decode_bytes_max, &decode);
	if (is_writer)
		return s; /* its replies are held */
	if (s == STATUS_ok)
		s = arena_init(&w->reply, (size_t)options->reply_bytes_max, &reply);
	if (s == STATUS_ok)
		(void)arena_take(&w->reply, w->reply.capacity, 1); /* all of it is the buffer */
	return s;
}

void worker_deinit(struct worker *w)
{
	store_reader_destroy(&w->reader);
	arena_deinit(&w->arena);
	arena_deinit(&w->reply);
}

/* There are as many workers as threads that call, so one is free or will be at once.
 * Starting at a place that depends on the thread keeps threads on workers whose memory
 * is already in their caches. */
struct worker *worker_borrow(struct worker *workers, unsigned count)
{
	unsigned start = (unsigned)(((uintptr_t)pthread_self() >> 12) * 0x9e3779b1u >> 16) % count;
	for (;;) {
		for (unsigned i = 0; i < count; i++) {
			struct worker *w = &workers[(start + i) % count];
			if (!atomic_load_explicit(&w->busy, memory_order_relaxed) &&
			    !atomic_exchange_explicit(&w->busy, true, memory_order_acquire))
				return w;
		}
		sched_yield();
	}
}

void worker_return(struct worker *w) { atomic_store_explicit(&w->busy, false, memory_order_release); }

void worker_finish(struct worker *worker, struct shard_job *job, size_t reply_bytes)
{
	job->trail.planned_ns = latency_now();
	metric_add(worker->metrics.reply_bytes, reply_bytes);
	holding_use(&worker->reply.holding, reply_bytes);
	job->done(job, worker->reply.bytes, reply_bytes);
}
