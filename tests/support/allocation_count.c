#include "tests/support/allocation_count.h"

#include "engine/base/sanitizer.h"
#include "tests/support/valgrind.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

static atomic_bool counting;
static _Atomic uint64_t count;
static thread_local uint64_t count_of_thread;

void allocation_count_start(void)
{
	atomic_store(&count, 0);
	atomic_store(&counting, true);
}

uint64_t allocation_count_stop(void)
{
	atomic_store(&counting, false);
	return atomic_load(&count);
}

uint64_t allocation_count_of_thread(void) { return count_of_thread; }

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

static void note(void)
{
	if (atomic_load_explicit(&counting, memory_order_relaxed))
		atomic_fetch_add_explicit(&count, 1, memory_order_relaxed);
	count_of_thread++;
}

[[gnu::visibility("default")]] void *malloc(size_t bytes)
{
	note();
	return __libc_malloc(bytes);
}

[[gnu::visibility("default")]] void *calloc(size_t items, size_t bytes)
{
	note();
	return __libc_calloc(items, bytes);
}

[[gnu::visibility("default")]] void *realloc(void *room, size_t bytes)
{
	note();
	return __libc_realloc(room, bytes);
}

[[gnu::visibility("default")]] void *aligned_alloc(size_t alignment, size_t bytes)
{
	note();
	return __libc_memalign(alignment, bytes);
}

[[gnu::visibility("default")]] int posix_memalign(void **room, size_t alignment, size_t bytes)
{
	note();
	*room = __libc_memalign(alignment, bytes);
	return *room != NULL ? 0 : ENOMEM;
}

[[gnu::visibility("default")]] void free(void *room) { __libc_free(room); }

#endif
