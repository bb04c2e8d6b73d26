/*
 * metrics: what troved itself shows, and the list of all tables: GET /metrics and troved --print-metrics.
 * Main thread only.
 */
#ifndef CMD_TROVED_METRICS_H
#define CMD_TROVED_METRICS_H

#include "engine/base/metric.h"

#include <stdio.h>

enum { METRIC_SERIES_reload = 2 };
enum { SERVICE_RELOAD_taken, SERVICE_RELOAD_refused };

#define SERVICE_METRICS(M) \
	M(gauge, service, ready, "trove_ready", none, \
	  "1 while it serves, 0 from the beginning of a drain on, as GET /readyz says; while it starts there are no metrics " \
	  "at all.") \
	M(gauge, service, bad_rows, "trove_rewards_file_bad_rows", none, \
	  "Rows of rewards.file that were left out at the start; the log names the first ones: mend the file.") \
	M(counter, service, reloads, "trove_configuration_reloads_total", reload, \
	  "What became of SIGHUP: taken, or refused because of a bad file, with nothing changed: the log says why.") \
	M(gauge, service, started_s, "process_start_time_seconds", none, \
	  "Unix time of the start; newer than you know of: it was restarted, look into the log before.")

struct service_metrics {
	SERVICE_METRICS(METRIC_VALUE)
};

void metrics_write_service(struct metric_page *page, const struct service_metrics *service, const char *version,
                           const char *kernel);

/* Every metric that there is, as a Markdown table; a test keeps deploy/prometheus/README.md like that. */
void metrics_print(FILE *out);

#endif
