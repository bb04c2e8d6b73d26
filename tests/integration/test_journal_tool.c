/* trovectl journal on the files of a journal: what it prints, what it answers. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "engine/journal/journal.h"

#include "proto/content.h"
#include "proto/effect.h"
#include "tests/support/journal_files.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>

#include <cmocka.h>

struct bench {
	char folder[FILES_PATH_BYTES];
	struct journal *journal;
	char out[64 << 10];
};

static void append(struct bench *b, uint16_t type, const void *body, size_t bytes)
{
	struct journal_place at;
	struct journal_entry entry = {.type = type, .body = body, .body_bytes = (uint32_t)bytes, .time_ms = 1700000000000};
	assert_int_equal(journal_append(b->journal, &entry, &at), STATUS_ok);
}

static void open_journal(struct bench *b)
{
	struct journal_options options = small_options(b->folder);
	struct journal_report report;
	assert_int_equal(journal_open(&b->journal, &options, 0, NULL, NULL, &report), STATUS_ok);
}

/* As a handler makes them: the event that asked stands behind. */
static void append_put(struct bench *b)
{
	struct reward_put_record record = {.head = {.id = {.low = 1}, .flags = EVENT_HAS_ID}, .reward = {.low = 1139},
	                                   .x = 1.5, .y = -2, .stock = 7, .until_ms = 9, .per_actor = 1};
	struct event event = {.type = EVENT_reward_put, .reward_put = &record};
	struct {
		struct effect_reward_put put;
		uint8_t request[sizeof record];
	} e = {.put = {.reward = {.low = 1139}, .x = 1.5, .y = -2, .stock = 7, .until_ms = 9, .per_actor = 1, .kind_bytes = 6,
	               .name_bytes = 5}};
	e.put.head = (struct effect_head){.bytes = sizeof e, .type = EFFECT_reward_put, .event_type = EVENT_reward_put,
	                                  .request_bytes = sizeof record, .flags = EVENT_HAS_ID, .id = {.low = 1}};
	memcpy(e.put.kind, "coffee", 6);
	memcpy(e.put.name, "Abbey", 5);
	content_pack(&event, e.request);
	append(b, EFFECT_reward_put, &e, sizeof e);
}

static void append_removal(struct bench *b)
{
	struct reward_key_record record = {.head = {.id = {.low = 2}, .flags = EVENT_HAS_ID}, .reward = {.low = 42}};
	struct event event = {.type = EVENT_reward_remove, .reward_key = &record};
	struct {
		struct effect_reward_remove removal;
		uint8_t request[sizeof record];
	} e = {.removal = {.reward = {.low = 42}}};
	e.removal.head = (struct effect_head){.bytes = sizeof e, .type = EFFECT_reward_remove, .event_type = EVENT_reward_remove,
	                                      .request_bytes = sizeof record, .flags = EVENT_HAS_ID, .id = {.low = 2}};
	content_pack(&event, e.request);
	append(b, EFFECT_reward_remove, &e, sizeof e);
}

static int make_bench(void **state)
{
	struct bench *b = calloc(1, sizeof *b);
	*state = b;
	make_folder(b->folder);
	open_journal(b);
	append_put(b);
	append_removal(b);
	append(b, 999, "\x01\xff\x10", 3);
	/* A known type of another size: shown as bytes, not misread. */
	append(b, EFFECT_reward_put, "short", 5);
	journal_commit(b->journal);
	assert_true(journal_wait(b->journal, 4, 10000));
	return 0;
}

static int remove_bench(void **state)
{
	struct bench *b = *state;
	journal_close(&b->journal);
	remove_folder(b->folder);
	free(b);
	return 0;
}

/* Runs trovectl journal ...; what it says on both streams goes to out. */
static int run(struct bench *b, const char *verb, const char *options)
{
	char command[2 * FILES_PATH_BYTES];
	const char *build = getenv("TROVE_BUILD");
	snprintf(command, sizeof command, "%s/bin/trovectl journal %s %s %s 2>&1", build == NULL ? "build/release" : build, verb,
	         b->folder, options);
	FILE *stream = popen(command, "r");
	assert_non_null(stream);
	size_t count = fread(b->out, 1, sizeof b->out - 1, stream);
	b->out[count] = '\0';
	int code = pclose(stream);
	return WIFEXITED(code) ? WEXITSTATUS(code) : -1;
}

static void a_dump_knows_the_effects(void **state)
{
	struct bench *b = *state;
	journal_close(&b->journal);
	assert_int_equal(run(b, "dump", ""), EX_OK);
	json_t *rows[4];
	size_t count = 0;
	for (char *line = b->out, *end; count < 4 && (end = strchr(line, '\n')) != NULL; line = end + 1) {
		*end = '\0';
		if ((rows[count++] = json_loads(line, 0, NULL)) == NULL)
			fail_msg("not JSON: %s", line);
	}
	assert_int_equal(count, 4);
	assert_string_equal(json_string_value(json_object_get(rows[0], "type")), "reward_put");
	assert_string_equal(json_string_value(json_object_get(rows[0], "reward")), "1139");
	assert_string_equal(json_string_value(json_object_get(rows[0], "kind")), "coffee");
	assert_true(json_real_value(json_object_get(rows[0], "x")) == 1.5);
	assert_string_equal(json_string_value(json_object_get(rows[1], "type")), "reward_remove");
	assert_string_equal(json_string_value(json_object_get(rows[1], "reward")), "42");
	assert_int_equal(json_integer_value(json_object_get(rows[2], "type")), 999);
	assert_string_equal(json_string_value(json_object_get(rows[2], "body")), "01ff10");
	assert_int_equal(json_integer_value(json_object_get(rows[2], "sequence")), 3);
	assert_string_equal(json_string_value(json_object_get(rows[3], "body")), "73686f7274");
	for (size_t i = 0; i < count; i++)
		json_decref(rows[i]);
	assert_int_equal(run(b, "dump", "--after 1 --limit 1"), EX_OK);
	assert_non_null(strstr(b->out, "\"sequence\":2,"));
	assert_null(strstr(b->out, "\"sequence\":3,"));
}

static void stat_counts_by_type(void **state)
{
	struct bench *b = *state;
	journal_close(&b->journal);
	assert_int_equal(run(b, "stat", "--json"), EX_OK);
	json_t *row = json_loads(b->out, 0, NULL);
	const json_t *types = json_object_get(row, "types");
	assert_int_equal(json_integer_value(json_object_get(row, "records")), 4);
	assert_int_equal(json_integer_value(json_object_get(row, "proven_durable")), 4);
	assert_string_equal(json_string_value(json_object_get(row, "verdict")), "whole");
	assert_int_equal(json_integer_value(json_object_get(types, "reward_put")), 2);
	assert_int_equal(json_integer_value(json_object_get(types, "reward_remove")), 1);
	assert_int_equal(json_integer_value(json_object_get(types, "unknown")), 1);
	json_decref(row);
	assert_int_equal(run(b, "stat", ""), EX_OK);
	assert_non_null(strstr(b->out, "reward_put"));
}

static void verify_says_what_is_wrong(void **state)
{
	struct bench *b = *state;
	char path[FILES_PATH_BYTES];
	size_t bytes;
	/* Beside the one that writes it. */
	assert_int_equal(run(b, "verify", ""), EX_OK);
	assert_non_null(strstr(b->out, "whole"));
	assert_non_null(strstr(b->out, "1 to 4"));
	journal_close(&b->journal);
	assert_int_equal(run(b, "verify", ""), EX_OK);
	assert_non_null(strstr(b->out, "whole"));
	file_path(b->folder, 1, path);
	uint8_t *content = load_file(path, &bytes);
	content[4096 + 100] ^= 1;
	store_file(path, content, bytes);
	assert_int_equal(run(b, "verify", ""), EX_DATAERR);
	assert_non_null(strstr(b->out, "0000000000000001.journal, offset 4096: record 1 is lost"));
	assert_int_equal(run(b, "verify", "--json"), EX_DATAERR);
	assert_non_null(strstr(b->out, "\"verdict\":\"damaged\""));
	assert_int_equal(run(b, "dump", ""), EX_DATAERR);
	content[4096 + 100] ^= 1;
	store_file(path, content, bytes);
	free(content);
}

/* dump and stat beside a writer say what they say without it, and damage is damage. */
static void beside_a_writer(void **state)
{
	struct bench *b = *state;
	char path[FILES_PATH_BYTES], beside[sizeof b->out];
	static const char *const verbs[] = {"dump", "stat"};
	for (size_t i = 0; i < COUNT_OF(verbs); i++) {
		assert_int_equal(run(b, verbs[i], "--after 1"), EX_OK);
		memcpy(beside, b->out, sizeof beside);
		journal_close(&b->journal);
		assert_int_equal(run(b, verbs[i], "--after 1"), EX_OK);
		if (i == 0)
			assert_string_equal(b->out, beside);
		else
			assert_non_null(strstr(beside, "reward_remove"));
		open_journal(b);
	}
	file_path(b->folder, 1, path);
	size_t bytes;
	uint8_t *content = load_file(path, &bytes);
	content[4096 + 100] ^= 1;
	store_file(path, content, bytes);
	free(content);
	assert_int_equal(run(b, "verify", ""), EX_DATAERR);
	assert_non_null(strstr(b->out, "offset 4096"));
}

#define tool_test(f) cmocka_unit_test_setup_teardown(f, make_bench, remove_bench)

int main(void)
{
	const struct CMUnitTest tests[] = {
		tool_test(a_dump_knows_the_effects),
		tool_test(stat_counts_by_type),
		tool_test(verify_says_what_is_wrong),
		tool_test(beside_a_writer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
