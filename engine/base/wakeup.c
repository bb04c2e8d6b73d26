#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "engine/base/wakeup.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

void wakeup_init(struct wakeup *w)
{
	atomic_init(&w->sequence, 0);
	atomic_init(&w->sleeping, 0);
}

void wakeup_signal(struct wakeup *w)
{
	/* Sequentially consistent with the consumer's store to `sleeping` and its
	 * look at the queue: one of the two sees the other. */
	atomic_fetch_add(&w->sequence, 1);
	if (atomic_load(&w->sleeping) != 0)
		syscall(SYS_futex, &w->sequence, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

uint32_t wakeup_prepare(struct wakeup *w) { return atomic_load(&w->sequence); }

void wakeup_wait(struct wakeup *w, uint32_t ticket, int64_t timeout_ms)
{
	struct timespec timeout = {.tv_sec = timeout_ms / 1000, .tv_nsec = timeout_ms % 1000 * 1000000};
	atomic_store(&w->sleeping, 1);
	if (atomic_load(&w->sequence) == ticket)
		syscall(SYS_futex, &w->sequence, FUTEX_WAIT_PRIVATE, ticket, timeout_ms < 0 ? NULL : &timeout, NULL, 0);
	atomic_store(&w->sleeping, 0);
}
