#include "engine/base/option.h"

#include "engine/base/check.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

[[gnu::format(printf, 2, 3)]] static bool fail(struct option_problem *problem, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(problem->text, sizeof problem->text, format, arguments);
	va_end(arguments);
	return false;
}

static void *value_of(const struct option_section *section, const struct option *row)
{
	return (char *)section->values + row->offset;
}

/* ---- one value from text ------------------------------------------------------ */

/* Suffixes make sizes and times readable: 64KiB, 1MiB, 2GiB; 500ms, 5s, 2m where the unit fits. */
static bool unit_factor(const char *unit, const char *suffix, int64_t *factor)
{
	static const struct {
		const char *unit, *suffix;
		int64_t factor;
	} known[] = {
		{"bytes", "KiB", 1 << 10}, {"bytes", "MiB", 1 << 20}, {"bytes", "GiB", 1 << 30}, {"bytes", "B", 1},
		{"ms", "ms", 1},           {"ms", "s", 1000},         {"ms", "m", 60000},
	};
	*factor = 1;
	if (suffix[0] == '\0')
		return true;
	for (size_t i = 0; i < COUNT_OF(known); i++)
		if (strcmp(unit, known[i].unit) == 0 && strcmp(suffix, known[i].suffix) == 0) {
			*factor = known[i].factor;
			return true;
		}
	return false;
}

static bool set_integer(const struct option *row, const char *text, int64_t *value, struct option_problem *problem)
{
	char *end;
	int64_t factor;
	errno = 0;
	int64_t number = strtoll(text, &end, 10);
	bool readable = end != text && errno == 0 && unit_factor(row->unit, end, &factor);
	if (!readable || number > INT64_MAX / factor || number < INT64_MIN / factor || number * factor < row->least ||
	    number * factor > row->greatest)
		return fail(problem, "%s: '%s' is not allowed; expected an integer from %" PRId64 " to %" PRId64 "%s%s",
		            row->key, text, row->least, row->greatest, row->unit[0] != '\0' ? " " : "", row->unit);
	*value = number * factor;
	return true;
}

static bool set_boolean(const struct option *row, const char *text, bool *value, struct option_problem *problem)
{
	if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
		return fail(problem, "%s: '%s' is not allowed; expected true or false", row->key, text);
	*value = text[0] == 't';
	return true;
}

static bool set_text(const struct option *row, const char *text, char *value, struct option_problem *problem)
{
	if (strlen(text) >= OPTION_TEXT_BYTES)
		return fail(problem, "%s: the text has %zu bytes; at most %d are allowed", row->key, strlen(text),
		            OPTION_TEXT_BYTES - 1);
	memmove(value, text, strlen(text) + 1);
	return true;
}

static bool set_choice(const struct option *row, const char *text, int *value, struct option_problem *problem)
{
	size_t length = strlen(text);
	const char *word = row->unit;
	for (int i = 0;; i++) {
		size_t bytes = strcspn(word, "|");
		if (bytes == length && memcmp(word, text, bytes) == 0) {
			*value = i;
			return true;
		}
		if (word[bytes] == '\0')
			return fail(problem, "%s: '%s' is not allowed; expected one of %s", row->key, text, row->unit);
		word += bytes + 1;
	}
}

static bool set_list(const struct option *row, const char *const *items, unsigned count, struct option_list *value,
                     struct option_problem *problem)
{
	struct option_list list = {.count = count};
	if (count > OPTION_LIST_MAX)
		return fail(problem, "%s: %u items; at most %d are allowed", row->key, count, OPTION_LIST_MAX);
	for (unsigned i = 0; i < count; i++) {
		if (items[i][0] == '\0')
			return fail(problem, "%s: item %u is empty", row->key, i + 1);
		if (!set_text(row, items[i], list.item[i], problem))
			return false;
	}
	*value = list;
	return true;
}

/* "a" or "[a, b]" */
static bool set_list_text(const struct option *row, const char *text, struct option_list *value,
                          struct option_problem *problem)
{
	const char *items[OPTION_LIST_MAX + 1];
	char copy[OPTION_LIST_MAX * OPTION_TEXT_BYTES];
	unsigned count = 0;
	size_t length = strlen(text);
	if (length >= sizeof copy)
		return fail(problem, "%s: the list has %zu bytes; at most %zu are allowed", row->key, length, sizeof copy - 1);
	memcpy(copy, text, length + 1);
	if (copy[0] != '[') {
		items[0] = copy;
		if (copy[0] == '\0')
			return set_list(row, items, 0, value, problem);
		return set_list(row, items, 1, value, problem);
	}
	if (copy[length - 1] != ']')
		return fail(problem, "%s: '%s' has no closing bracket; expected [a,b]", row->key, text);
	copy[length - 1] = '\0';
	for (char *rest = copy + 1, *item; rest != NULL;) {
		item = strsep(&rest, ",");
		item += strspn(item, " \t");
		for (size_t n = strlen(item); n > 0 && isspace((unsigned char)item[n - 1]); n--)
			item[n - 1] = '\0';
		if (rest == NULL && count == 0 && item[0] == '\0')
			break; /* [] */
		if (count > OPTION_LIST_MAX)
			return fail(problem, "%s: more than %d items", row->key, OPTION_LIST_MAX);
		items[count++] = item;
	}
	return set_list(row, items, count, value, problem);
}

static bool set_value(const struct option *row, const char *text, void *value, struct option_problem *problem)
{
	switch (row->kind) {
	case OPTION_integer:
		return set_integer(row, text, value, problem);
	case OPTION_boolean:
		return set_boolean(row, text, value, problem);
	case OPTION_text:
	case OPTION_secret:
		return set_text(row, text, value, problem);
	case OPTION_choice:
		return set_choice(row, text, value, problem);
	case OPTION_list:
		return set_list_text(row, text, value, problem);
	}
	return false;
}

/* ---- the set ------------------------------------------------------------------- */

void option_add(struct option_set *set, const struct option *rows, size_t count, void *values)
{
	size_t total = count;
	for (size_t i = 0; i < set->count; i++)
		total += set->section[i].count;
	CHECK(set->count < OPTION_SECTIONS_MAX && total <= COUNT_OF(set->source), "%zu options", total);
	set->section[set->count++] = (struct option_section){rows, count, values};
	for (size_t i = 0; i < count; i++) {
		struct option_problem problem;
		struct option_section *section = &set->section[set->count - 1];
		bool good = set_value(&rows[i], rows[i].fallback, value_of(section, &rows[i]), &problem);
		CHECK(good, "default of %s", problem.text);
	}
}

/* Position over all sections, or -1. */
static int locate_key(const struct option_set *set, const char *key, const struct option_section **section,
                      const struct option **row)
{
	int position = 0;
	for (size_t s = 0; s < set->count; s++)
		for (size_t i = 0; i < set->section[s].count; i++, position++)
			if (strcmp(set->section[s].rows[i].key, key) == 0) {
				*section = &set->section[s];
				*row = &set->section[s].rows[i];
				return position;
			}
	return -1;
}

/* Edit distance (Levenshtein), bounded: names are short. */
static unsigned edit_distance(const char *a, const char *b)
{
	unsigned row[64];
	size_t n = strlen(b);
	if (n >= COUNT_OF(row))
		return UINT32_MAX;
	for (size_t j = 0; j <= n; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; a[i - 1] != '\0'; i++) {
		unsigned diagonal = row[0];
		row[0] = (unsigned)i;
		for (size_t j = 1; j <= n; j++) {
			unsigned substitute = diagonal + (a[i - 1] != b[j - 1]);
			diagonal = row[j];
			unsigned smaller = row[j] < row[j - 1] ? row[j] : row[j - 1];
			row[j] = substitute < smaller + 1 ? substitute : smaller + 1;
		}
	}
	return row[n];
}

static bool unknown_key(const struct option_set *set, const char *key, struct option_problem *problem)
{
	const char *nearest = NULL;
	unsigned best = 6;
	for (size_t s = 0; s < set->count; s++)
		for (size_t i = 0; i < set->section[s].count; i++) {
			unsigned distance = edit_distance(key, set->section[s].rows[i].key);
			if (distance < best) {
				best = distance;
				nearest = set->section[s].rows[i].key;
			}
		}
	if (nearest != NULL)
		return fail(problem, "%s: no such option; did you mean %s?", key, nearest);
	return fail(problem, "%s: no such option; troved --print-config lists them all", key);
}

bool option_set_text(struct option_set *set, const char *key, const char *text, enum option_source source,
                     struct option_problem *problem)
{
	const struct option_section *section;
	const struct option *row;
	int position = locate_key(set, key, &section, &row);
	if (position < 0)
		return unknown_key(set, key, problem);
	if (!set_value(row, text, value_of(section, row), problem))
		return false;
	set->source[position] = source;
	return true;
}

bool option_set_items(struct option_set *set, const char *key, const char *const *items, unsigned count,
                      enum option_source source, struct option_problem *problem)
{
	const struct option_section *section;
	const struct option *row;
	int position = locate_key(set, key, &section, &row);
	if (position < 0)
		return unknown_key(set, key, problem);
	if (row->kind != OPTION_list)
		return fail(problem, "%s: a list is not allowed here; expected one value", key);
	if (!set_list(row, items, count, value_of(section, row), problem))
		return false;
	set->source[position] = source;
	return true;
}

bool option_set_assignment(struct option_set *set, const char *assignment, enum option_source source,
                           struct option_problem *problem)
{
	char key[OPTION_TEXT_BYTES];
	const char *equals = strchr(assignment, '=');
	if (equals == NULL || equals == assignment || (size_t)(equals - assignment) >= sizeof key)
		return fail(problem, "'%s' is no assignment; expected section.key=value", assignment);
	memcpy(key, assignment, (size_t)(equals - assignment));
	key[equals - assignment] = '\0';
	return option_set_text(set, key, equals + 1, source, problem);
}

/* "events.message_bytes_max" is TROVE_EVENTS_MESSAGE_BYTES_MAX. */
static bool is_environment_prefix(const char *key, const char *name, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		if ((key[i] == '.' ? '_' : toupper((unsigned char)key[i])) != name[i])
			return false;
	return true;
}

static bool is_environment_name(const char *key, const char *name, size_t bytes)
{
	return strlen(key) == bytes && is_environment_prefix(key, name, bytes);
}

/* Whether a name begins with the section of some option and an underscore. */
static bool is_in_a_section(const struct option_set *set, const char *name, size_t bytes)
{
	for (size_t s = 0; s < set->count; s++)
		for (size_t i = 0; i < set->section[s].count; i++) {
			const char *key = set->section[s].rows[i].key;
			size_t section = strcspn(key, ".");
			if (key[section] == '.' && bytes > section && name[section] == '_' && is_environment_prefix(key, name, section))
				return true;
		}
	return false;
}

/* "4700_TCP", "4700_TCP_ADDR" and the like, to the end of the name. */
static bool is_link_port(const char *text, const char *end)
{
	static const char *const protocols[] = {"TCP", "UDP", "SCTP"}, *const parts[] = {"", "_PROTO", "_PORT", "_ADDR"};
	size_t digits = strspn(text, "0123456789"), bytes = (size_t)(end - text);
	char wanted[16];
	if (digits == 0 || digits >= bytes || text[digits] != '_')
		return false;
	text += digits + 1;
	bytes -= digits + 1;
	for (size_t p = 0; p < COUNT_OF(protocols); p++)
		for (size_t i = 0; i < COUNT_OF(parts); i++) {
			size_t length = (size_t)snprintf(wanted, sizeof wanted, "%s%s", protocols[p], parts[i]);
			if (length == bytes && memcmp(text, wanted, bytes) == 0)
				return true;
		}
	return false;
}

/* What stands behind the name of a Service: SERVICE_HOST, SERVICE_PORT, SERVICE_PORT_REPLY, PORT (tcp://10.0.0.1:4700),
 * PORT_4700_TCP and its parts. The name ends where the equals sign stands. */
static bool is_link_end(const char *text, const char *end)
{
	static const char host[] = "SERVICE_HOST", named[] = "SERVICE_PORT", port[] = "PORT";
	size_t bytes = (size_t)(end - text);
	if (bytes == sizeof host - 1 && memcmp(text, host, bytes) == 0)
		return true;
	if (bytes >= sizeof named - 1 && memcmp(text, named, sizeof named - 1) == 0)
		return bytes == sizeof named - 1 || text[sizeof named - 1] == '_';
	if (bytes < sizeof port - 1 || memcmp(text, port, sizeof port - 1) != 0)
		return false;
	text += sizeof port - 1;
	return text == end ? strstr(end, "://") != NULL : *text == '_' && is_link_port(text + 1, end);
}

/* Kubernetes gives every container the address of each Service of its namespace, so of one that is called trove, or
 * trove-observe: TROVE_SERVICE_HOST, TROVE_OBSERVE_PORT. name ends at the equals sign. */
static bool is_service_link(const char *name, const char *equals)
{
	for (const char *at = name; at < equals; at++)
		if ((at == name || at[-1] == '_') && is_link_end(at, equals))
			return true;
	return false;
}

bool option_set_environment(struct option_set *set, char *const *environment, struct option_problem *problem)
{
	static const char prefix[] = "TROVE_";
	for (; *environment != NULL; environment++) {
		const char *name = *environment;
		const char *equals = strchr(name, '=');
		if (equals == NULL || strncmp(name, prefix, sizeof prefix - 1) != 0)
			continue;
		name += sizeof prefix - 1;
		const struct option *row = NULL;
		for (size_t s = 0; s < set->count && row == NULL; s++)
			for (size_t i = 0; i < set->section[s].count; i++)
				if (is_environment_name(set->section[s].rows[i].key, name, (size_t)(equals - name)))
					row = &set->section[s].rows[i];
		if (row == NULL) {
			/* Scripts have TROVE_ names of their own; one in a section of ours is a typing error. */
			if (is_in_a_section(set, name, (size_t)(equals - name)) && !is_service_link(name, equals))
				return fail(problem, "environment %.*s: no such option; troved --print-config lists them all",
				            (int)(equals - *environment), *environment);
			continue;
		}
		if (!option_set_text(set, row->key, equals + 1, OPTION_FROM_environment, problem)) {
			struct option_problem inner = *problem;
			return fail(problem, "environment %.*s: %.400s", (int)(equals - *environment), *environment, inner.text);
		}
	}
	return true;
}

const struct option *option_find(const struct option_set *set, const char *key, void **value,
                                 enum option_source *source)
{
	const struct option_section *section;
	const struct option *row;
	int position = locate_key(set, key, &section, &row);
	if (position < 0)
		return NULL;
	if (value != NULL)
		*value = value_of(section, row);
	if (source != NULL)
		*source = set->source[position];
	return row;
}

void option_format(const struct option *row, const void *value, char *text, size_t capacity)
{
	const struct option_list *list = value;
	const char *word = row->unit;
	int n = 0;
	switch (row->kind) {
	case OPTION_integer:
		snprintf(text, capacity, "%" PRId64, *(const int64_t *)value);
		break;
	case OPTION_boolean:
		snprintf(text, capacity, "%s", *(const bool *)value ? "true" : "false");
		break;
	case OPTION_text:
		snprintf(text, capacity, "%s", (const char *)value);
		break;
	case OPTION_secret:
		snprintf(text, capacity, "%s", *(const char *)value == '\0' ? "" : OPTION_MASK);
		break;
	case OPTION_choice:
		for (int i = *(const int *)value; i > 0; i--)
			word += strcspn(word, "|") + 1;
		snprintf(text, capacity, "%.*s", (int)strcspn(word, "|"), word);
		break;
	case OPTION_list:
		n = snprintf(text, capacity, "[");
		for (unsigned i = 0; i < list->count && n < (int)capacity; i++)
			n += snprintf(text + n, capacity - (size_t)n, "%s%s", i == 0 ? "" : ",", list->item[i]);
		if (n < (int)capacity)
			snprintf(text + n, capacity - (size_t)n, "]");
		break;
	}
}

/* The first word of a key; a key of one word has none. */
static size_t word_bytes(const char *key)
{
	const char *dot = strchr(key, '.');
	return dot == NULL ? 0 : (size_t)(dot - key);
}

/* Those that begin as `word` does, of the first `until`; whether there were any. */
static bool visit_some(const struct option_set *set, const char *word, size_t until, option_visitor *visit, void *context)
{
	size_t position = 0;
	bool found = false;
	for (size_t s = 0; s < set->count; s++)
		for (size_t i = 0; i < set->section[s].count && position < until; i++, position++) {
			const struct option *row = &set->section[s].rows[i];
			if (word_bytes(row->key) != word_bytes(word) || strncmp(row->key, word, word_bytes(word)) != 0)
				continue;
			found = true;
			if (visit != NULL)
				visit(context, row, value_of(&set->section[s], row), set->source[position]);
		}
	return found;
}

void option_visit(const struct option_set *set, option_visitor *visit, void *context)
{
	size_t position = 0;
	for (size_t s = 0; s < set->count; s++)
		for (size_t i = 0; i < set->section[s].count; i++, position++) {
			const char *key = set->section[s].rows[i].key;
			if (!visit_some(set, key, position, NULL, NULL))
				(void)visit_some(set, key, SIZE_MAX, visit, context);
		}
}

/* Those that other threads read are one word at most. */
static void take_value(const struct option *row, void *value, const void *newer)
{
	CHECK(row->kind == OPTION_integer || row->kind == OPTION_choice, "live option %s", row->key);
	memcpy(value, newer, row->kind == OPTION_integer ? sizeof(int64_t) : sizeof(int));
}

void option_take_live(struct option_set *set, const struct option_set *newer)
{
	size_t position = 0;
	for (size_t s = 0; s < set->count; s++)
		for (size_t i = 0; i < set->section[s].count; i++, position++) {
			const struct option *row = &set->section[s].rows[i];
			CHECK(newer->section[s].rows == set->section[s].rows, "another table for %s", row->key);
			if (row->change != OPTION_live)
				continue;
			take_value(row, value_of(&set->section[s], row), value_of(&newer->section[s], row));
			set->source[position] = newer->source[position];
		}
}

const char *option_source_name(enum option_source source)
{
	static const char *const names[] = {"default", "file", "environment", "command line", "request"};
	return names[source];
}
