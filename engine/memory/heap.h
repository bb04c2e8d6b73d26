/*
 * heap: which general allocator the process runs on. Any thread.
 */
#ifndef ENGINE_MEMORY_HEAP_H
#define ENGINE_MEMORY_HEAP_H

#include <stddef.h>

/* "mimalloc 3.0" where malloc is mimalloc's, else what it is instead. */
void heap_describe(char *text, size_t capacity);

#endif
