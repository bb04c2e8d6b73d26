/*
 * wire: what simulated clients say and hear: an ask is one event, an answer one result, both in a form
 * of the simulation's own, from and to JSON and binary messages. No state; one thread.
 */
#ifndef TESTS_SIM_WIRE_H
#define TESTS_SIM_WIRE_H

#include "engine/base/status.h"
#include "proto/result.h"

enum { SIM_LINES_MAX = 64, SIM_MATCHES_MAX = 64, SIM_FEED_MAX = 4096, SIM_BATCH_MAX = 8, SIM_TEXT_BYTES = 32 };

/* Ids are numbers; numbers that 3 divides travel as UUIDs. 0: none. What the event has not is 0. */
struct ask {
	enum event_type type;
	uint64_t id, actor, reward, cart, payment, claim;
	double x, y, radius, box[4];
	enum locate_area area;
	uint32_t limit, quantity, per_actor, deadline_ms;
	int64_t value, stock, from_ms, until_ms, benefit_value;
	enum benefit_type benefit_type;
	int64_t unit_price, amount, ttl_ms, at_ms, after;
	char currency[4], kind[SIM_TEXT_BYTES], name[SIM_TEXT_BYTES], sku[SIM_TEXT_BYTES];
};

struct answer_line {
	char sku[SIM_TEXT_BYTES];
	int64_t quantity, unit_price, amount;
};

struct answer_match {
	uint64_t reward;
	double distance;
	int64_t value, remaining;
	char kind[SIM_TEXT_BYTES];
};

struct answer {
	enum result_type type;
	status code;
	uint64_t id, seq;
	bool is_replayed;
	char retry[16], state[24], field[32]; /* state: of an error too */
	uint64_t claim, reward, cart, payment, actor;
	int64_t remaining, subtotal, discount, total, expires_ms, unit_price;
	int64_t authorized, captured, refunded, voided;
	uint32_t line_count, lines_told;
	char currency[4], sku[SIM_TEXT_BYTES], name[SIM_TEXT_BYTES], kind[SIM_TEXT_BYTES];
	struct answer_line lines[SIM_LINES_MAX];
	/* located, reward */
	uint64_t count;
	bool is_truncated; /* feed: there is more */
	uint32_t match_count;
	struct answer_match matches[SIM_MATCHES_MAX];
	double x, y, radius;
	int64_t value, stock, from_ms, until_ms, benefit_value;
	uint32_t per_actor;
	enum benefit_type benefit_type;
	/* feed: a JSON object and a line end for each; allocated, the caller's */
	char *feed;
	uint64_t last;
};

/* Writes the message; its length, 0: it does not fit. */
size_t wire_write(bool is_binary, const struct ask *asks, unsigned count, char *bytes, size_t room);
/* Reads a reply of so many answers. false: it is none, why says what is wrong. */
bool wire_read(const void *bytes, size_t size, const struct ask *asks, unsigned count, struct answer *answers, char why[256]);
/* One line of text, for people. */
void wire_describe(const struct ask *ask, char text[512]);
void wire_describe_answer(const struct answer *answer, char text[512]);

/* The number of an id as it stands in a text or a record; UINT64_MAX: it is none of ours, or of another form. */
uint64_t wire_number(const char *text);
/* The id of a number: every third is a UUID. */
struct identifier wire_id_of(uint64_t number);
void wire_format(uint64_t number, char text[static 40]);

#endif
