/*
 * What systemd is told: ready, reloading, the watchdog's beats, stopping; in files and in the abstract name space; and
 * that a socket that is not there stops nobody.
 */
#include "tests/support/service.h"

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

enum { WAIT_MS = 20000 };

/* Binds what NOTIFY_SOCKET names; a name that begins with @ is in no file system. */
static int listen_for(const char *name)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	size_t bytes = strlen(name);
	assert_true(bytes < sizeof a.sun_path);
	memcpy(a.sun_path, name, bytes);
	if (name[0] == '@')
		a.sun_path[0] = '\0';
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + bytes)), 0);
	assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
	return fd;
}

/* The next message that is no beat; beats are counted. */
static void assert_told(int fd, const char *expected, unsigned *beats)
{
	char text[512];
	for (;;) {
		struct pollfd wanted = {.fd = fd, .events = POLLIN};
		assert_int_equal(poll(&wanted, 1, WAIT_MS), 1);
		ssize_t bytes = recv(fd, text, sizeof text - 1, 0);
		assert_true(bytes > 0);
		text[bytes] = '\0';
		if (strcmp(text, "WATCHDOG=1") != 0)
			break;
		++*beats;
	}
	if (strncmp(text, expected, strlen(expected)) != 0)
		fail_msg("expected '%s', was told '%s'", expected, text);
}

static void assert_silent(int fd)
{
	char text[16];
	assert_int_equal(recv(fd, text, sizeof text, MSG_DONTWAIT), -1);
}

static void each_state_is_told_once(void **state)
{
	(void)state;
	struct service s;
	char name[64];
	unsigned beats = 0;
	snprintf(name, sizeof name, "@trove-notify-%d", (int)getpid());
	int fd = listen_for(name);
	service_start(&s, NULL);
	assert_told(fd, "READY=1\nSTATUS=", &beats);
	assert_int_equal(kill(s.pid, SIGHUP), 0);
	assert_told(fd, "RELOADING=1\nMONOTONIC_USEC=", &beats);
	assert_told(fd, "READY=1\n", &beats);
	assert_int_equal(service_stop(&s, SIGTERM), 0);
	assert_told(fd, "STOPPING=1\n", &beats);
	assert_silent(fd);
	assert_int_equal(beats, 0); /* nobody asked for them */
	close(fd);
}

/* Beats come in half of the time, so that a late one is no alarm. */
static void the_watchdog_is_fed(void **state)
{
	(void)state;
	struct service s;
	char name[160];
	unsigned beats = 0;
	snprintf(name, sizeof name, "%s/notify-%d", getenv("TMPDIR") == NULL ? "/tmp" : getenv("TMPDIR"), (int)getpid());
	int fd = listen_for(name);
	setenv("WATCHDOG_USEC", "500000", 1);
	service_start(&s, (const char *const[]){"service.drain_delay_ms=2000", NULL});
	assert_told(fd, "READY=1\n", &beats);
	assert_int_equal(service_stop(&s, SIGTERM), 0);
	assert_told(fd, "STOPPING=1\n", &beats);
	/* A drain of two seconds, whose beats wait behind it: of eight half periods some may be missed on a busy machine. */
	char text[64];
	while (recv(fd, text, sizeof text, MSG_DONTWAIT) > 0)
		beats++;
	assert_in_range(beats, 2, 16);
	unsetenv("WATCHDOG_USEC");
	close(fd);
	unlink(name);
}

/* Beats that are meant for the process above us are not ours. */
static void variables_of_others_are_left_alone(void **state)
{
	(void)state;
	struct service s;
	char name[64];
	unsigned beats = 0;
	snprintf(name, sizeof name, "@trove-others-%d", (int)getpid());
	int fd = listen_for(name);
	setenv("WATCHDOG_USEC", "1000", 1);
	setenv("WATCHDOG_PID", "1", 1);
	service_start(&s, NULL);
	assert_told(fd, "READY=1\n", &beats);
	assert_int_equal(service_stop(&s, SIGTERM), 0);
	assert_told(fd, "STOPPING=1\n", &beats);
	assert_int_equal(beats, 0);
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	close(fd);
}

static void nobody_there_is_no_reason_to_fail(void **state)
{
	(void)state;
	static const char *const names[] = {"/nowhere/at/all", "relative", "", "@"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		struct service s;
		setenv("NOTIFY_SOCKET", names[i], 1);
		service_start(&s, NULL);
		assert_int_equal(service_stop(&s, SIGTERM), 0);
	}
	unsetenv("NOTIFY_SOCKET");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_state_is_told_once),
		cmocka_unit_test(the_watchdog_is_fed),
		cmocka_unit_test(variables_of_others_are_left_alone),
		cmocka_unit_test(nobody_there_is_no_reason_to_fail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
