/*
 * A disk that is full, that fails, that is read-only or somebody else's; a clock that jumps. Changes are refused,
 * reads go on, nothing that was acknowledged is lost, and when the trouble is over the service goes on by itself.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "engine/base/clock.h"
#include "tests/support/bad_disk.h"
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

enum { SHOPPERS = 4 };

/* Refused while there is trouble, by load: to be sent again. */
static void assert_refused(struct peer *p, const char *json)
{
	const char *reply = disk_ask(p, json);
	if (strstr(reply, "\"code\":\"journal_full\"") == NULL || strstr(reply, "\"retry\":\"same_id\"") == NULL ||
	    strstr(reply, "\"retry_after_ms\":") == NULL)
		fail_msg("%s was answered %s", json, reply);
}

static void assert_reads_go_on(struct peer *p)
{
	disk_assert_answer(p, "{\"type\":\"locate\",\"x\":1,\"y\":1,\"radius\":50}", "\"count\":4");
	disk_assert_answer(p, "{\"type\":\"reward.get\",\"reward\":1}", "\"type\":\"reward\"");
	disk_assert_answer(p, "{\"type\":\"ping\"}", "pong");
}

/* ---- errors of the device -------------------------------------------------------------------------------------------- */

static void device_fails(const char *what)
{
	struct bad_disk f;
	struct peer p;
	struct crowd *crowd = calloc(1, sizeof *crowd);
	disk_place(&f);
	crowd_init(crowd, &f.service, SHOPPERS, 42);
	for (unsigned i = 0; i < SHOPPERS; i++)
		crowd->shopper[i].may_be_refused = true;
	crowd_start(crowd);
	assert_true(peer_open(&p, f.service.port));
	clock_sleep_ms(300);
	assert_true(service_metric(&f.service, "trove_journal_failed") == 0);
	disk_turn(&f, what, "");
	assert_true(service_metric_becomes(&f.service, "trove_journal_failed", 1));
	assert_refused(&p, disk_authorize);
	assert_reads_go_on(&p);
	clock_sleep_ms(1200); /* it tries again twice a second */
	assert_refused(&p, disk_authorize);
	assert_true(service_metric(&f.service, "trove_journal_failures_total") >= 2);
	assert_reads_go_on(&p);
	disk_turn(&f, what, NULL);
	assert_true(service_metric_becomes(&f.service, "trove_journal_failed", 0));
	(void)disk_becomes(&p, disk_authorize, "\"state\":\"authorized\"");
	clock_sleep_ms(300);
	crowd_stop(crowd);
	uint64_t refused = 0;
	for (unsigned i = 0; i < SHOPPERS; i++)
		refused += crowd->shopper[i].put_off;
	print_message("%s: %llu refused while it failed\n", what, (unsigned long long)refused);
	disk_assert_says_once(&f.service, "are not durable");
	disk_assert_says_once(&f.service, "writing works again");

	/* What was acknowledged before, meanwhile and after is there after a crash. */
	service_stop(&f.service, SIGKILL);
	service_again(&f.service, disk_small);
	crowd_check(crowd, &f.service);
	peer_close(&p);
	assert_true(peer_open(&p, f.service.port));
	disk_assert_answer(&p, disk_authorize, "\"replayed\":true");
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
	struct bad_disk f;
	struct peer p;
	(void)state;
	disk_place(&f);
	disk_turn(&f, "slow", "60000"); /* until it is turned off */
	assert_true(peer_open(&p, f.service.port));
	assert_true(peer_send(&p, disk_authorize));
	assert_true(service_metric_becomes(&f.service, "trove_replies_held", 1));
	assert_true(service_metric(&f.service, "trove_journal_waiting_records") == 1);
	assert_true(service_metric(&f.service, lost) == 0);
	peer_close(&p);
	assert_true(service_metric_becomes(&f.service, lost, 1));
	disk_turn(&f, "slow", NULL);
	assert_true(service_metric_becomes(&f.service, "trove_replies_held", 0));
	assert_true(peer_open(&p, f.service.port));
	disk_assert_answer(&p, disk_authorize, "\"replayed\":true");
	assert_true(service_metric(&f.service, "trove_replays_total") == 1);
	assert_true(service_metric(&f.service, lost) == 1);
	peer_close(&p);
	assert_int_equal(service_stop(&f.service, SIGTERM), 0);
}

/* Bad sectors under a payment that is not in memory any more: it is not taken for one that is not there. */
static void a_closed_payment_that_cannot_be_read(void **state)
{
	static const char get[] = "{\"type\":\"payment.get\",\"payment\":77}", internal[] = "\"code\":\"internal\"";
	struct bad_disk f;
	struct peer p;
	long long offset = 0;
	(void)state;
	disk_place(&f);
	assert_true(peer_open(&p, f.service.port));
	disk_assert_answer(&p, disk_authorize, "\"state\":\"authorized\"");
	disk_assert_answer(&p, "{\"type\":\"payment.void\",\"id\":2,\"payment\":77}", "\"state\":\"voided\"");
	assert_int_equal(service_stop(&f.service, SIGTERM), 0);
	disk_again(&f, disk_small);
	peer_close(&p);
	assert_true(peer_open(&p, f.service.port));
	disk_assert_answer(&p, get, "\"state\":\"voided\"");

	disk_turn(&f, "read", "EIO .journal");
	for (int i = 0; i < 3; i++)
		disk_assert_answer(&p, get, internal);
	disk_assert_answer(&p, "{\"type\":\"payment.capture\",\"id\":3,\"payment\":77,\"amount\":1}", internal);
	disk_assert_answer(&p, disk_authorize, internal); /* an id that was seen */
	disk_assert_says_once(&f.service, "cannot be read: Input/output error");
	char *log = service_log(&f.service), *said = strstr(log, "0000000000000001.journal, offset ");
	assert_true(said != NULL && sscanf(strchr(said, ','), ", offset %lld: cannot be read", &offset) == 1);
	assert_in_range(offset, 4096 + 64, 4096 + 4096); /* the second record's */
	free(log);
	disk_assert_reads_none(&p);
	disk_assert_answer(&p, "{\"type\":\"payment.authorize\",\"id\":4,\"payment\":78,\"amount\":5,\"currency\":\"EUR\"}",
	                   "\"state\":\"authorized\"");
	disk_assert_answer(&p, "{\"type\":\"payment.get\",\"payment\":78}", "\"state\":\"authorized\"");
	disk_assert_answer(&p, "{\"type\":\"payment.get\",\"payment\":79}", "\"code\":\"not_found\"");
	assert_true(service_metric(&f.service, "trove_journal_failed") == 0);

	disk_turn(&f, "read", NULL);
	disk_assert_answer(&p, get, "\"state\":\"voided\"");
	disk_assert_answer(&p, disk_authorize, "\"replayed\":true");
	peer_close(&p);
	assert_int_equal(service_stop(&f.service, SIGTERM), 0);
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
	struct bad_disk f;
	struct peer p, sub;
	int64_t seq = 0, at = 0;
	unsigned expired = 0, abandoned = 0;
	(void)state;
	disk_place(&f);
	assert_true(peer_open(&p, f.service.port) && peer_subscribe(&sub, (uint16_t)(f.service.port + 2)));
	clock_sleep_ms(100);
	disk_assert_answer(&p, "[{\"type\":\"cart.open\",\"id\":1,\"cart\":1,\"currency\":\"EUR\",\"ttl_ms\":3000},"
	              "{\"type\":\"cart.add\",\"id\":2,\"cart\":1,\"sku\":\"a\",\"unit_price\":3},"
	              "{\"type\":\"payment.authorize\",\"id\":3,\"payment\":1,\"amount\":5,\"currency\":\"EUR\",\"ttl_ms\":3000}]",
	              "\"seq\":3");
	disk_turn(&f, "clock", "-3600000");
	clock_sleep_ms(50);
	for (int i = 0; i < 20; i++) {
		char json[200];
		snprintf(json, sizeof json,
		         "{\"type\":\"payment.authorize\",\"id\":%d,\"payment\":%d,\"amount\":5,\"currency\":\"EUR\","
		         "\"ttl_ms\":60000}", 100 + i,
		         100 + i);
		disk_assert_answer(&p, json, "\"state\":\"authorized\"");
		disk_turn(&f, "clock", i % 2 == 0 ? "-86400000" : "-500");
		clock_sleep_ms(10);
	}
	read_feed(&sub, &seq, &at, &expired, &abandoned);
	assert_int_equal(expired + abandoned, 0); /* none was due, by any clock */
	disk_assert_answer(&p, "{\"type\":\"payment.get\",\"payment\":1}", "\"state\":\"authorized\"");
	disk_assert_answer(&p, "{\"type\":\"cart.get\",\"cart\":1}", "\"state\":\"open\"");

	/* The clock stays back: time still goes on, and a restart does not turn it back either. */
	disk_turn(&f, "clock", "-3600000");
	service_stop(&f.service, SIGKILL);
	disk_again(&f, disk_small);
	peer_close(&p);
	peer_close(&sub);
	assert_true(peer_open(&p, f.service.port) && peer_subscribe(&sub, (uint16_t)(f.service.port + 2)));
	clock_sleep_ms(100);
	disk_assert_answer(&p, "{\"type\":\"payment.capture\",\"id\":4,\"payment\":100}", "\"state\":\"captured\"");
	read_feed(&sub, &seq, &at, &expired, &abandoned);
	assert_int_equal(expired + abandoned, 0);
	disk_turn(&f, "clock", "0");
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
	service_again(&s, disk_small_with(set, NULL, NULL));
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
	assert_refused(&p, disk_authorize);
	assert_reads_go_on(&p);
	clock_sleep_ms(1000);
	assert_refused(&p, disk_authorize);
	assert_reads_go_on(&p);
	disk_assert_says_once(&s, "cannot be made");
	assert_int_equal(unlink(ballast), 0);
	(void)disk_becomes(&p, disk_authorize, "\"state\":\"authorized\"");
	clock_sleep_ms(200);
	crowd_stop(crowd);
	disk_assert_says_once(&s, "works again");
	service_stop(&s, SIGKILL);
	service_again(&s, disk_small_with(set, NULL, NULL));
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
	assert_int_equal(text_count(log, "\n"), 1);
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
	assert_refused_start(&s, disk_small_with(set, "log.level=warning", NULL), "Read-only file system");
	umount2(data, MNT_DETACH);
}

static void a_directory_that_is_in_use(void **state)
{
	struct service first, second;
	char set[256];
	(void)state;
	service_start(&first, disk_small);
	service_place(&second);
	snprintf(set, sizeof set, "data.directory=%s", first.folder);
	assert_refused_start(&second, disk_small_with(set, "log.level=warning", NULL), first.folder);
	assert_int_equal(service_get(&first, "/readyz"), 200); /* it did not notice */
	assert_int_equal(service_stop(&first, SIGTERM), 0);
}

/* The folders of a new service: a start that cannot make their names durable acknowledges nothing. */
static void a_name_that_is_not_durable(void **state)
{
	struct bad_disk f;
	char data[192], set[256], above[192];
	(void)state;
	disk_place_only(&f);
	snprintf(data, sizeof data, "%s/new", f.service.folder);
	snprintf(set, sizeof set, "data.directory=%s", data);
	const char *const *sets = disk_small_with(set, NULL, NULL);
	disk_preload();
	/* Twice: it is there then, and not more durable. */
	for (unsigned i = 1; i <= 2; i++) {
		snprintf(above, sizeof above, "EIO %s", f.service.folder);
		disk_turn(&f, "sync", above);
		assert_int_equal(service_refused(&f.service, sets), 74);
		disk_assert_says(&f.service, "/new cannot be synced: Input/output error", i);
		disk_turn(&f, "sync", "EIO /new");
		assert_int_equal(service_refused(&f.service, sets), 74);
		disk_assert_says(&f.service, "/new/journal cannot be synced: Input/output error", i);
	}
	disk_turn(&f, "sync", NULL);
	disk_again(&f, sets);
	assert_int_equal(service_stop(&f.service, SIGTERM), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(syncs_that_fail),       cmocka_unit_test(writes_that_fail),
		cmocka_unit_test(who_leaves_before_the_answer), cmocka_unit_test(a_closed_payment_that_cannot_be_read),
		cmocka_unit_test(a_clock_that_jumps),    cmocka_unit_test(a_full_disk),
		cmocka_unit_test(a_read_only_directory), cmocka_unit_test(a_directory_that_is_in_use),
		cmocka_unit_test(a_name_that_is_not_durable),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
