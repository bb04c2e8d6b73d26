/*
 * wakeup: lets one consumer sleep until a producer has something for it, without
 * a lock and without a system call while it is awake (a futex with a sequence,
 * "event count").
 *
 * Producer: make the work visible, then wakeup_signal.
 * Consumer: ticket = wakeup_prepare; look for work; if none, wakeup_wait(ticket).
 * The struct belongs to whoever waits and outlives every producer.
 * A signal after prepare makes wait return at once, so none is lost.
 */
#ifndef ENGINE_BASE_WAKEUP_H
#define ENGINE_BASE_WAKEUP_H

#include "engine/base/check.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>

struct wakeup {
	alignas(CACHE_LINE_BYTES) _Atomic uint32_t sequence;
	_Atomic uint32_t sleeping;
};

void wakeup_init(struct wakeup *w);
void wakeup_signal(struct wakeup *w);
uint32_t wakeup_prepare(struct wakeup *w);
/* timeout_ms < 0: no limit. May return early. */
void wakeup_wait(struct wakeup *w, uint32_t ticket, int64_t timeout_ms);

#endif
