/*
 * search: one query over one run. Prepared once per query, then asked of every run.
 *
 * The filter names candidates (through the tree, or over all slots where there is no
 * tree); search_decide says in double precision which of them match. Everything lives
 * in the caller's struct: no allocation, any thread. It borrows the kinds and the run for as
 * long as the query lasts, which its epoch section guarantees; slots hold during the visit.
 */
#ifndef ENGINE_STORE_SEARCH_H
#define ENGINE_STORE_SEARCH_H

#include "engine/store/kinds.h"
#include "engine/store/run.h"

enum { SEARCH_CHUNK = RUN_FANOUT * RUN_BLOCK }; /* slots that are filtered at once */

struct search {
	const struct filter *filter;
	bool is_plane;
	bool ignore_tree; /* tests: the answer must be the same without */
	enum locate_area area;
	unsigned part_count;         /* 0 to 2 (antimeridian); 0: nothing can match */
	struct filter_query parts[2];
	const struct filter_query *part; /* the one at work */
	double x, y, cosine, radius;
	double box[4];
	struct geometry_threshold threshold;
	int64_t at_ms;
	int32_t at;
	bool is_any_kind;
	uint64_t kinds[4]; /* a bit for each kind asked for */
	uint64_t version;
};

/* What is already known of the candidates. */
enum certainty {
	CERTAIN_NOTHING,
	CERTAIN_OPEN,  /* window, kind, stock and version pass */
	CERTAIN_MATCH, /* and the area holds them */
};

/* Candidates in one run, in rising order within a block: at most SEARCH_CHUNK at a time. */
typedef void search_visitor(struct search *s, const struct run *run, const uint32_t *slots, uint32_t count,
                            enum certainty certainty);

void search_prepare(struct search *s, const struct locate_query *query, const struct kinds *kinds);
void search_run(struct search *s, const struct run *run, search_visitor *visit);

/* Squared distance (plane) or haversine (geo): rises with the distance, and is cheaper. */
static inline double search_square(const struct search *s, const struct exact *e)
{
	if (!s->is_plane)
		return geometry_haversine(s->x, s->y, s->cosine, e->x, e->y, e->cosine);
	double dx = e->x - s->x;
	double dy = e->y - s->y;
	return dx * dx + dy * dy;
}

static inline double search_distance(const struct search *s, const struct exact *e, double square)
{
	return s->is_plane ? geometry_plane_distance(square, e->x - s->x, e->y - s->y) : geometry_arc(square);
}

/* The columns decide unless `at` falls into the second in which the window begins or
 * ends, or where they are saturated. */
static inline bool search_is_active(const struct search *s, const struct run *run, uint32_t slot)
{
	if (__builtin_expect(run->from[slot] < s->at && run->until[slot] - 1 > s->at, 1))
		return true;
	return run->cold[slot].from_ms <= s->at_ms && s->at_ms < run->cold[slot].until_ms;
}

static inline bool search_is_asked(const struct search *s, unsigned kind)
{
	return s->is_any_kind || (s->kinds[kind / 64] >> (kind % 64) & 1) != 0;
}

/* Does the circle hold a place with this square? Only near the rim is the distance needed. */
static inline bool search_is_near(const struct search *s, const struct exact *e, double square)
{
	if (square < s->threshold.inside)
		return true;
	return square <= s->threshold.outside && search_distance(s, e, square) <= s->radius;
}

/* Does the area hold the candidate? *square is needed by the caller or not. */
static inline bool search_is_inside(const struct search *s, const struct run *run, const struct exact *e,
                                    double square)
{
	switch (s->area) {
	case LOCATE_RADIUS:
		return search_is_near(s, e, square);
	case LOCATE_BOX:
		return geometry_box_contains(s->box, s->is_plane, e->x, e->y);
	case LOCATE_OWN:
		break;
	}
	return search_distance(s, e, square) <= run->radius[e - run->exact];
}

/* All that is no matter of place. */
static inline bool search_is_eligible(const struct search *s, const struct run *run, uint32_t slot)
{
	return search_is_active(s, run, slot) && search_is_asked(s, run->exact[slot].kind) &&
	       run_sees(run, slot, s->version);
}

#endif
