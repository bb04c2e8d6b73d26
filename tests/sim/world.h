/*
 * world: one seed's world: a shard with all that is behind it, in this process and on this thread, a few clients, a
 * network that delays, reorders, repeats and loses, a clock that only the world moves, a disk that fails, and ends
 * without warning. Every answer goes by the model.
 *
 * The same seed is the same world: the journal's thread works at its own pace, but the world looks only after it
 * has caught up.
 */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

#include "tests/sim/model.h"

struct world_report {
	unsigned events, messages, crashes, torn, faults, repeated, lost, publications;
	unsigned snapshots, snapshots_failed, images, damaged, files_left; /* images: crashes in the middle of a snapshot */
	unsigned answers[STATUS_COUNT], expired, again, left;
	uint64_t digest; /* of all answers, in order */
	char why[4096];
};

/* false: something was wrong, the report says what. */
bool world_run(uint64_t seed, unsigned steps, bool is_talkative, struct world_report *report);

#endif
