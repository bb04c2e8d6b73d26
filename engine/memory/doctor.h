/*
 * doctor: says in plain sentences what holds the memory, what is odd and what to do.
 * It judges one reading, and the few numbers that it kept of earlier ones, because a
 * leak or an idle thread is only seen over time.
 *
 * One thread (the one that serves HTTP). The doctor belongs to the caller; names in it
 * are static text.
 */
#ifndef ENGINE_MEMORY_DOCTOR_H
#define ENGINE_MEMORY_DOCTOR_H

#include "engine/memory/reading.h"

enum { DOCTOR_VISITS_MAX = 60 };

/* What is kept of a reading. */
struct doctor_visit {
	int64_t at_ms;
	uint64_t live, allocations[HEAP_THREADS_MAX];
	size_t resident;
	struct memory_group group;
	unsigned holding_count;
	struct {
		const char *name;
		size_t in_use;
	} pools[READING_HOLDINGS_MAX];
};

struct doctor {
	unsigned count; /* visits so far; the last DOCTOR_VISITS_MAX are kept */
	struct doctor_visit visits[DOCTOR_VISITS_MAX];
};

enum doctor_finding {
	FINDING_not_mimalloc,
	FINDING_leak,
	FINDING_pool_leak,
	FINDING_idle_cache,
	FINDING_fragmented,
	FINDING_oversized,
	FINDING_mapped_file,
	FINDING_frozen_allocations,
	FINDING_unexplained,
	FINDING_short_group,
	FINDING_no_hugetlb,
	FINDING_COUNT,
};

/* Keeps a reading for later comparison: every ten seconds or so. */
void doctor_note(struct doctor *doctor, const struct memory_reading *reading);

/* Whether memory became short in the cgroup since the last one that was kept: for one line of the log. */
bool doctor_sees_shortage(const struct doctor *doctor, const struct memory_reading *reading);

/* Writes the sentences; returns a bit for each finding. */
unsigned doctor_examine(const struct doctor *doctor, const struct memory_reading *reading, struct cursor *out);

#endif
