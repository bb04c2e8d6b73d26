/*
 * json: the JSON form of a message; the only file that knows jansson.
 *
 * jansson builds its tree in the request's arena: a hook that jansson has for the
 * whole process routes to the arena of the calling thread, and to malloc where
 * none is set, so other users of jansson are not affected. The tree is never
 * freed piece by piece; it goes with the arena. Each event's values are moved into
 * its record (event.h) and are then checked by field_check, like binary ones.
 */
#ifndef PROTO_JSON_H
#define PROTO_JSON_H

#include "proto/problem.h"

/* Parses r->bytes and sets json, is_batch, count and needs_writer. Fails with
 * malformed, or too_large when the arena is full. */
status json_open(struct request *r, struct problem *problem);
/* Event number r->index into r->record and r->text. */
status json_next(struct request *r, struct event *event, struct problem *problem);

#endif
