#include "engine/shard/replay.h"

#include "engine/router/dispatch.h"
#include "proto/content.h"

#include <stdio.h>

static void fail(struct replay *r, status s, uint64_t sequence, const char *why)
{
	r->status = s;
	r->failed = sequence;
	r->why = why;
}

void replay_record(void *replay, const struct journal_record *record)
{
	struct replay *r = replay;
	const struct effect_head *effect = record->body;
	struct event event;
	if (r->status != STATUS_ok)
		return;
	/* What is between may be what this one counts on. */
	if (record->sequence != r->seq + 1) {
		fail(r, STATUS_malformed, record->sequence, "does not follow the state");
		return;
	}
	if (!effect_is_whole(record->body, record->body_bytes)) {
		fail(r, STATUS_malformed, record->sequence, "holds no effect that this version knows");
		return;
	}
	if (effect_is_of_reward(effect) && !r->keep_reward(r->context, effect)) {
		fail(r, STATUS_pool_exhausted, record->sequence, "does not fit into memory");
		return;
	}
	const struct effect_handler *handler = dispatch_effect((enum effect_type)effect->type);
	r->option = handler->lacks == NULL ? NULL : handler->lacks(&r->state, effect);
	if (r->option != NULL) {
		fail(r, STATUS_pool_exhausted, record->sequence, "has no room");
		return;
	}
	handler->apply(&r->state, effect, record->place);
	if (effect_event(effect, &event)) {
		struct idempotency *window = &r->state.commerce->idempotency;
		idempotency_remember(window, event_id(&event), content_hash(&event, window->seed), record->place, effect->at_ms);
	}
	r->seq = record->sequence;
	r->now_ms = effect->at_ms;
}

/* ---- what a snapshot holds ------------------------------------------------------------------------ */

void loading_start(struct loading *l, struct replay *replay)
{
	*l = (struct loading){.replay = replay};
	commerce_restore_start(&l->restore, replay->state.commerce);
}

static status cannot_be(struct loading *l, const char *what)
{
	snprintf(l->text, sizeof l->text, "it holds %s; start the version that wrote it", what);
	return STATUS_malformed;
}

static status load_head(struct loading *l, const void *bytes, size_t count)
{
	struct saved_shard head;
	if (count != sizeof head || l->has_head)
		return cannot_be(l, "a head that cannot be");
	memcpy(&head, bytes, sizeof head);
	l->has_head = true;
	l->replay->seq = head.seq;
	l->replay->now_ms = head.at_ms;
	return STATUS_ok;
}

static status load_reward(struct loading *l, const void *bytes, size_t count)
{
	const struct effect_head *effect = bytes;
	if (!effect_is_whole(bytes, count) || !effect_is_of_reward(effect))
		return cannot_be(l, "a reward that cannot be");
	return l->reward == NULL ? STATUS_ok : l->reward(l->context, effect);
}

status loading_visit(void *loading, uint32_t kind, const void *bytes, size_t count)
{
	struct loading *l = loading;
	switch (kind) {
	case SAVED_shard: return load_head(l, bytes, count);
	case SAVED_reward: return load_reward(l, bytes, count);
	default: return commerce_restore_put(&l->restore, kind, bytes, count);
	}
}

status loading_finish(struct loading *l)
{
	status s = l->text[0] != '\0' ? STATUS_malformed : commerce_restore_finish(&l->restore);
	if (s == STATUS_ok && !l->has_head)
		s = cannot_be(l, "no head");
	if (l->text[0] == '\0')
		snprintf(l->text, sizeof l->text, "%s", l->restore.text);
	return s;
}
