/* Claims: who takes a reward, where, and what it brings for a cart at once. */
#include "engine/handler/inside.h"

static double distance_to(const struct state *state, const struct reward_view *reward, double x, double y)
{
	if (!state->is_plane)
		return geometry_geo_distance(reward->x, reward->y, x, y);
	double dx = x - reward->x, dy = y - reward->y;
	return geometry_plane_distance(dx * dx + dy * dy, dx, dy);
}

/* Activity, then the place: the order of the codes. */
static status check_reward(const struct state *state, const struct planning *p, const struct reward_view *reward)
{
	const struct claim_record *r = p->event->claim;
	if (p->at_ms < reward->from_ms || p->at_ms >= reward->until_ms)
		return refuse(p, STATUS_not_active, "reward", p->at_ms < reward->from_ms ? "the reward is not active yet"
		                                                                         : "the reward is active no more");
	double distance = distance_to(state, reward, r->x, r->y);
	if (distance > reward->radius)
		return refuse(p, STATUS_too_far, "x", "the reward is %.1f away, its radius is %.1f", distance, reward->radius);
	return STATUS_ok;
}

static struct claim claim_of(const struct effect_claim *e)
{
	uint32_t flags = e->head.flags;
	return (struct claim){
		.id = e->claimed.claim,
		.actor = e->actor,
		.reward = e->claimed.reward,
		.benefit_value = e->benefit_value,
		.at_s = (uint32_t)(e->head.at_ms / 1000),
		.benefit_currency = e->benefit_type == BENEFIT_AMOUNT ? currency_parse(e->benefit_currency) : 0,
		.benefit_type = e->benefit_type,
		.flags = (uint8_t)((flags & EVENT_ID_IS_UUID ? CLAIM_ID_IS_UUID : 0) |
	                           (flags & EVENT_ACTOR_IS_UUID ? CLAIM_ACTOR_IS_UUID : 0) |
	                           (flags & EVENT_REWARD_IS_UUID ? CLAIM_REWARD_IS_UUID : 0)),
	};
}

static void fill(struct effect_claim *e, const struct claim_record *r, const struct reward_view *reward, uint64_t taken)
{
	e->actor = r->actor;
	e->cart = r->cart;
	e->benefit_value = reward->benefit_value;
	e->benefit_type = (uint8_t)reward->benefit_type;
	memcpy(e->benefit_currency, reward->benefit_currency, sizeof e->benefit_currency);
	e->claimed = (struct claimed_record){
		.claim = r->head.id,
		.reward = r->reward,
		.remaining = STOCK_UNLIMITED,
		.flags = (r->head.flags & EVENT_ID_IS_UUID ? EVENT_CLAIM_IS_UUID : 0) | (r->head.flags & EVENT_REWARD_IS_UUID),
	};
	if (reward->stock == STOCK_UNLIMITED)
		return;
	e->claimed.remaining = taken + 1 < (uint64_t)reward->stock ? reward->stock - (int64_t)taken - 1 : 0;
	e->head.flags |= e->claimed.remaining == 0 ? EFFECT_IS_DEPLETED : 0;
}

static status refuse_claim(const struct planning *p, status s)
{
	switch (s) {
	case STATUS_already_exists: return refuse(p, s, "id", "a claim of this id exists already");
	case STATUS_already_claimed: return refuse(p, s, "actor", "the actor has claimed it as often as it may be (per_actor)");
	case STATUS_out_of_stock: return refuse(p, s, "reward", "nothing of the reward is left");
	case STATUS_pool_exhausted: return refuse(p, s, "", "no room for another claim (claims.capacity)");
	default: return s;
	}
}

/* The cart to which the benefit goes at once. The claim is new, so it is its actor's and unused. */
static status check_cart(const struct state *state, const struct planning *p, struct effect_claim *e)
{
	const struct claim_record *r = p->event->claim;
	const struct carts *carts = &state->commerce->carts;
	struct identifier id = id_of(r->cart, r->head.flags, EVENT_CART_IS_UUID);
	const struct cart *cart = carts_find(carts, id);
	struct claim claim = claim_of(e);
	struct benefit benefit = {claim.benefit_value, claim.benefit_currency, claim.benefit_type};
	struct victim victim;
	if (cart == NULL)
		return refuse(p, STATUS_not_found, "cart", "there is no such cart");
	if ((cart->flags & CART_HAS_ACTOR) && !id_equal(cart->actor, r->actor))
		return refuse(p, STATUS_not_found, "cart", "the cart belongs to another actor");
	if (benefit.type == BENEFIT_NONE)
		return refuse(p, STATUS_invalid_state, "reward", "the reward brings nothing for a cart");
	status s = carts_can_discount(carts, id, &benefit, &victim);
	if (s == STATUS_invalid_state) {
		p->problem->cart_state = (enum cart_state)cart->state;
		return refuse(p, s, "cart", cart->state == CART_open ? "the cart has a discount already" : "the cart is closed");
	}
	if (s == STATUS_currency_mismatch)
		return refuse(p, s, "cart", "the reward's benefit is in another currency than the cart");
	if (s == STATUS_pool_exhausted)
		return refuse(p, s, "", "no room for the discount (carts.extents)");
	if (s == STATUS_ok && victim.is_needed) {
		e->evicted_cart = victim.id;
		e->head.flags |= EFFECT_EVICTS_CART;
	}
	return s;
}

static status claim_plan(const struct state *state, const struct planning *p, struct effect_head **effect)
{
	const struct claim_record *r = p->event->claim;
	struct identifier reward_id = id_of(r->reward, r->head.flags, EVENT_REWARD_IS_UUID);
	struct reward_view reward;
	if (store_get(state->reader, reward_id, &reward) != STATUS_ok)
		return refuse(p, STATUS_not_found, "reward", "there is no such reward");
	struct effect_claim *e = (void *)effect_take(p->arena, sizeof *e, EFFECT_claim, p->event, p->now_ms);
	if (e == NULL)
		return STATUS_overloaded;
	fill(e, r, &reward, claims_taken(&state->commerce->claims, reward_id));
	*effect = &e->head;

	/* Several refusals may apply: the one that comes first among the codes is told. */
	bool has_cart = (r->head.flags & EVENT_HAS_CART) != 0;
	status with_cart = has_cart ? check_cart(state, p, e) : STATUS_ok;
	if (with_cart == STATUS_not_found)
		return with_cart;
	if (claims_find(&state->commerce->claims, id_of(r->head.id, r->head.flags, EVENT_ID_IS_UUID)) != NULL) {
		p->problem->cart_state = (enum cart_state)0;
		return refuse_claim(p, STATUS_already_exists);
	}
	if (with_cart == STATUS_invalid_state)
		return with_cart;
	status s = check_reward(state, p, &reward);
	if (s != STATUS_ok)
		return s;
	struct claim claim = claim_of(e);
	s = claims_can_add(&state->commerce->claims, &claim, (struct claim_terms){reward.stock, reward.per_actor});
	if (s != STATUS_ok && (with_cart == STATUS_ok || s < with_cart))
		return refuse_claim(p, s);
	if (with_cart != STATUS_ok)
		return with_cart;
	return reward.stock == STOCK_UNLIMITED ? STATUS_ok : store_can_set_taken(state->store, reward_id);
}

static void claim_apply(struct state *state, const struct effect_head *effect, uint64_t place)
{
	(void)place;
	const struct effect_claim *e = (const void *)effect;
	struct commerce *c = state->commerce;
	struct claim claim = claim_of(e);
	claims_add(&c->claims, &claim);
	if (effect->flags & EVENT_HAS_CART) {
		evict_cart(state, effect, e->evicted_cart);
		commerce_apply_claim(c, id_of(e->cart, effect->flags, EVENT_CART_IS_UUID),
		                     id_of(e->claimed.claim, effect->flags, EVENT_ID_IS_UUID), effect->at_ms);
	}
	if (state->store == NULL || e->claimed.remaining == STOCK_UNLIMITED)
		return;
	struct identifier reward = id_of(e->claimed.reward, effect->flags, EVENT_REWARD_IS_UUID);
	status s = store_set_taken(state->store, reward, claims_taken(&c->claims, reward));
	CHECK(s == STATUS_ok, "the stock of a planned claim cannot be counted: %s", status_code(s));
	store_publish(state->store);
}

static const char *claim_lacks(const struct state *state, const struct effect_head *effect)
{
	const struct effect_claim *e = (const void *)effect;
	struct claims *claims = &state->commerce->claims;
	struct identifier reward = id_of(e->claimed.reward, effect->flags, EVENT_REWARD_IS_UUID);
	if (!slots_has_room(&claims->slots) || (!slots_has_room(&claims->tallies) && claims_taken(claims, reward) == 0))
		return claims->slots.holding.option;
	return effect->flags & EVENT_HAS_CART
	               ? discount_lacks(state, effect, id_of(e->cart, effect->flags, EVENT_CART_IS_UUID))
	               : NULL;
}

static void claim_answer(const struct effect_head *effect, const struct event *event, struct change_note note,
                         struct reply *reply)
{
	reply_claimed(reply, event, note, &((const struct effect_claim *)(const void *)effect)->claimed);
}

const struct handler handler_claim = {COMMERCE_NEEDS_claim | COMMERCE_NEEDS_lines, claim_plan};
const struct effect_handler effect_handler_claim = {claim_apply, claim_answer, claim_lacks};

/* ---- time ------------------------------------------------------------------------------------------ */

/* Forgetting a claim gives its piece of a stock back, so that may only be when nobody can claim it any more. */
static bool may_forget(const struct state *state, const struct claim *claim, int64_t now_ms)
{
	struct reward_view reward;
	struct identifier id = id_unpack(claim->reward, claim->flags & CLAIM_REWARD_IS_UUID);
	if (store_get(state->reader, id, &reward) != STATUS_ok || reward.stock == STOCK_UNLIMITED)
		return true;
	return reward.until_ms <= now_ms - state->claims_ttl_ms && store_can_set_taken(state->store, id) == STATUS_ok;
}

struct effect_head *plan_claim_expiry(const struct state *state, struct identifier id, int64_t now_ms, struct arena *arena)
{
	const struct claim *claim = claims_find(&state->commerce->claims, id);
	if (claim == NULL || !may_forget(state, claim, now_ms))
		return NULL;
	struct effect_claim_expire *e = (void *)effect_take(arena, sizeof *e, EFFECT_claim_expire, NULL, now_ms);
	if (e == NULL)
		return NULL;
	e->claim = claim->id;
	e->reward = claim->reward;
	e->head.flags |= (claim->flags & CLAIM_ID_IS_UUID ? EFFECT_CLAIM_IS_UUID : 0) |
	                 (claim->flags & CLAIM_REWARD_IS_UUID ? EVENT_REWARD_IS_UUID : 0);
	return &e->head;
}

static void claim_expire_apply(struct state *state, const struct effect_head *effect, uint64_t place)
{
	(void)place;
	const struct effect_claim_expire *e = (const void *)effect;
	struct claims *claims = &state->commerce->claims;
	struct identifier reward = id_of(e->reward, effect->flags, EVENT_REWARD_IS_UUID);
	claims_remove(claims, id_of(e->claim, effect->flags, EFFECT_CLAIM_IS_UUID));
	if (state->store == NULL || store_set_taken(state->store, reward, claims_taken(claims, reward)) != STATUS_ok)
		return; /* the reward is gone; plan saw to room */
	store_publish(state->store);
}

const struct effect_handler effect_handler_claim_expire = {claim_expire_apply, NULL, NULL};
