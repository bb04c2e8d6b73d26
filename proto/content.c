#include "proto/content.h"

#include "engine/base/hash.h"
#include "proto/field.h"

#include <string.h>

/* The form in which an id is printed is no part of it. */
enum : uint32_t {
	FORMS = EVENT_ID_IS_UUID | EVENT_ACTOR_IS_UUID | EVENT_REWARD_IS_UUID | EVENT_CART_IS_UUID | EVENT_PAYMENT_IS_UUID |
	        EVENT_CLAIM_IS_UUID,
};

/* Forms as a set: most fields are neither text nor doubles, and each change asks all of its fields. */
#define FORM(name) (UINT64_C(1) << FIELD_##name)
static const uint64_t text_forms = FORM(kind) | FORM(kinds) | FORM(name) | FORM(sku);
static const uint64_t double_forms = FORM(x) | FORM(y) | FORM(radius) | FORM(area_box);

static bool is_one_of(const struct field *f, uint64_t forms) { return (forms >> f->form & 1) != 0; }

static bool is_text(const struct field *f) { return is_one_of(f, text_forms); }

static struct wire_text text_at(const void *record, const struct field *f)
{
	struct wire_text place;
	memcpy(&place, (const uint8_t *)record + f->offset, sizeof place);
	return place;
}

/* Doubles of a field; 0: it has none. radius and box of a locate share their place: the box stands for both. */
static size_t doubles_of(const struct field *f)
{
	if (!is_one_of(f, double_forms))
		return 0;
	return f->form == FIELD_area_box ? 4 : 1;
}

/* There are two zeros, and JSON does not always keep them apart. */
static void unify_zeros(uint8_t *record, const struct field *f)
{
	for (size_t i = 0; i < doubles_of(f); i++) {
		double value;
		memcpy(&value, record + f->offset + i * sizeof value, sizeof value);
		value += 0.0;
		memcpy(record + f->offset + i * sizeof value, &value, sizeof value);
	}
}

/* A copy in which equal contents are equal bytes, but for the text: of that the length counts. */
static void reduce(const struct event *event, uint8_t record[static EVENT_RECORD_BYTES_MAX])
{
	const struct field_list *list = field_list_of(event->type);
	struct event_head *head = (struct event_head *)(void *)record;
	memcpy(record, event->head, event_record_bytes(event->type));
	head->deadline_ms = 0;
	head->flags &= ~(uint32_t)(EVENT_HAS_DEADLINE | FORMS);
	for (uint32_t i = 0; i < list->count; i++) {
		const struct field *f = &list->fields[i];
		if (!is_one_of(f, text_forms | double_forms))
			continue;
		if (is_text(f))
			memset(record + f->offset + offsetof(struct wire_text, offset), 0, sizeof(uint32_t));
		unify_zeros(record, f);
	}
}

uint64_t content_hash(const struct event *event, uint64_t seed)
{
	const struct field_list *list = field_list_of(event->type);
	uint8_t record[EVENT_RECORD_BYTES_MAX];
	reduce(event, record);
	uint64_t hash = hash_bytes(record, event_record_bytes(event->type), seed + (uint64_t)event->type);
	for (uint32_t i = 0; i < list->count; i++) {
		if (!is_text(&list->fields[i]))
			continue;
		struct wire_text place = text_at(event->head, &list->fields[i]);
		hash = hash_bytes(event->text + place.offset, place.bytes, hash);
	}
	return hash;
}

static bool same_text(const struct event *a, const struct event *b, const struct field *f)
{
	struct wire_text x = text_at(a->head, f), y = text_at(b->head, f);
	return x.bytes == y.bytes && memcmp(a->text + x.offset, b->text + y.offset, x.bytes) == 0;
}

static uint32_t area_of(const void *record) { return ((const struct locate_record *)record)->area; }

/* a and b are reduced records. */
static bool same_value(const uint8_t *a, const uint8_t *b, const struct field *f)
{
	const struct reward_put_record *x = (const void *)a, *y = (const void *)b;
	const struct event_head *head_a = (const void *)a, *head_b = (const void *)b;
	if ((head_a->flags & f->has) != (head_b->flags & f->has))
		return false;
	switch (f->form) {
	case FIELD_area_radius:
	case FIELD_area_box: {
		enum locate_area own = f->form == FIELD_area_box ? LOCATE_BOX : LOCATE_RADIUS;
		if (area_of(a) != own && area_of(b) != own)
			return true;
		return area_of(a) == area_of(b) && memcmp(a + f->offset, b + f->offset, f->bytes) == 0;
	}
	case FIELD_benefit:
		return x->benefit_type == y->benefit_type && x->benefit_value == y->benefit_value &&
		       memcmp(x->benefit_currency, y->benefit_currency, CURRENCY_BYTES) == 0;
	default: return memcmp(a + f->offset, b + f->offset, f->bytes) == 0;
	}
}

const char *content_difference(const struct event *a, const struct event *b)
{
	uint8_t records[2][EVENT_RECORD_BYTES_MAX];
	if (a->type != b->type)
		return "type";
	const struct field_list *list = field_list_of(a->type);
	reduce(a, records[0]);
	reduce(b, records[1]);
	for (uint32_t i = 0; i < list->count; i++) {
		const struct field *f = &list->fields[i];
		if (is_text(f) ? !same_text(a, b, f) : !same_value(records[0], records[1], f))
			return f->name;
	}
	return NULL;
}

/* ---- packed ------------------------------------------------------------------------- */

size_t content_packed_bytes(const struct event *event)
{
	const struct field_list *list = field_list_of(event->type);
	size_t bytes = event_record_bytes(event->type);
	for (uint32_t i = 0; i < list->count; i++)
		if (is_text(&list->fields[i]))
			bytes += text_at(event->head, &list->fields[i]).bytes;
	return bytes;
}

void content_pack(const struct event *event, void *bytes)
{
	const struct field_list *list = field_list_of(event->type);
	struct event_head *head = bytes;
	uint8_t *text = (uint8_t *)bytes + event_record_bytes(event->type);
	uint32_t used = 0;
	memcpy(bytes, event->head, event_record_bytes(event->type));
	head->deadline_ms = 0;
	head->flags &= ~(uint32_t)EVENT_HAS_DEADLINE;
	for (uint32_t i = 0; i < list->count; i++) {
		const struct field *f = &list->fields[i];
		struct wire_text place = is_text(f) ? text_at(event->head, f) : (struct wire_text){};
		if (place.bytes == 0)
			continue;
		memcpy(text + used, event->text + place.offset, place.bytes);
		memcpy((uint8_t *)bytes + f->offset, &(struct wire_text){used, place.bytes}, sizeof place);
		used += place.bytes;
	}
}

/* Text in the order of the fields, without gaps, to the last byte. */
static bool text_is_packed(const struct event *event, size_t text_bytes)
{
	const struct field_list *list = field_list_of(event->type);
	size_t used = 0;
	for (uint32_t i = 0; i < list->count; i++) {
		if (!is_text(&list->fields[i]))
			continue;
		struct wire_text place = text_at(event->head, &list->fields[i]);
		if (place.offset != (place.bytes != 0 ? used : 0))
			return false;
		used += place.bytes;
	}
	return used == text_bytes;
}

/* In which space it was sent is not written down: it must be valid in one of them. */
static bool is_valid(const struct event *event, size_t text_bytes)
{
	struct problem problem;
	for (unsigned plane = 0; plane < 2; plane++)
		if (field_check(event->type, event->head, event->text, text_bytes,
		                &(struct protocol_limits){.is_plane = plane != 0}, &problem) == STATUS_ok)
			return true;
	return false;
}

bool content_unpack(struct event *event, enum event_type type, const void *bytes, size_t count)
{
	size_t record_bytes = event_name(type) != NULL ? event_record_bytes(type) : 0;
	if (record_bytes == 0 || count < record_bytes)
		return false;
	*event = (struct event){.type = type, .head = bytes, .text = (const char *)bytes + record_bytes};
	return event->head->deadline_ms == 0 && (event->head->flags & EVENT_HAS_DEADLINE) == 0 &&
	       text_is_packed(event, count - record_bytes) && is_valid(event, count - record_bytes);
}
