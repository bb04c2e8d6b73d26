#include "proto/text.h"

#include "proto/event.h"

static bool is_tail(unsigned char c) { return (c & 0xc0) == 0x80; }

size_t text_character(const char *text, size_t count)
{
	const unsigned char *s = (const unsigned char *)text;
	if (count == 0)
		return 0;
	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		return count >= 2 && is_tail(s[1]) ? 2 : 0;
	if (s[0] >= 0xe0 && s[0] <= 0xef) {
		unsigned char low = s[0] == 0xe0 ? 0xa0 : 0x80, high = s[0] == 0xed ? 0x9f : 0xbf;
		return count >= 3 && s[1] >= low && s[1] <= high && is_tail(s[2]) ? 3 : 0;
	}
	if (s[0] >= 0xf0 && s[0] <= 0xf4) {
		unsigned char low = s[0] == 0xf0 ? 0x90 : 0x80, high = s[0] == 0xf4 ? 0x8f : 0xbf;
		return count >= 4 && s[1] >= low && s[1] <= high && is_tail(s[2]) && is_tail(s[3]) ? 4 : 0;
	}
	return 0;
}

size_t text_utf8_prefix(const char *text, size_t count)
{
	size_t at = 0;
	while (at < count) {
		size_t bytes = text_character(text + at, count - at);
		if (bytes == 0)
			break;
		at += bytes;
	}
	return at;
}

bool text_has_control(const char *text, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		unsigned char c = (unsigned char)text[i];
		if (c < 0x20 || c == 0x7f)
			return true;
		/* U+0080 to U+009F are c2 80 to c2 9f; c2 is never a tail. */
		if (c == 0xc2 && i + 1 < count && (unsigned char)text[i + 1] < 0xa0)
			return true;
	}
	return false;
}

bool text_is_line(const char *text, size_t count, size_t bytes_max)
{
	return count != 0 && count <= bytes_max && text_utf8_prefix(text, count) == count && !text_has_control(text, count);
}

bool text_is_currency(const char *text)
{
	for (unsigned i = 0; i < CURRENCY_BYTES; i++)
		if (text[i] < 'A' || text[i] > 'Z')
			return false;
	return true;
}

bool text_is_kind(const char *text, size_t count)
{
	if (count == 0 || count > KIND_BYTES_MAX)
		return false;
	for (size_t i = 0; i < count; i++) {
		char c = text[i];
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-'))
			return false;
	}
	return true;
}
