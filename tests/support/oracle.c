#include "tests/support/oracle.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void oracle_init(struct oracle *o, bool is_plane) { *o = (struct oracle){.is_plane = is_plane}; }

void oracle_deinit(struct oracle *o)
{
	free(o->rewards);
	*o = (struct oracle){};
}

static struct oracle_reward *find(const struct oracle *o, struct identifier id)
{
	for (size_t i = 0; i < o->count; i++)
		if (o->rewards[i].is_alive && o->rewards[i].reward.id.low == id.low && o->rewards[i].reward.id.high == id.high)
			return &o->rewards[i];
	return NULL;
}

const struct oracle_reward *oracle_get(const struct oracle *o, struct identifier id) { return find(o, id); }

void oracle_put(struct oracle *o, const struct reward *reward)
{
	struct oracle_reward *r = find(o, reward->id);
	if (r == NULL) {
		if (o->count == o->capacity) {
			o->capacity = o->capacity == 0 ? 64 : o->capacity * 2;
			o->rewards = realloc(o->rewards, o->capacity * sizeof *o->rewards);
			if (o->rewards == NULL)
				abort();
		}
		r = &o->rewards[o->count++];
	}
	memset(r, 0, sizeof *r);
	r->reward = *reward;
	memcpy(r->kind, reward->kind_bytes == 0 ? "default" : reward->kind, reward->kind_bytes == 0 ? 7 : reward->kind_bytes);
	if (reward->name_bytes != 0)
		memcpy(r->name, reward->name, reward->name_bytes);
	r->is_alive = true;
}

bool oracle_remove(struct oracle *o, struct identifier id)
{
	struct oracle_reward *r = find(o, id);
	if (r == NULL)
		return false;
	*r = o->rewards[--o->count];
	return true;
}

size_t oracle_live(const struct oracle *o) { return o->count; }

/* The definitions of geometry.h, written a second time. */
double oracle_distance(const struct oracle *o, double x1, double y1, double x2, double y2)
{
	if (o->is_plane) {
		double square = (x2 - x1) * (x2 - x1) + (y2 - y1) * (y2 - y1);
		return square > 1e-280 ? sqrt(square) : hypot(x2 - x1, y2 - y1);
	}
	const double to_radians = M_PI / 180;
	double across = fabs(x2 - x1);
	if (across > 180)
		across = 360 - across;
	double c1 = y1 == 90 || y1 == -90 ? 0 : cos(y1 * to_radians);
	double c2 = y2 == 90 || y2 == -90 ? 0 : cos(y2 * to_radians);
	double sy = sin((y2 - y1) * to_radians / 2);
	double sx = sin(across * to_radians / 2);
	double root = sqrt(sy * sy + c1 * c2 * sx * sx);
	return 2 * 6371008.8 * asin(root > 1 ? 1 : root);
}

static bool is_kind_asked(const struct locate_query *q, const char *kind)
{
	if (q->kinds_bytes == 0)
		return true;
	char list[2048];
	char item[KIND_BYTES_MAX + 3];
	snprintf(list, sizeof list, ",%.*s,", (int)q->kinds_bytes, q->kinds);
	snprintf(item, sizeof item, ",%s,", kind);
	return strstr(list, item) != NULL;
}

static bool is_in_box(bool is_plane, const double b[4], double x, double y)
{
	bool in_y = b[1] <= y && y <= b[3];
	bool in_x = b[0] <= x && x <= b[2];
	if (!is_plane && b[0] > b[2])
		in_x = b[0] <= x || x <= b[2];
	return in_x && in_y;
}

static bool is_match(const struct oracle *o, const struct oracle_reward *r, const struct locate_query *q, double distance)
{
	if (!r->is_alive || r->reward.stock == 0 || !is_kind_asked(q, r->kind))
		return false;
	if (q->at_ms < r->reward.from_ms || q->at_ms >= r->reward.until_ms)
		return false;
	if (q->area == LOCATE_BOX)
		return is_in_box(o->is_plane, q->box, r->reward.x, r->reward.y);
	return distance <= (q->area == LOCATE_OWN ? r->reward.radius : q->radius);
}

static int by_distance(const void *a, const void *b)
{
	const struct oracle_match *m = a;
	const struct oracle_match *n = b;
	if (m->distance != n->distance)
		return m->distance < n->distance ? -1 : 1;
	if (m->reward.high != n->reward.high)
		return m->reward.high < n->reward.high ? -1 : 1;
	return m->reward.low < n->reward.low ? -1 : m->reward.low > n->reward.low;
}

uint64_t oracle_locate(const struct oracle *o, const struct locate_query *q, struct oracle_match **matches)
{
	uint64_t count = 0;
	*matches = malloc((o->count + 1) * sizeof **matches);
	if (*matches == NULL)
		abort();
	for (size_t i = 0; i < o->count; i++) {
		const struct oracle_reward *r = &o->rewards[i];
		double distance = oracle_distance(o, q->x, q->y, r->reward.x, r->reward.y);
		if (is_match(o, r, q, distance))
			(*matches)[count++] =
			    (struct oracle_match){r->reward.id, distance, r->reward.value, r->reward.stock, r->kind};
	}
	qsort(*matches, count, sizeof **matches, by_distance);
	return count;
}
