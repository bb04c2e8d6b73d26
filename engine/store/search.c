#include "engine/store/search.h"

#include <math.h>
#include <string.h>

static void add_part(struct search *s, double min_x, double min_y, double max_x, double max_y)
{
	struct filter_query *p = &s->parts[s->part_count];
	/* Not onto itself: reading back in wide words what was just written in narrow ones stalls. */
	if (s->part_count++ != 0)
		*p = s->parts[0];
	p->min_x = (float)min_x;
	p->min_y = (float)min_y;
	p->max_x = (float)max_x;
	p->max_y = (float)max_y;
}

/* Two parts must not share a slot, or it would be found twice. Where rounding makes
 * them touch, one part goes all the way round. */
static void add_two_parts(struct search *s, double west_min, double min_y, double east_max, double max_y)
{
	if ((float)west_min <= (float)east_max) {
		add_part(s, -INFINITY, min_y, INFINITY, max_y);
		return;
	}
	add_part(s, west_min, min_y, INFINITY, max_y);
	add_part(s, -INFINITY, min_y, east_max, max_y);
}

static void prepare_box(struct search *s)
{
	const double *b = s->box;
	if (b[1] > b[3])
		return;
	if (b[0] <= b[2])
		add_part(s, b[0], b[1], b[2], b[3]);
	else if (!s->is_plane)
		add_two_parts(s, b[0], b[1], b[2], b[3]);
}

static void prepare_geo_circle(struct search *s)
{
	struct geometry_box boxes[2];
	s->threshold = geometry_geo_threshold(s->radius);
	if (geometry_geo_boxes(s->x, s->y, s->cosine, s->radius, boxes) == 1)
		add_part(s, boxes[0].min_x, boxes[0].min_y, boxes[0].max_x, boxes[0].max_y);
	else
		add_two_parts(s, boxes[0].min_x, boxes[0].min_y, boxes[1].max_x, boxes[1].max_y);
}

static void prepare_plane_circle(struct search *s)
{
	struct geometry_reach reach = geometry_plane_reach(s->radius);
	s->threshold = geometry_plane_threshold(s->radius);
	struct filter_query *p = &s->parts[0];
	s->part_count = 1;
	/* Outward, because the sums above were rounded. */
	p->min_x = filter_float_below(s->x - reach.x);
	p->min_y = filter_float_below(s->y - reach.y);
	p->max_x = filter_float_above(s->x + reach.x);
	p->max_y = filter_float_above(s->y + reach.y);
	p->radius_squared = filter_radius_squared(s->x, s->y, s->radius);
	p->inner_squared = filter_inner_squared(s->x, s->y, s->radius);
}

/* Fills the set of kinds; returns the filter's bits. */
static uint32_t prepare_kinds(struct search *s, const struct locate_query *query, const struct kinds *kinds)
{
	memset(s->kinds, 0, sizeof s->kinds);
	s->is_any_kind = query->kinds_bytes == 0;
	if (s->is_any_kind)
		return UINT32_MAX;
	uint32_t bits = 0;
	const char *end = query->kinds + query->kinds_bytes;
	for (const char *name = query->kinds; name <= end;) {
		const char *comma = memchr(name, ',', (size_t)(end - name));
		uint32_t bytes = (uint32_t)((comma == NULL ? end : comma) - name);
		unsigned kind = kinds_find(kinds, name, bytes);
		if (kind != KIND_NONE) {
			s->kinds[kind / 64] |= UINT64_C(1) << (kind % 64);
			bits |= 1u << (kind % 31);
		}
		name += bytes + 1;
	}
	return bits;
}

void search_prepare(struct search *s, const struct locate_query *query, const struct kinds *kinds)
{
	s->area = query->area;
	s->x = query->x;
	s->y = query->y;
	s->radius = query->radius;
	memcpy(s->box, query->box, sizeof s->box);
	s->cosine = s->is_plane ? 1 : geometry_cosine(s->y);
	s->at_ms = query->at_ms;
	s->at = filter_at(query->at_ms);
	s->part_count = 0;
	s->parts[0] = (struct filter_query){
		.x = (float)s->x,
		.y = (float)s->y,
		.period = s->is_plane ? INFINITY : 360,
		.at = s->at,
		.kinds = prepare_kinds(s, query, kinds),
	};
	if (s->parts[0].kinds == 0)
		return;
	if (s->area == LOCATE_BOX)
		prepare_box(s);
	else if (s->area == LOCATE_OWN)
		s->part_count = 1;
	else if (s->is_plane)
		prepare_plane_circle(s);
	else
		prepare_geo_circle(s);
}

static struct filter_columns columns_of(const struct run *run)
{
	return (struct filter_columns){run->x, run->y, run->from, run->until, run->kinds, run->reach_x, run->reach_y};
}

/* Geo circles have no test of their own in the plane of degrees: their boxes do. */
static filter_slots *slots_filter(const struct search *s, const struct filter *f)
{
	if (s->area == LOCATE_OWN)
		return f->reach;
	return s->area == LOCATE_RADIUS && s->is_plane ? f->circle : f->box;
}

/* All slots from first on; the vector filters take whole steps only. */
static void search_slots(struct search *s, const struct run *run, const struct filter *f,
                         const struct filter_query *part, uint32_t first, uint32_t count, search_visitor *visit)
{
	uint32_t found[SEARCH_CHUNK + FILTER_SPARE];
	struct filter_columns columns = columns_of(run);
	filter_slots *filter = slots_filter(s, f);
	for (uint32_t end = first + count; first < end; first += SEARCH_CHUNK) {
		uint32_t chunk = end - first < SEARCH_CHUNK ? end - first : SEARCH_CHUNK;
		uint32_t n = filter(&columns, part, first, chunk, found);
		if (n != 0)
			visit(s, run, found, n, CERTAIN_NOTHING);
	}
}

static void search_linear(struct search *s, const struct run *run, const struct filter_query *part,
                          search_visitor *visit)
{
	uint32_t count = atomic_load_explicit(&run->count, memory_order_acquire);
	if (run->level_count != 0) {
		search_slots(s, run, s->filter, part, 0, count, visit);
		return;
	}
	/* An open run may be growing behind count: its last, part-filled step is read slot by slot. */
	uint32_t whole = count / FILTER_STEP * FILTER_STEP;
	search_slots(s, run, s->filter, part, 0, whole, visit);
	search_slots(s, run, &filter_scalar, part, whole, count - whole, visit);
}

/* Columns lie apart, so a block is a few far lines: fetched for all blocks before the first is read. */
static inline void fetch_blocks(const struct run *run, const uint32_t *blocks, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		uint32_t slot = blocks[i] * RUN_BLOCK;
		for (uint32_t k = 0; k < RUN_BLOCK; k += 16) {
			__builtin_prefetch(run->x + slot + k);
			__builtin_prefetch(run->y + slot + k);
		}
	}
}

static void search_block(struct search *s, const struct run *run, uint32_t block, search_visitor *visit)
{
	uint32_t found[RUN_BLOCK + FILTER_SPARE];
	struct filter_columns columns = columns_of(run);
	uint32_t slot = block * RUN_BLOCK;
	uint32_t left = run->capacity - slot;
	uint32_t n = slots_filter(s, s->filter)(&columns, s->part, slot, left < RUN_BLOCK ? left : RUN_BLOCK, found);
	if (n != 0)
		visit(s, run, found, n, CERTAIN_NOTHING);
}

/* All at once, where only the area is open. */
static void search_open_blocks(struct search *s, const struct run *run, const uint32_t *blocks, uint32_t count,
                               search_visitor *visit)
{
	uint32_t found[RUN_FANOUT * RUN_BLOCK + FILTER_SPARE];
	struct filter_columns columns = columns_of(run);
	bool is_circle = s->area == LOCATE_RADIUS && s->is_plane;
	filter_blocks *filter = is_circle ? s->filter->blocks_circle : s->filter->blocks_box;
	bool is_clear;
	uint32_t n = filter(&columns, s->part, blocks, count, found, &is_clear);
	/* A geo circle is only bounded by its box. */
	is_clear &= is_circle || s->area == LOCATE_BOX;
	if (n != 0)
		visit(s, run, found, n, is_clear ? CERTAIN_MATCH : CERTAIN_OPEN);
}

static void search_blocks(struct search *s, const struct run *run, const uint32_t *blocks, uint32_t count,
                          search_visitor *visit)
{
	bool are_open = s->is_any_kind && s->area != LOCATE_OWN;
	fetch_blocks(run, blocks, count);
	for (uint32_t i = 0; i < count; i++)
		are_open &= run_block_is_open(run, blocks[i], s->at, s->version);
	if (are_open && count != 0) {
		search_open_blocks(s, run, blocks, count, visit);
		return;
	}
	for (uint32_t i = 0; i < count; i++)
		search_block(s, run, blocks[i], visit);
}

static inline uint32_t search_nodes(const struct search *s, const struct run_level *l, uint32_t first, uint32_t count,
                                    uint32_t *nodes)
{
	if (s->area == LOCATE_OWN) {
		struct filter_boxes boxes = {l->reach_min_x, l->reach_max_x, l->reach_min_y, l->reach_max_y};
		return s->filter->nodes_reach(&boxes, s->part, first, count, nodes);
	}
	struct filter_boxes boxes = {l->min_x, l->max_x, l->min_y, l->max_y};
	return s->filter->nodes_box(&boxes, s->part, first, count, nodes);
}

/* The children of one node (first..) at a level; level 0's nodes are blocks of slots. */
static void search_level(struct search *s, const struct run *run, unsigned level, uint32_t first, uint32_t count,
                         search_visitor *visit)
{
	uint32_t nodes[RUN_FANOUT + FILTER_SPARE];
	uint32_t n = search_nodes(s, &run->levels[level], first, count, nodes);
	if (level == 0) {
		search_blocks(s, run, nodes, n, visit);
		return;
	}
	const struct run_level *below = &run->levels[level - 1];
	for (uint32_t i = 0; i < n; i++) {
		uint32_t child = nodes[i] * RUN_FANOUT;
		uint32_t left = below->node_count - child;
		search_level(s, run, level - 1, child, left < RUN_FANOUT ? left : RUN_FANOUT, visit);
	}
}

void search_run(struct search *s, const struct run *run, search_visitor *visit)
{
	for (unsigned i = 0; i < s->part_count; i++) {
		s->part = &s->parts[i];
		if (run->level_count == 0 || s->ignore_tree) {
			search_linear(s, run, &s->parts[i], visit);
			continue;
		}
		unsigned top = run->level_count - 1;
		search_level(s, run, top, 0, run->levels[top].node_count, visit);
	}
}
