/*
 * product_csv: products as rows of a CSV file. Each row becomes the record of a product.put
 * event and passes the same checks.
 *
 * Columns by header name, in any order: sku, unit_price (or unit_price_minor; minor units) and
 * currency are required, name may be there. Other columns are left alone. One thread; the record and
 * text belong to the reader's owner.
 */
#ifndef CMD_TROVECTL_PRODUCT_CSV_H
#define CMD_TROVECTL_PRODUCT_CSV_H

#include "engine/base/csv.h"
#include "proto/request.h"

struct product_csv {
	struct csv *csv;
	int sku, unit_price, currency, name; /* columns */
	/* The row that was read last. */
	struct product_put_record record;
	char text[SKU_BYTES_MAX + NAME_BYTES_MAX + 2];
	uint32_t text_bytes;
};

/* false: *reason, static text, says what the header lacks. The csv is borrowed. */
bool product_csv_init(struct product_csv *p, struct csv *csv, const char **reason);

/* CSV_BAD: problem says which column and why; csv_line() says where. Reading may go on. The event's id is
 * the sender's to set. */
enum csv_result product_csv_next(struct product_csv *p, struct problem *problem);

#endif
