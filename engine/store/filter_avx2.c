/*
 * AVX2. Coordinates first, and only where one of 32 neighbours (16 in long scans) lies
 * in the area are the other columns read at all (they are most of the bytes). Masks
 * become indices by a table, without a branch per slot.
 *
 * Large scans are fetched ahead by hand: the processor's own prefetchers stop at 4 KiB
 * pages, and the next block of a tree walk is short anyway.
 */
#include "engine/store/filter.h"

#include <stddef.h>

#ifdef __x86_64__

#ifdef __clang__
#include <immintrin.h>
#pragma clang attribute push(__attribute__((target("avx2,popcnt"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,popcnt")
#include <immintrin.h>
#endif
#include "engine/store/filter_table.h"

/* Slots. AHEAD is 2 KiB of a column; calls up to LONG are scanned without lists and fetching ahead. */
enum { AHEAD = 512, LONG = 128, LINE = 16, PIECE = 128, BATCH = 1024 };

struct quad {
	__m256 m[4];
};

static inline uint32_t emit(uint32_t mask, uint32_t base, uint32_t *found)
{
	__m256i bits = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128((long long)filter_table[mask]));
	_mm256_storeu_si256((__m256i *)found, _mm256_add_epi32(bits, _mm256_set1_epi32((int)base)));
	return (uint32_t)__builtin_popcount(mask);
}

/* Window, kind and stock of 8 slots, as a vector mask. */
static inline __m256 is_open(const struct filter_columns *c, const struct filter_query *q, uint32_t i)
{
	__m256i at = _mm256_set1_epi32(q->at);
	__m256i early = _mm256_cmpgt_epi32(_mm256_loadu_si256((const __m256i *)(c->from + i)), at);
	__m256i before_end = _mm256_cmpgt_epi32(_mm256_loadu_si256((const __m256i *)(c->until + i)), at);
	__m256i kinds = _mm256_loadu_si256((const __m256i *)(c->kinds + i));
	__m256i no_kind = _mm256_cmpeq_epi32(_mm256_and_si256(kinds, _mm256_set1_epi32((int)q->kinds)),
	                                     _mm256_setzero_si256());
	return _mm256_castsi256_ps(_mm256_andnot_si256(_mm256_or_si256(early, no_kind), before_end));
}

static inline bool is_any(const struct quad *v)
{
	__m256 any = _mm256_or_ps(_mm256_or_ps(v->m[0], v->m[1]), _mm256_or_ps(v->m[2], v->m[3]));
	return !_mm256_testz_ps(any, any);
}

[[gnu::noinline]] static uint32_t finish(const struct filter_columns *c, const struct filter_query *q,
                                          const struct quad *v, uint32_t i, uint32_t *found)
{
	uint32_t n = 0;
	for (uint32_t k = 0; k < 4; k++) {
		__m256 m = _mm256_and_ps(v->m[k], is_open(c, q, i + 8 * k));
		n += emit((uint32_t)_mm256_movemask_ps(m), i + 8 * k, found + n);
	}
	return n;
}

static inline __m256 in_box(const struct filter_columns *c, const struct filter_query *q, uint32_t i)
{
	__m256 x = _mm256_loadu_ps(c->x + i);
	__m256 y = _mm256_loadu_ps(c->y + i);
	__m256 in_x = _mm256_and_ps(_mm256_cmp_ps(x, _mm256_set1_ps(q->min_x), _CMP_GE_OQ),
	                            _mm256_cmp_ps(x, _mm256_set1_ps(q->max_x), _CMP_LE_OQ));
	__m256 in_y = _mm256_and_ps(_mm256_cmp_ps(y, _mm256_set1_ps(q->min_y), _CMP_GE_OQ),
	                            _mm256_cmp_ps(y, _mm256_set1_ps(q->max_y), _CMP_LE_OQ));
	return _mm256_and_ps(in_x, in_y);
}

static inline __m256 in_circle(const struct filter_columns *c, const struct filter_query *q, uint32_t i)
{
	__m256 dx = _mm256_sub_ps(_mm256_loadu_ps(c->x + i), _mm256_set1_ps(q->x));
	__m256 dy = _mm256_sub_ps(_mm256_loadu_ps(c->y + i), _mm256_set1_ps(q->y));
	__m256 square = _mm256_add_ps(_mm256_mul_ps(dx, dx), _mm256_mul_ps(dy, dy));
	return _mm256_cmp_ps(square, _mm256_set1_ps(q->radius_squared), _CMP_LE_OQ);
}

/* Short scans, such as a block of a tree. The flag is constant at each call. */
[[gnu::always_inline]] static inline uint32_t scan_short(const struct filter_columns *c,
                                                         const struct filter_query *query, uint32_t first,
                                                         uint32_t count, uint32_t *found, bool is_circle)
{
	const struct filter_query q = *query; /* the stores to found cannot change it */
	uint32_t n = 0;
	for (uint32_t i = first; i < first + count; i += 32) {
		struct quad v;
		for (uint32_t k = 0; k < 4; k++)
			v.m[k] = is_circle ? in_circle(c, &q, i + 8 * k) : in_box(c, &q, i + 8 * k);
		if (is_any(&v))
			n += finish(c, query, &v, i, found + n);
	}
	return n;
}

/* A cache line of a column with slots that lie in the area. */
struct line {
	uint32_t first;
	uint32_t mask;
};

static inline void fetch_ahead(const struct filter_columns *c, uint32_t i)
{
	__builtin_prefetch(c->x + i + AHEAD);
	__builtin_prefetch(c->x + i + AHEAD + 16);
	__builtin_prefetch(c->y + i + AHEAD);
	__builtin_prefetch(c->y + i + AHEAD + 16);
}

/* Lists the lines of [i, end), without a branch on what is found. */
[[gnu::always_inline]] static inline uint32_t list_lines(const struct filter_columns *c, const struct filter_query *q,
                                                         uint32_t i, uint32_t end, struct line *lines, bool is_circle)
{
	uint32_t n = 0;
	for (; i < end; i += 2 * LINE) {
		fetch_ahead(c, i);
		for (uint32_t k = i; k < i + 2 * LINE; k += LINE) {
			__m256 low = is_circle ? in_circle(c, q, k) : in_box(c, q, k);
			__m256 high = is_circle ? in_circle(c, q, k + 8) : in_box(c, q, k + 8);
			uint32_t mask = (uint32_t)_mm256_movemask_ps(low) | (uint32_t)_mm256_movemask_ps(high) << 8;
			lines[n] = (struct line){k, mask};
			n += mask != 0;
		}
	}
	return n;
}

static inline void fetch_lines(const struct filter_columns *c, const struct line *lines, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		__builtin_prefetch(c->from + lines[i].first);
		__builtin_prefetch(c->until + lines[i].first);
		__builtin_prefetch(c->kinds + lines[i].first);
	}
}

static inline uint32_t finish_lines(const struct filter_columns *c, const struct filter_query *q,
                                    const struct line *lines, uint32_t count, uint32_t *found)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t first = lines[i].first;
		for (uint32_t k = 0; k < LINE; k += 8) {
			uint32_t open = (uint32_t)_mm256_movemask_ps(is_open(c, q, first + k));
			n += emit(lines[i].mask >> k & open & 0xff, first + k, found + n);
		}
	}
	return n;
}

/*
 * Long scans. Where few slots match, their lines of the other columns lie scattered, no
 * processor guesses them, and each would be waited for. So a batch takes two passes:
 * the first lists the lines that hold a candidate and begins to fetch them, the second
 * finds them near.
 */
[[gnu::always_inline]] static inline uint32_t scan_long(const struct filter_columns *columns,
                                                        const struct filter_query *query, uint32_t first,
                                                        uint32_t count, uint32_t *found, bool is_circle)
{
	const struct filter_columns c = *columns; /* the stores to found cannot change them */
	const struct filter_query q = *query;
	struct line lines[BATCH / LINE + 1];
	const uint32_t end = first + count;
	uint32_t n = 0;
	while (first < end) {
		const uint32_t batch_end = end - first < BATCH ? end : first + BATCH;
		uint32_t listed = 0;
		for (; first < batch_end; first += PIECE) {
			uint32_t piece_end = batch_end - first < PIECE ? batch_end : first + PIECE;
			uint32_t more = list_lines(&c, &q, first, piece_end, lines + listed, is_circle);
			fetch_lines(&c, lines + listed, more);
			listed += more;
		}
		n += finish_lines(&c, &q, lines, listed, found + n);
	}
	return n;
}

[[gnu::always_inline]] static inline uint32_t scan(const struct filter_columns *c, const struct filter_query *q,
                                                   uint32_t first, uint32_t count, uint32_t *found, bool is_circle)
{
	return count > LONG ? scan_long(c, q, first, count, found, is_circle)
	                    : scan_short(c, q, first, count, found, is_circle);
}

/* The same, strictly: who passes is inside for certain. */
static inline __m256 clearly_in_box(const struct filter_columns *c, const struct filter_query *q, uint32_t i)
{
	__m256 x = _mm256_loadu_ps(c->x + i);
	__m256 y = _mm256_loadu_ps(c->y + i);
	__m256 in_x = _mm256_and_ps(_mm256_cmp_ps(x, _mm256_set1_ps(q->min_x), _CMP_GT_OQ),
	                            _mm256_cmp_ps(x, _mm256_set1_ps(q->max_x), _CMP_LT_OQ));
	__m256 in_y = _mm256_and_ps(_mm256_cmp_ps(y, _mm256_set1_ps(q->min_y), _CMP_GT_OQ),
	                            _mm256_cmp_ps(y, _mm256_set1_ps(q->max_y), _CMP_LT_OQ));
	return _mm256_and_ps(in_x, in_y);
}

[[gnu::always_inline]] static inline uint32_t scan_blocks(const struct filter_columns *columns,
                                                          const struct filter_query *query, const uint32_t *blocks,
                                                          uint32_t count, uint32_t *found, bool *is_clear,
                                                          bool is_circle)
{
	const struct filter_columns c = *columns;
	const struct filter_query q = *query;
	struct filter_query inner = q;
	inner.radius_squared = q.inner_squared;
	uint32_t n = 0;
	__m256 unclear = _mm256_setzero_ps();
	for (uint32_t b = 0; b < count; b++) {
		uint32_t first = blocks[b] * FILTER_BLOCK;
		for (uint32_t i = first; i < first + FILTER_BLOCK; i += 8) {
			__m256 m = is_circle ? in_circle(&c, &q, i) : in_box(&c, &q, i);
			__m256 clear = is_circle ? in_circle(&c, &inner, i) : clearly_in_box(&c, &q, i);
			unclear = _mm256_or_ps(unclear, _mm256_andnot_ps(clear, m));
			n += emit((uint32_t)_mm256_movemask_ps(m), i, found + n);
		}
	}
	*is_clear = _mm256_testz_ps(unclear, unclear);
	return n;
}

static uint32_t avx2_box(const struct filter_columns *c, const struct filter_query *q, uint32_t first, uint32_t count,
                         uint32_t *found)
{
	return scan(c, q, first, count, found, false);
}

static uint32_t avx2_circle(const struct filter_columns *c, const struct filter_query *q, uint32_t first,
                            uint32_t count, uint32_t *found)
{
	return scan(c, q, first, count, found, true);
}

static uint32_t avx2_blocks_box(const struct filter_columns *c, const struct filter_query *q, const uint32_t *blocks,
                              uint32_t count, uint32_t *found, bool *is_clear)
{
	return scan_blocks(c, q, blocks, count, found, is_clear, false);
}

static uint32_t avx2_blocks_circle(const struct filter_columns *c, const struct filter_query *q,
                                 const uint32_t *blocks, uint32_t count, uint32_t *found, bool *is_clear)
{
	return scan_blocks(c, q, blocks, count, found, is_clear, true);
}

static uint32_t avx2_reach(const struct filter_columns *c, const struct filter_query *q, uint32_t first,
                           uint32_t count, uint32_t *found)
{
	__m256 qx = _mm256_set1_ps(q->x), qy = _mm256_set1_ps(q->y), period = _mm256_set1_ps(q->period);
	__m256 sign = _mm256_set1_ps(-0.0f);
	uint32_t n = 0;
	for (uint32_t i = first; i < first + count; i += 32) {
		struct quad v;
		for (size_t k = 0; k < 4; k++) {
			__m256 dx = _mm256_andnot_ps(sign, _mm256_sub_ps(_mm256_loadu_ps(c->x + i + 8 * k), qx));
			__m256 dy = _mm256_andnot_ps(sign, _mm256_sub_ps(_mm256_loadu_ps(c->y + i + 8 * k), qy));
			__m256 reach_x = _mm256_loadu_ps(c->reach_x + i + 8 * k);
			__m256 near_x = _mm256_or_ps(_mm256_cmp_ps(dx, reach_x, _CMP_LE_OQ),
			                             _mm256_cmp_ps(_mm256_sub_ps(period, dx), reach_x, _CMP_LE_OQ));
			__m256 near_y = _mm256_cmp_ps(dy, _mm256_loadu_ps(c->reach_y + i + 8 * k), _CMP_LE_OQ);
			v.m[k] = _mm256_and_ps(near_x, near_y);
		}
		if (is_any(&v))
			n += finish(c, q, &v, i, found + n);
	}
	return n;
}

static uint32_t avx2_nodes_box(const struct filter_boxes *b, const struct filter_query *q, uint32_t first,
                               uint32_t count, uint32_t *found)
{
	const struct filter_boxes boxes = *b; /* the stores to found cannot change it */
	__m256 min_x = _mm256_set1_ps(q->min_x), max_x = _mm256_set1_ps(q->max_x);
	__m256 min_y = _mm256_set1_ps(q->min_y), max_y = _mm256_set1_ps(q->max_y);
	uint32_t n = 0;
	for (uint32_t i = first; i < first + count; i += 8) {
		__m256 in_x = _mm256_and_ps(_mm256_cmp_ps(_mm256_loadu_ps(boxes.min_x + i), max_x, _CMP_LE_OQ),
		                            _mm256_cmp_ps(_mm256_loadu_ps(boxes.max_x + i), min_x, _CMP_GE_OQ));
		__m256 in_y = _mm256_and_ps(_mm256_cmp_ps(_mm256_loadu_ps(boxes.min_y + i), max_y, _CMP_LE_OQ),
		                            _mm256_cmp_ps(_mm256_loadu_ps(boxes.max_y + i), min_y, _CMP_GE_OQ));
		n += emit((uint32_t)_mm256_movemask_ps(_mm256_and_ps(in_x, in_y)), i, found + n);
	}
	return n;
}

static inline __m256 is_between(__m256 low, __m256 value, __m256 high)
{
	return _mm256_and_ps(_mm256_cmp_ps(low, value, _CMP_LE_OQ), _mm256_cmp_ps(high, value, _CMP_GE_OQ));
}

static uint32_t avx2_nodes_reach(const struct filter_boxes *b, const struct filter_query *q, uint32_t first,
                                 uint32_t count, uint32_t *found)
{
	__m256 x = _mm256_set1_ps(q->x), y = _mm256_set1_ps(q->y);
	__m256 east = _mm256_set1_ps(q->x + q->period), west = _mm256_set1_ps(q->x - q->period);
	uint32_t n = 0;
	for (uint32_t i = first; i < first + count; i += 8) {
		__m256 low = _mm256_loadu_ps(b->min_x + i), high = _mm256_loadu_ps(b->max_x + i);
		__m256 in_x = _mm256_or_ps(is_between(low, x, high),
		                           _mm256_or_ps(is_between(low, east, high), is_between(low, west, high)));
		__m256 in_y = is_between(_mm256_loadu_ps(b->min_y + i), y, _mm256_loadu_ps(b->max_y + i));
		n += emit((uint32_t)_mm256_movemask_ps(_mm256_and_ps(in_x, in_y)), i, found + n);
	}
	return n;
}

static const struct filter table = {
	.name = "avx2",
	.box = avx2_box,
	.circle = avx2_circle,
	.reach = avx2_reach,
	.blocks_box = avx2_blocks_box,
	.blocks_circle = avx2_blocks_circle,
	.nodes_box = avx2_nodes_box,
	.nodes_reach = avx2_nodes_reach,
};
const struct filter *const filter_avx2 = &table;

#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#else
const struct filter *const filter_avx2 = NULL;
#endif
