/*
 * contest: what a contestant of `trovebench pool` does when it is asked: one or two threads,
 * each with a working set and, for the pool and the bare list, with cells of its own.
 */
#ifndef CMD_TROVEBENCH_CONTEST_H
#define CMD_TROVEBENCH_CONTEST_H

#include "cmd/trovebench/contestant.h"

struct contest;

struct contest *contest_create(enum contestant_kind kind);
void contest_destroy(struct contest **contest);
struct contestant_answer contest_run(struct contest *contest, const struct contestant_request *request);

#endif
