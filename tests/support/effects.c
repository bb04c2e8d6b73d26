#include "tests/support/effects.h"

#include "engine/base/check.h"
#include "proto/content.h"
#include "tests/support/wire.h"

#include <string.h>

/* An event that makes the effect; EVENT_NONE: time does. */
static enum event_type event_for(struct random *random, enum effect_type type)
{
	static const enum event_type changes[] = {EVENT_reward_put, EVENT_claim, EVENT_product_remove, EVENT_cart_set,
	                                          EVENT_cart_checkout, EVENT_payment_void};
	switch (type) {
	case EFFECT_reward_put: return EVENT_reward_put;
	case EFFECT_reward_remove: return EVENT_reward_remove;
	case EFFECT_refused: return changes[random_below(random, COUNT_OF(changes))];
	case EFFECT_claim: return EVENT_claim;
	case EFFECT_product_put: return EVENT_product_put;
	case EFFECT_product_remove: return EVENT_product_remove;
	case EFFECT_cart_open: return EVENT_cart_open;
	case EFFECT_cart_line: return (enum event_type)(EVENT_cart_add + random_below(random, 3));
	case EFFECT_cart_apply: return EVENT_cart_apply;
	case EFFECT_cart_checkout: return EVENT_cart_checkout;
	case EFFECT_payment:
		return random_below(random, 5) == 0 ? EVENT_NONE : (enum event_type)(EVENT_payment_authorize + random_below(random, 4));
	default: return EVENT_NONE;
	}
}

static int64_t amount(struct random *random, int64_t most) { return (int64_t)random_below(random, (uint64_t)most + 1); }

static uint32_t some_flags(struct random *random)
{
	return (uint32_t)random_below(random, EVENT_CLAIM_IS_UUID << 1);
}

static struct wire_id id(struct random *random) { return (struct wire_id){random_next(random), random_next(random)}; }

static uint8_t text(struct random *random, char *room, size_t most)
{
	size_t bytes = 1 + random_below(random, most);
	for (size_t i = 0; i < bytes; i++)
		room[i] = "abc0\"\\ "[random_below(random, 7)];
	return (uint8_t)bytes;
}

static void fill_benefit(struct random *random, uint8_t *type, int64_t *value, char *currency)
{
	*type = (uint8_t)random_below(random, 3);
	*value = *type != BENEFIT_NONE ? 1 + amount(random, 9999) : 0;
	if (*type == BENEFIT_AMOUNT)
		memcpy(currency, "JPY", CURRENCY_BYTES);
}

static void fill_put(struct random *random, struct effect_reward_put *e)
{
	int64_t value;
	uint8_t type;
	e->reward = id(random);
	e->x = random_between(random, -180, 180);
	e->radius = random_between(random, 0, 100);
	e->stock = amount(random, 10) - 1;
	e->until_ms = INT64_MAX;
	e->per_actor = 1;
	fill_benefit(random, &type, &value, e->benefit_currency);
	e->benefit_type = type;
	e->benefit_value = value;
	memcpy(e->kind, "tea", 3);
	e->kind_bytes = 3;
	e->name_bytes = text(random, e->name, NAME_BYTES_MAX);
}

static void fill_claim(struct random *random, struct effect_claim *e)
{
	int64_t value;
	uint8_t type;
	e->claimed = (struct claimed_record){
		.claim = e->head.id, .reward = id(random), .remaining = amount(random, 5) - 1, .flags = some_flags(random)};
	e->actor = id(random);
	e->cart = id(random);
	fill_benefit(random, &type, &value, e->benefit_currency);
	e->benefit_type = type;
	e->benefit_value = value;
	e->head.flags |= e->claimed.remaining == 0 ? EFFECT_IS_DEPLETED : 0;
}

static struct cart_record cart(struct random *random, enum cart_state state)
{
	struct cart_record r = {.cart = id(random),
	                        .actor = id(random),
	                        .subtotal = amount(random, INTEGER_MAX),
	                        .expires_ms = state == CART_open ? amount(random, INTEGER_MAX) : 0,
	                        .line_count = (uint32_t)random_next(random),
	                        .flags = some_flags(random),
	                        .currency = "EUR",
	                        .state = state};
	r.discount = amount(random, r.subtotal);
	r.total = r.subtotal - r.discount;
	return r;
}

static struct payment_record payment(struct random *random)
{
	struct payment_record r = {.payment = id(random),
	                           .actor = id(random),
	                           .cart = id(random),
	                           .authorized = amount(random, INTEGER_MAX),
	                           .flags = some_flags(random),
	                           .currency = "EUR",
	                           .state = (uint8_t)(1 + random_below(random, PAYMENT_STATE_COUNT - 1))};
	r.captured = amount(random, r.authorized);
	r.refunded = amount(random, r.captured);
	r.voided = amount(random, r.authorized - r.captured);
	return r;
}

static void fill_line(struct random *random, struct effect_cart_line *e)
{
	bool is_removal = e->head.event_type == EVENT_cart_remove;
	e->cart = cart(random, CART_open);
	e->unit_price = is_removal ? 0 : amount(random, INTEGER_MAX);
	e->quantity = (uint32_t)amount(random, QUANTITY_MAX - 1) + (is_removal ? 0 : 1);
	e->sku_bytes = text(random, e->sku, SKU_BYTES_MAX);
}

static void fill_refused(struct random *random, struct effect_refused *e)
{
	e->code = (uint16_t)(1 + random_below(random, STATUS_COUNT - 1));
	e->cart_state = (uint8_t)random_below(random, CART_STATE_COUNT);
	e->payment_state = (uint8_t)random_below(random, PAYMENT_STATE_COUNT);
	(void)text(random, e->field, REFUSAL_FIELD_BYTES - 1);
	(void)text(random, e->message, REFUSAL_MESSAGE_BYTES - 1);
}

static void fill_product(struct random *random, struct product_record *r)
{
	*r = (struct product_record){.unit_price = amount(random, INTEGER_MAX), .currency = "EUR"};
	r->sku_bytes = text(random, r->sku, SKU_BYTES_MAX);
	r->name_bytes = text(random, r->name, NAME_BYTES_MAX);
}

union any {
	struct effect_head head;
#define X(symbol, number, record) struct record symbol;
	EFFECT_TABLE(X)
#undef X
};

/* Returns the length of the effect's own part. */
static size_t fill(struct random *random, union any *e)
{
	switch ((enum effect_type)e->head.type) {
	case EFFECT_reward_put: fill_put(random, &e->reward_put); return sizeof e->reward_put;
	case EFFECT_reward_remove: e->reward_remove.reward = id(random); return sizeof e->reward_remove;
	case EFFECT_refused: fill_refused(random, &e->refused); return sizeof e->refused;
	case EFFECT_claim: fill_claim(random, &e->claim); return sizeof e->claim;
	case EFFECT_product_put: fill_product(random, &e->product_put.product); return sizeof e->product_put;
	case EFFECT_product_remove:
		e->product_remove.sku_bytes = text(random, e->product_remove.sku, SKU_BYTES_MAX);
		return sizeof e->product_remove;
	case EFFECT_cart_open:
		e->cart_open.cart = cart(random, CART_open);
		e->cart_open.ttl_ms = 1 + amount(random, TTL_MS_MAX);
		return sizeof e->cart_open;
	case EFFECT_cart_line: fill_line(random, &e->cart_line); return sizeof e->cart_line;
	case EFFECT_cart_apply: e->cart_apply.cart = cart(random, CART_open); return sizeof e->cart_apply;
	case EFFECT_cart_checkout:
		e->cart_checkout.cart = cart(random, CART_checked_out);
		e->cart_checkout.payment = payment(random);
		return sizeof e->cart_checkout;
	case EFFECT_cart_expire:
		e->cart_expire.cart = cart(random, random_below(random, 2) != 0 ? CART_abandoned : CART_expired);
		return sizeof e->cart_expire;
	case EFFECT_payment:
		e->payment.payment = payment(random);
		e->payment.amount = amount(random, INTEGER_MAX);
		return sizeof e->payment;
	case EFFECT_claim_expire:
		e->claim_expire.claim = id(random);
		e->claim_expire.reward = id(random);
		return sizeof e->claim_expire;
	default: CHECK(false, "effect of type %u", e->head.type);
	}
	unreachable();
}

size_t effect_random(struct random *random, enum effect_type type, uint8_t bytes[static EFFECT_BYTES_MAX])
{
	struct wire_event asked;
	enum event_type event_type = event_for(random, type);
	union any e = {.head = {.type = (uint16_t)type, .event_type = (uint16_t)event_type}};
	struct event event = {};
	size_t request_bytes = 0;
	e.head.at_ms = amount(random, INTEGER_MAX);
	if (event_type != EVENT_NONE) {
		wire_random_event_of(random, event_type, random_below(random, 2) != 0, &asked);
		event = wire_event_view(&asked);
		request_bytes = content_packed_bytes(&event);
		e.head.id = event.head->id;
		e.head.flags = event.head->flags & ~(uint32_t)EVENT_HAS_DEADLINE;
	}
	size_t own_bytes = fill(random, &e);
	e.head.request_bytes = (uint32_t)request_bytes;
	e.head.bytes = (uint32_t)(own_bytes + request_bytes);
	memcpy(bytes, &e, own_bytes);
	if (event_type != EVENT_NONE)
		content_pack(&event, bytes + own_bytes);
	return own_bytes + request_bytes;
}
