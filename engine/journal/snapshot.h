/*
 * snapshot: files beside the journal that hold all of the state as it was after one record of it. A
 * start takes the newest whole one and replays only what came later; older files of the journal can go.
 *
 * How      The caller gives records of kinds of its own (snapshot_put), which are collected into chunks with
 *          a checksum each. The file has another name until all of it is on stable storage, so a
 *          NUMBER.snapshot is whole, or was damaged later. A read hands on nothing that is not verified.
 * A start  snapshots_open, snapshot_journal_identity, snapshot_find (identity, or NULL where there is no journal),
 *          snapshot_read, then journal_open(after = its sequence), which refuses a journal that does not go on there.
 * Owner    The folder is the journal's. Memory is one chunk, reserved at open. The options and the directory's
 *          path stay the caller's.
 * Threads  One at a time. Writing and dropping: only while this process has the journal open, because what
 *          another snapshot left unfinished is removed.
 * Errors   STATUS_journal_full: the disk is; STATUS_internal: the system refused. Then what was
 *          begun is removed, older snapshots stand, and the same may be tried again. STATUS_malformed:
 *          damage, or of another journal. STATUS_not_found: there is none. All with a text.
 */
#ifndef ENGINE_JOURNAL_SNAPSHOT_H
#define ENGINE_JOURNAL_SNAPSHOT_H

#include "engine/base/status.h"
#include "engine/journal/snapshot_file.h"
#include "engine/memory/account.h"
#include "engine/memory/bill.h"

enum {
	SNAPSHOT_CHUNK_BYTES = 256 << 10, /* at most, with its head */
	SNAPSHOT_RECORD_BYTES_MAX = 64 << 10,
	SNAPSHOT_KEPT = 2,
	SNAPSHOT_FILES_MAX = 256,
	SNAPSHOT_TEXT_BYTES = 1024,
};

/* What is about to be done, for tests that make it fail. */
enum snapshot_step { SNAPSHOT_STEP_write, SNAPSHOT_STEP_sync, SNAPSHOT_STEP_rename, SNAPSHOT_STEP_drop };

struct snapshot_options {
	const char *directory;   /* of the journal; made if it is not there */
	struct account *account; /* or NULL */
	bool is_reader;          /* nothing in the folder is changed */
	size_t chunk_bytes;      /* tests: smaller chunks; 0: SNAPSHOT_CHUNK_BYTES */
	/* Tests: an errno to fail with, or 0; NULL in service. */
	int (*fault)(void *context, enum snapshot_step step);
	void *fault_context;
};

struct snapshots {
	struct snapshot_options options;
	int directory;
	struct region region;
	struct holding holding;
	uint8_t *buffer; /* one chunk */

	/* The one that is written. */
	int file; /* -1: none */
	struct snapshot_head head;
	struct snapshot_end end; /* so far */
	size_t used;             /* of the buffer */
	uint32_t chunk_records;
	status status;           /* why it was given up */

	/* Found to be no good; they do not count as kept. */
	uint64_t refused[SNAPSHOT_FILES_MAX];
	unsigned refused_count;
	char text[SNAPSHOT_TEXT_BYTES]; /* what went wrong last */
};

void snapshot_bill(struct bill *bill);

/* The caller's memory, which stays where it is. Unless a process has the journal, unfinished files are removed. */
status snapshots_open(struct snapshots *snapshots, const struct snapshot_options *options);
/* Also after an open that failed; what is being written is given up. */
void snapshots_close(struct snapshots *snapshots);

/* The identity of the journal in a folder, from its files. STATUS_not_found: there is none (yet). */
status snapshot_journal_identity(const char *directory, uint64_t identity[2]);

/* ---- writing ---- */

/* State after `sequence`. One of the same sequence is replaced. */
status snapshot_start(struct snapshots *snapshots, const uint64_t identity[2], uint64_t sequence, int64_t created_ms);
/* Takes a copy. After a failure every call says the same. snapshots is a struct snapshots. STATUS_too_large. */
status snapshot_put(void *snapshots, uint32_t kind, const void *bytes, size_t count);
/* On stable storage, under its name, when it is STATUS_ok. */
status snapshot_finish(struct snapshots *snapshots);
void snapshot_abort(struct snapshots *snapshots);

/* ---- reading ---- */

struct snapshot_found {
	uint64_t sequence, identity[2];
	int64_t created_ms;
	uint64_t records, bytes; /* of the file */
	unsigned refused;        /* newer ones that are no good */
	char text[SNAPSHOT_TEXT_BYTES]; /* why; empty: none was */
};

/* The newest that is whole; all of it is read. identity NULL: of any journal. STATUS_malformed: there are some, none is good. */
status snapshot_find(struct snapshots *snapshots, const uint64_t *identity, struct snapshot_found *found);

/* The oldest of that journal that is whole, not before `from`. As snapshot_find. */
status snapshot_find_oldest(struct snapshots *snapshots, const uint64_t identity[2], uint64_t from,
                            struct snapshot_found *found);

/* bytes is 8-byte aligned and holds during the call only. Not STATUS_ok: it ends, with that. */
typedef status snapshot_visitor(void *context, uint32_t kind, const void *bytes, size_t count);
/* Visits all records in the order in which they were put. */
status snapshot_read(struct snapshots *snapshots, uint64_t sequence, snapshot_visitor *visit, void *context);

/*
 * Removes all but the newest SNAPSHOT_KEPT good ones. *needed: the journal's records beyond it are needed to
 * start from the oldest one kept, should the newer be damaged; 0 (all) while there are fewer.
 */
status snapshot_drop_old(struct snapshots *snapshots, uint64_t *needed);

#endif
