/*
 * trovectl: talks to a running troved. The table below is the whole program; each
 * command is a file of its own.
 */
#include "cmd/trovectl/commands.h"
#include "engine/base/check.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv, const struct settings *settings);
	const char *help;
} commands[] = {
	{"ping", ping_main, "ask whether the service answers, and how fast"},
	{"status", status_main, "print what the service tells about itself"},
	{"health", health_main, "exit 0 when the service is ready for traffic"},
	{"drain", drain_main, "make the service finish what is in flight and stop"},
	{"memory", memory_main, "print who holds the service's memory; --doctor: what is odd"},
	{"send", send_main, "send events as JSON, from the argument or standard input"},
	{"load", load_main, "put the rewards or products of a CSV file into the service"},
	{"replay", replay_main, "send recorded positions, events or order lines"},
	{"watch", watch_main, "print publications as they come"},
	{"ledger", ledger_main, "print every change of a payment, from the journal; checks that all adds up"},
	{"journal", journal_main, "verify, dump or count a journal, also beside a running service"},
};

static void print_help(void)
{
	puts("usage: trovectl [OPTION...] COMMAND [ARGUMENT...]\n\nTalks to a running troved.\n\ncommands:");
	for (size_t i = 0; i < COUNT_OF(commands); i++)
		printf("  %-8s %s\n", commands[i].name, commands[i].help);
	puts("\noptions, before or behind the command:");
	arguments_print_shared();
	puts("  --version            print the version and exit\n"
	     "\n"
	     "'trovectl COMMAND --help' says more and gives an example.\n"
	     "example: trovectl send '{\"type\":\"locate\",\"x\":-122.41,\"y\":37.78}'\n"
	     "exit codes: 0 ok, 1 the operation failed, 64 usage, 65 bad data, 66 no such file, 69 cannot reach,\n"
	     "71 no memory, 73 cannot make a file, 74 cannot read or write it");
}

static int usage(const char *text, const char *word)
{
	fprintf(stderr, "trovectl: %s%s; see trovectl --help\n", text, word);
	return EX_USAGE;
}

int main(int argc, char **argv)
{
	struct settings settings;
	signal(SIGPIPE, SIG_DFL);
	argc = arguments_take_shared(argc, argv, &settings);
	if (argc < 0)
		return EX_USAGE;
	if (argc < 2)
		return usage("no command", "");
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
		print_help();
		return EX_OK;
	}
	if (strcmp(argv[1], "--version") == 0) {
		printf("trovectl %s\n", TROVE_VERSION);
		return EX_OK;
	}
	for (size_t i = 0; i < COUNT_OF(commands); i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 2, argv + 2, &settings);
	return usage("there is no command ", argv[1]);
}
