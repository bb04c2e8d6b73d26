/*
 * reading: all of the process's memory, added up at one moment: what the account holds,
 * the heap, the program, stacks, mapped files, and what stays unexplained. The sources
 * are our own counters, mimalloc, /proc/self/maps and what the kernel says of their pages
 * (resident.h); only the kernel knows what is resident, so every rung of the ladder ends in
 * its sum.
 *
 * The ladder, from what somebody asked for up to the resident set; `bytes` is what a
 * rung adds (may be negative), so the rungs' sum is the resident set:
 *
 *   requested    in use in arenas, pools and snapshots, and alive in the heap
 *   reserved     held ready beyond that: free objects, room in arenas
 *   committed    pages of the heap beyond its live blocks: free blocks, fragmentation
 *   untouched    (negative) reserved, but not resident: never touched or given back
 *   program      code and data of the program and its libraries
 *   stacks       of all threads
 *   files        other files that are mapped
 *   unexplained  what no other rung accounts for
 *
 * Thread: the one that serves HTTP; takes about half a millisecond, without a scan of
 * pages (before Linux 6.7) two. Reads /proc by files that stay open (kept.h), allocates a little. The reading is the caller's.
 */
#ifndef ENGINE_MEMORY_READING_H
#define ENGINE_MEMORY_READING_H

#include "engine/base/cursor.h"
#include "engine/base/metric.h"
#include "engine/base/process.h"
#include "engine/memory/account.h"
#include "engine/memory/group.h"
#include "engine/memory/heap.h"

enum {
	READING_HOLDINGS_MAX = 64, /* different names */
	READING_FILE_BYTES = 256,
};

enum reading_rung {
	RUNG_requested,
	RUNG_reserved,
	RUNG_committed,
	RUNG_untouched,
	RUNG_program,
	RUNG_stacks,
	RUNG_files,
	RUNG_unexplained,
	RUNG_COUNT,
};

/* All holdings of one name, kind and node. */
struct reading_holding {
	const char *name, *option;
	enum holding_kind kind;
	unsigned count;
	size_t reserved, in_use, high_water, resident;
	enum region_pages pages; /* the worst of them */
	int node;
	bool locked; /* all of them */
	struct pool_statistics pool; /* HOLDING_pool */
};

struct memory_reading {
	int64_t at_ms;
	/* /proc/self: bytes and counts over the whole process. */
	size_t resident, resident_peak, size_virtual, anonymous, huge, locked;
	uint64_t minor_faults, major_faults;
	unsigned threads;
	struct process_facts process;
	struct memory_group group; /* whose limit counts; others may be in it */
	struct {
		char description[64];
		bool is_mimalloc;
		size_t resident;
		struct heap_statistics calls;
	} heap;
	struct account_hugetlb hugetlb;
	size_t program, stacks, files;
	char largest_file[READING_FILE_BYTES];
	size_t largest_file_bytes;
	unsigned holding_count;
	struct reading_holding holdings[READING_HOLDINGS_MAX];
	int64_t ladder[RUNG_COUNT];
};

/* false: /proc/self/maps cannot be read, or no memory for a list of holdings. */
bool reading_take(struct account *account, struct memory_reading *out);
/* The same by /proc/self/smaps and mincore alone, as where the kernel has no scan; tests compare the two. */
bool reading_take_without_scan(struct account *account, struct memory_reading *out);

const char *reading_rung_name(enum reading_rung rung);

/* As JSON, the answer of GET /allocator. */
void reading_write_json(const struct memory_reading *reading, struct cursor *out);
/* reading_metrics.c: allocator_*, process_*, and what the cgroup says, with their tables. */
void reading_write_metrics(const struct memory_reading *reading, struct metric_page *page);
/* Of them those that the JSON has not: the process, its cgroup. */
void reading_write_process_metrics(const struct memory_reading *reading, struct metric_page *page);
extern const struct metric_table reading_metric_tables[];
extern const size_t reading_metric_table_count;

#endif
