/*
 * crowd: shoppers that shop at the same time, each on a thread and a connection of its own, until they are stopped.
 * One thread starts and stops; between stop and start the shoppers are the caller's.
 */
#ifndef TESTS_SUPPORT_CROWD_H
#define TESTS_SUPPORT_CROWD_H

#include "tests/support/service.h"
#include "tests/support/shopper.h"

#include <pthread.h>

enum { CROWD_MAX = 8 };

struct crowd {
	struct shopper shopper[CROWD_MAX];
	pthread_t thread[CROWD_MAX];
	unsigned count;
	_Atomic bool is_over;
	unsigned pause_us; /* at most, between messages */
};

/* Puts the shop's products and rewards into the service, too. */
void crowd_init(struct crowd *c, const struct service *s, unsigned count, uint64_t seed);
void crowd_deinit(struct crowd *c);
void crowd_start(struct crowd *c);
/* Lets them finish what is on its way. Fails the test when one of them saw something wrong or lost its connection. */
void crowd_stop(struct crowd *c);
/* After a restart: connects them, repeats what they asked last, looks at all they own; and counts the stock. */
void crowd_check(struct crowd *c, const struct service *s);

#endif
