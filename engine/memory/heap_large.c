#include "engine/memory/heap_large.h"

#include "engine/memory/heap.h"

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

enum { LISTS = 33 }; /* of 1, 2, 3 ... steps; larger ones do not wait */

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
	uint64_t secret;
	struct heap_large *all;
	struct heap_large *free[LISTS];
	size_t kept;
} large = {.lock = PTHREAD_MUTEX_INITIALIZER};

static uint64_t mark_of(const struct heap_large *block) { return large.secret ^ (uint64_t)(uintptr_t)block; }

struct heap_large *heap_large_check(void *block)
{
	struct heap_large *head = (struct heap_large *)(void *)((char *)block - HEAP_LARGE_HEADER);
	return large.secret != 0 && head->mark == mark_of(head) ? head : NULL;
}

size_t heap_large_size(const struct heap_large *block) { return block->mapped - HEAP_LARGE_HEADER; }

static struct heap_large *map_block(size_t mapped)
{
	if (large.secret == 0 && getrandom(&large.secret, sizeof large.secret, 0) != sizeof large.secret)
		large.secret = 0x9e3779b97f4a7c15 ^ (uint64_t)(uintptr_t)&mapped;
	struct heap_large *block = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (block == MAP_FAILED)
		return NULL;
	block->mapped = mapped;
	block->mark = mark_of(block);
	block->next = large.all;
	if (block->next != NULL)
		block->next->previous = block;
	large.all = block;
	return block;
}

static void unmap_block(struct heap_large *block)
{
	if (block->previous != NULL)
		block->previous->next = block->next;
	else
		large.all = block->next;
	if (block->next != NULL)
		block->next->previous = block->previous;
	munmap(block, block->mapped);
}

void *heap_large_take(size_t bytes, bool *is_fresh)
{
	if (bytes > SIZE_MAX / 2)
		return NULL;
	size_t steps = (bytes + HEAP_LARGE_HEADER + HEAP_LARGE_STEP - 1) / HEAP_LARGE_STEP;
	pthread_mutex_lock(&large.lock);
	struct heap_large *block = steps < LISTS ? large.free[steps] : NULL;
	*is_fresh = block == NULL;
	if (block == NULL) {
		block = map_block(steps * HEAP_LARGE_STEP);
	} else {
		large.free[steps] = block->next_free;
		large.kept -= block->mapped;
		block->is_old = false;
	}
	pthread_mutex_unlock(&large.lock);
	return block == NULL ? NULL : (char *)block + HEAP_LARGE_HEADER;
}

void heap_large_give(struct heap_large *block)
{
	size_t steps = block->mapped / HEAP_LARGE_STEP;
	pthread_mutex_lock(&large.lock);
	if (steps < LISTS && large.kept + block->mapped <= HEAP_LARGE_KEPT_BYTES) {
		block->next_free = large.free[steps];
		large.free[steps] = block;
		large.kept += block->mapped;
	} else {
		unmap_block(block);
	}
	pthread_mutex_unlock(&large.lock);
}

void heap_trim(void)
{
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
			unmap_block(block);
		}
	}
	pthread_mutex_unlock(&large.lock);
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
