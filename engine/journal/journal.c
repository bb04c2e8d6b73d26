/* What the writer does, and setting up: append, commit; open, close. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "engine/journal/inside.h"

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/journal/scan.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

const struct option journal_option_rows[] = {JOURNAL_OPTIONS(OPTION_ROW)};
const size_t journal_option_count = COUNT_OF(journal_option_rows);

bool journal_options_agree(const struct journal_options *o, struct option_problem *problem)
{
	const char *wrong = NULL;
	if (o->segment_bytes % JOURNAL_HEAD_BYTES != 0)
		wrong = "data.segment_bytes must be a multiple of 4096";
	else if ((o->buffer_bytes & (o->buffer_bytes - 1)) != 0)
		wrong = "data.buffer_bytes must be a power of two";
	if (wrong != NULL)
		snprintf(problem->text, sizeof problem->text, "%s", wrong);
	return wrong == NULL;
}

/* ---- append -------------------------------------------------------------------------- */

void journal_fill_head(const struct journal *j, struct segment_head *head, uint64_t number, uint64_t sequence,
                       uint64_t chain)
{
	*head = (struct segment_head){.magic = JOURNAL_SEGMENT_MAGIC,
	                              .version = JOURNAL_FORMAT_VERSION,
	                              .head_bytes = JOURNAL_HEAD_BYTES,
	                              .identity = {j->identity[0], j->identity[1]},
	                              .number = number,
	                              .segment_bytes = j->segment_bytes,
	                              .first_sequence = sequence + 1,
	                              .chain = chain,
	                              .created_ms = clock_unix_ms()};
	head->checksum = segment_head_checksum(head);
}

static bool ring_has_room(struct journal *j, uint64_t end)
{
	if (end <= j->room_end)
		return true;
	j->room_end = atomic_load_explicit(&j->durable_place, memory_order_acquire) + j->ring_bytes;
	return end <= j->room_end;
}

static bool may_begin(struct journal *j, uint64_t number)
{
	if (number <= j->last_number)
		return true;
	j->last_number = atomic_load_explicit(&j->prepared, memory_order_acquire);
	return number <= j->last_number;
}

static void begin_next_file(struct journal *j)
{
	static const uint8_t zeros[JOURNAL_HEAD_BYTES];
	struct segment_head head;
	for (uint64_t place = j->at.place; place < j->file_end; place += JOURNAL_HEAD_BYTES)
		ring_put(j, place, zeros, j->file_end - place < sizeof zeros ? j->file_end - place : sizeof zeros);
	journal_fill_head(j, &head, j->file_end / j->segment_bytes, j->at.sequence, j->chain);
	ring_put(j, j->file_end, &head, sizeof head);
	ring_put(j, j->file_end + sizeof head, zeros, JOURNAL_HEAD_BYTES - sizeof head);
	j->at.place = j->file_end + JOURNAL_HEAD_BYTES;
	j->file_end += j->segment_bytes;
	j->outside += journal_place(1, 0) - j->segment_bytes;
}

/* What is in the ring must get out of it before there is room again. */
static status no_room(struct journal *j)
{
	atomic_store_explicit(&j->full, atomic_load_explicit(&j->full, memory_order_relaxed) + 1, memory_order_relaxed);
	journal_commit(j);
	wakeup_signal(&j->work);
	return STATUS_journal_full;
}

status journal_append(struct journal *j, const struct journal_entry *e, struct journal_place *at)
{
	static const uint8_t padding[8];
	if (e->body_bytes > JOURNAL_BODY_BYTES_MAX)
		return STATUS_too_large;
	if (atomic_load_explicit(&j->state, memory_order_relaxed) != STATE_running)
		return STATUS_journal_full;
	struct record_head head = {.magic = JOURNAL_RECORD_MAGIC,
	                           .bytes = (uint32_t)sizeof head + e->body_bytes,
	                           .type = e->type,
	                           .flags = e->flags,
	                           .sequence = j->at.sequence + 1,
	                           .time_ms = e->time_ms,
	                           .durable = atomic_load_explicit(&j->durable_sequence, memory_order_relaxed),
	                           .previous = j->chain};
	size_t room = record_room(head.bytes);
	bool is_next = j->file_end - j->at.place < room;
	uint64_t end = (is_next ? j->file_end + JOURNAL_HEAD_BYTES : j->at.place) + room;
	if (!ring_has_room(j, end) || (is_next && !may_begin(j, j->file_end / j->segment_bytes)))
		return no_room(j);
	if (is_next)
		begin_next_file(j);
	head.body_checksum = hash_bytes(e->body, e->body_bytes, head.sequence);
	head.head_checksum = record_head_checksum(&head, j->seed);
	ring_put(j, j->at.place, &head, sizeof head);
	ring_put(j, j->at.place + sizeof head, e->body, e->body_bytes);
	ring_put(j, j->at.place + head.bytes, padding, room - head.bytes);
	*at = (struct journal_place){.sequence = head.sequence, .place = j->at.place + j->outside};
	j->at = (struct cut){.place = end, .sequence = head.sequence};
	j->chain = head.head_checksum;
	return STATUS_ok;
}

void journal_commit(struct journal *j)
{
	if (j->at.place == atomic_load_explicit(&j->appended, memory_order_relaxed))
		return;
	atomic_store_explicit(&j->appended, j->at.place, memory_order_release);
	atomic_store_explicit(&j->appended_sequence, j->at.sequence, memory_order_release);
	wakeup_signal(&j->work);
}

uint64_t journal_durable(const struct journal *j)
{
	return atomic_load_explicit(&j->durable_sequence, memory_order_acquire);
}

bool journal_is_pressed(const struct journal *j)
{
	return j->at.place - atomic_load_explicit(&j->durable_place, memory_order_acquire) > j->ring_bytes / 2;
}

uint64_t journal_released(const struct journal *j)
{
	return atomic_load_explicit(&j->released_sequence, memory_order_acquire);
}

bool journal_has_failed(const struct journal *j) { return atomic_load(&j->state) != STATE_running; }

static bool wait_for(struct journal *j, uint64_t reached(const struct journal *), uint64_t sequence, int64_t timeout_ms)
{
	int64_t end_ns = clock_monotonic_ns() + timeout_ms * 1000000;
	for (;;) {
		uint32_t ticket = wakeup_prepare(&j->waiter);
		if (reached(j) >= sequence)
			return true;
		int64_t left_ms = timeout_ms < 0 ? -1 : (end_ns - clock_monotonic_ns()) / 1000000;
		if (atomic_load(&j->state) != STATE_running || (timeout_ms >= 0 && left_ms <= 0))
			return false;
		wakeup_wait(&j->waiter, ticket, left_ms);
	}
}

bool journal_wait(struct journal *j, uint64_t sequence, int64_t timeout_ms)
{
	return wait_for(j, journal_released, sequence, timeout_ms);
}

bool journal_sync(struct journal *j, int64_t timeout_ms)
{
	journal_commit(j);
	atomic_store(&j->syncs_at_once, true);
	wakeup_signal(&j->work);
	return wait_for(j, journal_durable, j->at.sequence, timeout_ms);
}

/* ---- open ---------------------------------------------------------------------------- */

void journal_say(struct journal *j, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	pthread_mutex_lock(&j->control);
	vsnprintf(j->text, sizeof j->text, format, arguments);
	pthread_mutex_unlock(&j->control);
	va_end(arguments);
}

static status system_said(struct journal *j, struct journal_report *report, const char *what, int error)
{
	snprintf(report->text, sizeof report->text, "%.200s: %s: %s", j->directory, what, strerrordesc_np(error));
	return error == ENOSPC || error == EDQUOT ? STATUS_journal_full : STATUS_internal;
}

static status reserve(struct journal *j)
{
	j->ring_holding = (struct holding){.name = "journal ring", .option = "data.buffer_bytes", .kind = HOLDING_buffer};
	j->ring_bytes = (uint64_t)j->options.buffer_bytes;
	status reserved = account_open(j->options.account, &j->ring_region, &j->ring_holding, j->ring_bytes, j->ring_bytes,
	                               ACCOUNT_NODE);
	if (reserved != STATUS_ok)
		return reserved;
	j->ring = j->ring_region.bytes;
	/* Without an account nobody has touched the pages yet, and the writer must not be the first. */
	memset(j->ring, 0, j->ring_bytes);
	return STATUS_ok;
}

/* Files behind the last begun one: fresh ones of the right size stay, all else goes. */
static int keep_prepared(struct journal *j, const uint64_t *numbers, size_t count, uint64_t last, bool is_torn)
{
	uint64_t next = last + 1;
	int error = 0;
	for (size_t i = 0; i < count && error == 0; i++) {
		if (numbers[i] <= last)
			continue;
		struct segment_view view;
		error = segment_view_open(&view, j->lock.directory, numbers[i], false);
		if (error != 0)
			break;
		bool is_right = !is_torn && view.size == j->segment_bytes && numbers[i] == next && next <= last + FILES_AHEAD;
		segment_view_close(&view);
		error = is_right ? journal_open_slot(j, next) : segment_remove(j->lock.directory, numbers[i]);
		next += is_right;
	}
	atomic_store(&j->prepared, next - 1);
	return error;
}

/* Where writing goes on, on files that end cleanly there. */
static int take_up(struct journal *j, const struct scan *s, const uint64_t *numbers, size_t count)
{
	struct journal_report *r = s->report;
	bool is_resized = s->segment_bytes != j->segment_bytes;
	int error = segment_extend(j->lock.directory, s->number, s->segment_bytes);
	uint64_t wanted = j->segment_bytes;
	j->segment_bytes = s->segment_bytes;
	struct cut end = {.place = s->number * s->segment_bytes + s->offset, .sequence = r->last};
	if (error == 0)
		error = journal_open_slot(j, s->number);
	if (error == 0 && r->is_torn)
		error = journal_clear(j, end.place, (s->number + 1) * s->segment_bytes);
	if (is_resized)
		segment_close(slot_of(j, s->number));
	j->segment_bytes = wanted;
	if (is_resized)
		end.place = (s->number + 1) * wanted;
	j->durable = j->copied = end;
	j->chain = s->chain;
	if (error == 0)
		error = keep_prepared(j, numbers, count, s->number, r->is_torn);
	return error;
}

static void publish_start(struct journal *j)
{
	uint64_t number = file_of(j, j->durable.place);
	j->at = j->durable;
	j->file_end = (number + 1) * j->segment_bytes;
	j->outside = journal_place(number, 0) - number * j->segment_bytes;
	j->ring_first = j->at.place;
	j->marked = j->durable.sequence;
	atomic_store(&j->durable_sequence, j->durable.sequence);
	atomic_store(&j->released_sequence, j->durable.sequence);
	atomic_store(&j->durable_place, j->durable.place);
	atomic_store(&j->appended, j->at.place);
	atomic_store(&j->appended_sequence, j->at.sequence);
}

static status note_files(struct journal *j, const uint64_t *numbers, size_t count, uint64_t last)
{
	for (size_t i = 0; i < count && numbers[i] <= last; i++) {
		struct segment_view view;
		if (j->file_count == FILES_MAX || segment_view_open(&view, j->lock.directory, numbers[i], false) != 0)
			return STATUS_internal;
		const struct segment_head *head = (const struct segment_head *)view.bytes;
		j->files[j->file_count++] = (struct begun_file){.number = numbers[i], .first_sequence = head->first_sequence};
		segment_view_close(&view);
	}
	return STATUS_ok;
}

static status recover(struct journal *j, struct scan *s, uint64_t *numbers)
{
	struct journal_report *report = s->report;
	size_t count;
	int error = segment_list(j->lock.directory, numbers, SEGMENT_FILES_MAX, &count, true);
	if (error == 0 && count == 0) {
		error = journal_make_first(j);
		if (error == 0)
			error = segment_list(j->lock.directory, numbers, SEGMENT_FILES_MAX, &count, true);
	}
	if (error != 0)
		return system_said(j, report, "cannot make or list the journal's files", error);
	status found = scan_directory(s, j->lock.directory, numbers, count);
	if (found != STATUS_ok)
		return found;
	memcpy(j->identity, s->identity, sizeof j->identity);
	j->seed = s->seed;
	error = take_up(j, s, numbers, count);
	if (error != 0)
		return system_said(j, report, "cannot take up writing", error);
	publish_start(j);
	return note_files(j, numbers, count, s->number);
}

static status open_locked(struct journal *j, struct scan *s)
{
	struct region region = {0};
	const struct region_options options = {.name = "journal scan", .node = -1};
	status opened = region_open(&region, SEGMENT_FILES_MAX * sizeof(uint64_t), &options);
	if (opened != STATUS_ok)
		return opened;
	opened = reserve(j);
	if (opened == STATUS_ok)
		opened = recover(j, s, (uint64_t *)region.bytes);
	region_close(&region);
	if (opened == STATUS_ok && pthread_create(&j->thread, NULL, journal_flusher, j) != 0)
		opened = STATUS_internal;
	return opened;
}

static void give_back(struct journal **journal)
{
	struct journal *j = *journal;
	for (unsigned i = 0; i < SLOTS; i++)
		segment_close(&j->slot[i]);
	segment_make_abort(&j->making, j->lock.directory);
	if (j->ring != NULL)
		account_close(&j->ring_region, &j->ring_holding);
	segment_lock_close(&j->lock);
	pthread_mutex_destroy(&j->control);
	struct region own = j->own_region;
	*journal = NULL;
	region_close(&own);
}

static struct journal *make(const struct journal_options *o)
{
	const struct region_options options = {.name = "journal", .node = -1, .prefault = true};
	struct region own;
	if (region_open(&own, sizeof(struct journal), &options) != STATUS_ok)
		return NULL;
	struct journal *j = (struct journal *)own.bytes;
	j->own_region = own;
	j->options = *o;
	j->segment_bytes = (uint64_t)o->segment_bytes;
	j->making.file = -1;
	snprintf(j->directory, sizeof j->directory, "%s", o->directory);
	wakeup_init(&j->work);
	wakeup_init(&j->waiter);
	pthread_mutex_init(&j->control, NULL);
	return j;
}

status journal_open(struct journal **journal, const struct journal_options *o, uint64_t after, journal_visitor *visit,
                    void *context, struct journal_report *report)
{
	struct option_problem problem;
	struct scan scan = {.after = after, .visit = visit, .context = context, .report = report, .passes_old = o->checks_later};
	*journal = NULL;
	*report = (struct journal_report){0};
	if (!journal_options_agree(o, &problem)) {
		snprintf(report->text, sizeof report->text, "%s", problem.text);
		return STATUS_invalid_field;
	}
	struct journal *j = make(o);
	if (j == NULL)
		return STATUS_pool_exhausted;
	int error = segment_lock_open(&j->lock, j->directory, false, report->text, sizeof report->text);
	status opened = error == 0 ? open_locked(j, &scan) : error == EWOULDBLOCK ? STATUS_invalid_state : STATUS_internal;
	if (opened != STATUS_ok)
		give_back(&j);
	*journal = j;
	return opened;
}

void journal_close(struct journal **journal)
{
	struct journal *j = *journal;
	if (j == NULL)
		return;
	journal_commit(j);
	atomic_store(&j->is_stopping, true);
	wakeup_signal(&j->work);
	pthread_join(j->thread, NULL);
	give_back(journal);
}

static status verify_locked(struct scan *s, int directory)
{
	struct region region = {0};
	const struct region_options options = {.name = "journal scan", .node = -1};
	status opened = region_open(&region, SEGMENT_FILES_MAX * sizeof(uint64_t), &options);
	if (opened != STATUS_ok)
		return opened;
	size_t count;
	int error = segment_list(directory, (uint64_t *)region.bytes, SEGMENT_FILES_MAX, &count, false);
	if (error != 0)
		snprintf(s->report->text, sizeof s->report->text, "the directory cannot be listed: %s", strerrordesc_np(error));
	else if (count == 0)
		snprintf(s->report->text, sizeof s->report->text, "there is no journal");
	opened = error != 0   ? STATUS_internal
	         : count == 0 ? STATUS_not_found
	                      : scan_directory(s, directory, (const uint64_t *)region.bytes, count);
	region_close(&region);
	return opened;
}

status journal_verify(const char *directory, uint64_t after, journal_visitor *visit, void *context,
                      struct journal_report *report)
{
	struct scan scan = {.after = after, .visit = visit, .context = context, .report = report};
	struct segment_lock lock;
	*report = (struct journal_report){0};
	int error = segment_lock_open(&lock, directory, true, report->text, sizeof report->text);
	if (error != 0)
		return error == EWOULDBLOCK ? STATUS_invalid_state : error == ENOENT ? STATUS_not_found : STATUS_internal;
	status found = verify_locked(&scan, lock.directory);
	segment_lock_close(&lock);
	return found;
}
