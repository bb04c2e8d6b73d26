/*
 * A disk that hangs, or fails under many: who waits is answered once, others are refused, queries go on; and a stop ends in its
 * time all the same, says what is not written, and acknowledges nothing that is not durable.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "engine/base/clock.h"
#include "tests/support/bad_disk.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- more who change than can be held ------------------------------------------------------------------------------- */

/* More than contexts (32), of which the last 8 are for queries. */
enum { BESIEGERS = 40, HELD_MAX = 24, BATCH = 64, MESSAGE_BYTES = 16384, REPLY_BYTES = 65536 };

struct siege {
	struct peer peer[BESIEGERS];
	char reply[BESIEGERS][REPLY_BYTES];
	bool has_reply[BESIEGERS];
	unsigned events; /* a message */
};

static const char *message_of(const struct siege *s, unsigned who)
{
	static char text[MESSAGE_BYTES];
	size_t n = 0;
	for (unsigned i = 0; i < s->events; i++)
		n += (size_t)snprintf(text + n, sizeof text - n,
		                      "%c{\"type\":\"payment.authorize\",\"id\":%u,\"payment\":%u,\"amount\":5,\"currency\":\"EUR\"}",
		                      i == 0 ? '[' : ',', 1000 + BATCH * who + i, 1000 + BATCH * who + i);
	snprintf(text + n, sizeof text - n, "]");
	return text;
}

static struct siege *besiege(const struct bad_disk *f, unsigned events)
{
	struct siege *s = calloc(1, sizeof *s);
	s->events = events;
	for (unsigned i = 0; i < BESIEGERS; i++)
		assert_true(peer_open(&s->peer[i], f->service.port) && peer_send(&s->peer[i], message_of(s, i)));
	return s;
}

static void lift(struct siege *s)
{
	for (unsigned i = 0; i < BESIEGERS; i++)
		peer_close(&s->peer[i]);
	free(s);
}

/* Takes what has come; of all that did, how many say it. */
static unsigned answered(struct siege *s, const char *has)
{
	uint32_t number;
	unsigned count = 0;
	for (unsigned i = 0; i < BESIEGERS; i++) {
		if (!s->has_reply[i] && peer_waits(&s->peer[i], 0))
			s->has_reply[i] = peer_receive(&s->peer[i], s->reply[i], REPLY_BYTES, &number);
		count += s->has_reply[i] && text_count(s->reply[i], has) == s->events;
	}
	return count;
}

static void await_answers(struct siege *s, const char *has, unsigned wanted)
{
	unsigned count = 0;
	for (int i = 0; i < 1200 && (count = answered(s, has)) != wanted; i++)
		clock_sleep_ms(25);
	if (count != wanted)
		fail_msg("%u answers say %s, expected %u", count, has, wanted);
}

static const char overloaded[] = "\"code\":\"overloaded\"";
static const char authorized[] = "\"state\":\"authorized\"";
static const char replayed[] = "\"replayed\":true";

/* Each once: who was answered well is told so again, who was refused does it now. */
static void ask_all_again(struct siege *s)
{
	for (unsigned i = 0; i < BESIEGERS; i++) {
		char *before = s->reply[i];
		bool was_done = strstr(before, authorized) != NULL;
		assert_true(was_done ? strstr(before, replayed) == NULL : strstr(before, "\"retry\":\"same_id\"") != NULL);
		assert_true(peer_ask(&s->peer[i], message_of(s, i), before, REPLY_BYTES));
		assert_int_equal(text_count(before, authorized), s->events);
		assert_int_equal(text_count(before, replayed), was_done ? s->events : 0);
	}
}

/* The disk hangs, and may fail then. Those that are held get their answers, once; the others are told; queries go on. */
static void hold_and_refuse(bool fails)
{
	struct bad_disk f;
	struct peer p;
	disk_place(&f);
	disk_turn(&f, "slow", "60000");
	struct siege *s = besiege(&f, 1);
	assert_true(peer_open(&p, f.service.port));
	await_answers(s, overloaded, BESIEGERS - HELD_MAX);
	assert_true(service_metric(&f.service, "trove_replies_held") == HELD_MAX);
	disk_assert_reads_none(&p);
	if (fails) {
		disk_turn(&f, "sync", "");
		disk_turn(&f, "slow", NULL);
		assert_true(service_metric_becomes(&f.service, "trove_journal_failed", 1));
	}
	disk_assert_answer(&p, disk_authorize, overloaded);
	disk_assert_answer(&p, "{\"type\":\"payment.get\",\"payment\":5}", "\"code\":\"not_found\"");
	disk_assert_reads_none(&p);
	assert_int_equal(answered(s, authorized), 0);
	disk_turn(&f, fails ? "sync" : "slow", NULL);
	await_answers(s, authorized, HELD_MAX);
	assert_true(service_metric_becomes(&f.service, "trove_journal_failed", 0));
	ask_all_again(s);
	(void)disk_becomes(&p, disk_authorize, authorized);
	assert_true(service_metric(&f.service, "trove_journal_seq") == BESIEGERS + 1);
	peer_close(&p);
	lift(s);
	assert_int_equal(service_stop(&f.service, SIGTERM), 0);
}

static void a_disk_that_hangs_under_many(void **state)
{
	(void)state;
	hold_and_refuse(false);
}

static void a_disk_that_fails_under_many(void **state)
{
	(void)state;
	hold_and_refuse(true);
}

/* ---- a stop while the disk fails ------------------------------------------------------------------------------------ */

static const char *const *for_large_replies(void)
{
	return disk_small_with("events.reply_bytes_max=65536", "events.batch_max=64", "service.drain_timeout_ms=1000");
}

/* Large replies: their room ends before the contexts do. */
static void stop_with_a_disk_that(bool hangs)
{
	struct bad_disk f;
	struct peer p;
	disk_place_with(&f, for_large_replies());
	disk_turn(&f, "slow", "60000");
	struct siege *s = besiege(&f, BATCH);
	assert_true(peer_open(&p, f.service.port));
	for (int i = 0; i < 1200 && answered(s, overloaded) < BESIEGERS / 4; i++)
		clock_sleep_ms(25);
	assert_true(answered(s, overloaded) >= BESIEGERS / 4);
	disk_assert_reads_none(&p);
	if (!hangs) {
		disk_turn(&f, "sync", "");
		disk_turn(&f, "slow", NULL);
		assert_true(service_metric_becomes(&f.service, "trove_journal_failed", 1));
	}
	/* What is held is acknowledged to nobody. It is said twice where a thread is left behind. */
	assert_int_equal(service_stop(&f.service, SIGTERM), 74);
	assert_int_equal(answered(s, authorized), 0);
	assert_true(service_log_has(&f.service, "not all changes could be made durable"));
	disk_assert_says(&f.service, "it ends now, without the last changes", hangs ? 1 : 0);
	peer_close(&p);
	lift(s);
	service_again(&f.service, for_large_replies());
	assert_true(peer_open(&p, f.service.port));
	(void)disk_becomes(&p, disk_authorize, authorized);
	peer_close(&p);
	assert_int_equal(service_stop(&f.service, SIGTERM), 0);
}

static void a_stop_while_the_disk_hangs(void **state)
{
	(void)state;
	stop_with_a_disk_that(true);
}

static void a_stop_while_the_disk_fails(void **state)
{
	(void)state;
	stop_with_a_disk_that(false);
}

/* All is durable, and the disk hangs in what a stop writes besides, or under who reads: what that is is said. */
static void stop_while_hanging(const char *slow, const char *const *sets, const char *ask_before, const char *says)
{
	struct bad_disk f;
	struct peer p;
	disk_place_with(&f, sets);
	assert_true(peer_open(&p, f.service.port));
	disk_assert_answer(&p, disk_authorize, authorized);
	disk_assert_answer(&p, "{\"type\":\"payment.void\",\"id\":2,\"payment\":77}", "\"state\":\"voided\"");
	if (ask_before != NULL) { /* what is not in memory any more */
		assert_int_equal(service_stop(&f.service, SIGTERM), 0);
		disk_again(&f, sets);
	}
	disk_turn(&f, "slow", slow);
	if (ask_before != NULL) {
		peer_close(&p);
		assert_true(peer_open(&p, f.service.port) && peer_send(&p, ask_before));
		clock_sleep_ms(200);
		assert_false(peer_waits(&p, 0));
	}
	int64_t start_ns = clock_monotonic_ns();
	assert_int_equal(service_stop(&f.service, SIGTERM), 74);
	int64_t took_ms = (clock_monotonic_ns() - start_ns) / 1000000;
	print_message("%s: %lld ms\n", slow, (long long)took_ms);
	assert_true(took_ms >= 1000);
	if (!service_is_sanitized()) /* which holds up the main thread; without an end by force it would have ended with 0 */
		assert_true(took_ms <= 1000 + 5000 + 10000);
	disk_assert_says_once(&f.service, says);
	peer_close(&p);
	service_again(&f.service, sets);
	assert_true(peer_open(&p, f.service.port));
	disk_assert_answer(&p, disk_authorize, replayed);
	peer_close(&p);
	assert_int_equal(service_stop(&f.service, SIGTERM), 0);
}

static void a_stop_whose_snapshot_hangs(void **state)
{
	(void)state;
	stop_while_hanging("600000 .snapshot.making", disk_small_with("service.drain_timeout_ms=1000", NULL, NULL), NULL,
	                   "it ends now, without the end of a snapshot");
}

static void a_stop_whose_receipt_hangs(void **state)
{
	(void)state;
	stop_while_hanging("600000 receipt.making", disk_small_with("service.drain_timeout_ms=1000", NULL, NULL), NULL,
	                   "it ends now, without the receipt");
}

static void a_stop_while_a_read_hangs(void **state)
{
	(void)state;
	stop_while_hanging("600000 .journal", disk_small_with("service.drain_timeout_ms=1000", NULL, NULL),
	                   "{\"type\":\"payment.get\",\"payment\":77}", "it ends now, without a last snapshot and the receipt");
}

/* It comes back while the stop waits: then all is as ever. */
static void a_disk_that_comes_back_during_a_stop(void **state)
{
	struct bad_disk f;
	(void)state;
	disk_place_with(&f, disk_small_with("service.drain_timeout_ms=60000", NULL, NULL));
	disk_turn(&f, "slow", "60000");
	struct siege *s = besiege(&f, 1);
	await_answers(s, overloaded, BESIEGERS - HELD_MAX);
	kill(f.service.pid, SIGTERM);
	clock_sleep_ms(200);
	disk_turn(&f, "slow", NULL);
	assert_int_equal(service_wait(&f.service), 0);
	await_answers(s, authorized, HELD_MAX);
	lift(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_disk_that_hangs_under_many),
		cmocka_unit_test(a_disk_that_fails_under_many),
		cmocka_unit_test(a_stop_while_the_disk_hangs),
		cmocka_unit_test(a_stop_while_the_disk_fails),
		cmocka_unit_test(a_stop_whose_snapshot_hangs),
		cmocka_unit_test(a_stop_whose_receipt_hangs),
		cmocka_unit_test(a_stop_while_a_read_hangs),
		cmocka_unit_test(a_disk_that_comes_back_during_a_stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
