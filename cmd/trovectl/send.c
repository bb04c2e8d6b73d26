#include "cmd/trovectl/commands.h"
#include "cmd/trovectl/reply_errors.h"
#include "engine/base/check.h"
#include "engine/base/lines.h"
#include "engine/net/client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

enum { LINE_BYTES_MAX = 64 << 20 };

struct sender {
	const struct settings *settings;
	int64_t in_flight;
	uint64_t errors, lost;
	int64_t lost_in_row;
};

static void on_reply(void *context, const struct client_reply *reply)
{
	struct sender *s = context;
	if (reply->error != NULL) {
		/* A line all the same: replies stand in the order of the requests. */
		printf("{\"type\":\"error\",\"code\":\"no_reply\",\"message\":\"%s\"}\n", reply->error);
		s->lost++;
		s->lost_in_row++;
		return;
	}
	s->lost_in_row = 0;
	fwrite(reply->bytes, 1, reply->count, stdout);
	putchar('\n');
	s->errors += reply_errors_count(reply->bytes, reply->count);
}

static bool is_blank(const char *text) { return text[strspn(text, " \t\r")] == '\0'; }

/* Nobody answers any more: each further line would only wait for its timeout. */
static bool is_hopeless(const struct sender *s) { return s->lost_in_row >= s->in_flight; }

static int send_lines(const struct sender *s, struct client *client)
{
	struct lines *lines = lines_open("-", LINE_BYTES_MAX);
	if (lines == NULL) {
		fprintf(stderr, "trovectl: standard input: %s\n", strerror(errno));
		return EX_NOINPUT;
	}
	int code = EX_OK;
	for (;;) {
		struct line line;
		const char *reason;
		enum lines_result result = lines_next(lines, &line, &reason);
		if (result == LINES_END)
			break;
		if (result == LINES_BAD) {
			fprintf(stderr, "trovectl: standard input:%llu: %s\n", (unsigned long long)line.number, reason);
			code = EX_DATAERR;
		} else if (!is_blank(line.text)) {
			client_send(client, line.text, line.bytes, line.number);
		}
		if (is_hopeless(s)) {
			fprintf(stderr, "trovectl: nobody answers; the lines behind %llu were not sent\n", (unsigned long long)line.number);
			break;
		}
	}
	lines_close(&lines);
	return code;
}

static int finish(const struct sender *s, int code)
{
	if (fflush(stdout) != 0) {
		fprintf(stderr, "trovectl: standard output: %s\n", strerror(errno));
		return EX_IOERR;
	}
	if (s->lost != 0) {
		fprintf(stderr, "trovectl: %llu messages had no reply from %s\n", (unsigned long long)s->lost, s->settings->url);
		return EX_UNAVAILABLE;
	}
	if (s->errors != 0)
		fprintf(stderr, "trovectl: %llu of the results are errors\n", (unsigned long long)s->errors);
	return code == EX_OK && s->errors != 0 ? 1 : code;
}

static int run(struct sender *s, const char *json)
{
	struct client *client;
	struct option_problem problem = {"out of memory"};
	struct client_options options = {
		.url = s->settings->url,
		.in_flight = (unsigned)s->in_flight,
		.timeout_ms = s->settings->timeout_ms,
		.sends_again = true, /* every change has an id */
		.on_reply = on_reply,
		.context = s,
	};
	if (client_open(&client, &options, &problem) != STATUS_ok) {
		fprintf(stderr, "trovectl: %s\n", problem.text);
		return EX_UNAVAILABLE;
	}
	int code = EX_OK;
	if (json != NULL)
		client_send(client, json, strlen(json), 0);
	else
		code = send_lines(s, client);
	/* What was answered is printed before the connection is touched again. */
	client_drain(client);
	code = finish(s, code);
	client_close(&client);
	return code;
}

int send_main(int argc, char **argv, const struct settings *settings)
{
	struct sender s = {.settings = settings, .in_flight = 64};
	const struct argument arguments[] = {
		{"--in-flight", ARGUMENT_integer, &s.in_flight, 1, 4096, "messages on their way at once (64)"},
	};
	struct command_line line = {.command = "send", .arguments = arguments, .count = COUNT_OF(arguments)};
	if (!arguments_parse(&line, argc, argv))
		return EX_USAGE;
	if (line.wants_help) {
		puts("usage: trovectl send ['JSON']\n\n"
		     "Sends one message, an event or an array of events, and prints the reply. Without an argument\n"
		     "every line of standard input is a message, and the replies are printed one a line in the order\n"
		     "of the messages. With more than one in flight, messages may be handled in another order; where a\n"
		     "message must see what the one before it changed, use --in-flight 1.\n"
		     "Exit code 1: at least one result is an error; 69: nobody answers.\n");
		arguments_print(arguments, COUNT_OF(arguments));
		puts("\nexample: trovectl send '{\"type\":\"locate\",\"x\":-122.41,\"y\":37.78,\"radius\":500}'\n"
		     "         trovectl send <events.ndjson >replies.ndjson");
		return EX_OK;
	}
	if (line.operand_count > 1) {
		fprintf(stderr, "trovectl: send takes one message, not %d; see trovectl send --help\n", line.operand_count);
		return EX_USAGE;
	}
	return run(&s, line.operand_count == 1 ? line.operands[0] : NULL);
}
