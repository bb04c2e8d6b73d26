#include "engine/shard/shard_private.h"

#include "engine/base/clock.h"
#include "proto/frame.h"

#include <sched.h>
#include <stdlib.h>

status worker_init(struct worker *w, const struct shard_options *options, struct store *store)
{
	status s = store_reader_create(store, &w->reader);
	if (s != STATUS_ok)
		return s;
	s = arena_init(&w->arena, (size_t)options->decode_bytes_max);
	if (s != STATUS_ok)
		return s;
	w->reply_capacity = (size_t)options->reply_bytes_max;
	w->reply = malloc(w->reply_capacity);
	return w->reply == NULL ? STATUS_pool_exhausted : STATUS_ok;
}

void worker_deinit(struct worker *w)
{
	store_reader_destroy(&w->reader);
	arena_deinit(&w->arena);
	free(w->reply);
	w->reply = NULL;
}

/* There are as many workers as threads that call, so one is free or will be at once.
 * Starting at a place that depends on the thread keeps threads on workers whose memory
 * is already in their caches. */
static struct worker *borrow_worker(struct shard *shard)
{
	unsigned count = shard->options.workers;
	unsigned start = (unsigned)(((uintptr_t)pthread_self() >> 12) * 0x9e3779b1u >> 16) % count;
	for (;;) {
		for (unsigned i = 0; i < count; i++) {
			struct worker *w = &shard->workers[(start + i) % count];
			if (!atomic_load_explicit(&w->busy, memory_order_relaxed) &&
			    !atomic_exchange_explicit(&w->busy, true, memory_order_acquire))
				return w;
		}
		sched_yield();
	}
}

static void return_worker(struct worker *w) { atomic_store_explicit(&w->busy, false, memory_order_release); }

void shard_finish(struct worker *worker, struct shard_job *job, size_t reply_bytes)
{
	/* The job may be reused as soon as done is called. */
	uint64_t ns = (uint64_t)(clock_monotonic_ns() - job->received_ns);
	metric_observe(&worker->counters.latency, ns);
	metric_add(&worker->counters.reply_bytes, reply_bytes);
	job->done(job, worker->reply, reply_bytes);
}

void shard_refuse(struct shard *shard, struct worker *worker, struct shard_job *job, status reason)
{
	(void)shard;
	struct request *request = &worker->request;
	struct reply reply;
	reply_open(&reply, request, worker->reply, worker->reply_capacity);
	for (uint32_t i = 0; i < request->count; i++) {
		struct event event;
		struct problem problem;
		if (request_next(request, &event, &problem) == STATUS_ok)
			problem = (struct problem){
				.status = reason,
				.has_id = (event.head->flags & EVENT_HAS_ID) != 0,
				.id = event_id(&event),
			};
		shard_count_problem(worker, problem.status);
		reply_problem(&reply, &problem, problem.status == STATUS_overloaded ? RETRY_AFTER_MS : 0);
	}
	request_close(request);
	shard_finish(worker, job, reply_close(&reply));
}

/* To the writer; false: the queue is full. */
static bool queue_job(struct shard *shard, struct shard_job *job)
{
	atomic_fetch_add_explicit(&shard->queued, 1, memory_order_relaxed);
	if (ring_push(&shard->queue, job) == STATUS_ok) {
		wakeup_signal(&shard->wakeup);
		return true;
	}
	atomic_fetch_sub_explicit(&shard->queued, 1, memory_order_relaxed);
	return false;
}

/* What the whole message must pass before its events are looked at. */
static status open_message(struct shard *shard, struct worker *worker, const struct shard_job *job, struct problem *problem)
{
	struct request *request = &worker->request;
	if (job->message_bytes <= (size_t)shard->options.message_bytes_max)
		return request_open(request, job->message, job->message_bytes, &shard->limits, &worker->arena, problem);
	request->encoding = frame_has_magic(job->message, job->message_bytes) ? ENCODING_BINARY : ENCODING_JSON;
	*problem = (struct problem){.status = STATUS_too_large};
	snprintf(problem->message, sizeof problem->message, "the message has %zu bytes; at most %lld are taken",
	         job->message_bytes, (long long)shard->options.message_bytes_max);
	return STATUS_too_large;
}

void shard_handle(struct shard *shard, struct shard_job *job)
{
	struct worker *worker = borrow_worker(shard);
	struct request *request = &worker->request;
	struct problem problem;
	status s = open_message(shard, worker, job, &problem);
	if (s != STATUS_ok) {
		shard_count_problem(worker, s);
		size_t bytes = reply_refusal(request->encoding, &problem, 0, worker->reply, worker->reply_capacity);
		shard_finish(worker, job, bytes);
	} else if (!request_has_change(request)) {
		metric_add(&worker->counters.messages[request->encoding], 1);
		shard_answer(shard, worker, job, false);
	} else if (queue_job(shard, job)) {
		/* The writer has the job now and decodes it again: it is not ours to touch. */
		request_close(request);
	} else {
		shard_refuse(shard, worker, job, STATUS_overloaded);
	}
	return_worker(worker);
}
