/*
 * Golden vectors: the checked-in JSON request is decoded, built as a frame, and
 * answered in both encodings with fixed results. The records of neighbouring events
 * of one type go into one frame.
 */
#include "proto/generate/generate.h"

#include "engine/base/check.h"
#include "proto/field.h"
#include "proto/frame.h"
#include "proto/reply.h"

#include <stdlib.h>
#include <string.h>

static const struct match matches[] = {
	{{0, 1, false}, 1.0 / 3, 0, 1, "coffee"},
	{{1001, 0, false}, 12.5, 250, STOCK_UNLIMITED, "coffee"},
	{{0x8000000000000001, 0x0188f0c400007000, true}, 87.25, -3, 5, "tea"},
};
static const struct reward_view view = {
	.reward = {1001, 0, false},
	.x = -122.4194,
	.y = 37.7749,
	.radius = 50,
	.value = 250,
	.stock = 10,
	.remaining = 7,
	.from_ms = 1700000000000,
	.until_ms = 1800000000000,
	.benefit_type = BENEFIT_PERCENT,
	.benefit_value = 1500,
	.per_actor = 2,
	.kind = "coffee",
	.name = "Caf\xc3\xa9 Roma",
};

static const struct claimed_record claimed = {.reward = {1001, 0}, .remaining = 6};
static const struct product_record product = {
	.unit_price = 350, .currency = "EUR", .sku_bytes = 8, .sku = "espresso", .name_bytes = 8, .name = "Espresso"};
static const struct cart_record cart = {
	.cart = {0x23456789abcd, 0x0188f0c400007000},
	.actor = {42, 0},
	.subtotal = 1150,
	.discount = 173,
	.total = 977,
	.expires_ms = 1700003600000,
	.line_count = 2,
	.flags = EVENT_CART_IS_UUID | EVENT_HAS_ACTOR,
	.currency = "EUR",
	.state = CART_open,
};
static const struct line_record lines[] = {
	{350, 700, 2, 8, "espresso"},
	{450, 450, 1, 11, "caf\xc3\xa9-latte"},
};
static const struct payment_record payment = {
	.payment = {7001, 0},
	.actor = {42, 0},
	.cart = {0x23456789abcd, 0x0188f0c400007000},
	.authorized = 977,
	.captured = 500,
	.refunded = 100,
	.expires_ms = 1700604800000,
	.flags = EVENT_HAS_ACTOR | EVENT_HAS_CART | EVENT_CART_IS_UUID,
	.currency = "EUR",
	.state = PAYMENT_partially_captured,
};
static const char publications[] =
	"{\"type\":\"payment.captured\",\"seq\":68,\"at\":1700000000500,\"payment\":\"7001\",\"state\":\"partially_captured\","
	"\"amount\":500,\"authorized\":977,\"captured\":500,\"refunded\":0,\"voided\":0,\"currency\":\"EUR\"}\n"
	"{\"type\":\"reward.depleted\",\"seq\":70,\"at\":1700000000900,\"reward\":\"1001\"}\n";

static bool next_line(void *context, struct line_record *line)
{
	const struct line_record **next = context;
	if (*next == lines + sizeof lines / sizeof lines[0])
		return false;
	*line = *(*next)++;
	return true;
}

static void answer_cart(struct reply *p, const struct event *event, struct change_note note)
{
	const struct line_record *first = lines;
	if (event->type == EVENT_cart_get)
		reply_cart_lines(p, event, &cart, next_line, &first);
	else
		reply_cart(p, event, note, &cart);
}

static void answer_claim(struct reply *p, const struct event *event, struct change_note note)
{
	struct claimed_record record = claimed;
	record.claim = event->head->id;
	record.flags = (event->head->flags & EVENT_ID_IS_UUID) != 0 ? EVENT_CLAIM_IS_UUID : 0;
	reply_claimed(p, event, note, &record);
}

/* An id of 409 is one that was refused by the state, 77 one that was answered before. */
enum { REFUSED_ID = 409, REPLAYED_ID = 77 };

static void answer_refused(struct reply *p, const struct event *event, struct change_note note)
{
	bool is_cart = event->type == EVENT_cart_add;
	struct problem problem = {
		.status = STATUS_invalid_state,
		.field = "payment",
		.has_id = true,
		.id = event_id(event),
		.payment_state = PAYMENT_captured,
		.seq = note.seq,
		.is_replayed = note.is_replayed,
	};
	if (is_cart) {
		snprintf(problem.field, sizeof problem.field, "cart");
		problem.payment_state = PAYMENT_none;
		problem.cart_state = CART_checked_out;
	}
	reply_problem(p, &problem, 0);
}

static void answer_commerce(struct reply *p, const struct event *event, uint64_t *seq)
{
	bool is_change = event_is_change(event->type);
	struct change_note note = {is_change ? (*seq)++ : 0, is_change && event->head->id.low == REPLAYED_ID};
	struct feed feed = {publications, sizeof publications - 1, 2, 70, true};
	if (event->head->id.low == REFUSED_ID)
		answer_refused(p, event, note);
	else if (event->type == EVENT_claim)
		answer_claim(p, event, note);
	else if (event->type == EVENT_product_get)
		reply_product(p, event, &product);
	else if (event->type >= EVENT_cart_open && event->type <= EVENT_cart_get)
		answer_cart(p, event, note);
	else if (event->type >= EVENT_cart_checkout && event->type <= EVENT_payment_get)
		reply_payment(p, event, note, &payment);
	else if (event->type == EVENT_feed_read)
		reply_feed(p, event, &feed);
	else
		reply_ok(p, event, note);
}

static void answer(struct reply *p, struct request *r, uint64_t *seq)
{
	static const struct problem not_found = {.status = STATUS_not_found};
	struct event event;
	struct problem problem;
	if (request_next(r, &event, &problem) != STATUS_ok)
		reply_problem(p, &problem, 0);
	else if (event.type == EVENT_ping)
		reply_pong(p, &event);
	else if (event.type == EVENT_locate)
		reply_located(p, &event, 40, matches, 3);
	else if (event.type == EVENT_reward_get && event.reward_key->reward.low == 404)
		reply_problem(p, &not_found, 0);
	else if (event.type == EVENT_reward_get)
		reply_reward(p, &event, &view);
	else
		answer_commerce(p, &event, seq);
}

static void write_reply(struct arena *arena, const void *message, size_t bytes, FILE *json, FILE *hex)
{
	static const struct protocol_limits limits = {.batch_max = 64};
	static char room[1 << 16];
	struct request r;
	struct reply p;
	struct problem problem;
	uint64_t seq = 71;
	size_t reply_bytes;
	if (request_open(&r, message, bytes, &limits, arena, &problem) != STATUS_ok) {
		reply_bytes = reply_refusal(r.encoding, &problem, 0, room, sizeof room);
	} else {
		reply_open(&p, &r, room, sizeof room);
		for (uint32_t i = 0; i < r.count; i++)
			answer(&p, &r, &seq);
		reply_bytes = reply_close(&p);
		request_close(&r);
	}
	if (r.encoding == ENCODING_JSON)
		fprintf(json, "%.*s\n", (int)reply_bytes, room);
	else
		layout_dump(hex, (const uint8_t *)room, reply_bytes);
}

struct builder {
	struct cursor out;
	enum event_type type;
	uint32_t count;
	uint8_t records[4096];
	char text[4096];
	uint32_t text_bytes;
	uint64_t request;
};

static void flush(struct builder *b)
{
	if (b->count != 0)
		frame_build(&b->out, b->type, ++b->request, b->records, b->count, b->text, b->text_bytes);
	b->count = b->text_bytes = 0;
}

static void move_text(struct builder *b, uint8_t *record, size_t offset, const char *text)
{
	struct wire_text place;
	memcpy(&place, record + offset, sizeof place);
	if (place.bytes == 0)
		return;
	memcpy(b->text + b->text_bytes, text + place.offset, place.bytes);
	place.offset = b->text_bytes;
	b->text_bytes += place.bytes;
	memcpy(record + offset, &place, sizeof place);
}

static void add(struct builder *b, enum event_type type, const void *record, const char *text)
{
	if (b->type != type)
		flush(b);
	b->type = type;
	uint8_t *room = b->records + b->count++ * event_record_bytes(type);
	memcpy(room, record, event_record_bytes(type));
	const struct field_list *list = field_list_of(type);
	for (uint32_t i = 0; i < list->count; i++) {
		enum field_form form = list->fields[i].form;
		if (form == FIELD_kind || form == FIELD_kinds || form == FIELD_name || form == FIELD_sku)
			move_text(b, room, list->fields[i].offset, text);
	}
}

void vectors_write(const char *json, size_t json_bytes, FILE *request_hex, FILE *reply_json, FILE *reply_hex)
{
	static const struct protocol_limits limits = {.batch_max = 64};
	static uint8_t room[1 << 16];
	static struct builder b;
	struct arena arena;
	struct request r;
	struct event event;
	struct problem problem;
	CHECK(arena_init(&arena, 1 << 20, NULL) == STATUS_ok, "no memory");
	b = (struct builder){};
	cursor_init(&b.out, room, sizeof room);
	CHECK(request_open(&r, json, json_bytes, &limits, &arena, &problem) == STATUS_ok, "%s", problem.message);
	for (uint32_t i = 0; i < r.count; i++) {
		/* A refused event's record was filled as far as binary can say it. */
		status s = request_next(&r, &event, &problem);
		CHECK(s == STATUS_ok || s == STATUS_invalid_field, "%s: %s", problem.field, problem.message);
		add(&b, s == STATUS_ok ? event.type : EVENT_locate, r.record, r.text);
	}
	request_close(&r);
	flush(&b);
	layout_dump(request_hex, room, cursor_used(&b.out));
	write_reply(&arena, json, json_bytes, reply_json, reply_hex);
	write_reply(&arena, room, cursor_used(&b.out), reply_json, reply_hex);
	arena_deinit(&arena);
}
