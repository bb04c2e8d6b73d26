#include "cmd/trovectl/product_csv.h"

#include "proto/field.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool product_csv_init(struct product_csv *p, struct csv *csv, const char **reason)
{
	*p = (struct product_csv){
		.csv = csv,
		.sku = csv_column(csv, "sku"),
		.unit_price = csv_column(csv, "unit_price|unit_price_minor"),
		.currency = csv_column(csv, "currency"),
		.name = csv_column(csv, "name"),
	};
	*reason = p->sku < 0          ? "the header has no column sku"
	          : p->unit_price < 0 ? "the header has no column unit_price"
	          : p->currency < 0   ? "the header has no column currency"
	                              : NULL;
	return *reason == NULL;
}

static bool refuse(struct problem *problem, const char *field, const char *text, const char *expected)
{
	problem->status = STATUS_invalid_field;
	snprintf(problem->field, sizeof problem->field, "%s", field);
	snprintf(problem->message, sizeof problem->message, "'%.60s' is not allowed; expected %s", text, expected);
	return false;
}

/* Too long: cut one byte above the limit, so that the check refuses it and nothing overflows. */
static struct wire_text take_text(struct product_csv *p, const char *text, size_t bytes_max)
{
	size_t bytes = strnlen(text, bytes_max + 1);
	struct wire_text place = {.offset = p->text_bytes, .bytes = (uint32_t)bytes};
	memcpy(p->text + p->text_bytes, text, bytes);
	p->text_bytes += (uint32_t)bytes;
	return bytes != 0 ? place : (struct wire_text){};
}

static bool read_row(struct product_csv *p, struct problem *problem)
{
	static const struct protocol_limits limits = {.batch_max = 1};
	const char *price = csv_field(p->csv, p->unit_price), *currency = csv_field(p->csv, p->currency);
	char *end;
	errno = 0;
	long long unit_price = strtoll(price, &end, 10);
	if (end == price || *end != '\0' || errno != 0)
		return refuse(problem, "unit_price", price, "an integer, in minor units");
	if (strlen(currency) != CURRENCY_BYTES)
		return refuse(problem, "currency", currency, "three letters A-Z");
	p->text_bytes = 0;
	p->record = (struct product_put_record){.head.flags = EVENT_HAS_ID, .unit_price = unit_price};
	p->record.sku = take_text(p, csv_field(p->csv, p->sku), SKU_BYTES_MAX);
	p->record.name = take_text(p, csv_field(p->csv, p->name), NAME_BYTES_MAX);
	memcpy(p->record.currency, currency, CURRENCY_BYTES);
	return field_check(EVENT_product_put, &p->record, p->text, p->text_bytes, &limits, problem) == STATUS_ok;
}

enum csv_result product_csv_next(struct product_csv *p, struct problem *problem)
{
	const char *reason;
	*problem = (struct problem){};
	enum csv_result result = csv_next(p->csv, &reason);
	if (result == CSV_BAD) {
		problem->status = STATUS_malformed;
		snprintf(problem->message, sizeof problem->message, "%s", reason);
	}
	return result == CSV_RECORD && !read_row(p, problem) ? CSV_BAD : result;
}
