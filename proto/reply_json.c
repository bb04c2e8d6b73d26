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

static void write_stock(struct cursor *c, int64_t stock)
{
	if (stock == STOCK_UNLIMITED)
		cursor_literal(c, "null");
	else
		json_write_integer(c, stock);
}

#define MEMBER_DOUBLE(c, name, value) (cursor_literal(c, ",\"" name "\":"), json_write_double(c, value))
#define MEMBER_INTEGER(c, name, value) (cursor_literal(c, ",\"" name "\":"), json_write_integer(c, value))
#define MEMBER_TEXT(c, name, value) (cursor_literal(c, ",\"" name "\":"), write_text(c, value))
#define MEMBER_STOCK(c, name, value) (cursor_literal(c, ",\"" name "\":"), write_stock(c, value))

void json_result_pong(struct cursor *c, struct result_id id)
{
	cursor_literal(c, "{\"type\":\"pong\"");
	write_id(c, id);
	cursor_byte(c, '}');
}

void json_result_ok(struct cursor *c, struct result_id id, uint64_t seq)
{
	cursor_literal(c, "{\"type\":\"ok\"");
	write_id(c, id);
	cursor_literal(c, ",\"seq\":");
	json_write_unsigned(c, seq);
	cursor_byte(c, '}');
}

static void write_match(struct cursor *c, const struct match *m)
{
	cursor_literal(c, "{\"reward\":");
	json_write_identifier(c, m->reward);
	MEMBER_DOUBLE(c, "distance", m->distance);
	MEMBER_TEXT(c, "kind", m->kind);
	MEMBER_INTEGER(c, "value", m->value);
	MEMBER_STOCK(c, "remaining", m->remaining);
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
	MEMBER_DOUBLE(c, "x", r->x);
	MEMBER_DOUBLE(c, "y", r->y);
	MEMBER_DOUBLE(c, "radius", r->radius);
	MEMBER_TEXT(c, "kind", r->kind);
	MEMBER_INTEGER(c, "value", r->value);
	MEMBER_STOCK(c, "stock", r->stock);
	MEMBER_STOCK(c, "remaining", r->remaining);
	MEMBER_INTEGER(c, "per_actor", r->per_actor);
	if (r->from_ms != 0)
		MEMBER_INTEGER(c, "from", r->from_ms);
	if (r->until_ms != INT64_MAX)
		MEMBER_INTEGER(c, "until", r->until_ms);
	write_benefit(c, r);
	if (r->name[0] != '\0')
		MEMBER_TEXT(c, "name", r->name);
	cursor_byte(c, '}');
}

void json_result_error(struct cursor *c, struct result_id id, status code, const char *field, const char *message,
                       uint32_t retry_after_ms)
{
	cursor_literal(c, "{\"type\":\"error\"");
	write_id(c, id);
	MEMBER_TEXT(c, "code", status_code(code));
	if (field[0] != '\0')
		MEMBER_TEXT(c, "field", field);
	if (message[0] != '\0')
		MEMBER_TEXT(c, "message", message);
	MEMBER_TEXT(c, "retry", retry_name(status_retry(code)));
	if (retry_after_ms != 0)
		MEMBER_INTEGER(c, "retry_after_ms", retry_after_ms);
	cursor_byte(c, '}');
}
