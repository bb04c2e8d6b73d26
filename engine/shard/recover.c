/*
 * What a start does: read the journal, carry out every effect again by the code that carries out
 * live ones, remember the ids. Rewards are put into the store at the end, once each: as they were
 * last, over those of rewards.file.
 */
#include "engine/shard/shard_private.h"

#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/router/dispatch.h"
#include "proto/content.h"

#include <stdlib.h>

/* The last that was done to a reward. */
struct reward_change {
	uint64_t order;
	struct effect_head *effect; /* a copy */
};

struct recovery {
	struct shard *shard;
	struct state state; /* without the store */
	struct reward_change *rewards;
	size_t reward_count, reward_room;
	status status; /* of the first record that cannot be carried out */
	uint64_t sequence;
	const char *why;
};

static void fail(struct recovery *r, status s, uint64_t sequence, const char *why)
{
	r->status = s;
	r->sequence = sequence;
	r->why = why;
}

static bool keep_reward(struct recovery *r, const struct effect_head *effect)
{
	if (r->reward_count == r->reward_room) {
		size_t room = r->reward_room == 0 ? 1024 : 2 * r->reward_room;
		struct reward_change *grown = realloc(r->rewards, room * sizeof *grown);
		if (grown == NULL)
			return false;
		r->rewards = grown;
		r->reward_room = room;
	}
	struct effect_head *copy = malloc(effect->bytes);
	if (copy == NULL)
		return false;
	memcpy(copy, effect, effect->bytes);
	r->rewards[r->reward_count] = (struct reward_change){r->reward_count, copy};
	r->reward_count++;
	return true;
}

static void carry_out(void *context, const struct journal_record *record)
{
	struct recovery *r = context;
	struct shard *shard = r->shard;
	const struct effect_head *effect = record->body;
	struct event event;
	if (r->status != STATUS_ok)
		return;
	if (!effect_is_whole(record->body, record->body_bytes)) {
		fail(r, STATUS_malformed, record->sequence, "holds no effect that this version knows");
		return;
	}
	if ((effect->type == EFFECT_reward_put || effect->type == EFFECT_reward_remove) && !keep_reward(r, effect)) {
		fail(r, STATUS_pool_exhausted, record->sequence, "does not fit into memory");
		return;
	}
	dispatch_effect((enum effect_type)effect->type)->apply(&r->state, effect, record->place);
	if (effect_event(effect, &event)) {
		struct idempotency *window = &shard->parts.commerce->idempotency;
		idempotency_remember(window, event_id(&event), content_hash(&event, window->seed), record->place, effect->at_ms);
	}
	shard->seq = record->sequence;
	shard->now_ms = effect->at_ms;
}

/* ---- rewards ------------------------------------------------------------------------------------- */

/* Both effects have the id at the same place. */
static struct wire_id reward_id(const struct effect_head *effect)
{
	return ((const struct effect_reward_remove *)(const void *)effect)->reward;
}
static_assert(offsetof(struct effect_reward_put, reward) == offsetof(struct effect_reward_remove, reward));

static int by_id(const void *left, const void *right)
{
	const struct reward_change *a = left, *b = right;
	struct wire_id x = reward_id(a->effect), y = reward_id(b->effect);
	if (x.high != y.high)
		return x.high < y.high ? -1 : 1;
	if (x.low != y.low)
		return x.low < y.low ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

/* The merger may be behind: then wait for it. */
static void make_way(struct shard *shard)
{
	store_publish(shard->state.store);
	store_settle(shard->state.store);
}

static status put_reward(struct shard *shard, const struct effect_head *effect)
{
	struct wire_id wire = reward_id(effect);
	struct identifier id = {wire.low, wire.high, (effect->flags & EVENT_REWARD_IS_UUID) != 0};
	struct reward reward;
	bool is_put = effect->type == EFFECT_reward_put;
	if (is_put) {
		reward = handler_reward_of((const struct effect_reward_put *)(const void *)effect);
		reward.taken = claims_taken(&shard->parts.commerce->claims, id);
	}
	for (unsigned tries = 0;; tries++) {
		status s = is_put ? store_put(shard->state.store, &reward) : store_remove(shard->state.store, id);
		if (s != STATUS_overloaded || tries == 2)
			return s == STATUS_not_found ? STATUS_ok : s; /* removed from rewards.file meanwhile */
		make_way(shard);
	}
}

static status put_rewards(struct recovery *r)
{
	status s = STATUS_ok;
	if (r->reward_count != 0)
		qsort(r->rewards, r->reward_count, sizeof *r->rewards, by_id);
	for (size_t i = 0; i < r->reward_count && s == STATUS_ok; i++) {
		struct wire_id id = reward_id(r->rewards[i].effect);
		bool is_last = i + 1 == r->reward_count || !id_equal(id, reward_id(r->rewards[i + 1].effect));
		if (is_last)
			s = put_reward(r->shard, r->rewards[i].effect);
	}
	return s;
}

static void count_taken(void *context, struct wire_id reward, uint64_t taken)
{
	struct shard *shard = context;
	struct identifier id = {reward.low, reward.high, false};
	if (store_set_taken(shard->state.store, id, taken) != STATUS_overloaded)
		return; /* done, or the reward is gone */
	make_way(shard);
	(void)store_set_taken(shard->state.store, id, taken);
}

static void forget_rewards(struct recovery *r)
{
	for (size_t i = 0; i < r->reward_count; i++)
		free(r->rewards[i].effect);
	free(r->rewards);
}

/* ---- all of it -------------------------------------------------------------------------------------- */

static status finish(struct recovery *r, struct journal_report *report)
{
	struct shard *shard = r->shard;
	if (r->status != STATUS_ok) {
		snprintf(report->text, sizeof report->text,
		         "record %llu %s (%s); start the version that wrote it, or look at it with trovectl journal dump",
		         (unsigned long long)r->sequence, r->why, status_code(r->status));
		return r->status;
	}
	status s = put_rewards(r);
	if (s != STATUS_ok) {
		snprintf(report->text, sizeof report->text,
		         "the rewards that came by event do not fit into the store: raise rewards.capacity or rewards.name_bytes");
		return s;
	}
	claims_visit_tallies(&shard->parts.commerce->claims, count_taken, shard);
	store_publish(shard->state.store);
	shard->seq = report->last;
	shard->committed = shard->seq;
	shard->state.journal = shard->journal;
	return STATUS_ok;
}

status shard_recover(struct shard *shard, struct journal_report *report)
{
	struct recovery r = {.shard = shard, .state = shard->state};
	r.state.store = NULL;
	int64_t start = clock_monotonic_ns();
	struct journal_options options = *shard->parts.journal;
	options.account = shard->options.account;
	options.released = shard_on_released;
	options.context = shard;
	status s = journal_open(&shard->journal, &options, 0, carry_out, &r, report);
	if (s == STATUS_ok)
		s = finish(&r, report);
	if (s == STATUS_ok && report->is_torn)
		log_warning("journal", "%s", report->text);
	if (s == STATUS_ok)
		log_info("journal", "%llu records replayed in %lld ms, the last seq is %llu", (unsigned long long)report->records,
		         (long long)((clock_monotonic_ns() - start) / 1000000), (unsigned long long)report->last);
	forget_rewards(&r);
	return s;
}
