#include "proto/json_write.h"

#include "proto/number.h"
#include "proto/text.h"

#include <math.h>

void json_write_unsigned(struct cursor *c, uint64_t value)
{
	char digits[20], *end = digits + sizeof digits, *start = end;
	do
		*--start = (char)('0' + value % 10);
	while ((value /= 10) != 0);
	cursor_bytes(c, start, (size_t)(end - start));
}

void json_write_integer(struct cursor *c, int64_t value)
{
	if (value < 0)
		cursor_byte(c, '-');
	json_write_unsigned(c, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void json_write_double(struct cursor *c, double value)
{
	char text[NUMBER_TEXT_BYTES];
	if (isfinite(value))
		cursor_bytes(c, text, number_format(value, text));
	else
		cursor_literal(c, "null");
}

static void write_escaped(struct cursor *c, char character)
{
	static const char hex[] = "0123456789abcdef";
	unsigned char byte = (unsigned char)character;
	switch (character) {
	case '"': cursor_literal(c, "\\\""); break;
	case '\\': cursor_literal(c, "\\\\"); break;
	case '\n': cursor_literal(c, "\\n"); break;
	case '\r': cursor_literal(c, "\\r"); break;
	case '\t': cursor_literal(c, "\\t"); break;
	default:
		cursor_literal(c, "\\u00");
		cursor_byte(c, hex[byte >> 4]);
		cursor_byte(c, hex[byte & 15]);
	}
}

static bool is_plain(char c) { return (unsigned char)c >= 0x20 && (unsigned char)c < 0x7f && c != '"' && c != '\\'; }

void json_write_string(struct cursor *c, const char *text, size_t bytes)
{
	cursor_byte(c, '"');
	for (size_t at = 0; at < bytes;) {
		size_t run = 0;
		while (at + run < bytes && is_plain(text[at + run]))
			run++;
		cursor_bytes(c, text + at, run);
		at += run;
		if (at == bytes)
			break;
		size_t character = text_character(text + at, bytes - at);
		if (character == 0)
			cursor_literal(c, "\xef\xbf\xbd");
		else if (character == 1)
			write_escaped(c, text[at]);
		else
			cursor_bytes(c, text + at, character);
		at += character == 0 ? 1 : character;
	}
	cursor_byte(c, '"');
}

void json_write_identifier(struct cursor *c, struct identifier id)
{
	char text[IDENTIFIER_TEXT_BYTES + 2];
	text[0] = '"';
	size_t bytes = identifier_format(id, text + 1);
	text[bytes + 1] = '"';
	cursor_bytes(c, text, bytes + 2);
}

void json_write_stock(struct cursor *c, int64_t stock)
{
	if (stock == STOCK_UNLIMITED)
		cursor_literal(c, "null");
	else
		json_write_integer(c, stock);
}
