#include "cmd/trovectl/ledger_opening.h"

#include "engine/commerce/payment.h"
#include "engine/commerce/saved.h"
#include "engine/journal/snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool keep(struct ledger_opening *o, const struct payment_record *payment)
{
	if (o->count == o->room) {
		uint64_t room = o->room == 0 ? 1024 : 2 * o->room;
		struct payment_record *grown = realloc(o->payments, room * sizeof *grown);
		if (grown == NULL)
			return false;
		o->payments = grown;
		o->room = room;
	}
	o->payments[o->count++] = *payment;
	return true;
}

/* ---- payments that changed ------------------------------------------------------------------------- */

/* Those that a change was possible in: none is final. */
static enum payment_state state_of(const struct ledger_sums *s)
{
	if (s->captured == 0)
		return PAYMENT_authorized;
	return s->captured + s->voided < s->authorized ? PAYMENT_partially_captured : PAYMENT_captured;
}

static void see_record(void *context, const struct journal_record *record)
{
	struct ledger_opening *o = context;
	struct ledger_row row;
	struct ledger_sums before;
	if (o->time_ms == 0)
		o->time_ms = record->time_ms;
	/* What is wrong with a record the second reading says. */
	if (o->is_broken || ledger_row_of(record, &row) != LEDGER_ROW || ledger_find(&o->books, row.payment.payment) != NULL)
		return;
	o->is_broken = !ledger_enter(&o->books, &row);
	if (o->is_broken || row.event == LEDGER_authorized)
		return;
	before = ledger_before(&row);
	row.payment.authorized = before.authorized;
	row.payment.captured = before.captured;
	row.payment.refunded = before.refunded;
	row.payment.voided = before.voided;
	row.payment.state = (uint8_t)state_of(&before);
	o->is_broken = !keep(o, &row.payment);
}

/* ---- those that did not ------------------------------------------------------------------------------ */

static uint32_t flag_of(const struct saved_payment *s, enum payment_flag flag, uint32_t wire)
{
	return (s->flags & flag) != 0 ? wire : 0;
}

static struct payment_record record_of(const struct saved_payment *s)
{
	struct payment_record r = {.payment = s->id, .actor = s->actor, .cart = s->cart, .authorized = s->authorized,
	                           .captured = s->captured, .refunded = s->refunded, .voided = s->voided, .state = s->state};
	r.flags = flag_of(s, PAYMENT_ID_IS_UUID, EVENT_PAYMENT_IS_UUID) | flag_of(s, PAYMENT_ACTOR_IS_UUID, EVENT_ACTOR_IS_UUID) |
	          flag_of(s, PAYMENT_CART_IS_UUID, EVENT_CART_IS_UUID) | flag_of(s, PAYMENT_HAS_ACTOR, EVENT_HAS_ACTOR) |
	          flag_of(s, PAYMENT_HAS_CART, EVENT_HAS_CART);
	currency_format(s->currency, r.currency);
	return r;
}

static status see_saved(void *context, uint32_t kind, const void *bytes, size_t count)
{
	struct ledger_opening *o = context;
	struct saved_payment saved;
	if (kind != SAVED_payment)
		return STATUS_ok;
	if (count != sizeof saved)
		return STATUS_malformed;
	memcpy(&saved, bytes, sizeof saved);
	if (!currency_is_sound(saved.currency))
		return STATUS_malformed;
	struct payment_record record = record_of(&saved);
	const struct ledger_account *a = ledger_find(&o->books, record.payment);
	/* One that was authorized behind the snapshot is another payment with the same id. */
	if (a != NULL && !(a->is_authorized && a->first > o->snapshot))
		return STATUS_ok;
	return keep(o, &record) ? STATUS_ok : STATUS_pool_exhausted;
}

/* One that goes while it is read makes way for younger ones: then all begins anew. */
static status read_snapshot(struct ledger_opening *o, const struct journal_look *look, struct snapshots *s,
                            struct journal_report *report)
{
	struct snapshot_found found;
	status result = snapshot_find_oldest(s, look->identity, o->seq, &found);
	if (result == STATUS_not_found || result == STATUS_malformed)
		return look->is_live ? STATUS_overloaded : STATUS_ok;
	if (result == STATUS_ok && found.sequence > report->last)
		return look->is_live ? STATUS_overloaded : STATUS_ok;
	if (result == STATUS_ok)
		o->snapshot = found.sequence;
	if (result == STATUS_ok)
		result = snapshot_read(s, found.sequence, see_saved, o);
	if (result == STATUS_not_found && look->is_live)
		return STATUS_overloaded;
	if (result != STATUS_ok)
		snprintf(report->text, sizeof report->text, "the snapshot of seq %llu: %.900s", (unsigned long long)found.sequence,
		         s->text);
	return result;
}

status ledger_opening_read(struct ledger_opening *o, const struct journal_look *look, const char *directory,
                           struct journal_report *report)
{
	struct snapshots snapshots;
	*o = (struct ledger_opening){.seq = look->first == 0 ? 0 : look->first - 1, .books.is_late = true};
	*report = (struct journal_report){};
	if (o->seq == 0)
		return STATUS_ok;
	status s = journal_look_read(look, see_record, o, report);
	if (s == STATUS_ok && o->is_broken)
		s = STATUS_ok; /* the second reading finds it, too, and says it */
	if (s != STATUS_ok || o->is_broken)
		return s;
	s = snapshots_open(&snapshots, &(struct snapshot_options){.directory = directory, .is_reader = true});
	if (s == STATUS_ok)
		s = read_snapshot(o, look, &snapshots, report);
	else
		snprintf(report->text, sizeof report->text, "%.900s", snapshots.text);
	snapshots_close(&snapshots);
	return s;
}

void ledger_opening_free(struct ledger_opening *o)
{
	ledger_books_free(&o->books);
	free(o->payments);
	*o = (struct ledger_opening){};
}
