#include "engine/router/dispatch.h"

/* From the table of events: each change has a handler of its name. */
#define HANDLER_EVENT_QUERY(symbol)
#define HANDLER_EVENT_CHANGE(symbol) [EVENT_##symbol] = &handler_##symbol,

const struct handler *dispatch_handler(enum event_type type)
{
	static const struct handler *const table[EVENT_TYPE_MAX + 1] = {
#define X(symbol, number, name, class, record, result) HANDLER_##class(symbol)
		EVENT_TABLE(X)
#undef X
	};
	return (unsigned)type < COUNT_OF(table) ? table[type] : NULL;
}
