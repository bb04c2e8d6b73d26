#include "engine/net/connections.h"

#include "engine/base/check.h"

struct connection {
	uint32_t pipe;
	bool is_dismissed;
	struct pool_handle next; /* of its chain; null at the end */
};

enum { STRIDE = 16 };
static_assert(sizeof(struct connection) == STRIDE);

/* At least two: see pool.h for what a pool's table needs. */
static uint64_t heads_of(uint64_t peers)
{
	uint64_t heads = 2;
	while (heads < peers)
		heads *= 2;
	return heads;
}

void connections_bill(struct bill *bill, uint64_t peers_max)
{
	uint64_t each = pool_stride_bytes(sizeof(struct connection), false, bill->pool_debug);
	uint64_t tables = bill_plus(pool_table_bytes(peers_max, bill->pool_debug), heads_of(peers_max) * sizeof(struct pool_handle));
	bill_add(bill, "net", "events.peers_max", peers_max, each, "connections, what is known of each");
	bill_add(bill, "net", "events.peers_max", 1, tables + 3 * REGION_SMALL_BYTES, "the pool's tables of connections");
}

status connections_setup(struct connections *c, struct account *account, uint32_t peers_max)
{
	size_t heads = heads_of(peers_max);
	*c = (struct connections){.mask = (uint32_t)heads - 1};
	pthread_mutex_init(&c->lock, NULL);
	c->pool_holding.option = "events.peers_max";
	status s = account_open_pool(account, &c->pool, &c->pool_holding, &(struct pool_options){
		.name = "connections",
		.object_bytes = sizeof(struct connection),
		.capacity = peers_max,
	});
	if (s != STATUS_ok)
		return s;
	c->heads_holding = (struct holding){
		.name = "connection chains", .option = "events.peers_max", .kind = HOLDING_buffer};
	size_t bytes = heads * sizeof *c->heads;
	s = account_open(account, &c->heads_region, &c->heads_holding, bytes, bytes, ACCOUNT_NODE);
	if (s != STATUS_ok)
		return s;
	c->heads = (struct pool_handle *)(void *)c->heads_region.bytes;
	holding_use(&c->heads_holding, bytes);
	return STATUS_ok;
}

void connections_teardown(struct connections *c)
{
	if (c->mask == 0)
		return;
	if (c->heads != NULL)
		account_close(&c->heads_region, &c->heads_holding);
	if (c->pool != NULL)
		account_close_pool(&c->pool, &c->pool_holding);
	pthread_mutex_destroy(&c->lock);
	c->mask = 0;
}

/* The link that names the pipe's connection, or NULL; the connection, too. */
static struct pool_handle *find(struct connections *c, uint32_t pipe, struct connection **found)
{
	struct pool_handle *link = &c->heads[pipe & c->mask];
	while (link->bits != 0) {
		*found = pool_resolve(c->pool, *link);
		CHECK(*found != NULL, "connections: the chain of pipe %u names one that was given back", pipe);
		if ((*found)->pipe == pipe)
			return link;
		link = &(*found)->next;
	}
	return NULL;
}

status connections_add(struct connections *c, uint32_t pipe)
{
	struct pool_handle handle;
	void *object;
	pthread_mutex_lock(&c->lock);
	status s = pool_borrow(c->pool, &handle, &object);
	if (s == STATUS_ok) {
		struct pool_handle *head = &c->heads[pipe & c->mask];
		*(struct connection *)object = (struct connection){.pipe = pipe, .next = *head};
		*head = handle;
	}
	pthread_mutex_unlock(&c->lock);
	return s;
}

status connections_remove(struct connections *c, uint32_t pipe)
{
	struct connection *found;
	status s = STATUS_not_found;
	pthread_mutex_lock(&c->lock);
	struct pool_handle *link = find(c, pipe, &found);
	if (link != NULL) {
		struct pool_handle handle = *link;
		*link = found->next;
		s = pool_return(c->pool, &handle);
	}
	pthread_mutex_unlock(&c->lock);
	return s;
}

bool connections_dismiss(struct connections *c, uint32_t pipe)
{
	struct connection *found;
	pthread_mutex_lock(&c->lock);
	bool is_first = find(c, pipe, &found) != NULL && !found->is_dismissed;
	if (is_first)
		found->is_dismissed = true;
	pthread_mutex_unlock(&c->lock);
	return is_first;
}

uint32_t connections_count(const struct connections *c)
{
	struct pool_statistics s;
	pool_read_statistics(c->pool, &s);
	return s.in_use;
}
