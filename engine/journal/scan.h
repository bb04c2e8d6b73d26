/*
 * scan: reads all files of a journal in order and decides what they are worth.
 *
 * The one rule: records count as far as they form an unbroken chain (number, checksums, chain).
 * If anything in the files, behind the break or elsewhere, proves that a record beyond it was
 * durable, then it was lost or changed on the disk: damage, nobody may go on. Otherwise the
 * break is where power loss tore the last group commit: what follows it was never acknowledged.
 * Proofs are the `durable` of any whole record, and the marks.
 *
 * A start from a snapshot needs no record before it, so it may pass over files that hold only such: their heads
 * say which records they hold, and that none of the files is missing or foreign.
 *
 * Nothing is changed here. One thread; the scan is the caller's.
 */
#ifndef ENGINE_JOURNAL_SCAN_H
#define ENGINE_JOURNAL_SCAN_H

#include "engine/journal/journal.h"
#include "engine/journal/record.h"

struct scan {
	/* Set by the caller. */
	uint64_t after;
	journal_visitor *visit;
	void *context;
	struct journal_report *report;
	uint64_t until;  /* records beyond it are not looked at; 0: all are */
	bool passes_old; /* of files with nothing beyond `after` only the heads are read, if those are in order */

	/* Where the chain of good records ends. */
	uint64_t identity[2], seed;
	uint64_t number, segment_bytes; /* of the file in which it ends; 0: no file had a head */
	size_t offset;
	uint64_t expected, chain;
	/* Why it ended there; NULL: nothing stood behind it. */
	const char *break_text;
	uint64_t break_number;
	size_t break_offset;
	bool is_stopped;      /* no later file can go on with it */
	uint64_t highest;     /* of whole records behind the end */
	uint64_t first;       /* of the files that were passed over */
	uint64_t odd_number;  /* a mark that is not whole: file and offset; 0: none */
	size_t odd_offset;
};

/* A record as visitors get it. */
static inline struct journal_record record_for_visit(const struct record_head *head, uint64_t number, uint64_t offset)
{
	return (struct journal_record){.sequence = head->sequence,
	                               .time_ms = head->time_ms,
	                               .type = head->type,
	                               .flags = head->flags,
	                               .body_bytes = head->bytes - (uint32_t)sizeof *head,
	                               .body = head + 1,
	                               .file_number = number,
	                               .offset = offset,
	                               .place = journal_place(number, offset)};
}

/* One file after the other, in the order of their numbers; bytes is 8-byte aligned. */
void scan_file(struct scan *s, uint64_t number, const uint8_t *bytes, size_t size);
/* Fills the report. STATUS_malformed: damage. */
status scan_finish(struct scan *s);

/* Both, for the files of a directory. */
status scan_directory(struct scan *s, int directory, const uint64_t *numbers, size_t count);

#endif
