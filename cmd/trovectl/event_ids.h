/*
 * event_ids: ids for events that a program makes up: UUIDs of version 7 (RFC 9562),
 * time in front, then random bits of the run, then a count. No two are equal, and
 * later ones sort behind. One thread.
 */
#ifndef CMD_TROVECTL_EVENT_IDS_H
#define CMD_TROVECTL_EVENT_IDS_H

#include "proto/identifier.h"

struct event_ids {
	uint64_t run; /* random */
	uint64_t count;
};

void event_ids_init(struct event_ids *ids);
struct identifier event_ids_next(struct event_ids *ids);

#endif
