/*
 * handler: what each event means.
 *
 *   plan    reads the state and decides. It writes the effect into the arena, or says why
 *           not. It cannot change anything: it sees a const state.
 *   apply   carries an effect out, live and in a replay alike. It cannot fail: plan made sure.
 *   answer  writes the result, from the effect alone: live, and again for a repeated id.
 *   read    answers an event that only reads, in the order of the changes.
 *
 * All run on the writer's thread, one event at a time. The state belongs to the shard; the effect
 * to the batch's arena, or to the journal. Event, problem and reply are borrowed during the call.
 */
#ifndef ENGINE_HANDLER_HANDLER_H
#define ENGINE_HANDLER_HANDLER_H

#include "engine/commerce/commerce.h"
#include "engine/journal/journal.h"
#include "engine/memory/arena.h"
#include "engine/store/store.h"
#include "proto/effect.h"
#include "proto/reply.h"

/* Everything that events read and change. */
struct state {
	struct commerce *commerce;
	struct store *store;         /* NULL in a replay: who replays sees to the rewards */
	struct store_reader *reader; /* the writer's */
	struct journal *journal;     /* for what was closed; NULL: there is none */
	int64_t carts_ttl_ms, payments_ttl_ms; /* where events do not say */
	int64_t claims_ttl_ms;                 /* 0: claims stay */
	bool is_plane;
};

/* What a plan is told. */
struct planning {
	const struct event *event;
	int64_t at_ms;  /* when it happened: the event's `at`, or its receipt */
	int64_t now_ms; /* the writer's clock, which never goes back */
	struct arena *arena;
	struct problem *problem;
};

struct handler {
	unsigned needs; /* enum commerce_need: commerce_prepare before plan */
	/* Not STATUS_ok: problem says why (status and id are the caller's to fill; texts may stay empty). */
	status (*plan)(const struct state *state, const struct planning *p, struct effect_head **effect);
};

/* By event type. */
extern const struct handler handler_reward_put, handler_reward_remove;
extern const struct handler handler_claim;
extern const struct handler handler_product_put, handler_product_remove;
extern const struct handler handler_cart_open, handler_cart_add, handler_cart_set, handler_cart_remove;
extern const struct handler handler_cart_apply, handler_cart_checkout;
extern const struct handler handler_payment_authorize, handler_payment_capture, handler_payment_refund, handler_payment_void;

struct effect_handler {
	/* place: where the journal has the effect's record. */
	void (*apply)(struct state *state, const struct effect_head *effect, uint64_t place);
	/* NULL for effects of time, which nobody asked for. */
	void (*answer)(const struct effect_head *effect, const struct event *event, struct change_note note, struct reply *reply);
	/* For a replay, before apply: the option of a pool that is too small for what it makes, as one may be whose capacity was
	 * lowered since the effect was planned. NULL: all has its place. Itself NULL for effects that make nothing. */
	const char *(*lacks)(const struct state *state, const struct effect_head *effect);
};

/* By effect type. */
extern const struct effect_handler effect_handler_reward_put, effect_handler_reward_remove;
extern const struct effect_handler effect_handler_refused;
extern const struct effect_handler effect_handler_claim, effect_handler_claim_expire;
extern const struct effect_handler effect_handler_product_put, effect_handler_product_remove;
extern const struct effect_handler effect_handler_cart_open, effect_handler_cart_line, effect_handler_cart_apply;
extern const struct effect_handler effect_handler_cart_checkout, effect_handler_cart_expire;
extern const struct effect_handler effect_handler_payment;

/* Not STATUS_ok: nothing was written, problem says why. */
typedef status reader(const struct state *state, const struct event *event, struct reply *reply, struct problem *problem);
reader read_product_get, read_cart_get, read_payment_get;

/* The effect's reward as the store takes it; its text stays in the effect, `taken` is the caller's. */
struct reward handler_reward_of(const struct effect_reward_put *effect);

/* A refusal that is final for its id, as an effect. NULL: the arena is full. */
struct effect_head *plan_refusal(const struct planning *p, status s);

/* What time does: NULL when there is nothing (any more) to do, or the arena is full. */
struct effect_head *plan_cart_expiry(const struct state *state, struct identifier cart, int64_t now_ms, struct arena *arena);
/* A claim is forgotten claims_ttl_ms after it was made; one of a reward with a stock not before that has ended. */
struct effect_head *plan_claim_expiry(const struct state *state, struct identifier claim, int64_t now_ms, struct arena *arena);
struct effect_head *plan_payment_expiry(const struct state *state, struct identifier payment, int64_t now_ms,
                                        struct arena *arena);

#endif
