/*
 * bad_disk: a small troved whose disk (support/preload/faults.c) fails or hangs when a test says so, and what tests ask of it.
 *
 * Failures end the test with a message. One test program, one thread, one bad disk at a time.
 */
#ifndef TESTS_SUPPORT_BAD_DISK_H
#define TESTS_SUPPORT_BAD_DISK_H

#include "tests/support/peer.h"
#include "tests/support/service.h"

struct bad_disk {
	struct service service;
	char folder[160]; /* of the switches */
};

/* Options, for little memory and small files. */
extern const char *const disk_small[];
/* Those and up to three more; they hold until the next call. */
const char *const *disk_small_with(const char *a, const char *b, const char *c);

void disk_place_only(struct bad_disk *f);
/* What is launched from now on is on the bad disk; disk_again does it for one start. */
void disk_preload(void);
void disk_again(struct bad_disk *f, const char *const *sets);
/* Both: placed and started. */
void disk_place_with(struct bad_disk *f, const char *const *sets);
void disk_place(struct bad_disk *f);
/* A switch, with what stands in it; NULL: off. */
void disk_turn(const struct bad_disk *f, const char *name, const char *text);

void disk_assert_says(const struct service *s, const char *what, unsigned times);
void disk_assert_says_once(const struct service *s, const char *what);

/* A payment of 5 EUR, 77. */
extern const char disk_authorize[];
/* The reply; it holds until the next call. */
const char *disk_ask(struct peer *p, const char *json);
void disk_assert_answer(struct peer *p, const char *json, const char *has);
/* Queries are answered, by a service without rewards. */
void disk_assert_reads_none(struct peer *p);
/* Asks again for up to 10 s, until the answer has it. */
const char *disk_becomes(struct peer *p, const char *json, const char *has);

#endif
