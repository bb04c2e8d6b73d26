/* Payments: the state table, written as what each event asks for. */
#include "tests/sim/model_inside.h"

#include <stdio.h>

int64_t model_seconds_up(int64_t ms) { return (ms + 999) / 1000; }

bool model_holds(const struct model_payment *p)
{
	return p->state == PAYMENT_authorized || p->state == PAYMENT_partially_captured;
}

unsigned model_holding_payments(const struct model *m)
{
	unsigned count = 0;
	for (unsigned i = 1; i <= MODEL_PAYMENTS; i++)
		count += model_holds(&m->payments[i]);
	return count;
}

static void show_payment(const struct model_payment *p, uint64_t number, struct answer *e)
{
	e->type = RESULT_payment;
	e->payment = number;
	e->actor = p->actor;
	e->cart = p->cart;
	e->authorized = p->authorized;
	e->captured = p->captured;
	e->refunded = p->refunded;
	e->voided = p->voided;
	e->expires_ms = model_holds(p) ? p->end_s * 1000 : 0;
	memcpy(e->currency, p->currency, 4);
	snprintf(e->state, sizeof e->state, "%s", payment_state_name(p->state));
}

status model_refuse_payment(const struct model_payment *p, status s, struct answer *e)
{
	snprintf(e->state, sizeof e->state, "%s", payment_state_name(p->state));
	return s;
}

status model_authorize(struct model *m, const struct ask *a, const struct model_payment *new, struct answer *e)
{
	struct model_payment *p = &m->payments[a->payment];
	if (p->state != PAYMENT_none)
		return model_refuse_payment(p, STATUS_already_exists, e);
	if (model_holding_payments(m) >= m->options.payments)
		return STATUS_pool_exhausted;
	*p = *new;
	p->state = PAYMENT_authorized;
	show_payment(p, a->payment, e);
	return STATUS_ok;
}

static status authorize_asked(struct model *m, const struct ask *a, struct answer *e)
{
	int64_t ttl_ms = a->ttl_ms != 0 ? a->ttl_ms : m->options.payments_ttl_ms;
	struct model_payment new = {.actor = a->actor, .cart = a->cart, .authorized = a->amount,
	                            .end_s = model_seconds_up(m->now_ms + ttl_ms)};
	memcpy(new.currency, a->currency, 4);
	status s = model_authorize(m, a, &new, e);
	if (s == STATUS_ok)
		model_note_payment(m, "payment.authorized", m->seq + 1, a->payment, a->amount);
	return s;
}

static status capture(struct model *m, const struct ask *a, struct answer *e)
{
	struct model_payment *p = &m->payments[a->payment];
	int64_t held = p->authorized - p->captured - p->voided;
	int64_t amount = a->amount == AMOUNT_ALL ? held : a->amount;
	if (p->state == PAYMENT_none)
		return STATUS_not_found;
	if (!model_holds(p))
		return model_refuse_payment(p, STATUS_invalid_state, e);
	if (amount > held)
		return model_refuse_payment(p, STATUS_amount_exceeds, e);
	p->captured += amount;
	p->state = p->captured == p->authorized ? PAYMENT_captured : PAYMENT_partially_captured;
	model_note_closed(p, m->seq + 1);
	show_payment(p, a->payment, e);
	model_note_payment(m, "payment.captured", m->seq + 1, a->payment, amount);
	return STATUS_ok;
}

static status refund(struct model *m, const struct ask *a, const struct answer *got, struct answer *e)
{
	struct model_payment *p = &m->payments[a->payment];
	int64_t left = p->captured - p->refunded;
	int64_t amount = a->amount == AMOUNT_ALL ? left : a->amount;
	if (p->state == PAYMENT_none)
		return STATUS_not_found;
	if (p->state != PAYMENT_captured && p->state != PAYMENT_partially_captured)
		return model_refuse_payment(p, STATUS_invalid_state, e);
	if (amount > left)
		return model_refuse_payment(p, STATUS_amount_exceeds, e);
	/* A captured one may have left the pool, and has to find a place again if anything of it is left. */
	bool needs_place = p->state == PAYMENT_captured && amount < left && model_holding_payments(m) >= m->options.payments;
	if (needs_place && got->code == STATUS_pool_exhausted)
		return STATUS_pool_exhausted;
	p->refunded += amount;
	if (p->state == PAYMENT_captured && p->refunded == p->captured)
		p->state = PAYMENT_refunded;
	model_note_closed(p, m->seq + 1);
	show_payment(p, a->payment, e);
	model_note_payment(m, "payment.refunded", m->seq + 1, a->payment, amount);
	return STATUS_ok;
}

/* What is held is let go; how much that was. */
int64_t model_let_go(struct model_payment *p, enum payment_state of_all)
{
	int64_t held = p->authorized - p->captured - p->voided;
	bool is_part = p->state == PAYMENT_partially_captured;
	p->voided += held;
	p->state = !is_part ? of_all : p->refunded == p->captured ? PAYMENT_refunded : PAYMENT_captured;
	return held;
}

static status void_payment(struct model *m, const struct ask *a, struct answer *e)
{
	struct model_payment *p = &m->payments[a->payment];
	if (p->state == PAYMENT_none)
		return STATUS_not_found;
	if (!model_holds(p))
		return model_refuse_payment(p, STATUS_invalid_state, e);
	int64_t amount = model_let_go(p, PAYMENT_voided);
	model_note_closed(p, m->seq + 1);
	show_payment(p, a->payment, e);
	model_note_payment(m, "payment.voided", m->seq + 1, a->payment, amount);
	return STATUS_ok;
}

status model_payment_event(struct model *m, const struct ask *a, const struct answer *got, struct answer *e)
{
	const struct model_payment *p = &m->payments[a->payment];
	switch (a->type) {
	case EVENT_payment_authorize: return authorize_asked(m, a, e);
	case EVENT_payment_capture: return capture(m, a, e);
	case EVENT_payment_refund: return refund(m, a, got, e);
	case EVENT_payment_void: return void_payment(m, a, e);
	default: break;
	}
	if (p->state == PAYMENT_none)
		return STATUS_not_found;
	show_payment(p, a->payment, e);
	return STATUS_ok;
}
