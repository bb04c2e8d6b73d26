/*
 * replay_retail: sends the order lines of a shop as products, carts, checkouts, captures and refunds, and
 * says what they came to. `trovectl replay` calls it for files with such a header.
 *
 * What the order of events may not break. A cart and its lines go in one message; its checkout and
 * capture only when every line was answered well, so that no cart is paid for with a line missing; a
 * refund only when the capture was. Meanwhile other invoices are on their way. What is refused because the
 * service is busy is sent again, alone and in order.
 */
#ifndef CMD_TROVECTL_REPLAY_RETAIL_H
#define CMD_TROVECTL_REPLAY_RETAIL_H

#include "cmd/trovectl/arguments.h"
#include "engine/base/csv.h"

struct replay_retail_options {
	const char *path;
	const char *by;       /* "day", "invoice" or NULL */
	double rate;          /* events per second; 0: as fast as it goes */
	int64_t batch, in_flight; /* 0: the default */
};

/* A sysexits code. The csv stays the caller's. */
int replay_retail(const struct settings *settings, const struct replay_retail_options *options, struct csv *csv);

#endif
