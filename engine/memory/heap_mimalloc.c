/* What is asked of mimalloc itself. */
#include "engine/base/sanitizer.h"
#include "engine/memory/heap.h"

#include <stdio.h>
#include <stdlib.h>

#if defined(SANITIZER_ADDRESS) || defined(SANITIZER_THREAD)

bool heap_is_mimalloc(void) { return false; }
void heap_describe(char *text, size_t capacity) { snprintf(text, capacity, "the sanitizer's heap"); }
void heap_set_options(bool, int64_t) {}
void heap_collect(void) {}
bool heap_holds(const void *) { return false; }

#else
#include <mimalloc.h>

/* Linking mimalloc is not enough: it must stand before libc. So ask about a real block. */
bool heap_is_mimalloc(void)
{
	void *block = calloc(1, 64);
	bool is_ours = block != NULL && mi_is_in_heap_region(block);
	free(block);
	return is_ours;
}

void heap_describe(char *text, size_t capacity)
{
	if (heap_is_mimalloc())
		snprintf(text, capacity, "mimalloc %d.%d.%d", mi_version() / 100, mi_version() / 10 % 10, mi_version() % 10);
	else
		snprintf(text, capacity, "the C library's heap, not mimalloc");
}

void heap_set_options(bool large_pages, int64_t purge_delay_ms)
{
	mi_option_set_enabled(mi_option_allow_large_os_pages, large_pages);
	mi_option_set(mi_option_purge_delay, (long)purge_delay_ms);
}

void heap_collect(void) { mi_collect(true); }

bool heap_holds(const void *address) { return mi_is_in_heap_region(address); }

#endif
