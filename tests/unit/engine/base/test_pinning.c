/* number_set and thread: lists of processors, and a thread that keeps to them. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "engine/base/number_set.h"
#include "engine/base/thread.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void lists_are_read_and_written(void **state)
{
	(void)state;
	static const struct {
		const char *text, *same;
		unsigned count;
	} good[] = {
		{"", "", 0},           {"\n", "", 0},          {"0", "0", 1},
		{"0-1\n", "0-1", 2},   {"\t2,4-7", "2,4-7", 5}, {"7,6,5,2,4,2", "2,4-7", 5},
		{"63-64", "63-64", 2}, {"1023", "1023", 1},    {"0-1023", "0-1023", 1024},
	};
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		struct number_set set;
		char text[64];
		assert_int_equal(number_set_parse(good[i].text, &set), STATUS_ok);
		assert_int_equal(number_set_count(&set), good[i].count);
		number_set_print(&set, text, sizeof text);
		assert_string_equal(text, good[i].same);
	}
}

static void other_text_is_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {"x",    ",",     "1,",     "1,,2", "-1",          "1-", "3-2", "1024",
	                                  "1 2",  "0-1024", "1-2-3", "+1",   "99999999999", "1;", "0x1"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct number_set set;
		assert_int_equal(number_set_parse(bad[i], &set), STATUS_invalid_field);
		assert_int_equal(number_set_count(&set), 0);
	}
}

static void a_set_knows_its_members(void **state)
{
	(void)state;
	struct number_set set = {}, other = {};
	number_set_add(&set, 5);
	number_set_add(&set, 64);
	number_set_add(&set, NUMBER_SET_LIMIT);
	assert_int_equal(number_set_count(&set), 2);
	assert_false(number_set_has(&set, NUMBER_SET_LIMIT));
	assert_int_equal(number_set_next(&set, 0), 5);
	assert_int_equal(number_set_next(&set, 6), 64);
	assert_int_equal(number_set_next(&set, 65), NUMBER_SET_LIMIT);
	assert_int_equal(number_set_next(&set, NUMBER_SET_LIMIT + 1), NUMBER_SET_LIMIT);
	number_set_add(&other, 64);
	number_set_intersect(&set, &other);
	assert_memory_equal(&set, &other, sizeof set);
}

static void a_short_text_is_cut(void **state)
{
	(void)state;
	struct number_set set;
	char text[4] = "???";
	assert_int_equal(number_set_parse("10,20,30", &set), STATUS_ok);
	number_set_print(&set, text, sizeof text);
	assert_string_equal(text, "10,");
	number_set_print(&set, text, 0);
}

/* What a thread of its own found: a pinned thread cannot go back. */
struct found {
	status allowed, pinned, elsewhere;
	struct number_set before, after;
	bool is_there;
	char name[16];
};

static void *pin(void *argument)
{
	struct found *f = argument;
	f->allowed = thread_allowed(&f->before);
	unsigned last = 0;
	for (unsigned i = 0; (i = number_set_next(&f->before, i)) < NUMBER_SET_LIMIT; i++)
		last = i;
	f->pinned = thread_pin(last);
	f->is_there = sched_getcpu() == (int)last;
	if (thread_allowed(&f->after) == STATUS_ok)
		f->elsewhere = thread_pin(last + 1);
	thread_name("trove-a-name-that-is-too-long");
	pthread_getname_np(pthread_self(), f->name, sizeof f->name);
	return NULL;
}

static void a_thread_is_pinned_to_what_is_allowed(void **state)
{
	(void)state;
	struct found f = {};
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, pin, &f), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(f.allowed, STATUS_ok);
	assert_true(number_set_count(&f.before) >= 1);
	assert_int_equal(f.pinned, STATUS_ok);
	assert_true(f.is_there);
	assert_int_equal(number_set_count(&f.after), 1);
	assert_int_equal(f.elsewhere, STATUS_invalid_field);
	assert_string_equal(f.name, "trove-a-name-th");
}

static void what_is_not_allowed_is_refused(void **state)
{
	(void)state;
	struct number_set before, after;
	assert_int_equal(thread_allowed(&before), STATUS_ok);
	assert_int_equal(thread_pin(NUMBER_SET_LIMIT), STATUS_invalid_field);
	assert_int_equal(thread_pin(UINT32_MAX), STATUS_invalid_field);
	if (!number_set_has(&before, NUMBER_SET_LIMIT - 1))
		assert_int_equal(thread_pin(NUMBER_SET_LIMIT - 1), STATUS_invalid_field);
	assert_int_equal(thread_allowed(&after), STATUS_ok);
	assert_memory_equal(&before, &after, sizeof before);
}

struct slices {
	bool is_taken;
	struct sched_attr before, after;
};

static void *slice(void *argument)
{
	struct slices *f = argument;
	sched_getattr(0, &f->before, sizeof f->before, 0);
	f->is_taken = thread_ask_short_slices();
	sched_getattr(0, &f->after, sizeof f->after, 0);
	return NULL;
}

static void short_slices_change_nothing_else(void **state)
{
	(void)state;
	struct slices f = {.before.size = sizeof f.before, .after.size = sizeof f.after};
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, slice, &f), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(f.is_taken || f.before.sched_policy != SCHED_OTHER);
	assert_int_equal(f.after.sched_policy, f.before.sched_policy);
	assert_int_equal(f.after.sched_nice, f.before.sched_nice);
	/* Linux before 6.12 tells of no slices, and has no shorter ones. */
	if (f.is_taken && f.before.sched_runtime != 0)
		assert_int_equal(f.after.sched_runtime, THREAD_SHORT_SLICE_US * 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_are_read_and_written),
		cmocka_unit_test(other_text_is_refused),
		cmocka_unit_test(a_set_knows_its_members),
		cmocka_unit_test(a_short_text_is_cut),
		cmocka_unit_test(a_thread_is_pinned_to_what_is_allowed),
		cmocka_unit_test(what_is_not_allowed_is_refused),
		cmocka_unit_test(short_slices_change_nothing_else),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
