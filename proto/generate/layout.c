/* The binary layout, once as tables for people and once as notes in hex dumps. */
#include "proto/generate/generate.h"

#include "engine/base/check.h"
#include "proto/frame.h"

#include <stddef.h>
#include <string.h>

struct member {
	const char *name;
	size_t offset;
	size_t bytes;
	const char *type;
	const char *note;
};

struct layout {
	const char *name;
	size_t bytes;
	const struct member *members;
	size_t count;
};

#define M(record, member, type, note) \
	{#member, offsetof(struct record, member), sizeof((struct record *)nullptr)->member, type, note}
#define HEAD(record) \
	M(record, head.id, "id", "0 without its flag"), M(record, head.at_ms, "i64", "0 without its flag"), \
		M(record, head.deadline_ms, "u32", "0 without its flag"), \
		M(record, head.flags, "u32", "see the flags; other bits are refused")

static const struct member frame_header_members[] = {
	M(frame_header, magic, "u32", "`TRV1`, bytes 54 52 56 31"),
	M(frame_header, version, "u8", "1"),
	M(frame_header, kind, "u8", "1 request, 2 reply"),
	M(frame_header, type, "u16", "the events' type number; 0 in the reply to a refused message"),
	M(frame_header, count, "u32", "events or results in the frame, at least 1"),
	M(frame_header, body_bytes, "u32", "all records, or all results"),
	M(frame_header, text_bytes, "u32", "text behind the records; 0 in replies"),
	M(frame_header, reserved, "u32", "0"),
	M(frame_header, request, "u64", "the client's own; echoed"),
};
static const struct member ping_members[] = {HEAD(ping_record)};
static const struct member locate_members[] = {
	HEAD(locate_record),
	M(locate_record, actor, "id", "0 without its flag"),
	M(locate_record, x, "f64", ""),
	M(locate_record, y, "f64", ""),
	M(locate_record, box, "4 f64", "area 1: the radius, then zeros; area 2: min_x, min_y, max_x, max_y; area 0: zeros"),
	M(locate_record, limit, "u32", "0: the default"),
	M(locate_record, area, "u32", "0 each reward's own radius, 1 radius, 2 box"),
	M(locate_record, kinds, "text", "names separated by commas; absent: all"),
};
static const struct member reward_put_members[] = {
	HEAD(reward_put_record),
	M(reward_put_record, reward, "id", ""),
	M(reward_put_record, x, "f64", ""),
	M(reward_put_record, y, "f64", ""),
	M(reward_put_record, radius, "f64", ""),
	M(reward_put_record, value, "i64", ""),
	M(reward_put_record, stock, "i64", "-1: unlimited"),
	M(reward_put_record, from_ms, "i64", "0: always was"),
	M(reward_put_record, until_ms, "i64", "2^63-1: for ever"),
	M(reward_put_record, benefit_value, "i64", "basis points or minor units; 0 without a benefit"),
	M(reward_put_record, per_actor, "u32", "at least 1"),
	M(reward_put_record, benefit_type, "u8", "0 none, 1 percent, 2 amount"),
	M(reward_put_record, benefit_currency, "3 bytes", "A-Z with an amount, else zeros"),
	M(reward_put_record, kind, "text", "absent: `default`"),
	M(reward_put_record, name, "text", "absent: no name"),
};
static const struct member reward_key_members[] = {HEAD(reward_key_record), M(reward_key_record, reward, "id", "")};
static const struct member claim_members[] = {
	HEAD(claim_record),
	M(claim_record, actor, "id", ""),
	M(claim_record, reward, "id", ""),
	M(claim_record, cart, "id", "0 without its flag"),
	M(claim_record, x, "f64", ""),
	M(claim_record, y, "f64", ""),
};
static const struct member product_put_members[] = {
	HEAD(product_put_record),
	M(product_put_record, unit_price, "i64", "minor units"),
	M(product_put_record, sku, "text", ""),
	M(product_put_record, name, "text", "absent: no name"),
	M(product_put_record, currency, "3 bytes", "A-Z"),
	M(product_put_record, zero, "u8", "0"),
};
static const struct member product_key_members[] = {
	HEAD(product_key_record),
	M(product_key_record, sku, "text", ""),
};
static const struct member cart_open_members[] = {
	HEAD(cart_open_record),
	M(cart_open_record, cart, "id", ""),
	M(cart_open_record, actor, "id", "0 without its flag"),
	M(cart_open_record, ttl_ms, "i64", "0: the configured one"),
	M(cart_open_record, currency, "3 bytes", "A-Z"),
	M(cart_open_record, zero, "u8", "0"),
};
static const struct member cart_line_members[] = {
	HEAD(cart_line_record),
	M(cart_line_record, cart, "id", ""),
	M(cart_line_record, unit_price, "i64", "-1: the catalogue's; cart.remove: always -1"),
	M(cart_line_record, sku, "text", ""),
	M(cart_line_record, quantity, "u32", "cart.add: 0 is 1; cart.set: at least 1; cart.remove: 0 is all"),
	M(cart_line_record, zero, "u32", "0"),
};
static const struct member cart_apply_members[] = {
	HEAD(cart_apply_record),
	M(cart_apply_record, cart, "id", ""),
	M(cart_apply_record, claim, "id", ""),
};
static const struct member cart_key_members[] = {
	HEAD(cart_key_record),
	M(cart_key_record, cart, "id", ""),
};
static const struct member cart_checkout_members[] = {
	HEAD(cart_checkout_record),
	M(cart_checkout_record, cart, "id", ""),
	M(cart_checkout_record, payment, "id", "the new payment's"),
};
static const struct member payment_authorize_members[] = {
	HEAD(payment_authorize_record),
	M(payment_authorize_record, payment, "id", "the new payment's"),
	M(payment_authorize_record, actor, "id", "0 without its flag"),
	M(payment_authorize_record, cart, "id", "0 without its flag"),
	M(payment_authorize_record, amount, "i64", "minor units"),
	M(payment_authorize_record, ttl_ms, "i64", "0: the configured one"),
	M(payment_authorize_record, currency, "3 bytes", "A-Z"),
	M(payment_authorize_record, zero, "u8", "0"),
};
static const struct member payment_amount_members[] = {
	HEAD(payment_amount_record),
	M(payment_amount_record, payment, "id", ""),
	M(payment_amount_record, amount, "i64", "minor units; -1: all that is left"),
};
static const struct member payment_key_members[] = {
	HEAD(payment_key_record),
	M(payment_key_record, payment, "id", ""),
};
static const struct member feed_read_members[] = {
	HEAD(feed_read_record),
	M(feed_read_record, after, "i64", "a seq"),
	M(feed_read_record, limit, "u32", "0: the default"),
	M(feed_read_record, zero, "u32", "0"),
	M(feed_read_record, topics, "text", "names separated by commas; absent: all"),
};
static const struct member result_header_members[] = {
	M(result_header, id, "id", "the event's, 0 without its flag"),
	M(result_header, code, "u16", "0 ok, else the error's number"),
	M(result_header, type, "u8", "the result's type number"),
	M(result_header, flags, "u8", "1 has id, 2 the id is a UUID, 4 truncated, 8 replayed"),
	M(result_header, bytes, "u32", "what follows this header: content, then text"),
	M(result_header, text_bytes, "u32", "the text at its end"),
	M(result_header, returned, "u32", "located: matches that follow; cart: lines; feed: publications"),
	M(result_header, count, "u64", "located: all matches; cart: all lines"),
	M(result_header, seq, "u64", "of a change: the journal's sequence number; feed: read on behind it"),
	M(result_header, retry_after_ms, "u32", "0: not told"),
	M(result_header, retry, "u8", "0 never, 1 same_id, 2 new_id"),
	M(result_header, cart_state, "u8", "error: where the cart is, as in `cart_record`; 0: not told"),
	M(result_header, payment_state, "u8", "error: where the payment is; 0: not told"),
	M(result_header, reserved, "u8", "0"),
	M(result_header, field, "text", "the field to blame, in this result's text"),
	M(result_header, message, "text", "for people, in this result's text"),
};
static const struct member match_members[] = {
	M(match_record, reward, "id", ""),
	M(match_record, distance, "f64", "geo: metres"),
	M(match_record, value, "i64", ""),
	M(match_record, remaining, "i64", "-1: unlimited"),
	M(match_record, kind_offset, "u32", "in this result's text; matches may share it"),
	M(match_record, kind_bytes, "u8", ""),
	M(match_record, flags, "u8", "1 the reward's id is a UUID"),
	M(match_record, reserved, "u16", "0"),
};
static const struct member reward_members[] = {
	M(reward_record, reward, "id", ""),
	M(reward_record, x, "f64", ""),
	M(reward_record, y, "f64", ""),
	M(reward_record, radius, "f64", ""),
	M(reward_record, value, "i64", ""),
	M(reward_record, stock, "i64", "-1: unlimited"),
	M(reward_record, remaining, "i64", "-1: unlimited"),
	M(reward_record, from_ms, "i64", "0: always was"),
	M(reward_record, until_ms, "i64", "2^63-1: for ever"),
	M(reward_record, benefit_value, "i64", ""),
	M(reward_record, per_actor, "u32", ""),
	M(reward_record, benefit_type, "u8", "0 none, 1 percent, 2 amount"),
	M(reward_record, benefit_currency, "3 bytes", ""),
	M(reward_record, kind, "text", "in this result's text"),
	M(reward_record, name, "text", "in this result's text"),
	M(reward_record, flags, "u32", "1 the reward's id is a UUID"),
	M(reward_record, reserved, "u32", "0"),
};
static const struct member claimed_members[] = {
	M(claimed_record, claim, "id", "the event's id"),
	M(claimed_record, reward, "id", ""),
	M(claimed_record, remaining, "i64", "-1: unlimited"),
	M(claimed_record, flags, "u32", "as in events: bits 6 and 10 tell the ids' forms"),
	M(claimed_record, zero, "u32", "0"),
};
static const struct member product_members[] = {
	M(product_record, unit_price, "i64", "minor units"),
	M(product_record, currency, "3 bytes", ""),
	M(product_record, sku_bytes, "u8", "1 to 31"),
	M(product_record, sku, "31 bytes", "then zeros"),
	M(product_record, name_bytes, "u8", "0: no name"),
	M(product_record, name, "128 bytes", "then zeros"),
};
static const struct member cart_members[] = {
	M(cart_record, cart, "id", ""),
	M(cart_record, actor, "id", "0 without its flag"),
	M(cart_record, subtotal, "i64", ""),
	M(cart_record, discount, "i64", ""),
	M(cart_record, total, "i64", "subtotal - discount"),
	M(cart_record, expires_ms, "i64", "0 when it is closed"),
	M(cart_record, line_count, "u32", "all lines"),
	M(cart_record, flags, "u32", "as in events: bit 3 the actor is known, 5 and 8 the ids' forms"),
	M(cart_record, currency, "3 bytes", ""),
	M(cart_record, state, "u8", "0 none, 1 open, 2 checked_out, 3 abandoned, 4 expired"),
	M(cart_record, zero, "u32", "0"),
};
static const struct member line_members[] = {
	M(line_record, unit_price, "i64", ""),
	M(line_record, amount, "i64", ""),
	M(line_record, quantity, "u32", ""),
	M(line_record, sku_bytes, "u8", "1 to 31"),
	M(line_record, sku, "31 bytes", "then zeros"),
};
static const struct member payment_members[] = {
	M(payment_record, payment, "id", ""),
	M(payment_record, actor, "id", "0 without its flag"),
	M(payment_record, cart, "id", "0 without its flag"),
	M(payment_record, authorized, "i64", ""),
	M(payment_record, captured, "i64", ""),
	M(payment_record, refunded, "i64", ""),
	M(payment_record, voided, "i64", ""),
	M(payment_record, expires_ms, "i64", "0 when nothing is held"),
	M(payment_record, flags, "u32", "as in events: bits 3 and 7 who is known, 5, 8 and 9 the ids' forms"),
	M(payment_record, currency, "3 bytes", ""),
	M(payment_record, state, "u8", "0 none, 1 authorized, 2 partially_captured, 3 captured, 4 refunded, 5 voided, 6 expired"),
};

#define LAYOUT(record, members) {#record, sizeof(struct record), members, sizeof members / sizeof members[0]}
static const struct layout layouts[] = {
	LAYOUT(frame_header, frame_header_members),   LAYOUT(ping_record, ping_members),
	LAYOUT(locate_record, locate_members),        LAYOUT(reward_put_record, reward_put_members),
	LAYOUT(reward_key_record, reward_key_members), LAYOUT(claim_record, claim_members),
	LAYOUT(product_put_record, product_put_members), LAYOUT(product_key_record, product_key_members),
	LAYOUT(cart_open_record, cart_open_members),  LAYOUT(cart_line_record, cart_line_members),
	LAYOUT(cart_apply_record, cart_apply_members), LAYOUT(cart_key_record, cart_key_members),
	LAYOUT(cart_checkout_record, cart_checkout_members), LAYOUT(payment_authorize_record, payment_authorize_members),
	LAYOUT(payment_amount_record, payment_amount_members), LAYOUT(payment_key_record, payment_key_members),
	LAYOUT(feed_read_record, feed_read_members),  LAYOUT(result_header, result_header_members),
	LAYOUT(match_record, match_members),          LAYOUT(reward_record, reward_members),
	LAYOUT(claimed_record, claimed_members),      LAYOUT(product_record, product_members),
	LAYOUT(cart_record, cart_members),            LAYOUT(line_record, line_members),
	LAYOUT(payment_record, payment_members),
};

void layout_tables(FILE *out)
{
	for (size_t i = 0; i < sizeof layouts / sizeof layouts[0]; i++) {
		const struct layout *l = &layouts[i];
		fprintf(out, "%s**`%s`, %zu bytes**\n\n| offset | bytes | type | member | |\n|---|---|---|---|---|\n",
		        i != 0 ? "\n" : "", l->name, l->bytes);
		for (size_t k = 0; k < l->count; k++)
			fprintf(out, "| %zu | %zu | %s | `%s` | %s |\n", l->members[k].offset, l->members[k].bytes,
			        l->members[k].type, l->members[k].name, l->members[k].note);
	}
}

static const struct layout *layout_of(const char *name)
{
	for (size_t i = 0; i < sizeof layouts / sizeof layouts[0]; i++)
		if (strcmp(layouts[i].name, name) == 0)
			return &layouts[i];
	CHECK(false, "no layout of '%s'", name);
	unreachable();
}

static const char *record_name(unsigned type)
{
	/* Two events may have one record. NOLINTBEGIN(bugprone-branch-clone) */
	switch (type) {
#define X(symbol, number, name, class, record, result) \
	case number: return #record;
		EVENT_TABLE(X)
#undef X
	default: return "no event";
	}
	/* NOLINTEND(bugprone-branch-clone) */
}

struct dump {
	FILE *out;
	const uint8_t *bytes;
	size_t at;
};

static void dump_line(struct dump *d, size_t count, const char *what, const char *note)
{
	fprintf(d->out, "%04zx:", d->at);
	for (size_t i = 0; i < count; i++)
		fprintf(d->out, " %02x", d->bytes[d->at + i]);
	fprintf(d->out, "  # %s%s%s\n", what, note[0] != '\0' ? ": " : "", note);
	d->at += count;
}

static void dump_record(struct dump *d, const char *name)
{
	const struct layout *l = layout_of(name);
	fprintf(d->out, "# %s\n", name);
	for (size_t i = 0; i < l->count; i++)
		dump_line(d, l->members[i].bytes, l->members[i].name, "");
}

static void dump_text(struct dump *d, size_t count)
{
	if (count != 0)
		dump_line(d, count, "text", "");
}

/* The record behind a result's header; NULL: none. */
static const char *content_name(unsigned result)
{
	switch (result) {
	case RESULT_reward: return "reward_record";
	case RESULT_claimed: return "claimed_record";
	case RESULT_product: return "product_record";
	case RESULT_cart: return "cart_record";
	case RESULT_payment: return "payment_record";
	default: return NULL;
	}
}

static void dump_result(struct dump *d)
{
	const struct result_header *h = (const void *)(d->bytes + d->at);
	dump_record(d, "result_header");
	const char *record = content_name(h->type), *element = h->type == RESULT_cart ? "line_record" : "match_record";
	if (record != NULL)
		dump_record(d, record);
	for (uint32_t i = 0; (h->type == RESULT_located || h->type == RESULT_cart) && i < h->returned; i++)
		dump_record(d, element);
	dump_text(d, h->text_bytes);
}

void layout_dump(FILE *out, const uint8_t *bytes, size_t count)
{
	struct dump d = {out, bytes, 0};
	while (d.at < count) {
		const struct frame_header *h = (const void *)(bytes + d.at);
		dump_record(&d, "frame_header");
		for (uint32_t i = 0; i < h->count; i++) {
			if (h->kind == FRAME_REPLY)
				dump_result(&d);
			else
				dump_record(&d, record_name(h->type));
		}
		dump_text(&d, h->text_bytes);
	}
}
