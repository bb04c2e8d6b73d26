/*
 * group: the control group (cgroup v1 or v2) whose limit of memory counts for this process: of its
 * own group and those above it, the one with the smallest.
 *
 * Others may live in it. When they reach the limit, the kernel looks for memory among all of it,
 * then ends somebody; these numbers tell that it happens.
 * Any thread; keeps nothing but a few files of /proc and /sys open (kept.h).
 */
#ifndef ENGINE_MEMORY_GROUP_H
#define ENGINE_MEMORY_GROUP_H

#include "engine/base/cgroup.h"

#include <stdint.h>

struct memory_group {
	uint64_t limit;     /* bytes; 0: no group has one */
	uint64_t current;   /* of all its processes, file pages included */
	uint64_t anonymous; /* of that what the kernel cannot drop */
	uint64_t failures;  /* how often the limit was reached */
	uint64_t kills;     /* processes that were ended for it */
	const char *limit_file;
	char path[CGROUP_PATH_BYTES]; /* "/" for the root of the mount */
};

/* false: there is no limit; *out is zero then. What a kernel does not tell stays 0. root is put before
 * /proc and /sys: "" but in tests. */
bool memory_group_read(const char *root, struct memory_group *out);

/* Whether from one reading to a later one memory was short for those in the group, and not only for files
 * that the kernel keeps as long as there is room. */
bool memory_group_was_short(const struct memory_group *before, const struct memory_group *after);

#endif
