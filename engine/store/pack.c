#include "engine/store/pack.h"

#include "engine/base/random.h"
#include "engine/store/geometry.h"
#include "engine/store/run.h"

static inline float key(const struct pack_place *p, bool by_y) { return by_y ? p->y : p->x; }

static inline void swap(struct pack_place *a, struct pack_place *b)
{
	struct pack_place t = *a;
	*a = *b;
	*b = t;
}

static float median_of_three(const struct pack_place *p, int64_t low, int64_t high, bool by_y, struct random *r)
{
	uint64_t span = (uint64_t)(high - low + 1);
	float a = key(&p[low + (int64_t)random_below(r, span)], by_y);
	float b = key(&p[low + (int64_t)random_below(r, span)], by_y);
	float c = key(&p[low + (int64_t)random_below(r, span)], by_y);
	float least = a < b ? a : b;
	float most = a < b ? b : a;
	return c < least ? least : c > most ? most : c;
}

/* Hoare's selection (CACM 1961, algorithm 65): afterwards nothing before `nth` has a
 * greater key and nothing behind a smaller one. Equal keys are split between the sides,
 * so many rewards in one place do not make it quadratic. */
static void select_nth(struct pack_place *p, uint32_t count, uint32_t nth, bool by_y, struct random *r)
{
	int64_t low = 0;
	int64_t high = (int64_t)count - 1;
	while (low < high) {
		float pivot = median_of_three(p, low, high, by_y, r);
		int64_t i = low;
		int64_t j = high;
		while (i <= j) {
			while (key(&p[i], by_y) < pivot)
				i++;
			while (pivot < key(&p[j], by_y))
				j--;
			if (i <= j)
				swap(&p[i++], &p[j--]);
		}
		if ((int64_t)nth <= j)
			high = j;
		else if ((int64_t)nth >= i)
			low = i;
		else
			return;
	}
}

static bool is_taller(const struct pack_place *p, uint32_t count, bool is_plane)
{
	float min_x = p[0].x, max_x = p[0].x, min_y = p[0].y, max_y = p[0].y;
	for (uint32_t i = 1; i < count; i++) {
		min_x = p[i].x < min_x ? p[i].x : min_x;
		max_x = p[i].x > max_x ? p[i].x : max_x;
		min_y = p[i].y < min_y ? p[i].y : min_y;
		max_y = p[i].y > max_y ? p[i].y : max_y;
	}
	/* A degree of longitude is shorter than one of latitude: square in metres is meant. */
	double scale = is_plane ? 1 : geometry_cosine(0.5 * ((double)min_y + max_y));
	return (double)max_y - min_y > ((double)max_x - min_x) * scale;
}

static void split(struct pack_place *p, uint32_t count, bool is_plane, struct random *r)
{
	while (count > RUN_BLOCK) {
		uint64_t unit = RUN_BLOCK;
		while (unit * RUN_FANOUT < count)
			unit *= RUN_FANOUT;
		uint32_t left = (uint32_t)((count + unit - 1) / unit / 2 * unit);
		select_nth(p, count, left, is_taller(p, count, is_plane), r);
		split(p, left, is_plane, r);
		p += left;
		count -= left;
	}
}

void pack_order(struct pack_place *places, uint32_t count, bool is_plane)
{
	struct random r = {.state = count};
	split(places, count, is_plane, &r);
}
