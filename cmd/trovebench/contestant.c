#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "cmd/trovebench/contestant.h"

#include "cmd/trovebench/bench.h"
#include "cmd/trovebench/child.h"
#include "cmd/trovebench/contest.h"
#include "cmd/trovebench/trace.h"
#include "engine/base/check.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sysexits.h>
#include <unistd.h>

static const struct {
	const char *name, *key, *library;
} table[CONTESTANT_COUNT] = {
#define X(name, text, library) [CONTESTANT_##name] = {text, #name, library},
	CONTESTANT_TABLE(X)
#undef X
};

const char *contestant_name(enum contestant_kind kind) { return table[kind].name; }

static bool read_all(int fd, void *bytes, size_t count)
{
	for (size_t done = 0; done < count;) {
		ssize_t n = read(fd, (uint8_t *)bytes + done, count - done);
		if (n == 0 || (n < 0 && errno != EINTR))
			return false;
		done += n > 0 ? (size_t)n : 0;
	}
	return true;
}

[[noreturn]] static void become(enum contestant_kind kind, int in, int out)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* The loader says on standard error what it does not find; we say it ourselves. */
	int null = open("/dev/null", O_WRONLY);
	if (null < 0)
		_exit(127);
	dup2(in, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	if (getenv("TROVEBENCH_VERBOSE") == NULL)
		dup2(null, STDERR_FILENO);
	if (table[kind].library[0] != '\0')
		setenv("LD_PRELOAD", table[kind].library, 1);
	else
		unsetenv("LD_PRELOAD");
	execl("/proc/self/exe", "trovebench", "pool-contestant", table[kind].key, (char *)NULL);
	_exit(127);
}

void contestant_open(struct contestant *c, enum contestant_kind kind)
{
	int ask[2], answer[2];
	*c = (struct contestant){.kind = kind};
	CHECK(pipe2(ask, O_CLOEXEC) == 0 && pipe2(answer, O_CLOEXEC) == 0, "no pipes");
	fflush(stdout);
	c->pid = fork();
	CHECK(c->pid >= 0, "no process");
	if (c->pid == 0)
		become(kind, ask[0], answer[1]);
	close(ask[0]);
	close(answer[1]);
	c->ask = ask[1];
	c->answer = answer[0];
	c->is_there = read_all(c->answer, &(char){0}, 1);
}

void contestant_close(struct contestant *c)
{
	pid_t pid = c->pid;
	close(c->ask);
	close(c->answer);
	child_stop(&pid);
	*c = (struct contestant){};
}

struct contestant_answer contestant_ask(const struct contestant *c, const struct contestant_request *request)
{
	struct contestant_answer answer;
	if (write(c->ask, request, sizeof *request) != sizeof *request || !read_all(c->answer, &answer, sizeof answer)) {
		fprintf(stderr, "trovebench: the process of %s has died\n", contestant_name(c->kind));
		exit(EX_SOFTWARE);
	}
	return answer;
}

/* Asked of the loader, not assumed: who serves malloc here? */
static bool is_served_by(const char *library)
{
	Dl_info info;
	void *symbol = dlsym(RTLD_DEFAULT, "malloc");
	return symbol != NULL && dladdr(symbol, &info) != 0 && strstr(info.dli_fname, library) != NULL;
}

int contestant_serve(const char *key)
{
	enum contestant_kind kind = 0;
	while (kind < CONTESTANT_COUNT && strcmp(table[kind].key, key) != 0)
		kind++;
	if (kind == CONTESTANT_COUNT || !is_served_by(table[kind].library))
		return EX_UNAVAILABLE;
	struct contest *contest = contest_create(kind);
	struct contestant_request request;
	bool is_written = write(STDOUT_FILENO, "+", 1) == 1;
	while (is_written && read_all(STDIN_FILENO, &request, sizeof request)) {
		bool is_trace = request.measure >= MEASURE_TRACE_LATENCY;
		struct contestant_answer answer = is_trace ? trace_run(kind, &request) : contest_run(contest, &request);
		is_written = write(STDOUT_FILENO, &answer, sizeof answer) == sizeof answer;
	}
	contest_destroy(&contest);
	return EX_OK;
}
