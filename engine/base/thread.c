#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "engine/base/thread.h"

#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>

static_assert(NUMBER_SET_LIMIT <= CPU_SETSIZE);

status thread_allowed(struct number_set *cpus)
{
	cpu_set_t mask;
	*cpus = (struct number_set){};
	if (sched_getaffinity(0, sizeof mask, &mask) != 0)
		return STATUS_internal;
	for (unsigned i = 0; i < NUMBER_SET_LIMIT; i++)
		if (CPU_ISSET(i, &mask))
			number_set_add(cpus, i);
	return STATUS_ok;
}

static bool set_mask(const struct number_set *cpus)
{
	cpu_set_t mask;
	CPU_ZERO(&mask);
	for (unsigned i = number_set_next(cpus, 0); i < NUMBER_SET_LIMIT; i = number_set_next(cpus, i + 1))
		CPU_SET(i, &mask);
	return sched_setaffinity(0, sizeof mask, &mask) == 0;
}

status thread_restrict(const struct number_set *cpus)
{
	struct number_set allowed, both = *cpus;
	status s = thread_allowed(&allowed);
	if (s != STATUS_ok)
		return s;
	number_set_intersect(&both, &allowed);
	if (number_set_count(cpus) == 0 || number_set_count(&both) != number_set_count(cpus))
		return STATUS_invalid_field;
	/* Refused although it was allowed: a cpuset or the processor went away meanwhile. */
	return set_mask(cpus) ? STATUS_ok : STATUS_invalid_field;
}

status thread_pin(unsigned cpu)
{
	struct number_set one = {};
	number_set_add(&one, cpu);
	return thread_restrict(&one);
}

void thread_restore(const struct number_set *cpus)
{
	/* When all of them went away meanwhile the kernel has chosen others already. */
	(void)set_mask(cpus);
}

bool thread_may_run_on(const struct number_set *cpus, char *text, size_t capacity)
{
	struct number_set allowed;
	char list[64];
	text[0] = '\0';
	if (thread_allowed(&allowed) != STATUS_ok)
		return true; /* nothing is known: trying tells */
	unsigned cpu = number_set_next(cpus, 0);
	while (cpu < NUMBER_SET_LIMIT && number_set_has(&allowed, cpu))
		cpu = number_set_next(cpus, cpu + 1);
	if (cpu == NUMBER_SET_LIMIT)
		return true;
	number_set_print(&allowed, list, sizeof list);
	snprintf(text, capacity, "processor %u is not among those that this process may run on (%s)", cpu, list);
	return false;
}

void thread_name(const char *name)
{
	char kept[16];
	snprintf(kept, sizeof kept, "%.15s", name);
	pthread_setname_np(pthread_self(), kept);
}

bool thread_ask_short_slices(void)
{
	struct sched_attr a = {.size = sizeof a}; /* valgrind takes it for an input */
	if (sched_getattr(0, &a, sizeof a, 0) != 0 || a.sched_policy != SCHED_OTHER)
		return false;
	a.sched_runtime = THREAD_SHORT_SLICE_US * UINT64_C(1000);
	return sched_setattr(0, &a, 0) == 0;
}
