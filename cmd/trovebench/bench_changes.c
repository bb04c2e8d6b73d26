/*
 * The part of `trovebench service` about durable changes, over ipc: batches of 64 beside Redis SET with
 * appendfsync always, and one change at a time beside what it cannot go below: a bare fdatasync of
 * 4 KiB and a bare nng round trip. All of them write below the working directory.
 */
#include "cmd/trovebench/bench.h"
#include "cmd/trovebench/child.h"
#include "cmd/trovebench/disk_peers.h"
#include "cmd/trovebench/load.h"
#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "proto/frame.h"

#include <hiredis/hiredis.h>
#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BATCH = 64, PAIRS = BATCH / 2, IN_FLIGHT = 16, VALUE_BYTES = 128, PAGE_BYTES = 4096, SYNCS_MAX = 1 << 16 };

static const double changes_target = 200000, one_target = 1.4;

struct bench {
	const struct bench_arguments *arguments;
	struct disk_peers peers;
	char programs[PATH_MAX];
	pid_t troved, redis, echo;
	redisContext *connections[IN_FLIGHT];
	uint8_t batch[16384];
	struct load_message batches, single;
	uint8_t one[256];
	_Atomic uint64_t next_id;
};

/* ---- troved -------------------------------------------------------------------------------- */

static bool start_troved(struct bench *b)
{
	char program[PATH_MAX + 16], directory[300], reply[340], socket[300];
	snprintf(program, sizeof program, "%s/troved", b->programs);
	snprintf(directory, sizeof directory, "data.directory=%s", b->peers.folder);
	snprintf(socket, sizeof socket, "%s/trove.ipc", b->peers.folder);
	snprintf(reply, sizeof reply, "events.reply=ipc://%s", socket);
	const char *const arguments[] = {program, "--set", directory, "--set", reply, "--set", "events.collect=[]", "--set",
	                                 "events.publish=[]", "--set", "observe.listen=", "--set",
	                                 "admin.listen=", "--set", "log.level=warning", "--set",
	                                 "rewards.capacity=1000", NULL};
	b->troved = child_start(arguments);
	return b->troved != 0 && child_wait_socket(b->troved, socket, 30);
}

/* Half authorize a payment, half void it again. */
static void make_messages(struct bench *b)
{
	static const struct payment_authorize_record authorize[PAIRS] = {};
	static const struct payment_key_record drop[PAIRS] = {};
	static const char sku[] = "tea";
	struct product_put_record put = {.head.flags = EVENT_HAS_ID, .unit_price = 250, .sku = {0, 3}, .currency = "EUR"};
	struct cursor out;
	cursor_init(&out, b->batch, sizeof b->batch);
	frame_build(&out, EVENT_payment_authorize, 1, authorize, PAIRS, NULL, 0);
	frame_build(&out, EVENT_payment_void, 2, drop, PAIRS, NULL, 0);
	CHECK(!out.full, "a batch of more than %zu bytes", sizeof b->batch);
	b->batches = (struct load_message){b->batch, cursor_used(&out)};
	cursor_init(&out, b->one, sizeof b->one);
	frame_build(&out, EVENT_product_put, 1, &put, 1, sku, 3);
	b->single = (struct load_message){b->one, cursor_used(&out)};
}

static void renew_batch(void *context, void *message, uint64_t number)
{
	struct bench *b = context;
	uint8_t *at = message;
	struct payment_authorize_record *authorize = (void *)(at + sizeof(struct frame_header));
	struct payment_key_record *drop = (void *)(at + 2 * sizeof(struct frame_header) + PAIRS * sizeof *authorize);
	uint64_t id = atomic_fetch_add(&b->next_id, BATCH);
	(void)number;
	for (unsigned i = 0; i < PAIRS; i++, id += 2) {
		authorize[i] = (struct payment_authorize_record){.head = {.id = {id, 1}, .flags = EVENT_HAS_ID}, .payment = {id, 2},
		                                                 .amount = 1999, .currency = "EUR"};
		drop[i] = (struct payment_key_record){.head = {.id = {id + 1, 1}, .flags = EVENT_HAS_ID}, .payment = {id, 2}};
	}
}

static void renew_one(void *context, void *message, uint64_t number)
{
	struct bench *b = context;
	uint64_t id = atomic_fetch_add(&b->next_id, 1);
	(void)number;
	memcpy((uint8_t *)message + sizeof(struct frame_header) + offsetof(struct event_head, id), &(struct wire_id){id, 1},
	       sizeof(struct wire_id));
}

/* Every result is good. */
static bool check_reply(void *context, const void *bytes, size_t count)
{
	(void)context;
	struct frame_reader reader;
	struct frame_result result;
	frame_reader_open(&reader, bytes, count);
	while (frame_reader_has_next(&reader))
		if (frame_reader_next(&reader, &result) != STATUS_ok || result.head->code != STATUS_ok)
			return false;
	return true;
}

static struct load_result run_troved(struct bench *b, const struct load_message *message, unsigned in_flight)
{
	char url[300];
	struct load_result result;
	snprintf(url, sizeof url, "ipc://%s/trove.ipc", b->peers.folder);
	struct load_options options = {
		.url = url,
		.messages = message,
		.message_count = 1,
		.in_flight = in_flight,
		.seconds = b->arguments->seconds,
		.prepare = message == &b->single ? renew_one : renew_batch,
		.check = check_reply,
		.context = b,
	};
	CHECK(load_run(&options, &result) && result.errors == 0, "troved does not answer, or refuses (%llu)",
	      (unsigned long long)result.errors);
	return result;
}

/* ---- what it is measured against ----------------------------------------------------------------- */

static double run_echo(struct bench *b)
{
	char program[PATH_MAX + 16], url[300];
	struct load_result result;
	snprintf(program, sizeof program, "%s/trovebench", b->programs);
	snprintf(url, sizeof url, "ipc://%s/echo.ipc", b->peers.folder);
	const char *const arguments[] = {program, "echo-server", url, "104", NULL};
	b->echo = child_start(arguments);
	CHECK(b->echo != 0 && child_wait_socket(b->echo, url + 6, 5), "the echo does not start");
	struct load_options options = {.url = url, .messages = &b->single, .message_count = 1, .in_flight = 1,
	                               .seconds = b->arguments->seconds};
	CHECK(load_run(&options, &result), "the echo does not answer");
	child_stop(&b->echo);
	return histogram_quantile(&result.latency, 0.5) * 1e-3;
}

static double run_sync(struct bench *b)
{
	double *took = malloc(SYNCS_MAX * sizeof *took);
	unsigned count = 0;
	CHECK(took != NULL, "memory");
	for (double end = bench_now() + b->arguments->seconds; bench_now() < end && count < SYNCS_MAX;) {
		int64_t start = clock_monotonic_ns();
		bare_commit(&b->peers, PAGE_BYTES);
		took[count++] = (double)(clock_monotonic_ns() - start) * 1e-3;
	}
	double median = bench_median(took, count);
	free(took);
	return median;
}

/* It goes to --dir first, and the socket is told from there. */
static bool start_redis(struct bench *b)
{
	char socket[300];
	snprintf(socket, sizeof socket, "%s/redis", b->peers.folder);
	const char *const arguments[] = {"redis-server", "--port", "0", "--unixsocket", "redis", "--save", "", "--appendonly", "yes",
	                                 "--appendfsync", "always", "--dir", b->peers.folder, "--daemonize", "no", NULL};
	b->redis = child_start(arguments);
	if (b->redis == 0 || !child_wait_socket(b->redis, socket, 10)) {
		fprintf(stderr, "SKIP: redis-server did not start; no comparison with it\n");
		return false;
	}
	for (unsigned i = 0; i < IN_FLIGHT; i++) {
		b->connections[i] = redisConnectUnix(socket);
		if (b->connections[i] == NULL || b->connections[i]->err != 0)
			return false;
	}
	return true;
}

static void set_some(struct bench *b, redisContext *connection)
{
	static const char value[VALUE_BYTES] = {1};
	for (unsigned i = 0; i < BATCH; i++)
		redisAppendCommand(connection, "SET k%llu %b", (unsigned long long)(atomic_fetch_add(&b->next_id, 1) % 100000), value,
		                   sizeof value);
	for (int done = 0; !done;)
		CHECK(redisBufferWrite(connection, &done) == REDIS_OK, "%s", connection->errstr);
}

static void take_answers(redisContext *connection)
{
	for (unsigned i = 0; i < BATCH; i++) {
		redisReply *reply;
		CHECK(redisGetReply(connection, (void **)&reply) == REDIS_OK, "%s", connection->errstr);
		CHECK(reply->type == REDIS_REPLY_STATUS, "SET: %s", reply->str);
		freeReplyObject(reply);
	}
}

/* As many connections as troved has batches in flight, 64 commands in the pipeline of each. */
static double run_redis(struct bench *b)
{
	int64_t start = clock_monotonic_ns();
	uint64_t done = 0;
	for (unsigned i = 0; i < IN_FLIGHT; i++)
		set_some(b, b->connections[i]);
	while (clock_monotonic_ns() - start < (int64_t)(b->arguments->seconds * 1e9))
		for (unsigned i = 0; i < IN_FLIGHT; i++, done += BATCH) {
			take_answers(b->connections[i]);
			set_some(b, b->connections[i]);
		}
	for (unsigned i = 0; i < IN_FLIGHT; i++, done += BATCH)
		take_answers(b->connections[i]);
	return (double)done * 1e9 / (double)(clock_monotonic_ns() - start);
}

/* ---- rounds ------------------------------------------------------------------------------------------ */

static void run_rounds(struct bench *b, struct report *report)
{
	struct bench_case cases[] = {{.name = "Redis SET, appendfsync always"},
	                             {.name = "trove, binary, batches of 64", .reference = &cases[0]}};
	double ratio[REPEAT_MAX], one[REPEAT_MAX], sync[REPEAT_MAX], echo[REPEAT_MAX];
	bool has_redis = start_redis(b);
	for (unsigned i = 0; i < b->arguments->repeat; i++) {
		cases[1].rates[i] = BATCH * run_troved(b, &b->batches, IN_FLIGHT).rate;
		cases[0].rates[i] = has_redis ? run_redis(b) : 0;
		struct load_result single = run_troved(b, &b->single, 1);
		one[i] = histogram_quantile(&single.latency, 0.5) * 1e-3;
		sync[i] = run_sync(b);
		echo[i] = run_echo(b);
		ratio[i] = one[i] / (sync[i] + echo[i]);
	}
	cases[1].reference = has_redis ? &cases[0] : NULL;
	bench_finish(b->arguments, cases, COUNT_OF(cases));
	report_note(report, "durable changes: ipc, one connection, %d batches in flight; Redis: %d connections, 64 in a pipeline",
	            IN_FLIGHT, IN_FLIGHT);
	report_cases(report, "durable", has_redis ? cases : cases + 1, has_redis ? 2 : 1, "change");
	report_figure(report, "durable", "durable changes a second, batches of 64", cases[1].rate, changes_target, false);
	report_note(report, "one at a time, p50: trove %.0f us; fdatasync of 4 KiB %.0f us, nng's round trip %.0f us",
	            bench_median(one, b->arguments->repeat), bench_median(sync, b->arguments->repeat),
	            bench_median(echo, b->arguments->repeat));
	report_figure(report, "durable", "p50 of one change over fdatasync and round trip", bench_median(ratio, b->arguments->repeat),
	              one_target, true);
}

bool bench_service_changes(struct report *report)
{
	struct bench *b = calloc(1, sizeof *b);
	CHECK(b != NULL, "memory");
	b->arguments = report->arguments;
	b->next_id = 1;
	CHECK(readlink("/proc/self/exe", b->programs, sizeof b->programs - 1) > 0, "/proc/self/exe");
	*strrchr(b->programs, '/') = '\0';
	make_messages(b);
	bool good = disk_peers_open(&b->peers);
	if (!good)
		fprintf(stderr, "trovebench: cannot write below the working directory: %s\n", strerror(errno));
	else if (!(good = start_troved(b)))
		fprintf(stderr, "trovebench: troved did not start\n");
	else
		run_rounds(b, report);
	good &= b->troved == 0 || child_stop(&b->troved) == 0;
	child_stop(&b->redis);
	for (unsigned i = 0; i < IN_FLIGHT; i++)
		if (b->connections[i] != NULL)
			redisFree(b->connections[i]);
	disk_peers_close(&b->peers);
	free(b);
	return good;
}
