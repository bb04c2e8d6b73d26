/*
 * bill: what the service will need at most, line by line, before anything is reserved.
 *
 * Every module states its own maxima: X_bill(const struct X_options *, struct bill *)
 * stands beside X's options. A line is an upper bound of resident bytes, not what is used
 * at the start. A number that is measured or assumed says so in `what`.
 * Main thread. The bill is the caller's; it points to nothing but string literals.
 */
#ifndef ENGINE_MEMORY_BILL_H
#define ENGINE_MEMORY_BILL_H

#include "engine/base/cursor.h"
#include "engine/memory/memory.h"

enum { BILL_LINES_MAX = 64, BILL_WHAT_BYTES = 128, BILL_TEXT_BYTES = 24 << 10 };

struct bill_line {
	const char *owner;  /* "store" */
	const char *option; /* the key that sets it; "" if none does */
	uint64_t count, bytes_each;
	uint64_t bytes; /* count * bytes_each; UINT64_MAX if that is more */
	char what[BILL_WHAT_BYTES];
};

struct bill {
	struct memory_limit limit;
	unsigned pool_debug; /* enum pool_debug, of every pool: it makes their lines larger */
	unsigned line_count;
	struct bill_line lines[BILL_LINES_MAX];
};

/* Adds a line; owner and option are literals. Sums beyond 2^64 stay at UINT64_MAX, which no
 * limit admits. */
[[gnu::format(printf, 6, 7)]] void bill_add(struct bill *bill, const char *owner, const char *option, uint64_t count,
                                            uint64_t bytes_each, const char *format, ...);

/* Neither wraps: options may ask for more than there is. */
uint64_t bill_plus(uint64_t a, uint64_t b);
uint64_t bill_times(uint64_t a, uint64_t b);

uint64_t bill_sum(const struct bill *bill);
bool bill_fits(const struct bill *bill);
/* The line to blame. The bill has one. */
const struct bill_line *bill_largest(const struct bill *bill);

/* A table, the first column exact bytes; the last line is their sum, and the limit. */
void bill_write(const struct bill *bill, struct cursor *out);

#endif
