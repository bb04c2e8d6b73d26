/* The reference: what a slot must satisfy, said once in plain C. */
#include "engine/store/filter.h"

static inline bool is_open(const struct filter_columns *c, const struct filter_query *q, uint32_t i)
{
	return (c->from[i] <= q->at) & (q->at < c->until[i]) & ((c->kinds[i] & q->kinds) != 0);
}

static uint32_t scalar_box(const struct filter_columns *c, const struct filter_query *q, uint32_t first, uint32_t count,
                           uint32_t *found)
{
	uint32_t n = 0;
	for (uint32_t i = first; i < first + count; i++) {
		bool inside = (c->x[i] >= q->min_x) & (c->x[i] <= q->max_x) & (c->y[i] >= q->min_y) & (c->y[i] <= q->max_y);
		found[n] = i;
		n += inside & is_open(c, q, i);
	}
	return n;
}

static uint32_t scalar_circle(const struct filter_columns *c, const struct filter_query *q, uint32_t first,
                              uint32_t count, uint32_t *found)
{
	uint32_t n = 0;
	for (uint32_t i = first; i < first + count; i++) {
		float dx = c->x[i] - q->x;
		float dy = c->y[i] - q->y;
		found[n] = i;
		n += (dx * dx + dy * dy <= q->radius_squared) & is_open(c, q, i);
	}
	return n;
}

static uint32_t scalar_blocks_box(const struct filter_columns *c, const struct filter_query *q, const uint32_t *blocks,
                                  uint32_t count, uint32_t *found, bool *is_clear)
{
	uint32_t n = 0;
	bool unclear = false;
	for (uint32_t k = 0; k < count * FILTER_BLOCK; k++) {
		uint32_t i = blocks[k / FILTER_BLOCK] * FILTER_BLOCK + k % FILTER_BLOCK;
		float x = c->x[i];
		float y = c->y[i];
		bool inside = (x >= q->min_x) & (x <= q->max_x) & (y >= q->min_y) & (y <= q->max_y);
		unclear |= inside & !((x > q->min_x) & (x < q->max_x) & (y > q->min_y) & (y < q->max_y));
		found[n] = i;
		n += inside;
	}
	*is_clear = !unclear;
	return n;
}

static uint32_t scalar_blocks_circle(const struct filter_columns *c, const struct filter_query *q,
                                     const uint32_t *blocks, uint32_t count, uint32_t *found, bool *is_clear)
{
	uint32_t n = 0;
	bool unclear = false;
	for (uint32_t k = 0; k < count * FILTER_BLOCK; k++) {
		uint32_t i = blocks[k / FILTER_BLOCK] * FILTER_BLOCK + k % FILTER_BLOCK;
		float dx = c->x[i] - q->x;
		float dy = c->y[i] - q->y;
		float square = dx * dx + dy * dy;
		found[n] = i;
		n += square <= q->radius_squared;
		unclear |= (square <= q->radius_squared) & !(square <= q->inner_squared);
	}
	*is_clear = !unclear;
	return n;
}

static uint32_t scalar_reach(const struct filter_columns *c, const struct filter_query *q, uint32_t first,
                             uint32_t count, uint32_t *found)
{
	uint32_t n = 0;
	for (uint32_t i = first; i < first + count; i++) {
		float dx = __builtin_fabsf(c->x[i] - q->x);
		float dy = __builtin_fabsf(c->y[i] - q->y);
		bool near = ((dx <= c->reach_x[i]) | (q->period - dx <= c->reach_x[i])) & (dy <= c->reach_y[i]);
		found[n] = i;
		n += near & is_open(c, q, i);
	}
	return n;
}

static uint32_t scalar_nodes_box(const struct filter_boxes *b, const struct filter_query *q, uint32_t first,
                                 uint32_t count, uint32_t *found)
{
	uint32_t n = 0;
	for (uint32_t i = first; i < first + count; i++) {
		found[n] = i;
		n += (b->min_x[i] <= q->max_x) & (b->max_x[i] >= q->min_x) & (b->min_y[i] <= q->max_y) &
		     (b->max_y[i] >= q->min_y);
	}
	return n;
}

static uint32_t scalar_nodes_reach(const struct filter_boxes *b, const struct filter_query *q, uint32_t first,
                                   uint32_t count, uint32_t *found)
{
	uint32_t n = 0;
	float east = q->x + q->period;
	float west = q->x - q->period;
	for (uint32_t i = first; i < first + count; i++) {
		float low = b->min_x[i];
		float high = b->max_x[i];
		bool in_x = ((low <= q->x) & (high >= q->x)) | ((low <= east) & (high >= east)) | ((low <= west) & (high >= west));
		found[n] = i;
		n += in_x & (b->min_y[i] <= q->y) & (b->max_y[i] >= q->y);
	}
	return n;
}

const struct filter filter_scalar = {
	.name = "scalar",
	.box = scalar_box,
	.circle = scalar_circle,
	.reach = scalar_reach,
	.blocks_box = scalar_blocks_box,
	.blocks_circle = scalar_blocks_circle,
	.nodes_box = scalar_nodes_box,
	.nodes_reach = scalar_nodes_reach,
};
