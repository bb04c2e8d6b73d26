/* One record by its place, for the writer: from the ring while it is there, else from its file. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "engine/journal/inside.h"

#include "engine/journal/scan.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

struct wanted {
	uint64_t number, offset;
	uint64_t first, behind; /* sequences that the file holds: from first to below behind */
};

static bool is_whole(const struct journal *j, const struct record_head *head, uint64_t room)
{
	return record_head_is_whole(head, j->seed) && record_room(head->bytes) <= room;
}

static status visit_whole(const struct record_head *head, const struct wanted *w, journal_visitor *visit, void *context)
{
	if (head->body_checksum != hash_bytes(head + 1, head->bytes - sizeof *head, head->sequence))
		return STATUS_malformed;
	struct journal_record record = record_for_visit(head, w->number, w->offset);
	visit(context, &record);
	return STATUS_ok;
}

/* ---- ring -------------------------------------------------------------------------------- */

static bool is_in_ring(const struct journal *j, const struct wanted *w)
{
	return w->offset < j->segment_bytes && w->number * j->segment_bytes + w->offset >= ring_begin(j);
}

static status fetch_from_ring(struct journal *j, const struct wanted *w, journal_visitor *visit, void *context)
{
	uint64_t place = w->number * j->segment_bytes + w->offset;
	uint64_t room = j->at.place - place;
	struct record_head head;
	if (room < sizeof head)
		return STATUS_malformed;
	ring_get(j, place, &head, sizeof head);
	if (!is_whole(j, &head, room))
		return STATUS_malformed;
	size_t at = place & (j->ring_bytes - 1);
	const uint8_t *bytes = j->ring + at;
	if (head.bytes > j->ring_bytes - at) {
		ring_get(j, place, j->fetched, head.bytes);
		bytes = j->fetched;
	}
	return visit_whole((const struct record_head *)bytes, w, visit, context);
}

/* ---- file -------------------------------------------------------------------------------- */

/* Only what the table names: behind a file's end may be records of its earlier life. */
static bool find_file(struct journal *j, struct wanted *w)
{
	pthread_mutex_lock(&j->control);
	uint64_t i = j->file_count == 0 ? 0 : w->number - j->files[0].number;
	bool is_there = i < j->file_count && j->files[i].number == w->number;
	if (is_there) {
		w->first = j->files[i].first_sequence;
		w->behind = i + 1 < j->file_count ? j->files[i + 1].first_sequence : j->at.sequence + 1;
	}
	pthread_mutex_unlock(&j->control);
	return is_there;
}

static status read_bytes(int file, uint64_t offset, uint8_t *bytes, size_t count)
{
	while (count != 0) {
		ssize_t n = pread(file, bytes, count, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0 ? STATUS_malformed : STATUS_internal;
		offset += (uint64_t)n;
		bytes += n;
		count -= (size_t)n;
	}
	return STATUS_ok;
}

static status read_record(struct journal *j, int file, const struct wanted *w)
{
	const struct record_head *head = (const struct record_head *)j->fetched;
	status read = read_bytes(file, w->offset, j->fetched, sizeof *head);
	if (read != STATUS_ok)
		return read;
	if (!is_whole(j, head, UINT64_MAX) || head->sequence < w->first || head->sequence >= w->behind)
		return STATUS_malformed;
	return read_bytes(file, w->offset + sizeof *head, j->fetched + sizeof *head, head->bytes - sizeof *head);
}

/* Opened each time: an open file could have been renamed and begun again since. While we are here it
 * cannot: the writer, who begins files, is us. */
static status fetch_from_file(struct journal *j, struct wanted *w, journal_visitor *visit, void *context)
{
	char name[SEGMENT_NAME_BYTES];
	if (!find_file(j, w))
		return STATUS_not_found;
	segment_name(w->number, name);
	int file = openat(j->lock.directory, name, O_RDONLY | O_CLOEXEC);
	if (file < 0 && errno == ENOENT)
		return STATUS_not_found;
	status read = file < 0 ? STATUS_internal : read_record(j, file, w);
	int error = errno;
	if (file >= 0)
		close(file);
	if (read == STATUS_ok)
		read = visit_whole((const struct record_head *)j->fetched, w, visit, context);
	if (read != STATUS_ok)
		(void)journal_cannot_read(j, w->number, w->offset,
		                          read == STATUS_internal ? strerrordesc_np(error) : "no whole record is there");
	return read;
}

/* Behind all that was appended. A file that is full may have been larger than files are now. */
static uint64_t places_end(const struct journal *j)
{
	return j->at.place < j->file_end ? j->at.place + j->outside : journal_place(j->file_end / j->segment_bytes, 0);
}

status journal_fetch(struct journal *j, uint64_t place, journal_visitor *visit, void *context)
{
	struct wanted w = {.number = place >> JOURNAL_OFFSET_BITS};
	w.offset = place - journal_place(w.number, 0);
	if (place >= places_end(j) || w.offset < JOURNAL_HEAD_BYTES || place % 8 != 0)
		return STATUS_malformed;
	if (is_in_ring(j, &w))
		return fetch_from_ring(j, &w, visit, context);
	return fetch_from_file(j, &w, visit, context);
}
