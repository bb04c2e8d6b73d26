#include "cmd/trovectl/retail.h"

#include "proto/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- rows ----------------------------------------------------------------------------- */

struct columns {
	int time, invoice, customer, sku, name, quantity, unit_price, currency;
};

static struct columns columns_of(const struct csv *csv)
{
	return (struct columns){
		.time = csv_column(csv, "unix_ms|at|time_ms"),
		.invoice = csv_column(csv, "invoice"),
		.customer = csv_column(csv, "customer|actor"),
		.sku = csv_column(csv, "sku"),
		.name = csv_column(csv, "description|name"),
		.quantity = csv_column(csv, "quantity"),
		.unit_price = csv_column(csv, "unit_price_minor|unit_price"),
		.currency = csv_column(csv, "currency"),
	};
}

bool retail_is(const struct csv *csv)
{
	struct columns c = columns_of(csv);
	return c.time >= 0 && c.invoice >= 0 && c.sku >= 0 && c.quantity >= 0 && c.unit_price >= 0 && c.currency >= 0;
}

struct row {
	const char *invoice, *customer, *sku, *name, *currency;
	size_t name_bytes;
	int64_t time_ms, quantity, unit_price;
};

static bool read_integer(const char *text, int64_t least, int64_t greatest, int64_t *value)
{
	char *end;
	errno = 0;
	*value = strtoll(text, &end, 10);
	return end != text && *end == '\0' && errno == 0 && *value >= least && *value <= greatest;
}

/* Without the blanks around it, in at most NAME_BYTES_MAX bytes of whole characters; none if it is no text. */
static void take_name(struct row *row, const char *text)
{
	text += strspn(text, " ");
	size_t bytes = strlen(text);
	while (bytes > 0 && text[bytes - 1] == ' ')
		bytes--;
	if (bytes > NAME_BYTES_MAX)
		bytes = text_utf8_prefix(text, NAME_BYTES_MAX);
	row->name = text;
	row->name_bytes = text_is_line(text, bytes, NAME_BYTES_MAX) ? bytes : 0;
}

/* NULL, or the column that is wrong. */
static const char *read_row(const struct csv *csv, const struct columns *c, struct row *row)
{
	*row = (struct row){
		.invoice = csv_field(csv, c->invoice),
		.customer = csv_field(csv, c->customer),
		.sku = csv_field(csv, c->sku),
		.currency = csv_field(csv, c->currency),
	};
	take_name(row, csv_field(csv, c->name));
	if (!read_integer(csv_field(csv, c->time), 0, INTEGER_MAX, &row->time_ms))
		return "unix_ms";
	if (!text_is_line(row->invoice, strlen(row->invoice), SKU_BYTES_MAX))
		return "invoice";
	if (!text_is_line(row->sku, strlen(row->sku), SKU_BYTES_MAX))
		return "sku";
	if (!read_integer(csv_field(csv, c->quantity), -QUANTITY_MAX, QUANTITY_MAX, &row->quantity))
		return "quantity";
	if (!read_integer(csv_field(csv, c->unit_price), 0, INTEGER_MAX, &row->unit_price))
		return "unit_price";
	return strlen(row->currency) == CURRENCY_BYTES && text_is_currency(row->currency) ? NULL : "currency";
}

/* ---- invoices --------------------------------------------------------------------------- */

static struct retail_invoice *invoice_of(struct retail *r, const struct row *row)
{
	uint32_t name = names_add(&r->names, row->invoice, strlen(row->invoice));
	if (name == NAMES_NONE)
		return NULL;
	while (r->of_name_capacity <= name) {
		uint32_t before = r->of_name_capacity;
		if (!names_grow(&r->of_name, &r->of_name_capacity, before, sizeof *r->of_name))
			return NULL;
		memset(r->of_name + before, 0, (r->of_name_capacity - before) * sizeof *r->of_name);
	}
	if (r->of_name[name] != 0)
		return &r->invoice[r->of_name[name] - 1];
	if (!names_grow(&r->invoice, &r->invoice_capacity, r->invoice_count, sizeof *r->invoice))
		return NULL;
	struct retail_invoice *invoice = &r->invoice[r->invoice_count++];
	r->of_name[name] = r->invoice_count;
	*invoice = (struct retail_invoice){
		.time_ms = row->time_ms,
		.name = name,
		.customer = RETAIL_NONE,
		.first = RETAIL_NONE,
		.last = RETAIL_NONE,
		.kind = row->invoice[0] == 'C' ? RETAIL_cancellation : RETAIL_sale,
	};
	memcpy(invoice->currency, row->currency, CURRENCY_BYTES);
	if (row->customer[0] != '\0')
		invoice->customer = names_add(&r->names, row->customer, strlen(row->customer));
	return invoice;
}

/* Lines of the wrong sign are corrections of the stock: they have a position, and do not count. */
static uint32_t counted_quantity(const struct retail_invoice *invoice, int64_t quantity)
{
	bool counts = invoice->kind == RETAIL_cancellation ? quantity < 0 : quantity > 0;
	return counts ? (uint32_t)(quantity < 0 ? -quantity : quantity) : 0;
}

/* NULL: taken. Else what is wrong with the row; "": no memory. */
static const char *add_row(struct retail *r, const struct row *row, uint64_t file_line)
{
	struct retail_invoice *invoice = invoice_of(r, row);
	if (invoice == NULL || !names_grow(&r->line, &r->line_capacity, r->line_count, sizeof *r->line))
		return "";
	int64_t amount, total;
	uint32_t quantity = counted_quantity(invoice, row->quantity);
	if (memcmp(invoice->currency, row->currency, CURRENCY_BYTES) != 0)
		return "currency: another one than that of the invoice's first line";
	if (__builtin_mul_overflow(row->unit_price, (int64_t)quantity, &amount) ||
	    __builtin_add_overflow(invoice->total, amount, &total) || total > INTEGER_MAX)
		return "quantity: the invoice's total does not fit";
	struct retail_line *line = &r->line[r->line_count];
	*line = (struct retail_line){
		.file_line = file_line,
		.unit_price = row->unit_price,
		.invoice = (uint32_t)(invoice - r->invoice),
		.sku = names_add(&r->names, row->sku, strlen(row->sku)),
		.name = row->name_bytes != 0 ? names_add(&r->names, row->name, row->name_bytes) : RETAIL_NONE,
		.quantity = quantity,
		.left = quantity,
		.position = invoice->last == RETAIL_NONE ? 1 : r->line[invoice->last].position + 1,
		.next = RETAIL_NONE,
		.earlier = RETAIL_NONE,
	};
	*(invoice->last == RETAIL_NONE ? &invoice->first : &r->line[invoice->last].next) = r->line_count;
	invoice->last = r->line_count++;
	invoice->total = total;
	invoice->lines += quantity != 0;
	return line->sku == NAMES_NONE ? "" : NULL;
}

/* ---- who gives back what ------------------------------------------------------------------ */

/* The purchases of the line's customer and sku; NULL: nobody is known, or no memory. */
static uint32_t *purchases_of(struct retail *r, const struct retail_line *line, bool *has_memory)
{
	uint32_t key[2] = {r->invoice[line->invoice].customer, line->sku};
	char text[32];
	if (key[0] == RETAIL_NONE)
		return NULL;
	int bytes = snprintf(text, sizeof text, "%x %x", key[0], key[1]);
	uint32_t number = names_add(&r->keys, text, (size_t)bytes);
	while (number != NAMES_NONE && r->newest_capacity <= number) {
		uint32_t before = r->newest_capacity;
		if (!names_grow(&r->newest, &r->newest_capacity, before, sizeof *r->newest))
			number = NAMES_NONE;
		else
			memset(r->newest + before, 0, (r->newest_capacity - before) * sizeof *r->newest);
	}
	*has_memory &= number != NAMES_NONE;
	return number != NAMES_NONE ? &r->newest[number] : NULL;
}

static bool note_purchases(struct retail *r, const struct retail_invoice *sale)
{
	bool has_memory = true;
	for (uint32_t i = sale->first; i != RETAIL_NONE && has_memory; i = r->line[i].next) {
		if (r->line[i].quantity == 0)
			continue;
		uint32_t *newest = purchases_of(r, &r->line[i], &has_memory);
		if (newest == NULL)
			continue;
		r->line[i].earlier = *newest - 1; /* 0 - 1 is RETAIL_NONE */
		*newest = i + 1;
	}
	return has_memory;
}

static bool add_refund(struct retail *r, struct retail_invoice *cancellation, const struct retail_refund *refund)
{
	if (!names_grow(&r->refund, &r->refund_capacity, r->refund_count, sizeof *r->refund))
		return false;
	if (cancellation->refunds++ == 0)
		cancellation->first_refund = r->refund_count;
	r->refund[r->refund_count++] = *refund;
	cancellation->refunded += refund->amount;
	r->invoice[refund->invoice].refunded += refund->amount;
	return true;
}

static bool match_line(struct retail *r, struct retail_invoice *cancellation, uint32_t index)
{
	const struct retail_line *line = &r->line[index];
	bool has_memory = true;
	uint32_t wanted = line->unit_price > 0 ? line->quantity : 0, part = 0;
	const uint32_t *newest = purchases_of(r, line, &has_memory);
	for (uint32_t i = newest != NULL ? *newest - 1 : RETAIL_NONE; i != RETAIL_NONE && wanted > 0 && has_memory;
	     i = r->line[i].earlier) {
		struct retail_line *bought = &r->line[i];
		const struct retail_invoice *sale = &r->invoice[bought->invoice];
		int64_t pieces = (sale->total - sale->refunded) / line->unit_price;
		uint32_t most = wanted < bought->left ? wanted : bought->left;
		uint32_t taken = pieces < most ? (uint32_t)pieces : most;
		if (taken == 0 || memcmp(sale->currency, cancellation->currency, CURRENCY_BYTES) != 0)
			continue;
		bought->left -= taken;
		wanted -= taken;
		has_memory = add_refund(r, cancellation, &(struct retail_refund){
			.amount = taken * line->unit_price,
			.line = index,
			.invoice = bought->invoice,
			.quantity = taken,
			.part = ++part,
		});
	}
	return has_memory;
}

static bool plan(struct retail *r)
{
	bool has_memory = true;
	for (uint32_t i = 0; i < r->invoice_count && has_memory; i++) {
		struct retail_invoice *invoice = &r->invoice[i];
		if (invoice->total == 0)
			invoice->kind = RETAIL_without_price;
		else if (invoice->kind == RETAIL_sale)
			has_memory = note_purchases(r, invoice);
		else
			for (uint32_t at = invoice->first; at != RETAIL_NONE && has_memory; at = r->line[at].next)
				has_memory = match_line(r, invoice, at);
	}
	return has_memory;
}

/* A product is put once, with the first line that sells it at a price. */
static bool find_products(struct retail *r)
{
	bool *is_known = calloc((size_t)r->names.count + 1, sizeof *is_known);
	for (uint32_t i = 0; i < r->line_count && is_known != NULL; i++) {
		struct retail_line *line = &r->line[i];
		if (r->invoice[line->invoice].kind != RETAIL_sale || line->quantity == 0 || line->unit_price == 0 ||
		    is_known[line->sku])
			continue;
		is_known[line->sku] = line->introduces_sku = true;
	}
	bool has_memory = is_known != NULL;
	free(is_known);
	return has_memory;
}

bool retail_read(struct retail *r, struct csv *csv, struct complaints *bad_rows)
{
	struct columns columns = columns_of(csv);
	const char *reason;
	enum csv_result result;
	*r = (struct retail){};
	while ((result = csv_next(csv, &reason)) != CSV_END) {
		struct row row;
		const char *wrong = result == CSV_BAD ? reason : read_row(csv, &columns, &row);
		if (result == CSV_RECORD && wrong == NULL) {
			wrong = add_row(r, &row, csv_line(csv));
			if (wrong != NULL && wrong[0] == '\0')
				return false;
		} else if (result == CSV_RECORD) {
			const char *names = strcmp(wrong, "unit_price") == 0 ? "unit_price_minor|unit_price" : wrong;
			complaint_add(bad_rows, csv_line(csv), "%s: '%.60s' is not allowed (left out)", wrong,
			              csv_field(csv, csv_column(csv, names)));
			continue;
		}
		if (wrong != NULL)
			complaint_add(bad_rows, csv_line(csv), "%s (left out)", wrong);
		progress_update(bad_rows->progress, r->line_count, csv_fraction(csv));
	}
	return plan(r) && find_products(r);
}

void retail_free(struct retail *r)
{
	names_free(&r->names);
	names_free(&r->keys);
	free(r->line);
	free(r->invoice);
	free(r->refund);
	free(r->of_name);
	free(r->newest);
	*r = (struct retail){};
}
