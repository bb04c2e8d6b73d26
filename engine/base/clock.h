/*
 * clock: wall time for events, monotonic time for durations. Thread-safe.
 */
#ifndef ENGINE_BASE_CLOCK_H
#define ENGINE_BASE_CLOCK_H

#include <stdint.h>

/* Unix time in milliseconds; it can jump when the machine's clock is set. */
int64_t clock_unix_ms(void);
/* Nanoseconds since some fixed moment; never goes back. */
int64_t clock_monotonic_ns(void);
/* Puts the calling thread to sleep. */
void clock_sleep_ms(int64_t ms);

#endif
