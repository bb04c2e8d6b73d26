#include "engine/base/process.h"

#include "engine/base/clock.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* From Linux 6.2 on it is the folder's size, which is asked for without opening it. */
static uint64_t count_open_files(uint64_t limit)
{
	struct stat about;
	if (stat("/proc/self/fd", &about) == 0 && about.st_size > 0)
		return (uint64_t)about.st_size;
	DIR *directory = opendir("/proc/self/fd");
	uint64_t count = 0;
	if (directory == NULL)
		return errno == EMFILE ? limit : 0;
	for (const struct dirent *entry; (entry = readdir(directory)) != NULL;)
		count += entry->d_name[0] != '.';
	closedir(directory);
	return count - 1; /* the one that looks */
}

static int64_t cpu_ns(void)
{
	struct rusage u;
	if (getrusage(RUSAGE_SELF, &u) != 0)
		return 0;
	return ((int64_t)u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000000 +
	       ((int64_t)u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000;
}

/* The 22nd field of /proc/self/stat, in ticks since boot; the second one is a name that may hold anything. */
int64_t process_started_ms(void)
{
	char text[1024];
	FILE *f = fopen("/proc/self/stat", "re");
	if (f == NULL)
		return 0;
	size_t bytes = fread(text, 1, sizeof text - 1, f);
	fclose(f);
	text[bytes] = '\0';
	const char *behind = strrchr(text, ')');
	unsigned long long ticks;
	if (behind == NULL || sscanf(behind + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
	                             &ticks) != 1)
		return 0;
	struct timespec up;
	long hertz = sysconf(_SC_CLK_TCK);
	if (hertz <= 0 || clock_gettime(CLOCK_BOOTTIME, &up) != 0)
		return 0;
	int64_t up_ms = (int64_t)up.tv_sec * 1000 + up.tv_nsec / 1000000;
	return clock_unix_ms() - up_ms + (int64_t)ticks * 1000 / hertz;
}

static uint64_t limit_of_files(void)
{
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return 0;
	return files.rlim_cur == RLIM_INFINITY ? UINT64_MAX : (uint64_t)files.rlim_cur;
}

/* The usual soft limit, 1024, is there for programs that call select(). */
uint64_t process_raise_open_files(void)
{
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur != files.rlim_max) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	return limit_of_files();
}

void process_read(struct process_facts *facts)
{
	uint64_t limit = limit_of_files();
	*facts = (struct process_facts){.cpu_ns = cpu_ns(), .open_files = count_open_files(limit), .open_files_max = limit};
}
