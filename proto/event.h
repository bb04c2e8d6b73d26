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
	uint32_t area;  /* enum locate_area; what it does not use of radius and box is zero */
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
	int64_t from_ms;        /* active when from <= at < until; 0: always was */
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

/*
 * The fields of each event: what JSON may give, where it goes in the record and
 * what it may be. The decoders' checks, the tables in README.md and the TypeScript
 * types come from here.
 * X(record, name, form, need, member, has, uuid, low, high, absent, note)
 *   form      enum field_form in field.h
 *   has       the flag that says the field was given; 0: told by `absent` alone
 *   uuid      the flag that remembers the form of an id
 *   low, high range of an integer
 *   absent    what an integer member holds when the field was not given
 */
#define EVENT_FIELDS_HEAD(X, record, need) \
	X(record, "id", identifier, need, head.id, EVENT_HAS_ID, EVENT_ID_IS_UUID, 0, 0, 0, \
	  "the event's own id; echoed in the result") \
	X(record, "at", integer, optional, head.at_ms, EVENT_HAS_AT, 0, 0, INTEGER_MAX, 0, \
	  "Unix milliseconds at which it happened; without it the time of receipt counts") \
	X(record, "deadline_ms", integer, optional, head.deadline_ms, EVENT_HAS_DEADLINE, 0, 1, 2147483648, 0, \
	  "after so many milliseconds in the queue it is refused and not done")

#define EVENT_FIELDS_ping(X) EVENT_FIELDS_HEAD(X, ping_record, optional)

#define EVENT_FIELDS_locate(X) \
	EVENT_FIELDS_HEAD(X, locate_record, optional) \
	X(locate_record, "actor", identifier, optional, actor, EVENT_HAS_ACTOR, EVENT_ACTOR_IS_UUID, 0, 0, 0, \
	  "who is there") \
	X(locate_record, "x", x, required, x, 0, 0, 0, 0, 0, "geo: degrees of longitude, -180 to 180") \
	X(locate_record, "y", y, required, y, 0, 0, 0, 0, 0, "geo: degrees of latitude, -90 to 90") \
	X(locate_record, "radius", area_radius, optional, radius, 0, 0, 0, 0, 0, \
	  "geo: metres; without radius and box each reward's own radius decides") \
	X(locate_record, "box", area_box, optional, box, 0, 0, 0, 0, 0, \
	  "[min_x,min_y,max_x,max_y], not together with radius; geo: min_x > max_x crosses the antimeridian") \
	X(locate_record, "limit", integer, optional, limit, 0, 0, 1, LOCATE_LIMIT_MAX, 0, \
	  "the most rewards in the answer; without it 16") \
	X(locate_record, "kinds", kinds, optional, kinds, 0, 0, 0, 0, 0, "1 to 32 names; without it all kinds")

#define EVENT_FIELDS_reward_put(X) \
	EVENT_FIELDS_HEAD(X, reward_put_record, required) \
	X(reward_put_record, "reward", identifier, required, reward, 0, EVENT_REWARD_IS_UUID, 0, 0, 0, "the reward's id") \
	X(reward_put_record, "x", x, required, x, 0, 0, 0, 0, 0, "geo: degrees of longitude, -180 to 180") \
	X(reward_put_record, "y", y, required, y, 0, 0, 0, 0, 0, "geo: degrees of latitude, -90 to 90") \
	X(reward_put_record, "radius", radius, required, radius, 0, 0, 0, 0, 0, "how near one must come; geo: metres") \
	X(reward_put_record, "kind", kind, optional, kind, 0, 0, 0, 0, 0, \
	  "1 to 31 of a-z 0-9 _ . -; without it \"default\"") \
	X(reward_put_record, "value", integer, optional, value, 0, 0, -INTEGER_MAX, INTEGER_MAX, 0, \
	  "what it is worth to the caller; trove only carries it") \
	X(reward_put_record, "stock", integer, optional, stock, 0, 0, 0, INTEGER_MAX, STOCK_UNLIMITED, \
	  "how often it can be claimed; without it unlimited") \
	X(reward_put_record, "per_actor", integer, optional, per_actor, 0, 0, 1, UINT32_MAX, 1, \
	  "how often one person can claim it; without it 1") \
	X(reward_put_record, "from", integer, optional, from_ms, 0, 0, 0, INTEGER_MAX, 0, \
	  "active from this Unix millisecond on") \
	X(reward_put_record, "until", integer, optional, until_ms, 0, 0, 1, INTEGER_MAX, INT64_MAX, \
	  "active before this Unix millisecond, later than from; without it for ever") \
	X(reward_put_record, "benefit", benefit, optional, benefit_value, 0, 0, 0, 0, 0, \
	  "{percent_bp} of 1 to 10000, or {amount,currency} of minor units and an ISO 4217 code") \
	X(reward_put_record, "name", name, optional, name, 0, 0, 0, 0, 0, \
	  "1 to 127 bytes of UTF-8 without control characters")

#define EVENT_FIELDS_REWARD_KEY(X, need) \
	EVENT_FIELDS_HEAD(X, reward_key_record, need) \
	X(reward_key_record, "reward", identifier, required, reward, 0, EVENT_REWARD_IS_UUID, 0, 0, 0, "the reward's id")
#define EVENT_FIELDS_reward_remove(X) EVENT_FIELDS_REWARD_KEY(X, required)
#define EVENT_FIELDS_reward_get(X) EVENT_FIELDS_REWARD_KEY(X, optional)

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

/* Static text: "locate" and so on; NULL for a number that is no type. */
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
