#include "cmd/trovectl/event_ids.h"

#include "engine/base/clock.h"

#include <sys/random.h>
#include <unistd.h>

enum { COUNT_BITS = 34 };

void event_ids_init(struct event_ids *ids)
{
	*ids = (struct event_ids){};
	if (getrandom(&ids->run, sizeof ids->run, 0) != sizeof ids->run)
		ids->run = (uint64_t)clock_monotonic_ns() * 0x9e3779b97f4a7c15u ^ (uint64_t)getpid();
}

struct identifier event_ids_next(struct event_ids *ids)
{
	uint64_t run_high = ids->run >> 52;                    /* 12 bits */
	uint64_t run_low = ids->run & ((1u << (62 - COUNT_BITS)) - 1); /* 28 bits */
	return (struct identifier){
		.high = (uint64_t)clock_unix_ms() << 16 | 7u << 12 | run_high,
		.low = 2ull << 62 | run_low << COUNT_BITS | (ids->count++ & ((1ull << COUNT_BITS) - 1)),
		.is_uuid = true,
	};
}
