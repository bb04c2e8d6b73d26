/*
 * peer: one connection to a troved that speaks nng's REQ by hand over tcp. Where nng would connect again and
 * send again in silence, this says that the connection has ended: a test knows what was answered and what was not.
 *
 * One thread at a time per peer; many peers at once. Requests may wait together; replies are told apart by their number.
 */
#ifndef TESTS_SUPPORT_PEER_H
#define TESTS_SUPPORT_PEER_H

#include <stddef.h>
#include <stdint.h>

struct peer {
	int fd; /* -1: not connected */
	uint32_t sent;
};

/* false: nobody listens. */
bool peer_open(struct peer *p, uint16_t port);
/* As a subscriber of everything that is published there. */
bool peer_subscribe(struct peer *p, uint16_t port);
void peer_close(struct peer *p);

/* false: the connection has ended. Numbers count from 1. */
bool peer_send(struct peer *p, const char *text);
/* The next reply (a publication: number 0), zero-terminated. false: the connection has ended, or 20 s went by. */
bool peer_receive(struct peer *p, char *reply, size_t capacity, uint32_t *number);
/* Whether something arrives within so many milliseconds. */
bool peer_waits(const struct peer *p, int timeout_ms);
/* One request and its reply. */
bool peer_ask(struct peer *p, const char *text, char *reply, size_t capacity);

/* The integer behind "name": in the text; INT64_MIN: there is none. */
int64_t text_number(const char *text, const char *name);
/* How often it stands there. */
unsigned text_count(const char *text, const char *what);
/* Splits "[{...},{...}]", in place, into its objects; returns their count. */
size_t text_split(char *text, char **item, size_t most);

#endif
