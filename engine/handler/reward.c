/* What a reward is: reward.put, reward.remove. */
#include "engine/handler/inside.h"

static struct identifier reward_id(struct wire_id id, uint32_t flags) { return id_of(id, flags, EVENT_REWARD_IS_UUID); }

struct reward handler_reward_of(const struct effect_reward_put *e)
{
	struct reward reward = {
		.id = reward_id(e->reward, e->head.flags),
		.x = e->x,
		.y = e->y,
		.radius = e->radius,
		.value = e->value,
		.stock = e->stock,
		.from_ms = e->from_ms,
		.until_ms = e->until_ms,
		.benefit_value = e->benefit_value,
		.per_actor = e->per_actor,
		.benefit_type = e->benefit_type,
		.kind = e->kind,
		.kind_bytes = e->kind_bytes,
		.name = e->name,
		.name_bytes = e->name_bytes,
	};
	memcpy(reward.benefit_currency, e->benefit_currency, sizeof reward.benefit_currency);
	return reward;
}

static status reward_put_plan(const struct state *state, const struct planning *p, struct effect_head **effect)
{
	const struct event *event = p->event;
	const struct reward_put_record *r = event->reward_put;
	struct effect_reward_put *e = (void *)effect_take(p->arena, sizeof *e, EFFECT_reward_put, event, p->now_ms);
	if (e == NULL)
		return STATUS_overloaded;
	e->reward = r->reward;
	e->x = r->x;
	e->y = r->y;
	e->radius = r->radius;
	e->value = r->value;
	e->stock = r->stock;
	e->from_ms = r->from_ms;
	e->until_ms = r->until_ms;
	e->benefit_value = r->benefit_value;
	e->per_actor = r->per_actor;
	e->benefit_type = r->benefit_type;
	memcpy(e->benefit_currency, r->benefit_currency, sizeof e->benefit_currency);
	static const char default_kind[] = "default";
	bool named = r->kind.bytes != 0;
	e->kind_bytes = named ? (uint8_t)r->kind.bytes : sizeof default_kind - 1;
	memcpy(e->kind, named ? event->text + r->kind.offset : default_kind, e->kind_bytes);
	e->name_bytes = (uint8_t)r->name.bytes;
	memcpy(e->name, event->text + r->name.offset, e->name_bytes);

	struct reward reward = handler_reward_of(e);
	status s = store_can_put(state->store, &reward);
	*effect = &e->head;
	if (s == STATUS_pool_exhausted && store_lacks_kind(state->store, &reward))
		return refuse(p, s, "kind", "%d kinds have come since the start, and no more are taken; a start forgets those that no "
		                            "reward has", KINDS_MAX);
	if (s == STATUS_pool_exhausted)
		return refuse(p, s, "", "no room for another reward (rewards.capacity) or its name (rewards.name_bytes)");
	return s;
}

static void reward_put_apply(struct state *state, const struct effect_head *effect, uint64_t place)
{
	(void)place;
	if (state->store == NULL)
		return;
	struct reward reward = handler_reward_of((const struct effect_reward_put *)effect);
	reward.taken = claims_taken(&state->commerce->claims, reward.id);
	status s = store_put(state->store, &reward);
	CHECK(s == STATUS_ok, "planned reward.put was refused: %s", status_code(s));
	store_publish(state->store);
}

static status reward_remove_plan(const struct state *state, const struct planning *p, struct effect_head **effect)
{
	struct effect_reward_remove *e = (void *)effect_take(p->arena, sizeof *e, EFFECT_reward_remove, p->event, p->now_ms);
	if (e == NULL)
		return STATUS_overloaded;
	e->reward = p->event->reward_key->reward;
	*effect = &e->head;
	status s = store_can_remove(state->store, reward_id(e->reward, e->head.flags));
	return s == STATUS_not_found ? refuse(p, s, "reward", "there is no such reward") : s;
}

static void reward_remove_apply(struct state *state, const struct effect_head *effect, uint64_t place)
{
	(void)place;
	if (state->store == NULL)
		return;
	const struct effect_reward_remove *e = (const struct effect_reward_remove *)effect;
	status s = store_remove(state->store, reward_id(e->reward, e->head.flags));
	CHECK(s == STATUS_ok, "planned reward.remove was refused: %s", status_code(s));
	store_publish(state->store);
}

const struct handler handler_reward_put = {0, reward_put_plan};
const struct handler handler_reward_remove = {0, reward_remove_plan};
const struct effect_handler effect_handler_reward_put = {reward_put_apply, answer_ok, NULL};
const struct effect_handler effect_handler_reward_remove = {reward_remove_apply, answer_ok, NULL};
