#include "engine/memory/memory.h"

#include "engine/base/cgroup.h"
#include "engine/base/check.h"
#include "engine/memory/pool.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

const struct option memory_option_rows[] = {MEMORY_OPTIONS(OPTION_ROW)};
const size_t memory_option_count = COUNT_OF(memory_option_rows);

bool memory_pool_debug(const struct memory_options *options, unsigned *debug, struct option_problem *problem)
{
	static const struct {
		const char *word;
		unsigned bit;
	} checks[] = {
		{"poison", POOL_DEBUG_poison},
		{"canary", POOL_DEBUG_canary},
		{"trap", POOL_DEBUG_trap},
		{"last_caller", POOL_DEBUG_last_caller},
	};
	*debug = 0;
	for (const char *at = options->pool_debug; *at != '\0'; at += *at == ',') {
		size_t bytes = strcspn(at, ","), i = 0;
		while (i < COUNT_OF(checks) && (strlen(checks[i].word) != bytes || memcmp(checks[i].word, at, bytes) != 0))
			i++;
		if (i == COUNT_OF(checks)) {
			snprintf(problem->text, sizeof problem->text,
			         "memory.pool_debug: '%.*s' is no check; expected some of poison,canary,trap,last_caller", (int)bytes, at);
			return false;
		}
		*debug |= checks[i].bit;
		at += bytes;
	}
	return true;
}

/* cgroup v1 says "no limit" by the largest multiple of a page: whatever nobody can have is none. */
static const uint64_t absurd_bytes = UINT64_C(1) << 62;

[[gnu::format(printf, 3, 4)]] static void consider(struct memory_limit *limit, uint64_t bytes, const char *format, ...)
{
	if (bytes >= limit->bytes || bytes >= absurd_bytes)
		return;
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(limit->source, sizeof limit->source, format, arguments);
	va_end(arguments);
	limit->bytes = bytes;
}

/* One number and nothing else; false for "max" and for what is no number. */
static bool read_bytes(const char *path, uint64_t *bytes)
{
	char line[64];
	FILE *f = fopen(path, "re");
	if (f == NULL)
		return false;
	bool found = fgets(line, sizeof line, f) != NULL;
	fclose(f);
	if (!found || !isdigit((unsigned char)line[0]))
		return false;
	char *end;
	*bytes = strtoull(line, &end, 10);
	return *end == '\n' || *end == '\0';
}

/* The group's limit and those of all groups above it, which hold for it, too. The last one
 * looked at is the root of the mount: inside a container that is the own group. */
static void consider_groups(struct memory_limit *limit, const char *root, const char *controller, const char *folder,
                            const char *file)
{
	char group[CGROUP_PATH_BYTES];
	char path[2 * CGROUP_PATH_BYTES + 128];
	uint64_t bytes;
	cgroup_path(root, controller, group, sizeof group);
	size_t length = strlen(group);
	if (length != 0 && group[length - 1] == '/')
		group[length - 1] = '\0';
	do {
		snprintf(path, sizeof path, "%s/sys/fs/cgroup%s%s/%s", root, folder, group, file);
		if (read_bytes(path, &bytes))
			consider(limit, bytes, "cgroup %s of %s", file, group[0] == '\0' ? "/" : group);
	} while (cgroup_up(group));
}

static void consider_machine(struct memory_limit *limit, const char *root)
{
	char line[256];
	snprintf(line, sizeof line, "%s/proc/meminfo", root);
	FILE *f = fopen(line, "re");
	if (f == NULL)
		return;
	unsigned long long kib;
	while (fgets(line, sizeof line, f) != NULL)
		if (sscanf(line, "MemTotal: %llu kB", &kib) == 1)
			consider(limit, kib * 1024, "MemTotal");
	fclose(f);
}

void memory_limit(const char *root, struct memory_limit *out)
{
	*out = (struct memory_limit){.bytes = UINT64_MAX, .source = "none is known"};
	consider_groups(out, root, "", "", "memory.max");
	consider_groups(out, root, "memory", "/memory", "memory.limit_in_bytes");
	struct rlimit address_space;
	if (getrlimit(RLIMIT_AS, &address_space) == 0 && address_space.rlim_cur != RLIM_INFINITY)
		consider(out, address_space.rlim_cur, "ulimit -v");
	consider_machine(out, root);
}

void memory_limit_lower(struct memory_limit *limit, int64_t limit_bytes)
{
	if (limit_bytes != 0)
		consider(limit, (uint64_t)limit_bytes, "memory.limit_bytes");
}
