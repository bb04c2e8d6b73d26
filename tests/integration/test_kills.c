/*
 * kill -9 at random moments, hundreds of times on the same data: what was acknowledged is there, exactly once;
 * what was not is done or not done, never by half; an id that is sent again is answered as it was, or done now.
 *
 * TROVE_KILLS=3000 for a longer campaign.
 */
#include "engine/base/clock.h"
#include "engine/journal/journal.h"
#include "tests/support/service.h"
#include "tests/support/shopper.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { SHOPPERS = 6, MOMENT_US = 50000, START_US = 60000 };

/* Small, so that a start is quick and files are crossed often. The last one says when a reply may leave. */
static const char *sets[] = {
	"data.segment_bytes=262144", "data.segments_max=4096", "data.buffer_bytes=1048576",  "memory.prefault=false",
	"memory.pages=small",        "rewards.capacity=1000",  "products.capacity=100",      "carts.capacity=5000",
	"carts.extents=5000",        "payments.capacity=5000", "payments.history=1000000",   "claims.capacity=1000000",
	"idempotency.capacity=1000000", "events.batch_max=64", "events.reply_bytes_max=65536", "events.decode_bytes_max=1048576",
	"events.threads=2",          "events.contexts=32",     "events.queue=64",            "log.level=warning",
	"data.durability=always",    NULL};

struct campaign {
	struct service service;
	struct shopper shoppers[SHOPPERS];
	pthread_t threads[SHOPPERS];
	pthread_barrier_t looked, checked;
	struct random random;
};

struct life {
	struct campaign *campaign;
	struct shopper *shopper;
};

/* From one start to the next kill. Everybody waits until all is looked at, so that sums can be drawn. */
static void *live(void *argument)
{
	struct life *life = argument;
	struct shopper *s = life->shopper;
	peer_close(&s->peer);
	bool is_well = peer_open(&s->peer, life->campaign->service.port) && shopper_come_back(s);
	pthread_barrier_wait(&life->campaign->looked);
	pthread_barrier_wait(&life->campaign->checked);
	while (is_well) {
		for (uint64_t burst = random_below(&s->random, 6); is_well && burst > 0; burst--)
			is_well = shopper_go(s);
		usleep((unsigned)random_below(&s->random, 4000));
	}
	return NULL;
}

/* Whatever was claimed is missing from the stock, and nothing else. */
static void check_stock(struct campaign *c)
{
	struct peer p;
	char text[64], reply[1024];
	assert_true(peer_open(&p, c->service.port));
	for (unsigned i = 0; i < SHOP_REWARDS; i++) {
		uint64_t claims = 0;
		for (unsigned k = 0; k < SHOPPERS; k++)
			claims += shopper_model(&c->shoppers[k])->claims[i];
		snprintf(text, sizeof text, "{\"type\":\"reward.get\",\"reward\":%u}", i + 1);
		assert_true(peer_ask(&p, text, reply, sizeof reply));
		assert_int_equal(text_number(reply, "remaining") + (int64_t)claims, SHOP_STOCK);
	}
	peer_close(&p);
}

static void check_shoppers(const struct campaign *c)
{
	for (unsigned i = 0; i < SHOPPERS; i++)
		if (c->shoppers[i].wrong[0] != '\0')
			fail_msg("%s", c->shoppers[i].wrong);
}

static void one_life(struct campaign *c)
{
	struct life life[SHOPPERS];
	for (unsigned i = 0; i < SHOPPERS; i++) {
		life[i] = (struct life){c, &c->shoppers[i]};
		assert_int_equal(pthread_create(&c->threads[i], NULL, live, &life[i]), 0);
	}
	pthread_barrier_wait(&c->looked);
	bool is_well = true;
	for (unsigned i = 0; i < SHOPPERS; i++)
		is_well &= c->shoppers[i].wrong[0] == '\0' && !c->shoppers[i].is_waiting;
	if (is_well)
		check_stock(c);
	pthread_barrier_wait(&c->checked);
	if (is_well)
		usleep((unsigned)random_below(&c->random, MOMENT_US));
	(void)service_stop(&c->service, SIGKILL);
	for (unsigned i = 0; i < SHOPPERS; i++)
		pthread_join(c->threads[i], NULL);
	check_shoppers(c);
	assert_true(is_well);
}

/* Some kills hit the start itself. */
static void begin_again(struct campaign *c, unsigned *kills)
{
	while (random_below(&c->random, 8) == 0) {
		service_launch(&c->service, sets);
		usleep((unsigned)random_below(&c->random, START_US));
		(void)service_stop(&c->service, SIGKILL);
		++*kills;
	}
	service_again(&c->service, sets);
}

static void audit(struct campaign *c)
{
	uint64_t answered = 0, refused = 0, found_done = 0, found_new = 0, payments = 0;
	service_again(&c->service, sets);
	for (unsigned i = 0; i < SHOPPERS; i++) {
		struct shopper *s = &c->shoppers[i];
		peer_close(&s->peer);
		assert_true(peer_open(&s->peer, c->service.port));
		(void)(shopper_come_back(s) && shopper_audit(s));
		answered += s->answered;
		refused += s->refused;
		found_done += s->found_done;
		found_new += s->found_new;
		payments += s->payment_count;
	}
	check_shoppers(c);
	check_stock(c);
	assert_int_equal(service_stop(&c->service, SIGTERM), 0);
	print_message("%llu events acknowledged, %llu of them refusals; of batches without a reply %llu events were done, %llu not; "
	              "%llu payments looked at again\n", (unsigned long long)answered, (unsigned long long)refused,
	              (unsigned long long)found_done, (unsigned long long)found_new, (unsigned long long)payments);
}

static void kill_it(const char *durability, unsigned most)
{
	struct campaign *c = calloc(1, sizeof *c);
	struct peer p;
	char reply[4096];
	uint64_t seed = (uint64_t)clock_monotonic_ns();
	print_message("%s, seed %llu\n", durability, (unsigned long long)seed);
	sets[sizeof sets / sizeof *sets - 2] = durability;
	c->random = (struct random){seed};
	pthread_barrier_init(&c->looked, NULL, SHOPPERS + 1);
	pthread_barrier_init(&c->checked, NULL, SHOPPERS + 1);
	for (unsigned i = 0; i < SHOPPERS; i++)
		shopper_init(&c->shoppers[i], i + 1, seed);
	service_start(&c->service, sets);
	assert_true(peer_open(&p, c->service.port) && shop_open(&p, reply, sizeof reply));
	peer_close(&p);
	int64_t start_ns = clock_monotonic_ns();
	unsigned kills = 0;
	while (kills < most) {
		one_life(c);
		kills++;
		begin_again(c, &kills);
	}
	one_life(c);
	print_message("%u kills in %.1f s\n", kills, (double)(clock_monotonic_ns() - start_ns) / 1e9);
	audit(c);

	char folder[192];
	struct journal_report report;
	snprintf(folder, sizeof folder, "%s/journal", c->service.folder);
	assert_int_equal(journal_verify(folder, 0, NULL, NULL, &report), STATUS_ok);
	print_message("%llu records in %llu files\n", (unsigned long long)report.records, (unsigned long long)report.files);
	assert_true(report.proven == report.last && (most < 100 || report.files > 1));
	for (unsigned i = 0; i < SHOPPERS; i++)
		shopper_deinit(&c->shoppers[i]);
	free(c);
}

static unsigned kills_asked(unsigned usual, unsigned sanitized)
{
	const char *asked = getenv("TROVE_KILLS");
	return asked != NULL ? (unsigned)strtoul(asked, NULL, 10) : service_is_sanitized() ? sanitized : usual;
}

static void nothing_acknowledged_is_lost_or_done_twice(void **state)
{
	(void)state;
	kill_it("data.durability=always", kills_asked(300, 30));
}

/* The system has every record before its reply leaves: only a machine that goes down may lose some. */
static void nor_when_the_disk_is_asked_now_and_then(void **state)
{
	(void)state;
	kill_it("data.durability=interval", kills_asked(15, 5));
}

static void nor_when_the_disk_is_never_asked(void **state)
{
	(void)state;
	kill_it("data.durability=none", kills_asked(15, 5));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_acknowledged_is_lost_or_done_twice),
		cmocka_unit_test(nor_when_the_disk_is_asked_now_and_then),
		cmocka_unit_test(nor_when_the_disk_is_never_asked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
