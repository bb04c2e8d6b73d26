/*
 * commands: one function a subcommand, each in the file of its name. Each parses its
 * own options, does its work and returns an exit code of sysexits.
 */
#ifndef CMD_TROVECTL_COMMANDS_H
#define CMD_TROVECTL_COMMANDS_H

#include "cmd/trovectl/arguments.h"

int ping_main(int argc, char **argv, const struct settings *settings);
int send_main(int argc, char **argv, const struct settings *settings);
int status_main(int argc, char **argv, const struct settings *settings);
int health_main(int argc, char **argv, const struct settings *settings);
int drain_main(int argc, char **argv, const struct settings *settings);
int memory_main(int argc, char **argv, const struct settings *settings);
int load_main(int argc, char **argv, const struct settings *settings);
int replay_main(int argc, char **argv, const struct settings *settings);
int journal_main(int argc, char **argv, const struct settings *settings);
int ledger_main(int argc, char **argv, const struct settings *settings);
int watch_main(int argc, char **argv, const struct settings *settings);

#endif
