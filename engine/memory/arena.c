#include "engine/memory/arena.h"

#include <sys/mman.h>

status arena_init(struct arena *a, size_t capacity)
{
	void *bytes = mmap(NULL, capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (bytes == MAP_FAILED)
		return STATUS_pool_exhausted;
	*a = (struct arena){.bytes = bytes, .capacity = capacity};
	return STATUS_ok;
}

void arena_deinit(struct arena *a)
{
	if (a->bytes != NULL)
		munmap(a->bytes, a->capacity);
	*a = (struct arena){};
}
