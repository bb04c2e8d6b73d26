/*
 * GET /latency of a running service: every event is in it once, and a delay that is put into the disk shows in the stage
 * that waits for it and nowhere else.
 */
#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "proto/event.h"
#include "tests/support/crowd.h"
#include "tests/support/peer.h"

#include <fcntl.h>
#include <jansson.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { ANSWER_BYTES = 512 << 10, SLOW_MS = 40 };

static const char *const sets[] = {"memory.prefault=false", "memory.pages=small", "events.threads=2", "log.level=warning", NULL};
static char answer[ANSWER_BYTES];

/* The answer's code; its body is behind the blank line, which *body gets. */
static int get(const struct service *s, const char *target, const char **body)
{
	char request[256];
	int count = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n", target);
	int code = 0;
	(void)service_http(s, request, (size_t)count, answer, sizeof answer);
	*body = strstr(answer, "\r\n\r\n");
	if (*body == NULL || sscanf(answer, "HTTP/1.1 %d", &code) != 1)
		fail_msg("GET %s was answered '%.60s'", target, answer);
	return code;
}

static json_t *latency(const struct service *s, const char *target)
{
	const char *body;
	json_error_t error;
	assert_int_equal(get(s, target, &body), 200);
	json_t *root = json_loads(body, 0, &error);
	if (root == NULL)
		fail_msg("GET %s: %s", target, error.text);
	return root;
}

static json_t *stage(json_t *root, const char *type, const char *name)
{
	json_t *row;
	size_t i;
	json_array_foreach(json_object_get(root, "events"), i, row)
		if (strcmp(json_string_value(json_object_get(row, "type")), type) == 0)
			return json_object_get(json_object_get(row, "stages"), name);
	return NULL;
}

/* Below 0: not there. */
static double number(json_t *root, const char *type, const char *name, const char *window, const char *figure)
{
	json_t *value = json_object_get(json_object_get(stage(root, type, name), window), figure);
	return value == NULL ? -1 : json_number_value(value);
}

/* ---- counts ---------------------------------------------------------------------------------- */

static double counted(const struct service *s, const char *name, enum event_type type)
{
	char series[96];
	snprintf(series, sizeof series, "%s{type=\"%s\"}", name, event_name(type));
	return service_metric(s, series);
}

/* What was answered last may not have left quite yet. */
static bool all_are_counted(const struct service *s, double *total)
{
	*total = 0;
	json_t *root = latency(s, "/latency");
	double everything = number(root, "all", "whole", "life", "count");
	bool good = true;
	for (unsigned i = 1; i <= EVENT_TYPE_MAX; i++) {
		enum event_type type = (enum event_type)i;
		double events = counted(s, "trove_events_total", type);
		double timed = number(root, event_name(type), "whole", "life", "count");
		good &= (events == 0 && timed < 0) || events == timed;
		good &= events == counted(s, "trove_event_duration_seconds_count", type);
		*total += events;
	}
	json_decref(root);
	return good && everything == *total;
}

static void every_event_is_in_it_once(void **state)
{
	(void)state;
	struct service s;
	struct crowd *crowd = calloc(1, sizeof *crowd);
	struct peer p;
	char reply[4096];
	double total;
	service_start(&s, sets);
	crowd_init(crowd, &s, 4, 11);
	crowd_start(crowd);
	assert_true(peer_open(&p, s.port));
	/* Queries among changes, some of them refused, and what is no event at all. */
	for (int i = 0; i < 200; i++) {
		assert_true(peer_ask(&p, "[{\"type\":\"ping\"},{\"type\":\"payment.get\",\"payment\":5},"
		                     "{\"type\":\"locate\",\"x\":1,\"y\":2},{\"type\":\"locate\",\"x\":1,\"z\":2}]",
		                     reply, sizeof reply));
		assert_true(peer_ask(&p, "{\"type\":\"ping\"}", reply, sizeof reply));
		assert_true(peer_ask(&p, "none", reply, sizeof reply));
	}
	peer_close(&p);
	crowd_stop(crowd);
	crowd_deinit(crowd);
	free(crowd);
	bool good = false;
	for (int i = 0; i < 100 && !good; i++, clock_sleep_ms(20))
		good = all_are_counted(&s, &total);
	assert_true(good);
	assert_true(total > 800);
	/* Locate with z is no event; the ping beside payment.get waited for the writer with it. */
	json_t *root = latency(&s, "/latency");
	double pings = number(root, "ping", "whole", "life", "count");
	assert_true(pings >= 400); /* the crowd's, too */
	assert_true(number(root, "ping", "queue", "life", "count") == 200);
	assert_true(number(root, "ping", "plan", "life", "count") == pings);
	assert_true(number(root, "ping", "send", "life", "count") == pings);
	assert_true(number(root, "locate", "whole", "life", "count") == 200);
	json_t *messages = json_object_get(json_object_get(json_object_get(root, "messages"), "stages"), "whole");
	assert_true(json_number_value(json_object_get(json_object_get(messages, "life"), "count")) >= 600);
	json_decref(root);
	assert_int_equal(service_stop(&s, SIGTERM), 0);
}

/* ---- a delay --------------------------------------------------------------------------------- */

static void start_on_slow_disk(struct service *s, char *file, size_t capacity)
{
	char library[512], folder[160];
	service_place(s);
	snprintf(folder, sizeof folder, "%s/faults", s->folder);
	assert_int_equal(mkdir(folder, 0700), 0);
	snprintf(file, capacity, "%s/slow", folder);
	snprintf(library, sizeof library, "%s/tests/support/preload/faults.so", getenv("TROVE_BUILD"));
	setenv("LD_PRELOAD", library, 1);
	setenv("TROVE_FAULTS", folder, 1);
	/* Its runtime is loaded second, which does no harm here. */
	setenv("ASAN_OPTIONS", "verify_asan_link_order=0", 1);
	service_again(s, sets);
	unsetenv("LD_PRELOAD");
	unsetenv("TROVE_FAULTS");
}

static void slow_down(const char *file, int ms)
{
	char text[32];
	int fd = open(file, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
	int count = snprintf(text, sizeof text, "%d", ms);
	assert_true(fd >= 0 && write(fd, text, (size_t)count) == count);
	close(fd);
}

static void pay(struct peer *p, int from, int to)
{
	char json[160], reply[1024];
	for (int i = from; i < to; i++) {
		snprintf(json, sizeof json, "{\"type\":\"payment.authorize\",\"id\":%d,\"payment\":%d,\"amount\":5,\"currency\":\"EUR\"}",
		         i, i);
		assert_true(peer_ask(p, json, reply, sizeof reply));
		assert_non_null(strstr(reply, "\"state\":\"authorized\""));
		assert_true(peer_ask(p, "{\"type\":\"ping\"}", reply, sizeof reply));
	}
}

static void a_slow_disk_shows_in_its_stage(void **state)
{
	(void)state;
	struct service s;
	struct peer p;
	char file[192];
	start_on_slow_disk(&s, file, sizeof file);
	assert_true(peer_open(&p, s.port));
	pay(&p, 1, 21);
	clock_sleep_ms(50);
	json_t *root = latency(&s, "/latency?p=50");
	double before = number(root, "payment.authorize", "journal", "life", "p50");
	json_decref(root);
	assert_true(before > 0);

	slow_down(file, SLOW_MS);
	pay(&p, 21, 61);
	clock_sleep_ms(50);
	root = latency(&s, "/latency?p=50,60");
	double slow_us = SLOW_MS * 1e3 * 0.99; /* the histogram's error */
	static const char *const others[] = {"decode", "queue", "plan", "send"};
	double journal = number(root, "payment.authorize", "journal", "life", "p60");
	double whole = number(root, "payment.authorize", "whole", "life", "p60");
	print_message("journal: %.0f us before, %.0f us with %d ms more; whole %.0f us\n", before, journal, SLOW_MS, whole);
	assert_true(before < slow_us);
	assert_true(journal >= slow_us && whole >= journal * 0.99);
	for (size_t i = 0; i < COUNT_OF(others); i++) {
		double us = number(root, "payment.authorize", others[i], "minute", "p60");
		assert_true(us >= 0);
		if (us > slow_us / 2)
			fail_msg("%s takes %.0f us", others[i], us);
	}
	assert_true(number(root, "ping", "whole", "life", "p60") < slow_us / 2);
	assert_null(stage(root, "ping", "journal"));
	json_decref(root);
	peer_close(&p);
	assert_int_equal(service_stop(&s, SIGTERM), 0);
}

/* ---- what is asked --------------------------------------------------------------------------- */

static void what_is_asked_for(void **state)
{
	(void)state;
	struct service s;
	struct peer p;
	char reply[256];
	const char *body;
	service_start(&s, sets);
	assert_true(peer_open(&p, s.port) && peer_ask(&p, "{\"type\":\"ping\"}", reply, sizeof reply));
	clock_sleep_ms(50);
	json_t *root = latency(&s, "/latency?p=99");
	assert_true(number(root, "ping", "whole", "life", "p99") > 0);
	assert_true(number(root, "ping", "whole", "minute", "p50") == -1);
	json_decref(root);
	root = latency(&s, "/latency?p=50%2C99.99");
	assert_true(number(root, "ping", "whole", "minute", "p99.99") > 0);
	json_decref(root);
	assert_int_equal(get(&s, "/latency?p=101", &body), 400);
	assert_non_null(strstr(body, "\"error\":"));
	assert_int_equal(get(&s, "/latency?p=none", &body), 400);
	assert_int_equal(get(&s, "/latency?type=lokate", &body), 400);
	assert_non_null(strstr(body, "name of an event"));
	assert_int_equal(get(&s, "/", &body), 200);
	assert_non_null(strstr(answer, "Content-Security-Policy: default-src 'none'; "));
	assert_non_null(strstr(body, "<title>trove</title>"));
	assert_non_null(strstr(body, "</html>"));
	peer_close(&p);
	assert_int_equal(service_stop(&s, SIGTERM), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_event_is_in_it_once),
		cmocka_unit_test(a_slow_disk_shows_in_its_stage),
		cmocka_unit_test(what_is_asked_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
