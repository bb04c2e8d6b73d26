/*
 * shopper: a client with a life of its own: fills a cart, checks it out, captures and refunds what it paid, claims
 * rewards, moves one. It knows what must be true after each of its events, and keeps what was answered.
 *
 * One thread at a time per shopper. Nobody else touches its cart, its payment and its reward; the shared rewards
 * (SHOP_REWARDS of them) are claimed by all, and the shopper only counts its claims.
 */
#ifndef TESTS_SUPPORT_SHOPPER_H
#define TESTS_SUPPORT_SHOPPER_H

#include "engine/base/random.h"
#include "tests/support/peer.h"

enum { SHOP_REWARDS = 4, SHOP_SKUS = 4, SHOP_BATCH = 5, SHOP_KEPT = 48, SHOP_STOCK = 1000000 };
enum { EVENT_TEXT = 256, ANSWER_TEXT = 640 };

struct shop_payment {
	uint64_t id; /* 0: none yet */
	int64_t authorized, captured, refunded, voided;
};

/* What must be true. */
struct shop_model {
	uint64_t cart; /* 0: none yet */
	bool is_open;
	int64_t quantity[SHOP_SKUS];
	int64_t discount; /* that the applied claim is worth; 0: none applied */
	uint64_t claim;   /* one that was not applied yet */
	int64_t value;    /* of the reward of its own; -1: it is not there */
	uint64_t claims[SHOP_REWARDS];
	struct shop_payment payment;
};

struct shop_event {
	char text[EVENT_TEXT];
	char answer[ANSWER_TEXT];
};

struct shopper {
	unsigned number; /* from 1 */
	void *crowd;     /* whose it is, for that */
	uint64_t events; /* made so far: ids follow from it */
	struct random random;
	struct peer peer;
	/* The batch on its way, and what must be true before each of its events and after the last. */
	struct shop_event batch[SHOP_BATCH];
	struct shop_model model[SHOP_BATCH + 1];
	size_t batch_count;
	bool is_waiting; /* no reply to it came */
	struct shop_event kept[SHOP_KEPT]; /* the last ones that were answered, in turn */
	uint64_t kept_count;
	struct shop_payment *payments; /* ended */
	size_t payment_count, payment_room;
	size_t payments_before[SHOP_BATCH]; /* how many when that event of the batch was made */
	uint64_t answered, refused, found_done, found_new, put_off;
	uint64_t exhausted;  /* answers of pool_exhausted, several in a batch at times */
	bool may_be_refused; /* refusals by load are no error: one event a message then */
	bool may_be_stopped; /* the service may be draining: from some event of a batch on all are refused */
	char reply[64 << 10];
	char wrong[1024]; /* the first thing that was not as it must be; "": all is well */
};

void shopper_init(struct shopper *s, unsigned number, uint64_t seed);
void shopper_deinit(struct shopper *s);
/* What all shoppers need: products and rewards. false: a refusal is in reply. */
bool shop_open(struct peer *p, char *reply, size_t capacity);

/* Makes a batch, sends it, takes the answers. false: the connection has ended, or something is wrong. */
bool shopper_go(struct shopper *s);
/* After a new connection: the batch on its way was done up to one of its events and no half; sent again, what was done
 * is answered as before and the rest is done. Then all that is kept is answered again as it was, and the
 * state is as it must be. */
bool shopper_come_back(struct shopper *s);
/* Whether cart, payment and reward are as they must be now. */
bool shopper_look(struct shopper *s);
/* The same of every payment that ended. */
bool shopper_audit(struct shopper *s);
static inline const struct shop_model *shopper_model(const struct shopper *s) { return &s->model[0]; }

#endif
