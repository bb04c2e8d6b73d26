#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* mincore */
#endif
#include "engine/memory/resident.h"

#include "engine/base/kept.h"

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

enum { RANGES = 64, PAGES_AT_ONCE = 4096 };
static const uintptr_t page_bytes = 4096;

void resident_open(struct resident *r)
{
	struct resident_range range;
	uintptr_t here = (uintptr_t)&range & ~(page_bytes - 1), at = here;
	r->pagemap = kept_descriptor("/proc/self/pagemap");
	/* A page of the stack is there, or the kernel does not say. */
	if (resident_scan(r, &at, here + page_bytes, false, &range, 1) != 1 || range.start != here)
		resident_close(r);
}

void resident_close(struct resident *r) { r->pagemap = -1; }

int resident_scan(const struct resident *r, uintptr_t *at, uintptr_t end, bool may_be_file, struct resident_range *ranges,
                  unsigned max)
{
	struct page_region found[RANGES] = {};
	struct pm_scan_arg ask = {
		.size = sizeof ask,
		.start = *at,
		.end = end,
		.vec = (uintptr_t)found,
		.vec_len = max < RANGES ? max : RANGES,
		.category_inverted = PAGE_IS_PFNZERO,
		.category_mask = PAGE_IS_PRESENT | PAGE_IS_PFNZERO,
		.return_mask = PAGE_IS_HUGE | (may_be_file ? PAGE_IS_FILE : 0),
	};
	int count = r->pagemap < 0 ? -1 : ioctl(r->pagemap, PAGEMAP_SCAN, &ask);
	for (int i = 0; i < count; i++)
		ranges[i] = (struct resident_range){
			.start = found[i].start,
			.end = found[i].end,
			.is_of_file = (found[i].categories & PAGE_IS_FILE) != 0,
			.is_huge = (found[i].categories & PAGE_IS_HUGE) != 0,
		};
	*at = count < 0 ? end : ask.walk_end;
	return count;
}

size_t resident_in_core(uintptr_t at, uintptr_t end)
{
	unsigned char present[PAGES_AT_ONCE];
	size_t count = 0;
	while (at < end) {
		uintptr_t part = end - at < PAGES_AT_ONCE * page_bytes ? end - at : PAGES_AT_ONCE * page_bytes;
		if (mincore((void *)at, part, present) == 0)
			for (size_t i = 0; i < part / page_bytes; i++)
				count += present[i] & 1;
		at += part;
	}
	return count * page_bytes;
}
