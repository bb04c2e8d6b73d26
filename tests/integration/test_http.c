/*
 * Dialogues over HTTP with a running troved: who may do what, on which listener, with which answer; and that a
 * connection stays in step through it all.
 */
#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "tests/support/http.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#define TOKEN "Authorization: Bearer geheim\r\n"
#define END "Host: trove\r\n\r\n"

static struct http *observe(void **state) { return http_open((uint16_t)(((struct service *)*state)->port + 9)); }
static struct http *admin(void **state) { return http_open((uint16_t)(((struct service *)*state)->port + 8)); }

static void test_probes_and_pages(void **state)
{
	struct http *h = observe(state);
	static const char *const paths[] = {"/livez", "/readyz", "/healthz", "/metrics", "/allocator", "/allocator/doctor",
	                                    "/version", "/config", "/stats", "/latency?p=50", "/debug/pprof/heap"};
	for (size_t i = 0; i < COUNT_OF(paths); i++) {
		char text[128];
		snprintf(text, sizeof text, "GET %s HTTP/1.1\r\n" END, paths[i]);
		assert_int_equal(http_ask(h, text), 200);
		assert_false(h->says_close);
		assert_string_equal(http_header(h, "Server"), "");
		assert_string_not_equal(http_header(h, "Date"), "");
		assert_string_not_equal(http_header(h, "Content-Type"), "");
		size_t bytes = h->body_bytes;
		assert_true(bytes > 0);
		snprintf(text, sizeof text, "HEAD %s HTTP/1.1\r\n" END, paths[i]);
		assert_int_equal(http_ask(h, text), 200);
		/* Numbers grow by a digit now and then. */
		assert_in_range(strtoul(http_header(h, "Content-Length"), NULL, 10), bytes * 9 / 10, bytes * 11 / 10 + 8);
		assert_int_equal(h->count, 0);
	}
	http_close(&h);
}

static json_t *get_json(struct http *h, const char *path)
{
	char text[128];
	json_error_t error;
	snprintf(text, sizeof text, "GET %s HTTP/1.1\r\n" END, path);
	assert_int_equal(http_ask(h, text), 200);
	assert_string_equal(http_header(h, "Content-Type"), "application/json");
	json_t *root = json_loadb(h->body, h->body_bytes, JSON_REJECT_DUPLICATES, &error);
	if (root == NULL)
		fail_msg("%s: %s at line %d", path, error.text, error.line);
	return root;
}

static double number_in(const json_t *metrics, const char *name)
{
	const json_t *value = json_object_get(metrics, name);
	if (!json_is_number(value))
		fail_msg("/stats has no %s", name);
	return json_number_value(value);
}

/* Every family that /metrics has, but the histograms and what `memory` says. */
static void check_families(struct http *h, const json_t *metrics)
{
	assert_int_equal(http_ask(h, "GET /metrics HTTP/1.1\r\n" END), 200);
	char *text = strndup(h->body, h->body_bytes), *rest = text;
	unsigned count = 0;
	for (const char *line; (line = strsep(&rest, "\n")) != NULL;) {
		char name[128], type[16];
		if (sscanf(line, "# TYPE %127s %15s", name, type) != 2 || strcmp(type, "histogram") == 0 ||
		    strncmp(name, "allocator_", strlen("allocator_")) == 0)
			continue;
		if (json_object_get(metrics, name) == NULL)
			fail_msg("/stats has no %s", name);
		count++;
	}
	free(text);
	assert_true(count > 50);
}

/* Of the process itself, as it looks from outside. */
static void check_process(const struct service *s, const json_t *metrics)
{
	double resident = number_in(metrics, "process_resident_memory_bytes"), rss = (double)service_rss_kib(s) * 1024;
	assert_true(resident > rss / 2 && resident < rss * 2);
	double files = number_in(metrics, "process_open_fds"), seen = service_descriptors(s);
	assert_true(files > seen / 2 && files < seen * 2 && files < number_in(metrics, "process_max_fds"));
	assert_true(number_in(metrics, "process_threads") > 1);
	assert_true(number_in(metrics, "process_cpu_seconds_total") > 0);
	double age_s = (double)clock_unix_ms() / 1000 - number_in(metrics, "process_start_time_seconds");
	assert_true(age_s > -2 && age_s < 600);
}

static void test_what_pages_say(void **state)
{
	struct http *h = observe(state);
	const struct service *s = *state;
	char reply[256];
	service_ask(s, s->tcp, "{\"type\":\"ping\"}", reply, sizeof reply);
	json_t *stats = get_json(h, "/stats"), *metrics = json_object_get(stats, "metrics");
	json_int_t pings = json_integer_value(json_object_get(json_object_get(metrics, "trove_events_total"), "ping"));
	assert_true(pings >= 1);
	assert_int_equal(json_integer_value(json_object_get(metrics, "trove_ready")), 1);
	assert_non_null(json_object_get(json_object_get(metrics, "trove_http_answers_total"), "observe,2xx"));
	assert_null(json_object_get(metrics, "trove_message_duration_seconds_bucket"));
	assert_true(json_array_size(json_object_get(json_object_get(stats, "memory"), "pools")) > 2);
	check_process(s, metrics);
	check_families(h, metrics);
	service_ask(s, s->tcp, "{\"type\":\"ping\"}", reply, sizeof reply);
	json_t *again = get_json(h, "/stats");
	metrics = json_object_get(again, "metrics");
	assert_int_equal(json_integer_value(json_object_get(json_object_get(metrics, "trove_events_total"), "ping")), pings + 1);

	json_t *config = get_json(h, "/config"), *token = json_object_get(config, "admin.token");
	assert_string_equal(json_string_value(json_object_get(token, "value")), "********");
	assert_string_equal(json_string_value(json_object_get(token, "source")), "command line");
	assert_null(strstr(h->body, "geheim"));
	token = json_object_get(config, "carts.capacity");
	assert_string_equal(json_string_value(json_object_get(token, "source")), "default");
	assert_true(json_is_integer(json_object_get(token, "value")));
	json_t *version = get_json(h, "/version");
	assert_non_null(json_object_get(version, "version"));
	json_decref(version);
	json_decref(again);
	json_decref(stats);
	json_decref(config);
	http_close(&h);
}

static void test_codes(void **state)
{
	static const struct {
		bool is_admin;
		int code;
		const char *text, *allow;
	} cases[] = {
		{false, 404, "GET /nothing HTTP/1.1\r\n" END, ""},
		{false, 405, "POST /nothing HTTP/1.1\r\nContent-Length: 0\r\n" END, "GET, HEAD"},
		{false, 405, "POST /livez HTTP/1.1\r\nContent-Length: 2\r\n" END "{}", "GET, HEAD"},
		{false, 405, "DELETE /metrics HTTP/1.1\r\n" END, "GET, HEAD"},
		{false, 405, "OPTIONS /metrics HTTP/1.1\r\n" END, "GET, HEAD"},
		{false, 405, "POST /drain HTTP/1.1\r\n" TOKEN "Content-Length: 0\r\n" END, ""},
		{false, 405, "PUT /log/level HTTP/1.1\r\n" TOKEN "Content-Length: 5\r\n" END "debug", ""},
		{false, 405, "GET /drain HTTP/1.1\r\n" END, ""},
		{false, 400, "GET /latency?p=many HTTP/1.1\r\n" END, ""},
		{true, 404, "POST /nothing HTTP/1.1\r\nContent-Length: 0\r\n" END, ""},
		{true, 405, "GET /drain HTTP/1.1\r\n" TOKEN END, "POST"},
		{true, 405, "HEAD /drain HTTP/1.1\r\n" TOKEN END, "POST"},
		{true, 405, "POST /log/level HTTP/1.1\r\n" TOKEN "Content-Length: 5\r\n" END "debug", "PUT"},
		{true, 401, "POST /drain HTTP/1.1\r\nContent-Length: 0\r\n" END, ""},
		{true, 401, "POST /drain HTTP/1.1\r\nAuthorization: Basic Z2VoZWlt\r\nContent-Length: 0\r\n" END, ""},
		{true, 403, "POST /drain HTTP/1.1\r\nAuthorization: Bearer geheimer\r\nContent-Length: 0\r\n" END, ""},
		{true, 403, "POST /drain HTTP/1.1\r\nAuthorization: Bearer gehei\r\nContent-Length: 0\r\n" END, ""},
		{true, 401, "POST /drain HTTP/1.1\r\nAuthorization: Bearer \r\nContent-Length: 0\r\n" END, ""},
		{true, 400, "PUT /log/level HTTP/1.1\r\n" TOKEN "Content-Length: 4\r\n" END "loud", ""},
		{true, 400, "PUT /log/level HTTP/1.1\r\n" TOKEN "Content-Length: 0\r\n" END, ""},
		{true, 200, "PUT /log/level HTTP/1.1\r\n" TOKEN "Content-Length: 5\r\n" END "debug", ""},
		{true, 200, "PUT /log/level HTTP/1.1\r\n" TOKEN "Transfer-Encoding: chunked\r\n" END "4\r\ninfo\r\n0\r\n\r\n", ""},
		{true, 200, "PUT /log/level HTTP/1.1\r\nauthorization: bearer geheim\r\nContent-Length: 16\r\n" END
		            "{\"level\":\"info\"}", ""},
		{true, 200, "POST /arena/reset HTTP/1.1\r\n" TOKEN "Content-Length: 0\r\n" END, ""},
		{true, 200, "GET /metrics HTTP/1.1\r\n" END, ""},
	};
	struct http *h[] = {observe(state), admin(state)};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct http *one = h[cases[i].is_admin];
		int code = http_ask(one, cases[i].text);
		if (code != cases[i].code || one->says_close)
			fail_msg("%s: %d, expected %d\n%s", cases[i].text, code, cases[i].code, one->head);
		if (strcmp(http_header(one, "Allow"), cases[i].allow) != 0)
			fail_msg("%s: Allow: %s, expected %s", cases[i].text, http_header(one, "Allow"), cases[i].allow);
		if (code == 401)
			assert_string_equal(http_header(one, "WWW-Authenticate"), "Bearer");
	}
	http_close(&h[0]);
	http_close(&h[1]);
}

/* Each ends the connection, and says so before. */
static void test_broken_requests(void **state)
{
	static char long_path[20000], long_header[20000];
	snprintf(long_path, sizeof long_path, "GET /%0*d HTTP/1.1\r\n" END, 18000, 1);
	snprintf(long_header, sizeof long_header, "GET / HTTP/1.1\r\nX: %0*d\r\n" END, 18000, 1);
	const struct {
		int code;
		const char *text;
	} cases[] = {
		{400, "hello\r\n\r\n"},
		{400, "GET /livez HTTP/1.1\r\n\r\n"},
		{505, "GET /livez HTTP/3.0\r\n" END},
		{414, long_path},
		{431, long_header},
		{413, "POST /drain HTTP/1.1\r\n" TOKEN "Content-Length: 65537\r\n" END},
		{413, "POST /drain HTTP/1.1\r\n" TOKEN "Content-Length: 20000\r\nExpect: 100-continue\r\n" END},
		{417, "POST /drain HTTP/1.1\r\n" TOKEN "Content-Length: 1\r\nExpect: more\r\n" END},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct http *h = admin(state);
		http_say(h, cases[i].text);
		int code = http_read(h, false);
		if (code == 100) { /* the body is taken until it is too much */
			static char body[20000];
			http_send(h, body, sizeof body);
			code = http_read(h, false);
		}
		if (code != cases[i].code)
			fail_msg("%.60s: %d, expected %d", cases[i].text, code, cases[i].code);
		assert_true(h->says_close && http_ends(h));
		http_close(&h);
	}
}

static void test_continue(void **state)
{
	struct http *h = admin(state);
	http_say(h, "PUT /log/level HTTP/1.1\r\n" TOKEN "Content-Length: 4\r\nExpect: 100-continue\r\n" END);
	assert_int_equal(http_read(h, false), 100);
	assert_int_equal(http_ask(h, "info"), 200);
	/* Who may not need not send the body. */
	http_say(h, "PUT /log/level HTTP/1.1\r\nContent-Length: 4\r\nExpect: 100-continue\r\n" END);
	assert_int_equal(http_read(h, false), 401);
	assert_true(h->says_close && http_ends(h));
	http_close(&h);
}

static void test_pipelining(void **state)
{
	struct http *h = observe(state);
	enum { COUNT = 500 };
	static const char *const texts[] = {"GET /livez HTTP/1.1\r\n" END, "HEAD /metrics HTTP/1.1\r\n" END,
	                                    "GET /version HTTP/1.1\r\n" END, "POST /x HTTP/1.1\r\nContent-Length: 3\r\n" END "abc"};
	static const int codes[] = {200, 200, 200, 405};
	for (int i = 0; i < COUNT; i++)
		assert_true(http_say(h, texts[i % 4]));
	for (int i = 0; i < COUNT; i++)
		assert_int_equal(http_read(h, i % 4 == 1), codes[i % 4]);
	assert_int_equal(http_ask(h, "GET /livez HTTP/1.1\r\nConnection: close\r\n" END), 200);
	assert_true(h->says_close && http_ends(h));
	http_close(&h);
	h = observe(state);
	assert_int_equal(http_ask(h, "GET /livez HTTP/1.0\r\n\r\n"), 200);
	assert_true(http_ends(h));
	http_close(&h);
	h = observe(state);
	assert_int_equal(http_ask(h, "GET /livez HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"), 200);
	assert_string_equal(http_header(h, "Connection"), "keep-alive");
	assert_int_equal(http_ask(h, "GET /livez HTTP/1.0\r\n\r\n"), 200);
	http_close(&h);
	/* Half of the way is shut, but the answer is read. */
	h = observe(state);
	http_say(h, "GET /metrics HTTP/1.1\r\n" END);
	shutdown(h->fd, SHUT_WR);
	assert_int_equal(http_read(h, false), 200);
	http_close(&h);
}

static void test_unix_socket(void **state)
{
	const struct service *s = *state;
	char path[192];
	struct stat about;
	snprintf(path, sizeof path, "%s/admin.sock", s->folder);
	assert_int_equal(stat(path, &about), 0);
	assert_int_equal(about.st_mode & 0777, 0600);
	struct http *h = http_open_unix(path);
	assert_int_equal(http_ask(h, "GET /readyz HTTP/1.1\r\n" END), 200);
	assert_int_equal(http_ask(h, "POST /snapshot HTTP/1.1\r\nContent-Length: 0\r\n" END), 401);
	http_close(&h);
}

static void test_snapshot_on_demand(void **state)
{
	const struct service *s = *state;
	char reply[256];
	struct http *h = admin(state);
	static const char post[] = "POST /snapshot HTTP/1.1\r\n" TOKEN "Content-Length: 0\r\n" END;
	static const char put[] = "{\"type\":\"product.put\",\"id\":1,\"sku\":\"tea\",\"unit_price\":250,\"currency\":\"EUR\"}";
	assert_int_equal(http_ask(h, post), 200);
	assert_non_null(strstr(h->body, "nothing is newer"));
	assert_non_null(strstr(service_ask(s, s->tcp, put, reply, sizeof reply), "\"seq\":1"));
	assert_int_equal(http_ask(h, post), 202);
	assert_true(service_metric_becomes(s, "trove_snapshots_total", 1));
	assert_int_equal(http_ask(h, post), 200);
	http_close(&h);
}

/* Who is silent between requests is closed without a word, who stays in the middle of one is told. */
static void test_time_is_up(void **state)
{
	(void)state;
	static const char *const sets[] = {"rewards.capacity=1000", "observe.idle_timeout_ms=300", "observe.request_timeout_ms=1000",
	                                   NULL};
	struct service s;
	service_start(&s, sets);
	struct http *half = http_open((uint16_t)(s.port + 9)), *idle = http_open((uint16_t)(s.port + 9));
	assert_true(http_say(half, "GET /livez HTTP/1.1\r\nX: "));
	int64_t start_ns = clock_monotonic_ns();
	assert_int_equal(http_ask(idle, "GET /livez HTTP/1.1\r\n" END), 200);
	assert_false(idle->says_close);
	assert_true(http_ends(idle));
	assert_true(clock_monotonic_ns() - start_ns >= 300000000);
	assert_int_equal(http_read(half, false), 408);
	assert_true(half->says_close && http_ends(half));
	http_close(&idle);
	http_close(&half);
	assert_true(service_metric(&s, "trove_http_drops_total{reason=\"idle_timeout\"}") >= 1);
	assert_true(service_metric(&s, "trove_http_drops_total{reason=\"request_timeout\"}") >= 1);
	assert_int_equal(service_stop(&s, SIGTERM), 0);
}

/* The service waits for the rewards that somebody writes into the pipe. */
static void test_recovering(void **state)
{
	(void)state;
	static const char rewards[] = "id,x,y,radius\n7,13.4,52.5,100\n";
	struct service s;
	char fifo[200], set[240], listen[80];
	service_place(&s);
	snprintf(fifo, sizeof fifo, "%s.fifo", s.folder);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	snprintf(set, sizeof set, "rewards.file=%s", fifo);
	snprintf(listen, sizeof listen, "admin.listen=127.0.0.1:%u", s.port + 8u);
	const char *const sets[] = {"rewards.capacity=1000", set, listen, NULL};
	service_launch(&s, sets);
	/* Opening waits for the reader. */
	int fd = open(fifo, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	struct http *h[] = {http_open((uint16_t)(s.port + 9)), http_open((uint16_t)(s.port + 8))};
	for (size_t i = 0; i < COUNT_OF(h); i++) {
		assert_int_equal(http_ask(h[i], "GET /livez HTTP/1.1\r\n" END), 200);
		assert_int_equal(http_ask(h[i], "GET /readyz HTTP/1.1\r\n" END), 503);
		assert_non_null(strstr(h[i]->body, "\"recovering\""));
		assert_int_equal(http_ask(h[i], "GET / HTTP/1.1\r\n" END), 200);
		assert_int_equal(http_ask(h[i], "HEAD /config HTTP/1.1\r\n" END), 200);
		json_t *config = get_json(h[i], "/config"), *version = get_json(h[i], "/version");
		assert_string_equal(json_string_value(json_object_get(json_object_get(config, "rewards.file"), "value")), fifo);
		assert_string_equal(json_string_value(json_object_get(version, "name")), "trove");
		assert_null(json_object_get(version, "kernel"));
		json_decref(config);
		json_decref(version);
		assert_int_equal(http_ask(h[i], "GET /metrics HTTP/1.1\r\n" END), 503);
		assert_string_equal(http_header(h[i], "Retry-After"), "1");
		assert_non_null(strstr(h[i]->body, "recovering"));
	}
	assert_int_equal(http_ask(h[1], "POST /drain HTTP/1.1\r\nContent-Length: 0\r\n" END), 503);
	assert_int_equal(write(fd, rewards, sizeof rewards - 1), sizeof rewards - 1);
	close(fd);
	assert_true(service_await(&s));
	json_t *version = get_json(h[0], "/version");
	assert_non_null(json_object_get(version, "kernel"));
	json_decref(version);
	http_close(&h[0]);
	http_close(&h[1]);
	unlink(fifo);
	assert_int_equal(service_stop(&s, SIGTERM), 0);
}

/* The last: it stops the service. */
static void test_drain(void **state)
{
	struct service *s = *state;
	struct http *h = admin(state), *probe = observe(state);
	assert_int_equal(http_ask(h, "POST /drain HTTP/1.1\r\n" TOKEN "Content-Length: 0\r\n" END), 202);
	assert_int_equal(http_ask(probe, "GET /readyz HTTP/1.1\r\n" END), 503);
	assert_non_null(strstr(probe->body, "\"draining\""));
	assert_int_equal(http_ask(probe, "GET /healthz HTTP/1.1\r\n" END), 503);
	assert_int_equal(http_ask(probe, "GET /livez HTTP/1.1\r\n" END), 200);
	http_close(&probe);
	assert_int_equal(http_ask(h, "POST /drain HTTP/1.1\r\n" TOKEN "Content-Length: 0\r\n" END), 202);
	http_close(&h);
	assert_int_equal(service_wait(s), 0);
	char path[192];
	snprintf(path, sizeof path, "%s/admin.sock", s->folder);
	assert_int_not_equal(access(path, F_OK), 0);
}

static void start(struct service *s, const char *token)
{
	char listen[400], secret[64];
	service_place(s);
	snprintf(listen, sizeof listen, "admin.listen=[127.0.0.1:%u,unix:{data.directory}/admin.sock]", s->port + 8u);
	snprintf(secret, sizeof secret, "admin.token=%s", token);
	const char *const sets[] = {"rewards.capacity=1000", "service.drain_delay_ms=1000", listen, secret, NULL};
	service_again(s, sets);
}

static void test_without_a_token(void **state)
{
	(void)state;
	struct service s;
	char reply[256];
	start(&s, "");
	service_ask(&s, s.tcp, "{\"type\":\"no such event\"}", reply, sizeof reply);
	struct http *h = http_open((uint16_t)(s.port + 8));
	/* A page that the operator looks at makes his browser send this. */
	assert_int_equal(http_ask(h, "POST /drain HTTP/1.1\r\nOrigin: http://evil\r\nContent-Length: 0\r\n" END), 403);
	assert_int_equal(http_ask(h, "POST /arena/reset HTTP/1.1\r\nContent-Length: 0\r\n" END), 200);
	/* Nobody asks for anything: so no reply is held, where a whole buffer is ready for one. */
	assert_int_equal((int)service_metric(&s, "allocator_high_water_bytes{kind=\"arena\",name=\"reply buffers\"}"), 0);
	assert_int_equal((int)service_metric(&s, "allocator_in_use_bytes{kind=\"arena\",name=\"reply buffers\"}"), 0);
	service_ask(&s, s.tcp, "{\"type\":\"ping\"}", reply, sizeof reply);
	assert_int_equal((int)service_metric(&s, "allocator_high_water_bytes{kind=\"arena\",name=\"reply buffers\"}"),
	                 (int)strlen(reply));
	http_close(&h);
	/* Killed, it leaves its socket's file behind; the next one takes its place. */
	assert_int_equal(service_stop(&s, SIGKILL), 128 + SIGKILL);
	char listen[300];
	snprintf(listen, sizeof listen, "admin.listen=unix:%s/admin.sock", s.folder);
	const char *const sets[] = {"rewards.capacity=1000", listen, NULL};
	service_again(&s, sets);
	assert_int_equal(service_stop(&s, SIGTERM), 0);
	static const char *const remote[] = {"admin.listen=0.0.0.0:0", NULL}, *const six[] = {"admin.listen=[::]:0", NULL};
	assert_int_equal(service_refused(&s, remote), 78);
	assert_true(service_log_has(&s, "set admin.token"));
	assert_int_equal(service_refused(&s, six), 78);
}

static int setup(void **state)
{
	struct service *s = malloc(sizeof *s);
	start(s, "geheim");
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct service *s = *state;
	if (s->pid != 0)
		service_stop(s, SIGKILL);
	free(s);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_probes_and_pages), cmocka_unit_test(test_what_pages_say), cmocka_unit_test(test_codes),
		cmocka_unit_test(test_broken_requests),  cmocka_unit_test(test_continue),       cmocka_unit_test(test_pipelining),
		cmocka_unit_test(test_unix_socket),      cmocka_unit_test(test_snapshot_on_demand),
		cmocka_unit_test(test_without_a_token),  cmocka_unit_test(test_recovering),
		cmocka_unit_test(test_time_is_up),
		cmocka_unit_test(test_drain),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
