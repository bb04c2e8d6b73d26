/*
 * call_stack: who called, without allocating: for the samples of the heap.
 *
 * Our own code keeps frame pointers (the Makefile's flags), so its chain is followed for some
 * nanoseconds a frame, and only as long as the return address lies in the program: what a
 * library leaves in that register may be anything. Where a library is the caller, its unwind
 * tables are read instead (_Unwind_Backtrace; since glibc 2.35 without a lock or an
 * allocation), which takes some hundred nanoseconds a frame.
 * Threads: any. Nothing is kept; the addresses are those that are returned to.
 */
#ifndef ENGINE_MEMORY_CALL_STACK_H
#define ENGINE_MEMORY_CALL_STACK_H

#include <stddef.h>
#include <stdint.h>

struct call_site {
	const void *caller; /* __builtin_return_address(0) of the function that was called */
	const void *frame;  /* its __builtin_frame_address(0) */
};

#define CALL_SITE() ((struct call_site){__builtin_return_address(0), __builtin_frame_address(0)})

/* Does the address lie in the program itself, not in a library? */
bool call_stack_is_own(const void *address);

/* The innermost first, the caller itself at least; how many there are, `most` at most (and one at least). */
unsigned call_stack_take(const struct call_site *site, uintptr_t *frames, unsigned most);

#endif
