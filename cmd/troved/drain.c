/*
 * A stop, step by step: not ready but serving; then no new requests; when what was in flight is answered, the state rests:
 * it is flushed and a snapshot is made; then the sockets close, and the receipt says what became of everything.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "cmd/troved/service.h"
#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/base/sanitizer.h"
#include "engine/base/thread.h"
#include "engine/memory/heap.h"

#include <event2/event.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

enum { WATCH_MS = 50 };
#ifdef SANITIZER_THREAD /* which holds up the main thread for seconds, on a busy machine for many */
enum : int64_t { LEAVE_NS = 60000000000 };
#else
enum : int64_t { LEAVE_NS = 5000000000 };
#endif
enum { TICK_MS = 20, TURN_MS = 5, LINGER_MS = 100, FLUSH_LEAST_MS = 500, CLOSE_TURNS = 1000, AGREE_MS = 2000 };

void service_announce(struct service *service, const char *state)
{
	char json[128];
	snprintf(json, sizeof json, "{\"type\":\"service.state\",\"state\":\"%s\",\"at\":%lld}", state, (long long)clock_unix_ms());
	net_publish(service->net, "service.state", json);
}

static void set_timer(struct service *service, int64_t ms)
{
	struct timeval wait = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
	evtimer_add(service->timer, &wait);
}

/* ---- a disk that does not answer -------------------------------------------------- */

/* Threads that are in a sync or a read do not end before the disk answers, and whoever waits for them does not either. */
static void *watch(void *argument)
{
	struct drain *drain = argument;
	thread_name("trove-stop");
	heap_exempt_thread();
	while (clock_monotonic_ns() < atomic_load(&drain->leave_ns))
		clock_sleep_ms(WATCH_MS);
	log_error("service", "the stop takes too long, as if the disk did not answer: it ends now, without %s",
	          atomic_load(&drain->unwritten));
	_exit(EX_IOERR);
}

/* From now on: what is not written if it ends by that. */
static void note_unwritten(struct service *service, const char *what) { atomic_store(&service->drain.unwritten, what); }

/* After that time, which is not prolonged, and some more. */
static void leave_in_time(struct service *service, int64_t ms)
{
	struct drain *drain = &service->drain;
	int64_t leave_ns = clock_monotonic_ns() + ms * 1000000 + LEAVE_NS;
	sigset_t all, before;
	pthread_t thread;
	if (drain->leave_ns == 0 || leave_ns < drain->leave_ns)
		atomic_store(&drain->leave_ns, leave_ns);
	if (drain->is_watched)
		return;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int error = pthread_create(&thread, NULL, watch, drain);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	drain->is_watched = error == 0;
	if (error == 0)
		pthread_detach(thread);
	else
		log_warning("service", "no thread to watch the stop: %s; should the disk hang, so does it", strerrordesc_np(error));
}

/* ---- the steps -------------------------------------------------------------------- */

static void go_to(struct service *service, enum drain_step step, int64_t wait_ms)
{
	service->drain.step = step;
	set_timer(service, wait_ms);
}

static int64_t left_ms(const struct service *service)
{
	int64_t left = (service->drain.until_ns - clock_monotonic_ns()) / 1000000;
	return left > 0 ? left : 0;
}

static uint64_t in_flight(const struct service *service)
{
	return net_in_flight(service->net) + shard_in_flight(service->shard);
}

static bool hands_over(const struct service *service) { return take_over_is_asked(&service->take_over); }

static void start_clock(struct service *service, int64_t limit_ms)
{
	service->drain.until_ns = clock_monotonic_ns() + limit_ms * 1000000;
}

static void refuse_new(struct service *service)
{
	start_clock(service, service->configuration.service.drain_timeout_ms);
	note_unwritten(service, "a last snapshot and the receipt");
	leave_in_time(service, left_ms(service));
	if (hands_over(service)) {
		admin_set_reason(service->admin, ADMIN_REASON_draining, true);
		net_hand_over(service->net);
	} else {
		shard_drain(service->shard);
		net_stop(service->net);
	}
	go_to(service, DRAIN_finish, 0);
}

static void go_on(struct service *service, const char *why)
{
	log_warning("service", "who wanted to take over %s: it goes on", why);
	take_over_refuse(&service->take_over);
	service->drain.step = DRAIN_none;
}

/* The other one starts from this snapshot, so that little is left to replay while nobody answers. */
static void offer(struct service *service)
{
	struct shard_snapshot_asked asked;
	if (!hands_over(service)) {
		go_on(service, "is gone");
		return;
	}
	bool is_made = shard_snapshot_look(service->shard, &asked) == STATUS_not_found || asked.newest >= service->drain.offered ||
	               asked.failures != service->drain.snapshot_failures;
	if (is_made || left_ms(service) == 0) {
		start_clock(service, AGREE_MS);
		go_to(service, DRAIN_agree, 0);
	} else {
		set_timer(service, TURN_MS);
	}
}

/* From here on there is no way back: so the other one says once more that it is there. */
static void agree(struct service *service)
{
	enum take_over_answer answer = take_over_offer(&service->take_over);
	if (answer == TAKE_OVER_agreed)
		refuse_new(service);
	else if (answer == TAKE_OVER_waits && left_ms(service) > 0)
		set_timer(service, 1);
	else
		go_on(service, answer == TAKE_OVER_gone ? "is gone" : "does not answer");
}

static void finish(struct service *service)
{
	uint64_t count = in_flight(service);
	if (count != 0 && left_ms(service) > 0) {
		set_timer(service, TICK_MS);
		return;
	}
	if (count != 0)
		log_warning("service", "service.drain_timeout_ms is over with %" PRIu64 " requests in flight", count);
	/* A reply that was handed over just now is still on its way through nng; lost, it is asked for again where that works. */
	go_to(service, DRAIN_linger, hands_over(service) ? TICK_MS : LINGER_MS);
}

static void rest(struct service *service)
{
	int64_t left = left_ms(service);
	struct shard_snapshot_asked asked;
	if (!shard_rest(service->shard, left < FLUSH_LEAST_MS ? FLUSH_LEAST_MS : left))
		log_error("service", "not all changes could be made durable: look at the disk and the log before this");
	if (hands_over(service) || shard_snapshot(service->shard, &asked) != STATUS_ok) {
		event_base_loopbreak(service->loop);
		return;
	}
	service->drain.snapshot_failures = asked.failures;
	go_to(service, DRAIN_snapshot, TURN_MS);
}

/* A start without it takes longer, and comes to the same. */
static void wait_for_snapshot(struct service *service)
{
	struct shard_snapshot_asked asked;
	shard_turn(service->shard);
	bool is_wanted = shard_snapshot_look(service->shard, &asked) == STATUS_ok;
	if (is_wanted && asked.failures == service->drain.snapshot_failures && left_ms(service) > 0) {
		set_timer(service, TURN_MS);
		return;
	}
	if (is_wanted)
		log_warning("service", "no snapshot of seq %" PRIu64 ": %s; the next start replays what is behind %" PRIu64,
		            asked.durable, left_ms(service) > 0 ? "it failed" : "service.drain_timeout_ms is over", asked.newest);
	event_base_loopbreak(service->loop);
}

static void on_timer(evutil_socket_t unused, short what, void *argument)
{
	(void)unused;
	(void)what;
	struct service *service = argument;
	switch (service->drain.step) {
	case DRAIN_none: return;
	case DRAIN_offer: offer(service); return;
	case DRAIN_agree: agree(service); return;
	case DRAIN_serve: refuse_new(service); return;
	case DRAIN_finish: finish(service); return;
	case DRAIN_linger: rest(service); return;
	case DRAIN_snapshot: wait_for_snapshot(service); return;
	}
}

struct event *service_drain_timer(struct service *service) { return evtimer_new(service->loop, on_timer, service); }

bool service_stop(struct service *service, const char *by)
{
	if (service_drains(service))
		return false;
	take_over_refuse(&service->take_over);
	log_info("service", "%s: draining", by);
	admin_set_reason(service->admin, ADMIN_REASON_draining, true);
	service_announce(service, "draining");
	go_to(service, DRAIN_serve, service->configuration.service.drain_delay_ms);
	return true;
}

bool service_hand_over(struct service *service)
{
	struct shard_snapshot_asked asked = {};
	if (service->drain.step != DRAIN_none)
		return false;
	(void)shard_snapshot(service->shard, &asked);
	service->drain.offered = asked.durable;
	service->drain.snapshot_failures = asked.failures;
	start_clock(service, service->configuration.service.drain_timeout_ms);
	go_to(service, DRAIN_offer, TURN_MS);
	return true;
}

/* ---- the end ---------------------------------------------------------------------- */

/* What was on its way into the sockets when they closed ends as refused. */
static void close_sockets(struct service *service, struct net_tally *tally)
{
	net_close(service->net);
	for (int i = 0; i < CLOSE_TURNS; i++) {
		shard_turn(service->shard);
		net_tally(service->net, tally);
		if (tally->in_flight == 0 && tally->accepted == tally->answered + tally->refused)
			return;
		clock_sleep_ms(2);
	}
}

void service_end(struct service *service)
{
	struct receipt *receipt = &service->drain.receipt;
	struct net_tally tally;
	char text[RECEIPT_TEXT_BYTES];
	if (service->drain.step < DRAIN_linger)
		clock_sleep_ms(LINGER_MS); /* as there */
	note_unwritten(service, "a last snapshot and the receipt");
	leave_in_time(service, left_ms(service) + FLUSH_LEAST_MS); /* a second signal may come before all else */
	service->drain.is_durable = shard_rest(service->shard, FLUSH_LEAST_MS);
	if (service->drain.is_durable) {
		note_unwritten(service, "the receipt: the next start does not compare its state");
	} else {
		note_unwritten(service, "the last changes, which were acknowledged to nobody, and the receipt");
		leave_in_time(service, 0);
	}
	take_over_say_closing(&service->take_over);
	close_sockets(service, &tally);
	receipt->accepted = tally.accepted;
	receipt->answered = tally.answered;
	receipt->refused = tally.refused;
	receipt->in_flight = tally.in_flight;
	if (shard_write_receipt(service->shard, receipt, text) != STATUS_ok)
		log_warning("service", "no receipt for the next start: %s", text);
	else
		note_unwritten(service, "the end of a snapshot or of a journal file; all changes are durable, the receipt is there");
}

void service_say_end(const struct service *service)
{
	const struct receipt *r = &service->drain.receipt;
	log_info("service",
	         "stopped: accepted %" PRIu64 " = answered %" PRIu64 " + refused %" PRIu64 ", in flight %" PRIu64 ", seq %" PRIu64
	         ", digest %016" PRIx64,
	         r->accepted, r->answered, r->refused, r->in_flight, r->seq, receipt_digest(&r->state));
}
