#include "engine/base/number_set.h"

#include <stdio.h>
#include <string.h>

unsigned number_set_count(const struct number_set *set)
{
	unsigned count = 0;
	for (size_t i = 0; i < NUMBER_SET_LIMIT / 64; i++)
		count += (unsigned)__builtin_popcountll(set->words[i]);
	return count;
}

unsigned number_set_next(const struct number_set *set, unsigned from)
{
	while (from < NUMBER_SET_LIMIT && !number_set_has(set, from))
		from++;
	return from < NUMBER_SET_LIMIT ? from : NUMBER_SET_LIMIT;
}

void number_set_intersect(struct number_set *set, const struct number_set *other)
{
	for (size_t i = 0; i < NUMBER_SET_LIMIT / 64; i++)
		set->words[i] &= other->words[i];
}

/* Digits of a number below the limit; strtoul would take signs and blanks as well. */
static bool read_number(const char **text, unsigned *number)
{
	const char *at = *text;
	for (*number = 0; *at >= '0' && *at <= '9'; at++) {
		*number = *number * 10 + (unsigned)(*at - '0');
		if (*number >= NUMBER_SET_LIMIT)
			return false;
	}
	bool is_number = at != *text;
	*text = at;
	return is_number;
}

static bool read_range(const char **text, struct number_set *set)
{
	unsigned first, last;
	if (!read_number(text, &first))
		return false;
	last = first;
	if (**text == '-') {
		++*text;
		if (!read_number(text, &last) || last < first)
			return false;
	}
	for (; first <= last; first++)
		number_set_add(set, first);
	return true;
}

static bool read_list(const char *text, struct number_set *set)
{
	text += strspn(text, " \t\n");
	if (*text == '\0')
		return true;
	for (;; text++) {
		if (!read_range(&text, set))
			return false;
		if (*text != ',')
			return text[strspn(text, " \t\n")] == '\0';
	}
}

status number_set_parse(const char *text, struct number_set *set)
{
	*set = (struct number_set){};
	if (read_list(text, set))
		return STATUS_ok;
	*set = (struct number_set){};
	return STATUS_invalid_field;
}

void number_set_print(const struct number_set *set, char *text, size_t capacity)
{
	size_t used = 0;
	if (capacity != 0)
		text[0] = '\0';
	for (unsigned first = number_set_next(set, 0); first < NUMBER_SET_LIMIT && used < capacity;) {
		unsigned last = first;
		while (number_set_has(set, last + 1))
			last++;
		const char *comma = used == 0 ? "" : ",";
		int n = first == last ? snprintf(text + used, capacity - used, "%s%u", comma, first)
		                      : snprintf(text + used, capacity - used, "%s%u-%u", comma, first, last);
		used += (size_t)n;
		first = number_set_next(set, last + 1);
	}
}
