/*
 * A disk that is full, that fails, that is read-only or somebody else's; a clock that jumps. Changes are refused,
 * reads go on, nothing that was acknowledged is lost, and when the trouble is over the service goes on by itself.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "engine/base/clock.h"
#include "tests/support/crowd.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { SETS = 24, SHOPPERS = 4 };

static const char *const small[] = {
	"data.segment_bytes=262144", "data.segments_max=64",   "data.buffer_bytes=262144", "memory.prefault=false",
	"memory.pages=small",        "rewards.capacity=1000",  "products.capacity=100",    "events.threads=2",
	"events.contexts=32",        "events.queue=64",        "log.level=info",           NULL};

/* The small ones and up to three more. */
static const char *const *with(const char *a, const char *b, const char *c)
{
	static const char *all[SETS];
	size_t n = 0;
	for (; small[n] != NULL; n++)
		all[n] = small[n];
	all[n++] = a;
	all[n++] = b;
	all[n++] = c;
	all[n] = NULL;
	return all;
}

static unsigned count_of(const char *text, const char *what)
{
	unsigned count = 0;
	for (const char *at = text; (at = strstr(at, what)) != NULL; at++)
		count++;
	return count;
}

static void assert_says(const struct service *s, const char *what, unsigned times)
{
	char *log = service_log(s);
	if (count_of(log, what) != times)
		fail_msg("expected %u times \"%s\" in the log:\n%s", times, what, log);
	free(log);
}

static void assert_says_once(const struct service *s, const char *what) { assert_says(s, what, 1); }

/* ---- asking ------------------------------------------------------------------------------------------------------- */

static const char *ask(struct peer *p, const char *json)
{
	static char reply[8192];
	if (!peer_ask(p, json, reply, sizeof reply))
		fail_msg("no reply to %s", json);
	return reply;
}

static void assert_answer(struct peer *p, const char *json, const char *has)
{
	const char *reply = ask(p, json);
	if (strstr(reply, has) == NULL)
		fail_msg("%s was answered %s, expected %s", json, reply, has);
}

/* Refused while there is trouble, by load: to be sent again. */
static void assert_refused(struct peer *p, const char *json)
{
	const char *reply = ask(p, json);
	if (strstr(reply, "\"code\":\"journal_full\"") == NULL || strstr(reply, "\"retry\":\"same_id\"") == NULL ||
	    strstr(reply, "\"retry_after_ms\":") == NULL)
		fail_msg("%s was answered %s", json, reply);
}

static void assert_reads_go_on(struct peer *p)
{
	assert_answer(p, "{\"type\":\"locate\",\"x\":1,\"y\":1,\"radius\":50}", "\"count\":4");
	assert_answer(p, "{\"type\":\"reward.get\",\"reward\":1}", "\"type\":\"reward\"");
	assert_answer(p, "{\"type\":\"ping\"}", "pong");
}

static void assert_reads_none(struct peer *p)
{
	assert_answer(p, "{\"type\":\"locate\",\"x\":1,\"y\":1,\"radius\":50}", "\"count\":0");
	assert_answer(p, "{\"type\":\"ping\"}", "pong");
}

static const char *becomes(struct peer *p, const char *json, const char *has)
{
	for (int i = 0; i < 400; i++) {
		const char *reply = ask(p, json);
		if (strstr(reply, has) != NULL)
			return reply;
		clock_sleep_ms(25);
	}
	fail_msg("%s is not answered %s", json, has);
	return NULL;
}

static const char authorize[] =
	"{\"type\":\"payment.authorize\",\"id\":\"7000000000001\",\"payment\":77,\"amount\":5,\"currency\":\"EUR\"}";

/* ---- errors of the device -------------------------------------------------------------------------------------------- */

struct faults {
	struct service service;
	char folder[160];
};

/* Those that start now are on a bad disk. */
static void preload(void)
{
	char library[512];
	snprintf(library, sizeof library, "%s/tests/support/preload/faults.so", getenv("TROVE_BUILD"));
	setenv("LD_PRELOAD", library, 1);
	/* Its runtime is loaded second, which does no harm here. */
	setenv("ASAN_OPTIONS", "verify_asan_link_order=0", 1);
}

static void place_only(struct faults *f)
{
	service_place(&f->service);
	snprintf(f->folder, sizeof f->folder, "%s/faults", f->service.folder);
	assert_int_equal(mkdir(f->folder, 0700), 0);
	setenv("TROVE_FAULTS", f->folder, 1);
}

static void again_with(struct faults *f, const char *const *sets)
{
	preload();
	service_again(&f->service, sets);
	unsetenv("LD_PRELOAD");
}

static void place_with(struct faults *f, const char *const *sets)
{
	place_only(f);
	again_with(f, sets);
}

static void place(struct faults *f) { place_with(f, small); }

static void turn(const struct faults *f, const char *name, const char *text)
{
	char path[256];
	snprintf(path, sizeof path, "%s/%s", f->folder, name);
	if (text == NULL) {
		assert_int_equal(unlink(path), 0);
		return;
	}
	/* Whole or not at all: it is read meanwhile. */
	char making[sizeof path + 8];
	snprintf(making, sizeof making, "%s.new", path);
	int fd = open(making, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
	assert_int_equal(rename(making, path), 0);
}

static void device_fails(const char *what)
{
	struct faults f;
	struct peer p;
	struct crowd *crowd = calloc(1, sizeof *crowd);
	place(&f);
	crowd_init(crowd, &f.service, SHOPPERS, 42);
	for (unsigned i = 0; i < SHOPPERS; i++)
		crowd->shopper[i].may_be_refused = true;
	crowd_start(crowd);
	assert_true(peer_open(&p, f.service.port));
	clock_sleep_ms(300);
	assert_true(service_metric(&f.service, "trove_journal_failed") == 0);
	turn(&f, what, "");
	assert_true(service_metric_becomes(&f.service, "trove_journal_failed", 1));
	assert_refused(&p, authorize);
	assert_reads_go_on(&p);
	clock_sleep_ms(1200); /* it tries again twice a second */
	assert_refused(&p, authorize);
	assert_true(service_metric(&f.service, "trove_journal_failures_total") >= 2);
	assert_reads_go_on(&p);
	turn(&f, what, NULL);
	assert_true(service_metric_becomes(&f.service, "trove_journal_failed", 0));
	(void)becomes(&p, authorize, "\"state\":\"authorized\"");
	clock_sleep_ms(300);
	crowd_stop(crowd);
	uint64_t refused = 0;
	for (unsigned i = 0; i < SHOPPERS; i++)
		refused += crowd->shopper[i].put_off;
	print_message("%s: %llu refused while it failed\n", what, (unsigned long long)refused);
	assert_says_once(&f.service, "are not durable");
	assert_says_once(&f.service, "writing works again");

	/* What was acknowledged before, meanwhile and after is there after a crash. */
	service_stop(&f.service, SIGKILL);
	service_again(&f.service, small);
	crowd_check(crowd, &f.service);
	peer_close(&p);
	assert_true(peer_open(&p, f.service.port));
	assert_answer(&p, authorize, "\"replayed\":true");
	peer_close(&p);
	crowd_deinit(crowd);
	free(crowd);
	assert_int_equal(service_stop(&f.service, SIGTERM), 0);
}

static void syncs_that_fail(void **state)
{
	(void)state;
	device_fails("sync");
}

static void writes_that_fail(void **state)
{
	(void)state;
	device_fails("write");
}

static const char *const lost = "trove_replies_dropped_total{reason=\"peer_gone\"}";

/* Nobody is there for the answer of a slow disk: it is counted, and kept for who asks again. */
static void who_leaves_before_the_answer(void **state)
{
	struct faults f;
	struct peer p;
	(void)state;
	place(&f);
	turn(&f, "slow", "60000"); /* until it is turned off */
	assert_true(peer_open(&p, f.service.port));
	assert_true(peer_send(&p, authorize));
	assert_true(service_metric_becomes(&f.service, "trove_replies_held", 1));
	assert_true(service_metric(&f.service, "trove_journal_waiting_records") == 1);
	assert_true(service_metric(&f.service, lost) == 0);
	peer_close(&p);
	assert_true(service_metric_becomes(&f.service, lost, 1));
	turn(&f, "slow", NULL);
	assert_true(service_metric_becomes(&f.service, "trove_replies_held", 0));
	assert_true(peer_open(&p, f.service.port));
	assert_answer(&p, authorize, "\"replayed\":true");
	assert_true(service_metric(&f.service, "trove_replays_total") == 1);
	assert_true(service_metric(&f.service, lost) == 1);
	peer_close(&p);
	assert_int_equal(service_stop(&f.service, SIGTERM), 0);
}

/* ---- more who change than can be held ------------------------------------------------------------------------------- */

/* More than contexts (32), of which the last 8 are for queries. */
enum { BESIEGERS = 40, HELD_MAX = 24, BATCH = 64, MESSAGE_BYTES = 16384, REPLY_BYTES = 65536 };

struct siege {
	struct peer peer[BESIEGERS];
	char reply[BESIEGERS][REPLY_BYTES];
	bool has_reply[BESIEGERS];
	unsigned events; /* a message */
};

static const char *message_of(const struct siege *s, unsigned who)
{
	static char text[MESSAGE_BYTES];
	size_t n = 0;
	for (unsigned i = 0; i < s->events; i++)
		n += (size_t)snprintf(text + n, sizeof text - n,
		                      "%c{\"type\":\"payment.authorize\",\"id\":%u,\"payment\":%u,\"amount\":5,\"currency\":\"EUR\"}",
		                      i == 0 ? '[' : ',', 1000 + BATCH * who + i, 1000 + BATCH * who + i);
	snprintf(text + n, sizeof text - n, "]");
	return text;
}

static struct siege *besiege(const struct faults *f, unsigned events)
{
	struct siege *s = calloc(1, sizeof *s);
	s->events = events;
	for (unsigned i = 0; i < BESIEGERS; i++)
		assert_true(peer_open(&s->peer[i], f->service.port) && peer_send(&s->peer[i], message_of(s, i)));
	return s;
}

static void lift(struct siege *s)
{
	for (unsigned i = 0; i < BESIEGERS; i++)
		peer_close(&s->peer[i]);
	free(s);
}

/* Takes what has come; of all that did, how many say it. */
static unsigned answered(struct siege *s, const char *has)
{
	uint32_t number;
	unsigned count = 0;
	for (unsigned i = 0; i < BESIEGERS; i++) {
		if (!s->has_reply[i] && peer_waits(&s->peer[i], 0))
			s->has_reply[i] = peer_receive(&s->peer[i], s->reply[i], REPLY_BYTES, &number);
		count += s->has_reply[i] && count_of(s->reply[i], has) == s->events;
	}
	return count;
}

static void await_answers(struct siege *s, const char *has, unsigned wanted)
{
	unsigned count = 0;
	for (int i = 0; i < 1200 && (count = answered(s, has)) != wanted; i++)
		clock_sleep_ms(25);
	if (count != wanted)
		fail_msg("%u answers say %s, expected %u", count, has, wanted);
}

static const char overloaded[] = "\"code\":\"overloaded\"";
static const char authorized[] = "\"state\":\"authorized\"";
static const char replayed[] = "\"replayed\":true";

/* Each once: who was answered well is told so again, who was refused does it now. */
static void ask_all_again(struct siege *s)
{
	for (unsigned i = 0; i < BESIEGERS; i++) {
		char *before = s->reply[i];
		bool was_done = strstr(before, authorized) != NULL;
		assert_true(was_done ? strstr(before, replayed) == NULL : strstr(before, "\"retry\":\"same_id\"") != NULL);
		assert_true(peer_ask(&s->peer[i], message_of(s, i), before, REPLY_BYTES));
		assert_int_equal(count_of(before, authorized), s->events);
		assert_int_equal(count_of(before, replayed), was_done ? s->events : 0);
	}
}

/* The disk hangs, and may fail then. Those that are held get their answers, once; the others are told; queries go on. */
static void hold_and_refuse(bool fails)
{
	struct faults f;
	struct peer p;
	place(&f);
	turn(&f, "slow", "60000");
	struct siege *s = besiege(&f, 1);
	assert_true(peer_open(&p, f.service.port));
	await_answers(s, overloaded, BESIEGERS - HELD_MAX);
	assert_true(service_metric(&f.service, "trove_replies_held") == HELD_MAX);
	assert_reads_none(&p);
	if (fails) {
		turn(&f, "sync", "");
		turn(&f, "slow", NULL);
		assert_true(service_metric_becomes(&f.service, "trove_journal_failed", 1));
	}
	assert_answer(&p, authorize, overloaded);
	assert_answer(&p, "{\"type\":\"payment.get\",\"payment\":5}", "\"code\":\"not_found\"");
	assert_reads_none(&p);
	assert_int_equal(answered(s, authorized), 0);
	turn(&f, fails ? "sync" : "slow", NULL);
	await_answers(s, authorized, HELD_MAX);
	assert_true(service_metric_becomes(&f.service, "trove_journal_failed", 0));
	ask_all_again(s);
	(void)becomes(&p, authorize, authorized);
	assert_true(service_metric(&f.service, "trove_journal_seq") == BESIEGERS + 1);
	peer_close(&p);
	lift(s);
	assert_int_equal(service_stop(&f.service, SIGTERM), 0);
}

static void a_disk_that_hangs_under_many(void **state)
{
	(void)state;
	hold_and_refuse(false);
}

static void a_disk_that_fails_under_many(void **state)
{
	(void)state;
	hold_and_refuse(true);
}

/* ---- a stop while the disk fails ------------------------------------------------------------------------------------ */

static const char *const *for_large_replies(void)
{
	return with("events.reply_bytes_max=65536", "events.batch_max=64", "service.drain_timeout_ms=1000");
}

/* Large replies: their room ends before the contexts do. */
static void stop_with_a_disk_that(bool hangs)
{
	struct faults f;
	struct peer p;
	place_with(&f, for_large_replies());
	turn(&f, "slow", "60000");
	struct siege *s = besiege(&f, BATCH);
	assert_true(peer_open(&p, f.service.port));
	for (int i = 0; i < 1200 && answered(s, overloaded) < BESIEGERS / 4; i++)
		clock_sleep_ms(25);
	assert_true(answered(s, overloaded) >= BESIEGERS / 4);
	assert_reads_none(&p);
	if (!hangs) {
		turn(&f, "sync", "");
		turn(&f, "slow", NULL);
		assert_true(service_metric_becomes(&f.service, "trove_journal_failed", 1));
	}
	/* What is held is acknowledged to nobody. */
	assert_int_equal(service_stop(&f.service, SIGTERM), 74);
	assert_int_equal(answered(s, authorized), 0);
	assert_true(service_log_has(&f.service, "not all changes could be made durable"));
	peer_close(&p);
	lift(s);
	service_again(&f.service, for_large_replies());
	assert_true(peer_open(&p, f.service.port));
	(void)becomes(&p, authorize, authorized);
	peer_close(&p);
	assert_int_equal(service_stop(&f.service, SIGTERM), 0);
}

static void a_stop_while_the_disk_hangs(void **state)
{
	(void)state;
	stop_with_a_disk_that(true);
}

static void a_stop_while_the_disk_fails(void **state)
{
	(void)state;
	stop_with_a_disk_that(false);
}

/* It comes back while the stop waits: then all is as ever. */
static void a_disk_that_comes_back_during_a_stop(void **state)
{
	struct faults f;
	(void)state;
	place_with(&f, with("service.drain_timeout_ms=60000", NULL, NULL));
	turn(&f, "slow", "60000");
	struct siege *s = besiege(&f, 1);
	await_answers(s, overloaded, BESIEGERS - HELD_MAX);
	kill(f.service.pid, SIGTERM);
	clock_sleep_ms(200);
	turn(&f, "slow", NULL);
	assert_int_equal(service_wait(&f.service), 0);
	await_answers(s, authorized, HELD_MAX);
	lift(s);
}

/* ---- the clock -------------------------------------------------------------------------------------------------------- */

/* Publications up to then; none may be older than the one before. */
static void read_feed(struct peer *sub, int64_t *seq, int64_t *at, unsigned *expired, unsigned *abandoned)
{
	char text[2048];
	uint32_t number;
	while (peer_waits(sub, 50)) {
		assert_true(peer_receive(sub, text, sizeof text, &number));
		if (text_number(text, "seq") == INT64_MIN)
			continue; /* service.state */
		assert_true(text_number(text, "seq") >= *seq);
		assert_true(text_number(text, "at") >= *at);
		*seq = text_number(text, "seq");
		*at = text_number(text, "at");
		*expired += strstr(text, "payment.expired") != NULL;
		*abandoned += strstr(text, "cart.abandoned") != NULL;
	}
}

static void a_clock_that_jumps(void **state)
{
	struct faults f;
	struct peer p, sub;
	int64_t seq = 0, at = 0;
	unsigned expired = 0, abandoned = 0;
	(void)state;
	place(&f);
	assert_true(peer_open(&p, f.service.port) && peer_subscribe(&sub, (uint16_t)(f.service.port + 2)));
	clock_sleep_ms(100);
	assert_answer(&p, "[{\"type\":\"cart.open\",\"id\":1,\"cart\":1,\"currency\":\"EUR\",\"ttl_ms\":3000},"
	              "{\"type\":\"cart.add\",\"id\":2,\"cart\":1,\"sku\":\"a\",\"unit_price\":3},"
	              "{\"type\":\"payment.authorize\",\"id\":3,\"payment\":1,\"amount\":5,\"currency\":\"EUR\",\"ttl_ms\":3000}]",
	              "\"seq\":3");
	turn(&f, "clock", "-3600000");
	clock_sleep_ms(50);
	for (int i = 0; i < 20; i++) {
		char json[200];
		snprintf(json, sizeof json,
		         "{\"type\":\"payment.authorize\",\"id\":%d,\"payment\":%d,\"amount\":5,\"currency\":\"EUR\","
		         "\"ttl_ms\":60000}", 100 + i,
		         100 + i);
		assert_answer(&p, json, "\"state\":\"authorized\"");
		turn(&f, "clock", i % 2 == 0 ? "-86400000" : "-500");
		clock_sleep_ms(10);
	}
	read_feed(&sub, &seq, &at, &expired, &abandoned);
	assert_int_equal(expired + abandoned, 0); /* none was due, by any clock */
	assert_answer(&p, "{\"type\":\"payment.get\",\"payment\":1}", "\"state\":\"authorized\"");
	assert_answer(&p, "{\"type\":\"cart.get\",\"cart\":1}", "\"state\":\"open\"");

	/* The clock stays back: time still goes on, and a restart does not turn it back either. */
	turn(&f, "clock", "-3600000");
	service_stop(&f.service, SIGKILL);
	again_with(&f, small);
	peer_close(&p);
	peer_close(&sub);
	assert_true(peer_open(&p, f.service.port) && peer_subscribe(&sub, (uint16_t)(f.service.port + 2)));
	clock_sleep_ms(100);
	assert_answer(&p, "{\"type\":\"payment.capture\",\"id\":4,\"payment\":100}", "\"state\":\"captured\"");
	read_feed(&sub, &seq, &at, &expired, &abandoned);
	assert_int_equal(expired + abandoned, 0);
	turn(&f, "clock", "0");
	clock_sleep_ms(3500);
	read_feed(&sub, &seq, &at, &expired, &abandoned);
	assert_int_equal(expired, 1);
	assert_int_equal(abandoned, 1);
	peer_close(&p);
	peer_close(&sub);
	assert_int_equal(service_stop(&f.service, SIGTERM), 0);
}

/* ---- a full disk ------------------------------------------------------------------------------------------------------- */

/* A small file system of its own, which ends with this process. false: the system does not let us. */
static bool mount_small(const char *path, const char *options)
{
	static bool is_alone;
	if (!is_alone && unshare(CLONE_NEWNS) != 0)
		return false;
	/* Where / is no mount of its own, whoever changed the root has a namespace of his own already. */
	if (!is_alone && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 && errno != EINVAL)
		return false;
	is_alone = true;
	return (mkdir(path, 0700) == 0 || errno == EEXIST) && mount("tmpfs", path, "tmpfs", 0, options) == 0;
}

static bool may_not_mount(const char *path, const char *options)
{
	if (mount_small(path, options))
		return false;
	printf("SKIP a disk of its own: cannot mount (%s)\n", strerror(errno));
	return true;
}

static void take_room(const char *path, size_t bytes)
{
	static char block[65536];
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	while (bytes > 0) {
		ssize_t n = write(fd, block, sizeof block < bytes ? sizeof block : bytes);
		if (n <= 0)
			break;
		bytes -= (size_t)n;
	}
	close(fd);
}

static void a_full_disk(void **state)
{
	struct service s;
	struct peer p;
	char data[192], set[256], ballast[256];
	struct crowd *crowd = calloc(1, sizeof *crowd);
	(void)state;
	service_place(&s);
	snprintf(data, sizeof data, "%s/small", s.folder);
	snprintf(set, sizeof set, "data.directory=%s", data);
	snprintf(ballast, sizeof ballast, "%s/ballast", data);
	if (may_not_mount(data, "size=32m")) {
		free(crowd);
		skip();
	}
	service_again(&s, with(set, NULL, NULL));
	crowd_init(crowd, &s, SHOPPERS, 7);
	crowd->pause_us = 200;
	for (unsigned i = 0; i < SHOPPERS; i++)
		crowd->shopper[i].may_be_refused = true;
	assert_true(peer_open(&p, s.port));
	take_room(ballast, 64 << 20);
	crowd_start(crowd);
	for (int i = 0; i < 1000 && service_metric(&s, "trove_journal_full_total") < 1; i++)
		clock_sleep_ms(20);
	assert_true(service_metric(&s, "trove_journal_full_total") >= 1);
	assert_refused(&p, authorize);
	assert_reads_go_on(&p);
	clock_sleep_ms(1000);
	assert_refused(&p, authorize);
	assert_reads_go_on(&p);
	assert_says_once(&s, "cannot be made");
	assert_int_equal(unlink(ballast), 0);
	(void)becomes(&p, authorize, "\"state\":\"authorized\"");
	clock_sleep_ms(200);
	crowd_stop(crowd);
	assert_says_once(&s, "works again");
	service_stop(&s, SIGKILL);
	service_again(&s, with(set, NULL, NULL));
	crowd_check(crowd, &s);
	peer_close(&p);
	crowd_deinit(crowd);
	free(crowd);
	assert_int_equal(service_stop(&s, SIGTERM), 0);
	umount2(data, MNT_DETACH);
}

/* ---- a directory that cannot be used ---------------------------------------------------------------------------------- */

static void assert_refused_start(struct service *s, const char *const *sets, const char *says)
{
	int code = service_refused(s, sets);
	char *log = service_log(s);
	print_message("%d: %s", code, log);
	assert_true(code == 74 || code == 78);
	assert_non_null(strstr(log, says));
	assert_int_equal(count_of(log, "\n"), 1);
	free(log);
}

static void a_read_only_directory(void **state)
{
	struct service s;
	char data[192], set[256];
	(void)state;
	service_place(&s);
	snprintf(data, sizeof data, "%s/small", s.folder);
	snprintf(set, sizeof set, "data.directory=%s", data);
	if (may_not_mount(data, "size=32m,ro"))
		skip();
	assert_refused_start(&s, with(set, "log.level=warning", NULL), "Read-only file system");
	umount2(data, MNT_DETACH);
}

static void a_directory_that_is_in_use(void **state)
{
	struct service first, second;
	char set[256];
	(void)state;
	service_start(&first, small);
	service_place(&second);
	snprintf(set, sizeof set, "data.directory=%s", first.folder);
	assert_refused_start(&second, with(set, "log.level=warning", NULL), first.folder);
	assert_int_equal(service_get(&first, "/readyz"), 200); /* it did not notice */
	assert_int_equal(service_stop(&first, SIGTERM), 0);
}

/* The folders of a new service: a start that cannot make their names durable acknowledges nothing. */
static void a_name_that_is_not_durable(void **state)
{
	struct faults f;
	char data[192], set[256], above[192];
	(void)state;
	place_only(&f);
	snprintf(data, sizeof data, "%s/new", f.service.folder);
	snprintf(set, sizeof set, "data.directory=%s", data);
	const char *const *sets = with(set, NULL, NULL);
	preload();
	/* Twice: it is there then, and not more durable. */
	for (unsigned i = 1; i <= 2; i++) {
		snprintf(above, sizeof above, "EIO %s", f.service.folder);
		turn(&f, "sync", above);
		assert_int_equal(service_refused(&f.service, sets), 74);
		assert_says(&f.service, "/new cannot be synced: Input/output error", i);
		turn(&f, "sync", "EIO /new");
		assert_int_equal(service_refused(&f.service, sets), 74);
		assert_says(&f.service, "/new/journal cannot be synced: Input/output error", i);
	}
	turn(&f, "sync", NULL);
	again_with(&f, sets);
	assert_int_equal(service_stop(&f.service, SIGTERM), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(syncs_that_fail),       cmocka_unit_test(writes_that_fail),
		cmocka_unit_test(who_leaves_before_the_answer),
		cmocka_unit_test(a_disk_that_hangs_under_many), cmocka_unit_test(a_disk_that_fails_under_many),
		cmocka_unit_test(a_stop_while_the_disk_hangs), cmocka_unit_test(a_stop_while_the_disk_fails),
		cmocka_unit_test(a_disk_that_comes_back_during_a_stop),
		cmocka_unit_test(a_clock_that_jumps),    cmocka_unit_test(a_full_disk),
		cmocka_unit_test(a_read_only_directory), cmocka_unit_test(a_directory_that_is_in_use),
		cmocka_unit_test(a_name_that_is_not_durable),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
