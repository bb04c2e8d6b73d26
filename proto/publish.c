/* publish: what the world is told about an effect. */
#include "engine/base/check.h"
#include "proto/effect.h"
#include "proto/json_record.h"
#include "proto/json_write.h"

#include <string.h>

const char *topic_name(enum topic topic)
{
	static const char *const names[] = {
#define X(symbol, name, is_of_effect) name,
		TOPIC_TABLE(X)
#undef X
	};
	return names[topic];
}

/* ---- which ------------------------------------------------------------------------------- */

static enum topic topic_of_payment(unsigned event_type)
{
	switch (event_type) {
	case EVENT_payment_authorize: return TOPIC_payment_authorized;
	case EVENT_payment_capture: return TOPIC_payment_captured;
	case EVENT_payment_refund: return TOPIC_payment_refunded;
	case EVENT_payment_void: return TOPIC_payment_voided;
	default: return TOPIC_payment_expired;
	}
}

/* All that an effect makes, in order. */
static unsigned topics_of(const struct effect_head *effect, enum topic topics[static PUBLICATIONS_MAX])
{
	switch (effect->type) {
	case EFFECT_claim:
		topics[0] = TOPIC_reward_claimed;
		topics[1] = TOPIC_reward_depleted;
		return (effect->flags & EFFECT_IS_DEPLETED) != 0 ? 2 : 1;
	case EFFECT_cart_checkout:
		topics[0] = TOPIC_cart_checked_out;
		topics[1] = TOPIC_payment_authorized;
		return 2;
	case EFFECT_cart_expire:
		/* That an empty cart is gone is no news. */
		topics[0] = TOPIC_cart_abandoned;
		return ((const struct effect_cart_expire *)effect)->cart.state == CART_abandoned ? 1 : 0;
	case EFFECT_payment: topics[0] = topic_of_payment(effect->event_type); return 1;
	default: return 0;
	}
}

unsigned effect_publications(const struct effect_head *effect)
{
	enum topic topics[PUBLICATIONS_MAX];
	return topics_of(effect, topics);
}

enum topic effect_topic(const struct effect_head *effect, unsigned number)
{
	enum topic topics[PUBLICATIONS_MAX];
	unsigned count = topics_of(effect, topics);
	CHECK(number < count, "publication %u of %u", number, count);
	return topics[number];
}

/* ---- what -------------------------------------------------------------------------------- */

static void publish_claim(struct cursor *out, const struct effect_claim *e, bool is_depletion)
{
	const struct claimed_record *r = &e->claimed;
	if (!is_depletion)
		JSON_ID(out, "claim", r->claim, r->flags, EVENT_CLAIM_IS_UUID);
	JSON_ID(out, "reward", r->reward, r->flags, EVENT_REWARD_IS_UUID);
	if (is_depletion)
		return;
	JSON_ID(out, "actor", e->actor, e->head.flags, EVENT_ACTOR_IS_UUID);
	JSON_STOCK(out, "remaining", r->remaining);
	if ((e->head.flags & EVENT_HAS_CART) != 0)
		JSON_ID(out, "cart", e->cart, e->head.flags, EVENT_CART_IS_UUID);
}

static void publish_checkout(struct cursor *out, const struct effect_cart_checkout *e)
{
	JSON_ID(out, "cart", e->cart.cart, e->cart.flags, EVENT_CART_IS_UUID);
	JSON_ID(out, "payment", e->payment.payment, e->payment.flags, EVENT_PAYMENT_IS_UUID);
	json_record_total(out, &e->cart);
}

static void publish_abandoned(struct cursor *out, const struct effect_cart_expire *e)
{
	JSON_ID(out, "cart", e->cart.cart, e->cart.flags, EVENT_CART_IS_UUID);
	json_record_actor(out, e->cart.actor, e->cart.flags);
	JSON_UNSIGNED(out, "line_count", e->cart.line_count);
	json_record_total(out, &e->cart);
}

static void publish_payment(struct cursor *out, const struct payment_record *p, int64_t amount)
{
	const char *state = payment_state_name((enum payment_state)p->state);
	JSON_ID(out, "payment", p->payment, p->flags, EVENT_PAYMENT_IS_UUID);
	JSON_TEXT(out, "state", state, strlen(state));
	JSON_INTEGER(out, "amount", amount);
	json_record_payment(out, p);
}

static void publish_content(struct cursor *out, const struct effect_head *effect, enum topic topic)
{
	const struct effect_cart_checkout *checkout = (const void *)effect;
	const struct effect_payment *payment = (const void *)effect;
	switch (effect->type) {
	case EFFECT_claim: publish_claim(out, (const void *)effect, topic == TOPIC_reward_depleted); return;
	case EFFECT_cart_expire: publish_abandoned(out, (const void *)effect); return;
	case EFFECT_payment: publish_payment(out, &payment->payment, payment->amount); return;
	default: break;
	}
	if (topic == TOPIC_cart_checked_out)
		publish_checkout(out, checkout);
	else
		publish_payment(out, &checkout->payment, checkout->payment.authorized);
}

const char *effect_publish(const struct effect_head *effect, unsigned number, uint64_t seq, struct cursor *out)
{
	enum topic topic = effect_topic(effect, number);
	const char *name = topic_name(topic);
	cursor_literal(out, "{\"type\":");
	json_write_string(out, name, strlen(name));
	JSON_UNSIGNED(out, "seq", seq);
	JSON_INTEGER(out, "at", effect->at_ms);
	publish_content(out, effect, topic);
	cursor_byte(out, '}');
	return name;
}
