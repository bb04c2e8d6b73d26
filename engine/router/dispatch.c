#include "engine/router/dispatch.h"

#include "engine/base/check.h"

/* From the tables of events and effects: each change and each effect has a handler of its name, each read a reader. */
#define HANDLER_EVENT_QUERY(symbol)
#define HANDLER_EVENT_READ(symbol)
#define HANDLER_EVENT_CHANGE(symbol) [EVENT_##symbol] = &handler_##symbol,
#define READER_EVENT_QUERY(symbol)
#define READER_EVENT_READ(symbol) [EVENT_##symbol] = read_##symbol,
#define READER_EVENT_CHANGE(symbol)

const struct handler *dispatch_handler(enum event_type type)
{
	static const struct handler *const table[EVENT_TYPE_MAX + 1] = {
#define X(symbol, number, name, class, record, result) HANDLER_##class(symbol)
		EVENT_TABLE(X)
#undef X
	};
	return (unsigned)type < COUNT_OF(table) ? table[type] : NULL;
}

reader *dispatch_reader(enum event_type type)
{
	static reader *const table[EVENT_TYPE_MAX + 1] = {
#define X(symbol, number, name, class, record, result) READER_##class(symbol)
		EVENT_TABLE(X)
#undef X
	};
	return (unsigned)type < COUNT_OF(table) ? table[type] : NULL;
}

const struct effect_handler *dispatch_effect(enum effect_type type)
{
	static const struct effect_handler *const table[EFFECT_TYPE_MAX + 1] = {
#define X(symbol, number, record) [EFFECT_##symbol] = &effect_handler_##symbol,
		EFFECT_TABLE(X)
#undef X
	};
	return (unsigned)type < COUNT_OF(table) ? table[type] : NULL;
}
