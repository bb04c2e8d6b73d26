#include "engine/memory/bill.h"

#include "engine/base/check.h"
#include "engine/base/human.h"

#include <inttypes.h>
#include <stdckdint.h>

uint64_t bill_plus(uint64_t a, uint64_t b)
{
	uint64_t sum;
	return ckd_add(&sum, a, b) ? UINT64_MAX : sum;
}

uint64_t bill_times(uint64_t a, uint64_t b)
{
	uint64_t product;
	return ckd_mul(&product, a, b) ? UINT64_MAX : product;
}

void bill_add(struct bill *bill, const char *owner, const char *option, uint64_t count, uint64_t bytes_each,
              const char *format, ...)
{
	CHECK(bill->line_count < BILL_LINES_MAX, "a bill of more than %d lines", BILL_LINES_MAX);
	struct bill_line *line = &bill->lines[bill->line_count++];
	*line = (struct bill_line){owner, option, count, bytes_each, bill_times(count, bytes_each), ""};
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(line->what, sizeof line->what, format, arguments);
	va_end(arguments);
}

uint64_t bill_sum(const struct bill *bill)
{
	uint64_t sum = 0;
	for (unsigned i = 0; i < bill->line_count; i++)
		sum = bill_plus(sum, bill->lines[i].bytes);
	return sum;
}

/* UINT64_MAX stands for "too large to count", so it never fits. */
bool bill_fits(const struct bill *bill)
{
	uint64_t sum = bill_sum(bill);
	return sum <= bill->limit.bytes && sum != UINT64_MAX;
}

const struct bill_line *bill_largest(const struct bill *bill)
{
	CHECK(bill->line_count != 0, "an empty bill");
	const struct bill_line *largest = &bill->lines[0];
	for (unsigned i = 1; i < bill->line_count; i++)
		if (bill->lines[i].bytes > largest->bytes)
			largest = &bill->lines[i];
	return largest;
}

static void write_line(const struct bill_line *line, struct cursor *out)
{
	char each[64];
	snprintf(each, sizeof each, "%" PRIu64 " x %" PRIu64, line->count, line->bytes_each);
	cursor_format(out, "%14" PRIu64 " %11s  %-8s %-22s %-25s %s\n", line->bytes, human_bytes((double)line->bytes).text,
	              line->owner, each,
	              line->option[0] == '\0' ? "-" : line->option, line->what);
}

void bill_write(const struct bill *bill, struct cursor *out)
{
	struct human sum = human_bytes((double)bill_sum(bill));
	cursor_format(out, "%14s %11s  %-8s %-22s %-25s %s\n", "bytes", "", "owner", "count x bytes", "option", "what");
	for (unsigned i = 0; i < bill->line_count; i++)
		write_line(&bill->lines[i], out);
	if (bill->limit.bytes == UINT64_MAX)
		cursor_format(out, "%14" PRIu64 " %11s  sum; no limit is known\n", bill_sum(bill), sum.text);
	else
		cursor_format(out, "%14" PRIu64 " %11s  sum; the limit is %" PRIu64 " (%s, %s)\n", bill_sum(bill), sum.text,
		              bill->limit.bytes, human_bytes((double)bill->limit.bytes).text, bill->limit.source);
}
