#include "cmd/troved/notify.h"

#include "engine/base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void say(struct notify *notify, const char *text)
{
	if (notify->fd >= 0)
		(void)sendto(notify->fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&notify->address,
		             notify->address_bytes);
}

/* A path, or a name that begins with @ and is in no file system. */
static bool parse_address(struct notify *notify, const char *text)
{
	size_t bytes = strlen(text);
	if ((text[0] != '/' && text[0] != '@') || bytes < 2 || bytes >= sizeof notify->address.sun_path)
		return false;
	notify->address = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(notify->address.sun_path, text, bytes);
	notify->address_bytes = (unsigned)(offsetof(struct sockaddr_un, sun_path) + bytes);
	if (text[0] == '@')
		notify->address.sun_path[0] = '\0';
	return true;
}

/* The variables may be those of a process above us. */
static int64_t watchdog_ns(void)
{
	const char *pid = getenv("WATCHDOG_PID"), *us = getenv("WATCHDOG_USEC");
	if (us == NULL || (pid != NULL && strtol(pid, NULL, 10) != getpid()))
		return 0;
	int64_t each = strtoll(us, NULL, 10);
	return each <= 0 || each > INT64_MAX / 1000 ? 0 : each * 1000 / 2;
}

void notify_setup(struct notify *notify)
{
	*notify = (struct notify){.fd = -1};
	const char *path = getenv("NOTIFY_SOCKET");
	if (path == NULL || !parse_address(notify, path))
		return;
	notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	notify->watchdog_ns = watchdog_ns();
}

void notify_ready(struct notify *notify, const char *status)
{
	char text[256];
	snprintf(text, sizeof text, "READY=1\nSTATUS=%s", status);
	say(notify, text);
}

void notify_reloading(struct notify *notify)
{
	char text[64];
	snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)(clock_monotonic_ns() / 1000));
	say(notify, text);
}

void notify_stopping(struct notify *notify)
{
	if (notify->is_stopping)
		return;
	notify->is_stopping = true;
	say(notify, "STOPPING=1\nSTATUS=draining");
}

void notify_beat(struct notify *notify)
{
	if (notify->watchdog_ns == 0)
		return;
	int64_t now_ns = clock_monotonic_ns();
	if (notify->beaten_ns != 0 && now_ns - notify->beaten_ns < notify->watchdog_ns)
		return;
	notify->beaten_ns = now_ns;
	say(notify, "WATCHDOG=1");
}

void notify_teardown(struct notify *notify)
{
	if (notify->fd >= 0)
		close(notify->fd);
	notify->fd = -1;
}
