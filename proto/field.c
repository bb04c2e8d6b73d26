#include "proto/field.h"

#include <string.h>

#define FIELD(record, name_, form_, need_, member, has_, uuid_, low_, high_, absent_, note_) \
	{.name = name_, \
	 .note = note_, \
	 .form = FIELD_##form_, \
	 .need = FIELD_##need_, \
	 .offset = offsetof(struct record, member), \
	 .bytes = sizeof((struct record *)nullptr)->member, \
	 .has = has_, \
	 .uuid = uuid_, \
	 .low = low_, \
	 .high = high_, \
	 .absent = absent_},
#define FLAGS(record, name, form, need, member, has, uuid, low, high, absent, note) | (has) | (uuid)

#define X(symbol, number, name, class, record, result) \
	static const struct field fields_##symbol[] = {EVENT_FIELDS_##symbol(FIELD)}; \
	static_assert(sizeof fields_##symbol / sizeof(struct field) <= FIELDS_MAX);
EVENT_TABLE(X)
#undef X

static const struct field_list lists[EVENT_TYPE_MAX + 1] = {
#define X(symbol, number, name, class, record, result) \
	[number] = {fields_##symbol, sizeof fields_##symbol / sizeof(struct field), 0 EVENT_FIELDS_##symbol(FLAGS)},
	EVENT_TABLE(X)
#undef X
};

const struct field_list *field_list_of(enum event_type type) { return &lists[type]; }

int64_t field_integer_load(const struct field *f, const void *record)
{
	const uint8_t *at = (const uint8_t *)record + f->offset;
	if (f->bytes == sizeof(uint32_t)) {
		uint32_t value;
		memcpy(&value, at, sizeof value);
		return value;
	}
	int64_t value;
	memcpy(&value, at, sizeof value);
	return value;
}

void field_integer_store(const struct field *f, void *record, int64_t value)
{
	uint8_t *at = (uint8_t *)record + f->offset;
	if (f->bytes == sizeof(uint32_t))
		memcpy(at, &(uint32_t){(uint32_t)value}, sizeof(uint32_t));
	else
		memcpy(at, &value, sizeof value);
}
