/*
 * Any bytes as what a peer sends over HTTP. The first byte chooses the size of the pieces in which they come. The same
 * bytes in one piece must come to the same requests, and nothing is read or written beside the buffers.
 */
#include "engine/admin/request.h"
#include "engine/admin/route.h"
#include "engine/base/check.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROOM = REQUEST_HEAD_BYTES_MAX + 512, BODY = 1024, REQUESTS_MAX = 64 };

/* What came of the bytes, as far as an answer depends on it. */
struct outcome {
	unsigned requests;
	int code;
	uint64_t sum;
};

static void add(struct outcome *o, const char *text)
{
	for (; text != NULL && *text != '\0'; text++)
		o->sum = (o->sum ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	o->sum = o->sum * 31 + 7;
}

static void look(const struct request *r, struct outcome *o)
{
	char value[16];
	struct admin_request shown = {.query = r->query};
	CHECK(r->path != NULL && r->query != NULL && (r->path[0] == '/' || r->path[0] == '*'), "no path");
	CHECK(strlen(r->path) + strlen(r->query) < REQUEST_HEAD_BYTES_MAX, "longer than its head");
	add(o, request_method(r));
	add(o, r->path);
	add(o, r->query);
	for (int i = 0; i < REQUEST_HEADER_COUNT; i++)
		add(o, request_header(r, (enum request_header)i));
	(void)admin_query(&shown, "p", value, sizeof value);
}

static struct outcome take(const uint8_t *data, size_t size, size_t piece)
{
	struct outcome o = {};
	struct request r;
	size_t sent = 0, held = 0;
	/* Blocks of their own, so that the sanitizer sees one byte too much. */
	char *buffer = malloc(ROOM + 1), *body = malloc(BODY);
	CHECK(buffer != NULL && body != NULL, "no memory");
	request_begin(&r, buffer);
	while (o.requests < REQUESTS_MAX) {
		enum request_progress now = request_feed(&r, held);
		CHECK(r.used <= held && r.body_bytes <= REQUEST_BODY_BYTES_MAX, "%zu of %zu bytes used", r.used, held);
		if (now == REQUEST_HEAD) {
			look(&r, &o);
			if ((o.requests & 1) == 0)
				request_take_body(&r, body, BODY);
		} else if (now == REQUEST_COMPLETE) {
			o.requests++;
			o.sum = o.sum * 31 + r.body_bytes + r.keeps_alive;
			memmove(buffer, buffer + r.used, held - r.used);
			held -= r.used;
			request_begin(&r, buffer);
		} else if (now == REQUEST_BROKEN) {
			CHECK(r.code >= 400 && r.code < 600 && r.complaint != NULL, "code %d", r.code);
			o.code = r.code;
			break;
		} else {
			if (r.is_head_done)
				held = request_drop_body(&r);
			if (sent == size)
				break;
			CHECK(held < ROOM, "no room to go on");
			size_t n = size - sent < piece ? size - sent : piece;
			n = n < ROOM - held ? n : ROOM - held;
			memcpy(buffer + held, data + sent, n);
			held += n;
			sent += n;
		}
	}
	free(buffer);
	free(body);
	return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	struct outcome whole = take(data + 1, size - 1, SIZE_MAX);
	struct outcome pieces = take(data + 1, size - 1, 1 + data[0] % 64u);
	CHECK(whole.requests == pieces.requests && whole.code == pieces.code && whole.sum == pieces.sum,
	      "in pieces %u requests and code %d, at once %u and %d", pieces.requests, pieces.code, whole.requests, whole.code);
	return 0;
}
