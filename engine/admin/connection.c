/*
 * One connection as a state machine on the HTTP thread: read a request, have it answered, write, read the next.
 * Only one answer is on its way at a time: while it is, nothing is read, so a peer that asks without reading is
 * slowed down by its own window and costs no memory here.
 *
 * Whoever calls in (an event, the sweep, a page that was made) ends with settle(), the only place where a connection
 * that is over is closed; so no function below has to fear for its own.
 */
#include "engine/admin/inside.h"

#include "engine/base/check.h"
#include "engine/base/clock.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { LINGER_MS = 1000, LINGER_BYTES_MAX = 1 << 20, SEND_BUFFER_BYTES = 64 << 10 };

static void set_state(struct connection *c, enum connection_state state, int64_t timeout_ms)
{
	c->state = state;
	c->since_ns = clock_monotonic_ns();
	c->deadline_ns = c->since_ns + timeout_ms * 1000000;
}

static void listen_to(struct connection *c, bool is_on)
{
	if (is_on)
		event_add(&c->readable, NULL);
	else
		event_del(&c->readable);
}

static void give_page_back(struct connection *c)
{
	if (c->page != NULL)
		desk_return(c->admin, &c->page);
}

/* ---- writing ------------------------------------------------------------------------------------ */

static void start_reading(struct connection *c, int64_t timeout_ms)
{
	set_state(c, CONNECTION_reading, timeout_ms);
	listen_to(c, true);
}

/* Closing with unread input would reset the connection, and the peer might never see the answer. */
static void start_lingering(struct connection *c)
{
	shutdown(c->fd, SHUT_WR);
	set_state(c, CONNECTION_lingering, LINGER_MS);
	listen_to(c, true);
}

static void finish_answer(struct connection *c)
{
	event_del(&c->writable);
	give_page_back(c);
	size_t rest = c->count - c->request.used;
	c->served++;
	if (c->closes) {
		if (c->request.is_complete && rest == 0)
			c->state = CONNECTION_over;
		else
			start_lingering(c);
		return;
	}
	memmove(c->in, c->in + c->request.used, rest);
	c->count = rest;
	c->is_begun = false;
	start_reading(c, c->admin->options.idle_timeout_ms);
}

static void advance(struct iovec *part, size_t *skip)
{
	size_t n = *skip < part->iov_len ? *skip : part->iov_len;
	part->iov_base = (char *)part->iov_base + n;
	part->iov_len -= n;
	*skip -= n;
}

static void write_on(struct connection *c)
{
	while (c->written < c->out_bytes + c->tail_bytes) {
		struct iovec parts[] = {{c->out, c->out_bytes}, {(void *)(uintptr_t)c->tail, c->tail_bytes}};
		struct msghdr message = {.msg_iov = parts, .msg_iovlen = COUNT_OF(parts)};
		size_t skip = c->written;
		advance(&parts[0], &skip);
		advance(&parts[1], &skip);
		ssize_t n = sendmsg(c->fd, &message, MSG_NOSIGNAL);
		if (n > 0) {
			c->written += (size_t)n;
		} else if (n < 0 && errno == EAGAIN) {
			event_add(&c->writable, NULL);
			return;
		} else if (n == 0 || errno != EINTR) {
			c->state = CONNECTION_over;
			return;
		}
	}
	finish_answer(c);
}

static void start_writing(struct connection *c)
{
	listen_to(c, false);
	set_state(c, CONNECTION_writing, c->admin->options.request_timeout_ms);
	write_on(c);
}

static void refuse(struct connection *c, int code, const char *sentence)
{
	answer_refuse(c, code, sentence);
	start_writing(c);
}

/* ---- answering ---------------------------------------------------------------------------------- */

static const char *sentence_of(int code, enum listener listener)
{
	if (code == 405)
		return listener == LISTENER_observe ? "this listener changes nothing: GET and HEAD only" : "not with this method";
	if (code == 401)
		return "a change needs Authorization: Bearer and the token of admin.token";
	if (code == 403)
		return "the token is not that of admin.token, or a browser asks and there is none";
	return "no such path; troved's engine/admin/README.md lists them";
}

static void ask_for_page(struct connection *c)
{
	struct admin *admin = c->admin;
	const char *accept = request_header(&c->request, REQUEST_HEADER_accept);
	c->page = desk_borrow(admin);
	if (c->page == NULL) {
		metric_add(&admin->metrics.drops[DROP_no_page], 1);
		refuse(c, 503, "all pages are on their way to others");
		return;
	}
	if (c->request.body != NULL)
		c->request.body[c->request.body_bytes] = '\0';
	c->page->connection = c;
	c->page->route = c->route;
	c->page->request = (struct admin_request){
		.method = request_method(&c->request),
		.path = c->request.path,
		.query = c->request.query,
		.accept = accept == NULL ? "" : accept,
		.body = c->request.body == NULL ? "" : c->request.body,
		.body_bytes = c->request.body == NULL ? 0 : c->request.body_bytes,
	};
	listen_to(c, false);
	set_state(c, CONNECTION_waiting, 0);
	desk_ask(admin, c->page);
}

static void answer(struct connection *c)
{
	bool is_serving = atomic_load_explicit(&c->admin->is_serving, memory_order_acquire);
	c->closes = !c->request.keeps_alive || c->is_on_spare;
	if (c->refusal != 0)
		refuse(c, c->refusal, sentence_of(c->refusal, c->listener));
	else if (probe_answers(c) || (!is_serving && early_answers(c)))
		start_writing(c);
	else if (!is_serving)
		refuse(c, 503, "recovering; /readyz says when it is over");
	else
		ask_for_page(c);
}

/* What was written into the page is small: then it goes the short way, and the page is free at once. */
static void set_page(struct connection *c)
{
	const struct admin_answer *a = &c->page->answer;
	const void *body = a->constant != NULL ? a->constant : a->body.start;
	size_t bytes = a->constant != NULL ? a->constant_bytes : cursor_used(&a->body);
	answer_set(c, a->code, a->type, a->headers, body, bytes);
	if (c->tail != c->page->bytes)
		give_page_back(c);
}

/* ---- reading ------------------------------------------------------------------------------------ */

/* Nothing else is on its way to the peer, so it fits into the socket's buffer. */
static void send_continue(struct connection *c)
{
	static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
	if (send(c->fd, text, sizeof text - 1, MSG_NOSIGNAL) != sizeof text - 1)
		c->state = CONNECTION_over;
}

/* The head is there: what it deserves is known before a body is taken. */
static void judge(struct connection *c)
{
	c->refusal = (uint16_t)gate_admits(c->admin, &c->request, c->listener, &c->route);
	if (!request_has_body(&c->request))
		return;
	if (c->refusal == 0 && c->route != NULL)
		request_take_body(&c->request, c->out, sizeof c->out - 1);
	if (!request_expects_continue(&c->request))
		return;
	if (c->refusal == 0) {
		send_continue(c);
		return;
	}
	c->closes = true;
	refuse(c, c->refusal, sentence_of(c->refusal, c->listener));
}

static void begin(struct connection *c)
{
	request_begin(&c->request, c->in);
	c->is_begun = true;
	c->refusal = 0;
	c->route = NULL;
	/* The first request's time runs since the connection came. */
	if (c->served > 0)
		set_state(c, CONNECTION_reading, c->admin->options.request_timeout_ms);
}

/* false: more bytes are needed. */
static bool read_on(struct connection *c)
{
	if (!c->is_begun && c->count == 0)
		return false;
	if (!c->is_begun)
		begin(c);
	switch (request_feed(&c->request, c->count)) {
	case REQUEST_MORE:
		if (c->request.is_head_done)
			c->count = request_drop_body(&c->request);
		return false;
	case REQUEST_HEAD:
		judge(c);
		break;
	case REQUEST_COMPLETE:
		answer(c);
		break;
	case REQUEST_BROKEN:
		c->closes = true;
		refuse(c, c->request.code, c->request.complaint);
		break;
	}
	return true;
}

static void settle(struct connection *c)
{
	while (c->state == CONNECTION_reading && read_on(c))
		continue;
	if (c->state == CONNECTION_over)
		connection_close(c);
}

static void throw_away(struct connection *c)
{
	ssize_t n = recv(c->fd, c->in, READ_BYTES, 0);
	if (n > 0)
		c->lingered += (size_t)n;
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR) || c->lingered > LINGER_BYTES_MAX)
		c->state = CONNECTION_over;
}

static void receive(struct connection *c)
{
	CHECK(c->count < READ_BYTES, "no room to read into");
	ssize_t n = recv(c->fd, c->in + c->count, READ_BYTES - c->count, 0);
	if (n > 0)
		c->count += (size_t)n;
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		c->state = CONNECTION_over;
}

/* ---- those who call in ---------------------------------------------------------------------------- */

static void on_readable(evutil_socket_t fd, short what, void *argument)
{
	(void)fd;
	(void)what;
	struct connection *c = argument;
	if (c->state == CONNECTION_lingering)
		throw_away(c);
	else
		receive(c);
	settle(c);
}

static void on_writable(evutil_socket_t fd, short what, void *argument)
{
	(void)fd;
	(void)what;
	struct connection *c = argument;
	write_on(c);
	settle(c);
}

void connection_take_page(struct connection *c)
{
	set_page(c);
	start_writing(c);
	settle(c);
}

/* What the kernel holds for a peer that does not read goes with the connection. */
static void reset(struct connection *c)
{
	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1}, sizeof(struct linger));
	c->state = CONNECTION_over;
}

void connection_expire(struct connection *c, int64_t now_ns)
{
	metric_cell *drops = c->admin->metrics.drops;
	if (c->state == CONNECTION_waiting || now_ns < c->deadline_ns)
		return;
	if (c->state == CONNECTION_writing) {
		metric_add(&drops[DROP_send_timeout], 1);
		reset(c);
	} else if (c->state == CONNECTION_reading && c->is_begun) {
		metric_add(&drops[DROP_request_timeout], 1);
		c->closes = true;
		refuse(c, 408, "the request did not arrive in time");
	} else {
		if (c->state == CONNECTION_reading)
			metric_add(&drops[c->served > 0 ? DROP_idle_timeout : DROP_request_timeout], 1);
		c->state = CONNECTION_over;
	}
	settle(c);
}

/* ---- coming and going ----------------------------------------------------------------------------- */

/* What it costs somebody to lose it: nothing while it lingers, a reconnect when it idles. */
static unsigned rank(const struct connection *c)
{
	if (c->state == CONNECTION_lingering)
		return 0;
	if (c->state == CONNECTION_writing)
		return 3;
	return c->is_begun || c->served == 0 ? 2 : 1;
}

struct connection *connection_slowest(struct admin *admin, enum listener listener)
{
	struct connection *slowest = NULL;
	for (unsigned i = 0; i < admin->open_count; i++) {
		struct connection *c = admin->open[i];
		if (c->listener != listener || c->state == CONNECTION_waiting)
			continue;
		if (slowest == NULL || rank(c) < rank(slowest) ||
		    (rank(c) == rank(slowest) && c->since_ns < slowest->since_ns))
			slowest = c;
	}
	return slowest;
}

static unsigned most_of(const struct admin *admin, enum listener listener)
{
	return (unsigned)(listener == LISTENER_observe ? admin->options.observe_connections_max
	                                               : admin->options.admin_connections_max);
}

/* There is one: a listener may have more connections than there are pages, but for the smallest limits. */
static struct connection *borrow(struct admin *admin, enum listener listener)
{
	struct pool_handle handle;
	void *object;
	if (admin->open_by[listener] >= most_of(admin, listener)) {
		struct connection *slowest = connection_slowest(admin, listener);
		if (slowest == NULL)
			return NULL;
		metric_add(&admin->metrics.drops[DROP_crowded], 1);
		connection_close(slowest);
	}
	/* A pool that was told to fail now and then does so once. */
	if (pool_borrow(admin->connections, &handle, &object) != STATUS_ok &&
	    pool_borrow(admin->connections, &handle, &object) != STATUS_ok)
		return NULL;
	struct connection *c = object;
	memset(c, 0, offsetof(struct connection, in));
	c->handle = handle;
	return c;
}

static void close_descriptor(struct admin *admin, int fd, bool is_on_spare)
{
	if (is_on_spare)
		spare_take_back(&admin->spares, fd);
	else
		close(fd);
}

/* Told at once, from constant memory, and gone. */
static void turn_away(struct admin *admin, int fd, bool is_on_spare)
{
	static const char text[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: 0\r\n"
							   "Retry-After: 1\r\nConnection: close\r\n\r\n";
	metric_add(&admin->metrics.drops[DROP_no_connection], 1);
	ssize_t sent = send(fd, text, sizeof text - 1, MSG_NOSIGNAL);
	(void)sent;
	close_descriptor(admin, fd, is_on_spare);
}

void connection_open(struct admin *admin, enum listener listener, int fd, bool is_on_spare)
{
	struct connection *c = borrow(admin, listener);
	metric_add(&admin->metrics.connections[listener], 1);
	if (c == NULL) {
		turn_away(admin, fd, is_on_spare);
		return;
	}
	c->admin = admin;
	c->listener = listener;
	c->fd = fd;
	c->is_on_spare = is_on_spare;
	c->index = admin->open_count;
	admin->open[admin->open_count++] = c;
	admin->open_by[listener]++;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &(int){SEND_BUFFER_BYTES}, sizeof(int));
	event_assign(&c->readable, admin->loop, fd, EV_READ | EV_PERSIST, on_readable, c);
	event_assign(&c->writable, admin->loop, fd, EV_WRITE | EV_PERSIST, on_writable, c);
	start_reading(c, admin->options.request_timeout_ms);
	receive(c);
	settle(c);
}

void connection_close(struct connection *c)
{
	struct admin *admin = c->admin;
	struct pool_handle handle = c->handle;
	event_del(&c->readable);
	event_del(&c->writable);
	give_page_back(c);
	close_descriptor(admin, c->fd, c->is_on_spare);
	admin->open_by[c->listener]--;
	admin->open[c->index] = admin->open[--admin->open_count];
	admin->open[c->index]->index = c->index;
	status s = pool_return(admin->connections, &handle);
	CHECK(s == STATUS_ok, "a connection was given back twice");
}
