/*
 * retail_events: what is sent for invoices. Every id (of events, carts, payments) is a hash of what it
 * stands for: invoice, position of the line, kind of event. So the same lines make the same events,
 * whatever file they stand in and however often they are sent. Pure; the retail is only read.
 */
#ifndef CMD_TROVECTL_RETAIL_EVENTS_H
#define CMD_TROVECTL_RETAIL_EVENTS_H

#include "cmd/trovectl/batch.h"
#include "cmd/trovectl/retail.h"

enum retail_step {
	STEP_product,  /* of a line */
	STEP_open,     /* of an invoice */
	STEP_add,      /* of a line */
	STEP_checkout, /* of an invoice */
	STEP_capture,  /* of an invoice */
	STEP_refund,   /* of a refund */
};

/* attempt: 0; above, another id for the same event, where a refusal is final for the first one. */
void retail_event(const struct retail *r, enum retail_step step, uint32_t index, uint32_t attempt, struct batch_event *event);

static inline enum retail_step retail_step_of(const struct batch_event *e) { return (enum retail_step)(e->tag >> 32); }
static inline uint32_t retail_index_of(const struct batch_event *e) { return (uint32_t)e->tag; }

/* The invoice whose turn a step is; that of a refund is the cancellation. */
uint32_t retail_invoice_of(const struct retail *r, enum retail_step step, uint32_t index);
struct identifier retail_payment_id(const struct retail *r, uint32_t invoice);

#endif
