/*
 * dispatch: which handler serves what. Constant; any thread. Handlers are static, nobody's to free.
 */
#ifndef ENGINE_ROUTER_DISPATCH_H
#define ENGINE_ROUTER_DISPATCH_H

#include "engine/handler/handler.h"

/* NULL for an event that changes nothing. */
const struct handler *dispatch_handler(enum event_type type);
/* NULL for an event that does not only read on the writer's thread. */
reader *dispatch_reader(enum event_type type);
/* NULL for a number that is no type. */
const struct effect_handler *dispatch_effect(enum effect_type type);

#endif
