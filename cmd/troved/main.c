/*
 * troved: the service. main sets the modules up from the bottom to the top, runs the
 * event loop of signals and HTTP, and takes them down again; drain.c is what happens between.
 */
#include "cmd/troved/bill.h"
#include "cmd/troved/rewards_file.h"
#include "cmd/troved/service.h"
#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/folder.h"
#include "engine/base/log.h"
#include "engine/base/probe.h"
#include "engine/base/process.h"
#include "engine/memory/heap.h"
#include "engine/memory/heap_large.h"
#include "engine/memory/heap_sample.h"
#include "engine/memory/program.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

extern char **environ;

const char service_version[] = TROVE_VERSION;

static const char usage_text[] =
	"usage: troved [--config FILE] [--set section.key=value]... [--take-over] [--check] [--print-config] [--print-metrics]\n"
	"              [--version]\n"
	"\n"
	"Matches events to rewards and answers over nng sockets.\n"
	"\n"
	"  --config FILE     YAML; every option can also be set by TROVE_SECTION_KEY and by --set\n"
	"  --set KEY=VALUE   one option, over file and environment; a list is [a,b]\n"
	"  --take-over       go on where the process that runs on the same data.directory ends: it is told to when this one has\n"
	"                    its memory; clients send again what was not answered\n"
	"  --check           validate the configuration, print the memory bill (what it takes at most) and exit\n"
	"  --print-config    print every option with value, range and help, and exit\n"
	"  --print-metrics   print a table of all metrics with what each says, and exit\n"
	"  --version         print the version and exit\n"
	"\n"
	"example: troved --set rewards.file=config/demo_rewards.csv --set data.directory=/tmp/trove\n"
	"signals: TERM, INT drain and stop (a second one at once); HUP reads live options again\n"
	"exit codes: 0 ok, 64 usage, 65 bad data, 69 cannot bind, 70 internal, 71 no memory,\n"
	"  74 journal, 75 a take-over failed, 78 configuration\n";

static void warn_of_shortage(const struct memory_reading *r)
{
	const struct memory_group *g = &r->group;
	log_warning("memory",
	            "memory is short in the cgroup %s: its limit of %llu bytes was reached (%llu times so far, %llu processes "
	            "ended); trove holds %zu of them; see trovectl memory --doctor",
	            g->path, (unsigned long long)g->limit, (unsigned long long)g->failures, (unsigned long long)g->kills,
	            r->resident);
}

/* One line when a shortage begins, not one for each look at it. */
static void on_visit(evutil_socket_t unused, short what, void *argument)
{
	(void)unused;
	(void)what;
	struct service *service = argument;
	heap_trim();
	if (!reading_take(&service->account, &service->reading))
		return;
	bool is_short = doctor_sees_shortage(&service->doctor, &service->reading);
	if (is_short && !service->is_short)
		warn_of_shortage(&service->reading);
	service->is_short = is_short;
	doctor_note(&service->doctor, &service->reading);
}

/* ---- while it runs --------------------------------------------------------------- */

enum { SWEEP_MS = 100, VISIT_S = 10 };

static void on_sweep(evutil_socket_t unused, short what, void *argument)
{
	(void)unused;
	(void)what;
	struct service *service = argument;
	struct journal_stat stat;
	net_sweep(service->net);
	latency_turn(shard_latency(service->shard), clock_monotonic_ns());
	journal_stat(shard_journal(service->shard), &stat);
	admin_set_reason(service->admin, ADMIN_REASON_journal_failed, stat.is_failed);
	admin_beat(service->admin);
	account_watch_pools(&service->account);
	notify_beat(&service->notify);
	if (service_drains(service))
		notify_stopping(&service->notify);
}

static void on_stop_signal(evutil_socket_t number, short what, void *argument)
{
	(void)what;
	struct service *service = argument;
	char by[32];
	snprintf(by, sizeof by, "signal %d", (int)number);
	/* Kubernetes asks for a drain by request first, and sends its one signal afterwards. */
	bool is_first = !service->is_signalled;
	service->is_signalled = true;
	if (service_stop(service, by) || is_first)
		return;
	log_warning("service", "second %s: stopping at once", by);
	event_base_loopbreak(service->loop);
}

static void take_sample_period(const struct service *service)
{
	heap_sample_set_period((uint64_t)service->configuration.memory.heap_sample_bytes, 0);
}

static void on_reload_signal(evutil_socket_t number, short what, void *argument)
{
	(void)number;
	(void)what;
	struct service *service = argument;
	struct configuration *newer = malloc(sizeof *newer);
	struct option_problem problem;
	if (newer == NULL)
		return;
	notify_reloading(&service->notify);
	if (configuration_load(newer, &service->arguments, &problem)) {
		configuration_take_live(&service->configuration, newer);
		log_setup((enum log_level)service->configuration.service.log_level,
		          (enum log_format)service->configuration.service.log_format);
		take_sample_period(service);
		log_info("config", "live options were read again");
		service->metrics.reloads[SERVICE_RELOAD_taken]++;
	} else {
		log_error("config", "nothing was changed: %s", problem.text);
		service->metrics.reloads[SERVICE_RELOAD_refused]++;
	}
	notify_ready(&service->notify, "serving");
	free(newer);
}

/* ---- starting -------------------------------------------------------------------- */

static int fail(int code, const char *text)
{
	fprintf(stderr, "troved: %s\n", text);
	return code;
}

static int setup_loop(struct service *service)
{
	service->loop = event_base_new();
	if (service->loop == NULL)
		return fail(EX_OSERR, "no event loop");
	service->timer = service_drain_timer(service);
	service->sweep = event_new(service->loop, -1, EV_PERSIST, on_sweep, service);
	service->visit = event_new(service->loop, -1, EV_PERSIST, on_visit, service);
	service->signals[0] = evsignal_new(service->loop, SIGTERM, on_stop_signal, service);
	service->signals[1] = evsignal_new(service->loop, SIGINT, on_stop_signal, service);
	service->signals[2] = evsignal_new(service->loop, SIGHUP, on_reload_signal, service);
	for (int i = 0; i < 3; i++)
		if (service->signals[i] == NULL || evsignal_add(service->signals[i], NULL) != 0)
			return fail(EX_OSERR, "cannot handle signals");
	signal(SIGPIPE, SIG_IGN);
	/* As process 1 of a container it inherits others' orphans; so they do not stay behind dead. */
	signal(SIGCHLD, SIG_IGN);
	return EX_OK;
}

static int setup_store(struct service *service)
{
	const struct service_options *o = &service->configuration.service;
	struct store_options options = configuration_store(&service->configuration);
	options.numa = &service->numa;
	options.account = &service->account;
	status s = store_setup(&service->store, &options);
	if (s == STATUS_invalid_field) {
		char text[128];
		snprintf(text, sizeof text, "rewards.kernel: this machine has no %s; expected auto, or one that it has",
		         options.kernel);
		return fail(EX_CONFIG, text);
	}
	if (s != STATUS_ok)
		return fail(EX_OSERR, "no memory for the reward store");
	if (o->rewards_file[0] == '\0')
		return EX_OK;

	struct rewards_loaded loaded;
	struct option_problem problem;
	int64_t start = clock_monotonic_ns();
	s = rewards_file_load(&service->configuration, service->store, &loaded, &problem);
	if (s != STATUS_ok)
		return fail(s == STATUS_pool_exhausted ? EX_CONFIG : EX_DATAERR, problem.text);
	service->metrics.bad_rows[0] = (double)loaded.bad_rows;
	log_info("rewards", "%llu rewards from %s in %lld ms, %llu bad rows", (unsigned long long)loaded.rewards,
	         o->rewards_file, (long long)((clock_monotonic_ns() - start) / 1000000), (unsigned long long)loaded.bad_rows);
	return EX_OK;
}

static int setup_directory(const struct configuration *c)
{
	const char *path = c->service.data_directory;
	char text[2 * OPTION_TEXT_BYTES + 128];
	if (mkdir(path, 0750) != 0 && errno != EEXIST) {
		snprintf(text, sizeof text, "data.directory: cannot make %s: %s; choose another, e.g. --set data.directory=/tmp/trove",
		         path, strerror(errno));
		return fail(EX_CONFIG, text);
	}
	/* Each time: who made it may have been killed, or be a script. */
	int error = folder_sync_name(path);
	if (error == 0)
		return EX_OK;
	snprintf(text, sizeof text, "data.directory: the name of %s cannot be synced: %s; after a power loss it might not be there",
	         path, strerror(error));
	return fail(EX_IOERR, text);
}

/* On the journal's thread. */
static void service_publish(void *context, const char *topic, const char *json)
{
	struct service *service = context;
	struct net *net = atomic_load_explicit(&service->publisher, memory_order_acquire);
	if (net != NULL)
		net_publish(net, topic, json);
}

/* Of contexts, whose messages wait for the journal: the others are left for queries while the disk fails. */
static uint64_t held_max(const struct net_options *o)
{
	uint64_t contexts = (uint64_t)o->contexts;
	uint64_t for_queries = contexts < 4 ? 1 : contexts / 4;
	return contexts > for_queries ? contexts - for_queries : 1;
}

static int setup_shard(struct service *service)
{
	struct configuration *c = &service->configuration;
	struct shard_parts parts = {
		.store = service->store,
		.commerce = &service->commerce,
		.commerce_options = &c->commerce,
		.carts_ttl_ms = c->commerce.carts_ttl_ms,
		.payments_ttl_ms = c->commerce.payments_ttl_ms,
		.claims_ttl_ms = c->commerce.claims_ttl_ms,
		.journal = &c->journal,
		.held_max = held_max(&c->net),
		.publish = service_publish,
		.publish_context = service,
	};
	static struct journal_report report; /* large */
	c->shard.account = &service->account;
	status s = shard_setup(&service->shard, &c->shard, &parts, &report);
	if (s == STATUS_ok)
		return EX_OK;
	return fail(s == STATUS_pool_exhausted ? EX_OSERR : s == STATUS_invalid_field ? EX_CONFIG : EX_IOERR, report.text);
}

/* First of all: probes are answered while the journal is carried out again. */
static int setup_admin(struct service *service)
{
	struct admin_options *o = &service->configuration.admin;
	struct option_problem problem;
	o->account = &service->account;
	status s = admin_setup(&service->admin, o, service_routes, service_route_count, service, &problem);
	if (s == STATUS_ok)
		return EX_OK;
	return fail(s == STATUS_invalid_field ? EX_CONFIG : EX_UNAVAILABLE, problem.text);
}

/* Who waits to take over has nothing to finish: it ends at once, and the old one goes on. */
static void leave(int number)
{
	(void)number;
	_exit(EX_OK);
}

static bool ask_for_it(struct service *service, int64_t timeout_ms, char text[static 256])
{
	for (int i = 0; i < 2; i++) { /* SIGTERM, SIGINT: the loop that would hear of them does not run yet */
		event_del(service->signals[i]);
		signal(event_get_signal(service->signals[i]), leave);
	}
	bool has_agreed = take_over_ask(&service->take_over, service->configuration.service.data_directory, timeout_ms, text);
	for (int i = 0; i < 2; i++)
		has_agreed = event_add(service->signals[i], NULL) == 0 && has_agreed;
	return has_agreed;
}

/* Behind everything that may fail without it; the old one keeps serving until then. */
static int setup_take_over(struct service *service)
{
	const struct service_options *o = &service->configuration.service;
	char text[256] = "cannot handle signals";
	enum { PATIENCE_MS = 30000 }; /* beside what the options allow: a snapshot, the receipt */
	if (!ask_for_it(service, 2 * o->drain_timeout_ms + PATIENCE_MS, text))
		return fail(EX_TEMPFAIL, text);
	return setup_admin(service);
}

static bool on_take_over(void *service) { return service_hand_over(service); }

static int setup_modules(struct service *service)
{
	struct configuration *c = &service->configuration;
	struct option_problem problem = {"out of memory"};
	int code = setup_loop(service);
	if (code == EX_OK)
		code = setup_directory(c);
	if (code == EX_OK && !service->takes_over)
		code = setup_admin(service);
	if (code == EX_OK)
		code = setup_store(service);
	if (code != EX_OK)
		return code;
	c->commerce.account = &service->account;
	if (commerce_setup(&service->commerce, &c->commerce) != STATUS_ok)
		return fail(EX_OSERR, "no memory for products, carts, payments and claims (their .capacity)");
	if (service->takes_over)
		code = setup_take_over(service);
	if (code == EX_OK)
		code = setup_shard(service);
	if (code != EX_OK)
		return code;
	c->net.account = &service->account;
	if (net_setup(&service->net, &c->net, service->shard, &problem) != STATUS_ok)
		return fail(EX_UNAVAILABLE, problem.text);
	atomic_store_explicit(&service->publisher, service->net, memory_order_release);
	if (admin_serve(service->admin, service->loop) != STATUS_ok)
		return fail(EX_OSERR, "no memory for the pages of HTTP");
	take_over_listen(&service->take_over, c->service.data_directory, service->loop, on_take_over, service);
	return EX_OK;
}

static void teardown_modules(struct service *service)
{
	take_over_close(&service->take_over);
	admin_teardown(&service->admin);
	if (service->shard != NULL)
		shard_stop(service->shard);
	atomic_store_explicit(&service->publisher, NULL, memory_order_release);
	net_teardown(&service->net);
	shard_teardown(&service->shard);
	take_over_leave(&service->take_over);
	commerce_teardown(&service->commerce);
	store_teardown(&service->store);
	for (int i = 0; i < 3; i++)
		if (service->signals[i] != NULL)
			event_free(service->signals[i]);
	if (service->timer != NULL)
		event_free(service->timer);
	if (service->sweep != NULL)
		event_free(service->sweep);
	if (service->visit != NULL)
		event_free(service->visit);
	if (service->loop != NULL)
		event_base_free(service->loop);
	libevent_global_shutdown();
}

/* What the kernel has not is not had by asking again: one line, once all is reserved. */
static void warn_of_missing_huge_pages(struct service *service)
{
	struct account_hugetlb h;
	account_read_hugetlb(&service->account, &h);
	if (h.missed != 0)
		log_warning("memory",
		            "memory.pages=%s: of %zu bytes wanted in hugetlb pages %zu were not got and are in ordinary pages; "
		            "set vm.nr_hugepages=%zu (2 MiB each, for this process alone) before the start, or memory.pages=transparent",
		            service->configuration.memory.pages == REGION_PAGES_1g ? "1g" : "2m", h.wanted, h.missed,
		            h.wanted / REGION_2M_BYTES);
}

/* More is to come than was refused: a merge of rewards, a snapshot that is written. The bill has all of it. */
static void warn_of_refused_locks(struct service *service)
{
	struct account_unlocked unlocked;
	account_read_unlocked(&service->account, &unlocked);
	if (unlocked.error != 0)
		log_warning("memory",
		            "memory.lock: %zu bytes could not be locked: %s; raise RLIMIT_MEMLOCK (ulimit -l, --ulimit memlock); "
		            "%llu bytes, all of the bill, are enough",
		            unlocked.bytes, strerror(unlocked.error), (unsigned long long)service->bill_bytes);
}

static void log_start(struct service *service)
{
	struct store_statistics s;
	store_statistics(service->store, &s);
	char heap[64];
	heap_describe(heap, sizeof heap);
	warn_of_refused_locks(service);
	warn_of_missing_huge_pages(service);
	if (service->take_over.closed_ns != 0)
		log_info("take-over", "nobody listened for %.1f ms",
		         (double)(clock_monotonic_ns() - service->take_over.closed_ns) * 1e-6);
	log_info("service", "troved %s is ready: %llu rewards, kernel %s, %u workers, heap is %s", TROVE_VERSION,
	         (unsigned long long)s.rewards, s.kernel, service->configuration.shard.workers, heap);
}

static void setup_account(struct service *service)
{
	const struct configuration *c = &service->configuration;
	unsigned pool_debug = 0;
	(void)memory_pool_debug(&c->memory, &pool_debug, &(struct option_problem){}); /* was looked at with the rest */
	account_setup(&service->account, &(struct account_policy){
		.pages = (enum region_pages)c->memory.pages,
		.prefault = c->memory.prefault,
		.lock = c->memory.lock,
		.numa = &service->numa,
		.node = numa_node_of_processor(&service->numa, (int)c->shard.writer_cpu),
		.pool_debug = pool_debug,
		.pool_fail_one_in = (uint32_t)c->memory.pool_fail_one_in,
	});
	char text[160];
	numa_describe(&service->numa, text, sizeof text);
	log_info("memory", "%s", text);
}

/* The limit is often as small as the code: that is said, and no reason to warn. */
static void lock_program(void)
{
	struct program_locked locked;
	program_lock(&locked);
	log_info("memory", "memory.lock_program: %zu bytes of code are locked", locked.bytes);
	if (locked.error != 0)
		log_info("memory", "memory.lock_program: %zu bytes could not be locked: %s; raise RLIMIT_MEMLOCK (ulimit -l)",
		         locked.refused_bytes, strerror(locked.error));
}

/* Without a descriptor nobody new gets in: that is said before there are so many. */
static void raise_open_files(const struct configuration *c)
{
	uint64_t allowed = process_raise_open_files(), needed = service_open_files(c);
	if (allowed != 0 && allowed < needed)
		log_warning("service",
		            "events.peers_max = %lld: with HTTP's clients and files %llu descriptors may be needed, the hard limit is "
		            "%llu; raise RLIMIT_NOFILE (ulimit -Hn, LimitNOFILE=, --ulimit nofile), or lower events.peers_max",
		            (long long)c->net.peers_max, (unsigned long long)needed, (unsigned long long)allowed);
}

static int run(struct service *service)
{
	service->started_ns = clock_monotonic_ns();
	raise_open_files(&service->configuration);
	notify_setup(&service->notify);
	take_over_init(&service->take_over);
	heap_count_calls();
	heap_exempt_thread();
	heap_large_set_most(net_waiting_bytes(&service->configuration.net));
	heap_set_options(service->configuration.memory.heap_large_pages, service->configuration.memory.heap_purge_delay_ms);
	setup_account(service);
	if (service->configuration.memory.lock_program)
		lock_program();
	if (!heap_is_mimalloc())
		log_warning("memory", "malloc is not mimalloc's: what other threads freed may stay, and the heap is not counted");
	if (heap_sample_setup(&service->account, (uint32_t)service->configuration.memory.heap_samples_max) != STATUS_ok)
		log_warning("memory", "memory.heap_samples_max: no memory for the samples; there will be no heap profile");
	take_sample_period(service);
	int code = setup_modules(service);
	if (code == EX_OK) {
		log_start(service);
		on_visit(-1, 0, service); /* what later ones compare with */
		service_announce(service, "ready");
		event_add(service->sweep, &(struct timeval){.tv_usec = SWEEP_MS * 1000});
		event_add(service->visit, &(struct timeval){.tv_sec = VISIT_S});
		notify_ready(&service->notify, "serving");
		heap_freeze();
		event_base_dispatch(service->loop);
		heap_thaw();
		notify_stopping(&service->notify);
		service_end(service);
	}
	teardown_modules(service);
	if (code == EX_OK) {
		service_say_end(service);
		code = service->drain.is_durable ? EX_OK : EX_IOERR;
	}
	heap_sample_teardown();
	account_teardown(&service->account);
	notify_teardown(&service->notify);
	return code;
}

/* ---- the command line -------------------------------------------------------------- */

struct command {
	bool check, print, print_metrics, version, help;
};

static bool parse_arguments(int count, char **values, struct service *service, struct command *command)
{
	struct arguments *a = &service->arguments;
	a->assignments = service->assignments;
	for (int i = 1; i < count; i++) {
		bool has_next = i + 1 < count;
		if (strcmp(values[i], "--config") == 0 && has_next) {
			a->file = values[++i];
		} else if (strcmp(values[i], "--set") == 0 && has_next && a->assignment_count < SETS_MAX) {
			service->assignments[a->assignment_count++] = values[++i];
		} else if (strcmp(values[i], "--take-over") == 0) {
			service->takes_over = true;
		} else if (strcmp(values[i], "--check") == 0) {
			command->check = true;
		} else if (strcmp(values[i], "--print-config") == 0) {
			command->print = true;
		} else if (strcmp(values[i], "--print-metrics") == 0) {
			command->print_metrics = true;
		} else if (strcmp(values[i], "--version") == 0) {
			command->version = true;
		} else if (strcmp(values[i], "--help") == 0 || strcmp(values[i], "-h") == 0) {
			command->help = true;
		} else {
			bool lacks = strcmp(values[i], "--config") == 0 || strcmp(values[i], "--set") == 0;
			fprintf(stderr, "troved: %s %s; see troved --help\n", values[i],
			        lacks ? (has_next ? "is given too often" : "needs a value") : "is no argument");
			return false;
		}
	}
	return true;
}

int main(int count, char **values)
{
	static struct service service; /* too large for the stack; used through pointers only */
	struct command command = {};
	struct option_problem problem;
	service.arguments.environment = environ;
	service.metrics.started_s[0] = (double)process_started_ms() / 1000;
	if (!parse_arguments(count, values, &service, &command))
		return EX_USAGE;
	if (command.help) {
		fputs(usage_text, stdout);
		return EX_OK;
	}
	if (command.version) {
		printf("troved %s (probes: %s)\n", TROVE_VERSION, probe_describe());
		return EX_OK;
	}
	if (command.print_metrics) {
		metrics_print(stdout);
		return EX_OK;
	}
	if (!configuration_load(&service.configuration, &service.arguments, &problem))
		return fail(EX_CONFIG, problem.text);
	if (command.print) {
		configuration_print(&service.configuration, stdout);
		return EX_OK;
	}
	log_setup((enum log_level)service.configuration.service.log_level,
	          (enum log_format)service.configuration.service.log_format);
	numa_setup(&service.numa, service.configuration.memory.numa == MEMORY_NUMA_auto);
	static struct bill bill; /* as large */
	service_bill(&service.configuration, &service.numa, &bill);
	if (command.check)
		service_bill_print(&bill, stdout);
	else
		service_bill_log(&bill);
	if (!service_bill_fits(&service.configuration, &bill, &problem))
		return fail(EX_CONFIG, problem.text);
	service.bill_bytes = bill_sum(&bill);
	if (!command.check)
		return run(&service);
	fputs("troved: the configuration is good\n", stderr);
	return EX_OK;
}
