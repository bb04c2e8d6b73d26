/*
 * GET /stats: the series of Prometheus text as JSON, so that there is one list of what is counted. A family without
 * labels is a number, one with labels an object by their values. The text is our own: it is not checked.
 */
#include "cmd/troved/service.h"

#include <string.h>

struct stats {
	struct cursor *out;
	char family[128];  /* of the last line */
	bool is_open;      /* an object of labels */
	bool is_histogram;
	const char *comma; /* before the next family */
};

static void close_family(struct stats *s)
{
	if (s->is_open)
		cursor_literal(s->out, "}");
	s->is_open = false;
	s->family[0] = '\0';
}

/* The values of {a="x",b="y"} as "x,y"; they hold neither quotes nor backslashes. */
static void write_labels(struct stats *s, const char *at, const char *end)
{
	const char *comma = "";
	cursor_literal(s->out, "\"");
	for (const char *open; (open = memchr(at, '"', (size_t)(end - at))) != NULL; comma = ",") {
		const char *shut = memchr(open + 1, '"', (size_t)(end - open - 1));
		if (shut == NULL)
			break;
		cursor_format(s->out, "%s%.*s", comma, (int)(shut - open - 1), open + 1);
		at = shut + 1;
	}
	cursor_literal(s->out, "\":");
}

/* Neither infinities nor NaN are numbers of JSON. */
static void write_number(struct stats *s, const char *at, const char *end)
{
	if (strspn(at, "+-.0123456789eE") < (size_t)(end - at))
		cursor_literal(s->out, "null");
	else
		cursor_bytes(s->out, at, (size_t)(end - at));
}

static void write_series(struct stats *s, const char *line, const char *end)
{
	size_t name = strcspn(line, "{ ");
	bool has_labels = line[name] == '{';
	const char *brace = has_labels ? memchr(line, '}', (size_t)(end - line)) : NULL;
	const char *number = brace != NULL ? brace + 2 : line + name + 1;
	if (strlen(s->family) != name || memcmp(s->family, line, name) != 0) {
		close_family(s);
		snprintf(s->family, sizeof s->family, "%.*s", (int)name, line);
		cursor_format(s->out, "%s\n\"%s\":%s", s->comma, s->family, has_labels ? "{" : "");
		s->is_open = has_labels;
		s->comma = ",";
	} else {
		cursor_literal(s->out, ",");
	}
	if (brace != NULL)
		write_labels(s, line + name, brace);
	write_number(s, number, end);
}

void stats_write_metrics(const char *text, struct cursor *out)
{
	struct stats s = {.out = out, .comma = ""};
	cursor_literal(out, "{");
	for (const char *line = text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
		static const char type[] = "# TYPE ", histogram[] = " histogram";
		if (strncmp(line, type, sizeof type - 1) == 0)
			s.is_histogram = strncmp(end - (sizeof histogram - 1), histogram, sizeof histogram - 1) == 0;
		if (line[0] != '#' && !s.is_histogram)
			write_series(&s, line, end);
	}
	close_family(&s);
	cursor_literal(out, "\n}");
}
