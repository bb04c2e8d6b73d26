/*
 * notify: tells systemd what the service is doing, by the protocol of sd_notify(3): datagrams to $NOTIFY_SOCKET.
 * Where there is no such variable nothing is sent. Main thread only; the caller owns the struct. A message that
 * cannot be sent is dropped: nobody could do anything about it.
 */
#ifndef CMD_TROVED_NOTIFY_H
#define CMD_TROVED_NOTIFY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/un.h>

struct notify {
	int fd; /* -1: nobody wants to know */
	bool is_stopping;
	struct sockaddr_un address;
	unsigned address_bytes;
	int64_t watchdog_ns; /* how often a beat is due; 0: never */
	int64_t beaten_ns;   /* when the last one was sent */
};

/* Reads $NOTIFY_SOCKET, $WATCHDOG_USEC and $WATCHDOG_PID. */
void notify_setup(struct notify *notify);
/* Answers and serves. */
void notify_ready(struct notify *notify, const char *status);
/* Live options are read again; notify_ready follows. */
void notify_reloading(struct notify *notify);
/* Once; later calls do nothing. */
void notify_stopping(struct notify *notify);
/* Call it often: sends a beat when half of the watchdog's time is over. */
void notify_beat(struct notify *notify);
void notify_teardown(struct notify *notify);

#endif
