/*
 * What a start does: put the newest whole snapshot into the empty state, read the journal behind it, carry
 * out every effect again by the code that carries out live ones, remember the ids. Rewards that
 * changed behind the snapshot are put into the store at the end, once each: as they were last, over
 * those of the snapshot and of rewards.file. Until then 24 bytes say of each which record that was, with
 * room for at most four times as many as were held at once, however often they changed.
 */
#include "engine/shard/shard_private.h"

#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/journal/snapshot.h"
#include "engine/shard/replay.h"

#include <stdlib.h>

enum { CHANGES_MIN = 1024 };

/* What was done to a reward; what it became stands in the journal. */
struct reward_change {
	struct wire_id reward;
	uint64_t sequence : 62, is_put : 1, is_uuid : 1;
};
static_assert(sizeof(struct reward_change) == 24);

struct recovery {
	struct shard *shard;
	struct replay replay;
	struct reward_change *rewards;
	size_t reward_count, reward_room;
	uint64_t replayed, replayed_bytes; /* behind the snapshot */
	bool puts; /* which rewards of a snapshot are taken: those that were put, or removed */
	struct loading loading;
	struct snapshots snapshots;
	struct snapshot_found found;
};

static void carry_out(void *context, const struct journal_record *record)
{
	struct recovery *r = context;
	replay_record(&r->replay, record);
	r->replayed++;
	r->replayed_bytes += sizeof(struct journal_record) + record->body_bytes;
}

/* ---- rewards ------------------------------------------------------------------------------------- */

static int by_id(const void *left, const void *right)
{
	const struct reward_change *a = left, *b = right;
	int order = wire_id_order(a->reward, b->reward);
	return order != 0 ? order : a->sequence < b->sequence ? -1 : a->sequence > b->sequence;
}

static int by_sequence(const void *left, const void *right)
{
	const struct reward_change *a = left, *b = right;
	return a->sequence < b->sequence ? -1 : a->sequence > b->sequence;
}

static struct identifier reward_of(const struct reward_change *c)
{
	return (struct identifier){c->reward.low, c->reward.high, c->is_uuid};
}

/* Only the last of each stays, and a removal only of what the store has: so rewards.capacity bounds both. */
static void keep_last(struct recovery *r)
{
	size_t kept = 0;
	if (r->reward_count == 0)
		return;
	qsort(r->rewards, r->reward_count, sizeof *r->rewards, by_id);
	for (size_t i = 0; i < r->reward_count; i++) {
		const struct reward_change *c = &r->rewards[i];
		bool is_last = i + 1 == r->reward_count || !id_equal(c->reward, c[1].reward);
		if (is_last && (c->is_put || store_can_remove(r->shard->state.store, reward_of(c)) != STATUS_not_found))
			r->rewards[kept++] = *c;
	}
	r->reward_count = kept;
}

static bool make_room(struct recovery *r)
{
	keep_last(r);
	/* With little room they would be put together for every few. */
	if (r->reward_count < r->reward_room / 2)
		return true;
	size_t room = r->reward_room == 0 ? CHANGES_MIN : 2 * r->reward_room;
	struct reward_change *grown = realloc(r->rewards, room * sizeof *grown);
	if (grown == NULL)
		return false;
	r->rewards = grown;
	r->reward_room = room;
	return true;
}

static bool keep_reward(void *context, const struct effect_head *effect)
{
	struct recovery *r = context;
	if (r->reward_count == r->reward_room && !make_room(r))
		return false;
	r->rewards[r->reward_count++] = (struct reward_change){
		.reward = reward_effect_id(effect),
		.sequence = r->replay.seq + 1, /* of the one that is carried out now */
		.is_put = effect->type == EFFECT_reward_put,
		.is_uuid = (effect->flags & EVENT_REWARD_IS_UUID) != 0,
	};
	return true;
}

static const char too_many_rewards[] =
	"the rewards that came by event do not fit into the store: raise rewards.capacity or rewards.name_bytes; or they and those "
	"of rewards.file have more than 255 kinds: take some out of the file";

/* The merger may be behind: then wait for it. */
static void make_way(struct shard *shard)
{
	store_publish(shard->state.store);
	store_settle(shard->state.store);
}

/* NULL: it is to be removed. */
static status change_reward(struct shard *shard, struct identifier id, const struct reward *reward)
{
	for (unsigned tries = 0;; tries++) {
		status s = reward != NULL ? store_put(shard->state.store, reward) : store_remove(shard->state.store, id);
		if (s != STATUS_overloaded || tries == 2)
			return s;
		make_way(shard);
	}
}

static status put_reward(struct shard *shard, const struct effect_head *effect)
{
	struct wire_id wire = reward_effect_id(effect);
	struct identifier id = {wire.low, wire.high, (effect->flags & EVENT_REWARD_IS_UUID) != 0};
	if (effect->type != EFFECT_reward_put)
		return change_reward(shard, id, NULL);
	/* None of it is taken yet: count_taken says at the end what is. */
	struct reward reward = handler_reward_of((const struct effect_reward_put *)(const void *)effect);
	return change_reward(shard, id, &reward);
}

/* The puts that are left, in the order of the journal, which is read once more. */
struct putting {
	struct recovery *recovery;
	size_t next;
	status status;
};

static void put_kept(void *context, const struct journal_record *record)
{
	struct putting *p = context;
	const struct recovery *r = p->recovery;
	if (p->status != STATUS_ok || p->next == r->reward_count || r->rewards[p->next].sequence != record->sequence)
		return;
	p->status = put_reward(r->shard, record->body);
	p->next++;
}

static status cannot_put(status s, struct journal_report *report)
{
	snprintf(report->text, sizeof report->text, "%s", too_many_rewards);
	return s;
}

static status read_again(struct recovery *r, struct journal_report *report)
{
	struct putting p = {.recovery = r};
	while (p.next < r->reward_count && p.status == STATUS_ok) {
		uint64_t from = r->rewards[p.next].sequence, count = r->rewards[r->reward_count - 1].sequence - from + 1, last;
		uint32_t limit = count < UINT32_MAX ? (uint32_t)count : UINT32_MAX;
		status s = journal_read(r->shard->journal, from - 1, limit, put_kept, &p, &last);
		if (s != STATUS_ok) {
			snprintf(report->text, sizeof report->text, "record %llu was read, and cannot be read again (%s): look at the device",
			         (unsigned long long)r->rewards[p.next].sequence, status_code(s));
			return s;
		}
	}
	return p.status == STATUS_ok ? STATUS_ok : cannot_put(p.status, report);
}

/* Removals first: they make room. */
static status put_rewards(struct recovery *r, struct journal_report *report)
{
	status s = STATUS_ok;
	size_t puts = 0;
	keep_last(r);
	for (size_t i = 0; i < r->reward_count && s == STATUS_ok; i++)
		if (r->rewards[i].is_put)
			r->rewards[puts++] = r->rewards[i];
		else
			s = change_reward(r->shard, reward_of(&r->rewards[i]), NULL);
	if (s != STATUS_ok)
		return cannot_put(s, report);
	r->reward_count = puts;
	if (puts != 0)
		qsort(r->rewards, puts, sizeof *r->rewards, by_sequence);
	return read_again(r, report);
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

/* ---- the snapshot ----------------------------------------------------------------------------------- */

static status load_reward(void *context, const struct effect_head *effect)
{
	struct recovery *r = context;
	if (r->puts != (effect->type == EFFECT_reward_put))
		return STATUS_ok;
	status s = put_reward(r->shard, effect);
	return s == STATUS_not_found ? STATUS_ok : s; /* rewards.file does not bring it any more */
}

static status visit_reward(void *context, uint32_t kind, const void *bytes, size_t count)
{
	(void)count; /* it was whole when it was read the first time */
	return kind == SAVED_reward ? load_reward(context, bytes) : STATUS_ok;
}

/* Why it cannot be loaded: the snapshot's reader says it, or who takes it. */
static status cannot_load(const struct recovery *r, status s, struct journal_report *report)
{
	const char *why = r->loading.text[0] != '\0' ? r->loading.text :
	                  s == STATUS_pool_exhausted || s == STATUS_overloaded ? too_many_rewards : r->snapshots.text;
	snprintf(report->text, sizeof report->text, "the snapshot of seq %llu cannot be loaded (%s): %.900s",
	         (unsigned long long)r->found.sequence, status_code(s), why);
	return s;
}

/* Twice, because rewards that are removed make room for others. */
static status load_snapshot(struct recovery *r, struct journal_report *report)
{
	loading_start(&r->loading, &r->replay);
	r->loading.reward = load_reward;
	r->loading.context = r;
	status s = snapshot_read(&r->snapshots, r->found.sequence, loading_visit, &r->loading);
	status finished = s == STATUS_ok || r->loading.restore.status != STATUS_ok ? loading_finish(&r->loading) : s;
	if (finished == STATUS_ok) {
		r->puts = true;
		finished = snapshot_read(&r->snapshots, r->found.sequence, visit_reward, r);
	}
	if (finished != STATUS_ok)
		return cannot_load(r, finished, report);
	store_publish(r->shard->state.store);
	return STATUS_ok;
}

static status refuse_without_journal(const struct recovery *r, struct journal_report *report)
{
	snprintf(report->text, sizeof report->text,
	         "there are snapshots in %s, but no journal that goes on from one: put the journal's files back from a copy; or "
	         "move the snapshots away to begin with nothing",
	         r->shard->parts.journal->directory);
	return STATUS_malformed;
}

/* *after: the record behind which the journal is needed. */
static status start_from_snapshot(struct recovery *r, uint64_t *after, struct journal_report *report)
{
	uint64_t identity[2];
	*after = 0;
	status s = snapshots_open(&r->snapshots, &(struct snapshot_options){.directory = r->shard->parts.journal->directory,
	                                                                    .account = r->shard->options.account});
	if (s != STATUS_ok) {
		snprintf(report->text, sizeof report->text, "%s", r->snapshots.text);
		return s;
	}
	bool has_journal = snapshot_journal_identity(r->shard->parts.journal->directory, identity) == STATUS_ok;
	s = snapshot_find(&r->snapshots, has_journal ? identity : NULL, &r->found);
	if (s == STATUS_not_found)
		return STATUS_ok;
	if (!has_journal)
		return refuse_without_journal(r, report);
	if (r->found.refused != 0)
		log_warning("snapshot", "passed over, %u of them: %s", r->found.refused, r->found.text);
	if (s == STATUS_malformed)
		return STATUS_ok; /* the journal may still hold everything */
	if (s != STATUS_ok) {
		snprintf(report->text, sizeof report->text, "%s", r->snapshots.text);
		return s;
	}
	*after = r->found.sequence;
	return load_snapshot(r, report);
}

/* ---- all of it -------------------------------------------------------------------------------------- */

static status finish(struct recovery *r, struct journal_report *report)
{
	struct shard *shard = r->shard;
	const struct replay *replay = &r->replay;
	if (replay->option != NULL) {
		snprintf(report->text, sizeof report->text,
		         "%s is too small: record %llu of the journal, which ends with %llu, needs more than it has room for. Nothing is "
		         "lost: make it at least as large as it was when that was written",
		         replay->option, (unsigned long long)replay->failed, (unsigned long long)report->last);
		return replay->status;
	}
	if (replay->status != STATUS_ok) {
		snprintf(report->text, sizeof report->text,
		         "record %llu %s (%s); start the version that wrote it, or look at it with trovectl journal dump",
		         (unsigned long long)replay->failed, replay->why, status_code(replay->status));
		return replay->status;
	}
	status s = put_rewards(r, report);
	if (s != STATUS_ok)
		return s;
	claims_visit_tallies(&shard->parts.commerce->claims, count_taken, shard);
	store_publish(shard->state.store);
	shard->seq = report->last;
	shard->committed = shard->seq;
	shard->now_ms = replay->now_ms;
	shard->state.journal = shard->journal;
	shard->start = (struct shadow_start){
		.seq = r->found.sequence,
		.created_ms = r->found.created_ms,
		.tail_bytes = r->replayed_bytes,
		.unread = report->files_passed != 0 ? r->found.sequence : 0,
		.file = &shard->file,
	};
	return STATUS_ok;
}

static void say_start(const struct recovery *r, const struct journal_report *report, int64_t start_ns)
{
	if (report->is_torn)
		log_warning("journal", "%s", report->text);
	if (r->found.bytes != 0)
		log_info("snapshot", "that of seq %llu (%llu bytes) was loaded", (unsigned long long)r->found.sequence,
		         (unsigned long long)r->found.bytes);
	log_info("journal", "%llu records replayed in %lld ms, the last seq is %llu", (unsigned long long)r->replayed,
	         (long long)((clock_monotonic_ns() - start_ns) / 1000000), (unsigned long long)report->last);
	if (report->files_passed != 0)
		log_info("journal", "%llu of %llu files hold only what the snapshot has: they are read through in the background",
		         (unsigned long long)report->files_passed, (unsigned long long)report->files);
}

/* Snapshots were there, none is good, and the journal does not reach back to the first record. */
static void explain_loss(const struct recovery *r, struct journal_report *report)
{
	if (r->found.refused == 0 || report->first <= 1)
		return;
	snprintf(report->text, sizeof report->text,
	         "no snapshot can be used (%.600s), and the journal alone begins with record %llu: nothing was changed. Put a "
	         "snapshot back from a copy, or start from a backup of %.200s",
	         r->found.text, (unsigned long long)report->first, r->shard->parts.journal->directory);
}

static status open_and_replay(struct recovery *r, struct journal_report *report)
{
	struct shard *shard = r->shard;
	struct journal_options options = *shard->parts.journal;
	uint64_t after;
	options.account = shard->options.account;
	options.released = shard_on_released;
	options.context = shard;
	options.checks_later = shadow_is_wanted(&shard->options, &shard->parts); /* it does */
	status s = shard_read_receipt(shard, report);
	if (s == STATUS_ok && options.checks_later)
		s = file_rewards_setup(&shard->file, shard->parts.store, shard->options.account);
	if (s == STATUS_ok)
		s = start_from_snapshot(r, &after, report);
	if (s != STATUS_ok)
		return s;
	s = journal_open(&shard->journal, &options, after, carry_out, r, report);
	if (s == STATUS_malformed && after == 0)
		explain_loss(r, report);
	return s == STATUS_ok ? finish(r, report) : s;
}

status shard_recover(struct shard *shard, struct journal_report *report)
{
	struct recovery *r = calloc(1, sizeof *r);
	int64_t start_ns = clock_monotonic_ns();
	if (r == NULL)
		return STATUS_pool_exhausted;
	r->shard = shard;
	r->snapshots.directory = r->snapshots.file = -1;
	r->replay = (struct replay){.state = shard->state, .keep_reward = keep_reward, .context = r};
	r->replay.state.store = NULL;
	status s = open_and_replay(r, report);
	if (s == STATUS_ok) {
		say_start(r, report, start_ns);
		s = shard_check_receipt(shard, report);
	}
	snapshots_close(&r->snapshots);
	free(r->rewards);
	free(r);
	return s;
}
