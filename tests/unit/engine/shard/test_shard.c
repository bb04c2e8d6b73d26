/* The middle of the service with a real store and no sockets: jobs in, replies out. */
#include "engine/shard/shard.h"

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "proto/frame.h"
#include "tests/support/allocation_count.h"

#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { THREADS = 3, REPLY_BYTES = 1 << 16 };

struct fixture {
	struct shard_options options;
	struct option_set set;
	struct store *store;
	struct commerce commerce;
	struct shard *shard;
};

struct call {
	struct shard_job job;
	struct shard *shard;
	sem_t done;
	unsigned replies;
	size_t reply_bytes;
	char reply[REPLY_BYTES];
};

static void on_done(struct shard_job *job, const void *reply, size_t bytes)
{
	struct call *call = (struct call *)job;
	CHECK(bytes < sizeof call->reply, "a reply of %zu bytes", bytes);
	memcpy(call->reply, reply, bytes);
	call->reply[bytes] = '\0';
	call->reply_bytes = bytes;
	call->replies++;
	shard_finish(call->shard, job, true);
	sem_post(&call->done);
}

static void call_init(struct call *call)
{
	memset(call, 0, offsetof(struct call, reply));
	sem_init(&call->done, 0, 0);
	call->job.done = on_done;
}

static void call_start(struct shard *shard, struct call *call, const void *message, size_t bytes)
{
	call->shard = shard;
	call->job.message = message;
	call->job.message_bytes = bytes;
	call->job.received_ns = clock_monotonic_ns();
	call->job.received_ms = clock_unix_ms();
	shard_handle(shard, &call->job);
}

static void call_wait(struct call *call)
{
	while (sem_wait(&call->done) != 0)
		continue;
}

static const char *ask(struct fixture *f, struct call *call, const char *message)
{
	call_start(f->shard, call, message, strlen(message));
	call_wait(call);
	return call->reply;
}

static struct fixture *fixture_make(const char *const *settings)
{
	struct fixture *f = calloc(1, sizeof *f);
	struct option_problem problem;
	option_add(&f->set, shard_option_rows, shard_option_count, &f->options);
	for (; settings != NULL && *settings != NULL; settings++)
		assert_true(option_set_assignment(&f->set, *settings, OPTION_FROM_file, &problem));
	assert_true(shard_options_agree(&f->options, &problem));
	f->options.is_plane = true;
	f->options.workers = THREADS;
	struct store_options store = {.is_plane = true, .capacity = 100000, .readers_max = SHARD_READERS(THREADS), .kernel = "auto"};
	assert_int_equal(store_setup(&f->store, &store), STATUS_ok);
	struct commerce_options commerce = {};
	struct option_set commerce_set = {};
	option_add(&commerce_set, commerce_option_rows, commerce_option_count, &commerce);
	assert_int_equal(commerce_setup(&f->commerce, &commerce), STATUS_ok);
	struct shard_parts parts = {.store = f->store, .commerce = &f->commerce, .carts_ttl_ms = commerce.carts_ttl_ms,
	                            .payments_ttl_ms = commerce.payments_ttl_ms};
	assert_int_equal(shard_setup(&f->shard, &f->options, &parts, &(struct journal_report){}), STATUS_ok);
	return f;
}

static int setup(void **state)
{
	*state = fixture_make(NULL);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	shard_teardown(&f->shard);
	commerce_teardown(&f->commerce);
	store_teardown(&f->store);
	free(f);
	return 0;
}

/* ---- order and visibility ------------------------------------------------------------ */

static void a_batch_is_done_in_order(void **state)
{
	struct call call;
	call_init(&call);
	const char *reply = ask(*state, &call,
	                        "[{\"type\":\"locate\",\"x\":0,\"y\":0,\"radius\":5},"
	                        "{\"type\":\"reward.put\",\"id\":1,\"reward\":9,\"x\":3,\"y\":4,\"radius\":1},"
	                        "{\"type\":\"locate\",\"x\":0,\"y\":0,\"radius\":5},"
	                        "{\"type\":\"reward.remove\",\"id\":2,\"reward\":9},"
	                        "{\"type\":\"locate\",\"x\":0,\"y\":0,\"radius\":5},"
	                        "{\"type\":\"reward.remove\",\"id\":3,\"reward\":9}]");
	assert_string_equal(reply,
	                    "[{\"type\":\"located\",\"count\":0,\"truncated\":false,\"rewards\":[]},"
	                    "{\"type\":\"ok\",\"id\":\"1\",\"seq\":1},"
	                    "{\"type\":\"located\",\"count\":1,\"truncated\":false,\"rewards\":[{\"reward\":\"9\",\"distance\":5,"
	                    "\"kind\":\"default\",\"value\":0,\"remaining\":null}]},"
	                    "{\"type\":\"ok\",\"id\":\"2\",\"seq\":2},"
	                    "{\"type\":\"located\",\"count\":0,\"truncated\":false,\"rewards\":[]},"
	                    "{\"type\":\"error\",\"id\":\"3\",\"code\":\"not_found\",\"field\":\"reward\","
	                    "\"message\":\"there is no such reward\",\"retry\":\"new_id\",\"seq\":3}]");
	assert_int_equal(call.replies, 1);
}

static void a_bad_event_fails_alone(void **state)
{
	struct call call;
	call_init(&call);
	const char *reply = ask(*state, &call,
	                        "[{\"type\":\"reward.put\",\"id\":1,\"reward\":1,\"x\":0,\"y\":0,\"radius\":1},"
	                        "{\"type\":\"reward.put\",\"id\":2,\"reward\":2,\"x\":0,\"y\":0,\"radius\":-1},"
	                        "{\"type\":\"locate\",\"x\":0,\"y\":0}]");
	assert_non_null(strstr(reply, "\"id\":\"1\",\"seq\":1"));
	assert_non_null(strstr(reply, "\"id\":\"2\",\"code\":\"invalid_field\",\"field\":\"radius\""));
	assert_non_null(strstr(reply, "\"count\":1"));
}

static void messages_that_cannot_be_read_get_one_error(void **state)
{
	struct call call;
	call_init(&call);
	assert_non_null(strstr(ask(*state, &call, "GET / HTTP/1.1"), "\"code\":\"malformed\""));
	assert_non_null(strstr(ask(*state, &call, ""), "\"code\":\"malformed\""));
	assert_non_null(strstr(ask(*state, &call, "[{\"type\":\"ping\"}"), "\"code\":\"malformed\""));
	assert_string_equal(ask(*state, &call, "[]"), "[]");
	assert_int_equal(call.replies, 4);
}

static void a_message_above_the_limit_is_told_so(void **state)
{
	struct fixture *f = *state;
	struct call call;
	call_init(&call);
	size_t bytes = (size_t)f->options.message_bytes_max + 1;
	char *message = malloc(bytes);
	memset(message, ' ', bytes);
	message[0] = '[';
	message[bytes - 1] = ']';
	call_start(f->shard, &call, message, bytes);
	assert_non_null(strstr(call.reply, "\"code\":\"too_large\""));
	assert_non_null(strstr(call.reply, "1048576"));
	message[bytes - 2] = ']';
	call_start(f->shard, &call, message, bytes - 1);
	assert_string_equal(call.reply, "[]");
	free(message);
}

/* ---- refusals by load ------------------------------------------------------------------ */

static void draining_refuses_changes_and_still_answers_queries(void **state)
{
	struct fixture *f = *state;
	struct call call;
	call_init(&call);
	shard_drain(f->shard);
	const char *reply = ask(f, &call,
	                        "[{\"type\":\"reward.put\",\"id\":1,\"reward\":1,\"x\":0,\"y\":0,\"radius\":1},"
	                        "{\"type\":\"ping\"}]");
	assert_non_null(strstr(reply, "\"code\":\"draining\""));
	assert_non_null(strstr(reply, "\"retry\":\"same_id\""));
	assert_non_null(strstr(reply, "{\"type\":\"pong\"}"));
	while (shard_in_flight(f->shard) != 0) /* the writer counts a job off just after its reply */
		clock_sleep_ms(1);
}

/* It lay in a queue for 100 ms. */
static void ask_late(struct fixture *f, struct call *call, const void *message, size_t bytes)
{
	call_init(call);
	call->shard = f->shard;
	call->job.message = message;
	call->job.message_bytes = bytes;
	call->job.received_ns = clock_monotonic_ns() - 100000000;
	call->job.received_ms = clock_unix_ms();
	shard_handle(f->shard, &call->job);
	call_wait(call);
}

#define LATE(type, more) "{\"type\":\"" type "\"" more ",\"deadline_ms\":50}"
#define IN_TIME(type, more) "{\"type\":\"" type "\"" more ",\"deadline_ms\":60000}"
#define REWARD ",\"id\":1,\"reward\":1,\"x\":0,\"y\":0,\"radius\":1"

static unsigned count_text(const char *at, const char *text)
{
	unsigned count = 0;
	for (; (at = strstr(at, text)) != NULL; at++)
		count++;
	return count;
}

static void what_waited_too_long_is_not_done(void **state)
{
	struct fixture *f = *state;
	struct call call;
	static const char late[] = "\"code\":\"deadline_exceeded\"";
	static const char mixed[] = "[" LATE("reward.put", REWARD) "," LATE("reward.get", ",\"id\":7,\"reward\":1")
		"," LATE("ping", "") "," LATE("locate", ",\"x\":0,\"y\":0,\"radius\":5") "," LATE("feed.read", ",\"after\":0")
		"," IN_TIME("ping", "") ",{\"type\":\"reward.get\",\"reward\":1}]";
	ask_late(f, &call, mixed, sizeof mixed - 1);
	assert_int_equal(count_text(call.reply, late), 5);
	assert_int_equal(count_text(call.reply, "\"id\":\"7\",\"code\":\"deadline_exceeded\""), 1);
	assert_int_equal(count_text(call.reply, "\"type\":\"pong\""), 1);
	assert_int_equal(count_text(call.reply, "\"code\":\"not_found\""), 1);
	assert_false(call.job.is_refused);
	/* Queries alone do not wait for the writer; a message of them may wait for a thread. */
	static const char alone[] = "[" LATE("ping", "") "," IN_TIME("ping", "") "]";
	ask_late(f, &call, alone, sizeof alone - 1);
	assert_int_equal(count_text(call.reply, late), 1);
	assert_int_equal(count_text(call.reply, "\"type\":\"pong\""), 1);
	assert_false(call.job.is_refused);
	static const char whole[] = LATE("ping", "");
	ask_late(f, &call, whole, sizeof whole - 1);
	assert_int_equal(count_text(call.reply, late), 1);
	assert_true(call.job.is_refused);
	static const char for_writer[] = "[" LATE("ping", "") "," LATE("reward.put", REWARD) "]";
	ask_late(f, &call, for_writer, sizeof for_writer - 1);
	assert_true(call.job.is_refused);
}

/* The frames of one message, of which the last makes it one for the writer. */
static void a_frame_that_waited_too_long_is_not_done(void **state)
{
	struct fixture *f = *state;
	struct call call;
	uint8_t message[1024];
	struct cursor out;
	struct event_head late = {.deadline_ms = 50, .flags = EVENT_HAS_DEADLINE};
	const struct ping_record pings[] = {{late}, {{.deadline_ms = 60000, .flags = EVENT_HAS_DEADLINE}}, {late}};
	const struct reward_key_record get = {.head = late, .reward = {1, 0}};
	struct reward_key_record removal = {.head = late, .reward = {1, 0}};
	removal.head.id = (struct wire_id){9, 0};
	removal.head.flags |= EVENT_HAS_ID;
	for (unsigned frames = 2; frames <= 3; frames++) {
		static const status expected[] = {STATUS_deadline_exceeded, STATUS_ok, STATUS_deadline_exceeded,
		                                  STATUS_deadline_exceeded, STATUS_deadline_exceeded};
		struct frame_reader reader;
		struct frame_result result;
		unsigned count = 0;
		cursor_init(&out, message, sizeof message);
		frame_build(&out, EVENT_ping, 1, pings, 3, NULL, 0);
		frame_build(&out, EVENT_reward_get, 2, &get, 1, NULL, 0);
		if (frames == 3)
			frame_build(&out, EVENT_reward_remove, 3, &removal, 1, NULL, 0);
		ask_late(f, &call, message, cursor_used(&out));
		frame_reader_open(&reader, call.reply, call.reply_bytes);
		for (; frame_reader_has_next(&reader); count++) {
			assert_int_equal(frame_reader_next(&reader, &result), STATUS_ok);
			assert_int_equal(result.head->code, expected[count]);
		}
		assert_int_equal(count, frames + 2);
	}
}

/* A set-up with one option that the system cannot do; what it is answered with. */
static void refused(void (*spoil)(struct shard_options *o), status expected, const char *text)
{
	struct fixture f = {};
	struct journal_report report;
	struct store_options store = {.is_plane = true, .capacity = 100, .readers_max = SHARD_READERS(THREADS), .kernel = "auto"};
	struct commerce_options commerce = {};
	struct option_set commerce_set = {};
	option_add(&f.set, shard_option_rows, shard_option_count, &f.options);
	option_add(&commerce_set, commerce_option_rows, commerce_option_count, &commerce);
	f.options.workers = THREADS;
	spoil(&f.options);
	assert_int_equal(store_setup(&f.store, &store), STATUS_ok);
	assert_int_equal(commerce_setup(&f.commerce, &commerce), STATUS_ok);
	struct shard_parts parts = {.store = f.store, .commerce = &f.commerce};
	assert_int_equal(shard_setup(&f.shard, &f.options, &parts, &report), expected);
	assert_null(f.shard);
	if (strstr(report.text, text) == NULL)
		fail_msg("expected '%s', found '%s'", text, report.text);
	commerce_teardown(&f.commerce);
	store_teardown(&f.store);
}

static void spoil_decoding(struct shard_options *o) { o->decode_bytes_max = INT64_MAX / 2 + 1; }
static void spoil_replies(struct shard_options *o) { o->reply_bytes_max = INT64_MAX / 4; }
static void spoil_processor(struct shard_options *o) { o->writer_cpu = 1023; }

static void a_set_up_that_fails_says_what_and_where(void **state)
{
	(void)state;
	refused(spoil_decoding, STATUS_pool_exhausted,
	        "no memory for thread 1 of 4: events.decode_bytes_max of 4611686018427387904, events.reply_bytes_max of ");
	refused(spoil_replies, STATUS_pool_exhausted, "no memory for replies that wait: events.queue of ");
	refused(spoil_processor, STATUS_invalid_field,
	        "events.writer_cpu: the system does not let the writer run on processor 1023");
}

/* A done that holds the writer up, so that its queue fills behind it. */
struct gate {
	struct call call;
	sem_t entered, leave;
};

static void hold_the_writer(struct shard_job *job, const void *reply, size_t bytes)
{
	struct gate *gate = (struct gate *)job;
	sem_post(&gate->entered);
	while (sem_wait(&gate->leave) != 0)
		continue;
	on_done(job, reply, bytes);
}

static void a_full_queue_says_overloaded_at_once_and_loses_nothing(void **state)
{
	static const char *const settings[] = {"events.queue=4", NULL};
	(void)state;
	struct fixture *f = fixture_make(settings);
	enum { CALLS = 10 };
	struct gate gate;
	struct call *calls = calloc(CALLS, sizeof *calls);
	char messages[CALLS][160];
	unsigned refused = 0;
	call_init(&gate.call);
	sem_init(&gate.entered, 0, 0);
	sem_init(&gate.leave, 0, 0);
	gate.call.job.done = hold_the_writer;
	static const char first[] = "{\"type\":\"reward.put\",\"id\":1,\"reward\":1000,\"x\":0,\"y\":0,\"radius\":1}";
	call_start(f->shard, &gate.call, first, sizeof first - 1);
	while (sem_wait(&gate.entered) != 0)
		continue;
	for (int i = 0; i < CALLS; i++) {
		snprintf(messages[i], sizeof messages[i],
		         "{\"type\":\"reward.put\",\"id\":%d,\"reward\":%d,\"x\":0,\"y\":0,\"radius\":1}", i + 2, i + 1);
		call_init(&calls[i]);
		call_start(f->shard, &calls[i], messages[i], strlen(messages[i]));
		if (calls[i].replies != 0) {
			assert_non_null(strstr(calls[i].reply, "\"code\":\"overloaded\""));
			assert_non_null(strstr(calls[i].reply, "\"retry_after_ms\":10"));
			assert_non_null(strstr(calls[i].reply, "\"retry\":\"same_id\""));
			refused++;
		}
	}
	assert_int_equal(refused, CALLS - 3); /* a ring of four holds three */
	struct call query;
	call_init(&query);
	assert_non_null(strstr(ask(f, &query, "{\"type\":\"ping\"}"), "pong")); /* queries do not wait for the writer */
	sem_post(&gate.leave);
	for (int i = 0; i < CALLS; i++) {
		call_wait(&calls[i]);
		assert_int_equal(calls[i].replies, 1);
		snprintf(messages[0], sizeof messages[0], "{\"type\":\"reward.get\",\"reward\":%d}", i + 1);
		bool is_there = strstr(ask(f, &query, messages[0]), "\"type\":\"reward\"") != NULL;
		bool was_done = strstr(calls[i].reply, "\"seq\"") != NULL;
		assert_int_equal(is_there, was_done);
	}
	free(calls);
	void *again = f;
	teardown(&again);
}

/* ---- many at once ------------------------------------------------------------------------ */

struct client {
	struct fixture *fixture;
	unsigned number;
	pthread_t thread;
};

/* Puts a reward, and from its answer on every query must see it. */
static void *put_and_look(void *argument)
{
	struct client *client = argument;
	struct call *call = malloc(sizeof *call);
	char message[200], expected[64];
	call_init(call);
	for (unsigned i = 0; i < 400; i++) {
		unsigned reward = client->number * 100000 + i;
		snprintf(message, sizeof message,
		         "{\"type\":\"reward.put\",\"id\":%u,\"reward\":%u,\"x\":%u,\"y\":%u,\"radius\":0.25}", reward, reward,
		         client->number, i);
		CHECK(strstr(ask(client->fixture, call, message), "\"seq\"") != NULL, "%s", call->reply);
		snprintf(message, sizeof message, "{\"type\":\"locate\",\"x\":%u,\"y\":%u}", client->number, i);
		snprintf(expected, sizeof expected, "\"count\":1,\"truncated\":false,\"rewards\":[{\"reward\":\"%u\"", reward);
		CHECK(strstr(ask(client->fixture, call, message), expected) != NULL, "%s", call->reply);
	}
	free(call);
	return NULL;
}

static void an_answered_change_is_seen_by_every_later_query(void **state)
{
	struct client clients[THREADS];
	for (unsigned i = 0; i < THREADS; i++) {
		clients[i] = (struct client){*state, i + 1, 0};
		pthread_create(&clients[i].thread, NULL, put_and_look, &clients[i]);
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(clients[i].thread, NULL);
}

/* ---- memory -------------------------------------------------------------------------------- */

static uint64_t allocations_of(struct fixture *f, struct call *call, const void *message, size_t bytes)
{
	for (int i = 0; i < 3; i++) { /* warm-up: pages of the arena, lazy state of the libraries */
		call_start(f->shard, call, message, bytes);
		call_wait(call);
	}
	allocation_count_start();
	for (int i = 0; i < 100; i++) {
		call_start(f->shard, call, message, bytes);
		call_wait(call);
	}
	return allocation_count_stop();
}

static void a_query_allocates_nothing(void **state)
{
	struct fixture *f = *state;
	struct call *call = malloc(sizeof *call);
	if (!allocation_count_available()) {
		print_message("SKIP: a sanitizer or valgrind owns the heap, allocations cannot be counted\n");
		free(call);
		skip();
	}
	call_init(call);
	char message[8192];
	for (int i = 0; i < 50; i++) {
		snprintf(message, sizeof message,
		         "{\"type\":\"reward.put\",\"id\":%d,\"reward\":%d,\"x\":%d,\"y\":1,\"radius\":9,\"name\":\"a\"}", i + 1,
		         i + 1, i);
		ask(f, call, message);
	}
	store_settle(f->store); /* the merger allocates, on a thread of its own */
	static const char json[] = "{\"type\":\"locate\",\"x\":10,\"y\":1,\"radius\":30,\"kinds\":[\"default\",\"other\"]}";
	assert_int_equal(allocations_of(f, call, json, sizeof json - 1), 0);
	assert_non_null(strstr(call->reply, "\"truncated\":true"));
	static const char get[] = "[{\"type\":\"reward.get\",\"reward\":7},{\"type\":\"ping\"},{\"type\":\"locate\",\"x\":1}]";
	assert_int_equal(allocations_of(f, call, get, sizeof get - 1), 0);

	struct locate_record records[64] = {};
	struct cursor out;
	for (int i = 0; i < 64; i++) {
		records[i].x = i;
		records[i].y = 1;
		records[i].area = LOCATE_RADIUS;
		records[i].radius = 8;
	}
	cursor_init(&out, message, sizeof message);
	frame_build(&out, EVENT_locate, 1, records, 64, NULL, 0);
	assert_false(out.full);
	assert_int_equal(allocations_of(f, call, message, cursor_used(&out)), 0);
	free(call);
}

static void metrics_count_what_happened(void **state)
{
	struct fixture *f = *state;
	struct call call;
	call_init(&call);
	ask(f, &call, "{\"type\":\"ping\"}");
	ask(f, &call, "[{\"type\":\"locate\",\"x\":1},{\"type\":\"reward.get\",\"reward\":7}]");
	ask(f, &call, "nonsense");
	static char page[1 << 16];
	struct cursor out;
	cursor_init(&out, page, sizeof page - 1);
	shard_write_metrics(f->shard, &(struct metric_page){&out, METRIC_TEXT});
	assert_false(out.full);
	*out.at = '\0';
	static const char *const lines[] = {
		"trove_messages_total{encoding=\"json\"} 2\n",
		"trove_events_total{type=\"ping\"} 1\n",
		"trove_events_total{type=\"locate\"} 0\n",
		"trove_events_refused_total{code=\"missing_field\"} 1\n",
		"trove_events_refused_total{code=\"not_found\"} 1\n",
		"trove_events_refused_total{code=\"malformed\"} 1\n",
		"trove_message_duration_seconds_count 3\n",
	};
	for (size_t i = 0; i < COUNT_OF(lines); i++)
		if (strstr(page, lines[i]) == NULL)
			fail_msg("no line %s", lines[i]);
}

static void options_that_contradict_each_other_are_named(void **state)
{
	(void)state;
	struct shard_options options;
	struct option_set set = {};
	struct option_problem problem;
	option_add(&set, shard_option_rows, shard_option_count, &options);
	options.queue = 100;
	assert_false(shard_options_agree(&options, &problem));
	assert_non_null(strstr(problem.text, "events.queue"));
	options.queue = 128;
	options.batch_max = 65536;
	assert_false(shard_options_agree(&options, &problem));
	assert_non_null(strstr(problem.text, "events.reply_bytes_max"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_batch_is_done_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(a_bad_event_fails_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(messages_that_cannot_be_read_get_one_error, setup, teardown),
		cmocka_unit_test_setup_teardown(a_message_above_the_limit_is_told_so, setup, teardown),
		cmocka_unit_test_setup_teardown(draining_refuses_changes_and_still_answers_queries, setup, teardown),
		cmocka_unit_test_setup_teardown(what_waited_too_long_is_not_done, setup, teardown),
		cmocka_unit_test(a_set_up_that_fails_says_what_and_where),
		cmocka_unit_test_setup_teardown(a_frame_that_waited_too_long_is_not_done, setup, teardown),
		cmocka_unit_test(a_full_queue_says_overloaded_at_once_and_loses_nothing),
		cmocka_unit_test_setup_teardown(an_answered_change_is_seen_by_every_later_query, setup, teardown),
		cmocka_unit_test_setup_teardown(a_query_allocates_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(metrics_count_what_happened, setup, teardown),
		cmocka_unit_test(options_that_contradict_each_other_are_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
