#include "proto/json_record.h"
#include "proto/json_write.h"
#include "proto/reply_write.h"

static void write_text(struct cursor *c, const char *text) { json_write_string(c, text, strlen(text)); }

static void write_id(struct cursor *c, struct result_id id)
{
	if (!id.is_given)
		return;
	cursor_literal(c, ",\"id\":");
	json_write_identifier(c, id.id);
}

#define MEMBER_TEXT(c, name, value) (cursor_literal(c, ",\"" name "\":"), write_text(c, value))

/* What stands last in the answer to a change; a read has no seq. */
static void write_note(struct cursor *c, struct change_note note)
{
	if (note.seq != 0)
		JSON_UNSIGNED(c, "seq", note.seq);
	if (note.is_replayed)
		cursor_literal(c, ",\"replayed\":true");
	cursor_byte(c, '}');
}

void json_result_pong(struct cursor *c, struct result_id id)
{
	cursor_literal(c, "{\"type\":\"pong\"");
	write_id(c, id);
	cursor_byte(c, '}');
}

void json_result_ok(struct cursor *c, struct result_id id, struct change_note note)
{
	cursor_literal(c, "{\"type\":\"ok\"");
	write_id(c, id);
	write_note(c, note);
}

void json_result_claimed(struct cursor *c, struct result_id id, struct change_note note, const struct claimed_record *r)
{
	cursor_literal(c, "{\"type\":\"claimed\"");
	write_id(c, id);
	JSON_ID(c, "claim", r->claim, r->flags, EVENT_CLAIM_IS_UUID);
	JSON_ID(c, "reward", r->reward, r->flags, EVENT_REWARD_IS_UUID);
	JSON_STOCK(c, "remaining", r->remaining);
	write_note(c, note);
}

void json_result_product(struct cursor *c, struct result_id id, const struct product_record *r)
{
	cursor_literal(c, "{\"type\":\"product\"");
	write_id(c, id);
	JSON_TEXT(c, "sku", r->sku, r->sku_bytes);
	JSON_INTEGER(c, "unit_price", r->unit_price);
	JSON_TEXT(c, "currency", r->currency, CURRENCY_BYTES);
	if (r->name_bytes != 0)
		JSON_TEXT(c, "name", r->name, r->name_bytes);
	cursor_byte(c, '}');
}

static void write_line(struct cursor *c, const struct line_record *line)
{
	cursor_literal(c, "{\"sku\":");
	json_write_string(c, line->sku, line->sku_bytes);
	JSON_INTEGER(c, "quantity", line->quantity);
	JSON_INTEGER(c, "unit_price", line->unit_price);
	JSON_INTEGER(c, "amount", line->amount);
	cursor_byte(c, '}');
}

static void write_lines(struct cursor *c, reply_next_line *next, void *context)
{
	struct line_record line;
	cursor_literal(c, ",\"lines\":[");
	for (bool is_first = true; !c->full && next(context, &line); is_first = false) {
		if (!is_first)
			cursor_byte(c, ',');
		write_line(c, &line);
	}
	cursor_byte(c, ']');
}

void json_result_cart(struct cursor *c, struct result_id id, struct change_note note, const struct cart_record *r,
                      reply_next_line *next, void *context)
{
	cursor_literal(c, "{\"type\":\"cart\"");
	write_id(c, id);
	JSON_ID(c, "cart", r->cart, r->flags, EVENT_CART_IS_UUID);
	json_record_actor(c, r->actor, r->flags);
	MEMBER_TEXT(c, "state", cart_state_name((enum cart_state)r->state));
	JSON_UNSIGNED(c, "line_count", r->line_count);
	if (next != NULL)
		write_lines(c, next, context);
	JSON_INTEGER(c, "subtotal", r->subtotal);
	JSON_INTEGER(c, "discount", r->discount);
	json_record_total(c, r);
	if (r->expires_ms != 0)
		JSON_INTEGER(c, "expires", r->expires_ms);
	write_note(c, note);
}

void json_result_payment(struct cursor *c, struct result_id id, struct change_note note, const struct payment_record *r)
{
	cursor_literal(c, "{\"type\":\"payment\"");
	write_id(c, id);
	JSON_ID(c, "payment", r->payment, r->flags, EVENT_PAYMENT_IS_UUID);
	MEMBER_TEXT(c, "state", payment_state_name((enum payment_state)r->state));
	json_record_payment(c, r);
	if (r->expires_ms != 0)
		JSON_INTEGER(c, "expires", r->expires_ms);
	write_note(c, note);
}

void json_result_feed(struct cursor *c, struct result_id id, const struct feed *feed)
{
	cursor_literal(c, "{\"type\":\"feed\"");
	write_id(c, id);
	cursor_literal(c, ",\"publications\":[");
	const char *at = feed->lines, *end = feed->lines + feed->bytes, *line_end;
	while (at < end && (line_end = memchr(at, '\n', (size_t)(end - at))) != NULL) {
		cursor_bytes(c, at, (size_t)(line_end - at));
		at = line_end + 1;
		if (at != end)
			cursor_byte(c, ',');
	}
	cursor_byte(c, ']');
	JSON_UNSIGNED(c, "last", feed->last);
	if (feed->has_more)
		cursor_literal(c, ",\"more\":true}");
	else
		cursor_literal(c, ",\"more\":false}");
}

static void write_match(struct cursor *c, const struct match *m)
{
	cursor_literal(c, "{\"reward\":");
	json_write_identifier(c, m->reward);
	JSON_DOUBLE(c, "distance", m->distance);
	MEMBER_TEXT(c, "kind", m->kind);
	JSON_INTEGER(c, "value", m->value);
	JSON_STOCK(c, "remaining", m->remaining);
	cursor_byte(c, '}');
}

void json_result_located(struct cursor *c, struct result_id id, uint64_t count, const struct match *matches,
                         uint32_t match_count)
{
	cursor_literal(c, "{\"type\":\"located\"");
	write_id(c, id);
	cursor_literal(c, ",\"count\":");
	json_write_unsigned(c, count);
	if (count > match_count)
		cursor_literal(c, ",\"truncated\":true,\"rewards\":[");
	else
		cursor_literal(c, ",\"truncated\":false,\"rewards\":[");
	for (uint32_t i = 0; i < match_count && !c->full; i++) {
		if (i != 0)
			cursor_byte(c, ',');
		write_match(c, &matches[i]);
	}
	cursor_literal(c, "]}");
}

static void write_benefit(struct cursor *c, const struct reward_view *r)
{
	if (r->benefit_type == BENEFIT_PERCENT) {
		cursor_literal(c, ",\"benefit\":{\"percent_bp\":");
		json_write_integer(c, r->benefit_value);
	} else if (r->benefit_type == BENEFIT_AMOUNT) {
		cursor_literal(c, ",\"benefit\":{\"amount\":");
		json_write_integer(c, r->benefit_value);
		MEMBER_TEXT(c, "currency", r->benefit_currency);
	}
	if (r->benefit_type != BENEFIT_NONE)
		cursor_byte(c, '}');
}

void json_result_reward(struct cursor *c, struct result_id id, const struct reward_view *r)
{
	cursor_literal(c, "{\"type\":\"reward\"");
	write_id(c, id);
	cursor_literal(c, ",\"reward\":");
	json_write_identifier(c, r->reward);
	JSON_DOUBLE(c, "x", r->x);
	JSON_DOUBLE(c, "y", r->y);
	JSON_DOUBLE(c, "radius", r->radius);
	MEMBER_TEXT(c, "kind", r->kind);
	JSON_INTEGER(c, "value", r->value);
	JSON_STOCK(c, "stock", r->stock);
	JSON_STOCK(c, "remaining", r->remaining);
	JSON_INTEGER(c, "per_actor", r->per_actor);
	if (r->from_ms != 0)
		JSON_INTEGER(c, "from", r->from_ms);
	if (r->until_ms != INT64_MAX)
		JSON_INTEGER(c, "until", r->until_ms);
	write_benefit(c, r);
	if (r->name[0] != '\0')
		MEMBER_TEXT(c, "name", r->name);
	cursor_byte(c, '}');
}

/* Where the cart or the payment is that was refused; NULL: not told. */
static const char *state_of(const struct error *e)
{
	if (e->payment_state != PAYMENT_none)
		return payment_state_name(e->payment_state);
	return e->cart_state != CART_none ? cart_state_name(e->cart_state) : NULL;
}

void json_result_error(struct cursor *c, struct result_id id, const struct error *e)
{
	const char *state = state_of(e);
	cursor_literal(c, "{\"type\":\"error\"");
	write_id(c, id);
	MEMBER_TEXT(c, "code", status_code(e->code));
	if (e->field[0] != '\0')
		MEMBER_TEXT(c, "field", e->field);
	if (e->message[0] != '\0')
		MEMBER_TEXT(c, "message", e->message);
	MEMBER_TEXT(c, "retry", retry_name(status_retry(e->code)));
	if (e->retry_after_ms != 0)
		JSON_INTEGER(c, "retry_after_ms", e->retry_after_ms);
	if (state != NULL)
		MEMBER_TEXT(c, "state", state);
	write_note(c, e->note);
}
