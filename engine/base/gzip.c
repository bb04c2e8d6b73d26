#include "engine/base/gzip.h"

#include <limits.h>
#define ZLIB_CONST /* it does not write to what it reads */
#include <zlib.h>

/* Fast rather than small: somebody waits for it. */
enum { LEVEL = 3, WINDOW_BITS_GZIP = 15 + 16, MEMORY_LEVEL = 8 };

void gzip_write(struct cursor *out, const void *bytes, size_t count)
{
	z_stream z = {.next_in = bytes, .avail_in = (uInt)count, .next_out = out->at};
	size_t room = cursor_left(out) < UINT_MAX ? cursor_left(out) : UINT_MAX;
	z.avail_out = (uInt)room;
	if (count > UINT_MAX || deflateInit2(&z, LEVEL, Z_DEFLATED, WINDOW_BITS_GZIP, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK) {
		out->full = true;
		return;
	}
	if (deflate(&z, Z_FINISH) == Z_STREAM_END)
		out->at += room - z.avail_out;
	else
		out->full = true;
	(void)deflateEnd(&z);
}
