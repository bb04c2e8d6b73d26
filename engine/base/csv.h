/*
 * csv: reads a CSV file (RFC 4180 quoting, UTF-8, header line first), plain or
 * gzipped, record by record.
 *
 * Memory: the reader owns one record's bytes; fields point into them and hold until
 * the next call. A record is limited to CSV_RECORD_BYTES. One thread at a time.
 */
#ifndef ENGINE_BASE_CSV_H
#define ENGINE_BASE_CSV_H

#include "engine/base/attribute.h"
#include "engine/base/status.h"

#include <stddef.h>
#include <stdint.h>

enum { CSV_RECORD_BYTES = 64 << 10, CSV_FIELDS_MAX = 64 };

struct csv;

enum csv_result { CSV_RECORD, CSV_END, CSV_BAD };

/* For csv_close. */
void csv_free(struct csv *csv);
/* "-" is standard input. NULL: errno says why the file cannot be opened. The header
 * line is read at once; a file without one has no columns. The reader is the caller's
 * until csv_close. */
[[OWNED_BY(csv_free), NEEDS(1)]] struct csv *csv_open(const char *path);
static inline void csv_close(struct csv **csv)
{
	csv_free(*csv);
	*csv = NULL;
}

/* Position of the first of the given names (separated by '|') among the columns, or -1. */
[[NEEDS(1, 2)]] int csv_column(const struct csv *csv, const char *names);
/* Columns of the header. */
[[NEEDS(1)]] unsigned csv_columns(const struct csv *csv);
/* Holds until csv_close. */
[[NEEDS(1), NEVER_NULL]] const char *csv_column_name(const struct csv *csv, unsigned column);

/* CSV_BAD: *reason, which holds until csv_close, says what is wrong with the record; reading may go on. */
[[nodiscard, NEEDS(1, 2)]] enum csv_result csv_next(struct csv *csv, const char **reason);

/* A field of the current record, zero-terminated; "" for a column of -1. */
[[NEEDS(1), NEVER_NULL]] const char *csv_field(const struct csv *csv, int column);
/* Line on which the current record began; the header is line 1. */
uint64_t csv_line(const struct csv *csv);
/* How much of the file was read, 0 to 1; below 0 where nobody knows (a pipe). */
double csv_fraction(const struct csv *csv);

#endif
