/*
 * One troved after another takes over while clients go on: a bare REQ socket of libnng over tcp and over ipc, trovectl's
 * client, and trovectl itself. No call fails, every change is done once; how long nobody listened is printed.
 */
#include "engine/base/clock.h"
#include "engine/net/client.h"
#include "engine/shard/receipt.h"
#include "tests/support/service.h"

#include <nng/nng.h>
#include <nng/protocol/reqrep0/req.h>

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { TIMES = 8, PATIENCE_MS = 20000, IN_FLIGHT = 8 };

static const char *const sets[] = {"memory.prefault=false", "carts.capacity=1000000", "idempotency.capacity=1000000",
                                   "rewards.file=config/demo_rewards.csv", NULL};

struct caller {
	const char *url;
	unsigned first; /* of its ids */
	uint64_t calls, failed;
	int64_t longest_ns;
	char why[256];
	atomic_bool *is_over;
	pthread_t thread;
};

static int change(char text[160], unsigned id)
{
	return snprintf(text, 160, "{\"type\":\"cart.open\",\"id\":%u,\"cart\":%u,\"currency\":\"EUR\"}", id, id);
}

static void count_reply(struct caller *c, const void *bytes, size_t count, const char *error, int64_t latency_ns)
{
	char text[256];
	snprintf(text, sizeof text, "%.*s", (int)(count < 200 ? count : 200), bytes == NULL ? "" : (const char *)bytes);
	bool is_good = error == NULL && strstr(text, "\"type\":\"cart\"") != NULL && strstr(text, "\"seq\":") != NULL;
	c->longest_ns = latency_ns > c->longest_ns ? latency_ns : c->longest_ns;
	if (is_good)
		return;
	if (c->failed++ == 0)
		snprintf(c->why, sizeof c->why, "%.100s %.150s", error == NULL ? "" : error, text);
}

/* As in any program that uses libnng: no option is set but how long it waits. */
static void *call_bare(void *argument)
{
	struct caller *c = argument;
	nng_socket socket;
	char text[160];
	if (nng_req0_open(&socket) != 0 || nng_socket_set_ms(socket, NNG_OPT_RECVTIMEO, PATIENCE_MS) != 0 ||
	    nng_dial(socket, c->url, NULL, 0) != 0)
		c->failed++;
	while (c->failed == 0 && !atomic_load(c->is_over)) {
		int n = change(text, c->first + (unsigned)c->calls++);
		void *reply = NULL;
		size_t count = 0;
		int64_t start_ns = clock_monotonic_ns();
		int error = nng_send(socket, text, (size_t)n, 0);
		if (error == 0)
			error = nng_recv(socket, &reply, &count, NNG_FLAG_ALLOC);
		count_reply(c, reply, count, error == 0 ? NULL : nng_strerror(error), clock_monotonic_ns() - start_ns);
		if (error == 0)
			nng_free(reply, count);
		usleep(500);
	}
	nng_close(socket);
	return NULL;
}

static void on_reply(void *context, const struct client_reply *r)
{
	count_reply(context, r->bytes, r->count, r->error, r->latency_ns);
}

static void *call_by_client(void *argument)
{
	struct caller *c = argument;
	struct client *client;
	struct option_problem problem;
	struct client_options options = {.url = c->url, .in_flight = IN_FLIGHT, .timeout_ms = PATIENCE_MS, .sends_again = true,
	                                 .on_reply = on_reply, .context = c};
	char text[160];
	if (client_open(&client, &options, &problem) != STATUS_ok) {
		c->failed++;
		return NULL;
	}
	while (!atomic_load(c->is_over)) {
		int n = change(text, c->first + (unsigned)c->calls++);
		client_send(client, text, (size_t)n, c->calls);
		usleep(100);
	}
	client_close(&client);
	return NULL;
}

/* trovectl send reads lines all the while; its exit code counts what failed. */
static void *call_by_trovectl(void *argument)
{
	struct caller *c = argument;
	char command[512], text[160];
	snprintf(command, sizeof command, "%s/bin/trovectl send --url %s >/dev/null", getenv("TROVE_BUILD"), c->url);
	FILE *lines = popen(command, "we");
	while (lines != NULL && !atomic_load(c->is_over)) {
		(void)change(text, c->first + (unsigned)c->calls++);
		fprintf(lines, "%s\n", text);
		fflush(lines);
		usleep(1000);
	}
	int code = lines == NULL ? -1 : pclose(lines);
	c->failed += code != 0;
	snprintf(c->why, sizeof c->why, "trovectl send: %d", code);
	return NULL;
}

static void take_over(struct service *s)
{
	struct service next = *s;
	next.argument = "--take-over";
	service_launch(&next, sets);
	assert_int_equal(service_wait(s), 0);
	*s = next;
	if (!service_await(s))
		fail_msg("the new one is not ready:\n%s", service_log(s));
}

static void print_gaps(const struct service *s)
{
	char *log = service_log(s);
	unsigned found = 0;
	double sum = 0, most = 0;
	static const char said[] = "nobody listened for ";
	for (const char *at = log; (at = strstr(at, said)) != NULL; found++) {
		at += sizeof said - 1;
		double ms = strtod(at, NULL);
		sum += ms;
		most = ms > most ? ms : most;
	}
	print_message("%u take-overs: nobody listened for %.1f ms on average, %.1f at most\n", found, sum / found, most);
	assert_int_equal(found, TIMES);
	free(log);
}

static void check_callers(const struct caller *callers, size_t count, uint64_t *calls)
{
	*calls = 0;
	for (size_t i = 0; i < count; i++) {
		const struct caller *c = &callers[i];
		print_message("%s: %llu calls, the longest took %.1f ms\n", c->url, (unsigned long long)c->calls,
		              (double)c->longest_ns * 1e-6);
		if (c->failed != 0)
			fail_msg("%llu calls by caller %zu failed: %s", (unsigned long long)c->failed, i, c->why);
		*calls += c->calls;
	}
}

static void no_call_fails(void **state)
{
	(void)state;
	struct service s;
	atomic_bool is_over = false;
	struct receipt receipt;
	char folder[192], text[RECEIPT_TEXT_BYTES];
	uint64_t calls;
	service_start(&s, sets);
	struct caller callers[] = {{.url = s.tcp, .first = 1000000}, {.url = s.ipc, .first = 2000000},
	                           {.url = s.tcp, .first = 3000000}, {.url = s.ipc, .first = 4000000}};
	void *(*const runs[])(void *) = {call_bare, call_bare, call_by_client, call_by_trovectl};
	for (size_t i = 0; i < 4; i++) {
		callers[i].is_over = &is_over;
		assert_int_equal(pthread_create(&callers[i].thread, NULL, runs[i], &callers[i]), 0);
	}
	for (int i = 0; i < TIMES; i++) {
		clock_sleep_ms(200);
		take_over(&s);
	}
	clock_sleep_ms(200);
	atomic_store(&is_over, true);
	for (size_t i = 0; i < 4; i++)
		pthread_join(callers[i].thread, NULL);
	print_gaps(&s);
	check_callers(callers, 4, &calls);
	assert_int_equal(service_stop(&s, SIGTERM), 0);
	/* Each was done, and once. */
	snprintf(folder, sizeof folder, "%s/journal", s.folder);
	assert_int_equal(receipt_read(folder, &receipt, text), STATUS_ok);
	assert_int_equal(receipt.seq, calls);
}

static void ask(const struct service *s, unsigned id)
{
	char text[160], reply[1024];
	(void)change(text, id);
	assert_non_null(strstr(service_ask(s, s->tcp, text, reply, sizeof reply), "\"seq\":"));
}

static void wait_for_log(const struct service *s, const char *text)
{
	for (unsigned i = 0; !service_log_has(s, text); i++) {
		if (i == 400)
			fail_msg("no '%s' in the log:\n%s", text, service_log(s));
		clock_sleep_ms(50);
	}
}

/* Nobody there: an ordinary start. One that cannot start, or goes away in between: the old one goes on. */
static void the_old_one_goes_on_without_a_new_one(void **state)
{
	(void)state;
	struct service s, other;
	char path[256];
	static const char *const short_sets[] = {"memory.prefault=false", "service.drain_timeout_ms=0", NULL};
	service_place(&s);
	s.argument = "--take-over";
	service_again(&s, short_sets);
	assert_true(service_log_has(&s, "an ordinary start"));
	ask(&s, 1);
	other = s;
	const char *bad[] = {"rewards.file=/nowhere.csv", NULL};
	service_launch(&other, bad);
	assert_int_equal(service_wait(&other), 65);
	ask(&s, 2);
	snprintf(path, sizeof path, "%s/take-over.sock", s.folder);
	for (unsigned i = 0; i < 20; i++) {
		int fd = service_connect_unix(path);
		clock_sleep_ms(i % 7 * 5);
		close(fd);
		clock_sleep_ms(30);
	}
	wait_for_log(&s, "is gone: it goes on");
	ask(&s, 3);
	/* One that hangs before it says yes. */
	char word[16] = "";
	int hanging = service_connect_unix(path);
	assert_int_equal(recv(hanging, word, sizeof word - 1, 0), strlen("ready\n"));
	assert_string_equal(word, "ready\n");
	for (unsigned i = 0; !service_log_has(&s, "does not answer: it goes on"); i++) {
		assert_true(i < 200);
		clock_sleep_ms(50);
		ask(&s, 3);
	}
	close(hanging);
	take_over(&s);
	ask(&s, 4);
	/* Without the question the second one is refused, as ever. */
	other = s;
	other.argument = NULL;
	service_launch(&other, sets);
	assert_true(service_wait(&other) != 0);
	ask(&s, 5);
	/* One that is told to end while it waits for an old one that hangs: it does, and not both. */
	int code = -1;
	other = s;
	other.argument = "--take-over";
	assert_int_equal(kill(s.pid, SIGSTOP), 0);
	service_launch(&other, short_sets);
	for (unsigned i = 0; i < 400 && waitpid(other.pid, &code, WNOHANG) == 0; i++) {
		clock_sleep_ms(50);
		kill(other.pid, SIGTERM);
	}
	assert_true(code != -1);
	assert_int_equal(kill(s.pid, SIGCONT), 0);
	ask(&s, 6);
	assert_int_equal(service_stop(&s, SIGTERM), 0);
}

/* The disk of the next one that is started; stuck: a sync takes for ever. */
static void stick_disk(const struct service *s, bool is_stuck)
{
	char path[256];
	snprintf(path, sizeof path, "%s/slow", s->folder);
	FILE *file = is_stuck ? fopen(path, "we") : NULL;
	assert_true(is_stuck ? file != NULL && fputs("600000", file) > 0 && fclose(file) == 0 : unlink(path) == 0);
}

static void start_on_bad_disk(struct service *s, const char *const *some)
{
	char library[512];
	service_place(s);
	snprintf(library, sizeof library, "%s/tests/support/preload/faults.so", getenv("TROVE_BUILD"));
	setenv("LD_PRELOAD", library, 1);
	setenv("TROVE_FAULTS", s->folder, 1);
	setenv("ASAN_OPTIONS", "verify_asan_link_order=0", 1); /* its runtime is loaded second, which does no harm here */
	service_again(s, some);
	unsetenv("LD_PRELOAD");
}

/* A caller, a change that its disk keeps from being durable, and somebody who has asked: so it stays for as long as it may. */
static void ask_a_stuck_one(struct service *s, struct service *next, struct caller *c, const char *const *some)
{
	start_on_bad_disk(s, some);
	c->url = s->tcp;
	assert_int_equal(pthread_create(&c->thread, NULL, call_bare, c), 0);
	for (unsigned i = 0; service_metric(s, "trove_journal_seq") < 3; i++) {
		assert_true(i < 1000);
		clock_sleep_ms(10);
	}
	stick_disk(s, true);
	assert_true(service_metric_becomes(s, "trove_replies_held", 1));
	*next = *s;
	next->argument = "--take-over";
	service_launch(next, some);
	wait_for_log(s, "takes over");
}

static void end_caller(struct caller *c)
{
	uint64_t calls;
	clock_sleep_ms(200);
	atomic_store(c->is_over, true);
	pthread_join(c->thread, NULL);
	check_callers(c, 1, &calls);
}

/* Killed while it makes the snapshot, and behind the new one's yes: that one starts, and the caller gets its answer. */
static void the_new_one_starts_when_the_old_one_dies(void **state)
{
	(void)state;
	static const char *const with_snapshot[] = {"memory.prefault=false", "service.drain_timeout_ms=60000", NULL};
	static const char *const without[] = {"memory.prefault=false", "service.drain_timeout_ms=60000", "data.snapshot_bytes=0",
	                                      NULL};
	for (unsigned has_agreed = 0; has_agreed < 2; has_agreed++) {
		struct service s, next;
		struct receipt receipt;
		char folder[192], text[RECEIPT_TEXT_BYTES];
		atomic_bool is_over = false;
		struct caller c = {.first = 1000000, .is_over = &is_over};
		ask_a_stuck_one(&s, &next, &c, has_agreed ? without : with_snapshot);
		for (unsigned i = 0; has_agreed && service_get(&s, "/readyz") == 200; i++) {
			assert_true(i < 400);
			clock_sleep_ms(10);
		}
		clock_sleep_ms(100);
		assert_int_equal(service_get(&s, "/readyz"), has_agreed ? 503 : 200);
		assert_int_equal(service_stop(&s, SIGKILL), 128 + SIGKILL);
		if (!service_await(&next))
			fail_msg("the new one is not ready:\n%s", service_log(&next));
		assert_true(service_log_has(&next, "the old one died: a start as after a crash"));
		end_caller(&c);
		assert_int_equal(service_stop(&next, SIGTERM), 0);
		snprintf(folder, sizeof folder, "%s/journal", s.folder);
		assert_int_equal(receipt_read(folder, &receipt, text), STATUS_ok);
		assert_int_equal(receipt.seq, c.calls);
	}
}

/* Told to end while it makes the snapshot: then nobody is to run, and the new one does not wait for that. */
static void the_new_one_ends_when_the_old_one_is_told_to(void **state)
{
	(void)state;
	static const char *const some[] = {"memory.prefault=false", "service.drain_timeout_ms=60000", NULL};
	struct service s, next;
	atomic_bool is_over = false;
	struct caller c = {.first = 1000000, .is_over = &is_over};
	ask_a_stuck_one(&s, &next, &c, some);
	assert_int_equal(kill(s.pid, SIGTERM), 0);
	wait_for_log(&s, "signal 15: draining"); /* so it is not ready any more */
	stick_disk(&s, false);
	assert_false(service_await(&next));
	assert_int_equal(service_wait(&next), 75);
	assert_true(service_log_has(&next, "goes on, or ends by itself"));
	atomic_store(&is_over, true);
	pthread_join(c.thread, NULL);
	assert_int_equal(service_wait(&s), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_old_one_goes_on_without_a_new_one),
		cmocka_unit_test(the_new_one_starts_when_the_old_one_dies),
		cmocka_unit_test(the_new_one_ends_when_the_old_one_is_told_to),
		cmocka_unit_test(no_call_fails),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
