#include "engine/base/cgroup.h"

#include "engine/base/kept.h"

#include <stdio.h>
#include <string.h>

/* Whether a list like "cpu,cpuacct" holds the controller; "" is the one list of cgroup v2. */
static bool holds_controller(const char *list, const char *controller)
{
	size_t bytes = strlen(controller);
	if (bytes == 0)
		return list[0] == '\0';
	for (;; list++) {
		if (strncmp(list, controller, bytes) == 0 && (list[bytes] == ',' || list[bytes] == '\0'))
			return true;
		list = strchr(list, ',');
		if (list == NULL)
			return false;
	}
}

/* From lines like "4:cpu,cpuacct:/system.slice/x". */
void cgroup_path(const char *root, const char *controller, char *path, size_t capacity)
{
	char line[512];
	path[0] = '\0';
	snprintf(line, sizeof line, "%s/proc/self/cgroup", root);
	FILE *f = kept_open(line);
	if (f == NULL)
		return;
	while (fgets(line, sizeof line, f) != NULL) {
		char *first = strchr(line, ':');
		char *second = first == NULL ? NULL : strchr(first + 1, ':');
		if (second == NULL)
			continue;
		*second = '\0';
		if (!holds_controller(first + 1, controller))
			continue;
		second[1 + strcspn(second + 1, "\n")] = '\0';
		snprintf(path, capacity, "%s", second + 1);
		break;
	}
	fclose(f);
}

bool cgroup_up(char *path)
{
	char *slash = strrchr(path, '/');
	if (slash == NULL)
		return false;
	*slash = '\0';
	return true;
}
