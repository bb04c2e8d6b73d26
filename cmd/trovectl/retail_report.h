/*
 * retail_report: what a replay of invoices came to, per currency, per day or per invoice, of what the
 * service has confirmed. One thread.
 */
#ifndef CMD_TROVECTL_RETAIL_REPORT_H
#define CMD_TROVECTL_RETAIL_REPORT_H

#include "cmd/trovectl/retail.h"

struct retail_counts {
	uint64_t events, replayed, sent_again, errors, bad_rows;
	double seconds;
};

/* by: "day", "invoice" or NULL. With rows on stdout, the totals go to stderr. false: no memory. */
bool retail_report(const struct retail *r, const struct retail_counts *counts, const char *by, bool is_json);

#endif
