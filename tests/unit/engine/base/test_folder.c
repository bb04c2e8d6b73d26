/* Which folder is synced for a name, and what becomes of an error. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "engine/base/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

static struct stat synced; /* the last one */
static unsigned syncs;
static int sync_error;

/* Instead of the C library's. */
int fsync(int fd);
[[gnu::visibility("default")]] int fsync(int fd)
{
	syncs++;
	assert_int_equal(fstat(fd, &synced), 0);
	if (sync_error == 0)
		return (int)syscall(SYS_fsync, fd);
	errno = sync_error;
	return -1;
}

static int into_folder(void **state)
{
	static char top[256];
	const char *base = getenv("TMPDIR");
	snprintf(top, sizeof top, "%s/folder.XXXXXX", base != NULL ? base : "/tmp");
	*state = top;
	return mkdtemp(top) == NULL || chdir(top) != 0 || mkdir("a", 0700) != 0 || mkdir("a/b", 0700) != 0 ||
	       symlink("a/b", "link") != 0;
}

static int out_of_it(void **state)
{
	return unlink("link") != 0 || rmdir("a/b") != 0 || rmdir("a") != 0 || chdir("/") != 0 || rmdir(*state) != 0;
}

static void assert_syncs(int found, const char *folder)
{
	struct stat wanted;
	assert_int_equal(found, 0);
	assert_int_equal(syncs, 1);
	syncs = 0;
	assert_int_equal(stat(folder, &wanted), 0);
	assert_true(synced.st_ino == wanted.st_ino && synced.st_dev == wanted.st_dev);
}

static void a_folder_stands_in_the_one_above(void **state)
{
	char path[512];
	snprintf(path, sizeof path, "%s/a", (const char *)*state);
	assert_syncs(folder_sync_name(path), ".");
	assert_syncs(folder_sync_name("a"), ".");
	assert_syncs(folder_sync_name("a/b"), "a");
	assert_syncs(folder_sync_name("a/b//"), "a");
	assert_syncs(folder_sync_name("a/b/."), "a");
	assert_syncs(folder_sync_name("link"), "a");
	assert_syncs(folder_sync_name("."), "..");
	if (getenv("TEST_EMULATOR") == NULL) /* it shows another root by this name */
		assert_syncs(folder_sync_name("/"), "/");
}

static void a_file_stands_in_what_its_path_names(void **state)
{
	char path[512];
	snprintf(path, sizeof path, "%s/a/file", (const char *)*state);
	assert_syncs(folder_sync_file_name(path), "a");
	assert_syncs(folder_sync_file_name("a/b/file"), "a/b");
	assert_syncs(folder_sync_file_name("file"), ".");
	assert_syncs(folder_sync_file_name("/file"), "/");
}

static void only_the_device_s_errors_count(void **state)
{
	static const int of_device[] = {EIO, ENOSPC, EDQUOT}, not_offered[] = {EINVAL, EROFS, EACCES, EBADF};
	(void)state;
	for (unsigned i = 0; i < sizeof of_device / sizeof *of_device; i++) {
		sync_error = of_device[i];
		assert_int_equal(folder_sync_name("a"), sync_error);
		assert_int_equal(folder_sync_file_name("a/file"), sync_error);
	}
	for (unsigned i = 0; i < sizeof not_offered / sizeof *not_offered; i++) {
		sync_error = not_offered[i];
		assert_int_equal(folder_sync_name("a"), 0);
		assert_int_equal(folder_sync_file_name("a/file"), 0);
	}
	sync_error = 0;
	syncs = 0;
	/* Nothing is there: whoever opens it says so. */
	assert_int_equal(folder_sync_name("nothing"), 0);
	assert_int_equal(folder_sync_file_name("nothing/file"), 0);
	assert_int_equal(syncs, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_folder_stands_in_the_one_above),
		cmocka_unit_test(a_file_stands_in_what_its_path_names),
		cmocka_unit_test(only_the_device_s_errors_count),
	};
	return cmocka_run_group_tests(tests, into_folder, out_of_it);
}
