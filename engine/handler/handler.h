/*
 * handler: what each kind of change means, in two halves.
 *
 *   plan   reads the state and decides. It writes the effect into the arena, or says
 *          why not. It cannot change anything: it sees a const state.
 *   apply  carries an effect out. It cannot fail: plan made sure of that.
 *
 * Both run on the writer's thread, one event at a time. The state belongs to the
 * shard; the effect to the batch's arena. Event and problem are borrowed during the call.
 */
#ifndef ENGINE_HANDLER_HANDLER_H
#define ENGINE_HANDLER_HANDLER_H

#include "engine/memory/arena.h"
#include "engine/store/store.h"
#include "proto/effect.h"
#include "proto/request.h"

/* Everything that changes change. */
struct state {
	struct store *store;
};

struct handler {
	/* Not STATUS_ok: problem says why (field and message may stay empty). */
	status (*plan)(const struct state *state, const struct event *event, struct arena *arena,
	               struct effect_head **effect, struct problem *problem);
	void (*apply)(struct state *state, const struct effect_head *effect);
};

extern const struct handler handler_reward_put;
extern const struct handler handler_reward_remove;

#endif
