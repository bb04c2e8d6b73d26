/*
 * query: answers the events that change nothing: from a snapshot of the store, or from the journal's files.
 * Private to the shard; any thread, with its worker, which it borrows for the call as it does
 * event and reply.
 */
#ifndef ENGINE_SHARD_QUERY_H
#define ENGINE_SHARD_QUERY_H

#include "engine/shard/shard_private.h"

/* Of the journal, for all feed.reads of a message: some milliseconds. Beyond it each goes on by a few records. */
enum { FEED_BYTES_MAX = 1 << 20 };

/* Writes the event's result. now_ms counts where the event has no `at`. */
void query_answer(struct shard *shard, struct worker *worker, const struct event *event, int64_t now_ms, struct reply *reply);

#endif
