#include "engine/memory/heap.h"

#include "engine/base/sanitizer.h"

#include <stdio.h>
#include <stdlib.h>

#if defined(SANITIZER_ADDRESS) || defined(SANITIZER_THREAD)

void heap_describe(char *text, size_t capacity) { snprintf(text, capacity, "the sanitizer's heap"); }

#else
#include <mimalloc.h>

/* Linking mimalloc is not enough: it must stand before libc. So ask about a real block. */
void heap_describe(char *text, size_t capacity)
{
	void *block = calloc(1, 64);
	bool is_ours = block != NULL && mi_is_in_heap_region(block);
	free(block);
	if (is_ours)
		snprintf(text, capacity, "mimalloc %d.%d", mi_version() / 100, mi_version() / 10 % 10);
	else
		snprintf(text, capacity, "the C library's heap, not mimalloc");
}

#endif
