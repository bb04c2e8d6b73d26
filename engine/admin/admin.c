#include "engine/admin/admin.h"

#include "engine/base/check.h"
#include "engine/base/log.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <stdlib.h>

const struct option admin_option_rows[] = {ADMIN_OPTIONS(OPTION_ROW)};
const size_t admin_option_count = COUNT_OF(admin_option_rows);

/* libevent has none of these limits unless told. */
enum { HEADER_BYTES_MAX = 8 << 10, BODY_BYTES_MAX = 64 << 10, TIMEOUT_S = 5, PAGE_BYTES_MAX = 256 << 10 };

struct admin {
	struct evhttp *http;
	struct admin_sources sources;
	uint8_t *page;
};

/* libevent 2.1 cannot limit connections: the bill says what it assumes. Each may hold a request
 * and a page that its client does not read. */
enum { CONNECTIONS_ASSUMED = 16, CONNECTION_BYTES = HEADER_BYTES_MAX + BODY_BYTES_MAX + PAGE_BYTES_MAX };

void admin_bill(const struct admin_options *o, struct bill *bill)
{
	bill_add(bill, "admin", "", 1, PAGE_BYTES_MAX, "the page of metrics");
	if (o->observe_listen[0] != '\0')
		bill_add(bill, "admin", "observe.listen", CONNECTIONS_ASSUMED, CONNECTION_BYTES,
		         "HTTP connections with request and page; %d are assumed", CONNECTIONS_ASSUMED);
}

static void respond(struct evhttp_request *request, int code, const char *reason, const char *type, const void *body,
                 size_t bytes)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
	evhttp_add_header(headers, "Content-Type", type);
	evhttp_add_header(headers, "Cache-Control", "no-store");
	evbuffer_add(evhttp_request_get_output_buffer(request), body, bytes);
	evhttp_send_reply(request, code, reason, NULL);
}

static void send_json(struct evhttp_request *request, int code, const char *reason, const char *json)
{
	respond(request, code, reason, "application/json", json, strlen(json));
}

/* GET and HEAD only; anything else is told so. */
static bool only_reads(struct evhttp_request *request)
{
	enum evhttp_cmd_type command = evhttp_request_get_command(request);
	if (command == EVHTTP_REQ_GET || command == EVHTTP_REQ_HEAD)
		return true;
	evhttp_add_header(evhttp_request_get_output_headers(request), "Allow", "GET, HEAD");
	send_json(request, 405, "Method Not Allowed", "{\"error\":\"this listener changes nothing: GET and HEAD only\"}\n");
	return false;
}

static void on_livez(struct evhttp_request *request, void *argument)
{
	(void)argument;
	if (only_reads(request))
		send_json(request, 200, "OK", "{\"status\":\"live\"}\n");
}

static void on_readyz(struct evhttp_request *request, void *argument)
{
	struct admin *admin = argument;
	if (!only_reads(request))
		return;
	const char *reason = admin->sources.not_ready(admin->sources.context);
	char json[256];
	if (reason == NULL) {
		send_json(request, 200, "OK", "{\"status\":\"ready\"}\n");
		return;
	}
	snprintf(json, sizeof json, "{\"status\":\"not ready\",\"reasons\":[\"%s\"]}\n", reason);
	send_json(request, 503, "Service Unavailable", json);
}

static void send_page(struct evhttp_request *request, struct admin *admin, const char *type,
                      void (*write)(void *context, struct cursor *out))
{
	if (!only_reads(request))
		return;
	struct cursor out;
	cursor_init(&out, admin->page, PAGE_BYTES_MAX);
	write(admin->sources.context, &out);
	CHECK(!out.full, "a page is larger than %d bytes", PAGE_BYTES_MAX);
	respond(request, 200, "OK", type, admin->page, cursor_used(&out));
}

static void on_metrics(struct evhttp_request *request, void *argument)
{
	struct admin *admin = argument;
	send_page(request, admin, "text/plain; version=0.0.4; charset=utf-8", admin->sources.write_metrics);
}

static void on_allocator(struct evhttp_request *request, void *argument)
{
	struct admin *admin = argument;
	send_page(request, admin, "application/json", admin->sources.write_allocator);
}

static void on_doctor(struct evhttp_request *request, void *argument)
{
	struct admin *admin = argument;
	send_page(request, admin, "text/plain; charset=utf-8", admin->sources.write_doctor);
}

static void on_other(struct evhttp_request *request, void *argument)
{
	(void)argument;
	if (only_reads(request))
		send_json(request, 404, "Not Found",
		          "{\"error\":\"no such path; there are /livez, /readyz, /metrics, /allocator and /allocator/doctor\"}\n");
}

/* "127.0.0.1:9090", "[::1]:9090" or "localhost:0" */
static bool split_address(const char *text, char *host, size_t capacity, uint16_t *port)
{
	const char *colon = strrchr(text, ':');
	if (colon == NULL || colon == text)
		return false;
	char *end;
	unsigned long number = strtoul(colon + 1, &end, 10);
	if (end == colon + 1 || *end != '\0' || number > UINT16_MAX)
		return false;
	size_t bytes = (size_t)(colon - text);
	if (text[0] == '[' && text[bytes - 1] == ']') {
		text++;
		bytes -= 2;
	}
	if (bytes >= capacity)
		return false;
	memcpy(host, text, bytes);
	host[bytes] = '\0';
	*port = (uint16_t)number;
	return true;
}

static status listen_on(struct admin *admin, const char *address, struct option_problem *problem)
{
	char host[OPTION_TEXT_BYTES];
	uint16_t port;
	if (!split_address(address, host, sizeof host, &port)) {
		snprintf(problem->text, sizeof problem->text, "observe.listen: '%s' is no address; expected HOST:PORT", address);
		return STATUS_invalid_field;
	}
	if (evhttp_bind_socket(admin->http, host, port) != 0) {
		snprintf(problem->text, sizeof problem->text, "observe.listen: cannot listen on %s: %s", address, strerror(errno));
		return STATUS_internal;
	}
	log_info("admin", "observe.listen listens on http://%s", address);
	return STATUS_ok;
}

static status setup_http(struct admin *admin, struct event_base *loop)
{
	admin->http = evhttp_new(loop);
	if (admin->http == NULL)
		return STATUS_pool_exhausted;
	evhttp_set_max_headers_size(admin->http, HEADER_BYTES_MAX);
	evhttp_set_max_body_size(admin->http, BODY_BYTES_MAX);
	evhttp_set_timeout(admin->http, TIMEOUT_S);
	evhttp_set_allowed_methods(admin->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST | EVHTTP_REQ_PUT |
	                                            EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS | EVHTTP_REQ_PATCH);
	evhttp_set_cb(admin->http, "/livez", on_livez, admin);
	evhttp_set_cb(admin->http, "/readyz", on_readyz, admin);
	evhttp_set_cb(admin->http, "/metrics", on_metrics, admin);
	evhttp_set_cb(admin->http, "/allocator", on_allocator, admin);
	evhttp_set_cb(admin->http, "/allocator/doctor", on_doctor, admin);
	evhttp_set_gencb(admin->http, on_other, admin);
	return STATUS_ok;
}

status admin_setup(struct admin **out, const struct admin_options *options, struct event_base *loop,
                   const struct admin_sources *sources, struct option_problem *problem)
{
	*out = NULL;
	struct admin *admin = calloc(1, sizeof *admin);
	if (admin == NULL)
		return STATUS_pool_exhausted;
	admin->sources = *sources;
	admin->page = malloc(PAGE_BYTES_MAX);
	status s = admin->page == NULL ? STATUS_pool_exhausted : setup_http(admin, loop);
	if (s == STATUS_ok && options->observe_listen[0] != '\0')
		s = listen_on(admin, options->observe_listen, problem);
	if (s != STATUS_ok)
		admin_teardown(&admin);
	*out = admin;
	return s;
}

void admin_teardown(struct admin **out)
{
	struct admin *admin = *out;
	*out = NULL;
	if (admin == NULL)
		return;
	if (admin->http != NULL)
		evhttp_free(admin->http);
	free(admin->page);
	free(admin);
}
