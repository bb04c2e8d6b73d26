/* A reading as metrics: what each holding, pool and rung has, the heap, the process, its cgroup. */
#include "engine/base/check.h"
#include "engine/memory/reading.h"

/* ---- tables ------------------------------------------------------------------------- */

/* Of each holding; the members are reading_holding's. */
#define HOLDING_METRICS(M) \
	M(gauge, holding, reserved, "allocator_reserved_bytes", holding, \
	  "Reserved at the start or for a snapshot; trovectl memory names the option that sizes it.") \
	M(gauge, holding, in_use, "allocator_in_use_bytes", holding, \
	  "In use within what is reserved; near the reserve: raise the option.") \
	M(gauge, holding, high_water, "allocator_high_water_bytes", holding, \
	  "The most that was in use since the start; far below the reserve: lower the option.") \
	M(gauge, holding, resident, "allocator_resident_bytes", holding, \
	  "Of what is reserved, in memory now; below the reserve where memory.prefault is off: faults are to come.")

/* Of each pool. */
#define POOL_METRICS(M) \
	M(gauge, pool, capacity, "allocator_pool_capacity_objects", pool, \
	  "Objects that the pool can hand out; trovectl memory names the option that sets it.") \
	M(gauge, pool, in_use, "allocator_pool_in_use_objects", pool, \
	  "Objects that are borrowed; near the capacity, events are soon answered pool_exhausted: raise the option.") \
	M(gauge, pool, high_water, "allocator_pool_high_water_objects", pool, \
	  "The most that were borrowed at once since the start; far below the capacity: lower the option.") \
	M(counter, pool, borrowed, "allocator_pool_borrowed_total", pool, \
	  "Objects borrowed; less those returned it is what is in use: growing apart under steady load is a leak.") \
	M(counter, pool, returned, "allocator_pool_returned_total", pool, \
	  "Objects given back; see the borrowed ones.") \
	M(counter, pool, exhausted, "allocator_pool_exhausted_total", pool, \
	  "Borrows that found the pool empty, also where a closed cart or payment then made room; rising together with " \
	  "trove_events_refused_total pool_exhausted: raise the option that sizes it, or find out who holds its objects.") \
	M(counter, pool, stale, "allocator_pool_stale_total", pool, \
	  "Handles that named no borrowed object any more; rising: report a defect.") \
	M(gauge, pool, retired, "allocator_pool_retired_objects", pool, \
	  "Slots out of use because their handles are used up; each costs capacity until the next start.")

#define HEAP_METRICS(M) \
	M(gauge, heap, ladder, "allocator_ladder_bytes", rung, \
	  "What adds up to the resident set, rung by rung; a large unexplained one: see trovectl memory --doctor.") \
	M(gauge, heap, resident, "allocator_heap_resident_bytes", none, \
	  "Resident pages of the general heap; far above the live and the waiting bytes: fragmentation.") \
	M(gauge, heap, live, "allocator_heap_live_bytes", none, \
	  "Alive in the general heap; rising without end: a leak, see trovectl memory --doctor.") \
	M(gauge, heap, waiting, "allocator_heap_waiting_bytes", none, \
	  "Freed blocks of the general heap that wait for the next message: 64 MiB at most, given back after some 10 s.") \
	M(counter, heap, allocations, "allocator_heap_allocations_total", none, \
	  "Blocks taken from the general heap, mostly by libraries; per event it should not rise.") \
	M(counter, heap, frees, "allocator_heap_frees_total", none, \
	  "Blocks given back to the general heap; falling behind the allocations: a leak.") \
	M(counter, heap, frozen, "allocator_frozen_allocations_total", none, \
	  "Allocations of trove's own on threads that answer events, after the start; not 0: report a defect.")

#define HUGETLB_METRICS(M) \
	M(gauge, hugetlb, wanted, "allocator_hugetlb_wanted_bytes", none, \
	  "Bytes held that were wanted in hugetlb pages (memory.pages 2m, 1g); 0: that was not asked for.") \
	M(gauge, hugetlb, missed, "allocator_hugetlb_missed_bytes", none, \
	  "Of the wanted ones those that are in ordinary pages; not 0: reserve more (vm.nr_hugepages) and start again.")

#define PROCESS_METRICS(M) \
	M(counter, process, cpu_s, "process_cpu_seconds_total", none, \
	  "Processor time of all threads; a rate near the number of processors: give it more, or spread the load.") \
	M(gauge, process, resident, "process_resident_memory_bytes", none, \
	  "Resident set; above the memory bill (troved --check): see trovectl memory --doctor.") \
	M(gauge, process, size_virtual, "process_virtual_memory_bytes", none, \
	  "Address space; says nothing about memory.") \
	M(gauge, process, open_files, "process_open_fds", none, \
	  "Open file descriptors; near the limit new peers are refused: raise ulimit -n, or find who connects so often.") \
	M(gauge, process, open_files_max, "process_max_fds", none, \
	  "How many there may be; ulimit -n sets it.") \
	M(gauge, process, threads, "process_threads", none, \
	  "Threads; it stands still after the start, else report a defect.") \
	M(counter, process, minor_faults, "trove_process_minor_faults_total", none, \
	  "Page faults without input; rising under steady load: memory is not prefaulted (memory.prefault).") \
	M(counter, process, major_faults, "trove_process_major_faults_total", none, \
	  "Page faults that read from disk; rising: the machine is short of memory.")

#define GROUP_METRICS(M) \
	M(gauge, group, limit, "trove_cgroup_limit_bytes", none, \
	  "Limit of memory of the cgroup that trove runs in; below the memory bill trove does not start.") \
	M(gauge, group, current, "trove_cgroup_current_bytes", none, \
	  "Memory of all processes in the cgroup, with file pages that the system drops when it needs them.") \
	M(counter, group, failures, "trove_cgroup_limit_reached_total", none, \
	  "How often the limit of the cgroup was reached; rising: see trovectl memory --doctor.") \
	M(counter, group, kills, "trove_cgroup_kills_total", none, \
	  "Processes of the cgroup that were ended for want of memory; not 0: raise its limit, or move the others out.")

enum { METRIC_SERIES_rung = RUNG_COUNT, METRIC_SERIES_pool = 1, METRIC_SERIES_holding = 1 };

struct holding_metrics {
	HOLDING_METRICS(METRIC_VALUE)
};
struct pool_metrics {
	POOL_METRICS(METRIC_VALUE)
};
struct heap_metrics {
	HEAP_METRICS(METRIC_VALUE)
};
struct hugetlb_metrics {
	HUGETLB_METRICS(METRIC_VALUE)
};
struct process_metrics {
	PROCESS_METRICS(METRIC_VALUE)
};
struct group_metrics {
	GROUP_METRICS(METRIC_VALUE)
};

static const char *rung_value(unsigned index) { return reading_rung_name((enum reading_rung)index); }
static const struct metric_label metric_label_rung = {"rung", METRIC_SERIES_rung, rung_value};
/* One series for each of those that there are: written below. */
static const struct metric_label metric_label_pool = {.name = "name, node"};
static const struct metric_label metric_label_holding = {.name = "kind, name, node"};

enum { TABLE_holdings, TABLE_pools, TABLE_heap, TABLE_hugetlb, TABLE_process, TABLE_group };

const struct metric_table reading_metric_tables[] = {
	[TABLE_holdings] = METRIC_TABLE(HOLDING_METRICS(METRIC_ROW)),
	[TABLE_pools] = METRIC_TABLE(POOL_METRICS(METRIC_ROW)),
	[TABLE_heap] = METRIC_TABLE(HEAP_METRICS(METRIC_ROW)),
	[TABLE_hugetlb] = METRIC_TABLE(HUGETLB_METRICS(METRIC_ROW)),
	[TABLE_process] = METRIC_TABLE(PROCESS_METRICS(METRIC_ROW)),
	[TABLE_group] = METRIC_TABLE(GROUP_METRICS(METRIC_ROW)),
};
const size_t reading_metric_table_count = COUNT_OF(reading_metric_tables);

/* ---- holdings ----------------------------------------------------------------------- */

static struct holding_metrics holding_values(const struct reading_holding *h)
{
	return (struct holding_metrics){{(double)h->reserved}, {(double)h->in_use}, {(double)h->high_water},
	                                {(double)h->resident}};
}

static struct pool_metrics pool_values(const struct reading_holding *h)
{
	const struct pool_statistics *s = &h->pool;
	return (struct pool_metrics){
		.capacity = {s->capacity},
		.in_use = {s->in_use},
		.high_water = {s->high_water},
		.borrowed = {(double)s->borrowed_total},
		.returned = {(double)s->returned_total},
		.exhausted = {(double)s->exhausted_total},
		.stale = {(double)s->stale_total},
		.retired = {s->retired},
	};
}

static double value_at(const void *values, const struct metric *m)
{
	return *(const double *)(const void *)((const char *)values + m->offset);
}

/* What is kept on several nodes has a series for each. */
static void finish_holding(struct metric_page *page, const struct metric *m, const void *values, int node)
{
	if (node >= 0)
		cursor_format(page->out, ",node=\"%d\"", node);
	cursor_literal(page->out, "}");
	metric_write_number(page, value_at(values, m));
}

static void write_holding(struct metric_page *page, const struct metric *m, const struct reading_holding *h)
{
	const struct holding_metrics values = holding_values(h);
	cursor_format(page->out, "%s{kind=\"%s\",name=\"%s\"", m->name, holding_kind_name(h->kind), h->name);
	finish_holding(page, m, &values, h->node);
}

static void write_pool(struct metric_page *page, const struct metric *m, const struct reading_holding *h)
{
	const struct pool_metrics values = pool_values(h);
	cursor_format(page->out, "%s{name=\"%s\"", m->name, h->name);
	finish_holding(page, m, &values, h->node);
}

/* A family's series stand together, so each row goes through all holdings. */
static void write_holdings(const struct memory_reading *r, struct metric_page *page, unsigned table, bool only_pools,
                           void (*write)(struct metric_page *, const struct metric *, const struct reading_holding *))
{
	const struct metric_table *t = &reading_metric_tables[table];
	for (const struct metric *m = t->rows; m < t->rows + t->count; m++) {
		metric_write_head(page, m);
		for (unsigned i = 0; i < r->holding_count; i++)
			if (!only_pools || r->holdings[i].kind == HOLDING_pool)
				write(page, m, &r->holdings[i]);
	}
}

/* ---- the rest ------------------------------------------------------------------------- */

static void write_heap(const struct memory_reading *r, struct metric_page *page)
{
	struct heap_metrics heap = {
		.resident = {(double)r->heap.resident},
		.live = {(double)r->heap.calls.live_bytes},
		.waiting = {(double)r->heap.calls.waiting_bytes},
		.allocations = {(double)r->heap.calls.allocations_total},
		.frees = {(double)r->heap.calls.frees_total},
		.frozen = {(double)r->heap.calls.frozen_allocations_total},
	};
	for (unsigned i = 0; i < RUNG_COUNT; i++)
		heap.ladder[i] = (double)r->ladder[i];
	metric_write_values(page, &reading_metric_tables[TABLE_heap], &heap);
}

static void write_hugetlb(const struct account_hugetlb *h, struct metric_page *page)
{
	const struct hugetlb_metrics values = {.wanted = {(double)h->wanted}, .missed = {(double)h->missed}};
	metric_write_values(page, &reading_metric_tables[TABLE_hugetlb], &values);
}

static void write_process(const struct memory_reading *r, struct metric_page *page)
{
	const struct process_metrics process = {
		.cpu_s = {(double)r->process.cpu_ns * 1e-9},
		.resident = {(double)r->resident},
		.size_virtual = {(double)r->size_virtual},
		.open_files = {(double)r->process.open_files},
		.open_files_max = {(double)r->process.open_files_max},
		.threads = {r->threads},
		.minor_faults = {(double)r->minor_faults},
		.major_faults = {(double)r->major_faults},
	};
	metric_write_values(page, &reading_metric_tables[TABLE_process], &process);
}

static void write_group(const struct memory_group *g, struct metric_page *page)
{
	if (g->limit == 0)
		return;
	const struct group_metrics group = {
		.limit = {(double)g->limit},
		.current = {(double)g->current},
		.failures = {(double)g->failures},
		.kills = {(double)g->kills},
	};
	metric_write_values(page, &reading_metric_tables[TABLE_group], &group);
}

void reading_write_metrics(const struct memory_reading *r, struct metric_page *page)
{
	write_holdings(r, page, TABLE_holdings, false, write_holding);
	write_holdings(r, page, TABLE_pools, true, write_pool);
	write_heap(r, page);
	write_hugetlb(&r->hugetlb, page);
	reading_write_process_metrics(r, page);
}

void reading_write_process_metrics(const struct memory_reading *r, struct metric_page *page)
{
	write_process(r, page);
	write_group(&r->group, page);
}
