#include "engine/memory/heap_sample.h"

#include "engine/base/probe.h"
#include "engine/base/random.h"
#include "engine/memory/heap_private.h"

#include <math.h>
#include <pthread.h>
#include <string.h>
#include <sys/random.h>

enum { CHAINS = 1024, NONE = 0 };

/* Process-wide, like malloc itself. Rows are named by their number plus one. */
static struct {
	pthread_mutex_t lock;
	struct heap_sample *rows;
	uint32_t capacity, touched, live, first_free;
	_Atomic uint32_t chains[CHAINS]; /* by address; changed under the lock */
	uint64_t period;
	_Atomic uint32_t epoch; /* of the period */
	struct random random;
	uint64_t taken_total, dropped_total;
	struct region region;
	struct holding holding;
} table = {.lock = PTHREAD_MUTEX_INITIALIZER, .epoch = 1};

static _Atomic uint32_t *chain_of(const void *block)
{
	return &table.chains[((uintptr_t)block / HEAP_LARGE_PAGE * 0x9e3779b97f4a7c15u) >> 54];
}
static_assert(CHAINS == 1 << (64 - 54));

static uint32_t first_of(const void *block) { return atomic_load_explicit(chain_of(block), memory_order_relaxed); }

/* ---- points ------------------------------------------------------------------------------------------ */

static uint64_t draw_distance(void)
{
	double share = ((double)(random_next(&table.random) >> 11) + 1) * 0x1p-53; /* (0, 1] */
	return (uint64_t)(-log(share) * (double)table.period) + 1;
}

static bool is_of_older_period(const struct heap_cell *c)
{
	return atomic_load_explicit(&c->epoch, memory_order_relaxed) !=
	       atomic_load_explicit(&table.epoch, memory_order_relaxed);
}

static bool is_past_point(const struct heap_cell *c, uint64_t allocated)
{
	return allocated >= atomic_load_explicit(&c->point, memory_order_relaxed);
}

static void set_point(struct heap_cell *c, uint64_t from)
{
	uint64_t point = table.period == 0 ? UINT64_MAX : from + draw_distance();
	atomic_store_explicit(&c->point, point, memory_order_relaxed);
	atomic_store_explicit(&c->epoch, atomic_load_explicit(&table.epoch, memory_order_relaxed), memory_order_relaxed);
}

bool heap_sample_is_due(struct heap_cell *c, uint64_t allocated, size_t bytes, bool is_shared)
{
	if (!is_of_older_period(c) && !is_past_point(c, allocated))
		return false;
	pthread_mutex_lock(&table.lock);
	if (is_of_older_period(c))
		set_point(c, allocated - bytes);
	bool is_due = is_past_point(c, allocated);
	if (is_due)
		set_point(c, allocated);
	if (!is_shared)
		atomic_store_explicit(&c->look_at, atomic_load_explicit(&c->point, memory_order_relaxed), memory_order_relaxed);
	pthread_mutex_unlock(&table.lock);
	return is_due;
}

void heap_sample_set_period(uint64_t bytes, uint64_t seed)
{
	if (seed == 0 && getrandom(&seed, sizeof seed, 0) != sizeof seed)
		seed = (uint64_t)(uintptr_t)&seed;
	pthread_mutex_lock(&table.lock);
	table.period = table.rows == NULL ? 0 : bytes;
	table.random.state = seed;
	atomic_fetch_add_explicit(&table.epoch, 1, memory_order_relaxed);
	for (unsigned i = 0; i < HEAP_THREADS_MAX; i++) /* each thread looks with its next block */
		atomic_store_explicit(&heap_counters.cells[i].look_at, 0, memory_order_relaxed);
	pthread_mutex_unlock(&table.lock);
}

/* ---- the table --------------------------------------------------------------------------------------- */

static struct heap_sample *take_row(void)
{
	if (table.first_free != NONE) {
		struct heap_sample *row = &table.rows[table.first_free - 1];
		table.first_free = row->next;
		return row;
	}
	return table.touched < table.capacity ? &table.rows[table.touched++] : NULL;
}

bool heap_sample_add(const void *block, size_t bytes, const struct call_site *site)
{
	uintptr_t frames[HEAP_SAMPLE_FRAMES];
	unsigned count = call_stack_take(site, frames, HEAP_SAMPLE_FRAMES);
	pthread_mutex_lock(&table.lock);
	struct heap_sample *row = table.period == 0 ? NULL : take_row();
	if (row != NULL) {
		*row = (struct heap_sample){.block = block, .bytes = bytes, .period = table.period, .next = first_of(block),
		                            .frame_count = count};
		memcpy(row->frames, frames, count * sizeof *frames);
		atomic_store_explicit(chain_of(block), (uint32_t)(row - table.rows) + 1, memory_order_relaxed);
		holding_use(&table.holding, ++table.live * sizeof *row);
		table.taken_total++;
	} else {
		table.dropped_total++;
	}
	pthread_mutex_unlock(&table.lock);
	if (row != NULL && PROBE_IS_ON(heap_sample)) {
		struct heap_sample s = {.bytes = bytes, .period = table.period};
		PROBE3(heap_sample, block, bytes, s.period == 0 ? 0 : (uint64_t)(heap_sample_weight(&s) * (double)bytes));
	}
	return row != NULL;
}

static struct heap_sample *find(const void *block)
{
	for (uint32_t at = first_of(block); at != NONE; at = table.rows[at - 1].next)
		if (table.rows[at - 1].block == block)
			return &table.rows[at - 1];
	return NULL;
}

/* Whoever has a sampled block had it from the thread that entered it: an empty chain is told without the lock. */
bool heap_sample_find(const void *block, size_t *bytes)
{
	if (first_of(block) == NONE)
		return false;
	pthread_mutex_lock(&table.lock);
	const struct heap_sample *row = find(block);
	if (row != NULL)
		*bytes = row->bytes;
	pthread_mutex_unlock(&table.lock);
	return row != NULL;
}

bool heap_sample_forget(const void *block, size_t *bytes)
{
	if (first_of(block) == NONE)
		return false;
	pthread_mutex_lock(&table.lock);
	struct heap_sample *row = find(block);
	if (row != NULL) {
		PROBE2(heap_sample_free, block, row->bytes);
		uint32_t number = (uint32_t)(row - table.rows) + 1;
		if (first_of(block) == number) {
			atomic_store_explicit(chain_of(block), row->next, memory_order_relaxed);
		} else {
			uint32_t at = first_of(block);
			while (table.rows[at - 1].next != number)
				at = table.rows[at - 1].next;
			table.rows[at - 1].next = row->next;
		}
		*bytes = row->bytes;
		row->block = NULL;
		row->next = table.first_free;
		table.first_free = number;
		holding_use(&table.holding, --table.live * sizeof *row);
	}
	pthread_mutex_unlock(&table.lock);
	return row != NULL;
}

status heap_sample_setup(struct account *account, uint32_t capacity)
{
	table.holding = (struct holding){.name = "heap samples", .option = "memory.heap_samples_max", .kind = HOLDING_buffer};
	status s = account_open(account, &table.region, &table.holding, capacity * sizeof *table.rows, 0, ACCOUNT_NODE);
	if (s != STATUS_ok)
		return s;
	pthread_mutex_lock(&table.lock);
	table.rows = (struct heap_sample *)(void *)table.region.bytes;
	table.capacity = capacity;
	pthread_mutex_unlock(&table.lock);
	return STATUS_ok;
}

void heap_sample_teardown(void)
{
	heap_sample_set_period(0, 1);
	pthread_mutex_lock(&table.lock);
	for (unsigned i = 0; i < CHAINS; i++)
		atomic_store_explicit(&table.chains[i], NONE, memory_order_relaxed);
	table.rows = NULL;
	table.capacity = table.touched = table.live = table.first_free = 0;
	pthread_mutex_unlock(&table.lock);
	account_close(&table.region, &table.holding);
}

void heap_sample_bill(uint32_t capacity, struct bill *bill)
{
	bill_add(bill, "memory", "memory.heap_samples_max", capacity, sizeof(struct heap_sample),
	         "samples of the heap's blocks with their call stacks");
}

/* ---- what people see --------------------------------------------------------------------------------- */

void heap_sample_statistics(struct heap_sample_statistics *out)
{
	pthread_mutex_lock(&table.lock);
	*out = (struct heap_sample_statistics){table.period, table.capacity, table.live, table.taken_total, table.dropped_total};
	pthread_mutex_unlock(&table.lock);
}

uint32_t heap_sample_read(uint32_t *from, struct heap_sample *out, uint32_t most)
{
	uint32_t count = 0;
	pthread_mutex_lock(&table.lock);
	for (; *from < table.touched && count < most; ++*from)
		if (table.rows[*from].block != NULL)
			out[count++] = table.rows[*from];
	pthread_mutex_unlock(&table.lock);
	return count;
}

double heap_sample_weight(const struct heap_sample *s) { return -1 / expm1(-(double)s->bytes / (double)s->period); }
