/*
 * rewards_file: loads rewards.file into the store, before traffic. Main thread.
 */
#ifndef CMD_TROVED_REWARDS_FILE_H
#define CMD_TROVED_REWARDS_FILE_H

#include "cmd/troved/configuration.h"

struct rewards_loaded {
	uint64_t rewards;
	uint64_t bad_rows;
};

/* STATUS_malformed: problem says file, line and why (unreadable, no header, a bad row with
 * rewards.strict). STATUS_pool_exhausted: more rows than rewards.capacity (those that
 * replace one another included), names beyond rewards.name_bytes, or no memory. */
status rewards_file_load(const struct configuration *configuration, struct store *store, struct rewards_loaded *loaded,
                         struct option_problem *problem);

#endif
