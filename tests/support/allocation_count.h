/*
 * allocation_count: counts calls to malloc and its relatives between start and
 * stop, from all threads. Linking this file replaces the C library's functions by
 * counting ones; under the sanitizers and valgrind, which bring their own, nothing is
 * counted and allocation_count_available says so.
 */
#ifndef TESTS_SUPPORT_ALLOCATION_COUNT_H
#define TESTS_SUPPORT_ALLOCATION_COUNT_H

#include <stdint.h>

bool allocation_count_available(void);
void allocation_count_start(void);
uint64_t allocation_count_stop(void);
/* Those of the calling thread since it began. */
uint64_t allocation_count_of_thread(void);
/* The most bytes that were held at once since the last start, beyond those that were held then. */
uint64_t allocation_count_peak(void);

#endif
