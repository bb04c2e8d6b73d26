/*
 * service: all of a running troved. One instance, made by main and handed to what shows it (pages.c).
 * Everything in it is the main thread's but what says otherwise.
 */
#ifndef CMD_TROVED_SERVICE_H
#define CMD_TROVED_SERVICE_H

#include "cmd/troved/configuration.h"
#include "cmd/troved/metrics.h"
#include "cmd/troved/notify.h"
#include "cmd/troved/take_over.h"
#include "engine/memory/doctor.h"
#include "engine/memory/numa.h"

#include <stdatomic.h>

struct event;
struct event_base;

enum { SETS_MAX = 256, STATS_TEXT_BYTES = 192 << 10 };

/* How far a stop is. Up to DRAIN_agree it may not come to one, and all is served as ever. */
enum drain_step { DRAIN_none, DRAIN_offer, DRAIN_agree, DRAIN_serve, DRAIN_finish, DRAIN_linger, DRAIN_snapshot };

struct drain {
	enum drain_step step;
	int64_t until_ns; /* the step has until then */
	uint64_t snapshot_failures; /* before the one that is waited for */
	uint64_t offered;           /* last change that the snapshot is to hold which is offered */
	struct receipt receipt;
	bool is_durable;            /* all that was done; at the end */
	bool is_watched;            /* a thread ends the process: */
	_Atomic int64_t leave_ns;   /* then, */
	_Atomic(const char *) unwritten; /* saying that this is missing */
};

struct service {
	struct configuration configuration;
	struct arguments arguments;
	const char *assignments[SETS_MAX];
	struct event_base *loop;
	struct event *signals[4];
	struct event *timer;  /* of the drain */
	struct event *sweep;
	struct event *visit;  /* of the doctor */
	struct numa numa;
	struct account account;
	uint64_t bill_bytes;
	struct memory_reading reading; /* the last one */
	int64_t reading_ns; /* when a page last took it */
	char metrics_text[STATS_TEXT_BYTES]; /* from which /stats is made */
	struct doctor doctor;
	bool is_short; /* memory, in the cgroup */
	struct store *store;
	struct commerce commerce;
	struct shard *shard;
	struct net *net;
	_Atomic(struct net *) publisher; /* the same, for other threads; NULL while there is none */
	struct admin *admin;
	struct drain drain;
	bool is_signalled; /* by one of TERM and INT; the next one stops at once */
	int64_t started_ns;
	struct service_metrics metrics;
	struct notify notify;
	struct take_over take_over;
	bool takes_over; /* --take-over */
};

/* Not ready any more, for good. */
static inline bool service_drains(const struct service *service) { return service->drain.step > DRAIN_agree; }

/* "0.1-3-gabc", as the build said. */
extern const char service_version[];

/* drain.c. The timer of its steps; NULL: no memory. */
struct event *service_drain_timer(struct service *service);
/* Publishes a service.state. */
void service_announce(struct service *service, const char *state);
/* After the event loop: closes the event sockets, leaves a receipt of what became of everything. */
void service_end(struct service *service);
/* The last line of the log. */
void service_say_end(const struct service *service);
/* Another troved wants to go on with the data: makes a snapshot while it still serves, then finishes and ends. It may change
 * its mind until that begins. false: it ends already. */
bool service_hand_over(struct service *service);
/* Begins to drain, if it has not begun; by says who asked, for the log. false: it was draining already. */
bool service_stop(struct service *service, const char *by);

/* stats.c: series of Prometheus text as one JSON object; histograms are left out. */
void stats_write_metrics(const char *text, struct cursor *out);

/* pages.c: what HTTP answers; the context of its rows is the service. */
extern const struct admin_route service_routes[];
extern const size_t service_route_count;

#endif
