/*
 * cgroup: where this process stands in the kernel's control groups, v1 and v2.
 * Any thread; keeps nothing but /proc/self/cgroup open (kept.h).
 */
#ifndef ENGINE_BASE_CGROUP_H
#define ENGINE_BASE_CGROUP_H

#include <stddef.h>

enum { CGROUP_PATH_BYTES = 256 };

/*
 * This process's group of a v1 controller ("cpu", "memory"), or of v2 for "": "/docker/0123",
 * "/" at the top, "" where there is none. Inside a container the path may be that of the
 * host while the group itself is mounted as the root: who reads a limit looks at both.
 * root is put before /proc: "" but in tests.
 */
void cgroup_path(const char *root, const char *controller, char *path, size_t capacity);

/* From a group to the one above: "/a/b" to "/a" to "" (the top). false: it was the top. */
bool cgroup_up(char *path);

#endif
