/* What the service may forget, and what it must remember: ids by count and age, closed payments by count, the journal by age. */
#include "tests/sim/model_inside.h"

#include <stdio.h>

/* Ids are forgotten 64 at a time, and 64 are being filled. */
enum { BLOCK = 64 };

static int64_t seconds(int64_t ms) { return ms / 1000; }

static bool may_forget(const struct model *m, unsigned at)
{
	unsigned newer = m->known_count - at - 1;
	return newer >= m->options.idempotency || m->now_ms - m->known[at].at_ms > m->options.idempotency_age_ms;
}

static bool must_forget(const struct model *m, unsigned at)
{
	unsigned newer = m->known_count - at - 1, last = newer < BLOCK ? m->known_count - 1 : at + BLOCK - 1;
	return newer >= m->options.idempotency + 2 * BLOCK ||
	       seconds(m->known[last].at_ms) + model_seconds_up(m->options.idempotency_age_ms) < seconds(m->now_ms);
}

static struct model_known *last_of(struct model *m, uint64_t id)
{
	for (unsigned i = m->known_count; i-- > 0;)
		if (m->known[i].ask.id == id)
			return &m->known[i];
	return NULL;
}

struct model_known *model_known_of(struct model *m, uint64_t id, const struct answer *got)
{
	struct model_known *known = last_of(m, id);
	if (known == NULL || must_forget(m, (unsigned)(known - m->known)))
		return NULL;
	bool is_new = !got->is_replayed && got->code != STATUS_id_reused;
	return is_new && may_forget(m, (unsigned)(known - m->known)) ? NULL : known;
}

bool model_knows(struct model *m, uint64_t id) { return last_of(m, id) != NULL; }

const struct ask *model_remembered(const struct model *m, unsigned nth)
{
	unsigned first = 0;
	while (first < m->known_count && may_forget(m, first))
		first++;
	return first == m->known_count ? NULL : &m->known[first + nth % (m->known_count - first)].ask;
}

/* ---- closed payments -------------------------------------------------------------------------------------- */

void model_note_closed(struct model_payment *p, uint64_t seq)
{
	if (!model_holds(p))
		p->closed = seq;
}

/* Does the answer speak of a payment that is not there? */
static bool is_said_away(const struct model *m, const struct ask *a, const struct answer *got)
{
	if (a->type == EVENT_cart_checkout)
		return got->code != STATUS_already_exists && m->carts[a->cart].state != CART_none;
	return a->type == EVENT_payment_authorize ? got->code != STATUS_already_exists : got->code == STATUS_not_found;
}

static unsigned closed_later(const struct model *m, const struct model_payment *p)
{
	unsigned count = 0;
	for (unsigned i = 1; i <= MODEL_PAYMENTS; i++)
		count += m->payments[i].closed > p->closed;
	return count;
}

void model_learn_of_leaving(struct model *m, const struct ask *a, const struct answer *got)
{
	if (a->payment == 0 || a->payment > MODEL_PAYMENTS)
		return;
	struct model_payment *p = &m->payments[a->payment];
	if (p->state == PAYMENT_none || model_holds(p) || closed_later(m, p) < m->options.history)
		return;
	/* A captured one may rest in the pool. */
	if (p->state != PAYMENT_captured || is_said_away(m, a, got)) {
		*p = (struct model_payment){};
		m->left++;
	}
}

/* ---- the journal ------------------------------------------------------------------------------------------ */

void model_note_time(struct model *m) { m->at_ms[m->seq] = m->now_ms; }

bool model_may_begin(struct model *m, uint64_t first, int64_t latest_ms)
{
	if (first > m->seq + 1)
		return model_wrong(m, "the journal begins with %llu", (unsigned long long)first);
	if (first > 1 && m->at_ms[first - 1] >= latest_ms - m->options.retention_ms)
		return model_wrong(m, "the journal begins with %llu: records that are %lld ms old are gone", (unsigned long long)first,
		                   (long long)(latest_ms - m->at_ms[first - 1]));
	return true;
}

unsigned model_news_from(const struct model *m, uint64_t first)
{
	unsigned i = 0;
	while (i < m->news_count && m->news[i].seq < first)
		i++;
	return i;
}

/* ---- rewards that a file brings ---------------------------------------------------------------------------- */

void model_start(struct model *m, const struct model_file *file)
{
	for (unsigned i = 1; i <= MODEL_REWARDS; i++) {
		struct model_reward *r = &m->rewards[i];
		if (r->is_by_event)
			continue;
		r->is_there = file->is_there[i];
		r->put = file->put[i];
	}
}
