#include "tests/sim/model_inside.h"

#include "engine/base/check.h"

#include <stdarg.h>
#include <stdio.h>

void model_init(struct model *m, const struct model_options *options)
{
	memset(m, 0, offsetof(struct model, known));
	m->options = *options;
}

bool model_wrong(struct model *m, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(m->why, sizeof m->why, format, arguments);
	va_end(arguments);
	return false;
}

/* ---- one event ------------------------------------------------------------------------------------------- */

static status plan(struct model *m, const struct ask *a, int64_t at_ms, const struct answer *got, struct answer *e)
{
	switch (a->type) {
	case EVENT_ping: e->type = RESULT_pong; return STATUS_ok;
	case EVENT_reward_put:
	case EVENT_reward_remove:
	case EVENT_reward_get: return model_reward(m, a, e);
	case EVENT_product_put:
	case EVENT_product_remove:
	case EVENT_product_get: return model_product(m, a, e);
	default: break;
	}
	return a->type < EVENT_payment_authorize ? model_cart_event(m, a, at_ms, got, e) : model_payment_event(m, a, got, e);
}

static const char *retry_of(status s)
{
	switch (s) {
	case STATUS_overloaded:
	case STATUS_draining:
	case STATUS_deadline_exceeded:
	case STATUS_journal_full:
	case STATUS_pool_exhausted:
	case STATUS_internal: return "same_id";
	default: return s < STATUS_overloaded ? "never" : "new_id";
	}
}

/* A refusal by load is not kept, and has no seq. */
static bool is_kept(status s) { return s == STATUS_ok || strcmp(retry_of(s), "new_id") == 0; }

static bool same_lines(const struct answer *e, const struct answer *g)
{
	bool is_same = e->lines_told == g->lines_told && g->lines_told <= SIM_LINES_MAX;
	for (unsigned i = 0; is_same && i < e->lines_told; i++)
		is_same = strcmp(e->lines[i].sku, g->lines[i].sku) == 0 && e->lines[i].quantity == g->lines[i].quantity &&
		          e->lines[i].unit_price == g->lines[i].unit_price && e->lines[i].amount == g->lines[i].amount;
	return is_same;
}

static bool same(struct model *m, const struct answer *e, const struct answer *g)
{
	const char *what = NULL;
#define SAME(member) \
	if (e->member != g->member) \
		what = #member;
#define SAME_TEXT(member) \
	if (strcmp(e->member, g->member) != 0) \
		what = #member;
	SAME(type) SAME(code) SAME(id) SAME(seq) SAME(is_replayed) SAME(claim) SAME(reward) SAME(cart) SAME(payment) SAME(actor)
	SAME(remaining) SAME(subtotal) SAME(discount) SAME(total) SAME(expires_ms) SAME(unit_price) SAME(authorized)
	SAME(captured) SAME(refunded) SAME(voided) SAME(line_count) SAME(x) SAME(y) SAME(radius) SAME(value) SAME(stock)
	SAME(from_ms) SAME(until_ms) SAME(benefit_value) SAME(per_actor) SAME(benefit_type)
	SAME_TEXT(retry) SAME_TEXT(state) SAME_TEXT(currency) SAME_TEXT(sku) SAME_TEXT(name) SAME_TEXT(kind)
	if (e->code == STATUS_id_reused)
		SAME_TEXT(field)
	if (!same_lines(e, g))
		what = "lines";
	char expected[512];
	wire_describe_answer(e, expected);
	return what == NULL || model_wrong(m, "%s differs; expected %s", what, expected);
}

/* What simulated clients change when they use an id again by mistake. */
static const char *difference(const struct ask *a, const struct ask *b)
{
	if (a->type != b->type)
		return "type";
	if (a->x != b->x)
		return "x";
	if (a->quantity != b->quantity)
		return "quantity";
	return a->amount != b->amount ? "amount" : NULL;
}

static void refused(struct answer *e, status s)
{
	char state[sizeof e->state];
	memcpy(state, e->state, sizeof state);
	*e = (struct answer){.code = s, .id = e->id};
	memcpy(e->state, state, sizeof state);
	snprintf(e->retry, sizeof e->retry, "%s", retry_of(s));
}

static bool repeated(struct model *m, const struct ask *a, const struct model_known *known, const struct answer *got)
{
	struct answer e = known->answer;
	const char *field = difference(&known->ask, a);
	e.is_replayed = true;
	if (field != NULL) {
		e = (struct answer){.id = a->id};
		refused(&e, STATUS_id_reused);
		snprintf(e.field, sizeof e.field, "%s", field);
	}
	return same(m, &e, got);
}

static bool is_by_load(status s) { return s == STATUS_overloaded || s == STATUS_journal_full; }

static bool changed(struct model *m, const struct ask *a, int64_t at_ms, const struct answer *got)
{
	struct answer e = {.id = a->id};
	model_learn_of_eviction(m, a, got);
	model_learn_of_leaving(m, a, got);
	status s = plan(m, a, at_ms, got, &e);
	if (s != STATUS_ok)
		refused(&e, s);
	if (is_kept(s) && event_is_change(a->type)) {
		e.seq = ++m->seq;
		CHECK(m->known_count < MODEL_KNOWN && m->seq < MODEL_SEQS, "too many changes in one world");
		m->again += model_knows(m, a->id);
		m->known[m->known_count++] = (struct model_known){*a, e, m->now_ms};
		model_note_time(m);
	}
	m->answers[s]++;
	return same(m, &e, got);
}

bool model_agrees(struct model *m, const struct ask *a, const struct model_moment *moment, const struct answer *got)
{
	int64_t at_ms = a->at_ms != 0 ? a->at_ms : moment->received_ms;
	m->why[0] = '\0';
	if (is_by_load(got->code)) {
		m->answers[got->code]++;
		if (got->code == STATUS_journal_full) /* the writer saw it; what finds the queue full it does not */
			model_tick(m, moment->received_ms);
		bool is_told = got->seq == 0 && strcmp(got->retry, "same_id") == 0 && got->id == a->id;
		return moment->may_refuse && is_told ? true : model_wrong(m, "refused without need, or not told so");
	}
	if (event_class_of(a->type) != EVENT_QUERY && m->now_ms < moment->received_ms)
		m->now_ms = moment->received_ms;
	if (moment->is_late) {
		struct answer e = {.id = a->id};
		refused(&e, STATUS_deadline_exceeded);
		m->answers[STATUS_deadline_exceeded]++;
		return same(m, &e, got);
	}
	if (a->type == EVENT_locate)
		return model_located(m, a, at_ms, got);
	const struct model_known *known = event_is_change(a->type) ? model_known_of(m, a->id, got) : NULL;
	return known != NULL ? repeated(m, a, known, got) : changed(m, a, at_ms, got);
}
