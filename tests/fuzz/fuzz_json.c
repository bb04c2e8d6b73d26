/*
 * Any bytes as a JSON request. The first byte chooses the space. The answer must be
 * JSON itself, one result per event. What was decoded must survive a round trip:
 * written as JSON again, and as a frame, it must come to the same record.
 */
#include "tests/support/wire.h"

#include "engine/base/check.h"
#include "proto/content.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect_same(struct wire *w, const struct cursor *out, const struct wire_event *e)
{
	CHECK(!out->full, "no room");
	CHECK(request_open(&w->request, out->start, cursor_used(out), &w->limits, &w->arena, &w->problem) == STATUS_ok,
	      "%s", w->problem.message);
	CHECK(request_next(&w->request, &w->event, &w->problem) == STATUS_ok, "%s: %s", w->problem.field, w->problem.message);
	CHECK(wire_event_equal(e->type, e->record, e->text, w->event.head, w->event.text), "changed on the way");
	struct event before = wire_event_view(e);
	CHECK(content_difference(&before, &w->event) == NULL, "the same event differs in %s", content_difference(&before, &w->event));
	CHECK(content_hash(&before, 1) == content_hash(&w->event, 1), "the same event has another hash");
	request_close(&w->request);
}

static void check_packed(const struct event *event)
{
	static uint8_t packed[EVENT_RECORD_BYTES_MAX + EVENT_TEXT_BYTES_MAX];
	struct event again;
	size_t bytes = content_packed_bytes(event);
	uint8_t *end = packed + sizeof packed - bytes;
	CHECK(bytes <= sizeof packed, "packed to %zu bytes", bytes);
	content_pack(event, end);
	CHECK(content_unpack(&again, event->type, end, bytes), "a packed event is not read again");
	CHECK(content_difference(event, &again) == NULL, "packing changes %s", content_difference(event, &again));
}

static void round_trip(struct wire *w, const struct event *event)
{
	static uint8_t room[8192];
	struct wire_event e = {.type = event->type, .text_bytes = sizeof w->request.text};
	struct cursor out;
	memcpy(e.record, event->head, event_record_bytes(event->type));
	memcpy(e.text, event->text, sizeof w->request.text);
	check_packed(event);
	cursor_init(&out, room, sizeof room);
	wire_event_json(&e, &out);
	expect_same(w, &out, &e);
	cursor_init(&out, room, sizeof room);
	frame_build(&out, e.type, 0, e.record, 1, e.text, e.text_bytes);
	expect_same(w, &out, &e);
}

static void check_reply(const struct wire *w)
{
	json_error_t error;
	json_t *reply = json_loadb(w->reply, w->reply_bytes, 0, &error);
	CHECK(reply != NULL, "the reply is no JSON: %s: %s", error.text, w->reply);
	if (json_is_array(reply))
		CHECK(json_array_size(reply) == w->request.count, "%zu results for %u events", json_array_size(reply),
		      w->request.count);
	json_decref(reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct wire *w, *again;
	if (w == NULL)
		w = wire_create(false), again = wire_create(false);
	if (size < 1)
		return 0;
	w->limits.is_plane = again->limits.is_plane = data[0] & 1;
	w->limits.batch_max = 64;
	/* A block of its own size, so that the sanitizer sees one byte too much. */
	uint8_t *room = malloc(size), *message = room + 1;
	memcpy(room, data, size);
	wire_answer(w, message, size - 1);
	if (w->request.encoding == ENCODING_JSON)
		check_reply(w);
	if (request_open(&w->request, message, size - 1, &w->limits, &w->arena, &w->problem) == STATUS_ok) {
		for (uint32_t i = 0; i < w->request.count; i++)
			if (request_next(&w->request, &w->event, &w->problem) == STATUS_ok && w->request.encoding == ENCODING_JSON)
				round_trip(again, &w->event);
		request_close(&w->request);
	}
	free(room);
	return 0;
}
