#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "cmd/trovebench/load.h"

#include "engine/base/check.h"
#include "engine/base/clock.h"

#include <nng/nng.h>
#include <nng/protocol/reqrep0/req.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

struct slot {
	struct run *run;
	nng_ctx ctx;
	nng_aio *aio;
	int64_t due_ns;
	bool is_receiving;
	atomic_bool is_busy;
};

struct run {
	const struct load_options *options;
	struct load_result *result;
	nng_socket socket;
	struct slot *slots;
	int64_t measure_ns, end_ns;
	_Atomic uint64_t next, replies, errors, reply_bytes;
	_Atomic unsigned busy;
};

static void send_next(struct slot *s, int64_t due_ns)
{
	struct run *run = s->run;
	uint64_t n = atomic_fetch_add_explicit(&run->next, 1, memory_order_relaxed);
	const struct load_message *m = &run->options->messages[n % run->options->message_count];
	nng_msg *message;
	CHECK(nng_msg_alloc(&message, 0) == 0 && nng_msg_append(message, m->bytes, m->count) == 0, "%zu bytes", m->count);
	if (run->options->prepare != NULL)
		run->options->prepare(run->options->context, nng_msg_body(message), n);
	s->due_ns = due_ns;
	s->is_receiving = false;
	nng_aio_set_msg(s->aio, message);
	nng_ctx_send(s->ctx, s->aio);
}

static void release(struct slot *s)
{
	atomic_fetch_sub(&s->run->busy, 1);
	atomic_store_explicit(&s->is_busy, false, memory_order_release);
}

static void on_reply(struct slot *s, int64_t now)
{
	struct run *run = s->run;
	nng_msg *reply = nng_aio_get_msg(s->aio);
	bool good = run->options->check == NULL ||
	            run->options->check(run->options->context, nng_msg_body(reply), nng_msg_len(reply));
	atomic_store_explicit(&run->reply_bytes, nng_msg_len(reply), memory_order_relaxed);
	nng_msg_free(reply);
	if (s->due_ns < run->measure_ns)
		return;
	atomic_fetch_add_explicit(good ? &run->replies : &run->errors, 1, memory_order_relaxed);
	histogram_record(&run->result->latency, now - s->due_ns);
}

static void on_aio(void *argument)
{
	struct slot *s = argument;
	struct run *run = s->run;
	int error = nng_aio_result(s->aio);
	if (error != 0) {
		if (!s->is_receiving)
			nng_msg_free(nng_aio_get_msg(s->aio));
		atomic_fetch_add(&run->errors, 1);
		release(s);
		return;
	}
	if (!s->is_receiving) {
		s->is_receiving = true;
		nng_ctx_recv(s->ctx, s->aio);
		return;
	}
	int64_t now = clock_monotonic_ns();
	on_reply(s, now);
	if (run->options->rate == 0 && now < run->end_ns)
		send_next(s, now);
	else
		release(s);
}

/* Sleeps, with what precision the kernel has: spinning would take a processor from those
 * who are measured. What is overdue on waking goes out at once. */
static void wait_until(int64_t due_ns)
{
	struct timespec t = {.tv_sec = due_ns / 1000000000, .tv_nsec = due_ns % 1000000000};
	if (clock_monotonic_ns() < due_ns)
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static void run_open_loop(struct run *run, int64_t start_ns)
{
	double step_ns = 1e9 / run->options->rate;
	unsigned at = 0;
	prctl(PR_SET_TIMERSLACK, 1);
	for (uint64_t i = 0;; i++) {
		int64_t due_ns = start_ns + (int64_t)((double)i * step_ns);
		if (due_ns >= run->end_ns)
			return;
		wait_until(due_ns);
		while (atomic_load_explicit(&run->slots[at].is_busy, memory_order_acquire)) {
			at = (at + 1) % run->options->in_flight;
			if (at == 0)
				sched_yield();
		}
		if (due_ns >= run->measure_ns && clock_monotonic_ns() - due_ns > 1000000)
			run->result->late++;
		atomic_store(&run->slots[at].is_busy, true);
		atomic_fetch_add(&run->busy, 1);
		send_next(&run->slots[at], due_ns);
		at = (at + 1) % run->options->in_flight;
	}
}

static void run_closed_loop(struct run *run)
{
	for (unsigned i = 0; i < run->options->in_flight; i++) {
		atomic_store(&run->slots[i].is_busy, true);
		atomic_fetch_add(&run->busy, 1);
		send_next(&run->slots[i], clock_monotonic_ns());
	}
}

static bool open_run(struct run *run)
{
	int error = nng_req0_open(&run->socket);
	CHECK(error == 0, "nng_req0_open: %s", nng_strerror(error));
	nng_socket_set_ms(run->socket, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE);
	error = nng_dial(run->socket, run->options->url, NULL, 0);
	if (error != 0) {
		fprintf(stderr, "trovebench: cannot reach %s: %s\n", run->options->url, nng_strerror(error));
		return false;
	}
	for (unsigned i = 0; i < run->options->in_flight; i++) {
		struct slot *s = &run->slots[i];
		s->run = run;
		CHECK(nng_aio_alloc(&s->aio, on_aio, s) == 0 && nng_ctx_open(&s->ctx, run->socket) == 0, "context %u", i);
		nng_aio_set_timeout(s->aio, 10000);
	}
	return true;
}

bool load_run(const struct load_options *options, struct load_result *result)
{
	struct run run = {.options = options, .result = result};
	memset((void *)result, 0, sizeof *result);
	run.slots = calloc(options->in_flight, sizeof *run.slots);
	CHECK(run.slots != NULL, "slots");
	bool good = open_run(&run);
	if (good) {
		int64_t start_ns = clock_monotonic_ns();
		run.measure_ns = start_ns + 200000000;
		run.end_ns = run.measure_ns + (int64_t)(options->seconds * 1e9);
		if (options->rate == 0)
			run_closed_loop(&run);
		else
			run_open_loop(&run, start_ns);
		while (atomic_load(&run.busy) != 0)
			clock_sleep_ms(1);
		result->seconds = (double)(clock_monotonic_ns() - run.measure_ns) * 1e-9;
		result->replies = run.replies;
		result->errors = run.errors;
		result->rate = (double)run.replies / result->seconds;
		result->reply_bytes = run.reply_bytes;
		good = result->replies != 0;
	}
	nng_close(run.socket);
	for (unsigned i = 0; i < options->in_flight; i++)
		nng_aio_free(run.slots[i].aio);
	free(run.slots);
	return good;
}
