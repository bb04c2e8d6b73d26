/* What is asked of mimalloc itself. */
#include "engine/base/sanitizer.h"
#include "engine/memory/heap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#if defined(SANITIZER_ADDRESS) || defined(SANITIZER_THREAD)

bool heap_is_mimalloc(void) { return false; }
void heap_describe(char *text, size_t capacity) { snprintf(text, capacity, "the sanitizer's heap"); }
void heap_set_options(bool, int64_t) {}
void heap_collect(void) {}
/* Not asked step by step: a sanitizer maps terabytes. */
bool heap_holds(uintptr_t, uintptr_t) { return false; }

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

enum { HEAP_STEP = 64 << 10 }; /* mimalloc takes no less from the system */

bool heap_holds(uintptr_t start, uintptr_t end)
{
	for (uintptr_t at = (start + HEAP_STEP - 1) & ~(uintptr_t)(HEAP_STEP - 1); at < end; at += HEAP_STEP)
		if (mi_is_in_heap_region((const void *)at))
			return true;
	return false;
}

/* mimalloc's option alone comes too late for the GiB that it reserved when the program was loaded, and 3.0.1 does not
 * ask for huge pages there anyway: its size is no multiple of theirs. So the kernel is told about that range here. A
 * kernel that has none refuses, and all is as before. */
static void advise_large_pages(void)
{
	char line[512];
	FILE *maps = fopen("/proc/self/maps", "re");
	while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
		char *rest;
		uintptr_t start = strtoul(line, &rest, 16);
		uintptr_t end = *rest == '-' ? strtoul(rest + 1, &rest, 16) : 0;
		if (strncmp(rest, " rw-p 00000000 00:00 0", 22) == 0 && heap_holds(start, end))
			(void)madvise((void *)start, end - start, MADV_HUGEPAGE);
	}
	if (maps != NULL)
		fclose(maps);
}

void heap_set_options(bool large_pages, int64_t purge_delay_ms)
{
	mi_option_set_enabled(mi_option_allow_large_os_pages, large_pages);
	if (large_pages && heap_is_mimalloc())
		advise_large_pages();
	mi_option_set(mi_option_purge_delay, (long)purge_delay_ms);
}

void heap_collect(void) { mi_collect(true); }

#endif
