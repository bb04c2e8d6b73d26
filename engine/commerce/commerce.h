/*
 * commerce: the money side of the service in memory: products, carts, payments, claims, and
 * which events were done already. Plain state: no events, no journal, no threads.
 *
 * One struct, one thread (the writer). A change goes in three steps, as in plan and apply:
 *     commerce_prepare(c, needs)   borrows ahead what the change may take out of the pools
 *     X_can_...(const ...)         reads and decides, and names who has to leave (struct victim)
 *     X_evict, then X_...          does it, and cannot fail
 * Refusals are statuses and change nothing. All of the memory is reserved by commerce_setup;
 * nothing here allocates afterwards. What a pool shows as in use may be one more than there are
 * objects: the one that was borrowed ahead (slots.h).
 *
 * The parts do not know each other; what concerns two of them is here.
 */
#ifndef ENGINE_COMMERCE_COMMERCE_H
#define ENGINE_COMMERCE_COMMERCE_H

#include "engine/base/option.h"
#include "engine/commerce/cart.h"
#include "engine/commerce/claim.h"
#include "engine/commerce/history.h"
#include "engine/commerce/idempotency.h"
#include "engine/commerce/payments.h"
#include "engine/commerce/product.h"

/* Real baskets: 15 lines at the median, about 200 at the 99th percentile, 28 on average if they are
 * log-normal: two extents for each cart. */
#define COMMERCE_OPTIONS(O) \
	O(integer, commerce, products_capacity, "products.capacity", "10000", 1, 100000000, "", startup, \
	  "Most products that are held at once; further ones are answered pool_exhausted.") \
	O(integer, commerce, carts_capacity, "carts.capacity", "10000", 1, 100000000, "", startup, \
	  "Most carts that are held at once. Closed ones leave for new ones; with only open ones: pool_exhausted.") \
	O(integer, commerce, carts_extents, "carts.extents", "20000", 1, 100000000, "", startup, \
	  "Room for lines: so many times 20, shared by all carts; an empty cart takes none.") \
	O(integer, commerce, carts_lines_max, "carts.lines_max", "2000", 0, 100000000, "", startup, \
	  "Most lines of one cart; a further one is answered pool_exhausted. 0: as many as there is room for.") \
	O(integer, commerce, carts_ttl_ms, "carts.ttl_ms", "1800000", 1000, 31536000000, "ms", startup, \
	  "How long a cart lives after its last change, where cart.open does not say.") \
	O(integer, commerce, payments_capacity, "payments.capacity", "10000", 1, 100000000, "", startup, \
	  "Most payments that hold an amount at once; further ones are answered pool_exhausted.") \
	O(integer, commerce, payments_ttl_ms, "payments.ttl_ms", "21600000", 1000, 31536000000, "ms", startup, \
	  "How long an authorization holds its amount, where payment.authorize does not say.") \
	O(integer, commerce, payments_history, "payments.history", "100000", 1, 100000000, "", startup, \
	  "The last payments that nothing holds any more and that can still be read and refunded; older ones are in the ledger.") \
	O(integer, commerce, claims_capacity, "claims.capacity", "100000", 1, 100000000, "", startup, \
	  "Most claims that are held at once; further ones are answered pool_exhausted.") \
	O(integer, commerce, claims_ttl_ms, "claims.ttl_ms", "2592000000", 0, 315360000000, "ms", startup, \
	  "When a claim is forgotten, and counts for per_actor no more; with a stock so long after its reward's end. 0: never.") \
	O(integer, commerce, idempotency_capacity, "idempotency.capacity", "100000", 1, 100000000, "", startup, \
	  "How many of the last changes are remembered at least, so that a repeated id gets the first answer.") \
	O(integer, commerce, idempotency_age_ms, "idempotency.age_ms", "86400000", 1000, 31536000000, "ms", startup, \
	  "After so long a change is forgotten even if there is room.")

struct commerce_options {
	COMMERCE_OPTIONS(OPTION_MEMBER)
	struct account *account; /* or NULL */
	uint64_t seed;           /* of hashes of peers' keys, secret; 0: drawn at the start */
	uint32_t fail_one_in;    /* of every pool, for tests: each Nth borrow fails */
	unsigned pool_debug;     /* enum pool_debug, of every pool */
};

extern const struct option commerce_option_rows[];
extern const size_t commerce_option_count;

struct commerce {
	struct products products;
	struct carts carts;
	struct payments payments;
	struct claims claims;
	struct idempotency idempotency;
	struct history payment_history;
};

void commerce_bill(const struct commerce_options *options, struct bill *bill);

/* The caller's memory, which stays where it is. STATUS_pool_exhausted: the system has no memory. */
status commerce_setup(struct commerce *commerce, const struct commerce_options *options);
/* Also after a setup that failed, or of zeroes. */
void commerce_teardown(struct commerce *commerce);

enum commerce_need {
	COMMERCE_NEEDS_product = 1,
	COMMERCE_NEEDS_cart = 2,
	COMMERCE_NEEDS_lines = 4,
	COMMERCE_NEEDS_payment = 8,
	COMMERCE_NEEDS_claim = 16,
};
/* Before a plan. What cannot be had is seen, and answered, by the plan. */
void commerce_prepare(struct commerce *commerce, unsigned needs);

/*
 * A claim's benefit for a cart. STATUS_not_found (cart or claim, or the claim is not of the cart's
 * actor), invalid_state (not open, has a discount, the claim was used or brings nothing for a
 * cart), currency_mismatch, pool_exhausted.
 */
status commerce_can_apply_claim(const struct commerce *commerce, struct identifier cart, struct identifier claim,
                                struct victim *victim);
void commerce_apply_claim(struct commerce *commerce, struct identifier cart, struct identifier claim, int64_t now_ms);
/* Closes an open cart whose time is over; its claim, if it had one, can be used again. */
enum cart_state commerce_expire_cart(struct commerce *commerce, struct identifier cart, int64_t now_ms);

/* Nothing is in it any more; the memory stays. For an instance that is to be filled again. */
void commerce_reset(struct commerce *commerce);

/* Of the content alone: the same after the same changes, wherever and with whatever seed. Slow. */
uint64_t commerce_digest(const struct commerce *commerce);
/* The same in parts that can be compared over a restart, where seeds and the windows' room may be others. Slow. */
struct commerce_digests {
	uint64_t objects;       /* products, carts, payments, claims */
	uint64_t remembered[2]; /* which events, which closed payments: by where the journal has them */
};
void commerce_digest_parts(const struct commerce *commerce, struct commerce_digests *digests);
/* Walks everything. Slow. */
bool commerce_is_valid(const struct commerce *commerce);

#endif
