#include "engine/memory/arena.h"

#include <sys/mman.h>

status arena_init(struct arena *a, size_t capacity, const struct arena_options *options)
{
	void *bytes = mmap(NULL, capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (bytes == MAP_FAILED)
		return STATUS_pool_exhausted;
	*a = (struct arena){.bytes = bytes, .capacity = capacity};
	if (options != NULL) {
		a->holding = (struct holding){
			.name = options->name,
			.option = options->option,
			.kind = HOLDING_arena,
			.bytes = bytes,
			.reserved = capacity,
		};
		account_add(options->account, &a->holding);
	}
	return STATUS_ok;
}

void arena_deinit(struct arena *a)
{
	account_remove(&a->holding);
	if (a->bytes != NULL)
		munmap(a->bytes, a->capacity);
	*a = (struct arena){};
}
