/*
 * The file to read first. A message's way through the service:
 *
 *   net receives it ──► shard_handle (submit.c) ── only queries ──► shard_answer, here,
 *                             │                                    on the same thread
 *                             └─ for the writer ──► ring ──► run_writer, here ──► shard_change (change.c):
 *                                                            plan, journal, apply (handler), answer
 *                                                                                   │
 *               net sends it ◄── held_release (held.c) ◄── durable ◄── journal's flusher
 *
 * The writer takes what waits, one message after another, its events in order; the flusher makes
 * durable what came meanwhile, at once for all, and lets the replies go.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "engine/shard/shard_private.h"

#include "engine/base/probe.h"
#include "engine/base/thread.h"
#include "engine/shard/query.h"

#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>

const struct option shard_option_rows[] = {SHARD_OPTIONS(OPTION_ROW)};
const size_t shard_option_count = COUNT_OF(shard_option_rows);

/* Whether it was turned away: a message with changes waits for the writer, with its queries, and a long one for its own. */
static bool answer_query(struct shard *shard, struct worker *worker, const struct event *event, const struct shard_job *job,
                         struct reply *reply)
{
	if (!shard_is_late(shard, event, job)) {
		query_answer(shard, worker, event, job->received_ms, reply);
		return false;
	}
	struct problem problem = {
		.status = STATUS_deadline_exceeded,
		.has_id = (event->head->flags & EVENT_HAS_ID) != 0,
		.id = event_id(event),
	};
	shard_count_problem(worker, problem.status);
	reply_problem(reply, &problem, 0);
	return true;
}

void shard_answer(struct shard *shard, struct worker *worker, struct shard_job *job)
{
	struct request *request = &worker->request;
	uint32_t turned_away = 0;
	struct reply reply;
	worker->feed_bytes = FEED_BYTES_MAX;
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
		shard_count_event(worker, job, event.type);
		turned_away += answer_query(shard, worker, &event, job, &reply);
	}
	job->is_refused = turned_away == request->count;
	request_close(request);
	worker_finish(worker, job, reply_close(&reply));
}

/* ---- the writer's thread --------------------------------------------------------- */

enum { FETCH_AHEAD = 4 }; /* events */

/* Whether an id was seen is the first question about an event, and its place in the window is in no cache. */
static void fetch_ahead(const struct shard *shard)
{
	const struct event_head *later = request_ahead(&shard->writer->request, FETCH_AHEAD);
	if (later != NULL)
		idempotency_fetch(&shard->parts.commerce->idempotency, later->id);
}

static void answer_one(struct shard *shard, struct shard_job *job, struct reply *reply)
{
	struct worker *worker = shard->writer;
	struct event event;
	struct problem problem;
	fetch_ahead(shard);
	status s = request_next(&worker->request, &event, &problem);
	if (s != STATUS_ok) {
		shard_count_problem(worker, s);
		reply_problem(reply, &problem, 0);
		return;
	}
	shard_count_event(worker, job, event.type);
	switch (event_class_of(event.type)) {
	case EVENT_CHANGE: shard_change(shard, &event, job, reply); return;
	case EVENT_READ: shard_read(shard, &event, job, reply); return;
	case EVENT_QUERY: shard->turned_away += answer_query(shard, worker, &event, job, reply); return;
	}
}

/* The reply goes where it waits for the journal. One that says nothing but what is durable does not wait behind
 * others: reads go on while the disk is slow, or fails. */
static void write_one(struct shard *shard, struct shard_job *job, struct batch *batch, void *bytes)
{
	struct request *request = &shard->writer->request;
	struct problem problem;
	struct reply reply;
	job->trail.taken_ns = latency_now();
	status s = request_open(request, job->message, job->message_bytes, &shard->limits, &shard->writer->arena, &problem);
	CHECK(s == STATUS_ok, "a message that was decoded once does not decode again: %s", problem.message);
	metric_add(&shard->writer->metrics.messages[request->encoding], 1);
	reply_open(&reply, request, bytes, (size_t)shard->options.reply_bytes_max);
	shard->writer->feed_bytes = FEED_BYTES_MAX;
	shard->needed = 0;
	shard->turned_away = 0;
	for (uint32_t i = 0; i < request->count; i++)
		answer_one(shard, job, &reply);
	job->is_refused = shard->turned_away == request->count;
	request_close(request);
	size_t reply_bytes = reply_close(&reply);
	if (shard->needed <= shard_released(shard))
		held_skip(&shard->held, batch, job, reply_bytes);
	else
		held_close(&shard->held, batch, job, reply_bytes, shard->needed);
}

uint64_t shard_released(void *context)
{
	const struct shard *shard = context;
	return shard->journal != NULL ? journal_released(shard->journal) : UINT64_MAX;
}

/* On the journal's flusher. */
void shard_on_released(void *context, uint64_t sequence)
{
	struct shard *shard = context;
	(void)sequence;
	held_release(&shard->held, shard_released, shard);
	if (atomic_load(&shard->waits_for_room))
		wakeup_signal(&shard->wakeup);
}

/* The flusher starts with what there is; what comes while it works goes with its next round. */
static void commit(struct shard *shard)
{
	if (shard->committed != shard->seq && shard->journal != NULL)
		journal_commit(shard->journal);
	shard->committed = shard->seq;
	held_release(&shard->held, shard_released, shard);
}

enum { COMMIT_EVERY = 256, SWEEP_NS = 50000000, SWEEP_MS = 50, CLAIMS_SWEEP_MS = 1000 };

/* ---- a disk that fails, or hangs -------------------------------------------------- */

/* No group takes so long on a disk that works. Where all who could take queries were held up, these wait so long, once: a disk
 * that was stuck is taken to be so still. */
enum { STUCK_MS = 1000, STUCK_AGAIN_MS = 5000 };

static bool is_stuck(struct shard *shard)
{
	int64_t now_ns = shard_monotonic_ns(shard);
	if (shard->full_ns == 0)
		shard->full_ns = now_ns;
	if (now_ns - shard->full_ns >= (int64_t)STUCK_MS * 1000000)
		shard->stuck_ns = now_ns;
	return journal_has_failed(shard->journal) ||
	       (shard->stuck_ns != 0 && now_ns - shard->stuck_ns < (int64_t)STUCK_AGAIN_MS * 1000000);
}

/* Whether a message may be taken. With as many waiting as may it is not, as that passes within a group; but where the
 * disk is stuck it is taken and must not wait. */
static bool admits(struct shard *shard)
{
	uint64_t max = shard->parts.held_max;
	shard->is_full = max != 0 && shard->journal != NULL && held_is_full(&shard->held, max);
	if (!shard->is_full) {
		shard->full_ns = 0;
		return true;
	}
	return is_stuck(shard) || atomic_load_explicit(&shard->draining, memory_order_relaxed);
}

/* Room for the next message's reply; NULL: who makes room next wakes us. */
static struct batch *open_next(struct shard *shard, void **bytes)
{
	for (int look = 0; look < 2; look++) { /* room may come before it is known that we wait */
		struct batch *batch = admits(shard) ? held_open(&shard->held, bytes) : NULL;
		if (atomic_load_explicit(&shard->waits_for_room, memory_order_relaxed) != (batch == NULL))
			atomic_store(&shard->waits_for_room, batch == NULL);
		if (batch != NULL)
			return batch;
	}
	return NULL;
}

/* Takes messages until there are none, or no room for a reply; how many. */
static uint64_t write_all(struct shard *shard)
{
	for (uint64_t taken = 0;; taken++) {
		void *bytes;
		struct batch *batch = open_next(shard, &bytes);
		if (batch == NULL)
			return taken;
		struct shard_job *job = ring_pop(&shard->queue);
		if (job == NULL) {
			held_cancel(&shard->held, batch);
			return taken;
		}
		write_one(shard, job, batch, bytes);
		atomic_fetch_sub_explicit(&shard->queued, 1, memory_order_release);
		if (shard->seq - shard->committed >= COMMIT_EVERY)
			commit(shard);
	}
}

enum { SWEEP_AHEAD = 1024 };

/* Whether the next sweep follows at once: no message waits for it, and what the last ones ended leaves the journal, and
 * the publications, room for messages to come. */
static bool may_sweep_on(struct shard *shard)
{
	if (shard->behind == 0 || ring_size(&shard->queue) != 0)
		return false;
	if (shard->journal == NULL)
		return true;
	uint64_t released = shard_released(shard);
	return shard->seq <= released + SWEEP_AHEAD && !journal_is_pressed(shard->journal);
}

/* Until something may have ended; claims live for days. */
static int64_t rest_ms(struct shard *shard)
{
	const struct commerce *c = shard->parts.commerce;
	if (shard->full_ns != 0 || atomic_load(&shard->stopping))
		return SWEEP_MS; /* nobody tells that the journal is stuck */
	if (shard->behind != 0) {
		atomic_store(&shard->waits_for_room, true); /* the journal's flusher wakes us */
		return may_sweep_on(shard) ? 0 : SWEEP_MS;
	}
	if (slots_in_use(&c->carts.slots) != 0 || slots_in_use(&c->payments.slots) != 0)
		return SWEEP_MS;
	return slots_in_use(&c->claims.slots) != 0 && shard->state.claims_ttl_ms != 0 ? CLAIMS_SWEEP_MS : -1;
}

/* Of what was cut short there is more now; of all the rest, by the clock. */
static void sweep(struct shard *shard, int64_t now_ns)
{
	if (now_ns - shard->swept_ns >= SWEEP_NS) {
		shard_sweep(shard, SWEEP_ALL);
		shard->swept_ns = now_ns;
	} else if (may_sweep_on(shard)) {
		shard_sweep(shard, shard->behind);
	}
}

/* One turn. */
static uint64_t work(struct shard *shard)
{
	int64_t start_ns = PROBE_IS_ON(batch) ? shard_monotonic_ns(shard) : 0;
	uint64_t taken = write_all(shard);
	int64_t now_ns = shard_monotonic_ns(shard);
	if (taken != 0 && start_ns != 0)
		PROBE2(batch, taken, now_ns - start_ns);
	if (!shard->is_resting)
		sweep(shard, now_ns);
	commit(shard);
	return taken;
}

/* Of those that it has not taken the owner hears no more: shard_stop. */
static bool gives_up(const struct shard *shard)
{
	return shard->journal != NULL && atomic_load(&shard->waits_for_room) &&
	       (journal_has_failed(shard->journal) || shard_monotonic_ns(shard) >= shard->stop_by_ns);
}

static void *run_writer(void *argument)
{
	struct shard *shard = argument;
	thread_name("trove-writer");
	for (;;) {
		uint32_t ticket = wakeup_prepare(&shard->wakeup);
		work(shard);
		if (atomic_load(&shard->stopping) && (ring_size(&shard->queue) == 0 || gives_up(shard)))
			return NULL;
		int64_t rest = rest_ms(shard);
		if (rest != 0)
			wakeup_wait(&shard->wakeup, ticket, rest);
	}
}

/* What failed, and where. */
[[gnu::format(printf, 3, 4)]] static status named(status s, struct journal_report *report, const char *format, ...)
{
	va_list arguments;
	if (s == STATUS_ok)
		return s;
	va_start(arguments, format);
	vsnprintf(report->text, sizeof report->text, format, arguments);
	va_end(arguments);
	return s;
}

/* The process's signals belong to the main thread. The writer inherits where this one may run. */
static status start_writer(struct shard *shard, struct journal_report *report)
{
	sigset_t all, before;
	struct number_set cpus;
	bool is_pinned = shard->options.writer_cpu >= 0;
	status s = thread_allowed(&cpus);
	if (s == STATUS_ok && is_pinned)
		s = thread_pin((unsigned)shard->options.writer_cpu);
	if (s != STATUS_ok && is_pinned)
		return named(STATUS_invalid_field, report, "events.writer_cpu: the system does not let the writer run on processor %lld",
		             (long long)shard->options.writer_cpu);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int error = pthread_create(&shard->thread, NULL, run_writer, shard);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (is_pinned)
		thread_restore(&cpus);
	shard->has_thread = error == 0;
	return named(error == 0 ? STATUS_ok : STATUS_pool_exhausted, report, "the writer's thread cannot be started: %s",
	             strerrordesc_np(error));
}

uint64_t shard_step(struct shard *shard)
{
	CHECK(shard->parts.is_driven, "a shard with a writer of its own is driven");
	return work(shard);
}

void shard_step_snapshots(struct shard *shard)
{
	CHECK(shard->parts.is_driven, "snapshots that have a thread of their own are driven");
	if (shard->shadow != NULL)
		shadow_step(shard->shadow);
}

bool shard_settle(struct shard *shard, int64_t timeout_ms)
{
	if (shard->journal != NULL && !journal_wait(shard->journal, shard->seq, timeout_ms))
		return false;
	for (; !held_is_empty(&shard->held); sched_yield())
		held_release(&shard->held, shard_released, shard);
	return true;
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

static status setup_workers(struct shard *shard, struct journal_report *report)
{
	const struct shard_options *o = &shard->options;
	shard->workers = aligned_alloc(CACHE_LINE_BYTES, (o->workers + 1) * sizeof *shard->workers);
	if (shard->workers == NULL)
		return named(STATUS_pool_exhausted, report, "events.threads: no memory for %u threads", o->workers + 1);
	memset((void *)shard->workers, 0, (o->workers + 1) * sizeof *shard->workers);
	for (unsigned i = 0; i <= o->workers; i++) {
		status s = worker_init(&shard->workers[i], o, shard->state.store, i == o->workers);
		if (s != STATUS_ok)
			return named(s, report,
			             "no memory for thread %u of %u: events.decode_bytes_max of %lld, events.reply_bytes_max of %lld bytes",
			             i + 1, o->workers + 1, (long long)o->decode_bytes_max, (long long)o->reply_bytes_max);
	}
	shard->writer = &shard->workers[shard->options.workers];
	return STATUS_ok;
}

static struct state state_of(const struct shard_parts *parts, bool is_plane)
{
	return (struct state){
		.commerce = parts->commerce,
		.store = parts->store,
		.carts_ttl_ms = parts->carts_ttl_ms,
		.payments_ttl_ms = parts->payments_ttl_ms,
		.claims_ttl_ms = parts->claims_ttl_ms,
		.is_plane = is_plane,
	};
}

static status start_shadow(struct shard *shard, struct journal_report *report)
{
	char text[SNAPSHOT_TEXT_BYTES];
	status s = shadow_setup(&shard->shadow, &shard->options, &shard->parts, shard->journal, &shard->start, text);
	if (s != STATUS_not_found)
		return named(s, report, "data.snapshot_bytes: no snapshots can be made: %.900s", text);
	return STATUS_ok;
}

/* What the journal holds and a capacity does not take is a matter of the configuration, and said. */
static status recover(struct shard *shard, struct journal_report *report)
{
	status s = shard_recover(shard, report);
	if (report->text[0] != '\0')
		return s == STATUS_pool_exhausted || s == STATUS_overloaded ? STATUS_invalid_field : s;
	return named(s, report, "%s: no memory to open the journal, or no thread (%s)", shard->parts.journal->directory,
	             status_code(s));
}

static status setup_parts(struct shard *shard, struct journal_report *report)
{
	const struct shard_options *o = &shard->options;
	status s = named(latency_setup(&shard->latency, o->account, o->workers), report,
	                 "events.threads: no memory for the latencies of %u threads", o->workers);
	if (s == STATUS_ok)
		s = named(ring_init(&shard->queue, (unsigned)o->queue), report, "events.queue: no memory for %lld places",
		          (long long)o->queue);
	if (s == STATUS_ok)
		s = named(arena_init(&shard->effects, EFFECT_BYTES,
		                     &(struct arena_options){.name = "effects of one batch", .account = o->account}),
		          report, "no memory for the effects of one batch: %d bytes", EFFECT_BYTES);
	if (s == STATUS_ok)
		s = named(held_init(&shard->held, o, &shard->parts), report,
		          "no memory for replies that wait: events.queue of %lld, events.reply_bytes_max of %lld bytes",
		          (long long)o->queue, (long long)o->reply_bytes_max);
	if (s == STATUS_ok)
		s = setup_workers(shard, report);
	shard->state.reader = s == STATUS_ok ? shard->writer->reader : NULL;
	shard->stored = s == STATUS_ok ? calloc(1, sizeof *shard->stored) : NULL;
	if (s == STATUS_ok && shard->stored == NULL)
		s = named(STATUS_pool_exhausted, report, "no memory for an answer that is read back: %zu bytes",
		          sizeof *shard->stored);
	if (s == STATUS_ok && shard->parts.journal != NULL)
		s = recover(shard, report);
	if (s == STATUS_ok)
		s = start_shadow(shard, report);
	if (s == STATUS_ok && !shard->parts.is_driven)
		s = start_writer(shard, report);
	shard->is_started = s == STATUS_ok;
	return s;
}

status shard_setup(struct shard **out, const struct shard_options *options, const struct shard_parts *parts,
                   struct journal_report *report)
{
	*out = NULL;
	*report = (struct journal_report){};
	struct shard *shard = aligned_alloc(CACHE_LINE_BYTES, sizeof *shard);
	if (shard == NULL)
		return named(STATUS_pool_exhausted, report, "no memory for the writer: %zu bytes", sizeof *shard);
	memset((void *)shard, 0, sizeof *shard);
	shard->options = *options;
	shard->parts = *parts;
	shard->limits = (struct protocol_limits){.batch_max = (uint32_t)options->batch_max, .is_plane = options->is_plane};
	shard->state = state_of(parts, options->is_plane);
	wakeup_init(&shard->wakeup);
	status s = setup_parts(shard, report);
	if (s != STATUS_ok)
		shard_teardown(&shard);
	*out = shard;
	return s;
}

enum { STOP_WAIT_MS = 2000 };

/* Once the writer is gone nobody else touches what is its own. */
static void end_writer(struct shard *shard, int64_t timeout_ms)
{
	shard->stop_by_ns = shard_monotonic_ns(shard) + timeout_ms * 1000000;
	atomic_store(&shard->draining, true);
	atomic_store(&shard->stopping, true);
	wakeup_signal(&shard->wakeup);
	if (shard->has_thread)
		pthread_join(shard->thread, NULL);
	shard->has_thread = false;
	shard->is_resting = true;
}

bool shard_rest(struct shard *shard, int64_t timeout_ms)
{
	if (!shard->is_resting)
		end_writer(shard, timeout_ms);
	commit(shard);
	bool is_durable = shard->journal == NULL || journal_sync(shard->journal, timeout_ms);
	held_release(&shard->held, shard_released, shard);
	return is_durable;
}

void shard_turn(struct shard *shard)
{
	CHECK(shard->is_resting, "the shard's writer is at work");
	work(shard);
}

void shard_stop(struct shard *shard)
{
	if (!shard->is_started) {
		shadow_stop(shard->shadow);
		return;
	}
	shard->is_started = false;
	shadow_stop(shard->shadow);
	(void)shard_rest(shard, STOP_WAIT_MS);
	held_silence(&shard->held);
}

void shard_teardown(struct shard **out)
{
	struct shard *shard = *out;
	*out = NULL;
	if (shard == NULL)
		return;
	shard_stop(shard);
	shadow_teardown(&shard->shadow);
	file_rewards_teardown(&shard->file);
	if (shard->journal != NULL)
		journal_close(&shard->journal);
	if (shard->workers != NULL)
		for (unsigned i = 0; i <= shard->options.workers; i++)
			worker_deinit(&shard->workers[i]);
	free((void *)shard->workers);
	free(shard->stored);
	held_deinit(&shard->held);
	arena_deinit(&shard->effects);
	ring_deinit(&shard->queue);
	latency_teardown(&shard->latency);
	free((void *)shard);
}

struct journal *shard_journal(struct shard *shard) { return shard->journal; }

struct latency *shard_latency(const struct shard *shard) { return shard->latency; }

void shard_finish(struct shard *shard, const struct shard_job *job, bool had_reply)
{
	if (TROVE_OBSERVE)
		latency_record(shard->latency, &job->trail, job->received_ns, had_reply ? latency_now() : 0);
}

void shard_drain(struct shard *shard) { atomic_store(&shard->draining, true); }

uint64_t shard_in_flight(const struct shard *shard)
{
	uint64_t count = atomic_load(&shard->queued) + atomic_load(&shard->held.pending);
	for (unsigned i = 0; i < shard->options.workers; i++)
		count += atomic_load(&shard->workers[i].busy);
	return count;
}
