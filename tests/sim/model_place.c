/* Products; rewards, and which of them are near. */
#include "tests/sim/model_inside.h"

#include <math.h>
#include <stdio.h>

/* How far two points are from each other, and how far that may be off. */
double model_distance(const struct model *m, double x1, double y1, double x2, double y2)
{
	if (m->options.is_plane)
		return sqrt((x1 - x2) * (x1 - x2) + (y1 - y2) * (y1 - y2));
	double to = M_PI / 180, u = sin((y2 - y1) * to / 2), v = sin((x2 - x1) * to / 2);
	double h = u * u + cos(y1 * to) * cos(y2 * to) * v * v;
	return 2 * 6371008.8 * asin(sqrt(h < 1 ? h : 1));
}

double model_slack(double d) { return 1e-6 + fabs(d) * 1e-9; }

static bool is_in_box(const struct model *m, const double box[4], double x, double y)
{
	bool is_across = !m->options.is_plane && box[0] > box[2];
	bool is_in_x = is_across ? x >= box[0] || x <= box[2] : x >= box[0] && x <= box[2];
	return is_in_x && y >= box[1] && y <= box[3];
}

int64_t model_remaining(const struct model_reward *r)
{
	if (r->put.stock == STOCK_UNLIMITED)
		return STOCK_UNLIMITED;
	return r->taken < r->put.stock ? r->put.stock - r->taken : 0;
}

/* ---- rewards and products -------------------------------------------------------------------------------- */

struct model_product *model_product_named(struct model *m, const char *sku)
{
	for (unsigned i = 0; i < MODEL_SKUS; i++)
		if (m->products[i].is_there && strcmp(m->products[i].sku, sku) == 0)
			return &m->products[i];
	return NULL;
}

static status put_product(struct model *m, const struct ask *a)
{
	struct model_product *p = model_product_named(m, a->sku);
	for (unsigned i = 0; i < MODEL_SKUS && p == NULL; i++)
		p = m->products[i].is_there ? NULL : &m->products[i];
	*p = (struct model_product){.is_there = true, .unit_price = a->unit_price};
	memcpy(p->sku, a->sku, sizeof p->sku);
	memcpy(p->name, a->name, sizeof p->name);
	memcpy(p->currency, a->currency, sizeof p->currency);
	return STATUS_ok;
}

status model_product(struct model *m, const struct ask *a, struct answer *e)
{
	struct model_product *p = model_product_named(m, a->sku);
	e->type = RESULT_ok;
	if (a->type == EVENT_product_put)
		return put_product(m, a);
	if (p == NULL)
		return STATUS_not_found;
	if (a->type == EVENT_product_remove) {
		p->is_there = false;
		return STATUS_ok;
	}
	e->type = RESULT_product;
	e->unit_price = p->unit_price;
	memcpy(e->sku, p->sku, sizeof p->sku);
	memcpy(e->name, p->name, sizeof p->name);
	memcpy(e->currency, p->currency, sizeof p->currency);
	return STATUS_ok;
}

static const char *kind_of(const struct ask *put) { return put->kind[0] == '\0' ? "default" : put->kind; }

static void show_reward(const struct model_reward *r, struct answer *e)
{
	const struct ask *p = &r->put;
	e->type = RESULT_reward;
	e->reward = p->reward;
	e->x = p->x;
	e->y = p->y;
	e->radius = p->radius;
	e->value = p->value;
	e->stock = p->stock;
	e->remaining = model_remaining(r);
	e->from_ms = p->from_ms;
	e->until_ms = p->until_ms;
	e->per_actor = p->per_actor;
	e->benefit_type = p->benefit_type;
	e->benefit_value = p->benefit_value;
	memcpy(e->currency, p->currency, 4);
	memcpy(e->name, p->name, sizeof e->name);
	snprintf(e->kind, sizeof e->kind, "%s", kind_of(p));
}

status model_reward(struct model *m, const struct ask *a, struct answer *e)
{
	struct model_reward *r = &m->rewards[a->reward];
	e->type = RESULT_ok;
	if (a->type == EVENT_reward_put) {
		r->is_there = r->is_by_event = true;
		r->put = *a;
		return STATUS_ok;
	}
	if (!r->is_there)
		return STATUS_not_found;
	if (a->type == EVENT_reward_get) {
		show_reward(r, e);
		return STATUS_ok;
	}
	r->is_there = false;
	r->is_by_event = true;
	return STATUS_ok;
}

/* How a reward stands to a query: 0 out, 1 in, 2 on the edge, where the last bits decide. */
static int matches(const struct model *m, const struct model_reward *r, const struct ask *a, int64_t at_ms)
{
	const struct ask *p = &r->put;
	if (!r->is_there || at_ms < p->from_ms || at_ms >= p->until_ms || model_remaining(r) == 0)
		return 0;
	if (a->kind[0] != '\0' && strcmp(a->kind, kind_of(p)) != 0)
		return 0;
	if (a->area == LOCATE_BOX)
		return is_in_box(m, a->box, p->x, p->y);
	double d = model_distance(m, p->x, p->y, a->x, a->y), radius = a->area == LOCATE_RADIUS ? a->radius : p->radius;
	if (!m->options.is_plane && fabs(d - radius) <= model_slack(d))
		return 2;
	return d <= radius;
}

static bool check_match(struct model *m, const struct ask *a, const struct answer_match *match, int64_t at_ms, double before)
{
	if (match->reward == 0 || match->reward > MODEL_REWARDS)
		return model_wrong(m, "located a reward that never was");
	const struct model_reward *r = &m->rewards[match->reward];
	double d = model_distance(m, r->put.x, r->put.y, a->x, a->y);
	if (matches(m, r, a, at_ms) == 0)
		return model_wrong(m, "located reward %llu, which does not match", (unsigned long long)match->reward);
	if (fabs(match->distance - d) > model_slack(d) || match->distance < before)
		return model_wrong(m, "reward %llu is told to be %.12g away, behind %.12g; it is %.12g",
		                   (unsigned long long)match->reward, match->distance, before, d);
	if (match->value != r->put.value || match->remaining != model_remaining(r) || strcmp(match->kind, kind_of(&r->put)) != 0)
		return model_wrong(m, "located reward %llu: remaining %lld, should be %lld", (unsigned long long)match->reward,
		                   (long long)match->remaining, (long long)model_remaining(r));
	return true;
}

bool model_located(struct model *m, const struct ask *a, int64_t at_ms, const struct answer *got)
{
	unsigned sure = 0, unsure = 0, limit = a->limit != 0 ? a->limit : 16, nearer = 0;
	double last = 0;
	bool is_told[MODEL_REWARDS + 1] = {};
	if (got->type != RESULT_located)
		return model_wrong(m, "a locate was refused");
	for (unsigned i = 1; i <= MODEL_REWARDS; i++) {
		int how = matches(m, &m->rewards[i], a, at_ms);
		sure += how == 1;
		unsure += how == 2;
	}
	unsigned told = got->count < limit ? (unsigned)got->count : limit;
	if (got->count < sure || got->count > sure + unsure || got->match_count != told || got->is_truncated != (got->count > told))
		return model_wrong(m, "located %llu, told %u; should be %u to %u", (unsigned long long)got->count, got->match_count, sure,
		                   sure + unsure);
	for (unsigned i = 0; i < got->match_count; i++) {
		if (!check_match(m, a, &got->matches[i], at_ms, last) || is_told[got->matches[i].reward])
			return m->why[0] != '\0' ? false : model_wrong(m, "a reward was told twice");
		is_told[got->matches[i].reward] = true;
		last = got->matches[i].distance;
	}
	for (unsigned i = 1; i <= MODEL_REWARDS && unsure == 0; i++) {
		const struct model_reward *r = &m->rewards[i];
		double d = model_distance(m, r->put.x, r->put.y, a->x, a->y);
		nearer += matches(m, r, a, at_ms) == 1 && !is_told[i] && d + model_slack(d) < last;
	}
	return nearer == 0 || model_wrong(m, "%u rewards are nearer than the last one told", nearer);
}
