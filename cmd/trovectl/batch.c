#include "cmd/trovectl/batch.h"

#include "engine/base/check.h"
#include "proto/frame.h"

#include <stdlib.h>

bool batch_init(struct batch *b, uint32_t capacity)
{
	size_t event_bytes = sizeof(struct frame_header) + sizeof(struct reward_put_record) + BATCH_TEXT_BYTES;
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

/* Text of an event stands at a new place in the frame's. */
static void move_text(void *record, enum event_type type, uint32_t by)
{
	struct locate_record *locate = record;
	struct reward_put_record *put = record;
	if (type == EVENT_locate && locate->kinds.bytes != 0)
		locate->kinds.offset += by;
	if (type == EVENT_reward_put && put->kind.bytes != 0)
		put->kind.offset += by;
	if (type == EVENT_reward_put && put->name.bytes != 0)
		put->name.offset += by;
}

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
