/*
 * resident: what of a range of addresses is in memory now. The kernel's PAGEMAP_SCAN (Linux 6.7) tells it in one call and
 * a few ranges; where there is none, mincore tells it page by page and /proc/self/smaps mapping by mapping.
 *
 * Thread: whoever opened it. The one descriptor is kept.h's. Allocates nothing.
 */
#ifndef ENGINE_MEMORY_RESIDENT_H
#define ENGINE_MEMORY_RESIDENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct resident {
	int pagemap; /* below 0: this kernel has no scan */
};

/* Pages side by side that are in memory and of one kind. */
struct resident_range {
	uintptr_t start, end;
	bool is_of_file, is_huge; /* huge: on huge pages */
};

void resident_open(struct resident *resident);
void resident_close(struct resident *resident);

/*
 * The first of them from *at up to end (both of whole pages), at most max; *at moves behind what was looked at: ask again
 * until it is end. Below 0: this kernel has no scan. The kernel's zero page does not count. may_be_file: whether some may
 * be a file's; the kernel then looks at its record of each page, and takes four times as long.
 */
int resident_scan(const struct resident *resident, uintptr_t *at, uintptr_t end, bool may_be_file,
                  struct resident_range *ranges, unsigned max);

/* Bytes, of memory that is no file's, by mincore. It counts the zero page and what waits to be swapped, too. */
size_t resident_in_core(uintptr_t start, uintptr_t end);

#endif
