/*
 * region: a private mapping whose pages are said truthfully.
 *
 * Huge pages are asked for from the best kind that was wanted down to 4 KiB: hugetlb pages
 * of 1 GiB, of 2 MiB, transparent huge pages by madvise, small ones. A kind that the machine
 * does not have is passed over, but what was got, and what was not, is recorded, and region_measure
 * reads it back from the kernel: both the kernel and allocators fall back without a word.
 *
 * The caller owns a region, and the name it gave, until region_close. Set-up only, one
 * thread at a time per region; the bytes are anybody's. Memory comes zeroed.
 */
#ifndef ENGINE_MEMORY_REGION_H
#define ENGINE_MEMORY_REGION_H

#include "engine/base/status.h"

#include <stddef.h>
#include <stdint.h>

struct numa;

#define REGION_PAGES_TABLE(X) \
	X(small, "4 KiB") \
	X(transparent, "transparent huge") \
	X(2m, "hugetlb 2 MiB") \
	X(1g, "hugetlb 1 GiB")

enum region_pages {
#define X(name, text) REGION_PAGES_##name,
	REGION_PAGES_TABLE(X)
#undef X
};

#define REGION_SMALL_BYTES ((size_t)4096)
#define REGION_2M_BYTES ((size_t)2 << 20)
#define REGION_1G_BYTES ((size_t)1 << 30)

struct region_options {
	const char *name;
	enum region_pages pages; /* the best kind to try */
	const struct numa *numa; /* NULL: any node */
	int node;                /* wanted, -1: any */
	bool prefault;           /* hugetlb pages always are: a fault without one would kill us */
	bool lock;
};

struct region {
	uint8_t *bytes;
	size_t size;     /* asked */
	size_t reserved; /* mapped, whole pages */
	const char *name;
	enum region_pages wanted, pages; /* asked for, got */
	/* Bytes of whole hugetlb pages that were asked for; of them not got, all or none. 0 where less than a
	 * page of 2 MiB was to be had. Pages of 2 MiB in place of 1 GiB are got. */
	size_t hugetlb_wanted, hugetlb_missed;
	int node; /* got; -1: any */
	bool locked;
	size_t space;   /* address space that goes with the region; 0: it is the caller's */
	int lock_error; /* why it is not locked although that was asked: ENOMEM or EPERM (RLIMIT_MEMLOCK); else 0 */
};

/* STATUS_invalid_field for no bytes, STATUS_pool_exhausted when the system has none.
 * Pages that are not to be had and a refused lock are no error. */
status region_open(struct region *r, size_t bytes, const struct region_options *options);
void region_close(struct region *r);

/* Address space without memory, for a region that is to grow in place. NULL: none left.
 * bytes is a multiple of the alignment, a power of two of at least 4 KiB. A page without access
 * stands on either side: it stops who runs over, and keeps the kernel from merging neighbours'
 * mappings, which region_measure could not tell apart. */
void *region_reserve(size_t bytes, size_t alignment);
void region_release(void *space, size_t bytes);
/* As region_open, at a page-aligned place in the caller's own address space of `room` bytes from
 * there. What the region does not take stays reserved; it goes by region_release of the whole. */
status region_open_at(struct region *r, void *place, size_t room, size_t bytes, const struct region_options *options);
/* The alignment at which the wanted kind of page can be had for so many bytes. */
size_t region_alignment(enum region_pages wanted, size_t bytes);

struct region_pages_found {
	size_t resident; /* bytes in memory, huge ones included */
	size_t huge;     /* transparent or hugetlb */
	size_t locked;
};

/* What the kernel says (/proc/self/smaps). STATUS_not_found: it does not say. Slow. */
status region_measure(const struct region *r, struct region_pages_found *found);

const char *region_pages_text(enum region_pages pages);

#endif
