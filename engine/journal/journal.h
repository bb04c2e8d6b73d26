/*
 * journal: keeps what must not be lost. Effects are appended by one writer; a flusher thread
 * makes them durable, many at once (group commit); at the next start they are read back.
 *
 * How      The writer puts records into a ring in memory, at the place that they will have in the
 *          file. The flusher copies what is new into the mapped segment and syncs it, while the
 *          writer goes on with the next group: it never makes a system call (but one to wake a
 *          flusher that sleeps), never touches a page of a file, never waits for one.
 * Owner    The journal owns its directory (a lock file keeps others out), its threads and its
 *          memory, all reserved at open. The data directory's path stays the caller's.
 * Threads  Writer: append, commit, fetch, one thread. Hook: called on the flusher thread.
 *          durable, has_failed, stat, read, drop_before: any thread. open, close: main.
 * Errors   STATUS_journal_full: no room now, or the device failed (journal_stat says which and
 *          why); nothing was taken, and the same may be tried again. Both pass by themselves: what
 *          was appended and is not durable stays in memory and is written again until that succeeds,
 *          so nobody has to take back what was applied.
 *          STATUS_malformed: damage, never repaired silently. STATUS_invalid_state: in use by
 *          another process. STATUS_not_found: no journal there, or records that are asked for were
 *          dropped. STATUS_internal: the system refused.
 * Units    Sequences count records from 1, without gaps. Times are Unix milliseconds.
 *
 * Sources: group commit as in DeWitt et al., "Implementation Techniques for Main Memory Database
 * Systems" (SIGMOD 1984); single writer and sequences as in the LMAX Disruptor (2011).
 */
#ifndef ENGINE_JOURNAL_JOURNAL_H
#define ENGINE_JOURNAL_JOURNAL_H

#include "engine/base/option.h"
#include "engine/base/status.h"
#include "engine/memory/account.h"
#include "engine/memory/bill.h"

#include <stddef.h>
#include <stdint.h>

enum journal_durability { JOURNAL_always, JOURNAL_interval, JOURNAL_none };

#define JOURNAL_OPTIONS(O) \
	O(choice, journal, durability, "data.durability", "always", 0, 0, "always|interval|none", startup, \
	  "A change is answered: always: when synced; interval: synced every data.interval_ms; none: now and then (README).") \
	O(integer, journal, interval_ms, "data.interval_ms", "100", 1, 60000, "ms", startup, \
	  "How often the journal is synced with data.durability: interval.") \
	O(integer, journal, segment_bytes, "data.segment_bytes", "64MiB", 262144, 1 << 30, "bytes", startup, \
	  "Size of a journal file; files are made ahead of need (a multiple of 4096).") \
	O(integer, journal, segments_max, "data.segments_max", "64", 4, 4096, "", startup, \
	  "Most journal files; beyond it changes are answered journal_full.") \
	O(integer, journal, buffer_bytes, "data.buffer_bytes", "8MiB", 262144, 1 << 28, "bytes", startup, \
	  "Changes that may wait for the disk (a power of two); beyond it they are answered journal_full.")

/* What the flusher is about to do, for tests that make it fail. */
enum journal_step { JOURNAL_STEP_prepare, JOURNAL_STEP_write, JOURNAL_STEP_sync, JOURNAL_STEP_drop, JOURNAL_STEPS };

struct journal_options {
	JOURNAL_OPTIONS(OPTION_MEMBER)
	const char *directory;   /* made if it is not there */
	struct account *account; /* where its memory is entered, or NULL */
	/* Called on the flusher thread after the released sequence moved; or NULL. Must not block. */
	void (*released)(void *context, uint64_t sequence);
	void *context;
	/* Tests: an errno to fail with, or 0; NULL in service. On the flusher thread. */
	int (*fault)(void *context, enum journal_step step);
	void *fault_context;
	int64_t retry_ms; /* tests: how long after a failure it is tried again; 0: as in service */
	/* Opening takes files that hold nothing beyond `after` by their heads alone. Whether their records are whole is then
	 * the caller's to find out: journal_read. */
	bool checks_later;
};

extern const struct option journal_option_rows[];
extern const size_t journal_option_count;

/* Whether options that depend on each other agree; else problem says which do not. */
bool journal_options_agree(const struct journal_options *options, struct option_problem *problem);

void journal_bill(const struct journal_options *options, struct bill *bill);

/* A record as it was read; body holds during the call only. */
struct journal_record {
	uint64_t sequence;
	int64_t time_ms;
	uint16_t type, flags;
	uint32_t body_bytes;
	const void *body; /* 8-byte aligned */
	uint64_t file_number;
	uint64_t offset; /* in the file */
	uint64_t place;  /* both in one: for journal_fetch */
};
typedef void journal_visitor(void *context, const struct journal_record *record);

/* What reading all of a journal found. */
struct journal_report {
	uint64_t first, last; /* sequences; last is first - 1 when there is none */
	uint64_t proven;      /* the last one of which the files say that it was durable */
	uint64_t records, record_bytes;
	uint64_t files;       /* begun */
	uint64_t files_passed; /* the oldest of those, of which only the heads were read: checks_later */
	bool is_torn;         /* something unfinished stood behind the last record */
	bool is_damaged;      /* something durable is missing or changed */
	bool begins_late;     /* that, and it is only that the first record is not the one behind `after`: a snapshot may hold more */
	uint64_t file_number, offset; /* where it ends, is torn or damaged */
	uint64_t sequence;            /* of the record that is torn or damaged */
	char text[1024];      /* torn or damaged: what, where, what to do; or why it cannot be read */
};

struct journal;

/*
 * Locks the directory, reads everything (see checks_later), calls visit for each record with a sequence beyond
 * `after` (NULL: none), cuts a torn tail, starts the flusher. A new directory gets a new journal.
 * The report is filled in any case. STATUS_malformed also when records right behind `after` are
 * not there any more.
 */
status journal_open(struct journal **journal, const struct journal_options *options, uint64_t after,
                    journal_visitor *visit, void *context, struct journal_report *report);
/* Makes durable what was committed (after a failure it tries once more), and gives everything back. */
void journal_close(struct journal **journal);

/* The same reading, changing nothing; refused while a process has the journal open. */
status journal_verify(const char *directory, uint64_t after, journal_visitor *visit, void *context,
                      struct journal_report *report);

struct journal_entry {
	uint16_t type, flags;
	uint32_t body_bytes; /* at most JOURNAL_BODY_BYTES_MAX (64 KiB) */
	const void *body;
	int64_t time_ms;
};

/* Of a record: both grow from one to the next, sequences by one. Places stay true over restarts. */
struct journal_place {
	uint64_t sequence, place;
};

/* Takes a copy; *at is where it went. STATUS_too_large, STATUS_journal_full: *at is unchanged. */
status journal_append(struct journal *journal, const struct journal_entry *entry, struct journal_place *at);
/* Hands what was appended to the flusher. */
void journal_commit(struct journal *journal);

/* The last sequence on stable storage. */
uint64_t journal_durable(const struct journal *journal);
/* More than half of data.buffer_bytes waits for the disk: what can wait should. The writer's thread. */
bool journal_is_pressed(const struct journal *journal);
/* The last sequence whose reply may leave: by data.durability that, or what the system has. */
uint64_t journal_released(const struct journal *journal);
/* Nothing is taken until what failed succeeds. */
bool journal_has_failed(const struct journal *journal);
/* Sleeps until sequence is released, the journal has failed or the time is over (< 0: no limit);
 * whether it is released. One thread at a time. */
bool journal_wait(struct journal *journal, uint64_t sequence, int64_t timeout_ms);

/* Before a stop, by the writer: hands over what was appended, and from now on everything is synced at once whatever
 * data.durability says. Waits; whether all is durable. */
bool journal_sync(struct journal *journal, int64_t timeout_ms);

/*
 * Visits records beyond `after`, in order, at most limit of them and none that is not durable.
 * *last: the last one visited, or after. STATUS_not_found: the one behind `after` was dropped.
 * STATUS_malformed: it is damaged or missing. STATUS_internal: the disk does not give it (logged, with file and offset).
 * Reading on from where the last call ended costs nothing extra; another place costs a walk
 * through its file.
 */
status journal_read(struct journal *journal, uint64_t after, uint32_t limit, journal_visitor *visit, void *context,
                    uint64_t *last);

/*
 * Visits the one record at a place that append or a visitor gave, durable or not: from memory while it
 * is there, else from its file. STATUS_not_found: dropped. STATUS_malformed: no whole record is there.
 * STATUS_internal: the disk does not give it. Of a file both are logged, as by journal_read.
 */
status journal_fetch(struct journal *journal, uint64_t place, journal_visitor *visit, void *context);

/* A file that was begun. Its records' places, and those of no older file, are not below its own. */
struct journal_file {
	uint64_t first_sequence, place;
};
/* The oldest first, at most so many; how many there are. */
size_t journal_files(struct journal *journal, struct journal_file *files, size_t capacity);

/* Records below sequence are needed no more: whole files of them are reused or removed, soon. One with which that fails
 * (said once) stays, counted and readable, and is tried again. */
void journal_drop_before(struct journal *journal, uint64_t sequence);

struct journal_stat {
	bool is_failed; /* nothing is taken until a retry succeeds */
	char text[512]; /* why it failed, or why no file could be made; else empty */
	uint64_t first, appended, released, durable; /* sequences */
	uint64_t files, files_ahead;    /* begun; prepared and empty */
	uint64_t bytes;                 /* of all files */
	uint64_t flushes, flushed_bytes;
	uint64_t failures;              /* attempts to write or sync that failed */
	uint64_t full;                  /* appends that found no room */
	bool is_persistent_memory;
	bool is_at_rest; /* all is written, dropped files are gone, those ahead are made */
};
void journal_stat(struct journal *journal, struct journal_stat *stat);

#endif
