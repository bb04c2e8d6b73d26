#include "cmd/trovebench/disk_peers.h"

#include "engine/base/check.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BARE_BYTES = 64 << 20, WRITE_BYTES = 4 << 20 };

void remove_folder(const char *folder)
{
	char path[1024];
	DIR *stream = opendir(folder);
	if (stream == NULL)
		return;
	for (const struct dirent *entry = readdir(stream); entry != NULL; entry = readdir(stream)) {
		snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
		if (entry->d_name[0] != '.' && unlink(path) != 0)
			remove_folder(path);
	}
	closedir(stream);
	rmdir(folder);
}

static bool open_bare(struct disk_peers *p)
{
	char path[512];
	snprintf(path, sizeof path, "%s/bare", p->folder);
	p->bare = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	p->bytes = calloc(1, WRITE_BYTES);
	for (size_t at = 0; p->bare >= 0 && p->bytes != NULL && at < BARE_BYTES; at += WRITE_BYTES)
		if (pwrite(p->bare, p->bytes, WRITE_BYTES, (off_t)at) != WRITE_BYTES)
			return false;
	return p->bare >= 0 && p->bytes != NULL && fsync(p->bare) == 0;
}

static bool open_sqlite(struct disk_peers *p)
{
	static const char set_up[] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
	                             "CREATE TABLE effects (sequence INTEGER PRIMARY KEY, time INTEGER, type INTEGER, body BLOB);";
	char path[512];
	snprintf(path, sizeof path, "%s/peer.sqlite", p->folder);
	return sqlite3_open(path, &p->sqlite) == SQLITE_OK && sqlite3_exec(p->sqlite, set_up, NULL, NULL, NULL) == SQLITE_OK &&
	       sqlite3_prepare_v2(p->sqlite, "INSERT INTO effects (time, type, body) VALUES (?1, ?2, ?3)", -1, &p->insert,
	                          NULL) == SQLITE_OK;
}

bool disk_peers_open(struct disk_peers *p)
{
	*p = (struct disk_peers){.folder = "trovebench-disk.XXXXXX", .bare = -1};
	return mkdtemp(p->folder) != NULL && open_bare(p) && open_sqlite(p);
}

void disk_peers_close(struct disk_peers *p)
{
	sqlite3_finalize(p->insert);
	sqlite3_close(p->sqlite);
	if (p->bare >= 0)
		close(p->bare);
	free(p->bytes);
	remove_folder(p->folder);
}

void bare_commit(struct disk_peers *p, size_t bytes)
{
	CHECK(bytes <= WRITE_BYTES, "a commit of %zu bytes", bytes);
	if (p->bare_offset + bytes > BARE_BYTES)
		p->bare_offset = 0;
	p->bytes[0]++;
	CHECK(pwrite(p->bare, p->bytes, bytes, (off_t)p->bare_offset) == (ssize_t)bytes && fdatasync(p->bare) == 0,
	      "cannot write the bare file");
	p->bare_offset += bytes;
}

void sqlite_commit(struct disk_peers *p, unsigned rows, size_t row_bytes)
{
	bool is_done = sqlite3_exec(p->sqlite, "BEGIN", NULL, NULL, NULL) == SQLITE_OK;
	for (unsigned i = 0; i < rows && is_done; i++) {
		sqlite3_bind_int64(p->insert, 1, 1);
		sqlite3_bind_int(p->insert, 2, 1);
		sqlite3_bind_blob(p->insert, 3, p->bytes, (int)row_bytes, SQLITE_STATIC);
		is_done = sqlite3_step(p->insert) == SQLITE_DONE;
		sqlite3_reset(p->insert);
	}
	CHECK(is_done && sqlite3_exec(p->sqlite, "COMMIT", NULL, NULL, NULL) == SQLITE_OK, "SQLite: %s",
	      sqlite3_errmsg(p->sqlite));
}
