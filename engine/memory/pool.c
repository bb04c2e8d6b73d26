#include "engine/memory/pool.h"

#include "engine/memory/pool_debug.h"

#include <stdckdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { SLOT_ALIGNMENT = 16 };

static size_t round_up(size_t value, size_t unit) { return (value + unit - 1) / unit * unit; }

static uint32_t load32(const _Atomic uint32_t *counter) { return atomic_load_explicit(counter, memory_order_relaxed); }
static uint64_t load64(const _Atomic uint64_t *counter) { return atomic_load_explicit(counter, memory_order_relaxed); }

/* For counters that only the owner writes. */
static void add64(_Atomic uint64_t *counter, uint64_t more)
{
	atomic_store_explicit(counter, load64(counter) + more, memory_order_relaxed);
}

static uint32_t difference(uint64_t from, uint64_t less) { return from > less ? (uint32_t)(from - less) : 0; }

/* ---- free slots --------------------------------------------------------------------------------- */

static uint8_t ways_of(const struct pool *p) { return atomic_load_explicit(&p->ways, memory_order_relaxed); }

static uint32_t free_of(const struct pool *p) { return (uint32_t)(pool_top(p) - p->free_list); }

/* In a FIFO the places go around; how many are free is told by the top, too. */
static uint64_t *free_place(const struct pool *p, uint32_t i)
{
	return &p->free_list[p->cold->options.is_fifo ? (p->fifo_head + i) & p->mask : i];
}

static void push(struct pool *p, uint64_t bits)
{
	*free_place(p, free_of(p)) = bits;
	/* Whoever sees it there sees that it was collected. */
	atomic_store_explicit(&p->top, pool_top(p) + 1, memory_order_release);
}

/* As `low`: no top is higher, so every borrow takes the long way. */
static uint64_t *everywhere(void) { return (uint64_t *)UINTPTR_MAX; }

static void set_ways(struct pool *p, uint8_t ways)
{
	atomic_store_explicit(&p->ways, ways, memory_order_relaxed);
	/* The last generation is retired by the long way. */
	atomic_store_explicit(&p->returns_below, ways != 0 ? 0 : UINT32_MAX, memory_order_relaxed);
}

/* The next borrow that finds no more than this goes the long way. */
static void set_free_lowest(struct pool *p, uint32_t lowest)
{
	atomic_store_explicit(&p->free_lowest, lowest, memory_order_relaxed);
	atomic_store_explicit(&p->low, ways_of(p) != 0 ? everywhere() : p->free_list + lowest, memory_order_relaxed);
}

/* The next handle; there is one. */
static uint64_t pop(struct pool *p)
{
	uint32_t left = free_of(p) - 1;
	uint64_t bits = *free_place(p, p->cold->options.is_fifo ? 0 : left);
	p->fifo_head += p->cold->options.is_fifo;
	pool_take_top(p, pool_top(p) - 1);
	set_free_lowest(p, left < load32(&p->free_lowest) ? left : load32(&p->free_lowest));
	return bits;
}

static uint32_t high_water_of(const struct pool *p)
{
	uint32_t past = load32(&p->high_water_past);
	uint32_t now = difference(load32(&p->count), (uint64_t)load32(&p->retired) + load32(&p->free_lowest));
	return now > past ? now : past;
}

/* Slots come and go: the mark is kept, and found anew from here. */
static void keep_high_water(struct pool *p)
{
	atomic_store_explicit(&p->high_water_past, high_water_of(p), memory_order_relaxed);
}

static void reset_free_lowest(struct pool *p) { set_free_lowest(p, free_of(p)); }

/* A slot that was claimed from `bits` becomes free, or goes for good. */
static void set_free(struct pool *p, uint64_t bits)
{
	if ((uint32_t)bits != UINT32_MAX) {
		push(p, bits + 1);
		return;
	}
	keep_high_water(p);
	atomic_store_explicit(&p->retired, load32(&p->retired) + 1, memory_order_relaxed);
	reset_free_lowest(p);
}

/* ---- setup -------------------------------------------------------------------------------------- */

/* A power of two, and at least two: the complement of an index must be another one. */
static size_t table_of(uint64_t objects)
{
	size_t size = 2;
	while (size < objects)
		size *= 2;
	return size;
}

/* The tag stands above the bits of the largest index, and is not 0. */
static bool choose_tag(struct pool *p, const struct pool_options *o, uint32_t objects)
{
	p->mask = (uint32_t)table_of(objects) - 1;
	uint32_t bits = (uint32_t)__builtin_popcount(p->mask);
	uint32_t most = (uint32_t)((UINT64_C(1) << (32 - bits)) - 1);
	uint32_t drawn[2] = {o->tag, o->tag * 0x9e3779b1u};
	if (o->tag == 0 && getrandom(drawn, sizeof drawn, 0) != sizeof drawn)
		return false;
	if (o->tag > most)
		return false;
	uint32_t tag = o->tag != 0 ? o->tag : drawn[0] % most + 1;
	p->tag = tag << bits;
	/* A pool that is made again does not begin with the same handles. */
	p->cold->generation_first = o->lives_max != 0 ? -o->lives_max : 1 + (drawn[1] & 0xffff);
	return true;
}

static bool are_sound(const struct pool_options *o)
{
	uint64_t objects = (uint64_t)o->capacity * (o->extents_max == 0 ? 1 : o->extents_max);
	return o->name != NULL && o->object_bytes > 0 && o->object_bytes <= REGION_1G_BYTES && o->capacity > 0 &&
	       objects <= POOL_OBJECTS_MAX && (unsigned)o->pages <= REGION_PAGES_1g;
}

uint64_t pool_stride_bytes(uint64_t object_bytes, bool shared_lines, unsigned debug)
{
	size_t bytes = object_bytes + pool_canary_bytes(debug);
	if (debug & POOL_DEBUG_trap)
		return round_up(bytes, REGION_SMALL_BYTES);
	return round_up(bytes, shared_lines ? CACHE_LINE_BYTES : SLOT_ALIGNMENT);
}

static void count_bytes(struct pool_cold *c, const struct region *r)
{
	atomic_fetch_add(&c->reserved_bytes, r->reserved);
	atomic_fetch_add(&c->hugetlb_wanted, r->hugetlb_wanted);
	atomic_fetch_add(&c->hugetlb_missed, r->hugetlb_missed);
	if (r->lock_error == 0)
		return;
	atomic_fetch_add(&c->unlocked_bytes, r->reserved);
	atomic_store(&c->lock_error, r->lock_error);
}

/* Where the parts of the mapping begin that holds all that a pool keeps about its slots: the pool itself with the words
 * first, then the free list, callers, links, and the fields that are rarely looked at. */
struct layout {
	size_t list, callers, links, cold, bytes;
};

static struct layout lay_out(const struct pool_options *o, uint64_t objects)
{
	struct layout l = {.list = sizeof(struct pool) + table_of(objects) * sizeof(uint64_t)};
	l.callers = l.list + (o->is_fifo ? table_of(objects) : objects) * sizeof(uint64_t);
	l.links = l.callers + (o->debug & POOL_DEBUG_last_caller ? objects * sizeof(struct pool_callers) : 0);
	l.cold = round_up(l.links + (o->remote_returns ? objects * sizeof(uint64_t) : 0), CACHE_LINE_BYTES);
	l.bytes = l.cold + sizeof(struct pool_cold) + o->extents_max * sizeof(struct region);
	return l;
}

/* NULL: no memory. */
static struct pool *open_pool(const struct pool_options *o, uint32_t objects)
{
	struct region tables;
	struct region_options wanted = {.name = o->name, .pages = o->pages, .numa = o->numa, .node = o->node,
	                                .lock = o->lock, .prefault = !o->is_untouched};
	struct layout l = lay_out(o, objects);
	if (o->extents_max > 1) { /* paid for as the pool grows */
		wanted.pages = REGION_PAGES_small;
		wanted.prefault = wanted.lock = false;
	}
	if (region_open(&tables, l.bytes, &wanted) != STATUS_ok)
		return NULL;
	uint8_t *bytes = tables.bytes;
	struct pool *p = (struct pool *)(void *)bytes;
	p->cold = (struct pool_cold *)(void *)(bytes + l.cold);
	p->cold->options = *o;
	p->cold->tables = tables;
	p->free_list = (uint64_t *)(void *)(bytes + l.list);
	atomic_store_explicit(&p->top, p->free_list, memory_order_relaxed);
	p->cold->callers = l.callers == l.links ? NULL : (struct pool_callers *)(void *)(bytes + l.callers);
	p->links = o->remote_returns ? (_Atomic uint64_t *)(void *)(bytes + l.links) : NULL;
	if (o->is_fifo)
		memset(p->free_list, 0, l.callers - l.list); /* it goes around: all of it is hot */
	return p;
}

static status reserve_space(struct pool *p, uint32_t objects)
{
	struct pool_cold *c = p->cold;
	size_t alignment = region_alignment(c->options.pages, (size_t)c->options.capacity * p->stride);
	size_t bytes;
	if (ckd_mul(&bytes, (size_t)objects, (size_t)p->stride) || bytes > SIZE_MAX / 4)
		return STATUS_pool_exhausted;
	c->space_bytes = round_up(bytes, alignment);
	p->objects = region_reserve(c->space_bytes, alignment);
	return p->objects == NULL ? STATUS_pool_exhausted : STATUS_ok;
}

/* Maps what the next extent needs beyond what the last one's whole pages already gave. */
static status map_extent(struct pool *p, uint32_t count)
{
	struct pool_cold *c = p->cold;
	size_t needed = (size_t)count * p->stride;
	if (needed <= c->mapped)
		return STATUS_ok;
	struct region *r = &c->regions[c->region_count];
	struct region_options wanted = {.name = c->options.name,
	                                .pages = c->options.pages,
	                                .numa = c->options.numa,
	                                .node = c->options.node,
	                                .prefault = !c->options.is_untouched,
	                                .lock = c->options.lock};
	status s = region_open_at(r, p->objects + c->mapped, c->space_bytes - c->mapped, needed - c->mapped, &wanted);
	if (s != STATUS_ok)
		return s == STATUS_invalid_field ? STATUS_internal : s;
	if (c->region_count++ == 0 || r->pages < (enum region_pages)atomic_load(&c->pages))
		atomic_store(&c->pages, r->pages);
	atomic_store(&c->is_locked, r->locked && (c->region_count == 1 || atomic_load(&c->is_locked)));
	c->mapped += r->reserved;
	count_bytes(c, r);
	return STATUS_ok;
}

status pool_grow(struct pool *p)
{
	struct pool_cold *c = p->cold;
	uint32_t first = load32(&p->count);
	uint32_t count = first + c->options.capacity;
	if (atomic_load(&c->extents) == c->options.extents_max)
		return STATUS_pool_exhausted;
	status s = map_extent(p, count);
	if (s != STATUS_ok)
		return s;
	for (uint32_t slot = first; slot < count; slot++) {
		atomic_store_explicit(&p->words[slot], ~((uint64_t)(p->tag | slot) << 32), memory_order_relaxed);
		if (p->links != NULL)
			atomic_store_explicit(&p->links[slot], 0, memory_order_relaxed);
		pool_debug_prepare(p, slot);
	}
	keep_high_water(p);
	/* Whoever sees the new count sees the slots. */
	atomic_store_explicit(&p->count, count, memory_order_release);
	atomic_fetch_add(&c->extents, 1);
	for (uint32_t i = 0; i < c->options.capacity; i++) { /* the lowest is borrowed first */
		uint32_t slot = c->options.is_fifo ? first + i : count - 1 - i;
		push(p, (uint64_t)(p->tag | slot) << 32 | c->generation_first);
	}
	reset_free_lowest(p);
	return STATUS_ok;
}

static status setup(struct pool *p, uint32_t objects)
{
	const struct pool_options *o = &p->cold->options;
	p->object_bytes = (uint32_t)o->object_bytes;
	p->stride = (uint32_t)pool_stride_bytes(o->object_bytes, o->shared_lines, o->debug);
	p->until_failure = o->fail_one_in;
	bool is_plain = !o->is_fifo && !o->remote_returns && o->debug == 0 && o->fail_one_in == 0;
	set_ways(p, is_plain ? 0 : POOL_WAY_long);
	if (!choose_tag(p, o, objects))
		return STATUS_invalid_field;
	status s = reserve_space(p, objects);
	if (s != STATUS_ok)
		return s;
	count_bytes(p->cold, &p->cold->tables);
	return pool_grow(p);
}

status pool_setup(struct pool **pool, const struct pool_options *options)
{
	*pool = NULL;
	if (!are_sound(options))
		return STATUS_invalid_field;
	struct pool_options o = *options;
	if (o.extents_max == 0)
		o.extents_max = 1;
	if (o.debug & POOL_DEBUG_trap)
		o.pages = REGION_PAGES_small;
	struct pool *p = open_pool(&o, o.capacity * o.extents_max);
	if (p == NULL)
		return STATUS_pool_exhausted;
	status s = setup(p, o.capacity * o.extents_max);
	if (s == STATUS_ok)
		*pool = p;
	else
		pool_teardown(&p);
	return s;
}

void pool_teardown(struct pool **pool)
{
	struct pool *p = *pool;
	if (p == NULL)
		return;
	if (p->objects != NULL)
		POOL_SHOW(p->objects, p->cold->mapped);
	region_release(p->objects, p->cold->space_bytes);
	struct region tables = p->cold->tables;
	region_close(&tables); /* the pool itself is in there */
	*pool = NULL;
}

/* ---- the long way of borrow and return ------------------------------------------------------------ */

static bool must_fail(struct pool *p)
{
	if (p->until_failure == 0 || --p->until_failure > 0)
		return false;
	p->until_failure = p->cold->options.fail_one_in;
	return true;
}

struct pool_loan pool_borrow_long(struct pool *p, const char *caller)
{
	struct pool_loan loan = {};
	bool is_failed = must_fail(p);
	if (!is_failed && free_of(p) == 0)
		pool_collect(p);
	if (is_failed || free_of(p) == 0) {
		add64(&p->exhausted_total, 1);
		PROBE3(pool_borrow, p->cold->options.name, loan.handle.bits, load32(&p->count) - free_of(p));
		return loan;
	}
	loan.handle.bits = pop(p);
	uint32_t slot = pool_slot_of(p, loan.handle.bits);
	loan.object = pool_object_of(p, slot);
	atomic_store_explicit(&p->words[slot], loan.handle.bits, memory_order_relaxed);
	pool_debug_open(p, loan.handle, caller);
	PROBE3(pool_borrow, p->cold->options.name, loan.handle.bits, load32(&p->count) - free_of(p));
	return loan;
}

void *pool_refuse(struct pool *p)
{
	atomic_fetch_add_explicit(&p->stale_total, 1, memory_order_relaxed);
	return NULL;
}

static status refuse_return(struct pool *p)
{
	(void)pool_refuse(p);
	return STATUS_not_found;
}

/* Makes the slot nobody's; false: the handle is not valid, or somebody was faster. What the
 * claimant did with the object happens before what the next borrower does. */
static bool claim(struct pool *p, uint64_t bits)
{
	_Atomic uint64_t *word = &p->words[pool_slot_of(p, bits)];
	uint64_t expected = bits;
	if (load64(word) != bits)
		return false;
	if (p->links != NULL)
		return atomic_compare_exchange_strong_explicit(word, &expected, ~bits, memory_order_acq_rel, memory_order_relaxed);
	atomic_store_explicit(word, ~bits, memory_order_relaxed);
	return true;
}

status pool_return_long(struct pool *p, uint64_t bits, const char *caller)
{
	if (!claim(p, bits))
		return refuse_return(p);
	pool_debug_close(p, (struct pool_handle){bits}, caller);
	set_free(p, bits);
	PROBE3(pool_return, p->cold->options.name, bits, load32(&p->count) - free_of(p));
	return STATUS_ok;
}

void pool_watch(struct pool *p, bool is_wanted)
{
	if (is_wanted) {
		set_ways(p, ways_of(p) | POOL_WAY_watched);
		atomic_store_explicit(&p->low, everywhere(), memory_order_relaxed);
	} else if (ways_of(p) & POOL_WAY_watched) {
		set_ways(p, ways_of(p) & (uint8_t)~POOL_WAY_watched); /* the next borrow sets the mark right */
	}
}

status pool_return_remote_at(struct pool *p, struct pool_handle *handle, const char *caller)
{
	uint64_t bits = handle->bits;
	handle->bits = 0;
	if (p->links == NULL)
		return STATUS_invalid_state;
	if (!claim(p, bits))
		return refuse_return(p);
	pool_debug_close(p, (struct pool_handle){bits}, caller);
	/* Counted first: what the owner collected is never more than that. */
	atomic_fetch_add_explicit(&p->remote_total, 1, memory_order_relaxed);
	uint32_t slot = pool_slot_of(p, bits);
	uint32_t head = load32(&p->remote_head);
	do
		atomic_store_explicit(&p->links[slot], bits << 32 | head, memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(&p->remote_head, &head, slot + 1, memory_order_release,
	                                              memory_order_relaxed));
	PROBE3(pool_return, p->cold->options.name, bits, load32(&p->count) - free_of(p));
	return STATUS_ok;
}

uint32_t pool_collect(struct pool *p)
{
	if (p->links == NULL || load32(&p->remote_head) == 0)
		return 0;
	uint32_t count = 0;
	for (uint32_t at = atomic_exchange_explicit(&p->remote_head, 0, memory_order_acquire); at != 0; count++) {
		uint32_t slot = at - 1;
		uint64_t link = load64(&p->links[slot]); /* the generation it was borrowed with, and the next */
		at = (uint32_t)link;
		add64(&p->collected_total, 1); /* before it is free: nobody sees it in both places */
		set_free(p, (uint64_t)(p->tag | slot) << 32 | link >> 32);
	}
	return count;
}

/* ---- what people see ------------------------------------------------------------------------------ */

/* The highest value that any reader has found so far. */
static uint64_t highest(_Atomic uint64_t *seen, uint64_t found)
{
	uint64_t before = load64(seen);
	while (before < found && !atomic_compare_exchange_weak(seen, &before, found))
		;
	return before < found ? found : before;
}

void pool_read_statistics(const struct pool *p, struct pool_statistics *s)
{
	struct pool_cold *c = p->cold;
	/* Counters move while they are read. Read in this order, returns may be missed, but none is found that was not; and
	 * what another call has found of them is not forgotten. */
	uint64_t borrowed = atomic_load_explicit(&p->borrowed_total, memory_order_acquire);
	uint64_t free_slots = (uint64_t)(atomic_load_explicit(&p->top, memory_order_acquire) - p->free_list);
	uint64_t collected = atomic_load_explicit(&p->collected_total, memory_order_acquire);
	uint64_t pending = difference(load64(&p->remote_total), collected);
	uint32_t retired = load32(&p->retired);
	uint32_t capacity = difference(load32(&p->count), retired);
	uint64_t in_use = difference(capacity, free_slots + pending);
	uint64_t returned = highest(&c->returned_seen, borrowed > in_use ? borrowed - in_use : 0);
	*s = (struct pool_statistics){
		.name = c->options.name,
		.object_bytes = p->object_bytes,
		.stride = p->stride,
		.capacity = capacity,
		.in_use = (uint32_t)(borrowed - returned),
		.high_water = high_water_of(p),
		.borrowed_total = borrowed,
		.returned_total = returned,
		.exhausted_total = load64(&p->exhausted_total),
		.stale_total = load64(&p->stale_total),
		.retired = retired,
		.extents = atomic_load(&c->extents),
		.extents_max = c->options.extents_max,
		.node = c->tables.node, /* asked for like the objects */
		.pages = (enum region_pages)atomic_load(&c->pages),
		.locked = atomic_load(&c->is_locked),
		.reserved_bytes = atomic_load(&c->reserved_bytes),
		.hugetlb_wanted = atomic_load(&c->hugetlb_wanted),
		.hugetlb_missed = atomic_load(&c->hugetlb_missed),
		.unlocked_bytes = atomic_load(&c->unlocked_bytes),
		.lock_error = atomic_load(&c->lock_error),
	};
}

uint64_t pool_table_bytes(uint64_t capacity, unsigned debug)
{
	const struct pool_options options = {.debug = debug, .extents_max = 1};
	return lay_out(&options, capacity).bytes;
}

void pool_ranges(const struct pool *p, struct pool_range ranges[POOL_RANGES])
{
	ranges[0] = (struct pool_range){p->objects, p->cold->space_bytes};
	ranges[1] = (struct pool_range){p->cold->tables.bytes, p->cold->tables.reserved};
}

static bool is_borrowed(const struct pool *p, uint32_t slot) { return pool_word(p, slot) >> 32 == (p->tag | slot); }

/* Marks a slot that is on a list; false where it cannot be. */
static bool mark(const struct pool *p, bool *marks, uint32_t slot)
{
	if (slot >= load32(&p->count) || marks[slot] || is_borrowed(p, slot))
		return false;
	marks[slot] = true;
	return true;
}

static bool are_lists_valid(const struct pool *p, bool *marks)
{
	for (uint32_t i = 0; i < free_of(p); i++) {
		uint64_t bits = *free_place(p, i);
		if (!mark(p, marks, pool_slot_of(p, bits)) || bits >> 32 != (p->tag | pool_slot_of(p, bits)))
			return false;
	}
	uint64_t pending = 0;
	for (uint32_t at = load32(&p->remote_head); at != 0; at = (uint32_t)load64(&p->links[at - 1]), pending++)
		if (!mark(p, marks, at - 1))
			return false;
	return pending == load64(&p->remote_total) - load64(&p->collected_total);
}

static bool are_slots_valid(const struct pool *p, const bool *marks)
{
	uint32_t retired = 0;
	for (uint32_t slot = 0; slot < load32(&p->count); slot++) {
		retired += !is_borrowed(p, slot) && !marks[slot];
		if (is_borrowed(p, slot) && !pool_debug_is_whole(p, slot))
			return false;
	}
	return retired == load32(&p->retired);
}

bool pool_is_valid(const struct pool *p)
{
	bool *marks = calloc(load32(&p->count), sizeof *marks);
	CHECK(marks != NULL, "pool %s: no memory to walk it", p->cold->options.name);
	bool is_valid = are_lists_valid(p, marks) && are_slots_valid(p, marks);
	free(marks);
	return is_valid;
}
