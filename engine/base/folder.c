#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "engine/base/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int of_device(int error) { return error == EIO || error == ENOSPC || error == EDQUOT ? error : 0; }

static int sync_folder(int at, const char *path)
{
	int folder = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0)
		return of_device(errno);
	int error = fsync(folder) == 0 ? 0 : of_device(errno);
	close(folder);
	return error;
}

/* Not by its path: that may end in "/", be "." or lead through a link. */
int folder_sync_name(const char *path)
{
	int folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0)
		return of_device(errno);
	int error = sync_folder(folder, "..");
	close(folder);
	return error;
}

int folder_sync_file_name(const char *file)
{
	char folder[PATH_MAX];
	const char *slash = strrchr(file, '/');
	int bytes = slash == NULL ? 0 : (int)(slash - file);
	int n = snprintf(folder, sizeof folder, "%.*s/", slash == NULL ? 1 : bytes, slash == NULL ? "." : file);
	return n < 0 || (size_t)n >= sizeof folder ? ENAMETOOLONG : sync_folder(AT_FDCWD, folder);
}
