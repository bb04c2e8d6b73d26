/*
 * trace: the child's side of `trovebench memory`. A cart of the trace is a head of 192 bytes
 * and an extent of 1 KiB for every 20 lines; it is closed when 2,000 more were opened.
 */
#ifndef CMD_TROVEBENCH_TRACE_H
#define CMD_TROVEBENCH_TRACE_H

#include "cmd/trovebench/contestant.h"

/* Is the file of the trace there? TROVE_DATA says where, else ../shared/data. */
bool trace_is_there(void);
struct contestant_answer trace_run(enum contestant_kind kind, const struct contestant_request *request);

#endif
