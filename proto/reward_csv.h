/*
 * reward_csv: rewards as rows of a CSV file, for rewards.file and `trovectl load`.
 * Each row becomes the same record as a reward.put event and passes the same checks.
 *
 * Columns by header name, in any order: id (or reward), x (or lon, longitude),
 * y (or lat, latitude) are required; radius, kind, value, stock, per_actor, from,
 * until, name may be there. An empty field means the default. Other columns are
 * left alone. One thread; the record and text belong to the reader's owner.
 */
#ifndef PROTO_REWARD_CSV_H
#define PROTO_REWARD_CSV_H

#include "engine/base/csv.h"
#include "proto/request.h"

struct reward_csv {
	struct csv *csv;
	struct protocol_limits limits;
	double default_radius;
	int column[12];
	/* The row that was read last. */
	struct reward_put_record record;
	char text[KIND_BYTES_MAX + NAME_BYTES_MAX];
};

/* false: *reason, static text, says what the header lacks. The csv stays the caller's and is borrowed
 * for as long as r is read. */
bool reward_csv_init(struct reward_csv *r, struct csv *csv, bool is_plane, double default_radius, const char **reason);

/* CSV_BAD: problem says which column and why; csv_line() says where. Reading may go on.
 * The record's `id` is not set: the event that carries it gets one from its sender. */
enum csv_result reward_csv_next(struct reward_csv *r, struct problem *problem);

#endif
