/*
 * ledger_opening: what stood in payments when the journal's oldest record was made. Of a payment that changed
 * since, its first change tells; of the others the oldest snapshot does, which was made later and holds them
 * as they were. One thread; the caller's until ledger_opening_free.
 */
#ifndef CMD_TROVECTL_LEDGER_OPENING_H
#define CMD_TROVECTL_LEDGER_OPENING_H

#include "cmd/trovectl/ledger.h"
#include "engine/journal/look.h"

struct ledger_opening {
	struct payment_record *payments;
	uint64_t count, room;
	uint64_t seq;      /* of the record before the oldest */
	int64_t time_ms;   /* of the oldest */
	uint64_t snapshot; /* the seq of that; 0: there is none, and payments that did not change are missing */
	struct ledger_books books; /* of the first reading */
	bool is_broken;
};

/* Reads the journal that is looked at; where that begins with its first record, there is no opening. As
 * journal_look_read. */
status ledger_opening_read(struct ledger_opening *opening, const struct journal_look *look, const char *directory,
                           struct journal_report *report);
void ledger_opening_free(struct ledger_opening *opening);

#endif
