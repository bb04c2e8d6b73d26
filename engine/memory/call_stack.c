#include "engine/memory/call_stack.h"

#include <unwind.h>

/* The bounds of the program's own code, from the linker. */
extern const char __executable_start[], etext[];

enum { FRAME_BYTES_MAX = 1 << 20 }; /* a larger step is no frame */

bool call_stack_is_own(const void *address)
{
	return (const char *)address >= __executable_start && (const char *)address < etext;
}

struct walk {
	const void *caller;
	uintptr_t *frames;
	unsigned count, most;
};

static _Unwind_Reason_Code note_frame(struct _Unwind_Context *context, void *argument)
{
	struct walk *w = argument;
	uintptr_t at = _Unwind_GetIP(context);
	if (at == 0)
		return _URC_END_OF_STACK;
	if (w->count > 0 || at == (uintptr_t)w->caller) /* not what stands between the caller and here */
		w->frames[w->count++] = at;
	return w->count < w->most ? _URC_NO_REASON : _URC_END_OF_STACK;
}

static unsigned follow_tables(const struct call_site *site, uintptr_t *frames, unsigned most)
{
	struct walk w = {.caller = site->caller, .frames = frames, .most = most};
	_Unwind_Backtrace(note_frame, &w);
	if (w.count == 0)
		frames[w.count++] = (uintptr_t)site->caller;
	return w.count;
}

/* A frame begins with its caller's frame and the address that is returned to; on amd64 and on arm64. */
unsigned call_stack_take(const struct call_site *site, uintptr_t *frames, unsigned most)
{
	if (!call_stack_is_own(site->caller))
		return follow_tables(site, frames, most);
	const uintptr_t *frame = site->frame;
	unsigned count = 0;
	frames[count++] = (uintptr_t)site->caller;
	while (count < most && call_stack_is_own((const void *)frames[count - 1])) {
		uintptr_t step = frame[0] - (uintptr_t)frame;
		if (step == 0 || step > FRAME_BYTES_MAX || step % sizeof *frame != 0)
			break;
		frame = (const uintptr_t *)frame[0];
		if (frame[1] == 0)
			break;
		frames[count++] = frame[1];
	}
	return count;
}
