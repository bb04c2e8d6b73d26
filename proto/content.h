/*
 * content: what two events have to have in common to be the same one, sent twice.
 *
 * All fields but deadline_ms count, by value: the same event in JSON and as a binary record has the
 * same content, wherever its text stands. Packed, an event is one piece of bytes that can be kept
 * and read again: its record without a deadline, then its text without gaps.
 * Pure functions; any thread.
 */
#ifndef PROTO_CONTENT_H
#define PROTO_CONTENT_H

#include "proto/event.h"

/* Type and all fields, read where they lie. */
uint64_t content_hash(const struct event *event, uint64_t seed);

/* The first field in which they differ ("type" for that); NULL: they are the same. Static text. */
const char *content_difference(const struct event *a, const struct event *b);

/* Bytes that content_pack writes; at most EVENT_RECORD_BYTES_MAX + EVENT_TEXT_BYTES_MAX. */
size_t content_packed_bytes(const struct event *event);
void content_pack(const struct event *event, void *bytes);
/* Borrows the bytes, which may stand anywhere. false: they are no packed event of this type. */
bool content_unpack(struct event *event, enum event_type type, const void *bytes, size_t count);

#endif
