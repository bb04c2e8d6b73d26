#include "cmd/trovebench/trace.h"

#include "cmd/trovebench/bench.h"
#include "cmd/trovebench/stamp.h"
#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/csv.h"
#include "engine/base/histogram.h"
#include "engine/base/random.h"
#include "engine/memory/arena.h"
#include "engine/memory/pool.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LIVE = 2000, LINES = 20, HEAD_BYTES = 192, EXTENT_BYTES = 1024, CARTS_MAX = 1 << 15, GENERATIONS = 3, KEPT_ONE_IN = 10 };
enum { ARENA_BYTES = 64 << 20 };

struct trace {
	uint32_t carts, extents_live_max;
	uint32_t first[CARTS_MAX + 1]; /* extents of cart k: first[k] up to first[k + 1] */
};

/* One thread's run through the trace. */
struct runner {
	enum contestant_kind kind;
	const struct trace *trace;
	struct pool *heads, *extents;
	struct arena arenas[GENERATIONS]; /* of LIVE carts each: those of the oldest are closed */
	struct arena *arena;
	uint64_t *head_names, *extent_names; /* handles or addresses */
	uint32_t *open; /* room for the numbers of all that are open: heads, then extents */
	bool is_timed;
	struct histogram latencies;
	uint64_t worst, bytes;
	uint64_t operations;
	double seconds, seconds_wanted;
	pthread_barrier_t *start;
};

/* ---- the trace ----------------------------------------------------------------------------------- */

static void trace_path(char *path, size_t capacity)
{
	const char *folder = getenv("TROVE_DATA");
	snprintf(path, capacity, "%s/retail.csv.gz", folder == NULL ? "../shared/data" : folder);
}

bool trace_is_there(void)
{
	char path[512];
	trace_path(path, sizeof path);
	return access(path, R_OK) == 0;
}

static void add_cart(struct trace *t, uint32_t lines)
{
	if (lines == 0 || t->carts == CARTS_MAX)
		return;
	t->first[t->carts + 1] = t->first[t->carts] + (lines + LINES - 1) / LINES;
	t->carts++;
}

static void read_trace(struct trace *t)
{
	char path[512], invoice[32] = "";
	const char *reason;
	uint32_t lines = 0;
	trace_path(path, sizeof path);
	struct csv *csv = csv_open(path);
	CHECK(csv != NULL, "no %s", path);
	int column = csv_column(csv, "invoice");
	while (csv_next(csv, &reason) == CSV_RECORD) {
		const char *now = csv_field(csv, column);
		if (strcmp(now, invoice) != 0) {
			add_cart(t, lines);
			lines = 0;
			snprintf(invoice, sizeof invoice, "%s", now);
		}
		lines++;
	}
	add_cart(t, lines);
	csv_close(&csv);
	for (uint32_t k = 0; k < t->carts; k++) {
		uint32_t live = t->first[k + 1] - t->first[k < LIVE ? 0 : k - LIVE];
		t->extents_live_max = live > t->extents_live_max ? live : t->extents_live_max;
	}
}

/* ---- operations ---------------------------------------------------------------------------------- */

static inline void *take(struct runner *r, struct pool *pool, size_t bytes, uint64_t *name)
{
	void *object;
	if (r->kind == CONTESTANT_pool) {
		struct pool_handle handle;
		CHECK(pool_borrow(pool, &handle, &object) == STATUS_ok, "the pool is full");
		*name = handle.bits;
	} else {
		object = r->kind == CONTESTANT_arena ? arena_take(r->arena, bytes, 16) : malloc(bytes);
		CHECK(object != NULL, "no memory");
		*name = (uintptr_t)object;
	}
	*(volatile uint64_t *)object = *name;
	return object;
}

static inline void give(struct runner *r, struct pool *pool, uint64_t name)
{
	if (r->kind == CONTESTANT_pool)
		CHECK(pool_return(pool, &(struct pool_handle){name}) == STATUS_ok, "a handle of ours is refused");
	else if (r->kind != CONTESTANT_arena)
		free((void *)(uintptr_t)name);
}

static void record(struct runner *r, uint64_t start)
{
	uint64_t stamps = stamp() - start;
	histogram_record(&r->latencies, (int64_t)stamps);
	r->worst = stamps > r->worst ? stamps : r->worst;
}

static void open_one(struct runner *r, struct pool *pool, size_t bytes, uint64_t *name)
{
	uint64_t start = r->is_timed ? stamp() : 0;
	void *object = take(r, pool, bytes, name);
	if (r->is_timed)
		record(r, start);
	memset(object, 1, bytes);
	r->bytes += bytes;
	r->operations++;
}

static void close_one(struct runner *r, struct pool *pool, size_t bytes, uint64_t *name)
{
	if (*name == 0)
		return;
	uint64_t start = r->is_timed ? stamp() : 0;
	give(r, pool, *name);
	if (r->is_timed)
		record(r, start);
	*name = 0;
	r->bytes -= bytes;
	r->operations++;
}

static void open_cart(struct runner *r, uint32_t k)
{
	if (k % LIVE == 0) {
		r->arena = &r->arenas[k / LIVE % GENERATIONS];
		if (r->kind == CONTESTANT_arena)
			arena_reset(r->arena, 0);
	}
	open_one(r, r->heads, HEAD_BYTES, &r->head_names[k]);
	for (uint32_t i = r->trace->first[k]; i < r->trace->first[k + 1]; i++)
		open_one(r, r->extents, EXTENT_BYTES, &r->extent_names[i]);
}

static void close_cart(struct runner *r, uint32_t k)
{
	for (uint32_t i = r->trace->first[k]; i < r->trace->first[k + 1]; i++)
		close_one(r, r->extents, EXTENT_BYTES, &r->extent_names[i]);
	close_one(r, r->heads, HEAD_BYTES, &r->head_names[k]);
}

/* Leaves the last LIVE carts open. */
static void play(struct runner *r)
{
	for (uint32_t k = 0; k < r->trace->carts; k++) {
		open_cart(r, k);
		if (k >= LIVE)
			close_cart(r, k - LIVE);
	}
}

static void close_all(struct runner *r)
{
	for (uint32_t k = 0; k < r->trace->carts; k++)
		close_cart(r, k);
}

/* Objects, not carts: what was taken together does not leave together. */
static void close_all_but_some_at_random(struct runner *r)
{
	uint32_t carts = r->trace->carts, extents = r->trace->first[carts], count = 0;
	for (uint32_t i = 0; i < carts + extents; i++)
		if ((i < carts ? r->head_names[i] : r->extent_names[i - carts]) != 0)
			r->open[count++] = i;
	struct random random = {1};
	for (uint32_t left = count; left > count / KEPT_ONE_IN; left--) {
		uint32_t chosen = (uint32_t)random_below(&random, left), i = r->open[chosen];
		r->open[chosen] = r->open[left - 1];
		if (i < carts)
			close_one(r, r->heads, HEAD_BYTES, &r->head_names[i]);
		else
			close_one(r, r->extents, EXTENT_BYTES, &r->extent_names[i - carts]);
	}
}

/* ---- measuring ----------------------------------------------------------------------------------- */

static void open_runner(struct runner *r, enum contestant_kind kind, const struct trace *trace)
{
	r->kind = kind;
	r->trace = trace;
	CHECK(trace->carts != 0 && trace->first[trace->carts] != 0, "an empty trace");
	r->head_names = calloc(trace->carts, sizeof *r->head_names);
	r->extent_names = calloc(trace->first[trace->carts], sizeof *r->extent_names);
	r->open = calloc(trace->carts + trace->first[trace->carts], sizeof *r->open);
	CHECK(r->head_names != NULL && r->extent_names != NULL && r->open != NULL, "no memory");
	/* Touched now, so that they are not taken for the allocator's; a memset behind calloc is left out by the compiler. */
	explicit_bzero(r->head_names, trace->carts * sizeof *r->head_names);
	explicit_bzero(r->extent_names, trace->first[trace->carts] * sizeof *r->extent_names);
	explicit_bzero(r->open, (trace->carts + trace->first[trace->carts]) * sizeof *r->open);
	histogram_clear(&r->latencies);
}

static void open_memory(struct runner *r)
{
	struct pool_options heads = {.name = "carts",
	                             .object_bytes = HEAD_BYTES,
	                             .capacity = LIVE + 1,
	                             .pages = REGION_PAGES_transparent,
	                             .node = -1};
	struct pool_options extents = heads;
	extents.name = "extents";
	extents.object_bytes = EXTENT_BYTES;
	extents.capacity = r->trace->extents_live_max;
	if (r->kind == CONTESTANT_pool)
		CHECK(pool_setup(&r->heads, &heads) == STATUS_ok && pool_setup(&r->extents, &extents) == STATUS_ok, "no pools");
	for (unsigned i = 0; r->kind == CONTESTANT_arena && i < GENERATIONS; i++)
		CHECK(arena_init(&r->arenas[i], ARENA_BYTES, NULL) == STATUS_ok, "no arena");
}

static void close_runner(struct runner *r)
{
	pool_teardown(&r->heads);
	pool_teardown(&r->extents);
	for (unsigned i = 0; i < GENERATIONS; i++)
		arena_deinit(&r->arenas[i]);
	free(r->head_names);
	free(r->extent_names);
	free(r->open);
}

static double resident_bytes(void)
{
	unsigned long all, resident = 0;
	FILE *file = fopen("/proc/self/statm", "re");
	if (file == NULL || fscanf(file, "%lu %lu", &all, &resident) != 2)
		resident = 0;
	if (file != NULL)
		fclose(file);
	return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

static void measure_latency(struct runner *r, struct contestant_answer *a)
{
	double began = bench_now();
	uint64_t first = stamp();
	double before = resident_bytes();
	r->is_timed = true;
	open_memory(r);
	play(r);
	a->overhead = (resident_bytes() - before) / (double)r->bytes;
	r->is_timed = false; /* no shop does that */
	close_all_but_some_at_random(r);
	clock_sleep_ms(200); /* some give memory back a little later */
	a->fragmentation = (resident_bytes() - before) / (double)r->bytes;
	close_all(r);
	double ns_per_stamp = (bench_now() - began) * 1e9 / (double)(stamp() - first), timer = stamp_cost();
	a->p50 = (histogram_quantile(&r->latencies, 0.5) - timer) * ns_per_stamp;
	a->p999 = (histogram_quantile(&r->latencies, 0.999) - timer) * ns_per_stamp;
	a->worst = ((double)r->worst - timer) * ns_per_stamp;
}

static void *measure_rate(void *argument)
{
	struct runner *r = argument;
	open_memory(r);
	play(r);
	close_all(r);
	pthread_barrier_wait(r->start);
	r->operations = 0;
	double start = bench_now();
	do {
		play(r);
		close_all(r);
		r->seconds = bench_now() - start;
	} while (r->seconds < r->seconds_wanted);
	pthread_barrier_wait(r->start);
	return NULL;
}

static void measure_rates(struct runner *runners, unsigned threads, struct contestant_answer *a)
{
	pthread_barrier_t start;
	pthread_t helper;
	pthread_barrier_init(&start, NULL, threads);
	runners[0].start = runners[1].start = &start;
	if (threads == 2)
		CHECK(pthread_create(&helper, NULL, measure_rate, &runners[1]) == 0, "no thread");
	measure_rate(&runners[0]);
	if (threads == 2)
		pthread_join(helper, NULL);
	for (unsigned i = 0; i < threads; i++) {
		a->units += runners[i].operations;
		a->seconds = runners[i].seconds > a->seconds ? runners[i].seconds : a->seconds;
	}
}

struct contestant_answer trace_run(enum contestant_kind kind, const struct contestant_request *request)
{
	struct contestant_answer answer = {};
	struct trace *trace = calloc(1, sizeof *trace);
	struct runner *runners = calloc(2, sizeof *runners);
	CHECK(trace != NULL && runners != NULL, "no memory");
	read_trace(trace);
	for (unsigned i = 0; i < 2; i++) {
		open_runner(&runners[i], kind, trace);
		runners[i].seconds_wanted = request->seconds;
	}
	if (request->measure == MEASURE_TRACE_LATENCY)
		measure_latency(&runners[0], &answer);
	else
		measure_rates(runners, request->that.threads, &answer);
	for (unsigned i = 0; i < 2; i++)
		close_runner(&runners[i]);
	free(runners);
	free(trace);
	return answer;
}
