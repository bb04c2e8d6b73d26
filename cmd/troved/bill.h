/*
 * bill: all modules' bills, and what the process takes beside them, as one.
 * Main thread, before anything is reserved.
 */
#ifndef CMD_TROVED_BILL_H
#define CMD_TROVED_BILL_H

#include "cmd/troved/configuration.h"
#include "engine/memory/bill.h"

/* Fills the bill and its limit. */
void service_bill(const struct configuration *c, const struct numa *numa, struct bill *bill);

/* false: problem names sum, limit, the largest line and its option. */
bool service_bill_fits(const struct configuration *c, const struct bill *bill, struct option_problem *problem);

void service_bill_print(const struct bill *bill, FILE *out);
/* An entry for each line. */
void service_bill_log(const struct bill *bill);

/* The descriptors of all peers, HTTP clients and files: so many at most. */
uint64_t service_open_files(const struct configuration *c);

#endif
