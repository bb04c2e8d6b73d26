/*
 * The file to read first. A message's way through the service:
 *
 *   net receives it ──► shard_handle (submit.c) ── only queries ──► shard_answer, here,
 *                             │                                    on the same thread
 *                             └─ with a change ──► ring ──► run_writer ──► shard_answer
 *
 * shard_answer takes the events one after another: decode and validate (proto), then
 * answer (query.c) or plan, apply (handler), and encode the result (proto).
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "engine/shard/shard_private.h"

#include "engine/base/clock.h"
#include "engine/base/thread.h"
#include "engine/router/dispatch.h"
#include "engine/shard/query.h"

#include <signal.h>
#include <stdlib.h>

const struct option shard_option_rows[] = {SHARD_OPTIONS(OPTION_ROW)};
const size_t shard_option_count = COUNT_OF(shard_option_rows);

static void fill_problem(struct problem *problem, const struct event *event)
{
	*problem = (struct problem){
		.has_id = (event->head->flags & EVENT_HAS_ID) != 0,
		.id = event_id(event),
	};
}

/* Deadlines count from receipt: what waited too long for the writer is not done. */
static bool is_late(const struct event *event, const struct shard_job *job)
{
	return (event->head->flags & EVENT_HAS_DEADLINE) != 0 &&
	       clock_monotonic_ns() - job->received_ns > (int64_t)event->head->deadline_ms * 1000000;
}

/* plan, apply: one change. The journal will stand between the two. */
static status change(struct shard *shard, const struct event *event, const struct shard_job *job,
                     struct problem *problem)
{
	const struct handler *handler = dispatch_handler(event->type);
	if (handler == NULL)
		return STATUS_unknown_type;
	if (atomic_load_explicit(&shard->draining, memory_order_relaxed))
		return STATUS_draining;
	if (is_late(event, job))
		return STATUS_deadline_exceeded;

	struct effect_head *effect = NULL;
	size_t mark = arena_mark(&shard->effects);
	status s = handler->plan(&shard->state, event, &shard->effects, &effect, problem);
	if (s == STATUS_ok) {
		shard->seq++;
		handler->apply(&shard->state, effect);
		store_publish(shard->state.store);
	}
	arena_reset(&shard->effects, mark);
	return s;
}

static void answer_change(struct shard *shard, struct worker *worker, const struct event *event,
                          const struct shard_job *job, struct reply *reply)
{
	struct problem problem;
	fill_problem(&problem, event);
	status s = change(shard, event, job, &problem);
	if (s == STATUS_ok) {
		reply_ok(reply, event, (struct change_note){shard->seq, false});
		return;
	}
	problem.status = s;
	shard_count_problem(worker, s);
	reply_problem(reply, &problem, s == STATUS_overloaded ? RETRY_AFTER_MS : 0);
}

void shard_answer(struct shard *shard, struct worker *worker, struct shard_job *job, bool is_writer)
{
	struct request *request = &worker->request;
	struct reply reply;
	reply_open(&reply, request, worker->reply.bytes, worker->reply.capacity);
	for (uint32_t i = 0; i < request->count; i++) {
		struct event event;
		struct problem problem;
		status s = request_next(request, &event, &problem);
		if (s != STATUS_ok) {
			shard_count_problem(worker, s);
			reply_problem(&reply, &problem, 0);
			continue;
		}
		metric_add(&worker->counters.events[event.type], 1);
		if (is_writer && event_is_change(event.type))
			answer_change(shard, worker, &event, job, &reply);
		else
			query_answer(worker, &event, job->received_ms, &reply);
	}
	request_close(request);
	worker_finish(worker, job, reply_close(&reply));
}

/* ---- the writer's thread --------------------------------------------------------- */

static void write_one(struct shard *shard, struct shard_job *job)
{
	struct worker *worker = shard->writer;
	struct problem problem;
	status s = request_open(&worker->request, job->message, job->message_bytes, &shard->limits, &worker->arena, &problem);
	CHECK(s == STATUS_ok, "a message that was decoded once does not decode again: %s", problem.message);
	metric_add(&worker->counters.messages[worker->request.encoding], 1);
	shard_answer(shard, worker, job, true);
	atomic_fetch_sub_explicit(&shard->queued, 1, memory_order_release);
}

static void *run_writer(void *argument)
{
	struct shard *shard = argument;
	thread_name("trove-writer");
	for (;;) {
		uint32_t ticket = wakeup_prepare(&shard->wakeup);
		struct shard_job *job;
		while ((job = ring_pop(&shard->queue)) != NULL)
			write_one(shard, job);
		if (atomic_load(&shard->stopping) && ring_size(&shard->queue) == 0)
			return NULL;
		wakeup_wait(&shard->wakeup, ticket, -1);
	}
}

/* The process's signals belong to the main thread. The writer inherits where this one may run. */
static status start_writer(struct shard *shard)
{
	sigset_t all, before;
	struct number_set cpus;
	bool is_pinned = shard->options.writer_cpu >= 0;
	status s = thread_allowed(&cpus);
	if (s == STATUS_ok && is_pinned)
		s = thread_pin((unsigned)shard->options.writer_cpu);
	if (s != STATUS_ok && is_pinned)
		return STATUS_invalid_field;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int error = pthread_create(&shard->thread, NULL, run_writer, shard);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (is_pinned)
		thread_restore(&cpus);
	shard->has_thread = error == 0;
	return error == 0 ? STATUS_ok : STATUS_pool_exhausted;
}

/* ---- set-up ---------------------------------------------------------------------- */

static bool may_pin_writer(const struct shard_options *o, struct option_problem *problem)
{
	struct number_set one = {};
	char why[192];
	if (o->writer_cpu >= 0)
		number_set_add(&one, (unsigned)o->writer_cpu);
	if (thread_may_run_on(&one, why, sizeof why))
		return true;
	snprintf(problem->text, sizeof problem->text, "events.writer_cpu: %s", why);
	return false;
}

bool shard_options_agree(const struct shard_options *o, struct option_problem *problem)
{
	size_t least = reply_bytes_least((uint32_t)o->batch_max);
	if ((o->queue & (o->queue - 1)) != 0) {
		snprintf(problem->text, sizeof problem->text, "events.queue: %lld is not allowed; expected a power of two",
		         (long long)o->queue);
		return false;
	}
	if ((size_t)o->reply_bytes_max < least) {
		snprintf(problem->text, sizeof problem->text,
		         "events.reply_bytes_max: %lld is not allowed; with events.batch_max of %lld expected at least %zu",
		         (long long)o->reply_bytes_max, (long long)o->batch_max, least);
		return false;
	}
	return may_pin_writer(o, problem);
}

static status setup_workers(struct shard *shard)
{
	shard->workers = aligned_alloc(CACHE_LINE_BYTES, (shard->options.workers + 1) * sizeof *shard->workers);
	if (shard->workers == NULL)
		return STATUS_pool_exhausted;
	memset((void *)shard->workers, 0, (shard->options.workers + 1) * sizeof *shard->workers);
	for (unsigned i = 0; i <= shard->options.workers; i++) {
		status s = worker_init(&shard->workers[i], &shard->options, shard->state.store, i == shard->options.workers);
		if (s != STATUS_ok)
			return s;
	}
	shard->writer = &shard->workers[shard->options.workers];
	return STATUS_ok;
}

status shard_setup(struct shard **out, const struct shard_options *options, struct store *store)
{
	*out = NULL;
	struct shard *shard = aligned_alloc(CACHE_LINE_BYTES, sizeof *shard);
	if (shard == NULL)
		return STATUS_pool_exhausted;
	memset((void *)shard, 0, sizeof *shard);
	shard->options = *options;
	shard->limits = (struct protocol_limits){.batch_max = (uint32_t)options->batch_max, .is_plane = options->is_plane};
	shard->state.store = store;
	wakeup_init(&shard->wakeup);
	status s = ring_init(&shard->queue, (unsigned)options->queue);
	if (s == STATUS_ok)
		s = arena_init(&shard->effects, EFFECT_BYTES,
		               &(struct arena_options){.name = "effects of one batch", .account = options->account});
	if (s == STATUS_ok)
		s = setup_workers(shard);
	if (s == STATUS_ok)
		s = start_writer(shard);
	if (s != STATUS_ok)
		shard_teardown(&shard);
	*out = shard;
	return s;
}

void shard_teardown(struct shard **out)
{
	struct shard *shard = *out;
	*out = NULL;
	if (shard == NULL)
		return;
	if (shard->has_thread) {
		atomic_store(&shard->stopping, true);
		wakeup_signal(&shard->wakeup);
		pthread_join(shard->thread, NULL);
	}
	if (shard->workers != NULL)
		for (unsigned i = 0; i <= shard->options.workers; i++)
			worker_deinit(&shard->workers[i]);
	free((void *)shard->workers);
	arena_deinit(&shard->effects);
	ring_deinit(&shard->queue);
	free((void *)shard);
}

void shard_drain(struct shard *shard) { atomic_store(&shard->draining, true); }

uint64_t shard_in_flight(const struct shard *shard)
{
	uint64_t count = atomic_load(&shard->queued);
	for (unsigned i = 0; i < shard->options.workers; i++)
		count += atomic_load(&shard->workers[i].busy);
	return count;
}
