/*
 * retail: the order lines of a shop, read from CSV into invoices: sales, and cancellations with the
 * sales that they refund.
 *
 * A sale is an invoice that comes to more than 0; an invoice that begins with C cancels: its
 * lines have negative quantities. A cancelled line takes its quantity from what the same customer
 * bought of the same sku before and did not give back yet, the newest purchase first; whole pieces at
 * the cancelled line's price, and never more than the sale's payment can still refund. What finds no
 * purchase stays unmatched. Invoices without a price (stock found, stock written off) are counted only.
 *
 * All is in memory, about 60 bytes a line, until retail_free. One thread.
 */
#ifndef CMD_TROVECTL_RETAIL_H
#define CMD_TROVECTL_RETAIL_H

#include "cmd/trovectl/complaint.h"
#include "cmd/trovectl/names.h"
#include "engine/base/csv.h"
#include "proto/event.h"

enum : uint32_t { RETAIL_NONE = UINT32_MAX };

struct retail_line {
	uint64_t file_line;
	int64_t unit_price;
	uint32_t invoice, sku, name; /* name: of names, or RETAIL_NONE */
	uint32_t quantity;           /* without its sign; 0: a line that does not count */
	uint32_t left;               /* of a sale: not given back */
	uint32_t position;           /* in its invoice, from 1 */
	uint32_t next;               /* line of the invoice */
	uint32_t earlier;            /* purchase of the same customer and sku */
	bool introduces_sku;         /* the first priced one: the product is put with it */
};

enum retail_kind { RETAIL_sale, RETAIL_cancellation, RETAIL_without_price };

/* How far a sale has come; kept for who sends it. */
enum retail_state : uint8_t { RETAIL_unsent, RETAIL_filling, RETAIL_filled, RETAIL_paying, RETAIL_done, RETAIL_failed };

struct retail_invoice {
	int64_t time_ms; /* of its first line */
	int64_t total;   /* minor units, without its sign */
	int64_t refunded; /* sale: planned on it; cancellation: planned by it */
	uint32_t name, customer; /* customer: of names, or RETAIL_NONE */
	uint32_t first, last, lines; /* lines: that count */
	uint32_t first_refund, refunds; /* of a cancellation */
	uint32_t pending; /* events without an answer */
	enum retail_kind kind;
	char currency[CURRENCY_BYTES + 1];
	enum retail_state state;
	bool is_bad;
};

struct retail_refund {
	int64_t amount;
	uint32_t line;     /* that cancels */
	uint32_t invoice;  /* whose payment is refunded */
	uint32_t quantity;
	uint32_t part;     /* of its line's refunds, from 1 */
	bool is_done;
};

struct retail {
	struct names names, keys;
	struct retail_line *line;
	struct retail_invoice *invoice; /* in the order of their first lines */
	struct retail_refund *refund;
	uint32_t line_count, line_capacity, invoice_count, invoice_capacity, refund_count, refund_capacity;
	uint32_t *of_name;  /* invoice of a name, + 1 */
	uint32_t of_name_capacity;
	uint32_t *newest;   /* purchase of a customer and sku, + 1, by number in keys */
	uint32_t newest_capacity;
};

/* Whether the header is one of order lines. */
bool retail_is(const struct csv *csv);
/* Reads all rows; bad ones are complained about and left out. false: no memory. */
bool retail_read(struct retail *r, struct csv *csv, struct complaints *bad_rows);
void retail_free(struct retail *r);

#endif
