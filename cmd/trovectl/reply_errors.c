#include "cmd/trovectl/reply_errors.h"

#include <string.h>

/* From an opening quote to behind the closing one. */
static const char *skip_string(const char *at, const char *end)
{
	for (at++; at < end && *at != '"'; at++)
		at += *at == '\\' && at + 1 < end;
	return at < end ? at + 1 : end;
}

uint64_t reply_errors_count(const char *json, size_t bytes)
{
	static const char member[] = "\"type\":\"error\"";
	const char *at = json, *end = json + bytes;
	uint64_t count = 0;
	int depth = 0;
	int result_depth = bytes > 0 && json[0] == '[' ? 2 : 1;
	while (at < end) {
		if (*at == '"') {
			count += depth == result_depth && (size_t)(end - at) >= sizeof member - 1 &&
			         memcmp(at, member, sizeof member - 1) == 0;
			at = skip_string(at, end);
			continue;
		}
		depth += (*at == '{' || *at == '[') - (*at == '}' || *at == ']');
		at++;
	}
	return count;
}
