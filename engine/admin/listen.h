/*
 * listen: addresses of HTTP listeners, and sockets that listen on them. Set-up only, main thread.
 *
 * HOST:PORT (a name, IPv4, or IPv6 in brackets), or unix:/PATH. A name may stand for several addresses: all are
 * listened on. A socket file that nobody listens on any more is replaced; listen_close removes it.
 */
#ifndef ENGINE_ADMIN_LISTEN_H
#define ENGINE_ADMIN_LISTEN_H

#include "engine/base/option.h"
#include "engine/base/status.h"

#include <stddef.h>

enum { LISTEN_SOCKETS_MAX = 32 };

struct listen_socket {
	int fd;
	unsigned kind;                /* the caller's */
	char path[OPTION_TEXT_BYTES]; /* of a unix socket; "" else */
};

struct listen_sockets {
	unsigned count;
	struct listen_socket socket[LISTEN_SOCKETS_MAX];
};

/* Whether it can be an address at all. */
bool listen_is_address(const char *address);
/* Only this machine can reach it: a unix socket, 127.0.0.0/8, ::1 or localhost. Asks no name server. */
bool listen_is_local(const char *address);

/* key: the option, for messages. needs_local: a name that turns out to be no loopback address is refused.
 * mode: of a unix socket's file. */
status listen_open(struct listen_sockets *sockets, const char *key, const char *address, unsigned kind, bool needs_local,
                   unsigned mode, struct option_problem *problem);
void listen_close(struct listen_sockets *sockets);

#endif
