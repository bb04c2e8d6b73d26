#include "cmd/trovectl/ledger.h"

#include "engine/base/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PLACES_LEAST = 4096 };

/* ---- rows ---------------------------------------------------------------------------------- */

const char *ledger_event_name(enum ledger_event event)
{
	static const char *const names[] = {"opening", "authorized", "captured", "refunded", "voided", "expired"};
	return names[event];
}

static enum ledger_event event_of(const struct effect_head *effect)
{
	switch (effect->event_type) {
	case EVENT_cart_checkout:
	case EVENT_payment_authorize: return LEDGER_authorized;
	case EVENT_payment_capture: return LEDGER_captured;
	case EVENT_payment_refund: return LEDGER_refunded;
	case EVENT_payment_void: return LEDGER_voided;
	default: return LEDGER_expired;
	}
}

enum ledger_result ledger_row_of(const struct journal_record *record, struct ledger_row *row)
{
	const struct effect_head *effect = record->body;
	struct event event;
	if (record->type != EFFECT_payment && record->type != EFFECT_cart_checkout)
		return LEDGER_OTHER;
	if (!effect_is_whole(record->body, record->body_bytes) || effect->type != record->type)
		return LEDGER_BAD;
	*row = (struct ledger_row){.seq = record->sequence, .time_ms = effect->at_ms, .recorded_ms = effect->at_ms,
	                           .event = event_of(effect)};
	if (effect->type == EFFECT_payment) {
		row->payment = ((const struct effect_payment *)record->body)->payment;
		row->amount = ((const struct effect_payment *)record->body)->amount;
	} else {
		row->payment = ((const struct effect_cart_checkout *)record->body)->payment;
		row->amount = row->payment.authorized;
	}
	if (effect_event(effect, &event)) {
		row->has_id = true;
		row->id = event_id(&event);
		if ((event.head->flags & EVENT_HAS_AT) != 0)
			row->time_ms = event.head->at_ms;
	}
	return LEDGER_ROW;
}

/* ---- books ----------------------------------------------------------------------------------- */

static struct ledger_account *find(const struct ledger_books *b, struct wire_id id)
{
	for (uint64_t at = hash_128(id.high, id.low, 0);; at++) {
		struct ledger_account *a = &b->account[at & (b->places - 1)];
		if (a->currency == 0 || (a->payment.low == id.low && a->payment.high == id.high))
			return a;
	}
}

static bool grow(struct ledger_books *b)
{
	struct ledger_books more = {.places = b->places == 0 ? PLACES_LEAST : b->places * 2};
	if (b->accounts < b->places / 2)
		return true;
	more.account = calloc(more.places, sizeof *more.account);
	if (more.account == NULL)
		return false;
	for (uint64_t i = 0; i < b->places; i++)
		if (b->account[i].currency != 0)
			*find(&more, b->account[i].payment) = b->account[i];
	free(b->account);
	b->account = more.account;
	b->places = more.places;
	return true;
}

/* Its number + 1; 0: there are too many. */
static uint32_t currency_of(struct ledger_books *b, const char *name)
{
	for (uint32_t i = 0; i < b->currencies; i++)
		if (memcmp(b->currency[i].name, name, CURRENCY_BYTES) == 0)
			return i + 1;
	if (b->currencies == LEDGER_CURRENCIES_MAX)
		return 0;
	memcpy(b->currency[b->currencies].name, name, CURRENCY_BYTES);
	return ++b->currencies;
}

static struct ledger_sums change_of(const struct ledger_row *row)
{
	return (struct ledger_sums){
		.authorized = row->event == LEDGER_authorized ? row->amount : 0,
		.captured = row->event == LEDGER_captured ? row->amount : 0,
		.refunded = row->event == LEDGER_refunded ? row->amount : 0,
		.voided = row->event == LEDGER_voided || row->event == LEDGER_expired ? row->amount : 0,
	};
}

/* Sums of a whole shop fit; where they do not, the comparison of the two is still one of equals. */
static int64_t wrap_add(int64_t a, int64_t b, int64_t sign) { return (int64_t)((uint64_t)a + (uint64_t)sign * (uint64_t)b); }

static void add(struct ledger_sums *to, const struct ledger_sums *by, int64_t sign)
{
	to->authorized = wrap_add(to->authorized, by->authorized, sign);
	to->captured = wrap_add(to->captured, by->captured, sign);
	to->refunded = wrap_add(to->refunded, by->refunded, sign);
	to->voided = wrap_add(to->voided, by->voided, sign);
}

static bool equal(const struct ledger_sums *a, const struct ledger_sums *b)
{
	return a->authorized == b->authorized && a->captured == b->captured && a->refunded == b->refunded && a->voided == b->voided;
}

static bool is_bounded(const struct ledger_sums *s)
{
	return s->refunded >= 0 && s->voided >= 0 && s->refunded <= s->captured && s->captured + s->voided <= s->authorized;
}

struct ledger_sums ledger_sum(const struct ledger_sums *a, const struct ledger_sums *b)
{
	struct ledger_sums sum = *a;
	add(&sum, b, 1);
	return sum;
}

const struct ledger_account *ledger_find(const struct ledger_books *b, struct wire_id payment)
{
	const struct ledger_account *a = b->places == 0 ? NULL : find(b, payment);
	return a == NULL || a->currency == 0 ? NULL : a;
}

struct ledger_sums ledger_before(const struct ledger_row *row)
{
	const struct payment_record *p = &row->payment;
	struct ledger_sums change = change_of(row), before = {p->authorized, p->captured, p->refunded, p->voided};
	add(&before, &change, -1);
	return before;
}

static bool is_open(const struct ledger_account *a)
{
	return a->state == PAYMENT_authorized || a->state == PAYMENT_partially_captured;
}

/* The account of the row's payment. The service forgets who was closed long ago, and takes the id for another one. */
static struct ledger_account *account_of(struct ledger_books *b, const struct ledger_row *row, uint32_t currency)
{
	struct ledger_account *a = find(b, row->payment.payment);
	bool is_free = a->currency == 0;
	if (!is_free && (row->event != LEDGER_authorized || is_open(a)))
		return a;
	if (is_free)
		b->accounts++;
	else
		add(&b->currency[a->currency - 1].earlier, &a->sums, 1);
	*a = (struct ledger_account){.payment = row->payment.payment, .currency = currency, .first = row->seq,
	                             .is_authorized = row->event == LEDGER_authorized};
	b->payments++;
	if (row->event == LEDGER_opening || (b->is_late && row->event != LEDGER_authorized)) {
		a->sums = ledger_before(row);
		add(&b->currency[currency - 1].opening, &a->sums, 1);
	}
	return a;
}

bool ledger_enter(struct ledger_books *b, struct ledger_row *row)
{
	const struct payment_record *p = &row->payment;
	struct ledger_sums change = change_of(row), after = {p->authorized, p->captured, p->refunded, p->voided};
	uint32_t currency = currency_of(b, p->currency);
	if (currency == 0 || !grow(b)) {
		snprintf(b->problem, sizeof b->problem, "no memory for the payments");
		return false;
	}
	struct ledger_account *a = account_of(b, row, currency);
	struct ledger_currency *c = &b->currency[currency - 1];
	row->payment_seq = a->first;
	a->state = p->state;
	if (row->event == LEDGER_opening)
		b->openings++;
	else
		b->entries++;
	add(&a->sums, &change, 1);
	add(&c->entries, &change, 1);
	if (a->currency != currency || !equal(&a->sums, &after) || !is_bounded(&after)) {
		snprintf(b->problem, sizeof b->problem, "entry %llu does not follow from those before it",
		         (unsigned long long)row->seq);
		return false;
	}
	return true;
}

bool ledger_agrees(struct ledger_books *b)
{
	for (uint32_t i = 0; i < b->currencies; i++) {
		const struct ledger_currency *c = &b->currency[i];
		struct ledger_sums payments = c->earlier, entries = c->entries;
		for (uint64_t at = 0; at < b->places; at++)
			if (b->account[at].currency == i + 1)
				add(&payments, &b->account[at].sums, 1);
		add(&entries, &c->opening, 1);
		if (equal(&payments, &entries))
			continue;
		snprintf(b->problem, sizeof b->problem, "%s: the payments come to another sum than the entries", c->name);
		return false;
	}
	return b->problem[0] == '\0';
}

void ledger_books_free(struct ledger_books *b)
{
	free(b->account);
	b->account = NULL;
}
