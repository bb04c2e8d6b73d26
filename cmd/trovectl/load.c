#include "cmd/trovectl/commands.h"
#include "cmd/trovectl/complaint.h"
#include "cmd/trovectl/event_ids.h"
#include "cmd/trovectl/exchange.h"
#include "cmd/trovectl/product_csv.h"
#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "proto/reward_csv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

enum { ATTEMPTS_MAX = 1000, RETRY_AFTER_MS_MAX = 1000 };

struct load_options {
	int64_t batch, in_flight;
	double default_radius;
	bool is_plane, is_strict, is_products;
};

struct loader {
	const struct settings *settings;
	struct load_options options;
	struct exchange exchange;
	struct csv *csv;
	struct reward_csv rewards;
	struct product_csv products;
	struct event_ids ids;
	struct progress progress;
	struct complaints bad_rows, refusals;
	struct batch again; /* refused by overload, to be sent again */
	uint32_t retry_after_ms;
	uint64_t loaded, retried, lost;
	const char *lost_why;
};

/* ---- results -------------------------------------------------------------------------- */

static void retry(struct loader *l, const struct batch_event *event, uint32_t after_ms)
{
	struct batch_event *again = batch_add(&l->again);
	CHECK(again != NULL, "more events to send again than can be in flight");
	*again = *event;
	again->attempts++;
	l->retried++;
	if (after_ms > l->retry_after_ms)
		l->retry_after_ms = after_ms < RETRY_AFTER_MS_MAX ? after_ms : RETRY_AFTER_MS_MAX;
}

static void on_result(void *context, const struct exchange_result *r)
{
	struct loader *l = context;
	if (r->result == NULL) {
		l->lost++;
		l->lost_why = r->error;
		return;
	}
	const struct result_header *h = r->result->head;
	if (h->code == STATUS_ok)
		l->loaded++;
	else if (h->code == STATUS_overloaded && r->event->attempts < ATTEMPTS_MAX)
		retry(l, r->event, h->retry_after_ms != 0 ? h->retry_after_ms : 1);
	else
		complaint_add(&l->refusals, r->event->line, "refused: %s: %.*s%s%.*s", status_code((status)h->code),
		              (int)h->field.bytes, r->result->text + h->field.offset, h->field.bytes != 0 ? ": " : "",
		              (int)h->message.bytes, r->result->text + h->message.offset);
}

static void on_message(void *context, int64_t latency_ns, uint32_t events)
{
	(void)context;
	(void)latency_ns;
	(void)events;
}

/* ---- sending -------------------------------------------------------------------------- */

/* What was refused goes before what was not yet sent; so what waits stays bounded. */
static void send_again(struct loader *l)
{
	while (l->again.count != 0 && l->lost == 0) {
		exchange_wait_until(&l->exchange, clock_monotonic_ns() + l->retry_after_ms * 1000000ll);
		exchange_drain(&l->exchange);
		l->retry_after_ms = 0;
		struct batch *batch = exchange_batch(&l->exchange);
		while (l->again.count != 0 && batch->count < batch->capacity)
			batch->event[batch->count++] = l->again.event[--l->again.count];
		exchange_send(&l->exchange, 0);
		exchange_drain(&l->exchange);
	}
}

static void send_batch(struct loader *l)
{
	exchange_send(&l->exchange, 0);
	send_again(l);
	progress_update(&l->progress, l->loaded, csv_fraction(l->csv));
}

static enum csv_result next_row(struct loader *l, struct problem *problem)
{
	return l->options.is_products ? product_csv_next(&l->products, problem) : reward_csv_next(&l->rewards, problem);
}

static void fill_product(const struct product_csv *row, struct batch_event *e)
{
	e->type = EVENT_product_put;
	e->product_put = row->record;
	e->text_bytes = row->text_bytes;
	static_assert(sizeof row->text <= sizeof e->text);
	memcpy(e->text, row->text, e->text_bytes);
}

static void fill_reward(const struct reward_csv *row, struct batch_event *e)
{
	e->type = EVENT_reward_put;
	e->reward_put = row->record;
	e->text_bytes = row->record.kind.bytes + row->record.name.bytes;
	static_assert(sizeof row->text <= sizeof e->text);
	memcpy(e->text, row->text, e->text_bytes);
}

static void add_row(struct loader *l)
{
	struct batch_event *e = batch_add(exchange_batch(&l->exchange));
	CHECK(e != NULL, "a full batch was not sent");
	struct identifier id = event_ids_next(&l->ids);
	if (l->options.is_products)
		fill_product(&l->products, e);
	else
		fill_reward(&l->rewards, e);
	e->line = csv_line(l->csv);
	e->head.id = (struct wire_id){id.low, id.high};
	e->head.flags |= EVENT_HAS_ID | EVENT_ID_IS_UUID;
}

static void send_rows(struct loader *l)
{
	struct problem problem;
	enum csv_result result;
	while (l->lost == 0 && (result = next_row(l, &problem)) != CSV_END) {
		if (result == CSV_BAD) {
			complaint_add(&l->bad_rows, csv_line(l->csv), "%s%s%s (left out)", problem.field,
			              problem.field[0] != '\0' ? ": " : "", problem.message);
			continue;
		}
		add_row(l);
		if (exchange_batch(&l->exchange)->count == l->options.batch)
			send_batch(l);
	}
	send_batch(l);
	exchange_drain(&l->exchange);
	send_again(l);
	exchange_drain(&l->exchange);
}

/* ---- the command ------------------------------------------------------------------------ */

static void print_summary(const struct loader *l)
{
	double seconds = (double)(clock_monotonic_ns() - l->progress.start_ns) / 1e9;
	if (l->settings->json)
		printf("{\"loaded\":%llu,\"bad_rows\":%llu,\"refused\":%llu,\"lost\":%llu,\"retried\":%llu,\"seconds\":%.3f}\n",
		       (unsigned long long)l->loaded, (unsigned long long)l->bad_rows.count, (unsigned long long)l->refusals.count,
		       (unsigned long long)l->lost, (unsigned long long)l->retried, seconds);
	else
		fprintf(stderr, "loaded %llu %s in %.2f s (%.0f per second); %llu bad rows, %llu refused, %llu sent again\n",
		        (unsigned long long)l->loaded, l->progress.unit, seconds, (double)l->loaded / seconds,
		        (unsigned long long)l->bad_rows.count,
		        (unsigned long long)l->refusals.count, (unsigned long long)l->retried);
}

static int exit_code(const struct loader *l)
{
	if (l->lost != 0) {
		fprintf(stderr, "trovectl: %s: no reply for %llu %s: %s\n", l->settings->url, (unsigned long long)l->lost,
		        l->progress.unit, l->lost_why);
		return EX_UNAVAILABLE;
	}
	if (l->refusals.count != 0)
		return 1;
	return l->options.is_strict && l->bad_rows.count != 0 ? EX_DATAERR : EX_OK;
}

static int load_csv(struct loader *l, struct csv *csv, const char *path)
{
	const char *reason;
	bool is_sound = l->options.is_products
	                        ? product_csv_init(&l->products, csv, &reason)
	                        : reward_csv_init(&l->rewards, csv, l->options.is_plane, l->options.default_radius, &reason);
	l->csv = csv;
	if (!is_sound) {
		fprintf(stderr, "trovectl: %s:1: %s\n", path, reason);
		return EX_DATAERR;
	}
	struct exchange_options options = {
		.settings = l->settings,
		.in_flight = (uint32_t)l->options.in_flight,
		.batch = (uint32_t)l->options.batch,
		.on_result = on_result,
		.on_message = on_message,
		.context = l,
	};
	int code = exchange_open(&l->exchange, &options);
	if (code != EX_OK)
		return code;
	if (batch_init(&l->again, options.batch * (options.in_flight + 1))) {
		send_rows(l);
		progress_clear(&l->progress);
		print_summary(l);
		code = exit_code(l);
	} else {
		code = EX_OSERR;
	}
	exchange_close(&l->exchange);
	batch_deinit(&l->again);
	return code;
}

static int load(const struct settings *settings, const struct load_options *options, const char *path)
{
	struct csv *csv = csv_open(path);
	if (csv == NULL) {
		fprintf(stderr, "trovectl: %s: cannot be opened: %s\n", path, strerror(errno));
		return EX_NOINPUT;
	}
	struct loader *l = calloc(1, sizeof *l);
	int code = EX_OSERR;
	if (l != NULL) {
		l->settings = settings;
		l->options = *options;
		l->bad_rows = l->refusals = (struct complaints){.path = path, .progress = &l->progress};
		event_ids_init(&l->ids);
		progress_init(&l->progress, options->is_products ? "products" : "rewards");
		code = load_csv(l, csv, path);
	}
	free(l);
	csv_close(&csv);
	return code;
}

static void print_help(const struct argument *arguments, size_t count)
{
	puts("usage: trovectl load rewards|products FILE.csv[.gz]\n\n"
	     "rewards   Puts every row into the service as a reward.put event. Columns by header name: id, x or lon, y or\n"
	     "          lat; radius, kind, value, stock, per_actor, from, until, name may be there.\n"
	     "products  The same as product.put events. Columns: sku, unit_price (minor units), currency; name may be there.\n\n"
	     "'-' is standard input. Bad rows are named and left out. Events that are refused because the service is\n"
	     "overloaded are sent again when it says so. A reward or product that stands twice in the file: the later row\n"
	     "wins, unless one of the two had to be sent again.\n"
	     "Loading a file again is harmless: a row says the whole reward or product, so it ends in the same state. The\n"
	     "events get new ids each time, so that an older file which is loaded again really counts, and is not taken for\n"
	     "the repetition of its first loading.\n"
	     "Exit code 1: rows were refused; 65: bad rows, with --strict; 69: nobody answers.\n");
	arguments_print(arguments, count);
	puts("\nexample: trovectl load rewards config/demo_rewards.csv");
}

int load_main(int argc, char **argv, const struct settings *settings)
{
	struct load_options options = {.batch = 256, .in_flight = 8, .default_radius = 100};
	const struct argument arguments[] = {
		{"--batch", ARGUMENT_integer, &options.batch, 1, 4096, "rows in one message (256)"},
		{"--in-flight", ARGUMENT_integer, &options.in_flight, 1, 1024, "messages on their way at once (8)"},
		{"--default-radius", ARGUMENT_number, &options.default_radius, 0, 1e15,
		 "radius of rewards whose row has none (100; geo: metres)"},
		{"--plane", ARGUMENT_flag, &options.is_plane, 0, 0, "coordinates are plain numbers, not degrees"},
		{"--strict", ARGUMENT_flag, &options.is_strict, 0, 0, "exit code 65 when there were bad rows"},
	};
	struct command_line line = {.command = "load", .arguments = arguments, .count = COUNT_OF(arguments)};
	if (!arguments_parse(&line, argc, argv))
		return EX_USAGE;
	if (line.wants_help) {
		print_help(arguments, COUNT_OF(arguments));
		return EX_OK;
	}
	options.is_products = line.operand_count == 2 && strcmp(line.operands[0], "products") == 0;
	if (line.operand_count != 2 || (!options.is_products && strcmp(line.operands[0], "rewards") != 0)) {
		fputs("trovectl: expected: load rewards|products FILE; see trovectl load --help\n", stderr);
		return EX_USAGE;
	}
	return load(settings, &options, line.operands[1]);
}
