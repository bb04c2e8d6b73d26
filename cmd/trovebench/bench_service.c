/*
 * The service over its socket, beside a bare nng echo and Redis, all on this machine
 * in one run. Rounds go over all of them in turn, so that what the machine does
 * meanwhile hits all alike; ratios are taken within a round.
 *
 * Rewards uniform around the equator, in two numbers (a large city's and ten times
 * that), 4096 fixed queries of a circle with about ten rewards in it. Everyone gets the
 * same points and queries.
 *
 * One event a message is measured with the server on one processor and the client on
 * another, for trove and the echo alike: left to the scheduler, what is measured is where
 * it happens to put the library's threads. Latencies likewise; batches use all processors.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "cmd/trovebench/bench.h"
#include "cmd/trovebench/child.h"
#include "cmd/trovebench/disk_peers.h"
#include "cmd/trovebench/load.h"
#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/random.h"
#include "engine/store/geometry.h"
#include "proto/frame.h"

#include <hiredis/hiredis.h>
#include <limits.h>
#include <math.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#define PI 3.14159265358979323846
enum { QUERIES = 4096, BATCH = 64, IN_FLIGHT = 64, BATCHES_IN_FLIGHT = 16, PATH_BYTES = 128 };
static const double metres_per_degree = EARTH_RADIUS_M * PI / 180;

struct bench {
	const struct bench_arguments *arguments;
	struct child_processors processors;
	size_t points;
	char directory[PATH_BYTES / 2];
	char programs[PATH_MAX]; /* the folder that holds trovebench and troved */
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
	size_t n = b->points;
	const double density = 250000; /* in a square degree, whatever the number */
	double half = sqrt((double)n / density) / 2;
	b->x = malloc(n * sizeof *b->x);
	b->y = malloc(n * sizeof *b->y);
	b->query = calloc(QUERIES, sizeof *b->query);
	CHECK(b->x != NULL && b->y != NULL && b->query != NULL, "memory");
	for (size_t i = 0; i < n; i++) {
		b->x[i] = random_between(&random, -half, half);
		b->y[i] = random_between(&random, -half, half);
	}
	b->radius_m = sqrt(10.0 / density / PI) * metres_per_degree;
	for (size_t i = 0; i < QUERIES; i++) {
		b->query[i].x = random_between(&random, -0.97 * half, 0.97 * half);
		b->query[i].y = random_between(&random, -0.97 * half, 0.97 * half);
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
	for (size_t i = 0; i < b->points; i++)
		fprintf(f, "%zu,%.9f,%.9f,100\n", i + 1, b->x[i], b->y[i]);
	fclose(f);
}

/* Server and client on a processor each, or wherever there is room. The library's threads
 * of both sides exist before this is called: they are made with the first socket. */
static void place(const struct bench *b, pid_t server, bool is_split)
{
	is_split &= b->processors.count >= 2;
	child_place(server, &b->processors, is_split ? 0 : -1);
	child_place(getpid(), &b->processors, is_split ? 1 : -1);
}

/* ---- troved ------------------------------------------------------------------------------ */

static bool start_troved(struct bench *b)
{
	char capacity[64];
	char program[PATH_MAX + 16], rewards[PATH_BYTES], directory[PATH_BYTES], socket[PATH_BYTES], reply[2 * PATH_BYTES],
		file[2 * PATH_BYTES];
	snprintf(program, sizeof program, "%s/troved", b->programs);
	snprintf(rewards, sizeof rewards, "%s/rewards.csv", b->directory);
	snprintf(file, sizeof file, "rewards.file=%s", rewards);
	snprintf(capacity, sizeof capacity, "rewards.capacity=%zu", b->points);
	snprintf(directory, sizeof directory, "data.directory=%s", b->directory);
	snprintf(socket, sizeof socket, "%s/trove.ipc", b->directory);
	snprintf(reply, sizeof reply, "events.reply=ipc://%s", socket);
	write_rewards(b, rewards);
	const char *const arguments[] = {program, "--set", directory, "--set", reply, "--set", "events.collect=[]", "--set",
	                                 "events.publish=[]", "--set", "observe.listen=", "--set",
	                                 "admin.listen=", "--set", file, "--set",
	                                 "log.level=warning", "--set", capacity, NULL};
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
	char url[PATH_BYTES];
	struct load_result result;
	place(b, b->troved, in_flight != BATCHES_IN_FLIGHT);
	snprintf(url, sizeof url, "ipc://%s/trove.ipc", b->directory);
	struct load_options options = {
		.url = url,
		.messages = messages,
		.message_count = message_count,
		.in_flight = in_flight,
		.seconds = b->arguments->seconds,
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
	char program[PATH_MAX + 16], url[PATH_BYTES], size[32];
	struct load_result result;
	snprintf(program, sizeof program, "%s/trovebench", b->programs);
	snprintf(url, sizeof url, "ipc://%s/echo.ipc", b->directory);
	snprintf(size, sizeof size, "%zu", reply_bytes);
	const char *const arguments[] = {program, "echo-server", url, size, NULL};
	pid_t pid = child_start(arguments);
	CHECK(pid != 0 && child_wait_socket(pid, url + 6, 5), "the echo does not start");
	place(b, pid, in_flight != BATCHES_IN_FLIGHT);
	struct load_options options = {
		.url = url,
		.messages = messages,
		.message_count = QUERIES,
		.in_flight = in_flight,
		.seconds = b->arguments->seconds,
		.rate = rate,
	};
	/* The echo is a new process each time, troved is not: what a first start costs is not compared. */
	struct load_options warm_up = options;
	warm_up.rate = 0;
	warm_up.seconds = 0.2;
	CHECK(load_run(&warm_up, &result) && load_run(&options, &result), "the echo does not answer");
	child_stop(&pid);
	return result;
}

/* ---- Redis --------------------------------------------------------------------------------- */

static bool load_redis(struct bench *b)
{
	size_t waiting = 0;
	for (size_t i = 0; i < b->points; i++) {
		redisAppendCommand(b->redis_connection, "GEOADD g %.9f %.9f %lu", b->x[i], b->y[i], (unsigned long)i + 1);
		if (++waiting < 1024 && i + 1 < b->points)
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
	char socket[PATH_BYTES];
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
	place(b, b->redis, false);
	int64_t start = clock_monotonic_ns();
	uint64_t done = 0;
	*hits = 0;
	while (clock_monotonic_ns() - start < (int64_t)(b->arguments->seconds * 1e9)) {
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

static void free_points(struct bench *b)
{
	if (b->redis_connection != NULL)
		redisFree(b->redis_connection);
	b->redis_connection = NULL;
	free(b->x);
	free(b->y);
	free(b->query);
	free(b->bytes);
}

/* ---- rounds ------------------------------------------------------------------------------------ */

enum { ECHO, SINGLE, ECHO_JSON, JSON, BATCHES, REDIS, FIGURES };

struct rounds {
	struct bench_case figure[FIGURES];
	double hits[REPEAT_MAX], redis_hits[REPEAT_MAX];
	double paced_rate[REPEAT_MAX], p50[REPEAT_MAX], p999[REPEAT_MAX], echo_p50[REPEAT_MAX], echo_p999[REPEAT_MAX],
		p999_ratio[REPEAT_MAX];
};

static void init_rounds(struct rounds *r)
{
	struct bench_case *f = r->figure;
	f[ECHO] = (struct bench_case){.name = "bare nng echo, same sizes"};
	f[SINGLE] = (struct bench_case){.name = "trove, binary, one event", .reference = &f[ECHO], .target = 0.8};
	f[ECHO_JSON] = (struct bench_case){.name = "bare nng echo, sizes of JSON"};
	f[JSON] = (struct bench_case){.name = "trove, JSON, one event", .reference = &f[ECHO_JSON]};
	f[REDIS] = (struct bench_case){.name = "Redis GEOSEARCH, pipeline of 64"};
	f[BATCHES] = (struct bench_case){.name = "trove, binary, batches of 64", .reference = &f[REDIS], .target = 20};
}

/* The same rate for both: half of what trove can do. */
static void run_paced(struct bench *b, struct rounds *r, unsigned i, size_t reply_bytes)
{
	struct reply_check check = {};
	double rate = r->figure[SINGLE].rates[i] / 2;
	r->paced_rate[i] = rate;
	struct load_result paced = run_troved(b, b->single, QUERIES, 4 * IN_FLIGHT, rate, false, &check);
	r->p50[i] = histogram_quantile(&paced.latency, 0.5);
	r->p999[i] = histogram_quantile(&paced.latency, 0.999);
	paced = run_echo(b, b->single, reply_bytes, 4 * IN_FLIGHT, rate);
	r->echo_p50[i] = histogram_quantile(&paced.latency, 0.5);
	r->echo_p999[i] = histogram_quantile(&paced.latency, 0.999);
	r->p999_ratio[i] = r->p999[i] / r->echo_p999[i];
}

static void run_round(struct bench *b, struct rounds *r, unsigned i)
{
	struct reply_check check = {};
	struct bench_case *f = r->figure;
	struct load_result single = run_troved(b, b->single, QUERIES, IN_FLIGHT, 0, false, &check);
	r->hits[i] = (double)check.hits / (double)check.events;
	f[SINGLE].rates[i] = single.rate;
	f[ECHO].rates[i] = run_echo(b, b->single, single.reply_bytes, IN_FLIGHT, 0).rate;
	struct load_result json = run_troved(b, b->json, QUERIES, IN_FLIGHT, 0, true, &check);
	f[JSON].rates[i] = json.rate;
	f[ECHO_JSON].rates[i] = run_echo(b, b->json, json.reply_bytes, IN_FLIGHT, 0).rate;
	f[BATCHES].rates[i] = BATCH * run_troved(b, b->batch, QUERIES / BATCH, BATCHES_IN_FLIGHT, 0, false, &check).rate;
	if (b->redis_connection != NULL) {
		uint64_t hits, queries;
		f[REDIS].rates[i] = run_redis(b, &hits, &queries);
		r->redis_hits[i] = (double)hits / (double)queries;
	}
	run_paced(b, r, i, single.reply_bytes);
}

static void finish_case(struct bench_case *c, unsigned count)
{
	double values[REPEAT_MAX];
	memcpy(values, c->rates, sizeof values);
	c->rate = bench_median(values, count);
	for (unsigned i = 0; c->reference != NULL && i < count; i++)
		values[i] = c->rates[i] / c->reference->rates[i];
	if (c->reference != NULL)
		c->ratio = bench_median(values, count);
}

static void report_rounds(struct bench *b, struct rounds *r, struct report *report)
{
	unsigned count = b->arguments->repeat;
	bool has_redis = b->redis_connection != NULL;
	report_note(report, "%zu rewards; ipc, one connection, %d requests in flight (%d batches), both sides on this machine",
	            b->points, IN_FLIGHT, BATCHES_IN_FLIGHT);
	report_note(report, "rewards found per event: trove %.2f%s", bench_median(r->hits, count),
	            has_redis ? "" : "; SKIP: no redis-server, no comparison with it");
	if (has_redis)
		report_note(report, "the same by Redis: %.2f (ids, not sorted; trove: nearest first, with distance, kind, value, stock)",
		            bench_median(r->redis_hits, count));
	else
		r->figure[BATCHES].reference = NULL;
	for (int i = 0; i < FIGURES; i++)
		finish_case(&r->figure[i], count);
	report_cases(report, "messages", r->figure, BATCHES, "message");
	report_cases(report, "events", &r->figure[BATCHES], has_redis ? 2 : 1, "event");
	report_figure(report, "events", "located events per second, batches of 64", r->figure[BATCHES].rate, 1e6, false);
	report_note(report, "latency at %.0f messages/s (half of trove's rate), from when each was due:",
	            bench_median(r->paced_rate, count));
	report_note(report, "  trove p50 %.0f us, p99.9 %.0f us; echo p50 %.0f us, p99.9 %.0f us",
	            bench_median(r->p50, count) / 1e3, bench_median(r->p999, count) / 1e3, bench_median(r->echo_p50, count) / 1e3,
	            bench_median(r->echo_p999, count) / 1e3);
	report_figure(report, "latency", "p99.9 of trove over that of the echo", bench_median(r->p999_ratio, count), 4, true);
}

/* One number of rewards, from start to stop. */
static bool run_size(struct bench *b, size_t points, struct report *report)
{
	struct rounds *rounds = calloc(1, sizeof *rounds);
	CHECK(rounds != NULL, "memory");
	b->points = points;
	make_points(b);
	make_messages(b);
	init_rounds(rounds);
	bool good = start_troved(b);
	if (good) {
		start_redis(b);
		for (unsigned i = 0; i < b->arguments->repeat; i++)
			run_round(b, rounds, i);
		report_rounds(b, rounds, report);
	}
	good &= child_stop(&b->troved) == 0;
	child_stop(&b->redis);
	free_points(b);
	free(rounds);
	return good;
}

int bench_service(const struct bench_arguments *arguments)
{
	static const size_t sizes[] = {100000, 1000000};
	struct bench *b = calloc(1, sizeof *b);
	struct report report;
	bool good = true;
	CHECK(b != NULL, "memory");
	b->arguments = arguments;
	child_processors(&b->processors);
	CHECK(readlink("/proc/self/exe", b->programs, sizeof b->programs - 1) > 0, "/proc/self/exe");
	*strrchr(b->programs, '/') = '\0';
	snprintf(b->directory, sizeof b->directory, "/tmp/trovebench.XXXXXX");
	CHECK(mkdtemp(b->directory) != NULL, "temporary directory");
	report_open(&report, "service", arguments);
	for (size_t i = 0; i < COUNT_OF(sizes) && good; i++)
		good = run_size(b, sizes[i], &report);
	good = good && bench_service_changes(&report);
	report_close(&report);
	remove_folder(b->directory);
	free(b);
	return good ? EX_OK : EX_UNAVAILABLE;
}
