/*
 * problem: fills in why an event was refused. Text that does not fit is cut
 * between characters, so what is told to a peer is always valid UTF-8.
 * The problem is the caller's; text handed in is copied.
 * The id in a problem is the decoder's to set and stays untouched here.
 */
#ifndef PROTO_PROBLEM_H
#define PROTO_PROBLEM_H

#include "proto/request.h"

/* Returns the status, so that a check can end with `return problem_set(...)`. */
[[gnu::format(printf, 4, 5), gnu::cold]] status problem_set(struct problem *p, status s, const char *field,
                                                            const char *format, ...);

/* Forgets everything that an earlier event left, the id too. */
static inline void problem_clear(struct problem *p)
{
	p->status = STATUS_ok;
	p->field[0] = p->message[0] = '\0';
	p->has_id = p->is_replayed = false;
	p->cart_state = CART_none;
	p->payment_state = PAYMENT_none;
	p->seq = 0;
	p->frame_request = 0;
}

/* Of count names the one that `text` is probably a misspelling of, or NULL: one of
 * the caller's own pointers. */
const char *problem_nearest(const char *text, size_t bytes, const char *const *names, size_t count);

#endif
