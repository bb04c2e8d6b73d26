/*
 * valgrind: whether the program runs in valgrind, which has a malloc of its own and
 * calculates long double in 64 bits. No state; any thread.
 */
#ifndef TESTS_SUPPORT_VALGRIND_H
#define TESTS_SUPPORT_VALGRIND_H

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
static inline bool is_in_valgrind(void) { return RUNNING_ON_VALGRIND != 0; }
#else
static inline bool is_in_valgrind(void) { return false; }
#endif

#endif
