#include "proto/request.h"

#include "engine/base/check.h"
#include "proto/field.h"
#include "proto/frame.h"
#include "proto/json.h"

#include <string.h>

/* ---- binary ----------------------------------------------------------------- */

static bool type_is_known(unsigned type) { return type != EVENT_NONE && event_name((enum event_type)type) != NULL; }

/* What a frame header alone must satisfy; left counts the bytes from it on. */
static status check_header(const struct frame_header *h, size_t at, size_t left, struct problem *problem)
{
	uint64_t record_bytes = type_is_known(h->type) ? event_record_bytes((enum event_type)h->type) : 0;
#define MALFORMED(...) problem_set(problem, STATUS_malformed, "", __VA_ARGS__)
	if (h->magic != FRAME_MAGIC)
		return MALFORMED("no frame begins at byte %zu, where the one before it ends", at);
	problem->frame_request = h->request;
	if (h->version != FRAME_VERSION)
		return MALFORMED("frame version %u at byte %zu; this service speaks version %d", h->version, at, FRAME_VERSION);
	if (h->kind != FRAME_REQUEST || h->reserved != 0)
		return MALFORMED("the frame at byte %zu is of kind %u with reserved field %u; a request is 1 and 0", at, h->kind,
		                 h->reserved);
	if (h->count == 0)
		return MALFORMED("the frame at byte %zu has no events", at);
	if (record_bytes != 0 && h->body_bytes != record_bytes * h->count)
		return MALFORMED("the frame at byte %zu has %u bytes of records; %u of %s are %llu", at, h->body_bytes, h->count,
		                 event_name((enum event_type)h->type), (unsigned long long)(record_bytes * h->count));
	if (record_bytes == 0 &&
	    (h->body_bytes % h->count != 0 || h->body_bytes / h->count < sizeof(struct event_head)))
		return MALFORMED("the frame at byte %zu has %u bytes for %u records of at least %zu", at, h->body_bytes, h->count,
		                 sizeof(struct event_head));
	if ((uint64_t)h->body_bytes + h->text_bytes > left - sizeof *h)
		return MALFORMED("the frame at byte %zu needs %llu bytes, the message has %zu left", at,
		                 (unsigned long long)sizeof *h + h->body_bytes + h->text_bytes, left);
	return STATUS_ok;
}

/* Walks the frames' headers; the records are looked at when their turn comes. */
static status open_binary(struct request *r, struct problem *problem)
{
	uint64_t count = 0;
	for (size_t at = 0; at < r->bytes_count;) {
		struct frame_header h;
		size_t left = r->bytes_count - at;
		if (left < sizeof h)
			return MALFORMED("%zu bytes at byte %zu are too few for a frame header of %zu", left, at, sizeof h);
		memcpy(&h, r->bytes + at, sizeof h);
		status s = check_header(&h, at, left, problem);
		if (s != STATUS_ok)
			return s;
		count += h.count;
		if (count > r->limits->batch_max)
			return problem_set(problem, STATUS_too_large, "", "at least %llu events, the limit for a message is %u",
			                   (unsigned long long)count, r->limits->batch_max);
		r->needs_writer |= event_class_of((enum event_type)h.type) != EVENT_QUERY;
		at += sizeof h + h.body_bytes + h.text_bytes;
	}
	r->count = (uint32_t)count;
	r->is_batch = true;
	return STATUS_ok;
}
#undef MALFORMED

static void next_frame(struct request *r)
{
	struct frame_header h;
	memcpy(&h, r->bytes + r->at, sizeof h);
	r->at += sizeof h;
	r->frame_left = h.count;
	r->frame_record_bytes = h.body_bytes / h.count;
	r->frame_text = (const char *)r->bytes + r->at + h.body_bytes;
	r->frame_text_bytes = h.text_bytes;
	r->frame_type = (enum event_type)h.type;
	r->frame_request = h.request;
}

static void read_id(const struct event_head *head, struct problem *problem)
{
	problem->has_id = (head->flags & EVENT_HAS_ID) != 0;
	problem->id = (struct identifier){head->id.low, head->id.high, (head->flags & EVENT_ID_IS_UUID) != 0};
}

static status next_binary(struct request *r, struct event *event, struct problem *problem)
{
	if (r->frame_left == 0)
		next_frame(r);
	const struct event_head *head = (const void *)(r->bytes + r->at);
	r->at += r->frame_record_bytes;
	if (--r->frame_left == 0)
		r->at += r->frame_text_bytes;
	status s = type_is_known(r->frame_type)
	                   ? field_check(r->frame_type, head, r->frame_text, r->frame_text_bytes, r->limits, problem)
	                   : problem_set(problem, STATUS_unknown_type, "type", "there is no event type %d", r->frame_type);
	if (__builtin_expect(s == STATUS_ok, 1)) {
		*event = (struct event){.type = r->frame_type, .head = head, .text = r->frame_text};
		return STATUS_ok;
	}
	read_id(head, problem);
	problem->frame_request = r->frame_request;
	return s;
}

const struct event_head *request_ahead(const struct request *r, uint32_t events)
{
	if (r->encoding != ENCODING_BINARY || r->frame_left <= events)
		return NULL;
	return (const void *)(r->bytes + r->at + (size_t)events * r->frame_record_bytes);
}

/* ---- both --------------------------------------------------------------------- */

static char first_character(const uint8_t *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (bytes[i] != ' ' && bytes[i] != '\t' && bytes[i] != '\n' && bytes[i] != '\r')
			return (char)bytes[i];
	return '\0';
}

static status open_any(struct request *r, struct problem *problem)
{
	if (frame_has_magic(r->bytes, r->bytes_count)) {
		r->encoding = ENCODING_BINARY;
		return open_binary(r, problem);
	}
	char first = first_character(r->bytes, r->bytes_count);
	if (first == '{' || first == '[')
		return json_open(r, problem);
	return problem_set(problem, STATUS_malformed, "", "%s",
	                   r->bytes_count == 0 ? "the message is empty" : status_text(STATUS_malformed));
}

status request_open(struct request *r, const void *bytes, size_t count, const struct protocol_limits *limits,
                    struct arena *arena, struct problem *problem)
{
	r->encoding = ENCODING_JSON;
	r->is_batch = r->needs_writer = false;
	r->count = r->index = r->frame_left = 0;
	r->limits = limits;
	r->arena = arena;
	r->arena_mark = arena_mark(arena);
	r->bytes = bytes;
	r->bytes_count = count;
	r->at = 0;
	r->json = NULL;
	problem_clear(problem);
	status s = open_any(r, problem);
	if (s != STATUS_ok)
		request_close(r);
	return s;
}

bool request_needs_writer(const struct request *r) { return r->needs_writer; }

status request_next(struct request *r, struct event *event, struct problem *problem)
{
	CHECK(r->index < r->count, "event %u of %u", r->index, r->count);
	problem_clear(problem);
	status s = r->encoding == ENCODING_BINARY ? next_binary(r, event, problem) : json_next(r, event, problem);
	r->index++;
	return s;
}

void request_close(struct request *r)
{
	r->json = NULL;
	arena_reset(r->arena, r->arena_mark);
}
