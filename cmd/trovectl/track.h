/*
 * track: recorded events from a file, plain or gzipped, one after another.
 *
 *   CSV     one position a row: x,y (or lon,lat, longitude,latitude), and where they
 *           are known unix_ms and source_id (or source, actor); becomes a locate event
 *   NDJSON  one event, or an array of them, a line; taken as they are
 *
 * Every event passes the same checks as in the service. Memory: made by track_open.
 * One thread.
 */
#ifndef CMD_TROVECTL_TRACK_H
#define CMD_TROVECTL_TRACK_H

#include "cmd/trovectl/batch.h"
#include "engine/base/csv.h"
#include "engine/base/lines.h"
#include "proto/request.h"

struct track_options {
	const char *path;
	struct csv *csv;     /* CSV: opened already, taken over by track_open; or NULL */
	const char *format;  /* "csv", "ndjson", or NULL: by the file's name */
	double radius;       /* CSV: below 0, each reward's own decides */
	int64_t limit;       /* CSV: 0, the service's default */
	const char *kinds;   /* CSV: names separated by commas, or NULL */
	bool is_plane;
	bool keeps_time;     /* CSV: `at` is the recorded time */
};

struct track {
	struct track_options options;
	struct csv *csv;
	struct lines *lines;
	int x, y, time, source; /* columns */
	struct protocol_limits limits;
	struct arena arena;
	struct request request;
	uint32_t request_left;
	uint64_t line;
};

enum track_result { TRACK_EVENT, TRACK_END, TRACK_BAD };

/* By the format, or the file's name. */
bool track_is_ndjson(const struct track_options *options);

/* A sysexits code; a message is on stderr when it is not 0. */
int track_open(struct track *t, const struct track_options *options);
void track_close(struct track *t);

/* TRACK_BAD: the problem says why; track->line says where. Reading may go on. */
enum track_result track_next(struct track *t, struct batch_event *event, struct problem *problem);
double track_fraction(const struct track *t);

#endif
