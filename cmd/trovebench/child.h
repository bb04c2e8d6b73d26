/*
 * child: programs that a benchmark starts beside itself, stopped by their pid.
 */
#ifndef CMD_TROVEBENCH_CHILD_H
#define CMD_TROVEBENCH_CHILD_H

#include <sys/types.h>

/* Starts a program with its output thrown away; dies with us. 0: it could not be started. */
pid_t child_start(const char *const *arguments);
/* TERM, and KILL after two seconds. Returns the exit code, or 128 + signal. */
int child_stop(pid_t *pid);
/* Waits until a unix socket can be connected to, at most `seconds`; false when the child died before. */
bool child_wait_socket(pid_t pid, const char *path, double seconds);

enum { CHILD_PROCESSORS_MAX = 1024 };

/* The processors that this process may use; asked before anything is placed. */
struct child_processors {
	int count;
	int number[CHILD_PROCESSORS_MAX];
};
void child_processors(struct child_processors *all);

/* Puts all threads of a process on one of them, counted from 0; below 0: on all.
 * false: there is no such processor, nothing was done. */
bool child_place(pid_t pid, const struct child_processors *all, int processor);

#endif
