#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* strptime, timegm */
#endif
#include "cmd/trovectl/time_text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void time_format(int64_t unix_ms, char text[static TIME_TEXT_BYTES])
{
	struct tm parts;
	time_t seconds = (time_t)(unix_ms / 1000);
	size_t used = 0;
	if (gmtime_r(&seconds, &parts) != NULL) /* NULL: a year that no int holds */
		used = strftime(text, TIME_TEXT_BYTES - 8, "%Y-%m-%dT%H:%M:%S", &parts);
	snprintf(text + used, TIME_TEXT_BYTES - used, ".%03dZ", (int)(unix_ms % 1000));
}

bool time_parse(const char *text, int64_t *unix_ms)
{
	static const char *const forms[] = {"%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"};
	char *end;
	errno = 0;
	*unix_ms = strtoll(text, &end, 10);
	if (end != text && *end == '\0' && errno == 0)
		return *unix_ms >= 0;
	for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
		struct tm parts = {};
		const char *rest = strptime(text, forms[i], &parts);
		if (rest == NULL || *rest != '\0')
			continue;
		*unix_ms = (int64_t)timegm(&parts) * 1000;
		return *unix_ms >= 0;
	}
	return false;
}
