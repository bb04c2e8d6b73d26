/*
 * What observing costs: the service as it is, beside itself with heap samples switched off (SIGHUP, the same process), one
 * built without probes and samples (make OBSERVE=counts) and one built without all of it (make OBSERVE=no), all running,
 * loaded in turn by the same client. Each repetition starts them anew, because two processes of one program already
 * differ by some percent, as their pages happen to lie, and another one first. What counts is how many events a service
 * answers in a second of its own processor time; a cost is the median over repetitions of how much fewer the one answers.
 *
 * Pings one a message are the worst case: there is least to do for each. Changes are written to memory (/dev/shm) and not
 * synced (data.durability: none): a disk's moods are larger than what is measured. No snapshots are made meanwhile, and
 * every service has filled its windows (of ids, of closed payments) first: else the older process would be the slower one.
 */
#include "cmd/trovebench/bench.h"
#include "cmd/trovebench/child.h"
#include "cmd/trovebench/disk_peers.h"
#include "cmd/trovebench/load.h"
#include "engine/base/check.h"
#include "proto/frame.h"

#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

enum { UNOBSERVED, COUNTS, SHIPPED, SIDES };
enum { CASE_UNOBSERVED, CASE_COUNTS, CASE_SAMPLES_OFF, CASE_SHIPPED, CASES };
enum { BATCH = 64, PAIRS = BATCH / 2, IN_FLIGHT = 64, BATCHES_IN_FLIGHT = 16, GRID = 100, MESSAGES = 64 };
enum { GROUPS = 4, TRIES = 5, PATH_BYTES = 128 };

static const struct {
	const char *build, *made_by;
} builds[SIDES] = {
	[UNOBSERVED] = {"release-unobserved", "make OBSERVE=no"},
	[COUNTS] = {"release-counts", "make OBSERVE=counts"},
	[SHIPPED] = {"release", "make"},
};

static const struct {
	const char *name;
	unsigned side, sample_bytes;
} kinds[CASES] = {
	[CASE_UNOBSERVED] = {"without observing", UNOBSERVED, 0},
	[CASE_COUNTS] = {"metrics, no probes", COUNTS, 0},
	[CASE_SAMPLES_OFF] = {"probes, samples off", SHIPPED, 0},
	[CASE_SHIPPED] = {"as it is shipped", SHIPPED, 512 << 10},
};

/* Bounds in percent of events; below half a percent this tells no difference. */
static const double cost_max = 3, samples_cost_max = 1, idle_cost_max = 0.5;
static const double grid_degrees = 0.002, radius_m = 400, fill_seconds = 1.5;

struct side {
	pid_t pid;
	char folder[PATH_BYTES], configuration[PATH_BYTES + 8], url[PATH_BYTES + 32];
};

struct group {
	const char *name;
	const struct load_message *messages;
	unsigned count, in_flight, events; /* of a message */
	struct bench_case cases[CASES];
};

struct bench {
	unsigned started; /* each has a folder of its own */
	const struct bench_arguments *arguments;
	char folder[PATH_BYTES / 2], rewards[PATH_BYTES], programs[PATH_MAX];
	struct child_processors processors;
	struct side sides[SIDES];
	uint8_t bytes[MESSAGES * 2 * BATCH * sizeof(struct locate_record)];
	struct load_message pings[1], locates[MESSAGES], batches[MESSAGES], changes[1];
	_Atomic uint64_t next_id;
};

/* ---- messages --------------------------------------------------------------------------------- */

static void write_rewards(const struct bench *b)
{
	FILE *f = fopen(b->rewards, "we");
	CHECK(f != NULL, "%s", b->rewards);
	fprintf(f, "id,x,y,radius\n");
	for (int y = 0; y < GRID; y++)
		for (int x = 0; x < GRID; x++)
			fprintf(f, "%d,%.6f,%.6f,100\n", y * GRID + x + 1, x * grid_degrees, y * grid_degrees);
	fclose(f);
}

static struct load_message build(struct cursor *out, enum event_type type, const void *records, unsigned count)
{
	struct load_message message = {.bytes = out->at};
	frame_build(out, type, 1, records, count, NULL, 0);
	message.count = (size_t)(out->at - (const uint8_t *)message.bytes);
	return message;
}

static void make_messages(struct bench *b)
{
	static const struct payment_authorize_record authorize[PAIRS] = {};
	static const struct payment_key_record drop[PAIRS] = {};
	static struct locate_record locates[BATCH];
	static const struct ping_record ping = {};
	struct cursor out;
	cursor_init(&out, b->bytes, sizeof b->bytes);
	b->pings[0] = build(&out, EVENT_ping, &ping, 1);
	for (unsigned i = 0; i < MESSAGES; i++) {
		for (unsigned k = 0; k < BATCH; k++)
			locates[k] = (struct locate_record){
				.x = (10 + (i * BATCH + k) % 80) * grid_degrees,
				.y = (10 + (i * BATCH + k) / 80 % 80) * grid_degrees,
				.area = LOCATE_RADIUS,
				.radius = radius_m,
			};
		b->locates[i] = build(&out, EVENT_locate, locates, 1);
		b->batches[i] = build(&out, EVENT_locate, locates, BATCH);
	}
	b->changes[0] = build(&out, EVENT_payment_authorize, authorize, PAIRS);
	b->changes[0].count += build(&out, EVENT_payment_void, drop, PAIRS).count;
	CHECK(!out.full, "messages of more than %zu bytes", sizeof b->bytes);
}

static void renew(void *context, void *message, uint64_t number)
{
	struct bench *b = context;
	struct payment_authorize_record *authorize = (void *)((uint8_t *)message + sizeof(struct frame_header));
	struct payment_key_record *drop = (void *)((uint8_t *)(authorize + PAIRS) + sizeof(struct frame_header));
	uint64_t id = atomic_fetch_add(&b->next_id, BATCH);
	(void)number;
	for (unsigned i = 0; i < PAIRS; i++, id += 2) {
		authorize[i] = (struct payment_authorize_record){.head = {.id = {id, 1}, .flags = EVENT_HAS_ID}, .payment = {id, 2},
		                                                 .amount = 1999, .currency = "EUR"};
		drop[i] = (struct payment_key_record){.head = {.id = {id + 1, 1}, .flags = EVENT_HAS_ID}, .payment = {id, 2}};
	}
}

/* Looked at as a whole: the load generator takes a processor's time, too. */
static bool is_good(void *context, const void *bytes, size_t count)
{
	(void)context;
	struct frame_reader reader;
	struct frame_result result;
	frame_reader_open(&reader, bytes, count);
	return frame_reader_next(&reader, &result) == STATUS_ok && result.head->code == STATUS_ok;
}

/* ---- both sides -------------------------------------------------------------------------------- */

/* Sampling is a live option: it is changed in the file and read at a SIGHUP. */
static void write_configuration(const struct side *side, unsigned sample_bytes)
{
	FILE *f = fopen(side->configuration, "we");
	CHECK(f != NULL, "%s", side->configuration);
	fprintf(f, "memory:\n  heap_sample_bytes: %u\n", sample_bytes);
	fclose(f);
}

static bool start_side(struct bench *b, unsigned number)
{
	struct side *side = &b->sides[number];
	char program[PATH_MAX + 64], directory[PATH_BYTES + 32], socket[PATH_BYTES + 16], reply[PATH_BYTES + 64];
	char rewards[PATH_BYTES + 32], folder[PATH_BYTES];
	snprintf(program, sizeof program, "%s/../../%s/bin/troved", b->programs, builds[number].build);
	snprintf(folder, sizeof folder, "%s/%u", b->folder, b->started++);
	memcpy(side->folder, folder, sizeof folder);
	snprintf(side->configuration, sizeof side->configuration, "%s.yaml", folder);
	snprintf(directory, sizeof directory, "data.directory=%s", folder);
	snprintf(socket, sizeof socket, "%s/t.ipc", folder);
	snprintf(side->url, sizeof side->url, "ipc://%s", socket);
	snprintf(reply, sizeof reply, "events.reply=%s", side->url);
	snprintf(rewards, sizeof rewards, "rewards.file=%s", b->rewards);
	write_configuration(side, 0);
	const char *const arguments[] = {program, "--config", side->configuration, "--set", directory, "--set", reply, "--set",
	                                 rewards, "--set", "events.collect=[]", "--set", "events.publish=[]", "--set",
	                                 "observe.listen=", "--set", "admin.listen=", "--set",
	                                 "log.level=warning", "--set", "rewards.capacity=20000", "--set", "data.durability=none",
	                                 "--set", "data.segments_max=512", "--set", "data.snapshot_bytes=0", NULL};
	side->pid = child_start(arguments);
	if (side->pid != 0 && child_wait_socket(side->pid, socket, 30))
		return true;
	fprintf(stderr, "trovebench: %s did not start; '%s' builds it\n", program, builds[number].made_by);
	return false;
}

static bool stop_sides(struct bench *b)
{
	bool good = true;
	for (unsigned i = 0; i < SIDES; i++) {
		good &= b->sides[i].pid == 0 || child_stop(&b->sides[i].pid) == 0;
		b->sides[i].pid = 0;
		remove_folder(b->sides[i].folder);
	}
	return good;
}

/* Processor time of all its threads. */
static double busy_seconds(pid_t pid)
{
	clockid_t clock;
	struct timespec t = {};
	CHECK(clock_getcpuclockid(pid, &clock) == 0 && clock_gettime(clock, &t) == 0, "processor time of %d", pid);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static struct load_options load_of(struct bench *b, const struct side *side, const struct group *g, double seconds)
{
	return (struct load_options){
		.url = side->url,
		.messages = g->messages,
		.message_count = g->count,
		.in_flight = g->in_flight,
		.seconds = seconds,
		.prepare = g->messages == b->changes ? renew : NULL,
		.check = is_good,
		.context = b,
	};
}

static void fill_windows(struct bench *b, const struct group *g)
{
	for (unsigned i = 0; i < SIDES; i++) {
		struct load_result result;
		struct load_options options = load_of(b, &b->sides[i], g, fill_seconds);
		child_place(b->sides[i].pid, &b->processors, -1);
		child_place(getpid(), &b->processors, -1);
		CHECK(load_run(&options, &result) && result.errors == 0, "%s does not answer", b->sides[i].url);
	}
}

/* Events in a second of the service's processor time: what else goes on on the machine moves that least. */
static double run_case(struct bench *b, unsigned which, const struct group *g)
{
	const struct side *side = &b->sides[kinds[which].side];
	struct load_result result;
	struct load_options options = load_of(b, side, g, b->arguments->seconds);
	bool is_split = g->in_flight == IN_FLIGHT && b->processors.count >= 2;
	if (kinds[which].side == SHIPPED) {
		write_configuration(side, kinds[which].sample_bytes);
		CHECK(kill(side->pid, SIGHUP) == 0, "SIGHUP to %d", side->pid);
	}
	child_place(side->pid, &b->processors, is_split ? 0 : -1);
	child_place(getpid(), &b->processors, is_split ? 1 : -1);
	double from = bench_now(), from_busy = busy_seconds(side->pid);
	/* On a very busy machine nothing may come back within the measured time: once more then. */
	for (unsigned tries = 1; !load_run(&options, &result); tries++) {
		CHECK(tries < TRIES, "%s does not answer", side->url);
		from = bench_now();
		from_busy = busy_seconds(side->pid);
	}
	CHECK(result.errors == 0, "%s: %s: %llu errors beside %llu replies", g->name, kinds[which].name,
	      (unsigned long long)result.errors, (unsigned long long)result.replies);
	double busy_share = (busy_seconds(side->pid) - from_busy) / (bench_now() - from);
	return g->events * result.rate / busy_share;
}

/* ---- rounds ------------------------------------------------------------------------------------ */

static bool run_round(struct bench *b, struct group *groups, unsigned round)
{
	bool good = true;
	for (unsigned i = 0; good && i < SIDES; i++)
		good = start_side(b, (round + i) % SIDES);
	for (unsigned g = 0; good && g < GROUPS; g++) {
		if (groups[g].messages == b->changes)
			fill_windows(b, &groups[g]);
		for (unsigned i = 0; i < CASES; i++) {
			unsigned which = (round + g + i) % CASES;
			groups[g].cases[which].rates[round] = run_case(b, which, &groups[g]);
		}
	}
	return stop_sides(b) && good;
}

/* How many percent fewer events `more` answers than `less`, and how far apart the repetitions are: on a machine that does
 * other things, too, the middle half of them is wide, and the median says nothing about a percent. */
static void tell_cost(struct report *r, const char *name, const struct bench_case *more, const struct bench_case *less,
                      double most)
{
	double costs[REPEAT_MAX];
	unsigned repeat = r->arguments->repeat;
	for (unsigned i = 0; i < repeat; i++)
		costs[i] = 100 * (1 - more->rates[i] / less->rates[i]);
	double median = bench_median(costs, repeat); /* sorts them */
	report_figure(r, "", name, median, most, true);
	report_note(r, "%28s half of the repetitions: %.1f to %.1f", "", costs[repeat / 4], costs[repeat - 1 - repeat / 4]);
}

static void tell(struct bench *b, struct report *r, struct group *g)
{
	struct bench_case *c = g->cases;
	for (unsigned i = 0; i < CASES; i++) {
		c[i].name = kinds[i].name;
		c[i].reference = i == CASE_UNOBSERVED ? NULL : &c[CASE_UNOBSERVED];
	}
	bench_finish(b->arguments, c, CASES);
	report_cases(r, g->name, c, CASES, "event");
	tell_cost(r, "all of it, % of events", &c[CASE_SHIPPED], &c[CASE_UNOBSERVED], cost_max);
	tell_cost(r, "heap samples, %", &c[CASE_SHIPPED], &c[CASE_SAMPLES_OFF], samples_cost_max);
	tell_cost(r, "samples off, probes idle, %", &c[CASE_SAMPLES_OFF], &c[CASE_COUNTS], idle_cost_max);
}

int bench_observe(const struct bench_arguments *arguments)
{
	struct bench *b = calloc(1, sizeof *b);
	struct report report;
	CHECK(b != NULL, "memory");
	b->arguments = arguments;
	b->next_id = 1;
	child_processors(&b->processors);
	CHECK(readlink("/proc/self/exe", b->programs, sizeof b->programs - 1) > 0, "/proc/self/exe");
	*strrchr(b->programs, '/') = '\0';
	snprintf(b->folder, sizeof b->folder, "/dev/shm/trovebench.XXXXXX");
	CHECK(mkdtemp(b->folder) != NULL, "temporary directory");
	snprintf(b->rewards, sizeof b->rewards, "%s/rewards.csv", b->folder);
	write_rewards(b);
	make_messages(b);
	static struct group groups[GROUPS];
	groups[0] = (struct group){"ping, one a message", b->pings, 1, IN_FLIGHT, 1, {}};
	groups[1] = (struct group){"locate, one a message", b->locates, MESSAGES, IN_FLIGHT, 1, {}};
	groups[2] = (struct group){"locate, batches of 64", b->batches, MESSAGES, BATCHES_IN_FLIGHT, BATCH, {}};
	groups[3] = (struct group){"changes, batches of 64", b->changes, 1, BATCHES_IN_FLIGHT, BATCH, {}};
	report_open(&report, "observe", arguments);
	report_note(&report, "events a second of the service's processor time, all threads");
	bool good = true;
	for (unsigned i = 0; good && i < arguments->repeat; i++)
		good = run_round(b, groups, i);
	for (unsigned g = 0; good && g < GROUPS; g++)
		tell(b, &report, &groups[g]);
	report_close(&report);
	remove_folder(b->folder);
	free(b);
	return good ? EX_OK : EX_UNAVAILABLE;
}
