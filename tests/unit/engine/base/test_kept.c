/* Files that are kept are read without a descriptor; a child reads its own; others are opened as ever. */
#include "engine/base/kept.h"
#include "engine/base/process.h"
#include "tests/support/emulated.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const char status_file[] = "/proc/self/status";

static long pid_in_status(void)
{
	FILE *f = kept_open(status_file);
	char line[256];
	long pid = -1;
	if (f == NULL)
		return -2;
	while (fgets(line, sizeof line, f) != NULL)
		(void)sscanf(line, "Pid: %ld", &pid);
	fclose(f);
	return pid;
}

static void without_descriptors(void **state)
{
	(void)state;
	struct rlimit usual;
	struct process_facts before, facts;
	if (is_emulated())
		skip();
	assert_int_equal(pid_in_status(), getpid());
	int fd = kept_descriptor(status_file);
	assert_true(fd >= 0);
	process_read(&before);
	assert_true(before.open_files >= 4);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &usual), 0);
	/* From here on none is to be had, whichever are open. */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &(struct rlimit){.rlim_cur = 1, .rlim_max = usual.rlim_max}), 0);
	FILE *plain = fopen(status_file, "re");
	long pid = pid_in_status();
	int fd_then = kept_descriptor(status_file);
	process_read(&facts);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);
	assert_null(plain);
	assert_int_equal(pid, getpid());
	assert_int_equal(fd_then, fd);
	assert_true(facts.open_files == before.open_files || facts.open_files == facts.open_files_max);
	assert_int_equal(facts.open_files_max, 1);
}

static void the_same_descriptor_serves(void **state)
{
	(void)state;
	struct process_facts before, after;
	assert_int_equal(pid_in_status(), getpid());
	process_read(&before);
	FILE *one = kept_open(status_file), *other = kept_open(status_file);
	char a[64], b[64];
	assert_non_null(one);
	assert_non_null(other);
	assert_non_null(fgets(a, sizeof a, one));
	assert_non_null(fgets(b, sizeof b, other)); /* each from the beginning */
	assert_string_equal(a, b);
	fclose(one);
	fclose(other);
	process_read(&after);
	assert_int_equal(after.open_files, before.open_files);
}

static void a_child_reads_its_own(void **state)
{
	(void)state;
	int code;
	assert_int_equal(pid_in_status(), getpid());
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0)
		_exit(pid_in_status() == getpid() ? 0 : 1);
	assert_int_equal(waitpid(child, &code, 0), child);
	assert_int_equal(code, 0);
}

static void others_are_not_kept(void **state)
{
	(void)state;
	char path[] = "/tmp/trove-kept.XXXXXX", line[16];
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "one\n", 4), 4);
	close(fd);
	assert_true(kept_descriptor(path) < 0);
	FILE *f = kept_open(path);
	assert_non_null(f);
	assert_non_null(fgets(line, sizeof line, f));
	assert_string_equal(line, "one\n");
	fclose(f);
	unlink(path);
	assert_null(kept_open(path));
	assert_null(kept_open("/proc/self/no such file"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_descriptors),
		cmocka_unit_test(the_same_descriptor_serves),
		cmocka_unit_test(a_child_reads_its_own),
		cmocka_unit_test(others_are_not_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
