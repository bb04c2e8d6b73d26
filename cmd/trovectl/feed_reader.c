#include "cmd/trovectl/feed_reader.h"

#include "proto/frame.h"

#include <stdio.h>
#include <string.h>

static void take(struct feed_reader *f, const struct frame_result *r)
{
	if (r->head->type != RESULT_feed) {
		snprintf(f->refusal, sizeof f->refusal, "%s: %.*s", status_code((status)r->head->code), (int)r->head->message.bytes,
		         r->text + r->head->message.offset);
		return;
	}
	const char *at = r->text, *end = at + r->head->text_bytes, *stop;
	for (; at < end && (stop = memchr(at, '\n', (size_t)(end - at))) != NULL; at = stop + 1)
		f->line(f->context, at, (size_t)(stop - at));
	/* A service that says "more" and gives nothing must not keep us here. */
	f->has_more = (r->head->flags & RESULT_TRUNCATED) != 0 && r->head->seq > f->last;
	f->last = r->head->seq > f->last ? r->head->seq : f->last;
}

static void on_reply(void *context, const struct client_reply *reply)
{
	struct feed_reader *f = context;
	struct frame_reader reader;
	struct frame_result result;
	if (reply->error != NULL)
		return;
	frame_reader_open(&reader, reply->bytes, reply->count);
	if (!frame_reader_has_next(&reader) || frame_reader_next(&reader, &result) != STATUS_ok)
		return;
	f->is_answered = true;
	take(f, &result);
}

static bool connect_to(struct feed_reader *f)
{
	struct option_problem problem;
	struct client_options options = {
		.url = f->settings->url,
		.in_flight = 1,
		.timeout_ms = f->settings->timeout_ms,
		.on_reply = on_reply,
		.context = f,
	};
	return f->client != NULL || client_open(&f->client, &options, &problem) == STATUS_ok;
}

static void ask(struct feed_reader *f)
{
	uint8_t bytes[sizeof(struct frame_header) + sizeof(struct feed_read_record)];
	struct feed_read_record record = {.after = (int64_t)f->last, .limit = FEED_LIMIT_MAX};
	struct cursor out;
	cursor_init(&out, bytes, sizeof bytes);
	frame_build(&out, EVENT_feed_read, 0, &record, 1, "", 0);
	f->is_answered = f->has_more = false;
	client_send(f->client, bytes, cursor_used(&out), 0);
	client_drain(f->client);
}

enum feed_result feed_reader_read(struct feed_reader *f)
{
	f->refusal[0] = '\0';
	do {
		if (!connect_to(f))
			return FEED_UNREACHABLE;
		ask(f);
		if (!f->is_answered) {
			client_close(&f->client);
			return FEED_UNREACHABLE;
		}
	} while (f->has_more);
	return f->refusal[0] != '\0' ? FEED_REFUSED : FEED_READ;
}

void feed_reader_close(struct feed_reader *f) { client_close(&f->client); }
