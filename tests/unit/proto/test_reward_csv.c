#include "engine/base/check.h"
#include "proto/reward_csv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char path[] = "/tmp/trove-rewards.XXXXXX";

static struct csv *open_text(const char *text)
{
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	struct csv *csv = csv_open(path);
	assert_non_null(csv);
	return csv;
}

static void rows_become_records(void **state)
{
	(void)state;
	struct reward_csv r;
	struct problem problem;
	const char *reason;
	struct csv *csv = open_text("name,lat,lon,id,population,stock,kind,until,per_actor\n"
	                            "Café,37.5,-122.25,340282366920938463463374607431768211455,9,5,food,2000,3\n"
	                            ",0,0.00000,00000000-0000-0000-0000-00000000000A,,,,,\n");
	assert_true(reward_csv_init(&r, csv, false, 75, &reason));
	assert_int_equal(reward_csv_next(&r, &problem), CSV_RECORD);
	assert_true((double)r.record.x == -122.25 && (double)r.record.y == 37.5 && (double)r.record.radius == 75);
	assert_int_equal(r.record.reward.low, UINT64_MAX);
	assert_int_equal(r.record.reward.high, UINT64_MAX);
	assert_int_equal(r.record.stock, 5);
	assert_int_equal(r.record.until_ms, 2000);
	assert_int_equal(r.record.per_actor, 3);
	assert_int_equal(r.record.name.bytes, 5);
	assert_memory_equal(r.text + r.record.name.offset, "Café", 5);
	assert_memory_equal(r.text + r.record.kind.offset, "food", 4);
	assert_int_equal(reward_csv_next(&r, &problem), CSV_RECORD);
	assert_int_equal(r.record.reward.low, 10);
	assert_true((r.record.head.flags & EVENT_REWARD_IS_UUID) != 0);
	assert_int_equal(r.record.stock, STOCK_UNLIMITED);
	assert_int_equal(r.record.kind.bytes, 0);
	assert_int_equal(r.record.per_actor, 1);
	assert_int_equal(reward_csv_next(&r, &problem), CSV_END);
	csv_close(&csv);
}

/* Each: a row, the field to blame, a part of the message. */
static void bad_rows_name_their_column(void **state)
{
	(void)state;
	static const char *const cases[][3] = {
		{"x,0,0,1,,,,,a", "id", "'x'"},
		{"-1,0,0,1,,,,,a", "id", "unsigned"},
		{"1,ten,0,1,,,,,a", "x", "a number"},
		{"1,,0,1,,,,,a", "x", "a number"},
		{"1,181,0,1,,,,,a", "x", "180"},
		{"1,0,90.5,1,,,,,a", "y", "90"},
		{"1,nan,0,1,,,,,a", "x", ""},
		{"1,0,inf,1,,,,,a", "y", ""},
		{"1,0,0,-1,,,,,a", "radius", ""},
		{"1,0,0,1,UPPER,,,,a", "kind", ""},
		{"1,0,0,1,abcdefghijklmnopqrstuvwxyzabcdefg,,,,a", "kind", ""},
		{"1,0,0,1,,1.5,,,a", "value", "an integer"},
		{"1,0,0,1,,99999999999999999999,,,a", "value", "an integer"},
		{"1,0,0,1,,,-1,,a", "stock", "at least 0"},
		{"1,0,0,1,,,,0,a", "per_actor", "from 1"},
		{"1,0,0,1,,,,,\x07", "name", ""},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct reward_csv r;
		struct problem problem;
		const char *reason;
		char text[256];
		snprintf(text, sizeof text, "id,x,y,radius,kind,value,stock,per_actor,name\n%s\n1,0,0,1,,,,,fine\n", cases[i][0]);
		struct csv *csv = open_text(text);
		assert_true(reward_csv_init(&r, csv, false, 100, &reason));
		if (reward_csv_next(&r, &problem) != CSV_BAD)
			fail_msg("'%s' was taken", cases[i][0]);
		assert_string_equal(problem.field, cases[i][1]);
		assert_non_null(strstr(problem.message, cases[i][2]));
		assert_int_equal(csv_line(csv), 2);
		assert_int_equal(reward_csv_next(&r, &problem), CSV_RECORD);
		csv_close(&csv);
	}
}

static void a_name_that_is_too_long_is_refused_not_cut(void **state)
{
	(void)state;
	struct reward_csv r;
	struct problem problem;
	const char *reason;
	char text[1024], name[400];
	for (size_t bytes = NAME_BYTES_MAX; bytes < sizeof name; bytes += 90) {
		memset(name, 'n', bytes);
		name[bytes] = '\0';
		snprintf(text, sizeof text, "id,x,y,kind,name\n1,2,3,food,%s\n", name);
		struct csv *csv = open_text(text);
		assert_true(reward_csv_init(&r, csv, false, 100, &reason));
		assert_int_equal(reward_csv_next(&r, &problem), bytes == NAME_BYTES_MAX ? CSV_RECORD : CSV_BAD);
		if (bytes > NAME_BYTES_MAX)
			assert_string_equal(problem.field, "name");
		csv_close(&csv);
	}
}

static void a_header_without_what_is_needed(void **state)
{
	(void)state;
	static const char *const headers[][2] = {
		{"x,y\n", "id"}, {"id,lat\n", "x (or lon)"}, {"reward,longitude\n", "y (or lat)"}, {"", "id"}};
	for (size_t i = 0; i < COUNT_OF(headers); i++) {
		struct reward_csv r;
		const char *reason = NULL;
		struct csv *csv = open_text(headers[i][0]);
		assert_false(reward_csv_init(&r, csv, false, 100, &reason));
		assert_non_null(strstr(reason, headers[i][1]));
		csv_close(&csv);
	}
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
		cmocka_unit_test(rows_become_records),
		cmocka_unit_test(bad_rows_name_their_column),
		cmocka_unit_test(a_name_that_is_too_long_is_refused_not_cut),
		cmocka_unit_test(a_header_without_what_is_needed),
	};
	return cmocka_run_group_tests(tests, make_file, remove_file);
}
