#include "engine/shard/shard_private.h"

#include "proto/frame.h"

/* Answers every event of the message with the same refusal. */
static void refuse(struct worker *worker, struct shard_job *job, status reason)
{
	struct request *request = &worker->request;
	struct reply reply;
	reply_open(&reply, request, worker->reply.bytes, worker->reply.capacity);
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
		job->is_refused = true;
		reply_problem(&reply, &problem, problem.status == STATUS_overloaded ? RETRY_AFTER_MS : 0);
	}
	request_close(request);
	worker_finish(worker, job, reply_close(&reply));
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
	struct worker *worker = worker_borrow(shard->workers, shard->options.workers);
	struct request *request = &worker->request;
	struct problem problem;
	metric_add(worker->metrics.message_bytes, job->message_bytes);
	latency_open(&job->trail);
	status s = open_message(shard, worker, job, &problem);
	job->trail.decoded_ns = latency_now();
	if (s != STATUS_ok) {
		shard_count_problem(worker, s);
		job->is_refused = true;
		size_t bytes = reply_refusal(request->encoding, &problem, 0, worker->reply.bytes, worker->reply.capacity);
		worker_finish(worker, job, bytes);
	} else if (!request_needs_writer(request)) {
		metric_add(&worker->metrics.messages[request->encoding], 1);
		shard_answer(shard, worker, job);
	} else if (queue_job(shard, job)) {
		/* The writer has the job now and decodes it again: it is not ours to touch. */
		request_close(request);
	} else {
		refuse(worker, job, STATUS_overloaded);
	}
	worker_return(worker);
}
