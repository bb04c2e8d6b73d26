#include "cmd/troved/rewards_file.h"

#include "engine/base/log.h"
#include "proto/reward_csv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BAD_ROWS_LOGGED = 20 };

/* Grows at the start only; text is kept apart because rows move when it grows. */
struct rows {
	struct reward *reward;
	size_t count, capacity;
	char *text;
	size_t text_used, text_capacity;
};

/* The bytes, or more of them in another place; NULL: no memory, and the old ones stay. */
static void *grown(void *bytes, size_t *capacity, size_t needed, size_t unit)
{
	if (needed <= *capacity)
		return bytes;
	size_t wanted = *capacity < 1024 ? 1024 : 2 * *capacity;
	while (wanted < needed)
		wanted *= 2;
	void *more = realloc(bytes, wanted * unit);
	if (more != NULL)
		*capacity = wanted;
	return more;
}

/* Room for another row. One byte of text more, so that there is a text even when all are empty. */
static bool make_room(struct rows *rows, size_t text_bytes)
{
	struct reward *reward = grown(rows->reward, &rows->capacity, rows->count + 1, sizeof *reward);
	if (reward == NULL)
		return false;
	rows->reward = reward;
	char *text = grown(rows->text, &rows->text_capacity, rows->text_used + text_bytes + 1, 1);
	if (text == NULL)
		return false;
	rows->text = text;
	return true;
}

/* Text is held as offsets until all rows are there. */
static bool add_row(struct rows *rows, const struct reward_csv *csv)
{
	const struct reward_put_record *r = &csv->record;
	size_t text_bytes = r->kind.bytes + r->name.bytes;
	if (!make_room(rows, text_bytes))
		return false;
	memcpy(rows->text + rows->text_used, csv->text + r->kind.offset, r->kind.bytes);
	memcpy(rows->text + rows->text_used + r->kind.bytes, csv->text + r->name.offset, r->name.bytes);
	rows->text_used += text_bytes;
	rows->reward[rows->count++] = (struct reward){
		.id = {r->reward.low, r->reward.high, (r->head.flags & EVENT_REWARD_IS_UUID) != 0},
		.x = r->x,
		.y = r->y,
		.radius = r->radius,
		.value = r->value,
		.stock = r->stock,
		.from_ms = r->from_ms,
		.until_ms = r->until_ms,
		.per_actor = r->per_actor,
		.kind_bytes = r->kind.bytes,
		.name_bytes = r->name.bytes,
	};
	return true;
}

static void point_at_text(struct rows *rows)
{
	const char *at = rows->text;
	for (size_t i = 0; i < rows->count; i++) {
		struct reward *r = &rows->reward[i];
		r->kind = at;
		r->name = at + r->kind_bytes;
		at += r->kind_bytes + r->name_bytes;
		if (r->kind_bytes == 0) {
			r->kind = "default";
			r->kind_bytes = sizeof "default" - 1;
		}
	}
}

static status read_rows(const struct service_options *options, struct reward_csv *csv, struct rows *rows,
                        struct rewards_loaded *loaded, struct option_problem *problem)
{
	for (;;) {
		struct problem row_problem;
		enum csv_result result = reward_csv_next(csv, &row_problem);
		if (result == CSV_END)
			return STATUS_ok;
		if (result == CSV_RECORD) {
			if (!add_row(rows, csv))
				return STATUS_pool_exhausted;
			continue;
		}
		loaded->bad_rows++;
		snprintf(problem->text, sizeof problem->text, "%.200s:%llu: %s%s%s", options->rewards_file,
		         (unsigned long long)csv_line(csv->csv), row_problem.field, row_problem.field[0] != '\0' ? ": " : "",
		         row_problem.message);
		if (options->rewards_strict)
			return STATUS_malformed;
		if (loaded->bad_rows <= BAD_ROWS_LOGGED)
			log_warning("rewards", "%s (left out)", problem->text);
		else if (loaded->bad_rows == BAD_ROWS_LOGGED + 1)
			log_warning("rewards", "%s: further bad rows are only counted", options->rewards_file);
	}
}

static status load_rows(const struct service_options *options, struct csv *csv, struct rows *rows, struct store *store,
                        struct rewards_loaded *loaded, struct option_problem *problem)
{
	struct reward_csv reader;
	const char *reason;
	if (!reward_csv_init(&reader, csv, options->space == 1, (double)options->rewards_radius, &reason)) {
		snprintf(problem->text, sizeof problem->text, "%.300s:1: %s", options->rewards_file, reason);
		return STATUS_malformed;
	}
	status s = read_rows(options, &reader, rows, loaded, problem);
	if (s == STATUS_malformed)
		return s;
	if (s == STATUS_ok) {
		point_at_text(rows);
		s = store_load(store, rows->reward, rows->count);
	}
	if (s != STATUS_ok)
		snprintf(problem->text, sizeof problem->text,
		         "%.300s: no room for its %zu rewards (rewards.capacity is %lld; at most %d kinds)", options->rewards_file,
		         rows->count, (long long)options->rewards_capacity, KINDS_MAX);
	loaded->rewards = rows->count;
	return s;
}

status rewards_file_load(const struct service_options *options, struct store *store, struct rewards_loaded *loaded,
                         struct option_problem *problem)
{
	*loaded = (struct rewards_loaded){};
	struct csv *csv = csv_open(options->rewards_file);
	if (csv == NULL) {
		snprintf(problem->text, sizeof problem->text, "rewards.file: %.300s: cannot be opened: %s", options->rewards_file,
		         strerror(errno));
		return STATUS_malformed;
	}
	struct rows rows = {};
	status s = load_rows(options, csv, &rows, store, loaded, problem);
	csv_close(&csv);
	free(rows.reward);
	free(rows.text);
	return s;
}
