/*
 * cursor: a bounded writer over the caller's bytes. A write that does not fit
 * writes nothing and sets `full`; so a chain of writes needs one test at its end.
 * The bytes belong to the caller. One cursor belongs to one thread.
 */
#ifndef ENGINE_BASE_CURSOR_H
#define ENGINE_BASE_CURSOR_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct cursor {
	uint8_t *start;
	uint8_t *at;
	uint8_t *end;
	bool full;
};

static inline void cursor_init(struct cursor *c, void *bytes, size_t capacity)
{
	c->start = c->at = bytes;
	c->end = c->start + capacity;
	c->full = false;
}

static inline size_t cursor_used(const struct cursor *c) { return (size_t)(c->at - c->start); }
static inline size_t cursor_left(const struct cursor *c) { return (size_t)(c->end - c->at); }

/* Room for count bytes that the caller fills, or NULL (and full) if there is none. */
static inline void *cursor_reserve(struct cursor *c, size_t count)
{
	if (__builtin_expect(cursor_left(c) < count, 0)) {
		c->full = true;
		return NULL;
	}
	void *room = c->at;
	c->at += count;
	return room;
}

static inline void cursor_bytes(struct cursor *c, const void *bytes, size_t count)
{
	void *room = cursor_reserve(c, count);
	if (room != NULL && count != 0)
		memcpy(room, bytes, count);
}

static inline void cursor_byte(struct cursor *c, char byte) { cursor_bytes(c, &byte, 1); }

/* For string literals: the length is known when compiling. */
#define cursor_literal(c, text) cursor_bytes((c), "" text, sizeof(text) - 1)

/* printf; for pages and start-up, not for the hot path. */
[[gnu::format(printf, 2, 3)]] static inline void cursor_format(struct cursor *c, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	int count = vsnprintf((char *)c->at, cursor_left(c), format, arguments);
	va_end(arguments);
	if (count < 0 || (size_t)count >= cursor_left(c))
		c->full = true;
	else
		c->at += count;
}

/* As a JSON string, with its quotes; the bytes above ASCII as they are. For pages, too: proto/json_write is the fast one. */
static inline void cursor_json_string(struct cursor *c, const char *text)
{
	cursor_byte(c, '"');
	for (; *text != '\0'; text++) {
		unsigned char byte = (unsigned char)*text;
		if (byte == '"' || byte == '\\')
			cursor_byte(c, '\\');
		if (byte < 0x20)
			cursor_format(c, "\\u%04x", byte);
		else
			cursor_byte(c, (char)byte);
	}
	cursor_byte(c, '"');
}

/* Back to an earlier cursor_used(); clears full, so that something shorter can be tried. */
static inline void cursor_rewind(struct cursor *c, size_t used)
{
	c->at = c->start + used;
	c->full = false;
}

#endif
