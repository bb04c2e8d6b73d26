/*
 * thread: on which processors the calling thread may run, and its name. Everything is
 * about the calling thread alone.
 */
#ifndef ENGINE_BASE_THREAD_H
#define ENGINE_BASE_THREAD_H

#include "engine/base/number_set.h"
#include "engine/base/status.h"

#include <stddef.h>

/* The processors that it may run on: what taskset, a cpuset or thread_pin left. A thread
 * inherits them from the one that starts it. STATUS_internal when there are more than
 * NUMBER_SET_LIMIT. */
status thread_allowed(struct number_set *cpus);

/* Only this processor from now on. STATUS_invalid_field, and nothing is changed, for one
 * that is not allowed: a list of processors that somebody gave us is not widened. */
status thread_pin(unsigned cpu);

/* Only these from now on, and threads that it starts. As thread_pin, also for the empty set. */
status thread_restrict(const struct number_set *cpus);

/* Ends a restriction: what thread_allowed said before it. */
void thread_restore(const struct number_set *cpus);

/* Whether the thread may run on all of these; else text says why not, for an operator. */
bool thread_may_run_on(const struct number_set *cpus, char *text, size_t capacity);

/* What tools show; the kernel keeps the first 15 bytes. */
void thread_name(const char *name);

enum { THREAD_SHORT_SLICE_US = 100 };

/* For a thread that sleeps most of the time and does little when it is woken: with short slices busy ones are put off
 * for it, rather than the other way round; its share of a processor stays the same. false: refused, or it is not under
 * the usual policy. Linux before 6.12 says yes and does nothing. */
bool thread_ask_short_slices(void);

#endif
