/* snapshot_inside: what the files of snapshot share. */
#ifndef ENGINE_JOURNAL_SNAPSHOT_INSIDE_H
#define ENGINE_JOURNAL_SNAPSHOT_INSIDE_H

#include "engine/journal/snapshot.h"

enum { SNAPSHOT_NAME_BYTES = 48 };

void snapshot_name(uint64_t sequence, char name[SNAPSHOT_NAME_BYTES]);
/* In order; unfinished ones are removed if `clean`. An errno. */
int snapshot_list(struct snapshots *snapshots, uint64_t numbers[SNAPSHOT_FILES_MAX], size_t *count, bool clean);

/* Sets the text; returns the status. */
[[gnu::format(printf, 3, 4)]] status snapshot_say(struct snapshots *snapshots, status what, const char *format, ...);
status snapshot_refused_by_system(struct snapshots *snapshots, int error, const char *doing, const char *name);

#endif
