/*
 * heap_profile: who holds the memory, as pprof reads it (GET /debug/pprof/heap): a gzipped
 * perftools.profiles.Profile, https://github.com/google/pprof/blob/main/proto/profile.proto.
 *
 * Two sources, told apart by the label `measure` of each sample:
 *   sampled  the general heap, by call stack, from heap_sample; label source=heap
 *   exact    what is held in the account: label source=pool, arena, snapshot or buffer, holding=
 *            its name, option= the key that sizes it; the stack is its name and "held memory"
 * Three values: objects and bytes in use, and bytes reserved (the same for the heap).
 *
 * Thread: main, for some milliseconds. Memory: at most HEAP_PROFILE_BYTES_MAX, while it is written.
 * No more than so many call stacks are told apart, and only as many as fit into the page: the
 * smallest are added up as "(other call sites)", so that the sums stay true.
 */
#ifndef ENGINE_MEMORY_HEAP_PROFILE_H
#define ENGINE_MEMORY_HEAP_PROFILE_H

#include "engine/base/cursor.h"
#include "engine/memory/account.h"
#include "engine/memory/bill.h"

enum { HEAP_PROFILE_BYTES_MAX = 4 << 20 };

/* STATUS_pool_exhausted: no memory, or no room in out even for the largest few. account may be NULL. */
status heap_profile_write(struct account *account, struct cursor *out);

void heap_profile_bill(struct bill *bill);

#endif
