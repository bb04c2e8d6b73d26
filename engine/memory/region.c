#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "engine/memory/region.h"

#include "engine/base/check.h"
#include "engine/memory/numa.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/mman.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

/* Newer than some kernel headers; the kernel answers EINVAL where it does not know them. */
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif

enum { NAME_BYTES = 80 }; /* the kernel's limit */

static size_t round_up(size_t value, size_t unit) { return (value + unit - 1) & ~(unit - 1); }

static size_t page_bytes(enum region_pages pages)
{
	return pages == REGION_PAGES_1g ? REGION_1G_BYTES : pages == REGION_PAGES_2m ? REGION_2M_BYTES : REGION_SMALL_BYTES;
}

size_t region_alignment(enum region_pages wanted, size_t bytes)
{
	if (wanted == REGION_PAGES_1g && bytes >= REGION_1G_BYTES)
		return REGION_1G_BYTES;
	return wanted != REGION_PAGES_small && bytes >= REGION_2M_BYTES ? REGION_2M_BYTES : REGION_SMALL_BYTES;
}

void *region_reserve(size_t bytes, size_t alignment)
{
	size_t all = bytes + alignment + 2 * REGION_SMALL_BYTES;
	uint8_t *space = all < bytes ? MAP_FAILED : mmap(NULL, all, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (space == MAP_FAILED)
		return NULL;
	uint8_t *start = (uint8_t *)round_up((uintptr_t)space + REGION_SMALL_BYTES, alignment);
	uint8_t *first = start - REGION_SMALL_BYTES, *last = start + bytes + REGION_SMALL_BYTES;
	if (first > space)
		munmap(space, (size_t)(first - space));
	if (space + all > last)
		munmap(last, (size_t)(space + all - last));
	return start;
}

void region_release(void *space, size_t bytes)
{
	if (space != NULL)
		munmap((uint8_t *)space - REGION_SMALL_BYTES, bytes + 2 * REGION_SMALL_BYTES);
}

static bool prefault(uint8_t *bytes, size_t count)
{
	if (madvise(bytes, count, MADV_POPULATE_WRITE) == 0)
		return true;
	if (errno != EINVAL)
		return false;
	for (size_t i = 0; i < count; i += REGION_SMALL_BYTES) /* a kernel before 5.14 */
		((volatile uint8_t *)bytes)[i] = 0;
	return true;
}

/* Before anything touches the pages. A node that is refused is no error: then any gives. */
static void choose_node(struct region *r, void *bytes, size_t count, const struct region_options *options)
{
	if (options->numa != NULL && numa_place(options->numa, bytes, count, options->node) == STATUS_ok)
		r->node = numa_node(options->numa, options->node);
}

static bool try_hugetlb(struct region *r, enum region_pages pages, uint8_t *place, size_t room,
                        const struct region_options *options)
{
	size_t unit = page_bytes(pages);
	if (r->size < unit || (uintptr_t)place % unit != 0 || room < round_up(r->size, unit))
		return false;
	size_t bytes = round_up(r->size, unit);
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | (pages == REGION_PAGES_1g ? MAP_HUGE_1GB : MAP_HUGE_2MB);
	/* Mapped elsewhere and moved here: a refused MAP_FIXED may leave a hole, into which another
	 * thread maps. And mapped is not yet had: a cgroup's limit shows at the first fault, as SIGBUS. */
	void *elsewhere = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
	if (elsewhere == MAP_FAILED)
		return false;
	choose_node(r, elsewhere, bytes, options); /* the move takes it along */
	if (!prefault(elsewhere, bytes) ||
	    mremap(elsewhere, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, place) == MAP_FAILED) {
		munmap(elsewhere, bytes);
		return false;
	}
	r->reserved = bytes;
	r->pages = pages;
	return true;
}

static bool is_transparent(const struct region *r)
{
	struct region_pages_found found;
	return region_measure(r, &found) != STATUS_ok || found.huge > 0;
}

static status map_small(struct region *r, uint8_t *place, const struct region_options *options)
{
	r->reserved = round_up(r->size, REGION_SMALL_BYTES);
	r->pages = REGION_PAGES_small;
	if (mprotect(place, r->reserved, PROT_READ | PROT_WRITE) != 0)
		return STATUS_pool_exhausted;
	r->bytes = place;
	choose_node(r, place, r->reserved, options);
	/* A huge page needs a whole aligned 2 MiB. */
	bool may_be_huge = round_up((uintptr_t)place, REGION_2M_BYTES) + REGION_2M_BYTES <= (uintptr_t)place + r->reserved;
	if (r->wanted != REGION_PAGES_small && may_be_huge && madvise(place, r->reserved, MADV_HUGEPAGE) == 0)
		r->pages = REGION_PAGES_transparent;
	if (!options->prefault)
		return STATUS_ok;
	if (!prefault(place, r->reserved)) {
		madvise(place, r->reserved, MADV_DONTNEED);
		mprotect(place, r->reserved, PROT_NONE);
		return STATUS_pool_exhausted;
	}
	/* madvise says yes even where the administrator says never. */
	if (r->pages == REGION_PAGES_transparent && !is_transparent(r))
		r->pages = REGION_PAGES_small;
	return STATUS_ok;
}

static void give_name(const struct region *r)
{
	char text[NAME_BYTES];
	snprintf(text, sizeof text, "trove:%s", r->name);
	prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, r->bytes, r->reserved, text);
}

static void note_hugetlb(struct region *r)
{
	if (r->wanted < REGION_PAGES_2m || r->size < REGION_2M_BYTES)
		return;
	bool is_got = r->pages >= REGION_PAGES_2m;
	r->hugetlb_wanted = is_got ? r->reserved : round_up(r->size, REGION_2M_BYTES);
	r->hugetlb_missed = is_got ? 0 : r->hugetlb_wanted;
}

status region_open_at(struct region *r, void *place, size_t room, size_t bytes, const struct region_options *options)
{
	*r = (struct region){
		.size = bytes, .name = options->name, .wanted = options->pages, .pages = REGION_PAGES_small, .node = NUMA_ANY_NODE};
	if (bytes == 0 || bytes > room)
		return STATUS_invalid_field;
	bool is_got = false;
	if (options->pages >= REGION_PAGES_1g)
		is_got = try_hugetlb(r, REGION_PAGES_1g, place, room, options);
	if (!is_got && options->pages >= REGION_PAGES_2m)
		is_got = try_hugetlb(r, REGION_PAGES_2m, place, room, options);
	status s = is_got ? STATUS_ok : map_small(r, place, options);
	if (s != STATUS_ok) {
		*r = (struct region){};
		return s;
	}
	r->bytes = place;
	note_hugetlb(r);
	give_name(r);
	if (options->lock) {
		r->locked = mlock(r->bytes, r->reserved) == 0;
		r->lock_error = r->locked ? 0 : errno;
	}
	return STATUS_ok;
}

status region_open(struct region *r, size_t bytes, const struct region_options *options)
{
	*r = (struct region){};
	if (bytes == 0)
		return STATUS_invalid_field;
	if (bytes > SIZE_MAX / 4)
		return STATUS_pool_exhausted;
	size_t alignment = region_alignment(options->pages, bytes);
	size_t room = round_up(bytes, alignment);
	uint8_t *place = region_reserve(room, alignment);
	if (place == NULL)
		return STATUS_pool_exhausted;
	status s = region_open_at(r, place, room, bytes, options);
	if (s == STATUS_ok)
		r->space = room;
	else
		region_release(place, room);
	return s;
}

void region_close(struct region *r)
{
	if (r->space > 0)
		region_release(r->bytes, r->space);
	*r = (struct region){};
}

/* "Rss:     1234 kB": adds the bytes to *sum, but never more than the part that is ours. */
static void add_field(const char *line, const char *field, size_t most, size_t *sum)
{
	size_t length = strlen(field);
	uint64_t kib = 0;
	if (strncmp(line, field, length) == 0 && sscanf(line + length, " %" SCNu64, &kib) == 1)
		*sum += kib * 1024 < most ? kib * 1024 : most;
}

status region_measure(const struct region *r, struct region_pages_found *found)
{
	*found = (struct region_pages_found){};
	FILE *file = fopen("/proc/self/smaps", "re");
	if (file == NULL)
		return STATUS_not_found;
	uintptr_t start = (uintptr_t)r->bytes;
	uintptr_t end = start + r->reserved;
	size_t ours = 0; /* bytes of the current mapping that are the region's */
	for (char line[512]; fgets(line, sizeof line, file) != NULL;) {
		uintptr_t from, to;
		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &from, &to) == 2) {
			uintptr_t low = from > start ? from : start;
			uintptr_t high = to < end ? to : end;
			ours = low < high ? high - low : 0;
		}
		if (ours == 0)
			continue;
		add_field(line, "Rss:", ours, &found->resident);
		add_field(line, "Private_Hugetlb:", ours, &found->resident); /* Rss leaves these out */
		add_field(line, "Private_Hugetlb:", ours, &found->huge);
		add_field(line, "AnonHugePages:", ours, &found->huge);
		add_field(line, "Locked:", ours, &found->locked);
	}
	fclose(file);
	return STATUS_ok;
}

const char *region_pages_text(enum region_pages pages)
{
	static const char *const texts[] = {
#define X(name, text) text,
		REGION_PAGES_TABLE(X)
#undef X
	};
	return (unsigned)pages < COUNT_OF(texts) ? texts[pages] : "?";
}
