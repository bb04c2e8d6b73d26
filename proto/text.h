/*
 * text: what counts as text on the wire. Pure functions, any thread.
 */
#ifndef PROTO_TEXT_H
#define PROTO_TEXT_H

#include <stddef.h>

/* How many of the first bytes are whole, valid UTF-8 characters (RFC 3629: no
 * surrogates, no overlong forms, nothing above U+10FFFF). */
size_t text_utf8_prefix(const char *text, size_t count);

/* Length of the one valid character at text, or 0. */
size_t text_character(const char *text, size_t count);

/* No C0, DEL or C1 control character in valid UTF-8. */
bool text_has_control(const char *text, size_t count);

/* A kind's name: 1 to KIND_BYTES_MAX of a-z 0-9 _ . - */
bool text_is_kind(const char *text, size_t count);

#endif
