#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "engine/journal/look.h"

#include "engine/base/clock.h"
#include "engine/journal/scan.h"
#include "engine/journal/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* A journal at rest says what is durable after 200 ms; one whose disk is slow, later. */
enum { PROOF_WAIT_MS = 2000, PROOF_LOOK_MS = 20 };

static status cannot(char *text, size_t capacity, const char *what, int error)
{
	snprintf(text, capacity, "%s: %s", what, strerrordesc_np(error));
	return STATUS_internal;
}

/* ---- one file ---------------------------------------------------------------------------- */

struct copy {
	uint8_t *bytes;
	size_t size;
};

static int read_all(int file, struct copy *copy)
{
	for (size_t done = 0; done < copy->size;) {
		ssize_t n = pread(file, copy->bytes + done, copy->size - done, (off_t)done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno;
		if (n == 0)
			copy->size = done; /* shorter than it was */
		done += (size_t)n;
	}
	return 0;
}

/* ENOENT: it is not the file of that name, or not any more. */
static int copy_open_file(int directory, const char *name, int file, struct copy *copy)
{
	struct stat before, after;
	if (fstat(file, &before) != 0)
		return errno;
	copy->size = (size_t)before.st_size;
	copy->bytes = malloc(copy->size + 8); /* also of an empty file */
	if (copy->bytes == NULL)
		return ENOMEM;
	int error = read_all(file, copy);
	if (error == 0 && fstatat(directory, name, &after, 0) != 0)
		error = errno;
	return error == 0 && (after.st_ino != before.st_ino || after.st_dev != before.st_dev) ? ENOENT : error;
}

static int copy_file(int directory, uint64_t number, struct copy *copy)
{
	char name[SEGMENT_NAME_BYTES];
	*copy = (struct copy){};
	segment_name(number, name);
	int file = openat(directory, name, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return errno;
	int error = copy_open_file(directory, name, file, copy);
	close(file);
	if (error != 0)
		free(copy->bytes);
	return error;
}

/* ---- what is durable ---------------------------------------------------------------------- */

/* Goes along the newest records by their heads, as far as there are any. */
struct tail {
	int directory;
	uint64_t seed, number, next, chain; /* next: the sequence that is expected; chain: as in record_head */
	size_t offset;
	uint64_t proven;
};

static bool is_begun(int directory, uint64_t number, struct segment_head *head)
{
	uint64_t size;
	return segment_read_first(directory, number, head, sizeof *head, &size) == 0 && segment_head_is_whole(head) &&
	       head->number == number;
}

static void begin_tail(struct tail *t, const struct segment_head *head)
{
	t->seed = record_seed(head->identity);
	t->number = head->number;
	t->next = head->first_sequence;
	t->chain = head->chain;
	t->offset = JOURNAL_HEAD_BYTES;
}

static void prove(struct tail *t, uint64_t sequence)
{
	if (sequence > t->proven)
		t->proven = sequence;
}

static int follow_records(struct tail *t, struct segment_view *view)
{
	while (view->size >= sizeof(struct record_head) && t->offset <= view->size - sizeof(struct record_head)) {
		struct record_head head; /* a copy: it may be written right now */
		int error = segment_view_read(view, t->offset, sizeof head);
		if (error != 0)
			return error;
		memcpy(&head, view->bytes + t->offset, sizeof head);
		if (!record_head_is_whole(&head, t->seed) || head.sequence != t->next || head.previous != t->chain ||
		    record_room(head.bytes) > view->size - t->offset)
			break;
		prove(t, head.durable);
		t->offset += record_room(head.bytes);
		t->chain = head.head_checksum;
		t->next++;
	}
	return 0;
}

static void follow_marks(struct tail *t, const struct segment_view *view)
{
	for (size_t i = 1; i <= JOURNAL_MARKS && view->size >= JOURNAL_HEAD_BYTES; i++) {
		struct segment_mark mark;
		memcpy(&mark, view->bytes + i * JOURNAL_SECTOR_BYTES, sizeof mark);
		if (mark.magic == JOURNAL_MARK_MAGIC && mark.checksum == segment_mark_checksum(&mark, t->seed))
			prove(t, mark.durable);
	}
}

static status follow_file(struct tail *t)
{
	struct segment_view view;
	int error = segment_view_open(&view, t->directory, t->number, false);
	if (error != 0)
		return error == ENOENT ? STATUS_overloaded : STATUS_internal;
	error = segment_view_read(&view, 0, view.size < JOURNAL_HEAD_BYTES ? view.size : JOURNAL_HEAD_BYTES);
	if (error == 0)
		error = follow_records(t, &view);
	if (error == 0)
		follow_marks(t, &view);
	segment_view_close(&view);
	return error == 0 ? STATUS_ok : STATUS_internal;
}

static status follow(struct tail *t)
{
	for (;;) {
		struct segment_head head;
		status s = follow_file(t);
		if (s != STATUS_ok || !is_begun(t->directory, t->number + 1, &head) || head.first_sequence != t->next)
			return s;
		begin_tail(t, &head);
	}
}

/* As far as it is proven: that what is there now was durable, if the proof comes in time. */
static status find_until(struct tail *t, uint64_t *until)
{
	int64_t end_ns = clock_monotonic_ns() + (int64_t)PROOF_WAIT_MS * 1000000;
	status s = follow(t);
	uint64_t wanted = t->next - 1;
	while (s == STATUS_ok && t->proven < wanted && clock_monotonic_ns() < end_ns) {
		clock_sleep_ms(PROOF_LOOK_MS);
		s = follow(t);
	}
	*until = t->proven < t->next - 1 ? t->proven : t->next - 1;
	return s;
}

/* ---- opening ------------------------------------------------------------------------------ */

/* The oldest file that has a head. */
static bool find_first(struct journal_look *look, const uint64_t *numbers, size_t count)
{
	struct segment_head head;
	for (size_t i = 0; i < count; i++) {
		if (!is_begun(look->directory, numbers[i], &head))
			continue;
		look->first = head.first_sequence;
		memcpy(look->identity, head.identity, sizeof look->identity);
		return true;
	}
	return false;
}

/* The last but one of those that are begun. */
static bool find_tail(struct tail *tail, const uint64_t *numbers, size_t count)
{
	struct segment_head head;
	size_t last = count;
	while (last > 0 && !is_begun(tail->directory, numbers[last - 1], &head))
		last--;
	if (last == 0)
		return false;
	begin_tail(tail, &head);
	if (last > 1 && is_begun(tail->directory, numbers[last - 2], &head))
		begin_tail(tail, &head);
	return true;
}

static status look_around(struct journal_look *look, const uint64_t *numbers, size_t count, char *text, size_t capacity)
{
	struct tail tail = {.directory = look->directory};
	look->until = UINT64_MAX;
	if (!look->is_live) {
		(void)find_first(look, numbers, count); /* if there is none, reading says why */
		return STATUS_ok;
	}
	if (!find_tail(&tail, numbers, count))
		return STATUS_overloaded;
	status s = find_until(&tail, &look->until);
	/* Afterwards: until then the oldest may have gone. */
	if (s == STATUS_ok && (!find_first(look, numbers, count) || look->until + 1 < look->first))
		return STATUS_overloaded;
	return s == STATUS_internal ? cannot(text, capacity, "its newest file cannot be read", EIO) : s;
}

/* *numbers is the caller's to free in any case. */
static status list(int directory, uint64_t **numbers, size_t *count, char *text, size_t capacity)
{
	*numbers = malloc(SEGMENT_FILES_MAX * sizeof **numbers);
	int error = *numbers == NULL ? ENOMEM : segment_list(directory, *numbers, SEGMENT_FILES_MAX, count, false);
	if (error != 0)
		return cannot(text, capacity, "its files cannot be listed", error);
	if (*count != 0)
		return STATUS_ok;
	snprintf(text, capacity, "there is no journal");
	return STATUS_not_found;
}

status journal_look_open(struct journal_look *look, const char *directory, char *text, size_t capacity)
{
	uint64_t *numbers = NULL;
	size_t count = 0;
	*look = (struct journal_look){.directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
	text[0] = '\0';
	if (look->directory < 0)
		return errno == ENOENT ? STATUS_not_found : cannot(text, capacity, "it cannot be opened", errno);
	look->is_live = segment_is_locked(look->directory);
	status s = list(look->directory, &numbers, &count, text, capacity);
	if (s == STATUS_ok)
		s = look_around(look, numbers, count, text, capacity);
	free(numbers);
	if (s != STATUS_ok)
		journal_look_close(look);
	return s;
}

void journal_look_close(struct journal_look *look)
{
	if (look->directory >= 0)
		close(look->directory);
	look->directory = -1;
}

/* ---- reading ------------------------------------------------------------------------------ */

static bool is_done(const struct scan *s) { return s->number != 0 && s->expected > s->until; }

/* Another file is the oldest now than when the look began. */
static bool is_gone(const struct journal_look *look, const struct copy *oldest)
{
	const struct segment_head *head = (const struct segment_head *)(const void *)oldest->bytes;
	return oldest->size >= sizeof *head && segment_head_is_whole(head) && head->first_sequence != look->first;
}

static status scan_copies(const struct journal_look *look, struct scan *s, const uint64_t *numbers, size_t count)
{
	for (size_t i = 0; i < count && !is_done(s); i++) {
		struct copy copy;
		int error = copy_file(look->directory, numbers[i], &copy);
		if (error == ENOENT)
			return STATUS_overloaded;
		if (error != 0)
			return cannot(s->report->text, sizeof s->report->text, "a file cannot be read", error);
		bool is_late = i == 0 && is_gone(look, &copy);
		if (!is_late)
			scan_file(s, numbers[i], copy.bytes, copy.size);
		free(copy.bytes);
		if (is_late)
			return STATUS_overloaded;
	}
	return STATUS_ok;
}

static status finish(const struct journal_look *look, struct scan *s)
{
	if (is_done(s)) {
		s->report->last = s->expected - 1;
		return STATUS_ok;
	}
	if (look->is_live)
		s->report->proven = look->until;
	return scan_finish(s);
}

status journal_look_read(const struct journal_look *look, journal_visitor *visit, void *context,
                         struct journal_report *report)
{
	struct scan scan = {.visit = visit, .context = context, .report = report, .until = look->until};
	uint64_t *numbers = NULL;
	size_t count = 0;
	*report = (struct journal_report){.first = look->first};
	if (look->until == 0)
		return STATUS_ok; /* nothing was written yet */
	status s = list(look->directory, &numbers, &count, report->text, sizeof report->text);
	if (s == STATUS_ok)
		s = scan_copies(look, &scan, numbers, count);
	free(numbers);
	if (s == STATUS_ok)
		s = finish(look, &scan);
	/* Nobody had it when this began: who has it now may have written between two files. */
	if (!look->is_live && segment_is_locked(look->directory))
		return STATUS_overloaded;
	return s;
}
