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

enum { BURSTS = 12, MESSAGES = 400, MESSAGE_BYTES = 4096 };

struct call {
	struct shard_job job;
	sem_t done;
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
};

static void on_done(struct shard_job *job, const void *reply, size_t bytes)
{
	(void)reply;
	(void)bytes;
	sem_post(&((struct call *)job)->done);
}

static void send(struct fixture *f, const char *message)
{
	struct call call = {.job.message = message, .job.message_bytes = strlen(message), .job.done = on_done};
	call.job.received_ns = clock_monotonic_ns();
	call.job.received_ms = clock_unix_ms();
	sem_init(&call.done, 0, 0);
	shard_handle(f->shard, &call.job);
	while (sem_wait(&call.done) != 0)
		continue;
}

/* Small pools, so that things leave for others all the time. */
static void open_shard(struct fixture *f)
{
	struct store_options store = {.capacity = 1000, .readers_max = SHARD_READERS(1), .kernel = "auto"};
	struct journal_report report;
	assert_int_equal(store_setup(&f->store, &store), STATUS_ok);
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
		cmocka_unit_test(the_last_of_each_reward_stays),
		cmocka_unit_test(a_full_one_says_so),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
