/*
 * probe: places in the running program that bpftrace, bcc and perf can listen at (USDT), with
 * their arguments. The only one that includes sys/sdt.h; built without it, or with
 * -DTROVE_NO_PROBES, the probes are not there and cost nothing, and troved --version says so.
 *
 * Each has a semaphore that the kernel raises while somebody listens. While nobody does, a probe
 * costs one load and a branch that is never taken; its nop and its arguments stand behind that.
 * pool_borrow and pool_return cost not even this: see pool_watch.
 *
 * Threads: any. The arguments are numbers and pointers; durations are nanoseconds.
 */
#ifndef ENGINE_BASE_PROBE_H
#define ENGINE_BASE_PROBE_H

#if __has_include(<sys/sdt.h>) && !defined(TROVE_NO_PROBES)
#define PROBE_IS_BUILT 1
#define _SDT_HAS_SEMAPHORES 1
#include <sys/sdt.h>
#else
#define PROBE_IS_BUILT 0
#endif

/* X(name); the arguments: */
#define PROBES(X) \
	X(pool_borrow)      /* name of the pool, handle (0: it was empty), objects in use */ \
	X(pool_return)      /* name of the pool, handle, objects in use */ \
	X(arena_reset)      /* name of the arena, bytes that were used, bytes that stay */ \
	X(heap_sample)      /* block, its bytes, bytes that it stands for */ \
	X(heap_sample_free) /* block, its bytes */ \
	X(batch)            /* messages that the writer took in one turn, duration */ \
	X(flush)            /* bytes of the journal made durable at once, duration */ \
	X(reply)            /* from the message's arrival to the reply's going, and of that: until planned, journal, send */

#if PROBE_IS_BUILT
/* The names are those that sys/sdt.h asks for. */
#define PROBE_DECLARE(name) extern unsigned short trove_##name##_semaphore;
PROBES(PROBE_DECLARE)
#undef PROBE_DECLARE

/* Does anybody listen? For what is only worked out for a probe. */
#define PROBE_IS_ON(name) __builtin_expect(*(volatile unsigned short *)&trove_##name##_semaphore != 0, 0)
#define PROBE2(name, a, b) \
	do { \
		if (PROBE_IS_ON(name)) \
			STAP_PROBE2(trove, name, a, b); \
	} while (0)
#define PROBE3(name, a, b, c) \
	do { \
		if (PROBE_IS_ON(name)) \
			STAP_PROBE3(trove, name, a, b, c); \
	} while (0)
#define PROBE4(name, a, b, c, d) \
	do { \
		if (PROBE_IS_ON(name)) \
			STAP_PROBE4(trove, name, a, b, c, d); \
	} while (0)
#else
#define PROBE_IS_ON(name) false
#define PROBE2(name, a, b) ((void)sizeof(a), (void)sizeof(b))
#define PROBE3(name, a, b, c) ((void)sizeof(a), (void)sizeof(b), (void)sizeof(c))
#define PROBE4(name, a, b, c, d) ((void)sizeof(a), (void)sizeof(b), (void)sizeof(c), (void)sizeof(d))
#endif

/* "USDT", or "none" with the reason. Static text. */
const char *probe_describe(void);

#endif
