/*
 * replay: state that follows the journal: what a snapshot saved, then record by record. A start does
 * it with the live state, the shadow with its own; so both come to the same.
 *
 * A snapshot holds one head, what commerce saves, and of each reward that came or went by event
 * the last effect, the least id first. Those lie over rewards.file, which a start loads before: so the
 * removal of a reward that the file brings is kept, too.
 *
 * One thread, that of the state's owner. Nothing is allocated.
 */
#ifndef ENGINE_SHARD_REPLAY_H
#define ENGINE_SHARD_REPLAY_H

#include "engine/commerce/save.h"
#include "engine/handler/handler.h"

/* Beside those of commerce; written, so never used for something else. */
enum saved_shard_kind : uint32_t { SAVED_shard = 0x200, SAVED_reward };

struct saved_shard {
	uint64_t seq;  /* of the last effect */
	int64_t at_ms; /* of that, too */
};
static_assert(sizeof(struct saved_shard) == 16);

struct replay {
	struct state state; /* without the store and the journal */
	uint64_t seq;
	int64_t now_ms;
	/* false: no room for it now; the record then counts as not read. */
	bool (*keep_reward)(void *context, const struct effect_head *effect);
	void *context;
	status status; /* of the first record that was not carried out: all that follow are passed over */
	uint64_t failed;
	const char *why;
	const char *option; /* the capacity that is too small; NULL: none is */
};

/* A journal_visitor: carries one record out by the code that carries out live ones. */
void replay_record(void *replay, const struct journal_record *record);

struct loading {
	struct replay *replay;
	struct commerce_restore restore;
	/* Called for each reward's last effect; the first that is not STATUS_ok ends it. */
	status (*reward)(void *context, const struct effect_head *effect);
	void *context;
	bool has_head;
	char text[256]; /* why not */
};

void loading_start(struct loading *loading, struct replay *replay);
/* A snapshot_visitor. */
status loading_visit(void *loading, uint32_t kind, const void *bytes, size_t count);
status loading_finish(struct loading *loading);

/* Both effects have the id at the same place. */
static inline struct wire_id reward_effect_id(const struct effect_head *effect)
{
	static_assert(offsetof(struct effect_reward_put, reward) == offsetof(struct effect_reward_remove, reward));
	return ((const struct effect_reward_remove *)(const void *)effect)->reward;
}

static inline int wire_id_order(struct wire_id a, struct wire_id b)
{
	if (a.high != b.high)
		return a.high < b.high ? -1 : 1;
	return a.low < b.low ? -1 : a.low > b.low;
}

static inline bool effect_is_of_reward(const struct effect_head *effect)
{
	return effect->type == EFFECT_reward_put || effect->type == EFFECT_reward_remove;
}

#endif
