#include "engine/base/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void check_failed(const char *file, int line, const char *condition, const char *format, ...)
{
	char context[512];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(context, sizeof context, format, arguments);
	va_end(arguments);
	/* Not through the log: its sink may be what is broken. */
	fprintf(stderr, "trove: broken invariant at %s:%d: %s (%s)\n", file, line, condition, context);
	abort();
}
