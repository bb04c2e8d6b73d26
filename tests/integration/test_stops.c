/*
 * SIGTERM at random moments under load, hundreds of times on the same data: each stop leaves a receipt that adds up and
 * agrees with what its clients saw, and each start agrees with the receipt; what was acknowledged is there, exactly
 * once, and what was refused as `draining` was not done.
 *
 * TROVE_STOPS=3000 for a longer campaign.
 */
#include "engine/base/clock.h"
#include "engine/shard/receipt.h"
#include "tests/support/service.h"
#include "tests/support/shopper.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { SHOPPERS = 6, MOMENT_US = 30000, START_US = 60000, TEXT_BYTES = 256 };

/* Small, so that a start is quick and files are crossed often. */
static const char *const sets[] = {
	"data.segment_bytes=262144", "data.segments_max=4096", "data.buffer_bytes=1048576",  "memory.prefault=false",
	"memory.pages=small",        "rewards.capacity=1000",  "products.capacity=100",      "carts.capacity=5000",
	"carts.extents=5000",        "payments.capacity=5000", "payments.history=1000000",   "claims.capacity=100000",
	"idempotency.capacity=100000", "events.batch_max=64", "events.reply_bytes_max=65536", "events.decode_bytes_max=1048576",
	"events.threads=2",          "events.contexts=32",     "events.queue=64",            "data.retention_ms=0",
	NULL};

struct campaign {
	struct service service;
	struct shopper shoppers[SHOPPERS];
	pthread_t threads[SHOPPERS];
	pthread_barrier_t looked;
	struct random random;
	uint64_t refused, draining_stops, stops;
};

struct life {
	struct campaign *campaign;
	struct shopper *shopper;
};

static void *live(void *argument)
{
	struct life *life = argument;
	struct shopper *s = life->shopper;
	peer_close(&s->peer);
	bool is_well = peer_open(&s->peer, life->campaign->service.port) && shopper_come_back(s);
	pthread_barrier_wait(&life->campaign->looked);
	while (is_well) {
		for (uint64_t burst = random_below(&s->random, 6); is_well && burst > 0; burst--)
			is_well = shopper_go(s);
		usleep((unsigned)random_below(&s->random, 4000));
	}
	return NULL;
}

static void check_shoppers(const struct campaign *c)
{
	for (unsigned i = 0; i < SHOPPERS; i++)
		if (c->shoppers[i].wrong[0] != '\0')
			fail_msg("%s", c->shoppers[i].wrong);
}

/* ---- receipts ---------------------------------------------------------------------------------------------------- */

static struct receipt read_receipt(const struct campaign *c)
{
	char folder[192], text[RECEIPT_TEXT_BYTES];
	struct receipt receipt;
	snprintf(folder, sizeof folder, "%s/journal", c->service.folder);
	assert_int_equal(receipt_read(folder, &receipt, text), STATUS_ok);
	return receipt;
}

/* The last line says what is in the file. */
static void check_last_line(const struct campaign *c, const struct receipt *r)
{
	char wanted[TEXT_BYTES];
	char *log = service_log(&c->service);
	size_t bytes = strlen(log);
	snprintf(wanted, sizeof wanted,
	         "stopped: accepted %llu = answered %llu + refused %llu, in flight 0, seq %llu, digest %016llx\n",
	         (unsigned long long)r->accepted, (unsigned long long)r->answered, (unsigned long long)r->refused,
	         (unsigned long long)r->seq, (unsigned long long)receipt_digest(&r->state));
	if (bytes < strlen(wanted) || strcmp(log + bytes - strlen(wanted), wanted) != 0)
		fail_msg("the log does not end in '%s':\n%s", wanted, log);
	free(log);
}

static uint64_t greatest_seq(const struct shopper *s)
{
	int64_t greatest = 0;
	for (unsigned i = 0; i < SHOP_KEPT; i++) {
		int64_t seq = text_number(s->kept[i].answer, "seq");
		greatest = seq > greatest ? seq : greatest;
	}
	return (uint64_t)greatest;
}

/* Everything that a client has a reply to was accepted, nothing that was not sent; nobody has the answer to a
 * change that has no record. */
static void check_receipt(struct campaign *c)
{
	struct receipt r = read_receipt(c);
	uint64_t sent = 0, waiting = 0;
	for (unsigned i = 0; i < SHOPPERS; i++) {
		const struct shopper *s = &c->shoppers[i];
		sent += s->peer.sent;
		waiting += s->is_waiting;
		assert_true(greatest_seq(s) <= r.seq);
	}
	assert_int_equal(r.in_flight, 0);
	assert_int_equal(r.accepted, r.answered + r.refused);
	assert_true(r.accepted <= sent && r.accepted >= sent - waiting);
	check_last_line(c, &r);
	c->refused += r.refused;
	c->draining_stops += r.refused != 0;
}

/* The start is there: it said that it agrees. */
static void check_start(struct campaign *c, const struct receipt *r)
{
	char wanted[TEXT_BYTES];
	snprintf(wanted, sizeof wanted, "the state is that of the last stop: seq %llu, digest %016llx,", (unsigned long long)r->seq,
	         (unsigned long long)receipt_digest(&r->state));
	assert_true(service_log_has(&c->service, wanted));
	assert_true(service_metric(&c->service, "trove_start_check{result=\"agrees\"}") == 1);
}

/* ---- lives ------------------------------------------------------------------------------------------------------- */

static void one_life(struct campaign *c)
{
	struct life life[SHOPPERS];
	for (unsigned i = 0; i < SHOPPERS; i++) {
		c->shoppers[i].peer.sent = 0;
		life[i] = (struct life){c, &c->shoppers[i]};
		assert_int_equal(pthread_create(&c->threads[i], NULL, live, &life[i]), 0);
	}
	pthread_barrier_wait(&c->looked);
	usleep((unsigned)random_below(&c->random, MOMENT_US));
	int code = service_stop(&c->service, SIGTERM);
	for (unsigned i = 0; i < SHOPPERS; i++)
		pthread_join(c->threads[i], NULL);
	check_shoppers(c);
	assert_int_equal(code, 0);
	c->stops++;
	check_receipt(c);
}

/* Some hit the start itself: before it handles signals (143) or while it starts, which it finishes first. */
static void begin_again(struct campaign *c)
{
	while (random_below(&c->random, 8) == 0) {
		service_launch(&c->service, sets);
		usleep((unsigned)random_below(&c->random, START_US));
		int code = service_stop(&c->service, SIGTERM);
		assert_true(code == 0 || code == 128 + SIGTERM);
		c->stops++;
	}
	struct receipt before = read_receipt(c);
	service_again(&c->service, sets);
	check_start(c, &before);
}

static void audit(struct campaign *c)
{
	uint64_t answered = 0, put_off = 0, found_new = 0;
	for (unsigned i = 0; i < SHOPPERS; i++) {
		struct shopper *s = &c->shoppers[i];
		peer_close(&s->peer);
		assert_true(peer_open(&s->peer, c->service.port));
		(void)(shopper_come_back(s) && shopper_audit(s));
		answered += s->answered;
		put_off += s->put_off;
		found_new += s->found_new;
	}
	check_shoppers(c);
	print_message("%llu events acknowledged; %llu batches cut short by a drain in %llu of the stops; of batches without a reply "
	              "%llu events were not done\n", (unsigned long long)answered, (unsigned long long)put_off,
	              (unsigned long long)c->draining_stops, (unsigned long long)found_new);
}

static void stops_leave_receipts_that_starts_agree_with(void **state)
{
	(void)state;
	const char *asked = getenv("TROVE_STOPS");
	unsigned most = asked != NULL ? (unsigned)strtoul(asked, NULL, 10) : service_is_sanitized() ? 30 : 200;
	struct campaign *c = calloc(1, sizeof *c);
	struct peer p;
	char reply[4096];
	uint64_t seed = (uint64_t)clock_monotonic_ns();
	print_message("seed %llu\n", (unsigned long long)seed);
	c->random = (struct random){seed};
	pthread_barrier_init(&c->looked, NULL, SHOPPERS + 1);
	for (unsigned i = 0; i < SHOPPERS; i++) {
		shopper_init(&c->shoppers[i], i + 1, seed);
		c->shoppers[i].may_be_stopped = true;
	}
	service_start(&c->service, sets);
	assert_true(peer_open(&p, c->service.port) && shop_open(&p, reply, sizeof reply));
	peer_close(&p);
	assert_int_equal(service_stop(&c->service, SIGTERM), 0);
	int64_t start_ns = clock_monotonic_ns();
	while (c->stops < most) {
		begin_again(c);
		one_life(c);
	}
	print_message("%llu stops in %.1f s\n", (unsigned long long)c->stops, (double)(clock_monotonic_ns() - start_ns) / 1e9);
	begin_again(c);
	audit(c);
	assert_int_equal(service_stop(&c->service, SIGTERM), 0);
	assert_true(c->refused > 0 && c->draining_stops > 0);
	for (unsigned i = 0; i < SHOPPERS; i++)
		shopper_deinit(&c->shoppers[i]);
	free(c);
}

/* ---- starts that do not agree ------------------------------------------------------------------------------------ */

static const char open_cart[] = "{\"type\":\"cart.open\",\"id\":%u,\"cart\":%u,\"currency\":\"EUR\"}";

static void change(const struct service *s, unsigned id)
{
	char text[TEXT_BYTES], reply[1024];
	snprintf(text, sizeof text, open_cart, id, id);
	assert_non_null(strstr(service_ask(s, s->tcp, text, reply, sizeof reply), "\"seq\":"));
}

static void write_receipt(const struct campaign *c, const struct receipt *r)
{
	char folder[192], text[RECEIPT_TEXT_BYTES];
	snprintf(folder, sizeof folder, "%s/journal", c->service.folder);
	assert_int_equal(receipt_write(folder, r, text), STATUS_ok);
}

static void with(const char *const *more, const char *all[64])
{
	size_t n = 0;
	for (size_t i = 0; sets[i] != NULL; i++)
		all[n++] = sets[i];
	for (size_t i = 0; more[i] != NULL; i++)
		all[n++] = more[i];
	all[n] = NULL;
}

/* Refused with a reason; with data.receipt=warn it goes on, shows that it did, and the next stop is good again. */
static void expect_refused(struct campaign *c, const struct receipt *wrong, const char *why)
{
	const char *all[64];
	with((const char *const[]){"data.receipt=warn", NULL}, all);
	write_receipt(c, wrong);
	assert_int_equal(service_refused(&c->service, sets), 74);
	assert_true(service_log_has(&c->service, why));
	service_again(&c->service, all);
	assert_true(service_metric(&c->service, "trove_start_check{result=\"differs\"}") == 1);
	assert_int_equal(service_stop(&c->service, SIGTERM), 0);
	service_again(&c->service, sets);
	assert_true(service_metric(&c->service, "trove_start_check{result=\"agrees\"}") == 1);
	assert_int_equal(service_stop(&c->service, SIGTERM), 0);
}

static void a_start_that_differs_is_refused(void **state)
{
	(void)state;
	struct campaign *c = calloc(1, sizeof *c);
	service_start(&c->service, sets);
	assert_true(service_metric(&c->service, "trove_start_check{result=\"none\"}") == 1);
	change(&c->service, 1);
	assert_int_equal(service_stop(&c->service, SIGTERM), 0);
	const struct receipt good = read_receipt(c);
	struct receipt wrong = good;
	wrong.seq += 5;
	expect_refused(c, &wrong, "the last stop left 6 records, and 1 are there");
	wrong = good;
	wrong.identity[1] ^= 1;
	expect_refused(c, &wrong, "of a journal that is not there");
	wrong = good;
	wrong.state.objects ^= 1;
	expect_refused(c, &wrong, "there are other products, carts, payments or claims than");
	wrong = good;
	wrong.state.remembered[0] ^= 1;
	expect_refused(c, &wrong, "there are other remembered ids than");
	wrong = good;
	wrong.state.rewards ^= 1;
	expect_refused(c, &wrong, "there are other rewards than");
	free(c);
}

/* What may be other, and what no receipt can be for. */
static void a_start_takes_what_may_differ(void **state)
{
	(void)state;
	struct campaign *c = calloc(1, sizeof *c);
	const char *all[64];
	service_start(&c->service, sets);
	change(&c->service, 1);
	assert_int_equal(service_stop(&c->service, SIGTERM), 0);
	with((const char *const[]){"rewards.file=config/demo_rewards.csv", "idempotency.capacity=200000", "payments.history=2000000",
	                           "data.durability=none", NULL}, all);
	service_again(&c->service, all);
	assert_true(service_metric(&c->service, "trove_start_check{result=\"agrees\"}") == 1);
	change(&c->service, 2);
	/* Nobody else would have synced that. */
	assert_int_equal(service_stop(&c->service, SIGTERM), 0);
	assert_int_equal(read_receipt(c).seq, 2);
	/* Another seed: what is remembered is hashed anew. */
	with((const char *const[]){"data.snapshot_bytes=0", NULL}, all);
	service_again(&c->service, all);
	assert_true(service_metric(&c->service, "trove_start_check{result=\"agrees\"}") == 1);
	change(&c->service, 3);
	assert_int_equal(service_stop(&c->service, SIGKILL), 128 + SIGKILL);
	service_again(&c->service, sets);
	assert_true(service_metric(&c->service, "trove_start_check{result=\"older\"}") == 1);
	assert_int_equal(service_stop(&c->service, SIGTERM), 0);

	char path[256];
	snprintf(path, sizeof path, "%s/journal/receipt", c->service.folder);
	assert_int_equal(truncate(path, 100), 0);
	service_again(&c->service, sets);
	assert_true(service_log_has(&c->service, "receipt is damaged"));
	assert_true(service_metric(&c->service, "trove_start_check{result=\"none\"}") == 1);
	/* It cannot be written: that is said, and it stops all the same. */
	snprintf(path, sizeof path, "%s/journal/receipt.making", c->service.folder);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(service_stop(&c->service, SIGTERM), 0);
	assert_true(service_log_has(&c->service, "no receipt for the next start"));
	free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_start_that_differs_is_refused),
		cmocka_unit_test(a_start_takes_what_may_differ),
		cmocka_unit_test(stops_leave_receipts_that_starts_agree_with),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
