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

#include "engine/base/metric.h"
#include "engine/base/option.h"
#include "engine/shard/shard.h"

#define NET_OPTIONS(O) \
	O(list, net, reply, "events.reply", "[tcp://127.0.0.1:4700,ipc://{data.directory}/trove.ipc]", 0, 0, "", startup, \
	  "Where requests are answered (nng REP); {data.directory} is filled in.") \
	O(list, net, collect, "events.collect", "[tcp://127.0.0.1:4701]", 0, 0, "", startup, \
	  "Where events are taken without an answer (nng PULL).") \
	O(list, net, publish, "events.publish", "[tcp://127.0.0.1:4702]", 0, 0, "", startup, \
	  "Where publications go out (nng PUB).") \
	O(choice, net, ipc_access, "events.ipc_access", "user", 0, 0, "user|group|everybody", startup, \
	  "Who may connect to ipc sockets: processes of this user, those of its group too, or everybody who reaches the file.") \
	O(integer, net, contexts, "events.contexts", "128", 1, 65536, "", startup, \
	  "Requests that may be in work or on their way back at once, over all peers.") \
	O(integer, net, threads, "events.threads", "0", 0, 256, "", startup, \
	  "Threads that answer; 0: two for each processor that they may use (cgroup limits count).") \
	O(text, net, cpus, "events.cpus", "", 0, 0, "", startup, \
	  "Processors that the threads of events.threads keep to, like 2,4-7; empty: all that this process may use.") \
	O(integer, net, send_timeout_ms, "events.send_timeout_ms", "1000", 100, 600000, "ms", startup, \
	  "A peer that does not read a reply for this long is disconnected: its replies hold what others need.") \
	O(integer, net, peers_max, "events.peers_max", "256", 1, 1000000, "", startup, \
	  "Connections over all event sockets, each a descriptor; a further one is closed at once.")

/* Why a peer or a message was dropped. */
enum net_peer_reason { NET_PEER_limit, NET_PEER_slow, NET_PEER_draining, NET_PEER_REASON_COUNT };
enum net_loss { NET_LOSS_peer_gone, NET_LOSS_peer_slow, NET_LOSS_no_memory };
enum { METRIC_SERIES_peer_reason = NET_PEER_REASON_COUNT, METRIC_SERIES_loss = 3 };

#define NET_METRICS(M) \
	M(counter, net, peers_connected, "trove_peers_connected_total", none, \
	  "Connections that came since the start, those that were closed at once too; rising fast: peers do not keep theirs.") \
	M(counter, net, peers_dropped, "trove_peers_dropped_total", peer_reason, \
	  "Connections that trove closed: limit (beyond events.peers_max: raise it, or find who opens so many), slow (the peer " \
	  "did not read its replies for events.send_timeout_ms), draining (it came while trove stops: it connects elsewhere).") \
	M(counter, net, replies_dropped, "trove_replies_dropped_total", loss, \
	  "Replies that reached nobody: peer_gone (it left while they were made), peer_slow (it did not read and was " \
	  "disconnected), no_memory; who asks again under the same id gets them.") \
	M(counter, net, publications, "trove_publications_total", none, \
	  "Publications handed to the PUB socket; it drops those for a subscriber that is slow, who sees the gap in seq.") \
	M(counter, net, publications_unsent, "trove_publications_unsent_total", none, \
	  "Publications that the PUB socket did not take; subscribers see the gap in seq: look for want of memory.")

#define NET_NOW_METRICS(M) \
	M(gauge, net_now, peers, "trove_peers", none, \
	  "Connections on the event sockets; near the limit: raise events.peers_max.") \
	M(gauge, net_now, peers_limit, "trove_peers_limit", none, \
	  "Where a further connection is closed at once; events.peers_max sets it.") \
	M(gauge, net_now, in_flight, "trove_requests_in_flight", none, \
	  "Requests in work or on their way back; at the limit peers wait: look for slow ones, or raise events.contexts.") \
	M(gauge, net_now, in_flight_limit, "trove_requests_in_flight_limit", none, \
	  "How many there may be at once; events.contexts sets it.")

extern const struct metric_table net_metric_tables[];
extern const size_t net_metric_table_count;

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
/* How many bytes of freed messages may wait in the heap for the next ones: a quarter of that, 64 MiB at most. */
uint64_t net_waiting_bytes(const struct net_options *options);

/* Opens the sockets and listens. The shard stays the caller's and outlives the net;
 * the options are copied. On failure `problem` names
 * the address and the reason. STATUS_pool_exhausted: no memory; STATUS_internal: nng refused. */
status net_setup(struct net **net, const struct net_options *options, struct shard *shard,
                 struct option_problem *problem);

/* No new connections, and no further requests beyond one for each free context; what was received is still
 * answered. */
void net_stop(struct net *net);
/* The same, but a request that still comes is left unanswered, so that its peer, when the connection ends, sends it again to
 * whoever listens there next. Collected events have no answer: they are taken. */
void net_hand_over(struct net *net);
/* Requests that were received and whose replies were not yet handed to the kernel. */
uint64_t net_in_flight(const struct net *net);
/* Closes the sockets at once: no message comes any more, no reply reaches anybody. What is in work is still to be done. */
void net_close(struct net *net);
void net_teardown(struct net **net);

/* What became of all messages: after net_close, when nothing is in flight, accepted is answered and refused. */
struct net_tally {
	uint64_t accepted, answered, refused, in_flight;
};
void net_tally(const struct net *net, struct net_tally *tally);

/* Disconnects peers that do not read. To be called every 100 ms or so, on the main thread. */
void net_sweep(struct net *net);

/* Sends "topic json" to whoever subscribed. Never blocks; slow subscribers miss it. */
void net_publish(struct net *net, const char *topic, const char *json);

void net_write_metrics(const struct net *net, struct metric_page *page);

#endif
