#include "cmd/trovectl/retail_events.h"

#include "engine/base/hash.h"
#include "engine/base/check.h"

#include <stdio.h>
#include <string.h>

enum : int64_t { CART_TTL_MS = 86400000 }; /* a replay that was broken off can be sent again for a day */

/* A UUID of version 8 (RFC 9562): the vendor's own, here a hash of the text. */
static struct identifier id_of_text(const char *text)
{
	XXH128_hash_t hash = XXH3_128bits(text, strlen(text));
	return (struct identifier){
		.high = (hash.high64 & ~0xf000ull) | 0x8000ull,
		.low = (hash.low64 & ~(3ull << 62)) | 2ull << 62,
		.is_uuid = true,
	};
}

static struct identifier id_of_invoice(const struct retail *r, const char *kind, uint32_t invoice)
{
	char text[64];
	snprintf(text, sizeof text, "retail %s %s", kind, names_text(&r->names, r->invoice[invoice].name));
	return id_of_text(text);
}

struct identifier retail_payment_id(const struct retail *r, uint32_t invoice) { return id_of_invoice(r, "payment", invoice); }

uint32_t retail_invoice_of(const struct retail *r, enum retail_step step, uint32_t index)
{
	switch (step) {
	case STEP_product:
	case STEP_add: return r->line[index].invoice;
	case STEP_refund: return r->line[r->refund[index].line].invoice;
	default: return index;
	}
}

static void fill_id(const struct retail *r, enum retail_step step, uint32_t index, uint32_t attempt, struct event_head *head)
{
	static const char *const names[] = {"product", "open", "add", "checkout", "capture", "refund"};
	bool has_line = step == STEP_product || step == STEP_add || step == STEP_refund;
	uint32_t line = step == STEP_refund ? r->refund[index].line : index;
	char text[128];
	snprintf(text, sizeof text, "retail event %s %s %u %u %u", names[step],
	         names_text(&r->names, r->invoice[retail_invoice_of(r, step, index)].name), has_line ? r->line[line].position : 0,
	         step == STEP_refund ? r->refund[index].part : 0, attempt);
	struct identifier id = id_of_text(text);
	head->id = (struct wire_id){id.low, id.high};
	head->at_ms = r->invoice[retail_invoice_of(r, step, index)].time_ms;
	head->flags = EVENT_HAS_ID | EVENT_ID_IS_UUID | EVENT_HAS_AT;
}

static struct wire_id wire(struct identifier id) { return (struct wire_id){id.low, id.high}; }

static void fill_product(const struct retail *r, const struct retail_line *line, struct batch_event *e)
{
	const char *sku = names_text(&r->names, line->sku);
	e->type = EVENT_product_put;
	e->product_put.unit_price = line->unit_price;
	e->product_put.sku = batch_text(e, sku, strlen(sku));
	if (line->name != RETAIL_NONE)
		e->product_put.name = batch_text(e, names_text(&r->names, line->name), strlen(names_text(&r->names, line->name)));
	memcpy(e->product_put.currency, r->invoice[line->invoice].currency, CURRENCY_BYTES);
}

/* A customer is the number that the file gives, or a hash of what it gives. */
static struct identifier actor_of(const char *customer)
{
	struct identifier id;
	char text[256];
	if (identifier_parse(customer, strlen(customer), &id))
		return id;
	snprintf(text, sizeof text, "retail customer %s", customer);
	return id_of_text(text);
}

static void fill_open(const struct retail *r, uint32_t index, struct batch_event *e)
{
	const struct retail_invoice *invoice = &r->invoice[index];
	e->type = EVENT_cart_open;
	e->cart_open.cart = wire(id_of_invoice(r, "cart", index));
	e->cart_open.ttl_ms = CART_TTL_MS;
	e->head.flags |= EVENT_CART_IS_UUID;
	memcpy(e->cart_open.currency, invoice->currency, CURRENCY_BYTES);
	if (invoice->customer == RETAIL_NONE)
		return;
	struct identifier actor = actor_of(names_text(&r->names, invoice->customer));
	e->cart_open.actor = wire(actor);
	e->head.flags |= EVENT_HAS_ACTOR | (actor.is_uuid ? EVENT_ACTOR_IS_UUID : 0u);
}

static void fill_add(const struct retail *r, const struct retail_line *line, struct batch_event *e)
{
	const char *sku = names_text(&r->names, line->sku);
	e->type = EVENT_cart_add;
	e->cart_line.cart = wire(id_of_invoice(r, "cart", line->invoice));
	e->cart_line.unit_price = line->unit_price;
	e->cart_line.quantity = line->quantity;
	e->cart_line.sku = batch_text(e, sku, strlen(sku));
	e->head.flags |= EVENT_CART_IS_UUID;
}

static void fill_payment(const struct retail *r, enum event_type type, uint32_t invoice, int64_t amount, struct batch_event *e)
{
	e->type = type;
	e->payment_amount.payment = wire(retail_payment_id(r, invoice));
	e->payment_amount.amount = amount;
	e->head.flags |= EVENT_PAYMENT_IS_UUID;
}

void retail_event(const struct retail *r, enum retail_step step, uint32_t index, uint32_t attempt, struct batch_event *e)
{
	fill_id(r, step, index, attempt, &e->head);
	e->tag = (uint64_t)step << 32 | index;
	e->attempts = attempt;
	switch (step) {
	case STEP_product: fill_product(r, &r->line[index], e); break;
	case STEP_open: fill_open(r, index, e); break;
	case STEP_add: fill_add(r, &r->line[index], e); break;
	case STEP_checkout:
		e->type = EVENT_cart_checkout;
		e->cart_checkout.cart = wire(id_of_invoice(r, "cart", index));
		e->cart_checkout.payment = wire(retail_payment_id(r, index));
		e->head.flags |= EVENT_CART_IS_UUID | EVENT_PAYMENT_IS_UUID;
		break;
	case STEP_capture: fill_payment(r, EVENT_payment_capture, index, AMOUNT_ALL, e); break;
	case STEP_refund: fill_payment(r, EVENT_payment_refund, r->refund[index].invoice, r->refund[index].amount, e); break;
	}
	uint32_t line = step == STEP_refund ? r->refund[index].line : index;
	bool has_line = step == STEP_product || step == STEP_add || step == STEP_refund;
	e->line = r->line[has_line ? line : r->invoice[index].first].file_line;
}
