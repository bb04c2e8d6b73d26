#include "proto/json_scrub.h"

#include <stdint.h>
#include <string.h>

static bool is_number_character(char c)
{
	return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

static size_t skip_string(const char *text, size_t count, size_t at)
{
	for (at++; at < count && text[at] != '"'; at++)
		if (text[at] == '\\')
			at++;
	return at + 1;
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

/* The place of the first digit that is not zero, as a power of ten. Near the
 * largest double this is cautious: 1e308 and above count as too large. */
static bool real_overflows(const char *text, size_t count)
{
	int64_t place = 0, exponent = 0;
	bool has_point = false, has_digit = false, is_negative = false;
	size_t i = text[0] == '-';
	for (; i < count && text[i] != 'e' && text[i] != 'E'; i++) {
		if (text[i] == '.')
			has_point = true;
		else if (has_digit || text[i] != '0')
			has_digit = true, place += !has_point;
		else
			place -= has_point;
	}
	for (i++; i < count; i++) {
		if (text[i] == '-')
			is_negative = true;
		else if (text[i] != '+' && exponent < INT32_MAX)
			exponent = exponent * 10 + (text[i] - '0');
	}
	return has_digit && place + (is_negative ? -exponent : exponent) > 308;
}

static bool overflows(const char *text, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (text[i] == '.' || text[i] == 'e' || text[i] == 'E')
			return real_overflows(text, count);
	return integer_overflows(text, count);
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
		if (text[at] != '-' && (text[at] < '0' || text[at] > '9')) {
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
