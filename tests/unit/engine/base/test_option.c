#include "engine/base/option.h"

#include "engine/base/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SAMPLE_OPTIONS(O) \
	O(integer, sample, count, "sample.count", "10", 1, 100, "", live, "How many.") \
	O(integer, sample, size, "sample.size", "1KiB", 1, 1 << 20, "bytes", startup, "How large.") \
	O(integer, sample, wait, "sample.wait_ms", "500", 0, 100000, "ms", startup, "How long.") \
	O(boolean, sample, on, "sample.on", "false", 0, 0, "", startup, "Whether.") \
	O(text, sample, path, "sample.path", "/tmp", 0, 0, "", startup, "Where.") \
	O(list, sample, urls, "sample.urls", "[a,b]", 0, 0, "", startup, "Which.") \
	O(integer, sample, delay, "service.delay", "0", 0, 9, "", live, "When.") \
	O(choice, sample, space, "space", "geo", 0, 0, "geo|plane|plan", startup, "What.")

struct sample_options {
	SAMPLE_OPTIONS(OPTION_MEMBER)
};

static const struct option rows[] = {SAMPLE_OPTIONS(OPTION_ROW)};

struct fixture {
	struct sample_options values;
	struct option_set set;
	struct option_problem problem;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	option_add(&f->set, rows, COUNT_OF(rows), &f->values);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static void defaults_fill_the_struct(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(f->values.count, 10);
	assert_int_equal(f->values.size, 1024);
	assert_false(f->values.on);
	assert_string_equal(f->values.path, "/tmp");
	assert_int_equal(f->values.urls.count, 2);
	assert_string_equal(f->values.urls.item[1], "b");
	assert_int_equal(f->values.space, 0);
}

static bool set(struct fixture *f, const char *key, const char *text)
{
	return option_set_text(&f->set, key, text, OPTION_FROM_file, &f->problem);
}

static void values_are_read_with_their_units(void **state)
{
	struct fixture *f = *state;
	assert_true(set(f, "sample.size", "64KiB"));
	assert_int_equal(f->values.size, 65536);
	assert_true(set(f, "sample.wait_ms", "5s"));
	assert_int_equal(f->values.wait, 5000);
	assert_true(set(f, "space", "plan"));
	assert_int_equal(f->values.space, 2);
	assert_true(set(f, "sample.urls", "[ x , y,z ]"));
	assert_int_equal(f->values.urls.count, 3);
	assert_string_equal(f->values.urls.item[0], "x");
	assert_true(set(f, "sample.urls", "[]"));
	assert_int_equal(f->values.urls.count, 0);
	assert_true(set(f, "sample.urls", "tcp://127.0.0.1:1"));
	assert_string_equal(f->values.urls.item[0], "tcp://127.0.0.1:1");
}

/* Each: what is set, and a text that the message must hold. */
static void bad_values_are_named_and_change_nothing(void **state)
{
	struct fixture *f = *state;
	static const char *const cases[][3] = {
		{"sample.count", "0", "from 1 to 100"},
		{"sample.count", "101", "from 1 to 100"},
		{"sample.count", "ten", "'ten'"},
		{"sample.count", "", "expected an integer"},
		{"sample.count", "5KiB", "'5KiB'"},
		{"sample.count", "99999999999999999999", "from 1 to 100"},
		{"sample.size", "9999999999GiB", "bytes"},
		{"sample.size", "1 KiB", "bytes"},
		{"sample.on", "yes", "true or false"},
		{"space", "pla", "geo|plane|plan"},
		{"sample.urls", "[a,,b]", "item 2 is empty"},
		{"sample.urls", "[a", "closing bracket"},
		{"sample.urls", "[1,2,3,4,5,6,7,8,9]", "at most 8"},
		{"sample.cuont", "1", "did you mean sample.count?"},
		{"nothing.like_it_at_all", "1", "no such option"},
	};
	struct sample_options before = f->values;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		assert_false(set(f, cases[i][0], cases[i][1]));
		if (strstr(f->problem.text, cases[i][0]) == NULL || strstr(f->problem.text, cases[i][2]) == NULL)
			fail_msg("%s=%s: '%s' does not say '%s'", cases[i][0], cases[i][1], f->problem.text, cases[i][2]);
		assert_memory_equal(&before, &f->values, sizeof before);
	}
}

static void text_and_lists_have_a_bound(void **state)
{
	struct fixture *f = *state;
	char text[400];
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	assert_false(set(f, "sample.path", text));
	assert_false(set(f, "sample.urls", text));
	text[OPTION_TEXT_BYTES - 1] = '\0';
	assert_true(set(f, "sample.path", text));
}

static void environment_sets_and_typing_errors_are_found(void **state)
{
	struct fixture *f = *state;
	char *good[] = {(char[]){"TROVE_SAMPLE_COUNT=7"}, (char[]){"TROVE_SPACE=plane"}, (char[]){"TROVE_OTHER=1"},
	                (char[]){"PATH=/bin"}, (char[]){"TROVE_SAMPLE"}, NULL};
	assert_true(option_set_environment(&f->set, good, &f->problem));
	assert_int_equal(f->values.count, 7);
	assert_int_equal(f->values.space, 1);
	char *typo[] = {(char[]){"TROVE_SAMPLE_CUONT=7"}, NULL};
	assert_false(option_set_environment(&f->set, typo, &f->problem));
	assert_non_null(strstr(f->problem.text, "TROVE_SAMPLE_CUONT"));
	char *bad[] = {(char[]){"TROVE_SAMPLE_COUNT=many"}, NULL};
	assert_false(option_set_environment(&f->set, bad, &f->problem));
	assert_non_null(strstr(f->problem.text, "TROVE_SAMPLE_COUNT"));
}

static void addresses_from_kubernetes_are_no_options(void **state)
{
	struct fixture *f = *state;
	char *links[] = {(char[]){"TROVE_SERVICE_HOST=10.0.0.1"}, (char[]){"TROVE_SERVICE_PORT=4700"},
	                 (char[]){"TROVE_SERVICE_PORT_REPLY=4700"}, (char[]){"TROVE_PORT=tcp://10.0.0.1:4700"},
	                 (char[]){"TROVE_PORT_4700_TCP_ADDR=10.0.0.1"}, (char[]){"TROVE_SERVICE_DELAY=3"}, NULL};
	assert_true(option_set_environment(&f->set, links, &f->problem));
	assert_int_equal(f->values.delay, 3);
	/* Of a Service called trove-sample, whose name begins as a section of ours. */
	char *of_another[] = {(char[]){"TROVE_SAMPLE_PORT=tcp://10.0.0.1:4700"}, (char[]){"TROVE_SAMPLE_SERVICE_HOST=10.0.0.1"},
	                      (char[]){"TROVE_SAMPLE_SERVICE_PORT=4700"}, (char[]){"TROVE_SAMPLE_SERVICE_PORT_HTTP=4700"},
	                      (char[]){"TROVE_SAMPLE_PORT_4700_TCP=tcp://10.0.0.1:4700"},
	                      (char[]){"TROVE_SAMPLE_PORT_4700_TCP_PROTO=tcp"}, (char[]){"TROVE_SAMPLE_PORT_4700_TCP_PORT=4700"},
	                      (char[]){"TROVE_SAMPLE_PORT_4700_TCP_ADDR=10.0.0.1"},
	                      (char[]){"TROVE_SAMPLE_PORT_53_UDP_ADDR=10.0.0.1"}, (char[]){"TROVE_SAMPLE_B_SERVICE_HOST=::1"},
	                      (char[]){"TROVE_SAMPLE_COUNT=5"}, NULL};
	assert_true(option_set_environment(&f->set, of_another, &f->problem));
	assert_int_equal(f->values.count, 5);
	char *typos[] = {(char[]){"TROVE_SAMPLE_PORT=4700"}, (char[]){"TROVE_SAMPLE_PORTS=tcp://10.0.0.1:4700"},
	                 (char[]){"TROVE_SAMPLE_PORT_4700=1"}, (char[]){"TROVE_SAMPLE_PORT_TCP=1"},
	                 (char[]){"TROVE_SAMPLE_PORT_4700_TCP_NAME=1"}, (char[]){"TROVE_SAMPLE_XSERVICE_HOST=1"},
	                 (char[]){"TROVE_SERVICE_HOSTS=1"}, (char[]){"TROVE_SERVICE_PORTS=1"}, (char[]){"TROVE_SERVICE_POR=1"},
	                 (char[]){"TROVE_SERVICE_DELAI=1"}};
	for (size_t i = 0; i < COUNT_OF(typos); i++)
		assert_false(option_set_environment(&f->set, (char *[]){typos[i], NULL}, &f->problem));
}

static void assignments_and_sources(void **state)
{
	struct fixture *f = *state;
	enum option_source source;
	assert_true(option_set_assignment(&f->set, "sample.path=/a=b", OPTION_FROM_command_line, &f->problem));
	assert_string_equal(f->values.path, "/a=b");
	assert_non_null(option_find(&f->set, "sample.path", NULL, &source));
	assert_int_equal(source, OPTION_FROM_command_line);
	assert_false(option_set_assignment(&f->set, "sample.path", OPTION_FROM_command_line, &f->problem));
	assert_false(option_set_assignment(&f->set, "=1", OPTION_FROM_command_line, &f->problem));
}

static void what_is_printed_can_be_read_again(void **state)
{
	struct fixture *f = *state;
	char text[2048];
	void *value;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct option *row = option_find(&f->set, rows[i].key, &value, NULL);
		struct sample_options before = f->values;
		option_format(row, value, text, sizeof text);
		assert_true(set(f, rows[i].key, text));
		assert_memory_equal(&before, &f->values, sizeof before);
	}
}

static enum option_source source_of(const struct fixture *f, const char *key)
{
	enum option_source source;
	assert_non_null(option_find(&f->set, key, NULL, &source));
	return source;
}

static void live_options_are_taken_with_their_sources(void **state)
{
	struct fixture *f = *state, *newer;
	void *other = NULL;
	assert_int_equal(setup(&other), 0);
	newer = other;
	assert_true(option_set_text(&f->set, "sample.count", "7", OPTION_FROM_request, &f->problem));
	assert_true(option_set_text(&newer->set, "service.delay", "3", OPTION_FROM_environment, &f->problem));
	assert_true(set(newer, "sample.size", "2KiB"));
	option_take_live(&f->set, &newer->set);
	assert_int_equal(f->values.count, 10);
	assert_int_equal(source_of(f, "sample.count"), OPTION_FROM_default);
	assert_int_equal(f->values.delay, 3);
	assert_int_equal(source_of(f, "service.delay"), OPTION_FROM_environment);
	assert_int_equal(f->values.size, 1024); /* of the start */
	assert_int_equal(source_of(f, "sample.size"), OPTION_FROM_default);
	free(newer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(defaults_fill_the_struct, setup, teardown),
		cmocka_unit_test_setup_teardown(values_are_read_with_their_units, setup, teardown),
		cmocka_unit_test_setup_teardown(bad_values_are_named_and_change_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(text_and_lists_have_a_bound, setup, teardown),
		cmocka_unit_test_setup_teardown(environment_sets_and_typing_errors_are_found, setup, teardown),
		cmocka_unit_test_setup_teardown(addresses_from_kubernetes_are_no_options, setup, teardown),
		cmocka_unit_test_setup_teardown(assignments_and_sources, setup, teardown),
		cmocka_unit_test_setup_teardown(live_options_are_taken_with_their_sources, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_printed_can_be_read_again, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
