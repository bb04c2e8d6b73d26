/* What time ends, and what is published. */
#include "tests/sim/model_inside.h"

#include <jansson.h>
#include <stdio.h>

/* In order of seq; nearly always the last. */
struct model_news *model_note_news(struct model *m, const char *topic, uint64_t seq)
{
	unsigned at = m->news_count++;
	for (; at > 0 && m->news[at - 1].seq > seq; at--)
		m->news[at] = m->news[at - 1];
	m->news[at] = (struct model_news){.topic = topic, .seq = seq, .at_ms = m->now_ms};
	return &m->news[at];
}

void model_note_payment(struct model *m, const char *topic, uint64_t seq, uint64_t number, int64_t amount)
{
	struct model_news *n = model_note_news(m, topic, seq);
	n->payment = number;
	n->amount = amount;
	n->after = m->payments[number];
	n->actor = n->after.actor;
	n->cart = n->after.cart;
}

/* ---- time ------------------------------------------------------------------------------------------------ */

static uint64_t seq_heard(const struct model *m, const struct model_heard *heard, unsigned count, const char *topic,
                          uint64_t cart, uint64_t payment, unsigned ends)
{
	for (unsigned i = 0; i < count; i++) {
		const struct model_heard *h = &heard[i];
		bool is_in_time = h->seq > m->seq && h->seq <= m->seq + ends;
		if (is_in_time && strcmp(h->topic, topic) == 0 && (payment != 0 ? h->payment == payment : h->cart == cart))
			return h->seq;
	}
	return 0;
}

static bool end_cart(struct model *m, uint64_t number, uint64_t seq)
{
	struct model_cart *c = &m->carts[number];
	struct model_claim *claim = c->benefit.type != BENEFIT_NONE ? model_claim_of(m, c->claim) : NULL;
	if (claim != NULL)
		claim->is_used = false;
	if (c->count == 0) {
		c->state = CART_expired;
		c->benefit = (struct model_benefit){};
		return true;
	}
	if (seq == 0)
		return model_wrong(m, "cart %llu is over its time and nobody said so", (unsigned long long)number);
	c->state = CART_abandoned;
	struct model_news *n = model_note_news(m, "cart.abandoned", seq);
	n->cart = number;
	n->actor = c->actor;
	n->line_count = c->count;
	n->total = model_sum(c) - model_off(c);
	return true;
}

static bool is_cart_due(const struct model *m, unsigned i)
{
	return m->carts[i].state == CART_open && m->carts[i].end_s <= m->now_ms / 1000;
}

static bool is_payment_due(const struct model *m, unsigned i)
{
	return model_holds(&m->payments[i]) && m->payments[i].end_s <= m->now_ms / 1000;
}

void model_tick(struct model *m, int64_t now_ms) { m->now_ms = m->now_ms < now_ms ? now_ms : m->now_ms; }

bool model_sweep(struct model *m, int64_t now_ms, const struct model_heard *heard, unsigned count)
{
	unsigned ends = 0;
	model_tick(m, now_ms);
	for (unsigned i = 1; i <= MODEL_CARTS; i++)
		ends += is_cart_due(m, i);
	for (unsigned i = 1; i <= MODEL_PAYMENTS; i++)
		ends += is_payment_due(m, i);
	for (unsigned i = 1; i <= MODEL_CARTS; i++)
		if (is_cart_due(m, i) && !end_cart(m, i, seq_heard(m, heard, count, "cart.abandoned", i, 0, ends)))
			return false;
	for (unsigned i = 1; i <= MODEL_PAYMENTS; i++) {
		if (!is_payment_due(m, i))
			continue;
		uint64_t seq = seq_heard(m, heard, count, "payment.expired", 0, i, ends);
		if (seq == 0)
			return model_wrong(m, "payment %u is over its time and nobody said so", i);
		int64_t amount = model_let_go(&m->payments[i], PAYMENT_expired);
		model_note_closed(&m->payments[i], seq);
		model_note_payment(m, "payment.expired", seq, i, amount);
	}
	for (unsigned i = 0; i < ends; i++) {
		m->seq++;
		model_note_time(m);
	}
	m->expired += ends;
	return true;
}

/* ---- what is published ----------------------------------------------------------------------------------- */

static int64_t integer_of(const json_t *o, const char *name) { return json_integer_value(json_object_get(o, name)); }

static uint64_t id_of(const json_t *o, const char *name)
{
	const json_t *value = json_object_get(o, name);
	return value == NULL ? 0 : wire_number(json_string_value(value));
}

bool model_parse_heard(const char *json, struct model_heard *heard)
{
	json_t *o = json_loads(json, 0, NULL);
	const char *topic = json_string_value(json_object_get(o, "type"));
	*heard = (struct model_heard){(uint64_t)integer_of(o, "seq"), "", id_of(o, "cart"), id_of(o, "payment")};
	snprintf(heard->topic, sizeof heard->topic, "%s", topic != NULL ? topic : "");
	bool is_right = o != NULL && topic != NULL;
	json_decref(o);
	return is_right;
}

static bool is_text(const json_t *o, const char *name, const char *text)
{
	const char *value = json_string_value(json_object_get(o, name));
	return value != NULL && strcmp(value, text) == 0;
}

static bool is_payment_news(const struct model_news *n, const json_t *o)
{
	const struct model_payment *p = &n->after;
	return is_text(o, "state", payment_state_name(p->state)) && integer_of(o, "amount") == n->amount &&
	       integer_of(o, "authorized") == p->authorized && integer_of(o, "captured") == p->captured &&
	       integer_of(o, "refunded") == p->refunded && integer_of(o, "voided") == p->voided &&
	       is_text(o, "currency", p->currency);
}

static bool is_news(const struct model_news *n, const json_t *o)
{
	if (!is_text(o, "type", n->topic) || integer_of(o, "seq") != (int64_t)n->seq || integer_of(o, "at") != n->at_ms ||
	    id_of(o, "claim") != n->claim || id_of(o, "reward") != n->reward || id_of(o, "cart") != n->cart ||
	    id_of(o, "payment") != n->payment || id_of(o, "actor") != n->actor)
		return false;
	if (strncmp(n->topic, "payment.", 8) == 0)
		return is_payment_news(n, o);
	if (strncmp(n->topic, "cart.", 5) == 0)
		return integer_of(o, "total") == n->total && integer_of(o, "line_count") == n->line_count;
	const json_t *left = json_object_get(o, "remaining");
	int64_t remaining = json_is_null(left) ? STOCK_UNLIMITED : json_integer_value(left);
	return strcmp(n->topic, "reward.claimed") != 0 || remaining == n->remaining;
}

static bool compare_news(struct model *m, const struct model_news *n, const char *json)
{
	json_t *o = json_loads(json, 0, NULL);
	bool is_right = o != NULL && is_news(n, o);
	json_decref(o);
	return is_right || model_wrong(m, "publication %.600s; expected %s of seq %llu at %lld", json, n->topic,
	                               (unsigned long long)n->seq, (long long)n->at_ms);
}

bool model_hears(struct model *m, const char *json)
{
	unsigned next = 0;
	while (next < m->news_count && (m->news[next].was_heard || m->news[next].may_be_unheard))
		next++;
	if (next == m->news_count)
		return model_wrong(m, "a publication of nothing: %.600s", json);
	m->news[next].was_heard = true;
	return compare_news(m, &m->news[next], json);
}

bool model_feed(struct model *m, unsigned place, const char *json)
{
	if (place >= m->news_count)
		return model_wrong(m, "feed.read tells of nothing: %.600s", json);
	return compare_news(m, &m->news[place], json);
}

bool model_heard_all(struct model *m)
{
	for (unsigned i = 0; i < m->news_count; i++)
		if (!m->news[i].was_heard && !m->news[i].may_be_unheard)
			return model_wrong(m, "%s of seq %llu was never published", m->news[i].topic, (unsigned long long)m->news[i].seq);
	return true;
}
