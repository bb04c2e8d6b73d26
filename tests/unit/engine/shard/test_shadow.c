/* The shadow beside a live shard: what it saves, with the journal behind it, is the live state. */
#include "engine/shard/shadow.h"

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/random.h"
#include "tests/support/journal_files.h"

#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BURSTS = 12, MESSAGES = 400, MESSAGE_BYTES = 4096, REPLY_BYTES = 512 };

struct call {
	struct shard_job job;
	sem_t done;
	char reply[REPLY_BYTES]; /* its beginning */
};

struct fixture {
	char folder[FILES_PATH_BYTES];
	struct shard_options options;
	struct option_set set;
	struct journal_options journal;
	struct commerce_options commerce_options;
	struct store *store;
	struct commerce commerce;
	struct shard *shard;
	unsigned id, file_rewards;
};

static void on_done(struct shard_job *job, const void *reply, size_t bytes)
{
	struct call *call = (struct call *)job;
	snprintf(call->reply, sizeof call->reply, "%.*s", (int)bytes, (const char *)reply);
	sem_post(&call->done);
}

/* Its reply has this text. */
static void expect(struct fixture *f, const char *message, const char *text)
{
	struct call call = {.job.message = message, .job.message_bytes = strlen(message), .job.done = on_done};
	call.job.received_ns = clock_monotonic_ns();
	call.job.received_ms = clock_unix_ms();
	sem_init(&call.done, 0, 0);
	shard_handle(f->shard, &call.job);
	while (sem_wait(&call.done) != 0)
		continue;
	if (strstr(call.reply, text) == NULL)
		fail_msg("no %s in %s", text, call.reply);
}

static void send(struct fixture *f, const char *message) { expect(f, message, ""); }

/* As rewards.file does: rewards 1, 2, 3, ... */
static void load_rewards(struct fixture *f)
{
	for (unsigned i = 1; i <= f->file_rewards; i++) {
		struct reward r = {.id.low = i, .x = 1, .y = 1, .radius = 9, .stock = -1, .kind = "file", .kind_bytes = 4, .name = "",
		                   .from_ms = INT64_MIN, .until_ms = INT64_MAX};
		assert_int_equal(store_load(f->store, &r, 1), STATUS_ok);
	}
}

/* Small pools, so that things leave for others all the time. */
static void open_shard(struct fixture *f)
{
	struct store_options store = {.capacity = 1000, .readers_max = SHARD_READERS(1), .kernel = "auto"};
	struct journal_report report;
	assert_int_equal(store_setup(&f->store, &store), STATUS_ok);
	load_rewards(f);
	assert_int_equal(commerce_setup(&f->commerce, &f->commerce_options), STATUS_ok);
	struct shard_parts parts = {.store = f->store, .commerce = &f->commerce, .commerce_options = &f->commerce_options,
	                            .carts_ttl_ms = 1000, .payments_ttl_ms = 1000, .journal = &f->journal};
	if (shard_setup(&f->shard, &f->options, &parts, &report) != STATUS_ok)
		fail_msg("%s", report.text);
}

static void close_shard(struct fixture *f)
{
	shard_teardown(&f->shard);
	commerce_teardown(&f->commerce);
	store_teardown(&f->store);
}

static int make_fixture(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	make_folder(f->folder);
	option_add(&f->set, shard_option_rows, shard_option_count, &f->options);
	option_add(&f->set, commerce_option_rows, commerce_option_count, &f->commerce_options);
	f->options.workers = 1;
	f->options.snapshot_bytes = 100000;
	f->options.retention_ms = 0;
	f->journal = small_options(f->folder);
	f->commerce_options.products_capacity = 20;
	f->commerce_options.carts_capacity = 60;
	f->commerce_options.carts_extents = 70;
	f->commerce_options.payments_capacity = 50;
	f->commerce_options.payments_history = 100;
	f->commerce_options.claims_capacity = 300;
	f->commerce_options.idempotency_capacity = 400;
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

/* ---- changes at random ----------------------------------------------------------------------- */

static const char *const shapes[] = {
	("{\"type\":\"reward.put\",\"id\":%u,\"reward\":%u,\"x\":1,\"y\":1,\"radius\":90,\"stock\":%u,"
	"\"benefit\":{\"percent_bp\":500}}"),
	"{\"type\":\"reward.remove\",\"id\":%u,\"reward\":%u,\"at\":%u}",
	"{\"type\":\"product.put\",\"id\":%u,\"sku\":\"s%u\",\"unit_price\":%u,\"currency\":\"EUR\"}",
	"{\"type\":\"cart.open\",\"id\":%u,\"cart\":%u,\"currency\":\"EUR\",\"ttl_ms\":%u}",
	"{\"type\":\"cart.add\",\"id\":%u,\"cart\":%u,\"sku\":\"s%u\",\"unit_price\":7}",
	"{\"type\":\"cart.set\",\"id\":%u,\"cart\":%u,\"sku\":\"s%u\",\"unit_price\":9,\"quantity\":3}",
	"{\"type\":\"cart.checkout\",\"id\":%u,\"cart\":%u,\"payment\":%u}",
	"{\"type\":\"payment.authorize\",\"id\":%u,\"payment\":%u,\"amount\":%u,\"currency\":\"EUR\"}",
	"{\"type\":\"payment.capture\",\"id\":%u,\"payment\":%u,\"amount\":%u}",
	"{\"type\":\"payment.void\",\"id\":%u,\"payment\":%u,\"at\":%u}",
	"{\"type\":\"claim\",\"id\":%u,\"reward\":%u,\"actor\":%u,\"x\":1,\"y\":1}",
};

static void change(struct fixture *f, struct random *r, unsigned *id)
{
	char message[MESSAGE_BYTES];
	size_t used = 0;
	message[used++] = '[';
	for (unsigned i = 0; i < 16; i++) {
		const char *shape = shapes[random_below(r, COUNT_OF(shapes))];
		/* Some ids come twice. */
		unsigned n = *id += random_below(r, 10) != 0;
		used += (size_t)snprintf(message + used, sizeof message - used, "%s", i == 0 ? "" : ",");
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		used += (size_t)snprintf(message + used, sizeof message - used, shape, n, 1 + (unsigned)random_below(r, 120),
		                         1 + (unsigned)random_below(r, 90));
#pragma GCC diagnostic pop
	}
	snprintf(message + used, sizeof message - used, "]");
	send(f, message);
}

/* ---- what was saved ------------------------------------------------------------------------------ */

struct twin {
	struct commerce commerce;
	struct replay replay;
	struct loading loading;
	struct snapshots snapshots;
};

static bool keep_nothing(void *context, const struct effect_head *effect)
{
	(void)context;
	(void)effect;
	return true;
}

static void load_newest(struct twin *t, struct fixture *f)
{
	struct snapshot_found found;
	assert_int_equal(snapshots_open(&t->snapshots, &(struct snapshot_options){.directory = f->folder}), STATUS_ok);
	/* The shadow may take an old one away while we look. */
	for (unsigned tries = 0;; tries++) {
		commerce_reset(&t->commerce);
		t->replay.seq = 0;
		status s = snapshot_find(&t->snapshots, NULL, &found);
		if (s == STATUS_not_found)
			return;
		loading_start(&t->loading, &t->replay);
		if (s == STATUS_ok && snapshot_read(&t->snapshots, found.sequence, loading_visit, &t->loading) == STATUS_ok) {
			assert_int_equal(loading_finish(&t->loading), STATUS_ok);
			assert_int_equal(t->replay.seq, found.sequence);
			return;
		}
		assert_true(tries < 5);
	}
}

/* The sequence of the snapshot that it was. */
static uint64_t expect_the_same(struct fixture *f)
{
	struct twin *t = calloc(1, sizeof *t);
	struct journal_stat stat;
	assert_int_equal(commerce_setup(&t->commerce, &f->commerce_options), STATUS_ok);
	t->replay = (struct replay){.state.commerce = &t->commerce, .keep_reward = keep_nothing};
	load_newest(t, f);
	uint64_t sequence = t->replay.seq, last;
	do {
		journal_stat(shard_journal(f->shard), &stat);
		uint64_t after = t->replay.seq;
		status s = after == stat.appended ? STATUS_ok
		                                  : journal_read(shard_journal(f->shard), after, 1000, replay_record, &t->replay, &last);
		assert_int_equal(s, STATUS_ok);
		assert_int_equal(t->replay.status, STATUS_ok);
	} while (t->replay.seq < stat.appended);
	assert_true(commerce_is_valid(&t->commerce));
	assert_true(commerce_digest(&t->commerce) == commerce_digest(&f->commerce));
	snapshots_close(&t->snapshots);
	commerce_teardown(&t->commerce);
	free(t);
	return sequence;
}

static void what_it_saves_with_the_journal_is_the_live_state(void **state)
{
	struct fixture *f = *state;
	struct random random = {.state = 7};
	unsigned id = 1, snapshots = 0;
	uint64_t last = 0;
	for (unsigned burst = 0; burst < BURSTS; burst++) {
		for (unsigned i = 0; i < MESSAGES / 10 * (1 + random_below(&random, 10)) / 2; i++)
			change(f, &random, &id);
		/* Time ends carts and payments as well; and then nothing moves any more. */
		clock_sleep_ms(random_below(&random, 3) * 500);
		shard_stop(f->shard);
		uint64_t now = expect_the_same(f);
		snapshots += now != last;
		last = now;
		close_shard(f);
		open_shard(f);
	}
	printf("%u of %d times from another snapshot\n", snapshots, BURSTS);
	assert_true(snapshots >= BURSTS / 4); /* a slow machine makes fewer */
}

/* ---- rewards that come and go ------------------------------------------------------------------------ */

enum { FILE_REWARDS = 40, VISITS = 6, GUESTS = 30, GUEST = 1000000, PATIENCE = 400 };

static int make_visited(void **state)
{
	(void)make_fixture(state);
	struct fixture *f = *state;
	close_shard(f);
	f->options.snapshot_bytes = 1; /* as soon as anything is new */
	f->file_rewards = FILE_REWARDS;
	open_shard(f);
	return 0;
}

static void put(struct fixture *f, unsigned reward, const char *more)
{
	char message[160];
	snprintf(message, sizeof message, "{\"type\":\"reward.put\",\"id\":%u,\"reward\":%u,\"x\":1,\"y\":1,\"radius\":9%s}", ++f->id,
	         reward, more);
	expect(f, message, "\"ok\"");
}

static void take_out(struct fixture *f, unsigned reward)
{
	char message[96];
	snprintf(message, sizeof message, "{\"type\":\"reward.remove\",\"id\":%u,\"reward\":%u}", ++f->id, reward);
	expect(f, message, "\"ok\"");
}

static void come_and_go(struct fixture *f)
{
	for (unsigned i = 0; i < GUESTS; i++) {
		put(f, GUEST + f->id, "");
		take_out(f, GUEST + f->id - 1);
	}
}

static void expect_reward(struct fixture *f, unsigned reward, const char *text)
{
	char message[64];
	snprintf(message, sizeof message, "{\"type\":\"reward.get\",\"reward\":%u}", reward);
	expect(f, message, text);
}

static status count_reward(void *count, uint32_t kind, const void *, size_t)
{
	*(unsigned *)count += kind == SAVED_reward;
	return STATUS_ok;
}

/* How many records of rewards the snapshot has that holds all of it. */
static unsigned rewards_of_the_next(struct fixture *f)
{
	struct journal_stat stat;
	journal_stat(shard_journal(f->shard), &stat);
	for (unsigned tries = 0; tries < PATIENCE; tries++) {
		struct snapshots snapshots;
		struct snapshot_found found;
		unsigned count = 0;
		status s = snapshots_open(&snapshots, &(struct snapshot_options){.directory = f->folder, .is_reader = true});
		assert_int_equal(s, STATUS_ok);
		s = snapshot_find(&snapshots, NULL, &found);
		if (s == STATUS_ok && found.sequence == stat.durable)
			s = snapshot_read(&snapshots, found.sequence, count_reward, &count);
		snapshots_close(&snapshots);
		if (s == STATUS_ok && found.sequence == stat.durable)
			return count;
		clock_sleep_ms(50);
	}
	fail_msg("there was no snapshot of seq %llu", (unsigned long long)stat.durable);
	return 0;
}

static void start_again(struct fixture *f)
{
	close_shard(f);
	open_shard(f);
}

static void rewards_that_came_and_went_leave_nothing(void **state)
{
	struct fixture *f = *state;
	take_out(f, 1);
	take_out(f, 2);
	put(f, 2, ",\"value\":77");
	for (unsigned i = 0; i < VISITS; i++) {
		come_and_go(f);
		assert_int_equal(rewards_of_the_next(f), 2); /* 1 is gone, 2 another */
	}
	start_again(f);
	expect_reward(f, 1, "not_found");
	expect_reward(f, 2, "\"value\":77,");
	expect_reward(f, 3, "\"value\":0,");
	/* What lies over the file's is not forgotten with it. */
	take_out(f, 2);
	put(f, GUEST, "");
	assert_int_equal(rewards_of_the_next(f), 3);
	take_out(f, GUEST);
	assert_int_equal(rewards_of_the_next(f), 2);
	start_again(f);
	expect_reward(f, 1, "not_found");
	expect_reward(f, 2, "not_found");
	expect_reward(f, GUEST, "not_found");
	/* The file brings none of them any more. */
	f->file_rewards = 0;
	start_again(f);
	come_and_go(f);
	assert_int_equal(rewards_of_the_next(f), 0);
	start_again(f);
	expect_reward(f, 2, "not_found");
}

/* ---- overlay --------------------------------------------------------------------------------------- */

static struct effect_reward_put put_of(uint64_t reward, int64_t value)
{
	return (struct effect_reward_put){.head = {.bytes = sizeof(struct effect_reward_put), .type = EFFECT_reward_put},
	                                  .reward = {reward, 0}, .value = value};
}

static void the_last_of_each_reward_stays(void **state)
{
	(void)state;
	struct overlay o;
	enum { REWARDS = 1000, CHANGES = 5 * OVERLAY_EFFECTS };
	assert_int_equal(overlay_setup(&o, NULL), STATUS_ok);
	for (int64_t i = 0; i < CHANGES; i++) {
		struct effect_reward_put e = put_of((uint64_t)(i * 7) % REWARDS, i);
		assert_true(overlay_add(&o, &e.head));
	}
	overlay_sort(&o);
	assert_int_equal(o.count, REWARDS);
	for (uint32_t i = 0; i < REWARDS; i++) {
		const struct effect_reward_put *e = (const void *)overlay_at(&o, i);
		assert_int_equal(e->reward.low, i);
		assert_true(e->value >= CHANGES - REWARDS && (uint64_t)(e->value * 7) % REWARDS == i);
	}
	overlay_teardown(&o);
}

static void a_full_one_says_so(void **state)
{
	(void)state;
	struct overlay o;
	uint64_t n = 0;
	assert_int_equal(overlay_setup(&o, NULL), STATUS_ok);
	for (struct effect_reward_put e = put_of(n, 1); overlay_add(&o, &e.head); e = put_of(++n, 1))
		assert_true(n < OVERLAY_EFFECTS);
	assert_true(n > OVERLAY_EFFECTS / 2);
	overlay_clear(&o);
	struct effect_reward_put e = put_of(1, 1);
	assert_true(overlay_add(&o, &e.head));
	overlay_teardown(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_it_saves_with_the_journal_is_the_live_state, make_fixture, remove_fixture),
		cmocka_unit_test_setup_teardown(rewards_that_came_and_went_leave_nothing, make_visited, remove_fixture),
		cmocka_unit_test(the_last_of_each_reward_stays),
		cmocka_unit_test(a_full_one_says_so),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
