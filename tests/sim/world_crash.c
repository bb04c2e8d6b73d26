/* A device that fails, a process that is gone, power that is gone. */
#include "tests/sim/world_inside.h"

#include "engine/base/clock.h"

#include <errno.h>
#include <stdlib.h>

/* ---- bad days -------------------------------------------------------------------------------------------- */

static void set_fault(struct world *w, enum journal_step step, int error)
{
	w->is_broken = true;
	atomic_store(&w->fault[step], error);
}

static void mend(struct world *w)
{
	for (unsigned i = 0; i < JOURNAL_STEPS; i++)
		atomic_store(&w->fault[i], 0);
	for (unsigned i = 0; i < 20000; i++) {
		struct journal_stat stat;
		journal_stat(shard_journal(w->shard), &stat);
		if (!stat.is_failed)
			break;
		clock_sleep_ms(1);
	}
	w->is_broken = false;
}

static void wait_failed(struct world *w) { (void)journal_wait(shard_journal(w->shard), UINT64_MAX, SETTLE_MS); }

/* What has left while nothing more became durable speaks of nothing newer. */
static void check_left(struct world *w, uint64_t durable)
{
	struct answer *answers = calloc(SIM_BATCH_MAX, sizeof *answers);
	char why[256];
	for (unsigned i = 0; i < w->done_count && !w->has_failed; i++) {
		const struct item *item = w->done[i];
		if (item->message == NULL || !atomic_load(&item->has_reply))
			continue;
		if (!wire_read(item->reply, item->reply_bytes, item->message->asks, item->message->count, answers, why))
			world_fail(w, "a reply cannot be read: %s", why);
		for (unsigned j = 0; j < item->message->count; j++)
			if (answers[j].seq > durable)
				world_fail(w, "step %u: seq %llu was answered, durable is %llu", w->step, (unsigned long long)answers[j].seq,
				           (unsigned long long)durable);
	}
	free(answers);
	if (w->heard_count != 0)
		world_fail(w, "step %u: published before it was durable: %s", w->step, w->heard[0]);
}

/* New and repeated messages, none with a deadline. */
static void deliver_burst(struct world *w)
{
	unsigned count = 1 + world_below(w, BURST_MAX), changes = 0;
	for (unsigned i = 0; i < count && changes + SIM_BATCH_MAX <= EVENTS_MAX; i++) {
		struct message *message = world_draw(w, true);
		changes += message->count;
		world_deliver(w, message);
	}
}

/* The device fails for a while; nothing may be lost, and nothing be said too early. */
void world_fail_for_a_while(struct world *w)
{
	static const int errors[] = {EIO, ENOSPC, EDQUOT};
	world_settle_all(w);
	uint64_t before = journal_released(shard_journal(w->shard));
	set_fault(w, world_one_in(w, 2) ? JOURNAL_STEP_sync : JOURNAL_STEP_write, errors[world_below(w, 3)]);
	world_tell(w, "the device fails");
	w->report->faults++;
	deliver_burst(w);
	world_turn(w, false);
	if (w->model.seq != before)
		world_fail(w, "step %u: the model is at %llu, the journal at %llu", w->step, (unsigned long long)w->model.seq,
		     (unsigned long long)before);
	bool is_changed = !shard_settle(w->shard, 0);
	if (is_changed)
		wait_failed(w);
	for (unsigned i = world_below(w, 3); i > 0; i--) {
		world_advance(w, world_below(w, 30));
		deliver_burst(w);
		world_turn(w, is_changed);
		if (!is_changed)
			is_changed = !shard_settle(w->shard, 0);
		if (is_changed)
			wait_failed(w);
	}
	check_left(w, before);
	mend(w);
	world_tell(w, "the device works again");
	world_settle_all(w);
}

/* ---- crashes --------------------------------------------------------------------------------------------- */

struct doubt {
	struct ask ask;
	struct model_moment moment;
};

static bool is_doubted(const struct doubt *doubts, unsigned count, uint64_t id)
{
	for (unsigned i = 0; i < count; i++)
		if (doubts[i].ask.id == id)
			return true;
	return false;
}

/* Changes that were carried out, perhaps, and never answered. */
static unsigned collect_doubts(struct world *w, struct doubt *doubts)
{
	unsigned count = 0;
	for (unsigned i = 0; i < w->done_count; i++) {
		const struct item *item = w->done[i];
		for (unsigned j = 0; item->message != NULL && j < item->message->count; j++) {
			const struct ask *ask = &item->message->asks[j];
			if (event_is_change(ask->type) && !model_knows(&w->model, ask->id) && !is_doubted(doubts, count, ask->id))
				doubts[count++] = (struct doubt){*ask, {.received_ms = item->job.received_ms}};
		}
	}
	return count;
}

static void forget(struct world *w)
{
	for (unsigned i = 0; i < w->done_count; i++)
		world_free_item(w->done[i]);
	for (unsigned i = 0; i < w->waiting_count; i++)
		world_free_item(w->waiting[i]);
	w->done_count = w->waiting_count = 0;
}

/* All of them again, with the same ids, before anything else is done. */
static unsigned ask_again(struct world *w, const struct doubt *doubts, unsigned count, struct item **items)
{
	unsigned item_count = 0;
	for (unsigned at = 0; at < count; at += SIM_BATCH_MAX) {
		struct ask asks[SIM_BATCH_MAX];
		unsigned some = count - at < SIM_BATCH_MAX ? count - at : SIM_BATCH_MAX;
		for (unsigned i = 0; i < some; i++)
			asks[i] = doubts[at + i].ask;
		struct message *message = world_compose(w, asks, some);
		message->is_acknowledged = true;
		items[item_count++] = world_deliver(w, message);
	}
	CHECK(item_count == w->waiting_count, "doubts do not fit into the queue");
	w->waiting_count = 0;
	(void)shard_step(w->shard);
	if (!shard_settle(w->shard, SETTLE_MS))
		world_fail(w, "step %u: nothing leaves after a crash", w->step);
	return item_count;
}

/* The answer to one in doubt: it was done then, or is done now. */
static void compare_one(struct world *w, const struct doubt *doubt, struct answer *answer, const struct model_moment *now)
{
	unsigned news = w->model.news_count;
	bool was_kept = answer->is_replayed;
	answer->is_replayed = false;
	world_tell_answer(w, &doubt->ask, answer);
	if (!model_agrees(&w->model, &doubt->ask, was_kept ? &doubt->moment : now, answer))
		world_report_difference(w, &doubt->ask, answer);
	for (; was_kept && news < w->model.news_count; news++)
		w->model.news[news].may_be_unheard = true;
	answer->is_replayed = was_kept;
	w->report->events++;
}

/* Those that were kept, or those that are done now. */
static void compare_doubts(struct world *w, const struct doubt *doubts, unsigned count, struct answer *answers, bool was_kept,
                           const struct model_moment *now)
{
	for (unsigned i = 0; i < count && !w->has_failed; i++)
		if (answers[i].is_replayed == was_kept)
			compare_one(w, &doubts[i], &answers[i], now);
}

/* Whoever was not answered asks again. What was durable is repeated, and must have been done as it was asked for, in
 * that order; the rest is done now. */
static void resolve(struct world *w, const struct doubt *doubts, unsigned count)
{
	struct item *items[BURST_MAX];
	struct answer *answers = calloc(count + SIM_BATCH_MAX, sizeof *answers);
	char why[256];
	unsigned item_count = ask_again(w, doubts, count, items);
	struct model_moment now = {.received_ms = items[0]->job.received_ms};
	for (unsigned i = 0; i < item_count && !w->has_failed; i++)
		if (!wire_read(items[i]->reply, items[i]->reply_bytes, items[i]->message->asks, items[i]->message->count,
		               answers + (size_t)i * SIM_BATCH_MAX, why))
			world_fail(w, "a reply cannot be read: %s", why);
	compare_doubts(w, doubts, count, answers, true, &now);
	model_start(&w->model, &w->file);
	compare_doubts(w, doubts, count, answers, false, &now);
	for (unsigned i = 0; i < item_count; i++)
		world_free_item(items[i]);
	free(answers);
	if (w->now_ns - w->swept_ns >= SWEEP_NS) {
		w->swept_ns = w->now_ns;
		world_note_done(w, world_make_item(w, NULL));
	}
	world_compare(w);
}

/* The process is gone in the middle of its work; perhaps the power, too. */
void world_crash(struct world *w)
{
	struct doubt doubts[SIM_BATCH_MAX * BURST_MAX];
	world_advance(w, SWEEP_NS / 1000000);
	world_settle_all(w);
	if (w->has_failed)
		return;
	bool is_power_loss = world_one_in(w, 2), is_written = !world_one_in(w, 3);
	set_fault(w, is_written ? JOURNAL_STEP_sync : JOURNAL_STEP_write, EIO);
	if (!is_written)
		set_fault(w, JOURNAL_STEP_sync, EIO);
	deliver_burst(w);
	world_turn(w, false);
	if (!shard_settle(w->shard, 0))
		wait_failed(w);
	uint64_t durable = journal_durable(shard_journal(w->shard));
	if (!w->has_failed && durable != w->model.seq)
		world_fail(w, "step %u: the model is at %llu, the journal at %llu", w->step, (unsigned long long)w->model.seq,
		     (unsigned long long)durable);
	world_tell(w, "crash; durable up to %llu", (unsigned long long)durable);
	check_left(w, durable);
	unsigned count = collect_doubts(w, doubts);
	if (world_one_in(w, 2))
		world_crash_in_snapshot(w);
	world_stop(w);
	for (unsigned i = 0; i < JOURNAL_STEPS; i++)
		atomic_store(&w->fault[i], 0);
	w->is_broken = false;
	forget(w);
	world_use_image(w);
	if (is_power_loss)
		disk_tear(w->folder, w->first_seq, durable, &w->random);
	if (world_one_in(w, 3))
		world_damage_snapshot(w);
	w->report->crashes++;
	world_advance(w, 1 + world_below(w, 3000));
	world_change_file(w);
	if (world_start(w)) {
		if (count != 0)
			resolve(w, doubts, count);
		else
			model_start(&w->model, &w->file);
	}
	world_read_everything(w);
}

/* A stop in good order, and another start. */
void world_restart(struct world *w)
{
	world_settle_all(w);
	world_stop(w);
	forget(w);
	world_tell(w, "restart");
	if (world_one_in(w, 3))
		world_damage_snapshot(w);
	world_change_file(w);
	if (!world_start(w))
		return;
	model_start(&w->model, &w->file);
	world_read_everything(w);
}
