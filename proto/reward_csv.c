#include "proto/reward_csv.h"

#include "engine/base/check.h"
#include "proto/field.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum column { ID, X_, Y_, RADIUS, KIND, VALUE, STOCK, PER_ACTOR, FROM, UNTIL, NAME, COLUMN_COUNT };

static const char *const column_names[COLUMN_COUNT] = {
	[ID] = "id|reward",
	[X_] = "x|lon|longitude",
	[Y_] = "y|lat|latitude",
	[RADIUS] = "radius",
	[KIND] = "kind",
	[VALUE] = "value",
	[STOCK] = "stock",
	[PER_ACTOR] = "per_actor",
	[FROM] = "from",
	[UNTIL] = "until",
	[NAME] = "name",
};
static_assert(COLUMN_COUNT <= COUNT_OF(((struct reward_csv *)0)->column));

bool reward_csv_init(struct reward_csv *r, struct csv *csv, bool is_plane, double default_radius, const char **reason)
{
	static const char *const missing[] = {
		"the header has no column id", "the header has no column x (or lon)", "the header has no column y (or lat)"};
	*r = (struct reward_csv){.csv = csv, .limits = {.batch_max = 1, .is_plane = is_plane}, .default_radius = default_radius};
	for (int i = 0; i < COLUMN_COUNT; i++)
		r->column[i] = csv_column(csv, column_names[i]);
	for (int i = ID; i <= Y_; i++)
		if (r->column[i] < 0) {
			*reason = missing[i];
			return false;
		}
	return true;
}

static bool refuse(struct problem *problem, int column, const char *text, const char *expected)
{
	problem->status = STATUS_invalid_field;
	snprintf(problem->field, sizeof problem->field, "%.*s", (int)strcspn(column_names[column], "|"), column_names[column]);
	snprintf(problem->message, sizeof problem->message, "'%.60s' is not allowed; expected %s", text, expected);
	return false;
}

static bool read_double(struct reward_csv *r, int column, double fallback, double *value, struct problem *problem)
{
	const char *text = csv_field(r->csv, r->column[column]);
	char *end;
	*value = fallback;
	if (text[0] == '\0' && !isnan(fallback))
		return true;
	*value = strtod(text, &end);
	return (end != text && *end == '\0') || refuse(problem, column, text, "a number");
}

static bool read_integer(struct reward_csv *r, int column, int64_t fallback, int64_t *value, struct problem *problem)
{
	const char *text = csv_field(r->csv, r->column[column]);
	char *end;
	*value = fallback;
	if (text[0] == '\0')
		return true;
	errno = 0;
	*value = strtoll(text, &end, 10);
	return (*end == '\0' && errno == 0) || refuse(problem, column, text, "an integer");
}

static void read_text(struct reward_csv *r, int column, size_t *used, struct wire_text *place, size_t bytes_max)
{
	const char *text = csv_field(r->csv, r->column[column]);
	size_t bytes = strlen(text);
	/* Too long: cut one byte above the limit, so that the check refuses it and nothing overflows. */
	if (bytes > bytes_max)
		bytes = bytes_max + 1;
	if (bytes > sizeof r->text - *used)
		bytes = sizeof r->text - *used;
	memcpy(r->text + *used, text, bytes);
	*place = (struct wire_text){.offset = (uint32_t)*used, .bytes = (uint32_t)bytes};
	*used += bytes;
}

static bool read_row(struct reward_csv *r, struct problem *problem)
{
	struct reward_put_record record = {};
	const char *id_text = csv_field(r->csv, r->column[ID]);
	struct identifier id;
	double x, y, radius;
	int64_t value, stock, per_actor, from, until;
	if (!identifier_parse(id_text, strlen(id_text), &id))
		return refuse(problem, ID, id_text, "an unsigned decimal below 2^128 or a UUID");
	if (!read_double(r, X_, NAN, &x, problem) || !read_double(r, Y_, NAN, &y, problem) ||
	    !read_double(r, RADIUS, r->default_radius, &radius, problem) || !read_integer(r, VALUE, 0, &value, problem) ||
	    !read_integer(r, STOCK, STOCK_UNLIMITED, &stock, problem) ||
	    !read_integer(r, PER_ACTOR, 1, &per_actor, problem) || !read_integer(r, FROM, 0, &from, problem) ||
	    !read_integer(r, UNTIL, INT64_MAX, &until, problem))
		return false;
	if (per_actor < 1 || per_actor > UINT32_MAX)
		return refuse(problem, PER_ACTOR, csv_field(r->csv, r->column[PER_ACTOR]), "an integer from 1 to 4294967295");
	if (stock < 0 && csv_field(r->csv, r->column[STOCK])[0] != '\0')
		return refuse(problem, STOCK, csv_field(r->csv, r->column[STOCK]), "an integer of at least 0, or nothing");

	size_t used = 0;
	struct wire_text kind, name;
	read_text(r, KIND, &used, &kind, KIND_BYTES_MAX);
	read_text(r, NAME, &used, &name, NAME_BYTES_MAX);
	record.head.flags = EVENT_HAS_ID | (id.is_uuid ? EVENT_REWARD_IS_UUID : 0u);
	record.reward = (struct wire_id){id.low, id.high};
	record.x = x;
	record.y = y;
	record.radius = radius;
	record.value = value;
	record.stock = stock;
	record.from_ms = from;
	record.until_ms = until;
	record.per_actor = (uint32_t)per_actor;
	record.kind = kind;
	record.name = name;
	r->record = record;
	return field_check(EVENT_reward_put, &r->record, r->text, used, &r->limits, problem) == STATUS_ok;
}

enum csv_result reward_csv_next(struct reward_csv *r, struct problem *problem)
{
	const char *reason;
	*problem = (struct problem){};
	enum csv_result result = csv_next(r->csv, &reason);
	if (result == CSV_BAD) {
		problem->status = STATUS_malformed;
		snprintf(problem->message, sizeof problem->message, "%s", reason);
	}
	if (result == CSV_RECORD && !read_row(r, problem))
		return CSV_BAD;
	return result;
}
