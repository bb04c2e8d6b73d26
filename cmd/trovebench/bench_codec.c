/*
 * What it costs to read a message of locate events and to write its reply with ten
 * rewards for each, in JSON and in binary, one event and a batch of 64 at a time.
 * Units are events. JSON is the reference of its binary twin.
 */
#include "cmd/trovebench/bench.h"

#include "engine/base/check.h"
#include "engine/base/random.h"
#include "proto/frame.h"
#include "proto/json_write.h"
#include "proto/reply.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

enum { BATCH = 64, MATCHES = 10, MESSAGES_BEFORE_CLOCK = 64, REPLY_BYTES = 1 << 20, ARENA_BYTES = 4 << 20 };

/* One message that is decoded, or answered, over and over. */
struct codec {
	uint8_t message[BATCH * 256];
	size_t bytes;
	uint32_t events;
	struct match matches[MATCHES];
	struct arena arena;
	uint8_t *reply;
	size_t reply_bytes;
};

static const struct protocol_limits limits = {.batch_max = BATCH};

static void open_message(struct codec *c, struct request *r)
{
	struct problem problem;
	CHECK(request_open(r, c->message, c->bytes, &limits, &c->arena, &problem) == STATUS_ok, "%s", problem.message);
}

static uint64_t decode_once(struct codec *c)
{
	struct request r;
	struct event event;
	struct problem problem;
	open_message(c, &r);
	for (uint32_t i = 0; i < r.count; i++) {
		CHECK(request_next(&r, &event, &problem) == STATUS_ok, "%s", problem.message);
		bench_use((uint64_t)event.locate->x);
	}
	request_close(&r);
	return r.count;
}

static uint64_t decode(void *context)
{
	uint64_t events = 0;
	for (unsigned i = 0; i < MESSAGES_BEFORE_CLOCK; i++)
		events += decode_once(context);
	return events;
}

/* The replies alone: the message is opened once, its one event answered for all. */
static uint64_t encode(void *context)
{
	struct codec *c = context;
	struct request r;
	struct event event;
	struct problem problem;
	open_message(c, &r);
	CHECK(request_next(&r, &event, &problem) == STATUS_ok, "%s", problem.message);
	for (unsigned i = 0; i < MESSAGES_BEFORE_CLOCK; i++) {
		struct reply p;
		reply_open(&p, &r, c->reply, REPLY_BYTES);
		for (uint32_t k = 0; k < c->events; k++)
			reply_located(&p, &event, MATCHES, c->matches, MATCHES);
		c->reply_bytes = reply_close(&p);
	}
	request_close(&r);
	return (uint64_t)MESSAGES_BEFORE_CLOCK * c->events;
}

static void write_json(struct codec *c, const struct locate_record *records)
{
	struct cursor out;
	cursor_init(&out, c->message, sizeof c->message);
	for (uint32_t i = 0; i < c->events; i++) {
		if (c->events > 1)
			cursor_byte(&out, i == 0 ? '[' : ',');
		cursor_literal(&out, "{\"type\":\"locate\",\"id\":");
		json_write_unsigned(&out, records[i].head.id.low);
		cursor_literal(&out, ",\"x\":");
		json_write_double(&out, records[i].x);
		cursor_literal(&out, ",\"y\":");
		json_write_double(&out, records[i].y);
		cursor_literal(&out, ",\"radius\":500}");
	}
	if (c->events > 1)
		cursor_byte(&out, ']');
	CHECK(!out.full, "no room for the message");
	c->bytes = cursor_used(&out);
}

static void write_binary(struct codec *c, const struct locate_record *records)
{
	struct cursor out;
	cursor_init(&out, c->message, sizeof c->message);
	frame_build(&out, EVENT_locate, 1, records, c->events, NULL, 0);
	CHECK(!out.full, "no room for the message");
	c->bytes = cursor_used(&out);
}

static void setup(struct codec *c, enum encoding encoding, uint32_t events)
{
	struct random random = {1};
	struct locate_record records[BATCH] = {};
	*c = (struct codec){.events = events, .reply = malloc(REPLY_BYTES)};
	CHECK(c->reply != NULL && arena_init(&c->arena, ARENA_BYTES, NULL) == STATUS_ok, "no memory");
	for (uint32_t i = 0; i < events; i++) {
		records[i].head.id.low = random_below(&random, INTEGER_MAX);
		records[i].head.flags = EVENT_HAS_ID;
		records[i].x = random_between(&random, -180, 180);
		records[i].y = random_between(&random, -90, 90);
		records[i].radius = 500;
		records[i].area = LOCATE_RADIUS;
	}
	for (unsigned i = 0; i < MATCHES; i++)
		c->matches[i] = (struct match){
			.reward = {.low = random_below(&random, 1000000)},
			.distance = random_between(&random, 0, 500),
			.value = (int64_t)random_below(&random, 1000),
			.remaining = STOCK_UNLIMITED,
			.kind = "default",
		};
	if (encoding == ENCODING_JSON)
		write_json(c, records);
	else
		write_binary(c, records);
}

static void measure(struct report *report, uint32_t events)
{
	struct codec *json = malloc(sizeof *json), *binary = malloc(sizeof *binary);
	CHECK(json != NULL && binary != NULL, "no memory");
	setup(json, ENCODING_JSON, events);
	setup(binary, ENCODING_BINARY, events);
	struct bench_case reading[] = {
		{.name = "JSON", .work = decode, .context = json},
		{.name = "binary", .work = decode, .context = binary, .reference = &reading[0]},
	};
	struct bench_case writing[] = {
		{.name = "JSON", .work = encode, .context = json},
		{.name = "binary", .work = encode, .context = binary, .reference = &writing[0]},
	};
	bench_run(report->arguments, reading, COUNT_OF(reading));
	bench_run(report->arguments, writing, COUNT_OF(writing));
	report_cases(report, events == 1 ? "decode, single" : "decode, batch of 64", reading, COUNT_OF(reading), "event");
	report_cases(report, events == 1 ? "encode, single" : "encode, batch of 64", writing, COUNT_OF(writing), "event");
	report_note(report, "%u events: JSON %zu bytes in, %zu out; binary %zu in, %zu out; decoding JSON took %zu bytes of arena",
	            events, json->bytes, json->reply_bytes, binary->bytes, binary->reply_bytes, json->arena.holding.high_water);
	for (unsigned i = 0; i < 2; i++) {
		struct codec *c = i == 0 ? json : binary;
		arena_deinit(&c->arena);
		free(c->reply);
		free(c);
	}
}

int bench_codec(const struct bench_arguments *arguments)
{
	struct report report;
	report_open(&report, "codec", arguments);
	measure(&report, 1);
	measure(&report, BATCH);
	report_close(&report);
	return EX_OK;
}
