#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "engine/journal/scan.h"

#include "engine/journal/segment.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void prove(struct scan *s, uint64_t sequence)
{
	if (s->until != 0 && sequence > s->until)
		sequence = s->until;
	if (sequence > s->report->proven)
		s->report->proven = sequence;
}

static void stop(struct scan *s, uint64_t number, size_t offset, const char *text)
{
	s->is_stopped = true;
	if (s->break_text == NULL) {
		s->break_text = text;
		s->break_number = number;
		s->break_offset = offset;
	}
}

/* ---- what stands behind the end ------------------------------------------------------- */

static void read_marks(struct scan *s, uint64_t number, const uint8_t *bytes)
{
	for (size_t i = 1; i <= JOURNAL_MARKS; i++) {
		const struct segment_mark *mark = (const struct segment_mark *)(bytes + i * JOURNAL_SECTOR_BYTES);
		if (mark->magic == JOURNAL_MARK_MAGIC && mark->checksum == segment_mark_checksum(mark, s->seed)) {
			prove(s, mark->durable);
		} else if (!bytes_are_zero(mark, sizeof *mark) && s->odd_number == 0) {
			s->odd_number = number;
			s->odd_offset = i * JOURNAL_SECTOR_BYTES;
		}
	}
}

/* Any whole record from offset on: what it proves, and how far they go. */
static void look_behind(struct scan *s, const uint8_t *bytes, size_t size, size_t offset)
{
	while (size >= sizeof(struct record_head) && offset <= size - sizeof(struct record_head)) {
		const struct record_head *head = (const struct record_head *)(bytes + offset);
		if (head->magic != JOURNAL_RECORD_MAGIC || !record_head_is_whole(head, s->seed)) {
			offset += 8;
			continue;
		}
		prove(s, head->durable);
		if (head->sequence >= s->expected && head->sequence > s->highest)
			s->highest = head->sequence;
		offset += sizeof *head;
	}
}

/* ---- records ---------------------------------------------------------------------------- */

/* NULL: the record is the next one. */
static const char *what_is_wrong(const struct scan *s, const struct record_head *head, size_t left)
{
	if (head->magic != JOURNAL_RECORD_MAGIC)
		return "no record begins there";
	if (!record_head_is_whole(head, s->seed))
		return "the record's head fails its checksum";
	if (head->sequence != s->expected)
		return "a record of another sequence stands there";
	if (head->previous != s->chain)
		return "the record does not follow the one before it";
	if (record_room(head->bytes) > left)
		return "the record goes beyond the file's end";
	const uint8_t *body = (const uint8_t *)(head + 1);
	size_t count = head->bytes - sizeof *head;
	if (head->body_checksum != hash_bytes(body, count, head->sequence))
		return "the record's body fails its checksum";
	if (!bytes_are_zero(body + count, record_room(head->bytes) - head->bytes))
		return "the record's padding is not zero";
	return NULL;
}

static void take_record(struct scan *s, const struct record_head *head)
{
	prove(s, head->durable);
	s->report->records++;
	s->report->record_bytes += record_room(head->bytes);
	if (s->visit != NULL && head->sequence > s->after) {
		struct journal_record record = record_for_visit(head, s->number, s->offset);
		s->visit(s->context, &record);
	}
	s->chain = head->head_checksum;
	s->expected++;
	s->offset += record_room(head->bytes);
}

static void walk_records(struct scan *s, const uint8_t *bytes, size_t size)
{
	for (;;) {
		size_t left = size - s->offset;
		if (s->until != 0 && s->expected > s->until)
			return;
		if (left < sizeof(struct record_head) || bytes_are_zero(bytes + s->offset, sizeof(struct record_head))) {
			/* What is shorter than a head is nothing only where a file ends by itself. */
			if (left != 0 && size < s->segment_bytes && !bytes_are_zero(bytes + s->offset, left))
				break;
			return;
		}
		const struct record_head *head = (const struct record_head *)(bytes + s->offset);
		const char *wrong = what_is_wrong(s, head, left);
		if (wrong == NULL) {
			take_record(s, head);
			continue;
		}
		s->break_text = wrong;
		s->break_number = s->number;
		s->break_offset = s->offset;
		return;
	}
	s->break_text = "the file ends within a record's head";
	s->break_number = s->number;
	s->break_offset = s->offset;
}

/* ---- files ------------------------------------------------------------------------------ */

/* NULL: the file goes on where the last one ended. */
static const char *head_is_wrong(const struct scan *s, const struct segment_head *head, uint64_t number, size_t size)
{
	if (size < JOURNAL_HEAD_BYTES)
		return "the file is shorter than its head";
	if (!segment_head_is_whole(head))
		return "the file's head fails its checksum";
	if (head->number != number)
		return "the file's head is that of another file";
	if (s->number == 0)
		return NULL;
	if (memcmp(head->identity, s->identity, sizeof s->identity) != 0)
		return "the file is of another journal";
	if (head->first_sequence != s->expected || head->chain != s->chain)
		return "the file does not go on where the one before it ends";
	return NULL;
}

static void begin_file(struct scan *s, const struct segment_head *head, uint64_t number)
{
	if (s->number == 0) {
		memcpy(s->identity, head->identity, sizeof s->identity);
		s->seed = record_seed(s->identity);
		s->expected = s->report->first = head->first_sequence;
		s->chain = head->chain;
	}
	/* Whatever ended the file before this one was the rest that its next record did not fit in. */
	s->break_text = NULL;
	s->number = number;
	s->segment_bytes = head->segment_bytes;
	s->offset = JOURNAL_HEAD_BYTES;
	s->report->files++;
}

/* A file that nothing was written to since it was made or recycled. */
static bool is_fresh(const struct scan *s, const struct segment_head *head, uint64_t number, size_t size)
{
	if (size < JOURNAL_HEAD_BYTES)
		return false;
	return bytes_are_zero(head, sizeof *head) ||
	       (segment_head_is_whole(head) && head->number < number &&
	        memcmp(head->identity, s->identity, sizeof s->identity) == 0);
}

/* A whole file of this journal, but records before it are missing: the place is where they were. */
static bool goes_further(const struct scan *s, const struct segment_head *head, uint64_t number, size_t size)
{
	return s->number != 0 && size >= JOURNAL_HEAD_BYTES && segment_head_is_whole(head) && head->number == number &&
	       memcmp(head->identity, s->identity, sizeof s->identity) == 0 && head->first_sequence > s->expected;
}

static void pass_file(struct scan *s, const uint8_t *bytes, size_t size, uint64_t number, const char *wrong)
{
	const struct segment_head *head = (const struct segment_head *)bytes;
	if (!s->is_stopped && goes_further(s, head, number, size))
		stop(s, s->number, s->offset, "nothing stands there, and the next file begins with a later record");
	else if (!is_fresh(s, head, number, size))
		stop(s, number, 0, wrong);
	s->is_stopped = true;
	if (s->number == 0 || size < JOURNAL_HEAD_BYTES)
		return;
	/* A recycled file's marks are old, but true. */
	uint64_t odd = s->odd_number;
	read_marks(s, number, bytes);
	s->odd_number = odd;
	look_behind(s, bytes, size, JOURNAL_HEAD_BYTES);
}

void scan_file(struct scan *s, uint64_t number, const uint8_t *bytes, size_t size)
{
	const struct segment_head *head = (const struct segment_head *)bytes;
	if (s->number != 0 && !s->is_stopped && number != s->number + 1)
		stop(s, s->number + 1, 0, "the file is missing");
	const char *wrong = s->is_stopped ? "the file follows a break" : head_is_wrong(s, head, number, size);
	/* That of a file which cannot be next is only looked at. */
	if (wrong != NULL) {
		pass_file(s, bytes, size, number, wrong);
		return;
	}
	size = size < head->segment_bytes ? size : head->segment_bytes;
	begin_file(s, head, number);
	read_marks(s, number, bytes);
	const size_t rest = (1 + JOURNAL_MARKS) * JOURNAL_SECTOR_BYTES;
	if (s->odd_number == 0 && !bytes_are_zero(bytes + rest, JOURNAL_HEAD_BYTES - rest)) {
		s->odd_number = number;
		s->odd_offset = rest;
	}
	walk_records(s, bytes, size);
	look_behind(s, bytes, size, s->offset);
}

/* ---- the sum ---------------------------------------------------------------------------- */

static void say_damage(struct scan *s)
{
	struct journal_report *r = s->report;
	char name[SEGMENT_NAME_BYTES];
	segment_name(r->file_number, name);
	if (s->number == 0)
		snprintf(r->text, sizeof r->text,
		         "%s, offset %" PRIu64 ": %s, and it is the oldest file: nothing can be read without it. Nothing was "
		         "changed. Put the file back from a copy, or start from a backup of the directory",
		         name, r->offset, s->break_text);
	else
		snprintf(r->text, sizeof r->text,
		         "%s, offset %" PRIu64 ": record %" PRIu64 " is lost: %s, but records up to %" PRIu64
		         " were durable. Nothing was changed. Put the file back from a copy, or start from a backup of the "
		         "directory; to see what is left: trovectl journal verify",
		         name, r->offset, r->sequence, s->break_text, r->proven);
}

static void say_torn(struct scan *s)
{
	struct journal_report *r = s->report;
	char name[SEGMENT_NAME_BYTES];
	segment_name(r->file_number, name);
	if (s->break_text != NULL || s->highest != 0)
		snprintf(r->text, sizeof r->text,
		         "%s, offset %" PRIu64 ": the tail behind record %" PRIu64
		         " is torn (%s): it was being written when the power or the process went, nothing in it was durable",
		         name, r->offset, r->last, s->break_text != NULL ? s->break_text : "records without the ones before");
	else
		snprintf(r->text, sizeof r->text,
		         "%s, offset %" PRIu64 ": the file's first page is damaged beside its head; all records are whole", name,
		         r->offset);
}

static void place_break(struct scan *s)
{
	struct journal_report *r = s->report;
	r->file_number = s->break_text != NULL ? s->break_number : s->number;
	r->offset = s->break_text != NULL ? s->break_offset : s->offset;
	r->sequence = s->expected;
}

status scan_finish(struct scan *s)
{
	struct journal_report *r = s->report;
	r->last = s->expected == 0 ? 0 : s->expected - 1;
	place_break(s);
	if (s->number == 0 || r->proven > r->last) {
		if (s->break_text == NULL)
			s->break_text = "nothing stands there";
		r->is_damaged = true;
		say_damage(s);
		return STATUS_malformed;
	}
	r->is_torn = s->break_text != NULL || s->highest != 0;
	if (!r->is_torn && s->odd_number != 0) {
		r->is_torn = true;
		r->file_number = s->odd_number;
		r->offset = s->odd_offset;
	}
	if (r->is_torn)
		say_torn(s);
	return STATUS_ok;
}

static status cannot_read(struct scan *s, uint64_t number, int error)
{
	char name[SEGMENT_NAME_BYTES];
	segment_name(number, name);
	snprintf(s->report->text, sizeof s->report->text,
	         "%s cannot be read: %s; nothing was changed. Mend the device or put the file back from a copy", name,
	         strerrordesc_np(error));
	return STATUS_internal;
}

/* ---- files that need not be read --------------------------------------------------------- */

/* Whole by its head: number, length. */
static bool read_head(int directory, uint64_t number, struct segment_head *head)
{
	uint64_t size;
	return segment_read_first(directory, number, head, sizeof *head, &size) == 0 && segment_head_is_whole(head) &&
	       head->number == number && size >= head->segment_bytes;
}

static bool follows(const struct segment_head *head, const struct segment_head *before)
{
	return head->number == before->number + 1 && head->first_sequence >= before->first_sequence &&
	       memcmp(head->identity, before->identity, sizeof head->identity) == 0;
}

/* How many of the oldest files may be passed over. The first that looks odd is read, so that it is told what is wrong. */
static size_t files_to_pass(struct scan *s, int directory, const uint64_t *numbers, size_t count)
{
	struct segment_head head, next;
	size_t passed = 0;
	if (!s->passes_old || count == 0 || !read_head(directory, numbers[0], &head))
		return 0;
	uint64_t first = head.first_sequence;
	while (passed + 1 < count && read_head(directory, numbers[passed + 1], &next) && follows(&next, &head) &&
	       next.first_sequence <= s->after + 1) {
		head = next;
		passed++;
	}
	s->first = first;
	return passed;
}

status scan_directory(struct scan *s, int directory, const uint64_t *numbers, size_t count)
{
	size_t passed = files_to_pass(s, directory, numbers, count);
	for (size_t i = passed; i < count; i++) {
		struct segment_view view;
		int error = segment_view_open(&view, directory, numbers[i], true);
		if (error != 0)
			return cannot_read(s, numbers[i], error);
		scan_file(s, numbers[i], view.bytes, view.size);
		segment_view_close(&view);
	}
	status found = scan_finish(s);
	struct journal_report *r = s->report;
	r->files += r->files_passed = passed;
	if (passed != 0)
		r->first = s->first;
	if (found != STATUS_ok || (r->first <= s->after + 1 && s->after <= r->last))
		return found;
	snprintf(r->text, sizeof r->text,
	         "the journal holds records %" PRIu64 " to %" PRIu64 ", but the state to go on from ends with %" PRIu64
	         ": files are missing; put them back from a copy",
	         r->first, r->last, s->after);
	r->is_damaged = true;
	r->begins_late = r->first > s->after + 1;
	return STATUS_malformed;
}
