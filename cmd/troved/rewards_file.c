#include "cmd/troved/rewards_file.h"

#include "engine/base/log.h"
#include "engine/memory/arena.h"
#include "proto/reward_csv.h"

#include <errno.h>
#include <string.h>

enum { BAD_ROWS_LOGGED = 20 };

/* All rows, until the store has them. Reserved as large as the options allow, paid for as they come. */
struct rows {
	struct arena rewards; /* struct reward, one after the other */
	struct arena text;    /* kind and name of each, without gaps */
	struct reward *reward;
	size_t count;
};

static status rows_init(struct rows *rows, const struct store_options *store)
{
	*rows = (struct rows){};
	const struct arena_options packed = {.name = "rows of rewards.file", .is_packed = true};
	status s = arena_init(&rows->rewards, store->capacity * sizeof *rows->reward, &packed);
	if (s == STATUS_ok)
		s = arena_init(&rows->text, store->capacity * KIND_BYTES_MAX + store_name_bytes_max(store), &packed);
	rows->reward = (struct reward *)rows->rewards.bytes;
	return s;
}

static void rows_deinit(struct rows *rows)
{
	arena_deinit(&rows->rewards);
	arena_deinit(&rows->text);
}

static char *keep_text(struct rows *rows, const char *text, uint32_t bytes)
{
	char *kept = arena_take(&rows->text, bytes, 1);
	if (kept != NULL)
		memcpy(kept, text, bytes);
	return kept;
}

/* false: there are more rows, or longer names, than the store may hold. */
static bool add_row(struct rows *rows, const struct reward_csv *csv)
{
	const struct reward_put_record *r = &csv->record;
	struct reward *reward = arena_take(&rows->rewards, sizeof *reward, alignof(struct reward));
	char *kind = keep_text(rows, csv->text + r->kind.offset, r->kind.bytes);
	char *name = keep_text(rows, csv->text + r->name.offset, r->name.bytes);
	if (reward == NULL || kind == NULL || name == NULL)
		return false;
	rows->count++;
	*reward = (struct reward){
		.id = {r->reward.low, r->reward.high, (r->head.flags & EVENT_REWARD_IS_UUID) != 0},
		.x = r->x,
		.y = r->y,
		.radius = r->radius,
		.value = r->value,
		.stock = r->stock,
		.from_ms = r->from_ms,
		.until_ms = r->until_ms,
		.per_actor = r->per_actor,
		.kind = r->kind.bytes == 0 ? "default" : kind,
		.kind_bytes = r->kind.bytes == 0 ? sizeof "default" - 1 : r->kind.bytes,
		.name = name,
		.name_bytes = r->name.bytes,
	};
	return true;
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
	if (s == STATUS_ok)
		s = store_load(store, rows->reward, rows->count);
	if (s != STATUS_ok)
		snprintf(problem->text, sizeof problem->text,
		         "%.300s: no room for its rewards (rewards.capacity is %lld, rewards.name_bytes %lld; at most %d kinds)",
		         options->rewards_file, (long long)options->rewards_capacity, (long long)options->rewards_name_bytes,
		         KINDS_MAX);
	loaded->rewards = rows->count;
	return s;
}

status rewards_file_load(const struct configuration *configuration, struct store *store, struct rewards_loaded *loaded,
                         struct option_problem *problem)
{
	*loaded = (struct rewards_loaded){};
	const struct service_options *options = &configuration->service;
	struct store_options limits = configuration_store(configuration);
	struct csv *csv = csv_open(options->rewards_file);
	if (csv == NULL) {
		snprintf(problem->text, sizeof problem->text, "rewards.file: %.300s: cannot be opened: %s", options->rewards_file,
		         strerror(errno));
		return STATUS_malformed;
	}
	struct rows rows;
	status s = rows_init(&rows, &limits);
	if (s == STATUS_ok)
		s = load_rows(options, csv, &rows, store, loaded, problem);
	else
		snprintf(problem->text, sizeof problem->text, "rewards.file: no memory for the rows of %.300s", options->rewards_file);
	csv_close(&csv);
	rows_deinit(&rows);
	return s;
}
