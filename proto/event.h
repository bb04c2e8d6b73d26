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
	EVENT_QUERY,  /* answered at once, on the thread that received it */
	EVENT_READ,   /* goes through the writer in order, changes nothing */
	EVENT_CHANGE, /* goes through the writer and the journal; needs an id */
};

/* X(symbol, number on the wire, name, class, record, name of the result's type) */
#define EVENT_TABLE(X) \
	X(ping, 1, "ping", EVENT_QUERY, ping_record, "pong") \
	X(locate, 2, "locate", EVENT_QUERY, locate_record, "located") \
	X(reward_put, 3, "reward.put", EVENT_CHANGE, reward_put_record, "ok") \
	X(reward_remove, 4, "reward.remove", EVENT_CHANGE, reward_key_record, "ok") \
	X(reward_get, 5, "reward.get", EVENT_QUERY, reward_key_record, "reward") \
	X(claim, 6, "claim", EVENT_CHANGE, claim_record, "claimed") \
	X(product_put, 7, "product.put", EVENT_CHANGE, product_put_record, "ok") \
	X(product_remove, 8, "product.remove", EVENT_CHANGE, product_key_record, "ok") \
	X(product_get, 9, "product.get", EVENT_READ, product_key_record, "product") \
	X(cart_open, 10, "cart.open", EVENT_CHANGE, cart_open_record, "cart") \
	X(cart_add, 11, "cart.add", EVENT_CHANGE, cart_line_record, "cart") \
	X(cart_set, 12, "cart.set", EVENT_CHANGE, cart_line_record, "cart") \
	X(cart_remove, 13, "cart.remove", EVENT_CHANGE, cart_line_record, "cart") \
	X(cart_apply, 14, "cart.apply", EVENT_CHANGE, cart_apply_record, "cart") \
	X(cart_get, 15, "cart.get", EVENT_READ, cart_key_record, "cart") \
	X(cart_checkout, 16, "cart.checkout", EVENT_CHANGE, cart_checkout_record, "payment") \
	X(payment_authorize, 17, "payment.authorize", EVENT_CHANGE, payment_authorize_record, "payment") \
	X(payment_capture, 18, "payment.capture", EVENT_CHANGE, payment_amount_record, "payment") \
	X(payment_refund, 19, "payment.refund", EVENT_CHANGE, payment_amount_record, "payment") \
	X(payment_void, 20, "payment.void", EVENT_CHANGE, payment_key_record, "payment") \
	X(payment_get, 21, "payment.get", EVENT_READ, payment_key_record, "payment") \
	X(feed_read, 22, "feed.read", EVENT_QUERY, feed_read_record, "feed")

enum event_type {
	EVENT_NONE = 0,
#define X(symbol, number, name, class, record, result) EVENT_##symbol = number,
	EVENT_TABLE(X)
#undef X
};

enum { EVENT_TYPE_MAX = 22 };

/* Limits that are part of the protocol, not of the configuration. */
enum {
	KIND_BYTES_MAX = 31,    /* a kind's name: 1 to 31 of a-z 0-9 _ . - */
	NAME_BYTES_MAX = 127,   /* a reward's name: UTF-8 without control characters */
	LOCATE_LIMIT_DEFAULT = 16,
	LOCATE_LIMIT_MAX = 1024,
	LOCATE_KINDS_MAX = 32,  /* kinds named in one locate */
	CURRENCY_BYTES = 3,
	SKU_BYTES_MAX = 31,     /* UTF-8 without control characters, case-sensitive */
	QUANTITY_MAX = 1000000000,
	FEED_LIMIT_DEFAULT = 256,
	FEED_LIMIT_MAX = 4096,
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
	EVENT_HAS_CART = 1 << 7,
	EVENT_CART_IS_UUID = 1 << 8,
	EVENT_PAYMENT_IS_UUID = 1 << 9,
	EVENT_CLAIM_IS_UUID = 1 << 10,
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

struct [[gnu::packed]] claim_record {
	struct event_head head; /* the event's id becomes the claim's */
	struct wire_id actor;
	struct wire_id reward;
	struct wire_id cart; /* with EVENT_HAS_CART the benefit is applied to it at once */
	double x;
	double y;
};
static_assert(sizeof(struct claim_record) == 96);
static_assert(offsetof(struct claim_record, actor) == 32 && offsetof(struct claim_record, reward) == 48 &&
              offsetof(struct claim_record, cart) == 64 && offsetof(struct claim_record, x) == 80 &&
              offsetof(struct claim_record, y) == 88);

struct [[gnu::packed]] product_put_record {
	struct event_head head;
	int64_t unit_price; /* minor units */
	struct wire_text sku;
	struct wire_text name; /* may be absent */
	char currency[CURRENCY_BYTES];
	uint8_t zero;
};
static_assert(sizeof(struct product_put_record) == 60);
static_assert(offsetof(struct product_put_record, unit_price) == 32 && offsetof(struct product_put_record, sku) == 40 &&
              offsetof(struct product_put_record, name) == 48 && offsetof(struct product_put_record, currency) == 56);

/* product.remove and product.get */
struct [[gnu::packed]] product_key_record {
	struct event_head head;
	struct wire_text sku;
};
static_assert(sizeof(struct product_key_record) == 40);
static_assert(offsetof(struct product_key_record, sku) == 32);

struct [[gnu::packed]] cart_open_record {
	struct event_head head;
	struct wire_id cart;
	struct wire_id actor;
	int64_t ttl_ms; /* TTL_DEFAULT: the configured one */
	char currency[CURRENCY_BYTES];
	uint8_t zero;
};
static_assert(sizeof(struct cart_open_record) == 76);
static_assert(offsetof(struct cart_open_record, cart) == 32 && offsetof(struct cart_open_record, actor) == 48 &&
              offsetof(struct cart_open_record, ttl_ms) == 64 && offsetof(struct cart_open_record, currency) == 72);

enum : int64_t {
	TTL_DEFAULT = 0,
	TTL_MS_MIN = 1000,
	TTL_MS_MAX = INT64_C(31536000000), /* a year */
	PRICE_OF_CATALOGUE = -1,
	AMOUNT_ALL = -1,
	MEMBER_MISSING = INT64_MIN, /* in a required member: never allowed */
};

/* cart.add, cart.set, cart.remove */
struct [[gnu::packed]] cart_line_record {
	struct event_head head;
	struct wire_id cart;
	int64_t unit_price; /* PRICE_OF_CATALOGUE; remove: that always */
	struct wire_text sku;
	uint32_t quantity; /* add: 0 is 1; set: at least 1; remove: 0 is all */
	uint32_t zero;
};
static_assert(sizeof(struct cart_line_record) == 72);
static_assert(offsetof(struct cart_line_record, cart) == 32 && offsetof(struct cart_line_record, unit_price) == 48 &&
              offsetof(struct cart_line_record, sku) == 56 && offsetof(struct cart_line_record, quantity) == 64);

struct [[gnu::packed]] cart_apply_record {
	struct event_head head;
	struct wire_id cart;
	struct wire_id claim;
};
static_assert(sizeof(struct cart_apply_record) == 64);
static_assert(offsetof(struct cart_apply_record, cart) == 32 && offsetof(struct cart_apply_record, claim) == 48);

struct [[gnu::packed]] cart_key_record {
	struct event_head head;
	struct wire_id cart;
};
static_assert(sizeof(struct cart_key_record) == 48);
static_assert(offsetof(struct cart_key_record, cart) == 32);

struct [[gnu::packed]] cart_checkout_record {
	struct event_head head;
	struct wire_id cart;
	struct wire_id payment;
};
static_assert(sizeof(struct cart_checkout_record) == 64);
static_assert(offsetof(struct cart_checkout_record, cart) == 32 && offsetof(struct cart_checkout_record, payment) == 48);

struct [[gnu::packed]] payment_authorize_record {
	struct event_head head;
	struct wire_id payment;
	struct wire_id actor;
	struct wire_id cart; /* with EVENT_HAS_CART: noted in the payment, not looked up */
	int64_t amount;      /* minor units */
	int64_t ttl_ms;      /* TTL_DEFAULT: the configured one */
	char currency[CURRENCY_BYTES];
	uint8_t zero;
};
static_assert(sizeof(struct payment_authorize_record) == 100);
static_assert(offsetof(struct payment_authorize_record, payment) == 32 &&
              offsetof(struct payment_authorize_record, actor) == 48 &&
              offsetof(struct payment_authorize_record, cart) == 64 &&
              offsetof(struct payment_authorize_record, amount) == 80 &&
              offsetof(struct payment_authorize_record, ttl_ms) == 88 &&
              offsetof(struct payment_authorize_record, currency) == 96);

/* payment.capture and payment.refund */
struct [[gnu::packed]] payment_amount_record {
	struct event_head head;
	struct wire_id payment;
	int64_t amount; /* AMOUNT_ALL: all that is left */
};
static_assert(sizeof(struct payment_amount_record) == 56);
static_assert(offsetof(struct payment_amount_record, payment) == 32 && offsetof(struct payment_amount_record, amount) == 48);

/* payment.void and payment.get */
struct [[gnu::packed]] payment_key_record {
	struct event_head head;
	struct wire_id payment;
};
static_assert(sizeof(struct payment_key_record) == 48);
static_assert(offsetof(struct payment_key_record, payment) == 32);

struct [[gnu::packed]] feed_read_record {
	struct event_head head;
	int64_t after; /* a seq; publications behind it */
	uint32_t limit; /* 1 to FEED_LIMIT_MAX; 0: the default */
	uint32_t zero;
	struct wire_text topics; /* names separated by commas; absent: all */
};
static_assert(sizeof(struct feed_read_record) == 56);
static_assert(offsetof(struct feed_read_record, after) == 32 && offsetof(struct feed_read_record, limit) == 40 &&
              offsetof(struct feed_read_record, topics) == 48);

/* The longest record, and the most text that an event may have. */
enum { EVENT_RECORD_BYTES_MAX = 136, EVENT_TEXT_BYTES_MAX = 1152 };

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

#define EVENT_FIELD_KEY(X, record, name, member, uuid, note) \
	X(record, name, identifier, required, member, 0, uuid, 0, 0, 0, note)
#define EVENT_FIELD_ACTOR(X, record) \
	X(record, "actor", identifier, optional, actor, EVENT_HAS_ACTOR, EVENT_ACTOR_IS_UUID, 0, 0, 0, "whose it is")
#define EVENT_FIELD_CART(X, record, note) \
	X(record, "cart", identifier, optional, cart, EVENT_HAS_CART, EVENT_CART_IS_UUID, 0, 0, 0, note)
#define EVENT_FIELD_CURRENCY(X, record) \
	X(record, "currency", currency, required, currency, 0, 0, 0, 0, 0, "an ISO 4217 code: three letters A-Z")
#define EVENT_FIELD_SKU(X, record) \
	X(record, "sku", sku, required, sku, 0, 0, 0, 0, 0, "1 to 31 bytes of UTF-8 without control characters, case-sensitive")
#define EVENT_FIELD_TTL(X, record, note) \
	X(record, "ttl_ms", integer, optional, ttl_ms, 0, 0, TTL_MS_MIN, TTL_MS_MAX, TTL_DEFAULT, note)

#define EVENT_FIELDS_claim(X) \
	EVENT_FIELDS_HEAD(X, claim_record, required) \
	EVENT_FIELD_KEY(X, claim_record, "actor", actor, EVENT_ACTOR_IS_UUID, "who claims") \
	EVENT_FIELD_KEY(X, claim_record, "reward", reward, EVENT_REWARD_IS_UUID, "what is claimed") \
	X(claim_record, "x", x, required, x, 0, 0, 0, 0, 0, "where the actor is; geo: degrees of longitude") \
	X(claim_record, "y", y, required, y, 0, 0, 0, 0, 0, "geo: degrees of latitude") \
	EVENT_FIELD_CART(X, claim_record, "a cart to which the benefit is applied at once, or nothing is claimed")

#define EVENT_FIELDS_product_put(X) \
	EVENT_FIELDS_HEAD(X, product_put_record, required) \
	EVENT_FIELD_SKU(X, product_put_record) \
	X(product_put_record, "unit_price", integer, required, unit_price, 0, 0, 0, INTEGER_MAX, MEMBER_MISSING, \
	  "in minor units") \
	EVENT_FIELD_CURRENCY(X, product_put_record) \
	X(product_put_record, "name", name, optional, name, 0, 0, 0, 0, 0, \
	  "1 to 127 bytes of UTF-8 without control characters")

#define EVENT_FIELDS_PRODUCT_KEY(X, need) \
	EVENT_FIELDS_HEAD(X, product_key_record, need) \
	EVENT_FIELD_SKU(X, product_key_record)
#define EVENT_FIELDS_product_remove(X) EVENT_FIELDS_PRODUCT_KEY(X, required)
#define EVENT_FIELDS_product_get(X) EVENT_FIELDS_PRODUCT_KEY(X, optional)

#define EVENT_FIELDS_cart_open(X) \
	EVENT_FIELDS_HEAD(X, cart_open_record, required) \
	EVENT_FIELD_KEY(X, cart_open_record, "cart", cart, EVENT_CART_IS_UUID, "the new cart's id") \
	EVENT_FIELD_CURRENCY(X, cart_open_record) \
	EVENT_FIELD_ACTOR(X, cart_open_record) \
	EVENT_FIELD_TTL(X, cart_open_record, "how long it lives after its last change; without it carts.ttl_ms")

#define EVENT_FIELDS_CART_LINE(X, quantity_need, quantity_note) \
	EVENT_FIELDS_HEAD(X, cart_line_record, required) \
	EVENT_FIELD_KEY(X, cart_line_record, "cart", cart, EVENT_CART_IS_UUID, "the cart's id") \
	EVENT_FIELD_SKU(X, cart_line_record) \
	X(cart_line_record, "quantity", integer, quantity_need, quantity, 0, 0, 1, QUANTITY_MAX, 0, quantity_note)
#define EVENT_FIELD_LINE_PRICE(X) \
	X(cart_line_record, "unit_price", integer, optional, unit_price, 0, 0, 0, INTEGER_MAX, PRICE_OF_CATALOGUE, \
	  "in minor units of the cart's currency; without it the catalogue's")
#define EVENT_FIELDS_cart_add(X) EVENT_FIELDS_CART_LINE(X, optional, "how many more; without it 1") EVENT_FIELD_LINE_PRICE(X)
#define EVENT_FIELDS_cart_set(X) EVENT_FIELDS_CART_LINE(X, required, "how many then") EVENT_FIELD_LINE_PRICE(X)
#define EVENT_FIELDS_cart_remove(X) EVENT_FIELDS_CART_LINE(X, optional, "how many fewer; without it all")

#define EVENT_FIELDS_cart_apply(X) \
	EVENT_FIELDS_HEAD(X, cart_apply_record, required) \
	EVENT_FIELD_KEY(X, cart_apply_record, "cart", cart, EVENT_CART_IS_UUID, "the cart's id") \
	EVENT_FIELD_KEY(X, cart_apply_record, "claim", claim, EVENT_CLAIM_IS_UUID, "whose benefit; a claim's id is that of its event")

#define EVENT_FIELDS_cart_get(X) \
	EVENT_FIELDS_HEAD(X, cart_key_record, optional) \
	EVENT_FIELD_KEY(X, cart_key_record, "cart", cart, EVENT_CART_IS_UUID, "the cart's id")

#define EVENT_FIELDS_cart_checkout(X) \
	EVENT_FIELDS_HEAD(X, cart_checkout_record, required) \
	EVENT_FIELD_KEY(X, cart_checkout_record, "cart", cart, EVENT_CART_IS_UUID, "the cart's id") \
	EVENT_FIELD_KEY(X, cart_checkout_record, "payment", payment, EVENT_PAYMENT_IS_UUID, "the new payment's id")

#define EVENT_FIELDS_payment_authorize(X) \
	EVENT_FIELDS_HEAD(X, payment_authorize_record, required) \
	EVENT_FIELD_KEY(X, payment_authorize_record, "payment", payment, EVENT_PAYMENT_IS_UUID, "the new payment's id") \
	X(payment_authorize_record, "amount", integer, required, amount, 0, 0, 0, INTEGER_MAX, MEMBER_MISSING, \
	  "in minor units") \
	EVENT_FIELD_CURRENCY(X, payment_authorize_record) \
	EVENT_FIELD_ACTOR(X, payment_authorize_record) \
	EVENT_FIELD_CART(X, payment_authorize_record, "what it is for; noted, not looked up") \
	EVENT_FIELD_TTL(X, payment_authorize_record, "how long it holds the amount; without it payments.ttl_ms")

#define EVENT_FIELDS_PAYMENT_AMOUNT(X) \
	EVENT_FIELDS_HEAD(X, payment_amount_record, required) \
	EVENT_FIELD_KEY(X, payment_amount_record, "payment", payment, EVENT_PAYMENT_IS_UUID, "the payment's id") \
	X(payment_amount_record, "amount", integer, optional, amount, 0, 0, 1, INTEGER_MAX, AMOUNT_ALL, \
	  "in minor units; without it all that is left")
#define EVENT_FIELDS_payment_capture(X) EVENT_FIELDS_PAYMENT_AMOUNT(X)
#define EVENT_FIELDS_payment_refund(X) EVENT_FIELDS_PAYMENT_AMOUNT(X)

#define EVENT_FIELDS_PAYMENT_KEY(X, need) \
	EVENT_FIELDS_HEAD(X, payment_key_record, need) \
	EVENT_FIELD_KEY(X, payment_key_record, "payment", payment, EVENT_PAYMENT_IS_UUID, "the payment's id")
#define EVENT_FIELDS_payment_void(X) EVENT_FIELDS_PAYMENT_KEY(X, required)
#define EVENT_FIELDS_payment_get(X) EVENT_FIELDS_PAYMENT_KEY(X, optional)

#define EVENT_FIELDS_feed_read(X) \
	EVENT_FIELDS_HEAD(X, feed_read_record, optional) \
	X(feed_read_record, "after", integer, required, after, 0, 0, 0, INTEGER_MAX, MEMBER_MISSING, \
	  "a seq: publications behind it are told") \
	X(feed_read_record, "limit", integer, optional, limit, 0, 0, 1, FEED_LIMIT_MAX, 0, "the most publications; without it 256") \
	X(feed_read_record, "topics", kinds, optional, topics, 0, 0, 0, 0, 0, "1 to 32 topics; without it all")

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
		const struct claim_record *claim;
		const struct product_put_record *product_put;
		const struct product_key_record *product_key;
		const struct cart_open_record *cart_open;
		const struct cart_line_record *cart_line;
		const struct cart_apply_record *cart_apply;
		const struct cart_key_record *cart_key;
		const struct cart_checkout_record *cart_checkout;
		const struct payment_authorize_record *payment_authorize;
		const struct payment_amount_record *payment_amount;
		const struct payment_key_record *payment_key;
		const struct feed_read_record *feed_read;
	};
	const char *text;
};

/* Static text: "locate" and so on; NULL for a number that is no type. */
const char *event_name(enum event_type type);
/* EVENT_NONE for a name that is none. */
enum event_type event_type_of(const char *name, size_t bytes);
/* EVENT_QUERY for a number that is no type. */
enum event_class event_class_of(enum event_type type);
bool event_is_change(enum event_type type);
size_t event_record_bytes(enum event_type type);

static inline struct identifier event_id(const struct event *e)
{
	return (struct identifier){e->head->id.low, e->head->id.high, (e->head->flags & EVENT_ID_IS_UUID) != 0};
}

#endif
