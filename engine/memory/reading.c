#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* mincore */
#endif
#include "engine/memory/reading.h"

#include "engine/base/check.h"
#include "engine/base/clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

enum { HEAP_STEP = 64 << 10, PAGES_AT_ONCE = 4096 }; /* mimalloc hands out memory in steps of 64 KiB */

/* One mapping, as smaps tells it. */
struct mapping {
	uintptr_t start, end;
	char permissions[5];
	char path[READING_FILE_BYTES];
	size_t resident, anonymous, huge;
};

/* ---- holdings ---------------------------------------------------------------------- */

static size_t resident_in(const void *bytes, size_t size)
{
	static const uintptr_t page = 4096;
	unsigned char present[PAGES_AT_ONCE];
	uintptr_t at = (uintptr_t)bytes & ~(page - 1);
	uintptr_t end = ((uintptr_t)bytes + size + page - 1) & ~(page - 1);
	size_t count = 0;
	while (at < end) {
		uintptr_t part = end - at < PAGES_AT_ONCE * page ? end - at : PAGES_AT_ONCE * page;
		if (mincore((void *)at, part, present) == 0)
			for (size_t i = 0; i < part / page; i++)
				count += present[i] & 1;
		at += part;
	}
	return count * page;
}

static unsigned ranges_of(const struct holding *h, struct pool_range ranges[POOL_RANGES])
{
	if (h->kind != HOLDING_pool) {
		ranges[0] = (struct pool_range){h->bytes, h->reserved};
		return 1;
	}
	pool_ranges(h->pool, ranges);
	return POOL_RANGES;
}

static struct reading_holding *row_for(struct memory_reading *r, const struct holding *h)
{
	for (unsigned i = 0; i < r->holding_count; i++)
		if (r->holdings[i].kind == h->kind && r->holdings[i].node == h->node &&
		    strcmp(r->holdings[i].name, h->name) == 0)
			return &r->holdings[i];
	/* The last row takes what finds no place, rather than to leave it out of the sums. */
	if (r->holding_count == READING_HOLDINGS_MAX)
		return &r->holdings[READING_HOLDINGS_MAX - 1];
	struct reading_holding *row = &r->holdings[r->holding_count++];
	*row = (struct reading_holding){
		.name = h->name,
		.option = h->option,
		.kind = h->kind,
		.pages = h->pages,
		.node = h->node,
		.locked = h->locked,
	};
	return row;
}

static void read_pool(struct reading_holding *row, const struct holding *h)
{
	struct pool_statistics *s = &row->pool;
	pool_read_statistics(h->pool, s);
	row->reserved += s->reserved_bytes;
	row->in_use += (size_t)s->in_use * s->stride;
	row->high_water += (size_t)s->high_water * s->stride;
	row->pages = s->pages;
	row->locked = s->locked;
}

static void read_holding(struct reading_holding *row, const struct holding *h)
{
	struct pool_range ranges[POOL_RANGES];
	unsigned count = ranges_of(h, ranges);
	for (unsigned i = 0; i < count; i++)
		row->resident += resident_in(ranges[i].bytes, ranges[i].size);
	row->count++;
	if (h->kind == HOLDING_pool) {
		read_pool(row, h);
		return;
	}
	row->reserved += h->reserved;
	row->in_use += atomic_load_explicit(&h->in_use, memory_order_relaxed);
	row->high_water += atomic_load_explicit(&h->high_water, memory_order_relaxed);
	if (h->pages < row->pages)
		row->pages = h->pages;
	row->locked &= h->locked;
}

static void read_holdings(struct account *account, struct memory_reading *r)
{
	pthread_mutex_lock(&account->lock);
	for (const struct holding *h = account->first; h != NULL; h = h->next)
		read_holding(row_for(r, h), h);
	pthread_mutex_unlock(&account->lock);
}

static size_t resident_within(const struct mapping *m, const struct pool_range *range)
{
	uintptr_t start = (uintptr_t)range->bytes, end = start + range->size;
	start = start > m->start ? start : m->start;
	end = end < m->end ? end : m->end;
	return start < end ? resident_in((const void *)start, end - start) : 0;
}

/* Bytes of holdings in a mapping, to be told apart from the heap's beside them. */
static size_t held_in(struct account *account, const struct mapping *m)
{
	size_t bytes = 0;
	pthread_mutex_lock(&account->lock);
	for (const struct holding *h = account->first; h != NULL; h = h->next) {
		struct pool_range ranges[POOL_RANGES];
		unsigned count = ranges_of(h, ranges);
		for (unsigned i = 0; i < count; i++)
			bytes += resident_within(m, &ranges[i]);
	}
	pthread_mutex_unlock(&account->lock);
	return bytes;
}

/* ---- mappings ---------------------------------------------------------------------- */

struct walk {
	struct account *account;
	struct memory_reading *reading;
	size_t own_stack_bytes;  /* what pthread_create takes for a stack */
	uintptr_t guard_end;     /* of the mapping before, when nobody may touch it */
	char program[READING_FILE_BYTES];
};

static bool is_heap(const struct mapping *m)
{
	if (heap_has_large(m->start, m->end))
		return true;
	/* The middle of a step, so that a header at its beginning does not matter. */
	uintptr_t first = (m->start + HEAP_STEP - 1) & ~(uintptr_t)(HEAP_STEP - 1);
	for (uintptr_t at = first; at < m->end; at += HEAP_STEP)
		if (heap_holds((const void *)at))
			return true;
	return false;
}

/* A stack of a thread lies above a guard that nobody may touch. */
static bool is_stack(const struct walk *w, const struct mapping *m)
{
	if (strncmp(m->path, "[stack", 6) == 0)
		return true;
	return m->path[0] == '\0' && m->permissions[1] == 'w' && w->guard_end == m->start &&
	       m->end - m->start <= w->own_stack_bytes;
}

static bool is_program(const struct walk *w, const struct mapping *m)
{
	return strcmp(m->path, w->program) == 0 || strstr(m->path, ".so") != NULL || m->path[0] == '[';
}

static void note_file(struct memory_reading *r, const struct mapping *m)
{
	r->files += m->resident;
	if (m->resident <= r->largest_file_bytes)
		return;
	r->largest_file_bytes = m->resident;
	snprintf(r->largest_file, sizeof r->largest_file, "%s", m->path);
}

static void sort_mapping(struct walk *w, const struct mapping *m)
{
	struct memory_reading *r = w->reading;
	r->resident += m->resident;
	r->anonymous += m->anonymous;
	r->huge += m->huge;
	size_t held = m->path[0] == '/' ? 0 : held_in(w->account, m);
	size_t rest = m->resident > held ? m->resident - held : 0;
	if (held == 0 && is_stack(w, m)) {
		r->stacks += m->resident;
	} else if (m->path[0] == '/') {
		if (is_program(w, m))
			r->program += m->resident;
		else
			note_file(r, m);
	} else if (m->path[0] == '[' && strncmp(m->path, "[anon", 5) != 0) {
		r->program += m->resident;
	} else if (rest != 0 && is_heap(m)) {
		r->heap.resident += rest;
	}
	w->guard_end = m->permissions[0] == '-' && m->permissions[1] == '-' ? m->end : 0;
}

static bool parse_head(const char *line, struct mapping *m)
{
	unsigned long start, end;
	int path = 0;
	*m = (struct mapping){};
	if (sscanf(line, "%lx-%lx %4s %*s %*s %*s %n", &start, &end, m->permissions, &path) < 3 || path == 0)
		return false;
	m->start = start;
	m->end = end;
	snprintf(m->path, sizeof m->path, "%.*s", (int)strcspn(line + path, "\n"), line + path);
	return true;
}

static void parse_field(const char *line, struct mapping *m, size_t *locked)
{
	size_t kib;
	if (sscanf(line, "Rss: %zu", &kib) == 1)
		m->resident += kib << 10;
	else if (sscanf(line, "Anonymous: %zu", &kib) == 1)
		m->anonymous = kib << 10;
	else if (sscanf(line, "AnonHugePages: %zu", &kib) == 1)
		m->huge += kib << 10;
	else if (sscanf(line, "Private_Hugetlb: %zu", &kib) == 1)
		m->huge += kib << 10, m->resident += kib << 10; /* not part of Rss */
	else if (sscanf(line, "Locked: %zu", &kib) == 1)
		*locked += kib << 10;
}

static bool read_mappings(struct walk *w)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	char line[512];
	struct mapping m = {};
	if (f == NULL)
		return false;
	while (fgets(line, sizeof line, f) != NULL) {
		struct mapping next;
		/* Fields begin with a capital, addresses do not. */
		if (line[0] >= 'A' && line[0] <= 'Z') {
			parse_field(line, &m, &w->reading->locked);
		} else if (parse_head(line, &next)) {
			if (m.end != 0)
				sort_mapping(w, &m);
			m = next;
		}
	}
	if (m.end != 0)
		sort_mapping(w, &m);
	fclose(f);
	return true;
}

/* ---- the process ------------------------------------------------------------------- */

static void read_status(struct memory_reading *r)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[256];
	size_t number;
	if (f == NULL)
		return;
	while (fgets(line, sizeof line, f) != NULL) {
		if (sscanf(line, "VmHWM: %zu", &number) == 1)
			r->resident_peak = number << 10;
		else if (sscanf(line, "VmSize: %zu", &number) == 1)
			r->size_virtual = number << 10;
		else if (sscanf(line, "Threads: %zu", &number) == 1)
			r->threads = (unsigned)number;
	}
	fclose(f);
}

static void read_faults(struct memory_reading *r)
{
	struct rusage usage;
	if (getrusage(RUSAGE_SELF, &usage) != 0)
		return;
	r->minor_faults = (uint64_t)usage.ru_minflt;
	r->major_faults = (uint64_t)usage.ru_majflt;
}

static size_t stack_bytes(void)
{
	pthread_attr_t attributes;
	size_t bytes = 8 << 20;
	if (pthread_attr_init(&attributes) == 0) {
		pthread_attr_getstacksize(&attributes, &bytes);
		pthread_attr_destroy(&attributes);
	}
	return bytes;
}

static void add_up(struct memory_reading *r)
{
	int64_t in_use = 0, reserved = 0, resident = 0;
	for (unsigned i = 0; i < r->holding_count; i++) {
		in_use += (int64_t)r->holdings[i].in_use;
		reserved += (int64_t)r->holdings[i].reserved;
		resident += (int64_t)r->holdings[i].resident;
	}
	int64_t heap = (int64_t)r->heap.resident;
	int64_t live = (int64_t)r->heap.calls.live_bytes;
	/* Live blocks that were never touched are not resident: then the heap is all live. */
	live = live < heap ? live : heap;
	int64_t *l = r->ladder;
	l[RUNG_requested] = in_use + live;
	l[RUNG_reserved] = reserved - in_use;
	l[RUNG_committed] = heap - live;
	l[RUNG_untouched] = resident - reserved;
	l[RUNG_program] = (int64_t)r->program;
	l[RUNG_stacks] = (int64_t)r->stacks;
	l[RUNG_files] = (int64_t)r->files;
	l[RUNG_unexplained] = (int64_t)r->resident;
	for (unsigned i = 0; i < RUNG_unexplained; i++)
		l[RUNG_unexplained] -= l[i];
}

bool reading_take(struct account *account, struct memory_reading *out)
{
	struct walk walk = {.account = account, .reading = out, .own_stack_bytes = stack_bytes()};
	*out = (struct memory_reading){.at_ms = clock_unix_ms()};
	ssize_t bytes = readlink("/proc/self/exe", walk.program, sizeof walk.program - 1);
	walk.program[bytes < 0 ? 0 : bytes] = '\0';
	heap_describe(out->heap.description, sizeof out->heap.description);
	out->heap.is_mimalloc = heap_is_mimalloc();
	heap_statistics(&out->heap.calls);
	read_holdings(account, out);
	if (!read_mappings(&walk))
		return false;
	read_status(out);
	read_faults(out);
	(void)memory_group_read("", &out->group); /* zero: no limit */
	add_up(out);
	return true;
}

const char *reading_rung_name(enum reading_rung rung)
{
	static const char *const names[] = {"requested", "reserved", "committed", "untouched",
	                                    "program",   "stacks",   "files",     "unexplained"};
	return names[rung];
}
