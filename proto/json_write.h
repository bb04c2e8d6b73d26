/*
 * json_write: JSON straight into a cursor. Numbers do not depend on the locale;
 * doubles are written so that they read back as the same double. Nothing is
 * allocated; the cursor and all text stay the caller's. What does not fit sets the cursor's `full`.
 */
#ifndef PROTO_JSON_WRITE_H
#define PROTO_JSON_WRITE_H

#include "engine/base/attribute.h"
#include "engine/base/cursor.h"
#include "proto/event.h"

void json_write_unsigned(struct cursor *c, uint64_t value);
void json_write_integer(struct cursor *c, int64_t value);
/* Finite values; NaN and infinities, which JSON has not, become null. */
void json_write_double(struct cursor *c, double value);
/* With quotes. Bytes that are no UTF-8 become U+FFFD. */
[[READS(2, 3)]] void json_write_string(struct cursor *c, const char *text, size_t bytes);
/* With quotes. */
void json_write_identifier(struct cursor *c, struct identifier id);
/* null: unlimited. */
void json_write_stock(struct cursor *c, int64_t stock);

/* A member of an object that has one before; the name is a literal. */
#define JSON_DOUBLE(c, name, value) (cursor_literal(c, ",\"" name "\":"), json_write_double(c, value))
#define JSON_INTEGER(c, name, value) (cursor_literal(c, ",\"" name "\":"), json_write_integer(c, value))
#define JSON_UNSIGNED(c, name, value) (cursor_literal(c, ",\"" name "\":"), json_write_unsigned(c, value))
#define JSON_STOCK(c, name, value) (cursor_literal(c, ",\"" name "\":"), json_write_stock(c, value))
#define JSON_TEXT(c, name, text, bytes) (cursor_literal(c, ",\"" name "\":"), json_write_string(c, text, bytes))
/* An id of a record, printed in the form that a bit of flags tells. */
#define JSON_ID(c, name, wire, flags, uuid) \
	(cursor_literal(c, ",\"" name "\":"), \
	 json_write_identifier(c, (struct identifier){(wire).low, (wire).high, ((flags) & (uuid)) != 0}))

#endif
