#ifndef CMD_TROVEBENCH_BENCH_SERVICE_H
#define CMD_TROVEBENCH_BENCH_SERVICE_H
#include <stddef.h>
struct bench_service_options {
	size_t points;
	double seconds;
	unsigned repeat;
};
int bench_service_run(const struct bench_service_options *options);
int bench_service_echo(const char *url, size_t reply_bytes);
#endif
