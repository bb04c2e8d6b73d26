/*
 * protobuf: the few shapes of the protobuf wire format that a profile needs, written into a
 * cursor: https://protobuf.dev/programming-guides/encoding/. Zeros are left out, as proto3 does.
 * A message within a message is written to a cursor of its own first. Full cursors say so
 * themselves. Any thread.
 */
#ifndef ENGINE_BASE_PROTOBUF_H
#define ENGINE_BASE_PROTOBUF_H

#include "engine/base/cursor.h"

enum { PROTOBUF_VARINT = 0, PROTOBUF_BYTES = 2 };

static inline void protobuf_varint(struct cursor *out, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		cursor_byte(out, (char)(value | 0x80));
	cursor_byte(out, (char)value);
}

static inline void protobuf_number(struct cursor *out, unsigned field, uint64_t value)
{
	if (value == 0)
		return;
	protobuf_varint(out, field << 3 | PROTOBUF_VARINT);
	protobuf_varint(out, value);
}

/* A text, packed numbers, or a message. */
static inline void protobuf_bytes(struct cursor *out, unsigned field, const void *bytes, size_t count)
{
	protobuf_varint(out, field << 3 | PROTOBUF_BYTES);
	protobuf_varint(out, count);
	cursor_bytes(out, bytes, count);
}

/* What was written to another cursor. */
static inline void protobuf_message(struct cursor *out, unsigned field, const struct cursor *message)
{
	out->full = out->full || message->full;
	protobuf_bytes(out, field, message->start, cursor_used(message));
}

#endif
