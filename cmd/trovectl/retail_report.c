#include "cmd/trovectl/retail_report.h"

#include "cmd/trovectl/retail_events.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { DAY_MS = 86400000, DAY_BYTES = 16 };

struct sums {
	int64_t day;
	char currency[CURRENCY_BYTES + 1];
	uint64_t invoices, lines, refunds;
	int64_t gross, refunded, unmatched;
};

static void format_day(int64_t day, char text[static DAY_BYTES])
{
	struct tm parts;
	time_t seconds = (time_t)(day * (DAY_MS / 1000));
	if (gmtime_r(&seconds, &parts) == NULL || strftime(text, DAY_BYTES, "%Y-%m-%d", &parts) == 0)
		text[0] = '\0';
}

/* Of one invoice, as far as it was confirmed. A refund belongs to the invoice that cancels. */
static struct sums sums_of(const struct retail *r, const struct retail_invoice *invoice)
{
	struct sums s = {.day = invoice->time_ms / DAY_MS};
	memcpy(s.currency, invoice->currency, sizeof s.currency);
	if (invoice->kind == RETAIL_sale && invoice->state == RETAIL_done) {
		s.invoices = 1;
		s.lines = invoice->lines;
		s.gross = invoice->total;
	} else if (invoice->kind == RETAIL_cancellation) {
		s.unmatched = invoice->total - invoice->refunded;
		for (uint32_t i = 0; i < invoice->refunds; i++) {
			const struct retail_refund *refund = &r->refund[invoice->first_refund + i];
			s.refunds += refund->is_done;
			s.refunded += refund->is_done ? refund->amount : 0;
		}
	}
	return s;
}

static int compare(const void *a, const void *b)
{
	const struct sums *x = a, *y = b;
	int currency = memcmp(x->currency, y->currency, CURRENCY_BYTES);
	return x->day != y->day ? (x->day < y->day ? -1 : 1) : currency;
}

/* Sums of one day and currency (without days: of one currency) into one. Returns how many there are. */
static uint32_t merge(struct sums *s, uint32_t count, bool by_day)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < count && !by_day; i++)
		s[i].day = 0;
	qsort(s, count, sizeof *s, compare);
	for (uint32_t i = 0; i < count; i++) {
		if (kept == 0 || compare(&s[kept - 1], &s[i]) != 0) {
			s[kept++] = s[i];
			continue;
		}
		struct sums *to = &s[kept - 1];
		to->invoices += s[i].invoices;
		to->lines += s[i].lines;
		to->refunds += s[i].refunds;
		to->gross += s[i].gross;
		to->refunded += s[i].refunded;
		to->unmatched += s[i].unmatched;
	}
	return kept;
}

/* ---- rows ------------------------------------------------------------------------------------ */

static void print_sums_json(FILE *out, const struct sums *s)
{
	fprintf(out,
	        "\"currency\":\"%s\",\"invoices\":%" PRIu64 ",\"lines\":%" PRIu64 ",\"gross\":%" PRId64 ",\"refunds\":%" PRIu64
	        ",\"refunded\":%" PRId64 ",\"unmatched\":%" PRId64 "}",
	        s->currency, s->invoices, s->lines, s->gross, s->refunds, s->refunded, s->unmatched);
}

static void print_day(const char *day, const struct sums *s, bool is_terminal)
{
	if (is_terminal)
		printf("%-10s  %-8s %8" PRIu64 " %8" PRIu64 " %14" PRId64 " %8" PRIu64 " %12" PRId64 " %12" PRId64 "\n", day, s->currency,
		       s->invoices, s->lines, s->gross, s->refunds, s->refunded, s->unmatched);
	else
		printf("%s\t%s\t%" PRIu64 "\t%" PRIu64 "\t%" PRId64 "\t%" PRIu64 "\t%" PRId64 "\t%" PRId64 "\n", day, s->currency,
		       s->invoices, s->lines, s->gross, s->refunds, s->refunded, s->unmatched);
}

/* Aligned for people, tabs for programs. */
static void print_days(const struct sums *s, uint32_t count, bool is_json)
{
	bool is_terminal = isatty(STDOUT_FILENO) == 1;
	if (!is_json)
		puts(is_terminal ? "day         currency invoices    lines          gross  refunds     refunded    unmatched"
		                 : "day\tcurrency\tinvoices\tlines\tgross\trefunds\trefunded\tunmatched");
	for (uint32_t i = 0; i < count; i++) {
		char day[DAY_BYTES];
		format_day(s[i].day, day);
		if (!is_json) {
			print_day(day, &s[i], is_terminal);
			continue;
		}
		printf("{\"day\":\"%s\",", day);
		print_sums_json(stdout, &s[i]);
		putchar('\n');
	}
}

static void print_invoice(const struct retail *r, uint32_t index, bool is_json)
{
	const struct retail_invoice *invoice = &r->invoice[index];
	struct sums s = sums_of(r, invoice);
	char day[DAY_BYTES], payment[IDENTIFIER_TEXT_BYTES] = "";
	bool is_sale = invoice->kind == RETAIL_sale;
	format_day(s.day, day);
	if (is_sale)
		identifier_format(retail_payment_id(r, index), payment);
	if (is_json) {
		/* An invoice's text has no control characters; what JSON would misread is not printed. */
		const char *name = names_text(&r->names, invoice->name);
		printf("{\"invoice\":\"%s\",\"kind\":\"%s\",\"payment\":\"%s\",\"day\":\"%s\",",
		       strpbrk(name, "\"\\") == NULL ? name : "", is_sale ? "sale" : "cancellation", payment, day);
		print_sums_json(stdout, &s);
		putchar('\n');
		return;
	}
	printf("%s\t%s\t%s\t%s\t%s\t%" PRIu64 "\t%" PRId64 "\t%" PRId64 "\t%" PRId64 "\n", names_text(&r->names, invoice->name),
	       is_sale ? "sale" : "cancellation", payment, day, s.currency, s.lines, s.gross, s.refunded, s.unmatched);
}

static void print_invoices(const struct retail *r, bool is_json)
{
	if (!is_json)
		puts("invoice\tkind\tpayment\tday\tcurrency\tlines\tgross\trefunded\tunmatched");
	for (uint32_t i = 0; i < r->invoice_count; i++)
		if (r->invoice[i].kind != RETAIL_without_price)
			print_invoice(r, i, is_json);
}

/* ---- totals ------------------------------------------------------------------------------------ */

static uint64_t without_price(const struct retail *r)
{
	uint64_t count = 0;
	for (uint32_t i = 0; i < r->invoice_count; i++)
		count += r->invoice[i].kind == RETAIL_without_price;
	return count;
}

static void print_totals_json(FILE *out, const struct sums *s, uint32_t count, const struct retail *r,
                              const struct retail_counts *c)
{
	fputs("{\"totals\":[", out);
	for (uint32_t i = 0; i < count; i++) {
		fputs(i == 0 ? "{" : ",{", out);
		print_sums_json(out, &s[i]);
	}
	fprintf(out,
	        "],\"without_price\":%" PRIu64 ",\"events\":%" PRIu64 ",\"replayed\":%" PRIu64 ",\"sent_again\":%" PRIu64
	        ",\"errors\":%" PRIu64 ",\"bad_rows\":%" PRIu64 ",\"seconds\":%.3f}\n",
	        without_price(r), c->events, c->replayed, c->sent_again, c->errors, c->bad_rows, c->seconds);
}

static void print_totals(FILE *out, const struct sums *s, uint32_t count, const struct retail *r, const struct retail_counts *c)
{
	fputs("currency invoices    lines          gross  refunds     refunded    unmatched   (minor units)\n", out);
	for (uint32_t i = 0; i < count; i++)
		fprintf(out, "%-8s %8" PRIu64 " %8" PRIu64 " %14" PRId64 " %8" PRIu64 " %12" PRId64 " %12" PRId64 "\n", s[i].currency,
		        s[i].invoices, s[i].lines, s[i].gross, s[i].refunds, s[i].refunded, s[i].unmatched);
	fprintf(out,
	        "events   %" PRIu64 " in %.2f s, %.0f per second; %" PRIu64 " were done before, %" PRIu64 " sent again\n"
	        "besides  %" PRIu64 " invoices without a price, %" PRIu64 " bad rows, %" PRIu64 " errors\n",
	        c->events, c->seconds, (double)c->events / c->seconds, c->replayed, c->sent_again, without_price(r), c->bad_rows,
	        c->errors);
}

bool retail_report(const struct retail *r, const struct retail_counts *counts, const char *by, bool is_json)
{
	struct sums *s = calloc((size_t)r->invoice_count + 1, sizeof *s);
	uint32_t count = 0;
	if (s == NULL)
		return false;
	for (uint32_t i = 0; i < r->invoice_count; i++)
		if (r->invoice[i].kind != RETAIL_without_price)
			s[count++] = sums_of(r, &r->invoice[i]);
	count = merge(s, count, true);
	if (by != NULL && strcmp(by, "day") == 0)
		print_days(s, count, is_json);
	else if (by != NULL)
		print_invoices(r, is_json);
	count = merge(s, count, false);
	FILE *out = by == NULL || is_json ? stdout : stderr;
	fflush(stdout);
	if (is_json)
		print_totals_json(out, s, count, r, counts);
	else
		print_totals(out, s, count, r, counts);
	free(s);
	return true;
}
