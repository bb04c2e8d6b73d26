/*
 * kept: files of the kernel that are read again and again. Each stays open after its first reading, so that it can still
 * be read when the process has no descriptor left.
 *
 * Any thread; a lock, and a little from the heap for each stream. A forked process opens its own.
 */
#ifndef ENGINE_BASE_KEPT_H
#define ENGINE_BASE_KEPT_H

#include <stdio.h>

/* A stream from the file's beginning, for fclose, which leaves the file open. Only paths in /proc/self and /sys are kept;
 * others, and what there is no room for, are opened as by fopen. NULL: it cannot be opened. */
FILE *kept_open(const char *path);
/* Its descriptor, not to be closed. Below 0: it cannot be opened. */
int kept_descriptor(const char *path);

#endif
