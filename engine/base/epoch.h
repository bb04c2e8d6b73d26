/*
 * epoch: when may memory that readers can still see be given back?
 *
 * Wraps Concurrency Kit's ck_epoch (Fraser: Practical Lock-Freedom, 2004), once.
 * Each reader owns a record. A read section is entered and left without waiting;
 * epoch_wait returns when every section that was open at the call has been left,
 * so what was unlinked before the call is then unreachable.
 *
 * Threads: a record is used by one thread at a time (whoever hands it over
 * synchronises). epoch_register happens before traffic starts. epoch_wait may
 * block and is never called on a thread that answers queries.
 */
#ifndef ENGINE_BASE_EPOCH_H
#define ENGINE_BASE_EPOCH_H

#include "engine/base/check.h"
#include "engine/base/sanitizer.h"

#include <ck_epoch.h>
#include <stdalign.h>

struct epoch {
	ck_epoch_t ck;
};

struct epoch_record {
	alignas(CACHE_LINE_BYTES) ck_epoch_record_t ck;
};

static inline void epoch_init(struct epoch *e) { ck_epoch_init(&e->ck); }

/* The record stays the caller's; the epoch keeps a pointer: it must stay where it is for as long
 * as the epoch exists. */
static inline void epoch_register(struct epoch *e, struct epoch_record *r) { ck_epoch_register(&e->ck, &r->ck, NULL); }

static inline void epoch_enter(struct epoch_record *r) { ck_epoch_begin(&r->ck, NULL); }

static inline void epoch_leave(struct epoch *e, struct epoch_record *r)
{
	SANITIZER_RELEASE(e);
	(void)e;
	ck_epoch_end(&r->ck, NULL);
}

/* r is the waiting thread's own record, outside any section. */
static inline void epoch_wait(struct epoch *e, struct epoch_record *r)
{
	ck_epoch_synchronize(&r->ck);
	SANITIZER_ACQUIRE(e);
	(void)e;
}

#endif
