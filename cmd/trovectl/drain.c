/* trovectl drain: POST /drain to the admin listener. */
#include "cmd/trovectl/commands.h"
#include "cmd/trovectl/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

static const char help[] =
	"usage: trovectl drain [--admin HOST:PORT]\n\n"
	"Makes the service not ready, then, after service.drain_delay_ms, finish what is in flight and exit.\n"
	"  --admin TEXT         HOST:PORT or unix:/PATH of the admin listener (127.0.0.1:9091; TROVECTL_ADMIN)\n"
	"The token, where the service has one, is taken from TROVECTL_TOKEN: on a command line others could read it.\n"
	"Exit code 0: it drains; 1: it refuses; 69: nobody answers.\n\n"
	"example: TROVECTL_TOKEN=$(cat token) trovectl drain";

static const char *environment_or(const char *name, const char *fallback)
{
	const char *value = getenv(name);
	return value != NULL && value[0] != '\0' ? value : fallback;
}

static int drain(const char *admin, const struct settings *settings, struct http_answer *answer)
{
	if (!http_post(admin, "/drain", environment_or("TROVECTL_TOKEN", ""), settings->timeout_ms, answer)) {
		fprintf(stderr, "trovectl: %s\n", answer->problem);
		return EX_UNAVAILABLE;
	}
	if (answer->code != 202) {
		fprintf(stderr, "trovectl: %s refuses with %d: %.*s\n", admin, answer->code, (int)strcspn(answer->body, "\n"),
		        answer->body);
		return 1;
	}
	if (settings->json)
		fputs(answer->body, stdout);
	else
		puts("draining");
	return EX_OK;
}

int drain_main(int argc, char **argv, const struct settings *settings)
{
	const char *admin = environment_or("TROVECTL_ADMIN", "127.0.0.1:9091");
	const struct argument arguments[] = {{"--admin", ARGUMENT_text, &admin, 0, 0, ""}};
	struct command_line line = {.command = "drain", .arguments = arguments, .count = 1};
	if (!arguments_parse(&line, argc, argv))
		return EX_USAGE;
	if (line.wants_help) {
		puts(help);
		return EX_OK;
	}
	if (line.operand_count != 0) {
		fprintf(stderr, "trovectl: drain takes no operand '%s'; see trovectl drain --help\n", line.operands[0]);
		return EX_USAGE;
	}
	struct http_answer *answer = malloc(sizeof *answer);
	if (answer == NULL)
		return EX_OSERR;
	int code = drain(admin, settings, answer);
	free(answer);
	return code;
}
