/* The loops are written once and inlined for each contestant: same work, same touches. */
#include "cmd/trovebench/contest.h"

#include "cmd/trovebench/bench.h"
#include "cmd/trovebench/stamp.h"
#include "engine/base/check.h"
#include "engine/base/histogram.h"
#include "engine/base/random.h"
#include "engine/memory/pool.h"

#include <pthread.h>
#include <stdlib.h>

enum { HELD = 10000, SLOTS = 1 << 14, DRAWS = 1 << 15, SIZE_BIT = 1 << 15, CLASSES = 2, LATENCIES = 40000, RESOLVED = 1000 };

static const size_t object_bytes[CLASSES] = {64, 512};

/* The reference: cells linked through their first word, nothing checked or counted. */
struct list {
	void *head;
	struct region cells;
};

/* The least that a pool with checks does: a stack of handles, a word for each slot, a count of borrows. All sizes are known
 * to the compiler, and nobody else may read it. */
struct checked {
	uint64_t *top, borrowed;
	uint64_t words[SLOTS], handles[HELD];
	struct region cells;
};

struct worker {
	struct contest *contest;
	struct list lists[CLASSES];
	struct checked checked[CLASSES];
	struct pool *pools[CLASSES];
	uint64_t held[HELD]; /* handles or addresses; 0: none */
	uint8_t class[HELD];
	uint16_t draws[DRAWS]; /* which is returned; the top bit: how large its successor is */
	struct histogram latencies;
	uint64_t worst, empty_worst;
	uint64_t units;
	double seconds;
};

struct contest {
	enum contestant_kind kind;
	struct contestant_request request;
	struct worker workers[2];
	pthread_t helper;
	pthread_barrier_t start, end;
	bool has_helper, is_stopping;
};

/* ---- one operation of each contestant -------------------------------------------------------- */

#define FORCE_INLINE [[gnu::always_inline]] static inline

/* The slot's number, with something above it that a forger does not know, over the generation. */
static inline size_t checked_slot(uint64_t name) { return name >> 32 & (SLOTS - 1); }

FORCE_INLINE uint64_t take(struct worker *w, enum contestant_kind kind, unsigned class)
{
	void *object;
	uint64_t name;
	if (kind == CONTESTANT_pool) {
		struct pool_handle handle;
		if (pool_borrow(w->pools[class], &handle, &object) != STATUS_ok)
			abort();
		name = handle.bits;
	} else if (kind == CONTESTANT_list) {
		object = w->lists[class].head;
		w->lists[class].head = *(void **)object;
		name = (uintptr_t)object;
	} else if (kind == CONTESTANT_checked) {
		struct checked *c = &w->checked[class];
		if (c->top == c->handles)
			abort();
		name = *--c->top;
		c->borrowed++;
		c->words[checked_slot(name)] = name;
		object = c->cells.bytes + checked_slot(name) * object_bytes[class];
	} else {
		object = malloc(object_bytes[class]);
		if (object == NULL)
			abort();
		name = (uintptr_t)object;
	}
	*(volatile uint64_t *)object = name;
	return name;
}

FORCE_INLINE void give(struct worker *w, enum contestant_kind kind, unsigned class, uint64_t name)
{
	if (kind == CONTESTANT_pool) {
		if (pool_return(w->pools[class], &(struct pool_handle){name}) != STATUS_ok)
			abort();
	} else if (kind == CONTESTANT_list) {
		void **cell = (void **)(uintptr_t)name;
		*cell = w->lists[class].head;
		w->lists[class].head = cell;
	} else if (kind == CONTESTANT_checked) {
		struct checked *c = &w->checked[class];
		if (c->words[checked_slot(name)] != name || (uint32_t)name == UINT32_MAX)
			abort();
		c->words[checked_slot(name)] = ~name;
		*c->top++ = name + 1;
	} else {
		free((void *)(uintptr_t)name);
	}
}

/* ---- loops ------------------------------------------------------------------------------------- */

FORCE_INLINE uint64_t lifo(struct worker *w, enum contestant_kind kind, unsigned class)
{
	for (unsigned i = 0; i < HELD; i++)
		w->held[i] = take(w, kind, class);
	for (unsigned i = HELD; i-- > 0;)
		give(w, kind, class, w->held[i]);
	return HELD;
}

/* In a program the two stand apart. Without this the compiler folds the bare list's into nothing. */
static inline void stand_apart(void) { __asm__ volatile("" : : : "memory"); }

FORCE_INLINE uint64_t any_order(struct worker *w, enum contestant_kind kind, unsigned class)
{
	for (unsigned k = 0; k < DRAWS; k++) {
		unsigned i = w->draws[k] & (SIZE_BIT - 1);
		give(w, kind, class, w->held[i]);
		stand_apart();
		w->held[i] = take(w, kind, class);
	}
	return DRAWS;
}

FORCE_INLINE uint64_t mixed(struct worker *w, enum contestant_kind kind)
{
	for (unsigned k = 0; k < DRAWS; k++) {
		unsigned i = w->draws[k] & (SIZE_BIT - 1);
		give(w, kind, w->class[i], w->held[i]);
		stand_apart();
		w->class[i] = (w->draws[k] & SIZE_BIT) != 0;
		w->held[i] = take(w, kind, w->class[i]);
	}
	return DRAWS;
}

FORCE_INLINE uint64_t run_as(struct worker *w, enum contestant_kind kind, const struct contestant_case *c)
{
	if (c->sizes == SIZES_MIXED)
		return mixed(w, kind);
	if (c->is_random)
		return c->sizes == SIZES_64 ? any_order(w, kind, 0) : any_order(w, kind, 1);
	return c->sizes == SIZES_64 ? lifo(w, kind, 0) : lifo(w, kind, 1);
}

[[gnu::noinline]] static uint64_t run_list(struct worker *w, const struct contestant_case *c)
{
	return run_as(w, CONTESTANT_list, c);
}
[[gnu::noinline]] static uint64_t run_checked(struct worker *w, const struct contestant_case *c)
{
	return run_as(w, CONTESTANT_checked, c);
}
[[gnu::noinline]] static uint64_t run_pool(struct worker *w, const struct contestant_case *c)
{
	return run_as(w, CONTESTANT_pool, c);
}
[[gnu::noinline]] static uint64_t run_malloc(struct worker *w, const struct contestant_case *c)
{
	return run_as(w, CONTESTANT_glibc, c);
}

static uint64_t run_once(struct worker *w, const struct contestant_case *c)
{
	switch (w->contest->kind) {
	case CONTESTANT_list: return run_list(w, c);
	case CONTESTANT_checked: return run_checked(w, c);
	case CONTESTANT_pool: return run_pool(w, c);
	default: return run_malloc(w, c);
	}
}

/* Handles of 1,000 objects, all in the first cache. */
static uint64_t resolve_once(struct worker *w)
{
	uint64_t sum = 0;
	for (unsigned i = 0; i < RESOLVED; i++)
		sum += (uintptr_t)pool_resolve(w->pools[0], (struct pool_handle){w->held[i]});
	bench_use(sum);
	return RESOLVED;
}

/* ---- latency of single operations ---------------------------------------------------------------- */

#define TIMED(w, operation) \
	do { \
		uint64_t start_ = stamp(); \
		operation; \
		uint64_t end_ = stamp(); \
		if (end_ - start_ > (w)->worst) \
			(w)->worst = end_ - start_; \
		histogram_record(&(w)->latencies, (int64_t)(end_ - start_)); \
	} while (0)

FORCE_INLINE void time_as(struct worker *w, enum contestant_kind kind, const struct contestant_case *c)
{
	unsigned class = c->sizes == SIZES_512;
	for (unsigned k = 0; c->is_random && k < LATENCIES; k++) {
		unsigned draw = w->draws[k % DRAWS];
		unsigned i = draw & (SIZE_BIT - 1);
		unsigned next = c->sizes == SIZES_MIXED ? (draw & SIZE_BIT) != 0 : class;
		TIMED(w, (give(w, kind, w->class[i], w->held[i]), w->held[i] = take(w, kind, next)));
		w->class[i] = (uint8_t)next;
	}
	for (unsigned round = 0; !c->is_random && round < LATENCIES / (2 * HELD); round++) {
		for (unsigned i = 0; i < HELD; i++)
			TIMED(w, w->held[i] = take(w, kind, class));
		for (unsigned i = HELD; i-- > 0;)
			TIMED(w, give(w, kind, class, w->held[i]));
	}
}

[[gnu::noinline]] static void time_operations(struct worker *w, const struct contestant_case *c)
{
	switch (w->contest->kind) {
	case CONTESTANT_list: time_as(w, CONTESTANT_list, c); break;
	case CONTESTANT_checked: time_as(w, CONTESTANT_checked, c); break;
	case CONTESTANT_pool: time_as(w, CONTESTANT_pool, c); break;
	default: time_as(w, CONTESTANT_glibc, c); break;
	}
}

/* As long as the operations took: what interrupts those, interrupts this as often. */
static void time_nothing(struct worker *w, uint64_t stamps)
{
	uint64_t end = stamp() + stamps;
	for (uint64_t start = 0, now = 0; now < end;) {
		start = stamp();
		now = stamp();
		if (now - start > w->empty_worst)
			w->empty_worst = now - start;
		bench_use(now);
	}
}

/* Fills p50 and so on from the histograms of stamps. */
static void read_latencies(struct worker *w, struct contestant_answer *a, double ns_per_stamp, double timer)
{
	a->p50 = (histogram_quantile(&w->latencies, 0.5) - timer) * ns_per_stamp;
	a->p99 = (histogram_quantile(&w->latencies, 0.99) - timer) * ns_per_stamp;
	a->p999 = (histogram_quantile(&w->latencies, 0.999) - timer) * ns_per_stamp;
	a->worst = ((double)w->worst - timer) * ns_per_stamp;
	a->empty_worst = ((double)w->empty_worst - timer) * ns_per_stamp;
}

/* ---- working sets ---------------------------------------------------------------------------------- */

static void map_cells(struct region *cells, size_t bytes)
{
	const struct region_options options = {
		.name = "list", .pages = REGION_PAGES_transparent, .node = -1, .prefault = true};
	CHECK(region_open(cells, bytes * HELD, &options) == STATUS_ok, "no memory");
}

static void open_checked(struct checked *c, size_t bytes)
{
	map_cells(&c->cells, bytes);
	c->top = c->handles;
	for (unsigned i = HELD; i-- > 0;) {
		uint64_t name = (uint64_t)(0x5eed * SLOTS + i) << 32 | 1;
		c->words[i] = ~name;
		*c->top++ = name;
	}
}

static void open_cells(struct list *list, size_t bytes)
{
	map_cells(&list->cells, bytes);
	for (unsigned i = HELD; i-- > 0;) {
		void **cell = (void **)(void *)(list->cells.bytes + i * bytes);
		*cell = list->head;
		list->head = cell;
	}
}

static void open_worker(struct worker *w, const struct contestant_case *c)
{
	struct random random = {42};
	for (unsigned k = 0; k < DRAWS; k++)
		w->draws[k] = (uint16_t)(random_below(&random, HELD) | (random_below(&random, 2) ? SIZE_BIT : 0));
	for (unsigned i = 0; i < CLASSES; i++) {
		struct pool_options options = {.name = i == 0 ? "bench.64" : "bench.512",
		                               .object_bytes = object_bytes[i],
		                               .capacity = HELD,
		                               .pages = REGION_PAGES_transparent,
		                               .node = -1};
		if (w->contest->kind == CONTESTANT_list)
			open_cells(&w->lists[i], object_bytes[i]);
		else if (w->contest->kind == CONTESTANT_checked)
			open_checked(&w->checked[i], object_bytes[i]);
		else if (w->contest->kind == CONTESTANT_pool)
			CHECK(pool_setup(&w->pools[i], &options) == STATUS_ok, "no pool");
	}
	for (unsigned i = 0; c->is_random && i < HELD; i++) {
		w->class[i] = c->sizes == SIZES_MIXED ? i % 2 : c->sizes == SIZES_512;
		w->held[i] = take(w, w->contest->kind, w->class[i]);
	}
}

static void close_worker(struct worker *w, const struct contestant_case *c)
{
	for (unsigned i = 0; c->is_random && i < HELD; i++)
		give(w, w->contest->kind, w->class[i], w->held[i]);
	for (unsigned i = 0; i < CLASSES; i++) {
		region_close(&w->lists[i].cells);
		region_close(&w->checked[i].cells);
		w->lists[i].head = NULL;
		pool_teardown(&w->pools[i]);
	}
}

/* ---- answering --------------------------------------------------------------------------------------- */

static void measure(struct worker *w)
{
	const struct contestant_request *r = &w->contest->request;
	double start = bench_now();
	w->units = 0;
	if (r->measure == MEASURE_LATENCY) {
		histogram_clear(&w->latencies);
		w->worst = w->empty_worst = 0;
		uint64_t first = stamp();
		time_operations(w, &r->that);
		time_nothing(w, stamp() - first);
		w->units = LATENCIES;
	} else {
		do
			w->units += r->measure == MEASURE_RESOLVE ? resolve_once(w) : run_once(w, &r->that);
		while (bench_now() - start < r->seconds);
	}
	w->seconds = bench_now() - start;
}

/* Each request finds fresh working sets and a warm-up behind it: cases do not see each other. */
static void serve(struct worker *w)
{
	struct contest *t = w->contest;
	open_worker(w, &t->request.that);
	run_once(w, &t->request.that);
	run_once(w, &t->request.that);
	if (t->request.that.threads == 2)
		pthread_barrier_wait(&t->start);
	measure(w);
	if (t->request.that.threads == 2)
		pthread_barrier_wait(&t->end);
	close_worker(w, &t->request.that);
}

static void *help(void *argument)
{
	struct worker *w = argument;
	for (;;) {
		pthread_barrier_wait(&w->contest->start);
		if (w->contest->is_stopping)
			return NULL;
		serve(w);
		pthread_barrier_wait(&w->contest->end);
	}
}

struct contest *contest_create(enum contestant_kind kind)
{
	struct contest *t = calloc(1, sizeof *t);
	CHECK(t != NULL, "no memory");
	t->kind = kind;
	t->workers[0].contest = t->workers[1].contest = t;
	return t;
}

/* Not before it is needed: glibc is faster in a process that never had a second thread. */
static void start_helper(struct contest *t)
{
	pthread_barrier_init(&t->start, NULL, 2);
	pthread_barrier_init(&t->end, NULL, 2);
	CHECK(pthread_create(&t->helper, NULL, help, &t->workers[1]) == 0, "no thread");
	t->has_helper = true;
}

void contest_destroy(struct contest **contest)
{
	struct contest *t = *contest;
	if (t->has_helper) {
		t->is_stopping = true;
		pthread_barrier_wait(&t->start);
		pthread_join(t->helper, NULL);
	}
	free(t);
	*contest = NULL;
}

struct contestant_answer contest_run(struct contest *t, const struct contestant_request *request)
{
	struct contestant_answer answer = {};
	double start = bench_now();
	uint64_t first = stamp();
	t->request = *request;
	if (request->that.threads == 2) {
		if (!t->has_helper)
			start_helper(t);
		pthread_barrier_wait(&t->start);
	}
	serve(&t->workers[0]);
	if (request->that.threads == 2)
		pthread_barrier_wait(&t->end);
	double ns_per_stamp = (bench_now() - start) * 1e9 / (double)(stamp() - first);
	for (unsigned i = 0; i < request->that.threads; i++) {
		struct worker *w = &t->workers[i];
		answer.units += w->units;
		answer.seconds = w->seconds > answer.seconds ? w->seconds : answer.seconds;
	}
	if (request->measure == MEASURE_LATENCY)
		read_latencies(&t->workers[0], &answer, ns_per_stamp, stamp_cost());
	return answer;
}
