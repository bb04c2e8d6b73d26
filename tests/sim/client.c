#include "tests/sim/client.h"

#include <stdio.h>
#include <string.h>

static unsigned below(struct clients *c, unsigned n) { return (unsigned)random_below(c->random, n); }
static bool one_in(struct clients *c, unsigned n) { return below(c, n) == 0; }

void clients_init(struct clients *c, struct random *random, bool is_plane)
{
	static const double places[][2] = {{13.4, 52.5}, {179.99, -17}, {-120, 89.9}, {0, 0}, {-179.995, 66}};
	*c = (struct clients){.random = random, .is_plane = is_plane, .next_id = 1000, .carts = 4, .payments = 4};
	c->pays = one_in(c, 5);
	unsigned place = below(c, 5);
	c->x = places[place][0];
	c->y = places[place][1];
}

static double wrapped(double x) { return x > 180 ? x - 360 : x < -180 ? x + 360 : x; }

static void draw_place(struct clients *c, struct ask *a)
{
	if (c->is_plane) {
		a->x = (double)below(c, 24) - 12;
		a->y = (double)below(c, 24) - 12;
		return;
	}
	a->x = wrapped(c->x + random_between(c->random, -0.05, 0.05));
	a->y = c->y + random_between(c->random, -0.05, 0.05);
}

static double draw_radius(struct clients *c)
{
	return c->is_plane ? (double)below(c, 40) : random_between(c->random, 0, 25000);
}

static int64_t draw_amount(struct clients *c)
{
	if (one_in(c, 40))
		return INTEGER_MAX - below(c, 3);
	return one_in(c, 20) ? 0 : 1 + below(c, 5000);
}

static void draw_currency(struct clients *c, struct ask *a) { memcpy(a->currency, one_in(c, 8) ? "USD" : "EUR", 4); }

static void draw_sku(struct clients *c, struct ask *a)
{
	unsigned n = below(c, MODEL_SKUS);
	snprintf(a->sku, sizeof a->sku, n % 2 == 0 ? "sku-%u" : "a-rather-long-article-no-%u", n);
}

/* Mostly one of the latest, now and then an old or a new one. */
static uint64_t draw_latest(struct clients *c, unsigned *highest, unsigned most)
{
	if (*highest < most && one_in(c, 10))
		(*highest)++;
	return one_in(c, 6) ? 1 + below(c, *highest) : *highest - below(c, *highest < 6 ? *highest : 6);
}

static uint64_t draw_cart(struct clients *c) { return draw_latest(c, &c->carts, MODEL_CARTS); }
static uint64_t draw_payment(struct clients *c) { return draw_latest(c, &c->payments, MODEL_PAYMENTS); }

static void draw_reward_put(struct clients *c, struct ask *a)
{
	draw_place(c, a);
	a->radius = draw_radius(c);
	a->value = (int64_t)below(c, 1000) - 500;
	a->stock = one_in(c, 3) ? STOCK_UNLIMITED : (int64_t)below(c, 8);
	a->per_actor = 1 + below(c, 3);
	a->until_ms = INT64_MAX;
	if (one_in(c, 8))
		a->from_ms = c->now_ms + below(c, 5000);
	else if (one_in(c, 6))
		a->until_ms = c->now_ms + 1 + below(c, 60000);
	if (one_in(c, 2))
		snprintf(a->kind, sizeof a->kind, one_in(c, 2) ? "coffee" : "cake");
	if (one_in(c, 2))
		snprintf(a->name, sizeof a->name, "Reward %u", below(c, 100));
	a->benefit_type = one_in(c, 4) ? BENEFIT_NONE : one_in(c, 2) ? BENEFIT_AMOUNT : BENEFIT_PERCENT;
	if (a->benefit_type == BENEFIT_PERCENT)
		a->benefit_value = 1 + below(c, one_in(c, 2) ? 10000 : 3000);
	if (a->benefit_type == BENEFIT_AMOUNT) {
		a->benefit_value = 1 + below(c, 4000);
		draw_currency(c, a);
	}
}

void clients_draw_reward(struct clients *c, struct ask *a, uint64_t reward)
{
	*a = (struct ask){.type = EVENT_reward_put, .reward = reward};
	draw_reward_put(c, a);
}

static void draw_locate(struct clients *c, struct ask *a)
{
	draw_place(c, a);
	a->limit = one_in(c, 3) ? 1 + below(c, 4) : 16;
	a->area = below(c, 3);
	if (one_in(c, 4))
		snprintf(a->kind, sizeof a->kind, one_in(c, 2) ? "coffee" : "default");
	if (a->area == LOCATE_RADIUS)
		a->radius = draw_radius(c);
	if (a->area != LOCATE_BOX)
		return;
	double half = c->is_plane ? (double)below(c, 12) : random_between(c->random, 0, 0.05);
	double box[4] = {a->x - half, a->y - half, a->x + half, a->y + half};
	if (!c->is_plane) {
		box[0] = wrapped(box[0]);
		box[2] = wrapped(box[2]);
		box[3] = box[3] > 90 ? 90 : box[3];
	}
	memcpy(a->box, box, sizeof box);
}

static void draw_claim(struct clients *c, struct ask *a)
{
	draw_place(c, a);
	a->actor = 1 + below(c, MODEL_ACTORS);
	a->cart = one_in(c, 3) ? draw_cart(c) : 0;
	c->claims[c->claim_count++ % MODEL_CLAIMS] = a->id;
}

static int64_t draw_ttl(struct clients *c) { return one_in(c, 3) ? 0 : 1000 + below(c, 30000); }

static void draw_cart_event(struct clients *c, struct ask *a)
{
	a->cart = a->type == EVENT_cart_open && one_in(c, 2) && c->carts < MODEL_CARTS ? ++c->carts : draw_cart(c);
	switch (a->type) {
	case EVENT_cart_open:
		draw_currency(c, a);
		a->ttl_ms = draw_ttl(c);
		a->actor = one_in(c, 2) ? 1 + below(c, MODEL_ACTORS) : 0;
		return;
	case EVENT_cart_add:
	case EVENT_cart_set:
		draw_sku(c, a);
		a->unit_price = one_in(c, 3) ? draw_amount(c) : PRICE_OF_CATALOGUE;
		a->quantity = one_in(c, 50) ? QUANTITY_MAX : 1 + below(c, 9);
		return;
	case EVENT_cart_remove:
		draw_sku(c, a);
		a->quantity = below(c, 6);
		return;
	case EVENT_cart_apply:
		a->claim = c->claim_count != 0 && !one_in(c, 10) ? c->claims[below(c, c->claim_count)] : 999;
		return;
	case EVENT_cart_checkout: a->payment = draw_payment(c); return;
	default: return;
	}
}

static void draw_payment_event(struct clients *c, struct ask *a)
{
	a->payment = draw_payment(c);
	a->amount = one_in(c, 2) ? AMOUNT_ALL : 1 + below(c, 3000);
	if (a->type != EVENT_payment_authorize)
		return;
	a->amount = draw_amount(c);
	if (c->pays && c->payments < MODEL_PAYMENTS)
		a->payment = ++c->payments;
	a->ttl_ms = draw_ttl(c);
	a->actor = one_in(c, 2) ? 1 + below(c, MODEL_ACTORS) : 0;
	a->cart = one_in(c, 2) ? draw_cart(c) : 0;
	draw_currency(c, a);
}

static enum event_type draw_type(struct clients *c)
{
	/* At first there must be things that events can meet. */
	static const uint8_t first[] = {EVENT_reward_put, EVENT_reward_put, EVENT_product_put, EVENT_cart_open};
	if (c->drawn++ < 60 && one_in(c, 2))
		return first[below(c, sizeof first)];
	static const uint8_t payments[] = {EVENT_payment_authorize, EVENT_payment_authorize, EVENT_payment_authorize,
	                                   EVENT_payment_capture, EVENT_payment_capture, EVENT_payment_void,
	                                   EVENT_payment_refund, EVENT_payment_get};
	if (c->pays && !one_in(c, 4))
		return payments[below(c, sizeof payments)];
	static const struct {
		uint8_t type, weight;
	} weights[] = {
		{EVENT_ping, 1}, {EVENT_locate, 6}, {EVENT_reward_put, 8}, {EVENT_reward_remove, 1}, {EVENT_reward_get, 3},
		{EVENT_claim, 14}, {EVENT_product_put, 6}, {EVENT_product_remove, 1}, {EVENT_product_get, 2}, {EVENT_cart_open, 9},
		{EVENT_cart_add, 16}, {EVENT_cart_set, 6}, {EVENT_cart_remove, 5}, {EVENT_cart_apply, 8}, {EVENT_cart_get, 5},
		{EVENT_cart_checkout, 5}, {EVENT_payment_authorize, 7}, {EVENT_payment_capture, 8}, {EVENT_payment_refund, 6},
		{EVENT_payment_void, 3}, {EVENT_payment_get, 4},
	};
	unsigned sum = 0;
	for (size_t i = 0; i < sizeof weights / sizeof *weights; i++)
		sum += weights[i].weight;
	unsigned at = below(c, sum), i = 0;
	for (; at >= weights[i].weight; i++)
		at -= weights[i].weight;
	return weights[i].type;
}

static void draw_content(struct clients *c, struct ask *a)
{
	switch (a->type) {
	case EVENT_locate: draw_locate(c, a); return;
	case EVENT_claim: draw_claim(c, a); [[fallthrough]];
	case EVENT_reward_get:
	case EVENT_reward_remove: a->reward = 1 + below(c, MODEL_REWARDS); return;
	case EVENT_reward_put:
		a->reward = 1 + below(c, MODEL_REWARDS);
		draw_reward_put(c, a);
		return;
	case EVENT_product_put:
		draw_sku(c, a);
		a->unit_price = draw_amount(c);
		draw_currency(c, a);
		if (one_in(c, 2))
			snprintf(a->name, sizeof a->name, "Article %u", below(c, 100));
		return;
	case EVENT_product_get:
	case EVENT_product_remove: draw_sku(c, a); return;
	case EVENT_ping: return;
	default: break;
	}
	if (a->type >= EVENT_payment_authorize)
		draw_payment_event(c, a);
	else
		draw_cart_event(c, a);
}

struct ask clients_draw(struct clients *c, bool is_plain)
{
	struct ask a = {.type = draw_type(c), .unit_price = PRICE_OF_CATALOGUE, .amount = AMOUNT_ALL};
	a.id = event_is_change(a.type) ? c->next_id++ : 0;
	draw_content(c, &a);
	if (!is_plain && one_in(c, 12))
		a.deadline_ms = 1 + below(c, 60);
	if (!is_plain && one_in(c, 30))
		a.at_ms = c->now_ms - 1000 + below(c, 2000);
	return a;
}

bool clients_spoil(struct clients *c, struct ask *a)
{
	switch (a->type) {
	case EVENT_claim: a->x = c->is_plane ? a->x + 1 : a->x / 2; return true;
	case EVENT_cart_add:
	case EVENT_cart_set: a->quantity = a->quantity == 7 ? 8 : 7; return true;
	case EVENT_payment_authorize: a->amount = a->amount == 7 ? 8 : 7; return true;
	case EVENT_payment_capture:
	case EVENT_payment_refund: a->amount = a->amount == 7 ? 8 : 7; return true;
	default: return false;
	}
}
