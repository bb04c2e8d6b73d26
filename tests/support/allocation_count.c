#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "tests/support/allocation_count.h"

#include "engine/base/sanitizer.h"
#include "tests/support/valgrind.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static atomic_bool counting;
static _Atomic uint64_t count;
static _Atomic int64_t held, peak;
static size_t (*usable)(void *); /* malloc_usable_size; by its name the linker would take the heap's */
static thread_local uint64_t count_of_thread;

void allocation_count_start(void)
{
	void *symbol = dlsym(RTLD_DEFAULT, "malloc_usable_size");
	memcpy(&usable, &symbol, sizeof usable);
	atomic_store(&count, 0);
	atomic_store(&held, 0);
	atomic_store(&peak, 0);
	atomic_store(&counting, true);
}

uint64_t allocation_count_stop(void)
{
	atomic_store(&counting, false);
	return atomic_load(&count);
}

uint64_t allocation_count_of_thread(void) { return count_of_thread; }

uint64_t allocation_count_peak(void) { return (uint64_t)atomic_load(&peak); }

#if defined(SANITIZER_ADDRESS) || defined(SANITIZER_THREAD) || !defined(__GLIBC__)

bool allocation_count_available(void) { return false; }

#else

bool allocation_count_available(void) { return !is_in_valgrind(); }

/* glibc's own names for what is replaced here. */
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t items, size_t bytes);
void *__libc_realloc(void *room, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);
void __libc_free(void *room);

static void hold(void *room, int64_t sign)
{
	if (room == NULL || !atomic_load_explicit(&counting, memory_order_relaxed))
		return;
	int64_t bytes = sign * (int64_t)usable(room);
	int64_t now = atomic_fetch_add_explicit(&held, bytes, memory_order_relaxed) + bytes;
	int64_t most = atomic_load_explicit(&peak, memory_order_relaxed);
	while (now > most && !atomic_compare_exchange_weak(&peak, &most, now))
		continue;
}

static void *note(void *room)
{
	if (atomic_load_explicit(&counting, memory_order_relaxed))
		atomic_fetch_add_explicit(&count, 1, memory_order_relaxed);
	count_of_thread++;
	hold(room, 1);
	return room;
}

[[gnu::visibility("default")]] void *malloc(size_t bytes) { return note(__libc_malloc(bytes)); }

[[gnu::visibility("default")]] void *calloc(size_t items, size_t bytes) { return note(__libc_calloc(items, bytes)); }

/* While it is copied both are there; what fails stays. */
[[gnu::visibility("default")]] void *realloc(void *room, size_t bytes)
{
	bool is_counted = atomic_load_explicit(&counting, memory_order_relaxed);
	size_t before = is_counted && room != NULL ? usable(room) : 0;
	void *grown = note(__libc_realloc(room, bytes));
	if (grown != NULL && is_counted)
		atomic_fetch_sub_explicit(&held, (int64_t)before, memory_order_relaxed);
	return grown;
}

[[gnu::visibility("default")]] void *aligned_alloc(size_t alignment, size_t bytes)
{
	return note(__libc_memalign(alignment, bytes));
}

[[gnu::visibility("default")]] int posix_memalign(void **room, size_t alignment, size_t bytes)
{
	*room = note(__libc_memalign(alignment, bytes));
	return *room != NULL ? 0 : ENOMEM;
}

[[gnu::visibility("default")]] void free(void *room)
{
	hold(room, -1);
	__libc_free(room);
}

#endif
