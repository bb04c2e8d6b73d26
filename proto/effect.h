/*
 * effect: what a change does to the state, decided by a handler's plan and carried
 * out by its apply. The one table of effects, and their fixed layouts.
 *
 * An effect holds everything that apply needs, so that applying it again on the
 * same state gives the same state: it is what a journal keeps and a replay reads.
 * Packed, little-endian; text is inline. It lives in the batch's arena,
 * until that is reset; nobody keeps a pointer to one.
 */
#ifndef PROTO_EFFECT_H
#define PROTO_EFFECT_H

#include "proto/event.h"

/* X(symbol, number, record) */
#define EFFECT_TABLE(X) \
	X(reward_put, 1, effect_reward_put) \
	X(reward_remove, 2, effect_reward_remove)

enum effect_type {
	EFFECT_NONE = 0,
#define X(symbol, number, record) EFFECT_##symbol = number,
	EFFECT_TABLE(X)
#undef X
};

struct [[gnu::packed]] effect_head {
	uint32_t bytes; /* of the whole effect */
	uint16_t type;  /* enum effect_type */
	uint16_t flags; /* EVENT_*_IS_UUID of the ids that it holds */
};
static_assert(sizeof(struct effect_head) == 8);

struct [[gnu::packed]] effect_reward_put {
	struct effect_head head;
	struct wire_id reward;
	double x;
	double y;
	double radius;
	int64_t value;
	int64_t stock;
	int64_t from_ms;
	int64_t until_ms;
	int64_t benefit_value;
	uint32_t per_actor;
	uint8_t benefit_type;
	char benefit_currency[CURRENCY_BYTES];
	uint8_t kind_bytes;
	uint8_t name_bytes;
	char kind[KIND_BYTES_MAX];
	char name[NAME_BYTES_MAX];
};
static_assert(sizeof(struct effect_reward_put) == 256);
static_assert(offsetof(struct effect_reward_put, reward) == 8 && offsetof(struct effect_reward_put, x) == 24 &&
              offsetof(struct effect_reward_put, per_actor) == 88 && offsetof(struct effect_reward_put, kind) == 98 &&
              offsetof(struct effect_reward_put, name) == 129);

struct [[gnu::packed]] effect_reward_remove {
	struct effect_head head;
	struct wire_id reward;
};
static_assert(sizeof(struct effect_reward_remove) == 24);

#endif
