/* Carts, claims and what they bring. */
#include "tests/sim/model_inside.h"

#include <math.h>
#include <stdio.h>

#define MOST 9007199254740992 /* 2^53, of money */

struct model_claim *model_claim_of(struct model *m, uint64_t id)
{
	for (unsigned i = 0; i < m->claim_count; i++)
		if (m->claims[i].id == id)
			return &m->claims[i];
	return NULL;
}

static unsigned open_carts(const struct model *m)
{
	unsigned count = 0;
	for (unsigned i = 1; i <= MODEL_CARTS; i++)
		count += m->carts[i].state == CART_open;
	return count;
}

/* Room for lines that open carts take. */
static unsigned extents_of_open(const struct model *m)
{
	unsigned count = 0;
	for (unsigned i = 1; i <= MODEL_CARTS; i++) {
		const struct model_cart *c = &m->carts[i];
		unsigned extents = (c->count + 19) / 20;
		if (c->state == CART_open)
			count += extents == 0 && c->benefit.type != BENEFIT_NONE ? 1 : extents;
	}
	return count;
}

/* ---- carts ----------------------------------------------------------------------------------------------- */

int64_t model_sum(const struct model_cart *c)
{
	int64_t sum = 0;
	for (unsigned i = 0; i < c->count; i++)
		sum += c->lines[i].quantity * c->lines[i].unit_price;
	return sum;
}

/* A percentage is of the whole, to the nearest minor unit, half of one up. */
int64_t model_off(const struct model_cart *c)
{
	int64_t sum = model_sum(c);
	if (c->benefit.type == BENEFIT_NONE)
		return 0;
	if (c->benefit.type == BENEFIT_AMOUNT)
		return c->benefit.value < sum ? c->benefit.value : sum;
	__int128 exact = (__int128)sum * c->benefit.value;
	int64_t whole = (int64_t)(exact / 10000), rest = (int64_t)(exact % 10000);
	return rest >= 5000 ? whole + 1 : whole;
}

static void show_cart(const struct model_cart *c, uint64_t number, bool with_lines, struct answer *e)
{
	e->type = RESULT_cart;
	e->cart = number;
	e->actor = c->actor;
	e->subtotal = model_sum(c);
	e->discount = model_off(c);
	e->total = e->subtotal - e->discount;
	e->line_count = c->count;
	e->expires_ms = c->state == CART_open ? c->end_s * 1000 : 0;
	snprintf(e->currency, sizeof e->currency, "%s", c->currency);
	snprintf(e->state, sizeof e->state, "%s", cart_state_name(c->state));
	for (unsigned i = 0; with_lines && i < c->count; i++) {
		const struct model_line *l = &c->lines[i];
		e->lines[i] = (struct answer_line){"", l->quantity, l->unit_price, l->quantity * l->unit_price};
		memcpy(e->lines[i].sku, l->sku, sizeof l->sku);
	}
	e->lines_told = with_lines ? c->count : 0;
}

static status refuse_cart(const struct model_cart *c, struct answer *e)
{
	snprintf(e->state, sizeof e->state, "%s", cart_state_name(c->state));
	return STATUS_invalid_state;
}

static void renew(const struct model *m, struct model_cart *c) { c->end_s = model_seconds_up(m->now_ms) + c->ttl_s; }

/* What a closed cart, that a full pool may have let go, must be taken for, by what was said of it. */
void model_learn_of_eviction(struct model *m, const struct ask *a, const struct answer *got)
{
	bool is_said_away = got->code == STATUS_not_found && strcmp(got->field, "cart") == 0;
	bool is_opened = a->type == EVENT_cart_open && (got->code == STATUS_ok || got->code == STATUS_pool_exhausted);
	if (a->cart == 0 || a->cart > MODEL_CARTS || a->type == EVENT_payment_authorize || (!is_said_away && !is_opened))
		return;
	struct model_cart *c = &m->carts[a->cart];
	if (a->type == EVENT_claim && c->actor != 0 && c->actor != a->actor)
		return; /* said of a cart of somebody else, too */
	unsigned count = 0, extents = 0;
	for (unsigned i = 1; i <= MODEL_CARTS; i++) {
		count += m->carts[i].state != CART_none;
		extents += (m->carts[i].count + 19) / 20 + (m->carts[i].count == 0 && m->carts[i].benefit.type != BENEFIT_NONE);
	}
	bool is_full = count >= m->options.carts || extents >= m->options.extents;
	if (c->state != CART_none && c->state != CART_open && is_full)
		*c = (struct model_cart){};
}

static status open_cart(struct model *m, const struct ask *a, struct answer *e)
{
	struct model_cart *c = &m->carts[a->cart];
	if (c->state != CART_none)
		return STATUS_already_exists;
	if (open_carts(m) >= m->options.carts)
		return STATUS_pool_exhausted;
	int64_t ttl_ms = a->ttl_ms != 0 ? a->ttl_ms : m->options.carts_ttl_ms;
	*c = (struct model_cart){.state = CART_open, .actor = a->actor, .ttl_s = model_seconds_up(ttl_ms)};
	memcpy(c->currency, a->currency, sizeof c->currency);
	renew(m, c);
	show_cart(c, a->cart, false, e);
	return STATUS_ok;
}

/* Adds without asking; the line's place is behind the last if it is new. */
static void add_line(struct model_cart *c, const char *sku, int64_t quantity, int64_t unit_price)
{
	for (unsigned i = 0; i < c->count; i++)
		if (strcmp(c->lines[i].sku, sku) == 0 && c->lines[i].unit_price == unit_price) {
			c->lines[i].quantity += quantity;
			return;
		}
	struct model_line *l = &c->lines[c->count++];
	*l = (struct model_line){"", quantity, unit_price};
	snprintf(l->sku, sizeof l->sku, "%s", sku);
}

static void set_line(struct model_cart *c, const char *sku, int64_t quantity, int64_t unit_price)
{
	unsigned kept = 0;
	bool is_set = false;
	for (unsigned i = 0; i < c->count; i++) {
		struct model_line l = c->lines[i];
		bool is_it = strcmp(l.sku, sku) == 0;
		if (is_it && is_set)
			continue;
		if (is_it) {
			l.quantity = quantity;
			l.unit_price = unit_price;
			is_set = true;
		}
		c->lines[kept++] = l;
	}
	c->count = kept;
	if (!is_set)
		add_line(c, sku, quantity, unit_price);
}

static bool fits(const struct model_cart *c)
{
	__int128 sum = 0;
	for (unsigned i = 0; i < c->count; i++) {
		if (c->lines[i].quantity > UINT32_MAX)
			return false;
		sum += (__int128)c->lines[i].quantity * c->lines[i].unit_price;
	}
	return sum <= MOST;
}

static unsigned extents_of(const struct model_cart *c)
{
	unsigned extents = (c->count + 19) / 20;
	return extents == 0 && c->benefit.type != BENEFIT_NONE ? 1 : extents;
}

static status put_line(struct model *m, const struct ask *a, struct answer *e)
{
	struct model_cart *c = &m->carts[a->cart];
	int64_t price = a->unit_price;
	const char *currency = c->currency;
	if (c->state == CART_none)
		return STATUS_not_found;
	if (price == PRICE_OF_CATALOGUE) {
		const struct model_product *p = model_product_named(m, a->sku);
		if (p == NULL)
			return STATUS_not_found;
		price = p->unit_price;
		currency = p->currency;
	}
	if (c->state != CART_open)
		return refuse_cart(c, e);
	if (strcmp(currency, c->currency) != 0)
		return STATUS_currency_mismatch;
	struct model_cart after = *c;
	int64_t quantity = a->quantity == 0 ? 1 : a->quantity;
	if (a->type == EVENT_cart_add)
		add_line(&after, a->sku, quantity, price);
	else
		set_line(&after, a->sku, quantity, price);
	if (!fits(&after))
		return STATUS_amount_overflow;
	if (after.count > c->count && c->count >= m->options.lines)
		return STATUS_pool_exhausted;
	if (extents_of(&after) > extents_of(c) && extents_of_open(m) >= m->options.extents)
		return STATUS_pool_exhausted;
	*c = after;
	renew(m, c);
	show_cart(c, a->cart, false, e);
	return STATUS_ok;
}

/* The last added goes first: what stays is counted from the oldest line on. */
static void keep_of(struct model_cart *c, const char *sku, int64_t stays)
{
	unsigned kept = 0;
	for (unsigned i = 0; i < c->count; i++) {
		struct model_line l = c->lines[i];
		if (strcmp(l.sku, sku) == 0) {
			l.quantity = l.quantity < stays ? l.quantity : stays;
			stays -= l.quantity;
		}
		if (l.quantity > 0)
			c->lines[kept++] = l;
	}
	c->count = kept;
}

static status remove_line(struct model *m, const struct ask *a, struct answer *e)
{
	struct model_cart *c = &m->carts[a->cart];
	int64_t there = 0;
	if (c->state == CART_none)
		return STATUS_not_found;
	for (unsigned i = 0; i < c->count; i++)
		there += strcmp(c->lines[i].sku, a->sku) == 0 ? c->lines[i].quantity : 0;
	if (there == 0)
		return STATUS_not_found;
	if (c->state != CART_open)
		return refuse_cart(c, e);
	if (a->quantity > there)
		return STATUS_amount_exceeds;
	keep_of(c, a->sku, a->quantity == 0 ? 0 : there - a->quantity);
	renew(m, c);
	show_cart(c, a->cart, false, e);
	return STATUS_ok;
}

/* ---- claims and their benefits --------------------------------------------------------------------------- */

static bool brings_other_currency(const struct model_benefit *b, const struct model_cart *c)
{
	return b->type == BENEFIT_AMOUNT && strcmp(b->currency, c->currency) != 0;
}

static bool needs_extent(struct model *m, const struct model_cart *c)
{
	return extents_of(c) == 0 && extents_of_open(m) >= m->options.extents;
}

static void take_benefit(struct model *m, struct model_cart *c, struct model_claim *claim)
{
	c->benefit = claim->benefit;
	c->claim = claim->id;
	claim->is_used = true;
	renew(m, c);
}

static status apply(struct model *m, const struct ask *a, struct answer *e)
{
	struct model_cart *c = &m->carts[a->cart];
	struct model_claim *claim = model_claim_of(m, a->claim);
	if (c->state == CART_none || claim == NULL || (c->actor != 0 && c->actor != claim->actor))
		return STATUS_not_found;
	if (claim->benefit.type == BENEFIT_NONE || claim->is_used)
		return STATUS_invalid_state;
	if (c->state != CART_open || c->benefit.type != BENEFIT_NONE)
		return refuse_cart(c, e);
	if (brings_other_currency(&claim->benefit, c))
		return STATUS_currency_mismatch;
	if (needs_extent(m, c))
		return STATUS_pool_exhausted;
	take_benefit(m, c, claim);
	show_cart(c, a->cart, false, e);
	return STATUS_ok;
}

static status check_claimed_cart(struct model *m, const struct ask *a, const struct model_cart *c,
                                 const struct model_benefit *b, struct answer *e)
{
	if (a->cart == 0)
		return model_claim_of(m, a->id) != NULL ? STATUS_already_exists : STATUS_ok;
	if (c->state == CART_none || (c->actor != 0 && c->actor != a->actor))
		return STATUS_not_found;
	if (model_claim_of(m, a->id) != NULL)
		return STATUS_already_exists;
	if (b->type == BENEFIT_NONE)
		return STATUS_invalid_state;
	return c->state != CART_open || c->benefit.type != BENEFIT_NONE ? refuse_cart(c, e) : STATUS_ok;
}

static status check_claim(struct model *m, const struct ask *a, int64_t at_ms, const struct answer *got)
{
	const struct model_reward *r = &m->rewards[a->reward];
	unsigned own = 0;
	if (at_ms < r->put.from_ms || at_ms >= r->put.until_ms)
		return STATUS_not_active;
	double d = model_distance(m, r->put.x, r->put.y, a->x, a->y);
	bool is_edge = !m->options.is_plane && fabs(d - r->put.radius) <= model_slack(d); /* the last bits decide */
	if (is_edge ? got->code == STATUS_too_far : d > r->put.radius)
		return STATUS_too_far;
	for (unsigned i = 0; i < m->claim_count; i++)
		own += m->claims[i].actor == a->actor && m->claims[i].reward == a->reward;
	if (own >= r->put.per_actor)
		return STATUS_already_claimed;
	return model_remaining(r) == 0 ? STATUS_out_of_stock : STATUS_ok;
}

static void do_claim(struct model *m, const struct ask *a, struct answer *e)
{
	struct model_reward *r = &m->rewards[a->reward];
	struct model_claim *claim = &m->claims[m->claim_count++];
	*claim = (struct model_claim){a->id, a->actor, a->reward, {r->put.benefit_type, r->put.benefit_value, ""}, false};
	if (r->put.benefit_type == BENEFIT_AMOUNT)
		memcpy(claim->benefit.currency, r->put.currency, 4);
	r->taken++;
	if (a->cart != 0)
		take_benefit(m, &m->carts[a->cart], claim);
	e->type = RESULT_claimed;
	e->claim = a->id;
	e->reward = a->reward;
	e->remaining = model_remaining(r);
	struct model_news *n = model_note_news(m, "reward.claimed", m->seq + 1);
	n->claim = a->id;
	n->reward = a->reward;
	n->actor = a->actor;
	n->cart = a->cart;
	n->remaining = e->remaining;
	if (e->remaining == 0)
		model_note_news(m, "reward.depleted", m->seq + 1)->reward = a->reward;
}

static status claim(struct model *m, const struct ask *a, int64_t at_ms, const struct answer *got, struct answer *e)
{
	const struct model_reward *r = &m->rewards[a->reward];
	const struct model_cart *c = &m->carts[a->cart];
	struct model_benefit b = {r->put.benefit_type, r->put.benefit_value, ""};
	memcpy(b.currency, r->put.currency, 4);
	if (!r->is_there)
		return STATUS_not_found;
	status s = check_claimed_cart(m, a, c, &b, e);
	if (s == STATUS_ok)
		s = check_claim(m, a, at_ms, got);
	if (s == STATUS_ok && a->cart != 0 && brings_other_currency(&b, c))
		s = STATUS_currency_mismatch;
	if (s == STATUS_ok && a->cart != 0 && needs_extent(m, c))
		s = STATUS_pool_exhausted;
	if (s == STATUS_ok)
		do_claim(m, a, e);
	return s;
}

/* ---- the end --------------------------------------------------------------------------------------------- */

static status check_out(struct model *m, const struct ask *a, struct answer *e)
{
	struct model_cart *c = &m->carts[a->cart];
	struct model_payment new = {.actor = c->actor, .cart = a->cart, .authorized = model_sum(c) - model_off(c),
	                            .end_s = model_seconds_up(m->now_ms + m->options.payments_ttl_ms)};
	memcpy(new.currency, c->currency, 4);
	if (c->state == CART_none)
		return STATUS_not_found;
	if (m->payments[a->payment].state != PAYMENT_none)
		return model_refuse_payment(&m->payments[a->payment], STATUS_already_exists, e);
	if (c->state != CART_open || c->count == 0)
		return refuse_cart(c, e);
	status s = model_authorize(m, a, &new, e);
	if (s != STATUS_ok)
		return s;
	c->state = CART_checked_out;
	struct model_news *n = model_note_news(m, "cart.checked_out", m->seq + 1);
	n->cart = a->cart;
	n->payment = a->payment;
	n->total = new.authorized;
	model_note_payment(m, "payment.authorized", m->seq + 1, a->payment, new.authorized);
	return STATUS_ok;
}

status model_cart_event(struct model *m, const struct ask *a, int64_t at_ms, const struct answer *got, struct answer *e)
{
	switch (a->type) {
	case EVENT_claim: return claim(m, a, at_ms, got, e);
	case EVENT_cart_open: return open_cart(m, a, e);
	case EVENT_cart_remove: return remove_line(m, a, e);
	case EVENT_cart_apply: return apply(m, a, e);
	case EVENT_cart_checkout: return check_out(m, a, e);
	case EVENT_cart_add:
	case EVENT_cart_set: return put_line(m, a, e);
	default: break;
	}
	const struct model_cart *c = &m->carts[a->cart];
	if (c->state == CART_none)
		return STATUS_not_found;
	show_cart(c, a->cart, true, e);
	return STATUS_ok;
}
