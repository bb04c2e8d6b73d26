/*
 * event: what a peer can ask for. The one table from which enums, names,
 * dispatch, the tables in proto/README.md and the TypeScript types are made, and
 * the fixed-size records that carry an event.
 *
 * A record is the binary frame's layout: binary events are read in the message in
 * which they arrived; the JSON decoder fills the same records. So everything
 * behind the decoder knows one form. Records may stand at any address: they are
 * packed, the compiler loads them as unaligned, and nobody keeps a pointer to a
 * member. Little-endian, IEEE 754. Who owns the bytes: the message's owner.
 *
 * Text (names, kinds) stands behind the records; a record holds its place.
 * Offsets and lengths were checked by the decoder, the text is valid UTF-8.
 */
#ifndef PROTO_EVENT_H
#define PROTO_EVENT_H

#include "proto/identifier.h"

#include <stddef.h>
#include <stdint.h>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "records are little-endian and read in place");

enum event_class {
	EVENT_QUERY,  /* answered at once from a snapshot, on the thread that received it */
	EVENT_CHANGE, /* goes through the writer */
};

/* X(symbol, number on the wire, name, class, record, name of the result's type) */
#define EVENT_TABLE(X) \
	X(ping, 1, "ping", EVENT_QUERY, ping_record, "pong") \
	X(locate, 2, "locate", EVENT_QUERY, locate_record, "located") \
	X(reward_put, 3, "reward.put", EVENT_CHANGE, reward_put_record, "ok") \
	X(reward_remove, 4, "reward.remove", EVENT_CHANGE, reward_key_record, "ok") \
	X(reward_get, 5, "reward.get", EVENT_QUERY, reward_key_record, "reward")

enum event_type {
	EVENT_NONE = 0,
#define X(symbol, number, name, class, record, result) EVENT_##symbol = number,
	EVENT_TABLE(X)
#undef X
};

enum { EVENT_TYPE_MAX = 5 };

/* Limits that are part of the protocol, not of the configuration. */
enum {
	KIND_BYTES_MAX = 31,    /* a kind's name: 1 to 31 of a-z 0-9 _ . - */
	NAME_BYTES_MAX = 127,   /* a reward's name: UTF-8 without control characters */
	LOCATE_LIMIT_DEFAULT = 16,
	LOCATE_LIMIT_MAX = 1024,
	LOCATE_KINDS_MAX = 32,  /* kinds named in one locate */
	CURRENCY_BYTES = 3,
};
/* Integers on the JSON side stay exact in a double. */
#define INTEGER_MAX 9007199254740992 /* 2^53 */
/* Plane coordinates and radii: finite and at most this. */
#define PLANE_MAX 1e15

/* A 128-bit id as it stands in a record; its form is a bit of event_head.flags. */
struct [[gnu::packed]] wire_id {
	uint64_t low;
	uint64_t high;
};
static_assert(sizeof(struct wire_id) == 16);

struct [[gnu::packed]] wire_text {
	uint32_t offset; /* from the start of the text that follows the records */
	uint32_t bytes;  /* 0: absent */
};
static_assert(sizeof(struct wire_text) == 8);

enum event_flag {
	EVENT_HAS_ID = 1 << 0,
	EVENT_HAS_AT = 1 << 1,
	EVENT_HAS_DEADLINE = 1 << 2,
	EVENT_HAS_ACTOR = 1 << 3,
	EVENT_ID_IS_UUID = 1 << 4,
	EVENT_ACTOR_IS_UUID = 1 << 5,
	EVENT_REWARD_IS_UUID = 1 << 6,
};

/* The start of every record. */
struct [[gnu::packed]] event_head {
	struct wire_id id;
	int64_t at_ms;        /* Unix milliseconds; 0 without EVENT_HAS_AT */
	uint32_t deadline_ms; /* after receipt */
	uint32_t flags;       /* enum event_flag; unknown bits are an error */
};
static_assert(sizeof(struct event_head) == 32);
static_assert(offsetof(struct event_head, at_ms) == 16 && offsetof(struct event_head, deadline_ms) == 24 &&
              offsetof(struct event_head, flags) == 28);

struct [[gnu::packed]] ping_record {
	struct event_head head;
};
static_assert(sizeof(struct ping_record) == 32);

enum locate_area {
	LOCATE_OWN = 0,    /* each reward's own radius decides */
	LOCATE_RADIUS = 1, /* a circle of `radius` around x, y */
	LOCATE_BOX = 2,    /* inside the box; distance is still measured from x, y */
};

struct [[gnu::packed]] locate_record {
	struct event_head head;
	struct wire_id actor;
	double x; /* geo: degrees of longitude */
	double y; /* geo: degrees of latitude */
	union {
		double radius; /* geo: metres */
		double box[4]; /* min_x, min_y, max_x, max_y */
	};
	uint32_t limit; /* 1 to LOCATE_LIMIT_MAX; 0: the default */
	uint32_t area;  /* enum locate_area */
	struct wire_text kinds; /* names separated by commas; absent: all kinds */
};
static_assert(sizeof(struct locate_record) == 112);
static_assert(offsetof(struct locate_record, actor) == 32 && offsetof(struct locate_record, x) == 48 &&
              offsetof(struct locate_record, y) == 56 && offsetof(struct locate_record, radius) == 64 &&
              offsetof(struct locate_record, box) == 64 && offsetof(struct locate_record, limit) == 96 &&
              offsetof(struct locate_record, area) == 100 && offsetof(struct locate_record, kinds) == 104);

enum benefit_type {
	BENEFIT_NONE = 0,
	BENEFIT_PERCENT = 1, /* value in basis points, 1 to 10000 */
	BENEFIT_AMOUNT = 2,  /* value in minor units of a currency */
};

enum { STOCK_UNLIMITED = -1 };

struct [[gnu::packed]] reward_put_record {
	struct event_head head;
	struct wire_id reward;
	double x;
	double y;
	double radius;
	int64_t value;          /* what it is worth to the caller; trove only carries it */
	int64_t stock;          /* STOCK_UNLIMITED, or 0 to INTEGER_MAX */
	int64_t from_ms;        /* active when from <= at < until */
	int64_t until_ms;       /* INT64_MAX: for ever */
	int64_t benefit_value;
	uint32_t per_actor;     /* claims a person may make; at least 1 */
	uint8_t benefit_type;   /* enum benefit_type */
	char benefit_currency[CURRENCY_BYTES]; /* A-Z, only with BENEFIT_AMOUNT */
	struct wire_text kind;  /* absent: "default" */
	struct wire_text name;
};
static_assert(sizeof(struct reward_put_record) == 136);
static_assert(offsetof(struct reward_put_record, reward) == 32 && offsetof(struct reward_put_record, x) == 48 &&
              offsetof(struct reward_put_record, y) == 56 && offsetof(struct reward_put_record, radius) == 64 &&
              offsetof(struct reward_put_record, value) == 72 && offsetof(struct reward_put_record, stock) == 80 &&
              offsetof(struct reward_put_record, from_ms) == 88 && offsetof(struct reward_put_record, until_ms) == 96 &&
              offsetof(struct reward_put_record, benefit_value) == 104 &&
              offsetof(struct reward_put_record, per_actor) == 112 &&
              offsetof(struct reward_put_record, benefit_type) == 116 &&
              offsetof(struct reward_put_record, benefit_currency) == 117 &&
              offsetof(struct reward_put_record, kind) == 120 && offsetof(struct reward_put_record, name) == 128);

/* reward.remove and reward.get */
struct [[gnu::packed]] reward_key_record {
	struct event_head head;
	struct wire_id reward;
};
static_assert(sizeof(struct reward_key_record) == 48);
static_assert(offsetof(struct reward_key_record, reward) == 32);

/* One decoded, validated event. The pointers hold as long as the message (binary)
 * or until the next event is decoded (JSON). */
struct event {
	enum event_type type;
	union {
		const struct event_head *head;
		const struct ping_record *ping;
		const struct locate_record *locate;
		const struct reward_put_record *reward_put;
		const struct reward_key_record *reward_key;
	};
	const char *text;
};

/* "locate" and so on; NULL for a number that is no type. */
const char *event_name(enum event_type type);
/* EVENT_NONE for a name that is none. */
enum event_type event_type_of(const char *name, size_t bytes);
bool event_is_change(enum event_type type);
size_t event_record_bytes(enum event_type type);

static inline struct identifier event_id(const struct event *e)
{
	return (struct identifier){e->head->id.low, e->head->id.high, (e->head->flags & EVENT_ID_IS_UUID) != 0};
}

#endif
