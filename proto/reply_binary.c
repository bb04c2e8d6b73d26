#include "proto/reply_write.h"

#include "engine/base/check.h"

static struct result_header header_of(enum result_type type, struct result_id id)
{
	struct result_header h = {.type = (uint8_t)type};
	if (id.is_given) {
		h.id = (struct wire_id){id.id.low, id.id.high};
		h.flags = (uint8_t)(RESULT_HAS_ID | (id.id.is_uuid ? RESULT_ID_IS_UUID : 0));
	}
	return h;
}

/* Of a change, or of an error. */
static struct result_header noted(enum result_type type, struct result_id id, struct change_note note)
{
	struct result_header h = header_of(type, id);
	h.seq = note.seq;
	h.flags |= note.is_replayed ? RESULT_REPLAYED : 0;
	return h;
}

/* A result of one record, whose text is inline. */
static void write_record(struct cursor *c, struct result_header h, const void *record, size_t bytes)
{
	h.bytes = (uint32_t)bytes;
	cursor_bytes(c, &h, sizeof h);
	cursor_bytes(c, record, bytes);
}

void binary_result_pong(struct cursor *c, struct result_id id)
{
	struct result_header h = header_of(RESULT_pong, id);
	cursor_bytes(c, &h, sizeof h);
}

void binary_result_ok(struct cursor *c, struct result_id id, struct change_note note)
{
	struct result_header h = noted(RESULT_ok, id, note);
	cursor_bytes(c, &h, sizeof h);
}

void binary_result_claimed(struct cursor *c, struct result_id id, struct change_note note, const struct claimed_record *r)
{
	write_record(c, noted(RESULT_claimed, id, note), r, sizeof *r);
}

void binary_result_product(struct cursor *c, struct result_id id, const struct product_record *r)
{
	write_record(c, header_of(RESULT_product, id), r, sizeof *r);
}

void binary_result_payment(struct cursor *c, struct result_id id, struct change_note note, const struct payment_record *r)
{
	write_record(c, noted(RESULT_payment, id, note), r, sizeof *r);
}

void binary_result_cart(struct cursor *c, struct result_id id, struct change_note note, const struct cart_record *r,
                        reply_next_line *next, void *context)
{
	struct result_header h = noted(RESULT_cart, id, note);
	struct line_record line;
	h.count = r->line_count;
	uint8_t *room = cursor_reserve(c, sizeof h);
	cursor_bytes(c, r, sizeof *r);
	for (; next != NULL && !c->full && next(context, &line); h.returned++)
		cursor_bytes(c, &line, sizeof line);
	h.bytes = (uint32_t)(sizeof *r + h.returned * sizeof line);
	if (room != NULL)
		memcpy(room, &h, sizeof h);
}

void binary_result_feed(struct cursor *c, struct result_id id, const struct feed *feed)
{
	struct result_header h = header_of(RESULT_feed, id);
	h.flags |= feed->has_more ? RESULT_TRUNCATED : 0;
	h.bytes = h.text_bytes = (uint32_t)feed->bytes;
	h.returned = feed->count;
	h.seq = feed->last;
	cursor_bytes(c, &h, sizeof h);
	cursor_bytes(c, feed->lines, feed->bytes);
}

/* The kinds written so far into a result's text: matches have few kinds, and a
 * kind's name is the same pointer in all of them. Forgetting one costs bytes only. */
enum { KINDS_REMEMBERED = 8 };

struct kinds {
	const char *names[KINDS_REMEMBERED];
	uint32_t offsets[KINDS_REMEMBERED];
	uint8_t bytes[KINDS_REMEMBERED];
	uint32_t next;
	uint32_t last; /* of the match before: mostly the same kind */
	size_t text_start;
};

static uint32_t place_kind(struct kinds *k, struct cursor *c, const char *name)
{
	for (uint32_t i = 0; i < KINDS_REMEMBERED; i++)
		if (k->names[i] == name)
			return i;
	uint32_t i = k->next++ % KINDS_REMEMBERED;
	size_t bytes = strlen(name);
	CHECK(bytes <= UINT8_MAX, "kind of %zu bytes", bytes);
	k->names[i] = name;
	k->offsets[i] = (uint32_t)(cursor_used(c) - k->text_start);
	k->bytes[i] = (uint8_t)bytes;
	cursor_bytes(c, name, bytes);
	return i;
}

/* Straight into the reply: this is the hot path's last loop. */
static void write_match(struct match_record *out, const struct match *m, struct kinds *k, struct cursor *c)
{
	uint32_t kind = k->names[k->last] == m->kind ? k->last : place_kind(k, c, m->kind);
	k->last = kind;
	out->reward.low = m->reward.low;
	out->reward.high = m->reward.high;
	out->distance = m->distance;
	out->value = m->value;
	out->remaining = m->remaining;
	out->kind_offset = k->offsets[kind];
	out->kind_bytes = k->bytes[kind];
	out->flags = m->reward.is_uuid ? MATCH_REWARD_IS_UUID : 0;
	out->reserved = 0;
}

void binary_result_located(struct cursor *c, struct result_id id, uint64_t count, const struct match *matches,
                           uint32_t match_count)
{
	struct result_header h = header_of(RESULT_located, id);
	uint8_t *room = cursor_reserve(c, sizeof h + match_count * sizeof(struct match_record));
	if (room == NULL)
		return;
	struct kinds kinds = {.text_start = cursor_used(c)};
	struct match_record *records = (struct match_record *)(room + sizeof h);
	for (uint32_t i = 0; i < match_count; i++)
		write_match(&records[i], &matches[i], &kinds, c);
	h.count = count;
	h.returned = match_count;
	h.flags |= count > match_count ? RESULT_TRUNCATED : 0;
	h.text_bytes = (uint32_t)(cursor_used(c) - kinds.text_start);
	h.bytes = (uint32_t)(match_count * sizeof(struct match_record)) + h.text_bytes;
	memcpy(room, &h, sizeof h);
}

void binary_result_reward(struct cursor *c, struct result_id id, const struct reward_view *r)
{
	uint32_t kind_bytes = (uint32_t)strlen(r->kind), name_bytes = (uint32_t)strlen(r->name);
	struct result_header h = header_of(RESULT_reward, id);
	struct reward_record record = {
		.reward = {r->reward.low, r->reward.high},
		.x = r->x,
		.y = r->y,
		.radius = r->radius,
		.value = r->value,
		.stock = r->stock,
		.remaining = r->remaining,
		.from_ms = r->from_ms,
		.until_ms = r->until_ms,
		.benefit_value = r->benefit_value,
		.per_actor = r->per_actor,
		.benefit_type = (uint8_t)r->benefit_type,
		.kind = {0, kind_bytes},
		.name = {name_bytes != 0 ? kind_bytes : 0, name_bytes},
		.flags = r->reward.is_uuid ? MATCH_REWARD_IS_UUID : 0,
	};
	if (r->benefit_type == BENEFIT_AMOUNT)
		memcpy(record.benefit_currency, r->benefit_currency, CURRENCY_BYTES);
	h.text_bytes = kind_bytes + name_bytes;
	h.bytes = (uint32_t)sizeof record + h.text_bytes;
	cursor_bytes(c, &h, sizeof h);
	cursor_bytes(c, &record, sizeof record);
	cursor_bytes(c, r->kind, kind_bytes);
	cursor_bytes(c, r->name, name_bytes);
}

void binary_result_error(struct cursor *c, struct result_id id, const struct error *e)
{
	uint32_t field_bytes = (uint32_t)strlen(e->field), message_bytes = (uint32_t)strlen(e->message);
	struct result_header h = noted(RESULT_error, id, e->note);
	h.code = (uint16_t)e->code;
	h.retry = (uint8_t)status_retry(e->code);
	h.retry_after_ms = e->retry_after_ms;
	h.cart_state = (uint8_t)e->cart_state;
	h.payment_state = (uint8_t)e->payment_state;
	h.field = (struct wire_text){0, field_bytes};
	h.message = (struct wire_text){message_bytes != 0 ? field_bytes : 0, message_bytes};
	h.bytes = h.text_bytes = field_bytes + message_bytes;
	cursor_bytes(c, &h, sizeof h);
	cursor_bytes(c, e->field, field_bytes);
	cursor_bytes(c, e->message, message_bytes);
}
