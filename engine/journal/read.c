/* What is asked of a running journal: records, drops, numbers. Any thread. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "engine/journal/inside.h"

#include "engine/base/check.h"
#include "engine/base/log.h"
#include "engine/journal/scan.h"

#include <stdio.h>
#include <string.h>

/* ---- where a read begins --------------------------------------------------------------------- */

/* Files that were made with another data.segment_bytes may share entries. */
static uint64_t parts_of_file(const struct journal *j) { return j->segment_bytes / READ_PLACE_BYTES + 1; }

static struct read_place *place_in(struct journal *j, uint64_t number, uint64_t part)
{
	return &j->passed[(number * parts_of_file(j) + part) % READ_PLACES];
}

static void begin_nearer(struct read_place *start, const struct read_place *known, uint64_t after)
{
	if (known->number == start->number && known->sequence > start->sequence && known->sequence <= after + 1)
		*start = *known;
}

bool journal_find_start(struct journal *j, uint64_t after, struct read_place *start)
{
	size_t i = j->file_count;
	while (i > 0 && j->files[i - 1].first_sequence > after + 1)
		i--;
	if (i == 0)
		return false;
	const struct begun_file *file = &j->files[i - 1];
	*start = (struct read_place){file->number, JOURNAL_HEAD_BYTES, file->first_sequence};
	for (uint64_t part = 1; part < parts_of_file(j); part++)
		begin_nearer(start, place_in(j, file->number, part), after);
	for (unsigned end = 0; end < READ_ENDS; end++)
		begin_nearer(start, &j->ends[end], after);
	return true;
}

static bool enter(struct journal *j, uint64_t after, struct read_place *start)
{
	pthread_mutex_lock(&j->control);
	bool is_there = journal_find_start(j, after, start);
	j->readers += is_there;
	pthread_mutex_unlock(&j->control);
	return is_there;
}

/* Who goes on where one ended moves that end on. */
static void leave(struct journal *j, const struct read_place *begin, const struct read_place *end)
{
	pthread_mutex_lock(&j->control);
	j->readers--;
	unsigned i = 0;
	while (i < READ_ENDS && (j->ends[i].number != begin->number || j->ends[i].sequence != begin->sequence))
		i++;
	if (i == READ_ENDS)
		i = j->next_end++ % READ_ENDS;
	j->ends[i] = *end;
	pthread_mutex_unlock(&j->control);
	/* A drop may have waited for us. */
	wakeup_signal(&j->work);
}

static void pass(struct journal *j, const struct read_place *at)
{
	pthread_mutex_lock(&j->control);
	*place_in(j, at->number, at->offset / READ_PLACE_BYTES) = *at;
	pthread_mutex_unlock(&j->control);
}

/* ---- reading ------------------------------------------------------------------------------------ */

/* The record at the place, or NULL where the file has no more. An errno if the disk does not give it. */
static int record_at(const struct journal *j, struct segment_view *view, const struct read_place *at,
                     const struct record_head **found)
{
	*found = NULL;
	if (view->size < JOURNAL_HEAD_BYTES || at->offset > view->size - sizeof(struct record_head))
		return 0;
	const struct record_head *head = (const struct record_head *)(view->bytes + at->offset);
	int error = segment_view_read(view, at->offset, sizeof *head);
	if (error != 0)
		return error;
	if (!record_head_is_whole(head, j->seed) || head->sequence != at->sequence ||
	    record_room(head->bytes) > view->size - at->offset)
		return 0;
	error = segment_view_read(view, at->offset, record_room(head->bytes));
	*found = error == 0 ? head : NULL;
	return error;
}

/* Once a file: who asks again and again must not fill the log. */
status journal_cannot_read(struct journal *j, uint64_t number, uint64_t offset, const char *why)
{
	char name[SEGMENT_NAME_BYTES];
	pthread_mutex_lock(&j->control);
	bool is_said = j->unreadable[number % FILES_MAX];
	j->unreadable[number % FILES_MAX] = true;
	pthread_mutex_unlock(&j->control);
	segment_name(number, name);
	if (!is_said)
		log_error("journal",
		          "%s, offset %llu: cannot be read: %s; mend the device, or stop troved and put the file back from a copy", name,
		          (unsigned long long)offset, why);
	return STATUS_internal;
}

static bool body_is_whole(const struct record_head *head)
{
	return head->body_checksum == hash_bytes(head + 1, head->bytes - sizeof *head, head->sequence);
}

/* Reads one file on. STATUS_malformed: the disk does not say any more what it said; STATUS_internal: it says nothing. */
static status read_file(struct journal *j, struct read_place *at, uint64_t after, uint64_t end, journal_visitor *visit,
                        void *context, uint64_t *last)
{
	struct segment_view view;
	status read = STATUS_ok;
	int error = segment_view_open(&view, j->lock.directory, at->number, false);
	while (error == 0 && at->sequence <= end) {
		const struct record_head *head;
		error = record_at(j, &view, at, &head);
		if (head == NULL)
			break;
		if (at->sequence > after) {
			if (!body_is_whole(head)) {
				read = STATUS_malformed;
				break;
			}
			struct journal_record record = record_for_visit(head, at->number, at->offset);
			visit(context, &record);
			*last = at->sequence;
		}
		uint64_t part = at->offset / READ_PLACE_BYTES;
		at->offset += record_room(head->bytes);
		at->sequence++;
		if (at->offset / READ_PLACE_BYTES != part)
			pass(j, at);
	}
	segment_view_close(&view);
	return error == 0 ? read : journal_cannot_read(j, at->number, at->offset, strerrordesc_np(error));
}

status journal_read(struct journal *j, uint64_t after, uint32_t limit, journal_visitor *visit, void *context,
                    uint64_t *last)
{
	struct read_place at, begin;
	uint64_t end = journal_durable(j);
	*last = after;
	if (after >= end || limit == 0)
		return STATUS_ok;
	if (end - after > limit)
		end = after + limit;
	if (!enter(j, after, &begin))
		return STATUS_not_found;
	at = begin;
	status read = STATUS_ok;
	while (at.sequence <= end && read == STATUS_ok) {
		uint64_t from = at.sequence;
		read = read_file(j, &at, after, end, visit, context, last);
		if (at.sequence > end || read != STATUS_ok)
			break;
		/* Readers hold the files: the next one is there unless the disk lost something. */
		uint64_t number = at.number;
		struct read_place next = {};
		pthread_mutex_lock(&j->control);
		bool is_there = journal_find_start(j, at.sequence - 1, &next);
		pthread_mutex_unlock(&j->control);
		bool is_gap = from == at.sequence && next.sequence != at.sequence;
		if (!is_there || next.number == number || is_gap)
			read = STATUS_malformed;
		else
			at = next;
	}
	leave(j, &begin, &at);
	return read;
}

size_t journal_files(struct journal *j, struct journal_file *files, size_t capacity)
{
	pthread_mutex_lock(&j->control);
	size_t count = j->file_count < capacity ? j->file_count : capacity;
	for (size_t i = 0; i < count; i++)
		files[i] = (struct journal_file){j->files[i].first_sequence, journal_place(j->files[i].number, 0)};
	pthread_mutex_unlock(&j->control);
	return count;
}

void journal_drop_before(struct journal *j, uint64_t sequence)
{
	uint64_t before = atomic_load(&j->drop_below);
	while (before < sequence && !atomic_compare_exchange_weak(&j->drop_below, &before, sequence))
		;
	wakeup_signal(&j->work);
}

static bool is_at_rest(const struct journal *j)
{
	struct cut durable = {.place = atomic_load(&j->durable_place), .sequence = journal_durable(j)};
	bool is_written = durable.place == atomic_load(&j->appended) && durable.sequence == atomic_load(&j->appended_sequence);
	return is_written && !j->is_dropping && !journal_may_drop(j, durable) &&
	       atomic_load(&j->prepared) >= file_of(j, durable.place) + FILES_AHEAD;
}

void journal_stat(struct journal *j, struct journal_stat *stat)
{
	*stat = (struct journal_stat){
		.is_failed = atomic_load(&j->state) != STATE_running,
		.appended = atomic_load(&j->appended_sequence),
		.released = journal_released(j),
		.durable = journal_durable(j),
		.flushes = atomic_load(&j->flushes),
		.flushed_bytes = atomic_load(&j->flushed_bytes),
		.failures = atomic_load(&j->failures),
		.full = atomic_load(&j->full),
		.is_persistent_memory = j->is_persistent_memory,
	};
	pthread_mutex_lock(&j->control);
	snprintf(stat->text, sizeof stat->text, "%s", j->text);
	stat->is_at_rest = is_at_rest(j);
	stat->files = j->file_count;
	stat->first = j->file_count == 0 ? 1 : j->files[0].first_sequence;
	uint64_t last = j->file_count == 0 ? 0 : j->files[j->file_count - 1].number;
	uint64_t prepared = atomic_load(&j->prepared);
	stat->files_ahead = prepared > last ? prepared - last : 0;
	pthread_mutex_unlock(&j->control);
	stat->bytes = (stat->files + stat->files_ahead) * j->segment_bytes;
}
