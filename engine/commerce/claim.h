/*
 * claim: who claimed which reward, and how many of each reward are gone.
 *
 * A claim keeps the benefit that the reward had when it was claimed. Claims of one actor on one
 * reward form a chain, newest first; only the newest stands in the index, and knows how many
 * there are, so that a check of per_actor costs the same whatever per_actor is.
 *
 * Stock: the reward itself, with its initial stock, belongs to the store. Beside it stands here,
 * keyed by the reward's id, how many were taken (a tally, while there are any): what remains is the one
 * less the other.
 *
 * One thread: the writer. const functions read and decide; the others cannot fail after a
 * positive answer. A pointer to a claim holds until the next change.
 */
#ifndef ENGINE_COMMERCE_CLAIM_H
#define ENGINE_COMMERCE_CLAIM_H

#include "engine/commerce/key.h"
#include "engine/commerce/money.h"
#include "engine/commerce/slots.h"

enum claim_flag : uint8_t {
	CLAIM_ID_IS_UUID = 1 << 0,
	CLAIM_ACTOR_IS_UUID = 1 << 1,
	CLAIM_REWARD_IS_UUID = 1 << 2,
	CLAIM_IS_USED = 1 << 3, /* applied to a cart */
};

struct claim {
	struct wire_id id, actor, reward;
	int64_t benefit_value;
	uint32_t at_s; /* Unix seconds */
	currency_code benefit_currency;
	uint8_t benefit_type; /* enum benefit_type; BENEFIT_NONE: nothing for a cart */
	uint8_t flags;
};
static_assert(sizeof(struct claim) == 64);

struct claims {
	struct slots slots, tallies;
	struct index by_id, by_actor, tally_by_reward;
	uint64_t seed;
};

status claims_setup(struct claims *claims, uint32_t capacity, const struct part_options *options);
void claims_teardown(struct claims *claims);
void claims_bill(struct bill *bill, uint64_t capacity);

/* NULL: there is none. */
const struct claim *claims_find(const struct claims *claims, struct identifier id);
/* How many an actor has of a reward. */
uint32_t claims_count(const struct claims *claims, struct identifier actor, struct identifier reward);
/* How many of a reward were taken, by anybody. */
uint64_t claims_taken(const struct claims *claims, struct identifier reward);

/* What the reward allows. */
struct claim_terms {
	int64_t stock; /* STOCK_UNLIMITED, or what there was at first */
	uint32_t per_actor;
};
/* STATUS_already_exists (the id), already_claimed, out_of_stock, pool_exhausted. */
status claims_can_add(const struct claims *claims, const struct claim *claim, struct claim_terms terms);
void claims_add(struct claims *claims, const struct claim *claim);
/* A claim taken back: the actor may claim again, and one more remains. STATUS_not_found. */
status claims_can_remove(const struct claims *claims, struct identifier id);
void claims_remove(struct claims *claims, struct identifier id);
/* The claim is there. */
void claims_set_used(struct claims *claims, struct identifier id, bool is_used);

/* As payments_sweep: claims that were made before the time. */
uint32_t claims_sweep(const struct claims *claims, uint32_t *hand, int64_t before_ms, uint32_t slots, struct identifier *ids,
                      uint32_t ids_max);

/* Borrows what adding one takes. */
status claims_prepare(struct claims *claims);

/* Calls with every claim; of an actor on a reward the older ones first, so claims_add makes the same of them. */
typedef void claim_visitor(void *context, const struct claim *claim);
void claims_visit(const struct claims *claims, claim_visitor *visit, void *context);

/* Calls for every reward that was claimed: how many are taken. The form of the id is not known. */
typedef void claim_tally_visitor(void *context, struct wire_id reward, uint64_t taken);
void claims_visit_tallies(const struct claims *claims, claim_tally_visitor *visit, void *context);
/* Nothing is in it any more; the memory stays. */
void claims_reset(struct claims *claims);

uint64_t claims_digest(const struct claims *claims);
bool claims_are_valid(const struct claims *claims);

#endif
