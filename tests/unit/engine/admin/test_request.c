/*
 * Requests out of bytes: what is taken, what is refused and how, whole and in pieces of every size. The oracle for
 * pieces is the same request in one.
 */
#include "engine/admin/request.h"
#include "engine/admin/route.h"
#include "engine/base/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct taken {
	enum request_progress end;
	int code;
	char path[256], query[256], host[256], body[1024];
	size_t body_bytes, used;
	bool keeps_alive, has_body, expects;
};

static char buffer[REQUEST_HEAD_BYTES_MAX + 513];

/* As a connection does: pieces of so many bytes, the body dropped from the buffer as it comes. */
static struct taken take(const char *text, size_t count, size_t piece)
{
	static char body[sizeof ((struct taken *)NULL)->body];
	struct taken t = {};
	struct request r;
	size_t held = 0, sent = 0;
	request_begin(&r, buffer);
	for (;;) {
		enum request_progress now = request_feed(&r, held);
		t.used = sent - held + r.used;
		if (now == REQUEST_HEAD) {
			snprintf(t.path, sizeof t.path, "%s", r.path);
			snprintf(t.query, sizeof t.query, "%s", r.query);
			const char *host = request_header(&r, REQUEST_HEADER_host);
			snprintf(t.host, sizeof t.host, "%s", host != NULL ? host : "(none)");
			t.has_body = request_has_body(&r);
			t.expects = request_expects_continue(&r);
			request_take_body(&r, body, sizeof body);
			continue;
		}
		if (now == REQUEST_COMPLETE || now == REQUEST_BROKEN || sent == count) {
			t.end = now;
			t.code = r.code;
			t.keeps_alive = r.keeps_alive;
			t.body_bytes = r.body_bytes;
			if (now == REQUEST_COMPLETE)
				memcpy(t.body, body, r.body_bytes);
			return t;
		}
		if (r.is_head_done)
			held = request_drop_body(&r);
		size_t n = count - sent < piece ? count - sent : piece;
		n = n < sizeof buffer - 1 - held ? n : sizeof buffer - 1 - held;
		memcpy(buffer + held, text + sent, n);
		held += n;
		sent += n;
	}
}

static struct taken take_text(const char *text) { return take(text, strlen(text), 65536); }

static void test_a_plain_get(void **state)
{
	(void)state;
	static const char text[] = "GET /latency?p=99&x=%20 HTTP/1.1\r\nHost: trove:9090 \r\nAccept: */*\r\n\r\n";
	struct taken t = take_text(text);
	assert_int_equal(t.end, REQUEST_COMPLETE);
	assert_string_equal(t.path, "/latency");
	assert_string_equal(t.query, "p=99&x=%20");
	assert_string_equal(t.host, "trove:9090");
	assert_int_equal(t.used, sizeof text - 1);
	assert_true(t.keeps_alive);
	assert_false(t.has_body);
}

static void test_versions_and_connection(void **state)
{
	(void)state;
	assert_false(take_text("GET / HTTP/1.0\r\n\r\n").keeps_alive);
	assert_true(take_text("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").keeps_alive);
	assert_false(take_text("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").keeps_alive);
	assert_int_equal(take_text("GET / HTTP/1.0\r\n\r\n").end, REQUEST_COMPLETE);
	struct taken t = take_text("GET http://a.b:1/p?q HTTP/1.1\r\nHost: a.b\r\n\r\n");
	assert_string_equal(t.path, "/p");
	assert_string_equal(t.query, "q");
	assert_string_equal(take_text("GET http://a.b HTTP/1.1\r\nHost: a.b\r\n\r\n").path, "/");
	t = take_text("GET http://a.b?q HTTP/1.1\r\nHost: a.b\r\n\r\n");
	assert_string_equal(t.path, "/");
	assert_string_equal(t.query, "q");
	/* Another protocol is offered: this one is spoken on, once. */
	t = take_text("GET /livez HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n");
	assert_int_equal(t.end, REQUEST_COMPLETE);
	assert_false(t.keeps_alive);
}

static void test_bodies(void **state)
{
	(void)state;
	struct taken t = take_text("PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello");
	assert_int_equal(t.end, REQUEST_COMPLETE);
	assert_string_equal(t.body, "hello");
	assert_true(t.has_body && t.expects);
	t = take_text("PUT /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
	              "3;a=b\r\nhel\r\n2\r\nlo\r\n0\r\nHost: y\r\n\r\n");
	assert_int_equal(t.end, REQUEST_COMPLETE);
	assert_string_equal(t.body, "hello");
	assert_string_equal(t.host, "x"); /* a trailer changes nothing */
	assert_int_equal(take_text("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").end, REQUEST_COMPLETE);
	assert_int_equal(take_text("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nab").end, REQUEST_MORE);
}

static void test_refused(void **state)
{
	(void)state;
	static const struct {
		int code;
		const char *text;
	} cases[] = {
		{400, "GET / HTTP/1.1\r\n\r\n"},
		{400, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"},
		{400, "GET / HTTP/1.1\r\nHost: a\r\nAuthorization: x\r\nAuthorization: y\r\n\r\n"},
		{400, "GET / HTTP/1.1\nHost: a\n\n"},
		{400, "GET / HTTP/1.1\r\nHost : a\r\n\r\n"},
		{400, "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n"},
		{400, "GET / HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n"},
		{400, "GET nonsense HTTP/1.1\r\nHost: a\r\n\r\n"},
		{400, "CONNECT ?a:1 HTTP/1.1\r\nHost: a\r\n\r\n"},
		{400, "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n"},
		{400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na"},
		{400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"},
		{400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\na"},
		{400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\na"},
		{400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\na"},
		{400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n"},
		{400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nabc\r\n0\r\n\r\n"},
		{400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nabc\r\n0\r\n\r\n"},
		{400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\nabc"},
		{413, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\n\r\na"},
		{417, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: cake\r\n\r\na"},
		{505, "GET / HTTP/2.0\r\nHost: a\r\n\r\n"},
		{505, "GET /\r\n\r\n"},
		{505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
		{400, "\x16\x03\x01\x02\x01\x01garbage"},
		{400, "SP\r\n"},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct taken t = take_text(cases[i].text);
		if (t.end != REQUEST_BROKEN || t.code != cases[i].code)
			fail_msg("%s: end %d, code %d, expected %d", cases[i].text, t.end, t.code, cases[i].code);
	}
}

/* A head of that many bytes with one long header. */
static void long_head(char *text, size_t bytes)
{
	static const char start[] = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
	memset(text, 'y', bytes);
	memcpy(text, start, sizeof start - 1);
	memcpy(text + bytes - 4, "\r\n\r\n", 4);
}

static void test_sizes(void **state)
{
	(void)state;
	static char text[3 * REQUEST_BODY_BYTES_MAX];
	long_head(text, REQUEST_HEAD_BYTES_MAX);
	assert_int_equal(take(text, REQUEST_HEAD_BYTES_MAX, 65536).end, REQUEST_COMPLETE);
	long_head(text, REQUEST_HEAD_BYTES_MAX + 1);
	assert_int_equal(take(text, REQUEST_HEAD_BYTES_MAX + 1, 65536).code, 431);
	assert_int_equal(take(text, REQUEST_HEAD_BYTES_MAX + 1, 1).code, 431);
	memset(text, 'a', sizeof text);
	memcpy(text, "GET /", 5);
	assert_int_equal(take(text, sizeof text, 1000).code, 414);

	for (int headers = REQUEST_HEADERS_MAX; headers <= REQUEST_HEADERS_MAX + 1; headers++) {
		size_t n = (size_t)snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: a\r\n");
		for (int i = 1; i < headers; i++)
			n += (size_t)snprintf(text + n, sizeof text - n, "a: b\r\n");
		n += (size_t)snprintf(text + n, sizeof text - n, "\r\n");
		assert_int_equal(take(text, n, 65536).code, headers <= REQUEST_HEADERS_MAX ? 0 : 431);
	}

	/* More than the room that the caller gave; and, with chunks, more than anybody may send. */
	size_t n = (size_t)snprintf(text, sizeof text, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1025\r\n\r\n");
	assert_int_equal(take(text, n + 1025, 65536).code, 413);
	n = (size_t)snprintf(text, sizeof text, "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;");
	memset(text + n, 'x', sizeof text - n);
	assert_int_equal(take(text, sizeof text, 65536).code, 413);
}

static void test_every_piece(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"GET /a?b=c HTTP/1.1\r\nHost: trove\r\nAccept: */*\r\n\r\nGET /next HTTP/1.1\r\n",
		"PUT /log/level HTTP/1.1\r\nHost: trove\r\nContent-Length: 5\r\n\r\ndebugGET",
		"PUT /log/level HTTP/1.1\r\nHost: trove\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ndeb\r\n2\r\nug\r\n0\r\nA: b\r\n\r\nX",
		"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
	};
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		size_t count = strlen(texts[i]);
		struct taken whole = take(texts[i], count, count);
		for (size_t piece = 1; piece < count; piece++) {
			struct taken t = take(texts[i], count, piece);
			assert_int_equal(t.end, whole.end);
			assert_int_equal(t.code, whole.code);
			assert_string_equal(t.path, whole.path);
			assert_string_equal(t.query, whole.query);
			assert_string_equal(t.host, whole.host);
			assert_string_equal(t.body, whole.body);
			if (t.end == REQUEST_COMPLETE)
				assert_int_equal(t.used, whole.used);
		}
	}
}

static void test_query(void **state)
{
	(void)state;
	struct admin_request r = {.query = "p=99.9&name=a%20b+c&empty=&pp=1&bad=%zz&nul=%00&end=%4"};
	char value[16];
	assert_int_equal(admin_query(&r, "p", value, sizeof value), STATUS_ok);
	assert_string_equal(value, "99.9");
	assert_int_equal(admin_query(&r, "name", value, sizeof value), STATUS_ok);
	assert_string_equal(value, "a b c");
	assert_int_equal(admin_query(&r, "empty", value, sizeof value), STATUS_ok);
	assert_string_equal(value, "");
	assert_int_equal(admin_query(&r, "pp", value, sizeof value), STATUS_ok);
	assert_int_equal(admin_query(&r, "nam", value, sizeof value), STATUS_not_found);
	assert_int_equal(admin_query(&r, "bad", value, sizeof value), STATUS_invalid_field);
	assert_int_equal(admin_query(&r, "nul", value, sizeof value), STATUS_invalid_field);
	assert_int_equal(admin_query(&r, "end", value, sizeof value), STATUS_invalid_field);
	assert_int_equal(admin_query(&r, "name", value, 5), STATUS_invalid_field);
	assert_string_equal(value, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_plain_get), cmocka_unit_test(test_versions_and_connection),
		cmocka_unit_test(test_bodies),      cmocka_unit_test(test_refused),
		cmocka_unit_test(test_sizes),       cmocka_unit_test(test_every_piece),
		cmocka_unit_test(test_query),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
