/*
 * Peers that cannot be taken, because there are as many as there may be or because the pool of
 * connections was told to fail: each is closed and counted, and nobody else notices.
 */
#include "engine/base/clock.h"
#include "engine/net/client.h"
#include "tests/support/service.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- a peer, by hand: nng would dial again --------------------------------------------------- */

static bool receive_all(int fd, void *bytes, size_t count)
{
	return recv(fd, bytes, count, MSG_WAITALL) == (ssize_t)count;
}

/* Both sides say who they are before anybody is taken or refused. */
static int say_hello(int fd)
{
	char theirs[8];
	assert_int_equal(send(fd, "\0SP\0\0\x30\0\0", 8, MSG_NOSIGNAL), 8);
	assert_true(receive_all(fd, theirs, sizeof theirs));
	assert_memory_equal(theirs, "\0SP\0\0\x31\0\0", 8);
	return fd;
}

static int come(const struct service *s, bool is_tcp)
{
	return say_hello(is_tcp ? service_connect_tcp(s->port) : service_connect_unix(s->ipc_path));
}

/* Whether it is answered; else it was closed. Silence fails the test. */
static bool is_served(int fd, bool is_tcp)
{
	static const char ping[] = "{\"type\":\"ping\"}", pong[] = "{\"type\":\"pong\"}";
	char frame[1 + 8 + 4 + sizeof ping - 1] = {1}, answer[1 + 8 + 4 + sizeof pong - 1];
	size_t skip = is_tcp; /* ipc has a byte more in front */
	frame[8] = 4 + sizeof ping - 1;
	frame[9] = (char)0x80;
	memcpy(frame + 13, ping, sizeof ping - 1);
	ssize_t sent = send(fd, frame + skip, sizeof frame - skip, MSG_NOSIGNAL);
	int64_t start_ns = clock_monotonic_ns();
	if (sent < 0 || !receive_all(fd, answer + skip, sizeof answer - skip)) {
		assert_true(clock_monotonic_ns() - start_ns < 5000000000);
		return false;
	}
	assert_memory_equal(answer + 13, pong, sizeof pong - 1);
	return true;
}

/* A number of the pool of connections in GET /allocator. */
static uint64_t pool_number(const struct service *s, const char *member)
{
	enum { CAPACITY = 64 << 10 };
	static const char request[] = "GET /allocator HTTP/1.0\r\n\r\n";
	char *page = malloc(CAPACITY), wanted[64];
	assert_non_null(page);
	service_http(s, request, sizeof request - 1, page, CAPACITY);
	const char *at = strstr(page, "\"name\":\"connections\",\"kind\":\"pool\",\"option\":\"events.peers_max\"");
	assert_non_null(at);
	snprintf(wanted, sizeof wanted, "\"%s\":", member);
	at = strstr(at, wanted);
	assert_non_null(at);
	uint64_t number = strtoull(at + strlen(wanted), NULL, 10);
	free(page);
	return number;
}

static bool equals(double found, uint64_t expected) { return found == (double)expected; /* small integers */ }

/* ---- full --------------------------------------------------------------------------------------- */

static void test_no_more_than_there_may_be(void **state)
{
	(void)state;
	enum { MOST = 8, MORE = 20 };
	static const char *const sets[] = {"events.peers_max=8", "rewards.capacity=1000", NULL};
	struct service s;
	int open[MOST];
	service_start(&s, sets);
	for (int i = 0; i < MOST; i++) {
		open[i] = come(&s, i % 2 == 0);
		assert_true(is_served(open[i], i % 2 == 0));
	}
	assert_true(service_metric_becomes(&s, "trove_peers", MOST));
	for (int i = 0; i < MORE; i++) {
		int fd = come(&s, i % 2 == 0);
		assert_false(is_served(fd, i % 2 == 0));
		close(fd);
	}
	assert_true(service_metric_becomes(&s, "trove_peers_dropped_total{reason=\"limit\"}", MORE));
	assert_true(equals(service_metric(&s, "trove_peers"), MOST));
	for (int i = 0; i < MOST; i++)
		assert_true(is_served(open[i], i % 2 == 0));
	close(open[0]);
	assert_true(service_metric_becomes(&s, "trove_peers", MOST - 1));
	open[0] = come(&s, true);
	assert_true(is_served(open[0], true));
	assert_int_equal(pool_number(&s, "capacity"), MOST);
	assert_int_equal(pool_number(&s, "in_use"), MOST);
	assert_int_equal(pool_number(&s, "borrowed_total"), MOST + 1);
	assert_int_equal(pool_number(&s, "exhausted_total"), MORE);
	for (int i = 0; i < MOST; i++)
		close(open[i]);
	assert_true(service_metric_becomes(&s, "trove_peers", 0));
	assert_int_equal(service_stop(&s, SIGTERM), 0);
}

/* ---- told to fail ------------------------------------------------------------------------------- */

enum { THREADS = 4, COMERS = 250, EVENTS = 20000, ONE_IN = 5 };

struct crowd {
	const struct service *service;
	bool is_tcp;
	uint64_t served, closed;
};

static void *come_and_go(void *argument)
{
	struct crowd *c = argument;
	for (int i = 0; i < COMERS; i++) {
		int fd = come(c->service, c->is_tcp);
		bool is_taken = is_served(fd, c->is_tcp);
		c->served += is_taken;
		c->closed += !is_taken;
		/* Who was taken is served on. */
		if (is_taken)
			assert_true(is_served(fd, c->is_tcp));
		close(fd);
	}
	return NULL;
}

static void count_right(void *context, const struct client_reply *reply)
{
	char text[4096];
	snprintf(text, sizeof text, "%.*s", (int)reply->count, reply->bytes != NULL ? (const char *)reply->bytes : "");
	bool is_right = strstr(text, "\"count\":6") != NULL;
	if (!is_right)
		print_message("event %llu: %s %s\n", (unsigned long long)reply->tag, text, reply->error != NULL ? reply->error : "");
	*(uint64_t *)context += is_right;
}

/* One that stays, through all of the coming and going. */
static uint64_t ask_all_the_time(const struct service *s)
{
	static const char locate[] = "{\"type\":\"locate\",\"x\":-122.4101,\"y\":37.7876,\"radius\":300,\"limit\":1}";
	uint64_t right = 0;
	struct client *client;
	struct option_problem problem;
	struct client_options options = {
		.url = s->ipc, .in_flight = 32, .timeout_ms = 20000, .on_reply = count_right, .context = &right};
	assert_int_equal(client_open(&client, &options, &problem), STATUS_ok);
	/* It may be refused at first, and is told so: what it sent is lost then, and it dials again. */
	for (int i = 0; i < 100 && right == 0; i++) {
		client_send(client, locate, sizeof locate - 1, (uint64_t)i);
		client_drain(client);
	}
	assert_int_equal(right, 1);
	right = 0;
	for (uint64_t i = 0; i < EVENTS; i++)
		client_send(client, locate, sizeof locate - 1, i);
	client_close(&client);
	return right;
}

static void test_one_in_five_cannot_be_taken(void **state)
{
	(void)state;
	static const char *const sets[] = {"memory.pool_fail_one_in=5", "events.peers_max=4096", "rewards.capacity=1000",
	                                   "rewards.file=config/demo_rewards.csv", NULL};
	struct service s;
	struct crowd crowds[THREADS];
	pthread_t threads[THREADS];
	uint64_t served = 0, closed = 0;
	service_start(&s, sets);
	for (int i = 0; i < THREADS; i++) {
		crowds[i] = (struct crowd){.service = &s, .is_tcp = i % 2 == 0};
		assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, &crowds[i]), 0);
	}
	assert_int_equal(ask_all_the_time(&s), EVENTS);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		served += crowds[i].served;
		closed += crowds[i].closed;
	}
	assert_true(service_metric_becomes(&s, "trove_peers", 0));
	uint64_t came = (uint64_t)service_metric(&s, "trove_peers_connected_total");
	uint64_t refused = (uint64_t)service_metric(&s, "trove_peers_dropped_total{reason=\"limit\"}");
	print_message("%llu served, %llu closed; %llu came, %llu were refused\n", (unsigned long long)served,
	              (unsigned long long)closed, (unsigned long long)came, (unsigned long long)refused);
	assert_int_equal(served + closed, THREADS * COMERS);
	assert_int_equal(refused, came / ONE_IN);
	/* The client that stays dials again where it is refused. */
	assert_in_range(refused, closed, closed + came - THREADS * COMERS);
	assert_int_equal(pool_number(&s, "exhausted_total"), refused);
	assert_int_equal(pool_number(&s, "borrowed_total"), came - refused);
	assert_int_equal(pool_number(&s, "in_use"), 0);
	assert_int_equal(pool_number(&s, "stale_total"), 0);
	assert_int_equal(service_stop(&s, SIGTERM), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_more_than_there_may_be),
		cmocka_unit_test(test_one_in_five_cannot_be_taken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
