/*
 * inside: what the files of engine/admin share. Private to them.
 *
 * The HTTP thread owns connections, pages that are not asked, counters, timers and spare descriptors; it is their only
 * writer. What crosses: the desk (pages asked and answered), reasons, beat, and the flags of serving and stopping.
 */
#ifndef ENGINE_ADMIN_INSIDE_H
#define ENGINE_ADMIN_INSIDE_H

#include "engine/admin/admin.h"
#include "engine/admin/listen.h"
#include "engine/admin/metrics.h"
#include "engine/admin/request.h"
#include "engine/memory/pool.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <pthread.h>
#include <stdatomic.h>

enum {
	READ_BYTES = REQUEST_HEAD_BYTES_MAX + 512, /* behind the largest head a piece of the body has room */
	WRITE_BYTES = 8 << 10,
	PAGES_MAX = 16,
	EARLY_PAGES_MAX = 8,
	SPARES_MAX = 4, /* descriptors kept for the day when there are no others */
	DATE_BYTES = 40,
};

/* ---- pages and the desk over which the two threads hand them --------------------------------- */

struct connection;

struct page {
	struct pool_handle handle;
	unsigned index; /* its place on the desk */
	struct connection *connection;
	const struct admin_route *route;
	struct admin_request request;
	struct admin_answer answer;
	uint8_t bytes[ADMIN_PAGE_BYTES];
};

struct desk {
	_Atomic(struct page *) asked[PAGES_MAX], answered[PAGES_MAX];
	bool is_taken[PAGES_MAX];
	int asked_fd, answered_fd;
	struct event *asked_event; /* on main's loop */
};

/* What is answered while the service recovers. */
struct early_page {
	const struct admin_route *route;
	struct admin_answer answer;
	char *bytes; /* its own; NULL: they are constant */
};

status desk_setup(struct admin *admin);
void desk_teardown(struct admin *admin);
/* NULL: there is none. */
struct page *desk_borrow(struct admin *admin);
void desk_return(struct admin *admin, struct page **page);
/* Main: runs the page's route. */
void desk_make(struct admin *admin, struct page *page);
/* Hands it to main; it comes back to connection_take_page. */
void desk_ask(struct admin *admin, struct page *page);
/* HTTP thread: those that main has answered. */
void desk_collect(struct admin *admin);

/* ---- connections ------------------------------------------------------------------------------ */

enum connection_state {
	CONNECTION_reading,   /* idle, or a part of a request is there */
	CONNECTION_waiting,   /* for its page */
	CONNECTION_writing,
	CONNECTION_lingering, /* the last answer is out: input is thrown away, so that the peer can read it */
	CONNECTION_over,      /* closed by whoever called in */
};

struct connection {
	struct admin *admin;
	struct pool_handle handle;
	unsigned index; /* among the open ones */
	enum listener listener;
	enum connection_state state;
	int fd;
	bool is_on_spare;
	bool closes;     /* after this answer */
	int64_t since_ns, deadline_ns; /* of the state */
	uint64_t lingered;
	struct event readable, writable;

	struct request request;
	uint16_t refusal; /* what the head already deserves; 0: nothing yet */
	const struct admin_route *route;
	bool is_begun; /* bytes of a request are there */
	uint64_t served;

	struct page *page;
	size_t count; /* bytes in `in` */
	const uint8_t *tail; /* what follows `out` */
	size_t out_bytes, tail_bytes, written;
	char in[READ_BYTES + 1];
	char out[WRITE_BYTES];
};

/* Takes the descriptor over. */
void connection_open(struct admin *admin, enum listener listener, int fd, bool is_on_spare);
void connection_close(struct connection *c);
/* What a connection whose deadline is over gets. */
void connection_expire(struct connection *c, int64_t now_ns);
/* Its page was made. */
void connection_take_page(struct connection *c);
/* The one that keeps us waiting longest, of one listener; NULL: all are at work. */
struct connection *connection_slowest(struct admin *admin, enum listener listener);

/* answer.c: a finished answer in the connection's `out`, and its tail. body stays when it is not copied. */
void answer_set(struct connection *c, int code, const char *type, const char *headers, const void *body, size_t bytes);
/* The same with {"error":sentence}; what a refusal's headers need is added. */
void answer_refuse(struct connection *c, int code, const char *sentence);
const char *answer_reason(int code);

/* probe.c: whether the path is a probe's; it is answered then, at once. */
bool probe_answers(struct connection *c);
bool probe_is(const char *path);

/* early.c: pages of ADMIN_EARLY. setup: before the HTTP thread starts. */
status early_setup(struct admin *admin);
void early_teardown(struct admin *admin);
/* HTTP thread: whether there is one for the connection's route; it is answered then. */
bool early_answers(struct connection *c);

/* gate.c: who may do what. 0: go on, *route is set unless it is a probe's path; else the code of the refusal. */
int gate_admits(const struct admin *admin, const struct request *r, enum listener listener, const struct admin_route **route);
/* Value of the Allow header of a path. */
void gate_write_allow(const struct admin *admin, enum listener listener, const char *path, struct cursor *out);

/* spare.c: descriptors for when there are no others. */
struct spares {
	int null_fd, fd[SPARES_MAX];
	unsigned count;
};

void spare_setup(struct spares *s);
void spare_teardown(struct spares *s);
/* Frees one, so that the next call that needs a descriptor finds it. false: there is none. */
bool spare_lend(struct spares *s);
/* Turns a descriptor that was got so into a spare again, in one step; the connection behind it is closed. */
void spare_take_back(struct spares *s, int fd);
/* Fills up what others snatched. */
void spare_refill(struct spares *s);

struct admin {
	struct admin_options options;
	const struct admin_route *routes;
	size_t route_count;
	void *context;

	struct listen_sockets sockets;
	struct event *socket_event[LISTEN_SOCKETS_MAX];
	struct event_base *loop; /* of the HTTP thread */
	struct event *sweep, *answered;
	pthread_t thread;
	bool has_thread;
	bool is_deaf; /* accepts nothing until the next sweep */

	struct pool *connections, *pages;
	struct holding connections_holding, pages_holding;
	struct connection **open;
	unsigned open_count, open_by[LISTENER_COUNT];
	struct spares spares;
	char date[DATE_BYTES];
	int64_t date_s;
	struct admin_metrics metrics;

	struct early_page early[EARLY_PAGES_MAX];
	unsigned early_count;
	struct desk desk;
	_Atomic unsigned reasons;
	_Atomic int64_t beat_ns;
	atomic_bool is_serving, is_stopping;
};

/* The reasons that hold now, `stalled` included. */
unsigned admin_reasons(const struct admin *admin);

/* server.c */
status server_start(struct admin *admin);
void server_stop(struct admin *admin);
/* "Date" of now. */
const char *server_date(struct admin *admin);

#endif
