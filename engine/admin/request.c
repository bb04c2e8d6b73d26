#include "engine/admin/request.h"

#include "engine/base/check.h"

#include <string.h>
#include <strings.h>

/* Chunks of one byte each cost six on the wire; who sends much of that is cut off. */
enum { WIRE_BYTES_MAX = 2 * REQUEST_BODY_BYTES_MAX };

static_assert(REQUEST_HEAD_BYTES_MAX < UINT16_MAX);

static struct request *of(llhttp_t *parser) { return parser->data; }

static int broken(struct request *r, unsigned code, const char *complaint)
{
	r->code = (uint16_t)code;
	r->complaint = complaint;
	return HPE_USER;
}

/* A span comes in as many pieces as the bytes did. */
static void extend(struct request *r, struct request_span *span, const char *at, size_t count)
{
	if (span->end == 0)
		span->start = (uint16_t)(at - r->bytes);
	span->end = (uint16_t)((size_t)(at - r->bytes) + count);
}

static int on_url(llhttp_t *parser, const char *at, size_t count)
{
	extend(of(parser), &of(parser)->target, at, count);
	return 0;
}

/* Trailers behind a chunked body look like headers, and mean nothing here. */
static int on_header_field(llhttp_t *parser, const char *at, size_t count)
{
	struct request *r = of(parser);
	if (!r->is_head_done)
		extend(r, &r->name, at, count);
	return 0;
}

static int on_header_value(llhttp_t *parser, const char *at, size_t count)
{
	struct request *r = of(parser);
	if (!r->is_head_done)
		extend(r, &r->value, at, count);
	return 0;
}

static int known_header(const struct request *r)
{
	static const char *const names[] = {
#define X(symbol, name) name,
		REQUEST_HEADER_TABLE(X)
#undef X
	};
	size_t bytes = (size_t)(r->name.end - r->name.start);
	for (int i = 0; i < REQUEST_HEADER_COUNT; i++)
		if (strlen(names[i]) == bytes && strncasecmp(names[i], r->bytes + r->name.start, bytes) == 0)
			return i;
	return -1;
}

static bool may_come_twice(int which)
{
	return which == REQUEST_HEADER_accept || which == REQUEST_HEADER_accept_encoding || which == REQUEST_HEADER_if_none_match ||
	       which == REQUEST_HEADER_transfer_encoding;
}

static int on_header_value_complete(llhttp_t *parser)
{
	struct request *r = of(parser);
	if (r->is_head_done)
		return 0;
	if (++r->header_count > REQUEST_HEADERS_MAX)
		return broken(r, 431, "too many headers");
	int which = known_header(r);
	if (which >= 0) {
		struct request_span *kept = &r->header[which];
		if (kept->end != 0 && !may_come_twice(which))
			return broken(r, 400, "a header that may come once came twice");
		*kept = r->value;
		/* An empty value is there, too. */
		if (kept->end == 0)
			*kept = (struct request_span){r->name.end, r->name.end};
	}
	r->name = r->value = (struct request_span){};
	return 0;
}

/* Nothing reads the head again: spans become strings where they stand. */
static void terminate(struct request *r)
{
	for (int i = 0; i < REQUEST_HEADER_COUNT; i++) {
		struct request_span *span = &r->header[i];
		if (span->end == 0)
			continue;
		while (span->end > span->start && (r->bytes[span->end - 1] == ' ' || r->bytes[span->end - 1] == '\t'))
			span->end--;
		r->bytes[span->end] = '\0';
	}
	r->bytes[r->target.end] = '\0';
}

/* "/path?query", or with "http://host" before it, as proxies write it; there the path may be missing. */
static bool split_target(struct request *r)
{
	char *target = r->bytes + r->target.start;
	bool has_host = strncasecmp(target, "http://", 7) == 0;
	if (has_host)
		target += 7 + strcspn(target + 7, "/?");
	char *mark = strchr(target, '?');
	r->query = mark == NULL ? "" : mark + 1;
	if (mark != NULL)
		*mark = '\0';
	r->path = has_host && *target == '\0' ? "/" : target;
	return r->path[0] == '/' || strcmp(r->path, "*") == 0;
}

static int check_head(struct request *r)
{
	const llhttp_t *p = &r->parser;
	if (p->http_major != 1 || p->http_minor > 1)
		return broken(r, 505, "HTTP/1.0 and 1.1 are spoken here");
	if (p->http_minor == 1 && r->header[REQUEST_HEADER_host].end == 0)
		return broken(r, 400, "HTTP/1.1 needs a Host header");
	terminate(r);
	if (!split_target(r))
		return broken(r, 400, "the target of the request is no path");
	const char *expect = request_header(r, REQUEST_HEADER_expect);
	if (expect != NULL && strcasecmp(expect, "100-continue") != 0)
		return broken(r, 417, "only 100-continue can be expected");
	if ((p->flags & F_CONTENT_LENGTH) != 0 && p->content_length > REQUEST_BODY_BYTES_MAX)
		return broken(r, 413, "the body is too large");
	return HPE_PAUSED;
}

static int on_headers_complete(llhttp_t *parser)
{
	struct request *r = of(parser);
	r->is_head_done = true;
	return check_head(r);
}

static int on_body(llhttp_t *parser, const char *at, size_t count)
{
	struct request *r = of(parser);
	if (r->body != NULL) {
		if (count > r->body_room - r->body_bytes)
			return broken(r, 413, "the body is too large for this path");
		memcpy(r->body + r->body_bytes, at, count);
	}
	r->body_bytes += count;
	return r->body_bytes > REQUEST_BODY_BYTES_MAX ? broken(r, 413, "the body is too large") : 0;
}

static int on_message_complete(llhttp_t *parser)
{
	struct request *r = of(parser);
	r->is_complete = true;
	r->keeps_alive = llhttp_should_keep_alive(parser) == 1 && !parser->upgrade;
	return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
	.on_url = on_url,
	.on_header_field = on_header_field,
	.on_header_value = on_header_value,
	.on_header_value_complete = on_header_value_complete,
	.on_headers_complete = on_headers_complete,
	.on_body = on_body,
	.on_message_complete = on_message_complete,
};

void request_begin(struct request *r, char *bytes)
{
	*r = (struct request){.bytes = bytes};
	llhttp_init(&r->parser, HTTP_REQUEST, &settings);
	r->parser.data = r;
}

/* What llhttp found wrong, as a code of HTTP. */
static enum request_progress translate(struct request *r, llhttp_errno_t error)
{
	if (r->code != 0)
		return REQUEST_BROKEN;
	/* It calls a bare line feed behind the version one, too. */
	bool is_line_end = strstr(llhttp_get_error_reason(&r->parser), "CRLF") != NULL;
	if ((error == HPE_INVALID_VERSION && !is_line_end) || error == HPE_PAUSED_H2_UPGRADE)
		broken(r, 505, "HTTP/1.0 and 1.1 are spoken here");
	else
		broken(r, 400, "this is not HTTP");
	return REQUEST_BROKEN;
}

static bool is_within_limits(struct request *r)
{
	if (!r->is_head_done && r->used >= REQUEST_HEAD_BYTES_MAX)
		return broken(r, r->header_count == 0 && r->name.end == 0 ? 414 : 431, "the head is too large") == 0;
	if (r->wire_bytes > WIRE_BYTES_MAX)
		return broken(r, 413, "the body takes too much room on the wire") == 0;
	return true;
}

static void count_used(struct request *r, size_t count, llhttp_errno_t error)
{
	size_t before = r->used;
	r->used = error == HPE_OK ? count : (size_t)(llhttp_get_error_pos(&r->parser) - r->bytes);
	if (r->head_bytes != 0)
		r->wire_bytes += r->used - before;
}

enum request_progress request_feed(struct request *r, size_t count)
{
	size_t limit = count;
	if (!r->is_head_done && limit > REQUEST_HEAD_BYTES_MAX)
		limit = REQUEST_HEAD_BYTES_MAX;
	if (r->is_complete)
		return REQUEST_COMPLETE;
	if (llhttp_get_errno(&r->parser) == HPE_PAUSED)
		llhttp_resume(&r->parser);
	bool had_head = r->is_head_done;
	llhttp_errno_t error = llhttp_execute(&r->parser, r->bytes + r->used, limit - r->used);
	if (error == HPE_PAUSED_UPGRADE && r->is_complete)
		error = HPE_PAUSED; /* another protocol is offered, and declined */
	if (error != HPE_OK && error != HPE_PAUSED)
		return translate(r, error);
	count_used(r, limit, error);
	bool is_new_head = r->is_head_done && !had_head;
	if (is_new_head)
		r->head_bytes = (uint32_t)r->used;
	if (!is_within_limits(r))
		return REQUEST_BROKEN;
	if (is_new_head)
		return REQUEST_HEAD;
	return r->is_complete ? REQUEST_COMPLETE : REQUEST_MORE;
}

size_t request_drop_body(struct request *r)
{
	r->used = r->head_bytes;
	return r->head_bytes;
}

void request_take_body(struct request *r, char *room, size_t bytes)
{
	r->body = room;
	r->body_room = bytes;
}

const char *request_method(const struct request *r)
{
	return llhttp_method_name((llhttp_method_t)llhttp_get_method((llhttp_t *)(uintptr_t)&r->parser));
}

bool request_is_head(const struct request *r) { return r->is_head_done && r->parser.method == HTTP_HEAD; }

const char *request_header(const struct request *r, enum request_header which)
{
	return r->header[which].end == 0 ? NULL : r->bytes + r->header[which].start;
}

bool request_has_body(const struct request *r)
{
	return (r->parser.flags & F_CHUNKED) != 0 || ((r->parser.flags & F_CONTENT_LENGTH) != 0 && r->parser.content_length > 0) ||
	       r->body_bytes > 0;
}

bool request_expects_continue(const struct request *r)
{
	return r->parser.http_minor == 1 && request_header(r, REQUEST_HEADER_expect) != NULL && request_has_body(r);
}
