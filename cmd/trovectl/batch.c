#include "cmd/trovectl/batch.h"

#include "engine/base/check.h"
#include "proto/field.h"
#include "proto/frame.h"

#include <stdlib.h>

bool batch_init(struct batch *b, uint32_t capacity)
{
	size_t event_bytes = sizeof(struct frame_header) + EVENT_RECORD_BYTES_MAX + BATCH_TEXT_BYTES;
	*b = (struct batch){.capacity = capacity, .bytes_capacity = capacity * event_bytes};
	b->event = malloc(capacity * sizeof *b->event);
	b->bytes = malloc(b->bytes_capacity);
	return b->event != NULL && b->bytes != NULL;
}

void batch_deinit(struct batch *b)
{
	free(b->event);
	free(b->bytes);
	*b = (struct batch){};
}

struct batch_event *batch_add(struct batch *b)
{
	if (b->count == b->capacity)
		return NULL;
	struct batch_event *e = &b->event[b->count++];
	memset(e, 0, offsetof(struct batch_event, text));
	return e;
}

/* ---- text ----------------------------------------------------------------------------- */

static bool is_text(const struct field *f)
{
	return f->form == FIELD_kind || f->form == FIELD_kinds || f->form == FIELD_name || f->form == FIELD_sku;
}

static struct wire_text text_at(const void *record, const struct field *f)
{
	struct wire_text text;
	memcpy(&text, (const uint8_t *)record + f->offset, sizeof text);
	return text;
}

struct wire_text batch_text(struct batch_event *event, const char *text, size_t bytes)
{
	struct wire_text place = {.offset = event->text_bytes, .bytes = (uint32_t)bytes};
	CHECK(event->text_bytes + bytes <= sizeof event->text, "%zu bytes of text", bytes);
	memcpy(event->text + event->text_bytes, text, bytes);
	event->text_bytes += (uint32_t)bytes;
	return bytes != 0 ? place : (struct wire_text){};
}

uint32_t batch_text_bytes(enum event_type type, const void *record)
{
	const struct field_list *list = field_list_of(type);
	uint32_t end = 0;
	for (uint32_t i = 0; i < list->count; i++) {
		struct wire_text text = is_text(&list->fields[i]) ? text_at(record, &list->fields[i]) : (struct wire_text){};
		if (text.bytes != 0 && text.offset + text.bytes > end)
			end = text.offset + text.bytes;
	}
	return end;
}

/* Text of an event stands at a new place in the frame's. */
static void move_text(void *record, enum event_type type, uint32_t by)
{
	const struct field_list *list = field_list_of(type);
	for (uint32_t i = 0; i < list->count; i++) {
		struct wire_text text = is_text(&list->fields[i]) ? text_at(record, &list->fields[i]) : (struct wire_text){};
		if (text.bytes == 0)
			continue;
		text.offset += by;
		memcpy((uint8_t *)record + list->fields[i].offset, &text, sizeof text);
	}
}

/* ---- the message ---------------------------------------------------------------------- */

static void encode_run(struct cursor *out, const struct batch_event *event, uint32_t count)
{
	enum event_type type = event[0].type;
	size_t record_bytes = event_record_bytes(type);
	struct frame_header *header = cursor_reserve(out, sizeof *header);
	uint8_t *records = cursor_reserve(out, count * record_bytes);
	CHECK(header != NULL && records != NULL, "a frame of %u events", count);
	uint32_t text_bytes = 0;
	for (uint32_t i = 0; i < count; i++) {
		memcpy(records + i * record_bytes, &event[i].head, record_bytes);
		move_text(records + i * record_bytes, type, text_bytes);
		cursor_bytes(out, event[i].text, event[i].text_bytes);
		text_bytes += event[i].text_bytes;
	}
	*header = (struct frame_header){
		.magic = FRAME_MAGIC,
		.version = FRAME_VERSION,
		.kind = FRAME_REQUEST,
		.type = (uint16_t)type,
		.count = count,
		.body_bytes = (uint32_t)(count * record_bytes),
		.text_bytes = text_bytes,
	};
}

size_t batch_encode(struct batch *b)
{
	struct cursor out;
	cursor_init(&out, b->bytes, b->bytes_capacity);
	for (uint32_t start = 0, end; start < b->count; start = end) {
		for (end = start + 1; end < b->count && b->event[end].type == b->event[start].type; end++)
			continue;
		encode_run(&out, b->event + start, end - start);
	}
	CHECK(!out.full, "a batch of %u events", b->count);
	return cursor_used(&out);
}
