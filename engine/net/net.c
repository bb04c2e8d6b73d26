/*
 * Design note. A context is a state machine driven by its one aio:
 *
 *   RECEIVING ──message──► WORKING ──done──► SENDING ──sent──► RECEIVING …
 *
 * The aio's callback runs on an nng thread and does the whole work of a query before
 * it returns. For a change, `done` comes later from the writer's thread; the aio is
 * idle meanwhile, so whoever calls done is alone with the context. nng frees a message
 * that was sent; one whose sending failed is ours again.
 */
#include "engine/net/net.h"

#include "engine/base/clock.h"
#include "engine/base/cpu.h"
#include "engine/base/log.h"
#include "engine/base/number_set.h"
#include "engine/base/thread.h"
#include "engine/memory/heap_large.h"
#include "engine/net/connections.h"

#include <nng/nng.h>
#include <nng/protocol/pipeline0/pull.h>
#include <nng/protocol/pubsub0/pub.h>
#include <nng/protocol/reqrep0/rep.h>

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

const struct option net_option_rows[] = {NET_OPTIONS(OPTION_ROW)};
const size_t net_option_count = COUNT_OF(net_option_rows);

enum phase { PHASE_RECEIVING, PHASE_WORKING, PHASE_SENDING };

struct context {
	alignas(CACHE_LINE_BYTES) struct shard_job job;
	struct net *net;
	nng_aio *aio;
	nng_msg *message;
	nng_ctx ctx;      /* REP only */
	bool has_ctx;
	_Atomic(enum phase) phase;
	/* For net_sweep, which looks from another thread while the context moves on. */
	_Atomic uint32_t pipe;
	_Atomic int64_t received_ns; /* of the request whose reply is being sent; tells one from the next */
	int64_t seen_request_ns, seen_ns; /* net_sweep's: which one it saw being sent, since when */
	/* What became of its messages; whoever works for it adds. */
	metric_cell accepted, answered, refused;
};

enum { SOCKET_REPLY, SOCKET_COLLECT, SOCKET_PUBLISH, SOCKET_COUNT };

struct net_metrics {
	NET_METRICS(METRIC_CELL)
};
struct net_now_metrics {
	NET_NOW_METRICS(METRIC_VALUE)
};

struct net {
	struct net_options options;
	struct shard *shard;
	nng_socket socket[SOCKET_COUNT];
	bool is_open[SOCKET_COUNT];
	struct context *contexts; /* the last one is PULL's */
	size_t context_count;
	atomic_bool stopping, hands_over;
	struct connections connections;
	/* Any of nng's threads: only what is rare, but for publications, which come from one at a time. */
	alignas(CACHE_LINE_BYTES) struct net_metrics metrics;
};

enum { EXPIRE_THREADS = 1, POLLER_THREADS = 1, RESOLVER_THREADS = 1 };

static unsigned usable_cpus(const struct net_options *options)
{
	struct number_set cpus;
	unsigned most = cpu_count();
	unsigned listed = number_set_parse(options->cpus, &cpus) == STATUS_ok ? number_set_count(&cpus) : 0;
	return listed != 0 && listed < most ? listed : most;
}

static unsigned task_threads(const struct net_options *options)
{
	unsigned count = options->threads != 0 ? (unsigned)options->threads : 2 * usable_cpus(options);
	return count < 2 ? 2 : count; /* nng needs two, or a callback could wait for itself */
}

unsigned net_threads(const struct net_options *options)
{
	return task_threads(options) + EXPIRE_THREADS + POLLER_THREADS + 1;
}

/* ---- the bill ----------------------------------------------------------------------- */

/* nng 1.10 and mimalloc 3, measured as growth of the resident set: 0.9 KiB a context with its aio
 * (60,000 of them), 4.2 KiB an idle tcp connection (2,000). */
enum { CONTEXT_LIBRARY_BYTES = 1 << 10, PEER_LIBRARY_BYTES = 6 << 10 };

/* With what nng puts around it; mimalloc rounds up to size classes, eight between two powers of two, and heap_large to its. */
static uint64_t on_heap(uint64_t bytes)
{
	return bytes < HEAP_LARGE_LEAST / 2 ? bill_plus(bytes, bytes / 8 + 256) : heap_large_bytes(bill_plus(bytes, 256));
}

/* See open_socket. */
static uint64_t received_bytes_max(const struct net_options *o) { return bill_times(2, o->message_bytes_max); }

/* A reply takes the place of its request in the same message. nng receives one message of each peer
 * ahead of a free context, and makes room for it as soon as its length has come. */
void net_bill(const struct net_options *o, struct bill *bill)
{
	uint64_t contexts = (uint64_t)o->contexts + 1;
	uint64_t received = received_bytes_max(o);
	uint64_t message = received > o->reply_bytes_max ? received : o->reply_bytes_max;
	bill_add(bill, "net", "events.contexts", contexts, sizeof(struct context) + CONTEXT_LIBRARY_BYTES,
	         "contexts; %d bytes are nng's, measured", CONTEXT_LIBRARY_BYTES);
	bill_add(bill, "net", "events.contexts", contexts, on_heap(message),
	         "messages in work: the larger of twice events.message_bytes_max and events.reply_bytes_max");
	bill_add(bill, "net", "events.message_bytes_max", net_threads(o) + 1, on_heap(received),
	         "requests while their replies take their places, one for each thread");
	bill_add(bill, "net", "events.peers_max", (uint64_t)o->peers_max, on_heap(received),
	         "a message of each peer waiting for a context: twice events.message_bytes_max");
	bill_add(bill, "net", "events.peers_max", (uint64_t)o->peers_max, PEER_LIBRARY_BYTES,
	         "nng's connections, idle; measured");
	connections_bill(bill, (uint64_t)o->peers_max);
}

uint64_t net_waiting_bytes(const struct net_options *o)
{
	struct bill messages = {};
	net_bill(o, &messages);
	uint64_t quarter = bill_sum(&messages) / 4;
	return quarter < HEAP_LARGE_KEPT_BYTES ? quarter : HEAP_LARGE_KEPT_BYTES;
}

/* ---- one message ------------------------------------------------------------------- */

static void receive(struct context *c)
{
	atomic_store_explicit(&c->phase, PHASE_RECEIVING, memory_order_release);
	if (atomic_load_explicit(&c->net->stopping, memory_order_acquire))
		return;
	if (c->has_ctx)
		nng_ctx_recv(c->ctx, c->aio);
	else
		nng_recv_aio(c->net->socket[SOCKET_COLLECT], c->aio);
}

/* The message's end; its reply may have reached nobody. */
static void finish(struct context *c, bool had_reply)
{
	metric_add(c->job.is_refused ? &c->refused : &c->answered, 1);
	shard_finish(c->net->shard, &c->job, had_reply);
}

static void on_reply(struct shard_job *job, const void *reply, size_t reply_bytes)
{
	struct context *c = (struct context *)job;
	nng_msg *message = c->message;
	c->message = NULL;
	nng_msg_clear(message);
	if (nng_msg_append(message, reply, reply_bytes) != 0) {
		/* The peer's request is resent by its own timer. */
		metric_add_shared(&c->net->metrics.replies_dropped[NET_LOSS_no_memory], 1);
		nng_msg_free(message);
		finish(c, false);
		receive(c);
		return;
	}
	atomic_store_explicit(&c->received_ns, job->received_ns, memory_order_relaxed);
	atomic_store_explicit(&c->phase, PHASE_SENDING, memory_order_release);
	nng_aio_set_msg(c->aio, message);
	nng_ctx_send(c->ctx, c->aio);
}

/* Events that were collected have no answer. */
static void on_collected(struct shard_job *job, const void *reply, size_t reply_bytes)
{
	(void)reply;
	(void)reply_bytes;
	struct context *c = (struct context *)job;
	nng_msg_free(c->message);
	c->message = NULL;
	finish(c, false);
	receive(c);
}

/* Who asked sends it again when the connection ends: then somebody else answers. */
static void leave(struct context *c)
{
	nng_msg_free(c->message);
	c->message = NULL;
	receive(c);
}

static void handle(struct context *c)
{
	c->message = nng_aio_get_msg(c->aio);
	nng_aio_set_msg(c->aio, NULL);
	if (__builtin_expect(atomic_load_explicit(&c->net->hands_over, memory_order_relaxed), 0) && c->has_ctx) {
		leave(c);
		return;
	}
	atomic_store_explicit(&c->pipe, (uint32_t)nng_pipe_id(nng_msg_get_pipe(c->message)), memory_order_relaxed);
	atomic_store_explicit(&c->phase, PHASE_WORKING, memory_order_release);
	c->job.message = nng_msg_body(c->message);
	c->job.message_bytes = nng_msg_len(c->message);
	c->job.received_ns = clock_monotonic_ns();
	c->job.received_ms = clock_unix_ms();
	c->job.is_refused = false;
	metric_add(&c->accepted, 1);
	shard_handle(c->net->shard, &c->job);
}

static void on_aio(void *argument)
{
	struct context *c = argument;
	int error = nng_aio_result(c->aio);
	if (atomic_load_explicit(&c->phase, memory_order_acquire) == PHASE_RECEIVING) {
		if (error == 0)
			handle(c);
		else if (error == NNG_ECLOSED || error == NNG_ECANCELED)
			return;
		else
			receive(c);
		return;
	}
	if (error != 0) {
		/* The peer went away before its answer. */
		nng_msg *message = nng_aio_get_msg(c->aio);
		nng_aio_set_msg(c->aio, NULL);
		nng_msg_free(message);
		metric_add_shared(&c->net->metrics.replies_dropped[NET_LOSS_peer_gone], 1);
	}
	finish(c, true);
	if (error != NNG_ECLOSED)
		receive(c);
	else
		atomic_store_explicit(&c->phase, PHASE_RECEIVING, memory_order_release);
}

/* ---- connections ------------------------------------------------------------------- */

/* nng takes a reply to a peer that is gone and says that it was sent: so it is seen here who waits for one when its
 * connection ends. What moves on meanwhile may be missed. */
static uint64_t replies_due(const struct net *net, uint32_t pipe, enum phase phase)
{
	uint64_t count = 0;
	for (size_t i = 0; i < net->context_count; i++) {
		const struct context *c = &net->contexts[i];
		count += c->has_ctx && atomic_load_explicit(&c->phase, memory_order_acquire) == phase &&
		         atomic_load_explicit(&c->pipe, memory_order_relaxed) == pipe;
	}
	return count;
}

/* On any of nng's threads. A pipe that was refused here is still reported as removed, and is not found then. */
static void on_pipe(nng_pipe pipe, nng_pipe_ev event, void *argument)
{
	struct net *net = argument;
	if (event == NNG_PIPE_EV_REM_POST) {
		uint64_t due = replies_due(net, (uint32_t)pipe.id, PHASE_WORKING);
		if (connections_remove(&net->connections, (uint32_t)pipe.id) == STATUS_ok)
			metric_add_shared(&net->metrics.replies_dropped[NET_LOSS_peer_gone], due);
		return;
	}
	if (event != NNG_PIPE_EV_ADD_PRE)
		return;
	metric_add_shared(net->metrics.peers_connected, 1);
	/* Its requests would be taken by nobody: closed at once, it goes to somebody who answers. */
	bool is_late = atomic_load_explicit(&net->stopping, memory_order_acquire);
	if (!is_late && connections_add(&net->connections, (uint32_t)pipe.id) == STATUS_ok)
		return;
	metric_add_shared(&net->metrics.peers_dropped[is_late ? NET_PEER_draining : NET_PEER_limit], 1);
	nng_pipe_close(pipe);
}

/* Each once: closing takes a moment, and a peer has many contexts. */
static void disconnect_slow_peer(struct net *net, uint32_t id)
{
	if (!connections_dismiss(&net->connections, id))
		return;
	metric_add_shared(&net->metrics.replies_dropped[NET_LOSS_peer_slow], replies_due(net, id, PHASE_SENDING));
	nng_pipe_close((nng_pipe){.id = id});
	metric_add_shared(&net->metrics.peers_dropped[NET_PEER_slow], 1);
	log_warning("net", "a peer did not read its replies for %lld ms and was disconnected",
	            (long long)net->options.send_timeout_ms);
}

/* From when it was first seen: the reply itself may have waited long for the disk. */
static bool sends_too_long(struct context *c, int64_t now_ns, int64_t limit_ns)
{
	if (atomic_load_explicit(&c->phase, memory_order_acquire) != PHASE_SENDING)
		return false;
	int64_t request_ns = atomic_load_explicit(&c->received_ns, memory_order_relaxed);
	if (c->seen_request_ns != request_ns) {
		c->seen_request_ns = request_ns;
		c->seen_ns = now_ns;
	}
	return now_ns - c->seen_ns >= limit_ns;
}

/* A peer that does not read its replies keeps their contexts, of which there is a fixed
 * number for all peers. Closing its connection ends all of its sending at once. A context
 * may move on while it is looked at; then a peer goes that was slow until just now. */
void net_sweep(struct net *net)
{
	int64_t limit_ns = net->options.send_timeout_ms * 1000000;
	int64_t now = clock_monotonic_ns();
	for (size_t i = 0; i < net->context_count; i++) {
		struct context *c = &net->contexts[i];
		if (sends_too_long(c, now, limit_ns))
			disconnect_slow_peer(net, atomic_load_explicit(&c->pipe, memory_order_relaxed));
	}
}

/* ---- set-up ------------------------------------------------------------------------ */

[[gnu::format(printf, 2, 3)]] static status fail(struct option_problem *problem, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(problem->text, sizeof problem->text, format, arguments);
	va_end(arguments);
	return STATUS_internal;
}

/* nng sizes its thread pools by the host's processors unless told before its first call. */
static void limit_threads(const struct net_options *options)
{
	unsigned tasks = task_threads(options);
	nng_init_set_parameter(NNG_INIT_NUM_TASK_THREADS, tasks);
	nng_init_set_parameter(NNG_INIT_MAX_TASK_THREADS, tasks);
	nng_init_set_parameter(NNG_INIT_NUM_EXPIRE_THREADS, EXPIRE_THREADS);
	nng_init_set_parameter(NNG_INIT_MAX_EXPIRE_THREADS, EXPIRE_THREADS);
	nng_init_set_parameter(NNG_INIT_NUM_POLLER_THREADS, POLLER_THREADS);
	nng_init_set_parameter(NNG_INIT_MAX_POLLER_THREADS, POLLER_THREADS);
	nng_init_set_parameter(NNG_INIT_NUM_RESOLVER_THREADS, RESOLVER_THREADS);
}

bool net_options_agree(const struct net_options *options, struct option_problem *problem)
{
	struct number_set cpus;
	char why[192];
	if (number_set_parse(options->cpus, &cpus) != STATUS_ok)
		snprintf(problem->text, sizeof problem->text,
		         "events.cpus: '%s' is not allowed; expected numbers of processors like 0,2,4-7", options->cpus);
	else if (!thread_may_run_on(&cpus, why, sizeof why))
		snprintf(problem->text, sizeof problem->text, "events.cpus: %s", why);
	else
		return true;
	return false;
}

/* The file gets its mode before anybody can connect; other transports know no such option. */
static int listen_on(nng_socket socket, const char *address, int ipc_access)
{
	static const int modes[] = {0600, 0660, 0666};
	nng_listener listener;
	int error = nng_listener_create(&listener, socket, address);
	if (error == 0 && strncmp(address, "ipc://", 6) == 0)
		error = nng_listener_set_int(listener, NNG_OPT_IPC_PERMISSIONS, modes[ipc_access]);
	return error != 0 ? error : nng_listener_start(listener, 0);
}

static status listen_all(struct net *net, int which, const char *key, const struct option_list *list,
                         struct option_problem *problem)
{
	for (unsigned i = 0; i < list->count; i++) {
		int error = listen_on(net->socket[which], list->item[i], net->options.ipc_access);
		if (error != 0)
			return fail(problem, "%s: cannot listen on %s: %s", key, list->item[i], nng_strerror(error));
		log_info("net", "%s listens on %s", key, list->item[i]);
	}
	return STATUS_ok;
}

/* Before listen: nng takes messages of any size unless told, and a stranger may connect
 * the moment that a listener is there. A message of up to twice the limit is still
 * received, so that its sender is told too_large; beyond that nng closes the connection. */
/* Publications come in bursts, all that a group commit lets go: nng's own 16 for each subscriber lose most of one. */
enum { PUBLICATIONS_WAITING = 1024 };

static status open_socket(struct net *net, int which, int (*open)(nng_socket *), struct option_problem *problem)
{
	int error = open(&net->socket[which]);
	if (error != 0)
		return fail(problem, "cannot open an nng socket: %s", nng_strerror(error));
	net->is_open[which] = true;
	if (which != SOCKET_PUBLISH)
		error = nng_socket_set_size(net->socket[which], NNG_OPT_RECVMAXSZ, 2 * net->options.message_bytes_max);
	else
		error = nng_socket_set_int(net->socket[which], NNG_OPT_SENDBUF, PUBLICATIONS_WAITING);
	for (nng_pipe_ev event = NNG_PIPE_EV_ADD_PRE; error == 0 && event <= NNG_PIPE_EV_REM_POST; event++)
		error = nng_pipe_notify(net->socket[which], event, on_pipe, net);
	return error == 0 ? STATUS_ok : fail(problem, "cannot set up an nng socket: %s", nng_strerror(error));
}

static status setup_contexts(struct net *net, struct option_problem *problem)
{
	net->context_count = (size_t)net->options.contexts + 1;
	net->contexts = aligned_alloc(alignof(struct context), net->context_count * sizeof *net->contexts);
	if (net->contexts == NULL)
		return fail(problem, "events.contexts: no memory for %zu contexts", net->context_count);
	memset((void *)net->contexts, 0, net->context_count * sizeof *net->contexts);
	for (size_t i = 0; i < net->context_count; i++) {
		struct context *c = &net->contexts[i];
		c->net = net;
		bool collects = i == net->context_count - 1;
		c->job.done = collects ? on_collected : on_reply;
		int error = nng_aio_alloc(&c->aio, on_aio, c);
		if (error == 0 && !collects) {
			error = nng_ctx_open(&c->ctx, net->socket[SOCKET_REPLY]);
			c->has_ctx = error == 0;
		}
		if (error != 0)
			return fail(problem, "events.contexts: context %zu: %s", i, nng_strerror(error));
	}
	return STATUS_ok;
}

static status setup_sockets(struct net *net, struct option_problem *problem)
{
	status s = open_socket(net, SOCKET_REPLY, nng_rep0_open, problem);
	if (s == STATUS_ok)
		s = open_socket(net, SOCKET_COLLECT, nng_pull0_open, problem);
	if (s == STATUS_ok)
		s = open_socket(net, SOCKET_PUBLISH, nng_pub0_open, problem);
	if (s == STATUS_ok)
		s = setup_contexts(net, problem);
	if (s == STATUS_ok)
		s = listen_all(net, SOCKET_REPLY, "events.reply", &net->options.reply, problem);
	if (s == STATUS_ok)
		s = listen_all(net, SOCKET_COLLECT, "events.collect", &net->options.collect, problem);
	if (s == STATUS_ok)
		s = listen_all(net, SOCKET_PUBLISH, "events.publish", &net->options.publish, problem);
	return s;
}

/* nng starts its threads with its first object; they inherit where this one may run. */
static status setup_on_cpus(struct net *net, struct option_problem *problem)
{
	struct number_set cpus, before;
	if (number_set_parse(net->options.cpus, &cpus) != STATUS_ok)
		return fail(problem, "events.cpus: '%s' is no list of processors", net->options.cpus);
	if (number_set_count(&cpus) == 0)
		return setup_sockets(net, problem);
	status s = thread_allowed(&before);
	if (s == STATUS_ok)
		s = thread_restrict(&cpus);
	if (s != STATUS_ok)
		return fail(problem, "events.cpus: %s is refused by the system", net->options.cpus);
	s = setup_sockets(net, problem);
	thread_restore(&before);
	return s;
}

status net_setup(struct net **out, const struct net_options *options, struct shard *shard,
                 struct option_problem *problem)
{
	*out = NULL;
	struct net *net = aligned_alloc(alignof(struct net), sizeof *net);
	if (net == NULL)
		return STATUS_pool_exhausted;
	memset((void *)net, 0, sizeof *net);
	net->options = *options;
	net->shard = shard;
	limit_threads(options);
	status s = connections_setup(&net->connections, options->account, (uint32_t)options->peers_max);
	if (s == STATUS_ok)
		s = setup_on_cpus(net, problem);
	if (s != STATUS_ok) {
		net_teardown(&net);
		return s;
	}
	for (size_t i = 0; i < net->context_count; i++)
		receive(&net->contexts[i]);
	*out = net;
	return STATUS_ok;
}

void net_stop(struct net *net)
{
	/* The listeners stay: nng closes a listener's connections with it, and replies are on their way there. */
	atomic_store_explicit(&net->stopping, true, memory_order_release);
}

void net_hand_over(struct net *net)
{
	atomic_store_explicit(&net->hands_over, true, memory_order_relaxed);
	net_stop(net);
}

uint64_t net_in_flight(const struct net *net)
{
	uint64_t count = 0;
	for (size_t i = 0; i < net->context_count; i++)
		count += atomic_load_explicit(&net->contexts[i].phase, memory_order_acquire) != PHASE_RECEIVING;
	return count;
}

void net_close(struct net *net)
{
	net_stop(net);
	for (int i = 0; i < SOCKET_COUNT; i++) {
		if (net->is_open[i])
			nng_close(net->socket[i]);
		net->is_open[i] = false;
	}
}

void net_tally(const struct net *net, struct net_tally *tally)
{
	*tally = (struct net_tally){};
	for (size_t i = 0; i < net->context_count; i++) {
		const struct context *c = &net->contexts[i];
		tally->accepted += metric_read(&c->accepted);
		tally->answered += metric_read(&c->answered);
		tally->refused += metric_read(&c->refused);
	}
	tally->in_flight = net_in_flight(net);
}

void net_teardown(struct net **out)
{
	struct net *net = *out;
	*out = NULL;
	if (net == NULL)
		return;
	net_close(net);
	if (net->contexts != NULL)
		for (size_t i = 0; i < net->context_count; i++) {
			struct context *c = &net->contexts[i];
			if (c->aio != NULL) {
				nng_aio_stop(c->aio);
				nng_aio_free(c->aio);
			}
			if (c->message != NULL)
				nng_msg_free(c->message);
		}
	free((void *)net->contexts);
	connections_teardown(&net->connections);
	free((void *)net);
	nng_fini();
}

static bool send_publication(const struct net *net, const char *topic, const char *json)
{
	nng_msg *message;
	if (nng_msg_alloc(&message, 0) != 0)
		return false;
	if (nng_msg_append(message, topic, strlen(topic)) == 0 && nng_msg_append(message, " ", 1) == 0 &&
	    nng_msg_append(message, json, strlen(json)) == 0 &&
	    nng_sendmsg(net->socket[SOCKET_PUBLISH], message, NNG_FLAG_NONBLOCK) == 0)
		return true;
	nng_msg_free(message);
	return false;
}

void net_publish(struct net *net, const char *topic, const char *json)
{
	bool is_sent = send_publication(net, topic, json);
	metric_add_shared(is_sent ? net->metrics.publications : net->metrics.publications_unsent, 1);
}

/* ---- metrics ----------------------------------------------------------------------- */

static const char *peer_reason_value(unsigned index)
{
	static const char *const names[NET_PEER_REASON_COUNT] = {"limit", "slow", "draining"};
	return names[index];
}

static const char *loss_value(unsigned index)
{
	return index == NET_LOSS_peer_gone ? "peer_gone" : index == NET_LOSS_peer_slow ? "peer_slow" : "no_memory";
}

static const struct metric_label metric_label_peer_reason = {"reason", METRIC_SERIES_peer_reason, peer_reason_value};
static const struct metric_label metric_label_loss = {"reason", METRIC_SERIES_loss, loss_value};

const struct metric_table net_metric_tables[] = {
	METRIC_TABLE(NET_METRICS(METRIC_ROW)),
	METRIC_TABLE(NET_NOW_METRICS(METRIC_ROW)),
};
const size_t net_metric_table_count = COUNT_OF(net_metric_tables);

void net_write_metrics(const struct net *net, struct metric_page *page)
{
	const struct net_now_metrics now = {
		.peers = {connections_count(&net->connections)},
		.peers_limit = {(double)net->options.peers_max},
		.in_flight = {(double)net_in_flight(net)},
		.in_flight_limit = {(double)net->options.contexts},
	};
	metric_write_cells(page, &net_metric_tables[0], &net->metrics);
	metric_write_values(page, &net_metric_tables[1], &now);
}
