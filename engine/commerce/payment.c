#include "engine/commerce/payment.h"

#include "engine/base/check.h"

struct cell {
	status refusal;
	enum payment_state some_left, none_left;
};

static const struct cell table[PAYMENT_STATE_COUNT][PAYMENT_EVENT_COUNT] = {
#define X(state, event, refusal, some, none) \
	[PAYMENT_##state][PAYMENT_DO_##event] = {STATUS_##refusal, PAYMENT_##some, PAYMENT_##none},
	PAYMENT_TABLE(X)
#undef X
};

/* The amount that the event adds to. */
static int64_t *target_of(struct payment *p, enum payment_event event)
{
	switch (event) {
	case PAYMENT_DO_authorize: return &p->authorized;
	case PAYMENT_DO_capture: return &p->captured;
	case PAYMENT_DO_refund: return &p->refunded;
	default: return &p->voided;
	}
}

/* The most that the event may take. */
static int64_t available(const struct payment *p, enum payment_event event)
{
	if (event == PAYMENT_DO_authorize)
		return MONEY_MAX;
	return event == PAYMENT_DO_refund ? payment_refundable(p) : payment_held(p);
}

/* Carts can be free of charge, so nothing at all may be authorized; a part of nothing is no part. */
static bool is_sound(enum payment_event event, int64_t amount)
{
	switch (event) {
	case PAYMENT_DO_authorize: return amount >= 0;
	case PAYMENT_DO_capture:
	case PAYMENT_DO_refund: return amount > 0 || amount == PAYMENT_ALL;
	default: return amount == PAYMENT_ALL;
	}
}

static int64_t left_after(const struct payment *p, enum payment_event event)
{
	return event == PAYMENT_DO_capture ? payment_held(p) : payment_refundable(p);
}

status payment_plan(const struct payment *before, enum payment_event event, int64_t amount, struct payment *after)
{
	const struct cell *cell = &table[before == NULL ? PAYMENT_none : before->state][event];
	if (!is_sound(event, amount))
		return STATUS_invalid_field;
	if (cell->refusal != STATUS_ok)
		return cell->refusal;
	if (before != NULL)
		*after = *before;
	else
		after->authorized = after->captured = after->refunded = after->voided = 0;
	int64_t most = available(after, event);
	if (amount > most)
		return event == PAYMENT_DO_authorize ? STATUS_amount_overflow : STATUS_amount_exceeds;
	*target_of(after, event) += amount == PAYMENT_ALL ? most : amount;
	after->state = left_after(after, event) > 0 ? cell->some_left : cell->none_left;
	DEBUG_CHECK(payment_is_valid(after));
	return STATUS_ok;
}

const char *payment_event_name(enum payment_event event)
{
	static const char *const names[] = {
#define X(name) #name,
		PAYMENT_EVENT_TABLE(X)
#undef X
	};
	return names[event];
}

static bool agrees_with_state(const struct payment *p)
{
	int64_t held = payment_held(p), refundable = payment_refundable(p);
	switch ((enum payment_state)p->state) {
	case PAYMENT_authorized: return p->captured == 0 && p->voided == 0;
	case PAYMENT_partially_captured: return p->captured > 0 && held > 0 && p->voided == 0;
	/* Of an authorization of nothing, nothing can be captured. */
	case PAYMENT_captured: return held == 0 && (refundable > 0 || p->authorized == 0);
	case PAYMENT_refunded: return held == 0 && refundable == 0 && (p->captured > 0 || p->authorized == 0);
	case PAYMENT_voided:
	case PAYMENT_expired: return held == 0 && p->captured == 0;
	default: return false;
	}
}

bool payment_is_valid(const struct payment *p)
{
	return p->refunded >= 0 && p->refunded <= p->captured && p->captured <= p->authorized && p->voided >= 0 &&
	       payment_held(p) >= 0 && p->authorized <= MONEY_MAX && p->currency != 0 && agrees_with_state(p);
}
