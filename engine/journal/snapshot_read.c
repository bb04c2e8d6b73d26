/* Reading a snapshot: nothing is handed on before its chunk was verified. */
#include "engine/journal/snapshot_inside.h"

#include "engine/base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

struct reading {
	struct snapshots *snapshots;
	char name[SNAPSHOT_NAME_BYTES];
	int file;
	uint64_t offset; /* of the next chunk */
	uint64_t chunks, records, total; /* so far */
	struct snapshot_head head;
	struct snapshot_end end;
	snapshot_visitor *visit; /* NULL: it is only verified */
	void *context;
};

static status damaged(struct reading *r, uint64_t offset, const char *what)
{
	return snapshot_say(r->snapshots, STATUS_malformed, "%s/%s is damaged at byte %" PRIu64 ": %s",
	                    r->snapshots->options.directory, r->name, offset, what);
}

/* pread rather than a map: an error of the device is then an errno, and not a signal. */
static status read_at(struct reading *r, uint64_t offset, void *bytes, size_t count)
{
	uint8_t *at = bytes;
	for (size_t done = 0; done < count;) {
		ssize_t n = pread(r->file, at + done, count - done, (off_t)(offset + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return snapshot_refused_by_system(r->snapshots, errno, "read", r->name);
		if (n == 0)
			return damaged(r, offset + done, "it ends here");
		done += (size_t)n;
	}
	return STATUS_ok;
}

/* ---- head and end ----------------------------------------------------------------------------- */

static status check_head(struct reading *r, uint64_t sequence)
{
	const struct snapshot_head *h = &r->head;
	if (h->magic != SNAPSHOT_MAGIC || h->checksum != snapshot_head_checksum(h))
		return damaged(r, 0, "its head is none");
	if (h->version != SNAPSHOT_FORMAT_VERSION || h->head_bytes != sizeof *h)
		return snapshot_say(r->snapshots, STATUS_malformed, "%s/%s has format %u, and this program reads %d",
		                    r->snapshots->options.directory, r->name, h->version, SNAPSHOT_FORMAT_VERSION);
	if (h->sequence != sequence)
		return damaged(r, offsetof(struct snapshot_head, sequence), "it is the snapshot of another sequence, renamed");
	return STATUS_ok;
}

static status read_ends(struct reading *r, uint64_t sequence)
{
	struct stat stat;
	if (fstat(r->file, &stat) != 0)
		return snapshot_refused_by_system(r->snapshots, errno, "read", r->name);
	uint64_t size = (uint64_t)stat.st_size;
	if (size < sizeof r->head + sizeof r->end)
		return damaged(r, size, "it ends here");
	status s = read_at(r, 0, &r->head, sizeof r->head);
	if (s == STATUS_ok)
		s = check_head(r, sequence);
	if (s == STATUS_ok)
		s = read_at(r, size - sizeof r->end, &r->end, sizeof r->end);
	if (s != STATUS_ok)
		return s;
	if (r->end.magic != SNAPSHOT_END_MAGIC || r->end.checksum != snapshot_end_checksum(&r->end, r->head.checksum) ||
	    r->end.file_bytes != size)
		return damaged(r, size - sizeof r->end, "its end is missing");
	r->offset = sizeof r->head;
	r->total = r->head.checksum;
	return STATUS_ok;
}

static status open_reading(struct reading *r, struct snapshots *s, uint64_t sequence)
{
	*r = (struct reading){.snapshots = s};
	snapshot_name(sequence, r->name);
	r->file = openat(s->directory, r->name, O_RDONLY | O_CLOEXEC);
	if (r->file < 0 && errno == ENOENT)
		return snapshot_say(s, STATUS_not_found, "there is no %s/%s", s->options.directory, r->name);
	if (r->file < 0)
		return snapshot_refused_by_system(s, errno, "open", r->name);
	(void)posix_fadvise(r->file, 0, 0, POSIX_FADV_SEQUENTIAL);
	return read_ends(r, sequence);
}

static void close_reading(struct reading *r)
{
	if (r->file >= 0)
		close(r->file);
}

/* ---- chunks ------------------------------------------------------------------------------------- */

/* The chunk's records lie in the buffer afterwards. */
static status read_chunk(struct reading *r, struct snapshot_chunk *chunk)
{
	uint64_t left = r->end.file_bytes - sizeof r->end - r->offset;
	if (left < sizeof *chunk)
		return damaged(r, r->offset, "less than a chunk is left");
	status s = read_at(r, r->offset, chunk, sizeof *chunk);
	if (s != STATUS_ok)
		return s;
	if (chunk->magic != SNAPSHOT_CHUNK_MAGIC || chunk->checksum != snapshot_chunk_checksum(chunk, r->head.checksum) ||
	    chunk->number != r->chunks || chunk->bytes > SNAPSHOT_CHUNK_BYTES - sizeof *chunk || chunk->bytes % 8 != 0 ||
	    chunk->bytes > left - sizeof *chunk)
		return damaged(r, r->offset, "the head of a chunk is wrong");
	s = read_at(r, r->offset + sizeof *chunk, r->snapshots->buffer, chunk->bytes);
	if (s != STATUS_ok)
		return s;
	if (hash_bytes(r->snapshots->buffer, chunk->bytes, r->head.checksum) != chunk->body_checksum)
		return damaged(r, r->offset, "the checksum of a chunk is wrong");
	return STATUS_ok;
}

/* Checksums say that it is what was written; the bounds hold whoever wrote it. */
static status visit_chunk(struct reading *r, const struct snapshot_chunk *chunk)
{
	uint32_t records = 0;
	for (size_t at = 0; at < chunk->bytes; records++) {
		struct snapshot_record record;
		memcpy(&record, r->snapshots->buffer + at, sizeof record);
		size_t room = sizeof record + record_room(record.bytes);
		if (record.bytes > SNAPSHOT_RECORD_BYTES_MAX || room > chunk->bytes - at)
			return damaged(r, r->offset + sizeof *chunk + at, "a record does not fit into its chunk");
		status s = r->visit == NULL ? STATUS_ok :
		                              r->visit(r->context, record.kind, r->snapshots->buffer + at + sizeof record, record.bytes);
		if (s != STATUS_ok)
			return s;
		at += room;
	}
	return records == chunk->records ? STATUS_ok : damaged(r, r->offset, "a chunk holds another number of records");
}

static status read_chunks(struct reading *r)
{
	while (r->offset < r->end.file_bytes - sizeof r->end) {
		struct snapshot_chunk chunk = {};
		status s = read_chunk(r, &chunk);
		if (s == STATUS_ok)
			s = visit_chunk(r, &chunk);
		if (s != STATUS_ok)
			return s;
		r->offset += sizeof chunk + chunk.bytes;
		r->chunks++;
		r->records += chunk.records;
		r->total = hash_128(r->total, chunk.checksum, 0);
	}
	bool is_complete = r->chunks == r->end.chunks && r->records == r->end.records && r->total == r->end.total;
	return is_complete ? STATUS_ok : damaged(r, r->offset, "a chunk is missing, or one too many");
}

/* ---- finding --------------------------------------------------------------------------------------- */

static status verify(struct snapshots *s, uint64_t sequence, const uint64_t *identity, struct snapshot_found *found)
{
	struct reading r;
	status result = open_reading(&r, s, sequence);
	if (result == STATUS_ok && identity != NULL && memcmp(identity, r.head.identity, sizeof r.head.identity) != 0)
		result = snapshot_say(s, STATUS_malformed, "%s/%s belongs to another journal", s->options.directory, r.name);
	if (result == STATUS_ok)
		result = read_chunks(&r);
	close_reading(&r);
	if (result != STATUS_ok)
		return result;
	found->sequence = sequence;
	memcpy(found->identity, r.head.identity, sizeof found->identity);
	found->created_ms = r.head.created_ms;
	found->records = r.end.records;
	found->bytes = r.end.file_bytes;
	return STATUS_ok;
}

static void note_refused(struct snapshots *s, uint64_t sequence, struct snapshot_found *found)
{
	size_t used = strlen(found->text);
	snprintf(found->text + used, sizeof found->text - used, "%s%s", used == 0 ? "" : "; ", s->text);
	s->refused[s->refused_count++] = sequence;
	found->refused++;
}

static status find(struct snapshots *s, const uint64_t *identity, struct snapshot_found *found)
{
	uint64_t numbers[SNAPSHOT_FILES_MAX];
	size_t count;
	s->refused_count = 0;
	int error = snapshot_list(s, numbers, &count, false);
	if (error != 0)
		return snapshot_refused_by_system(s, error, "list the snapshots in", "");
	for (size_t i = count; i-- > 0;) {
		if (verify(s, numbers[i], identity, found) == STATUS_ok)
			return STATUS_ok;
		note_refused(s, numbers[i], found);
	}
	if (count == 0)
		return snapshot_say(s, STATUS_not_found, "there is no snapshot in %s", s->options.directory);
	return STATUS_malformed;
}

status snapshot_find(struct snapshots *s, const uint64_t *identity, struct snapshot_found *found)
{
	CHECK(s->file < 0, "snapshots are looked for while one is written");
	*found = (struct snapshot_found){};
	status result = find(s, identity, found);
	if (result != STATUS_ok && found->text[0] == '\0')
		memcpy(found->text, s->text, sizeof found->text);
	return result;
}

status snapshot_find_oldest(struct snapshots *s, const uint64_t identity[2], uint64_t from, struct snapshot_found *found)
{
	uint64_t numbers[SNAPSHOT_FILES_MAX];
	size_t count;
	CHECK(s->file < 0, "snapshots are looked for while one is written");
	*found = (struct snapshot_found){};
	int error = snapshot_list(s, numbers, &count, false);
	if (error != 0)
		return snapshot_refused_by_system(s, error, "list the snapshots in", "");
	status result = snapshot_say(s, STATUS_not_found, "there is no snapshot in %s", s->options.directory);
	for (size_t i = 0; i < count; i++)
		if (numbers[i] >= from && (result = verify(s, numbers[i], identity, found)) == STATUS_ok)
			return STATUS_ok;
	return result;
}

status snapshot_read(struct snapshots *s, uint64_t sequence, snapshot_visitor *visit, void *context)
{
	struct reading r;
	CHECK(s->file < 0, "a snapshot is read while one is written");
	status result = open_reading(&r, s, sequence);
	r.visit = visit;
	r.context = context;
	if (result == STATUS_ok)
		result = read_chunks(&r);
	close_reading(&r);
	return result;
}
