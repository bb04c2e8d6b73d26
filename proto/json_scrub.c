#include "proto/json_scrub.h"

#include <stdint.h>
#include <string.h>

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static bool is_number_character(char c)
{
	return is_digit(c) || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

static size_t skip_string(const char *text, size_t count, size_t at)
{
	for (at++; at < count && text[at] != '"'; at++)
		if (text[at] == '\\')
			at++;
	return at + 1;
}

static size_t digits(const char *text, size_t count, size_t at)
{
	while (at < count && is_digit(text[at]))
		at++;
	return at;
}

static bool integer_overflows(const char *text, size_t count)
{
	uint64_t value = 0;
	for (size_t i = text[0] == '-'; i < count; i++)
		if (__builtin_mul_overflow(value, 10u, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(text[i] - '0'), &value))
			return true;
	return value > INT64_MAX;
}

/* By the place of the first digit that is not zero, as a power of ten. Near the
 * largest double this is cautious: 1e308 and above count as too large. */
static bool real_overflows(const char *text, size_t mantissa_end, size_t count)
{
	int64_t place = 0, exponent = 0;
	bool has_point = false, has_digit = false, is_negative = false;
	for (size_t i = text[0] == '-'; i < mantissa_end; i++) {
		if (text[i] == '.')
			has_point = true;
		else if (has_digit || text[i] != '0')
			has_digit = true, place += !has_point;
		else
			place -= has_point;
	}
	for (size_t i = mantissa_end + 1; i < count; i++) {
		if (text[i] == '-')
			is_negative = true;
		else if (text[i] != '+' && exponent < INT32_MAX)
			exponent = exponent * 10 + (text[i] - '0');
	}
	return has_digit && place + (is_negative ? -exponent : exponent) > 308;
}

/* Only what is a number by JSON's grammar (RFC 8259, 6); anything else must stay the
 * error that it is. */
static bool overflows(const char *text, size_t count)
{
	size_t whole = text[0] == '-', at = digits(text, count, whole), mantissa_end;
	if (at == whole || (text[whole] == '0' && at > whole + 1))
		return false;
	if (at == count)
		return integer_overflows(text, count);
	if (text[at] == '.') {
		size_t fraction = at + 1;
		at = digits(text, count, fraction);
		if (at == fraction)
			return false;
	}
	mantissa_end = at;
	if (at < count && (text[at] == 'e' || text[at] == 'E')) {
		at++;
		at += at < count && (text[at] == '+' || text[at] == '-');
		size_t exponent = at;
		at = digits(text, count, exponent);
		if (at == exponent)
			return false;
	}
	return at == count && real_overflows(text, mantissa_end, count);
}

void json_scrub_numbers(char *text, size_t count)
{
	static const char impossible[] = "-1e99";
	for (size_t at = 0; at < count;) {
		size_t start = at;
		if (text[at] == '"') {
			at = skip_string(text, count, at);
			continue;
		}
		if (text[at] != '-' && !is_digit(text[at])) {
			at++;
			continue;
		}
		while (at < count && is_number_character(text[at]))
			at++;
		if (at - start >= sizeof impossible - 1 && overflows(text + start, at - start)) {
			memset(text + start, ' ', at - start);
			memcpy(text + start, impossible, sizeof impossible - 1);
		}
	}
}
