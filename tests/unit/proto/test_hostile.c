/*
 * Messages made to hurt: each gets a clear error, soon. The time allowed is per
 * byte and generous, so that a slow machine passes and a quadratic path does not.
 */
#include "engine/base/clock.h"
#include "engine/base/sanitizer.h"
#include "tests/support/emulated.h"
#include "tests/support/valgrind.h"
#include "tests/support/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { MESSAGE_BYTES = 1 << 20, MS_MAX = 2000 };

static char message[MESSAGE_BYTES + 1];

/* The whole message answered in time, with this in the reply. */
static void expect(struct wire *w, size_t bytes, const char *told)
{
	int64_t start_ns = clock_monotonic_ns();
	wire_answer(w, message, bytes);
	int64_t took_ms = (clock_monotonic_ns() - start_ns) / 1000000;
	if (strstr(w->reply, told) == NULL)
		fail_msg("%.60s...: %.300s, expected %s", message, w->reply, told);
	if (took_ms > MS_MAX * (is_in_valgrind() || is_in_emulator() ? 20 : 1))
		fail_msg("%.60s... took %lld ms", message, (long long)took_ms);
}

/* prefix, then piece as often as there is room, then suffix. */
static size_t repeat(const char *prefix, const char *piece, const char *suffix, size_t times)
{
	size_t bytes = strlen(prefix), piece_bytes = strlen(piece), suffix_bytes = strlen(suffix);
	memcpy(message, prefix, bytes);
	for (size_t i = 0; i < times && bytes + piece_bytes + suffix_bytes <= MESSAGE_BYTES; i++) {
		memcpy(message + bytes, piece, piece_bytes);
		bytes += piece_bytes;
	}
	memcpy(message + bytes, suffix, suffix_bytes);
	message[bytes + suffix_bytes] = '\0';
	return bytes + suffix_bytes;
}

static void test_big(void **)
{
	static const struct {
		const char *prefix, *piece, *suffix;
		size_t times;
		const char *told;
	} cases[] = {
		{"", "[", "", 100000, "\"malformed\""},
		{"", "[", "", SIZE_MAX, "maximum parsing depth"},
		{"", "{\"a\":", "", 100000, "\"malformed\""},
		{"{\"type\":\"ping\",\"id\":", "[", "", 100000, "\"malformed\""},
		{"[", "[],", "[]]", SIZE_MAX, "\"too_large\""},
		{"[", "{},", "{}]", SIZE_MAX, "\"too_large\""},
		{"[", "{},", "{}]", 4096, "4097 events, the limit for a message is 4096"},
		{"[", "{},", "{}]", 4095, "\"missing_field\""},
		{"[", "1,", "1]", SIZE_MAX, "\"too_large\""},
		{"[", "1e999,", "1]", 4000, "must be an object"},
		{"[", "1e999,", "1]", SIZE_MAX, "\"too_large\""},
		{"{\"type\":\"locate\",\"y\":0,\"x\":", "9", "}", 400, "\"field\":\"x\""},
		{"{\"type\":\"locate\",\"y\":0,\"x\":-", "9", "}", SIZE_MAX, "\"field\":\"x\""},
		{"{\"type\":\"locate\",\"y\":0,\"x\":0.", "9", "}", SIZE_MAX, "\"located\""},
		{"{\"type\":\"locate\",\"y\":0,\"x\":0.", "0", "1}", SIZE_MAX, "\"located\""},
		{"{\"type\":\"locate\",\"y\":0,\"x\":1e", "9", "}", SIZE_MAX, "\"field\":\"x\""},
		{"{\"type\":\"locate\",\"y\":0,\"x\":1e-", "9", "}", SIZE_MAX, "\"located\""},
		{"{\"type\":\"ping\",\"id\":", "9", "}", 400, "\"field\":\"id\""},
		{"{\"type\":\"ping\",\"id\":\"", "9", "\"}", SIZE_MAX, "\"field\":\"id\""},
		{"{\"type\":\"", "\\\"", "\"}", SIZE_MAX, "\"unknown_type\""},
		{"{\"", "x", "\":1}", SIZE_MAX, "\"missing_field\""},
		{"{\"type\":\"ping\",\"", "\xe2\x82\xac", "\":1}", SIZE_MAX, "\"unknown_field\""},
		{"{\"type\":\"reward.put\",\"id\":1,\"reward\":1,\"x\":0,\"y\":0,\"radius\":1,\"name\":\"", "\\u20ac", "\"}",
	         SIZE_MAX, "\"field\":\"name\""},
		{"{\"type\":\"locate\",\"x\":0,\"y\":0,\"kinds\":[", "\"a\",", "\"a\"]}", SIZE_MAX, "\"field\":\"kinds\""},
		{"{\"type\":\"locate\",\"x\":0,\"y\":0,\"box\":[", "0,", "0]}", SIZE_MAX, "\"field\":\"box\""},
		{"", " ", "", SIZE_MAX, "\"malformed\""},
		{"", " ", "{\"type\":\"ping\"}", SIZE_MAX, "\"pong\""},
		{"{\"type\":\"ping\"}", "\n", "", SIZE_MAX, "\"pong\""},
		{"", "\\", "", SIZE_MAX, "\"malformed\""},
		{"{\"type\":\"", "x", "", SIZE_MAX, "\"malformed\""},
	};
	struct wire *w = wire_create(false);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		expect(w, repeat(cases[i].prefix, cases[i].piece, cases[i].suffix, cases[i].times), cases[i].told);
	wire_destroy(&w);
}

/* Many members in one object: the hash table must not be made slow. */
static void test_many_members(void **)
{
	struct wire *w = wire_create(false);
	size_t bytes = (size_t)snprintf(message, sizeof message, "{\"type\":\"ping\"");
	for (unsigned i = 0; bytes < MESSAGE_BYTES - 32; i++)
		bytes += (size_t)snprintf(message + bytes, 32, ",\"k%u\":%u", i, i);
	message[bytes++] = '}';
	expect(w, bytes, "\"unknown_field\"");
	wire_destroy(&w);
}

static void test_bytes(void **)
{
	static const struct {
		const char *bytes;
		size_t count;
		const char *told;
	} cases[] = {
#define CASE(text, told) {text, sizeof(text) - 1, told}
		CASE("", "empty"),
		CASE("\0", "\"malformed\""),
		CASE("{\"type\":\"ping\"}\0", "\"malformed\""),
		CASE("{\"type\"\0:\"ping\"}", "\"malformed\""),
		CASE("{\"ty\0pe\":\"ping\"}", "\"malformed\""),
		CASE("{\"type\":\"pi\\u0000ng\"}", "\"malformed\""),
		CASE("{\"type\\u0000\":\"ping\"}", "\"malformed\""),
		CASE("{\"type\":\"ping\"}{", "\"malformed\""),
		CASE("{\"type\":\"ping\"} x", "\"malformed\""),
		CASE("{\"type\":\"ping\",\"type\":\"ping\"}", "\"malformed\""),
		CASE("{\"type\":\"ping\",\"id\":1,\"id\":1}", "duplicate"),
		CASE("{\"type\":\"ping\",\"i\\u0064\":1,\"id\":1}", "duplicate"),
		CASE("{\"type\":\"\xc3\"}", "\"malformed\""),
		CASE("{\"type\":\"\xed\xa0\x80\"}", "\"malformed\""),
		CASE("{\"type\":\"\xc0\x80\"}", "\"malformed\""),
		CASE("{\"\xff\":1}", "\"malformed\""),
		CASE("\xef\xbb\xbf{\"type\":\"ping\"}", "\"malformed\""),
		CASE("{'type':'ping'}", "\"malformed\""),
		CASE("{\"type\":\"ping\",}", "\"malformed\""),
		CASE("[1,]", "\"malformed\""),
		CASE("{\"type\":\"locate\",\"x\":NaN,\"y\":0}", "\"malformed\""),
		CASE("{\"type\":\"locate\",\"x\":Infinity,\"y\":0}", "\"malformed\""),
		CASE("{\"type\":\"locate\",\"x\":-,\"y\":0}", "\"malformed\""),
		CASE("{\"type\":\"locate\",\"x\":01,\"y\":0}", "\"malformed\""),
		CASE("{\"type\":\"locate\",\"x\":0x1,\"y\":0}", "\"malformed\""),
		CASE("{\"type\":\"locate\",\"x\":1e999,\"y\":}", "\"malformed\""),
		CASE("TRV", "\"malformed\""),
		CASE("TRV2", "\"malformed\""),
#undef CASE
	};
	struct wire *w = wire_create(false);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		memcpy(message, cases[i].bytes, cases[i].count);
		message[cases[i].count] = '\0';
		expect(w, cases[i].count, cases[i].told);
	}
	wire_destroy(&w);
}

/* A valid message cut at every byte: one error, never a result. */
static void test_truncated(void **)
{
	struct wire *w = wire_create(false);
	struct random random = {5};
	for (unsigned i = 0; i < 30; i++) {
		struct wire_event e;
		static uint8_t room[1 << 16];
		wire_random_event(&random, false, &e);
		for (unsigned encoding = 0; encoding < 2; encoding++) {
			struct cursor out;
			cursor_init(&out, room, sizeof room);
			if (encoding == ENCODING_JSON)
				wire_event_json(&e, &out);
			else
				frame_build(&out, e.type, 1, e.record, 1, e.text, e.text_bytes);
			for (size_t bytes = 0; bytes < cursor_used(&out); bytes++) {
				/* Its own block: one byte read too far is seen. */
				uint8_t *cut = malloc(bytes != 0 ? bytes : 1);
				memcpy(cut, room, bytes);
				wire_answer(w, cut, bytes);
				free(cut);
				assert_int_equal(w->problem.status, STATUS_malformed);
				assert_true(w->problem.message[0] != '\0');
				assert_int_equal(w->request.encoding, bytes >= 4 ? encoding : ENCODING_JSON);
			}
		}
	}
	wire_destroy(&w);
}

/* Any byte of a valid frame changed to anything: an answer that can be read. */
static void test_changed_bytes(void **)
{
	struct wire *w = wire_create(false);
	struct random random = {6};
	static uint8_t room[1 << 16];
	for (unsigned i = 0; i < 40000; i++) {
		struct wire_event e;
		struct cursor out;
		struct frame_reader reader;
		struct frame_result r;
		wire_random_event(&random, false, &e);
		cursor_init(&out, room, sizeof room);
		frame_build(&out, e.type, 1, e.record, 1, e.text, e.text_bytes);
		room[4 + random_below(&random, cursor_used(&out) - 4)] = (uint8_t)random_next(&random);
		wire_answer(w, room, cursor_used(&out));
		frame_reader_open(&reader, w->reply, w->reply_bytes);
		while (frame_reader_has_next(&reader))
			assert_int_equal(frame_reader_next(&reader, &r), STATUS_ok);
	}
	wire_destroy(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_big),       cmocka_unit_test(test_many_members),  cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_truncated), cmocka_unit_test(test_changed_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
