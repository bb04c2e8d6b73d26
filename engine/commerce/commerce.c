#include "engine/commerce/commerce.h"

#include "engine/base/check.h"

#include <sys/random.h>

const struct option commerce_option_rows[] = {COMMERCE_OPTIONS(OPTION_ROW)};
const size_t commerce_option_count = COUNT_OF(commerce_option_rows);

void commerce_bill(const struct commerce_options *o, struct bill *bill)
{
	products_bill(bill, (uint64_t)o->products_capacity);
	carts_bill(bill, (uint64_t)o->carts_capacity, (uint64_t)o->carts_extents);
	payments_bill(bill, (uint64_t)o->payments_capacity);
	claims_bill(bill, (uint64_t)o->claims_capacity);
	idempotency_bill(bill, (uint64_t)o->idempotency_capacity);
	history_bill(bill, (uint64_t)o->payments_history);
}

static status setup_parts(struct commerce *c, const struct commerce_options *o, const struct part_options *part)
{
	status s = products_setup(&c->products, (uint32_t)o->products_capacity, part);
	if (s == STATUS_ok)
		s = carts_setup(&c->carts, (uint32_t)o->carts_capacity, (uint32_t)o->carts_extents, part);
	c->carts.lines_max = (uint32_t)o->carts_lines_max;
	if (s == STATUS_ok)
		s = payments_setup(&c->payments, (uint32_t)o->payments_capacity, part);
	if (s == STATUS_ok)
		s = claims_setup(&c->claims, (uint32_t)o->claims_capacity, part);
	if (s == STATUS_ok)
		s = idempotency_setup(&c->idempotency, (uint32_t)o->idempotency_capacity, o->idempotency_age_ms, part);
	if (s == STATUS_ok)
		s = history_setup(&c->payment_history, (uint32_t)o->payments_history, part);
	return s;
}

status commerce_setup(struct commerce *c, const struct commerce_options *o)
{
	struct part_options part = {o->account, o->seed, o->fail_one_in, o->pool_debug};
	*c = (struct commerce){};
	if (part.seed == 0 && getrandom(&part.seed, sizeof part.seed, 0) != sizeof part.seed)
		return STATUS_internal;
	status s = setup_parts(c, o, &part);
	if (s != STATUS_ok)
		commerce_teardown(c);
	return s;
}

void commerce_teardown(struct commerce *c)
{
	history_teardown(&c->payment_history);
	idempotency_teardown(&c->idempotency);
	claims_teardown(&c->claims);
	payments_teardown(&c->payments);
	carts_teardown(&c->carts);
	products_teardown(&c->products);
	*c = (struct commerce){};
}

void commerce_reset(struct commerce *c)
{
	history_reset(&c->payment_history);
	idempotency_reset(&c->idempotency);
	claims_reset(&c->claims);
	payments_reset(&c->payments);
	carts_reset(&c->carts);
	products_reset(&c->products);
}

void commerce_prepare(struct commerce *c, unsigned needs)
{
	if (needs & COMMERCE_NEEDS_product)
		(void)slots_prepare(&c->products.slots);
	if (needs & COMMERCE_NEEDS_cart)
		(void)carts_prepare(&c->carts);
	if (needs & COMMERCE_NEEDS_lines)
		(void)carts_prepare_lines(&c->carts);
	if (needs & COMMERCE_NEEDS_payment)
		(void)slots_prepare(&c->payments.slots);
	if (needs & COMMERCE_NEEDS_claim)
		(void)claims_prepare(&c->claims);
}

/* ---- claims and carts ------------------------------------------------------------------------- */

static struct benefit benefit_of_claim(const struct claim *claim)
{
	return (struct benefit){claim->benefit_value, claim->benefit_currency, claim->benefit_type};
}

static bool may_use(const struct cart *cart, const struct claim *claim)
{
	return !(cart->flags & CART_HAS_ACTOR) || id_equal(cart->actor, claim->actor);
}

status commerce_can_apply_claim(const struct commerce *c, struct identifier cart_id, struct identifier claim_id,
                                struct victim *victim)
{
	const struct cart *cart = carts_find(&c->carts, cart_id);
	const struct claim *claim = claims_find(&c->claims, claim_id);
	*victim = (struct victim){};
	if (cart == NULL || claim == NULL || !may_use(cart, claim))
		return STATUS_not_found;
	if ((claim->flags & CLAIM_IS_USED) || claim->benefit_type == BENEFIT_NONE)
		return STATUS_invalid_state;
	struct benefit benefit = benefit_of_claim(claim);
	return carts_can_discount(&c->carts, cart_id, &benefit, victim);
}

void commerce_apply_claim(struct commerce *c, struct identifier cart_id, struct identifier claim_id, int64_t now_ms)
{
	const struct claim *claim = claims_find(&c->claims, claim_id);
	CHECK(claim != NULL, "a claim that is not there is applied");
	struct cart_discount discount = {
		.claim = claim->id,
		.benefit = benefit_of_claim(claim),
		.claim_is_uuid = claim->flags & CLAIM_ID_IS_UUID,
	};
	carts_apply_discount(&c->carts, cart_id, &discount, now_ms);
	claims_set_used(&c->claims, claim_id, true);
}

enum cart_state commerce_expire_cart(struct commerce *c, struct identifier cart_id, int64_t now_ms)
{
	const struct cart *cart = carts_find(&c->carts, cart_id);
	CHECK(cart != NULL, "a cart that is not there expires");
	const struct cart_discount *discount = carts_discount(&c->carts, cart);
	if (discount != NULL) {
		struct identifier claim = id_unpack(discount->claim, discount->claim_is_uuid);
		if (claims_find(&c->claims, claim) != NULL)
			claims_set_used(&c->claims, claim, false);
	}
	return carts_expire(&c->carts, cart_id, now_ms);
}

/* ---- all of it ---------------------------------------------------------------------------------- */

uint64_t commerce_digest(const struct commerce *c)
{
	uint64_t parts[] = {products_digest(&c->products), carts_digest(&c->carts), payments_digest(&c->payments),
	                    claims_digest(&c->claims), idempotency_digest(&c->idempotency),
	                    history_digest(&c->payment_history)};
	return hash_bytes(parts, sizeof parts, 0);
}

void commerce_digest_parts(const struct commerce *c, struct commerce_digests *d)
{
	uint64_t objects[] = {products_digest(&c->products), carts_digest(&c->carts), payments_digest(&c->payments),
	                      claims_digest(&c->claims)};
	*d = (struct commerce_digests){
		.objects = hash_bytes(objects, sizeof objects, 0),
		.remembered = {idempotency_place_digest(&c->idempotency), history_digest(&c->payment_history)},
	};
}

bool commerce_is_valid(const struct commerce *c)
{
	return products_are_valid(&c->products) && carts_are_valid(&c->carts) && payments_are_valid(&c->payments) &&
	       claims_are_valid(&c->claims) && idempotency_is_valid(&c->idempotency) &&
	       history_is_valid(&c->payment_history);
}
