/*
 * program: the code and constants of this program and its libraries, kept in memory.
 *
 * They are pages of files: when others in the cgroup need memory, the kernel drops them first, and then
 * every event waits for the disk, again and again, while whoever grows is not ended, because dropping
 * them counts as progress. Locked they stay.
 * Once, at the start, before threads; keeps nothing.
 */
#ifndef ENGINE_MEMORY_PROGRAM_H
#define ENGINE_MEMORY_PROGRAM_H

#include <stddef.h>

struct program_locked {
	size_t bytes, refused_bytes;
	int error; /* of what was refused: ENOMEM or EPERM (RLIMIT_MEMLOCK); else 0 */
};

/* What is refused stays as it was: the rest is locked all the same. */
void program_lock(struct program_locked *locked);

#endif
