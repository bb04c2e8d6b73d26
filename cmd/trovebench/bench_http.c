/*
 * HTTP while the service answers as many locates as it can: how long a probe and a scrape take then, on one kept
 * connection, a probe every two milliseconds and a scrape every fifty.
 */
#include "cmd/trovebench/bench.h"
#include "cmd/trovebench/child.h"
#include "cmd/trovebench/disk_peers.h"
#include "cmd/trovebench/load.h"
#include "engine/base/check.h"

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

enum { IN_FLIGHT = 64, SAMPLES_MAX = 100000, PAGE_BYTES = 512 << 10, PATH_BYTES = 128, PROBE_US = 2000, SCRAPE_US = 50000 };

static const double probe_us_max = 2000, scrape_us_max = 5000, page_bytes_max = 256 << 10;

struct asker {
	const char *socket, *request;
	unsigned pause_us;
	atomic_bool *is_over;
	pthread_t thread;
	size_t count, page_bytes;
	bool has_failed;
	double took_us[SAMPLES_MAX];
	char page[PAGE_BYTES];
};

static int connect_to(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

/* One request and its whole answer of 200. */
static bool ask(struct asker *a, int fd)
{
	size_t used = 0, wanted = SIZE_MAX;
	if (send(fd, a->request, strlen(a->request), MSG_NOSIGNAL) < 0)
		return false;
	while (used < wanted) {
		ssize_t n = recv(fd, a->page + used, sizeof a->page - 1 - used, 0);
		if (n <= 0)
			return false;
		used += (size_t)n;
		a->page[used] = '\0';
		const char *end = strstr(a->page, "\r\n\r\n"), *length = strstr(a->page, "Content-Length: ");
		if (end != NULL && length != NULL)
			wanted = (size_t)(end + 4 - a->page) + strtoul(length + 16, NULL, 10);
	}
	a->page_bytes = used;
	return strncmp(a->page, "HTTP/1.1 200", 12) == 0;
}

static void *ask_on(void *argument)
{
	struct asker *a = argument;
	int fd = connect_to(a->socket);
	a->has_failed = fd < 0;
	while (!a->has_failed && !atomic_load(a->is_over) && a->count < SAMPLES_MAX) {
		double start = bench_now();
		a->has_failed = !ask(a, fd);
		a->took_us[a->count++] = (bench_now() - start) * 1e6;
		usleep(a->pause_us);
	}
	if (fd >= 0)
		close(fd);
	return NULL;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* bound 0: told, no more. */
static void tell(struct report *r, const char *name, struct asker *a, double bound)
{
	char text[64];
	CHECK(a->count > 0, "%s was not asked", name);
	qsort(a->took_us, a->count, sizeof a->took_us[0], ascending);
	double p50 = a->took_us[a->count / 2], p99 = a->took_us[a->count * 99 / 100];
	report_note(r, "%s: p50 %.0f us, p99 %.0f us, %zu times", name, p50, p99, a->count);
	snprintf(text, sizeof text, "%s, p99, us", name);
	if (bound > 0)
		report_figure(r, "http", text, p99, bound, true);
}

static bool start(pid_t *pid, const char *folder, const char *programs, const char *http)
{
	char program[PATH_MAX + 16], directory[PATH_BYTES + 32], reply[PATH_BYTES + 64], listen[PATH_BYTES + 64];
	snprintf(program, sizeof program, "%s/troved", programs);
	snprintf(directory, sizeof directory, "data.directory=%s", folder);
	snprintf(reply, sizeof reply, "events.reply=ipc://%s/t.ipc", folder);
	snprintf(listen, sizeof listen, "observe.listen=unix:%s", http);
	const char *const arguments[] = {program, "--set", directory, "--set", reply, "--set", listen, "--set", "admin.listen=",
	                                 "--set", "events.collect=[]", "--set", "events.publish=[]", "--set",
	                                 "rewards.file=config/demo_rewards.csv", "--set", "log.level=warning", NULL};
	char socket[PATH_BYTES + 16];
	snprintf(socket, sizeof socket, "%s/t.ipc", folder);
	*pid = child_start(arguments);
	if (*pid != 0 && child_wait_socket(*pid, socket, 30))
		return true;
	fprintf(stderr, "trovebench: %s did not start\n", program);
	return false;
}

static void start_asking(struct asker *a, const char *http, const char *request, unsigned pause_us, atomic_bool *is_over)
{
	*a = (struct asker){.socket = http, .request = request, .pause_us = pause_us, .is_over = is_over};
	CHECK(pthread_create(&a->thread, NULL, ask_on, a) == 0, "no thread");
}

static const char livez[] = "GET /livez HTTP/1.1\r\nHost: trove\r\n\r\n";
static const char metrics[] = "GET /metrics HTTP/1.1\r\nHost: trove\r\n\r\n";

/* Of the whole process, in microseconds. */
static double processor_us(pid_t pid)
{
	clockid_t clock;
	struct timespec used = {};
	if (clock_getcpuclockid(pid, &clock) == 0)
		clock_gettime(clock, &used);
	return (double)used.tv_sec * 1e6 + (double)used.tv_nsec / 1e3;
}

static bool measure_quiet(struct report *r, double seconds, pid_t pid, const char *http, struct asker *a)
{
	atomic_bool is_over = false;
	double before_us = processor_us(pid);
	start_asking(a, http, metrics, SCRAPE_US, &is_over);
	usleep((useconds_t)(seconds * 1e6));
	atomic_store(&is_over, true);
	pthread_join(a->thread, NULL);
	if (a->has_failed)
		return false;
	tell(r, "/metrics, no events", a, scrape_us_max);
	report_note(r, "of which %.0f us on a processor", (processor_us(pid) - before_us) / (double)a->count);
	report_figure(r, "http", "/metrics, bytes", (double)a->page_bytes, page_bytes_max, true);
	return true;
}

static bool measure_loaded(struct report *r, double seconds, const char *folder, const char *http, struct asker *askers)
{
	static const char locate[] = "{\"type\":\"locate\",\"x\":-122.4194,\"y\":37.7749,\"radius\":2000,\"limit\":16}";
	static struct load_result result;
	const struct load_message message = {locate, sizeof locate - 1};
	char url[PATH_BYTES + 16];
	atomic_bool is_over = false;
	snprintf(url, sizeof url, "ipc://%s/t.ipc", folder);
	struct load_options options = {
		.url = url, .messages = &message, .message_count = 1, .in_flight = IN_FLIGHT, .seconds = seconds};
	start_asking(&askers[0], http, livez, PROBE_US, &is_over);
	start_asking(&askers[1], http, metrics, SCRAPE_US, &is_over);
	bool good = load_run(&options, &result);
	atomic_store(&is_over, true);
	pthread_join(askers[0].thread, NULL);
	pthread_join(askers[1].thread, NULL);
	if (!good || askers[0].has_failed || askers[1].has_failed)
		return false;
	report_note(r, "%.0f locates a second, one a message, %d in flight:", result.rate, IN_FLIGHT);
	tell(r, "/livez", &askers[0], probe_us_max);
	tell(r, "/metrics, full load", &askers[1], 0);
	return true;
}

int bench_http(const struct bench_arguments *arguments)
{
	char folder[PATH_BYTES / 2] = "/tmp/trovebench.XXXXXX", programs[PATH_MAX], http[PATH_BYTES];
	struct report report;
	pid_t pid = 0;
	ssize_t n = readlink("/proc/self/exe", programs, sizeof programs - 1);
	CHECK(n > 0 && mkdtemp(folder) != NULL, "no place for data");
	programs[n] = '\0';
	*strrchr(programs, '/') = '\0';
	snprintf(http, sizeof http, "%s/http.sock", folder);
	struct asker *askers = calloc(2, sizeof *askers);
	CHECK(askers != NULL, "out of memory");
	report_open(&report, "http", arguments);
	int code = EX_UNAVAILABLE;
	if (start(&pid, folder, programs, http) && measure_quiet(&report, arguments->seconds, pid, http, askers) &&
	    measure_loaded(&report, arguments->seconds, folder, http, askers))
		code = EX_OK;
	if (pid != 0)
		child_stop(&pid);
	report_close(&report);
	remove_folder(folder);
	free(askers);
	return code;
}
