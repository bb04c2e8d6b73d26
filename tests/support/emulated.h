/*
 * emulated: whether this test runs in a user-mode emulator, where limits and what /proc
 * says about pages are the emulator's, not the program's. tests/run's caller says so.
 */
#ifndef TESTS_SUPPORT_EMULATED_H
#define TESTS_SUPPORT_EMULATED_H

#include <stdio.h>
#include <stdlib.h>

static inline bool is_in_emulator(void) { return getenv("TROVE_EMULATED") != NULL; }

/* The same, and says what is left out then. */
static inline bool is_emulated(void)
{
	if (!is_in_emulator())
		return false;
	printf("SKIP: an emulator does not keep account of pages and limits\n");
	return true;
}

#endif
