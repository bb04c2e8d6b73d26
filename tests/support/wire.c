#include "tests/support/wire.h"

#include "engine/base/check.h"
#include "proto/field.h"
#include "proto/json_write.h"

#include <stdlib.h>
#include <string.h>

struct wire *wire_create(bool is_plane)
{
	struct wire *w = calloc(1, sizeof *w);
	CHECK(w != NULL && arena_init(&w->arena, 64 << 20, NULL) == STATUS_ok, "no memory for a test");
	w->limits = (struct protocol_limits){.batch_max = WIRE_BATCH_MAX, .is_plane = is_plane};
	return w;
}

void wire_destroy(struct wire **w)
{
	arena_deinit(&(*w)->arena);
	free(*w);
	*w = NULL;
}

/* ---- results ---------------------------------------------------------------------- */

static const struct cart_record cart = {
	.cart = {7, 0},
	.actor = {8, 1},
	.subtotal = 3000,
	.discount = 450,
	.total = 2550,
	.expires_ms = 1700000000000,
	.line_count = 2,
	.flags = EVENT_HAS_ACTOR | EVENT_ACTOR_IS_UUID,
	.currency = "EUR",
	.state = CART_open,
};
static const struct payment_record payment = {
	.payment = {9, 1},
	.cart = {7, 0},
	.authorized = 2550,
	.captured = 1000,
	.refunded = 1,
	.expires_ms = 1700000000000,
	.flags = EVENT_PAYMENT_IS_UUID | EVENT_HAS_CART,
	.currency = "EUR",
	.state = PAYMENT_partially_captured,
};
static const char feed_lines[] = "{\"type\":\"reward.depleted\",\"seq\":3,\"at\":4,\"reward\":\"5\"}\n"
                                 "{\"type\":\"reward.depleted\",\"seq\":9,\"at\":4,\"reward\":\"6\"}\n";

static bool next_line(void *context, struct line_record *line)
{
	uint32_t *left = context;
	*line = (struct line_record){.unit_price = 1500, .amount = 1500, .quantity = 1, .sku_bytes = 5, .sku = "caf\xc3\xa9"};
	return (*left)-- != 0;
}

void wire_result(struct reply *p, const struct event *event)
{
	const struct change_note note = {1, false};
	switch (event->type) {
	case EVENT_claim:
		reply_claimed(p, event, note, &(struct claimed_record){.claim = event->head->id, .remaining = STOCK_UNLIMITED});
		break;
	case EVENT_product_get:
		reply_product(p, event, &(struct product_record){.currency = "EUR", .sku_bytes = 1, .sku = "a", .name_bytes = 1,
		                                                 .name = "b"});
		break;
	case EVENT_cart_get: reply_cart_lines(p, event, &cart, next_line, &(uint32_t){2}); break;
	case EVENT_cart_open:
	case EVENT_cart_add:
	case EVENT_cart_set:
	case EVENT_cart_remove:
	case EVENT_cart_apply: reply_cart(p, event, note, &cart); break;
	case EVENT_cart_checkout:
	case EVENT_payment_authorize:
	case EVENT_payment_capture:
	case EVENT_payment_refund:
	case EVENT_payment_void: reply_payment(p, event, note, &payment); break;
	case EVENT_payment_get: reply_payment(p, event, (struct change_note){}, &payment); break;
	case EVENT_feed_read:
		reply_feed(p, event, &(struct feed){.lines = feed_lines, .bytes = sizeof feed_lines - 1, .count = 2, .last = 9});
		break;
	default: reply_ok(p, event, note); break;
	}
}

static void answer_event(struct wire *w, struct reply *p)
{
	static const struct problem not_found = {.status = STATUS_not_found};
	status s = request_next(&w->request, &w->event, &w->problem);
	if (s != STATUS_ok) {
		CHECK(s == w->problem.status, "%d and %d", s, w->problem.status);
		reply_problem(p, &w->problem, 0);
		return;
	}
	switch (w->event.type) {
	case EVENT_ping: reply_pong(p, &w->event); break;
	case EVENT_locate: reply_located(p, &w->event, 0, NULL, 0); break;
	case EVENT_reward_get: reply_problem(p, &not_found, 0); break;
	case EVENT_NONE: CHECK(false, "an event of no type"); break;
	default: wire_result(p, &w->event); break;
	}
}

void wire_answer(struct wire *w, const void *message, size_t bytes)
{
	struct reply reply;
	if (request_open(&w->request, message, bytes, &w->limits, &w->arena, &w->problem) != STATUS_ok) {
		w->reply_bytes = reply_refusal(w->request.encoding, &w->problem, 0, w->reply, WIRE_REPLY_BYTES);
	} else {
		reply_open(&reply, &w->request, w->reply, WIRE_REPLY_BYTES);
		for (uint32_t i = 0; i < w->request.count; i++)
			answer_event(w, &reply);
		w->reply_bytes = reply_close(&reply);
		request_close(&w->request);
	}
	w->reply[w->reply_bytes] = '\0';
	CHECK(w->arena.used == 0, "%zu bytes left in the arena", w->arena.used);
}

/* ---- random events ------------------------------------------------------------ */

static struct wire_id random_id(struct random *random, uint32_t uuid_flag, uint32_t *flags)
{
	struct wire_id id = {.low = random_next(random)};
	if (random_below(random, 2) != 0)
		id.high = random_next(random);
	if (random_below(random, 4) == 0)
		id.low &= 0xffff;
	if (random_below(random, 2) != 0)
		*flags |= uuid_flag;
	return id;
}

static double random_coordinate(struct random *random, bool is_plane, double geo_max)
{
	double max = is_plane ? PLANE_MAX : geo_max;
	switch (random_below(random, 8)) {
	case 0: return max;
	case 1: return -max;
	case 2: return 0;
	case 3: return random_between(random, -1, 1) * 0x1p-1000;
	default: return random_between(random, -max, max);
	}
}

static double random_radius(struct random *random)
{
	return random_below(random, 8) == 0 ? 0 : random_between(random, 0, 1e7);
}

static struct wire_text add_text(struct wire_event *e, const char *text, size_t bytes)
{
	struct wire_text place = {e->text_bytes, (uint32_t)bytes};
	memcpy(e->text + e->text_bytes, text, bytes);
	e->text_bytes += (uint32_t)bytes;
	return place;
}

static size_t random_kind(struct random *random, char *text)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_.-";
	size_t bytes = 1 + random_below(random, KIND_BYTES_MAX);
	for (size_t i = 0; i < bytes; i++)
		text[i] = letters[random_below(random, sizeof letters - 1)];
	return bytes;
}

static struct wire_text random_kinds(struct random *random, struct wire_event *e)
{
	char text[LOCATE_KINDS_MAX * (KIND_BYTES_MAX + 1)];
	size_t count = random_below(random, LOCATE_KINDS_MAX + 1), bytes = 0;
	for (size_t i = 0; i < count; i++) {
		if (i != 0)
			text[bytes++] = ',';
		bytes += random_kind(random, text + bytes);
	}
	return bytes != 0 ? add_text(e, text, bytes) : (struct wire_text){};
}

static struct wire_text random_name(struct random *random, struct wire_event *e)
{
	static const char *const pieces[] = {"a", "Caf\xc3\xa9", "\"", "\\", "\xe2\x82\xac", "\xf0\x9f\x8e\x81", " ", "/", "'"};
	char text[NAME_BYTES_MAX];
	size_t bytes = 0;
	while (random_below(random, 12) != 0) {
		const char *piece = pieces[random_below(random, COUNT_OF(pieces))];
		if (bytes + strlen(piece) > sizeof text)
			break;
		memcpy(text + bytes, piece, strlen(piece));
		bytes += strlen(piece);
	}
	return bytes != 0 ? add_text(e, text, bytes) : (struct wire_text){};
}

static void random_head(struct random *random, struct event_head *head, bool needs_id)
{
	uint32_t flags = 0;
	if (needs_id || random_below(random, 2) != 0) {
		flags |= EVENT_HAS_ID;
		head->id = random_id(random, EVENT_ID_IS_UUID, &flags);
	}
	if (random_below(random, 2) != 0) {
		flags |= EVENT_HAS_AT;
		head->at_ms = (int64_t)random_below(random, INTEGER_MAX + 1ull);
	}
	if (random_below(random, 2) != 0) {
		flags |= EVENT_HAS_DEADLINE;
		head->deadline_ms = 1 + (uint32_t)random_below(random, 1u << 31);
	}
	head->flags = flags;
}

static void random_locate(struct random *random, bool is_plane, struct wire_event *e)
{
	struct locate_record *r = (void *)e->record;
	uint32_t flags = r->head.flags;
	if (random_below(random, 2) != 0) {
		flags |= EVENT_HAS_ACTOR;
		r->actor = random_id(random, EVENT_ACTOR_IS_UUID, &flags);
	}
	r->head.flags = flags;
	r->x = random_coordinate(random, is_plane, 180);
	r->y = random_coordinate(random, is_plane, 90);
	r->area = (uint32_t)random_below(random, 3);
	if (r->area == LOCATE_RADIUS)
		r->radius = random_radius(random);
	if (r->area == LOCATE_BOX) {
		double box[4];
		for (unsigned i = 0; i < 4; i++)
			box[i] = random_coordinate(random, is_plane, i % 2 == 0 ? 180 : 90);
		for (unsigned i = is_plane ? 0 : 1; i < 2; i++)
			if (box[i] > box[i + 2]) {
				double swap = box[i];
				box[i] = box[i + 2];
				box[i + 2] = swap;
			}
		memcpy(r->box, box, sizeof box);
	}
	r->limit = (uint32_t)random_below(random, LOCATE_LIMIT_MAX + 1);
	r->kinds = random_kinds(random, e);
}

static void random_benefit(struct random *random, struct reward_put_record *r)
{
	r->benefit_type = (uint8_t)random_below(random, 3);
	if (r->benefit_type == BENEFIT_PERCENT)
		r->benefit_value = 1 + (int64_t)random_below(random, 10000);
	if (r->benefit_type == BENEFIT_AMOUNT) {
		r->benefit_value = 1 + (int64_t)random_below(random, INTEGER_MAX);
		memcpy(r->benefit_currency, "EUR", CURRENCY_BYTES);
	}
}

static void random_reward(struct random *random, bool is_plane, struct wire_event *e)
{
	struct reward_put_record *r = (void *)e->record;
	char kind[KIND_BYTES_MAX];
	uint32_t flags = r->head.flags;
	r->reward = random_id(random, EVENT_REWARD_IS_UUID, &flags);
	r->head.flags = flags;
	r->x = random_coordinate(random, is_plane, 180);
	r->y = random_coordinate(random, is_plane, 90);
	r->radius = random_radius(random);
	r->value = (int64_t)random_below(random, 2 * INTEGER_MAX + 1ull) - INTEGER_MAX;
	r->stock = random_below(random, 2) != 0 ? STOCK_UNLIMITED : (int64_t)random_below(random, INTEGER_MAX + 1ull);
	r->per_actor = 1 + (uint32_t)random_below(random, UINT32_MAX);
	r->from_ms = random_below(random, 2) != 0 ? 0 : (int64_t)random_below(random, INTEGER_MAX);
	r->until_ms = random_below(random, 2) != 0
	                      ? INT64_MAX
	                      : r->from_ms + 1 + (int64_t)random_below(random, (uint64_t)(INTEGER_MAX - r->from_ms));
	random_benefit(random, r);
	if (random_below(random, 2) != 0)
		r->kind = add_text(e, kind, random_kind(random, kind));
	r->name = random_name(random, e);
}

static int64_t random_integer(struct random *random, const struct field *f)
{
	switch (random_below(random, 4)) {
	case 0: return f->low;
	case 1: return f->high;
	default: return f->low + (int64_t)random_below(random, (uint64_t)(f->high - f->low) + 1);
	}
}

static struct wire_text random_sku(struct random *random, struct wire_event *e)
{
	char text[SKU_BYTES_MAX];
	size_t bytes = 1 + random_below(random, sizeof text);
	for (size_t i = 0; i < bytes; i++)
		text[i] = (char)(' ' + random_below(random, 95));
	if (bytes >= 2 && random_below(random, 2) != 0)
		memcpy(text, "\xc3\xa9", 2);
	return add_text(e, text, bytes);
}

/* A field of no special event; it is given. */
static void random_field(struct random *random, bool is_plane, const struct field *f, struct wire_event *e, uint32_t *flags)
{
	uint8_t *at = e->record + f->offset;
	struct wire_text place;
	*flags |= f->has;
	switch (f->form) {
	case FIELD_identifier: memcpy(at, &(struct wire_id[]){random_id(random, f->uuid, flags)}, sizeof(struct wire_id)); break;
	case FIELD_integer: field_integer_store(f, e->record, random_integer(random, f)); break;
	case FIELD_x: memcpy(at, &(double){random_coordinate(random, is_plane, 180)}, sizeof(double)); break;
	case FIELD_y: memcpy(at, &(double){random_coordinate(random, is_plane, 90)}, sizeof(double)); break;
	case FIELD_currency:
		for (unsigned i = 0; i < CURRENCY_BYTES; i++)
			at[i] = (uint8_t)('A' + random_below(random, 26));
		break;
	default:
		place = f->form == FIELD_sku    ? random_sku(random, e)
		        : f->form == FIELD_name ? random_name(random, e)
		                                : random_kinds(random, e);
		memcpy(at, &place, sizeof place);
	}
}

static void random_fields(struct random *random, bool is_plane, struct wire_event *e)
{
	const struct field_list *list = field_list_of(e->type);
	struct event_head *head = (void *)e->record;
	uint32_t flags = head->flags;
	if (e->type == EVENT_cart_remove)
		((struct cart_line_record *)(void *)e->record)->unit_price = PRICE_OF_CATALOGUE;
	for (uint32_t i = 0; i < list->count; i++) {
		const struct field *f = &list->fields[i];
		if (f->offset < sizeof *head)
			continue;
		if (f->form == FIELD_integer)
			field_integer_store(f, e->record, f->absent);
		if (f->need == FIELD_required || random_below(random, 2) != 0)
			random_field(random, is_plane, f, e, &flags);
	}
	head->flags = flags;
}

void wire_random_event(struct random *random, bool is_plane, struct wire_event *e)
{
	wire_random_event_of(random, (enum event_type)(1 + random_below(random, EVENT_TYPE_MAX)), is_plane, e);
}

void wire_random_event_of(struct random *random, enum event_type type, bool is_plane, struct wire_event *e)
{
	*e = (struct wire_event){.type = type};
	random_head(random, (void *)e->record, event_is_change(e->type));
	if (e->type == EVENT_locate)
		random_locate(random, is_plane, e);
	else if (e->type == EVENT_reward_put)
		random_reward(random, is_plane, e);
	else
		random_fields(random, is_plane, e);
}

struct event wire_event_view(const struct wire_event *e)
{
	return (struct event){.type = e->type, .head = (const void *)e->record, .text = e->text};
}

/* ---- events as JSON -------------------------------------------------------------- */

static void json_kinds(struct cursor *out, const char *text, size_t bytes)
{
	cursor_literal(out, "[");
	for (const char *end = text + bytes; text != NULL;) {
		const char *comma = memchr(text, ',', (size_t)(end - text));
		json_write_string(out, text, (size_t)((comma != NULL ? comma : end) - text));
		if (comma != NULL)
			cursor_byte(out, ',');
		text = comma != NULL ? comma + 1 : NULL;
	}
	cursor_literal(out, "]");
}

static void json_benefit(struct cursor *out, const struct reward_put_record *r)
{
	cursor_bytes(out, r->benefit_type == BENEFIT_PERCENT ? "{\"percent_bp\":" : "{\"amount\":",
	             strlen(r->benefit_type == BENEFIT_PERCENT ? "{\"percent_bp\":" : "{\"amount\":"));
	json_write_integer(out, r->benefit_value);
	if (r->benefit_type == BENEFIT_AMOUNT) {
		cursor_literal(out, ",\"currency\":");
		json_write_string(out, r->benefit_currency, CURRENCY_BYTES);
	}
	cursor_literal(out, "}");
}

static bool is_given(const struct field *f, const uint8_t *record, uint32_t flags)
{
	struct wire_text place;
	switch (f->form) {
	case FIELD_integer:
		return f->need == FIELD_required ||
		       (f->has != 0 ? (flags & f->has) != 0 : field_integer_load(f, record) != f->absent);
	case FIELD_identifier: return f->has == 0 || (flags & f->has) != 0;
	case FIELD_area_radius: return ((const struct locate_record *)(const void *)record)->area == LOCATE_RADIUS;
	case FIELD_area_box: return ((const struct locate_record *)(const void *)record)->area == LOCATE_BOX;
	case FIELD_kind:
	case FIELD_kinds:
	case FIELD_sku:
	case FIELD_name: memcpy(&place, record + f->offset, sizeof place); return place.bytes != 0;
	case FIELD_benefit: return ((const struct reward_put_record *)(const void *)record)->benefit_type != BENEFIT_NONE;
	default: return true;
	}
}

static void json_value(const struct field *f, const struct wire_event *e, uint32_t flags, struct cursor *out)
{
	struct wire_id id;
	struct wire_text place;
	double numbers[4];
	switch (f->form) {
	case FIELD_integer: json_write_integer(out, field_integer_load(f, e->record)); break;
	case FIELD_identifier:
		memcpy(&id, e->record + f->offset, sizeof id);
		json_write_identifier(out, (struct identifier){id.low, id.high, (flags & f->uuid) != 0});
		break;
	case FIELD_area_box:
		memcpy(numbers, e->record + f->offset, sizeof numbers);
		for (unsigned i = 0; i < 4; i++) {
			cursor_byte(out, i == 0 ? '[' : ',');
			json_write_double(out, numbers[i]);
		}
		cursor_byte(out, ']');
		break;
	case FIELD_currency: json_write_string(out, (const char *)e->record + f->offset, CURRENCY_BYTES); break;
	case FIELD_kind:
	case FIELD_name:
	case FIELD_sku:
	case FIELD_kinds:
		memcpy(&place, e->record + f->offset, sizeof place);
		if (f->form == FIELD_kinds)
			json_kinds(out, e->text + place.offset, place.bytes);
		else
			json_write_string(out, e->text + place.offset, place.bytes);
		break;
	case FIELD_benefit: json_benefit(out, (const void *)e->record); break;
	default: memcpy(numbers, e->record + f->offset, sizeof(double)); json_write_double(out, numbers[0]);
	}
}

void wire_event_json(const struct wire_event *e, struct cursor *out)
{
	const struct field_list *list = field_list_of(e->type);
	uint32_t flags = ((const struct event_head *)(const void *)e->record)->flags;
	cursor_literal(out, "{\"type\":");
	json_write_string(out, event_name(e->type), strlen(event_name(e->type)));
	for (uint32_t i = 0; i < list->count; i++) {
		const struct field *f = &list->fields[i];
		if (!is_given(f, e->record, flags))
			continue;
		cursor_byte(out, ',');
		json_write_string(out, f->name, strlen(f->name));
		cursor_byte(out, ':');
		json_value(f, e, flags, out);
	}
	cursor_byte(out, '}');
}

bool wire_event_equal(enum event_type type, const void *a, const char *a_text, const void *b, const char *b_text)
{
	uint8_t copies[2][EVENT_RECORD_BYTES_MAX];
	const struct field_list *list = field_list_of(type);
	memcpy(copies[0], a, event_record_bytes(type));
	memcpy(copies[1], b, event_record_bytes(type));
	for (uint32_t i = 0; i < list->count; i++) {
		const struct field *f = &list->fields[i];
		struct wire_text places[2];
		if (f->form != FIELD_kind && f->form != FIELD_kinds && f->form != FIELD_name && f->form != FIELD_sku)
			continue;
		for (unsigned k = 0; k < 2; k++) {
			memcpy(&places[k], copies[k] + f->offset, sizeof places[k]);
			memset(copies[k] + f->offset, 0, sizeof places[k]);
		}
		if (places[0].bytes != places[1].bytes ||
		    memcmp(a_text + places[0].offset, b_text + places[1].offset, places[0].bytes) != 0)
			return false;
	}
	return memcmp(copies[0], copies[1], event_record_bytes(type)) == 0;
}
