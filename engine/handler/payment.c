/* Payments: payment.authorize, payment.capture, payment.refund, payment.void, payment.get, and their end by time. */
#include "engine/handler/inside.h"

/* ---- records ------------------------------------------------------------------------------------- */

static const struct {
	uint32_t wire;
	uint8_t payment;
} flag_pairs[] = {
	{EVENT_PAYMENT_IS_UUID, PAYMENT_ID_IS_UUID}, {EVENT_HAS_ACTOR, PAYMENT_HAS_ACTOR},
	{EVENT_ACTOR_IS_UUID, PAYMENT_ACTOR_IS_UUID}, {EVENT_HAS_CART, PAYMENT_HAS_CART},
	{EVENT_CART_IS_UUID, PAYMENT_CART_IS_UUID},
};

static uint8_t flags_of(uint32_t wire)
{
	uint8_t flags = 0;
	for (size_t i = 0; i < COUNT_OF(flag_pairs); i++)
		flags |= wire & flag_pairs[i].wire ? flag_pairs[i].payment : 0;
	return flags;
}

void payment_show(const struct payment *p, struct payment_record *r)
{
	*r = (struct payment_record){
		.payment = p->id,
		.actor = p->actor,
		.cart = p->cart,
		.authorized = p->authorized,
		.captured = p->captured,
		.refunded = p->refunded,
		.voided = p->voided,
		.expires_ms = payment_is_open(p) ? (int64_t)p->expires_s * 1000 : 0,
		.state = p->state,
	};
	for (size_t i = 0; i < COUNT_OF(flag_pairs); i++)
		r->flags |= p->flags & flag_pairs[i].payment ? flag_pairs[i].wire : 0;
	currency_format(p->currency, r->currency);
}

static struct payment payment_of(const struct payment_record *r)
{
	return (struct payment){
		.id = r->payment,
		.actor = r->actor,
		.cart = r->cart,
		.authorized = r->authorized,
		.captured = r->captured,
		.refunded = r->refunded,
		.voided = r->voided,
		.expires_s = (uint32_t)(r->expires_ms / 1000),
		.currency = currency_parse(r->currency),
		.state = r->state,
		.flags = flags_of(r->flags),
	};
}

/* ---- finding --------------------------------------------------------------------------------------- */

struct closed {
	struct wire_id id;
	bool is_found;
	struct payment payment;
};

static void see_closed(void *context, const struct journal_record *record)
{
	struct closed *c = context;
	const struct effect_payment *e = record->body;
	if (!effect_is_whole(record->body, record->body_bytes) || e->head.type != EFFECT_payment ||
	    !id_equal(e->payment.payment, c->id))
		return;
	c->payment = payment_of(&e->payment);
	c->is_found = true;
}

/* Closed ones stand in the journal. What cannot be read is not taken for what is not there; what another id of the same
 * hash left there is. */
static status find_closed(const struct state *state, struct identifier id, struct payment *payment)
{
	struct closed closed = {.id = id_pack(id)};
	uint64_t place;
	if (state->journal == NULL || !history_find(&state->commerce->payment_history, id, &place))
		return STATUS_not_found;
	status s = journal_fetch(state->journal, place, see_closed, &closed);
	if (s != STATUS_ok && s != STATUS_not_found)
		return STATUS_internal;
	*payment = closed.payment;
	return closed.is_found ? STATUS_ok : STATUS_not_found;
}

status payment_find(const struct state *state, struct identifier id, struct payment *payment)
{
	const struct payment *open = payments_find(&state->commerce->payments, id);
	if (open == NULL)
		return find_closed(state, id, payment);
	*payment = *open;
	return STATUS_ok;
}

static status refuse_unreadable(const struct planning *p)
{
	return refuse(p, STATUS_internal, "payment", "the payment's record in the journal cannot be read back now");
}

/* ---- changes ----------------------------------------------------------------------------------------- */

void evict_payment(struct state *state, const struct effect_head *effect, struct wire_id payment)
{
	struct payment last; /* stands in the journal */
	if (effect->flags & EFFECT_EVICTS_PAYMENT)
		payments_evict(&state->commerce->payments, payment, &last);
}

void payment_take(struct state *state, const struct payment_record *record, uint64_t place)
{
	struct payment payment = payment_of(record);
	payments_put(&state->commerce->payments, &payment);
	if (!payment_is_open(&payment))
		history_remember(&state->commerce->payment_history, id_unpack(payment.id, false), place);
}

const char *payment_lacks(const struct state *state, const struct effect_head *effect, const struct payment_record *record)
{
	struct payments *payments = &state->commerce->payments;
	struct payment payment = payment_of(record);
	bool has_place = (effect->flags & EFFECT_EVICTS_PAYMENT) || slots_has_room(&payments->slots) || payment_is_final(&payment) ||
	                 payments_find(payments, id_unpack(payment.id, false)) != NULL;
	return has_place ? NULL : payments->slots.holding.option;
}

/* `state` and what is left, for the peer. */
static status refuse_payment(const struct planning *p, status s, const struct payment *before, enum payment_event event)
{
	if (s == STATUS_not_found)
		return refuse(p, s, "payment", "there is no such payment, or it was closed too long ago (payments.history)");
	if (s == STATUS_already_exists || s == STATUS_invalid_state || s == STATUS_amount_exceeds)
		p->problem->payment_state = (enum payment_state)before->state;
	if (s == STATUS_already_exists)
		return refuse(p, s, "payment", "a payment of this id exists already; it is %s", payment_state_name(before->state));
	if (s == STATUS_invalid_state)
		return refuse(p, s, "payment", "the payment is %s", payment_state_name(before->state));
	if (s == STATUS_amount_exceeds)
		return refuse(p, s, "amount", "only %lld is left; the payment is %s",
		              (long long)(event == PAYMENT_DO_capture ? payment_held(before) : payment_refundable(before)),
		              payment_state_name(before->state));
	return s;
}

static status find_place(const struct state *state, const struct planning *p, const struct payment *after,
                         struct victim *victim)
{
	status s = payments_can_put(&state->commerce->payments, after, victim);
	if (s != STATUS_pool_exhausted)
		return s;
	/* One that holds an amount is in the pool, or new. */
	if (after->state == PAYMENT_captured)
		return refuse(p, s, "",
		              "a refund in part needs a place again, and all hold an amount (payments.capacity); one of all that is left "
		              "needs none");
	return refuse(p, s, "", "no room for another open payment (payments.capacity)");
}

status payment_plan_new(const struct state *state, const struct planning *p, const struct payment *asked, int64_t amount,
                        struct payment *after, struct victim *victim)
{
	struct payment before = {};
	status found = payment_find(state, id_unpack(asked->id, false), &before);
	if (found == STATUS_internal)
		return refuse_unreadable(p);
	*after = *asked;
	status s = payment_plan(found == STATUS_ok ? &before : NULL, PAYMENT_DO_authorize, amount, after);
	if (s != STATUS_ok)
		return refuse_payment(p, s, &before, PAYMENT_DO_authorize);
	return find_place(state, p, after, victim);
}

static status finish_plan(const struct planning *p, const struct payment *after, int64_t amount,
                          const struct victim *victim, struct effect_head **effect)
{
	struct effect_payment *e = (void *)effect_take(p->arena, sizeof *e, EFFECT_payment, p->event, p->now_ms);
	if (e == NULL)
		return STATUS_overloaded;
	payment_show(after, &e->payment);
	e->amount = amount;
	if (victim->is_needed) {
		e->evicted_payment = victim->id;
		e->head.flags |= EFFECT_EVICTS_PAYMENT;
	}
	*effect = &e->head;
	return STATUS_ok;
}

static status authorize_plan(const struct state *state, const struct planning *p, struct effect_head **effect)
{
	const struct payment_authorize_record *r = p->event->payment_authorize;
	int64_t ttl_ms = r->ttl_ms != TTL_DEFAULT ? r->ttl_ms : state->payments_ttl_ms;
	struct payment asked = {
		.id = r->payment,
		.actor = r->actor,
		.cart = r->cart,
		.expires_s = (uint32_t)((p->now_ms + ttl_ms + 999) / 1000),
		.currency = currency_parse(r->currency),
		.flags = flags_of(r->head.flags),
	};
	struct payment after;
	struct victim victim = {};
	status s = payment_plan_new(state, p, &asked, r->amount, &after, &victim);
	return s != STATUS_ok ? s : finish_plan(p, &after, r->amount, &victim, effect);
}

/* By how much the event changed it. */
static int64_t difference(const struct payment *before, const struct payment *after)
{
	return after->captured - before->captured + after->refunded - before->refunded + after->voided - before->voided;
}

static status plan_change(const struct state *state, const struct planning *p, struct wire_id payment,
                          enum payment_event event, int64_t amount, struct effect_head **effect)
{
	struct payment before = {}, after;
	struct victim victim = {};
	status found = payment_find(state, id_of(payment, p->event->head->flags, EVENT_PAYMENT_IS_UUID), &before);
	if (found == STATUS_internal)
		return refuse_unreadable(p);
	status s = payment_plan(found == STATUS_ok ? &before : NULL, event, amount == AMOUNT_ALL ? PAYMENT_ALL : amount, &after);
	if (s != STATUS_ok)
		return refuse_payment(p, s, &before, event);
	s = find_place(state, p, &after, &victim);
	return s != STATUS_ok ? s : finish_plan(p, &after, difference(&before, &after), &victim, effect);
}

static status capture_plan(const struct state *state, const struct planning *p, struct effect_head **effect)
{
	const struct payment_amount_record *r = p->event->payment_amount;
	return plan_change(state, p, r->payment, PAYMENT_DO_capture, r->amount, effect);
}

static status refund_plan(const struct state *state, const struct planning *p, struct effect_head **effect)
{
	const struct payment_amount_record *r = p->event->payment_amount;
	return plan_change(state, p, r->payment, PAYMENT_DO_refund, r->amount, effect);
}

static status void_plan(const struct state *state, const struct planning *p, struct effect_head **effect)
{
	return plan_change(state, p, p->event->payment_key->payment, PAYMENT_DO_void, AMOUNT_ALL, effect);
}

static void payment_apply(struct state *state, const struct effect_head *effect, uint64_t place)
{
	const struct effect_payment *e = (const void *)effect;
	evict_payment(state, effect, e->evicted_payment);
	payment_take(state, &e->payment, place);
}

static const char *payment_change_lacks(const struct state *state, const struct effect_head *effect)
{
	return payment_lacks(state, effect, &((const struct effect_payment *)(const void *)effect)->payment);
}

static void payment_answer(const struct effect_head *effect, const struct event *event, struct change_note note,
                           struct reply *reply)
{
	reply_payment(reply, event, note, &((const struct effect_payment *)(const void *)effect)->payment);
}

struct effect_head *plan_payment_expiry(const struct state *state, struct identifier id, int64_t now_ms, struct arena *arena)
{
	const struct payment *before = payments_find(&state->commerce->payments, id);
	struct payment after;
	if (before == NULL || payment_plan(before, PAYMENT_DO_expire, PAYMENT_ALL, &after) != STATUS_ok)
		return NULL;
	struct effect_payment *e = (void *)effect_take(arena, sizeof *e, EFFECT_payment, NULL, now_ms);
	if (e == NULL)
		return NULL;
	payment_show(&after, &e->payment);
	e->head.flags |= e->payment.flags;
	e->amount = difference(before, &after);
	return &e->head;
}

/* ---- reading -------------------------------------------------------------------------------------------- */

status read_payment_get(const struct state *state, const struct event *event, struct reply *reply, struct problem *problem)
{
	const struct payment_key_record *r = event->payment_key;
	struct payment payment;
	struct payment_record record;
	const struct planning p = {.problem = problem};
	status found = payment_find(state, id_of(r->payment, r->head.flags, EVENT_PAYMENT_IS_UUID), &payment);
	if (found == STATUS_internal)
		return refuse_unreadable(&p);
	if (found != STATUS_ok)
		return refuse_payment(&p, STATUS_not_found, NULL, PAYMENT_DO_void);
	payment_show(&payment, &record);
	reply_payment(reply, event, (struct change_note){}, &record);
	return STATUS_ok;
}

const struct handler handler_payment_authorize = {COMMERCE_NEEDS_payment, authorize_plan};
const struct handler handler_payment_capture = {COMMERCE_NEEDS_payment, capture_plan};
const struct handler handler_payment_refund = {COMMERCE_NEEDS_payment, refund_plan};
const struct handler handler_payment_void = {COMMERCE_NEEDS_payment, void_plan};
const struct effect_handler effect_handler_payment = {payment_apply, payment_answer, payment_change_lacks};
