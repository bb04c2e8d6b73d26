#include "engine/commerce/save.h"

#include "engine/base/check.h"

#include <string.h>

struct saving {
	const struct commerce *commerce;
	commerce_put *put;
	void *context;
	status status; /* the first that was not ok */
};

static void put(struct saving *s, enum saved_kind kind, const void *bytes, size_t count)
{
	if (s->status == STATUS_ok)
		s->status = s->put(s->context, kind, bytes, count);
}

/* ---- closed payments ---------------------------------------------------------------------------- */

/* Entries become blocks of as many as fit, with all places in reach of an offset. */
struct packing {
	struct saving *saving; /* NULL: it is only counted */
	struct saved_block block;
	uint32_t blocks;
};

static void end_block(struct packing *p)
{
	if (p->block.used == 0)
		return;
	if (p->saving != NULL)
		put(p->saving, SAVED_history, &p->block, sizeof p->block);
	p->block = (struct saved_block){};
	p->blocks++;
}

static void pack_entry(void *context, uint64_t key, uint64_t place)
{
	struct packing *p = context;
	struct saved_block *b = &p->block;
	if (b->used == IDEMPOTENCY_BLOCK || place - b->position > UINT32_MAX)
		end_block(p);
	if (b->used == 0)
		b->position = place;
	b->entries[b->used++] =
		(struct saved_entry){.key = {(uint32_t)key, (uint32_t)(key >> 32)}, .offset = (uint32_t)(place - b->position)};
}

/* How many blocks they are. */
static uint32_t put_history(struct saving *s, bool is_written)
{
	struct packing p = {.saving = is_written ? s : NULL};
	history_visit(&s->commerce->payment_history, pack_entry, &p);
	end_block(&p);
	return p.blocks;
}

/* ---- the rest ------------------------------------------------------------------------------------ */

static void put_head(struct saving *s)
{
	const struct commerce *c = s->commerce;
	struct saved_head head = {
		.version = SAVED_VERSION,
		.seed = c->idempotency.seed,
		.products = c->products.by_sku.count,
		.carts = c->carts.by_id.count,
		.extents = slots_in_use(&c->carts.extents),
		.payments = c->payments.by_id.count,
		.claims = c->claims.by_id.count,
		.blocks = idempotency_blocks_used(&c->idempotency),
		.history = put_history(s, false),
	};
	put(s, SAVED_head, &head, sizeof head);
}

static void put_product(void *context, const struct product *p)
{
	struct saved_product saved = {
		.sku = p->sku, .unit_price = p->unit_price, .currency = p->currency, .name_bytes = p->name_bytes};
	memcpy(saved.name, p->name, p->name_bytes);
	put(context, SAVED_product, &saved, sizeof saved);
}

static void put_discount(struct saving *s, const struct cart_discount *d)
{
	struct saved_discount saved = {
		.claim = d->claim,
		.value = d->benefit.value,
		.currency = d->benefit.currency,
		.type = d->benefit.type,
		.claim_is_uuid = d->claim_is_uuid,
	};
	put(s, SAVED_discount, &saved, sizeof saved);
}

static void put_lines(struct saving *s, const struct cart *cart)
{
	const struct carts *carts = &s->commerce->carts;
	struct cart_cursor at;
	for (const struct cart_line *l = cart_first_line(carts, cart, &at); l != NULL && s->status == STATUS_ok;
	     l = cart_next_line(carts, &at)) {
		struct saved_line saved = {.sku = l->sku, .unit_price = l->unit_price, .quantity = l->quantity};
		put(s, SAVED_line, &saved, sizeof saved);
	}
}

static void put_cart(void *context, const struct cart *cart)
{
	struct saving *s = context;
	const struct cart_discount *discount = carts_discount(&s->commerce->carts, cart);
	struct saved_cart saved = {
		.id = cart->id,
		.actor = cart->actor,
		.time_s = cart->time_s,
		.ttl_s = cart->state == CART_open ? cart->ttl_s : 0,
		.lines = carts_line_count(&s->commerce->carts, cart),
		.currency = cart->currency,
		.state = cart->state,
		.flags = (uint8_t)(cart->flags | (discount != NULL ? SAVED_HAS_DISCOUNT : 0)),
	};
	put(s, SAVED_cart, &saved, sizeof saved);
	if (discount != NULL)
		put_discount(s, discount);
	put_lines(s, cart);
}

static void put_payment(void *context, const struct payment *p)
{
	struct saved_payment saved = {
		.id = p->id, .actor = p->actor, .cart = p->cart,
		.authorized = p->authorized, .captured = p->captured, .refunded = p->refunded, .voided = p->voided,
		.expires_s = p->expires_s, .currency = p->currency, .state = p->state, .flags = p->flags,
	};
	put(context, SAVED_payment, &saved, sizeof saved);
}

static void put_claim(void *context, const struct claim *c)
{
	struct saved_claim saved = {
		.id = c->id, .actor = c->actor, .reward = c->reward, .benefit_value = c->benefit_value, .at_s = c->at_s,
		.benefit_currency = c->benefit_currency, .benefit_type = c->benefit_type, .flags = c->flags,
	};
	put(context, SAVED_claim, &saved, sizeof saved);
}

static void put_block(void *context, const struct idempotency_block *b, const struct idempotency_entry *entries)
{
	struct saved_block saved = {.position = b->position, .newest_s = b->newest_s, .used = b->used};
	for (uint32_t i = 0; i < b->used; i++)
		saved.entries[i] = (struct saved_entry){
			{entries[i].key[0], entries[i].key[1]}, {entries[i].content[0], entries[i].content[1]}, entries[i].offset};
	put(context, SAVED_block, &saved, sizeof saved);
}

status commerce_save(const struct commerce *c, commerce_put *put_record, void *context)
{
	struct saving s = {.commerce = c, .put = put_record, .context = context};
	CHECK(c->payment_history.seed == c->idempotency.seed, "the windows have seeds of their own");
	put_head(&s);
	products_visit(&c->products, put_product, &s);
	carts_visit(&c->carts, put_cart, &s);
	payments_visit(&c->payments, put_payment, &s);
	claims_visit(&c->claims, put_claim, &s);
	idempotency_visit(&c->idempotency, put_block, &s);
	(void)put_history(&s, true);
	return s.status;
}
