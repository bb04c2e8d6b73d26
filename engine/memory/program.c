#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* dl_iterate_phdr */
#endif
#include "engine/memory/program.h"

#include <errno.h>
#include <link.h>
#include <stdint.h>
#include <sys/mman.h>

enum { PAGE = 4096 };

static void lock_part(struct program_locked *locked, uintptr_t start, size_t bytes)
{
	uintptr_t first = start & ~(uintptr_t)(PAGE - 1);
	size_t whole = (start + bytes - first + PAGE - 1) & ~(size_t)(PAGE - 1);
	if (mlock((const void *)first, whole) == 0) {
		locked->bytes += whole;
		return;
	}
	locked->refused_bytes += whole;
	locked->error = errno;
}

/* What comes from the file; the rest of a segment is memory like any other. */
static int lock_object(struct dl_phdr_info *object, size_t bytes, void *argument)
{
	(void)bytes;
	for (unsigned i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
		if (segment->p_type == PT_LOAD && segment->p_filesz != 0)
			lock_part(argument, object->dlpi_addr + segment->p_vaddr, segment->p_filesz);
	}
	return 0;
}

void program_lock(struct program_locked *locked)
{
	*locked = (struct program_locked){};
	dl_iterate_phdr(lock_object, locked);
}
