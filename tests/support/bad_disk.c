#include "tests/support/bad_disk.h"

#include "engine/base/clock.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { SETS = 24 };

const char *const disk_small[] = {
	"data.segment_bytes=262144", "data.segments_max=64",   "data.buffer_bytes=262144", "memory.prefault=false",
	"memory.pages=small",        "rewards.capacity=1000",  "products.capacity=100",    "events.threads=2",
	"events.contexts=32",        "events.queue=64",        "log.level=info",           NULL};

const char *const *disk_small_with(const char *a, const char *b, const char *c)
{
	static const char *all[SETS];
	size_t n = 0;
	for (; disk_small[n] != NULL; n++)
		all[n] = disk_small[n];
	all[n++] = a;
	all[n++] = b;
	all[n++] = c;
	all[n] = NULL;
	return all;
}

void disk_assert_says(const struct service *s, const char *what, unsigned times)
{
	char *log = service_log(s);
	if (text_count(log, what) != times)
		fail_msg("expected %u times \"%s\" in the log:\n%s", times, what, log);
	free(log);
}

void disk_assert_says_once(const struct service *s, const char *what) { disk_assert_says(s, what, 1); }

/* ---- asking ------------------------------------------------------------------------------------------------ */

const char *disk_ask(struct peer *p, const char *json)
{
	static char reply[8192];
	if (!peer_ask(p, json, reply, sizeof reply))
		fail_msg("no reply to %s", json);
	return reply;
}

void disk_assert_answer(struct peer *p, const char *json, const char *has)
{
	const char *reply = disk_ask(p, json);
	if (strstr(reply, has) == NULL)
		fail_msg("%s was answered %s, expected %s", json, reply, has);
}

void disk_assert_reads_none(struct peer *p)
{
	disk_assert_answer(p, "{\"type\":\"locate\",\"x\":1,\"y\":1,\"radius\":50}", "\"count\":0");
	disk_assert_answer(p, "{\"type\":\"ping\"}", "pong");
}

const char *disk_becomes(struct peer *p, const char *json, const char *has)
{
	for (int i = 0; i < 400; i++) {
		const char *reply = disk_ask(p, json);
		if (strstr(reply, has) != NULL)
			return reply;
		clock_sleep_ms(25);
	}
	fail_msg("%s is not answered %s", json, has);
	return NULL;
}

const char disk_authorize[] =
	"{\"type\":\"payment.authorize\",\"id\":\"7000000000001\",\"payment\":77,\"amount\":5,\"currency\":\"EUR\"}";

/* ---- the disk ---------------------------------------------------------------------------------------------- */

void disk_preload(void)
{
	char library[512];
	snprintf(library, sizeof library, "%s/tests/support/preload/faults.so", getenv("TROVE_BUILD"));
	setenv("LD_PRELOAD", library, 1);
	/* Its runtime is loaded second, which does no harm here. */
	setenv("ASAN_OPTIONS", "verify_asan_link_order=0", 1);
}

void disk_place_only(struct bad_disk *f)
{
	service_place(&f->service);
	snprintf(f->folder, sizeof f->folder, "%s/faults", f->service.folder);
	assert_int_equal(mkdir(f->folder, 0700), 0);
	setenv("TROVE_FAULTS", f->folder, 1);
}

void disk_again(struct bad_disk *f, const char *const *sets)
{
	disk_preload();
	service_again(&f->service, sets);
	unsetenv("LD_PRELOAD");
}

void disk_place_with(struct bad_disk *f, const char *const *sets)
{
	disk_place_only(f);
	disk_again(f, sets);
}

void disk_place(struct bad_disk *f) { disk_place_with(f, disk_small); }

void disk_turn(const struct bad_disk *f, const char *name, const char *text)
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
