/*
 * bench: the scenarios of trovebench. Each returns an exit code of sysexits.h; a missed
 * target is a result, not a failure (--check makes it one, in main).
 */
#ifndef CMD_TROVEBENCH_BENCH_H
#define CMD_TROVEBENCH_BENCH_H

#include "cmd/trovebench/report.h"

int bench_filter(const struct bench_arguments *arguments);
int bench_index(const struct bench_arguments *arguments);
int bench_codec(const struct bench_arguments *arguments);
int bench_service(const struct bench_arguments *arguments);
int bench_observe(const struct bench_arguments *arguments);
int bench_http(const struct bench_arguments *arguments);
int bench_engine(const struct bench_arguments *arguments);
int bench_journal(const struct bench_arguments *arguments);
int bench_snapshot(const struct bench_arguments *arguments);
int bench_shadow(const struct bench_arguments *arguments);
int bench_pool(const struct bench_arguments *arguments);
int bench_memory(const struct bench_arguments *arguments);

/* The part of the service scenario about durable changes; adds to its report. */
bool bench_service_changes(struct report *report);

/* An nng REP server that answers anything with reply_bytes; runs until it is killed. */
int bench_service_echo(const char *url, size_t reply_bytes);

#endif
