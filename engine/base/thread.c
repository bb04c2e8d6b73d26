#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "engine/base/thread.h"

#include <pthread.h>
#include <sched.h>
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

status thread_pin(unsigned cpu)
{
	struct number_set allowed;
	status s = thread_allowed(&allowed);
	if (s != STATUS_ok)
		return s;
	if (!number_set_has(&allowed, cpu))
		return STATUS_invalid_field;
	cpu_set_t mask;
	CPU_ZERO(&mask);
	CPU_SET(cpu, &mask);
	/* Refused although it was allowed: a cpuset or the processor went away meanwhile. */
	return sched_setaffinity(0, sizeof mask, &mask) == 0 ? STATUS_ok : STATUS_invalid_field;
}

void thread_name(const char *name)
{
	char kept[16];
	snprintf(kept, sizeof kept, "%.15s", name);
	pthread_setname_np(pthread_self(), kept);
}
