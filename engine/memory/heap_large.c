#include "engine/memory/heap_large.h"

#include "engine/memory/heap.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

/* 20, 24, 28, 32, 40 ... 896 KiB, 1 MiB, 1.125 ... up to 8 MiB; larger ones do not wait. */
enum { FIRST_BITS = 14, FINE_BITS = 20, LAST_BITS = 23, COARSE = 4, FINE = 8 };
enum { COARSE_LISTS = (FINE_BITS - FIRST_BITS) * COARSE, LISTS = COARSE_LISTS + (LAST_BITS - FINE_BITS) * FINE + 1 };
static_assert(HEAP_LARGE_LEAST == 1 << FIRST_BITS && HEAP_LARGE_LEAST / COARSE == HEAP_LARGE_PAGE);

struct heap_large {
	uint64_t mark;
	size_t mapped;
	struct heap_large *next, *previous; /* of all blocks */
	struct heap_large *next_free;
	bool is_old; /* was there at the last trim */
};
static_assert(sizeof(struct heap_large) <= HEAP_LARGE_HEADER);

/* Process-wide, like malloc itself. */
static struct {
	pthread_mutex_t lock;
	_Atomic uint64_t secret;
	struct heap_large *all;
	struct heap_large *free[LISTS];
	size_t kept, most;
} large = {.lock = PTHREAD_MUTEX_INITIALIZER, .most = HEAP_LARGE_KEPT_BYTES};

static uint64_t mark_of(const struct heap_large *block)
{
	return atomic_load_explicit(&large.secret, memory_order_relaxed) ^ (uint64_t)(uintptr_t)block;
}

struct heap_large *heap_large_check(void *block)
{
	struct heap_large *head = (struct heap_large *)(void *)((char *)block - HEAP_LARGE_HEADER);
	return atomic_load_explicit(&large.secret, memory_order_relaxed) != 0 && head->mark == mark_of(head) ? head : NULL;
}

size_t heap_large_waiting(void)
{
	pthread_mutex_lock(&large.lock);
	size_t kept = large.kept;
	pthread_mutex_unlock(&large.lock);
	return kept;
}

size_t heap_large_size(const struct heap_large *block) { return block->mapped - HEAP_LARGE_HEADER; }

/* The list of blocks of these bytes or a few more, which *mapped becomes; LISTS or more: none. */
static unsigned list_of(size_t bytes, size_t *mapped)
{
	unsigned bits = 63 - (unsigned)__builtin_clzl(bytes - 1); /* of the doubling */
	unsigned parts = bits < FINE_BITS ? COARSE : FINE;
	unsigned part_bits = bits - (unsigned)__builtin_ctz(parts);
	size_t count = ((bytes - 1) >> part_bits) + 1; /* from parts to twice that */
	*mapped = count << part_bits;
	unsigned before = bits < FINE_BITS ? (bits - FIRST_BITS) * COARSE : COARSE_LISTS + (bits - FINE_BITS) * FINE;
	return before + (unsigned)count - parts;
}

size_t heap_large_bytes(size_t bytes)
{
	size_t mapped;
	(void)list_of(bytes + HEAP_LARGE_HEADER, &mapped);
	return mapped;
}

void heap_large_bill(uint64_t most, struct bill *bill)
{
	bill_add(bill, "memory", "events.contexts", 1, most, "blocks of the heap that wait for the next message");
}

void heap_large_set_most(size_t bytes)
{
	pthread_mutex_lock(&large.lock);
	large.most = bytes;
	pthread_mutex_unlock(&large.lock);
}

/* Drawn once, by whoever comes first. */
static void draw_secret(void)
{
	uint64_t drawn, none = 0;
	if (getrandom(&drawn, sizeof drawn, 0) != sizeof drawn || drawn == 0)
		drawn = 0x9e3779b97f4a7c15 ^ (uint64_t)(uintptr_t)&drawn;
	atomic_compare_exchange_strong(&large.secret, &none, drawn);
}

static struct heap_large *map_block(size_t mapped)
{
	if (atomic_load_explicit(&large.secret, memory_order_relaxed) == 0)
		draw_secret();
	/* Without a reserve, as mimalloc's: so that the kernel does not make one mapping of it and a thread's stack beside it,
	 * and a reading tells them apart. */
	enum { FLAGS = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE };
	struct heap_large *block = mmap(NULL, mapped, PROT_READ | PROT_WRITE, FLAGS, -1, 0);
	if (block == MAP_FAILED)
		return NULL;
	block->mapped = mapped;
	block->mark = mark_of(block);
	pthread_mutex_lock(&large.lock);
	block->next = large.all;
	if (block->next != NULL)
		block->next->previous = block;
	large.all = block;
	pthread_mutex_unlock(&large.lock);
	return block;
}

static void forget_block(struct heap_large *block)
{
	if (block->previous != NULL)
		block->previous->next = block->next;
	else
		large.all = block->next;
	if (block->next != NULL)
		block->next->previous = block->previous;
}

void *heap_large_take(size_t bytes, bool *is_fresh)
{
	if (bytes > SIZE_MAX / 2)
		return NULL;
	size_t mapped;
	unsigned list = list_of(bytes + HEAP_LARGE_HEADER, &mapped);
	struct heap_large *block = NULL;
	if (list < LISTS) {
		pthread_mutex_lock(&large.lock);
		block = large.free[list];
		if (block != NULL) {
			large.free[list] = block->next_free;
			large.kept -= mapped;
			block->is_old = false;
		}
		pthread_mutex_unlock(&large.lock);
	}
	*is_fresh = block == NULL;
	if (block == NULL)
		block = map_block(mapped);
	return block == NULL ? NULL : (char *)block + HEAP_LARGE_HEADER;
}

void heap_large_give(struct heap_large *block)
{
	size_t mapped;
	unsigned list = list_of(block->mapped, &mapped);
	pthread_mutex_lock(&large.lock);
	bool waits = list < LISTS && large.kept + mapped <= large.most;
	if (waits) {
		block->next_free = large.free[list];
		large.free[list] = block;
		large.kept += mapped;
	} else {
		forget_block(block);
	}
	pthread_mutex_unlock(&large.lock);
	if (!waits)
		munmap(block, mapped);
}

void heap_trim(void)
{
	struct heap_large *gone = NULL;
	pthread_mutex_lock(&large.lock);
	for (unsigned i = 0; i < LISTS; i++) {
		for (struct heap_large **at = &large.free[i]; *at != NULL;) {
			struct heap_large *block = *at;
			if (!block->is_old) {
				block->is_old = true;
				at = &block->next_free;
				continue;
			}
			*at = block->next_free;
			large.kept -= block->mapped;
			forget_block(block);
			block->next_free = gone;
			gone = block;
		}
	}
	pthread_mutex_unlock(&large.lock);
	for (struct heap_large *next; gone != NULL; gone = next) {
		next = gone->next_free;
		munmap(gone, gone->mapped);
	}
}

bool heap_has_large(uintptr_t start, uintptr_t end)
{
	bool found = false;
	pthread_mutex_lock(&large.lock);
	for (const struct heap_large *b = large.all; b != NULL && !found; b = b->next)
		found = (uintptr_t)b < end && (uintptr_t)b + b->mapped > start;
	pthread_mutex_unlock(&large.lock);
	return found;
}
