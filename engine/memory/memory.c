#include "engine/memory/memory.h"

#include "engine/base/check.h"
#include "engine/memory/group.h"
#include "engine/memory/pool.h"

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

[[gnu::format(printf, 3, 4)]] static void consider(struct memory_limit *limit, uint64_t bytes, const char *format, ...)
{
	if (bytes >= limit->bytes)
		return;
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(limit->source, sizeof limit->source, format, arguments);
	va_end(arguments);
	limit->bytes = bytes;
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
	struct memory_group group;
	if (memory_group_read(root, &group))
		consider(out, group.limit, "cgroup %s of %s", group.limit_file, group.path);
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
