/*
 * commerce_model: a naive twin of engine/commerce: plain arrays that are searched from end to
 * end, and say of every change what it must be answered with, and who has to leave. Each
 * model_* function draws one random change, asks the instance and its twin, and does what both
 * accept; a second time in an instance that has another seed and no failures, as a replay would.
 * One thread. Differences fail the test.
 */
#ifndef TESTS_SUPPORT_COMMERCE_MODEL_H
#define TESTS_SUPPORT_COMMERCE_MODEL_H

#include "engine/base/check.h"
#include "engine/base/random.h"
#include "engine/commerce/commerce.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

enum {
	STEPS = 300000,
	SKUS = 12,
	CART_IDS = 24,
	CLAIM_IDS = 40,
	ACTORS = 4,
	REWARDS = 6,
	PAYMENT_IDS = 60000,
	REACH = 14, /* payments that events still come for */
	LINES = 400,
	EVENT_IDS = 3000,
	PRODUCTS_MAX = 8,
	CARTS_MAX = 7,
	EXTENTS_MAX = 9,
	PAYMENTS_MAX = 6,
	CLAIMS_MAX = 16,
	WINDOW = 200,
	PER_ACTOR = 3,
	TTL_MS = 40000,
};

/* A pool with one in reserve, as slots.h says it. */
struct m_pool {
	unsigned capacity, in_use, attempts, fail_one_in;
	bool has_reserve;
};

struct m_line {
	unsigned sku;
	uint64_t quantity;
	int64_t price;
};

struct m_cart {
	enum cart_state state;
	unsigned actor; /* 0: none */
	currency_code currency;
	int64_t time_s, ttl_ms;
	uint64_t closed; /* order */
	unsigned count;
	struct m_line lines[LINES];
	unsigned claim; /* 0: no discount */
	struct benefit benefit;
};

struct m_claim {
	bool is_there, is_used;
	unsigned actor, reward;
	struct benefit benefit;
};

struct m_payment {
	bool is_there, is_in_pool, is_open, was_captured;
	int64_t authorized, captured, refunded, voided;
	uint64_t touched;
	struct payment left; /* the last record, once it is out of the pool */
};

struct m_event {
	unsigned id;
	uint64_t content;
};

struct model {
	struct commerce a, b; /* live and replayed */
	struct commerce spare; /* empty */
	struct random random;
	int64_t now_ms;
	uint64_t clock; /* of orders */
	struct m_pool products, carts, extents, payments, claims, tallies;
	int64_t product_price[SKUS]; /* -1: none */
	struct m_cart cart[CART_IDS];
	struct m_claim claim[CLAIM_IDS + 1]; /* from 1 */
	struct m_payment payment[PAYMENT_IDS];
	unsigned payment_count;
	int64_t sum_authorized, sum_captured, sum_refunded, sum_voided;
	struct m_event event[STEPS];
	unsigned event_count;
	uint32_t cart_hand, payment_hand;
	currency_code eur, usd;
	unsigned lines_max; /* of a cart; 0: any */
	unsigned answers[STATUS_COUNT];
	unsigned evictions;
};

static inline unsigned below(struct model *m, unsigned n) { return (unsigned)random_below(&m->random, n); }
static inline struct identifier id(uint64_t n) { return (struct identifier){n, 3, n % 2 == 1}; }

static inline bool m_prepare(struct m_pool *p)
{
	if (!p->has_reserve)
		p->has_reserve = !(p->fail_one_in != 0 && ++p->attempts % p->fail_one_in == 0) && p->in_use < p->capacity;
	return p->has_reserve;
}

static inline void m_take(struct m_pool *p)
{
	assert_true(p->has_reserve);
	p->has_reserve = false;
	p->in_use++;
}

static inline void m_keep(struct m_pool *p)
{
	p->has_reserve = true;
	p->in_use--;
}

/* Notes the answer; whether the change is to be done. */
static inline bool agree(struct model *m, status got, status wanted, const char *what)
{
	if (got != wanted)
		fail_msg("%s: %s, the model says %s", what, status_code(got), status_code(wanted));
	m->answers[got]++;
	return got == STATUS_ok;
}

static inline struct sku sku_of(unsigned n)
{
	struct sku sku;
	char text[32];
	int bytes = n % 3 == 0 ? snprintf(text, sizeof text, "%u", n) : snprintf(text, sizeof text, "a-long-article-number-%09u", n);
	assert_true(sku_make(&sku, text, (size_t)bytes));
	return sku;
}

void model_product_put(struct model *m);
void model_product_remove(struct model *m);
void model_cart_open(struct model *m);
void model_cart_add(struct model *m, bool is_set);
void model_cart_remove(struct model *m);
void model_cart_apply(struct model *m);
void model_cart_check_out(struct model *m);
void model_sweep_carts(struct model *m);
void model_claim_remove(struct model *m);
void model_claim(struct model *m);
/* What the lines of a cart come to, and what is taken off. */
int64_t model_subtotal(const struct m_cart *c);
int64_t model_discount(const struct m_cart *c);

#endif
