/*
 * model: what the service must answer, said once more in the plainest way: arrays that are searched from end to
 * end, one event at a time. It shares no code with engine/commerce, engine/handler or engine/store; what it knows is
 * the specification: proto/README.md and the state table of payments.
 *
 * Every answer is shown to it, in the order in which events were done; it says whether it agrees, and takes note of
 * what that did. What it cannot know (which closed cart left a full pool) it learns from the answer, where the
 * specification allows it. One thread.
 */
#ifndef TESTS_SIM_MODEL_H
#define TESTS_SIM_MODEL_H

#include "tests/sim/wire.h"

enum {
	MODEL_ACTORS = 5,
	MODEL_REWARDS = 10,
	MODEL_CARTS = 48,
	MODEL_PAYMENTS = 320,
	MODEL_SKUS = 8,
	MODEL_CLAIMS = 1024,
	MODEL_KNOWN = 8192,
	MODEL_NEWS = 8192,
	MODEL_SEQS = 16384,
};

struct model_options {
	bool is_plane;
	unsigned carts, extents, payments; /* room for */
	unsigned lines; /* of one cart */
	int64_t carts_ttl_ms, payments_ttl_ms;
	/* What is remembered: at least so many ids, the last payments that hold nothing, the journal. */
	unsigned idempotency, history;
	int64_t idempotency_age_ms, retention_ms;
};

struct model_product {
	bool is_there;
	char sku[SIM_TEXT_BYTES], name[SIM_TEXT_BYTES], currency[4];
	int64_t unit_price;
};

struct model_reward {
	bool is_there, is_by_event; /* that came or went by one, over the file's */
	struct ask put;
	int64_t taken; /* also while the reward is away */
};

struct model_benefit {
	enum benefit_type type;
	int64_t value;
	char currency[4];
};

struct model_claim {
	uint64_t id, actor, reward;
	struct model_benefit benefit;
	bool is_used;
};

struct model_line {
	char sku[SIM_TEXT_BYTES];
	int64_t quantity, unit_price;
};

struct model_cart {
	enum cart_state state;
	uint64_t actor, claim; /* claim: that the discount came from */
	char currency[4];
	int64_t ttl_s, end_s;
	struct model_benefit benefit;
	unsigned count;
	struct model_line lines[SIM_LINES_MAX];
};

struct model_payment {
	enum payment_state state;
	uint64_t actor, cart;
	char currency[4];
	int64_t end_s, authorized, captured, refunded, voided;
	uint64_t closed; /* seq of the last change, of one that holds nothing */
};

/* A publication that must be, once. */
struct model_news {
	const char *topic;
	uint64_t seq, claim, reward, cart, payment, actor;
	int64_t at_ms, remaining, total, amount;
	uint32_t line_count;
	struct model_payment after; /* of a payment */
	bool was_heard, may_be_unheard;
};

struct model_known {
	struct ask ask;
	struct answer answer;
	int64_t at_ms;
};

struct model {
	struct model_options options;
	uint64_t seq;   /* of the last change */
	int64_t now_ms; /* never falls */
	struct model_product products[MODEL_SKUS];
	struct model_reward rewards[MODEL_REWARDS + 1];
	struct model_cart carts[MODEL_CARTS + 1];
	struct model_payment payments[MODEL_PAYMENTS + 1];
	struct model_claim claims[MODEL_CLAIMS];
	unsigned claim_count;
	struct model_news news[MODEL_NEWS]; /* in order of seq */
	unsigned news_count;
	unsigned known_count;
	int64_t at_ms[MODEL_SEQS]; /* of the change of a seq */
	unsigned answers[STATUS_COUNT], expired, again, left; /* forgotten ids that were done again, payments that left */
	char why[1024];
	struct model_known known[MODEL_KNOWN];
};

void model_init(struct model *m, const struct model_options *options);

/* How an event was done. */
struct model_moment {
	int64_t received_ms;
	bool is_late;    /* its deadline was over */
	bool may_refuse; /* the journal may have had no room, or a queue */
};
/* false: why says what is wrong. */
bool model_agrees(struct model *m, const struct ask *ask, const struct model_moment *moment, const struct answer *got);

/* Whether the event of this id was done before. */
bool model_knows(struct model *m, uint64_t id);
/* One of those that the service must remember, the oldest first. NULL: there is none. */
const struct ask *model_remembered(const struct model *m, unsigned nth);

/* Rewards of the file that a start reads, by their numbers. */
struct model_file {
	bool is_there[MODEL_REWARDS + 1];
	struct ask put[MODEL_REWARDS + 1];
};
/* The service was started with it. */
void model_start(struct model *m, const struct model_file *file);

/* Whether the journal may begin with that record; where the news from that seq on begin. */
bool model_may_begin(struct model *m, uint64_t first, int64_t latest_ms);
unsigned model_news_from(const struct model *m, uint64_t first);

/* What time ended at a sweep. heard: publications since, as JSON, that may tell the seqs. */
struct model_heard {
	uint64_t seq;
	char topic[32];
	uint64_t cart, payment;
};
/* Reads what a publication says of itself. */
bool model_parse_heard(const char *json, struct model_heard *heard);
bool model_sweep(struct model *m, int64_t now_ms, const struct model_heard *heard, unsigned count);

/* A look at the time while nothing could end. */
void model_tick(struct model *m, int64_t now_ms);

/* The next publication that was heard, or that feed.read told as the place-th. */
bool model_hears(struct model *m, const char *json);
bool model_feed(struct model *m, unsigned place, const char *json);
/* Nothing that had to be heard was not. */
bool model_heard_all(struct model *m);

#endif
