/*
 * text: what counts as text on the wire. Pure functions, any thread; text is borrowed
 * for the call.
 */
#ifndef PROTO_TEXT_H
#define PROTO_TEXT_H

#include "engine/base/attribute.h"

#include <stddef.h>

/* How many of the first bytes are whole, valid UTF-8 characters (RFC 3629: no
 * surrogates, no overlong forms, nothing above U+10FFFF). */
[[READS(1, 2)]] size_t text_utf8_prefix(const char *text, size_t count);

/* Length of the one valid character at text, or 0. */
[[READS(1, 2)]] size_t text_character(const char *text, size_t count);

/* No C0, DEL or C1 control character in valid UTF-8. */
[[READS(1, 2)]] bool text_has_control(const char *text, size_t count);

/* 1 to bytes_max bytes of UTF-8 without control characters: a name, a sku. */
[[READS(1, 2)]] bool text_is_line(const char *text, size_t count, size_t bytes_max);

/* CURRENCY_BYTES letters A-Z. */
bool text_is_currency(const char *text);

/* A kind's name: 1 to KIND_BYTES_MAX of a-z 0-9 _ . - */
[[READS(1, 2)]] bool text_is_kind(const char *text, size_t count);

#endif
