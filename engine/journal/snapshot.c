/* The folder's snapshots, and how one is written. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "engine/journal/snapshot.h"

#include "engine/base/check.h"
#include "engine/journal/segment.h"
#include "engine/journal/snapshot_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WINDOW_BYTES = 8 << 20 };

static const char suffix[] = ".snapshot";
/* Longer than the journal's own, which removes those at its start. */
static const char making_suffix[] = ".snapshot.making";

void snapshot_name(uint64_t sequence, char name[SNAPSHOT_NAME_BYTES])
{
	snprintf(name, SNAPSHOT_NAME_BYTES, "%016" PRIx64 "%s", sequence, suffix);
}

static void making_name(uint64_t sequence, char name[SNAPSHOT_NAME_BYTES])
{
	snprintf(name, SNAPSHOT_NAME_BYTES, "%016" PRIx64 "%s", sequence, making_suffix);
}

int snapshot_list(struct snapshots *s, uint64_t numbers[SNAPSHOT_FILES_MAX], size_t *count, bool clean)
{
	return segment_list_named(s->directory, suffix, clean ? making_suffix : NULL, numbers, SNAPSHOT_FILES_MAX, count);
}

void snapshot_bill(struct bill *bill)
{
	bill_add(bill, "journal", "", 1, SNAPSHOT_CHUNK_BYTES, "a snapshot's chunk while it is written or read");
}

status snapshot_say(struct snapshots *s, status what, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(s->text, sizeof s->text, format, arguments);
	va_end(arguments);
	return what;
}

status snapshot_refused_by_system(struct snapshots *s, int error, const char *doing, const char *name)
{
	bool is_full = error == ENOSPC || error == EDQUOT || error == EFBIG;
	return snapshot_say(s, is_full ? STATUS_journal_full : STATUS_internal, "cannot %s %s/%s: %s", doing, s->options.directory,
	                    name, strerrordesc_np(error));
}

/* ---- the folder ------------------------------------------------------------------------------- */

/* Whoever has the journal may be writing one. */
static void clean_if_nobody_has_it(struct snapshots *s)
{
	struct segment_lock lock;
	uint64_t numbers[SNAPSHOT_FILES_MAX];
	size_t count;
	char text[512];
	if (segment_lock_open(&lock, s->options.directory, true, text, sizeof text) != 0)
		return;
	(void)snapshot_list(s, numbers, &count, true);
	segment_lock_close(&lock);
}

status snapshots_open(struct snapshots *s, const struct snapshot_options *o)
{
	*s = (struct snapshots){.options = *o, .directory = -1, .file = -1};
	s->holding = (struct holding){.name = "snapshot chunk", .kind = HOLDING_buffer};
	if (s->options.chunk_bytes == 0 || s->options.chunk_bytes > SNAPSHOT_CHUNK_BYTES)
		s->options.chunk_bytes = SNAPSHOT_CHUNK_BYTES;
	/* Its name is synced when the journal in it is opened. */
	if (!o->is_reader && mkdir(o->directory, 0700) != 0 && errno != EEXIST)
		return snapshot_refused_by_system(s, errno, "make", "");
	s->directory = open(o->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->directory < 0)
		return snapshot_refused_by_system(s, errno, "open", "");
	status result = account_open(o->account, &s->region, &s->holding, SNAPSHOT_CHUNK_BYTES, SNAPSHOT_CHUNK_BYTES, -1);
	if (result != STATUS_ok) {
		snapshots_close(s);
		return snapshot_say(s, result, "no memory for a snapshot's chunk");
	}
	s->buffer = s->region.bytes;
	holding_use(&s->holding, SNAPSHOT_CHUNK_BYTES);
	if (!o->is_reader)
		clean_if_nobody_has_it(s);
	return STATUS_ok;
}

void snapshots_close(struct snapshots *s)
{
	snapshot_abort(s);
	if (s->directory >= 0)
		close(s->directory);
	s->directory = -1;
	account_close(&s->region, &s->holding);
	s->buffer = NULL;
}

static bool read_identity(int directory, uint64_t number, uint64_t identity[2])
{
	char name[SEGMENT_NAME_BYTES];
	struct segment_head head;
	segment_name(number, name);
	int file = openat(directory, name, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return false;
	bool is_whole = pread(file, &head, sizeof head, 0) == sizeof head && segment_head_is_whole(&head);
	close(file);
	if (is_whole)
		memcpy(identity, head.identity, sizeof head.identity);
	return is_whole;
}

status snapshot_journal_identity(const char *path, uint64_t identity[2])
{
	uint64_t numbers[SEGMENT_FILES_MAX];
	size_t count = 0;
	int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0)
		return STATUS_not_found;
	int error = segment_list(directory, numbers, SEGMENT_FILES_MAX, &count, false);
	bool is_found = false;
	for (size_t i = 0; error == 0 && i < count && !is_found; i++)
		is_found = read_identity(directory, numbers[i], identity);
	close(directory);
	return is_found ? STATUS_ok : error != 0 ? STATUS_internal : STATUS_not_found;
}

/* ---- writing ------------------------------------------------------------------------------------ */

static int fault_at(const struct snapshots *s, enum snapshot_step step)
{
	return s->options.fault == NULL ? 0 : s->options.fault(s->options.fault_context, step);
}

static status give_up(struct snapshots *s, int error, const char *doing)
{
	char name[SNAPSHOT_NAME_BYTES];
	making_name(s->head.sequence, name);
	s->status = snapshot_refused_by_system(s, error, doing, name);
	snapshot_abort(s);
	return s->status;
}

/* An error that was reported here is not reported by the sync at the end any more. */
static int begin_range(const struct snapshots *s, uint64_t offset, size_t count, unsigned how)
{
	if (sync_file_range(s->file, (off_t)offset, (off_t)count, how) == 0)
		return 0;
	return errno == EIO || errno == ENOSPC || errno == EDQUOT ? errno : 0; /* the others: it is not offered here */
}

/*
 * A commit of the journal may have to wait for what else is on its way to the device, so that is
 * never much: what was written begins to leave at once, and what was written a window ago has left.
 */
static int begin_to_sync(const struct snapshots *s, size_t count)
{
	int error = begin_range(s, s->end.file_bytes, count, SYNC_FILE_RANGE_WRITE);
	if (error != 0 || s->end.file_bytes <= WINDOW_BYTES)
		return error;
	return begin_range(s, s->end.file_bytes - WINDOW_BYTES, count,
	                   SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
}

/* At the end of the file. */
static status write_on(struct snapshots *s, const void *bytes, size_t count)
{
	int error = fault_at(s, SNAPSHOT_STEP_write);
	if (error == 0)
		error = segment_write_all(s->file, s->end.file_bytes, bytes, count);
	if (error == 0)
		error = begin_to_sync(s, count);
	if (error != 0)
		return give_up(s, error, "write");
	s->end.file_bytes += count;
	return STATUS_ok;
}

status snapshot_start(struct snapshots *s, const uint64_t identity[2], uint64_t sequence, int64_t created_ms)
{
	char name[SNAPSHOT_NAME_BYTES];
	uint64_t numbers[SNAPSHOT_FILES_MAX];
	size_t count;
	CHECK(s->file < 0, "a snapshot is begun before the last one is finished");
	s->head = (struct snapshot_head){
		.magic = SNAPSHOT_MAGIC,
		.version = SNAPSHOT_FORMAT_VERSION,
		.head_bytes = sizeof s->head,
		.identity = {identity[0], identity[1]},
		.sequence = sequence,
		.created_ms = created_ms,
	};
	s->head.checksum = snapshot_head_checksum(&s->head);
	s->end = (struct snapshot_end){.magic = SNAPSHOT_END_MAGIC, .total = s->head.checksum};
	s->used = sizeof(struct snapshot_chunk);
	s->chunk_records = 0;
	making_name(sequence, name);
	int error = snapshot_list(s, numbers, &count, true);
	if (error == 0 || error == E2BIG)
		s->file = openat(s->directory, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (s->file < 0)
		return s->status = snapshot_refused_by_system(s, error != 0 ? error : errno, "make", name);
	s->status = STATUS_ok;
	return write_on(s, &s->head, sizeof s->head);
}

static status flush_chunk(struct snapshots *s)
{
	struct snapshot_chunk chunk = {
		.magic = SNAPSHOT_CHUNK_MAGIC,
		.bytes = (uint32_t)(s->used - sizeof chunk),
		.number = s->end.chunks,
		.records = s->chunk_records,
	};
	if (s->chunk_records == 0)
		return STATUS_ok;
	chunk.body_checksum = hash_bytes(s->buffer + sizeof chunk, chunk.bytes, s->head.checksum);
	chunk.checksum = snapshot_chunk_checksum(&chunk, s->head.checksum);
	memcpy(s->buffer, &chunk, sizeof chunk);
	s->end.chunks++;
	s->end.records += s->chunk_records;
	s->end.total = hash_128(s->end.total, chunk.checksum, 0);
	size_t count = s->used;
	s->used = sizeof chunk;
	s->chunk_records = 0;
	return write_on(s, s->buffer, count);
}

status snapshot_put(void *snapshots, uint32_t kind, const void *bytes, size_t count)
{
	static_assert(sizeof(struct snapshot_chunk) + sizeof(struct snapshot_record) + SNAPSHOT_RECORD_BYTES_MAX <=
	              SNAPSHOT_CHUNK_BYTES);
	struct snapshots *s = snapshots;
	struct snapshot_record record = {kind, (uint32_t)count};
	size_t room = sizeof record + record_room(count);
	if (s->status != STATUS_ok)
		return s->status;
	CHECK(s->file >= 0, "a record is put into no snapshot");
	if (count > SNAPSHOT_RECORD_BYTES_MAX)
		return snapshot_say(s, STATUS_too_large, "a record of %zu bytes; a snapshot takes %d", count, SNAPSHOT_RECORD_BYTES_MAX);
	if (s->used + room > s->options.chunk_bytes && flush_chunk(s) != STATUS_ok)
		return s->status;
	uint8_t *at = s->buffer + s->used;
	memcpy(at, &record, sizeof record);
	if (count != 0)
		memcpy(at + sizeof record, bytes, count);
	memset(at + sizeof record + count, 0, room - sizeof record - count);
	s->used += room;
	s->chunk_records++;
	return STATUS_ok;
}

static status write_end(struct snapshots *s)
{
	status result = flush_chunk(s);
	if (result != STATUS_ok)
		return result;
	struct snapshot_end end = s->end;
	end.file_bytes += sizeof end;
	end.checksum = snapshot_end_checksum(&end, s->head.checksum);
	return write_on(s, &end, sizeof end);
}

/* One that was no good was replaced. */
static void forget_refused(struct snapshots *s, uint64_t sequence)
{
	unsigned kept = 0;
	for (unsigned i = 0; i < s->refused_count; i++)
		if (s->refused[i] != sequence)
			s->refused[kept++] = s->refused[i];
	s->refused_count = kept;
}

/* The new name stands once the folder is synced, too; before that a power cut may leave either. */
static status publish(struct snapshots *s)
{
	char old[SNAPSHOT_NAME_BYTES], new[SNAPSHOT_NAME_BYTES];
	making_name(s->head.sequence, old);
	snapshot_name(s->head.sequence, new);
	int error = fault_at(s, SNAPSHOT_STEP_rename);
	if (error == 0 && renameat(s->directory, old, s->directory, new) != 0)
		error = errno;
	if (error != 0)
		return give_up(s, error, "rename");
	close(s->file);
	s->file = -1;
	forget_refused(s, s->head.sequence);
	if (fsync(s->directory) != 0)
		return snapshot_refused_by_system(s, errno, "sync the folder of", new);
	return STATUS_ok;
}

status snapshot_finish(struct snapshots *s)
{
	if (s->status != STATUS_ok)
		return s->status;
	CHECK(s->file >= 0, "no snapshot is finished");
	status result = write_end(s);
	if (result != STATUS_ok)
		return result;
	int error = fault_at(s, SNAPSHOT_STEP_sync);
	if (error == 0 && fsync(s->file) != 0)
		error = errno;
	return error != 0 ? give_up(s, error, "sync") : publish(s);
}

void snapshot_abort(struct snapshots *s)
{
	char name[SNAPSHOT_NAME_BYTES];
	if (s->file < 0)
		return;
	close(s->file);
	s->file = -1;
	making_name(s->head.sequence, name);
	unlinkat(s->directory, name, 0);
}

/* ---- dropping --------------------------------------------------------------------------------------- */

static bool was_refused(const struct snapshots *s, uint64_t sequence)
{
	for (unsigned i = 0; i < s->refused_count; i++)
		if (s->refused[i] == sequence)
			return true;
	return false;
}

status snapshot_drop_old(struct snapshots *s, uint64_t *needed)
{
	uint64_t numbers[SNAPSHOT_FILES_MAX];
	size_t count;
	unsigned kept = 0;
	*needed = 0;
	int error = snapshot_list(s, numbers, &count, false);
	for (size_t i = count; error == 0 && i-- > 0;) {
		char name[SNAPSHOT_NAME_BYTES];
		if (kept < SNAPSHOT_KEPT) {
			kept += !was_refused(s, numbers[i]);
			if (kept == SNAPSHOT_KEPT)
				*needed = numbers[i];
			continue;
		}
		snapshot_name(numbers[i], name);
		error = fault_at(s, SNAPSHOT_STEP_drop);
		if (error == 0 && unlinkat(s->directory, name, 0) != 0)
			error = errno;
	}
	return error == 0 ? STATUS_ok : snapshot_refused_by_system(s, error, "drop old snapshots in", "");
}
