#include "engine/memory/group.h"

#include "engine/base/check.h"
#include "engine/base/kept.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_PATH_BYTES = 2 * CGROUP_PATH_BYTES + 128 };

/* cgroup v1 says "no limit" by the largest multiple of a page: whatever nobody can have is none. */
static const uint64_t absurd_bytes = UINT64_C(1) << 62;

/* A file, and the word before the number; NULL: the number stands alone. */
struct place {
	const char *file, *word;
};

static const struct version {
	const char *controller, *folder;
	struct place limit, current, anonymous, failures, kills;
} versions[] = {
	{"", "", {"memory.max", NULL}, {"memory.current", NULL}, {"memory.stat", "anon"}, {"memory.events", "max"},
	 {"memory.events", "oom_kill"}},
	{"memory", "/memory", {"memory.limit_in_bytes", NULL}, {"memory.usage_in_bytes", NULL}, {"memory.stat", "total_rss"},
	 {"memory.failcnt", NULL}, {"memory.oom_control", "oom_kill"}},
};

static bool parse(const char *line, const char *word, uint64_t *number)
{
	if (word != NULL) {
		size_t bytes = strlen(word);
		if (strncmp(line, word, bytes) != 0 || line[bytes] != ' ')
			return false;
		line += bytes + 1;
	}
	if (!isdigit((unsigned char)*line)) /* "max" */
		return false;
	char *end;
	*number = strtoull(line, &end, 10);
	return *end == '\n' || *end == '\0';
}

/* 0 and false where there is no such number. */
static bool read_number(const char *folder, struct place place, uint64_t *number)
{
	char path[FILE_PATH_BYTES + 32], line[128];
	bool found = false;
	*number = 0;
	snprintf(path, sizeof path, "%s/%s", folder, place.file);
	FILE *f = kept_open(path);
	if (f == NULL)
		return false;
	while (fgets(line, sizeof line, f) != NULL && !(found = parse(line, place.word, number)) && place.word != NULL)
		continue;
	fclose(f);
	return found;
}

/* The own group, then those above it, whose limits hold for it, too. The last one looked at is the
 * root of the mount: inside a container that is the own group. */
static const struct version *find_smallest(const char *root, const struct version *v, const struct version *best,
                                           char *best_folder, struct memory_group *out)
{
	char group[CGROUP_PATH_BYTES], folder[FILE_PATH_BYTES];
	uint64_t bytes;
	cgroup_path(root, v->controller, group, sizeof group);
	size_t length = strlen(group);
	if (length != 0 && group[length - 1] == '/')
		group[length - 1] = '\0';
	do {
		snprintf(folder, sizeof folder, "%s/sys/fs/cgroup%s%s", root, v->folder, group);
		if (!read_number(folder, v->limit, &bytes) || bytes >= absurd_bytes || (best != NULL && bytes >= out->limit))
			continue;
		best = v;
		out->limit = bytes;
		snprintf(out->path, sizeof out->path, "%s", group[0] == '\0' ? "/" : group);
		memcpy(best_folder, folder, sizeof folder);
	} while (cgroup_up(group));
	return best;
}

bool memory_group_read(const char *root, struct memory_group *out)
{
	const struct version *best = NULL;
	char folder[FILE_PATH_BYTES];
	*out = (struct memory_group){};
	for (size_t i = 0; i < COUNT_OF(versions); i++)
		best = find_smallest(root, &versions[i], best, folder, out);
	if (best == NULL)
		return false;
	out->limit_file = best->limit.file;
	read_number(folder, best->current, &out->current);
	read_number(folder, best->anonymous, &out->anonymous);
	read_number(folder, best->failures, &out->failures);
	read_number(folder, best->kills, &out->kills);
	return true;
}

/* A group that reads files reaches its limit all the time and is none the worse for it. */
bool memory_group_was_short(const struct memory_group *before, const struct memory_group *after)
{
	if (after->failures <= before->failures)
		return false;
	return after->kills > before->kills || after->anonymous >= after->limit / 4 * 3;
}
