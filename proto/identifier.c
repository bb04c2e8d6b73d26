#include "proto/identifier.h"

#include <string.h>

enum { UUID_BYTES = 36, DECIMAL_BYTES_MAX = 39 };

static bool parse_decimal(const char *text, size_t count, struct identifier *id)
{
	if (count == 0 || count > DECIMAL_BYTES_MAX || (text[0] == '0' && count > 1))
		return false;
	unsigned __int128 value = 0;
	for (size_t i = 0; i < count; i++) {
		unsigned digit = (unsigned char)text[i] - '0';
		if (digit > 9 || value > ~(unsigned __int128)0 / 10)
			return false;
		value = value * 10;
		if (value + digit < value)
			return false;
		value += digit;
	}
	*id = (struct identifier){.low = (uint64_t)value, .high = (uint64_t)(value >> 64)};
	return true;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	char lower = (char)(c | 0x20);
	return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static bool is_hyphen_place(size_t i) { return i == 8 || i == 13 || i == 18 || i == 23; }

static bool parse_uuid(const char *text, struct identifier *id)
{
	unsigned __int128 value = 0;
	for (size_t i = 0; i < UUID_BYTES; i++) {
		if (is_hyphen_place(i)) {
			if (text[i] != '-')
				return false;
			continue;
		}
		int digit = hex_digit(text[i]);
		if (digit < 0)
			return false;
		value = value << 4 | (unsigned)digit;
	}
	*id = (struct identifier){.low = (uint64_t)value, .high = (uint64_t)(value >> 64), .is_uuid = true};
	return true;
}

bool identifier_parse(const char *text, size_t count, struct identifier *id)
{
	if (count == UUID_BYTES && text[8] == '-')
		return parse_uuid(text, id);
	return parse_decimal(text, count, id);
}

static size_t format_uuid(struct identifier id, char *text)
{
	static const char digits[] = "0123456789abcdef";
	unsigned shift = 124;
	unsigned __int128 value = (unsigned __int128)id.high << 64 | id.low;
	for (size_t i = 0; i < UUID_BYTES; i++) {
		if (is_hyphen_place(i)) {
			text[i] = '-';
			continue;
		}
		text[i] = digits[(unsigned)(value >> shift) & 15];
		shift -= 4;
	}
	text[UUID_BYTES] = '\0';
	return UUID_BYTES;
}

static char *digits_before(char *end, uint64_t value, unsigned least)
{
	while (value != 0 || least != 0) {
		*--end = (char)('0' + value % 10);
		value /= 10;
		least -= least != 0;
	}
	return end;
}

static size_t format_decimal(struct identifier id, char *text)
{
	const uint64_t chunk = 10000000000000000000u; /* the largest power of ten in 64 bits */
	char buffer[IDENTIFIER_TEXT_BYTES];
	char *end = buffer + sizeof buffer, *start;
	unsigned __int128 value = (unsigned __int128)id.high << 64 | id.low;
	if (id.high == 0) {
		start = digits_before(end, id.low, 1);
	} else {
		start = digits_before(end, (uint64_t)(value % chunk), value / chunk != 0 ? 19 : 1);
		value /= chunk;
		if (value >= chunk) {
			start = digits_before(start, (uint64_t)(value % chunk), 19);
			value /= chunk;
		}
		start = digits_before(start, (uint64_t)value, 0);
	}
	size_t count = (size_t)(end - start);
	memcpy(text, start, count);
	text[count] = '\0';
	return count;
}

size_t identifier_format(struct identifier id, char text[static IDENTIFIER_TEXT_BYTES])
{
	return id.is_uuid ? format_uuid(id, text) : format_decimal(id, text);
}
