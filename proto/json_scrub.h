/*
 * json_scrub: numbers that no double or 64-bit integer holds.
 *
 * jansson refuses the whole message for one such number, but its neighbours in a
 * batch shall not suffer. So when jansson complains, each such number is
 * overwritten with -1e99, which no field allows, and the message is parsed again:
 * then only the event that has it is refused, as invalid_field. One pass.
 */
#ifndef PROTO_JSON_SCRUB_H
#define PROTO_JSON_SCRUB_H

#include <stddef.h>

/* In place; the text is the caller's. */
void json_scrub_numbers(char *text, size_t count);

#endif
