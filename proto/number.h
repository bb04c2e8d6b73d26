/*
 * number: a double as decimal text that reads back as the same double, whatever
 * the locale. Pure function, any thread.
 */
#ifndef PROTO_NUMBER_H
#define PROTO_NUMBER_H

#include <stddef.h>

enum { NUMBER_TEXT_BYTES = 32 };

/* value is finite. Returns the length; no zero byte is written. */
size_t number_format(double value, char text[static NUMBER_TEXT_BYTES]);

#endif
