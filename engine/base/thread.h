/*
 * thread: on which processors the calling thread may run, and its name. Everything is
 * about the calling thread alone.
 */
#ifndef ENGINE_BASE_THREAD_H
#define ENGINE_BASE_THREAD_H

#include "engine/base/number_set.h"
#include "engine/base/status.h"

/* The processors that it may run on: what taskset, a cpuset or thread_pin left. A thread
 * inherits them from the one that starts it. STATUS_internal when there are more than
 * NUMBER_SET_LIMIT. */
status thread_allowed(struct number_set *cpus);

/* Only this processor from now on. STATUS_invalid_field, and nothing is changed, for one
 * that is not allowed: a list of processors that somebody gave us is not widened. */
status thread_pin(unsigned cpu);

/* What tools show; the kernel keeps the first 15 bytes. */
void thread_name(const char *name);

#endif
