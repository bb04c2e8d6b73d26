#include "tests/support/service.h"

#include "engine/base/clock.h"
#include "engine/net/client.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { SETS_MAX = 32, READY_MS = 20000, PAGE_BYTES = 256 << 10 };

static bool port_is_free(uint16_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	bool is_free = bind(fd, (struct sockaddr *)&a, sizeof a) == 0;
	close(fd);
	return is_free;
}

/* Ten in a row, below those that the system gives to clients. */
static uint16_t free_ports(void)
{
	unsigned start = (unsigned)getpid() % 1500;
	for (unsigned i = 0; i < 1500; i++) {
		uint16_t port = (uint16_t)(15000 + (start + i) % 1500 * 10);
		if (port_is_free(port) && port_is_free((uint16_t)(port + 1)) && port_is_free((uint16_t)(port + 2)) &&
		    port_is_free((uint16_t)(port + 8)) && port_is_free((uint16_t)(port + 9)))
			return port;
	}
	fail_msg("no free ports");
	return 0;
}

void service_place(struct service *s)
{
	*s = (struct service){};
	assert_non_null(getenv("TROVE_BUILD"));
	const char *base = getenv("TMPDIR");
	snprintf(s->folder, sizeof s->folder, "%.90s/service.XXXXXX", base != NULL ? base : "/tmp");
	assert_non_null(mkdtemp(s->folder));
	s->port = free_ports();
	snprintf(s->tcp, sizeof s->tcp, "tcp://127.0.0.1:%u", s->port);
	snprintf(s->collect, sizeof s->collect, "tcp://127.0.0.1:%u", s->port + 1u);
	snprintf(s->publish, sizeof s->publish, "tcp://127.0.0.1:%u", s->port + 2u);
	snprintf(s->ipc_path, sizeof s->ipc_path, "%s/trove.ipc", s->folder);
	snprintf(s->ipc, sizeof s->ipc, "ipc://%s", s->ipc_path);
}

[[noreturn]] static void run_service(const struct service *s, const char *const *sets)
{
	char program[512], log[256], base[7][512];
	const char *argv[2 * (SETS_MAX + 7) + 3];
	int count = 0;
	snprintf(program, sizeof program, "%s/bin/troved", getenv("TROVE_BUILD"));
	snprintf(log, sizeof log, "%s/log", s->folder);
	snprintf(base[0], sizeof base[0], "data.directory=%s", s->folder);
	snprintf(base[1], sizeof base[1], "events.reply=[%s,%s]", s->tcp, s->ipc);
	snprintf(base[2], sizeof base[2], "events.collect=%s", s->collect);
	snprintf(base[3], sizeof base[3], "events.publish=%s", s->publish);
	snprintf(base[4], sizeof base[4], "observe.listen=127.0.0.1:%u", s->port + 9u);
	snprintf(base[5], sizeof base[5], "admin.listen=127.0.0.1:%u", s->port + 8u);
	argv[count++] = program;
	for (int i = 0; i < 6; i++) {
		argv[count++] = "--set";
		argv[count++] = base[i];
	}
	for (int i = 0; sets != NULL && sets[i] != NULL && i < SETS_MAX; i++) {
		argv[count++] = "--set";
		argv[count++] = sets[i];
	}
	argv[count] = s->argument;
	argv[count + 1] = NULL;
	int fd = open(log, O_CREAT | O_WRONLY | O_APPEND, 0600);
	dup2(fd, STDERR_FILENO);
	execv(program, (char *const *)(uintptr_t)argv);
	_exit(127);
}

void service_launch(struct service *s, const char *const *sets)
{
	fflush(NULL);
	s->pid = fork();
	assert_true(s->pid >= 0);
	if (s->pid == 0)
		run_service(s, sets);
}

static bool has_ended(const struct service *s)
{
	siginfo_t info = {};
	return waitid(P_PID, (id_t)s->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid != 0;
}

bool service_await(const struct service *s)
{
	int64_t until_ns = clock_monotonic_ns() + READY_MS * 1000000ll;
	while (service_get(s, "/readyz") != 200) {
		if (has_ended(s) || clock_monotonic_ns() > until_ns)
			return false;
		clock_sleep_ms(5);
	}
	return true;
}

void service_again(struct service *s, const char *const *sets)
{
	service_launch(s, sets);
	if (!service_await(s))
		fail_msg("troved did not become ready:\n%s", service_log(s));
}

void service_start(struct service *s, const char *const *sets)
{
	service_place(s);
	service_again(s, sets);
}

int service_refused(struct service *s, const char *const *sets)
{
	/* What it says of the machine is not why it refuses. */
	enum { QUIET_MAX = 64 };
	const char *quiet[QUIET_MAX + 2] = {};
	size_t count = 0;
	for (; sets != NULL && sets[count] != NULL; count++) {
		assert_true(count < QUIET_MAX);
		quiet[count] = sets[count];
	}
	quiet[count] = "log.level=error";
	service_launch(s, quiet);
	if (service_await(s)) {
		service_stop(s, SIGKILL);
		fail_msg("troved started, though it must not:\n%s", service_log(s));
	}
	return service_wait(s);
}

int service_wait(struct service *s)
{
	int state;
	assert_int_equal(waitpid(s->pid, &state, 0), s->pid);
	s->pid = 0;
	return WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
}

int service_stop(struct service *s, int number)
{
	kill(s->pid, number);
	return service_wait(s);
}

/* ---- sockets -------------------------------------------------------------------------- */

/* Patience for every read and write. */
static void set_timeouts(int fd)
{
	struct timeval t = {.tv_sec = 10};
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t);
}

static int try_tcp(uint16_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	set_timeouts(fd);
	if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0)
		return fd;
	close(fd);
	return -1;
}

int service_connect_tcp(uint16_t port)
{
	int fd = try_tcp(port);
	assert_true(fd >= 0);
	return fd;
}

int service_connect_unix(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	assert_true(strlen(path) < sizeof a.sun_path);
	memcpy(a.sun_path, path, strlen(path) + 1);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	set_timeouts(fd);
	if (connect(fd, (struct sockaddr *)&a, sizeof a) != 0)
		fail_msg("%s: %s", path, strerror(errno));
	return fd;
}

size_t service_http(const struct service *s, const char *request, size_t bytes, char *answer, size_t capacity)
{
	answer[0] = '\0';
	int fd = try_tcp((uint16_t)(s->port + 9));
	if (fd < 0)
		return 0;
	size_t used = 0;
	ssize_t n = send(fd, request, bytes, MSG_NOSIGNAL);
	while (n >= 0 && used < capacity - 1 && (n = recv(fd, answer + used, capacity - 1 - used, 0)) > 0)
		used += (size_t)n;
	answer[used] = '\0';
	close(fd);
	return used;
}

static size_t get(const struct service *s, const char *path, char *answer, size_t capacity)
{
	char request[256];
	int n = snprintf(request, sizeof request, "GET %s HTTP/1.0\r\n\r\n", path);
	return service_http(s, request, (size_t)n, answer, capacity);
}

int service_get(const struct service *s, const char *path)
{
	char answer[4096];
	if (get(s, path, answer, sizeof answer) < 12)
		return 0;
	return (int)strtol(answer + 9, NULL, 10);
}

/* ---- what it says --------------------------------------------------------------------- */

double service_metric(const struct service *s, const char *series)
{
	char *page = malloc(PAGE_BYTES), wanted[160];
	assert_non_null(page);
	get(s, "/metrics", page, PAGE_BYTES);
	snprintf(wanted, sizeof wanted, "\n%s ", series);
	const char *at = strstr(page, wanted);
	double value = at == NULL ? -1 : strtod(at + strlen(wanted), NULL);
	free(page);
	return value;
}

bool service_metric_becomes(const struct service *s, const char *series, double value)
{
	double now = -1;
	for (int i = 0; i < 200; i++) {
		now = service_metric(s, series);
		if (now == value) /* small integers */
			return true;
		clock_sleep_ms(50);
	}
	print_message("%s is %g, expected %g\n", series, now, value);
	return false;
}

long service_rss_kib(const struct service *s)
{
	char path[64], line[256];
	long kib = -1;
	snprintf(path, sizeof path, "/proc/%d/status", (int)s->pid);
	FILE *file = fopen(path, "re");
	assert_non_null(file);
	while (fgets(line, sizeof line, file) != NULL)
		if (strncmp(line, "VmRSS:", 6) == 0)
			kib = strtol(line + 6, NULL, 10);
	fclose(file);
	return kib;
}

int service_descriptors(const struct service *s)
{
	char path[64];
	int count = 0;
	snprintf(path, sizeof path, "/proc/%d/fd", (int)s->pid);
	DIR *folder = opendir(path);
	assert_non_null(folder);
	while (readdir(folder) != NULL)
		count++;
	closedir(folder);
	return count - 2;
}

bool service_log_has(const struct service *s, const char *text)
{
	char path[256], line[1024];
	bool found = false;
	snprintf(path, sizeof path, "%s/log", s->folder);
	FILE *file = fopen(path, "re");
	assert_non_null(file);
	while (fgets(line, sizeof line, file) != NULL)
		found |= strstr(line, text) != NULL;
	fclose(file);
	return found;
}

char *service_log(const struct service *s)
{
	char path[256];
	struct stat about;
	snprintf(path, sizeof path, "%s/log", s->folder);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0 && fstat(fd, &about) == 0);
	char *text = calloc(1, (size_t)about.st_size + 1);
	assert_non_null(text);
	assert_int_equal(read(fd, text, (size_t)about.st_size), about.st_size);
	close(fd);
	return text;
}

bool service_is_sanitized(void)
{
	const char *build = getenv("TROVE_BUILD");
	return strstr(build, "-address") != NULL || strstr(build, "-thread") != NULL;
}

struct asked {
	char *reply;
	size_t capacity;
};

static void on_reply(void *context, const struct client_reply *reply)
{
	struct asked *a = context;
	if (reply->error != NULL)
		print_message("no reply: %s\n", reply->error);
	else
		snprintf(a->reply, a->capacity, "%.*s", (int)reply->count, (const char *)reply->bytes);
}

const char *service_ask(const struct service *s, const char *url, const char *json, char *reply, size_t capacity)
{
	(void)s;
	struct asked asked = {reply, capacity};
	struct client *client;
	struct option_problem problem;
	struct client_options options = {
		.url = url, .in_flight = 1, .timeout_ms = 10000, .on_reply = on_reply, .context = &asked};
	reply[0] = '\0';
	if (client_open(&client, &options, &problem) != STATUS_ok) {
		print_message("%s\n", problem.text);
		return reply;
	}
	client_send(client, json, strlen(json), 0);
	client_close(&client);
	return reply;
}
