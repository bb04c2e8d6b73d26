/*
 * disk_peers: what durable changes are measured against: the bare device (pwrite and fdatasync into
 * blocks that were written before), and SQLite (WAL, synchronous=FULL). Both in a folder below the
 * working directory, which must be on the device that is to be measured. Owned by the caller, one thread.
 */
#ifndef CMD_TROVEBENCH_DISK_PEERS_H
#define CMD_TROVEBENCH_DISK_PEERS_H

#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

struct disk_peers {
	char folder[256];
	int bare;
	size_t bare_offset;
	uint8_t *bytes; /* 4 MiB, written by bare_commit */
	sqlite3 *sqlite;
	sqlite3_stmt *insert;
};

/* false: nothing can be written there; errno says why. */
bool disk_peers_open(struct disk_peers *peers);
/* Removes the folder with all that is in it. */
void disk_peers_close(struct disk_peers *peers);

void bare_commit(struct disk_peers *peers, size_t bytes);
/* So many rows of so many bytes in one transaction. */
void sqlite_commit(struct disk_peers *peers, unsigned rows, size_t row_bytes);

/* A folder of plain files and of folders of plain files. */
void remove_folder(const char *folder);

#endif
