/*
 * disk: the folder of a simulated service, and what a power loss leaves of it. One thread; nobody has the
 * journal open meanwhile.
 */
#ifndef TESTS_SIM_DISK_H
#define TESTS_SIM_DISK_H

#include "engine/base/random.h"
#include "tests/support/journal_files.h"

enum { DISK_PATH_BYTES = FILES_PATH_BYTES };

/* In memory where the system has such a place. */
void disk_make(char path[DISK_PATH_BYTES]);
void disk_remove(const char *path);
/* What was behind the durable sequence is torn: cut, some sectors old, or nonsense; by the numbers drawn. first: of the
 * journal's records. */
void disk_tear(const char *folder, uint64_t first, uint64_t durable, struct random *random);

/* disk_snapshot.c: snapshots, by their sequences; 0: there is none. */
uint64_t disk_newest_snapshot(const char *folder);
/* One other than `but`. */
bool disk_has_older_snapshot(const char *folder, uint64_t sequence, uint64_t but);
uint64_t disk_snapshot_hash(const char *folder, uint64_t sequence);
/* Some byte of it changes, or some are gone; says what. */
const char *disk_damage_snapshot(const char *folder, uint64_t sequence, struct random *random);

#endif
