#include "cmd/trovectl/track.h"

#include "proto/field.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

enum { LINE_BYTES_MAX = 16 << 20, ARENA_BYTES = 256 << 20 /* reserved, not used */, LINE_EVENTS_MAX = 65536 };

/* ---- opening -------------------------------------------------------------------------- */

static bool ends_with(const char *text, const char *end)
{
	size_t bytes = strlen(text), end_bytes = strlen(end);
	return bytes >= end_bytes && memcmp(text + bytes - end_bytes, end, end_bytes) == 0;
}

bool track_is_ndjson(const struct track_options *o)
{
	static const char *const ends[] = {".ndjson", ".ndjson.gz", ".jsonl", ".jsonl.gz"};
	if (o->format != NULL)
		return strcmp(o->format, "ndjson") == 0;
	for (size_t i = 0; i < COUNT_OF(ends); i++)
		if (ends_with(o->path, ends[i]))
			return true;
	return false;
}

static int cannot_open(const char *path)
{
	fprintf(stderr, "trovectl: %s: cannot be opened: %s\n", path, strerror(errno));
	return EX_NOINPUT;
}

static int open_csv(struct track *t)
{
	t->csv = t->options.csv != NULL ? t->options.csv : csv_open(t->options.path);
	if (t->csv == NULL)
		return cannot_open(t->options.path);
	t->x = csv_column(t->csv, "x|lon|longitude|lng");
	t->y = csv_column(t->csv, "y|lat|latitude");
	t->time = csv_column(t->csv, "unix_ms|at|time_ms");
	t->source = csv_column(t->csv, "source_id|source|actor");
	if (t->x >= 0 && t->y >= 0)
		return EX_OK;
	fprintf(stderr, "trovectl: %s:1: the header has no column %s\n", t->options.path,
	        t->x < 0 ? "x (or lon)" : "y (or lat)");
	return EX_DATAERR;
}

static int open_ndjson(struct track *t)
{
	t->lines = lines_open(t->options.path, LINE_BYTES_MAX);
	if (t->lines == NULL)
		return cannot_open(t->options.path);
	if (arena_init(&t->arena, ARENA_BYTES, NULL) == STATUS_ok)
		return EX_OK;
	fputs("trovectl: no memory to decode JSON\n", stderr);
	return EX_OSERR;
}

int track_open(struct track *t, const struct track_options *options)
{
	*t = (struct track){.options = *options};
	t->limits = (struct protocol_limits){.batch_max = LINE_EVENTS_MAX, .is_plane = options->is_plane};
	if (options->format != NULL && strcmp(options->format, "csv") != 0 && strcmp(options->format, "ndjson") != 0) {
		fprintf(stderr, "trovectl: --format: '%s' is not allowed; expected csv or ndjson\n", options->format);
		return EX_USAGE;
	}
	if (options->kinds != NULL && strlen(options->kinds) > BATCH_TEXT_BYTES) {
		fputs("trovectl: --kinds: the list is too long\n", stderr);
		return EX_USAGE;
	}
	int code = track_is_ndjson(options) ? open_ndjson(t) : open_csv(t);
	if (code != EX_OK)
		track_close(t);
	return code;
}

void track_close(struct track *t)
{
	if (t->lines != NULL && t->request_left != 0)
		request_close(&t->request);
	csv_close(&t->csv);
	lines_close(&t->lines);
	arena_deinit(&t->arena);
}

double track_fraction(const struct track *t) { return t->csv != NULL ? csv_fraction(t->csv) : lines_fraction(t->lines); }

/* ---- CSV ------------------------------------------------------------------------------ */

static bool read_number(const char *text, double *value)
{
	char *end;
	*value = strtod(text, &end);
	return end != text && *end == '\0';
}

static enum track_result refuse(struct problem *problem, const char *field, const char *text, const char *expected)
{
	*problem = (struct problem){.status = STATUS_invalid_field};
	snprintf(problem->field, sizeof problem->field, "%s", field);
	snprintf(problem->message, sizeof problem->message, "'%.60s' is not allowed; expected %s", text, expected);
	return TRACK_BAD;
}

static void fill_area(const struct track_options *o, struct batch_event *e)
{
	e->locate.limit = (uint32_t)o->limit;
	e->locate.area = o->radius < 0 ? LOCATE_OWN : LOCATE_RADIUS;
	e->locate.radius = o->radius < 0 ? 0 : o->radius;
	if (o->kinds == NULL)
		return;
	e->text_bytes = (uint32_t)strlen(o->kinds);
	memcpy(e->text, o->kinds, e->text_bytes);
	e->locate.kinds = (struct wire_text){.offset = 0, .bytes = e->text_bytes};
}

static enum track_result next_row(struct track *t, struct batch_event *e, struct problem *problem)
{
	const char *reason;
	double x, y;
	enum csv_result result = csv_next(t->csv, &reason);
	t->line = csv_line(t->csv);
	if (result == CSV_END)
		return TRACK_END;
	if (result == CSV_BAD) {
		*problem = (struct problem){.status = STATUS_malformed};
		snprintf(problem->message, sizeof problem->message, "%s", reason);
		return TRACK_BAD;
	}
	if (!read_number(csv_field(t->csv, t->x), &x))
		return refuse(problem, csv_column_name(t->csv, (unsigned)t->x), csv_field(t->csv, t->x), "a number");
	if (!read_number(csv_field(t->csv, t->y), &y))
		return refuse(problem, csv_column_name(t->csv, (unsigned)t->y), csv_field(t->csv, t->y), "a number");
	const char *time = csv_field(t->csv, t->time);
	char *end;
	e->time_ms = strtoll(time, &end, 10);
	if (*end != '\0' || e->time_ms < 0)
		return refuse(problem, csv_column_name(t->csv, (unsigned)t->time), time, "Unix milliseconds, or nothing");
	e->type = EVENT_locate;
	e->line = t->line;
	e->locate.x = x;
	e->locate.y = y;
	fill_area(&t->options, e);
	snprintf(e->source, sizeof e->source, "%s", csv_field(t->csv, t->source));
	if (t->options.keeps_time && time[0] != '\0') {
		e->head.at_ms = e->time_ms;
		e->head.flags |= EVENT_HAS_AT;
	}
	return field_check(EVENT_locate, &e->locate, e->text, e->text_bytes, &t->limits, problem) == STATUS_ok ? TRACK_EVENT
	                                                                                                       : TRACK_BAD;
}

/* ---- NDJSON --------------------------------------------------------------------------- */

/* Who it was: the actor of a locate, else the event's id. */
static void fill_source(struct batch_event *e)
{
	bool has_actor = e->type == EVENT_locate && (e->head.flags & EVENT_HAS_ACTOR) != 0;
	if (!has_actor && (e->head.flags & EVENT_HAS_ID) == 0)
		return;
	struct wire_id id = has_actor ? e->locate.actor : e->head.id;
	unsigned flag = has_actor ? EVENT_ACTOR_IS_UUID : EVENT_ID_IS_UUID;
	static_assert(sizeof e->source >= IDENTIFIER_TEXT_BYTES);
	identifier_format((struct identifier){id.low, id.high, (e->head.flags & flag) != 0}, e->source);
}

static enum track_result take_event(struct track *t, struct batch_event *e, struct problem *problem)
{
	struct event event;
	status s = request_next(&t->request, &event, problem);
	if (s == STATUS_ok) {
		e->type = event.type;
		e->line = t->line;
		memcpy(&e->head, event.head, event_record_bytes(event.type));
		e->text_bytes = batch_text_bytes(event.type, event.head);
		memcpy(e->text, event.text, e->text_bytes);
		e->time_ms = (e->head.flags & EVENT_HAS_AT) != 0 ? e->head.at_ms : 0;
		fill_source(e);
	}
	if (--t->request_left == 0)
		request_close(&t->request);
	return s == STATUS_ok ? TRACK_EVENT : TRACK_BAD;
}

static enum track_result next_event(struct track *t, struct batch_event *e, struct problem *problem)
{
	while (t->request_left == 0) {
		struct line line;
		const char *reason;
		enum lines_result result = lines_next(t->lines, &line, &reason);
		t->line = line.number;
		if (result == LINES_END)
			return TRACK_END;
		if (result == LINES_BAD) {
			*problem = (struct problem){.status = STATUS_malformed};
			snprintf(problem->message, sizeof problem->message, "%s", reason);
			return TRACK_BAD;
		}
		if (line.text[strspn(line.text, " \t")] == '\0')
			continue;
		if (request_open(&t->request, line.text, line.bytes, &t->limits, &t->arena, problem) != STATUS_ok)
			return TRACK_BAD;
		t->request_left = t->request.count;
	}
	return take_event(t, e, problem);
}

enum track_result track_next(struct track *t, struct batch_event *event, struct problem *problem)
{
	return t->csv != NULL ? next_row(t, event, problem) : next_event(t, event, problem);
}
