/* A restore: every record is checked against itself, what was promised, and what is there already. */
#include "engine/commerce/cart_inside.h"
#include "engine/commerce/save.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { CLAIM_FLAGS_ALL = CLAIM_ID_IS_UUID | CLAIM_ACTOR_IS_UUID | CLAIM_REWARD_IS_UUID | CLAIM_IS_USED };
enum {
	PAYMENT_FLAGS_ALL =
		PAYMENT_ID_IS_UUID | PAYMENT_ACTOR_IS_UUID | PAYMENT_CART_IS_UUID | PAYMENT_HAS_ACTOR | PAYMENT_HAS_CART
};

[[gnu::format(printf, 3, 4)]] static status refuse(struct commerce_restore *r, status s, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(r->text, sizeof r->text, format, arguments);
	va_end(arguments);
	return r->status = s;
}

static status cannot_be(struct commerce_restore *r, const char *what)
{
	return refuse(r, STATUS_malformed, "record %" PRIu64 " of what was saved: %s", r->records, what);
}

static bool is_zero(const void *bytes, size_t count)
{
	const uint8_t *at = bytes;
	return count == 0 || (at[0] == 0 && memcmp(at, at + 1, count - 1) == 0);
}

static bool is_sku(const struct sku *sku)
{
	return sku->bytes > 0 && sku->bytes <= SKU_BYTES_MAX && is_zero(sku->text + sku->bytes, SKU_BYTES_MAX - sku->bytes);
}

/* One more of a kind, if so many were promised. */
static bool counts(struct commerce_restore *r, uint32_t *found, uint32_t promised)
{
	if (*found < promised) {
		++*found;
		return true;
	}
	(void)cannot_be(r, "there are more of its kind than the head says");
	return false;
}

/* ---- the head ------------------------------------------------------------------------------- */

static bool has_room(struct commerce_restore *r, const char *option, uint64_t saved, uint64_t room)
{
	if (saved <= room)
		return true;
	(void)refuse(r, STATUS_pool_exhausted, "%s is too small: %" PRIu64 " were saved and %" PRIu64 " have room; make it larger",
	             option, saved, room);
	return false;
}

static status restore_head(struct commerce_restore *r, const void *bytes)
{
	struct commerce *c = r->commerce;
	struct saved_head h;
	memcpy(&h, bytes, sizeof h);
	if (h.version != SAVED_VERSION)
		return refuse(r, STATUS_malformed, "it was saved in format %u, and this program reads %u", h.version, SAVED_VERSION);
	if (!has_room(r, "products.capacity", h.products, slots_room(&c->products.slots)) ||
	    !has_room(r, "carts.capacity", h.carts, slots_room(&c->carts.slots)) ||
	    !has_room(r, "carts.extents", h.extents, slots_room(&c->carts.extents)) ||
	    !has_room(r, "payments.capacity", h.payments, slots_room(&c->payments.slots)) ||
	    !has_room(r, "claims.capacity", h.claims, slots_room(&c->claims.slots)) ||
	    !has_room(r, "claims.capacity", h.claims, slots_room(&c->claims.tallies)) ||
	    !has_room(r, "idempotency.capacity", (uint64_t)h.blocks * IDEMPOTENCY_BLOCK,
	              (uint64_t)c->idempotency.block_count * IDEMPOTENCY_BLOCK))
		return r->status;
	r->head = h;
	c->idempotency.seed = h.seed;
	c->payment_history.seed = h.seed;
	return STATUS_ok;
}

/* ---- products -------------------------------------------------------------------------------- */

static status restore_product(struct commerce_restore *r, const void *bytes)
{
	struct saved_product s;
	memcpy(&s, bytes, sizeof s);
	struct product product = {.sku = s.sku, .unit_price = s.unit_price, .currency = s.currency, .name_bytes = s.name_bytes};
	if (!counts(r, &r->found.products, r->head.products))
		return r->status;
	if (!is_sku(&product.sku) || s.unit_price < 0 || s.unit_price > MONEY_MAX || !currency_is_sound(s.currency) ||
	    s.name_bytes > PRODUCT_NAME_BYTES_MAX || !is_zero(s.zero, sizeof s.zero) ||
	    !is_zero(s.name + s.name_bytes, PRODUCT_NAME_BYTES_MAX - s.name_bytes))
		return cannot_be(r, "a product that cannot be");
	if (products_find(&r->commerce->products, &product.sku) != NULL)
		return cannot_be(r, "a product that was there already");
	memcpy(product.name, s.name, s.name_bytes);
	products_put(&r->commerce->products, &product);
	return STATUS_ok;
}

/* ---- carts ------------------------------------------------------------------------------------- */

/* Whether what will follow the cart is what one in its state has. */
static bool agrees_with_state(const struct saved_cart *s)
{
	bool has_discount = s->flags & SAVED_HAS_DISCOUNT;
	switch (s->state) {
	case CART_open: return true;
	case CART_checked_out:
	case CART_abandoned: return s->lines > 0;
	default: return s->lines == 0 && !has_discount;
	}
}

static uint32_t extents_of(const struct saved_cart *s)
{
	return s->lines == 0 ? (s->flags & SAVED_HAS_DISCOUNT) != 0 : (s->lines - 1) / CART_EXTENT_LINES + 1;
}

static status restore_cart(struct commerce_restore *r, const void *bytes)
{
	struct saved_cart s;
	memcpy(&s, bytes, sizeof s);
	struct cart cart = {
		.id = s.id, .actor = s.actor, .time_s = s.time_s, .ttl_s = s.ttl_s, .currency = s.currency, .state = s.state,
		.flags = (uint8_t)(s.flags & ~SAVED_HAS_DISCOUNT),
	};
	if (!counts(r, &r->found.carts, r->head.carts))
		return r->status;
	if (!agrees_with_state(&s) || extents_of(&s) > r->head.extents - r->found.extents ||
	    !carts_restore(&r->commerce->carts, &cart, &r->cart))
		return cannot_be(r, "a cart that cannot be, or was there already");
	r->found.extents += extents_of(&s);
	r->lines_left = s.lines;
	r->wants_discount = s.flags & SAVED_HAS_DISCOUNT;
	return STATUS_ok;
}

static status restore_discount(struct commerce_restore *r, const void *bytes)
{
	struct saved_discount s;
	memcpy(&s, bytes, sizeof s);
	struct cart_discount discount = {
		.claim = s.claim, .benefit = {s.value, s.currency, s.type}, .claim_is_uuid = s.claim_is_uuid != 0};
	if (!r->wants_discount || s.claim_is_uuid > 1 || s.zero != 0 ||
	    !carts_restore_discount(&r->commerce->carts, r->cart, &discount))
		return cannot_be(r, "a discount that cannot be, or not here");
	r->wants_discount = false;
	return STATUS_ok;
}

static status restore_line(struct commerce_restore *r, const void *bytes)
{
	struct saved_line s;
	memcpy(&s, bytes, sizeof s);
	struct cart_line line = {.sku = s.sku, .unit_price = s.unit_price, .quantity = s.quantity};
	if (r->lines_left == 0 || r->wants_discount || s.zero != 0 || !is_sku(&line.sku) ||
	    !carts_restore_line(&r->commerce->carts, r->cart, &line))
		return cannot_be(r, "a line that cannot be, or not here");
	r->lines_left--;
	return STATUS_ok;
}

/* ---- payments, claims, remembered events ---------------------------------------------------------- */

static status restore_payment(struct commerce_restore *r, const void *bytes)
{
	struct saved_payment s;
	memcpy(&s, bytes, sizeof s);
	struct payment payment = {
		.id = s.id, .actor = s.actor, .cart = s.cart,
		.authorized = s.authorized, .captured = s.captured, .refunded = s.refunded, .voided = s.voided,
		.expires_s = s.expires_s, .currency = s.currency, .state = s.state, .flags = s.flags,
	};
	if (!counts(r, &r->found.payments, r->head.payments))
		return r->status;
	/* Sums of amounts within these bounds do not wrap. */
	if (s.authorized < 0 || s.authorized > MONEY_MAX || s.captured < 0 || s.captured > MONEY_MAX || s.voided < 0 ||
	    s.voided > MONEY_MAX || !payment_is_valid(&payment) || payment_is_final(&payment) ||
	    !currency_is_sound(s.currency) || (s.flags & ~PAYMENT_FLAGS_ALL))
		return cannot_be(r, "a payment that cannot be");
	if (payments_find(&r->commerce->payments, id_unpack(s.id, false)) != NULL)
		return cannot_be(r, "a payment that was there already");
	payments_put(&r->commerce->payments, &payment);
	return STATUS_ok;
}

static status restore_claim(struct commerce_restore *r, const void *bytes)
{
	struct saved_claim s;
	memcpy(&s, bytes, sizeof s);
	struct claim claim = {
		.id = s.id, .actor = s.actor, .reward = s.reward, .benefit_value = s.benefit_value, .at_s = s.at_s,
		.benefit_currency = s.benefit_currency, .benefit_type = s.benefit_type, .flags = s.flags,
	};
	struct benefit benefit = {s.benefit_value, s.benefit_currency, s.benefit_type};
	if (!counts(r, &r->found.claims, r->head.claims))
		return r->status;
	if ((s.flags & ~CLAIM_FLAGS_ALL) || (s.benefit_type != BENEFIT_NONE && benefit_check(&benefit) != STATUS_ok) ||
	    (s.benefit_currency != 0 && !currency_is_sound(s.benefit_currency)))
		return cannot_be(r, "a claim that cannot be");
	if (claims_find(&r->commerce->claims, id_unpack(s.id, false)) != NULL)
		return cannot_be(r, "a claim that was there already");
	claims_add(&r->commerce->claims, &claim);
	return STATUS_ok;
}

static const char bad_block[] = "remembered events or closed payments that cannot be, or not behind the last ones";

static bool is_block(const struct saved_block *s)
{
	return s->used <= IDEMPOTENCY_BLOCK && is_zero(s->entries + s->used, (IDEMPOTENCY_BLOCK - s->used) * sizeof *s->entries);
}

static status restore_block(struct commerce_restore *r, const void *bytes)
{
	struct saved_block s;
	struct idempotency_entry entries[IDEMPOTENCY_BLOCK];
	memcpy(&s, bytes, sizeof s);
	if (!counts(r, &r->found.blocks, r->head.blocks))
		return r->status;
	if (!is_block(&s))
		return cannot_be(r, bad_block);
	for (uint32_t i = 0; i < s.used; i++)
		entries[i] = (struct idempotency_entry){{s.entries[i].key[0], s.entries[i].key[1]},
		                                        {s.entries[i].content[0], s.entries[i].content[1]}, s.entries[i].offset};
	struct idempotency_block block = {s.position, s.newest_s, s.used};
	return idempotency_restore(&r->commerce->idempotency, &block, entries) ? STATUS_ok : cannot_be(r, bad_block);
}

/* Earlier versions saved a payment once for each refund, and times; and a smaller history keeps the last ones. */
static status restore_history(struct commerce_restore *r, const void *bytes)
{
	struct history *history = &r->commerce->payment_history;
	struct saved_block s;
	memcpy(&s, bytes, sizeof s);
	if (!counts(r, &r->found.history, r->head.history))
		return r->status;
	if (!is_block(&s) || s.used == 0)
		return cannot_be(r, bad_block);
	for (uint32_t i = 0; i < s.used; i++) {
		const struct saved_entry *e = &s.entries[i];
		uint64_t place = s.position + e->offset;
		if ((e->content[0] | e->content[1]) != 0 || place < s.position ||
		    !history_restore(history, (uint64_t)e->key[1] << 32 | e->key[0], place))
			return cannot_be(r, bad_block);
	}
	return STATUS_ok;
}

/* ---- the stream -------------------------------------------------------------------------------------- */

static bool is_empty(const struct commerce *c)
{
	return c->products.by_sku.count == 0 && c->carts.by_id.count == 0 && c->payments.by_id.count == 0 &&
	       c->claims.by_id.count == 0 && c->idempotency.count == 0 &&
	       c->payment_history.count == 0;
}

void commerce_restore_start(struct commerce_restore *r, struct commerce *c)
{
	*r = (struct commerce_restore){.commerce = c, .cart = SLOT_NONE};
	if (!is_empty(c))
		(void)refuse(r, STATUS_invalid_state, "what was saved can only be put into an empty instance");
}

static bool is_cart_open(const struct commerce_restore *r) { return r->wants_discount || r->lines_left > 0; }

static status restore_record(struct commerce_restore *r, uint32_t kind, const void *bytes)
{
	switch ((enum saved_kind)kind) {
	case SAVED_head: return restore_head(r, bytes);
	case SAVED_product: return restore_product(r, bytes);
	case SAVED_cart: return restore_cart(r, bytes);
	case SAVED_discount: return restore_discount(r, bytes);
	case SAVED_line: return restore_line(r, bytes);
	case SAVED_payment: return restore_payment(r, bytes);
	case SAVED_claim: return restore_claim(r, bytes);
	case SAVED_block: return restore_block(r, bytes);
	case SAVED_history: return restore_history(r, bytes);
	case SAVED_END: break;
	}
	return cannot_be(r, "an unknown kind");
}

status commerce_restore_put(void *restore, uint32_t kind, const void *bytes, size_t count)
{
	static const uint16_t sizes[SAVED_END - SAVED_head] = {
		sizeof(struct saved_head), sizeof(struct saved_product), sizeof(struct saved_cart), sizeof(struct saved_discount),
		sizeof(struct saved_line), sizeof(struct saved_payment), sizeof(struct saved_claim), sizeof(struct saved_block),
		sizeof(struct saved_block),
	};
	struct commerce_restore *r = restore;
	if (r->status != STATUS_ok)
		return r->status;
	r->records++;
	if (!commerce_owns_kind(kind))
		return cannot_be(r, "an unknown kind");
	if (count != sizes[kind - SAVED_head])
		return cannot_be(r, "another size than its kind has");
	if ((kind == SAVED_head) != (r->head.version == 0))
		return cannot_be(r, "the head is missing, or comes twice");
	if (is_cart_open(r) && kind != SAVED_discount && kind != SAVED_line)
		return cannot_be(r, "lines of the cart before it are missing");
	return restore_record(r, kind, bytes);
}

status commerce_restore_finish(struct commerce_restore *r)
{
	const struct saved_head *h = &r->head, *f = &r->found;
	if (r->status != STATUS_ok)
		return r->status;
	bool is_complete = h->version != 0 && !is_cart_open(r) && f->products == h->products && f->carts == h->carts &&
	                   f->extents == h->extents && f->payments == h->payments && f->claims == h->claims &&
	                   f->blocks == h->blocks && f->history == h->history;
	return is_complete ? STATUS_ok : cannot_be(r, "behind it something is missing");
}
