/*
 * One event on the writer's thread: plan, journal, apply, answer. The reply is held back until
 * the journal has made durable what it says.
 */
#include "engine/shard/shard_private.h"

#include "engine/router/dispatch.h"
#include "proto/content.h"

/* Not all of its room for texts is written, which is most of it. */
static void fill_problem(struct problem *problem, const struct event *event)
{
	problem->status = STATUS_ok;
	problem->field[0] = problem->message[0] = '\0';
	problem->has_id = (event->head->flags & EVENT_HAS_ID) != 0;
	problem->id = event_id(event);
	problem->frame_request = 0;
	problem->cart_state = (enum cart_state)0;
	problem->payment_state = (enum payment_state)0;
	problem->seq = 0;
	problem->is_replayed = false;
}

static void answer_problem(struct shard *shard, struct problem *problem, status s, struct reply *reply)
{
	problem->status = s;
	shard->turned_away += status_retry(s) == RETRY_same_id;
	shard_count_problem(shard->writer, s);
	reply_problem(reply, problem, s == STATUS_overloaded || s == STATUS_journal_full ? RETRY_AFTER_MS : 0);
}

static void tick(struct shard *shard, int64_t unix_ms)
{
	if (shard->now_ms < unix_ms)
		shard->now_ms = unix_ms;
}

/* ---- ids that were seen before ---------------------------------------------------------------- */

static void keep_stored(void *context, const struct journal_record *record)
{
	struct stored *stored = context;
	if (record->body_bytes > sizeof stored->effect || !effect_is_whole(record->body, record->body_bytes))
		return;
	stored->seq = record->sequence;
	stored->bytes = record->body_bytes;
	memcpy(stored->effect, record->body, record->body_bytes);
}

static const struct effect_head *stored_effect(const struct stored *stored)
{
	return (const struct effect_head *)(const void *)stored->effect;
}

enum seen { SEEN_never, SEEN_same, SEEN_other, SEEN_unreadable };

/* The window knows ids by hash and where their effects stand; there the id stands in full, and the whole event. */
static enum seen look_up(struct shard *shard, const struct event *event, uint64_t content, struct problem *problem)
{
	const struct idempotency *window = &shard->parts.commerce->idempotency;
	struct identifier id = event_id(event);
	for (struct idempotency_found f = idempotency_find(window, id, content, shard->now_ms); f.match != IDEMPOTENCY_new;
	     f = idempotency_next(window, id, content, shard->now_ms, &f)) {
		struct stored *stored = shard->stored;
		struct event before;
		stored->bytes = 0;
		status s = shard->journal == NULL ? STATUS_not_found : journal_fetch(shard->journal, f.position, keep_stored, stored);
		if (s != STATUS_ok || stored->bytes == 0)
			return SEEN_unreadable;
		const struct effect_head *effect = stored_effect(stored);
		if (effect->id.low != id.low || effect->id.high != id.high || !effect_event(effect, &before))
			continue;
		const char *field = content_difference(&before, event);
		if (field == NULL)
			return SEEN_same;
		snprintf(problem->field, sizeof problem->field, "%s", field);
		snprintf(problem->message, sizeof problem->message, "the id was used before, with another %s", field);
		return SEEN_other;
	}
	return SEEN_never;
}

static void answer_from(const struct effect_head *effect, const struct event *event, struct change_note note,
                        struct reply *reply)
{
	const struct effect_handler *handler = dispatch_effect((enum effect_type)effect->type);
	CHECK(handler != NULL && handler->answer != NULL, "nobody asks for a %s", effect_name((enum effect_type)effect->type));
	handler->answer(effect, event, note, reply);
}

/* ---- plan, journal, apply ------------------------------------------------------------------------ */

static status keep(struct shard *shard, const struct effect_head *effect, uint64_t *place)
{
	struct journal_place at = {.sequence = shard->seq + 1};
	if (shard->journal != NULL) {
		status s = journal_append(shard->journal, &(struct journal_entry){
			.type = effect->type,
			.body = effect,
			.body_bytes = effect->bytes,
			.time_ms = effect->at_ms,
		}, &at);
		if (s != STATUS_ok)
			return s == STATUS_too_large ? STATUS_internal : s;
	}
	shard->seq = at.sequence;
	*place = shard->journal != NULL ? at.place : at.sequence;
	return STATUS_ok;
}

static void count_evicted(struct shard *shard, const struct effect_head *effect)
{
	metric_cell *evicted = shard->writer->metrics.evicted;
	metric_add(&evicted[SHARD_ENDED_cart], (effect->flags & EFFECT_EVICTS_CART) != 0);
	metric_add(&evicted[SHARD_ENDED_payment], (effect->flags & EFFECT_EVICTS_PAYMENT) != 0);
}

static void carry_out(struct shard *shard, const struct effect_head *effect, uint64_t place)
{
	dispatch_effect((enum effect_type)effect->type)->apply(&shard->state, effect, place);
	shard_touch(shard, effect);
	count_evicted(shard, effect);
	held_publish(&shard->held, effect, shard->seq);
}

/* What is decided by the state is final for the id, and kept like a change; what is decided by load is not. */
static status decide(struct shard *shard, const struct event *event, const struct shard_job *job, struct problem *problem,
                     struct effect_head **effect)
{
	const struct handler *handler = dispatch_handler(event->type);
	CHECK(handler != NULL, "no handler for %s", event_name(event->type));
	struct planning planning = {
		.event = event,
		.at_ms = (event->head->flags & EVENT_HAS_AT) != 0 ? event->head->at_ms : job->received_ms,
		.now_ms = shard->now_ms,
		.arena = &shard->effects,
		.problem = problem,
	};
	commerce_prepare(shard->parts.commerce, handler->needs);
	status s = handler->plan(&shard->state, &planning, effect);
	if (s == STATUS_ok || status_retry(s) != RETRY_new_id)
		return s;
	shard_count_problem(shard->writer, s);
	if (problem->message[0] == '\0')
		snprintf(problem->message, sizeof problem->message, "%s", status_text(s));
	*effect = plan_refusal(&planning, s);
	return *effect != NULL ? STATUS_ok : STATUS_overloaded;
}

static status change(struct shard *shard, const struct event *event, const struct shard_job *job, struct problem *problem,
                     struct reply *reply)
{
	struct commerce *commerce = shard->parts.commerce;
	if (atomic_load_explicit(&shard->draining, memory_order_relaxed))
		return STATUS_draining;
	if (shard->is_full)
		return STATUS_overloaded;
	if (shard_is_late(shard, event, job))
		return STATUS_deadline_exceeded;
	uint64_t content = content_hash(event, commerce->idempotency.seed);
	enum seen seen = look_up(shard, event, content, problem);
	if (seen == SEEN_same) {
		metric_add(shard->writer->metrics.replays, 1);
		answer_from(stored_effect(shard->stored), event, (struct change_note){shard->stored->seq, true}, reply);
		shard_need(shard, shard->stored->seq);
		return STATUS_ok;
	}
	if (seen == SEEN_unreadable) {
		snprintf(problem->message, sizeof problem->message, "the id was used before, and its answer cannot be read back");
		return STATUS_internal;
	}
	if (seen == SEEN_other)
		return STATUS_id_reused;

	struct effect_head *effect = NULL;
	uint64_t place;
	status s = decide(shard, event, job, problem, &effect);
	if (s == STATUS_ok)
		s = keep(shard, effect, &place);
	if (s != STATUS_ok)
		return s;
	carry_out(shard, effect, place);
	idempotency_remember(&commerce->idempotency, event_id(event), content, place, shard->now_ms);
	answer_from(effect, event, (struct change_note){shard->seq, false}, reply);
	shard_need(shard, shard->seq);
	return STATUS_ok;
}

void shard_change(struct shard *shard, const struct event *event, const struct shard_job *job, struct reply *reply)
{
	struct problem problem;
	fill_problem(&problem, event);
	tick(shard, job->received_ms);
	size_t mark = arena_mark(&shard->effects);
	status s = change(shard, event, job, &problem, reply);
	arena_reset(&shard->effects, mark);
	if (s != STATUS_ok)
		answer_problem(shard, &problem, s, reply);
}

void shard_read(struct shard *shard, const struct event *event, const struct shard_job *job, struct reply *reply)
{
	struct problem problem;
	fill_problem(&problem, event);
	tick(shard, job->received_ms);
	uint64_t last = shard_last_change(shard, event);
	if (shard->is_full && last > shard_released(shard)) {
		answer_problem(shard, &problem, STATUS_overloaded, reply);
		return;
	}
	status s = shard_is_late(shard, event, job) ? STATUS_deadline_exceeded
	                               : dispatch_reader(event->type)(&shard->state, event, reply, &problem);
	shard_need(shard, last);
	if (s != STATUS_ok)
		answer_problem(shard, &problem, s, reply);
}

/* ---- time ------------------------------------------------------------------------------------------ */

/* So many slots, and so many that end, at a time: some ten microseconds, which a message may have to wait. */
enum { SWEEP_SLOTS = 4096, SWEEP_ENDS = 64 };

typedef struct effect_head *plan_expiry(const struct state *, struct identifier, int64_t, struct arena *);

/* Whether it has ended: some claims stay, and the journal may take nothing. */
static bool end_one(struct shard *shard, plan_expiry *plan, enum shard_ended what, struct identifier id)
{
	size_t mark = arena_mark(&shard->effects);
	struct effect_head *effect = plan(&shard->state, id, shard->now_ms, &shard->effects);
	uint64_t place = 0;
	bool is_ended = effect != NULL && keep(shard, effect, &place) == STATUS_ok;
	if (is_ended) {
		carry_out(shard, effect, place);
		metric_add(&shard->writer->metrics.expired[what], 1);
	}
	arena_reset(&shard->effects, mark);
	return is_ended;
}

/* Where nothing ended the next sweep can wait, or it would go round and round over what stays. */
static void end_all(struct shard *shard, plan_expiry *plan, enum shard_ended what, const struct identifier *ids, uint32_t count)
{
	uint32_t ended = 0;
	for (uint32_t i = 0; i < count; i++)
		ended += end_one(shard, plan, what, ids[i]);
	if (count == SWEEP_ENDS && ended != 0)
		shard->behind |= 1u << what;
}

static uint32_t slots_at_once(uint32_t capacity) { return capacity < SWEEP_SLOTS ? capacity : SWEEP_SLOTS; }

void shard_sweep(struct shard *shard, unsigned kinds)
{
	const struct commerce *c = shard->parts.commerce;
	struct identifier ids[SWEEP_ENDS];
	tick(shard, shard_unix_ms(shard));
	shard->behind = 0;
	if (kinds & 1 << SHARD_ENDED_cart)
		end_all(shard, plan_cart_expiry, SHARD_ENDED_cart, ids,
		        carts_sweep(&c->carts, &shard->cart_hand, shard->now_ms, slots_at_once(c->carts.slots.capacity), ids,
		                    SWEEP_ENDS));
	if (kinds & 1 << SHARD_ENDED_payment)
		end_all(shard, plan_payment_expiry, SHARD_ENDED_payment, ids,
		        payments_sweep(&c->payments, &shard->payment_hand, shard->now_ms, slots_at_once(c->payments.slots.capacity),
		                       ids, SWEEP_ENDS));
	if (kinds & 1 << SHARD_ENDED_claim && shard->state.claims_ttl_ms != 0)
		end_all(shard, plan_claim_expiry, SHARD_ENDED_claim, ids,
		        claims_sweep(&c->claims, &shard->claim_hand, shard->now_ms - shard->state.claims_ttl_ms,
		                     slots_at_once(c->claims.slots.capacity), ids, SWEEP_ENDS));
}
