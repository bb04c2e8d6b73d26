/*
 * configuration: all of troved's options, from defaults, file, environment and
 * command line, in that order. Main thread only; nothing is kept beyond the struct.
 */
#ifndef CMD_TROVED_CONFIGURATION_H
#define CMD_TROVED_CONFIGURATION_H

#include "engine/admin/admin.h"
#include "engine/commerce/commerce.h"
#include "engine/journal/journal.h"
#include "engine/net/net.h"
#include "engine/memory/memory.h"
#include "engine/shard/shard.h"

#include <stdio.h>

#define SERVICE_OPTIONS(O) \
	O(choice, service, space, "space", "geo", 0, 0, "geo|plane", startup, \
	  "geo: x and y are degrees of longitude and latitude, distances are metres; plane: plain coordinates.") \
	O(integer, service, drain_delay_ms, "service.drain_delay_ms", "0", 0, 600000, "ms", live, \
	  "After SIGTERM: how long to keep serving while not ready, so that balancers notice.") \
	O(integer, service, drain_timeout_ms, "service.drain_timeout_ms", "10000", 0, 600000, "ms", live, \
	  "After that: how long requests in flight may take before the service stops all the same.") \
	O(text, service, data_directory, "data.directory", "/var/lib/trove", 0, 0, "", startup, \
	  "Where the journal and the ipc socket live; made if it is missing.") \
	O(text, service, rewards_file, "rewards.file", "", 0, 0, "", startup, \
	  "CSV of rewards to load at the start (gz accepted, columns by header name); empty: none.") \
	O(boolean, service, rewards_strict, "rewards.strict", "false", 0, 0, "", startup, \
	  "Refuse to start when rewards.file has a bad row; else bad rows are logged, counted and left out.") \
	O(integer, service, rewards_radius, "rewards.default_radius", "100", 0, 20037509, "", startup, \
	  "Radius of rewards whose file has no radius column (geo: metres).") \
	O(integer, service, rewards_capacity, "rewards.capacity", "1000000", 1, 100000000, "", startup, \
	  "Most rewards that are held at once; further ones are answered pool_exhausted.") \
	O(integer, service, rewards_name_bytes, "rewards.name_bytes", "32", 1, NAME_BYTES_MAX, "bytes", startup, \
	  "Room for names: all together may take rewards.capacity times as much; further ones are answered pool_exhausted.") \
	O(choice, service, rewards_kernel, "rewards.kernel", "auto", 0, 0, "auto|scalar|avx2|avx512", startup, \
	  "Instruction set of the filters; auto: the best one that processor and system offer.") \
	O(choice, service, log_level, "log.level", "info", 0, 0, "error|warning|info|debug", live, \
	  "The least important entries that are logged.") \
	O(choice, service, log_format, "log.format", "text", 0, 0, "text|json", live, "One line per entry, as text or JSON.")

struct service_options {
	SERVICE_OPTIONS(OPTION_MEMBER)
};

struct configuration {
	struct service_options service;
	struct net_options net;
	struct shard_options shard;
	struct admin_options admin;
	struct memory_options memory;
	struct commerce_options commerce;
	struct journal_options journal; /* its directory is derived */
	char journal_directory[OPTION_TEXT_BYTES + 16];
	struct option_set set;
};

/* The command line, as far as it concerns options. */
struct arguments {
	const char *file;         /* or NULL */
	const char *const *assignments;
	unsigned assignment_count;
	char *const *environment;
};

/* Fills everything; false: problem is one line that says what, where and what was expected. */
bool configuration_load(struct configuration *c, const struct arguments *arguments, struct option_problem *problem);

/* What the options say to the store; account and numa are added by who has them. */
struct store_options configuration_store(const struct configuration *c);

/* All options as YAML with their help: a file that troved takes. */
void configuration_print(const struct configuration *c, FILE *out);

/* Takes the live options over from a newer configuration and logs what needs a restart. */
void configuration_take_live(struct configuration *current, const struct configuration *newer);

/* yaml.c: sets options from a file. */
bool configuration_read_yaml(struct option_set *set, const char *path, struct option_problem *problem);

#endif
