#include "engine/admin/inside.h"

#include "engine/base/check.h"
#include "engine/base/log.h"

#include <stdlib.h>
#include <string.h>

const struct option admin_option_rows[] = {ADMIN_OPTIONS(OPTION_ROW)};
const size_t admin_option_count = COUNT_OF(admin_option_rows);

/* The lists by listener. A socket file is for whom it concerns: scrapers of other users, the operator alone. */
static const struct {
	const char *key;
	size_t offset;
	unsigned mode;
} lists[LISTENER_COUNT] = {
	[LISTENER_observe] = {"observe.listen", offsetof(struct admin_options, observe_listen), 0666},
	[LISTENER_admin] = {"admin.listen", offsetof(struct admin_options, admin_listen), 0600},
};

static const struct option_list *list_of(const struct admin_options *o, size_t listener)
{
	return (const struct option_list *)(const void *)((const char *)o + lists[listener].offset);
}

/* ---- options and the bill --------------------------------------------------------------------------- */

static bool address_agrees(const struct admin_options *o, size_t listener, const char *address, struct option_problem *problem)
{
	if (!listen_is_address(address)) {
		snprintf(problem->text, sizeof problem->text, "%s: '%s' is no address; expected HOST:PORT or unix:/PATH",
		         lists[listener].key, address);
		return false;
	}
	if (listener != LISTENER_admin || o->token[0] != '\0' || listen_is_local(address))
		return true;
	snprintf(problem->text, sizeof problem->text,
	         "admin.listen: %s is reached from other machines, and anybody there could drain the service: set admin.token, "
	         "or listen on 127.0.0.1",
	         address);
	return false;
}

bool admin_options_agree(const struct admin_options *o, struct option_problem *problem)
{
	for (const char *at = o->token; *at != '\0'; at++)
		if (*at <= ' ' || *at > '~') {
			snprintf(problem->text, sizeof problem->text, "admin.token: only printable ASCII without blanks is allowed");
			return false;
		}
	for (size_t l = 0; l < LISTENER_COUNT; l++)
		for (unsigned i = 0; i < list_of(o, l)->count; i++)
			if (!address_agrees(o, l, list_of(o, l)->item[i], problem))
				return false;
	return true;
}

static bool listens(const struct admin_options *o) { return o->observe_listen.count + o->admin_listen.count > 0; }

static uint32_t connections_of(const struct admin_options *o)
{
	return (uint32_t)(o->observe_connections_max + o->admin_connections_max);
}

void admin_bill(const struct admin_options *o, struct bill *bill)
{
	if (!listens(o))
		return;
	unsigned debug = bill->pool_debug;
	uint64_t connection = pool_stride_bytes(sizeof(struct connection), false, debug);
	bill_add(bill, "admin", "observe.connections_max", (uint64_t)o->observe_connections_max, connection,
	         "HTTP connections of observe.listen, each with what it reads and writes");
	bill_add(bill, "admin", "admin.connections_max", (uint64_t)o->admin_connections_max, connection,
	         "the same of admin.listen");
	bill_add(bill, "admin", "observe.pages", (uint64_t)o->pages, pool_stride_bytes(sizeof(struct page), false, debug),
	         "pages of answers");
	bill_add(bill, "admin", "", 1, pool_table_bytes(connections_of(o), debug) + pool_table_bytes((uint64_t)o->pages, debug) +
	         6 * REGION_SMALL_BYTES, "the pools' tables");
}

/* ---- setting up ------------------------------------------------------------------------------------- */

static status open_sockets(struct admin *admin, struct option_problem *problem)
{
	const struct admin_options *o = &admin->options;
	for (size_t l = 0; l < LISTENER_COUNT; l++)
		for (unsigned i = 0; i < list_of(o, l)->count; i++) {
			const char *address = list_of(o, l)->item[i];
			bool needs_local = l == LISTENER_admin && o->token[0] == '\0';
			status s = listen_open(&admin->sockets, lists[l].key, address, (unsigned)l, needs_local, lists[l].mode, problem);
			if (s != STATUS_ok)
				return s;
			log_info("admin", "%s listens on %s", lists[l].key, address);
		}
	return STATUS_ok;
}

static status open_connections(struct admin *admin)
{
	admin->open = calloc(connections_of(&admin->options), sizeof(struct connection *));
	if (admin->open == NULL)
		return STATUS_pool_exhausted;
	admin->connections_holding.option = "observe.connections_max";
	return account_open_pool(admin->options.account, &admin->connections, &admin->connections_holding, &(struct pool_options){
		.name = "http connections",
		.object_bytes = sizeof(struct connection),
		.capacity = connections_of(&admin->options),
	});
}

static status setup_all(struct admin *admin, struct option_problem *problem)
{
	status s = desk_setup(admin);
	if (s == STATUS_ok)
		s = early_setup(admin);
	if (s == STATUS_ok)
		s = open_connections(admin);
	if (s == STATUS_ok)
		s = open_sockets(admin, problem);
	return s == STATUS_ok ? server_start(admin) : s;
}

status admin_setup(struct admin **out, const struct admin_options *options, const struct admin_route *routes,
                   size_t route_count, void *context, struct option_problem *problem)
{
	*out = NULL;
	snprintf(problem->text, sizeof problem->text, "observe.listen, admin.listen: no memory or descriptors for them");
	if (!admin_options_agree(options, problem))
		return STATUS_invalid_field;
	struct admin *admin = calloc(1, sizeof *admin);
	if (admin == NULL)
		return STATUS_pool_exhausted;
	admin->options = *options;
	admin->routes = routes;
	admin->route_count = route_count;
	admin->context = context;
	admin->reasons = 1u << ADMIN_REASON_recovering;
	admin->desk.asked_fd = admin->desk.answered_fd = -1;
	spare_setup(&admin->spares);
	status s = listens(options) ? setup_all(admin, problem) : STATUS_ok;
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
	server_stop(admin);
	early_teardown(admin);
	desk_teardown(admin);
	if (admin->connections != NULL)
		account_close_pool(&admin->connections, &admin->connections_holding);
	listen_close(&admin->sockets);
	spare_teardown(&admin->spares);
	free(admin->open);
	free(admin);
}
