/*
 * A shard that is driven step by step, with a clock of its own. Claims and time: a small pool serves for ever while
 * claims are forgotten, a stock is never given out twice, and a start comes to the same. And what a query may see
 * that did not happen in the end. Carts that are longer than is allowed now, a kind more than there may be, refunds where
 * the pool is full. Thousands that end together. And what a start takes for a few rewards that changed often, and how
 * much of the journal one message may have read.
 */
#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/random.h"
#include "engine/shard/shard_private.h"
#include "tests/support/allocation_count.h"
#include "tests/support/journal_files.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { CLAIMS = 8, ROUNDS = 2000, REPLY_BYTES = 64 << 10 };
enum : int64_t { TTL_MS = 10000, START_MS = 1700000000000 };

struct fixture {
	char folder[FILES_PATH_BYTES];
	struct shard_options options;
	struct option_set set;
	struct journal_options journal;
	struct commerce_options commerce_options;
	struct shard_clock clock;
	struct store *store;
	struct commerce commerce;
	struct shard *shard;
	int64_t now_ms;
	unsigned id, file_rewards;
	_Atomic bool is_broken, is_slow; /* the disk */
};

static int64_t unix_ms(void *f) { return ((struct fixture *)f)->now_ms; }
static int64_t monotonic_ns(void *f) { return ((struct fixture *)f)->now_ms * 1000000; }

static int fault(void *f, enum journal_step step)
{
	while (((struct fixture *)f)->is_slow && step == JOURNAL_STEP_sync)
		clock_sleep_ms(1);
	return ((struct fixture *)f)->is_broken && step == JOURNAL_STEP_write ? EIO : 0;
}

struct call {
	struct shard_job job;
	char reply[REPLY_BYTES];
	bool is_done;
};

static void on_done(struct shard_job *job, const void *reply, size_t bytes)
{
	struct call *call = (struct call *)job;
	CHECK(bytes < sizeof call->reply, "a reply of %zu bytes", bytes);
	memcpy(call->reply, reply, bytes);
	call->reply[bytes] = '\0';
	call->is_done = true;
}

/* As rewards.file does: rewards 1, 2, 3, ... */
static void load_rewards(struct fixture *f)
{
	struct reward rewards[100];
	for (unsigned i = 0; i < f->file_rewards; i++)
		rewards[i] = (struct reward){.id.low = i + 1, .x = 1, .y = 1, .radius = 9, .stock = -1, .kind = "file", .kind_bytes = 4,
		                             .name = "", .from_ms = INT64_MIN, .until_ms = INT64_MAX};
	assert_int_equal(store_load(f->store, rewards, f->file_rewards), STATUS_ok);
}

static void open_shard(struct fixture *f)
{
	struct store_options store = {.capacity = 100, .readers_max = SHARD_READERS(1), .kernel = "auto"};
	struct journal_report report;
	assert_int_equal(store_setup(&f->store, &store), STATUS_ok);
	if (f->file_rewards != 0)
		load_rewards(f);
	assert_int_equal(commerce_setup(&f->commerce, &f->commerce_options), STATUS_ok);
	struct shard_parts parts = {.store = f->store, .commerce = &f->commerce, .carts_ttl_ms = 1000, .payments_ttl_ms = 1000,
	                            .claims_ttl_ms = TTL_MS, .journal = &f->journal, .clock = &f->clock, .is_driven = true};
	if (shard_setup(&f->shard, &f->options, &parts, &report) != STATUS_ok)
		fail_msg("%s", report.text);
}

static void close_shard(struct fixture *f)
{
	shard_teardown(&f->shard);
	commerce_teardown(&f->commerce);
	store_teardown(&f->store);
}

static struct fixture *make_closed(void)
{
	struct fixture *f = calloc(1, sizeof *f);
	make_folder(f->folder);
	option_add(&f->set, shard_option_rows, shard_option_count, &f->options);
	option_add(&f->set, commerce_option_rows, commerce_option_count, &f->commerce_options);
	f->options.workers = 1;
	f->options.snapshot_bytes = 0;
	f->journal = small_options(f->folder);
	f->journal.fault = fault;
	f->journal.fault_context = f;
	f->commerce_options.products_capacity = f->commerce_options.carts_capacity = f->commerce_options.carts_extents = 4;
	f->commerce_options.payments_capacity = f->commerce_options.payments_history = 4;
	f->commerce_options.claims_capacity = CLAIMS;
	f->commerce_options.idempotency_capacity = 64;
	f->commerce_options.seed = 5; /* so that digests are comparable */
	f->clock = (struct shard_clock){unix_ms, monotonic_ns, f};
	f->now_ms = START_MS;
	return f;
}

static int make_fixture(void **state)
{
	struct fixture *f = make_closed();
	open_shard(f);
	*state = f;
	return 0;
}

/* Of each kind, and how many end at a time. */
enum { CROWD = 3000, ENDS = 64, BATCH = 100 };

static int make_crowd(void **state)
{
	struct fixture *f = make_closed();
	f->journal.segment_bytes = 4 << 20; /* one file: none has to be waited for */
	f->commerce_options.carts_capacity = f->commerce_options.claims_capacity = f->commerce_options.payments_capacity = CROWD;
	open_shard(f);
	*state = f;
	return 0;
}

static int remove_fixture(void **state)
{
	struct fixture *f = *state;
	close_shard(f);
	remove_folder(f->folder);
	free(f);
	return 0;
}

static void send(struct fixture *f, struct call *call, const char *message)
{
	*call = (struct call){.job.message = message, .job.message_bytes = strlen(message), .job.done = on_done,
	                      .job.received_ns = monotonic_ns(f), .job.received_ms = f->now_ms};
	shard_handle(f->shard, &call->job);
	shard_step(f->shard);
}

/* Sends it and says what came. */
static void ask(struct fixture *f, struct call *call, const char *message)
{
	send(f, call, message);
	assert_true(shard_settle(f->shard, 20000));
	assert_true(call->is_done);
}

static void expect(struct fixture *f, const char *message, const char *text)
{
	struct call call;
	ask(f, &call, message);
	if (strstr(call.reply, text) == NULL)
		fail_msg("no %s in %s", text, call.reply);
}

static void put_reward(struct fixture *f, unsigned reward, const char *more)
{
	char message[256];
	snprintf(message, sizeof message, "{\"type\":\"reward.put\",\"id\":%u,\"reward\":%u,\"x\":1,\"y\":1,\"radius\":9%s}", ++f->id,
	         reward, more);
	expect(f, message, "\"ok\"");
}

static void claim(struct fixture *f, unsigned actor, unsigned reward, const char *text)
{
	char message[256];
	snprintf(message, sizeof message, "{\"type\":\"claim\",\"id\":%u,\"actor\":%u,\"reward\":%u,\"x\":1,\"y\":1}", ++f->id, actor,
	         reward);
	expect(f, message, text);
}

/* Time goes on, and the writer looks what ended. */
static void pass(struct fixture *f, int64_t ms)
{
	f->now_ms += ms;
	for (unsigned i = 0; i < 3; i++, f->now_ms += 100)
		shard_step(f->shard);
	assert_true(shard_settle(f->shard, 20000));
}

static uint32_t held(const struct fixture *f) { return slots_in_use(&f->commerce.claims.slots); }

static void start_again(struct fixture *f)
{
	uint64_t digest = commerce_digest(&f->commerce);
	close_shard(f);
	open_shard(f);
	assert_true(commerce_is_valid(&f->commerce));
	assert_true(commerce_digest(&f->commerce) == digest);
}

static void a_full_pool_empties_with_time(void **state)
{
	struct fixture *f = *state;
	put_reward(f, 7, "");
	for (unsigned actor = 1; actor <= CLAIMS; actor++)
		claim(f, actor, 7, "claimed");
	claim(f, 99, 7, "pool_exhausted");
	claim(f, 1, 7, "already_claimed");
	pass(f, TTL_MS - 1000);
	assert_int_equal(held(f), CLAIMS);
	claim(f, 99, 7, "pool_exhausted");
	pass(f, 3000);
	assert_int_equal(held(f), 0);
	start_again(f);
	claim(f, 99, 7, "claimed");
	claim(f, 1, 7, "claimed");
	claim(f, 1, 7, "already_claimed");
}

static void a_small_pool_serves_for_ever(void **state)
{
	struct fixture *f = *state;
	put_reward(f, 7, "");
	for (unsigned round = 0; round < ROUNDS; round++) {
		claim(f, 1000 + round, 7, "claimed");
		pass(f, TTL_MS / 4);
		assert_in_range(held(f), 1, CLAIMS);
	}
	start_again(f);
}

static void a_stock_is_not_given_out_twice(void **state)
{
	struct fixture *f = *state;
	char more[96];
	int64_t until_ms = f->now_ms + 10 * TTL_MS;
	snprintf(more, sizeof more, ",\"stock\":3,\"until\":%lld", (long long)until_ms);
	put_reward(f, 8, more);
	for (unsigned actor = 1; actor <= 3; actor++)
		claim(f, actor, 8, "claimed");
	pass(f, 5 * TTL_MS);
	assert_int_equal(held(f), 3);
	claim(f, 4, 8, "out_of_stock");
	claim(f, 1, 8, "already_claimed");
	/* Its end; then the same time once more, in which an event may come late. */
	pass(f, until_ms - f->now_ms + TTL_MS / 2);
	assert_int_equal(held(f), 3);
	pass(f, TTL_MS);
	assert_int_equal(held(f), 0);
	start_again(f);
	claim(f, 5, 8, "not_active");
}

static void one_whose_reward_is_gone_goes(void **state)
{
	struct fixture *f = *state;
	char message[96];
	put_reward(f, 8, ",\"stock\":3");
	claim(f, 1, 8, "claimed");
	snprintf(message, sizeof message, "{\"type\":\"reward.remove\",\"id\":%u,\"reward\":8}", ++f->id);
	expect(f, message, "\"ok\"");
	pass(f, TTL_MS / 2);
	assert_int_equal(held(f), 1);
	pass(f, TTL_MS);
	assert_int_equal(held(f), 0);
	start_again(f);
}

/* ---- queries and crashes --------------------------------------------------------------------------- */

static void a_put_is_seen_before_it_is_kept(void **state)
{
	struct fixture *f = *state;
	static const char put[] = "{\"type\":\"reward.put\",\"id\":1,\"reward\":5,\"x\":1,\"y\":1,\"radius\":9}";
	static const char locate[] = "{\"type\":\"locate\",\"x\":1,\"y\":1}";
	struct call call, query;
	f->is_broken = true;
	send(f, &call, put);
	send(f, &query, locate);
	assert_non_null(strstr(query.reply, "\"count\":1"));
	assert_false(call.is_done);
	/* It ends there: it was never answered, and it never was. */
	close_shard(f);
	assert_false(call.is_done);
	f->is_broken = false;
	open_shard(f);
	expect(f, locate, "\"count\":0");
	ask(f, &call, put);
	assert_non_null(strstr(call.reply, "\"ok\""));
	assert_null(strstr(call.reply, "replayed"));
	/* What was answered stays. */
	close_shard(f);
	open_shard(f);
	expect(f, locate, "\"count\":1");
}

/* ---- longer carts than are allowed now ---------------------------------------------------------------- */

static void add(struct fixture *f, unsigned sku, const char *text)
{
	char message[160];
	snprintf(message, sizeof message, "{\"type\":\"cart.add\",\"id\":%u,\"cart\":1,\"sku\":\"%u\",\"unit_price\":5}", ++f->id,
	         sku);
	expect(f, message, text);
}

static void a_cart_that_was_allowed_stays(void **state)
{
	struct fixture *f = *state;
	close_shard(f);
	f->commerce_options.carts_lines_max = 3;
	open_shard(f);
	ask(f, &(struct call){}, "{\"type\":\"cart.open\",\"id\":1000,\"cart\":1,\"currency\":\"EUR\"}");
	for (unsigned sku = 1; sku <= 3; sku++)
		add(f, sku, "\"type\":\"cart\"");
	add(f, 4, "carts.lines_max");
	f->id--; /* nothing was remembered: the same event again */
	add(f, 4, "\"code\":\"pool_exhausted\"");
	f->commerce_options.carts_lines_max = 1;
	start_again(f);
	add(f, 4, "carts.lines_max");
	add(f, 3, "\"total\":20");
	f->commerce_options.carts_lines_max = 0;
	start_again(f);
	add(f, 4, "\"line_count\":4");
}

/* ---- many that end together ------------------------------------------------------------------------- */

/* Its number stands between the two texts. */
static void send_many(struct fixture *f, const char *event, const char *more)
{
	enum { ROOM = BATCH * 160 };
	char *message = calloc(ROOM, 1);
	for (unsigned n = 1; n <= CROWD; n += BATCH) {
		int at = 0;
		for (unsigned i = 0; i < BATCH; i++)
			at += snprintf(message + at, (size_t)(ROOM - at), "%c{\"id\":%u,%s:%u%s}", i == 0 ? '[' : ',', ++f->id, event,
			               n + i, more);
		assert_in_range(at, 1, ROOM - 2);
		memcpy(message + at, "]", 2);
		struct call call;
		ask(f, &call, message);
		if (strstr(call.reply, "error") != NULL)
			fail_msg("%.1000s", call.reply);
	}
	free(message);
}

static uint64_t ended(const struct fixture *f, enum shard_ended what) { return f->shard->writer->metrics.expired[what]; }

static const char put_product[] =
	"{\"type\":\"product.put\",\"id\":999999,\"sku\":\"a\",\"unit_price\":1,\"currency\":\"EUR\"}";

static void fill(struct fixture *f)
{
	put_reward(f, 7, "");
	send_many(f, "\"type\":\"claim\",\"actor\"", ",\"reward\":7,\"x\":1,\"y\":1");
	send_many(f, "\"type\":\"payment.authorize\",\"payment\"", ",\"amount\":5,\"currency\":\"EUR\"");
	send_many(f, "\"type\":\"cart.open\",\"cart\"", ",\"currency\":\"EUR\"");
}

static void many_end_in_turns_without_rest(void **state)
{
	struct fixture *f = *state;
	fill(f);
	f->now_ms += TTL_MS + 2000;
	for (unsigned turns = 1; turns <= CROWD / ENDS; turns++) {
		/* Whoever comes in between is answered in the next turn, in which some end, too. */
		if (turns == 10)
			expect(f, put_product, "\"ok\"");
		else
			shard_step(f->shard);
		assert_int_equal(ended(f, SHARD_ENDED_cart), turns * ENDS);
		assert_int_equal(ended(f, SHARD_ENDED_payment), turns * ENDS);
		assert_int_equal(ended(f, SHARD_ENDED_claim), turns * ENDS);
		assert_true(shard_settle(f->shard, 20000));
	}
	shard_step(f->shard);
	assert_int_equal(ended(f, SHARD_ENDED_cart), CROWD);
	assert_int_equal(ended(f, SHARD_ENDED_payment), CROWD);
	assert_int_equal(ended(f, SHARD_ENDED_claim), CROWD);
	assert_int_equal(f->shard->behind, 0);
	start_again(f);
}

/* The writer does not go round and round over claims that may not go. */
static void those_that_stay_give_it_rest(void **state)
{
	struct fixture *f = *state;
	put_reward(f, 7, ",\"stock\":100000");
	send_many(f, "\"type\":\"claim\",\"actor\"", ",\"reward\":7,\"x\":1,\"y\":1");
	f->now_ms += TTL_MS + 2000;
	shard_step(f->shard);
	assert_int_equal(ended(f, SHARD_ENDED_claim), 0);
	assert_int_equal(f->shard->behind, 0);
	assert_int_equal(held(f), CROWD);
}

/* What ends must not take the room of what is asked. */
static void no_faster_than_the_disk(void **state)
{
	struct fixture *f = *state;
	struct call call;
	fill(f);
	f->now_ms += TTL_MS + 2000;
	f->is_slow = true;
	uint64_t seq = f->shard->seq;
	for (unsigned turns = 0; turns < CROWD; turns++)
		shard_step(f->shard);
	assert_in_range(f->shard->seq - seq, ENDS, 1024 + 3 * ENDS);
	assert_true(f->shard->behind != 0);
	send(f, &call, put_product);
	f->is_slow = false;
	assert_true(shard_settle(f->shard, 20000));
	assert_true(call.is_done);
	assert_non_null(strstr(call.reply, "\"ok\""));
	/* The rest, as soon as it has caught up. */
	for (unsigned turns = 0; turns < CROWD && f->shard->behind != 0; turns++) {
		shard_step(f->shard);
		assert_true(shard_settle(f->shard, 20000));
	}
	assert_int_equal(ended(f, SHARD_ENDED_cart), CROWD);
	assert_int_equal(ended(f, SHARD_ENDED_claim), CROWD);
}

/* ---- kinds --------------------------------------------------------------------------------------------- */

static void put_of_kind(struct fixture *f, unsigned reward, unsigned kind, const char *text)
{
	char message[256];
	snprintf(message, sizeof message,
	         "{\"type\":\"reward.put\",\"id\":%u,\"reward\":%u,\"x\":1,\"y\":1,\"radius\":9,\"kind\":\"k%u\"}", ++f->id, reward,
	         kind);
	expect(f, message, text);
}

static void one_kind_more_is_refused_alone(void **state)
{
	struct fixture *f = *state;
	static const char refusal[] = "\"code\":\"pool_exhausted\",\"field\":\"kind\",\"message\":\"255 kinds have come";
	for (unsigned kind = 1; kind <= KINDS_MAX; kind++)
		put_of_kind(f, 1, kind, "\"ok\"");
	put_of_kind(f, 1, 1000, refusal);
	put_of_kind(f, 2, 1001, refusal);
	expect(f, "{\"type\":\"reward.get\",\"reward\":1}", "\"kind\":\"k255\"");
	expect(f, "{\"type\":\"locate\",\"x\":1,\"y\":1,\"kinds\":[\"k255\",\"k1000\"]}", "\"count\":1");
	put_of_kind(f, 2, 7, "\"ok\"");
	claim(f, 5, 2, "claimed");
	/* Two of them are left. */
	start_again(f);
	for (unsigned kind = 1000; kind < 1000 + KINDS_MAX - 2; kind++)
		put_of_kind(f, 3, kind, "\"ok\"");
	put_of_kind(f, 3, 2000, refusal);
	put_of_kind(f, 3, 7, "\"ok\"");
	start_again(f);
	expect(f, "{\"type\":\"locate\",\"x\":1,\"y\":1,\"kinds\":[\"k7\"]}", "\"count\":2");
}

/* ---- payments that left a full pool ------------------------------------------------------------------ */

static void payment(struct fixture *f, const char *event, unsigned payment, const char *more, const char *text)
{
	char message[256];
	snprintf(message, sizeof message, "{\"type\":\"payment.%s\",\"id\":%u,\"payment\":%u%s}", event, ++f->id, payment, more);
	expect(f, message, text);
}

static void hold(struct fixture *f, unsigned number)
{
	payment(f, "authorize", number, ",\"amount\":100,\"currency\":\"EUR\"", "\"authorized\"");
}

static void a_refund_in_part_needs_a_place_again(void **state)
{
	struct fixture *f = *state;
	hold(f, 1);
	payment(f, "capture", 1, "", "\"state\":\"captured\"");
	for (unsigned number = 2; number <= 5; number++)
		hold(f, number);
	assert_null(payments_find(&f->commerce.payments, (struct identifier){.low = 1}));
	payment(f, "refund", 1, ",\"amount\":10", "pool_exhausted");
	payment(f, "refund", 1, ",\"amount\":10", "one of all that is left needs none");
	payment(f, "get", 1, "", "\"state\":\"captured\",\"authorized\":100,\"captured\":100,\"refunded\":0");
	payment(f, "void", 5, "", "\"voided\"");
	for (unsigned i = 0; i < 5; i++)
		payment(f, "refund", 1, ",\"amount\":10", "\"state\":\"captured\"");
	assert_int_equal(f->commerce.payment_history.count, 2);
	hold(f, 6);
	payment(f, "refund", 1, ",\"amount\":10", "pool_exhausted");
	start_again(f);
	payment(f, "refund", 1, ",\"amount\":49", "pool_exhausted");
	payment(f, "refund", 1, "", "\"state\":\"refunded\",\"authorized\":100,\"captured\":100,\"refunded\":100");
	start_again(f);
	payment(f, "get", 1, "", "\"state\":\"refunded\"");
}

/* ---- a few rewards that change often ------------------------------------------------------------------- */

enum { FILE_REWARDS = 40, OFTEN = 80, MESSAGES = 600, GONE = 1000000 };

static int make_often(void **state)
{
	struct fixture *f = make_closed();
	f->journal.segment_bytes = 16 << 20;
	f->commerce_options.idempotency_capacity = 200000;
	f->file_rewards = FILE_REWARDS;
	open_shard(f);
	*state = f;
	return 0;
}

/* What became of each: -1: there is none. */
struct often {
	int64_t values[OFTEN + 1];
};

/* Puts and removals, and rewards that come once and go: their ids never end. */
static void change_rewards(struct fixture *f, struct random *r, struct often *o)
{
	static char message[REPLY_BYTES];
	size_t used = 0;
	for (unsigned i = 0; i < 64; i++) {
		unsigned reward = 1 + (unsigned)random_below(r, OFTEN), id = ++f->id;
		const char *comma = i == 0 ? "[" : ",";
		bool is_put = random_below(r, 3) != 0;
		size_t room = sizeof message - used;
		if (i % 4 == 0)
			used += (size_t)snprintf(message + used, room,
			                         "%s{\"type\":\"reward.put\",\"id\":%u,\"reward\":%u,\"x\":1,\"y\":1,\"radius\":9},"
			                         "{\"type\":\"reward.remove\",\"id\":%u,\"reward\":%u}",
			                         comma, id, GONE + id, ++f->id, GONE + id);
		else if (is_put)
			used += (size_t)snprintf(message + used, room,
			                         "%s{\"type\":\"reward.put\",\"id\":%u,\"reward\":%u,\"x\":1,\"y\":1,\"radius\":9,"
			                         "\"value\":%u}",
			                         comma, id, reward, id);
		else
			used += (size_t)snprintf(message + used, room, "%s{\"type\":\"reward.remove\",\"id\":%u,\"reward\":%u}", comma, id,
			                         reward);
		if (i % 4 != 0)
			o->values[reward] = is_put ? (int64_t)id : -1;
	}
	snprintf(message + used, sizeof message - used, "]");
	expect(f, message, "\"ok\"");
}

static void expect_rewards(struct fixture *f, const struct often *o)
{
	uint64_t there = 0;
	for (unsigned reward = 1; reward <= OFTEN; reward++) {
		char message[96], text[48];
		snprintf(message, sizeof message, "{\"type\":\"reward.get\",\"reward\":%u}", reward);
		snprintf(text, sizeof text, "\"value\":%lld,", (long long)o->values[reward]);
		expect(f, message, o->values[reward] < 0 ? "not_found" : text);
		there += o->values[reward] >= 0;
	}
	struct store_statistics statistics;
	store_statistics(f->store, &statistics);
	assert_int_equal(statistics.rewards, there);
}

/* The most that a start took. */
static uint64_t start_counted(struct fixture *f, const struct often *o)
{
	uint64_t digest = store_digest(f->store);
	close_shard(f);
	allocation_count_start();
	open_shard(f);
	(void)allocation_count_stop();
	expect_rewards(f, o);
	assert_true(store_digest(f->store) == digest);
	return allocation_count_peak();
}

static void a_start_takes_no_more_for_many_changes_of_few(void **state)
{
	struct fixture *f = *state;
	struct random random = {.state = 3};
	struct often o;
	for (unsigned reward = 1; reward <= OFTEN; reward++)
		o.values[reward] = reward <= FILE_REWARDS ? 0 : -1;
	uint64_t empty = start_counted(f, &o);
	for (unsigned i = 0; i < MESSAGES; i++)
		change_rewards(f, &random, &o);
	uint64_t full = start_counted(f, &o);
	if (!allocation_count_available()) {
		printf("SKIP bytes are not counted here\n");
		return;
	}
	printf("a start takes %llu bytes, with %u changes of %d rewards %llu\n", (unsigned long long)empty, f->id, OFTEN,
	       (unsigned long long)full);
	/* 24 bytes for each of 1024, and the sort's copy. */
	assert_in_range(full, 0, empty + 56 * 1024);
}

/* ---- publications that are rare ------------------------------------------------------------------------- */

enum { PAYMENTS_AT_ONCE = 100, PAYMENTS = 6000, FEED_READS = 50, LOOKED_LEAST = 64, LOOKED_MOST = 5000 };

static void pay(struct fixture *f)
{
	static char message[REPLY_BYTES];
	size_t used = 0;
	for (unsigned i = 0; i < PAYMENTS_AT_ONCE; i++, f->id += 2)
		used += (size_t)snprintf(message + used, sizeof message - used,
		                         "%s{\"type\":\"payment.authorize\",\"id\":%u,\"payment\":%u,\"amount\":7,\"currency\":\"EUR\"},"
		                         "{\"type\":\"payment.void\",\"id\":%u,\"payment\":%u}",
		                         i == 0 ? "[" : ",", f->id + 1, f->id + 1, f->id + 2, f->id + 1);
	snprintf(message + used, sizeof message - used, "]");
	expect(f, message, "voided");
}

/* What stands behind the n-th "last". */
static unsigned last_of(const char *reply, unsigned n)
{
	static const char name[] = "\"last\":";
	const char *at = reply;
	for (unsigned i = 0; i <= n; i++) {
		at = strstr(at, name);
		assert_non_null(at);
		at += sizeof name - 1;
	}
	return (unsigned)strtoul(at, NULL, 10);
}

static void one_message_reads_so_much_of_the_journal(void **state)
{
	struct fixture *f = *state;
	static struct call call;
	static char message[REPLY_BYTES];
	for (unsigned i = 0; i < PAYMENTS; i += PAYMENTS_AT_ONCE)
		pay(f);
	put_reward(f, 8, ",\"stock\":1");
	claim(f, 1, 8, "claimed");
	unsigned last = 0, reads = 0, claimed = 2 * PAYMENTS + 2;
	for (; last < claimed; reads++) {
		snprintf(message, sizeof message,
		         "{\"type\":\"feed.read\",\"after\":%u,\"topics\":[\"reward.depleted\",\"cart.abandoned\"]}", last);
		ask(f, &call, message);
		unsigned now = last_of(call.reply, 0);
		assert_in_range(now, last + 1, last + LOOKED_MOST);
		assert_int_equal(strstr(call.reply, "\"more\":true") != NULL, now < claimed);
		assert_int_equal(strstr(call.reply, "\"type\":\"reward.depleted\"") != NULL, now == claimed);
		assert_null(strstr(call.reply, "reward.claimed"));
		last = now;
	}
	assert_in_range(reads, 3, 12);
	/* All of a message share it; each goes on. */
	size_t used = 0;
	for (unsigned i = 0; i < FEED_READS; i++)
		used += (size_t)snprintf(message + used, sizeof message - used,
		                         "%s{\"type\":\"feed.read\",\"after\":%u,\"topics\":[\"reward.depleted\"]}",
		                         i == 0 ? "[" : ",", i);
	snprintf(message + used, sizeof message - used, "]");
	ask(f, &call, message);
	assert_in_range(last_of(call.reply, 0), 2 * LOOKED_LEAST, LOOKED_MOST);
	for (unsigned i = 1; i < FEED_READS; i++)
		assert_int_equal(last_of(call.reply, i), i + LOOKED_LEAST);
}

#define life_test(f) cmocka_unit_test_setup_teardown(f, make_fixture, remove_fixture)
#define crowd_test(f) cmocka_unit_test_setup_teardown(f, make_crowd, remove_fixture)

int main(void)
{
	const struct CMUnitTest tests[] = {
		life_test(a_full_pool_empties_with_time),
		life_test(a_small_pool_serves_for_ever),
		life_test(a_stock_is_not_given_out_twice),
		life_test(one_whose_reward_is_gone_goes),
		life_test(a_put_is_seen_before_it_is_kept),
		life_test(a_cart_that_was_allowed_stays),
		life_test(one_kind_more_is_refused_alone),
		life_test(a_refund_in_part_needs_a_place_again),
		crowd_test(many_end_in_turns_without_rest),
		crowd_test(those_that_stay_give_it_rest),
		crowd_test(no_faster_than_the_disk),
		cmocka_unit_test_setup_teardown(a_start_takes_no_more_for_many_changes_of_few, make_often, remove_fixture),
		cmocka_unit_test_setup_teardown(one_message_reads_so_much_of_the_journal, make_often, remove_fixture),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
