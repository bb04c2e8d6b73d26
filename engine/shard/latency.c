/*
 * Design note. A recorder's cells are 32 bits wide and run around; the life's are 64. What came since the last
 * collection is the difference modulo 2^32, for less than 2^32 events of a type and duration fall between two. The last
 * minute is the life less what it was at the oldest of some moments that are kept. A mask tells which octaves of a
 * histogram were ever used, so that collecting looks at a few lines of each and not at 8 KiB.
 *
 * A message touches two lines for each of its stages, spread over a megabyte: between two messages the kernel's network
 * pushes them out, and fetching them was most of what observing costs. So a recorder keeps a few messages as they are, side
 * by side, and enters them together, when the lines of the first serve the others. Readers enter what waits first.
 */
#include "engine/shard/latency.h"

#include "engine/base/probe.h"

#include <pthread.h>
#include <sched.h>
#include <stdalign.h>
#include <stdlib.h>

/* Row 0 is for messages, whatever they held; it has the whole only. */
enum { ROW_MESSAGES = EVENT_NONE, ROWS = EVENT_TYPE_MAX + 1 };
/* The last minute is between six and seven turns long. */
enum { MOMENTS = 7 };
/* That wait in a recorder: more make a message in so many late by the time of entering them, and save little. */
enum { PASSAGES = 16 };
static const int64_t turn_ns = INT64_C(10000000000);

struct recorded {
	alignas(CACHE_LINE_BYTES) metric_cell sum_ns;
	_Atomic uint32_t octaves;
	_Atomic uint32_t cell[HISTOGRAM_CELLS];
};

/* The events of one type of a message. */
struct passage {
	int64_t ns[LATENCY_STAGE_COUNT];
	uint32_t count;
	uint8_t type, stages; /* bit N: it came by stage N, which is not the whole */
	bool is_message;      /* it stands for the message, too */
};

struct recorder {
	alignas(CACHE_LINE_BYTES) atomic_bool is_busy;
	unsigned waiting;
	struct passage passage[PASSAGES];
	struct recorded of[ROWS][LATENCY_STAGE_COUNT];
};

struct collected {
	uint64_t sum_ns;
	uint32_t octaves;
	uint64_t cell[HISTOGRAM_CELLS];
};

struct moment {
	int64_t at_ns;
	uint64_t sum_ns[ROWS][LATENCY_STAGE_COUNT];
	uint32_t cell[ROWS][LATENCY_STAGE_COUNT][HISTOGRAM_CELLS];
};

/* Of readers. */
struct kept {
	struct collected life[ROWS][LATENCY_STAGE_COUNT];
	struct moment moment[MOMENTS]; /* the first one is the start */
};

struct latency {
	struct recorder *recorders;
	unsigned recorder_count;
	struct kept *kept;
	struct region recorders_region, kept_region;
	struct holding recorders_holding, kept_holding;
	pthread_mutex_t lock; /* readers' */
	uint64_t moments;     /* taken so far; MOMENTS are kept */
	int64_t start_ns, now_ns;
	struct histogram window; /* what is being written */
};

static const char *const stage_names[] = {
#define X(symbol, sentence) #symbol,
	LATENCY_STAGES(X)
#undef X
};

/* A thread has one for some hundred nanoseconds; when all are taken, one comes back at once. */
static unsigned recorders_for(unsigned threads) { return threads / 2 + 2; }

void latency_bill(struct bill *bill, unsigned threads)
{
	bill_add(bill, "shard", "events.threads", recorders_for(threads), sizeof(struct recorder),
	         "durations by event type and stage, as they are recorded");
	bill_add(bill, "shard", "", 1, sizeof(struct kept) + sizeof(struct latency), "durations of the life and the last minute");
}

status latency_setup(struct latency **out, struct account *account, unsigned threads)
{
	struct latency *l = calloc(1, sizeof *l);
	*out = l;
	if (l == NULL)
		return STATUS_pool_exhausted;
	pthread_mutex_init(&l->lock, NULL);
	l->recorder_count = recorders_for(threads);
	l->recorders_holding = (struct holding){.name = "latency recorders", .option = "events.threads", .kind = HOLDING_buffer};
	l->kept_holding = (struct holding){.name = "latency history", .kind = HOLDING_buffer};
	size_t bytes = l->recorder_count * sizeof(struct recorder);
	status s = account_open(account, &l->recorders_region, &l->recorders_holding, bytes, bytes, -1);
	if (s == STATUS_ok)
		s = account_open(account, &l->kept_region, &l->kept_holding, sizeof(struct kept), 0, -1);
	if (s != STATUS_ok) {
		latency_teardown(out);
		return s;
	}
	l->recorders = (struct recorder *)(void *)l->recorders_region.bytes;
	l->kept = (struct kept *)(void *)l->kept_region.bytes;
	holding_use(&l->recorders_holding, bytes);
	holding_use(&l->kept_holding, sizeof(struct kept));
	l->start_ns = l->now_ns = l->kept->moment[0].at_ns = clock_monotonic_ns();
	l->moments = 1;
	return STATUS_ok;
}

void latency_teardown(struct latency **out)
{
	struct latency *l = *out;
	*out = NULL;
	if (l == NULL)
		return;
	account_close(&l->kept_region, &l->kept_holding);
	account_close(&l->recorders_region, &l->recorders_holding);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

/* ---- recording --------------------------------------------------------------------------------- */

static bool take(struct recorder *r)
{
	return !atomic_load_explicit(&r->is_busy, memory_order_relaxed) &&
	       !atomic_exchange_explicit(&r->is_busy, true, memory_order_acquire);
}

static struct recorder *borrow(struct latency *l)
{
	unsigned start = (unsigned)(((uintptr_t)pthread_self() >> 12) * 0x9e3779b1u >> 16) % l->recorder_count;
	for (;; sched_yield())
		for (unsigned i = 0; i < l->recorder_count; i++) {
			struct recorder *r = &l->recorders[(start + i) % l->recorder_count];
			if (take(r))
				return r;
		}
}

static void give_back(struct recorder *r) { atomic_store_explicit(&r->is_busy, false, memory_order_release); }

static void enter(struct recorded *h, int64_t ns, uint32_t times)
{
	uint64_t value = ns < 0 ? 0 : (uint64_t)ns;
	unsigned place = histogram_place(value);
	uint32_t octave = UINT32_C(1) << place / HISTOGRAM_STEPS;
	uint32_t octaves = atomic_load_explicit(&h->octaves, memory_order_relaxed);
	if ((octaves & octave) == 0)
		atomic_store_explicit(&h->octaves, octaves | octave, memory_order_relaxed);
	uint32_t before = atomic_load_explicit(&h->cell[place], memory_order_relaxed);
	atomic_store_explicit(&h->cell[place], before + times, memory_order_relaxed);
	metric_add(&h->sum_ns, value * times);
}

static void enter_passage(struct recorder *r, const struct passage *p)
{
	for (unsigned stages = p->stages; stages != 0; stages &= stages - 1) {
		unsigned stage = (unsigned)__builtin_ctz(stages);
		enter(&r->of[p->type][stage], p->ns[stage], p->count);
	}
	enter(&r->of[p->type][LATENCY_whole], p->ns[LATENCY_whole], p->count);
	if (p->is_message)
		enter(&r->of[ROW_MESSAGES][LATENCY_whole], p->ns[LATENCY_whole], 1);
}

static void enter_waiting(struct recorder *r)
{
	for (unsigned i = 0; i < r->waiting; i++)
		enter_passage(r, &r->passage[i]);
	r->waiting = 0;
}

static void keep(struct recorder *r, const struct passage *p)
{
	r->passage[r->waiting++] = *p;
	if (r->waiting == PASSAGES)
		enter_waiting(r);
}

static void tell_probe(const struct latency_trail *t, int64_t received_ns, int64_t sent_ns)
{
	int64_t planned_ns = t->planned_ns != 0 ? t->planned_ns : received_ns;
	int64_t released_ns = t->released_ns != 0 ? t->released_ns : planned_ns;
	int64_t end_ns = sent_ns != 0 ? sent_ns : released_ns;
	PROBE4(reply, end_ns - received_ns, planned_ns - received_ns, released_ns - planned_ns, end_ns - released_ns);
}

void latency_record(struct latency *l, const struct latency_trail *trail, int64_t received_ns, int64_t sent_ns)
{
	const int64_t ends_ns[] = {
		[LATENCY_decode] = trail->decoded_ns, [LATENCY_queue] = trail->taken_ns, [LATENCY_plan] = trail->planned_ns,
		[LATENCY_journal] = trail->released_ns, [LATENCY_send] = sent_ns,
	};
	struct passage p = {.is_message = true};
	int64_t from_ns = received_ns;
	for (unsigned stage = 0; stage < LATENCY_whole; stage++) {
		if (ends_ns[stage] == 0)
			continue;
		p.stages |= (uint8_t)(1u << stage);
		p.ns[stage] = ends_ns[stage] - from_ns;
		from_ns = ends_ns[stage];
	}
	p.ns[LATENCY_whole] = from_ns - received_ns;
	struct recorder *r = borrow(l);
	for (uint32_t types = trail->types; types != 0; types &= types - 1) {
		p.type = (uint8_t)__builtin_ctz(types);
		p.count = trail->count[p.type];
		keep(r, &p);
		p.is_message = false;
	}
	/* Nothing in it could be read. */
	if (p.is_message)
		keep(r, &(struct passage){.ns[LATENCY_whole] = p.ns[LATENCY_whole], .count = 1, .type = ROW_MESSAGES});
	give_back(r);
	if (PROBE_IS_ON(reply))
		tell_probe(trail, received_ns, sent_ns);
}

/* ---- collecting; with the lock ------------------------------------------------------------------- */

static void collect_octave(struct latency *l, unsigned row, unsigned stage, unsigned octave)
{
	struct collected *life = &l->kept->life[row][stage];
	for (unsigned place = octave * HISTOGRAM_STEPS; place < (octave + 1) * HISTOGRAM_STEPS; place++) {
		uint32_t sum = 0;
		for (unsigned i = 0; i < l->recorder_count; i++)
			sum += atomic_load_explicit(&l->recorders[i].of[row][stage].cell[place], memory_order_relaxed);
		uint32_t newer = sum - (uint32_t)life->cell[place];
		if (newer != 0)
			life->cell[place] += newer;
	}
}

static void collect_one(struct latency *l, unsigned row, unsigned stage)
{
	uint64_t sum_ns = 0;
	uint32_t octaves = 0;
	for (unsigned i = 0; i < l->recorder_count; i++) {
		octaves |= atomic_load_explicit(&l->recorders[i].of[row][stage].octaves, memory_order_relaxed);
		sum_ns += metric_read(&l->recorders[i].of[row][stage].sum_ns);
	}
	if (octaves == 0)
		return;
	l->kept->life[row][stage].octaves = octaves;
	l->kept->life[row][stage].sum_ns = sum_ns;
	for (; octaves != 0; octaves &= octaves - 1)
		collect_octave(l, row, stage, (unsigned)__builtin_ctz(octaves));
}

static void collect(struct latency *l, int64_t now_ns)
{
	l->now_ns = now_ns;
	for (unsigned i = 0; i < l->recorder_count; i++) {
		while (!take(&l->recorders[i]))
			sched_yield();
		enter_waiting(&l->recorders[i]);
		give_back(&l->recorders[i]);
	}
	for (unsigned row = 0; row < ROWS; row++)
		for (unsigned stage = 0; stage < LATENCY_STAGE_COUNT; stage++)
			collect_one(l, row, stage);
}

/* Octaves that were never used are zero in the life and in every moment. */
static void keep_moment(struct latency *l)
{
	struct moment *m = &l->kept->moment[l->moments++ % MOMENTS];
	m->at_ns = l->now_ns;
	for (unsigned row = 0; row < ROWS; row++)
		for (unsigned stage = 0; stage < LATENCY_STAGE_COUNT; stage++) {
			const struct collected *life = &l->kept->life[row][stage];
			m->sum_ns[row][stage] = life->sum_ns;
			for (uint32_t octaves = life->octaves; octaves != 0; octaves &= octaves - 1) {
				unsigned from = (unsigned)__builtin_ctz(octaves) * HISTOGRAM_STEPS;
				for (unsigned place = from; place < from + HISTOGRAM_STEPS; place++)
					m->cell[row][stage][place] = (uint32_t)life->cell[place];
			}
		}
}

static const struct moment *oldest(const struct latency *l)
{
	return &l->kept->moment[l->moments <= MOMENTS ? 0 : l->moments % MOMENTS];
}

void latency_turn(struct latency *l, int64_t now_ns)
{
	pthread_mutex_lock(&l->lock);
	if (now_ns - l->kept->moment[(l->moments - 1) % MOMENTS].at_ns >= turn_ns) {
		collect(l, now_ns);
		keep_moment(l);
	}
	pthread_mutex_unlock(&l->lock);
}

/* ---- reading; with the lock ---------------------------------------------------------------------- */

/* Adds a row's durations of a stage to l->window, since the moment or, without one, of the life. Returns their sum. */
static uint64_t add_row(struct latency *l, unsigned row, unsigned stage, const struct moment *since)
{
	const struct collected *life = &l->kept->life[row][stage];
	for (uint32_t octaves = life->octaves; octaves != 0; octaves &= octaves - 1) {
		unsigned from = (unsigned)__builtin_ctz(octaves) * HISTOGRAM_STEPS;
		for (unsigned place = from; place < from + HISTOGRAM_STEPS; place++) {
			uint64_t times = since == NULL ? life->cell[place]
			                               : (uint32_t)((uint32_t)life->cell[place] - since->cell[row][stage][place]);
			if (times != 0)
				histogram_add(&l->window, place, times);
		}
	}
	return life->sum_ns - (since == NULL ? 0 : since->sum_ns[row][stage]);
}

/* Rows from first to last, together. */
static uint64_t add_rows(struct latency *l, unsigned first, unsigned last, unsigned stage, const struct moment *since)
{
	uint64_t sum_ns = 0;
	histogram_clear(&l->window);
	for (unsigned row = first; row <= last; row++)
		sum_ns += add_row(l, row, stage, since);
	return sum_ns;
}

/* ---- Prometheus ---------------------------------------------------------------------------------- */

/* Its bounds are octaves of ours; a value of exactly a bound stands in the next bucket. */
static void fill(const struct latency *l, uint64_t sum_ns, struct metric_histogram *out)
{
	unsigned place = 0;
	for (unsigned i = 0; i <= METRIC_BUCKETS; i++) {
		unsigned end = i == METRIC_BUCKETS ? HISTOGRAM_CELLS : histogram_place(UINT64_C(1) << (METRIC_BUCKET_FIRST + i));
		for (; place < end; place++)
			metric_add(&out->bucket[i], histogram_count(&l->window, place));
	}
	metric_add(&out->sum_ns, sum_ns);
}

void latency_read(struct latency *l, struct metric_histogram *messages, struct metric_histogram by_type[EVENT_TYPE_MAX + 1],
                  struct metric_histogram by_stage[LATENCY_STAGE_COUNT])
{
	pthread_mutex_lock(&l->lock);
	collect(l, clock_monotonic_ns());
	fill(l, add_rows(l, ROW_MESSAGES, ROW_MESSAGES, LATENCY_whole, NULL), messages);
	for (unsigned type = 1; type < ROWS; type++)
		fill(l, add_rows(l, type, type, LATENCY_whole, NULL), &by_type[type]);
	for (unsigned stage = 0; stage < LATENCY_whole; stage++)
		fill(l, add_rows(l, 1, ROWS - 1, stage, NULL), &by_stage[stage]);
	pthread_mutex_unlock(&l->lock);
}

const char *latency_stage_name(enum latency_stage stage) { return stage_names[stage]; }

/* ---- JSON ---------------------------------------------------------------------------------------- */

struct asked {
	bool has_buckets;
	unsigned count;
	double share[LATENCY_ASKED_MAX];
};

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static bool read_asked(const char *text, struct asked *asked)
{
	asked->count = 0;
	for (const char *at = text;;) {
		char *end;
		double percent = strtod(at, &end);
		if (end == at || !(percent >= 0 && percent <= 100) || asked->count == LATENCY_ASKED_MAX)
			return false;
		asked->share[asked->count++] = percent / 100;
		if (*end == '\0')
			break;
		if (*end != ',')
			return false;
		at = end + 1;
	}
	qsort(asked->share, asked->count, sizeof *asked->share, ascending);
	return true;
}

/* [from, to, how many] for each quarter of an octave that has any. */
static void write_buckets(const struct latency *l, struct cursor *out)
{
	enum { CELLS = HISTOGRAM_STEPS / 4 };
	const char *comma = "";
	cursor_literal(out, ",\"buckets\":[");
	for (unsigned place = 0; place < HISTOGRAM_CELLS; place += CELLS) {
		uint64_t count = 0;
		for (unsigned i = place; i < place + CELLS; i++)
			count += histogram_count(&l->window, i);
		if (count == 0)
			continue;
		cursor_format(out, "%s[%.3f,%.3f,%llu]", comma, (double)histogram_least(place) * 1e-3,
		              (double)histogram_least(place + CELLS) * 1e-3, (unsigned long long)count);
		comma = ",";
	}
	cursor_byte(out, ']');
}

/* What l->window holds. */
static void write_window(struct latency *l, const struct asked *asked, const char *name, uint64_t sum_ns, struct cursor *out)
{
	double values[LATENCY_ASKED_MAX];
	uint64_t count = histogram_quantiles(&l->window, asked->share, asked->count, values);
	cursor_format(out, "\"%s\":{\"count\":%llu", name, (unsigned long long)count);
	if (count != 0) {
		cursor_format(out, ",\"mean\":%.3f,\"max\":%.3f", (double)sum_ns / (double)count * 1e-3,
		              histogram_middle(histogram_last(&l->window)) * 1e-3);
		for (unsigned i = 0; i < asked->count; i++)
			cursor_format(out, ",\"p%.9g\":%.3f", asked->share[i] * 100, values[i] * 1e-3);
		if (asked->has_buckets)
			write_buckets(l, out);
	}
	cursor_byte(out, '}');
}

static void write_stage(struct latency *l, const struct asked *asked, unsigned first, unsigned last, unsigned stage,
                        struct cursor *out)
{
	const struct moment *since = oldest(l);
	cursor_format(out, "\"%s\":{", stage_names[stage]);
	write_window(l, asked, "life", add_rows(l, first, last, stage, NULL), out);
	cursor_byte(out, ',');
	write_window(l, asked, "minute", add_rows(l, first, last, stage, since), out);
	cursor_byte(out, '}');
}

static bool is_used(const struct latency *l, unsigned first, unsigned last, unsigned stage)
{
	for (unsigned row = first; row <= last; row++)
		if (l->kept->life[row][stage].octaves != 0)
			return true;
	return false;
}

static void write_rows(struct latency *l, const struct asked *asked, unsigned first, unsigned last, const char *name,
                       struct cursor *out)
{
	cursor_format(out, "{\"type\":\"%s\",\"stages\":{", name);
	const char *comma = "";
	for (unsigned stage = 0; stage < LATENCY_STAGE_COUNT; stage++) {
		if (!is_used(l, first, last, stage))
			continue;
		cursor_format(out, "%s", comma);
		write_stage(l, asked, first, last, stage, out);
		comma = ",";
	}
	cursor_literal(out, "}}");
}

/* The number of a type, 0 for "all"; below: there is none. */
static int row_of(const char *type)
{
	if (strcmp(type, "all") == 0)
		return 0;
	for (int row = 1; row < ROWS; row++)
		if (strcmp(type, event_name((enum event_type)row)) == 0)
			return row;
	return -1;
}

static void write_events(struct latency *l, const struct asked *asked, struct cursor *out)
{
	write_rows(l, asked, 1, ROWS - 1, "all", out);
	for (unsigned type = 1; type < ROWS; type++)
		if (is_used(l, type, type, LATENCY_whole)) {
			cursor_byte(out, ',');
			write_rows(l, asked, type, type, event_name((enum event_type)type), out);
		}
}

/* one: NULL for every type. */
static void write_all(struct latency *l, const struct asked *asked, const char *one, struct cursor *out)
{
	unsigned row = one == NULL ? 0 : (unsigned)row_of(one);
	cursor_format(out,
	              "{\"unit\":\"us\",\"error_max\":%.4f,\"life\":{\"seconds\":%.1f},\"minute\":{\"seconds\":%.1f},\"messages\":",
	              HISTOGRAM_ERROR_MAX, (double)(l->now_ns - l->start_ns) * 1e-9, (double)(l->now_ns - oldest(l)->at_ns) * 1e-9);
	write_rows(l, asked, ROW_MESSAGES, ROW_MESSAGES, "all", out);
	cursor_literal(out, ",\"events\":[");
	if (one == NULL)
		write_events(l, asked, out);
	else
		write_rows(l, asked, row == 0 ? 1 : row, row == 0 ? ROWS - 1 : row, one, out);
	cursor_literal(out, "]}\n");
}

status latency_write_json(struct latency *l, const char *percentiles, const char *type, struct cursor *out)
{
	bool has_type = type != NULL && type[0] != '\0';
	struct asked asked = {.has_buckets = has_type};
	const char *text = percentiles == NULL || percentiles[0] == '\0' ? "50,90,95,99,99.9,99.99" : percentiles;
	if (!read_asked(text, &asked))
		return STATUS_invalid_field;
	if (has_type && row_of(type) < 0)
		return STATUS_not_found;
	pthread_mutex_lock(&l->lock);
	collect(l, clock_monotonic_ns());
	write_all(l, &asked, has_type ? type : NULL, out);
	pthread_mutex_unlock(&l->lock);
	return STATUS_ok;
}
