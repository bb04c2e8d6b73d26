/*
 * Design note. A slot is a context and an aio that goes SENDING → RECEIVING → done and
 * then posts its semaphore. The caller goes round the slots in order, so replies come
 * back in order though they arrive in any.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* sem_clockwait */
#endif
#include "engine/net/client.h"

#include "engine/base/check.h"
#include "engine/base/clock.h"

#include <nng/nng.h>
#include <nng/protocol/reqrep0/req.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct slot {
	nng_ctx ctx;
	nng_aio *aio;
	sem_t done;
	nng_msg *reply;
	uint64_t tag;
	int64_t sent_ns, received_ns;
	int error;
	bool is_open, has_context, is_busy, is_receiving;
	/* Says what the semaphore says, to tools that do not know sem_clockwait. */
	atomic_bool is_done;
};

struct client {
	struct client_options options;
	nng_socket socket;
	bool has_socket;
	unsigned next;
	struct slot slot[];
};

static void on_aio(void *argument)
{
	struct slot *s = argument;
	s->error = nng_aio_result(s->aio);
	if (!s->is_receiving) {
		if (s->error == 0) {
			s->is_receiving = true;
			nng_ctx_recv(s->ctx, s->aio);
			return;
		}
		nng_msg_free(nng_aio_get_msg(s->aio));
	} else if (s->error == 0) {
		s->reply = nng_aio_get_msg(s->aio);
	}
	s->received_ns = clock_monotonic_ns();
	atomic_store_explicit(&s->is_done, true, memory_order_release);
	sem_post(&s->done);
}

/* The slot's exchange has ended and its semaphore was taken. */
static void hand_over(struct client *client, struct slot *s)
{
	CHECK(atomic_exchange_explicit(&s->is_done, false, memory_order_acquire), "a reply before its time");
	s->is_busy = false;
	struct client_reply reply = {
		.bytes = s->reply != NULL ? nng_msg_body(s->reply) : NULL,
		.count = s->reply != NULL ? nng_msg_len(s->reply) : 0,
		.error = s->error != 0 ? nng_strerror(s->error) : NULL,
		.tag = s->tag,
		.sent_ns = s->sent_ns,
		.latency_ns = s->received_ns - s->sent_ns,
	};
	client->options.on_reply(client->options.context, &reply);
	if (s->reply != NULL)
		nng_msg_free(s->reply);
	s->reply = NULL;
}

static void wait_for(struct client *client, struct slot *s)
{
	if (!s->is_busy)
		return;
	while (sem_wait(&s->done) != 0)
		continue;
	hand_over(client, s);
}

/* The busy slot that was sent first, or NULL. */
static struct slot *oldest(struct client *client)
{
	for (unsigned i = 0; i < client->options.in_flight; i++) {
		struct slot *s = &client->slot[(client->next + i) % client->options.in_flight];
		if (s->is_busy)
			return s;
	}
	return NULL;
}

static struct timespec timespec_of(int64_t ns) { return (struct timespec){ns / 1000000000, ns % 1000000000}; }

/* false: the moment came first. */
static bool wait_for_until(sem_t *done, int64_t moment_ns)
{
	struct timespec moment = timespec_of(moment_ns);
	int result;
	while ((result = sem_clockwait(done, CLOCK_MONOTONIC, &moment)) != 0 && errno == EINTR)
		continue;
	return result == 0;
}

void client_wait_until(struct client *client, int64_t moment_ns)
{
	struct slot *s;
	while ((s = oldest(client)) != NULL && wait_for_until(&s->done, moment_ns))
		hand_over(client, s);
	struct timespec moment = timespec_of(moment_ns);
	if (s == NULL)
		while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &moment, NULL) == EINTR)
			continue;
}

void client_send(struct client *client, const void *bytes, size_t count, uint64_t tag)
{
	struct slot *s = &client->slot[client->next];
	nng_msg *message;
	client->next = (client->next + 1) % client->options.in_flight;
	wait_for(client, s);
	s->tag = tag;
	s->is_receiving = false;
	CHECK(nng_msg_alloc(&message, 0) == 0 && nng_msg_append(message, bytes, count) == 0, "a message of %zu bytes", count);
	nng_aio_set_msg(s->aio, message);
	s->is_busy = true;
	s->sent_ns = clock_monotonic_ns();
	nng_ctx_send(s->ctx, s->aio);
}

void client_drain(struct client *client)
{
	for (unsigned i = 0; i < client->options.in_flight; i++)
		wait_for(client, &client->slot[(client->next + i) % client->options.in_flight]);
}

static int open_slots(struct client *client)
{
	int error = 0;
	for (unsigned i = 0; i < client->options.in_flight && error == 0; i++) {
		struct slot *s = &client->slot[i];
		error = nng_aio_alloc(&s->aio, on_aio, s);
		if (error != 0)
			return error;
		sem_init(&s->done, 0, 0);
		s->is_open = true;
		error = nng_ctx_open(&s->ctx, client->socket);
		s->has_context = error == 0;
		nng_aio_set_timeout(s->aio, (nng_duration)client->options.timeout_ms);
	}
	return error;
}

/* nng_dial says why it failed, which dialing in the background does not; but it knows no timeout. So it
 * runs in a thread, and closing the socket ends it when the time is up. */
struct dial {
	nng_socket socket;
	const char *url;
	sem_t done;
	_Atomic int error;
};

static void *run_dial(void *argument)
{
	struct dial *dial = argument;
	dial->error = nng_dial(dial->socket, dial->url, NULL, 0);
	sem_post(&dial->done);
	return NULL;
}

static int dial_within(struct client *client)
{
	struct dial dial = {.socket = client->socket, .url = client->options.url};
	pthread_t thread;
	sem_init(&dial.done, 0, 0);
	int error = pthread_create(&thread, NULL, run_dial, &dial);
	if (error != 0) {
		sem_destroy(&dial.done);
		return NNG_ENOMEM;
	}
	bool in_time = wait_for_until(&dial.done, clock_monotonic_ns() + client->options.timeout_ms * 1000000);
	if (!in_time) {
		nng_close(client->socket);
		client->has_socket = false;
	}
	pthread_join(thread, NULL);
	sem_destroy(&dial.done);
	return in_time ? dial.error : NNG_ETIMEDOUT;
}

/* Soon: who takes over listens after some 100 ms. */
enum { RECONNECT_MS = 20 };

status client_open(struct client **out, const struct client_options *options, struct option_problem *problem)
{
	*out = NULL;
	struct client *client = calloc(1, sizeof *client + options->in_flight * sizeof client->slot[0]);
	if (client == NULL)
		return STATUS_pool_exhausted;
	client->options = *options;
	int error = nng_req0_open(&client->socket);
	client->has_socket = error == 0;
	/* Longer than anybody waits: while the connection stands nothing is sent twice. */
	if (error == 0)
		error = nng_socket_set_ms(client->socket, NNG_OPT_REQ_RESENDTIME, options->sends_again ?
		                          (nng_duration)(2 * options->timeout_ms) : NNG_DURATION_INFINITE);
	if (error == 0 && options->sends_again)
		error = nng_socket_set_ms(client->socket, NNG_OPT_RECONNMINT, RECONNECT_MS);
	if (error == 0)
		error = nng_socket_set_size(client->socket, NNG_OPT_RECVMAXSZ, 0);
	if (error == 0)
		error = open_slots(client);
	if (error == 0)
		error = dial_within(client);
	if (error != 0) {
		snprintf(problem->text, sizeof problem->text, "cannot reach %.300s: %s", options->url, nng_strerror(error));
		client_close(&client);
		return STATUS_not_found;
	}
	*out = client;
	return STATUS_ok;
}

void client_close(struct client **out)
{
	struct client *client = *out;
	*out = NULL;
	if (client == NULL)
		return;
	client_drain(client);
	/* From the inside out: nng has been seen to panic where a socket closes contexts by itself. */
	for (unsigned i = 0; i < client->options.in_flight; i++) {
		if (client->slot[i].is_open)
			nng_aio_stop(client->slot[i].aio);
		if (client->slot[i].has_context && client->has_socket)
			nng_ctx_close(client->slot[i].ctx);
	}
	if (client->has_socket)
		nng_close(client->socket);
	for (unsigned i = 0; i < client->options.in_flight; i++)
		if (client->slot[i].is_open) {
			nng_aio_free(client->slot[i].aio);
			sem_destroy(&client->slot[i].done);
		}
	free(client);
}
