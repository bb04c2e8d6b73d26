/*
 * check: assertions in three prices, for broken invariants of our own.
 *
 *   CHECK(x, ...)        always on, cheap; the message says what was being done
 *   DEBUG_CHECK(x)       debug builds only
 *   EXPENSIVE_CHECK(x)   debug builds only, for walkers over a whole structure
 *
 * Peers, disks and memory pressure never reach an assertion: they get a status.
 */
#ifndef ENGINE_BASE_CHECK_H
#define ENGINE_BASE_CHECK_H

#include <stdint.h>

[[noreturn, gnu::cold, gnu::format(printf, 4, 5)]] void check_failed(const char *file, int line, const char *condition,
                                                                    const char *format, ...);

#define CHECK(condition, ...) \
	(__builtin_expect(!!(condition), 1) ? (void)0 : check_failed(__FILE__, __LINE__, #condition, __VA_ARGS__))

#ifdef TROVE_DEBUG
#define DEBUG_CHECK(condition) CHECK(condition, "debug check")
#define EXPENSIVE_CHECK(condition) CHECK(condition, "structure check")
#else
#define DEBUG_CHECK(condition) ((void)sizeof(!!(condition)))
#define EXPENSIVE_CHECK(condition) ((void)sizeof(!!(condition)))
#endif

/* The size of a cache line, which different writers must not share. */
#define CACHE_LINE_BYTES 64

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#endif
