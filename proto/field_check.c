/* The rules of every field's value; see field.h. */
#include "proto/field.h"
#include "proto/text.h"

#include <stdio.h>
#include <string.h>

struct check {
	const uint8_t *record;
	const char *text;
	size_t text_bytes;
	const struct protocol_limits *limits;
	uint32_t flags;
	struct problem *problem;
};

#define INVALID(c, ...) problem_set((c)->problem, STATUS_invalid_field, __VA_ARGS__)

status field_check_integer(const struct field *f, int64_t value, struct problem *problem)
{
	if (__builtin_expect(value >= f->low && value <= f->high, 1))
		return STATUS_ok;
	return problem_set(problem, STATUS_invalid_field, f->name, "must be an integer from %lld to %lld, not %lld",
	                   (long long)f->low, (long long)f->high, (long long)value);
}

static status check_integer(const struct check *c, const struct field *f)
{
	int64_t value = field_integer_load(f, c->record);
	bool is_given = f->has != 0 ? (c->flags & f->has) != 0 : value != f->absent;
	if (is_given || f->need == FIELD_required)
		return field_check_integer(f, value, c->problem);
	return value == f->absent ? STATUS_ok : INVALID(c, f->name, "must be %lld without its flag", (long long)f->absent);
}

static status check_identifier(const struct check *c, const struct field *f)
{
	struct wire_id id;
	if (f->has == 0 || (c->flags & f->has) != 0)
		return STATUS_ok;
	memcpy(&id, c->record + f->offset, sizeof id);
	if ((c->flags & f->uuid) != 0 || id.low != 0 || id.high != 0)
		return INVALID(c, f->name, "must be zero without its flag");
	return STATUS_ok;
}

static double number_at(const struct check *c, size_t offset)
{
	double value;
	memcpy(&value, c->record + offset, sizeof value);
	return value;
}

/* NaN fails every comparison, so it is refused here without being asked about. */
static status check_coordinate(const struct check *c, const char *name, double value, double geo_max)
{
	double max = c->limits->is_plane ? PLANE_MAX : geo_max;
	if (__builtin_expect(value >= -max && value <= max, 1))
		return STATUS_ok;
	return INVALID(c, name, "must be a number from %g to %g", -max, max);
}

static status check_radius(const struct check *c, const char *name, double value)
{
	double max = c->limits->is_plane ? PLANE_MAX : 0x1.fffffffffffffp1023;
	if (__builtin_expect(value >= 0 && value <= max, 1))
		return STATUS_ok;
	if (c->limits->is_plane)
		return INVALID(c, name, "must be a number from 0 to %g", max);
	return INVALID(c, name, "must be a finite number of metres, 0 or more");
}

static status check_box(const struct check *c, const double box[4])
{
	static const char *const names[] = {"box[0]", "box[1]", "box[2]", "box[3]"};
	for (unsigned i = 0; i < 4; i++)
		if (check_coordinate(c, names[i], box[i], i % 2 == 0 ? 180 : 90) != STATUS_ok)
			return STATUS_invalid_field;
	if (box[1] > box[3])
		return INVALID(c, "box", "min_y %g is above max_y %g; a box is [min_x,min_y,max_x,max_y]", box[1], box[3]);
	if (c->limits->is_plane && box[0] > box[2])
		return INVALID(c, "box", "min_x %g is above max_x %g; a box is [min_x,min_y,max_x,max_y]", box[0], box[2]);
	return STATUS_ok;
}

static bool is_zero(const void *bytes, size_t count)
{
	static const uint8_t zeros[sizeof(double[4])];
	return memcmp(bytes, zeros, count) == 0;
}

/* radius, box and area together: what the area does not use is zero. */
static status check_area(const struct check *c)
{
	const struct locate_record *r = (const void *)c->record;
	const size_t at = offsetof(struct locate_record, box);
	double box[4];
	size_t used = 0;
	switch (r->area) {
	case LOCATE_OWN:
		break;
	case LOCATE_RADIUS:
		used = sizeof(double);
		if (check_radius(c, "radius", number_at(c, at)) != STATUS_ok)
			return STATUS_invalid_field;
		break;
	case LOCATE_BOX:
		used = sizeof box;
		memcpy(box, c->record + at, sizeof box);
		if (check_box(c, box) != STATUS_ok)
			return STATUS_invalid_field;
		break;
	default:
		return INVALID(c, "area", "must be 0 (own radius), 1 (radius) or 2 (box), not %u", r->area);
	}
	if (!is_zero(c->record + at + used, sizeof box - used))
		return INVALID(c, "area", "the bytes that area %u does not use must be zero", r->area);
	return STATUS_ok;
}

/* Where a text stands; *text is NULL when it is absent. */
static status check_place(const struct check *c, const struct field *f, const char **text, size_t *bytes)
{
	struct wire_text place;
	memcpy(&place, c->record + f->offset, sizeof place);
	*text = NULL;
	*bytes = place.bytes;
	if (place.bytes == 0)
		return place.offset == 0 ? STATUS_ok : INVALID(c, f->name, "an absent text has offset 0, not %u", place.offset);
	if (place.offset > c->text_bytes || place.bytes > c->text_bytes - place.offset)
		return INVALID(c, f->name, "offset %u and length %u lie outside the frame's %zu bytes of text", place.offset,
		               place.bytes, c->text_bytes);
	*text = c->text + place.offset;
	return STATUS_ok;
}

static status check_kind(const struct check *c, const struct field *f)
{
	const char *text;
	size_t bytes;
	if (check_place(c, f, &text, &bytes) != STATUS_ok)
		return STATUS_invalid_field;
	if (text != NULL && !text_is_kind(text, bytes))
		return INVALID(c, f->name, "must be 1 to %d of a-z 0-9 _ . -", KIND_BYTES_MAX);
	return STATUS_ok;
}

static status invalid_element(const struct check *c, const char *name, unsigned i)
{
	char path[16];
	snprintf(path, sizeof path, "%.8s[%u]", name, i % 100);
	return INVALID(c, path, "must be 1 to %d of a-z 0-9 _ . -", KIND_BYTES_MAX);
}

static status check_kinds(const struct check *c, const struct field *f)
{
	const char *text;
	size_t bytes;
	if (check_place(c, f, &text, &bytes) != STATUS_ok)
		return STATUS_invalid_field;
	if (text == NULL)
		return STATUS_ok;
	const char *end = text + bytes;
	unsigned names = 1;
	for (const char *at = text; at < end; at++)
		names += *at == ',';
	if (names > LOCATE_KINDS_MAX)
		return INVALID(c, f->name, "must be 1 to %d names", LOCATE_KINDS_MAX);
	for (unsigned i = 0; i < names; i++) {
		const char *comma = memchr(text, ',', (size_t)(end - text));
		if (!text_is_kind(text, (size_t)((comma != NULL ? comma : end) - text)))
			return invalid_element(c, f->name, i);
		text = comma != NULL ? comma + 1 : end;
	}
	return STATUS_ok;
}

/* Names and skus. */
static status check_line(const struct check *c, const struct field *f, size_t bytes_max)
{
	const char *text;
	size_t bytes;
	if (check_place(c, f, &text, &bytes) != STATUS_ok)
		return STATUS_invalid_field;
	if (text == NULL)
		return STATUS_ok;
	if (bytes > bytes_max)
		return INVALID(c, f->name, "must be 1 to %zu bytes, not %zu", bytes_max, bytes);
	if (text_utf8_prefix(text, bytes) != bytes)
		return INVALID(c, f->name, "is not valid UTF-8");
	if (text_has_control(text, bytes))
		return INVALID(c, f->name, "must not contain control characters");
	return STATUS_ok;
}

static status check_currency(const struct check *c, const struct field *f)
{
	if (text_is_currency((const char *)c->record + f->offset))
		return STATUS_ok;
	return INVALID(c, f->name, "must be three letters A-Z (ISO 4217)");
}

static status check_benefit(const struct check *c)
{
	const struct reward_put_record *r = (const void *)c->record;
	int64_t value = r->benefit_value;
	switch (r->benefit_type) {
	case BENEFIT_NONE:
		return value == 0 && is_zero(r->benefit_currency, CURRENCY_BYTES)
		               ? STATUS_ok
		               : INVALID(c, "benefit", "no benefit has neither value nor currency");
	case BENEFIT_PERCENT:
		if (value < 1 || value > 10000)
			return INVALID(c, "benefit.percent_bp", "must be an integer from 1 to 10000, not %lld", (long long)value);
		return is_zero(r->benefit_currency, CURRENCY_BYTES)
		               ? STATUS_ok
		               : INVALID(c, "benefit.currency", "goes with an amount, not with percent_bp");
	case BENEFIT_AMOUNT:
		if (value < 1 || value > INTEGER_MAX)
			return INVALID(c, "benefit.amount", "must be an integer from 1 to %lld, not %lld",
			               (long long)INTEGER_MAX, (long long)value);
		return text_is_currency(r->benefit_currency)
		               ? STATUS_ok
		               : INVALID(c, "benefit.currency", "must be three letters A-Z (ISO 4217)");
	default:
		return INVALID(c, "benefit", "type must be 0, 1 or 2, not %u", r->benefit_type);
	}
}

static status check_field(const struct check *c, const struct field *f)
{
	switch (f->form) {
	case FIELD_identifier: return check_identifier(c, f);
	case FIELD_integer: return check_integer(c, f);
	case FIELD_x: return check_coordinate(c, f->name, number_at(c, f->offset), 180);
	case FIELD_y: return check_coordinate(c, f->name, number_at(c, f->offset), 90);
	case FIELD_radius: return check_radius(c, f->name, number_at(c, f->offset));
	case FIELD_area_radius: return check_area(c);
	case FIELD_area_box: return STATUS_ok; /* check_area saw to it */
	case FIELD_kind: return check_kind(c, f);
	case FIELD_kinds: return check_kinds(c, f);
	case FIELD_name: return check_line(c, f, NAME_BYTES_MAX);
	case FIELD_benefit: return check_benefit(c);
	case FIELD_sku: return check_line(c, f, SKU_BYTES_MAX);
	case FIELD_currency: return check_currency(c, f);
	}
	unreachable();
}

/* What JSON says by leaving it out: missing comes before anything that is wrong. */
static status check_missing(const struct check *c, enum event_type type, const struct field_list *list)
{
	if ((c->flags & EVENT_HAS_ID) == 0 && event_is_change(type))
		return problem_set(c->problem, STATUS_missing_field, "id", "%s changes state and needs an id", event_name(type));
	for (uint32_t i = 0; i < list->count; i++) {
		const struct field *f = &list->fields[i];
		struct wire_text place;
		if (f->form != FIELD_sku)
			continue;
		memcpy(&place, c->record + f->offset, sizeof place);
		if (place.bytes == 0)
			return problem_set(c->problem, STATUS_missing_field, f->name, "this field is required");
	}
	return STATUS_ok;
}

/* What goes over the single fields. */
static status check_record(const struct check *c, enum event_type type)
{
	static const struct {
		uint16_t offset, bytes;
	} zeros[EVENT_TYPE_MAX + 1] = {
#define ZERO(symbol, record) \
	[EVENT_##symbol] = {offsetof(struct record, zero), sizeof((struct record *)nullptr)->zero}
		ZERO(product_put, product_put_record), ZERO(cart_open, cart_open_record), ZERO(cart_add, cart_line_record),
		ZERO(cart_set, cart_line_record), ZERO(cart_remove, cart_line_record),
		ZERO(payment_authorize, payment_authorize_record), ZERO(feed_read, feed_read_record),
#undef ZERO
	};
	const struct reward_put_record *put = (const void *)c->record;
	const struct cart_line_record *line = (const void *)c->record;
	if (!is_zero(c->record + zeros[type].offset, zeros[type].bytes))
		return INVALID(c, "zero", "must be zero");
	if (type == EVENT_reward_put && put->from_ms >= put->until_ms)
		return INVALID(c, "until", "must be later than from");
	if (type == EVENT_cart_remove && line->unit_price != PRICE_OF_CATALOGUE)
		return INVALID(c, "unit_price", "must be %lld, cart.remove has no price", (long long)PRICE_OF_CATALOGUE);
	return STATUS_ok;
}

status field_check(enum event_type type, const void *record, const char *text, size_t text_bytes,
                   const struct protocol_limits *limits, struct problem *problem)
{
	const struct field_list *list = field_list_of(type);
	const struct event_head *head = record;
	const struct check c = {record, text, text_bytes, limits, head->flags, problem};
	status s = check_missing(&c, type, list);
	if (s != STATUS_ok)
		return s;
	if ((c.flags & ~list->flags) != 0)
		return INVALID(&c, "flags", "bits 0x%x mean nothing for %s", c.flags & ~list->flags, event_name(type));
	for (uint32_t i = 0; i < list->count; i++) {
		s = check_field(&c, &list->fields[i]);
		if (s != STATUS_ok)
			return s;
	}
	return check_record(&c, type);
}
