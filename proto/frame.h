/*
 * frame: the binary form of a message; README.md is the specification, these
 * structs are its layout. Little-endian, IEEE 754, no padding, any alignment.
 *
 *   request  frame_header, count records of event.h, text_bytes of text
 *   reply    frame_header, count results; a result is a result_header, its matches
 *            or its reward, and its own text
 *
 * Here too is the client's side: frame_build makes requests, frame_reader reads
 * replies and trusts nothing in them. The caller owns all bytes; nothing is
 * allocated; one thread at a time per object.
 */
#ifndef PROTO_FRAME_H
#define PROTO_FRAME_H

#include "engine/base/attribute.h"
#include "engine/base/cursor.h"
#include "engine/base/status.h"
#include "proto/result.h"

#define FRAME_MAGIC 0x31565254u /* "TRV1" */
enum { FRAME_VERSION = 1 };

enum frame_kind {
	FRAME_REQUEST = 1,
	FRAME_REPLY = 2,
};

struct [[gnu::packed]] frame_header {
	uint32_t magic;
	uint8_t version;
	uint8_t kind;        /* enum frame_kind */
	uint16_t type;       /* enum event_type of all events in the frame; 0: the reply to a message that was refused */
	uint32_t count;      /* events or results, at least 1 */
	uint32_t body_bytes; /* all records, or all results with their text */
	uint32_t text_bytes; /* text behind the records; 0 in replies */
	uint32_t reserved;   /* 0 */
	uint64_t request;    /* the client's; echoed */
};
static_assert(sizeof(struct frame_header) == 32);
static_assert(offsetof(struct frame_header, version) == 4 && offsetof(struct frame_header, kind) == 5 &&
              offsetof(struct frame_header, type) == 6 && offsetof(struct frame_header, count) == 8 &&
              offsetof(struct frame_header, body_bytes) == 12 && offsetof(struct frame_header, text_bytes) == 16 &&
              offsetof(struct frame_header, reserved) == 20 && offsetof(struct frame_header, request) == 24);

enum result_flag {
	RESULT_HAS_ID = 1 << 0,
	RESULT_ID_IS_UUID = 1 << 1,
	RESULT_TRUNCATED = 1 << 2, /* located: more matched than are listed; feed: there is more */
	RESULT_REPLAYED = 1 << 3,  /* the stored result of an earlier event with this id */
};

struct [[gnu::packed]] result_header {
	struct wire_id id;       /* the event's, where it could be read */
	uint16_t code;           /* enum status; 0: ok */
	uint8_t type;            /* enum result_type */
	uint8_t flags;           /* enum result_flag */
	uint32_t bytes;          /* what follows this header: matches or reward, then text */
	uint32_t text_bytes;     /* the last part of it */
	uint32_t returned;       /* located: matches in this result; cart: lines; feed: publications */
	uint64_t count;          /* located: all matches; cart: all lines */
	uint64_t seq;            /* of a change: the journal's sequence number; feed: read on behind it */
	uint32_t retry_after_ms; /* 0: not told */
	uint8_t retry;           /* enum retry */
	uint8_t cart_state;      /* of a refusal: where the cart was; 0: not told */
	uint8_t payment_state;   /* the same of a payment */
	uint8_t reserved;
	struct wire_text field;   /* in this result's text */
	struct wire_text message;
};
static_assert(sizeof(struct result_header) == 72);
static_assert(offsetof(struct result_header, code) == 16 && offsetof(struct result_header, type) == 18 &&
              offsetof(struct result_header, flags) == 19 && offsetof(struct result_header, bytes) == 20 &&
              offsetof(struct result_header, text_bytes) == 24 && offsetof(struct result_header, returned) == 28 &&
              offsetof(struct result_header, count) == 32 && offsetof(struct result_header, seq) == 40 &&
              offsetof(struct result_header, retry_after_ms) == 48 && offsetof(struct result_header, retry) == 52 &&
              offsetof(struct result_header, cart_state) == 53 &&
              offsetof(struct result_header, payment_state) == 54 && offsetof(struct result_header, reserved) == 55 &&
              offsetof(struct result_header, field) == 56 &&
              offsetof(struct result_header, message) == 64);

enum match_flag { MATCH_REWARD_IS_UUID = 1 << 0 };

struct [[gnu::packed]] match_record {
	struct wire_id reward;
	double distance;      /* geo: metres */
	int64_t value;
	int64_t remaining;    /* STOCK_UNLIMITED, or what is left */
	uint32_t kind_offset; /* in this result's text; matches of one kind share it */
	uint8_t kind_bytes;
	uint8_t flags;        /* enum match_flag */
	uint16_t reserved;
};
static_assert(sizeof(struct match_record) == 48);
static_assert(offsetof(struct match_record, distance) == 16 && offsetof(struct match_record, value) == 24 &&
              offsetof(struct match_record, remaining) == 32 && offsetof(struct match_record, kind_offset) == 40 &&
              offsetof(struct match_record, kind_bytes) == 44 && offsetof(struct match_record, flags) == 45 &&
              offsetof(struct match_record, reserved) == 46);

struct [[gnu::packed]] reward_record {
	struct wire_id reward;
	double x, y, radius;
	int64_t value, stock, remaining, from_ms, until_ms, benefit_value;
	uint32_t per_actor;
	uint8_t benefit_type; /* enum benefit_type */
	char benefit_currency[CURRENCY_BYTES];
	struct wire_text kind;
	struct wire_text name;
	uint32_t flags;       /* enum match_flag */
	uint32_t reserved;
};
static_assert(sizeof(struct reward_record) == 120);
static_assert(offsetof(struct reward_record, x) == 16 && offsetof(struct reward_record, y) == 24 &&
              offsetof(struct reward_record, radius) == 32 && offsetof(struct reward_record, value) == 40 &&
              offsetof(struct reward_record, stock) == 48 && offsetof(struct reward_record, remaining) == 56 &&
              offsetof(struct reward_record, from_ms) == 64 && offsetof(struct reward_record, until_ms) == 72 &&
              offsetof(struct reward_record, benefit_value) == 80 && offsetof(struct reward_record, per_actor) == 88 &&
              offsetof(struct reward_record, benefit_type) == 92 &&
              offsetof(struct reward_record, benefit_currency) == 93 && offsetof(struct reward_record, kind) == 96 &&
              offsetof(struct reward_record, name) == 104 && offsetof(struct reward_record, flags) == 112 &&
              offsetof(struct reward_record, reserved) == 116);

/* A status's number is its place in the table, and on the wire. A new one goes to
 * the end; where checks come in another order, the wire gets a table of its own. */
static_assert(STATUS_malformed == 1 && STATUS_too_large == 2 && STATUS_unknown_type == 3 && STATUS_unknown_field == 4 &&
              STATUS_missing_field == 5 && STATUS_invalid_field == 6 && STATUS_overloaded == 7 && STATUS_draining == 8 &&
              STATUS_deadline_exceeded == 9 && STATUS_journal_full == 10 && STATUS_id_reused == 11 &&
              STATUS_not_found == 12 && STATUS_already_exists == 13 && STATUS_invalid_state == 14 &&
              STATUS_not_active == 15 && STATUS_too_far == 16 && STATUS_already_claimed == 17 &&
              STATUS_out_of_stock == 18 && STATUS_currency_mismatch == 19 && STATUS_amount_exceeds == 20 &&
              STATUS_amount_overflow == 21 && STATUS_pool_exhausted == 22 && STATUS_internal == 23);
static_assert(RETRY_never == 0 && RETRY_same_id == 1 && RETRY_new_id == 2);

static inline bool frame_has_magic(const void *bytes, size_t count)
{
	uint32_t magic;
	if (count < sizeof magic)
		return false;
	memcpy(&magic, bytes, sizeof magic);
	return magic == FRAME_MAGIC;
}

/* Appends one request frame of count records of the type, with the text that they
 * point into. If it does not fit, nothing is written and out is full. */
[[READS(6, 7)]] void frame_build(struct cursor *out, enum event_type type, uint64_t request, const void *records, uint32_t count,
                 const char *text, uint32_t text_bytes);

struct frame_reader {
	const uint8_t *at;
	const uint8_t *end;       /* of the message */
	const uint8_t *frame_end; /* of the current frame */
	uint32_t left;            /* results left in it */
	struct frame_header header;
};

/* One result; the pointers lead into the message. */
struct frame_result {
	uint64_t request;
	uint16_t event_type;
	const struct result_header *head;
	const struct match_record *matches; /* located: head->returned of them */
	const struct reward_record *reward; /* reward */
	const struct claimed_record *claimed;
	const struct product_record *product;
	const struct cart_record *cart;
	const struct line_record *lines;    /* cart: head->returned of them */
	const struct payment_record *payment;
	const char *text;                   /* feed: a JSON object and a line end for each publication */
};

/* The reader borrows the message: it holds as long as the reader and its results are used. */
[[READS(2, 3)]] void frame_reader_open(struct frame_reader *r, const void *bytes, size_t count);
/* Whether another result is to come. */
bool frame_reader_has_next(const struct frame_reader *r);
/* STATUS_malformed: the message lies about itself; stop. Every count, length and
 * offset of what is returned was checked. */
status frame_reader_next(struct frame_reader *r, struct frame_result *result);

#endif
