/*
 * inside: what the files of handler share, and nobody else.
 */
#ifndef ENGINE_HANDLER_INSIDE_H
#define ENGINE_HANDLER_INSIDE_H

#include "engine/base/check.h"
#include "engine/handler/handler.h"

/* A zeroed effect of so many bytes, its head filled in, the event packed behind it (NULL: time did it).
 * NULL: the arena is full. */
struct effect_head *effect_take(struct arena *arena, size_t bytes, enum effect_type type, const struct event *event,
                                int64_t now_ms);

/* Says why: the field to blame and a text. Returns the status. */
[[gnu::format(printf, 4, 5), gnu::cold]] status refuse(const struct planning *p, status s, const char *field,
                                                       const char *format, ...);

static inline struct identifier id_of(struct wire_id id, uint32_t flags, uint32_t is_uuid)
{
	return (struct identifier){id.low, id.high, (flags & is_uuid) != 0};
}

/* The answer to a change that has nothing more to say. */
void answer_ok(const struct effect_head *effect, const struct event *event, struct change_note note, struct reply *reply);

/* A cart as answers show it; totals as they will be. */
void cart_show(const struct cart *cart, const struct cart_totals *totals, enum cart_state state, int64_t expires_ms,
               struct cart_record *record);
/* Makes room for what an effect brings, by its flags. */
void evict_cart(struct state *state, const struct effect_head *effect, struct wire_id cart);
void evict_payment(struct state *state, const struct effect_head *effect, struct wire_id payment);

/* The option of extents if the cart is to get its first one, for a discount, and there is none. */
const char *discount_lacks(const struct state *state, const struct effect_head *effect, struct identifier cart);

/* A payment of the pool, or a closed one out of the journal. STATUS_not_found: there is none; STATUS_internal: its record
 * cannot be read now, so nothing may be decided about it. */
status payment_find(const struct state *state, struct identifier id, struct payment *payment);
/* Plans authorize on a payment that shall be new; the planned record and, if needed, its victim. */
status payment_plan_new(const struct state *state, const struct planning *p, const struct payment *asked, int64_t amount,
                        struct payment *after, struct victim *victim);
void payment_show(const struct payment *payment, struct payment_record *record);
/* What apply does with a planned record, and what it lacks for it. */
const char *payment_lacks(const struct state *state, const struct effect_head *effect, const struct payment_record *record);
void payment_take(struct state *state, const struct payment_record *record, uint64_t place);

#endif
