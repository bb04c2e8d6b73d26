#include "engine/memory/doctor.h"

#include "engine/base/human.h"

#include <stdlib.h>

enum {
	VISITS_LEAST = 4, /* a trend needs so many */
	TOP = 6,
};
#define MIB ((size_t)1 << 20)

static const struct doctor_visit *visit_before(const struct doctor *d, unsigned back)
{
	return &d->visits[(d->count - 1 - back) % DOCTOR_VISITS_MAX];
}

static unsigned visits_kept(const struct doctor *d)
{
	return d->count < DOCTOR_VISITS_MAX ? d->count : DOCTOR_VISITS_MAX;
}

void doctor_note(struct doctor *d, const struct memory_reading *r)
{
	struct doctor_visit *v = &d->visits[d->count++ % DOCTOR_VISITS_MAX];
	*v = (struct doctor_visit){.at_ms = r->at_ms, .live = r->heap.calls.live_bytes, .resident = r->resident,
	                           .group = r->group};
	for (unsigned i = 0; i < r->heap.calls.thread_count; i++)
		v->allocations[i] = r->heap.calls.threads[i].allocations;
	for (unsigned i = 0; i < r->holding_count; i++) {
		if (r->holdings[i].kind != HOLDING_pool)
			continue;
		v->pools[v->holding_count].name = r->holdings[i].name;
		v->pools[v->holding_count++].in_use = r->holdings[i].in_use;
	}
}

bool doctor_sees_shortage(const struct doctor *d, const struct memory_reading *r)
{
	return d->count != 0 && memory_group_was_short(&visit_before(d, 0)->group, &r->group);
}

/* ---- what holds the memory ----------------------------------------------------------- */

struct holder {
	const char *name, *option;
	size_t resident;
};

static int by_size(const void *a, const void *b)
{
	const struct holder *left = a, *right = b;
	return (left->resident < right->resident) - (left->resident > right->resident);
}

static void write_holders(const struct memory_reading *r, struct cursor *out)
{
	struct holder holders[READING_HOLDINGS_MAX + 4];
	unsigned count = 0;
	for (unsigned i = 0; i < r->holding_count; i++)
		holders[count++] = (struct holder){r->holdings[i].name, r->holdings[i].option, r->holdings[i].resident};
	holders[count++] = (struct holder){"the general heap", NULL, r->heap.resident};
	holders[count++] = (struct holder){"the program and its libraries", NULL, r->program};
	holders[count++] = (struct holder){"stacks", NULL, r->stacks};
	holders[count++] = (struct holder){"other mapped files", NULL, r->files};
	qsort(holders, count, sizeof holders[0], by_size);
	cursor_format(out, "%s are resident.\n", human_bytes((double)r->resident).text);
	for (unsigned i = 0; i < count && i < TOP && holders[i].resident != 0; i++) {
		cursor_format(out, "  %-10s %4.1f %%  %s", human_bytes((double)holders[i].resident).text,
		              r->resident == 0 ? 0 : 100.0 * (double)holders[i].resident / (double)r->resident, holders[i].name);
		if (holders[i].option != NULL)
			cursor_format(out, " (%s)", holders[i].option);
		cursor_literal(out, "\n");
	}
}

/* ---- what is odd --------------------------------------------------------------------- */

struct rise {
	double bytes, seconds;
	unsigned intervals;
};

/* Did it go up in at least nine of ten intervals, up to now? */
static bool is_rising(const uint64_t *values, const int64_t *times, unsigned count, struct rise *rise)
{
	unsigned up = 0;
	if (count < VISITS_LEAST)
		return false;
	for (unsigned i = 1; i < count; i++)
		up += values[i] > values[i - 1];
	*rise = (struct rise){(double)values[count - 1] - (double)values[0], (double)(times[count - 1] - times[0]) / 1000,
	                      count - 1};
	return up * 10 >= (count - 1) * 9 && rise->bytes > 0;
}

static bool examine_leak(const struct doctor *d, const struct memory_reading *r, struct cursor *out)
{
	uint64_t values[DOCTOR_VISITS_MAX + 1];
	int64_t times[DOCTOR_VISITS_MAX + 1];
	unsigned kept = visits_kept(d), count = 0;
	for (unsigned back = kept; back-- > 0; count++) {
		values[count] = visit_before(d, back)->live;
		times[count] = visit_before(d, back)->at_ms;
	}
	values[count] = r->heap.calls.live_bytes;
	times[count++] = r->at_ms;
	struct rise rise;
	if (!is_rising(values, times, count, &rise) || rise.bytes < (double)MIB || rise.bytes < 0.05 * (double)values[0])
		return false;
	cursor_format(out,
	              "- A leak: what is alive in the heap rose over %u readings by %s in %.0f s. Blocks are taken and never\n"
	              "  freed. Compare two heap profiles, and look for what grows with the traffic: peers, requests, errors.\n",
	              rise.intervals, human_bytes(rise.bytes).text, rise.seconds);
	return true;
}

static bool pool_in_use(const struct doctor_visit *v, const char *name, uint64_t *in_use)
{
	for (unsigned i = 0; i < v->holding_count; i++)
		if (strcmp(v->pools[i].name, name) == 0) {
			*in_use = v->pools[i].in_use;
			return true;
		}
	return false;
}

static bool examine_pool(const struct doctor *d, const struct memory_reading *r, const struct reading_holding *h,
                         struct cursor *out)
{
	uint64_t values[DOCTOR_VISITS_MAX + 1];
	int64_t times[DOCTOR_VISITS_MAX + 1];
	unsigned count = 0;
	for (unsigned back = visits_kept(d); back-- > 0;)
		if (pool_in_use(visit_before(d, back), h->name, &values[count]))
			times[count++] = visit_before(d, back)->at_ms;
	values[count] = h->in_use;
	times[count++] = r->at_ms;
	struct rise rise;
	if (!is_rising(values, times, count, &rise) || rise.bytes < 0.1 * (double)h->reserved)
		return false;
	cursor_format(out,
	              "- The pool of %s fills: %s more in %.0f s, %.0f %% of it are in use. Objects are borrowed and not\n"
	              "  returned, or there is more traffic than %s allows for.\n",
	              h->name, human_bytes(rise.bytes).text, rise.seconds, 100.0 * (double)h->in_use / (double)h->reserved,
	              h->option == NULL ? "its capacity" : h->option);
	return true;
}

static bool examine_pools(const struct doctor *d, const struct memory_reading *r, struct cursor *out)
{
	bool found = false;
	for (unsigned i = 0; i < r->holding_count; i++)
		if (r->holdings[i].kind == HOLDING_pool)
			found |= examine_pool(d, r, &r->holdings[i], out);
	return found;
}

/* A thread that took at least half of the slack, did nothing since the last visit, and
 * whose blocks others freed. */
static int idle_thread(const struct doctor *d, const struct memory_reading *r, size_t slack, double *bytes)
{
	const struct heap_statistics *c = &r->heap.calls;
	double freed_by_others = 0;
	for (unsigned i = 0; i < c->thread_count; i++) {
		const struct heap_thread *t = &c->threads[i];
		if (t->freed_bytes > t->allocated_bytes)
			freed_by_others += (double)(t->freed_bytes - t->allocated_bytes);
	}
	for (unsigned i = 0; i < c->thread_count && d->count != 0; i++) {
		const struct heap_thread *t = &c->threads[i];
		*bytes = (double)t->allocated_bytes - (double)t->freed_bytes;
		if (*bytes >= 0.5 * (double)slack && freed_by_others >= 0.5 * (double)slack &&
		    visit_before(d, 0)->allocations[i] == t->allocations)
			return t->id;
	}
	return 0;
}

static unsigned examine_heap(const struct doctor *d, const struct memory_reading *r, struct cursor *out)
{
	uint64_t live = r->heap.calls.live_bytes, used = live + r->heap.calls.waiting_bytes;
	size_t slack = r->heap.resident > used ? r->heap.resident - used : 0;
	if (!r->heap.calls.is_counted || slack < 8 * MIB || slack < live)
		return 0;
	double bytes;
	int thread = idle_thread(d, r, slack, &bytes);
	if (thread != 0) {
		cursor_format(out,
		              "- An idle thread's cache: thread %d took %s that other threads have freed, and has taken nothing\n"
		              "  since; its heap keeps the pages (%s are resident for %s alive). They come back when that thread\n"
		              "  allocates again or ends. Let the thread that takes a block free it, or use a pool.\n",
		              thread, human_bytes(bytes).text, human_bytes((double)r->heap.resident).text,
		              human_bytes((double)live).text);
		return 1u << FINDING_idle_cache;
	}
	cursor_format(out,
	              "- The heap is fragmented: %s are resident for %s alive. Few blocks hold many pages. What lives long\n"
	              "  was taken among what lives short: use a pool or an arena for one of them; a restart packs it anew.\n",
	              human_bytes((double)r->heap.resident).text, human_bytes((double)live).text);
	return 1u << FINDING_fragmented;
}

static bool examine_oversized(const struct memory_reading *r, struct cursor *out)
{
	bool found = false;
	for (unsigned i = 0; i < r->holding_count; i++) {
		const struct reading_holding *h = &r->holdings[i];
		if (h->kind == HOLDING_snapshot || h->resident / h->count < 32 * MIB || h->high_water > h->resident / 8)
			continue;
		found = true;
		cursor_format(out, "- Oversized: the %u %s hold %s, of which at most %s were ever used. ", h->count, h->name,
		              human_bytes((double)h->resident).text, human_bytes((double)h->high_water).text);
		cursor_format(out, h->option == NULL ? "Nothing sizes them: report it.\n" : "Lower %s.\n", h->option);
	}
	return found;
}

static bool examine_files(const struct memory_reading *r, struct cursor *out)
{
	if (r->files < 8 * MIB || r->files < r->resident / 10)
		return false;
	cursor_format(out,
	              "- A mapped file: %s of the resident set belong to files, most of it (%s) to %s. The system takes such\n"
	              "  pages back when it needs them; they are no leak.\n",
	              human_bytes((double)r->files).text, human_bytes((double)r->largest_file_bytes).text, r->largest_file);
	return true;
}

static bool examine_unexplained(const struct memory_reading *r, struct cursor *out)
{
	int64_t rest = r->ladder[RUNG_unexplained];
	if (llabs(rest) < (int64_t)(4 * MIB) || llabs(rest) * 100 < (int64_t)r->resident * 3)
		return false;
	cursor_format(out,
	              "- %s stay unexplained (%.1f %%): memory that a library mapped by itself, or a module that is not in the\n"
	              "  account. /proc/PID/smaps shows where.\n",
	              human_bytes((double)llabs(rest)).text, 100.0 * (double)llabs(rest) / (double)r->resident);
	return true;
}

static bool examine_heap_kind(const struct memory_reading *r, struct cursor *out)
{
	if (r->heap.is_mimalloc)
		return false;
	cursor_format(out, "- The heap is %s: the numbers of the heap are missing. Link or preload libmimalloc.\n",
	              r->heap.description);
	return true;
}

static bool examine_frozen(const struct memory_reading *r, struct cursor *out)
{
	uint64_t count = r->heap.calls.frozen_allocations_total;
	if (count == 0)
		return false;
	cursor_format(out, "- %llu allocations of trove's own on threads that answer events, after the start: a defect; report it.\n",
	              (unsigned long long)count);
	return true;
}

/* Over all visits that were kept: who asks comes after it happened. Whom the kernel ended was not us. */
static bool examine_group(const struct doctor *d, const struct memory_reading *r, struct cursor *out)
{
	const struct memory_group *g = &r->group;
	if (d->count == 0)
		return false;
	const struct doctor_visit *first = visit_before(d, visits_kept(d) - 1);
	if (!memory_group_was_short(&first->group, g))
		return false;
	uint64_t others = g->anonymous > r->anonymous ? g->anonymous - r->anonymous : 0;
	uint64_t kills = g->kills - first->group.kills;
	cursor_format(out,
	              "- Memory is short in the cgroup %s: its limit of %s was reached %llu times in %.0f s, and %llu processes\n"
	              "  were ended for it. trove holds %s, others in it hold %s now. ",
	              g->path, human_bytes((double)g->limit).text, (unsigned long long)(g->failures - first->group.failures),
	              (double)(r->at_ms - first->at_ms) / 1000, (unsigned long long)kills,
	              human_bytes((double)r->anonymous).text, human_bytes((double)others).text);
	if (kills != 0 || others >= g->anonymous / 4)
		cursor_literal(out, "Somebody else in the cgroup grew: give it\n  one of its own, or raise the limit.\n");
	else
		cursor_literal(out, "Raise the limit, or lower what troved\n  --check counts.\n");
	return true;
}

static bool examine_hugetlb(const struct memory_reading *r, struct cursor *out)
{
	if (r->hugetlb.missed == 0)
		return false;
	cursor_format(out,
	              "- Huge pages are missing: memory.pages wants %s in hugetlb pages, and %s are in ordinary ones. Reserve\n"
	              "  %zu pages of 2 MiB for troved alone (sysctl vm.nr_hugepages=%zu) before it starts, or set memory.pages to\n"
	              "  transparent.\n",
	              human_bytes((double)r->hugetlb.wanted).text, human_bytes((double)r->hugetlb.missed).text,
	              r->hugetlb.wanted / REGION_2M_BYTES, r->hugetlb.wanted / REGION_2M_BYTES);
	return true;
}

unsigned doctor_examine(const struct doctor *d, const struct memory_reading *r, struct cursor *out)
{
	write_holders(r, out);
	size_t before = cursor_used(out);
	cursor_literal(out, "\nWhat is odd:\n");
	size_t head = cursor_used(out);
	unsigned found = 0;
	found |= (unsigned)examine_heap_kind(r, out) << FINDING_not_mimalloc;
	found |= (unsigned)examine_leak(d, r, out) << FINDING_leak;
	found |= (unsigned)examine_pools(d, r, out) << FINDING_pool_leak;
	found |= examine_heap(d, r, out);
	found |= (unsigned)examine_oversized(r, out) << FINDING_oversized;
	found |= (unsigned)examine_files(r, out) << FINDING_mapped_file;
	found |= (unsigned)examine_frozen(r, out) << FINDING_frozen_allocations;
	found |= (unsigned)examine_unexplained(r, out) << FINDING_unexplained;
	found |= (unsigned)examine_group(d, r, out) << FINDING_short_group;
	found |= (unsigned)examine_hugetlb(r, out) << FINDING_no_hugetlb;
	if (cursor_used(out) == head) {
		cursor_rewind(out, before);
		cursor_literal(out, "\nNothing is odd.\n");
	}
	if (visits_kept(d) < VISITS_LEAST)
		cursor_literal(out, "\nTrends are not known yet: ask again in a minute.\n");
	return found;
}
