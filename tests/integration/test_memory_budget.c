/*
 * The memory gate: a troved under full load whose working set changes all the time (near
 * and far queries, JSON batches, rewards put and removed, claims, carts and payments, peers
 * that come and go) stays within tests/integration/memory_budget, stops growing, hardly
 * faults, and gives back to its pools what it borrowed. A line that is exceeded names its owner.
 * SOAK_SECONDS=600 (make soak) makes the same run a soak.
 */
#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/random.h"
#include "engine/net/client.h"
#include "tests/support/service.h"

#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { SECONDS_LEAST = 12, SAMPLES_MAX = 4096, IN_FLIGHT = 32, REWARDS = 20000, EVENTS = 64 };
enum { ANSWER_BYTES = 1 << 18, EVENT_BYTES = 160, OFFERS = 64, OFFER = 2000000, SKUS = 500 };
/* Fewer than the run needs, so that places are used again and again, and what is over is refused. */
enum { CARTS = 300, EXTENTS = 120, PAYMENTS = 200, CLAIMS = 500, TTL_MS = 1500, CLAIM_TTL_MS = 5000, LINES = 100 };
static const char *const service_sets[] = {
	"rewards.file=config/demo_rewards.csv", "rewards.capacity=50000", "carts.capacity=300",  "carts.extents=120",
	"payments.capacity=200",                "payments.ttl_ms=1500",   "claims.capacity=500", "claims.ttl_ms=5000", NULL};

struct load {
	struct random random;
	struct client *client;
	uint64_t replies, lost, overloaded, lives, next_id;
	char batch[EVENTS * (EVENT_BYTES + 1) + 2];
};

/* ---- load ---------------------------------------------------------------------------- */

static void on_reply(void *context, const struct client_reply *reply)
{
	struct load *load = context;
	load->replies += reply->bytes != NULL;
	load->lost += reply->bytes == NULL;
	if (reply->bytes != NULL && memmem(reply->bytes, reply->count, "\"overloaded\"", 12) != NULL)
		load->overloaded++;
}

static size_t write_event(struct load *load, char *at, unsigned shape)
{
	struct random *r = &load->random;
	double x = -122.45 + random_between(r, 0, 0.08), y = 37.74 + random_between(r, 0, 0.06);
	unsigned long id = 1000000 + random_below(r, REWARDS);
	if (shape < 40)
		return (size_t)snprintf(at, EVENT_BYTES, "{\"type\":\"locate\",\"x\":%.6f,\"y\":%.6f,\"radius\":%u,\"limit\":%u}", x, y,
		                       shape < 20 ? 200 : 20000, shape < 20 ? 8 : 256);
	if (shape < 80)
		return (size_t)snprintf(at, EVENT_BYTES,
		                        "{\"type\":\"reward.put\",\"id\":%lu,\"reward\":%lu,\"x\":%.6f,\"y\":%.6f,\"radius\":90}",
		                        (unsigned long)++load->next_id, id, x, y);
	return (size_t)snprintf(at, EVENT_BYTES, "{\"type\":\"reward.remove\",\"id\":%lu,\"reward\":%lu}",
	                        (unsigned long)++load->next_id, id);
}

/*
 * One message that is the life of a cart: a reward claimed, one to three extents of lines, the discount, the payment, and
 * one of the ends that it can have. One in six is left behind, to be ended by its time.
 */
static void send_life(struct load *load)
{
	struct random *r = &load->random;
	unsigned long life = 10000000 + (unsigned long)(load->next_id += EVENTS), id = life * 100;
	unsigned lines = 1 + (unsigned)random_below(r, 50), end = (unsigned)random_below(r, 6);
	unsigned long offer = OFFER + random_below(r, OFFERS);
	char *at = load->batch;
#define EVENT(...) at += snprintf(at, EVENT_BYTES, __VA_ARGS__)
	EVENT("[{\"type\":\"reward.put\",\"id\":%lu,\"reward\":%lu,\"x\":1,\"y\":1,\"radius\":9,"
	      "\"benefit\":{\"percent_bp\":900}}", ++id, offer);
	EVENT(",{\"type\":\"cart.open\",\"id\":%lu,\"cart\":%lu,\"currency\":\"EUR\",\"ttl_ms\":%d}", ++id, life, TTL_MS);
	EVENT(",{\"type\":\"claim\",\"id\":%lu,\"actor\":%lu,\"reward\":%lu,\"x\":1,\"y\":1,\"cart\":%lu}", ++id, life, offer, life);
	for (unsigned i = 0; i < lines; i++)
		EVENT(",{\"type\":\"cart.add\",\"id\":%lu,\"cart\":%lu,\"sku\":\"s%u\",\"unit_price\":%u}", ++id, life,
		      (unsigned)random_below(r, SKUS), 1 + i);
	EVENT(",{\"type\":\"cart.remove\",\"id\":%lu,\"cart\":%lu,\"sku\":\"s7\"}", ++id, life);
	if (end > 0)
		EVENT(",{\"type\":\"cart.checkout\",\"id\":%lu,\"cart\":%lu,\"payment\":%lu}", ++id, life, life);
	else
		EVENT(",{\"type\":\"payment.authorize\",\"id\":%lu,\"payment\":%lu,\"amount\":9,\"currency\":\"EUR\",\"ttl_ms\":%d}",
		      ++id, life, TTL_MS);
	if (end > 1)
		EVENT(",{\"type\":\"payment.%s\",\"id\":%lu,\"payment\":%lu}", end == 2 ? "void" : "capture", ++id, life);
	if (end > 3)
		EVENT(",{\"type\":\"payment.refund\",\"id\":%lu,\"payment\":%lu,\"amount\":1}", ++id, life);
	if (end > 4)
		EVENT(",{\"type\":\"payment.refund\",\"id\":%lu,\"payment\":%lu}", ++id, life);
#undef EVENT
	*at++ = ']';
	load->lives++;
	client_send(load->client, load->batch, (size_t)(at - load->batch), 0);
}

/* One message: a single event or a batch, most of one shape. */
static void send_one(struct load *load)
{
	if (random_below(&load->random, 8) == 0) {
		send_life(load);
		return;
	}
	unsigned count = random_below(&load->random, 4) == 0 ? 1 + (unsigned)random_below(&load->random, EVENTS) : 1;
	unsigned shape = (unsigned)random_below(&load->random, 100);
	char *at = load->batch;
	if (count > 1)
		*at++ = '[';
	for (unsigned i = 0; i < count; i++) {
		if (i > 0)
			*at++ = ',';
		at += write_event(load, at, shape);
	}
	if (count > 1)
		*at++ = ']';
	client_send(load->client, load->batch, (size_t)(at - load->batch), 0);
}

/* Peers come and go: every turn is a connection of its own, over tcp or ipc. */
static void run_until(struct load *load, const struct service *s, int64_t until_ns)
{
	struct option_problem problem;
	const char *url = random_below(&load->random, 2) == 0 ? s->tcp : s->ipc;
	struct client_options options = {
		.url = url, .in_flight = IN_FLIGHT, .timeout_ms = 10000, .on_reply = on_reply, .context = load};
	assert_int_equal(client_open(&load->client, &options, &problem), STATUS_ok);
	while (clock_monotonic_ns() < until_ns)
		send_one(load);
	client_close(&load->client);
}

/* ---- reading -------------------------------------------------------------------------- */

struct sample {
	double seconds, resident;
};

static char answer[ANSWER_BYTES];

static void read_allocator(const struct service *s)
{
	static const char request[] = "GET /allocator HTTP/1.0\r\n\r\n";
	assert_true(service_http(s, request, sizeof request - 1, answer, sizeof answer) > 0);
}

/* The number behind the first `"member":` that follows `after`. */
static double number_after(const char *after, const char *member)
{
	char key[64];
	const char *at = strstr(answer, after);
	snprintf(key, sizeof key, "\"%s\":", member);
	at = at == NULL ? NULL : strstr(at, key);
	if (at == NULL)
		fail_msg("no %s behind %s in: %.300s", member, after, answer);
	return strtod(at + strlen(key), NULL);
}

static double rung(const char *name)
{
	char key[96];
	snprintf(key, sizeof key, "{\"name\":\"%s\",\"bytes\":", name);
	return number_after(key, "bytes");
}

/* Minor faults of the threads whose names begin so. */
static double faults_of(const struct service *s, const char *names)
{
	unsigned threads = 0;
	double sum = 0;
	char path[320], line[512];
	snprintf(path, sizeof path, "/proc/%d/task", (int)s->pid);
	DIR *folder = opendir(path);
	assert_non_null(folder);
	for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
		snprintf(path, sizeof path, "/proc/%d/task/%s/stat", (int)s->pid, entry->d_name);
		FILE *f = entry->d_name[0] == '.' ? NULL : fopen(path, "re");
		if (f == NULL)
			continue;
		/* "13 (nng:task) S", parent, group, session, terminal, its group, flags, minor faults */
		const char *name = fgets(line, sizeof line, f) == NULL ? NULL : strchr(line, '(');
		const char *rest = name == NULL ? NULL : strrchr(name, ')');
		unsigned long minor;
		if (rest != NULL && strncmp(name + 1, names, strlen(names)) == 0 &&
		    sscanf(rest, ") %*c %*s %*s %*s %*s %*s %*s %lu", &minor) == 1) {
			sum += (double)minor;
			threads++;
		}
		fclose(f);
	}
	closedir(folder);
	if (threads == 0)
		fail_msg("no thread is called %s", names);
	return sum;
}

/* Who takes part in a message's way. */
enum { ANSWERING, WRITER, FLUSHER, DATA_PLANE };
static const struct {
	const char *threads, *line;
} data_plane[DATA_PLANE] = {
	[ANSWERING] = {"nng:", "answering_faults"},
	[WRITER] = {"trove-writer", "writer_faults"},
	[FLUSHER] = {"trove-flusher", "flusher_faults"},
};

struct faults {
	double of[DATA_PLANE], replies;
};

static struct faults read_faults(const struct service *s, const struct load *load)
{
	struct faults faults = {.replies = (double)load->replies};
	for (unsigned i = 0; i < DATA_PLANE; i++)
		faults.of[i] = faults_of(s, data_plane[i].threads);
	return faults;
}

/* What cannot be read off one moment. */
struct course {
	double growth_bytes;
	double major_faults_before; /* of the start: the program itself comes from disk */
	struct faults half, end;    /* by the half, every shape of load was there more than once */
};

static double found_for(const char *name, const struct course *course)
{
	if (strcmp(name, "resident_peak") == 0)
		return number_after("\"process\"", "resident_peak_bytes") / 1024;
	if (strcmp(name, "heap_live") == 0)
		return number_after("\"allocator\"", "live_bytes") / 1024;
	if (strcmp(name, "heap_resident") == 0)
		return number_after("\"allocator\"", "resident_bytes") / 1024;
	if (strcmp(name, "frozen_allocations") == 0)
		return number_after("\"allocator\"", "frozen_allocations_total");
	if (strcmp(name, "major_faults") == 0)
		return number_after("\"process\"", "major_faults") - course->major_faults_before;
	for (unsigned i = 0; i < DATA_PLANE; i++)
		if (strcmp(name, data_plane[i].line) == 0)
			return 1000 * (course->end.of[i] - course->half.of[i]) / (course->end.replies - course->half.replies);
	if (strcmp(name, "growth") == 0)
		return course->growth_bytes / 1024;
	if (strcmp(name, "unexplained") == 0) {
		double rest = rung("unexplained");
		return 1000 * (rest < 0 ? -rest : rest) / number_after("\"process\"", "resident_bytes");
	}
	if (strcmp(name, "stacks") == 0 || strcmp(name, "program") == 0)
		return rung(name) / 1024;
	/* The others are holdings; their names have spaces. */
	char key[64] = "{\"name\":\"";
	size_t used = strlen(key);
	for (; *name != '\0' && used < sizeof key - 2; name++)
		key[used++] = *name == '_' ? ' ' : *name;
	key[used++] = '"';
	key[used] = '\0';
	return number_after(key, "resident_bytes") / 1024;
}

/* ---- what the pools got back ------------------------------------------------------------ */

enum { OPEN, AUTHORIZE, ADD, CLAIM };

static void write_taking(char *at, int what, unsigned i)
{
	if (what == OPEN)
		snprintf(at, EVENT_BYTES, "{\"type\":\"cart.open\",\"id\":91%07u,\"cart\":1%05u,\"currency\":\"EUR\"}", i, i);
	else if (what == AUTHORIZE)
		snprintf(at, EVENT_BYTES,
		         "{\"type\":\"payment.authorize\",\"id\":92%07u,\"payment\":%u,\"amount\":1,\"currency\":\"EUR\","
		         "\"ttl_ms\":600000}", i, i);
	else if (what == ADD)
		snprintf(at, EVENT_BYTES, "{\"type\":\"cart.add\",\"id\":93%07u,\"cart\":1%05u,\"sku\":\"l%u\",\"unit_price\":1}", i,
		         i / LINES, i % LINES);
	else
		snprintf(at, EVENT_BYTES, "{\"type\":\"claim\",\"id\":94%07u,\"actor\":%u,\"reward\":%d,\"x\":1,\"y\":1}", i, i, OFFER);
}

static bool takes(const struct service *s, int what, unsigned i)
{
	static char json[EVENT_BYTES], reply[16384];
	write_taking(json, what, i);
	(void)service_ask(s, s->ipc, json, reply, sizeof reply);
	bool is_full = strstr(reply, "\"pool_exhausted\"") != NULL;
	if (!is_full && strstr(reply, "\"seq\"") == NULL)
		fail_msg("%s was answered %s", json, reply);
	return !is_full;
}

/* Whose time has not passed yet is waited for. */
static void take(const struct service *s, int what, unsigned count)
{
	int patience = 600;
	for (unsigned i = 0; i < count; i++)
		while (!takes(s, what, i)) {
			if (--patience < 0)
				fail_msg("there was room for %u of %u", i, count);
			usleep(50000);
		}
}

static void take_all(const struct service *s, int what, unsigned count)
{
	take(s, what, count);
	assert_false(takes(s, what, count));
}

/*
 * Who carries a message and who waits is given back at rest. Carts and payments that have ended stay readable as long as
 * nobody needs the room: all of it must be there for new ones, and not one more.
 */
static void check_pools(const struct service *s)
{
	assert_true(service_metric_becomes(s, "allocator_pool_in_use_objects{name=\"batches\"}", 0));
	take_all(s, OPEN, CARTS);
	take_all(s, AUTHORIZE, PAYMENTS);
	take_all(s, ADD, EXTENTS * 20);
	int64_t from = clock_monotonic_ns();
	take(s, CLAIM, CLAIMS);
	bool takes_more = takes(s, CLAIM, CLAIMS);
	assert_true(!takes_more || clock_monotonic_ns() - from > CLAIM_TTL_MS * INT64_C(1000000));
}

/* ---- judging -------------------------------------------------------------------------- */

/* Bytes a second, by least squares. */
static double slope(const struct sample *samples, unsigned first, unsigned count)
{
	double n = count - first, x = 0, y = 0, xx = 0, xy = 0;
	for (unsigned i = first; i < count; i++) {
		x += samples[i].seconds;
		y += samples[i].resident;
		xx += samples[i].seconds * samples[i].seconds;
		xy += samples[i].seconds * samples[i].resident;
	}
	return n * xx - x * x <= 0 ? 0 : (n * xy - x * y) / (n * xx - x * x);
}

static void check_budget(const struct course *course)
{
	FILE *f = fopen("tests/integration/memory_budget", "re");
	char line[256], name[64], unit[32], owner[64];
	double limit;
	char which[512] = "";
	unsigned lines = 0;
	assert_non_null(f);
	while (fgets(line, sizeof line, f) != NULL) {
		if (line[0] == '#' || sscanf(line, "%63s %lf %31s %63s", name, &limit, unit, owner) != 4)
			continue;
		double found = found_for(name, course);
		bool is_over = found > limit;
		print_message("%-20s %9.0f of %9.0f %-10s %s%s\n", name, found, limit, unit, owner, is_over ? "  EXCEEDED" : "");
		size_t used = strlen(which);
		if (is_over)
			snprintf(which + used, sizeof which - used, " %s (%s): %.0f, not %.0f %s;", name, owner, found, limit, unit);
		lines++;
	}
	fclose(f);
	assert_true(lines >= 10);
	if (which[0] != '\0')
		fail_msg("the memory budget is exceeded:%s", which);
}

static bool is_sanitized(void)
{
	const char *build = getenv("TROVE_BUILD");
	return strstr(build, "-address") != NULL || strstr(build, "-thread") != NULL;
}

static void test_budget(void **state)
{
	struct service *service = *state;
	const char *text = getenv("SOAK_SECONDS");
	double seconds = text == NULL ? SECONDS_LEAST : strtod(text, NULL);
	static struct sample samples[SAMPLES_MAX];
	static struct load load = {.random = {7}};
	double step = seconds / 200 < 0.5 ? 0.5 : seconds / 200;
	int64_t start = clock_monotonic_ns();
	unsigned count = 0;
	struct course course = {};
	run_until(&load, service, start + 500000000);
	read_allocator(service);
	course.major_faults_before = number_after("\"process\"", "major_faults");
	while ((double)(clock_monotonic_ns() - start) * 1e-9 < seconds) {
		run_until(&load, service, clock_monotonic_ns() + (int64_t)(step * 1e9));
		read_allocator(service);
		if (course.half.replies == 0 && (double)(clock_monotonic_ns() - start) * 1e-9 >= seconds / 2)
			course.half = read_faults(service, &load);
		samples[count++] = (struct sample){(double)(clock_monotonic_ns() - start) * 1e-9,
		                                   number_after("\"process\"", "resident_bytes")};
		CHECK(count < SAMPLES_MAX, "too many samples");
	}
	course.end = read_faults(service, &load);
	/* The last part is judged. */
	unsigned first = count / 2;
	double per_second = slope(samples, first, count);
	double growth = per_second * (samples[count - 1].seconds - samples[first].seconds);
	course.growth_bytes = growth < 0 ? 0 : growth;
	double per_minute = 100 * 60 * per_second / samples[count - 1].resident;
	if (getenv("SOAK_VERBOSE") != NULL)
		for (unsigned i = 0; i < count; i += 1 + count / 20)
			print_message("%6.1f s %8.1f MiB\n", samples[i].seconds, samples[i].resident / 1048576);
	print_message("%lu replies in %.0f s, %lu lives of carts, %lu lost, %lu overloaded; resident %.1f MiB, %+.3f %% a minute\n",
	              (unsigned long)load.replies, seconds, (unsigned long)load.lives, (unsigned long)load.lost,
	              (unsigned long)load.overloaded, samples[count - 1].resident / 1048576, per_minute);
	assert_int_equal(load.lost, 0);
	assert_true(load.replies > 1000 && load.lives > 100);
	check_pools(service);
	if (is_sanitized())
		print_message("SKIP budget: a sanitizer's heap keeps what was freed\n");
	else
		check_budget(&course);
	if (!is_sanitized() && seconds >= 120 && per_minute >= 0.1)
		fail_msg("the resident set grows by %.3f %% a minute; 0.1 is allowed", per_minute);
}

static int setup(void **state)
{
	static struct service service;
	service_start(&service, service_sets);
	*state = &service;
	return 0;
}

static int teardown(void **state) { return service_stop(*state, SIGTERM); }

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_budget)};
	return cmocka_run_group_tests(tests, setup, teardown);
}
