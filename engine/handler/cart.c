/* Baskets: cart.open, cart.add, cart.set, cart.remove, cart.apply, cart.checkout, cart.get, and their end by time. */
#include "engine/handler/inside.h"

/* ---- what they share --------------------------------------------------------------------------- */

void cart_show(const struct cart *cart, const struct cart_totals *totals, enum cart_state state, int64_t expires_ms,
               struct cart_record *r)
{
	*r = (struct cart_record){
		.cart = cart->id,
		.actor = cart->actor,
		.subtotal = totals->subtotal,
		.discount = totals->discount,
		.total = totals->total,
		.expires_ms = state == CART_open ? expires_ms : 0,
		.line_count = totals->line_count,
		.flags = (cart->flags & CART_ID_IS_UUID ? EVENT_CART_IS_UUID : 0) |
	                 (cart->flags & CART_HAS_ACTOR ? EVENT_HAS_ACTOR : 0) |
	                 (cart->flags & CART_ACTOR_IS_UUID ? EVENT_ACTOR_IS_UUID : 0),
		.state = state,
	};
	currency_format(cart->currency, r->currency);
}

static struct identifier cart_of(const struct cart_record *r) { return id_of(r->cart, r->flags, EVENT_CART_IS_UUID); }

void evict_cart(struct state *state, const struct effect_head *effect, struct wire_id cart)
{
	if (effect->flags & EFFECT_EVICTS_CART)
		carts_evict(&state->commerce->carts, cart);
}

static void note_victim(struct effect_head *effect, struct wire_id *place, const struct victim *victim)
{
	if (!victim->is_needed)
		return;
	*place = victim->id;
	effect->flags |= EFFECT_EVICTS_CART;
}

/* Refusals that all of them know; what else there is, is the caller's. */
static status refuse_cart(const struct planning *p, status s, const struct cart *cart)
{
	switch (s) {
	case STATUS_not_found: return refuse(p, s, "cart", "there is no such cart");
	case STATUS_invalid_state:
		p->problem->cart_state = (enum cart_state)cart->state;
		return refuse(p, s, "cart", "the cart is %s", cart_state_name((enum cart_state)cart->state));
	case STATUS_pool_exhausted: return refuse(p, s, "", "no room for further lines (carts.extents)");
	case STATUS_amount_overflow: return refuse(p, s, "quantity", "the cart's sum, or the line's quantity, would not fit");
	default: return s;
	}
}

static void cart_answer(const struct effect_head *effect, const struct event *event, struct change_note note,
                        struct reply *reply)
{
	/* In all effects of carts it stands right behind the head. */
	reply_cart(reply, event, note, (const struct cart_record *)(const void *)(effect + 1));
}
static_assert(offsetof(struct effect_cart_open, cart) == sizeof(struct effect_head) &&
              offsetof(struct effect_cart_line, cart) == sizeof(struct effect_head) &&
              offsetof(struct effect_cart_apply, cart) == sizeof(struct effect_head));

/* ---- opening ------------------------------------------------------------------------------------- */

static struct cart_opening opening_of(const struct cart_record *r, int64_t ttl_ms)
{
	return (struct cart_opening){
		.cart = cart_of(r),
		.actor = id_of(r->actor, r->flags, EVENT_ACTOR_IS_UUID),
		.has_actor = (r->flags & EVENT_HAS_ACTOR) != 0,
		.currency = currency_parse(r->currency),
		.ttl_ms = ttl_ms,
	};
}

static int64_t expiry_of_new(int64_t now_ms, int64_t ttl_ms)
{
	struct cart cart = {.ttl_s = (uint32_t)((ttl_ms + 999) / 1000)};
	return carts_expiry(&cart, now_ms);
}

static status cart_open_plan(const struct state *state, const struct planning *p, struct effect_head **effect)
{
	const struct cart_open_record *r = p->event->cart_open;
	struct effect_cart_open *e = (void *)effect_take(p->arena, sizeof *e, EFFECT_cart_open, p->event, p->now_ms);
	struct victim victim;
	if (e == NULL)
		return STATUS_overloaded;
	e->ttl_ms = r->ttl_ms != TTL_DEFAULT ? r->ttl_ms : state->carts_ttl_ms;
	e->cart = (struct cart_record){
		.cart = r->cart,
		.actor = r->actor,
		.expires_ms = expiry_of_new(p->now_ms, e->ttl_ms),
		.flags = r->head.flags & (EVENT_CART_IS_UUID | EVENT_HAS_ACTOR | EVENT_ACTOR_IS_UUID),
		.state = CART_open,
	};
	memcpy(e->cart.currency, r->currency, sizeof e->cart.currency);
	*effect = &e->head;

	struct cart_opening opening = opening_of(&e->cart, e->ttl_ms);
	status s = carts_can_open(&state->commerce->carts, &opening, &victim);
	if (s == STATUS_already_exists)
		return refuse(p, s, "cart", "a cart of this id exists already");
	if (s == STATUS_pool_exhausted)
		return refuse(p, s, "", "no room for another open cart (carts.capacity)");
	note_victim(&e->head, &e->evicted_cart, &victim);
	return s;
}

static void cart_open_apply(struct state *state, const struct effect_head *effect, uint64_t place)
{
	(void)place;
	const struct effect_cart_open *e = (const void *)effect;
	struct cart_opening opening = opening_of(&e->cart, e->ttl_ms);
	evict_cart(state, effect, e->evicted_cart);
	carts_open(&state->commerce->carts, &opening, effect->at_ms);
}

static const char *cart_open_lacks(const struct state *state, const struct effect_head *effect)
{
	struct slots *slots = &state->commerce->carts.slots;
	return (effect->flags & EFFECT_EVICTS_CART) || slots_has_room(slots) ? NULL : slots->holding.option;
}

/* ---- lines --------------------------------------------------------------------------------------- */

static struct sku sku_of(const struct event *event)
{
	const struct wire_text *text = &event->cart_line->sku;
	struct sku sku = {};
	(void)sku_make(&sku, event->text + text->offset, text->bytes);
	return sku;
}

/* The cart, and an effect with what the event says of the line. */
static status line_begin(const struct state *state, const struct planning *p, const struct cart **cart,
                         struct effect_cart_line **effect)
{
	const struct cart_line_record *r = p->event->cart_line;
	*cart = carts_find(&state->commerce->carts, id_of(r->cart, r->head.flags, EVENT_CART_IS_UUID));
	if (*cart == NULL) {
		(void)refuse_cart(p, STATUS_not_found, NULL);
		return STATUS_not_found;
	}
	struct effect_cart_line *e = (void *)effect_take(p->arena, sizeof *e, EFFECT_cart_line, p->event, p->now_ms);
	*effect = e;
	if (e == NULL)
		return STATUS_overloaded;
	struct sku sku = sku_of(p->event);
	e->sku_bytes = sku.bytes;
	memcpy(e->sku, sku.text, sizeof e->sku);
	e->quantity = r->quantity;
	return STATUS_ok;
}

static struct cart_line line_of(const struct effect_cart_line *e)
{
	struct cart_line line = {.unit_price = e->unit_price, .quantity = e->quantity};
	(void)sku_make(&line.sku, e->sku, e->sku_bytes);
	return line;
}

/* The price that counts, and its currency: the event's, in the cart's, or the catalogue's. */
static status find_price(const struct state *state, const struct planning *p, const struct cart *cart,
                         struct effect_cart_line *e, currency_code *currency)
{
	const struct cart_line_record *r = p->event->cart_line;
	e->unit_price = r->unit_price;
	*currency = cart->currency;
	if (r->unit_price != PRICE_OF_CATALOGUE)
		return STATUS_ok;
	struct sku sku = sku_of(p->event);
	const struct product *product = products_find(&state->commerce->products, &sku);
	if (product == NULL)
		return refuse(p, STATUS_not_found, "sku", "there is no such product; give unit_price, or product.put it first");
	e->unit_price = product->unit_price;
	*currency = product->currency;
	return STATUS_ok;
}

typedef status can_line(const struct carts *, struct identifier, const struct cart_line *, currency_code, struct victim *);
typedef void after_line(const struct carts *, const struct cart *, const struct cart_line *, struct cart_totals *);

static status plan_more(const struct state *state, const struct planning *p, can_line *can, after_line *after,
                        struct effect_head **effect)
{
	const struct carts *carts = &state->commerce->carts;
	const struct cart *cart = NULL;
	struct effect_cart_line *e = NULL;
	currency_code currency = 0;
	struct victim victim;
	struct cart_totals totals;
	status s = line_begin(state, p, &cart, &e);
	if (s == STATUS_ok)
		s = find_price(state, p, cart, e, &currency);
	if (s != STATUS_ok)
		return s;
	if (e->quantity == 0)
		e->quantity = 1;
	struct cart_line line = line_of(e);
	s = can(carts, id_of(cart->id, p->event->head->flags, EVENT_CART_IS_UUID), &line, currency, &victim);
	if (s == STATUS_currency_mismatch)
		return refuse(p, s, "sku", "the product's price is in another currency than the cart");
	if (s == STATUS_pool_exhausted && carts_is_at_most(carts, cart))
		return refuse(p, s, "cart", "the cart has as many lines as it may have (carts.lines_max)");
	if (s != STATUS_ok)
		return refuse_cart(p, s, cart);
	after(carts, cart, &line, &totals);
	cart_show(cart, &totals, CART_open, carts_expiry(cart, p->now_ms), &e->cart);
	note_victim(&e->head, &e->evicted_cart, &victim);
	*effect = &e->head;
	return STATUS_ok;
}

static status cart_add_plan(const struct state *state, const struct planning *p, struct effect_head **effect)
{
	return plan_more(state, p, carts_can_add, carts_after_add, effect);
}

static status cart_set_plan(const struct state *state, const struct planning *p, struct effect_head **effect)
{
	return plan_more(state, p, carts_can_set, carts_after_set, effect);
}

static status cart_remove_plan(const struct state *state, const struct planning *p, struct effect_head **effect)
{
	const struct carts *carts = &state->commerce->carts;
	const struct cart *cart = NULL;
	struct effect_cart_line *e = NULL;
	struct cart_totals totals;
	status s = line_begin(state, p, &cart, &e);
	if (s != STATUS_ok)
		return s;
	struct sku sku = line_of(e).sku;
	/* Before the cart's state: the order of the codes. */
	if (carts_find_line(carts, cart, &sku, -1) == NULL)
		return refuse(p, STATUS_not_found, "sku", "the cart holds nothing of it");
	s = carts_can_remove(carts, id_of(cart->id, p->event->head->flags, EVENT_CART_IS_UUID), &sku, e->quantity);
	if (s == STATUS_amount_exceeds)
		return refuse(p, s, "quantity", "the cart holds fewer than that");
	if (s != STATUS_ok)
		return refuse_cart(p, s, cart);
	carts_after_remove(carts, cart, &sku, e->quantity, &totals);
	cart_show(cart, &totals, CART_open, carts_expiry(cart, p->now_ms), &e->cart);
	*effect = &e->head;
	return STATUS_ok;
}

static void cart_line_apply(struct state *state, const struct effect_head *effect, uint64_t place)
{
	(void)place;
	const struct effect_cart_line *e = (const void *)effect;
	struct carts *carts = &state->commerce->carts;
	struct cart_line line = line_of(e);
	evict_cart(state, effect, e->evicted_cart);
	if (effect->event_type == EVENT_cart_add)
		carts_add(carts, cart_of(&e->cart), &line, effect->at_ms);
	else if (effect->event_type == EVENT_cart_set)
		carts_set(carts, cart_of(&e->cart), &line, effect->at_ms);
	else
		carts_remove(carts, cart_of(&e->cart), &line.sku, e->quantity, effect->at_ms);
}

static bool has_extent(const struct state *state, const struct effect_head *effect)
{
	return (effect->flags & EFFECT_EVICTS_CART) || slots_has_room(&state->commerce->carts.extents);
}

static const char *cart_line_lacks(const struct state *state, const struct effect_head *effect)
{
	const struct effect_cart_line *e = (const void *)effect;
	const struct carts *carts = &state->commerce->carts;
	if (effect->event_type == EVENT_cart_remove || has_extent(state, effect))
		return NULL;
	const struct cart *cart = carts_find(carts, cart_of(&e->cart));
	struct cart_line line = line_of(e);
	int64_t price = effect->event_type == EVENT_cart_set ? -1 : line.unit_price;
	bool has_place = cart == NULL || carts_find_line(carts, cart, &line.sku, price) != NULL || !carts_needs_extent(carts, cart);
	return has_place ? NULL : carts->extents.holding.option;
}

/* ---- a claim's benefit ----------------------------------------------------------------------------- */

static status refuse_benefit(const struct planning *p, status s, const struct cart *cart, const struct claim *claim)
{
	if (s == STATUS_currency_mismatch)
		return refuse(p, s, "claim", "the claim's benefit is in another currency than the cart");
	if (s != STATUS_invalid_state)
		return refuse_cart(p, s, cart);
	if (claim->benefit_type == BENEFIT_NONE)
		return refuse(p, s, "claim", "the claimed reward brings nothing for a cart");
	if (claim->flags & CLAIM_IS_USED)
		return refuse(p, s, "claim", "the claim was applied before");
	if (cart->state != CART_open)
		return refuse_cart(p, s, cart);
	p->problem->cart_state = CART_open;
	return refuse(p, s, "cart", "the cart has a discount already");
}

static status cart_apply_plan(const struct state *state, const struct planning *p, struct effect_head **effect)
{
	const struct cart_apply_record *r = p->event->cart_apply;
	const struct commerce *c = state->commerce;
	struct identifier cart_id = id_of(r->cart, r->head.flags, EVENT_CART_IS_UUID);
	struct identifier claim_id = id_of(r->claim, r->head.flags, EVENT_CLAIM_IS_UUID);
	const struct cart *cart = carts_find(&c->carts, cart_id);
	const struct claim *claim = claims_find(&c->claims, claim_id);
	struct victim victim;
	struct cart_totals totals;
	if (cart == NULL)
		return refuse_cart(p, STATUS_not_found, NULL);
	if (claim == NULL)
		return refuse(p, STATUS_not_found, "claim", "there is no such claim");
	status s = commerce_can_apply_claim(c, cart_id, claim_id, &victim);
	if (s == STATUS_not_found)
		return refuse(p, s, "claim", "the claim belongs to another actor than the cart");
	if (s != STATUS_ok)
		return refuse_benefit(p, s, cart, claim);

	struct effect_cart_apply *e = (void *)effect_take(p->arena, sizeof *e, EFFECT_cart_apply, p->event, p->now_ms);
	if (e == NULL)
		return STATUS_overloaded;
	struct benefit benefit = {claim->benefit_value, claim->benefit_currency, claim->benefit_type};
	carts_after_discount(&c->carts, cart, &benefit, &totals);
	cart_show(cart, &totals, CART_open, carts_expiry(cart, p->now_ms), &e->cart);
	e->claim = r->claim;
	note_victim(&e->head, &e->evicted_cart, &victim);
	*effect = &e->head;
	return STATUS_ok;
}

static void cart_apply_apply(struct state *state, const struct effect_head *effect, uint64_t place)
{
	(void)place;
	const struct effect_cart_apply *e = (const void *)effect;
	evict_cart(state, effect, e->evicted_cart);
	commerce_apply_claim(state->commerce, cart_of(&e->cart), id_of(e->claim, effect->flags, EVENT_CLAIM_IS_UUID),
	                     effect->at_ms);
}

const char *discount_lacks(const struct state *state, const struct effect_head *effect, struct identifier id)
{
	if (has_extent(state, effect))
		return NULL;
	const struct carts *carts = &state->commerce->carts;
	const struct cart *cart = carts_find(carts, id);
	return cart == NULL || cart->extent != SLOT_NONE ? NULL : carts->extents.holding.option;
}

static const char *cart_apply_lacks(const struct state *state, const struct effect_head *effect)
{
	return discount_lacks(state, effect, cart_of(&((const struct effect_cart_apply *)(const void *)effect)->cart));
}

/* ---- the end: checked out, or by time ----------------------------------------------------------------- */

static struct payment payment_for(const struct state *state, const struct planning *p, const struct cart *cart)
{
	const struct cart_checkout_record *r = p->event->cart_checkout;
	return (struct payment){
		.id = r->payment,
		.actor = cart->actor,
		.cart = cart->id,
		.expires_s = (uint32_t)((p->now_ms + state->payments_ttl_ms + 999) / 1000),
		.currency = cart->currency,
		.flags = (uint8_t)((r->head.flags & EVENT_PAYMENT_IS_UUID ? PAYMENT_ID_IS_UUID : 0) |
	                           (cart->flags & CART_HAS_ACTOR ? PAYMENT_HAS_ACTOR : 0) |
	                           (cart->flags & CART_ACTOR_IS_UUID ? PAYMENT_ACTOR_IS_UUID : 0) | PAYMENT_HAS_CART |
	                           (cart->flags & CART_ID_IS_UUID ? PAYMENT_CART_IS_UUID : 0)),
	};
}

static status cart_checkout_plan(const struct state *state, const struct planning *p, struct effect_head **effect)
{
	const struct cart_checkout_record *r = p->event->cart_checkout;
	const struct carts *carts = &state->commerce->carts;
	struct identifier id = id_of(r->cart, r->head.flags, EVENT_CART_IS_UUID);
	const struct cart *cart = carts_find(carts, id);
	struct cart_totals totals;
	struct payment after;
	struct victim victim;
	if (cart == NULL)
		return refuse_cart(p, STATUS_not_found, NULL);
	/* already_exists comes before invalid_state. */
	struct payment asked = payment_for(state, p, cart);
	carts_totals(carts, cart, &totals);
	status s = payment_plan_new(state, p, &asked, totals.total, &after, &victim);
	if (s == STATUS_already_exists)
		return s;
	status checked = carts_can_check_out(carts, id, &totals);
	if (checked == STATUS_invalid_state && cart->state == CART_open) {
		p->problem->cart_state = CART_open;
		return refuse(p, checked, "cart", "the cart is empty");
	}
	if (checked != STATUS_ok)
		return refuse_cart(p, checked, cart);
	if (s != STATUS_ok)
		return s;

	struct effect_cart_checkout *e = (void *)effect_take(p->arena, sizeof *e, EFFECT_cart_checkout, p->event, p->now_ms);
	if (e == NULL)
		return STATUS_overloaded;
	cart_show(cart, &totals, CART_checked_out, 0, &e->cart);
	payment_show(&after, &e->payment);
	if (victim.is_needed) {
		e->evicted_payment = victim.id;
		e->head.flags |= EFFECT_EVICTS_PAYMENT;
	}
	*effect = &e->head;
	return STATUS_ok;
}

static void cart_checkout_apply(struct state *state, const struct effect_head *effect, uint64_t place)
{
	const struct effect_cart_checkout *e = (const void *)effect;
	evict_payment(state, effect, e->evicted_payment);
	carts_check_out(&state->commerce->carts, cart_of(&e->cart), effect->at_ms);
	payment_take(state, &e->payment, place);
}

static const char *cart_checkout_lacks(const struct state *state, const struct effect_head *effect)
{
	return payment_lacks(state, effect, &((const struct effect_cart_checkout *)(const void *)effect)->payment);
}

static void cart_checkout_answer(const struct effect_head *effect, const struct event *event, struct change_note note,
                                 struct reply *reply)
{
	reply_payment(reply, event, note, &((const struct effect_cart_checkout *)(const void *)effect)->payment);
}

struct effect_head *plan_cart_expiry(const struct state *state, struct identifier id, int64_t now_ms, struct arena *arena)
{
	const struct carts *carts = &state->commerce->carts;
	const struct cart *cart = carts_find(carts, id);
	if (cart == NULL || cart->state != CART_open)
		return NULL;
	struct effect_cart_expire *e = (void *)effect_take(arena, sizeof *e, EFFECT_cart_expire, NULL, now_ms);
	if (e == NULL)
		return NULL;
	struct cart_totals totals;
	carts_totals(carts, cart, &totals);
	cart_show(cart, &totals, totals.line_count > 0 ? CART_abandoned : CART_expired, 0, &e->cart);
	e->head.flags |= e->cart.flags;
	const struct cart_discount *discount = carts_discount(carts, cart);
	if (discount != NULL) {
		e->claim = discount->claim;
		e->head.flags |= EFFECT_RELEASES_CLAIM | (discount->claim_is_uuid ? EFFECT_CLAIM_IS_UUID : 0);
	}
	return &e->head;
}

static void cart_expire_apply(struct state *state, const struct effect_head *effect, uint64_t place)
{
	(void)place;
	const struct effect_cart_expire *e = (const void *)effect;
	(void)commerce_expire_cart(state->commerce, cart_of(&e->cart), effect->at_ms);
}

/* ---- reading ------------------------------------------------------------------------------------------- */

struct lines {
	const struct carts *carts;
	const struct cart *cart;
	struct cart_cursor at;
	bool has_begun;
};

static bool next_line(void *context, struct line_record *record)
{
	struct lines *l = context;
	const struct cart_line *line =
		l->has_begun ? cart_next_line(l->carts, &l->at) : cart_first_line(l->carts, l->cart, &l->at);
	l->has_begun = true;
	if (line == NULL)
		return false;
	*record = (struct line_record){
		.unit_price = line->unit_price,
		.amount = line->unit_price * line->quantity, /* part of a subtotal that fits */
		.quantity = line->quantity,
		.sku_bytes = line->sku.bytes,
	};
	memcpy(record->sku, line->sku.text, sizeof record->sku);
	return true;
}

status read_cart_get(const struct state *state, const struct event *event, struct reply *reply, struct problem *problem)
{
	const struct cart_key_record *r = event->cart_key;
	const struct carts *carts = &state->commerce->carts;
	const struct cart *cart = carts_find(carts, id_of(r->cart, r->head.flags, EVENT_CART_IS_UUID));
	if (cart == NULL)
		return refuse(&(struct planning){.problem = problem}, STATUS_not_found, "cart", "there is no such cart");
	struct cart_totals totals;
	struct cart_record record;
	carts_totals(carts, cart, &totals);
	cart_show(cart, &totals, (enum cart_state)cart->state, (int64_t)cart->time_s * 1000, &record);
	reply_cart_lines(reply, event, &record, next_line, &(struct lines){.carts = carts, .cart = cart});
	return STATUS_ok;
}

const struct handler handler_cart_open = {COMMERCE_NEEDS_cart, cart_open_plan};
const struct handler handler_cart_add = {COMMERCE_NEEDS_lines, cart_add_plan};
const struct handler handler_cart_set = {COMMERCE_NEEDS_lines, cart_set_plan};
const struct handler handler_cart_remove = {0, cart_remove_plan};
const struct handler handler_cart_apply = {COMMERCE_NEEDS_lines, cart_apply_plan};
const struct handler handler_cart_checkout = {COMMERCE_NEEDS_payment, cart_checkout_plan};
const struct effect_handler effect_handler_cart_open = {cart_open_apply, cart_answer, cart_open_lacks};
const struct effect_handler effect_handler_cart_line = {cart_line_apply, cart_answer, cart_line_lacks};
const struct effect_handler effect_handler_cart_apply = {cart_apply_apply, cart_answer, cart_apply_lacks};
const struct effect_handler effect_handler_cart_checkout = {cart_checkout_apply, cart_checkout_answer, cart_checkout_lacks};
const struct effect_handler effect_handler_cart_expire = {cart_expire_apply, NULL, NULL};
