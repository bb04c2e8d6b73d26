/*
 * Options from a YAML file: sections of keys, or a key at the top, with scalars or
 * lists of scalars. Everything else is refused with file and line.
 */
#include "cmd/troved/configuration.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <yaml.h>

struct reader {
	yaml_parser_t parser;
	yaml_event_t event;
	bool has_event;
	const char *path;
	struct option_set *set;
	struct option_problem *problem;
};

[[gnu::format(printf, 2, 3)]] static bool fail(struct reader *r, const char *format, ...)
{
	char text[400];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	size_t line = r->has_event ? r->event.start_mark.line + 1 : r->parser.problem_mark.line + 1;
	snprintf(r->problem->text, sizeof r->problem->text, "%.100s:%zu: %s", r->path, line, text);
	return false;
}

static bool next(struct reader *r)
{
	if (r->has_event)
		yaml_event_delete(&r->event);
	r->has_event = yaml_parser_parse(&r->parser, &r->event) != 0;
	if (!r->has_event)
		return fail(r, "%s", r->parser.problem != NULL ? r->parser.problem : "not readable as YAML");
	return true;
}

static const char *scalar(const struct reader *r) { return (const char *)r->event.data.scalar.value; }

/* A value: a scalar, or a sequence of scalars. The event is its first. */
static bool read_value(struct reader *r, const char *key)
{
	struct option_problem inner;
	enum option_source source;
	if (option_find(r->set, key, NULL, &source) != NULL && source == OPTION_FROM_file)
		return fail(r, "%s: given twice", key);
	if (r->event.type == YAML_SCALAR_EVENT)
		return option_set_text(r->set, key, scalar(r), OPTION_FROM_file, &inner) || fail(r, "%s", inner.text);
	if (r->event.type != YAML_SEQUENCE_START_EVENT)
		return fail(r, "%s: expected a value or a list", key);

	static const unsigned items_max = OPTION_LIST_MAX;
	char text[OPTION_LIST_MAX][OPTION_TEXT_BYTES];
	const char *items[OPTION_LIST_MAX];
	unsigned count = 0;
	while (next(r) && r->event.type == YAML_SCALAR_EVENT) {
		if (count == items_max || strlen(scalar(r)) >= OPTION_TEXT_BYTES)
			return fail(r, "%s: at most %u items of at most %d bytes", key, items_max, OPTION_TEXT_BYTES - 1);
		memcpy(text[count], scalar(r), strlen(scalar(r)) + 1);
		items[count] = text[count];
		count++;
	}
	if (!r->has_event)
		return false;
	if (r->event.type != YAML_SEQUENCE_END_EVENT)
		return fail(r, "%s: a list holds plain values only", key);
	return option_set_items(r->set, key, items, count, OPTION_FROM_file, &inner) || fail(r, "%s", inner.text);
}

/* The keys of one mapping; section "" is the top. The mapping's start has been read. */
static bool read_mapping(struct reader *r, const char *section)
{
	char key[OPTION_TEXT_BYTES];
	while (next(r)) {
		if (r->event.type == YAML_MAPPING_END_EVENT)
			return true;
		if (r->event.type != YAML_SCALAR_EVENT)
			return fail(r, "expected a key");
		int n = snprintf(key, sizeof key, "%s%s%s", section, section[0] != '\0' ? "." : "", scalar(r));
		if (n < 0 || (size_t)n >= sizeof key)
			return fail(r, "the key is too long");
		if (!next(r))
			return false;
		if (r->event.type == YAML_MAPPING_START_EVENT && section[0] == '\0') {
			if (!read_mapping(r, key))
				return false;
		} else if (!read_value(r, key)) {
			return false;
		}
	}
	return false;
}

static bool read_document(struct reader *r)
{
	if (!next(r) || !next(r)) /* stream start, then document start */
		return false;
	if (r->event.type == YAML_STREAM_END_EVENT)
		return true; /* an empty file sets nothing */
	if (!next(r))
		return false;
	if (r->event.type == YAML_SCALAR_EVENT && scalar(r)[0] == '\0')
		return true; /* nothing but comments */
	if (r->event.type != YAML_MAPPING_START_EVENT)
		return fail(r, "expected sections like 'events:' with keys below them");
	if (!read_mapping(r, "") || !next(r) || !next(r))
		return false;
	return r->event.type == YAML_STREAM_END_EVENT || fail(r, "more than one document");
}

bool configuration_read_yaml(struct option_set *set, const char *path, struct option_problem *problem)
{
	struct reader r = {.path = path, .set = set, .problem = problem};
	FILE *file = fopen(path, "re");
	if (file == NULL) {
		snprintf(problem->text, sizeof problem->text, "%.300s: cannot be opened: %s", path, strerror(errno));
		return false;
	}
	bool good = yaml_parser_initialize(&r.parser) != 0;
	if (good) {
		yaml_parser_set_input_file(&r.parser, file);
		good = read_document(&r);
		if (r.has_event)
			yaml_event_delete(&r.event);
		yaml_parser_delete(&r.parser);
	}
	fclose(file);
	return good;
}
