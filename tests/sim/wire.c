#include "tests/sim/wire.h"

#include "engine/base/check.h"
#include "proto/frame.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- ids ------------------------------------------------------------------------------------------ */

enum : uint64_t { HIGH_OF_UUID = 0x00c0ffee };

struct identifier wire_id_of(uint64_t n)
{
	bool is_uuid = n % 3 == 0;
	return (struct identifier){n, is_uuid ? HIGH_OF_UUID : 0, is_uuid};
}

static uint64_t number_of(struct wire_id id, bool is_uuid)
{
	struct identifier expected = wire_id_of(id.low);
	return expected.high == id.high && expected.is_uuid == is_uuid ? id.low : UINT64_MAX;
}

uint64_t wire_number(const char *text)
{
	struct identifier id;
	if (text == NULL || !identifier_parse(text, strlen(text), &id))
		return UINT64_MAX;
	return number_of((struct wire_id){id.low, id.high}, id.is_uuid);
}

void wire_format(uint64_t number, char text[static 40]) { identifier_format(wire_id_of(number), text); }

/* ---- asking in JSON -------------------------------------------------------------------------------- */

static void put_id(struct cursor *c, const char *name, uint64_t number)
{
	char text[IDENTIFIER_TEXT_BYTES], member[96];
	if (number == 0)
		return;
	wire_format(number, text);
	cursor_bytes(c, member, (size_t)snprintf(member, sizeof member, ",\"%s\":\"%s\"", name, text));
}

static void put_integer(struct cursor *c, const char *name, int64_t value)
{
	char member[96];
	cursor_bytes(c, member, (size_t)snprintf(member, sizeof member, ",\"%s\":%lld", name, (long long)value));
}

static void put_double(struct cursor *c, const char *name, double value)
{
	char member[96];
	cursor_bytes(c, member, (size_t)snprintf(member, sizeof member, ",\"%s\":%.17g", name, value));
}

static void put_text(struct cursor *c, const char *name, const char *text)
{
	char member[96];
	if (text[0] != '\0')
		cursor_bytes(c, member, (size_t)snprintf(member, sizeof member, ",\"%s\":\"%s\"", name, text));
}

static void put_reward(struct cursor *c, const struct ask *a)
{
	char benefit[96];
	put_double(c, "radius", a->radius);
	put_integer(c, "value", a->value);
	if (a->stock != STOCK_UNLIMITED)
		put_integer(c, "stock", a->stock);
	put_integer(c, "per_actor", a->per_actor);
	put_integer(c, "from", a->from_ms);
	if (a->until_ms != INT64_MAX)
		put_integer(c, "until", a->until_ms);
	put_text(c, "kind", a->kind);
	put_text(c, "name", a->name);
	if (a->benefit_type == BENEFIT_PERCENT)
		snprintf(benefit, sizeof benefit, ",\"benefit\":{\"percent_bp\":%lld}", (long long)a->benefit_value);
	else
		snprintf(benefit, sizeof benefit, ",\"benefit\":{\"amount\":%lld,\"currency\":\"%s\"}", (long long)a->benefit_value,
		         a->currency);
	if (a->benefit_type != BENEFIT_NONE)
		cursor_bytes(c, benefit, strlen(benefit));
}

static void put_area(struct cursor *c, const struct ask *a)
{
	char box[160];
	if (a->area == LOCATE_RADIUS)
		put_double(c, "radius", a->radius);
	if (a->area == LOCATE_BOX)
		cursor_bytes(c, box, (size_t)snprintf(box, sizeof box, ",\"box\":[%.17g,%.17g,%.17g,%.17g]", a->box[0], a->box[1],
		                                      a->box[2], a->box[3]));
	put_integer(c, "limit", a->limit);
	if (a->kind[0] != '\0')
		cursor_bytes(c, box, (size_t)snprintf(box, sizeof box, ",\"kinds\":[\"%s\"]", a->kind));
}

static bool has_place(enum event_type type) { return type == EVENT_locate || type == EVENT_reward_put || type == EVENT_claim; }

static void put_money(struct cursor *c, const struct ask *a)
{
	if (a->type == EVENT_product_put || (a->unit_price != PRICE_OF_CATALOGUE &&
	                                     (a->type == EVENT_cart_add || a->type == EVENT_cart_set)))
		put_integer(c, "unit_price", a->unit_price);
	if (a->type == EVENT_payment_authorize || (a->amount != AMOUNT_ALL && (a->type == EVENT_payment_capture ||
	                                                                       a->type == EVENT_payment_refund)))
		put_integer(c, "amount", a->amount);
	if (a->quantity != 0)
		put_integer(c, "quantity", a->quantity);
	if (a->ttl_ms != 0)
		put_integer(c, "ttl_ms", a->ttl_ms);
}

static void put_ask(struct cursor *c, const struct ask *a)
{
	cursor_literal(c, "{\"type\":\"");
	cursor_bytes(c, event_name(a->type), strlen(event_name(a->type)));
	cursor_byte(c, '"');
	put_id(c, "id", a->id);
	put_id(c, "actor", a->actor);
	put_id(c, "reward", a->reward);
	put_id(c, "cart", a->cart);
	put_id(c, "payment", a->payment);
	put_id(c, "claim", a->claim);
	put_text(c, "sku", a->sku);
	if (a->at_ms != 0)
		put_integer(c, "at", a->at_ms);
	if (a->deadline_ms != 0)
		put_integer(c, "deadline_ms", a->deadline_ms);
	if (has_place(a->type)) {
		put_double(c, "x", a->x);
		put_double(c, "y", a->y);
	}
	if (a->type == EVENT_reward_put)
		put_reward(c, a);
	else if (a->type == EVENT_locate)
		put_area(c, a);
	else
		put_text(c, "name", a->name), put_text(c, "currency", a->currency);
	put_money(c, a);
	if (a->type == EVENT_feed_read) {
		put_integer(c, "after", a->after);
		put_integer(c, "limit", a->limit);
	}
	cursor_byte(c, '}');
}

/* ---- asking in frames ------------------------------------------------------------------------------- */

static struct wire_id wire_of(uint64_t number)
{
	struct identifier id = wire_id_of(number);
	return number == 0 ? (struct wire_id){} : (struct wire_id){id.low, id.high};
}

static uint32_t form_of(uint64_t number, uint32_t is_uuid) { return number != 0 && number % 3 == 0 ? is_uuid : 0; }

static struct event_head head_of(const struct ask *a)
{
	uint32_t flags = form_of(a->id, EVENT_ID_IS_UUID) | form_of(a->actor, EVENT_ACTOR_IS_UUID) |
	                 form_of(a->reward, EVENT_REWARD_IS_UUID) | form_of(a->cart, EVENT_CART_IS_UUID) |
	                 form_of(a->payment, EVENT_PAYMENT_IS_UUID) | form_of(a->claim, EVENT_CLAIM_IS_UUID);
	flags |= a->id != 0 ? EVENT_HAS_ID : 0;
	flags |= a->at_ms != 0 ? EVENT_HAS_AT : 0;
	flags |= a->deadline_ms != 0 ? EVENT_HAS_DEADLINE : 0;
	bool may_have_actor = a->type == EVENT_locate || a->type == EVENT_cart_open || a->type == EVENT_payment_authorize;
	bool may_have_cart = a->type == EVENT_claim || a->type == EVENT_payment_authorize;
	flags |= a->actor != 0 && may_have_actor ? EVENT_HAS_ACTOR : 0;
	flags |= a->cart != 0 && may_have_cart ? EVENT_HAS_CART : 0;
	return (struct event_head){wire_of(a->id), a->at_ms, a->deadline_ms, flags};
}

struct text {
	char bytes[4 * SIM_TEXT_BYTES];
	uint32_t used;
};

static struct wire_text put_in(struct text *t, const char *text)
{
	struct wire_text place = {t->used, (uint32_t)strlen(text)};
	memcpy(t->bytes + t->used, text, place.bytes);
	t->used += place.bytes;
	return place.bytes == 0 ? (struct wire_text){} : place;
}

static void reward_record(const struct ask *a, struct text *t, struct reward_put_record *r)
{
	*r = (struct reward_put_record){.head = head_of(a), .reward = wire_of(a->reward), .x = a->x, .y = a->y, .radius = a->radius,
		.value = a->value, .stock = a->stock, .from_ms = a->from_ms, .until_ms = a->until_ms,
		.benefit_value = a->benefit_value, .per_actor = a->per_actor, .benefit_type = (uint8_t)a->benefit_type};
	if (a->benefit_type == BENEFIT_AMOUNT)
		memcpy(r->benefit_currency, a->currency, 3);
	r->kind = put_in(t, a->kind);
	r->name = put_in(t, a->name);
}

static void locate_record(const struct ask *a, struct text *t, struct locate_record *r)
{
	*r = (struct locate_record){.head = head_of(a), .actor = wire_of(a->actor), .x = a->x, .y = a->y, .limit = a->limit,
		.area = a->area};
	if (a->area == LOCATE_RADIUS)
		r->radius = a->radius;
	if (a->area == LOCATE_BOX)
		memcpy((uint8_t *)r + offsetof(struct locate_record, box), a->box, sizeof a->box);
	r->kinds = put_in(t, a->kind);
}

union record {
	struct event_head head;
	struct reward_key_record reward_key;
	struct reward_put_record reward_put;
	struct locate_record locate;
	struct claim_record claim;
	struct product_put_record product_put;
	struct product_key_record product_key;
	struct cart_open_record cart_open;
	struct cart_line_record cart_line;
	struct cart_apply_record cart_apply;
	struct cart_key_record cart_key;
	struct cart_checkout_record checkout;
	struct payment_authorize_record authorize;
	struct payment_amount_record amount;
	struct payment_key_record payment_key;
	struct feed_read_record feed;
};

static void cart_or_product(const struct ask *a, struct text *t, union record *r)
{
	struct event_head head = head_of(a);
	switch (a->type) {
	case EVENT_product_put:
		r->product_put = (struct product_put_record){.head = head, .unit_price = a->unit_price};
		r->product_put.sku = put_in(t, a->sku);
		r->product_put.name = put_in(t, a->name);
		memcpy(r->product_put.currency, a->currency, 3);
		return;
	case EVENT_product_get:
	case EVENT_product_remove: r->product_key = (struct product_key_record){.head = head, .sku = put_in(t, a->sku)}; return;
	case EVENT_cart_open:
		r->cart_open = (struct cart_open_record){head, wire_of(a->cart), wire_of(a->actor), a->ttl_ms, {}, 0};
		memcpy(r->cart_open.currency, a->currency, 3);
		return;
	case EVENT_cart_apply: r->cart_apply = (struct cart_apply_record){head, wire_of(a->cart), wire_of(a->claim)}; return;
	case EVENT_cart_get: r->cart_key = (struct cart_key_record){head, wire_of(a->cart)}; return;
	case EVENT_cart_checkout:
		r->checkout = (struct cart_checkout_record){head, wire_of(a->cart), wire_of(a->payment)};
		return;
	default:
		r->cart_line = (struct cart_line_record){.head = head, .cart = wire_of(a->cart), .quantity = a->quantity,
			.unit_price = a->type == EVENT_cart_remove ? PRICE_OF_CATALOGUE : a->unit_price};
		r->cart_line.sku = put_in(t, a->sku);
	}
}

static void fill_record(const struct ask *a, struct text *t, union record *r)
{
	struct event_head head = head_of(a);
	switch (a->type) {
	case EVENT_ping: r->head = head; return;
	case EVENT_reward_put: reward_record(a, t, &r->reward_put); return;
	case EVENT_locate: locate_record(a, t, &r->locate); return;
	case EVENT_reward_get:
	case EVENT_reward_remove: r->reward_key = (struct reward_key_record){head, wire_of(a->reward)}; return;
	case EVENT_claim:
		r->claim = (struct claim_record){head, wire_of(a->actor), wire_of(a->reward), wire_of(a->cart), a->x, a->y};
		return;
	case EVENT_payment_authorize:
		r->authorize = (struct payment_authorize_record){head, wire_of(a->payment), wire_of(a->actor), wire_of(a->cart),
			a->amount, a->ttl_ms, {}, 0};
		memcpy(r->authorize.currency, a->currency, 3);
		return;
	case EVENT_payment_capture:
	case EVENT_payment_refund: r->amount = (struct payment_amount_record){head, wire_of(a->payment), a->amount}; return;
	case EVENT_payment_void:
	case EVENT_payment_get: r->payment_key = (struct payment_key_record){head, wire_of(a->payment)}; return;
	case EVENT_feed_read: r->feed = (struct feed_read_record){.head = head, .after = a->after, .limit = a->limit}; return;
	default: cart_or_product(a, t, r);
	}
}

size_t wire_write(bool is_binary, const struct ask *asks, unsigned count, char *bytes, size_t room)
{
	struct cursor out;
	cursor_init(&out, bytes, room);
	if (!is_binary && count != 1)
		cursor_byte(&out, '[');
	for (unsigned i = 0; i < count; i++) {
		union record record = {};
		struct text text = {};
		if (is_binary) {
			fill_record(&asks[i], &text, &record);
			frame_build(&out, asks[i].type, i, &record, 1, text.bytes, text.used);
			continue;
		}
		if (i != 0)
			cursor_byte(&out, ',');
		put_ask(&out, &asks[i]);
	}
	if (!is_binary && count != 1)
		cursor_byte(&out, ']');
	return out.full ? 0 : cursor_used(&out);
}

/* ---- hearing JSON ------------------------------------------------------------------------------------- */

static int64_t integer_in(const json_t *o, const char *name) { return json_integer_value(json_object_get(o, name)); }

static double number_in(const json_t *o, const char *name) { return json_number_value(json_object_get(o, name)); }

static int64_t stock_in(const json_t *o, const char *name)
{
	const json_t *value = json_object_get(o, name);
	return value == NULL ? 0 : json_is_null(value) ? STOCK_UNLIMITED : json_integer_value(value);
}

static uint64_t id_in(const json_t *o, const char *name)
{
	const json_t *value = json_object_get(o, name);
	return value == NULL ? 0 : wire_number(json_string_value(value));
}

static void text_in(const json_t *o, const char *name, char *text, size_t room)
{
	const char *value = json_string_value(json_object_get(o, name));
	snprintf(text, room, "%s", value != NULL ? value : "");
}

static void hear_lines(const json_t *lines, struct answer *a)
{
	a->lines_told = (uint32_t)json_array_size(lines);
	for (uint32_t i = 0; i < a->lines_told && i < SIM_LINES_MAX; i++) {
		const json_t *o = json_array_get(lines, i);
		struct answer_line *line = &a->lines[i];
		text_in(o, "sku", line->sku, sizeof line->sku);
		line->quantity = integer_in(o, "quantity");
		line->unit_price = integer_in(o, "unit_price");
		line->amount = integer_in(o, "amount");
	}
}

static void hear_matches(const json_t *o, struct answer *a)
{
	const json_t *rewards = json_object_get(o, "rewards");
	a->count = (uint64_t)integer_in(o, "count");
	a->is_truncated = json_is_true(json_object_get(o, "truncated"));
	a->match_count = (uint32_t)json_array_size(rewards);
	for (uint32_t i = 0; i < a->match_count && i < SIM_MATCHES_MAX; i++) {
		const json_t *m = json_array_get(rewards, i);
		a->matches[i] = (struct answer_match){id_in(m, "reward"), number_in(m, "distance"), integer_in(m, "value"),
		                                      stock_in(m, "remaining"), ""};
		text_in(m, "kind", a->matches[i].kind, SIM_TEXT_BYTES);
	}
}

static void hear_reward(const json_t *o, struct answer *a)
{
	const json_t *benefit = json_object_get(o, "benefit");
	a->x = number_in(o, "x");
	a->y = number_in(o, "y");
	a->radius = number_in(o, "radius");
	a->value = integer_in(o, "value");
	a->stock = stock_in(o, "stock");
	a->from_ms = integer_in(o, "from");
	a->until_ms = json_object_get(o, "until") == NULL ? INT64_MAX : integer_in(o, "until");
	a->per_actor = (uint32_t)integer_in(o, "per_actor");
	a->benefit_type = benefit == NULL                                ? BENEFIT_NONE
	                  : json_object_get(benefit, "percent_bp") != NULL ? BENEFIT_PERCENT
	                                                                   : BENEFIT_AMOUNT;
	a->benefit_value = integer_in(benefit, a->benefit_type == BENEFIT_PERCENT ? "percent_bp" : "amount");
	text_in(benefit, "currency", a->currency, sizeof a->currency);
}

static void hear_feed(const json_t *o, struct answer *a)
{
	const json_t *all = json_object_get(o, "publications");
	size_t used = 0, room = 1 << 20;
	a->count = json_array_size(all);
	a->last = (uint64_t)integer_in(o, "last");
	a->is_truncated = json_is_true(json_object_get(o, "more"));
	a->feed = malloc(room);
	for (size_t i = 0; i < a->count; i++) {
		char *text = json_dumps(json_array_get(all, i), JSON_COMPACT | JSON_PRESERVE_ORDER);
		used += (size_t)snprintf(a->feed + used, room - used, "%s\n", text);
		free(text);
	}
	a->feed[used] = '\0';
}

static enum result_type type_named(const char *name)
{
#define X(symbol, number, text) \
	if (strcmp(name, text) == 0) \
		return RESULT_##symbol;
	RESULT_TABLE(X)
#undef X
	return RESULT_error;
}

static status code_named(const char *name)
{
	for (int s = 0; s < STATUS_COUNT; s++)
		if (strcmp(name, status_code((status)s)) == 0)
			return (status)s;
	return STATUS_internal;
}

static void hear_amounts(const json_t *o, struct answer *a)
{
	a->subtotal = integer_in(o, "subtotal");
	a->discount = integer_in(o, "discount");
	a->total = integer_in(o, "total");
	a->line_count = (uint32_t)integer_in(o, "line_count");
	a->expires_ms = integer_in(o, "expires");
	a->unit_price = integer_in(o, "unit_price");
	a->authorized = integer_in(o, "authorized");
	a->captured = integer_in(o, "captured");
	a->refunded = integer_in(o, "refunded");
	a->voided = integer_in(o, "voided");
	a->remaining = stock_in(o, "remaining");
}

static void hear_object(const json_t *o, struct answer *a)
{
	char type[32], code[32];
	*a = (struct answer){};
	text_in(o, "type", type, sizeof type);
	text_in(o, "code", code, sizeof code);
	a->type = type_named(type);
	a->code = a->type == RESULT_error ? code_named(code) : STATUS_ok;
	a->id = id_in(o, "id");
	a->seq = (uint64_t)integer_in(o, "seq");
	a->is_replayed = json_is_true(json_object_get(o, "replayed"));
	text_in(o, "retry", a->retry, sizeof a->retry);
	text_in(o, "state", a->state, sizeof a->state);
	text_in(o, "field", a->field, sizeof a->field);
	text_in(o, "currency", a->currency, sizeof a->currency);
	text_in(o, "sku", a->sku, sizeof a->sku);
	text_in(o, "name", a->name, sizeof a->name);
	text_in(o, "kind", a->kind, sizeof a->kind);
	a->claim = id_in(o, "claim");
	a->reward = id_in(o, "reward");
	a->cart = id_in(o, "cart");
	a->payment = id_in(o, "payment");
	a->actor = id_in(o, "actor");
	hear_amounts(o, a);
	hear_lines(json_object_get(o, "lines"), a);
	if (a->type == RESULT_located)
		hear_matches(o, a);
	if (a->type == RESULT_reward)
		hear_reward(o, a);
	if (a->type == RESULT_feed)
		hear_feed(o, a);
}

static bool read_json(const char *bytes, size_t size, unsigned count, struct answer *answers, char why[256])
{
	json_error_t error;
	json_t *root = json_loadb(bytes, size, JSON_REJECT_DUPLICATES, &error);
	bool is_right = root != NULL && (count == 1 ? json_is_object(root) : json_array_size(root) == count);
	if (!is_right)
		snprintf(why, 256, "no JSON of %u results: %s", count, root == NULL ? error.text : "another number");
	for (unsigned i = 0; i < count && is_right; i++)
		hear_object(count == 1 ? root : json_array_get(root, i), &answers[i]);
	json_decref(root);
	return is_right;
}

/* ---- hearing frames -------------------------------------------------------------------------------------- */

static void copy_text(char *to, size_t room, const char *from, size_t bytes)
{
	size_t count = bytes < room ? bytes : room - 1;
	memcpy(to, from, count);
	to[count] = '\0';
}

static void take_cart(const struct frame_result *r, struct answer *a)
{
	const struct cart_record *c = r->cart;
	a->cart = number_of(c->cart, (c->flags & EVENT_CART_IS_UUID) != 0);
	a->actor = (c->flags & EVENT_HAS_ACTOR) != 0 ? number_of(c->actor, (c->flags & EVENT_ACTOR_IS_UUID) != 0) : 0;
	a->subtotal = c->subtotal;
	a->discount = c->discount;
	a->total = c->total;
	a->expires_ms = c->expires_ms;
	a->line_count = c->line_count;
	copy_text(a->currency, sizeof a->currency, c->currency, 3);
	snprintf(a->state, sizeof a->state, "%s", cart_state_name((enum cart_state)c->state));
	a->lines_told = r->head->returned;
	for (uint32_t i = 0; i < a->lines_told && i < SIM_LINES_MAX; i++) {
		const struct line_record *l = &r->lines[i];
		a->lines[i] = (struct answer_line){"", l->quantity, l->unit_price, l->amount};
		copy_text(a->lines[i].sku, SIM_TEXT_BYTES, l->sku, l->sku_bytes);
	}
}

static void take_payment(const struct payment_record *p, struct answer *a)
{
	a->payment = number_of(p->payment, (p->flags & EVENT_PAYMENT_IS_UUID) != 0);
	a->actor = (p->flags & EVENT_HAS_ACTOR) != 0 ? number_of(p->actor, (p->flags & EVENT_ACTOR_IS_UUID) != 0) : 0;
	a->cart = (p->flags & EVENT_HAS_CART) != 0 ? number_of(p->cart, (p->flags & EVENT_CART_IS_UUID) != 0) : 0;
	a->authorized = p->authorized;
	a->captured = p->captured;
	a->refunded = p->refunded;
	a->voided = p->voided;
	a->expires_ms = p->expires_ms;
	copy_text(a->currency, sizeof a->currency, p->currency, 3);
	snprintf(a->state, sizeof a->state, "%s", payment_state_name((enum payment_state)p->state));
}

static void take_reward(const struct frame_result *f, struct answer *a)
{
	const struct reward_record *r = f->reward;
	a->reward = number_of(r->reward, (r->flags & MATCH_REWARD_IS_UUID) != 0);
	a->x = r->x;
	a->y = r->y;
	a->radius = r->radius;
	a->value = r->value;
	a->stock = r->stock;
	a->remaining = r->remaining;
	a->from_ms = r->from_ms;
	a->until_ms = r->until_ms;
	a->per_actor = r->per_actor;
	a->benefit_type = r->benefit_type;
	a->benefit_value = r->benefit_value;
	copy_text(a->currency, sizeof a->currency, r->benefit_currency, strnlen(r->benefit_currency, 3));
	copy_text(a->kind, sizeof a->kind, f->text + r->kind.offset, r->kind.bytes);
	copy_text(a->name, sizeof a->name, f->text + r->name.offset, r->name.bytes);
}

static void take_matches(const struct frame_result *r, struct answer *a)
{
	a->count = r->head->count;
	a->is_truncated = (r->head->flags & RESULT_TRUNCATED) != 0;
	a->match_count = r->head->returned;
	for (uint32_t i = 0; i < a->match_count && i < SIM_MATCHES_MAX; i++) {
		const struct match_record *m = &r->matches[i];
		a->matches[i] = (struct answer_match){number_of(m->reward, (m->flags & MATCH_REWARD_IS_UUID) != 0), m->distance,
		                                      m->value, m->remaining, ""};
		copy_text(a->matches[i].kind, SIM_TEXT_BYTES, r->text + m->kind_offset, m->kind_bytes);
	}
}

static void take_feed(const struct frame_result *r, struct answer *a)
{
	a->count = r->head->returned;
	a->last = r->head->seq;
	a->seq = 0;
	a->is_truncated = (r->head->flags & RESULT_TRUNCATED) != 0;
	a->feed = malloc(r->head->text_bytes + 1u);
	copy_text(a->feed, r->head->text_bytes + 1u, r->text, r->head->text_bytes);
}

static void take_error(const struct frame_result *r, struct answer *a)
{
	const struct result_header *h = r->head;
	snprintf(a->retry, sizeof a->retry, "%s", retry_name((enum retry)h->retry));
	copy_text(a->field, sizeof a->field, r->text + h->field.offset, h->field.bytes);
	if (h->payment_state != 0)
		snprintf(a->state, sizeof a->state, "%s", payment_state_name((enum payment_state)h->payment_state));
	else if (h->cart_state != 0)
		snprintf(a->state, sizeof a->state, "%s", cart_state_name((enum cart_state)h->cart_state));
}

static void take_result(const struct frame_result *r, struct answer *a)
{
	const struct result_header *h = r->head;
	*a = (struct answer){.type = h->type, .code = (status)h->code, .seq = h->seq,
	                     .is_replayed = (h->flags & RESULT_REPLAYED) != 0};
	a->id = (h->flags & RESULT_HAS_ID) != 0 ? number_of(h->id, (h->flags & RESULT_ID_IS_UUID) != 0) : 0;
	if (a->type == RESULT_error)
		take_error(r, a);
	if (r->claimed != NULL) {
		a->claim = number_of(r->claimed->claim, (r->claimed->flags & EVENT_CLAIM_IS_UUID) != 0);
		a->reward = number_of(r->claimed->reward, (r->claimed->flags & EVENT_REWARD_IS_UUID) != 0);
		a->remaining = r->claimed->remaining;
	}
	if (r->product != NULL) {
		a->unit_price = r->product->unit_price;
		copy_text(a->currency, sizeof a->currency, r->product->currency, 3);
		copy_text(a->sku, sizeof a->sku, r->product->sku, r->product->sku_bytes);
		copy_text(a->name, sizeof a->name, r->product->name, r->product->name_bytes);
	}
	if (r->cart != NULL)
		take_cart(r, a);
	if (r->payment != NULL)
		take_payment(r->payment, a);
	if (r->reward != NULL)
		take_reward(r, a);
	if (a->type == RESULT_located)
		take_matches(r, a);
	if (a->type == RESULT_feed)
		take_feed(r, a);
}

static bool read_frames(const void *bytes, size_t size, const struct ask *asks, unsigned count, struct answer *answers,
                        char why[256])
{
	struct frame_reader reader;
	frame_reader_open(&reader, bytes, size);
	for (unsigned i = 0; i < count; i++) {
		struct frame_result result;
		if (!frame_reader_has_next(&reader) || frame_reader_next(&reader, &result) != STATUS_ok ||
		    result.event_type != asks[i].type || result.request != i) {
			snprintf(why, 256, "result %u of %u of the binary reply is malformed or of another event", i, count);
			return false;
		}
		take_result(&result, &answers[i]);
	}
	return !frame_reader_has_next(&reader);
}

bool wire_read(const void *bytes, size_t size, const struct ask *asks, unsigned count, struct answer *answers, char why[256])
{
	why[0] = '\0';
	return frame_has_magic(bytes, size) ? read_frames(bytes, size, asks, count, answers, why)
	                                    : read_json(bytes, size, count, answers, why);
}

/* ---- for people -------------------------------------------------------------------------------------------- */

void wire_describe(const struct ask *ask, char text[512])
{
	struct cursor out;
	cursor_init(&out, text, 511);
	put_ask(&out, ask);
	text[cursor_used(&out)] = '\0';
}

void wire_describe_answer(const struct answer *a, char text[512])
{
	snprintf(text, 512,
	         "type=%d code=%s id=%llu seq=%llu%s retry=%s state=%s field=%s claim=%llu reward=%llu cart=%llu payment=%llu "
	         "actor=%llu remaining=%lld lines=%u subtotal=%lld discount=%lld total=%lld expires=%lld price=%lld "
	         "authorized=%lld captured=%lld refunded=%lld voided=%lld %s %s count=%llu",
	         (int)a->type, status_code(a->code), (unsigned long long)a->id, (unsigned long long)a->seq,
	         a->is_replayed ? " replayed" : "", a->retry, a->state, a->field, (unsigned long long)a->claim,
	         (unsigned long long)a->reward, (unsigned long long)a->cart, (unsigned long long)a->payment,
	         (unsigned long long)a->actor, (long long)a->remaining, a->line_count, (long long)a->subtotal,
	         (long long)a->discount, (long long)a->total, (long long)a->expires_ms, (long long)a->unit_price,
	         (long long)a->authorized, (long long)a->captured, (long long)a->refunded, (long long)a->voided, a->currency, a->sku,
	         (unsigned long long)a->count);
}
