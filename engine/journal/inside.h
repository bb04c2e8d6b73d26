/*
 * inside: a journal's parts, shared by its files and nobody else.
 *
 * A place is where a byte stands in the endless row of all files: number * segment_bytes + offset.
 * The ring holds places modulo its size, so it knows nothing of files. A record that does not fit
 * into the rest of a file goes into the next one; the writer clears the rest and writes the next
 * head, as bytes like any other.
 *
 *   files   ... durable ........ copied ............ appended ..... durable + buffer_bytes
 *               synced           in the page cache   in the ring    the writer stops here
 *
 * What is not durable stays in the ring: the pages of a write that failed are lost or taken for clean,
 * so all behind `durable` is written again, not only synced again.
 *
 * A commit tells the flusher where the group ends: first the place, then the sequence. It reads them
 * the other way round, so it may have bytes of records that it does not count yet, never the opposite.
 *
 * Outside, a record's place is the file's number and the offset (journal_place), so that it stays true
 * when data.segment_bytes changes; `outside` is the difference for the file that is being written.
 *
 * Who writes what: see the sections of struct journal. `control` protects the table of begun
 * files and the texts; no I/O happens under it, and the writer takes it only in fetch.
 */
#ifndef ENGINE_JOURNAL_INSIDE_H
#define ENGINE_JOURNAL_INSIDE_H

#include "engine/base/wakeup.h"
#include "engine/journal/journal.h"
#include "engine/journal/record.h"
#include "engine/journal/segment.h"

#include <pthread.h>

/* Files that are prepared ahead, and those that may be open at a time. */
enum { FILES_AHEAD = 2, SLOTS = 4, FILES_MAX = 4096 };
static_assert(FILES_AHEAD + 1 < SLOTS);

enum journal_state { STATE_running, STATE_failed };

/* A place between two records, and the sequence of the one before it. */
struct cut {
	uint64_t place, sequence;
};

struct begun_file {
	uint64_t number, first_sequence;
};

/* Where a read may begin in a file: at the record that stands there. */
struct read_place {
	uint64_t number, offset, sequence;
};
/* Reads remember a place for each so many bytes that they came by, in a table that is overwritten; and where the last
 * ones ended. */
enum { READ_PLACES = 4096, READ_PLACE_BYTES = 1 << 20, READ_ENDS = 8 };

struct journal {
	struct journal_options options;
	char directory[SEGMENT_PATH_BYTES];
	struct segment_lock lock;
	uint64_t identity[2], seed;
	uint64_t segment_bytes, ring_bytes;
	uint8_t *ring;
	struct region own_region, ring_region;
	struct holding ring_holding;
	pthread_t thread;

	/* Writer. */
	alignas(CACHE_LINE_BYTES) struct cut at;
	uint64_t chain;      /* head checksum of the last record */
	uint64_t file_end;   /* place at which the file ends that `at` is in */
	uint64_t outside;    /* what makes places in that file those that callers see */
	uint64_t ring_first; /* place from which on the ring was filled */
	uint64_t room_end;   /* up to where the ring was free when last asked */
	uint64_t last_number; /* of the files that may be begun, when last asked */
	_Atomic uint64_t full;
	alignas(8) uint8_t fetched[JOURNAL_RECORD_BYTES_MAX]; /* a record that was read back */

	/* Writer to flusher. */
	alignas(CACHE_LINE_BYTES) _Atomic uint64_t appended;
	_Atomic uint64_t appended_sequence;
	struct wakeup work;

	/* Flusher to writer. */
	alignas(CACHE_LINE_BYTES) _Atomic uint64_t durable_place; /* up to there the ring is free */
	_Atomic uint64_t prepared; /* number of the last file that may be begun */
	_Atomic int state;
	alignas(CACHE_LINE_BYTES) _Atomic uint64_t durable_sequence;
	_Atomic uint64_t released_sequence;
	struct wakeup waiter;

	/* Flusher. */
	alignas(CACHE_LINE_BYTES) struct cut durable, copied;
	struct segment slot[SLOTS]; /* by number */
	struct segment_making making;
	uint64_t marked;      /* sequence of the last mark */
	unsigned mark_turn;
	int64_t synced_ns;
	int64_t make_ns, drop_ns, repair_ns; /* not before: make the next file, drop the oldest, write again what failed */
	bool cannot_drop;     /* which was said */
	size_t group_bytes;   /* of the last flush */
	_Atomic uint64_t flushes, flushed_bytes, failures;

	/* Anybody. */
	alignas(CACHE_LINE_BYTES) pthread_mutex_t control;
	struct begun_file files[FILES_MAX]; /* under control, like the rest; oldest first */
	size_t file_count;
	unsigned readers;      /* files must stay while there are any */
	struct read_place passed[READ_PLACES], ends[READ_ENDS];
	unsigned next_end;
	bool unreadable[FILES_MAX]; /* by number: it was said of the file that a read of it failed */
	char text[512];
	_Atomic bool is_persistent_memory;
	_Atomic uint64_t drop_below;
	bool is_dropping; /* under control: a file is out of the table and not yet gone */
	_Atomic bool syncs_at_once; /* journal_sync */
	_Atomic bool is_stopping;
};

/* Of the file in which a record ends at place: never the one that begins there. */
static inline uint64_t file_of(const struct journal *j, uint64_t place) { return (place - 1) / j->segment_bytes; }

/* What stands in the ring of what was appended begins here. */
static inline uint64_t ring_begin(const struct journal *j)
{
	uint64_t least = j->at.place < j->ring_bytes ? 0 : j->at.place - j->ring_bytes;
	return least > j->ring_first ? least : j->ring_first;
}

static inline struct segment *slot_of(struct journal *j, uint64_t number) { return &j->slot[number % SLOTS]; }

/* Copies between the ring and contiguous memory. */
static inline void ring_put(struct journal *j, uint64_t place, const void *bytes, size_t count)
{
	size_t at = place & (j->ring_bytes - 1);
	size_t first = count < j->ring_bytes - at ? count : j->ring_bytes - at;
	memcpy(j->ring + at, bytes, first);
	if (first < count)
		memcpy(j->ring, (const uint8_t *)bytes + first, count - first);
}

static inline void ring_get(const struct journal *j, uint64_t place, void *bytes, size_t count)
{
	size_t at = place & (j->ring_bytes - 1);
	size_t first = count < j->ring_bytes - at ? count : j->ring_bytes - at;
	memcpy(bytes, j->ring + at, first);
	if (first < count)
		memcpy((uint8_t *)bytes + first, j->ring, count - first);
}

void *journal_flusher(void *journal);
/* Under control: where to begin to look for the record behind `after`. false: it is not in any file. */
bool journal_find_start(struct journal *j, uint64_t after, struct read_place *start);
/* Under control: the oldest file may go. durable: as far as the caller knows. */
bool journal_may_drop(const struct journal *j, struct cut durable);
/* Logs it; STATUS_internal. Any thread. */
status journal_cannot_read(struct journal *j, uint64_t number, uint64_t offset, const char *why);
/* Opens the file into its slot; errors go to the text. */
int journal_open_slot(struct journal *j, uint64_t number);
/* A first file, with its head. */
int journal_make_first(struct journal *j);
/* Clears the files from a cut to `end`, durably. */
int journal_clear(struct journal *j, uint64_t from, uint64_t end);
void journal_fill_head(const struct journal *j, struct segment_head *head, uint64_t number, uint64_t sequence,
                       uint64_t chain);
[[gnu::format(printf, 2, 3)]] void journal_say(struct journal *j, const char *format, ...);

#endif
