#include "engine/base/csv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

static char path[] = "/tmp/trove-csv.XXXXXX";

static struct csv *open_bytes(const void *bytes, size_t count)
{
	FILE *f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, count, f), count);
	fclose(f);
	return csv_open(path);
}

static struct csv *open_text(const char *text) { return open_bytes(text, strlen(text)); }

static void columns_are_found_by_any_of_their_names(void **state)
{
	(void)state;
	struct csv *csv = open_text("id,lon,lat\n1,2,3\n");
	assert_int_equal(csv_column(csv, "x|lon|longitude"), 1);
	assert_int_equal(csv_column(csv, "longitude|x"), -1);
	assert_int_equal(csv_column(csv, "lo"), -1);
	assert_int_equal(csv_columns(csv), 3);
	csv_close(&csv);
	assert_null(csv);
}

static void quotes_line_ends_and_marks(void **state)
{
	(void)state;
	const char *reason;
	struct csv *csv = open_text("\xef\xbb\xbf" "a,b\r\n\"x, \"\"y\"\"\nz\",2\r\n\n,\n3,4");
	assert_int_equal(csv_column(csv, "a"), 0);
	assert_int_equal(csv_next(csv, &reason), CSV_RECORD);
	assert_string_equal(csv_field(csv, 0), "x, \"y\"\nz");
	assert_string_equal(csv_field(csv, 1), "2");
	assert_int_equal(csv_line(csv), 2);
	assert_int_equal(csv_next(csv, &reason), CSV_RECORD);
	assert_string_equal(csv_field(csv, 0), "");
	assert_int_equal(csv_line(csv), 5); /* after a field of two lines and a blank line */
	assert_int_equal(csv_next(csv, &reason), CSV_RECORD);
	assert_string_equal(csv_field(csv, 1), "4");
	assert_string_equal(csv_field(csv, -1), "");
	assert_int_equal(csv_next(csv, &reason), CSV_END);
	csv_close(&csv);
}

static void bad_records_say_why_and_reading_goes_on(void **state)
{
	(void)state;
	const char *reason = NULL;
	struct csv *csv = open_text("a,b\n1\n1,2,3\n4,5\n\"6,7\n");
	assert_int_equal(csv_next(csv, &reason), CSV_BAD);
	assert_non_null(strstr(reason, "fewer"));
	assert_int_equal(csv_next(csv, &reason), CSV_BAD);
	assert_non_null(strstr(reason, "more"));
	assert_int_equal(csv_line(csv), 3);
	assert_int_equal(csv_next(csv, &reason), CSV_RECORD);
	assert_int_equal(csv_next(csv, &reason), CSV_BAD);
	assert_non_null(strstr(reason, "closing quote"));
	assert_int_equal(csv_next(csv, &reason), CSV_END);
	csv_close(&csv);
}

static void long_records_and_zero_bytes_are_refused(void **state)
{
	(void)state;
	const char *reason;
	size_t count = 2 * CSV_RECORD_BYTES;
	char *bytes = malloc(count);
	memset(bytes, 'x', count);
	memcpy(bytes, "a\n", 2);
	memcpy(bytes + count - 3, "\n1\n", 3);
	struct csv *csv = open_bytes(bytes, count);
	assert_int_equal(csv_next(csv, &reason), CSV_BAD);
	assert_non_null(strstr(reason, "64 KiB"));
	assert_int_equal(csv_next(csv, &reason), CSV_RECORD);
	assert_string_equal(csv_field(csv, 0), "1");
	csv_close(&csv);

	memset(bytes, ',', count);
	memcpy(bytes, "a\n", 2);
	csv = open_bytes(bytes, count);
	assert_int_equal(csv_next(csv, &reason), CSV_BAD);
	assert_non_null(strstr(reason, "64 fields"));
	csv_close(&csv);

	csv = open_bytes("a\nx\0y\n2\n", 8);
	assert_int_equal(csv_next(csv, &reason), CSV_BAD);
	assert_non_null(strstr(reason, "zero byte"));
	assert_int_equal(csv_next(csv, &reason), CSV_RECORD);
	csv_close(&csv);
	free(bytes);
}

static void gzip_is_read_and_a_broken_one_is_told(void **state)
{
	(void)state;
	const char *reason = NULL;
	gzFile out = gzopen(path, "wb");
	assert_non_null(out);
	gzprintf(out, "a,b\n");
	for (int i = 0; i < 20000; i++)
		gzprintf(out, "%d,%d\n", i, i * 7919 % 10007);
	gzclose(out);
	struct csv *csv = csv_open(path);
	int records = 0;
	while (csv_next(csv, &reason) == CSV_RECORD)
		assert_int_equal(atol(csv_field(csv, 0)), records++);
	assert_int_equal(records, 20000);
	csv_close(&csv);

	assert_int_equal(truncate(path, 20000), 0);
	csv = csv_open(path);
	enum csv_result result;
	int bad = 0;
	while ((result = csv_next(csv, &reason)) != CSV_END)
		bad += result == CSV_BAD;
	assert_in_range(bad, 1, 2); /* the record that was cut, and the file */
	csv_close(&csv);
}

static void empty_and_missing_files(void **state)
{
	(void)state;
	const char *reason;
	struct csv *csv = open_text("");
	assert_int_equal(csv_columns(csv), 0);
	assert_int_equal(csv_next(csv, &reason), CSV_END);
	csv_close(&csv);
	assert_null(csv_open("/nonexistent/file.csv"));
}

static int make_file(void **state)
{
	(void)state;
	int fd = mkstemp(path);
	close(fd);
	return fd < 0;
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns_are_found_by_any_of_their_names),
		cmocka_unit_test(quotes_line_ends_and_marks),
		cmocka_unit_test(bad_records_say_why_and_reading_goes_on),
		cmocka_unit_test(long_records_and_zero_bytes_are_refused),
		cmocka_unit_test(gzip_is_read_and_a_broken_one_is_told),
		cmocka_unit_test(empty_and_missing_files),
	};
	return cmocka_run_group_tests(tests, make_file, remove_file);
}
