#include "proto/event.h"

#include <string.h>

#define X(symbol, number, name, class, record, result) static_assert((number) >= 1 && (number) <= EVENT_TYPE_MAX);
EVENT_TABLE(X)
#undef X
#define X(symbol, number, name, class, record, result) static_assert(sizeof(struct record) <= EVENT_RECORD_BYTES_MAX);
EVENT_TABLE(X)
#undef X

struct entry {
	const char *name;
	uint32_t name_bytes;
	uint32_t record_bytes;
	enum event_class class;
};

static const struct entry entries[EVENT_TYPE_MAX + 1] = {
#define X(symbol, number, name_, class_, record, result) \
	[number] = {.name = name_, .name_bytes = sizeof(name_) - 1, .record_bytes = sizeof(struct record), .class = class_},
	EVENT_TABLE(X)
#undef X
};

static const struct entry *entry_of(enum event_type type)
{
	return &entries[(unsigned)type <= EVENT_TYPE_MAX ? type : EVENT_NONE];
}

const char *event_name(enum event_type type) { return entry_of(type)->name; }

enum event_type event_type_of(const char *name, size_t bytes)
{
	for (unsigned i = 1; i <= EVENT_TYPE_MAX; i++)
		if (entries[i].name_bytes == bytes && memcmp(entries[i].name, name, bytes) == 0)
			return (enum event_type)i;
	return EVENT_NONE;
}

static_assert(EVENT_QUERY == 0, "what is no event is a query");
enum event_class event_class_of(enum event_type type) { return entry_of(type)->class; }

bool event_is_change(enum event_type type) { return event_class_of(type) == EVENT_CHANGE; }

size_t event_record_bytes(enum event_type type) { return entry_of(type)->record_bytes; }
