/*
 * journal_files: journals in folders of their own, filled with records whose content follows from
 * their sequence, so that whoever reads them back can tell whether they are right.
 */
#ifndef TESTS_SUPPORT_JOURNAL_FILES_H
#define TESTS_SUPPORT_JOURNAL_FILES_H

#include "engine/journal/journal.h"

enum { FILES_PATH_BYTES = 4096, FILES_SEGMENT_BYTES = 256 << 10 };

/* A new folder below TMPDIR; remove_folder takes it away with all that is in it. */
void make_folder(char path[FILES_PATH_BYTES]);
void remove_folder(const char *path);
void copy_folder(const char *from, const char *to);
void file_path(const char *folder, uint64_t number, char path[FILES_PATH_BYTES]);

/* Small files, always durable. */
struct journal_options small_options(const char *folder);

/* Appends the records behind the last one, `count` of them, waiting where there is no room; commits
 * every `group`. false: the journal takes no more. */
bool append_records(struct journal *j, uint64_t *last, uint64_t count, uint64_t group);
status append_one(struct journal *j, uint64_t *sequence);
/* The same; at->sequence is that of the one before. */
status append_at(struct journal *j, struct journal_place *at);
bool wait_durable(struct journal *j, uint64_t sequence);

/* Bytes in the body of a record. */
uint32_t body_bytes_of(uint64_t sequence);

/* A visitor that checks order and content; context is one of these, set to the sequence before. */
struct checker {
	uint64_t last, wrong;
};
void check_record(void *checker, const struct journal_record *record);

/* What is logged goes into a new file until it is caught; the text is the caller's to free. */
int log_catch(const char *path);
char *log_caught(int stderr_before, const char *path);

/* Whole files in and out of memory. */
uint8_t *load_file(const char *path, size_t *bytes);
void store_file(const char *path, const uint8_t *bytes, size_t count);

#endif
