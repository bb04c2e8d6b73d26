/*
 * net: the event sockets (nng). REP answers requests, PULL takes events without an
 * answer, PUB tells what happened.
 *
 * Threads: messages are received and answered on nng's own threads; how many there
 * are is set before the first socket. net_publish: any thread. The rest: main thread.
 * Memory: a fixed number of contexts, and a pool of connections, reserved at start, bound what is
 * in flight and who is there; messages belong to nng until received, then to the context, then to nng again.
 * A reply is written into the request's own message.
 */
#ifndef ENGINE_NET_NET_H
#define ENGINE_NET_NET_H

#include "engine/base/option.h"
#include "engine/shard/shard.h"

#define NET_OPTIONS(O) \
	O(list, net, reply, "events.reply", "[tcp://127.0.0.1:4700,ipc://{data.directory}/trove.ipc]", 0, 0, "", startup, \
	  "Where requests are answered (nng REP); {data.directory} is filled in.") \
	O(list, net, collect, "events.collect", "[tcp://127.0.0.1:4701]", 0, 0, "", startup, \
	  "Where events are taken without an answer (nng PULL).") \
	O(list, net, publish, "events.publish", "[tcp://127.0.0.1:4702]", 0, 0, "", startup, \
	  "Where publications go out (nng PUB).") \
	O(integer, net, contexts, "events.contexts", "128", 1, 65536, "", startup, \
	  "Requests that may be in work or on their way back at once, over all peers.") \
	O(integer, net, threads, "events.threads", "0", 0, 256, "", startup, \
	  "Threads that answer; 0: two for each processor that they may use (cgroup limits count).") \
	O(text, net, cpus, "events.cpus", "", 0, 0, "", startup, \
	  "Processors that the threads of events.threads keep to, like 2,4-7; empty: all that this process may use.") \
	O(integer, net, send_timeout_ms, "events.send_timeout_ms", "1000", 100, 600000, "ms", startup, \
	  "A peer that does not read a reply for this long is disconnected: its replies hold what others need.") \
	O(integer, net, peers_max, "events.peers_max", "256", 1, 1000000, "", startup, \
	  "Connections over all event sockets; a further one is closed at once.")

struct net_options {
	NET_OPTIONS(OPTION_MEMBER)
	size_t message_bytes_max; /* from events.message_bytes_max */
	size_t reply_bytes_max;   /* from events.reply_bytes_max */
	struct account *account;  /* where its pool is entered; NULL: not entered */
};

extern const struct option net_option_rows[];
extern const size_t net_option_count;

struct net;

/* Whether the options make sense on this machine; else problem says which do not. */
bool net_options_agree(const struct net_options *options, struct option_problem *problem);

/* Threads on which shard_handle may be called at once, for shard_options.workers. */
unsigned net_threads(const struct net_options *options);

/* What the sockets take at most, all peers together. */
void net_bill(const struct net_options *options, struct bill *bill);

/* Opens the sockets and listens. The shard stays the caller's and outlives the net;
 * the options are copied. On failure `problem` names
 * the address and the reason. STATUS_pool_exhausted: no memory; STATUS_internal: nng refused. */
status net_setup(struct net **net, const struct net_options *options, struct shard *shard,
                 struct option_problem *problem);

/* No new connections, and no further requests beyond one for each free context; what was received is still
 * answered. */
void net_stop(struct net *net);
/* Requests that were received and whose replies were not yet handed to the kernel. */
uint64_t net_in_flight(const struct net *net);
/* Closes the sockets at once. */
void net_teardown(struct net **net);

/* Disconnects peers that do not read. To be called every 100 ms or so, on the main thread. */
void net_sweep(struct net *net);

/* Sends "topic json" to whoever subscribed. Never blocks; slow subscribers miss it. */
void net_publish(struct net *net, const char *topic, const char *json);

void net_write_metrics(const struct net *net, struct cursor *out);

#endif
