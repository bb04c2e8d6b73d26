/*
 * What strangers, crashes and overload do to a running troved: nothing that a good
 * client would notice. One service lives through all of it; at the end it has the
 * memory and the descriptors that it had at the start.
 */
#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/net/client.h"
#include "tests/support/service.h"

#include <nng/nng.h>
#include <nng/protocol/pubsub0/sub.h>
#include <nng/protocol/reqrep0/req.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Connections that strangers closed count until nng has noticed: with the default of peers_max two thousand in a
 * second would keep a good client out for a moment. */
static const char *const service_sets[] = {
	"rewards.file=config/demo_rewards.csv", "rewards.capacity=100000", "events.message_bytes_max=65536",
	"events.batch_max=64",                  "events.queue=16",          "events.peers_max=2048",
	NULL};

/* Sanitizers keep freed memory back. */
static bool is_sanitized(void)
{
	const char *build = getenv("TROVE_BUILD");
	return strstr(build, "-address") != NULL || strstr(build, "-thread") != NULL;
}

static void assert_good_client(const struct service *s)
{
	static const char locate[] = "{\"type\":\"locate\",\"x\":-122.4101,\"y\":37.7876,\"radius\":300,\"limit\":1}";
	char reply[4096];
	assert_non_null(strstr(service_ask(s, s->tcp, locate, reply, sizeof reply), "\"count\":6"));
	assert_non_null(strstr(service_ask(s, s->ipc, locate, reply, sizeof reply), "\"count\":6"));
}

/* ---- strangers ------------------------------------------------------------------------ */

#define STRANGE(text) {text, sizeof text - 1}
static const struct {
	const char *bytes;
	size_t count;
} strange[] = {
	STRANGE(""),
	STRANGE("\0SP\0"), /* half a header */
	STRANGE("GET / HTTP/1.1\r\nHost: trove\r\n\r\n"),
	STRANGE("\x16\x03\x01\x02garbage that is no protocol at all \xff\xfe\xfd"),
	STRANGE("\0SP\0\0\x30\0\0"),                                          /* a REQ peer that says no more */
	STRANGE("\0SP\0\0\x30\0\0\xff\xff\xff\xff\xff\xff\xff\xff"),     /* a huge message */
	STRANGE("\0SP\0\0\x30\0\0\x01\xff\xff\xff\xff\xff\xff\xff\xff"), /* the same on ipc */
	STRANGE("\0SP\0\0\x50\0\0\0\0\0\0\0\0\0\x04"),                   /* a wrong protocol */
	STRANGE("\0SP\0\0\x30\0\0\0\0\0\0\0\0\0\x08\x80\0"),            /* a message cut off */
	STRANGE("\0SP\0\0\x30\0\0\0\0\0\0\0\0\0\x02\0\x01"),            /* no request id */
};

static void test_strangers(void **state)
{
	const struct service *s = *state;
	enum { CONNECTIONS = 2000, OPEN_AT_ONCE = 100 };
	int open[OPEN_AT_ONCE];
	for (int i = 0; i < OPEN_AT_ONCE; i++)
		open[i] = -1;
	for (int i = 0; i < CONNECTIONS; i++) {
		int *fd = &open[i % OPEN_AT_ONCE];
		if (*fd >= 0)
			close(*fd);
		size_t kind = (size_t)i / 2 % COUNT_OF(strange);
		*fd = i % 2 == 0 ? service_connect_tcp(s->port) : service_connect_unix(s->ipc_path);
		(void)send(*fd, strange[kind].bytes, strange[kind].count, MSG_NOSIGNAL);
	}
	assert_good_client(s); /* while the last hundred are still there */
	for (int i = 0; i < OPEN_AT_ONCE; i++)
		close(open[i]);
	assert_good_client(s);
	assert_true(service_metric_becomes(s, "trove_peers", 0));
}

/* ---- clients that die ----------------------------------------------------------------- */

static void ignore_reply(void *context, const struct client_reply *reply)
{
	(void)context;
	(void)reply;
}

[[noreturn]] static void flood(const char *url)
{
	struct client *client;
	struct option_problem problem;
	struct client_options options = {.url = url, .in_flight = 200, .timeout_ms = 10000, .on_reply = ignore_reply};
	if (client_open(&client, &options, &problem) != STATUS_ok)
		_exit(1);
	for (;;) {
		static const char locate[] = "{\"type\":\"locate\",\"x\":-122.41,\"y\":37.78,\"radius\":20000,\"limit\":300}";
		client_send(client, locate, sizeof locate - 1, 0);
	}
}

/* nng does not live through a fork, so the child begins anew, as this program with an argument. */
static pid_t start_flood(const char *url)
{
	fflush(NULL);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		execl("/proc/self/exe", "test_bad_days", "flood", url, NULL);
		_exit(127);
	}
	return child;
}

static void test_killed_clients(void **state)
{
	const struct service *s = *state;
	for (int round = 0; round < 4; round++) {
		pid_t child[4];
		double before = service_metric(s, "trove_peers_connected_total");
		for (int i = 0; i < 4; i++)
			child[i] = start_flood(i % 2 == 0 ? s->tcp : s->ipc);
		for (int i = 0; i < 200 && service_metric(s, "trove_peers_connected_total") < before + 4; i++)
			clock_sleep_ms(20);
		clock_sleep_ms(50);
		for (int i = 0; i < 4; i++) {
			kill(child[i], SIGKILL);
			int how;
			waitpid(child[i], &how, 0);
			assert_true(WIFSIGNALED(how)); /* it was at work until then */
		}
	}
	assert_true(service_metric_becomes(s, "trove_peers", 0));
	assert_true(service_metric_becomes(s, "trove_requests_in_flight", 0));
	assert_good_client(s);
}

/* ---- limits --------------------------------------------------------------------------- */

/* A ping with blanks up to the length. */
static char *long_ping(size_t bytes)
{
	static const char ping[] = "{\"type\":\"ping\"}";
	char *text = malloc(bytes + 1);
	assert_non_null(text);
	memset(text, ' ', bytes);
	memcpy(text + bytes - (sizeof ping - 1), ping, sizeof ping - 1);
	text[bytes] = '\0';
	return text;
}

static void test_large_messages(void **state)
{
	const struct service *s = *state;
	char reply[1024];
	char *most = long_ping(65536), *more = long_ping(65537), *too_much = long_ping(200000);
	assert_string_equal(service_ask(s, s->tcp, most, reply, sizeof reply), "{\"type\":\"pong\"}");
	assert_non_null(strstr(service_ask(s, s->tcp, more, reply, sizeof reply), "\"code\":\"too_large\""));
	/* Beyond twice the limit the connection is closed unread. */
	assert_string_equal(service_ask(s, s->tcp, too_much, reply, sizeof reply), "");
	assert_string_equal(service_ask(s, s->ipc, too_much, reply, sizeof reply), "");
	free(most);
	free(more);
	free(too_much);
	assert_good_client(s);
}

static void test_large_batch(void **state)
{
	const struct service *s = *state;
	char text[4096] = "[", reply[8192];
	size_t used = 1;
	for (int i = 0; i < 65; i++)
		used += (size_t)snprintf(text + used, sizeof text - used, "%s{\"type\":\"ping\"}", i == 0 ? "" : ",");
	snprintf(text + used, sizeof text - used, "]");
	assert_non_null(strstr(service_ask(s, s->tcp, text, reply, sizeof reply), "\"code\":\"too_large\""));
	text[used - sizeof ",{\"type\":\"ping\"}" + 1] = ']';
	text[used - sizeof ",{\"type\":\"ping\"}" + 2] = '\0';
	assert_non_null(strstr(service_ask(s, s->tcp, text, reply, sizeof reply), "{\"type\":\"pong\"},{\"type\":\"pong\"}"));
}

/* ---- overload ------------------------------------------------------------------------- */

enum { CHANGES = 5000 };

struct changes {
	uint64_t ok, overloaded, other;
	bool *is_done; /* by tag */
	uint64_t seq_greatest;
};

static void on_change(void *context, const struct client_reply *reply)
{
	struct changes *c = context;
	char text[512];
	snprintf(text, sizeof text, "%.*s", (int)reply->count, reply->bytes != NULL ? (const char *)reply->bytes : "");
	const char *seq = strstr(text, "\"seq\":");
	if (strstr(text, "\"type\":\"ok\"") != NULL && seq != NULL) {
		c->ok++;
		c->is_done[reply->tag] = true;
		uint64_t number = strtoull(seq + 6, NULL, 10);
		c->seq_greatest = number > c->seq_greatest ? number : c->seq_greatest;
	} else if (strstr(text, "\"code\":\"overloaded\"") != NULL && strstr(text, "\"retry_after_ms\":") != NULL) {
		c->overloaded++;
	} else {
		print_message("unexpected: %s %s\n", text, reply->error != NULL ? reply->error : "");
		c->other++;
	}
}

/* Each change is a reward of its own, so that what was done can be counted afterwards. */
static void test_overload(void **state)
{
	const struct service *s = *state;
	struct changes c = {.is_done = calloc(CHANGES, sizeof(bool))};
	struct client *client;
	struct option_problem problem;
	struct client_options options = {
		.url = s->ipc, .in_flight = 128, .timeout_ms = 20000, .on_reply = on_change, .context = &c};
	double rewards = service_metric(s, "trove_rewards");
	double refused = service_metric(s, "trove_events_refused_total{code=\"overloaded\"}");
	assert_int_equal(client_open(&client, &options, &problem), STATUS_ok);
	uint64_t done = 0;
	for (int pass = 0; pass < 500 && done < CHANGES; pass++) {
		for (uint64_t i = 0; i < CHANGES; i++) {
			char text[256];
			if (c.is_done[i])
				continue;
			int n = snprintf(text, sizeof text,
			                 "{\"type\":\"reward.put\",\"id\":%llu,\"reward\":%llu,\"x\":10,\"y\":10,\"radius\":1}",
			                 (unsigned long long)i + 1, (unsigned long long)i + 1000000);
			client_send(client, text, (size_t)n, i);
		}
		client_drain(client);
		done = c.ok;
		clock_sleep_ms(10); /* retry_after_ms */
	}
	client_close(&client);
	print_message("%llu done, %llu times overloaded\n", (unsigned long long)c.ok, (unsigned long long)c.overloaded);
	assert_int_equal(c.other, 0);
	assert_int_equal(c.ok, CHANGES);
	assert_true(c.overloaded > 0);
	/* Nothing lost, nothing done twice: as many rewards, and as many sequence numbers. */
	assert_true(service_metric(s, "trove_rewards") == rewards + CHANGES);
	assert_true(c.seq_greatest >= CHANGES);
	assert_true(service_metric(s, "trove_events_refused_total{code=\"overloaded\"}") == refused + (double)c.overloaded);
	free(c.is_done);
	assert_good_client(s);
}

/* ---- subscribers and HTTP ------------------------------------------------------------- */

/* One that never reads must not hold anybody up; there is little to publish yet, so this
 * shows that the connection alone costs nothing. */
static void test_idle_subscribers(void **state)
{
	const struct service *s = *state;
	nng_socket sub[20];
	for (size_t i = 0; i < COUNT_OF(sub); i++) {
		assert_int_equal(nng_sub0_open(&sub[i]), 0);
		assert_int_equal(nng_socket_set(sub[i], NNG_OPT_SUB_SUBSCRIBE, "", 0), 0);
		assert_int_equal(nng_dial(sub[i], s->publish, NULL, 0), 0);
	}
	assert_true(service_metric_becomes(s, "trove_peers", COUNT_OF(sub)));
	assert_good_client(s);
	for (size_t i = 0; i < COUNT_OF(sub); i++)
		nng_close(sub[i]);
	assert_true(service_metric_becomes(s, "trove_peers", 0));
}

/* Asks on and on and reads nothing, until the service takes no more from it. It speaks the
 * protocol by hand, because nng would read for it. */
static int ask_and_never_read(const struct service *s)
{
	static const char hello[] = "\0SP\0\0\x30\0\0";
	static const char event[] = "{\"type\":\"locate\",\"x\":-122.4101,\"y\":37.7876,\"radius\":20000,\"limit\":1024}";
	uint8_t frame[8 + 4 + sizeof event - 1] = {};
	int fd = service_connect_tcp(s->port);
	assert_int_equal(send(fd, hello, 8, 0), 8);
	frame[7] = 4 + sizeof event - 1;
	frame[8] = 0x80;
	memcpy(frame + 12, event, sizeof event - 1);
	for (uint32_t i = 1; i < 20000; i++) {
		frame[10] = (uint8_t)(i >> 8);
		frame[11] = (uint8_t)i;
		if (send(fd, frame, sizeof frame, MSG_DONTWAIT | MSG_NOSIGNAL) != sizeof frame)
			break;
		if (i % 64 == 0)
			clock_sleep_ms(1);
	}
	return fd;
}

static void test_a_client_that_never_reads(void **state)
{
	const struct service *s = *state;
	double before = service_metric(s, "trove_peers_dropped_total{reason=\"slow\"}");
	double lost = service_metric(s, "trove_replies_dropped_total{reason=\"peer_slow\"}");
	int64_t start = clock_monotonic_ns();
	int fd = ask_and_never_read(s);
	assert_good_client(s);
	assert_true(clock_monotonic_ns() - start < INT64_C(6000000000));
	assert_true(service_metric_becomes(s, "trove_peers_dropped_total{reason=\"slow\"}", before + 1));
	assert_true(service_metric(s, "trove_replies_dropped_total{reason=\"peer_slow\"}") > lost);
	assert_true(service_metric_becomes(s, "trove_peers", 0));
	assert_true(service_metric_becomes(s, "trove_requests_in_flight", 0));
	close(fd);
}

static int http_code(const struct service *s, const char *request, size_t bytes)
{
	char answer[8192];
	return service_http(s, request, bytes, answer, sizeof answer) < 12 ? 0 : (int)strtol(answer + 9, NULL, 10);
}

static void test_http_limits(void **state)
{
	const struct service *s = *state;
	static const char post[] = "POST /readyz HTTP/1.0\r\nContent-Length: 2\r\n\r\n{}";
	static const char other[] = "GET /nothing HTTP/1.0\r\n\r\n";
	char long_header[16 << 10];
	int n = snprintf(long_header, sizeof long_header, "GET /livez HTTP/1.0\r\nX: ");
	memset(long_header + n, 'a', sizeof long_header - (size_t)n);
	memcpy(long_header + sizeof long_header - 5, "\r\n\r\n", 5);
	assert_int_equal(http_code(s, post, sizeof post - 1), 405);
	assert_int_equal(http_code(s, other, sizeof other - 1), 404);
	assert_int_not_equal(http_code(s, long_header, sizeof long_header - 1), 200);
	assert_int_equal(service_get(s, "/livez"), 200);

	/* Slow ones: connections that never finish their request do not keep others out, and are closed. */
	int slow[50];
	char byte;
	for (size_t i = 0; i < COUNT_OF(slow); i++) {
		slow[i] = service_connect_tcp((uint16_t)(s->port + 9));
		assert_int_equal(send(slow[i], "GET /li", 7, MSG_NOSIGNAL), 7);
	}
	assert_int_equal(service_get(s, "/livez"), 200);
	int64_t start_ns = clock_monotonic_ns();
	for (size_t i = 0; i < COUNT_OF(slow); i++) {
		while (recv(slow[i], &byte, 1, 0) > 0)
			continue;
		close(slow[i]);
	}
	assert_true(clock_monotonic_ns() - start_ns < 9000000000);
}

/* ---- all of it ------------------------------------------------------------------------ */

/* Everything once before measuring, so that what is reserved at first use is reserved. */
static void test_nothing_stays(void **state)
{
	struct service *s = *state;
	enum { ROUNDS = 3 };
	long rss[ROUNDS];
	int descriptors[ROUNDS];
	for (int round = 0; round < ROUNDS; round++) {
		test_strangers(state);
		test_killed_clients(state);
		test_large_messages(state);
		assert_true(service_metric_becomes(s, "trove_peers", 0));
		rss[round] = service_rss_kib(s);
		descriptors[round] = service_descriptors(s);
		print_message("round %d: %ld KiB, %d descriptors\n", round, rss[round], descriptors[round]);
	}
	assert_true(descriptors[ROUNDS - 1] <= descriptors[0] + 1);
	if (!is_sanitized())
		assert_true(rss[ROUNDS - 1] < rss[0] + 8192);
}

static int setup(void **state)
{
	struct service *s = malloc(sizeof *s);
	service_start(s, service_sets);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct service *s = *state;
	int code = service_stop(s, SIGTERM);
	print_message("troved ended with %d\n", code);
	free(s);
	return code;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "flood") == 0)
		flood(argv[2]);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strangers),      cmocka_unit_test(test_killed_clients),
		cmocka_unit_test(test_large_messages), cmocka_unit_test(test_large_batch),
		cmocka_unit_test(test_overload),       cmocka_unit_test(test_idle_subscribers),
		cmocka_unit_test(test_a_client_that_never_reads),
		cmocka_unit_test(test_http_limits),    cmocka_unit_test(test_nothing_stays),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
