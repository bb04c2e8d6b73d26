/* metrics: what HTTP counts. The HTTP thread is the only writer of the cells; any thread reads them. */
#ifndef ENGINE_ADMIN_METRICS_H
#define ENGINE_ADMIN_METRICS_H

#include "engine/base/metric.h"

enum listener { LISTENER_observe, LISTENER_admin, LISTENER_COUNT };

#define ADMIN_CLASSES(X) X(1xx) X(2xx) X(3xx) X(4xx) X(5xx)

enum admin_class {
#define X(name) CLASS_##name,
	ADMIN_CLASSES(X)
#undef X
	CLASS_COUNT
};

/* Why a connection was closed, or a page refused. */
#define ADMIN_DROPS(X) \
	X(request_timeout) X(idle_timeout) X(send_timeout) X(crowded) X(no_connection) X(no_descriptor) X(no_page)

enum admin_drop {
#define X(name) DROP_##name,
	ADMIN_DROPS(X)
#undef X
	DROP_COUNT
};

enum {
	METRIC_SERIES_listener = LISTENER_COUNT,
	METRIC_SERIES_answer = LISTENER_COUNT * CLASS_COUNT,
	METRIC_SERIES_drop = DROP_COUNT,
};

#define ADMIN_METRICS(M) \
	M(counter, admin, connections, "trove_http_connections_accepted_total", listener, \
	  "HTTP connections that came; thousands a minute: somebody opens one for each request.") \
	M(counter, admin, answers, "trove_http_answers_total", answer, \
	  "HTTP answers, by listener and class of their code; 5xx other than from probes: look at trove_http_drops_total.") \
	M(counter, admin, drops, "trove_http_drops_total", drop, \
	  "HTTP connections closed and pages refused, by reason; crowded and no_page: raise observe.connections_max and " \
	  "observe.pages, or find who holds them; no_descriptor: raise RLIMIT_NOFILE.")

struct admin_metrics {
	ADMIN_METRICS(METRIC_CELL)
};

#define ADMIN_NOW_METRICS(M) \
	M(gauge, admin_now, open, "trove_http_connections", none, \
	  "Open HTTP connections; near the sum of observe.connections_max and admin.connections_max: look who holds them.")

extern const struct metric_table admin_metric_tables[];
extern const size_t admin_metric_table_count;

struct admin;
/* Main. */
void admin_write_metrics(struct admin *admin, struct metric_page *page);

#endif
