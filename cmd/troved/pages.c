/*
 * What HTTP shows of a running service, and what it may change. The table at the end is the whole of it: a new page is a
 * function and a row. All of it runs on the main thread.
 */
#include "cmd/troved/service.h"
#include "engine/admin/dashboard.h"
#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/base/probe.h"
#include "engine/memory/heap_profile.h"

#include <string.h>

/* A reading of all memory walks the process's maps, for two milliseconds and more; dashboards ask often and get one that
 * is so old at most. */
enum { READING_AGE_MS = 1000 };

static const char text_type[] = "text/plain; charset=utf-8";

static bool read_memory(struct service *service, int64_t age_ms)
{
	int64_t now_ns = clock_monotonic_ns();
	if (service->reading_ns != 0 && now_ns - service->reading_ns < age_ms * 1000000)
		return true;
	bool good = reading_take(&service->account, &service->reading);
	service->reading_ns = good ? clock_monotonic_ns() : 0;
	return good;
}

/* ---- metrics and memory ------------------------------------------------------------------------------ */

static void write_metrics(struct service *service, struct metric_page *page)
{
	struct store_statistics s;
	store_statistics(service->store, &s);
	service->metrics.ready[0] = !service_drains(service);
	metrics_write_service(page, &service->metrics, service_version, s.kernel);
	store_write_metrics(service->store, page);
	shard_write_metrics(service->shard, page);
	net_write_metrics(service->net, page);
	admin_write_metrics(service->admin, page);
}

static void get_metrics(void *context, const struct admin_request *request, struct admin_answer *answer)
{
	struct service *service = context;
	struct metric_page page = {&answer->body, metric_format_for(request->accept[0] == '\0' ? NULL : request->accept)};
	answer->type = metric_content_type(page.format);
	answer->headers = "Vary: Accept\r\n";
	if (read_memory(service, 0))
		reading_write_metrics(&service->reading, &page);
	write_metrics(service, &page);
	metric_write_end(&page);
}

static void get_allocator(void *context, const struct admin_request *request, struct admin_answer *answer)
{
	struct service *service = context;
	(void)request;
	if (read_memory(service, 0))
		reading_write_json(&service->reading, &answer->body);
	else
		admin_refuse(answer, 503, "/proc/self/maps cannot be read, or memory is out");
}

static void get_doctor(void *context, const struct admin_request *request, struct admin_answer *answer)
{
	struct service *service = context;
	(void)request;
	answer->type = text_type;
	if (read_memory(service, 0)) {
		doctor_examine(&service->doctor, &service->reading, &answer->body);
		return;
	}
	answer->code = 503;
	cursor_literal(&answer->body, "/proc/self/maps cannot be read, or memory is out: nothing can be said.\n");
}

static void get_dashboard(void *context, const struct admin_request *request, struct admin_answer *answer)
{
	(void)context;
	(void)request;
	dashboard_answer(answer);
}

static void get_heap_profile(void *context, const struct admin_request *request, struct admin_answer *answer)
{
	struct service *service = context;
	(void)request;
	answer->type = "application/octet-stream";
	answer->headers = "Content-Disposition: attachment; filename=\"heap.pb.gz\"\r\n";
	if (heap_profile_write(&service->account, &answer->body) != STATUS_ok)
		admin_refuse(answer, 503, "no memory for a profile");
}

static void get_latency(void *context, const struct admin_request *request, struct admin_answer *answer)
{
	const struct service *service = context;
	char percentiles[256], type[64];
	status s = admin_query(request, "p", percentiles, sizeof percentiles);
	status has_type = admin_query(request, "type", type, sizeof type);
	if (s == STATUS_ok || s == STATUS_not_found)
		s = has_type == STATUS_ok || has_type == STATUS_not_found
		            ? latency_write_json(shard_latency(service->shard), percentiles, type, &answer->body)
		            : STATUS_not_found;
	if (s == STATUS_not_found)
		admin_refuse(answer, 400, "type is not allowed; expected the name of an event like locate, or all");
	else if (s != STATUS_ok)
		admin_refuse(answer, 400, "p is not allowed; expected up to 16 numbers from 0 to 100 like p=50,99,99.9");
}

/* Everything in one: {"at","uptime_ms","version","status","reasons","metrics":{…},"memory":{…}}. */
static void get_stats(void *context, const struct admin_request *request, struct admin_answer *answer)
{
	struct service *service = context;
	struct cursor *out = &answer->body, text;
	struct metric_page page = {&text, METRIC_TEXT};
	(void)request;
	cursor_init(&text, service->metrics_text, sizeof service->metrics_text - 1);
	bool has_memory = read_memory(service, READING_AGE_MS);
	if (has_memory)
		reading_write_process_metrics(&service->reading, &page);
	write_metrics(service, &page);
	*text.at = '\0';
	cursor_format(out, "{\"at\":%lld,\"uptime_ms\":%lld,\"version\":", (long long)clock_unix_ms(),
	              (long long)((clock_monotonic_ns() - service->started_ns) / 1000000));
	cursor_json_string(out, service_version);
	cursor_format(out, ",\"status\":\"%s\",\"reasons\":", service_drains(service) ? "draining" : "ready");
	admin_write_reasons(service->admin, out);
	cursor_literal(out, ",\n\"metrics\":");
	stats_write_metrics(service->metrics_text, out);
	cursor_literal(out, ",\n\"memory\":");
	if (has_memory)
		reading_write_json(&service->reading, out);
	else
		cursor_literal(out, "null");
	cursor_literal(out, "}\n");
	if (text.full)
		admin_refuse(answer, 500, "the metrics are larger than their room");
}

/* ---- what it is ---------------------------------------------------------------------------------------- */

/* While the service recovers there is no store yet, nor a use for a time that stands still. */
static void write_running(const struct service *service, struct cursor *out)
{
	struct store_statistics s;
	if (service->store == NULL)
		return;
	store_statistics(service->store, &s);
	cursor_format(out, ",\"kernel\":\"%s\",\"uptime_ms\":%lld", s.kernel,
	              (long long)((clock_monotonic_ns() - service->started_ns) / 1000000));
}

static void get_version(void *context, const struct admin_request *request, struct admin_answer *answer)
{
	const struct service *service = context;
	char heap[64];
	(void)request;
	heap_describe(heap, sizeof heap);
	cursor_literal(&answer->body, "{\"name\":\"trove\",\"version\":");
	cursor_json_string(&answer->body, service_version);
	cursor_literal(&answer->body, ",\"compiler\":");
	cursor_json_string(&answer->body, __VERSION__);
	cursor_literal(&answer->body, ",\"probes\":");
	cursor_json_string(&answer->body, probe_describe());
	cursor_literal(&answer->body, ",\"heap\":");
	cursor_json_string(&answer->body, heap);
	write_running(service, &answer->body);
	cursor_literal(&answer->body, "}\n");
}

static void write_value(const struct option *row, const void *value, struct cursor *out)
{
	char text[OPTION_LIST_MAX * (OPTION_TEXT_BYTES + 1)];
	const struct option_list *list = value;
	if (row->kind == OPTION_list) {
		cursor_byte(out, '[');
		for (unsigned i = 0; i < list->count; i++) {
			cursor_format(out, "%s", i == 0 ? "" : ",");
			cursor_json_string(out, list->item[i]);
		}
		cursor_byte(out, ']');
		return;
	}
	option_format(row, value, text, sizeof text);
	if (row->kind == OPTION_integer || row->kind == OPTION_boolean)
		cursor_format(out, "%s", text);
	else
		cursor_json_string(out, text);
}

static void write_option(void *context, const struct option *row, const void *value, enum option_source source)
{
	struct cursor *out = context;
	cursor_literal(out, "\n");
	cursor_json_string(out, row->key);
	cursor_literal(out, ":{\"value\":");
	write_value(row, value, out);
	cursor_literal(out, ",\"source\":");
	cursor_json_string(out, option_source_name(source));
	cursor_format(out, ",\"unit\":");
	cursor_json_string(out, row->kind == OPTION_integer ? row->unit : "");
	cursor_format(out, ",\"live\":%s},", row->change == OPTION_live ? "true" : "false");
}

static void get_config(void *context, const struct admin_request *request, struct admin_answer *answer)
{
	const struct service *service = context;
	(void)request;
	cursor_literal(&answer->body, "{");
	option_visit(&service->configuration.set, write_option, &answer->body);
	cursor_rewind(&answer->body, cursor_used(&answer->body) - 1); /* the last comma */
	cursor_literal(&answer->body, "\n}\n");
}

/* ---- changes --------------------------------------------------------------------------------------------- */

static void post_drain(void *context, const struct admin_request *request, struct admin_answer *answer)
{
	struct service *service = context;
	(void)request;
	answer->code = 202;
	service_stop(service, "POST /drain");
	cursor_format(&answer->body, "{\"status\":\"draining\",\"drain_delay_ms\":%lld,\"drain_timeout_ms\":%lld}\n",
	              (long long)service->configuration.service.drain_delay_ms,
	              (long long)service->configuration.service.drain_timeout_ms);
}

static void post_snapshot(void *context, const struct admin_request *request, struct admin_answer *answer)
{
	struct service *service = context;
	struct shard_snapshot_asked asked;
	(void)request;
	status s = shard_snapshot(service->shard, &asked);
	if (s == STATUS_not_found) {
		admin_refuse(answer, 409, "data.snapshot_bytes is 0: no snapshots are made");
		return;
	}
	answer->code = s == STATUS_ok ? 202 : 200;
	cursor_format(&answer->body, "{\"status\":\"%s\",\"newest_seq\":%llu,\"durable_seq\":%llu}\n",
	              s == STATUS_ok ? "asked" : "nothing is newer", (unsigned long long)asked.newest,
	              (unsigned long long)asked.durable);
}

static void post_arena_reset(void *context, const struct admin_request *request, struct admin_answer *answer)
{
	struct service *service = context;
	struct shard_trimmed trimmed;
	(void)request;
	shard_trim(service->shard, &trimmed);
	service->reading_ns = 0;
	cursor_format(&answer->body, "{\"arenas\":%u,\"busy\":%u,\"returned_bytes\":%llu}\n", trimmed.arenas, trimmed.busy,
	              (unsigned long long)trimmed.bytes);
}

/* The body is the level, as a word or as {"level":"debug"}. */
static bool level_of(const struct admin_request *request, char *level, size_t capacity)
{
	const char *at = request->body + strspn(request->body, " \t\r\n");
	if (*at == '{') {
		at += 1 + strspn(at + 1, " \t\r\n");
		if (strncmp(at, "\"level\"", 7) != 0)
			return false;
		at += 7 + strspn(at + 7, " \t\r\n:");
	}
	at += *at == '"';
	size_t bytes = strspn(at, "abcdefghijklmnopqrstuvwxyz");
	if (bytes == 0 || bytes >= capacity || strspn(at + bytes, "\" \t\r\n}") != strlen(at + bytes))
		return false;
	snprintf(level, capacity, "%.*s", (int)bytes, at);
	return true;
}

static void put_log_level(void *context, const struct admin_request *request, struct admin_answer *answer)
{
	struct service *service = context;
	struct configuration *c = &service->configuration;
	struct option_problem problem;
	char level[16];
	if (!level_of(request, level, sizeof level) ||
	    !option_set_text(&c->set, "log.level", level, OPTION_FROM_request, &problem)) {
		admin_refuse(answer, 400, "the body is a level: error, warning, info or debug");
		return;
	}
	log_setup((enum log_level)c->service.log_level, (enum log_format)c->service.log_format);
	log_info("config", "log.level: '%s', by PUT /log/level", level);
	cursor_format(&answer->body, "{\"level\":\"%s\"}\n", level);
}

/* ---- the table --------------------------------------------------------------------------------------------- */

const struct admin_route service_routes[] = {
	{"GET", "/", ADMIN_EARLY, get_dashboard},
	{"GET", "/metrics", ADMIN_BOTH, get_metrics},
	{"GET", "/allocator", ADMIN_BOTH, get_allocator},
	{"GET", "/allocator/doctor", ADMIN_BOTH, get_doctor},
	{"GET", "/debug/pprof/heap", ADMIN_BOTH, get_heap_profile},
	{"GET", "/latency", ADMIN_BOTH, get_latency},
	{"GET", "/version", ADMIN_EARLY, get_version},
	{"GET", "/config", ADMIN_EARLY, get_config},
	{"GET", "/stats", ADMIN_BOTH, get_stats},
	{"POST", "/arena/reset", ADMIN_CHANGES, post_arena_reset},
	{"POST", "/snapshot", ADMIN_CHANGES, post_snapshot},
	{"POST", "/drain", ADMIN_CHANGES, post_drain},
	{"PUT", "/log/level", ADMIN_CHANGES, put_log_level},
};
const size_t service_route_count = COUNT_OF(service_routes);
