/*
 * AVX-512 (F, BW, DQ, VL). 16 slots at a time, masks in mask registers, indices by
 * compression in a register and a whole store (compressing straight to memory is slow
 * on some processors). Otherwise as filter_avx2.c.
 */
#include "engine/store/filter.h"

#include <stddef.h>

#ifdef __x86_64__

#ifdef __clang__
#include <immintrin.h>
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,popcnt"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,popcnt")
#include <immintrin.h>
#endif

/* As in filter_avx2.c. */
enum { AHEAD = 512, LONG = 128, LINE = 16, PIECE = 128, BATCH = 1024 };

/* A block of 32 slots. */
struct pair {
	__mmask16 m[2];
};

static inline uint32_t emit(__mmask16 mask, uint32_t base, uint32_t *found)
{
	__m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
	__m512i indices = _mm512_add_epi32(lanes, _mm512_set1_epi32((int)base));
	_mm512_storeu_si512(found, _mm512_maskz_compress_epi32(mask, indices));
	return (uint32_t)__builtin_popcount(mask);
}

static inline __mmask16 is_open(const struct filter_columns *c, const struct filter_query *q, uint32_t i, __mmask16 m)
{
	__m512i at = _mm512_set1_epi32(q->at);
	m = _mm512_mask_cmple_epi32_mask(m, _mm512_loadu_si512(c->from + i), at);
	m = _mm512_mask_cmpgt_epi32_mask(m, _mm512_loadu_si512(c->until + i), at);
	return _mm512_mask_test_epi32_mask(m, _mm512_loadu_si512(c->kinds + i), _mm512_set1_epi32((int)q->kinds));
}

[[gnu::noinline]] static uint32_t finish(const struct filter_columns *c, const struct filter_query *q, struct pair v,
                                         uint32_t i, uint32_t *found)
{
	uint32_t n = 0;
	for (uint32_t k = 0; k < 2; k++)
		n += emit(is_open(c, q, i + 16 * k, v.m[k]), i + 16 * k, found + n);
	return n;
}

static inline __mmask16 in_box(const struct filter_columns *c, const struct filter_query *q, uint32_t i)
{
	__m512 x = _mm512_loadu_ps(c->x + i);
	__m512 y = _mm512_loadu_ps(c->y + i);
	__mmask16 m = _mm512_cmp_ps_mask(x, _mm512_set1_ps(q->min_x), _CMP_GE_OQ);
	m = _mm512_mask_cmp_ps_mask(m, x, _mm512_set1_ps(q->max_x), _CMP_LE_OQ);
	m = _mm512_mask_cmp_ps_mask(m, y, _mm512_set1_ps(q->min_y), _CMP_GE_OQ);
	return _mm512_mask_cmp_ps_mask(m, y, _mm512_set1_ps(q->max_y), _CMP_LE_OQ);
}

static inline __mmask16 in_circle(const struct filter_columns *c, const struct filter_query *q, uint32_t i)
{
	__m512 dx = _mm512_sub_ps(_mm512_loadu_ps(c->x + i), _mm512_set1_ps(q->x));
	__m512 dy = _mm512_sub_ps(_mm512_loadu_ps(c->y + i), _mm512_set1_ps(q->y));
	__m512 square = _mm512_add_ps(_mm512_mul_ps(dx, dx), _mm512_mul_ps(dy, dy));
	return _mm512_cmp_ps_mask(square, _mm512_set1_ps(q->radius_squared), _CMP_LE_OQ);
}

/* Short scans, such as a block of a tree. The flag is constant at each call. */
[[gnu::always_inline]] static inline uint32_t scan_short(const struct filter_columns *c,
                                                         const struct filter_query *query, uint32_t first,
                                                         uint32_t count, uint32_t *found, bool is_circle)
{
	const struct filter_query q = *query; /* the stores to found cannot change it */
	uint32_t n = 0;
	for (uint32_t i = first; i < first + count; i += 32) {
		struct pair v;
		for (uint32_t k = 0; k < 2; k++)
			v.m[k] = is_circle ? in_circle(c, &q, i + 16 * k) : in_box(c, &q, i + 16 * k);
		if ((v.m[0] | v.m[1]) != 0)
			n += finish(c, query, v, i, found + n);
	}
	return n;
}

/* A cache line of a column with slots that lie in the area. */
struct line {
	uint32_t first;
	uint32_t mask;
};

/* Lists the lines of [i, end), without a branch on what is found. */
[[gnu::always_inline]] static inline uint32_t list_lines(const struct filter_columns *c, const struct filter_query *q,
                                                         uint32_t i, uint32_t end, struct line *lines, bool is_circle)
{
	uint32_t n = 0;
	for (; i < end; i += LINE) {
		__builtin_prefetch(c->x + i + AHEAD);
		__builtin_prefetch(c->y + i + AHEAD);
		uint32_t mask = is_circle ? in_circle(c, q, i) : in_box(c, q, i);
		lines[n] = (struct line){i, mask};
		n += mask != 0;
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

/* Long scans in two passes a batch, for the reason given in filter_avx2.c. */
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
		for (uint32_t i = 0; i < listed; i++)
			n += emit(is_open(&c, &q, lines[i].first, (__mmask16)lines[i].mask), lines[i].first, found + n);
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
static inline __mmask16 clearly_in_box(const struct filter_columns *c, const struct filter_query *q, uint32_t i)
{
	__m512 x = _mm512_loadu_ps(c->x + i);
	__m512 y = _mm512_loadu_ps(c->y + i);
	__mmask16 m = _mm512_cmp_ps_mask(x, _mm512_set1_ps(q->min_x), _CMP_GT_OQ);
	m = _mm512_mask_cmp_ps_mask(m, x, _mm512_set1_ps(q->max_x), _CMP_LT_OQ);
	m = _mm512_mask_cmp_ps_mask(m, y, _mm512_set1_ps(q->min_y), _CMP_GT_OQ);
	return _mm512_mask_cmp_ps_mask(m, y, _mm512_set1_ps(q->max_y), _CMP_LT_OQ);
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
	uint32_t unclear = 0;
	for (uint32_t b = 0; b < count; b++) {
		uint32_t first = blocks[b] * FILTER_BLOCK;
		for (uint32_t i = first; i < first + FILTER_BLOCK; i += 16) {
			__mmask16 m = is_circle ? in_circle(&c, &q, i) : in_box(&c, &q, i);
			__mmask16 clear = is_circle ? in_circle(&c, &inner, i) : clearly_in_box(&c, &q, i);
			unclear |= (uint32_t)m & ~(uint32_t)clear;
			n += emit(m, i, found + n);
		}
	}
	*is_clear = unclear == 0;
	return n;
}

static uint32_t avx512_box(const struct filter_columns *c, const struct filter_query *q, uint32_t first,
                           uint32_t count, uint32_t *found)
{
	return scan(c, q, first, count, found, false);
}

static uint32_t avx512_circle(const struct filter_columns *c, const struct filter_query *q, uint32_t first,
                              uint32_t count, uint32_t *found)
{
	return scan(c, q, first, count, found, true);
}

static uint32_t avx512_blocks_box(const struct filter_columns *c, const struct filter_query *q, const uint32_t *blocks,
                              uint32_t count, uint32_t *found, bool *is_clear)
{
	return scan_blocks(c, q, blocks, count, found, is_clear, false);
}

static uint32_t avx512_blocks_circle(const struct filter_columns *c, const struct filter_query *q,
                                 const uint32_t *blocks, uint32_t count, uint32_t *found, bool *is_clear)
{
	return scan_blocks(c, q, blocks, count, found, is_clear, true);
}

static uint32_t avx512_reach(const struct filter_columns *c, const struct filter_query *q, uint32_t first,
                             uint32_t count, uint32_t *found)
{
	__m512 qx = _mm512_set1_ps(q->x), qy = _mm512_set1_ps(q->y), period = _mm512_set1_ps(q->period);
	uint32_t n = 0;
	for (uint32_t i = first; i < first + count; i += 32) {
		struct pair v;
		for (size_t k = 0; k < 2; k++) {
			__m512 dx = _mm512_abs_ps(_mm512_sub_ps(_mm512_loadu_ps(c->x + i + 16 * k), qx));
			__m512 dy = _mm512_abs_ps(_mm512_sub_ps(_mm512_loadu_ps(c->y + i + 16 * k), qy));
			__m512 reach_x = _mm512_loadu_ps(c->reach_x + i + 16 * k);
			__mmask16 near_x = _mm512_cmp_ps_mask(dx, reach_x, _CMP_LE_OQ) |
			                   _mm512_cmp_ps_mask(_mm512_sub_ps(period, dx), reach_x, _CMP_LE_OQ);
			v.m[k] = _mm512_mask_cmp_ps_mask(near_x, dy, _mm512_loadu_ps(c->reach_y + i + 16 * k), _CMP_LE_OQ);
		}
		if ((v.m[0] | v.m[1]) != 0)
			n += finish(c, q, v, i, found + n);
	}
	return n;
}

static uint32_t avx512_nodes_box(const struct filter_boxes *b, const struct filter_query *q, uint32_t first,
                                 uint32_t count, uint32_t *found)
{
	const struct filter_boxes boxes = *b; /* the stores to found cannot change it */
	__m512 min_x = _mm512_set1_ps(q->min_x), max_x = _mm512_set1_ps(q->max_x);
	__m512 min_y = _mm512_set1_ps(q->min_y), max_y = _mm512_set1_ps(q->max_y);
	uint32_t n = 0;
	for (uint32_t i = first; i < first + count; i += 16) {
		__mmask16 m = _mm512_cmp_ps_mask(_mm512_loadu_ps(boxes.min_x + i), max_x, _CMP_LE_OQ);
		m = _mm512_mask_cmp_ps_mask(m, _mm512_loadu_ps(boxes.max_x + i), min_x, _CMP_GE_OQ);
		m = _mm512_mask_cmp_ps_mask(m, _mm512_loadu_ps(boxes.min_y + i), max_y, _CMP_LE_OQ);
		m = _mm512_mask_cmp_ps_mask(m, _mm512_loadu_ps(boxes.max_y + i), min_y, _CMP_GE_OQ);
		n += emit(m, i, found + n);
	}
	return n;
}

static inline __mmask16 is_between(__mmask16 m, __m512 low, __m512 value, __m512 high)
{
	return _mm512_mask_cmp_ps_mask(_mm512_mask_cmp_ps_mask(m, low, value, _CMP_LE_OQ), high, value, _CMP_GE_OQ);
}

static uint32_t avx512_nodes_reach(const struct filter_boxes *b, const struct filter_query *q, uint32_t first,
                                   uint32_t count, uint32_t *found)
{
	__m512 x = _mm512_set1_ps(q->x), y = _mm512_set1_ps(q->y);
	__m512 east = _mm512_set1_ps(q->x + q->period), west = _mm512_set1_ps(q->x - q->period);
	uint32_t n = 0;
	for (uint32_t i = first; i < first + count; i += 16) {
		__m512 low = _mm512_loadu_ps(b->min_x + i), high = _mm512_loadu_ps(b->max_x + i);
		__mmask16 in_y = is_between(0xffff, _mm512_loadu_ps(b->min_y + i), y, _mm512_loadu_ps(b->max_y + i));
		__mmask16 m = is_between(in_y, low, x, high) | is_between(in_y, low, east, high) | is_between(in_y, low, west, high);
		n += emit(m, i, found + n);
	}
	return n;
}

static const struct filter table = {
	.name = "avx512",
	.box = avx512_box,
	.circle = avx512_circle,
	.reach = avx512_reach,
	.blocks_box = avx512_blocks_box,
	.blocks_circle = avx512_blocks_circle,
	.nodes_box = avx512_nodes_box,
	.nodes_reach = avx512_nodes_reach,
};
const struct filter *const filter_avx512 = &table;

#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#else
const struct filter *const filter_avx512 = NULL;
#endif
