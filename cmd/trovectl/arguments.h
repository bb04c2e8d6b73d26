/*
 * arguments: the command line of trovectl. A command lists its options in a table;
 * the options that all commands share (struct settings) are taken from anywhere on
 * the line. Nothing is allocated: values point into argv or the environment.
 */
#ifndef CMD_TROVECTL_ARGUMENTS_H
#define CMD_TROVECTL_ARGUMENTS_H

#include <stddef.h>
#include <stdint.h>

struct settings {
	const char *url;     /* where requests are answered */
	const char *observe; /* HOST:PORT of the observe listener */
	const char *publish; /* where publications come from */
	int64_t timeout_ms;  /* of one request, or of reaching the service */
	bool json;
};

enum argument_kind { ARGUMENT_flag, ARGUMENT_integer, ARGUMENT_number, ARGUMENT_text };

struct argument {
	const char *name; /* "--count" */
	enum argument_kind kind;
	void *value;      /* bool, int64_t, double or const char * */
	double least, greatest;
	const char *help;
};

struct command_line {
	const char *command; /* for messages */
	const struct argument *arguments;
	size_t count;
	/* Filled: */
	char **operands;
	int operand_count;
	bool wants_help;
};

/* Takes the shared options out of argv (all but those behind "--") and returns the new argc; -1 after a
 * message on stderr. */
int arguments_take_shared(int argc, char **argv, struct settings *settings);

/* The rest. false: a message is on stderr. Operands are moved to the front of argv. */
bool arguments_parse(struct command_line *line, int argc, char **argv);

/* The options of a command, or the shared ones, one a line, on stdout. */
void arguments_print(const struct argument *arguments, size_t count);
void arguments_print_shared(void);

#endif
