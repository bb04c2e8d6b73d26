#include "engine/commerce/slots.h"

#include "engine/base/check.h"

#include <string.h>

enum { PAGE = 4096 };

status slots_setup(struct slots *slots, const struct slots_options *o)
{
	*slots = (struct slots){.capacity = o->capacity, .reserve = SLOT_NONE, .holding.option = o->option};
	return account_open_pool(o->account, &slots->pool, &slots->holding, &(struct pool_options){
		.name = o->name,
		.object_bytes = o->object_bytes,
		.capacity = o->capacity,
		.node = -1,
		.fail_one_in = o->fail_one_in,
		.debug = o->debug,
	});
}

void slots_teardown(struct slots *slots)
{
	if (slots->pool != NULL)
		account_close_pool(&slots->pool, &slots->holding);
}

void slots_bill(struct bill *bill, const char *option, uint64_t capacity, uint64_t object_bytes, unsigned indexes,
                const char *what)
{
	bill_add(bill, "commerce", option, capacity, pool_stride_bytes(object_bytes, false, bill->pool_debug), "%s", what);
	uint64_t tables = pool_table_bytes(capacity, bill->pool_debug) + PAGE + indexes * (index_bytes(capacity) + PAGE);
	bill_add(bill, "commerce", option, 1, tables, "the pool's tables and indexes of %s", what);
}

status slots_prepare(struct slots *slots)
{
	struct pool_handle handle;
	void *object;
	if (slots_has_reserve(slots))
		return STATUS_ok;
	status s = pool_borrow(slots->pool, &handle, &object);
	if (s != STATUS_ok)
		return s;
	slots->reserve = pool_slot_of(slots->pool, handle.bits);
	memset(object, 0, slots->pool->object_bytes);
	return STATUS_ok;
}

bool slots_has_room(struct slots *slots)
{
	/* One borrow may be told to fail, the next one is not. */
	return slots_prepare(slots) == STATUS_ok || slots_prepare(slots) == STATUS_ok;
}

uint32_t slots_take(struct slots *slots)
{
	CHECK(slots_has_room(slots), "%s: nothing is left for what was planned", slots->holding.name);
	uint32_t slot = slots->reserve;
	slots->reserve = SLOT_NONE;
	return slot;
}

void slots_give(struct slots *slots, uint32_t slot)
{
	struct pool_handle handle = {pool_word(slots->pool, slot)};
	CHECK(slots_is_live(slots, slot), "%s: slot %u is given back and is not in use", slots->holding.name, slot);
	status s = pool_return(slots->pool, &handle);
	CHECK(s == STATUS_ok, "%s: slot %u was refused", slots->holding.name, slot);
}

void slots_keep(struct slots *slots, uint32_t slot)
{
	if (slots_has_reserve(slots)) {
		slots_give(slots, slot);
		return;
	}
	memset(slots_at(slots, slot), 0, slots->pool->object_bytes);
	slots->reserve = slot;
}

uint32_t slots_in_use(const struct slots *slots)
{
	struct pool_statistics s;
	pool_read_statistics(slots->pool, &s);
	return s.in_use - slots_has_reserve(slots);
}

uint32_t slots_room(const struct slots *slots)
{
	struct pool_statistics s;
	pool_read_statistics(slots->pool, &s);
	return s.capacity;
}

void slots_clear(struct slots *slots)
{
	uint32_t left = slots_in_use(slots);
	for (uint32_t slot = slots->capacity; left > 0 && slot-- > 0;)
		if (slots_is_live(slots, slot)) {
			slots_give(slots, slot);
			left--;
		}
}
