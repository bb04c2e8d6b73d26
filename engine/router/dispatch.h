/*
 * dispatch: which handler serves which change. Constant; any thread. Handlers are static, nobody's to free.
 */
#ifndef ENGINE_ROUTER_DISPATCH_H
#define ENGINE_ROUTER_DISPATCH_H

#include "engine/handler/handler.h"

/* NULL for an event that changes nothing. */
const struct handler *dispatch_handler(enum event_type type);

#endif
