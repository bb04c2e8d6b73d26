#include "engine/router/dispatch.h"

const struct handler *dispatch_handler(enum event_type type)
{
	static const struct handler *const table[EVENT_TYPE_MAX + 1] = {
		[EVENT_reward_put] = &handler_reward_put,
		[EVENT_reward_remove] = &handler_reward_remove,
	};
	return (unsigned)type < COUNT_OF(table) ? table[type] : NULL;
}
