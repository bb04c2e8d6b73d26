#include "engine/handler/handler.h"

static void *effect_take(struct arena *arena, size_t bytes, enum effect_type type, const struct event *event)
{
	struct effect_head *head = arena_take(arena, bytes, 8);
	if (head == NULL)
		return NULL;
	memset(head, 0, bytes);
	head->bytes = (uint32_t)bytes;
	head->type = (uint16_t)type;
	head->event_type = (uint16_t)event->type;
	head->flags = event->head->flags & ~(uint32_t)EVENT_HAS_DEADLINE;
	head->id = event->head->id;
	return head;
}

static struct identifier reward_id(struct wire_id id, uint32_t flags)
{
	return (struct identifier){id.low, id.high, (flags & EVENT_REWARD_IS_UUID) != 0};
}

/* The effect's reward as the store takes it; its text stays in the effect. */
static struct reward reward_of(const struct effect_reward_put *e)
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

static status reward_put_plan(const struct state *state, const struct event *event, struct arena *arena,
                              struct effect_head **effect, struct problem *problem)
{
	const struct reward_put_record *r = event->reward_put;
	struct effect_reward_put *e = effect_take(arena, sizeof *e, EFFECT_reward_put, event);
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

	struct reward reward = reward_of(e);
	status s = store_can_put(state->store, &reward);
	if (s == STATUS_pool_exhausted)
		snprintf(problem->message, sizeof problem->message,
		         "no room for another reward (rewards.capacity), its name (rewards.name_bytes) or kind");
	*effect = &e->head;
	return s;
}

static void reward_put_apply(struct state *state, const struct effect_head *effect)
{
	struct reward reward = reward_of((const struct effect_reward_put *)effect);
	status s = store_put(state->store, &reward);
	CHECK(s == STATUS_ok, "planned reward.put was refused: %s", status_code(s));
}

static status reward_remove_plan(const struct state *state, const struct event *event, struct arena *arena,
                                 struct effect_head **effect, struct problem *problem)
{
	struct effect_reward_remove *e = effect_take(arena, sizeof *e, EFFECT_reward_remove, event);
	if (e == NULL)
		return STATUS_overloaded;
	e->reward = event->reward_key->reward;
	status s = store_can_remove(state->store, reward_id(e->reward, e->head.flags));
	if (s == STATUS_not_found) {
		snprintf(problem->field, sizeof problem->field, "reward");
		snprintf(problem->message, sizeof problem->message, "there is no such reward");
	}
	*effect = &e->head;
	return s;
}

static void reward_remove_apply(struct state *state, const struct effect_head *effect)
{
	const struct effect_reward_remove *e = (const struct effect_reward_remove *)effect;
	status s = store_remove(state->store, reward_id(e->reward, e->head.flags));
	CHECK(s == STATUS_ok, "planned reward.remove was refused: %s", status_code(s));
}

const struct handler handler_reward_put = {reward_put_plan, reward_put_apply};
const struct handler handler_reward_remove = {reward_remove_plan, reward_remove_apply};
