/*
 * identifier: the 128-bit ids of events, actors, rewards, carts and payments.
 *
 * Given as an unsigned decimal or as a UUID and printed back in the form in which
 * they came; the form is no part of the identity. Pure functions, any thread.
 */
#ifndef PROTO_IDENTIFIER_H
#define PROTO_IDENTIFIER_H

#include "engine/base/attribute.h"

#include <stddef.h>
#include <stdint.h>

struct identifier {
	uint64_t low;
	uint64_t high;
	bool is_uuid; /* printed as a UUID, else as a decimal */
};

enum { IDENTIFIER_TEXT_BYTES = 40 }; /* the longest decimal (39) and a zero byte */

static inline bool identifier_equal(struct identifier a, struct identifier b)
{
	return a.low == b.low && a.high == b.high;
}

/* Parses a decimal (no sign, no leading zero but "0", below 2^128) or a UUID of
 * 8-4-4-4-12 hex digits in either case. The UUID's first digit is the most
 * significant. false: neither. */
[[nodiscard, READS(1, 2)]] bool identifier_parse(const char *text, size_t count, struct identifier *id);

/* Writes the text and a zero byte; returns its length. */
size_t identifier_format(struct identifier id, char text[static IDENTIFIER_TEXT_BYTES]);

#endif
