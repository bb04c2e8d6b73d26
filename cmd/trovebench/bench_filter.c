/*
 * filter: how near do the filters come to the speed of reading?
 *
 * The read sums columns with AVX2. The box filter reads x and y of every slot (8 bytes)
 * and the other three columns only where one of 32 (avx512: 64) neighbours lies in the
 * box. So where nearly nothing matches (0.01 %) it is held against a read of x and y
 * ("read 2"); where a quarter of the groups hold a match (1 %) it touches all five columns
 * and is held against a read of those ("read 5"), and the ratio to "read 2" is printed too.
 * Points are uniform and in random order, which is the filter's worst case: the matches
 * are spread over all groups. The scalar reference is engine/store/filter_scalar.c at the
 * project's own flags (-O2, no branch per slot; compilers do not vectorise it, because it
 * stores indices).
 *
 * A filter is called with 1024 slots at a time, as the store does.
 */
#include "cmd/trovebench/bench.h"
#include "engine/base/check.h"
#include "engine/base/cpu.h"
#include "engine/base/random.h"
#include "engine/store/filter.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sysexits.h>

#ifdef __x86_64__
#include <immintrin.h>
#endif

enum { CALL_SLOTS = 1024 };

struct data {
	uint32_t count;
	struct filter_columns columns;
	struct filter_query query;
	filter_slots *filter;
};


#ifdef __x86_64__
__attribute__((target("avx2"))) static inline __m256i load(const void *column, uint32_t i)
{
	return _mm256_loadu_si256((const __m256i *)((const uint32_t *)column + i));
}

__attribute__((target("avx2"))) static void use_sum(__m256i a, __m256i b)
{
	__m256i sum = _mm256_add_epi32(a, b);
	bench_use((uint64_t)_mm256_extract_epi64(sum, 0) + (uint64_t)_mm256_extract_epi64(sum, 2));
}

__attribute__((target("avx2"))) static uint64_t read_two(void *context)
{
	const struct data *d = context;
	const struct filter_columns c = d->columns;
	__m256i sums[4] = {};
	for (uint32_t i = 0; i < d->count; i += 32)
		for (uint32_t k = 0; k < 4; k++)
			sums[k] = _mm256_add_epi32(sums[k], _mm256_add_epi32(load(c.x, i + 8 * k), load(c.y, i + 8 * k)));
	use_sum(_mm256_add_epi32(sums[0], sums[1]), _mm256_add_epi32(sums[2], sums[3]));
	return d->count;
}

__attribute__((target("avx2"))) static uint64_t read_five(void *context)
{
	const struct data *d = context;
	const struct filter_columns c = d->columns;
	__m256i sums[2] = {};
	for (uint32_t i = 0; i < d->count; i += 16) {
		for (uint32_t k = 0; k < 2; k++) {
			uint32_t at = i + 8 * k;
			__m256i a = _mm256_add_epi32(load(c.x, at), load(c.y, at));
			__m256i b = _mm256_add_epi32(load(c.from, at), load(c.until, at));
			sums[k] = _mm256_add_epi32(sums[k], _mm256_add_epi32(_mm256_add_epi32(a, b), load(c.kinds, at)));
		}
	}
	use_sum(sums[0], sums[1]);
	return d->count;
}
#endif

static uint64_t filter_columns(void *context)
{
	const struct data *d = context;
	uint32_t found[CALL_SLOTS + FILTER_SPARE];
	uint64_t total = 0;
	for (uint32_t first = 0; first < d->count; first += CALL_SLOTS) {
		uint32_t left = d->count - first;
		total += d->filter(&d->columns, &d->query, first, left < CALL_SLOTS ? left : CALL_SLOTS, found);
	}
	bench_use(total);
	return d->count;
}

static uint64_t count_found(const struct data *d)
{
	uint32_t found[CALL_SLOTS + FILTER_SPARE];
	uint64_t total = 0;
	for (uint32_t first = 0; first < d->count; first += CALL_SLOTS) {
		uint32_t left = d->count - first;
		total += d->filter(&d->columns, &d->query, first, left < CALL_SLOTS ? left : CALL_SLOTS, found);
	}
	return total;
}

/* In huge pages where the system gives them, as the store's own columns. */
static void *take(uint32_t count)
{
	size_t bytes = (size_t)count * 4 + (2 << 20);
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED) {
		fprintf(stderr, "trovebench: no memory for %u slots\n", count);
		exit(EX_OSERR);
	}
	(void)madvise(p, bytes, MADV_HUGEPAGE);
	return p;
}

static void give(const void *p, uint32_t count) { munmap((void *)(uintptr_t)p, (size_t)count * 4 + (2 << 20)); }

static void make_data(struct data *d, uint32_t count)
{
	struct random r = {20260101};
	float *x = take(count);
	float *y = take(count);
	int32_t *from = take(count);
	int32_t *until = take(count);
	uint32_t *kinds = take(count);
	for (uint32_t i = 0; i < count; i++) {
		x[i] = (float)random_between(&r, 0, 1);
		y[i] = (float)random_between(&r, 0, 1);
		from[i] = filter_from(0);
		until[i] = filter_until(INT64_MAX);
		kinds[i] = 1u << (i % 8);
	}
	*d = (struct data){.count = count, .columns = {x, y, from, until, kinds, x, y}};
}

static void drop_data(struct data *d)
{
	const void *columns[] = {d->columns.x, d->columns.y, d->columns.from, d->columns.until, d->columns.kinds};
	for (unsigned i = 0; i < COUNT_OF(columns); i++)
		give(columns[i], d->count);
}

static void set_selectivity(struct data *d, double share)
{
	float half = (float)(sqrt(share) / 2);
	d->query = (struct filter_query){
		.min_x = 0.5f - half,
		.max_x = 0.5f + half,
		.min_y = 0.5f - half,
		.max_y = 0.5f + half,
		.at = filter_at(INT64_C(1700000000000)),
		.kinds = UINT32_MAX,
	};
}

#ifdef __x86_64__
/* Least share of the read, and least multiple of the scalar reference, by size. */
struct target {
	uint32_t count;
	const char *name;
	double of_read, of_scalar;
};
static const struct target targets[] = {
	{49152, "48k (L2)", 0.45, 10},
	{1 << 20, "1M", 0.90, 5},
	{10000000 / 64 * 64, "10M", 0.75, 5},
};

static void run_group(struct report *report, struct data *d, const struct target *t, double share,
                      const struct filter *avx2, const struct filter *avx512)
{
	struct data scalar = *d, two = *d, five = *d;
	scalar.filter = filter_scalar.box;
	two.filter = avx2->box;
	bool is_sparse = share < 0.001;
	five.filter = avx512 != NULL ? avx512->box : NULL;
	struct bench_case cases[] = {
		{.name = "read 2", .work = read_two, .context = d},
		{.name = "read 5", .work = read_five, .context = d},
		{.name = "scalar", .work = filter_columns, .context = &scalar},
		{.name = "avx2", .work = filter_columns, .context = &two, .reference = &cases[is_sparse ? 0 : 1],
		 .target = t->of_read},
		{.name = "avx2", .work = filter_columns, .context = &two, .reference = &cases[2], .target = t->of_scalar},
		{.name = "avx2", .work = filter_columns, .context = &two, .reference = &cases[is_sparse ? 1 : 0]},
		{.name = "avx512", .work = filter_columns, .context = &five, .reference = &cases[is_sparse ? 0 : 1]},
	};
	unsigned count = COUNT_OF(cases) - (avx512 == NULL);
	CHECK(count_found(&two) == count_found(&scalar), "filters disagree");
	bench_run(report->arguments, cases, count);
	char group[64];
	snprintf(group, sizeof group, "%s, %g %% match", t->name, share * 100);
	report_cases(report, group, cases, count, "slot");
}

int bench_filter(const struct bench_arguments *arguments)
{
	struct report report;
	struct cpu_features cpu = cpu_features();
	if (!cpu.avx2 || filter_avx2 == NULL) {
		fprintf(stderr, "trovebench: this processor has no AVX2\n");
		return EX_UNAVAILABLE;
	}
	report_open(&report, "filter", arguments);
	report_note(&report, "read 2: AVX2 sum of x and y; read 5: and from, until, kinds");
	report_note(&report, "scalar: filter_scalar.c, no branch per slot, -O2");
	for (unsigned i = 0; i < COUNT_OF(targets); i++) {
		struct data d;
		make_data(&d, targets[i].count);
		static const double shares[] = {0.0001, 0.01};
		for (unsigned k = 0; k < COUNT_OF(shares); k++) {
			set_selectivity(&d, shares[k]);
			run_group(&report, &d, &targets[i], shares[k], filter_avx2, cpu.avx512 ? filter_avx512 : NULL);
		}
		drop_data(&d);
	}
	report_close(&report);
	return EX_OK;
}
#else
int bench_filter(const struct bench_arguments *arguments)
{
	(void)arguments;
	(void)filter_columns;
	(void)count_found;
	(void)make_data;
	(void)drop_data;
	(void)set_selectivity;
	fprintf(stderr, "trovebench: there are no vector filters for this processor\n");
	return EX_UNAVAILABLE;
}
#endif
