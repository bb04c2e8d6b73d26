/*
 * Which change an object was last touched by, so that a read of it waits for that one and not for
 * all that came before it. A table by hash: a namesake makes a read wait longer, never shorter.
 */
#include "engine/shard/shard_private.h"

static uint64_t *touched(struct shard *shard, struct wire_id id) { return &shard->touched[id_hash(id, 0) % TOUCHED]; }

static uint64_t *touched_sku(struct shard *shard, const char *text, size_t bytes)
{
	return &shard->touched[hash_bytes(text, bytes, 0) % TOUCHED];
}

/* The ids of carts and payments in an effect; of products the sku. What is not in it is zero, which does no harm. */
void shard_touch(struct shard *shard, const struct effect_head *effect)
{
	const void *e = effect;
	struct wire_id ids[3] = {};
	switch ((enum effect_type)effect->type) {
	case EFFECT_product_put: {
		const struct product_record *product = &((const struct effect_product_put *)e)->product;
		*touched_sku(shard, product->sku, product->sku_bytes) = shard->seq;
		return;
	}
	case EFFECT_product_remove: {
		const struct effect_product_remove *product = e;
		*touched_sku(shard, product->sku, product->sku_bytes) = shard->seq;
		return;
	}
	case EFFECT_claim:
		ids[0] = ((const struct effect_claim *)e)->cart;
		ids[1] = ((const struct effect_claim *)e)->evicted_cart;
		break;
	case EFFECT_cart_open:
		ids[0] = ((const struct effect_cart_open *)e)->cart.cart;
		ids[1] = ((const struct effect_cart_open *)e)->evicted_cart;
		break;
	case EFFECT_cart_line:
		ids[0] = ((const struct effect_cart_line *)e)->cart.cart;
		ids[1] = ((const struct effect_cart_line *)e)->evicted_cart;
		break;
	case EFFECT_cart_apply:
		ids[0] = ((const struct effect_cart_apply *)e)->cart.cart;
		ids[1] = ((const struct effect_cart_apply *)e)->evicted_cart;
		break;
	case EFFECT_cart_checkout:
		ids[0] = ((const struct effect_cart_checkout *)e)->cart.cart;
		ids[1] = ((const struct effect_cart_checkout *)e)->payment.payment;
		ids[2] = ((const struct effect_cart_checkout *)e)->evicted_payment;
		break;
	case EFFECT_cart_expire:
		ids[0] = ((const struct effect_cart_expire *)e)->cart.cart;
		break;
	case EFFECT_payment:
		ids[0] = ((const struct effect_payment *)e)->payment.payment;
		ids[1] = ((const struct effect_payment *)e)->evicted_payment;
		break;
	default:
		return; /* nothing that is read on this thread */
	}
	for (size_t i = 0; i < COUNT_OF(ids); i++)
		*touched(shard, ids[i]) = shard->seq;
}

uint64_t shard_last_change(struct shard *shard, const struct event *event)
{
	switch (event->type) {
	case EVENT_product_get: {
		const struct wire_text *sku = &event->product_key->sku;
		return *touched_sku(shard, event->text + sku->offset, sku->bytes);
	}
	case EVENT_cart_get: return *touched(shard, event->cart_key->cart);
	default: return *touched(shard, event->payment_key->payment);
	}
}
