#include "engine/memory/reading.h"

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/kept.h"
#include "engine/memory/resident.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { RANGES = 64 };

static const uintptr_t page_bytes = 4096;

/* One mapping. */
struct mapping {
	uintptr_t start, end;
	char permissions[5];
	char path[READING_FILE_BYTES];
	size_t resident, anonymous, huge;
	size_t held; /* of its resident bytes, by holdings: to be told apart from the heap's beside them */
};

/* ---- holdings ---------------------------------------------------------------------- */

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

/* Whole pages that a holding has. */
struct held {
	uintptr_t start, end;
	struct reading_holding *row;
};

static int by_start(const void *a, const void *b)
{
	const struct held *x = a, *y = b;
	return (x->start > y->start) - (x->start < y->start);
}

static unsigned note_pages(struct held *held, struct reading_holding *row, const struct holding *h)
{
	struct pool_range ranges[POOL_RANGES];
	unsigned count = ranges_of(h, ranges);
	for (unsigned i = 0; i < count; i++) {
		uintptr_t start = (uintptr_t)ranges[i].bytes;
		held[i] = (struct held){start & ~(page_bytes - 1), (start + ranges[i].size + page_bytes - 1) & ~(page_bytes - 1), row};
	}
	return count;
}

/* All of it but what is resident. Returns whose pages are where, ascending, to be freed; NULL: no memory. */
static struct held *read_holdings(struct account *account, struct memory_reading *r, unsigned *count)
{
	size_t holdings = 0;
	pthread_mutex_lock(&account->lock);
	for (const struct holding *h = account->first; h != NULL; h = h->next)
		holdings++;
	struct held *held = calloc(holdings * POOL_RANGES + 1, sizeof *held);
	*count = 0;
	for (const struct holding *h = held == NULL ? NULL : account->first; h != NULL; h = h->next) {
		struct reading_holding *row = row_for(r, h);
		read_holding(row, h);
		*count += note_pages(held + *count, row, h);
	}
	pthread_mutex_unlock(&account->lock);
	if (held != NULL)
		qsort(held, *count, sizeof *held, by_start);
	return held;
}

/* ---- mappings ---------------------------------------------------------------------- */

struct walk {
	struct resident pages;
	struct memory_reading *reading;
	struct held *held;
	unsigned held_count, held_first; /* those before the first end before the mapping */
	size_t own_stack_bytes;  /* what pthread_create takes for a stack */
	uintptr_t guard_end;     /* of the mapping before, when nobody may touch it */
	char program[READING_FILE_BYTES];
};

static bool is_heap(const struct mapping *m)
{
	return heap_has_large(m->start, m->end) || heap_holds(m->start, m->end);
}

/* A stack of a thread lies above a guard that nobody may touch; so may a block of the heap. */
static bool is_stack(const struct walk *w, const struct mapping *m)
{
	if (strncmp(m->path, "[stack", 6) == 0)
		return true;
	return m->path[0] == '\0' && m->permissions[1] == 'w' && w->guard_end == m->start &&
	       m->end - m->start <= w->own_stack_bytes && !heap_has_large(m->start, m->end);
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

static void sort_resident(const struct walk *w, const struct mapping *m)
{
	struct memory_reading *r = w->reading;
	size_t held = m->path[0] == '/' ? 0 : m->held;
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
}

static void sort_mapping(struct walk *w, const struct mapping *m)
{
	struct memory_reading *r = w->reading;
	r->resident += m->resident;
	r->anonymous += m->anonymous;
	r->huge += m->huge;
	/* Half of all are guards, and empty. */
	if (m->resident != 0)
		sort_resident(w, m);
	w->guard_end = m->permissions[0] == '-' && m->permissions[1] == '-' ? m->end : 0;
}

/* Resident bytes from start to end of the mapping: whose are they? */
static void add_held(struct walk *w, struct mapping *m, uintptr_t start, uintptr_t end)
{
	for (unsigned i = w->held_first; i < w->held_count && w->held[i].start < end; i++) {
		const struct held *h = &w->held[i];
		uintptr_t from = h->start > start ? h->start : start, to = h->end < end ? h->end : end;
		size_t bytes = from >= to ? 0 : w->pages.pagemap < 0 ? resident_in_core(from, to) : to - from;
		h->row->resident += bytes;
		m->held += bytes;
	}
}

static void scan_mapping(struct walk *w, struct mapping *m)
{
	struct resident_range ranges[RANGES];
	for (uintptr_t at = m->start; at < m->end;) {
		int count = resident_scan(&w->pages, &at, m->end, m->path[0] == '/', ranges, RANGES);
		for (int i = 0; i < count; i++) {
			size_t bytes = ranges[i].end - ranges[i].start;
			m->resident += bytes;
			m->anonymous += ranges[i].is_of_file ? 0 : bytes;
			m->huge += !ranges[i].is_of_file && ranges[i].is_huge ? bytes : 0;
			add_held(w, m, ranges[i].start, ranges[i].end);
		}
	}
}

static void end_mapping(struct walk *w, struct mapping *m)
{
	if (m->end == 0)
		return;
	while (w->held_first < w->held_count && w->held[w->held_first].end <= m->start)
		w->held_first++;
	if (w->pages.pagemap < 0)
		add_held(w, m, m->start, m->end);
	else if (strncmp(m->path, "[vvar", 5) != 0) /* the kernel's own pages, counted by nobody */
		scan_mapping(w, m);
	sort_mapping(w, m);
}

/* There may be fifteen thousand lines, and each scrape reads them all: sscanf would take most of its time. */
static const char *behind_word(const char *at)
{
	at += strcspn(at, " \n");
	return at + strspn(at, " ");
}

/* "7f9952c00000-7f9953f88000 rw-p 00000000 fe:00 13059278    /usr/lib/libz.so" */
static bool parse_head(const char *line, struct mapping *m)
{
	char *dash, *at;
	*m = (struct mapping){.start = strtoul(line, &dash, 16)};
	if (*dash != '-')
		return false;
	m->end = strtoul(dash + 1, &at, 16);
	const char *permissions = behind_word(at), *path = permissions;
	if (*at != ' ' || strcspn(permissions, " \n") != sizeof m->permissions - 1)
		return false;
	memcpy(m->permissions, permissions, sizeof m->permissions - 1);
	for (int i = 0; i < 4; i++)
		path = behind_word(path);
	snprintf(m->path, sizeof m->path, "%.*s", (int)strcspn(path, "\n"), path);
	return true;
}

static bool parse_kib(const char *line, const char *name, size_t name_bytes, size_t *bytes)
{
	if (strncmp(line, name, name_bytes) != 0)
		return false;
	*bytes = strtoul(line + name_bytes, NULL, 10) << 10;
	return true;
}

static void parse_field(const char *line, struct mapping *m)
{
#define IS(name) parse_kib(line, name, sizeof(name) - 1, &bytes)
	size_t bytes;
	if (IS("Rss:"))
		m->resident += bytes;
	else if (IS("Anonymous:"))
		m->anonymous = bytes;
	else if (IS("AnonHugePages:"))
		m->huge += bytes;
	else if (IS("Private_Hugetlb:"))
		m->huge += bytes, m->resident += bytes; /* not part of Rss */
#undef IS
}

/* smaps has the mappings that maps has, each with fields, for which the kernel walks its pages: five times the time. */
static bool read_mappings(struct walk *w)
{
	FILE *f = kept_open(w->pages.pagemap < 0 ? "/proc/self/smaps" : "/proc/self/maps");
	char line[512], buffer[32 << 10];
	struct mapping m = {};
	if (f == NULL)
		return false;
	(void)setvbuf(f, buffer, _IOFBF, sizeof buffer); /* else a read for each mapping */
	while (fgets(line, sizeof line, f) != NULL) {
		struct mapping next;
		/* Fields begin with a capital, addresses do not. */
		if (line[0] >= 'A' && line[0] <= 'Z') {
			parse_field(line, &m);
		} else if (parse_head(line, &next)) {
			end_mapping(w, &m);
			m = next;
		}
	}
	end_mapping(w, &m);
	fclose(f);
	return true;
}

/* ---- the process ------------------------------------------------------------------- */

static void read_status(struct memory_reading *r)
{
	FILE *f = kept_open("/proc/self/status");
	char line[256];
	size_t number;
	if (f == NULL)
		return;
	while (fgets(line, sizeof line, f) != NULL) {
		if (sscanf(line, "VmHWM: %zu", &number) == 1)
			r->resident_peak = number << 10;
		else if (sscanf(line, "VmSize: %zu", &number) == 1)
			r->size_virtual = number << 10;
		else if (sscanf(line, "VmLck: %zu", &number) == 1)
			r->locked = number << 10;
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

static bool take(struct walk *walk, struct account *account, struct memory_reading *out)
{
	*out = (struct memory_reading){.at_ms = clock_unix_ms()};
	walk->reading = out;
	walk->own_stack_bytes = stack_bytes();
	ssize_t bytes = readlink("/proc/self/exe", walk->program, sizeof walk->program - 1);
	walk->program[bytes < 0 ? 0 : bytes] = '\0';
	heap_describe(out->heap.description, sizeof out->heap.description);
	out->heap.is_mimalloc = heap_is_mimalloc();
	heap_statistics(&out->heap.calls);
	account_read_hugetlb(account, &out->hugetlb);
	walk->held = read_holdings(account, out, &walk->held_count);
	bool good = walk->held != NULL && read_mappings(walk);
	free(walk->held);
	if (!good)
		return false;
	read_status(out);
	read_faults(out);
	process_read(&out->process);
	(void)memory_group_read("", &out->group); /* zero: no limit */
	add_up(out);
	return true;
}

bool reading_take(struct account *account, struct memory_reading *out)
{
	struct walk walk = {};
	resident_open(&walk.pages);
	bool good = take(&walk, account, out);
	resident_close(&walk.pages);
	return good;
}

bool reading_take_without_scan(struct account *account, struct memory_reading *out)
{
	struct walk walk = {.pages.pagemap = -1};
	return take(&walk, account, out);
}

const char *reading_rung_name(enum reading_rung rung)
{
	static const char *const names[] = {"requested", "reserved", "committed", "untouched",
	                                    "program",   "stacks",   "files",     "unexplained"};
	return names[rung];
}
