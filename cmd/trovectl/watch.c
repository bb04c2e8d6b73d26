/*
 * watch: publications as they come. With --after, and after a connection broke, what they say is read from
 * the feed, which has no gaps; what comes over the PUB socket is then only the sign that there is more.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memmem */
#endif
#include "cmd/trovectl/commands.h"
#include "cmd/trovectl/feed_reader.h"
#include "engine/base/check.h"

#include <nng/nng.h>
#include <nng/protocol/pubsub0/sub.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

enum { POLL_MS = 500, SETTLE_MS = 20, WAITING = 4096 /* messages */ };

struct watcher {
	const char *url;
	char **topics; /* prefixes; none: all */
	int topic_count;
	int64_t count, printed; /* count: stop after so many; 0: never */
	bool reads_feed;
	bool is_broken; /* standard output is gone */
	struct feed_reader feed;
	/* Of what was printed last: a seq may have two publications. */
	uint64_t seq;
	unsigned of_seq;
	unsigned skip;           /* of the first seq that the feed gives */
	atomic_uint connections; /* set by nng's threads */
};

static int fail(const char *url, int error)
{
	fprintf(stderr, "trovectl: cannot watch %s: %s\n", url, nng_strerror(error));
	return EX_UNAVAILABLE;
}

/* A subscriber that lost its service waits for it to come back; say so, or the silence means nothing. */
static void on_pipe(nng_pipe pipe, nng_pipe_ev event, void *argument)
{
	struct watcher *w = argument;
	(void)pipe;
	if (event == NNG_PIPE_EV_ADD_POST)
		atomic_fetch_add(&w->connections, 1);
	fprintf(stderr, event == NNG_PIPE_EV_ADD_POST ? "trovectl: watching %s\n" : "trovectl: %s is gone, waiting for it\n",
	        w->url);
}

/* ---- what is printed ------------------------------------------------------------------------ */

static bool is_wanted(const struct watcher *w, const char *topic, size_t bytes)
{
	for (int i = 0; i < w->topic_count; i++) {
		size_t prefix = strlen(w->topics[i]);
		if (prefix <= bytes && memcmp(topic, w->topics[i], prefix) == 0)
			return true;
	}
	return w->topic_count == 0;
}

static bool is_over(const struct watcher *w) { return w->is_broken || (w->count != 0 && w->printed >= w->count); }

static void print(struct watcher *w, const char *topic, size_t topic_bytes, const char *json, size_t bytes)
{
	if (is_over(w) || !is_wanted(w, topic, topic_bytes))
		return;
	printf("%.*s %.*s\n", (int)topic_bytes, topic, (int)bytes, json);
	w->printed++;
	w->is_broken = ferror(stdout) != 0;
}

/* 0: it has none. The objects begin with type and seq. */
static uint64_t seq_of(const char *json, size_t bytes)
{
	static const char name[] = ",\"seq\":";
	const char *at = memmem(json, bytes, name, sizeof name - 1);
	return at == NULL ? 0 : strtoull(at + sizeof name - 1, NULL, 10); /* ends before the object does */
}

static void note(struct watcher *w, uint64_t seq)
{
	w->of_seq = seq == w->seq ? w->of_seq + 1 : 1;
	w->seq = seq;
}

static void on_line(void *context, const char *json, size_t bytes)
{
	static const char start[] = "{\"type\":\"";
	struct watcher *w = context;
	const char *topic = json + sizeof start - 1;
	const char *end = bytes > sizeof start ? memchr(topic, '"', bytes - sizeof start) : NULL;
	uint64_t seq = seq_of(json, bytes);
	if (end == NULL)
		return;
	if (w->skip != 0 && seq == w->seq) {
		w->skip--;
		return;
	}
	w->skip = 0;
	note(w, seq);
	print(w, topic, (size_t)(end - topic), json, bytes);
}

/* A message of the PUB socket. true: the feed has more. */
static bool take_message(struct watcher *w, const char *bytes, size_t count)
{
	const char *blank = memchr(bytes, ' ', count);
	size_t topic_bytes = blank != NULL ? (size_t)(blank - bytes) : count;
	const char *json = blank != NULL ? blank + 1 : bytes + count;
	size_t json_bytes = count - (size_t)(json - bytes);
	uint64_t seq = seq_of(json, json_bytes);
	if (seq != 0 && w->reads_feed)
		return seq > w->feed.last;
	if (seq != 0)
		note(w, seq);
	print(w, bytes, topic_bytes, json, json_bytes);
	return false;
}

/* ---- the loop -------------------------------------------------------------------------------- */

static int subscribe(nng_socket socket, const struct watcher *w)
{
	/* For the feed every publication is a sign; those of other topics are not printed. */
	int error = w->topic_count == 0 || w->reads_feed ? nng_socket_set(socket, NNG_OPT_SUB_SUBSCRIBE, "", 0) : 0;
	for (int i = 0; i < w->topic_count && error == 0; i++)
		error = nng_socket_set(socket, NNG_OPT_SUB_SUBSCRIBE, w->topics[i], strlen(w->topics[i]));
	return error;
}

static int read_feed(struct watcher *w)
{
	enum feed_result result = feed_reader_read(&w->feed);
	if (fflush(stdout) != 0)
		return EX_IOERR;
	if (result == FEED_REFUSED) {
		fprintf(stderr, "trovectl: %s: nothing behind %llu: %s\n", w->feed.settings->url, (unsigned long long)w->feed.last,
		        w->feed.refusal);
		return 1;
	}
	return EX_OK; /* out of reach: the next turn tries again */
}

/* What was missed while there was no connection stands in the feed, from the last one that was printed. */
static void go_back(struct watcher *w)
{
	if (w->reads_feed || w->seq == 0)
		return;
	w->feed.last = w->seq - 1;
	w->skip = w->of_seq;
	w->reads_feed = true;
}

static int take_messages(struct watcher *w, nng_socket socket, bool *has_more)
{
	nng_msg *message;
	int error = nng_recvmsg(socket, &message, 0);
	while (error == 0 && !is_over(w)) {
		*has_more |= take_message(w, nng_msg_body(message), nng_msg_len(message));
		nng_msg_free(message);
		error = nng_recvmsg(socket, &message, NNG_FLAG_NONBLOCK);
	}
	if (error == 0)
		nng_msg_free(message);
	return error == NNG_EAGAIN || error == NNG_ETIMEDOUT ? 0 : error;
}

static int follow(struct watcher *w, nng_socket socket)
{
	unsigned connections = 1;
	int code = EX_OK;
	bool has_more = w->reads_feed;
	while (code == EX_OK && !is_over(w)) {
		unsigned now = atomic_load(&w->connections);
		if (now > connections)
			go_back(w);
		/* Without a sign the feed is asked now and then: signs can be lost, too. */
		if (w->reads_feed)
			code = read_feed(w);
		connections = now > connections ? now : connections;
		has_more = false;
		int error = code == EX_OK && !is_over(w) ? take_messages(w, socket, &has_more) : 0;
		if (error != 0)
			return fail(w->url, error);
		if (has_more)
			nng_msleep(SETTLE_MS); /* so that a burst is one question */
		if (fflush(stdout) != 0)
			code = EX_IOERR;
	}
	return w->is_broken ? EX_IOERR : code;
}

static int watch(struct watcher *w)
{
	nng_socket socket;
	int error = nng_sub0_open(&socket);
	if (error != 0)
		return fail(w->url, error);
	error = nng_pipe_notify(socket, NNG_PIPE_EV_ADD_POST, on_pipe, w);
	if (error == 0)
		error = nng_pipe_notify(socket, NNG_PIPE_EV_REM_POST, on_pipe, w);
	if (error == 0)
		error = nng_socket_set_ms(socket, NNG_OPT_RECVTIMEO, POLL_MS);
	if (error == 0)
		error = nng_socket_set_int(socket, NNG_OPT_RECVBUF, WAITING);
	if (error == 0)
		error = subscribe(socket, w);
	if (error == 0)
		error = nng_dial(socket, w->url, NULL, 0);
	int code = error == 0 ? follow(w, socket) : fail(w->url, error);
	nng_pipe_notify(socket, NNG_PIPE_EV_REM_POST, NULL, NULL);
	nng_close(socket);
	feed_reader_close(&w->feed);
	return code;
}

int watch_main(int argc, char **argv, const struct settings *settings)
{
	int64_t count = 0, after = -1;
	const struct argument arguments[] = {
		{"--after", ARGUMENT_integer, &after, 0, 9e15, "begin with what came behind this seq, and miss nothing"},
		{"--count", ARGUMENT_integer, &count, 1, 1e18, "stop after so many publications (never)"},
	};
	struct command_line line = {.command = "watch", .arguments = arguments, .count = COUNT_OF(arguments)};
	if (!arguments_parse(&line, argc, argv))
		return EX_USAGE;
	if (line.wants_help) {
		puts("usage: trovectl watch [TOPIC...] [--after SEQ] [--publish URL] [--url URL]\n\n"
		     "Prints publications as they come, one a line: topic, blank, JSON. A topic is a prefix; without one all are\n"
		     "printed. Runs until it is interrupted. A watcher that is too slow misses publications, and seq does not show\n"
		     "it: not every change is published. With --after it misses none and prints none twice: it reads them from the\n"
		     "feed (feed.read, at --url), and publications only wake it. After a connection broke it does so in any case.\n"
		     "service.state and canary.changed have no seq and are in no feed.\n"
		     "Exit code 1: the feed is not kept from that seq on any more; 69: nobody publishes there.\n");
		arguments_print(arguments, COUNT_OF(arguments));
		puts("\nexample: trovectl watch payment. --after 0");
		return EX_OK;
	}
	struct watcher w = {
		.url = settings->publish,
		.topics = line.operands,
		.topic_count = line.operand_count,
		.count = count,
		.reads_feed = after >= 0,
		.feed = {.settings = settings, .line = on_line, .last = after >= 0 ? (uint64_t)after : 0},
	};
	w.feed.context = &w;
	return watch(&w);
}
