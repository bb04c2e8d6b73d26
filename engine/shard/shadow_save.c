/* One snapshot: load the last, follow the journal, write. */
#include "engine/shard/shadow.h"

#include "engine/base/clock.h"

#include <stdio.h>
#include <string.h>

enum { RECORDS_AT_ONCE = 16384 };

static status say(char text[SNAPSHOT_TEXT_BYTES], status s, const char *why)
{
	snprintf(text, SNAPSHOT_TEXT_BYTES, "no snapshot: %.900s", why);
	return s;
}

static bool is_stopped(const struct shadow *s) { return atomic_load_explicit(&s->stopping, memory_order_relaxed); }

/* ---- the last one ---------------------------------------------------------------------------------- */

static status load_record(void *context, uint32_t kind, const void *bytes, size_t count)
{
	struct loading *l = context;
	struct shadow *s = l->context;
	if (is_stopped(s))
		return STATUS_draining;
	s->has_rewards |= kind == SAVED_reward;
	return loading_visit(l, kind, bytes, count);
}

static status load_found(struct shadow *s, uint64_t sequence, char text[SNAPSHOT_TEXT_BYTES])
{
	struct loading loading;
	loading_start(&loading, &s->replay);
	loading.context = s;
	status result = snapshot_read(&s->writer, sequence, load_record, &loading);
	if (result == STATUS_ok)
		result = loading_finish(&loading);
	if (result == STATUS_ok)
		s->newest = sequence;
	else if (result != STATUS_draining)
		(void)say(text, result, loading.restore.text[0] != '\0' ? loading.restore.text : s->writer.text);
	return result;
}

static status load(struct shadow *s, char text[SNAPSHOT_TEXT_BYTES])
{
	struct snapshot_found found;
	commerce_reset(&s->commerce);
	overlay_clear(&s->overlay);
	s->replay.seq = 0;
	s->replay.now_ms = 0;
	s->replay.status = STATUS_ok;
	s->newest = 0;
	s->has_rewards = false;
	status result = snapshot_find(&s->writer, s->identity, &found);
	if (result == STATUS_ok)
		result = load_found(s, found.sequence, text);
	else if (result == STATUS_not_found || result == STATUS_malformed)
		result = STATUS_ok; /* from the first record, if the journal has it still */
	else
		(void)say(text, result, s->writer.text);
	s->is_loaded = result == STATUS_ok;
	return result;
}

/* ---- the journal ----------------------------------------------------------------------------------- */

/* STATUS_ok also where the overlay is full: up to there, then. */
static status follow(struct shadow *s, char text[SNAPSHOT_TEXT_BYTES])
{
	struct replay *r = &s->replay;
	uint64_t until = journal_durable(s->journal);
	while (r->seq < until) {
		uint64_t last, before = r->seq;
		uint64_t limit = until - before < RECORDS_AT_ONCE ? until - before : RECORDS_AT_ONCE;
		if (is_stopped(s))
			return STATUS_draining;
		status result = journal_read(s->journal, before, (uint32_t)limit, replay_record, r, &last);
		if (r->status == STATUS_pool_exhausted) {
			r->status = STATUS_ok;
			return STATUS_ok;
		}
		if (result != STATUS_ok || r->status != STATUS_ok || r->seq == before) {
			s->is_loaded = false;
			return say(text, STATUS_malformed, r->why != NULL ? r->why : "records of the journal cannot be read");
		}
	}
	return STATUS_ok;
}

/* ---- writing ----------------------------------------------------------------------------------------- */

static status put(void *context, uint32_t kind, const void *bytes, size_t count)
{
	struct shadow *s = context;
	return is_stopped(s) ? STATUS_draining : snapshot_put(&s->writer, kind, bytes, count);
}

struct merge {
	struct shadow *shadow;
	uint32_t next; /* of the overlay */
	bool has_rewards;
};

/* The removal of what rewards.file does not bring protects from nothing. */
static status put_effect(struct merge *m, const struct effect_head *effect, size_t bytes)
{
	if (effect->type == EFFECT_reward_remove && !file_rewards_has(m->shadow->start.file, reward_effect_id(effect)))
		return is_stopped(m->shadow) ? STATUS_draining : STATUS_ok;
	m->has_rewards = true;
	return put(m->shadow, SAVED_reward, effect, bytes);
}

static status put_change(struct merge *m)
{
	const struct effect_head *effect = overlay_at(&m->shadow->overlay, m->next++);
	return put_effect(m, effect, effect->bytes);
}

/* The last snapshot's rewards and what changed since, both in order. */
static status merge_reward(void *context, uint32_t kind, const void *bytes, size_t count)
{
	struct merge *m = context;
	const struct overlay *o = &m->shadow->overlay;
	if (kind != SAVED_reward)
		return is_stopped(m->shadow) ? STATUS_draining : STATUS_ok;
	struct wire_id id = reward_effect_id(bytes);
	status s = STATUS_ok;
	int order = 1;
	while (s == STATUS_ok && m->next < o->count &&
	       (order = wire_id_order(reward_effect_id(overlay_at(o, m->next)), id)) < 0)
		s = put_change(m);
	if (s != STATUS_ok)
		return s;
	if (m->next < o->count && order == 0)
		return put_change(m);
	return put_effect(m, bytes, count);
}

static status put_rewards(struct shadow *s, bool *has_rewards)
{
	struct merge m = {.shadow = s};
	status result = STATUS_ok;
	overlay_sort(&s->overlay);
	if (s->has_rewards)
		result = snapshot_read(&s->reader, s->newest, merge_reward, &m);
	while (result == STATUS_ok && m.next < s->overlay.count)
		result = put_change(&m);
	*has_rewards = m.has_rewards;
	return result;
}

static status write_file(struct shadow *s, bool *has_rewards)
{
	struct saved_shard head = {.seq = s->replay.seq, .at_ms = s->replay.now_ms};
	status result = snapshot_start(&s->writer, s->identity, s->replay.seq, clock_unix_ms());
	if (result == STATUS_ok)
		result = put(s, SAVED_shard, &head, sizeof head);
	if (result == STATUS_ok)
		result = commerce_save(&s->commerce, put, s);
	if (result == STATUS_ok)
		result = put_rewards(s, has_rewards);
	if (result == STATUS_ok)
		result = snapshot_finish(&s->writer);
	if (result != STATUS_ok)
		snapshot_abort(&s->writer);
	return result;
}

static status save(struct shadow *s, char text[SNAPSHOT_TEXT_BYTES])
{
	bool has_rewards = false;
	s->reader.text[0] = s->writer.text[0] = '\0';
	status result = write_file(s, &has_rewards);
	if (result == STATUS_draining)
		return result;
	if (result != STATUS_ok) {
		/* The last one may be gone, or damaged since: then begin anew. */
		if (s->reader.text[0] != '\0')
			s->is_loaded = false;
		return say(text, result, s->reader.text[0] != '\0' ? s->reader.text : s->writer.text);
	}
	s->newest = s->replay.seq;
	s->has_rewards = has_rewards;
	overlay_clear(&s->overlay);
	/* Old ones that cannot be removed now are next time. */
	if (snapshot_drop_old(&s->writer, &s->needed) != STATUS_ok)
		s->needed = 0;
	return STATUS_ok;
}

status shadow_make(struct shadow *s, char text[SNAPSHOT_TEXT_BYTES])
{
	status result = s->is_loaded ? STATUS_ok : load(s, text);
	if (result == STATUS_ok)
		result = follow(s, text);
	return result == STATUS_ok ? save(s, text) : result;
}
