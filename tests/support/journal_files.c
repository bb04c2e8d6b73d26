#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "tests/support/journal_files.h"

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/journal/journal.h"
#include "engine/journal/segment.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void make_folder(char path[FILES_PATH_BYTES])
{
	const char *top = getenv("TMPDIR");
	snprintf(path, FILES_PATH_BYTES, "%s/journal.XXXXXX", top == NULL ? "/tmp" : top);
	CHECK(mkdtemp(path) != NULL, "no folder %s", path);
}

static void each_file(const char *folder, void (*visit)(const char *from, const char *to), const char *to)
{
	char a[FILES_PATH_BYTES], b[FILES_PATH_BYTES];
	DIR *stream = opendir(folder);
	CHECK(stream != NULL, "no folder %s", folder);
	for (const struct dirent *entry = readdir(stream); entry != NULL; entry = readdir(stream)) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(a, sizeof a, "%s/%s", folder, entry->d_name);
		snprintf(b, sizeof b, "%s/%s", to == NULL ? "" : to, entry->d_name);
		visit(a, b);
	}
	closedir(stream);
}

static void remove_one(const char *from, const char *to)
{
	(void)to;
	unlink(from);
}

void remove_folder(const char *path)
{
	each_file(path, remove_one, NULL);
	rmdir(path);
}

static void copy_one(const char *from, const char *to)
{
	size_t bytes;
	uint8_t *content = load_file(from, &bytes);
	store_file(to, content, bytes);
	free(content);
}

void copy_folder(const char *from, const char *to)
{
	each_file(to, remove_one, NULL);
	each_file(from, copy_one, to);
}

void file_path(const char *folder, uint64_t number, char path[FILES_PATH_BYTES])
{
	CHECK(segment_path(folder, number, path), "path too long");
}

uint8_t *load_file(const char *path, size_t *bytes)
{
	struct stat stat_of;
	FILE *file = fopen(path, "rb");
	CHECK(file != NULL && fstat(fileno(file), &stat_of) == 0, "no file %s", path);
	*bytes = (size_t)stat_of.st_size;
	/* 8 bytes more, so that an empty file has a place, too. */
	uint8_t *content = malloc(*bytes + 8);
	CHECK(content != NULL && fread(content, 1, *bytes, file) == *bytes, "cannot read %s", path);
	fclose(file);
	return content;
}

void store_file(const char *path, const uint8_t *bytes, size_t count)
{
	FILE *file = fopen(path, "wb");
	CHECK(file != NULL && fwrite(bytes, 1, count, file) == count && fclose(file) == 0, "cannot write %s", path);
}

int log_catch(const char *path)
{
	int before = dup(STDERR_FILENO);
	int file = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	CHECK(before >= 0 && file >= 0 && dup2(file, STDERR_FILENO) == STDERR_FILENO, "cannot log into %s", path);
	close(file);
	return before;
}

char *log_caught(int stderr_before, const char *path)
{
	size_t bytes;
	CHECK(dup2(stderr_before, STDERR_FILENO) == STDERR_FILENO, "no stderr any more");
	close(stderr_before);
	char *text = (char *)load_file(path, &bytes);
	text[bytes] = '\0';
	return text;
}

struct journal_options small_options(const char *folder)
{
	return (struct journal_options){.durability = JOURNAL_always,
	                                .interval_ms = 20,
	                                .segment_bytes = FILES_SEGMENT_BYTES,
	                                .segments_max = 64,
	                                .buffer_bytes = 1 << 20,
	                                .directory = folder};
}

/* ---- records ------------------------------------------------------------------------ */

/* Mostly small; every 97th is larger than a page. */
uint32_t body_bytes_of(uint64_t sequence)
{
	return (uint32_t)(sequence % 97 == 0 ? 4096 + sequence % 3000 : sequence * 7 % 61);
}

static void fill_body(uint64_t sequence, uint8_t *body)
{
	uint32_t count = body_bytes_of(sequence);
	for (uint32_t i = 0; i < count; i++)
		body[i] = (uint8_t)(sequence * 31 + i * 7 + 1);
}

status append_at(struct journal *j, struct journal_place *at)
{
	alignas(8) uint8_t body[8192];
	uint64_t next = at->sequence + 1;
	fill_body(next, body);
	struct journal_entry entry = {.type = (uint16_t)(next % 5),
	                              .flags = (uint16_t)(next % 3),
	                              .body = body,
	                              .body_bytes = body_bytes_of(next),
	                              .time_ms = (int64_t)next * 10};
	return journal_append(j, &entry, at);
}

status append_one(struct journal *j, uint64_t *sequence)
{
	struct journal_place at = {.sequence = *sequence};
	status appended = append_at(j, &at);
	*sequence = at.sequence;
	return appended;
}

bool append_records(struct journal *j, uint64_t *last, uint64_t count, uint64_t group)
{
	for (uint64_t i = 0; i < count; i++) {
		unsigned tries = 0;
		uint64_t sequence = *last;
		while (append_one(j, &sequence) != STATUS_ok) {
			if (++tries > 5000)
				return false;
			clock_sleep_ms(1);
		}
		CHECK(sequence == *last + 1, "a sequence was left out");
		*last = sequence;
		if ((i + 1) % group == 0)
			journal_commit(j);
	}
	journal_commit(j);
	return true;
}

bool wait_durable(struct journal *j, uint64_t sequence)
{
	for (unsigned i = 0; i < 20000 && journal_durable(j) < sequence; i++)
		clock_sleep_ms(1);
	return journal_durable(j) >= sequence;
}

void check_record(void *checker, const struct journal_record *r)
{
	struct checker *c = checker;
	alignas(8) uint8_t body[8192];
	bool is_right = r->sequence == c->last + 1 && r->type == r->sequence % 5 && r->flags == r->sequence % 3 &&
	                r->time_ms == (int64_t)r->sequence * 10 && r->body_bytes == body_bytes_of(r->sequence);
	if (is_right) {
		fill_body(r->sequence, body);
		is_right = memcmp(body, r->body, r->body_bytes) == 0;
	}
	c->wrong += !is_right;
	c->last = r->sequence;
}
