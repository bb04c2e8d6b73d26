/*
 * instance: the state behind the handlers, without threads and sockets: events in, effects out, applied when asked.
 * Heap objects of their own; one thread each. What cannot be set up fails the test.
 */
#ifndef TESTS_SUPPORT_INSTANCE_H
#define TESTS_SUPPORT_INSTANCE_H

#include "engine/handler/handler.h"
#include "engine/shard/shard.h"
#include "tests/support/journal_files.h"

struct instance {
	struct commerce commerce;
	struct state state; /* with a store, a reader and a journal, or without all three (as in a replay) */
	struct arena arena; /* of requests and effects; given back by instance_forget */
	struct request request;
	struct event event;
	struct problem problem; /* of the last plan */
	int64_t now_ms;
	uint64_t place;         /* of the last effect that was applied */
	uint64_t seq;
	char folder[FILES_PATH_BYTES];
};

/* Capacities as the options say; 0 in one of them: its default. */
struct instance *instance_create(const struct commerce_options *options, bool is_replay);
void instance_destroy(struct instance **i);

/* Decodes one JSON event and plans it at now_ms; what is refused is not applied. */
status instance_plan(struct instance *i, const char *json, struct effect_head **effect);
/* Keeps the effect in the journal, if there is one, and carries it out. */
void instance_apply(struct instance *i, const struct effect_head *effect);
/* Both, and forget. */
status instance_do(struct instance *i, const char *json);
void instance_forget(struct instance *i);

#endif
