#include "proto/effect.h"

#include "proto/content.h"
#include "proto/text.h"

#include <math.h>
#include <string.h>

#define X(symbol, number, record) static_assert((number) >= 1 && (number) <= EFFECT_TYPE_MAX);
EFFECT_TABLE(X)
#undef X

const char *effect_name(enum effect_type type)
{
	static const char *const names[EFFECT_TYPE_MAX + 1] = {
#define X(symbol, number, record) [number] = #symbol,
		EFFECT_TABLE(X)
#undef X
	};
	return (unsigned)type <= EFFECT_TYPE_MAX ? names[type] : NULL;
}

static size_t record_bytes(unsigned type)
{
	static const size_t bytes[EFFECT_TYPE_MAX + 1] = {
#define X(symbol, number, record) [number] = sizeof(struct record),
		EFFECT_TABLE(X)
#undef X
	};
	return type <= EFFECT_TYPE_MAX ? bytes[type] : 0;
}

/* ---- what may stand in an effect ------------------------------------------------------ */

enum : uint32_t {
	EVENT_FLAGS = (EVENT_CLAIM_IS_UUID << 1) - 1,
	EFFECT_FLAGS = EFFECT_CLAIM_IS_UUID | EFFECT_EVICTS_CART | EFFECT_EVICTS_PAYMENT | EFFECT_RELEASES_CLAIM |
	               EFFECT_IS_DEPLETED,
};

static bool is_amount(int64_t value) { return value >= 0 && value <= INTEGER_MAX; }

static bool is_name(const char *text, size_t bytes) { return bytes == 0 || text_is_line(text, bytes, NAME_BYTES_MAX); }

static bool is_stock(int64_t stock) { return stock >= STOCK_UNLIMITED && stock <= INTEGER_MAX; }

static bool benefit_is_sound(uint8_t type, int64_t value, const char *currency)
{
	switch (type) {
	case BENEFIT_NONE: return value == 0;
	case BENEFIT_PERCENT: return value >= 1 && value <= 10000;
	case BENEFIT_AMOUNT: return value >= 1 && value <= INTEGER_MAX && text_is_currency(currency);
	default: return false;
	}
}

static bool reward_put_is_sound(const void *effect)
{
	const struct effect_reward_put *e = effect;
	return isfinite(e->x) && isfinite(e->y) && isfinite(e->radius) && e->radius >= 0 && is_stock(e->stock) &&
	       e->from_ms < e->until_ms && e->per_actor != 0 &&
	       benefit_is_sound(e->benefit_type, e->benefit_value, e->benefit_currency) && text_is_kind(e->kind, e->kind_bytes) &&
	       is_name(e->name, e->name_bytes);
}

static bool reward_remove_is_sound(const void *) { return true; }

static bool is_terminated(const char *text, size_t room)
{
	const char *end = memchr(text, '\0', room);
	return end != NULL && text_utf8_prefix(text, (size_t)(end - text)) == (size_t)(end - text);
}

static bool refused_is_sound(const void *effect)
{
	const struct effect_refused *e = effect;
	return e->code > STATUS_ok && e->code < STATUS_COUNT && e->cart_state < CART_STATE_COUNT &&
	       e->payment_state < PAYMENT_STATE_COUNT && e->zero == 0 && is_terminated(e->field, sizeof e->field) &&
	       is_terminated(e->message, sizeof e->message);
}

static bool claim_is_sound(const void *effect)
{
	const struct effect_claim *e = effect;
	return is_stock(e->claimed.remaining) && (e->claimed.flags & ~(uint32_t)EVENT_FLAGS) == 0 && e->claimed.zero == 0 &&
	       e->zero == 0 && benefit_is_sound(e->benefit_type, e->benefit_value, e->benefit_currency);
}

static bool product_put_is_sound(const void *effect)
{
	const struct effect_product_put *e = effect;
	const struct product_record *p = &e->product;
	return is_amount(p->unit_price) && text_is_currency(p->currency) && text_is_line(p->sku, p->sku_bytes, SKU_BYTES_MAX) &&
	       is_name(p->name, p->name_bytes) && e->zero == 0;
}

static bool product_remove_is_sound(const void *effect)
{
	const struct effect_product_remove *e = effect;
	return text_is_line(e->sku, e->sku_bytes, SKU_BYTES_MAX);
}

static bool cart_is_sound(const struct cart_record *c)
{
	return is_amount(c->subtotal) && c->discount >= 0 && c->discount <= c->subtotal &&
	       c->total == c->subtotal - c->discount && c->expires_ms >= 0 && (c->flags & ~(uint32_t)EVENT_FLAGS) == 0 &&
	       c->zero == 0 && c->state != CART_none && c->state < CART_STATE_COUNT && text_is_currency(c->currency);
}

static bool payment_is_sound(const struct payment_record *p)
{
	return is_amount(p->authorized) && p->captured >= 0 && p->captured <= p->authorized && p->refunded >= 0 &&
	       p->refunded <= p->captured && p->voided >= 0 && p->voided <= p->authorized - p->captured && p->expires_ms >= 0 &&
	       (p->flags & ~(uint32_t)EVENT_FLAGS) == 0 && p->state != PAYMENT_none && p->state < PAYMENT_STATE_COUNT &&
	       text_is_currency(p->currency);
}

static bool cart_open_is_sound(const void *effect)
{
	const struct effect_cart_open *e = effect;
	return cart_is_sound(&e->cart) && e->cart.state == CART_open && e->ttl_ms > 0;
}

static bool cart_line_is_sound(const void *effect)
{
	const struct effect_cart_line *e = effect;
	bool is_removal = e->head.event_type == EVENT_cart_remove;
	return cart_is_sound(&e->cart) && e->cart.state == CART_open && is_amount(e->unit_price) &&
	       (!is_removal || e->unit_price == 0) && (is_removal || e->quantity != 0) && e->quantity <= QUANTITY_MAX &&
	       text_is_line(e->sku, e->sku_bytes, SKU_BYTES_MAX) && e->zero == 0;
}

static bool cart_apply_is_sound(const void *effect)
{
	const struct effect_cart_apply *e = effect;
	return cart_is_sound(&e->cart) && e->cart.state == CART_open;
}

static bool cart_checkout_is_sound(const void *effect)
{
	const struct effect_cart_checkout *e = effect;
	return cart_is_sound(&e->cart) && e->cart.state == CART_checked_out && payment_is_sound(&e->payment);
}

static bool cart_expire_is_sound(const void *effect)
{
	const struct effect_cart_expire *e = effect;
	return cart_is_sound(&e->cart) && (e->cart.state == CART_abandoned || e->cart.state == CART_expired);
}

static bool payment_effect_is_sound(const void *effect)
{
	const struct effect_payment *e = effect;
	return payment_is_sound(&e->payment) && is_amount(e->amount);
}

static bool claim_expire_is_sound(const void *effect)
{
	return ((const struct effect_claim_expire *)effect)->head.event_type == EVENT_NONE;
}

static bool is_sound(const struct effect_head *effect)
{
	static bool (*const checks[EFFECT_TYPE_MAX + 1])(const void *) = {
		[EFFECT_reward_put] = reward_put_is_sound,       [EFFECT_reward_remove] = reward_remove_is_sound,
		[EFFECT_refused] = refused_is_sound,             [EFFECT_claim] = claim_is_sound,
		[EFFECT_product_put] = product_put_is_sound,     [EFFECT_product_remove] = product_remove_is_sound,
		[EFFECT_cart_open] = cart_open_is_sound,         [EFFECT_cart_line] = cart_line_is_sound,
		[EFFECT_cart_apply] = cart_apply_is_sound,       [EFFECT_cart_checkout] = cart_checkout_is_sound,
		[EFFECT_cart_expire] = cart_expire_is_sound,     [EFFECT_payment] = payment_effect_is_sound,
		[EFFECT_claim_expire] = claim_expire_is_sound,
	};
	return checks[effect->type](effect);
}

/* What an event does when it is not refused; EFFECT_NONE: it is no change. */
static enum effect_type effect_of(unsigned event_type)
{
	static const uint8_t effects[EVENT_TYPE_MAX + 1] = {
		[EVENT_reward_put] = EFFECT_reward_put,       [EVENT_reward_remove] = EFFECT_reward_remove,
		[EVENT_claim] = EFFECT_claim,                 [EVENT_product_put] = EFFECT_product_put,
		[EVENT_product_remove] = EFFECT_product_remove, [EVENT_cart_open] = EFFECT_cart_open,
		[EVENT_cart_add] = EFFECT_cart_line,          [EVENT_cart_set] = EFFECT_cart_line,
		[EVENT_cart_remove] = EFFECT_cart_line,       [EVENT_cart_apply] = EFFECT_cart_apply,
		[EVENT_cart_checkout] = EFFECT_cart_checkout, [EVENT_payment_authorize] = EFFECT_payment,
		[EVENT_payment_capture] = EFFECT_payment,     [EVENT_payment_refund] = EFFECT_payment,
		[EVENT_payment_void] = EFFECT_payment,
	};
	return event_type <= EVENT_TYPE_MAX ? (enum effect_type)effects[event_type] : EFFECT_NONE;
}

/* ---- whole effects --------------------------------------------------------------------- */

static bool is_of_time(const struct effect_head *effect)
{
	return effect->event_type == EVENT_NONE && effect->request_bytes == 0 &&
	       (effect->type == EFFECT_cart_expire || effect->type == EFFECT_payment || effect->type == EFFECT_claim_expire);
}

static bool is_of_event(const struct effect_head *effect, size_t own_bytes)
{
	enum effect_type made = effect_of(effect->event_type);
	struct event event;
	return made != EFFECT_NONE && (effect->type == made || effect->type == EFFECT_refused) &&
	       content_unpack(&event, (enum event_type)effect->event_type, (const uint8_t *)effect + own_bytes,
	                      effect->request_bytes) &&
	       memcmp(&event.head->id, &effect->id, sizeof effect->id) == 0;
}

bool effect_is_whole(const void *bytes, size_t count)
{
	const struct effect_head *effect = bytes;
	if (count < sizeof *effect || effect->bytes != count)
		return false;
	size_t own_bytes = record_bytes(effect->type);
	if (own_bytes == 0 || own_bytes > count || effect->request_bytes != count - own_bytes ||
	    (effect->flags & ~((uint32_t)EVENT_FLAGS | (uint32_t)EFFECT_FLAGS)) != 0)
		return false;
	return (is_of_time(effect) || is_of_event(effect, own_bytes)) && is_sound(effect);
}

bool effect_event(const struct effect_head *effect, struct event *event)
{
	if (effect->request_bytes == 0)
		return false;
	const uint8_t *packed = (const uint8_t *)effect + (effect->bytes - effect->request_bytes);
	enum event_type type = (enum event_type)effect->event_type;
	*event = (struct event){
		.type = type, .head = (const void *)packed, .text = (const char *)packed + event_record_bytes(type)};
	return true;
}
