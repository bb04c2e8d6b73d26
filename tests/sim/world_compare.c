/* What the service said and did, against the model. */
#include "tests/sim/world_inside.h"

#include "engine/base/hash.h"

#include <stdlib.h>
#include <string.h>

void world_report_difference(struct world *w, const struct ask *ask, const struct answer *got)
{
	char asked[512], answered[512];
	wire_describe(ask, asked);
	wire_describe_answer(got, answered);
	world_fail(w, "step %u\n  event   %s\n  answer  %s\n  model   %s", w->step, asked, answered, w->model.why);
}

void world_tell_answer(const struct world *w, const struct ask *ask, const struct answer *got)
{
	char asked[512], answered[512];
	if (!w->is_talkative)
		return;
	wire_describe(ask, asked);
	wire_describe_answer(got, answered);
	world_tell(w, "%s\n                  -> %s", asked, answered);
}

static bool is_done(const struct answer *a) { return a->code != STATUS_ok && strcmp(a->retry, "same_id") == 0 ? false : true; }

/* The answers of a message; whether the client heard all and needs not ask again. */
static void compare_message(struct world *w, struct item *item)
{
	struct message *message = item->message;
	static_assert(SIM_BATCH_MAX <= 8);
	struct answer *answers = calloc(SIM_BATCH_MAX, sizeof *answers);
	char why[256];
	bool is_all_done = true;
	if (!atomic_load(&item->has_reply))
		world_fail(w, "a message got no reply");
	else if (!wire_read(item->reply, item->reply_bytes, message->asks, message->count, answers, why))
		world_fail(w, "a reply cannot be read: %s", why);
	for (unsigned i = 0; i < message->count && !w->has_failed; i++) {
		const struct ask *ask = &message->asks[i];
		struct model_moment moment = {
			.received_ms = item->job.received_ms,
			.is_late = ask->deadline_ms != 0 && item->done_ns - item->job.received_ns > (int64_t)ask->deadline_ms * 1000000,
			.may_refuse = item->may_refuse,
		};
		world_tell_answer(w, ask, &answers[i]);
		if (!model_agrees(&w->model, ask, &moment, &answers[i]))
			world_report_difference(w, ask, &answers[i]);
		is_all_done = is_all_done && is_done(&answers[i]);
		w->report->repeated += answers[i].is_replayed;
		w->report->events++;
	}
	w->report->digest = hash_bytes(item->reply, item->reply_bytes, w->report->digest);
	if (is_all_done && !world_one_in(w, 12)) /* else the reply is lost on its way */
		message->is_acknowledged = true;
	free(answers);
}

static unsigned parse_heard(struct world *w, struct model_heard *heard)
{
	for (unsigned i = 0; i < w->heard_count; i++)
		if (!model_parse_heard(w->heard[i], &heard[i]))
			world_fail(w, "a publication that is no JSON: %s", w->heard[i]);
	return w->heard_count;
}

static void compare_news(struct world *w)
{
	for (unsigned i = 0; i < w->heard_count; i++) {
		world_tell(w, "published %s", w->heard[i]);
		if (!w->has_failed && !model_hears(&w->model, w->heard[i]))
			world_fail(w, "step %u: %s", w->step, w->model.why);
		w->report->publications++;
		free(w->heard[i]);
	}
	w->heard_count = 0;
	if (!w->has_failed && !model_heard_all(&w->model))
		world_fail(w, "step %u: %s", w->step, w->model.why);
}

/* Everything that was done against the model. All of it has left. */
void world_compare(struct world *w)
{
	struct model_heard *heard = calloc(w->heard_count + 1, sizeof *heard);
	unsigned count = parse_heard(w, heard);
	for (unsigned i = 0; i < w->done_count; i++) {
		struct item *item = w->done[i];
		if (!w->has_failed && item->message != NULL)
			compare_message(w, item);
		else if (item->may_refuse)
			model_tick(&w->model, item->done_ms);
		else if (!w->has_failed && !model_sweep(&w->model, item->done_ms, heard, count))
			world_fail(w, "step %u: %s", w->step, w->model.why);
		world_free_item(item);
	}
	w->done_count = 0;
	free(heard);
	compare_news(w);
}

/* Waits until all that was done is durable and has left, and compares it. */
void world_settle(struct world *w)
{
	if (w->has_failed)
		return;
	if (!shard_settle(w->shard, SETTLE_MS))
		world_fail(w, "step %u: nothing leaves any more", w->step);
	else
		world_compare(w);
	if (!w->has_failed)
		world_rest(w);
}

void world_settle_all(struct world *w)
{
	do {
		world_turn(w, false);
		world_settle(w);
	} while (w->waiting_count != 0 && !w->has_failed);
}

/* ---- reading all ----------------------------------------------------------------------------------------- */

static void ask_all(struct world *w, const struct ask *asks, unsigned count)
{
	for (unsigned at = 0; at < count && !w->has_failed; at += SIM_BATCH_MAX) {
		unsigned some = count - at < SIM_BATCH_MAX ? count - at : SIM_BATCH_MAX;
		struct message *message = world_compose(w, asks + at, some);
		message->is_acknowledged = true;
		world_deliver(w, message);
		if (w->waiting_count >= BURST_MAX || w->done_count > ITEMS_MAX / 2)
			world_settle_all(w);
	}
	world_settle_all(w);
}

/* Each line against the model's news from *place on. */
static unsigned compare_feed(struct world *w, const char *lines, unsigned *place)
{
	unsigned count = 0;
	char line[1024];
	for (const char *end; (end = strchr(lines, '\n')) != NULL && !w->has_failed; lines = end + 1, count++) {
		snprintf(line, sizeof line, "%.*s", (int)(end - lines), lines);
		if (!model_feed(&w->model, (*place)++, line))
			world_fail(w, "step %u: %s", w->step, w->model.why);
	}
	return count;
}

/* One feed.read, which is answered at once; whether there is more. */
static bool read_some(struct world *w, struct ask *ask, struct answer *answer, unsigned *place)
{
	struct message *message = world_compose(w, ask, 1);
	struct item *item = world_make_item(w, message);
	char why[256];
	message->is_acknowledged = true;
	item->job.message = message->text;
	item->job.message_bytes = message->bytes;
	shard_handle(w->shard, &item->job);
	bool is_read = atomic_load(&item->has_reply) && wire_read(item->reply, item->reply_bytes, ask, 1, answer, why);
	if (!is_read || answer->type != RESULT_feed)
		world_fail(w, "feed.read after %lld is not answered: %.*s", (long long)ask->after, (int)item->reply_bytes, item->reply);
	else if (compare_feed(w, answer->feed, place) != answer->count && !w->has_failed)
		world_fail(w, "feed.read after %lld tells another number than it says", (long long)ask->after);
	if (!w->has_failed && answer->is_truncated && answer->last <= (uint64_t)ask->after)
		world_fail(w, "feed.read after %lld goes not on", (long long)ask->after);
	if (!w->has_failed && answer->count > ask->limit + 1u)
		world_fail(w, "feed.read of %u tells %llu", ask->limit, (unsigned long long)answer->count);
	ask->after = (int64_t)answer->last;
	free(answer->feed);
	answer->feed = NULL;
	world_free_item(item);
	return answer->is_truncated && !w->has_failed;
}

static void read_feed(struct world *w)
{
	struct ask ask = {.type = EVENT_feed_read, .limit = 1 + world_below(w, 60), .after = (int64_t)w->first_seq - 1};
	struct answer *answer = calloc(1, sizeof *answer);
	unsigned place = model_news_from(&w->model, w->first_seq);
	if (!model_may_begin(&w->model, w->first_seq, w->latest_ms))
		world_fail(w, "step %u: %s", w->step, w->model.why);
	while (read_some(w, &ask, answer, &place))
		continue;
	if (!w->has_failed && place != w->model.news_count)
		world_fail(w, "step %u: feed.read tells %u publications of %u", w->step, place, w->model.news_count);
	free(answer);
}

/* The oldest that must be remembered, and some others. */
static void ask_old_ids(struct world *w)
{
	struct ask asks[SIM_BATCH_MAX];
	unsigned count = 0;
	for (; count < SIM_BATCH_MAX; count++) {
		const struct ask *ask = model_remembered(&w->model, count == 0 ? 0 : world_below(w, MODEL_KNOWN));
		if (ask == NULL)
			return;
		asks[count] = *ask;
		asks[count].deadline_ms = 0;
	}
	if (!w->has_failed)
		ask_all(w, asks, count);
}

void world_read_everything(struct world *w)
{
	struct ask asks[MODEL_CARTS + MODEL_PAYMENTS + MODEL_REWARDS + MODEL_SKUS + 16] = {};
	unsigned count = 0;
	world_settle_all(w);
	for (unsigned i = 1; i <= w->clients.carts; i++)
		asks[count++] = (struct ask){.type = EVENT_cart_get, .cart = i};
	for (unsigned i = 1; i <= w->clients.payments; i++)
		asks[count++] = (struct ask){.type = EVENT_payment_get, .payment = i};
	for (unsigned i = 0; i < MODEL_SKUS; i++) {
		asks[count] = (struct ask){.type = EVENT_product_get};
		snprintf(asks[count++].sku, SIM_TEXT_BYTES, i % 2 == 0 ? "sku-%u" : "a-rather-long-article-no-%u", i);
	}
	for (unsigned i = 1; i <= MODEL_REWARDS; i++)
		asks[count++] = (struct ask){.type = EVENT_reward_get, .reward = i};
	for (unsigned i = 0; i < 6; i++)
		asks[count++] = (struct ask){.type = EVENT_locate, .x = w->clients.x, .y = w->clients.y, .limit = 16,
		                             .area = i % 2 == 0 ? LOCATE_OWN : LOCATE_RADIUS, .radius = i % 2 == 0 ? 0 : 1000.0 * i};
	ask_all(w, asks, count);
	ask_old_ids(w);
	if (!w->has_failed)
		read_feed(w);
}
