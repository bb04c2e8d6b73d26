#include "tests/sim/disk.h"

#include "engine/base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void disk_make(char path[DISK_PATH_BYTES])
{
	const char *top = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : getenv("TMPDIR");
	snprintf(path, DISK_PATH_BYTES, "%s/trove-sim.XXXXXX", top == NULL ? "/tmp" : top);
	CHECK(mkdtemp(path) != NULL, "no folder %s", path);
}

void disk_remove(const char *path) { remove_folder(path); }

/* Where records that were never durable stand, in the file of the first of them. */
struct unsure {
	uint64_t durable, file, start, end;
};

static void see(void *context, const struct journal_record *r)
{
	struct unsure *u = context;
	if (r->sequence <= u->durable)
		return;
	if (u->file == 0) {
		u->file = r->file_number;
		u->start = r->offset;
	}
	if (r->file_number == u->file)
		u->end = r->offset + 64 + r->body_bytes;
}

enum { SECTOR = 512 };

static void lose_sectors(uint8_t *bytes, uint64_t from, uint64_t end, struct random *random)
{
	for (uint64_t sector = from / SECTOR * SECTOR; sector < end; sector += SECTOR) {
		uint64_t first = sector < from ? from : sector, last = sector + SECTOR < end ? sector + SECTOR : end;
		if (random_below(random, 2) == 0)
			memset(bytes + first, 0, last - first);
	}
}

void disk_tear(const char *folder, uint64_t first, uint64_t durable, struct random *random)
{
	struct unsure u = {.durable = durable};
	struct journal_report report;
	char path[FILES_PATH_BYTES];
	size_t size;
	status s = journal_verify(folder, first - 1, see, &u, &report);
	CHECK(s == STATUS_ok, "the journal of a killed process: %s: %s", status_code(s), report.text);
	uint64_t how = random_below(random, 4), draw = random_next(random);
	if (u.file == 0 || how == 3)
		return;
	file_path(folder, u.file, path);
	uint8_t *bytes = load_file(path, &size);
	uint64_t at = u.start + draw % (u.end - u.start);
	if (how == 0)
		memset(bytes + at, 0, u.end - at);
	else if (how == 1)
		lose_sectors(bytes, u.start, u.end, random);
	else
		bytes[at] ^= (uint8_t)(1 + draw % 255);
	store_file(path, bytes, size);
	free(bytes);
}
