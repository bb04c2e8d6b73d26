#include "engine/memory/arena.h"

#include "engine/memory/numa.h"

status arena_init(struct arena *a, size_t capacity, const struct arena_options *options)
{
	static const struct arena_options none = {.name = "arena"};
	if (options == NULL)
		options = &none;
	*a = (struct arena){
		.holding = {.name = options->name, .option = options->option, .kind = HOLDING_arena},
		.capacity = capacity,
	};
	status s = account_open(options->account, &a->region, &a->holding, capacity,
	                        options->prefault_bytes == 0 ? capacity : options->prefault_bytes,
	                        options->is_on_any_node ? NUMA_ANY_NODE : ACCOUNT_NODE);
	a->bytes = a->region.bytes;
	return s;
}

void arena_deinit(struct arena *a)
{
	account_close(&a->region, &a->holding);
	*a = (struct arena){};
}
