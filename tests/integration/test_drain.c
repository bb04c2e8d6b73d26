/*
 * Stopping under load: every request that the service took is answered, what comes
 * later is refused or never taken, and what was answered `ok` was done.
 * Runs alone: deadlines are short.
 */
#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/net/client.h"
#include "tests/support/service.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

struct answers {
	uint64_t located, ok, draining, lost, other;
	uint64_t lost_with; /* how many others had come when the first was lost */
	uint64_t seq_greatest;
};

static void add_ok(struct answers *a, const char *seq)
{
	assert_non_null(seq);
	uint64_t number = strtoull(seq + 6, NULL, 10);
	a->seq_greatest = number > a->seq_greatest ? number : a->seq_greatest;
	a->ok++;
}

static void on_reply(void *context, const struct client_reply *reply)
{
	struct answers *a = context;
	char text[256];
	if (reply->error != NULL) {
		if (a->lost++ == 0)
			a->lost_with = a->located + a->ok + a->draining;
		return;
	}
	snprintf(text, sizeof text, "%.*s", (int)(reply->count < 200 ? reply->count : 200), (const char *)reply->bytes);
	if (strstr(text, "\"type\":\"located\"") != NULL)
		a->located++;
	else if (strstr(text, "\"type\":\"ok\"") != NULL)
		add_ok(a, strstr(text, "\"seq\":"));
	else if (strstr(text, "\"code\":\"draining\"") != NULL)
		a->draining++;
	else
		a->other++;
}

enum { IN_FLIGHT = 64 };

static struct client *open_client(const struct service *s, struct answers *answers)
{
	struct client *client;
	struct option_problem problem;
	struct client_options options = {
		.url = s->tcp, .in_flight = IN_FLIGHT, .timeout_ms = 5000, .on_reply = on_reply, .context = answers};
	assert_int_equal(client_open(&client, &options, &problem), STATUS_ok);
	return client;
}

static void send_one(struct client *client, int i)
{
	static const char locate[] = "{\"type\":\"locate\",\"x\":-122.41,\"y\":37.78,\"radius\":20000,\"limit\":300}";
	char put[160];
	if (i % 2 == 0) {
		client_send(client, locate, sizeof locate - 1, (uint64_t)i);
		return;
	}
	int n = snprintf(put, sizeof put, "{\"type\":\"reward.put\",\"id\":%d,\"reward\":%d,\"x\":1,\"y\":1,\"radius\":1}", i,
	                 i + 1000000);
	client_send(client, put, (size_t)n, (uint64_t)i);
}

/* A burst, a signal right behind it: every message gets a reply; a change that comes after the signal is
 * told `draining`. Without a delay what is still on its way when the sockets close is lost: that takes a machine that
 * stands still for a tenth of a second, which it does not do in each round. */
static void test_burst_is_answered(void **state)
{
	(void)state;
	int rounds_with_losses = 0;
	for (int round = 0; round < 10; round++) {
		const char *delay = round % 2 == 0 ? "service.drain_delay_ms=0" : "service.drain_delay_ms=300";
		const char *sets[] = {"rewards.file=config/demo_rewards.csv", delay, NULL};
		struct service s;
		struct answers a = {};
		service_start(&s, sets);
		struct client *client = open_client(&s, &a);
		for (int i = 0; i < IN_FLIGHT; i++)
			send_one(client, i);
		kill(s.pid, SIGTERM);
		client_drain(client);
		assert_int_equal(a.located + a.ok + a.draining + a.lost, IN_FLIGHT);
		assert_int_equal(a.other, 0);
		rounds_with_losses += a.lost != 0;
		if (round % 2 != 0)
			assert_int_equal(a.draining + a.lost, 0);
		assert_int_equal(service_wait(&s), 0);
		client_close(&client);
	}
	assert_true(rounds_with_losses <= 1);
}

/* Load all the way through the drain. Nothing may be lost before the service stops taking requests; then
 * at most what was sent and not taken (one more goes out before the first loss is seen).
 * Sequence numbers have no gap: no change was done in silence. */
static void test_load_through_drain(void **state)
{
	(void)state;
	static const char *const sets[] = {"rewards.file=config/demo_rewards.csv", "service.drain_delay_ms=200", NULL};
	struct service s;
	struct answers a = {};
	service_start(&s, sets);
	struct client *client = open_client(&s, &a);
	int i = 0;
	int64_t start_ns = clock_monotonic_ns();
	bool is_told = false;
	bool is_not_ready = false;
	/* The thread sanitizer's mappings take the main thread seconds to read, and a signal waits for it. */
	int64_t until_ns = start_ns + (service_is_sanitized() ? 60000000000 : 5000000000);
	while (a.lost == 0 && clock_monotonic_ns() < until_ns) {
		send_one(client, i++);
		if (!is_told && clock_monotonic_ns() - start_ns > 200000000) {
			kill(s.pid, SIGTERM);
			is_told = true;
		}
		if (is_told && !is_not_ready && i % 16 == 0)
			is_not_ready = service_get(&s, "/readyz") == 503;
	}
	client_close(&client);
	print_message("%llu located, %llu ok, %llu draining, %llu lost after %llu\n", (unsigned long long)a.located,
	              (unsigned long long)a.ok, (unsigned long long)a.draining, (unsigned long long)a.lost,
	              (unsigned long long)a.lost_with);
	assert_true(is_not_ready);
	assert_int_equal(a.other, 0);
	assert_true(a.located + a.ok > 100); /* a sanitizer on a busy machine is that slow */
	assert_true(a.draining > 0);
	assert_int_equal(a.seq_greatest, a.ok);
	assert_true(a.lost <= IN_FLIGHT + 1);
	assert_int_equal(service_wait(&s), 0);
	assert_true(service_log_has(&s, "stopped"));
	assert_false(service_log_has(&s, "drain_timeout_ms is over"));
}

static const char hello[] = "\0SP\0\0\x30\0\0"; /* of a REQ socket */

/* A client that asks and reads nothing. */
static int fill(const struct service *s)
{
	int fd = service_connect_tcp(s->port);
	char text[256], frame[512];
	assert_int_equal(send(fd, hello, 8, MSG_NOSIGNAL), 8);
	/* Answers of 60 KB that are never read fill the socket, then nng's queue, then the contexts. */
	int n = snprintf(text, sizeof text, "{\"type\":\"locate\",\"x\":-122.41,\"y\":37.78,\"radius\":20000,\"limit\":1000}");
	memset(frame, 0, sizeof frame);
	frame[7] = (char)(n + 4);
	frame[8] = (char)0x80;
	memcpy(frame + 12, text, (size_t)n);
	for (int i = 0; i < 400; i++) {
		frame[11] = (char)i;
		(void)send(fd, frame, (size_t)n + 12, MSG_NOSIGNAL | MSG_DONTWAIT);
	}
	return fd;
}

/* It must not hold the drain up beyond its timeout. */
static void test_drain_timeout(void **state)
{
	(void)state;
	static const char *const sets[] = {
		"rewards.file=config/demo_rewards.csv", "service.drain_timeout_ms=1000", "events.contexts=8", NULL};
	struct service s;
	service_start(&s, sets);
	int fd = fill(&s);
	clock_sleep_ms(300);
	int64_t start_ns = clock_monotonic_ns();
	assert_int_equal(service_stop(&s, SIGTERM), 0);
	int64_t took_ms = (clock_monotonic_ns() - start_ns) / 1000000;
	print_message("stopped in %lld ms\n", (long long)took_ms);
	assert_true(took_ms < (service_is_sanitized() ? 20000 : 4000));
	close(fd);
}

/* Who comes while the last replies are on their way is closed at once, and finds out that it must go elsewhere. */
static void test_late_peers_are_refused(void **state)
{
	(void)state;
	static const char *const sets[] = {"rewards.file=config/demo_rewards.csv", "service.drain_timeout_ms=60000",
	                                   "events.send_timeout_ms=600000", "events.contexts=8", NULL};
	static const char refused[] = "trove_peers_dropped_total{reason=\"draining\"}";
	struct service s;
	char bytes[64];
	ssize_t n;
	service_start(&s, sets);
	int slow = fill(&s);
	assert_true(service_metric_becomes(&s, "trove_requests_in_flight", 8));
	assert_int_equal((int)service_metric(&s, refused), 0);
	kill(s.pid, SIGTERM);
	/* The signal is heard when main gets to it. */
	for (int i = 0; i < 500 && service_metric(&s, refused) == 0; i++) {
		int fd = service_connect_tcp(s.port);
		(void)send(fd, hello, 8, MSG_NOSIGNAL);
		clock_sleep_ms(20);
		close(fd);
	}
	assert_true(service_metric(&s, refused) > 0);
	int late = service_connect_tcp(s.port);
	(void)send(late, hello, 8, MSG_NOSIGNAL);
	do
		n = recv(late, bytes, sizeof bytes, 0); /* its hello at most */
	while (n > 0);
	assert_true(n == 0 || errno == ECONNRESET);
	close(late);
	assert_true(service_metric_becomes(&s, "trove_peers", 1)); /* the slow one stays */
	close(slow);
	assert_int_equal(service_wait(&s), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_burst_is_answered),
		cmocka_unit_test(test_load_through_drain),
		cmocka_unit_test(test_drain_timeout),
		cmocka_unit_test(test_late_peers_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
