#include "cmd/trovectl/commands.h"
#include "engine/base/check.h"

#include <nng/nng.h>
#include <nng/protocol/pubsub0/sub.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

static int fail(const char *url, int error)
{
	fprintf(stderr, "trovectl: cannot watch %s: %s\n", url, nng_strerror(error));
	return EX_UNAVAILABLE;
}

/* A subscriber that lost its service waits for it to come back; say so, or the silence means nothing. */
static void on_pipe(nng_pipe pipe, nng_pipe_ev event, void *argument)
{
	const char *url = argument;
	(void)pipe;
	fprintf(stderr, event == NNG_PIPE_EV_ADD_POST ? "trovectl: watching %s\n" : "trovectl: %s is gone, waiting for it\n",
	        url);
}

/* Topics are prefixes; none means all. */
static int subscribe(nng_socket socket, char **topics, int count)
{
	int error = count == 0 ? nng_socket_set(socket, NNG_OPT_SUB_SUBSCRIBE, "", 0) : 0;
	for (int i = 0; i < count && error == 0; i++)
		error = nng_socket_set(socket, NNG_OPT_SUB_SUBSCRIBE, topics[i], strlen(topics[i]));
	return error;
}

static int print_publications(nng_socket socket, const char *url, int64_t count)
{
	for (int64_t i = 0; count == 0 || i < count; i++) {
		nng_msg *message;
		int error = nng_recvmsg(socket, &message, 0);
		if (error != 0)
			return fail(url, error);
		fwrite(nng_msg_body(message), 1, nng_msg_len(message), stdout);
		putchar('\n');
		nng_msg_free(message);
		if (fflush(stdout) != 0)
			return EX_IOERR;
	}
	return EX_OK;
}

static int watch(const char *url, char **topics, int topic_count, int64_t count)
{
	nng_socket socket;
	int error = nng_sub0_open(&socket);
	if (error != 0)
		return fail(url, error);
	/* nng wants a pointer to what may change; the text does not. */
	void *name = (void *)(uintptr_t)url;
	error = nng_pipe_notify(socket, NNG_PIPE_EV_ADD_POST, on_pipe, name);
	if (error == 0)
		error = nng_pipe_notify(socket, NNG_PIPE_EV_REM_POST, on_pipe, name);
	if (error == 0)
		error = subscribe(socket, topics, topic_count);
	if (error == 0)
		error = nng_dial(socket, url, NULL, 0);
	int code = error == 0 ? print_publications(socket, url, count) : fail(url, error);
	nng_pipe_notify(socket, NNG_PIPE_EV_REM_POST, NULL, NULL);
	nng_close(socket);
	return code;
}

int watch_main(int argc, char **argv, const struct settings *settings)
{
	int64_t count = 0;
	const struct argument arguments[] = {
		{"--count", ARGUMENT_integer, &count, 1, 1e18, "stop after so many publications (never)"},
	};
	struct command_line line = {.command = "watch", .arguments = arguments, .count = COUNT_OF(arguments)};
	if (!arguments_parse(&line, argc, argv))
		return EX_USAGE;
	if (line.wants_help) {
		puts("usage: trovectl watch [TOPIC...] [--publish URL]\n\n"
		     "Prints publications as they come, one a line: topic, blank, JSON. A topic is a prefix; without one\n"
		     "all are printed. Runs until it is interrupted. A watcher that is too slow misses publications.\n");
		arguments_print(arguments, COUNT_OF(arguments));
		puts("\nexample: trovectl watch service.state --count 1");
		return EX_OK;
	}
	return watch(settings->publish, line.operands, line.operand_count, count);
}
