#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "engine/journal/segment.h"

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libpmem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const char suffix[] = ".journal";
static const char making_suffix[] = ".making";
static const char lock_name[] = "journal.lock";
enum { DIGITS = 16, STEP_BYTES = 64 << 10, PAGE_BYTES = 4096, READ_AHEAD_BYTES = 256 << 10 };

static void name_with(uint64_t number, const char *end, char name[SEGMENT_NAME_BYTES])
{
	snprintf(name, SEGMENT_NAME_BYTES, "%016" PRIx64 "%s", number, end);
}

void segment_name(uint64_t number, char name[SEGMENT_NAME_BYTES]) { name_with(number, suffix, name); }

bool segment_path(const char *directory, uint64_t number, char path[SEGMENT_PATH_BYTES])
{
	int count = snprintf(path, SEGMENT_PATH_BYTES, "%s/%016" PRIx64 "%s", directory, number, suffix);
	return count > 0 && count < SEGMENT_PATH_BYTES;
}

/* ---- the directory ---------------------------------------------------------------- */

static bool parse_name(const char *name, const char *end, uint64_t *number)
{
	if (strlen(name) != DIGITS + strlen(end) || strcmp(name + DIGITS, end) != 0 ||
	    strspn(name, "0123456789abcdef") < DIGITS)
		return false;
	*number = strtoull(name, NULL, 16);
	return true;
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a;
	uint64_t y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

/* `unfinished`: what is removed; NULL: nothing is. */
static int list_entries(DIR *stream, int directory, const char *end, const char *unfinished, uint64_t *numbers, size_t max,
                        size_t *count)
{
	for (;;) {
		uint64_t number;
		errno = 0;
		const struct dirent *entry = readdir(stream);
		if (entry == NULL)
			return errno;
		if (parse_name(entry->d_name, end, &number)) {
			if (*count == max)
				return E2BIG;
			numbers[(*count)++] = number;
		} else if (unfinished != NULL && parse_name(entry->d_name, unfinished, &number)) {
			if (unlinkat(directory, entry->d_name, 0) != 0)
				return errno;
		}
	}
}

int segment_list_named(int directory, const char *end, const char *unfinished, uint64_t *numbers, size_t max, size_t *count)
{
	*count = 0;
	int again = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (again < 0)
		return errno;
	DIR *stream = fdopendir(again);
	if (stream == NULL) {
		int error = errno;
		close(again);
		return error;
	}
	int error = list_entries(stream, directory, end, unfinished, numbers, max, count);
	closedir(stream);
	qsort(numbers, *count, sizeof *numbers, by_number);
	return error;
}

int segment_list(int directory, uint64_t *numbers, size_t max, size_t *count, bool clean)
{
	return segment_list_named(directory, suffix, clean ? making_suffix : NULL, numbers, max, count);
}

static int sync_directory(int directory) { return fsync(directory) == 0 ? 0 : errno; }

int segment_rename(int directory, uint64_t from, uint64_t to)
{
	char old[SEGMENT_NAME_BYTES], new[SEGMENT_NAME_BYTES];
	segment_name(from, old);
	segment_name(to, new);
	if (renameat(directory, old, directory, new) != 0)
		return errno;
	int error = sync_directory(directory);
	if (error != 0)
		(void)renameat(directory, new, directory, old);
	return error;
}

int segment_remove(int directory, uint64_t number)
{
	char name[SEGMENT_NAME_BYTES];
	segment_name(number, name);
	return unlinkat(directory, name, 0) == 0 ? sync_directory(directory) : errno;
}

bool segment_is_there(int directory, uint64_t number)
{
	char name[SEGMENT_NAME_BYTES];
	segment_name(number, name);
	return faccessat(directory, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

/* ---- making files ----------------------------------------------------------------- */

int segment_write_all(int file, size_t offset, const uint8_t *bytes, size_t count)
{
	while (count != 0) {
		ssize_t n = pwrite(file, bytes, count, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? errno : ENOSPC;
		offset += (size_t)n;
		bytes += n;
		count -= (size_t)n;
	}
	return 0;
}

static int write_zeros(int file, size_t offset, size_t count)
{
	static const uint8_t zeros[STEP_BYTES];
	int error = 0;
	while (count != 0 && error == 0) {
		size_t n = count < STEP_BYTES ? count : STEP_BYTES;
		error = segment_write_all(file, offset, zeros, n);
		offset += n;
		count -= n;
	}
	return error;
}

int segment_make_start(struct segment_making *m, int directory, uint64_t number, size_t size)
{
	char name[SEGMENT_NAME_BYTES];
	name_with(number, making_suffix, name);
	*m = (struct segment_making){.number = number, .size = size};
	m->file = openat(directory, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (m->file < 0)
		return errno;
	/* One piece of the disk where it can be had; only a wish. */
	if (fallocate(m->file, 0, 0, (off_t)size) != 0 && errno == ENOSPC)
		return ENOSPC;
	return 0;
}

int segment_make_step(struct segment_making *m, size_t bytes)
{
	size_t count = m->size - m->done < bytes ? m->size - m->done : bytes;
	int error = write_zeros(m->file, m->done, count);
	if (error == 0)
		m->done += count;
	/* Begin to write now, without waiting: one sync of it all at the end would hold up commits. */
	if (error == 0)
		sync_file_range(m->file, (off_t)(m->done - count), (off_t)count, SYNC_FILE_RANGE_WRITE);
	return error;
}

int segment_make_head(struct segment_making *m, const void *head, size_t bytes)
{
	ssize_t n = pwrite(m->file, head, bytes, 0);
	return n == (ssize_t)bytes ? 0 : n < 0 ? errno : ENOSPC;
}

int segment_make_finish(struct segment_making *m, int directory)
{
	char old[SEGMENT_NAME_BYTES], new[SEGMENT_NAME_BYTES];
	name_with(m->number, making_suffix, old);
	segment_name(m->number, new);
	if (fsync(m->file) != 0 || renameat(directory, old, directory, new) != 0)
		return errno;
	close(m->file);
	m->file = -1;
	return sync_directory(directory);
}

void segment_make_abort(struct segment_making *m, int directory)
{
	char name[SEGMENT_NAME_BYTES];
	if (m->file < 0)
		return;
	close(m->file);
	m->file = -1;
	name_with(m->number, making_suffix, name);
	unlinkat(directory, name, 0);
}

int segment_extend(int directory, uint64_t number, size_t size)
{
	char name[SEGMENT_NAME_BYTES];
	struct stat stat;
	int error = 0;
	segment_name(number, name);
	int file = openat(directory, name, O_RDWR | O_CLOEXEC);
	if (file < 0)
		return errno;
	if (fstat(file, &stat) != 0)
		error = errno;
	else if ((size_t)stat.st_size < size)
		error = write_zeros(file, (size_t)stat.st_size, size - (size_t)stat.st_size);
	if (error == 0 && fsync(file) != 0)
		error = errno;
	close(file);
	return error;
}

/* ---- mapped files ----------------------------------------------------------------- */

int segment_open(struct segment *s, const char *directory, uint64_t number)
{
	char path[SEGMENT_PATH_BYTES];
	int is_pmem = 0;
	*s = (struct segment){.number = number, .file = -1};
	if (!segment_path(directory, number, path))
		return ENAMETOOLONG;
	s->bytes = pmem_map_file(path, 0, 0, 0, &s->size, &is_pmem);
	s->is_persistent_memory = is_pmem != 0;
	if (s->bytes == NULL)
		return errno;
	s->file = open(path, O_RDWR | O_CLOEXEC);
	if (s->file >= 0)
		return 0;
	int error = errno;
	segment_close(s);
	return error;
}

void segment_close(struct segment *s)
{
	if (s->bytes == NULL)
		return;
	pmem_unmap(s->bytes, s->size);
	if (s->file >= 0)
		close(s->file);
	s->bytes = NULL;
	s->file = -1;
}

int segment_put(struct segment *s, size_t offset, const void *bytes, size_t count)
{
	if (!s->is_persistent_memory)
		return bytes == NULL ? write_zeros(s->file, offset, count) : segment_write_all(s->file, offset, bytes, count);
	if (bytes == NULL)
		memset(s->bytes + offset, 0, count);
	else
		memcpy(s->bytes + offset, bytes, count);
	return 0;
}

int segment_sync(struct segment *s, size_t offset, size_t count)
{
	if (s->is_persistent_memory) {
		pmem_persist(s->bytes + offset, count);
		return 0;
	}
	return pmem_msync(s->bytes + offset, count) == 0 ? 0 : errno;
}

int segment_read_first(int directory, uint64_t number, void *bytes, size_t count, uint64_t *size)
{
	char name[SEGMENT_NAME_BYTES];
	struct stat stat;
	segment_name(number, name);
	int file = openat(directory, name, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return errno;
	int error = fstat(file, &stat) == 0 ? 0 : errno;
	ssize_t n = error == 0 ? pread(file, bytes, count, 0) : 0;
	if (n < 0)
		error = errno;
	else if (error == 0 && (size_t)n != count)
		error = ENODATA;
	*size = error == 0 ? (uint64_t)stat.st_size : 0;
	close(file);
	return error;
}

/* EFAULT is what a bad sector, or a file that was cut, gives instead of SIGBUS. */
static int populate(struct segment_view *v, size_t from, size_t end)
{
	bool is_read = from >= end || madvise((void *)(uintptr_t)(v->bytes + from), end - from, MADV_POPULATE_READ) == 0;
	if (!is_read && errno != EINVAL)
		return EIO;
	v->read_to = is_read ? end : v->size;
	return 0;
}

int segment_view_open(struct segment_view *v, int directory, uint64_t number, bool whole)
{
	char name[SEGMENT_NAME_BYTES];
	struct stat stat;
	*v = (struct segment_view){0};
	segment_name(number, name);
	int file = openat(directory, name, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return errno;
	int error = fstat(file, &stat) == 0 ? 0 : errno;
	if (error == 0 && stat.st_size > 0) {
		void *bytes = mmap(NULL, (size_t)stat.st_size, PROT_READ, MAP_SHARED, file, 0);
		if (bytes == MAP_FAILED)
			error = errno;
		else
			*v = (struct segment_view){.bytes = bytes, .size = (size_t)stat.st_size};
	}
	close(file);
	if (error == 0 && whole)
		error = populate(v, 0, v->size);
	if (error != 0)
		segment_view_close(v);
	return error;
}

int segment_view_read(struct segment_view *v, size_t offset, size_t count)
{
	if (offset + count <= v->read_to)
		return 0;
	size_t from = offset > v->read_to ? offset / PAGE_BYTES * PAGE_BYTES : v->read_to;
	size_t end = offset + (count > READ_AHEAD_BYTES ? count : READ_AHEAD_BYTES);
	end = (end + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
	return populate(v, from, end < v->size ? end : v->size);
}

void segment_view_close(struct segment_view *v)
{
	if (v->bytes != NULL)
		munmap((void *)(uintptr_t)v->bytes, v->size);
	*v = (struct segment_view){0};
}

/* ---- the lock --------------------------------------------------------------------- */

static void say_owner(int file, const char *directory, char *text, size_t capacity)
{
	char pid[32] = "";
	ssize_t n = pread(file, pid, sizeof pid - 1, 0);
	pid[n < 0 ? 0 : strcspn(pid, "\n")] = '\0';
	snprintf(text, capacity,
	         "%s is in use by process %s; a journal belongs to one process: stop that one, or choose another data.directory",
	         directory, pid[0] == '\0' ? "unknown" : pid);
}

bool segment_is_locked(int directory)
{
	int file = openat(directory, lock_name, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return errno != ENOENT; /* not ours to see: it may be */
	bool is_locked = flock(file, LOCK_SH | LOCK_NB) != 0;
	close(file);
	return is_locked;
}

/* Some of the tries: who only looks whether it is locked has it for a moment. */
static int lock_file(int file, bool is_reader)
{
	enum { TRIES = 5, PAUSE_MS = 10 };
	for (unsigned tries = 1; flock(file, (is_reader ? LOCK_SH : LOCK_EX) | LOCK_NB) != 0; tries++) {
		if (is_reader || tries == TRIES)
			return errno;
		clock_sleep_ms(PAUSE_MS);
	}
	return 0;
}

static int take_lock(struct segment_lock *lock, const char *directory, bool is_reader, char *text, size_t capacity)
{
	lock->file = openat(lock->directory, lock_name, (is_reader ? O_RDONLY : O_RDWR | O_CREAT) | O_CLOEXEC, 0600);
	/* Files that were copied without it may be read all the same. */
	if (lock->file < 0 && is_reader && errno == ENOENT)
		return 0;
	if (lock->file < 0) {
		int error = errno;
		snprintf(text, capacity, "cannot make %s/%s: %s; the service must be able to write there", directory, lock_name,
		         strerrordesc_np(error));
		return error;
	}
	if (lock_file(lock->file, is_reader) != 0) {
		say_owner(lock->file, directory, text, capacity);
		return EWOULDBLOCK;
	}
	/* Who owns it is only for the message: a full disk must not stop us here. */
	if (!is_reader && ftruncate(lock->file, 0) == 0)
		dprintf(lock->file, "%ld\n", (long)getpid());
	return 0;
}

int segment_lock_open(struct segment_lock *lock, const char *directory, bool is_reader, char *text, size_t capacity)
{
	*lock = (struct segment_lock){.directory = -1, .file = -1};
	if (!is_reader && mkdir(directory, 0700) != 0 && errno != EEXIST) {
		int error = errno;
		snprintf(text, capacity, "cannot make %s: %s", directory, strerrordesc_np(error));
		return error;
	}
	int unsynced = is_reader ? 0 : folder_sync_name(directory);
	if (unsynced != 0) {
		snprintf(text, capacity, "the name of %s cannot be synced: %s; after a power loss it might not be there", directory,
		         strerrordesc_np(unsynced));
		return unsynced;
	}
	lock->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (lock->directory < 0) {
		int error = errno;
		snprintf(text, capacity, "cannot open %s: %s", directory, strerrordesc_np(error));
		return error;
	}
	int error = take_lock(lock, directory, is_reader, text, capacity);
	if (error != 0)
		segment_lock_close(lock);
	return error;
}

void segment_lock_close(struct segment_lock *lock)
{
	if (lock->file >= 0)
		close(lock->file);
	if (lock->directory >= 0)
		close(lock->directory);
	*lock = (struct segment_lock){.directory = -1, .file = -1};
}
