/* Snapshots as files: which there are, and what can happen to one. */
#include "tests/sim/disk.h"

#include "engine/base/check.h"
#include "engine/base/hash.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char suffix[] = ".snapshot";

static void snapshot_path(const char *folder, uint64_t sequence, char path[DISK_PATH_BYTES])
{
	CHECK(snprintf(path, DISK_PATH_BYTES, "%s/%016" PRIx64 "%s", folder, sequence, suffix) < DISK_PATH_BYTES, "%s", folder);
}

/* The newest below `below`, other than `but`. */
static uint64_t newest_below(const char *folder, uint64_t below, uint64_t but)
{
	uint64_t newest = 0;
	DIR *stream = opendir(folder);
	CHECK(stream != NULL, "no folder %s", folder);
	for (const struct dirent *entry = readdir(stream); entry != NULL; entry = readdir(stream)) {
		char *end;
		uint64_t sequence = strtoull(entry->d_name, &end, 16);
		if (strcmp(end, suffix) == 0 && sequence < below && sequence != but && sequence > newest)
			newest = sequence;
	}
	closedir(stream);
	return newest;
}

uint64_t disk_newest_snapshot(const char *folder) { return newest_below(folder, UINT64_MAX, 0); }

bool disk_has_older_snapshot(const char *folder, uint64_t sequence, uint64_t but)
{
	return newest_below(folder, sequence, but) != 0;
}

uint64_t disk_snapshot_hash(const char *folder, uint64_t sequence)
{
	char path[DISK_PATH_BYTES];
	struct stat about;
	size_t size;
	snapshot_path(folder, sequence, path);
	if (stat(path, &about) != 0)
		return 0;
	uint8_t *bytes = load_file(path, &size);
	uint64_t hash = hash_bytes(bytes, size, 1);
	free(bytes);
	return hash;
}

const char *disk_damage_snapshot(const char *folder, uint64_t sequence, struct random *random)
{
	static const char *const ways[] = {"a bit is flipped", "a bit is flipped", "it is cut", "a part is zeros", "it is empty"};
	char path[DISK_PATH_BYTES];
	size_t size;
	snapshot_path(folder, sequence, path);
	uint8_t *bytes = load_file(path, &size);
	uint64_t before = hash_bytes(bytes, size, 1), how = random_below(random, 5);
	size_t at = (size_t)random_below(random, size), kept = how == 2 ? at : how == 4 ? 0 : size;
	if (how < 2)
		bytes[at] ^= (uint8_t)(1 << random_below(random, 8));
	if (how == 3)
		memset(bytes + at, 0, size - at < 512 ? size - at : 512);
	if (kept == size && hash_bytes(bytes, size, 1) == before)
		bytes[at] ^= 1; /* it was zeros already */
	store_file(path, bytes, kept);
	free(bytes);
	return ways[how];
}
