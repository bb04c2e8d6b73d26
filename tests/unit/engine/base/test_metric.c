/* Tables of metrics: what is counted, in both formats, and which of them a header asks for. */
#include "engine/base/metric.h"

#include "engine/base/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { METRIC_SERIES_colour = 3 };

#define PAINT_METRICS(M) \
	M(counter, paint, pots, "trove_pots_total", colour, "Pots; empty ones: buy some.") \
	M(gauge, paint, level, "trove_level_bytes", none, "Level; low: fill up.") \
	M(histogram, paint, drying, "trove_drying_seconds", colour, "Drying; long: open a window.")

struct paint_metrics {
	PAINT_METRICS(METRIC_CELL)
};

/* A number without a name has no series. */
static const char *colour_value(unsigned index) { return index == 0 ? NULL : index == 1 ? "red" : "blue"; }
static const struct metric_label metric_label_colour = {"colour", METRIC_SERIES_colour, colour_value};
static const struct metric_table paint_table = METRIC_TABLE(PAINT_METRICS(METRIC_ROW));

static const char *write_paint(const struct paint_metrics *paint, enum metric_format format)
{
	static char text[1 << 14];
	struct cursor out;
	cursor_init(&out, text, sizeof text - 1);
	struct metric_page page = {&out, format};
	metric_write_cells(&page, &paint_table, paint);
	metric_write_end(&page);
	assert_false(out.full);
	text[cursor_used(&out)] = '\0';
	return text;
}

static void assert_holds(const char *text, const char *line)
{
	if (strstr(text, line) == NULL)
		fail_msg("no '%s' in:\n%s", line, text);
}

static void cells_of_all_threads_are_added(void **state)
{
	(void)state;
	struct paint_metrics threads[3] = {}, sum = {};
	for (unsigned i = 0; i < COUNT_OF(threads); i++) {
		metric_add(&threads[i].pots[2], i + 1);
		metric_add(threads[i].level, 10);
		metric_add(&threads[i].drying[1].bucket[10 * i], 1);
		metric_collect(&sum, &threads[i], sizeof sum);
	}
	assert_int_equal(metric_read(&sum.pots[2]), 6);
	assert_int_equal(metric_read(&sum.pots[1]), 0);
	assert_int_equal(metric_read(sum.level), 30);
	const char *text = write_paint(&sum, METRIC_TEXT);
	assert_holds(text, "trove_pots_total{colour=\"red\"} 0\ntrove_pots_total{colour=\"blue\"} 6\n");
	assert_holds(text, "\ntrove_level_bytes 30\n");
	assert_holds(text, "trove_drying_seconds_bucket{colour=\"red\",le=\"1.024e-06\"} 1\n");
	assert_holds(text, "trove_drying_seconds_bucket{colour=\"red\",le=\"0.001048576\"} 2\n");
	assert_holds(text, "trove_drying_seconds_bucket{colour=\"red\",le=\"0.536870912\"} 2\n");
	assert_holds(text, "trove_drying_seconds_bucket{colour=\"red\",le=\"+Inf\"} 3\n");
	assert_holds(text, "trove_drying_seconds_count{colour=\"red\"} 3\n");
	assert_null(strstr(text, "colour=\"\""));
}

static void each_format_has_its_own_head(void **state)
{
	(void)state;
	const struct paint_metrics none = {};
	const char *text = write_paint(&none, METRIC_TEXT);
	assert_holds(text, "# HELP trove_pots_total Pots; empty ones: buy some.\n# TYPE trove_pots_total counter\n");
	assert_null(strstr(text, "# UNIT"));
	assert_null(strstr(text, "# EOF"));
	text = write_paint(&none, METRIC_OPEN);
	assert_holds(text, "# HELP trove_pots Pots; empty ones: buy some.\n# TYPE trove_pots counter\ntrove_pots_total{");
	assert_holds(text, "# TYPE trove_level_bytes gauge\n# UNIT trove_level_bytes bytes\ntrove_level_bytes 0\n");
	assert_holds(text, "# TYPE trove_drying_seconds histogram\n# UNIT trove_drying_seconds seconds\n");
	assert_string_equal(text + strlen(text) - strlen("\n# EOF\n"), "\n# EOF\n");
}

static void the_format_is_what_the_header_prefers(void **state)
{
	(void)state;
	static const struct {
		const char *accept;
		enum metric_format format;
	} cases[] = {
		{NULL, METRIC_TEXT},
		{"", METRIC_TEXT},
		{"*/*", METRIC_TEXT},
		{"text/html,application/xhtml+xml,*/*;q=0.8", METRIC_TEXT},
		{"application/openmetrics-text", METRIC_OPEN},
		{"Application/OpenMetrics-Text; Version=1.0.0; charset=utf-8", METRIC_OPEN},
		/* Prometheus 2.53, and one that was told to prefer the old format. */
		{"application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,"
		 "text/plain;version=0.0.4;q=0.3,*/*;q=0.2", METRIC_OPEN},
		{"application/openmetrics-text;version=1.0.0;q=0.3,text/plain;version=0.0.4;q=0.5", METRIC_TEXT},
		{"application/openmetrics-text;version=0.0.1", METRIC_TEXT},
		{"application/openmetrics-text;q=0", METRIC_TEXT},
		{"application/openmetrics-text;q=", METRIC_TEXT},
		{"application/openmetrics-textual", METRIC_TEXT},
		{",,;;,;q", METRIC_TEXT},
		{" ; ; , application/openmetrics-text ;q=1", METRIC_OPEN},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		if (metric_format_for(cases[i].accept) != cases[i].format)
			fail_msg("%s", cases[i].accept);
}

/* Full is said, and nothing is written behind the end. */
static void a_short_page_is_full(void **state)
{
	(void)state;
	const struct paint_metrics none = {};
	for (size_t room = 0; room < 600; room += 7) {
		char *text = malloc(room + 1);
		struct cursor out;
		assert_non_null(text);
		cursor_init(&out, text, room);
		struct metric_page page = {&out, METRIC_OPEN};
		metric_write_cells(&page, &paint_table, &none);
		assert_true(out.full);
		free(text);
	}
}

static void numbers_keep_all_their_digits(void **state)
{
	(void)state;
	static const struct {
		double number;
		const char *text;
	} cases[] = {{0, " 0\n"}, {-1, " -1\n"}, {0.5, " 0.5\n"}, {1e14 + 1, " 100000000000001\n"}, {1e15, " 1000000000000000\n"},
	             {1e300, " 1.0000000000000001e+300\n"}, {1 / 0.0, " inf\n"}};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		char text[64] = "";
		struct cursor out;
		cursor_init(&out, text, sizeof text - 1);
		metric_write_number(&(struct metric_page){&out, METRIC_TEXT}, cases[i].number);
		assert_string_equal(text, cases[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cells_of_all_threads_are_added),
		cmocka_unit_test(each_format_has_its_own_head),
		cmocka_unit_test(the_format_is_what_the_header_prefers),
		cmocka_unit_test(a_short_page_is_full),
		cmocka_unit_test(numbers_keep_all_their_digits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
