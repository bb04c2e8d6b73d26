#include "engine/base/csv.h"

#include "engine/base/source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct csv {
	struct source *source;
	uint64_t line;        /* of the next byte */
	uint64_t record_line;
	char *header[CSV_FIELDS_MAX];
	unsigned columns;
	char *field[CSV_FIELDS_MAX];
	unsigned fields;
	size_t used;
	int pushed_back; /* a byte read too far, or -1 */
	char header_bytes[CSV_RECORD_BYTES];
	char bytes[CSV_RECORD_BYTES];
};

static int next_byte(struct csv *csv)
{
	int byte = csv->pushed_back;
	csv->pushed_back = -1;
	if (byte < 0)
		byte = source_byte(csv->source);
	return byte;
}

/* Rest of a record that could not be read, up to its line's end. */
static void skip_line(struct csv *csv)
{
	int byte;
	while ((byte = next_byte(csv)) >= 0 && byte != '\n')
		continue;
	csv->line++;
}

static bool keep(struct csv *csv, char *bytes, int byte)
{
	if (csv->used == CSV_RECORD_BYTES)
		return false;
	bytes[csv->used++] = (char)byte;
	return true;
}

/* One field into bytes; returns the byte that ended it: ',', '\n' or -1; -2: bad. */
static int read_field(struct csv *csv, char *bytes, const char **reason)
{
	int byte = next_byte(csv);
	bool quoted = byte == '"';
	if (quoted)
		byte = next_byte(csv);
	for (;; byte = next_byte(csv)) {
		if (quoted && byte == '"') {
			byte = next_byte(csv);
			if (byte != '"')
				quoted = false; /* the closing one */
		}
		if (byte < 0 && quoted) {
			*reason = "a quoted field has no closing quote";
			return -2;
		}
		if (byte == '\r' && !quoted) {
			int after = next_byte(csv);
			csv->pushed_back = after;
			if (after == '\n')
				continue;
		}
		if (byte < 0 || (!quoted && (byte == ',' || byte == '\n'))) {
			if (!keep(csv, bytes, '\0'))
				break;
			return byte < 0 ? -1 : byte;
		}
		if (byte == '\0') {
			*reason = "the record holds a zero byte";
			return -2;
		}
		csv->line += byte == '\n';
		if (!keep(csv, bytes, byte))
			break;
	}
	*reason = "the record is longer than 64 KiB";
	return -2;
}

static enum csv_result read_record(struct csv *csv, char *bytes, char **fields, unsigned *count, const char **reason)
{
	csv->used = 0;
	*count = 0;
	csv->record_line = csv->line;
	int first = next_byte(csv);
	if (first < 0)
		return CSV_END;
	csv->pushed_back = first;
	for (int end = ','; end == ',';) {
		if (*count == CSV_FIELDS_MAX) {
			*reason = "the record has more than 64 fields";
			skip_line(csv);
			return CSV_BAD;
		}
		fields[(*count)++] = bytes + csv->used;
		end = read_field(csv, bytes, reason);
		if (end == -2) {
			skip_line(csv);
			return CSV_BAD;
		}
		csv->line += end == '\n';
	}
	return CSV_RECORD;
}

struct csv *csv_open(const char *path)
{
	struct csv *csv = malloc(sizeof *csv);
	if (csv == NULL) {
		errno = ENOMEM;
		return NULL;
	}
	csv->source = source_open(path);
	if (csv->source == NULL) {
		free(csv);
		return NULL;
	}
	csv->line = 1;
	csv->pushed_back = -1;
	csv->fields = 0;
	const char *reason;
	if (read_record(csv, csv->header_bytes, csv->header, &csv->columns, &reason) != CSV_RECORD)
		csv->columns = 0;
	/* A byte order mark is no part of the first name. */
	if (csv->columns > 0 && strncmp(csv->header[0], "\xef\xbb\xbf", 3) == 0)
		csv->header[0] += 3;
	return csv;
}

void csv_free(struct csv *csv)
{
	if (csv != NULL)
		source_close(&csv->source);
	free(csv);
}

int csv_column(const struct csv *csv, const char *names)
{
	while (*names != '\0') {
		size_t bytes = strcspn(names, "|");
		for (unsigned i = 0; i < csv->columns; i++)
			if (strlen(csv->header[i]) == bytes && memcmp(csv->header[i], names, bytes) == 0)
				return (int)i;
		names += bytes + (names[bytes] == '|');
	}
	return -1;
}

unsigned csv_columns(const struct csv *csv) { return csv->columns; }

const char *csv_column_name(const struct csv *csv, unsigned column) { return csv->header[column]; }

enum csv_result csv_next(struct csv *csv, const char **reason)
{
	enum csv_result result;
	do
		result = read_record(csv, csv->bytes, csv->field, &csv->fields, reason);
	while (result == CSV_RECORD && csv->fields == 1 && csv->field[0][0] == '\0' && csv->columns > 1); /* blank line */
	if (result == CSV_END) {
		*reason = source_error(csv->source);
		return *reason == NULL ? CSV_END : CSV_BAD;
	}
	if (result == CSV_RECORD && csv->fields != csv->columns) {
		*reason = csv->fields < csv->columns ? "the record has fewer fields than the header"
		                                     : "the record has more fields than the header";
		return CSV_BAD;
	}
	return result;
}

const char *csv_field(const struct csv *csv, int column)
{
	return column < 0 || (unsigned)column >= csv->fields ? "" : csv->field[column];
}

uint64_t csv_line(const struct csv *csv) { return csv->record_line; }

double csv_fraction(const struct csv *csv) { return source_fraction(csv->source); }
