/*
 * ledger: changes of payments, as rows, out of a journal; and the books that prove that they add up.
 * The books are the caller's, until ledger_books_free. One thread.
 */
#ifndef CMD_TROVECTL_LEDGER_H
#define CMD_TROVECTL_LEDGER_H

#include "engine/journal/journal.h"
#include "proto/effect.h"

/* ---- rows ---- */

/* opening: what stood in a payment before the journal's oldest record. */
enum ledger_event { LEDGER_opening, LEDGER_authorized, LEDGER_captured, LEDGER_refunded, LEDGER_voided, LEDGER_expired };

struct ledger_row {
	uint64_t seq;
	int64_t time_ms;     /* when it happened: the event's `at`, or when it was done */
	int64_t recorded_ms; /* when it was done */
	int64_t amount;
	enum ledger_event event;
	struct payment_record payment; /* after it */
	uint64_t payment_seq;          /* of the payment's first row; tells payments of one id apart */
	bool has_id;                   /* time has none */
	struct identifier id;          /* the event's */
};

enum ledger_result { LEDGER_ROW, LEDGER_OTHER, LEDGER_BAD };

/* LEDGER_OTHER: the record is about something else. */
enum ledger_result ledger_row_of(const struct journal_record *record, struct ledger_row *row);
/* Static text. */
const char *ledger_event_name(enum ledger_event event);

/* ---- books ---- */

struct ledger_sums {
	int64_t authorized, captured, refunded, voided; /* voided: and expired */
};

struct ledger_account {
	struct wire_id payment;
	struct ledger_sums sums;
	uint64_t first;     /* seq of its first row */
	uint32_t currency;  /* of the books, + 1; 0: a free place */
	uint8_t state;      /* enum payment_state */
	bool is_authorized; /* by its first row */
};

struct ledger_currency {
	char name[CURRENCY_BYTES + 1];
	struct ledger_sums entries, opening; /* opening: what stood in payments from before the journal's start */
	struct ledger_sums earlier; /* payments whose id is another one's by now */
};

enum { LEDGER_CURRENCIES_MAX = 200 };

struct ledger_books {
	struct ledger_account *account; /* open addressing; places is a power of two */
	uint64_t places, accounts, payments, entries, openings;
	struct ledger_currency currency[LEDGER_CURRENCIES_MAX];
	uint32_t currencies;
	bool is_late; /* a payment may begin with a change: what stood in it before then follows from that */
	char problem[256]; /* empty: all agree so far */
};

/* NULL: no row of the payment was entered yet. Until the next one is entered. */
const struct ledger_account *ledger_find(const struct ledger_books *books, struct wire_id payment);
/* What stood in the payment before the row. */
struct ledger_sums ledger_before(const struct ledger_row *row);
struct ledger_sums ledger_sum(const struct ledger_sums *a, const struct ledger_sums *b);
/* Enters a row and sets its payment_seq; one that is an opening comes before all others of its payment. The id of a payment
 * that is closed may be authorized once more: that is another payment. false: no memory, or the row does not follow from those
 * before; problem says so. */
bool ledger_enter(struct ledger_books *books, struct ledger_row *row);
/* Whether the sums over all payments are those over all entries; else problem says which are not. */
bool ledger_agrees(struct ledger_books *books);
void ledger_books_free(struct ledger_books *books);

#endif
