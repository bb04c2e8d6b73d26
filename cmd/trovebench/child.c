#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "cmd/trovebench/child.h"

#include "engine/base/clock.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

pid_t child_start(const char *const *arguments)
{
	pid_t pid = fork();
	if (pid != 0)
		return pid < 0 ? 0 : pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		_exit(127);
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	if (arguments[0][0] == '/' || strchr(arguments[0], '/') != NULL)
		execv(arguments[0], (char *const *)(uintptr_t)arguments);
	else
		execvp(arguments[0], (char *const *)(uintptr_t)arguments);
	_exit(127);
}

int child_stop(pid_t *pid)
{
	int state = 0;
	if (*pid == 0)
		return 0;
	kill(*pid, SIGTERM);
	for (int i = 0; i < 200 && waitpid(*pid, &state, WNOHANG) == 0; i++) {
		if (i == 199) {
			kill(*pid, SIGKILL);
			waitpid(*pid, &state, 0);
			break;
		}
		clock_sleep_ms(10);
	}
	*pid = 0;
	return WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
}

bool child_wait_socket(pid_t pid, const char *path, double seconds)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	strncpy(address.sun_path, path, sizeof address.sun_path - 1);
	for (int64_t end = clock_monotonic_ns() + (int64_t)(seconds * 1e9); clock_monotonic_ns() < end; clock_sleep_ms(10)) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd < 0)
			return false;
		int result = connect(fd, (const struct sockaddr *)&address, sizeof address);
		close(fd);
		if (result == 0)
			return true;
		if (waitpid(pid, NULL, WNOHANG) != 0)
			return false;
	}
	return false;
}

void child_processors(struct child_processors *all)
{
	cpu_set_t set;
	all->count = 0;
	if (sched_getaffinity(0, sizeof set, &set) != 0)
		return;
	for (int cpu = 0; cpu < CPU_SETSIZE && all->count < CHILD_PROCESSORS_MAX; cpu++)
		if (CPU_ISSET(cpu, &set))
			all->number[all->count++] = cpu;
}

bool child_place(pid_t pid, const struct child_processors *all, int processor)
{
	char path[64];
	cpu_set_t chosen;
	if (processor >= all->count)
		return false;
	CPU_ZERO(&chosen);
	for (int i = 0; i < all->count; i++)
		if (processor < 0 || processor == i)
			CPU_SET(all->number[i], &chosen);
	snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
	DIR *threads = opendir(path);
	if (threads == NULL)
		return false;
	for (struct dirent *entry; (entry = readdir(threads)) != NULL;)
		if (entry->d_name[0] != '.')
			sched_setaffinity((pid_t)strtol(entry->d_name, NULL, 10), sizeof chosen, &chosen);
	closedir(threads);
	return true;
}
