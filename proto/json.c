#include "proto/json.h"

#include "engine/base/check.h"
#include "proto/field.h"
#include "proto/json_scrub.h"
#include "proto/text.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- memory ---------------------------------------------------------------- */

/* The one mutable static of proto: jansson's allocator hook gets no argument, so
 * the arena that it shall use stands in the thread. Set only during a parse. */
static thread_local struct {
	struct arena *arena;
	bool is_full;
} memory;

static void *memory_take(size_t count)
{
	if (memory.arena == NULL)
		return malloc(count);
	void *room = arena_take(memory.arena, count, alignof(max_align_t));
	memory.is_full |= room == NULL;
	return room;
}

static void memory_give(void *room)
{
	if (memory.arena == NULL)
		free(room);
}

/* Before main, so that no thread can be inside jansson yet. The seed of its hash
 * tables is drawn here too, and not during the first request. */
[[gnu::constructor]] static void install_hook(void)
{
	json_set_alloc_funcs(memory_take, memory_give);
	json_object_seed(0);
}

static json_t *parse(struct arena *arena, const void *bytes, size_t count, json_error_t *error, bool *is_full)
{
	memory.arena = arena;
	memory.is_full = false;
	json_t *json = json_loadb(bytes, count, JSON_REJECT_DUPLICATES, error);
	memory.arena = NULL;
	*is_full = memory.is_full;
	return json;
}

/* ---- the whole message ------------------------------------------------------- */

static const json_t *event_at(const struct request *r, uint32_t index)
{
	const json_t *root = r->json;
	return r->is_batch ? json_array_get(root, index) : root;
}

static enum event_type type_of(const json_t *event)
{
	const json_t *type = json_object_get(event, "type");
	return json_is_string(type) ? event_type_of(json_string_value(type), json_string_length(type)) : EVENT_NONE;
}

static bool any_needs_writer(const struct request *r)
{
	for (uint32_t i = 0; i < r->count; i++)
		if (event_class_of(type_of(event_at(r, i))) != EVENT_QUERY)
			return true;
	return false;
}

/* Parses a copy without the numbers that jansson cannot hold. */
static json_t *parse_scrubbed(struct request *r, json_error_t *error, bool *is_full)
{
	arena_reset(r->arena, r->arena_mark);
	char *copy = arena_take(r->arena, r->bytes_count, 1);
	*is_full = copy == NULL;
	if (copy == NULL)
		return NULL;
	memcpy(copy, r->bytes, r->bytes_count);
	json_scrub_numbers(copy, r->bytes_count);
	return parse(r->arena, copy, r->bytes_count, error, is_full);
}

status json_open(struct request *r, struct problem *problem)
{
	json_error_t error;
	/* Its code stands in the last byte; jansson writes none when it has no memory. */
	error.text[sizeof error.text - 1] = (char)json_error_unknown;
	bool is_full;
	json_t *root = parse(r->arena, r->bytes, r->bytes_count, &error, &is_full);
	if (root == NULL && json_error_code(&error) == json_error_numeric_overflow)
		root = parse_scrubbed(r, &error, &is_full);
	if (root == NULL && is_full)
		return problem_set(problem, STATUS_too_large, "", "the message needs more than the %zu bytes kept for decoding",
		                   r->arena->capacity - r->arena_mark);
	if (root == NULL)
		return problem_set(problem, STATUS_malformed, "", "line %d, column %d: %s", error.line, error.column,
		                   error.text);
	r->json = root;
	r->is_batch = json_is_array(root);
	size_t count = r->is_batch ? json_array_size(root) : 1;
	if (count > r->limits->batch_max)
		return problem_set(problem, STATUS_too_large, "", "%zu events, the limit for a message is %u", count,
		                   r->limits->batch_max);
	r->count = (uint32_t)count;
	r->needs_writer = any_needs_writer(r);
	return STATUS_ok;
}

/* ---- one event ---------------------------------------------------------------- */

struct decode {
	struct request *request;
	const struct field_list *list;
	const json_t *values[FIELDS_MAX]; /* by place in the list; NULL: not given */
	uint32_t flags;
	uint32_t text_bytes;
	struct problem *problem;
};

#define INVALID(d, ...) problem_set((d)->problem, STATUS_invalid_field, __VA_ARGS__)

static const char *type_name(const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT: return "an object";
	case JSON_ARRAY: return "an array";
	case JSON_STRING: return "a string";
	case JSON_INTEGER: return "an integer";
	case JSON_REAL: return "a number with a fraction or exponent";
	case JSON_TRUE:
	case JSON_FALSE: return "a boolean";
	case JSON_NULL: return "null";
	}
	unreachable();
}

static bool parse_identifier(const json_t *value, struct identifier *id)
{
	if (json_is_string(value))
		return identifier_parse(json_string_value(value), json_string_length(value), id);
	if (!json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) > INTEGER_MAX)
		return false;
	*id = (struct identifier){.low = (uint64_t)json_integer_value(value)};
	return true;
}

static status decode_identifier(struct decode *d, const struct field *f, const json_t *value)
{
	struct identifier id;
	if (!parse_identifier(value, &id))
		return INVALID(d, f->name,
		               "must be a UUID string, a decimal string below 2^128, or an integer from 0 to 2^53");
	d->flags |= f->has | (id.is_uuid ? f->uuid : 0);
	memcpy(d->request->record + f->offset, &(struct wire_id){id.low, id.high}, sizeof(struct wire_id));
	return STATUS_ok;
}

static status decode_integer(struct decode *d, const struct field *f, const json_t *value)
{
	if (!json_is_integer(value))
		return INVALID(d, f->name, "must be an integer from %lld to %lld, not %s", (long long)f->low,
		               (long long)f->high, type_name(value));
	if (field_check_integer(f, json_integer_value(value), d->problem) != STATUS_ok)
		return STATUS_invalid_field;
	d->flags |= f->has;
	field_integer_store(f, d->request->record, json_integer_value(value));
	return STATUS_ok;
}

static status decode_number(struct decode *d, const char *path, size_t offset, const json_t *value)
{
	if (!json_is_number(value))
		return INVALID(d, path, "must be a number, not %s", type_name(value));
	memcpy(d->request->record + offset, &(double){json_number_value(value)}, sizeof(double));
	return STATUS_ok;
}

static status decode_box(struct decode *d, const struct field *f, const json_t *value)
{
	static const char *const paths[] = {"box[0]", "box[1]", "box[2]", "box[3]"};
	if (json_array_size(value) != 4)
		return INVALID(d, f->name, "must be an array [min_x,min_y,max_x,max_y] of four numbers");
	for (unsigned i = 0; i < 4; i++)
		if (decode_number(d, paths[i], f->offset + i * sizeof(double), json_array_get(value, i)) != STATUS_ok)
			return STATUS_invalid_field;
	return STATUS_ok;
}

static enum locate_area area_of(const struct decode *d)
{
	uint32_t area;
	memcpy(&area, d->request->record + offsetof(struct locate_record, area), sizeof area);
	return area;
}

static void set_area(struct decode *d, enum locate_area area)
{
	memcpy(d->request->record + offsetof(struct locate_record, area), &(uint32_t){area}, sizeof(uint32_t));
}

/* Appends to the event's text. What is longer than any field may be was refused before. */
static void append_text(struct decode *d, const char *text, size_t bytes)
{
	CHECK(bytes <= sizeof d->request->text - d->text_bytes, "text of %zu bytes at %u", bytes, d->text_bytes);
	memcpy(d->request->text + d->text_bytes, text, bytes);
	d->text_bytes += (uint32_t)bytes;
}

static void set_text(struct decode *d, const struct field *f, uint32_t start)
{
	struct wire_text place = {start, d->text_bytes - start};
	memcpy(d->request->record + f->offset, &place, sizeof place);
}

static status decode_text(struct decode *d, const char *path, const json_t *value, size_t bytes_max)
{
	if (!json_is_string(value))
		return INVALID(d, path, "must be a string, not %s", type_name(value));
	size_t bytes = json_string_length(value);
	if (bytes == 0 || bytes > bytes_max)
		return INVALID(d, path, "must be 1 to %zu bytes, not %zu", bytes_max, bytes);
	append_text(d, json_string_value(value), bytes);
	return STATUS_ok;
}

static status decode_string(struct decode *d, const struct field *f, const json_t *value, size_t bytes_max)
{
	uint32_t start = d->text_bytes;
	status s = decode_text(d, f->name, value, bytes_max);
	if (s == STATUS_ok)
		set_text(d, f, start);
	return s;
}

static status decode_kinds(struct decode *d, const struct field *f, const json_t *value)
{
	size_t count = json_array_size(value);
	uint32_t start = d->text_bytes;
	if (!json_is_array(value) || count == 0 || count > LOCATE_KINDS_MAX)
		return INVALID(d, f->name, "must be an array of 1 to %d names", LOCATE_KINDS_MAX);
	for (size_t i = 0; i < count; i++) {
		const json_t *name = json_array_get(value, i);
		if (i != 0)
			append_text(d, ",", 1);
		status s = decode_text(d, f->name, name, KIND_BYTES_MAX);
		/* A comma inside would make two names of one. */
		if (s == STATUS_ok && memchr(json_string_value(name), ',', json_string_length(name)) != NULL)
			s = INVALID(d, f->name, "must be 1 to %d of a-z 0-9 _ . -", KIND_BYTES_MAX);
		if (s != STATUS_ok) {
			snprintf(d->problem->field, sizeof d->problem->field, "%s[%zu]", f->name, i);
			return s;
		}
	}
	set_text(d, f, start);
	return STATUS_ok;
}

static status decode_benefit_value(struct decode *d, const char *path, const json_t *value, int64_t max)
{
	struct reward_put_record *r = (void *)d->request->record;
	if (!json_is_integer(value))
		return INVALID(d, path, "must be an integer from 1 to %lld, not %s", (long long)max, type_name(value));
	r->benefit_value = json_integer_value(value);
	return STATUS_ok;
}

static status decode_benefit(struct decode *d, const json_t *value)
{
	struct reward_put_record *r = (void *)d->request->record;
	const json_t *percent = json_object_get(value, "percent_bp");
	const json_t *amount = json_object_get(value, "amount"), *currency = json_object_get(value, "currency");
	if (!json_is_object(value))
		return INVALID(d, "benefit", "must be {\"percent_bp\":…} or {\"amount\":…,\"currency\":…}, not %s",
		               type_name(value));
	if (percent != NULL) {
		r->benefit_type = BENEFIT_PERCENT;
		if (amount != NULL || currency != NULL)
			return INVALID(d, "benefit", "give percent_bp, or amount and currency, not both");
		return decode_benefit_value(d, "benefit.percent_bp", percent, 10000);
	}
	r->benefit_type = BENEFIT_AMOUNT;
	if (!json_is_string(currency) || json_string_length(currency) != CURRENCY_BYTES)
		return INVALID(d, "benefit.currency", "must be three letters A-Z (ISO 4217)");
	memcpy(r->benefit_currency, json_string_value(currency), CURRENCY_BYTES);
	return decode_benefit_value(d, "benefit.amount", amount, INTEGER_MAX);
}

static status decode_currency(struct decode *d, const struct field *f, const json_t *value)
{
	if (!json_is_string(value) || json_string_length(value) != CURRENCY_BYTES)
		return INVALID(d, f->name, "must be three letters A-Z (ISO 4217)");
	memcpy(d->request->record + f->offset, json_string_value(value), CURRENCY_BYTES);
	return STATUS_ok;
}

static status decode_field(struct decode *d, const struct field *f, const json_t *value)
{
	switch (f->form) {
	case FIELD_identifier: return decode_identifier(d, f, value);
	case FIELD_integer: return decode_integer(d, f, value);
	case FIELD_area_radius: set_area(d, LOCATE_RADIUS); [[fallthrough]];
	case FIELD_x:
	case FIELD_y:
	case FIELD_radius: return decode_number(d, f->name, f->offset, value);
	case FIELD_area_box:
		if (area_of(d) == LOCATE_RADIUS)
			return INVALID(d, f->name, "give radius or box, not both");
		set_area(d, LOCATE_BOX);
		return decode_box(d, f, value);
	case FIELD_kind: return decode_string(d, f, value, KIND_BYTES_MAX);
	case FIELD_kinds: return decode_kinds(d, f, value);
	case FIELD_name: return decode_string(d, f, value, NAME_BYTES_MAX);
	case FIELD_benefit: return decode_benefit(d, value);
	case FIELD_sku: return decode_string(d, f, value, SKU_BYTES_MAX);
	case FIELD_currency: return decode_currency(d, f, value);
	}
	unreachable();
}

static int field_index(const struct field_list *list, const char *key)
{
	for (uint32_t i = 0; i < list->count; i++)
		if (strcmp(list->fields[i].name, key) == 0)
			return (int)i;
	return -1;
}

static status unknown_field(struct decode *d, const char *path, const char *key, const char *const *names, size_t count)
{
	const char *nearest = problem_nearest(key, strlen(key), names, count);
	if (nearest != NULL)
		return problem_set(d->problem, STATUS_unknown_field, path, "there is no such field; did you mean \"%s\"?",
		                   nearest);
	return problem_set(d->problem, STATUS_unknown_field, path, "there is no such field");
}

static status unknown_event_field(struct decode *d, const char *key)
{
	const char *names[FIELDS_MAX + 1] = {"type"};
	for (uint32_t i = 0; i < d->list->count; i++)
		names[i + 1] = d->list->fields[i].name;
	return unknown_field(d, key, key, names, d->list->count + 1);
}

static status check_benefit_keys(struct decode *d, const json_t *benefit)
{
	static const char *const names[] = {"percent_bp", "amount", "currency"};
	for (void *at = json_object_iter((json_t *)(uintptr_t)benefit); at != NULL;
	     at = json_object_iter_next((json_t *)(uintptr_t)benefit, at)) {
		const char *key = json_object_iter_key(at);
		bool is_known = false;
		for (size_t i = 0; i < COUNT_OF(names); i++)
			is_known |= strcmp(key, names[i]) == 0;
		if (!is_known) {
			char path[sizeof d->problem->field] = "benefit.";
			strncat(path, key, sizeof path - strlen(path) - 1);
			return unknown_field(d, path, key, names, COUNT_OF(names));
		}
	}
	return STATUS_ok;
}

/* Sorts the object's values by field; all names are checked before any value. */
static status collect(struct decode *d, const json_t *event)
{
	json_t *object = (json_t *)(uintptr_t)event; /* jansson's iterators take no const */
	for (void *at = json_object_iter(object); at != NULL; at = json_object_iter_next(object, at)) {
		const char *key = json_object_iter_key(at);
		int index = field_index(d->list, key);
		if (index >= 0)
			d->values[index] = json_object_iter_value(at);
		else if (strcmp(key, "type") != 0)
			return unknown_event_field(d, key);
		if (index >= 0 && d->list->fields[index].form == FIELD_benefit &&
		    check_benefit_keys(d, d->values[index]) != STATUS_ok)
			return STATUS_unknown_field;
	}
	return STATUS_ok;
}

static status missing_field(struct decode *d, const char *path)
{
	return problem_set(d->problem, STATUS_missing_field, path, "this field is required");
}

static status check_benefit_complete(struct decode *d, const json_t *benefit)
{
	if (!json_is_object(benefit) || json_object_get(benefit, "percent_bp") != NULL)
		return STATUS_ok;
	if (json_object_size(benefit) == 0)
		return problem_set(d->problem, STATUS_missing_field, "benefit",
		                   "give {\"percent_bp\":…} or {\"amount\":…,\"currency\":…}");
	if (json_object_get(benefit, "amount") == NULL)
		return missing_field(d, "benefit.amount");
	return json_object_get(benefit, "currency") != NULL ? STATUS_ok : missing_field(d, "benefit.currency");
}

static status check_complete(struct decode *d)
{
	for (uint32_t i = 0; i < d->list->count; i++) {
		const struct field *f = &d->list->fields[i];
		if (d->values[i] == NULL && f->need == FIELD_required)
			return missing_field(d, f->name);
		if (f->form == FIELD_benefit && check_benefit_complete(d, d->values[i]) != STATUS_ok)
			return STATUS_missing_field;
	}
	return STATUS_ok;
}

static status fill_record(struct decode *d, enum event_type type)
{
	struct request *r = d->request;
	memset(r->record, 0, event_record_bytes(type));
	/* The one member with a value of its own that is no field. */
	if (type == EVENT_cart_remove)
		((struct cart_line_record *)(void *)r->record)->unit_price = PRICE_OF_CATALOGUE;
	for (uint32_t i = 0; i < d->list->count; i++) {
		const struct field *f = &d->list->fields[i];
		if (f->form == FIELD_integer)
			field_integer_store(f, r->record, f->absent);
		if (d->values[i] != NULL && decode_field(d, f, d->values[i]) != STATUS_ok)
			return STATUS_invalid_field;
	}
	memcpy(r->record + offsetof(struct event_head, flags), &d->flags, sizeof d->flags);
	return field_check(type, r->record, r->text, d->text_bytes, r->limits, d->problem);
}

enum { SHOWN_BYTES_MAX = 40 }; /* of a peer's text in a message */

static status find_type(const json_t *object, struct problem *problem, enum event_type *type)
{
	static const char *const names[] = {
#define X(symbol, number, name, class, record, result) name,
		EVENT_TABLE(X)
#undef X
	};
	const json_t *value = json_object_get(object, "type");
	if (!json_is_object(object))
		return problem_set(problem, STATUS_malformed, "", "an event must be an object, not %s", type_name(object));
	if (value == NULL)
		return problem_set(problem, STATUS_missing_field, "type", "every event needs a type");
	if (!json_is_string(value))
		return problem_set(problem, STATUS_invalid_field, "type", "must be a string, not %s", type_name(value));
	*type = type_of(object);
	if (*type != EVENT_NONE)
		return STATUS_ok;
	const char *name = json_string_value(value);
	size_t bytes = json_string_length(value);
	const char *nearest = problem_nearest(name, bytes, names, COUNT_OF(names));
	int shown = (int)text_utf8_prefix(name, bytes < SHOWN_BYTES_MAX ? bytes : SHOWN_BYTES_MAX);
	if (nearest != NULL)
		return problem_set(problem, STATUS_unknown_type, "type", "there is no event type \"%.*s\"; did you mean \"%s\"?",
		                   shown, name, nearest);
	return problem_set(problem, STATUS_unknown_type, "type", "there is no event type \"%.*s\"", shown, name);
}

status json_next(struct request *r, struct event *event, struct problem *problem)
{
	const json_t *object = event_at(r, r->index);
	struct decode d = {.request = r, .problem = problem};
	const json_t *id = json_object_get(object, "id");
	enum event_type type = EVENT_NONE;
	problem->has_id = id != NULL && parse_identifier(id, &problem->id);
	status s = find_type(object, problem, &type);
	if (s != STATUS_ok)
		return s;
	d.list = field_list_of(type);
	if ((s = collect(&d, object)) != STATUS_ok || (s = check_complete(&d)) != STATUS_ok ||
	    (s = fill_record(&d, type)) != STATUS_ok)
		return s;
	*event = (struct event){.type = type, .head = (const void *)r->record, .text = r->text};
	return STATUS_ok;
}
