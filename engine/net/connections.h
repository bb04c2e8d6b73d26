/*
 * connections: what is known of each peer, by the id that nng gives its pipe.
 *
 * Threads: any; nng reports pipes on several of its threads at once. One lock, taken when a peer
 * comes, goes or is to go, never for a message: under it the pool has one owner at a time.
 * Memory: a pool named `connections` and the heads of its chains, reserved at setup for
 * peers_max peers. An id that nobody has (its peer is gone, or was never taken) finds nothing.
 */
#ifndef ENGINE_NET_CONNECTIONS_H
#define ENGINE_NET_CONNECTIONS_H

#include "engine/memory/account.h"
#include "engine/memory/bill.h"

struct connections {
	pthread_mutex_t lock;
	struct pool *pool;
	struct holding pool_holding, heads_holding;
	struct region heads_region;
	struct pool_handle *heads; /* by the low bits of the id; nng counts its ids up */
	uint32_t mask;
};

void connections_bill(struct bill *bill, uint64_t peers_max);

/* account may be NULL. STATUS_pool_exhausted: no memory. */
status connections_setup(struct connections *c, struct account *account, uint32_t peers_max);
/* No thread reports pipes any more. Does nothing after a setup that was never tried. */
void connections_teardown(struct connections *c);

/* STATUS_pool_exhausted: there are as many as there may be; the peer is to be closed. */
status connections_add(struct connections *c, uint32_t pipe);
/* STATUS_not_found for one that was not taken, or is gone. */
status connections_remove(struct connections *c, uint32_t pipe);
/* Whether the caller is to close it: true once, false when it was told to or is gone. */
bool connections_dismiss(struct connections *c, uint32_t pipe);

uint32_t connections_count(const struct connections *c);

#endif
