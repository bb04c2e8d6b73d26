/*
 * look: reads the files of a journal that may be another process's, beside it: nothing is changed and no lock is
 * held, so neither waits for the other.
 *
 * How      A look ends with a record of which the files say, when it begins, that it was durable: all up to there is
 *          in the files and stays, so what is missing is damage, and the tail that is being written is not looked
 *          at. For that proof it waits a little, because a journal writes it at rest or with its next record. Where
 *          no process has the journal, a look takes all that a start would take.
 *          A file is copied before it is read, and counts only if it has its name still then: files that are not
 *          needed any more are renamed and written over.
 * Again    Files may go faster than they are read. STATUS_overloaded: that happened, or a process began to write;
 *          what was visited is not to be used: begin anew.
 * Owner    The caller's struct, until journal_look_close. Memory: a copy of one file, from the general heap.
 * Threads  One. Sequences count from 1; times are as in journal.h.
 */
#ifndef ENGINE_JOURNAL_LOOK_H
#define ENGINE_JOURNAL_LOOK_H

#include "engine/journal/journal.h"

struct journal_look {
	int directory;
	bool is_live;         /* a process has the journal */
	uint64_t identity[2];
	uint64_t first;       /* record that the oldest file begins with */
	uint64_t until;       /* the last record that is read; UINT64_MAX: to the end */
};

/* STATUS_not_found: no journal is there. STATUS_malformed, STATUS_internal: text says why. STATUS_overloaded. */
status journal_look_open(struct journal_look *look, const char *directory, char *text, size_t capacity);
/* Visits everything from the oldest file on. As journal_verify, and STATUS_overloaded. May be called again. */
status journal_look_read(const struct journal_look *look, journal_visitor *visit, void *context,
                         struct journal_report *report);
void journal_look_close(struct journal_look *look);

#endif
