/*
 * filter: the inner loops. Which slots of a block, and which nodes of a tree, can a
 * query match? Area, validity window, kind and stock are decided in one pass.
 *
 * The answers are conservative: columns and bounds are 32-bit, so a slot that is
 * named may still not match, but no slot that matches is left out. Two facts carry
 * this: rounding to nearest is monotone (x >= a implies (float)x >= (float)a), which
 * is all that boxes need, and filter_radius_squared and run.c widen circles by what
 * the rounding of the coordinates can hide.
 *
 * One file per instruction set holds one `struct filter`; filter_choose picks by the
 * processor. filter_scalar.c is the reference; the others must name the same slots.
 * Pure functions, any thread, no allocation: columns, query and `found` are the caller's.
 *
 * Shapes: `count` slots from `first` on. Columns are readable up to a multiple of
 * FILTER_STEP slots (FILTER_NODE_STEP nodes) and first is such a multiple, except for
 * the scalar filter, which reads nothing beyond count. The others treat count as
 * rounded up. Padding has NaN coordinates, which no test lets through. `found` has
 * room for count rounded up and FILTER_SPARE more.
 */
#ifndef ENGINE_STORE_FILTER_H
#define ENGINE_STORE_FILTER_H

#include "engine/base/status.h"

#include <float.h>
#include <math.h>
#include <stdint.h>

enum {
	FILTER_STEP = 64,
	FILTER_BLOCK = 32,   /* slots of a block in filter_blocks */
	FILTER_NODE_STEP = 16,
	FILTER_SPARE = 16, /* whole vectors are stored, their tails are garbage */
};

/* A run's hot columns. */
struct filter_columns {
	const float *x;
	const float *y;
	const int32_t *from;      /* as by filter_from */
	const int32_t *until;     /* as by filter_until */
	const uint32_t *kinds;    /* one bit; none when out of stock */
	const float *reach_x;     /* half extents of the reward's own circle */
	const float *reach_y;
};

/* Bounding boxes of a tree's nodes. */
struct filter_boxes {
	const float *min_x, *max_x, *min_y, *max_y;
};

struct filter_query {
	float min_x, max_x, min_y, max_y; /* slots: box; nodes: the boxes to meet */
	float x, y;                       /* centre of a circle; place of an own-radius query */
	float radius_squared;             /* as by filter_radius_squared */
	float inner_squared;              /* as by filter_inner_squared */
	float period;                     /* 360 where x goes round, else infinity */
	int32_t at;                       /* as by filter_at */
	uint32_t kinds;                   /* any of these bits; all: 0xffffffff */
};

/* Writes the slots' indices in rising order, returns how many. */
typedef uint32_t filter_slots(const struct filter_columns *columns, const struct filter_query *query, uint32_t first,
                              uint32_t count, uint32_t *found);
/* The area alone, in a list of blocks whose other columns are known to pass. *is_clear: each
 * slot written is inside for certain: a value strictly between rounded bounds was so before
 * rounding. found has room for all slots of the blocks and FILTER_SPARE. */
typedef uint32_t filter_blocks(const struct filter_columns *columns, const struct filter_query *query,
                               const uint32_t *blocks, uint32_t count, uint32_t *found, bool *is_clear);
typedef uint32_t filter_nodes(const struct filter_boxes *boxes, const struct filter_query *query, uint32_t first,
                              uint32_t count, uint32_t *found);

struct filter {
	const char *name;
	filter_slots *box;          /* min <= x, y <= max */
	filter_slots *circle;       /* plane: squared distance <= radius_squared */
	filter_slots *reach;        /* own radius: |x - query x| (or round the back) <= reach */
	filter_blocks *blocks_box;
	filter_blocks *blocks_circle;
	filter_nodes *nodes_box;    /* boxes that meet the query's box */
	filter_nodes *nodes_reach;  /* boxes that contain the query's place, or that place one period off */
};

extern const struct filter filter_scalar;
/* NULL where the compiler's target is not x86-64. */
extern const struct filter *const filter_avx2;
extern const struct filter *const filter_avx512;

/* "auto", "scalar", "avx2" or "avx512"; *filter is static, nobody's to free. STATUS_invalid_field:
 * unknown, or not on this machine. */
status filter_choose(const char *name, const struct filter **filter);

/* Milliseconds to the columns' seconds since 2038 (so that 1970 to 2106 fits), saturating
 * such that from <= at < until implies filter_from <= filter_at < filter_until. */
int32_t filter_from(int64_t from_ms);
int32_t filter_until(int64_t until_ms);
int32_t filter_at(int64_t at_ms);

/* A float below and a float above a value of at most 1e38, a few steps away at most. Without a branch: whether
 * rounding went up or down is a coin's throw, which no processor predicts. */
static inline float filter_float_below(double value) { return (float)(value - fabs(value) * 0x1p-23 - FLT_MIN); }
static inline float filter_float_above(double value) { return (float)(value + fabs(value) * 0x1p-23 + FLT_MIN); }

/* Squares are widened by 2^-20 anyway, so rounding them to the nearest float is no harm. */
#define FILTER_SLACK 0x1p-20

/* A plane circle's bound, widened by what rounding x, y of slots and query can hide. */
static inline float filter_radius_squared(double x, double y, double radius)
{
	/* A slot in the circle is at most |x| + radius away from 0, so its rounding and the
	 * centre's hide at most this; the slack pays for the kernel's own arithmetic. */
	double hidden = (2 * (fabs(x) + fabs(y) + radius)) * 0x1p-24 + 2 * FLT_MIN;
	double wide = (radius + hidden) * (1 + FILTER_SLACK);
	return (float)(wide * wide + FLT_MIN);
}

/* The opposite: slots not above it are inside for certain. Negative: none is. */
static inline float filter_inner_squared(double x, double y, double radius)
{
	double hidden = (2 * (fabs(x) + fabs(y) + radius)) * 0x1p-23 + 2 * FLT_MIN;
	double narrow = (radius - hidden) * (1 - FILTER_SLACK);
	/* Below 1e-15 squares of floats come near their underflow. */
	return narrow < 1e-15 ? -1 : (float)(narrow * narrow);
}

#endif
