#include "engine/admin/route.h"

#include <string.h>

static int hex(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c == '\0' ? NULL : strchr(digits, c >= 'A' && c <= 'F' ? (char)(c - 'A' + 'a') : c);
	return at == NULL ? -1 : (int)(at - digits);
}

/* false: no room, or no digits behind a percent sign. */
static bool decode(const char *text, size_t count, char *value, size_t capacity)
{
	size_t used = 0;
	for (size_t i = 0; i < count; i++) {
		char c = (char)(text[i] == '+' ? ' ' : text[i]);
		if (c == '%') {
			int high = i + 2 < count ? hex(text[i + 1]) : -1, low = high >= 0 ? hex(text[i + 2]) : -1;
			if (low < 0 || (high | low) == 0)
				return false;
			c = (char)(high * 16 + low);
			i += 2;
		}
		if (used + 1 >= capacity)
			return false;
		value[used++] = c;
	}
	value[used] = '\0';
	return true;
}

status admin_query(const struct admin_request *request, const char *name, char *value, size_t capacity)
{
	size_t name_bytes = strlen(name), bytes = 0;
	const char *at = request->query;
	for (; *at != '\0'; at += bytes + (at[bytes] == '&')) {
		bytes = strcspn(at, "&");
		if (bytes > name_bytes && at[name_bytes] == '=' && memcmp(at, name, name_bytes) == 0)
			break;
	}
	value[0] = '\0';
	if (*at == '\0')
		return STATUS_not_found;
	if (decode(at + name_bytes + 1, bytes - name_bytes - 1, value, capacity))
		return STATUS_ok;
	value[0] = '\0';
	return STATUS_invalid_field;
}

void admin_refuse(struct admin_answer *answer, int code, const char *sentence)
{
	answer->code = code;
	answer->type = "application/json";
	answer->headers = "";
	cursor_rewind(&answer->body, 0);
	cursor_format(&answer->body, "{\"error\":\"%s\"}\n", sentence);
}
