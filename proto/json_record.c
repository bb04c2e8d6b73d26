#include "proto/json_record.h"

#include "proto/json_write.h"

void json_record_actor(struct cursor *c, struct wire_id actor, uint32_t flags)
{
	if ((flags & EVENT_HAS_ACTOR) != 0)
		JSON_ID(c, "actor", actor, flags, EVENT_ACTOR_IS_UUID);
}

void json_record_payment(struct cursor *c, const struct payment_record *p)
{
	JSON_INTEGER(c, "authorized", p->authorized);
	JSON_INTEGER(c, "captured", p->captured);
	JSON_INTEGER(c, "refunded", p->refunded);
	JSON_INTEGER(c, "voided", p->voided);
	JSON_TEXT(c, "currency", p->currency, CURRENCY_BYTES);
	json_record_actor(c, p->actor, p->flags);
	if ((p->flags & EVENT_HAS_CART) != 0)
		JSON_ID(c, "cart", p->cart, p->flags, EVENT_CART_IS_UUID);
}

void json_record_total(struct cursor *c, const struct cart_record *cart)
{
	JSON_INTEGER(c, "total", cart->total);
	JSON_TEXT(c, "currency", cart->currency, CURRENCY_BYTES);
}
