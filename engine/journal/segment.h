/*
 * segment: one file of a journal, and the directory in which the files are. The only file that
 * sees libpmem (https://pmem.io): on persistent memory (DAX) a sync is pmem_persist, elsewhere
 * pmem_msync.
 *
 * Files are NUMBER.journal, 16 hexadecimal digits. One that is being made is called
 * NUMBER.making; its blocks are all written, not merely reserved (a sync is then a plain write,
 * and a full disk is met here), before it gets its name.
 * Functions that return int give 0 or an errno. One thread a directory or segment.
 */
#ifndef ENGINE_JOURNAL_SEGMENT_H
#define ENGINE_JOURNAL_SEGMENT_H

#include <stddef.h>
#include <stdint.h>

enum { SEGMENT_NAME_BYTES = 32, SEGMENT_FILES_MAX = 8192, SEGMENT_PATH_BYTES = 4096 };

struct segment {
	uint8_t *bytes; /* NULL: not open */
	size_t size;
	uint64_t number;
	int file;
	bool is_persistent_memory;
};

/* A file that is being made, step by step. */
struct segment_making {
	int file; /* -1: none */
	uint64_t number;
	size_t size, done;
};

void segment_name(uint64_t number, char name[SEGMENT_NAME_BYTES]);
bool segment_path(const char *directory, uint64_t number, char path[SEGMENT_PATH_BYTES]);

/* Numbers of the files in the directory, in order; files that were not finished are removed if
 * `clean`. E2BIG: more than max. */
int segment_list(int directory, uint64_t *numbers, size_t max, size_t *count, bool clean);

/* The same of files with another end to their names; those with the end `unfinished` are removed, NULL: none are. */
int segment_list_named(int directory, const char *end, const char *unfinished, uint64_t *numbers, size_t max, size_t *count);
/* As pwrite, all of it. */
int segment_write_all(int file, size_t offset, const uint8_t *bytes, size_t count);

/* Makes a file: start, step until it is done, finish (durable, under its name). abort removes it. */
int segment_make_start(struct segment_making *m, int directory, uint64_t number, size_t size);
int segment_make_step(struct segment_making *m, size_t bytes);
int segment_make_head(struct segment_making *m, const void *head, size_t bytes);
int segment_make_finish(struct segment_making *m, int directory);
void segment_make_abort(struct segment_making *m, int directory);
/* Writes zeros from where a file ends to its size, and syncs. */
int segment_extend(int directory, uint64_t number, size_t size);

/* Durable, or the file has its old name. */
int segment_rename(int directory, uint64_t from, uint64_t to);
/* After an error it may be gone, too: then only that is not durable. */
int segment_remove(int directory, uint64_t number);
bool segment_is_there(int directory, uint64_t number);

int segment_open(struct segment *s, const char *directory, uint64_t number);
void segment_close(struct segment *s);
/* Puts bytes into the file; NULL: zeros. On persistent memory a copy into the map; elsewhere pwrite,
 * which the map shows at once: it takes no fault for each page (a group of 512 KiB took twice as
 * long), and a full or failing disk is an errno and not a signal. */
int segment_put(struct segment *s, size_t offset, const void *bytes, size_t count);
int segment_sync(struct segment *s, size_t offset, size_t count);

/* The first bytes of a file, and how long it is. ENODATA: it has fewer. */
int segment_read_first(int directory, uint64_t number, void *bytes, size_t count, uint64_t *size);

/* Read only; bytes beyond the file's end are not mapped. An empty file has no bytes. `whole` reads
 * all of it at once: EIO here is better than a signal later. */
struct segment_view {
	const uint8_t *bytes;
	size_t size;
	size_t read_to; /* what stands before it was read from the disk */
};
int segment_view_open(struct segment_view *v, int directory, uint64_t number, bool whole);
/* Before bytes of one that was not opened `whole` are looked at: reads them and some more, by offsets that only grow.
 * EIO: the disk does not give them. A system without MADV_POPULATE_READ (Linux before 5.14) reads at the first look. */
int segment_view_read(struct segment_view *v, size_t offset, size_t count);
void segment_view_close(struct segment_view *v);

/* The directory, made if need be and its name synced, and its lock file. EWOULDBLOCK: another process has it; text
 * says which. `is_reader` makes nothing and shares the lock with other readers. */
struct segment_lock {
	int directory, file;
};
int segment_lock_open(struct segment_lock *lock, const char *directory, bool is_reader, char *text, size_t capacity);
/* Whether a process has the lock for writing. Looked at for a moment, which a starting one waits for. */
bool segment_is_locked(int directory);
void segment_lock_close(struct segment_lock *lock);

#endif
