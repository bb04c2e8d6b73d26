/*
 * The service over its socket, beside a bare nng echo and Redis, all on this machine
 * in one run. Rounds go over all of them in turn, so that what the machine does
 * meanwhile hits all alike; ratios are taken within a round.
 *
 * One million rewards, uniform over two degrees at the equator, 4096 fixed queries of
 * a circle with about ten rewards in it. Everyone gets the same points and queries.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "cmd/trovebench/bench_service.h"

#include "cmd/trovebench/child.h"
#include "cmd/trovebench/load.h"
#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/random.h"
#include "proto/frame.h"

#include <hiredis/hiredis.h>
#include <limits.h>
#include <math.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { QUERIES = 4096, BATCH = 64, IN_FLIGHT = 64, BATCHES_IN_FLIGHT = 16 };
static const double metres_per_degree = 6371008.8 * 3.14159265358979323846 / 180;

struct bench {
	const struct bench_service_options *options;
	char directory[PATH_MAX];
	char program_directory[PATH_MAX];
	double *x, *y; /* points */
	double radius_m;
	struct locate_record *query;
	uint8_t *bytes; /* all messages */
	struct load_message single[QUERIES], batch[QUERIES / BATCH], json[QUERIES];
	pid_t troved, redis;
	redisContext *redis_connection;
};

/* ---- the bare echo: the least that any nng service does ----------------------------- */

struct echo_context {
	nng_ctx ctx;
	nng_aio *aio;
	bool is_sending;
};

struct echo {
	struct echo_context context[IN_FLIGHT];
	size_t reply_bytes;
};

static struct echo *echo_of(const struct echo_context *c);

static void on_echo(void *argument)
{
	struct echo_context *c = argument;
	if (nng_aio_result(c->aio) != 0)
		return;
	if (c->is_sending) {
		c->is_sending = false;
		nng_ctx_recv(c->ctx, c->aio);
		return;
	}
	nng_msg *message = nng_aio_get_msg(c->aio);
	nng_msg_realloc(message, echo_of(c)->reply_bytes);
	c->is_sending = true;
	nng_aio_set_msg(c->aio, message);
	nng_ctx_send(c->ctx, c->aio);
}

/* A process has one echo; the library's callback has room for one pointer only. */
static struct echo the_echo;
static struct echo *echo_of(const struct echo_context *c)
{
	(void)c;
	return &the_echo;
}

int bench_service_echo(const char *url, size_t reply_bytes)
{
	nng_socket socket;
	the_echo.reply_bytes = reply_bytes;
	CHECK(nng_rep0_open(&socket) == 0, "rep");
	for (int i = 0; i < IN_FLIGHT; i++) {
		struct echo_context *c = &the_echo.context[i];
		CHECK(nng_aio_alloc(&c->aio, on_echo, c) == 0 && nng_ctx_open(&c->ctx, socket) == 0, "context");
	}
	CHECK(nng_listen(socket, url, NULL, 0) == 0, "listen on %s", url);
	for (int i = 0; i < IN_FLIGHT; i++)
		nng_ctx_recv(the_echo.context[i].ctx, the_echo.context[i].aio);
	for (;;)
		pause();
}

/* ---- points, queries and the messages that carry them --------------------------------- */

static void make_points(struct bench *b)
{
	struct random random = {20260101};
	size_t n = b->options->points;
	b->x = malloc(n * sizeof *b->x);
	b->y = malloc(n * sizeof *b->y);
	b->query = calloc(QUERIES, sizeof *b->query);
	CHECK(b->x != NULL && b->y != NULL && b->query != NULL, "memory");
	for (size_t i = 0; i < n; i++) {
		b->x[i] = random_between(&random, 0, 2);
		b->y[i] = random_between(&random, -1, 1);
	}
	b->radius_m = sqrt(10.0 * 4.0 / (double)n / 3.14159265358979323846) * metres_per_degree;
	for (size_t i = 0; i < QUERIES; i++) {
		b->query[i].x = random_between(&random, 0.05, 1.95);
		b->query[i].y = random_between(&random, -0.95, 0.95);
		b->query[i].area = LOCATE_RADIUS;
		b->query[i].radius = b->radius_m;
		b->query[i].limit = LOCATE_LIMIT_DEFAULT;
	}
}

static void make_messages(struct bench *b)
{
	struct cursor out;
	size_t capacity = QUERIES * (2 * (sizeof(struct frame_header) + sizeof(struct locate_record)) + 256);
	b->bytes = malloc(capacity);
	CHECK(b->bytes != NULL, "memory");
	cursor_init(&out, b->bytes, capacity);
	for (size_t i = 0; i < QUERIES; i++) {
		b->single[i].bytes = out.at;
		frame_build(&out, EVENT_locate, i, &b->query[i], 1, NULL, 0);
		b->single[i].count = (size_t)(out.at - (const uint8_t *)b->single[i].bytes);
	}
	for (size_t i = 0; i < QUERIES / BATCH; i++) {
		b->batch[i].bytes = out.at;
		frame_build(&out, EVENT_locate, i, &b->query[i * BATCH], BATCH, NULL, 0);
		b->batch[i].count = (size_t)(out.at - (const uint8_t *)b->batch[i].bytes);
	}
	for (size_t i = 0; i < QUERIES; i++) {
		b->json[i].bytes = out.at;
		cursor_format(&out, "{\"type\":\"locate\",\"x\":%.9g,\"y\":%.9g,\"radius\":%.9g}", (double)b->query[i].x,
		              (double)b->query[i].y, (double)b->query[i].radius);
		b->json[i].count = (size_t)(out.at - (const uint8_t *)b->json[i].bytes);
	}
	CHECK(!out.full, "message bytes");
}

static void write_rewards(const struct bench *b, const char *path)
{
	FILE *f = fopen(path, "we");
	CHECK(f != NULL, "%s", path);
	fprintf(f, "id,x,y,radius\n");
	for (size_t i = 0; i < b->options->points; i++)
		fprintf(f, "%zu,%.9f,%.9f,100\n", i + 1, b->x[i], b->y[i]);
	fclose(f);
}

/* ---- troved ------------------------------------------------------------------------------ */

static bool start_troved(struct bench *b)
{
	char program[2 * PATH_MAX], rewards[2 * PATH_MAX], directory[2 * PATH_MAX], socket[2 * PATH_MAX], reply[2 * PATH_MAX],
		file[2 * PATH_MAX];
	snprintf(program, sizeof program, "%s/troved", b->program_directory);
	snprintf(rewards, sizeof rewards, "%s/rewards.csv", b->directory);
	snprintf(file, sizeof file, "rewards.file=%s", rewards);
	snprintf(directory, sizeof directory, "data.directory=%s", b->directory);
	snprintf(socket, sizeof socket, "%s/trove.ipc", b->directory);
	snprintf(reply, sizeof reply, "events.reply=ipc://%s", socket);
	write_rewards(b, rewards);
	const char *const arguments[] = {program, "--set", directory, "--set", reply, "--set", "events.collect=[]", "--set",
	                                 "events.publish=[]", "--set", "observe.listen=", "--set", file, "--set",
	                                 "log.level=warning", "--set", "rewards.capacity=20000000", NULL};
	b->troved = child_start(arguments);
	bool good = b->troved != 0 && child_wait_socket(b->troved, socket, 120);
	unlink(rewards);
	if (!good)
		fprintf(stderr, "trovebench: %s did not start\n", program);
	return good;
}

struct reply_check {
	_Atomic uint64_t hits;
	_Atomic uint64_t events;
};

/* Walks the results of a binary reply without looking at their matches. */
static bool check_frames(void *context, const void *bytes, size_t count)
{
	struct reply_check *check = context;
	struct frame_header head;
	const uint8_t *at = bytes;
	const uint8_t *end = at + count;
	uint64_t hits = 0;
	if (count < sizeof head)
		return false;
	memcpy(&head, at, sizeof head);
	at += sizeof head;
	for (uint32_t i = 0; i < head.count; i++) {
		struct result_header result;
		if ((size_t)(end - at) < sizeof result)
			return false;
		memcpy(&result, at, sizeof result);
		if (result.code != 0 || (size_t)(end - at) - sizeof result < result.bytes)
			return false;
		hits += result.returned;
		at += sizeof result + result.bytes;
	}
	atomic_fetch_add_explicit(&check->hits, hits, memory_order_relaxed);
	atomic_fetch_add_explicit(&check->events, head.count, memory_order_relaxed);
	return true;
}

static bool check_json(void *context, const void *bytes, size_t count)
{
	(void)context;
	return count > 20 && memcmp(bytes, "{\"type\":\"located\"", 17) == 0;
}

static struct load_result run_troved(struct bench *b, const struct load_message *messages, size_t message_count,
                                     unsigned in_flight, double rate, bool is_json, struct reply_check *check)
{
	char url[PATH_MAX + 32];
	struct load_result result;
	snprintf(url, sizeof url, "ipc://%s/trove.ipc", b->directory);
	struct load_options options = {
		.url = url,
		.messages = messages,
		.message_count = message_count,
		.in_flight = in_flight,
		.seconds = b->options->seconds,
		.rate = rate,
		.check = is_json ? check_json : check_frames,
		.context = check,
	};
	CHECK(load_run(&options, &result), "troved does not answer");
	if (result.errors != 0)
		fprintf(stderr, "trovebench: %llu replies of troved were errors\n", (unsigned long long)result.errors);
	return result;
}

static struct load_result run_echo(struct bench *b, const struct load_message *messages, size_t reply_bytes,
                                   unsigned in_flight, double rate)
{
	char program[2 * PATH_MAX], url[PATH_MAX + 32], size[32];
	struct load_result result;
	snprintf(program, sizeof program, "%s/trovebench", b->program_directory);
	snprintf(url, sizeof url, "ipc://%s/echo.ipc", b->directory);
	snprintf(size, sizeof size, "%zu", reply_bytes);
	const char *const arguments[] = {program, "echo-server", url, size, NULL};
	pid_t pid = child_start(arguments);
	CHECK(pid != 0 && child_wait_socket(pid, url + 6, 5), "the echo does not start");
	struct load_options options = {
		.url = url,
		.messages = messages,
		.message_count = QUERIES,
		.in_flight = in_flight,
		.seconds = b->options->seconds,
		.rate = rate,
	};
	CHECK(load_run(&options, &result), "the echo does not answer");
	child_stop(&pid);
	return result;
}

/* ---- Redis --------------------------------------------------------------------------------- */

static bool load_redis(struct bench *b)
{
	size_t waiting = 0;
	for (size_t i = 0; i < b->options->points; i++) {
		redisAppendCommand(b->redis_connection, "GEOADD g %.9f %.9f %lu", b->x[i], b->y[i], (unsigned long)i + 1);
		if (++waiting < 1024 && i + 1 < b->options->points)
			continue;
		for (; waiting > 0; waiting--) {
			redisReply *reply;
			if (redisGetReply(b->redis_connection, (void **)&reply) != REDIS_OK)
				return false;
			freeReplyObject(reply);
		}
	}
	return true;
}

/* Without Redis the rest still runs. */
static bool start_redis(struct bench *b)
{
	char socket[PATH_MAX + 16];
	snprintf(socket, sizeof socket, "%s/redis", b->directory);
	const char *const arguments[] = {"redis-server", "--port", "0", "--unixsocket", socket, "--save", "", "--appendonly",
	                                 "no", "--daemonize", "no", NULL};
	b->redis = child_start(arguments);
	if (b->redis == 0 || !child_wait_socket(b->redis, socket, 10)) {
		fprintf(stderr, "SKIP: redis-server did not start; no comparison with it\n");
		return false;
	}
	b->redis_connection = redisConnectUnix(socket);
	return b->redis_connection != NULL && b->redis_connection->err == 0 && load_redis(b);
}

/* Its cheapest form: ids only, not sorted. */
static double run_redis(struct bench *b, uint64_t *hits, uint64_t *queries)
{
	int64_t start = clock_monotonic_ns();
	uint64_t done = 0;
	*hits = 0;
	while (clock_monotonic_ns() - start < (int64_t)(b->options->seconds * 1e9)) {
		for (int i = 0; i < BATCH; i++) {
			const struct locate_record *q = &b->query[(done + (uint64_t)i) % QUERIES];
			redisAppendCommand(b->redis_connection, "GEOSEARCH g FROMLONLAT %.9f %.9f BYRADIUS %.6f m", (double)q->x,
			                   (double)q->y, (double)q->radius);
		}
		for (int i = 0; i < BATCH; i++) {
			redisReply *reply;
			CHECK(redisGetReply(b->redis_connection, (void **)&reply) == REDIS_OK, "%s", b->redis_connection->errstr);
			CHECK(reply->type == REDIS_REPLY_ARRAY, "GEOSEARCH: %s", reply->str);
			*hits += reply->elements;
			freeReplyObject(reply);
		}
		done += BATCH;
	}
	*queries = done;
	return (double)done * 1e9 / (double)(clock_monotonic_ns() - start);
}

/* ---- rounds ---------------------------------------------------------------------------------- */

enum { ROUNDS_MAX = 64 };

struct round {
	double echo, single, json, echo_json, batch_events, redis;
	double echo_p999, single_p999, single_p50, echo_p50;
	double hits_per_event, redis_hits_per_event;
	double rate; /* of the latency runs */
};

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

static double median(double *values, unsigned count)
{
	qsort(values, count, sizeof *values, compare_doubles);
	return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

static void run_round(struct bench *b, struct round *r)
{
	struct reply_check check = {};
	struct load_result single = run_troved(b, b->single, QUERIES, IN_FLIGHT, 0, false, &check);
	r->hits_per_event = (double)check.hits / (double)check.events;
	r->single = single.rate;
	r->echo = run_echo(b, b->single, single.reply_bytes, IN_FLIGHT, 0).rate;
	struct load_result json = run_troved(b, b->json, QUERIES, IN_FLIGHT, 0, true, &check);
	r->json = json.rate;
	r->echo_json = run_echo(b, b->json, json.reply_bytes, IN_FLIGHT, 0).rate;
	r->batch_events = run_troved(b, b->batch, QUERIES / BATCH, BATCHES_IN_FLIGHT, 0, false, &check).rate * BATCH;
	r->rate = r->single / 2;
	struct load_result paced = run_troved(b, b->single, QUERIES, 4 * IN_FLIGHT, r->rate, false, &check);
	r->single_p50 = histogram_quantile(&paced.latency, 0.5);
	r->single_p999 = histogram_quantile(&paced.latency, 0.999);
	paced = run_echo(b, b->single, single.reply_bytes, 4 * IN_FLIGHT, r->rate);
	r->echo_p50 = histogram_quantile(&paced.latency, 0.5);
	r->echo_p999 = histogram_quantile(&paced.latency, 0.999);
	if (b->redis_connection != NULL) {
		uint64_t hits, queries;
		r->redis = run_redis(b, &hits, &queries);
		r->redis_hits_per_event = (double)hits / (double)queries;
	}
}

#define MEDIAN(expression) \
	({ \
		double values[ROUNDS_MAX]; \
		for (unsigned i = 0; i < count; i++) { \
			const struct round *r = &rounds[i]; \
			values[i] = (expression); \
		} \
		median(values, count); \
	})

static void print_results(const struct round *rounds, unsigned count)
{
	printf("hits per event: trove %.2f redis %.2f\n", MEDIAN(r->hits_per_event), MEDIAN(r->redis_hits_per_event));
	printf("single binary %.0f/s echo %.0f/s ratio %.3f (target 0.8)\n", MEDIAN(r->single), MEDIAN(r->echo), MEDIAN(r->single / r->echo));
	printf("single json %.0f/s echo %.0f/s ratio %.3f\n", MEDIAN(r->json), MEDIAN(r->echo_json), MEDIAN(r->json / r->echo_json));
	printf("batch64 %.0f events/s (target 1e6)\n", MEDIAN(r->batch_events));
	printf("redis %.0f/s ratio %.1f (target 20)\n", MEDIAN(r->redis), MEDIAN(r->batch_events / r->redis));
	printf("latency at %.0f/s: trove p50 %.1f p99.9 %.1f us, echo p50 %.1f p99.9 %.1f us, ratio %.2f (target < 4)\n", MEDIAN(r->rate),
	       MEDIAN(r->single_p50) / 1e3, MEDIAN(r->single_p999) / 1e3, MEDIAN(r->echo_p50) / 1e3, MEDIAN(r->echo_p999) / 1e3,
	       MEDIAN(r->single_p999 / r->echo_p999));
}

int bench_service_run(const struct bench_service_options *options)
{
	static struct bench bench;
	struct bench *b = &bench;
	struct round rounds[ROUNDS_MAX];
	b->options = options;
	ssize_t n = readlink("/proc/self/exe", b->program_directory, sizeof b->program_directory - 1);
	CHECK(n > 0, "/proc/self/exe");
	*strrchr(b->program_directory, '/') = '\0';
	strcpy(b->directory, "/tmp/trovebench.XXXXXX");
	CHECK(mkdtemp(b->directory) != NULL, "temporary directory");
	make_points(b);
	make_messages(b);
	if (start_troved(b)) {
		start_redis(b);
		for (unsigned i = 0; i < options->repeat; i++)
			run_round(b, &rounds[i]);
		print_results(rounds, options->repeat);
	}
	child_stop(&b->troved);
	child_stop(&b->redis);
	return 0;
}
