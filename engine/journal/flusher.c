/*
 * The flusher thread: copies what was appended into the files, syncs it, tells who waits; between
 * groups, in small steps, it makes the next files ready, reuses dropped ones, and marks what was
 * durable when there is nothing else to do. What failed it tries again, until it succeeds.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "engine/journal/inside.h"

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/base/probe.h"
#include "engine/base/thread.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

enum {
	STEP_BYTES_LEAST = 256 << 10, /* of a file that is being made, between two groups */
	STEP_BYTES_MOST = 4 << 20,
	RING_PARTS = 4,               /* one of them may wait for its sync, where there is a choice */
	REST_MS = 200,                /* so long without a group: write a mark */
	RETRY_MS = 500,               /* after a failure */
};

static int fault(struct journal *j, enum journal_step step)
{
	return j->options.fault == NULL ? 0 : j->options.fault(j->options.fault_context, step);
}

static int64_t retry_time(const struct journal *j)
{
	int64_t wait_ms = j->options.retry_ms > 0 ? j->options.retry_ms : RETRY_MS;
	return clock_monotonic_ns() + wait_ms * 1000000;
}

static bool is_running(const struct journal *j) { return atomic_load(&j->state) == STATE_running; }

/* From here on nothing counts but what is durable: the rest is copied again. */
static bool fail(struct journal *j, const char *what, int error)
{
	journal_say(j,
	            "%s: %s. Records behind %" PRIu64 " are not durable; they are kept and written again until it succeeds, "
	            "and no more are taken until then",
	            what, strerrordesc_np(error), j->durable.sequence);
	if (is_running(j)) /* once, not at every attempt */
		log_error("journal", "%s", j->text);
	atomic_fetch_add_explicit(&j->failures, 1, memory_order_relaxed);
	j->copied = j->durable;
	j->repair_ns = retry_time(j);
	atomic_store(&j->state, STATE_failed);
	wakeup_signal(&j->waiter);
	return false;
}

static void forget_text(struct journal *j)
{
	pthread_mutex_lock(&j->control);
	bool had_one = j->text[0] != '\0';
	j->text[0] = '\0';
	pthread_mutex_unlock(&j->control);
	if (had_one)
		log_info("journal", "writing works again");
}

/* ---- files ------------------------------------------------------------------------------ */

int journal_open_slot(struct journal *j, uint64_t number)
{
	struct segment *s = slot_of(j, number);
	segment_close(s);
	int error = segment_open(s, j->directory, number);
	if (error != 0)
		return error;
	j->is_persistent_memory = s->is_persistent_memory;
	if (s->size >= j->segment_bytes)
		return 0;
	segment_close(s);
	return EIO;
}

int journal_make_first(struct journal *j)
{
	struct segment_head head;
	if (getrandom(j->identity, sizeof j->identity, 0) != sizeof j->identity)
		return errno;
	journal_fill_head(j, &head, 1, 0, 0);
	int error = fault(j, JOURNAL_STEP_prepare);
	if (error == 0)
		error = segment_make_start(&j->making, j->lock.directory, 1, j->segment_bytes);
	if (error == 0)
		error = segment_make_step(&j->making, j->segment_bytes);
	if (error == 0)
		error = segment_make_head(&j->making, &head, sizeof head);
	if (error == 0)
		error = segment_make_finish(&j->making, j->lock.directory);
	if (error != 0)
		segment_make_abort(&j->making, j->lock.directory);
	return error;
}

/* The part of [place, end) that lies in one file. */
struct piece {
	struct segment *segment;
	size_t offset, count;
};

static struct piece first_piece(struct journal *j, uint64_t place, uint64_t end)
{
	uint64_t number = place / j->segment_bytes;
	uint64_t offset = place % j->segment_bytes;
	uint64_t count = j->segment_bytes - offset;
	struct segment *s = slot_of(j, number);
	CHECK(s->bytes != NULL && s->number == number, "journal file %" PRIu64 " is not open", number);
	return (struct piece){.segment = s, .offset = offset, .count = count < end - place ? count : end - place};
}

int journal_clear(struct journal *j, uint64_t from, uint64_t end)
{
	while (from < end) {
		struct piece p = first_piece(j, from, end);
		int error = fault(j, JOURNAL_STEP_sync);
		if (error == 0)
			error = segment_put(p.segment, p.offset, NULL, p.count);
		if (error == 0)
			error = segment_sync(p.segment, p.offset, p.count);
		if (error != 0)
			return error;
		from += p.count;
	}
	return 0;
}

/* ---- groups ------------------------------------------------------------------------------- */

/* Files that begin before `end`: their heads are in the ring, and say with which record. */
static void note_begun(struct journal *j, uint64_t end)
{
	struct segment_head head;
	for (uint64_t number = j->files[j->file_count - 1].number + 1; number <= file_of(j, end); number++) {
		ring_get(j, number * j->segment_bytes, &head, sizeof head);
		CHECK(head.magic == JOURNAL_SEGMENT_MAGIC && head.number == number, "journal ring broken at file %" PRIu64, number);
		CHECK(j->file_count < FILES_MAX, "more journal files than data.segments_max");
		pthread_mutex_lock(&j->control);
		j->files[j->file_count++] = (struct begun_file){.number = number, .first_sequence = head.first_sequence};
		pthread_mutex_unlock(&j->control);
	}
}

/* A record's head of zeros behind the last record says that there is nothing more, whatever an
 * earlier life of the file left there. */
static size_t end_bytes(const struct journal *j, uint64_t place)
{
	uint64_t offset = place % j->segment_bytes;
	uint64_t rest = offset == 0 ? 0 : j->segment_bytes - offset;
	return rest < sizeof(struct record_head) ? rest : sizeof(struct record_head);
}

/* From the ring, which may wrap within it. */
static int copy_piece(struct journal *j, uint64_t place, const struct piece *p)
{
	size_t at = place & (j->ring_bytes - 1);
	size_t first = p->count < j->ring_bytes - at ? p->count : j->ring_bytes - at;
	int error = segment_put(p->segment, p->offset, j->ring + at, first);
	if (error == 0 && first < p->count)
		error = segment_put(p->segment, p->offset + first, j->ring, p->count - first);
	return error;
}

static int copy_pieces(struct journal *j, uint64_t end)
{
	for (uint64_t place = j->copied.place; place < end;) {
		struct piece p = first_piece(j, place, end);
		int error = fault(j, JOURNAL_STEP_write);
		if (error == 0)
			error = copy_piece(j, place, &p);
		if (error != 0)
			return error;
		place += p.count;
	}
	size_t rest = end_bytes(j, end);
	return rest == 0 ? 0 : segment_put(slot_of(j, file_of(j, end)), end % j->segment_bytes, NULL, rest);
}

static struct cut group_end(struct journal *j)
{
	uint64_t sequence = atomic_load_explicit(&j->appended_sequence, memory_order_acquire);
	return (struct cut){.place = atomic_load_explicit(&j->appended, memory_order_acquire), .sequence = sequence};
}

/* false: it failed. So do the next two. */
static bool copy_new(struct journal *j)
{
	struct cut end = group_end(j);
	if (end.place != j->copied.place) {
		note_begun(j, end.place);
		int error = copy_pieces(j, end.place);
		if (error != 0)
			return fail(j, "the journal cannot be written", error);
	}
	j->copied = end;
	return true;
}

static int sync_pieces(struct journal *j, uint64_t end)
{
	for (uint64_t place = j->durable.place; place < end;) {
		struct piece p = first_piece(j, place, end);
		int error = fault(j, JOURNAL_STEP_sync);
		if (error == 0)
			error = segment_sync(p.segment, p.offset, p.count);
		if (error != 0)
			return error;
		place += p.count;
	}
	return 0;
}

static void release(struct journal *j, uint64_t sequence)
{
	if (sequence <= atomic_load_explicit(&j->released_sequence, memory_order_relaxed))
		return;
	atomic_store_explicit(&j->released_sequence, sequence, memory_order_release);
	if (j->options.released != NULL)
		j->options.released(j->options.context, sequence);
	wakeup_signal(&j->waiter);
}

/* What was not counted when its bytes were synced is so without another sync. */
static bool is_behind(const struct journal *j)
{
	return j->copied.place != j->durable.place || j->copied.sequence != j->durable.sequence;
}

static bool sync_copied(struct journal *j)
{
	uint64_t end = j->copied.place;
	int64_t start_ns = PROBE_IS_ON(flush) ? clock_monotonic_ns() : 0;
	int error = end == j->durable.place ? 0 : sync_pieces(j, end + end_bytes(j, end));
	if (error != 0)
		return fail(j, "the journal cannot be written", error);
	j->group_bytes = end - j->durable.place;
	atomic_fetch_add_explicit(&j->flushes, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&j->flushed_bytes, j->group_bytes, memory_order_relaxed);
	j->durable = j->copied;
	j->synced_ns = clock_monotonic_ns();
	if (start_ns != 0)
		PROBE2(flush, j->group_bytes, j->synced_ns - start_ns);
	atomic_store_explicit(&j->durable_place, end, memory_order_release);
	atomic_store_explicit(&j->durable_sequence, j->durable.sequence, memory_order_release);
	release(j, j->durable.sequence);
	if (atomic_load(&j->syncs_at_once)) /* its replies may have been released before */
		wakeup_signal(&j->waiter);
	return true;
}

/* How long until what was copied must be synced; 0: now; -1: only at the end. */
static int64_t sync_due_ms(const struct journal *j)
{
	if (j->options.durability == JOURNAL_always || atomic_load(&j->is_stopping) || atomic_load(&j->syncs_at_once))
		return 0;
	if (j->options.durability == JOURNAL_none)
		return -1;
	int64_t left = j->options.interval_ms - (clock_monotonic_ns() - j->synced_ns) / 1000000;
	return left > 0 ? left : 0;
}

/* The files from durable to copied must all have slots, and the writer needs room in the ring. */
static bool is_far_behind(const struct journal *j)
{
	return file_of(j, j->copied.place) != file_of(j, j->durable.place) ||
	       j->copied.place - j->durable.place > j->ring_bytes / RING_PARTS;
}

static bool flush(struct journal *j)
{
	struct cut before = j->copied;
	if (!copy_new(j))
		return false;
	bool is_new = j->copied.sequence != before.sequence;
	if (j->options.durability != JOURNAL_always && is_new)
		release(j, j->copied.sequence);
	if (is_behind(j) && (sync_due_ms(j) == 0 || is_far_behind(j)))
		return sync_copied(j) && is_new;
	return is_new;
}

/* ---- marks ---------------------------------------------------------------------------------- */

static bool write_mark(struct journal *j)
{
	uint64_t number = file_of(j, j->durable.place);
	struct segment *s = slot_of(j, number);
	if (s->bytes == NULL || s->number != number)
		return true;
	struct segment_mark mark = {.magic = JOURNAL_MARK_MAGIC, .number = number, .durable = j->durable.sequence};
	mark.checksum = segment_mark_checksum(&mark, j->seed);
	size_t offset = (size_t)(1 + j->mark_turn) * JOURNAL_SECTOR_BYTES;
	int error = fault(j, JOURNAL_STEP_sync);
	if (error == 0)
		error = segment_put(s, offset, &mark, sizeof mark);
	if (error == 0)
		error = segment_sync(s, offset, sizeof mark);
	/* The other one stays until this one is whole. */
	if (error != 0)
		return fail(j, "the journal cannot be marked", error);
	j->mark_turn = (j->mark_turn + 1) % JOURNAL_MARKS;
	j->marked = j->durable.sequence;
	return true;
}

static bool may_mark(const struct journal *j)
{
	return j->marked != j->durable.sequence && !is_behind(j);
}

/* ---- files ahead ------------------------------------------------------------------------------ */

static void cannot_make(struct journal *j, int error)
{
	j->make_ns = retry_time(j);
	segment_make_abort(&j->making, j->lock.directory);
	bool is_known = j->text[0] != '\0'; /* this thread alone writes it */
	journal_say(j, "the next journal file cannot be made: %s; it is tried again, changes are taken while there is room",
	            strerrordesc_np(error));
	if (!is_known)
		log_warning("journal", "%s", j->text);
}

static void is_prepared(struct journal *j, uint64_t number)
{
	int error = journal_open_slot(j, number);
	if (error != 0) {
		cannot_make(j, error);
		return;
	}
	atomic_store_explicit(&j->prepared, number, memory_order_release);
	forget_text(j);
}

bool journal_may_drop(const struct journal *j, struct cut durable)
{
	uint64_t below = atomic_load(&j->drop_below);
	if (below > durable.sequence + 1)
		below = durable.sequence + 1;
	return j->readers == 0 && j->file_count >= 2 && j->files[1].first_sequence <= below &&
	       j->files[0].number < file_of(j, durable.place);
}

/* The oldest file, if nobody needs it any more; number 0: none. It is out of the table then. */
static struct begun_file take_dropped(struct journal *j)
{
	struct begun_file file = {};
	pthread_mutex_lock(&j->control);
	if (journal_may_drop(j, j->durable)) {
		file = j->files[0];
		j->is_dropping = true;
		j->file_count--;
		memmove(j->files, j->files + 1, j->file_count * sizeof *j->files);
	}
	pthread_mutex_unlock(&j->control);
	return file;
}

/* What is there still is in the table again: it counts, can be read, and is the next to go. */
static void end_drop(struct journal *j, struct begun_file file, bool is_there)
{
	pthread_mutex_lock(&j->control);
	j->is_dropping = false;
	j->unreadable[file.number % FILES_MAX] &= is_there; /* another may have its place */
	if (is_there) {
		memmove(j->files + 1, j->files, j->file_count * sizeof *j->files);
		j->files[0] = file;
		j->file_count++;
	}
	pthread_mutex_unlock(&j->control);
}

static bool has_the_size(struct journal *j, uint64_t number)
{
	struct segment_view view;
	if (segment_view_open(&view, j->lock.directory, number, false) != 0)
		return false;
	bool is_right = view.size == j->segment_bytes;
	segment_view_close(&view);
	return is_right;
}

static bool wants_file(const struct journal *j, uint64_t next)
{
	return next <= file_of(j, j->durable.place) + FILES_AHEAD;
}

static void cannot_drop(struct journal *j, uint64_t number, int error)
{
	char name[SEGMENT_NAME_BYTES];
	segment_name(number, name);
	if (!j->cannot_drop) /* once, not at every attempt */
		log_warning("journal", "%s is not needed any more and cannot be dropped: %s; it is kept and dropped later", name,
		            strerrordesc_np(error));
	j->cannot_drop = true;
	j->drop_ns = retry_time(j);
}

/* Reused where one is wanted, else removed. */
static int drop(struct journal *j, uint64_t number)
{
	uint64_t next = atomic_load_explicit(&j->prepared, memory_order_relaxed) + 1;
	if (slot_of(j, number)->number == number)
		segment_close(slot_of(j, number));
	bool is_reused = wants_file(j, next) && has_the_size(j, number);
	int error = fault(j, JOURNAL_STEP_drop);
	if (error == 0)
		error = is_reused ? segment_rename(j->lock.directory, number, next) : segment_remove(j->lock.directory, number);
	if (error != 0 || !is_reused)
		return error;
	/* Cheaper than the rest of one that is being made. */
	segment_make_abort(&j->making, j->lock.directory);
	is_prepared(j, next);
	return 0;
}

/* One file a time. */
static bool drop_step(struct journal *j)
{
	if (clock_monotonic_ns() < j->drop_ns)
		return false;
	struct begun_file file = take_dropped(j);
	if (file.number == 0)
		return false;
	int error = drop(j, file.number);
	/* If only the sync failed it is gone, though after a power loss it may be there once more. */
	bool is_there = error != 0 && segment_is_there(j->lock.directory, file.number);
	end_drop(j, file, is_there);
	if (is_there) {
		cannot_drop(j, file.number, error);
		return false;
	}
	if (j->cannot_drop)
		log_info("journal", "files that are not needed are dropped again");
	j->cannot_drop = false;
	return true;
}

static bool may_make(struct journal *j, uint64_t next)
{
	if (!wants_file(j, next) || clock_monotonic_ns() < j->make_ns)
		return false;
	/* Files begun, those ahead and this one. */
	uint64_t ahead = next - file_of(j, j->copied.place);
	return j->file_count + ahead <= (uint64_t)j->options.segments_max;
}

static size_t step_bytes(const struct journal *j)
{
	size_t bytes = 2 * j->group_bytes;
	return bytes < STEP_BYTES_LEAST ? STEP_BYTES_LEAST : bytes > STEP_BYTES_MOST ? STEP_BYTES_MOST : bytes;
}

/* The file that was just left may be dropped and reused soon: under load one is made only when that
 * did not happen within a quarter of a file. */
static bool may_wait(const struct journal *j)
{
	return atomic_load_explicit(&j->prepared, memory_order_relaxed) > file_of(j, j->copied.place) &&
	       j->copied.place % j->segment_bytes < j->segment_bytes / 4;
}

static bool make_step(struct journal *j, bool is_busy)
{
	uint64_t next = atomic_load_explicit(&j->prepared, memory_order_relaxed) + 1;
	int error = 0;
	if (is_busy && may_wait(j))
		return false;
	if (j->making.file < 0) {
		if (!may_make(j, next))
			return false;
		error = fault(j, JOURNAL_STEP_prepare);
		if (error == 0)
			error = segment_make_start(&j->making, j->lock.directory, next, j->segment_bytes);
	} else if (j->making.done < j->making.size) {
		error = segment_make_step(&j->making, step_bytes(j));
	} else {
		error = segment_make_finish(&j->making, j->lock.directory);
		if (error == 0)
			is_prepared(j, next);
	}
	if (error != 0)
		cannot_make(j, error);
	return error == 0;
}

/* ---- after a failure ------------------------------------------------------------------------- */

/* Rounded up, so that it is over then. */
static int64_t left_ms(int64_t until_ns)
{
	int64_t left = until_ns - clock_monotonic_ns();
	return left <= 0 ? 0 : left / 1000000 + 1;
}

/* All of it, whatever data.durability says. The mark also tells whether one can be written again. */
static bool write_all(struct journal *j)
{
	return copy_new(j) && (!is_behind(j) || sync_copied(j)) && (!may_mark(j) || write_mark(j));
}

static void wait_and_repair(struct journal *j, uint32_t ticket)
{
	if (left_ms(j->repair_ns) > 0) {
		wakeup_wait(&j->work, ticket, left_ms(j->repair_ns));
		return;
	}
	if (!write_all(j))
		return;
	forget_text(j);
	atomic_store_explicit(&j->state, STATE_running, memory_order_release);
}

/* ---- the thread ------------------------------------------------------------------------------- */

static int64_t earlier(int64_t a, int64_t b) { return a < 0 ? b : b < 0 ? a : a < b ? a : b; }

static int64_t rest_ms(struct journal *j)
{
	int64_t wait = -1;
	if (is_behind(j))
		wait = sync_due_ms(j);
	else if (may_mark(j))
		wait = REST_MS;
	const int64_t again_ns[] = {j->make_ns, j->drop_ns};
	for (size_t i = 0; i < COUNT_OF(again_ns); i++) {
		int64_t again_ms = left_ms(again_ns[i]);
		if (again_ms != 0)
			wait = earlier(wait, again_ms);
	}
	return wait;
}

static void work_once(struct journal *j)
{
	uint32_t ticket = wakeup_prepare(&j->work);
	if (atomic_load(&j->is_stopping))
		return;
	if (!is_running(j)) {
		wait_and_repair(j, ticket);
		return;
	}
	bool is_busy = flush(j);
	if (!is_running(j))
		return;
	is_busy |= drop_step(j);
	is_busy |= make_step(j, is_busy);
	if (is_busy)
		return;
	if (may_mark(j) && clock_monotonic_ns() - j->synced_ns >= (int64_t)REST_MS * 1000000)
		write_mark(j);
	wakeup_wait(&j->work, ticket, rest_ms(j));
}

void *journal_flusher(void *journal)
{
	struct journal *j = journal;
	thread_name("trove-flusher");
	while (!atomic_load(&j->is_stopping))
		work_once(j);
	/* Once more, also after a failure. */
	write_all(j);
	return NULL;
}
