#include "cmd/trovectl/commands.h"
#include "cmd/trovectl/complaint.h"
#include "cmd/trovectl/exchange.h"
#include "cmd/trovectl/replay_retail.h"
#include "cmd/trovectl/retail.h"
#include "cmd/trovectl/time_text.h"
#include "cmd/trovectl/track.h"
#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/histogram.h"
#include "proto/json_write.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

struct replay_options {
	struct track_options track;
	double rate; /* events per second; 0: as fast as it goes */
	int64_t batch, in_flight, limit_events;
	const char *by; /* order lines */
	bool is_quiet;
};

struct replay {
	const struct settings *settings;
	struct replay_options options;
	struct exchange exchange;
	struct track track;
	struct progress progress;
	struct complaints bad_lines, errors;
	struct histogram latency;
	int64_t greatest_ns;
	uint64_t read, answered, matched, matches, lost;
	int64_t start_ns;
	const char *lost_why;
};

static const char progress_unit[] = "events";

/* ---- what matched --------------------------------------------------------------------- */

static void print_match_json(const struct batch_event *e, const char *time, const struct frame_result *r,
                             const struct match_record *nearest)
{
	uint8_t bytes[2048];
	struct cursor out;
	cursor_init(&out, bytes, sizeof bytes);
	cursor_format(&out, "{\"time\":\"%s\",\"source\":", time);
	json_write_string(&out, e->source, strlen(e->source));
	cursor_literal(&out, ",\"x\":");
	json_write_double(&out, e->locate.x);
	cursor_literal(&out, ",\"y\":");
	json_write_double(&out, e->locate.y);
	cursor_format(&out, ",\"count\":%llu", (unsigned long long)r->head->count);
	if (nearest != NULL) {
		struct identifier id = {nearest->reward.low, nearest->reward.high, (nearest->flags & MATCH_REWARD_IS_UUID) != 0};
		cursor_literal(&out, ",\"reward\":");
		json_write_identifier(&out, id);
		cursor_literal(&out, ",\"distance\":");
		json_write_double(&out, nearest->distance);
		cursor_literal(&out, ",\"kind\":");
		json_write_string(&out, r->text + nearest->kind_offset, nearest->kind_bytes);
	}
	cursor_literal(&out, "}\n");
	fwrite(bytes, 1, cursor_used(&out), stdout);
}

static void print_match(struct replay *p, const struct batch_event *e, const struct frame_result *r)
{
	char time[TIME_TEXT_BYTES], id_text[IDENTIFIER_TEXT_BYTES] = "-";
	time_format(e->time_ms != 0 ? e->time_ms : clock_unix_ms(), time);
	const struct match_record *nearest = r->head->returned > 0 ? &r->matches[0] : NULL;
	if (p->settings->json) {
		print_match_json(e, time, r, nearest);
		return;
	}
	if (nearest != NULL)
		identifier_format((struct identifier){nearest->reward.low, nearest->reward.high,
		                                      (nearest->flags & MATCH_REWARD_IS_UUID) != 0},
		                  id_text);
	printf("%s  %-10s %3llu  %8s  %7.1f  %.*s\n", time, e->source[0] != '\0' ? e->source : "-",
	       (unsigned long long)r->head->count, id_text, nearest != NULL ? nearest->distance : 0.0,
	       nearest != NULL ? nearest->kind_bytes : 1, nearest != NULL ? r->text + nearest->kind_offset : "-");
}

static void on_result(void *context, const struct exchange_result *r)
{
	struct replay *p = context;
	if (r->result == NULL) {
		p->lost++;
		p->lost_why = r->error;
		return;
	}
	p->answered++;
	const struct result_header *h = r->result->head;
	if (h->type == RESULT_error) {
		complaint_add(&p->errors, r->event->line, "%s: %.*s%s%.*s", status_code((status)h->code), (int)h->field.bytes,
		              r->result->text + h->field.offset, h->field.bytes != 0 ? ": " : "", (int)h->message.bytes,
		              r->result->text + h->message.offset);
	} else if (h->type == RESULT_located && h->count != 0) {
		p->matched++;
		p->matches += h->count;
		if (!p->options.is_quiet)
			print_match(p, r->event, r->result);
	}
}

static void on_message(void *context, int64_t latency_ns, uint32_t events)
{
	struct replay *p = context;
	histogram_add(&p->latency, histogram_place(latency_ns < 0 ? 0 : (uint64_t)latency_ns), events);
	if (latency_ns > p->greatest_ns)
		p->greatest_ns = latency_ns;
}

/* ---- sending -------------------------------------------------------------------------- */

/* The next event into the current batch. false: there are no more. */
static bool read_event(struct replay *p)
{
	struct batch *batch = exchange_batch(&p->exchange);
	for (;;) {
		if (p->options.limit_events != 0 && p->read == (uint64_t)p->options.limit_events)
			return false;
		struct problem problem;
		struct batch_event *e = batch_add(batch);
		enum track_result result = track_next(&p->track, e, &problem);
		if (result == TRACK_EVENT) {
			p->read++;
			return true;
		}
		batch->count--;
		if (result == TRACK_END)
			return false;
		complaint_add(&p->bad_lines, p->track.line, "%s%s%s (left out)", problem.field,
		              problem.field[0] != '\0' ? ": " : "", problem.message);
	}
}

/* Open loop: a batch goes out when its last event is due, whether or not earlier ones were answered, and
 * its latency counts from then. So a service that stalls cannot hide it by making us wait. */
static void send_paced(struct replay *p)
{
	int64_t due_ns = 0;
	if (p->options.rate > 0) {
		due_ns = p->start_ns + (int64_t)((double)p->read * 1e9 / p->options.rate);
		exchange_wait_until(&p->exchange, due_ns);
	}
	exchange_send(&p->exchange, due_ns);
	if (!p->options.is_quiet && p->options.rate > 0)
		fflush(stdout);
	progress_update(&p->progress, p->read, track_fraction(&p->track));
}

static void send_events(struct replay *p)
{
	p->start_ns = clock_monotonic_ns();
	while (p->lost == 0 && read_event(p))
		if (exchange_batch(&p->exchange)->count == p->options.batch)
			send_paced(p);
	send_paced(p);
	exchange_drain(&p->exchange);
}

/* ---- the command ------------------------------------------------------------------------ */

static void print_summary(const struct replay *p)
{
	double seconds = (double)(clock_monotonic_ns() - p->start_ns) / 1e9;
	uint64_t errors = p->errors.count + p->bad_lines.count + p->lost;
	static const double shares[] = {0.5, 0.99, 0.999};
	double ns[COUNT_OF(shares)];
	(void)histogram_quantiles(&p->latency, shares, COUNT_OF(shares), ns);
	double p50 = ns[0] / 1e3, p99 = ns[1] / 1e3, p999 = ns[2] / 1e3, most = (double)p->greatest_ns / 1e3;
	if (p->settings->json)
		printf("{\"summary\":{\"events\":%llu,\"matched_events\":%llu,\"matches\":%llu,\"errors\":%llu,"
		       "\"p50_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f,\"greatest_us\":%.1f,\"seconds\":%.3f,"
		       "\"events_per_second\":%.1f}}\n",
		       (unsigned long long)p->read, (unsigned long long)p->matched, (unsigned long long)p->matches,
		       (unsigned long long)errors, p50, p99, p999, most, seconds, (double)p->answered / seconds);
	fprintf(stderr,
	        "events          %llu in %.2f s, %.0f per second\n"
	        "matched events  %llu\n"
	        "matches         %llu\n"
	        "errors          %llu\n"
	        "latency in us   p50 %.0f   p99 %.0f   p99.9 %.0f   greatest %.0f   (%s)\n",
	        (unsigned long long)p->read, seconds, (double)p->answered / seconds, (unsigned long long)p->matched,
	        (unsigned long long)p->matches, (unsigned long long)errors, p50, p99, p999, most,
	        p->options.rate > 0 ? "from the intended moment to the reply" : "from sending to the reply");
}

static int exit_code(const struct replay *p)
{
	if (fflush(stdout) != 0) {
		fprintf(stderr, "trovectl: standard output: %s\n", strerror(errno));
		return EX_IOERR;
	}
	if (p->lost != 0) {
		fprintf(stderr, "trovectl: %s: no reply for %llu events: %s\n", p->settings->url, (unsigned long long)p->lost,
		        p->lost_why);
		return EX_UNAVAILABLE;
	}
	if (p->errors.count != 0)
		return 1;
	return p->bad_lines.count != 0 ? EX_DATAERR : EX_OK;
}

static int replay_track(struct replay *p)
{
	int code = track_open(&p->track, &p->options.track);
	if (code != EX_OK)
		return code;
	struct exchange_options options = {
		.settings = p->settings,
		.in_flight = (uint32_t)p->options.in_flight,
		.batch = (uint32_t)p->options.batch,
		.on_result = on_result,
		.on_message = on_message,
		.context = p,
	};
	code = exchange_open(&p->exchange, &options);
	if (code == EX_OK) {
		send_events(p);
		progress_clear(&p->progress);
		fflush(stdout);
		print_summary(p);
		code = exit_code(p);
		exchange_close(&p->exchange);
	}
	track_close(&p->track);
	return code;
}

/* Takes the options' CSV. */
static int replay(const struct settings *settings, struct replay_options *options)
{
	struct replay *p = calloc(1, sizeof *p);
	if (p == NULL) {
		csv_close(&options->track.csv);
		return EX_OSERR;
	}
	p->settings = settings;
	p->options = *options;
	p->bad_lines = p->errors = (struct complaints){.path = options->track.path, .progress = &p->progress};
	progress_init(&p->progress, progress_unit);
	/* Lines of data on the same terminal say enough. */
	p->progress.is_shown &= options->is_quiet || isatty(STDOUT_FILENO) == 0;
	int code = replay_track(p);
	free(p);
	return code;
}

/* What a CSV holds is told by its header. */
static int replay_file(const struct settings *settings, struct replay_options *o)
{
	if (o->by != NULL && strcmp(o->by, "day") != 0 && strcmp(o->by, "invoice") != 0) {
		fprintf(stderr, "trovectl: --by: '%s' is not allowed; expected day or invoice\n", o->by);
		return EX_USAGE;
	}
	struct csv *csv = track_is_ndjson(&o->track) ? NULL : csv_open(o->track.path);
	int code;
	if (csv != NULL && retail_is(csv)) {
		struct replay_retail_options retail = {o->track.path, o->by, o->rate, o->batch, o->in_flight};
		code = replay_retail(settings, &retail, csv);
		csv_close(&csv);
		return code;
	}
	o->track.csv = csv;
	o->batch = o->batch != 0 ? o->batch : 1;
	o->in_flight = o->in_flight != 0 ? o->in_flight : 64;
	return replay(settings, o);
}

static void print_help(const struct argument *arguments, size_t count)
{
	puts("usage: trovectl replay FILE(.csv|.ndjson)[.gz]\n\n"
	     "Sends recorded positions, or whole events, and prints a line for each event that matched: time, source,\n"
	     "number of rewards, then the nearest one's id, distance and kind. With --json a line is an object, and the\n"
	     "summary is the last one. CSV columns by header name: x or lon, y or lat, unix_ms, source_id. NDJSON: events\n"
	     "as they are. '-' is standard input.\n\n"
	     "Recorded times are printed, but a position is asked about as of now, for its rewards are active now or not;\n"
	     "--at-recorded sends the recorded time as `at`.\n"
	     "Latency is that of the message in which an event went. With --rate events go out when they are due, whether\n"
	     "or not earlier ones were answered, and latency counts from that moment, so that a service which stalls\n"
	     "cannot make its own figures better (coordinated omission).\n"
	     "Exit code 1: results were errors; 65: bad lines; 69: nobody answers.\n\n"
	     "A CSV with the columns unix_ms, invoice, sku, quantity, unit_price (or unit_price_minor) and currency, and where\n"
	     "they are known customer and description, holds order lines. Each sku becomes a product; an invoice a cart that is\n"
	     "filled, checked out and captured. An invoice that begins with C cancels: its lines are refunded on what the same\n"
	     "customer bought of the same sku before and did not give back yet, the newest purchase first, whole pieces at the\n"
	     "cancelled line's price, never more than that payment can still refund. The rest is reported as unmatched. Invoices\n"
	     "that come to 0 (stock found or written off), and lines of the other sign, are left out. `at` is the recorded time.\n"
	     "At the end it prints totals in minor units, of what the service confirmed; --by day or --by invoice prints rows on\n"
	     "stdout, too (with tabs when piped).\n"
	     "All ids are hashes of invoice, position of the line and kind of event. So when it broke off, send the file again from\n"
	     "the start: what was done is answered again and not done again. For that the service must remember all of the ids:\n"
	     "idempotency.capacity of at least the number of events (all lines, three for each invoice, one for each sku), within\n"
	     "idempotency.age_ms; where it has forgotten one, the replay stops. Open carts wait a day.\n");
	arguments_print(arguments, count);
	puts("\nexample: trovectl replay config/demo_track.csv --rate 500");
}

int replay_main(int argc, char **argv, const struct settings *settings)
{
	struct replay_options o = {.track = {.radius = -1}};
	const struct argument arguments[] = {
		{"--rate", ARGUMENT_number, &o.rate, 0, 1e9, "events per second (0: as fast as replies come)"},
		{"--batch", ARGUMENT_integer, &o.batch, 1, 4096, "events in one message (1; order lines: 1024)"},
		{"--in-flight", ARGUMENT_integer, &o.in_flight, 1, 4096, "messages on their way at once (64; order lines: 8)"},
		{"--limit-events", ARGUMENT_integer, &o.limit_events, 1, 1e18, "stop after so many events"},
		{"--radius", ARGUMENT_number, &o.track.radius, 0, 1e15, "CSV: around each position (each reward's own)"},
		{"--limit", ARGUMENT_integer, &o.track.limit, 1, LOCATE_LIMIT_MAX, "CSV: rewards in an answer (16)"},
		{"--kinds", ARGUMENT_text, &o.track.kinds, 0, 0, "CSV: only these kinds, separated by commas"},
		{"--at-recorded", ARGUMENT_flag, &o.track.keeps_time, 0, 0, "CSV: ask as of the recorded time"},
		{"--format", ARGUMENT_text, &o.track.format, 0, 0, "csv or ndjson (by the file's name)"},
		{"--plane", ARGUMENT_flag, &o.track.is_plane, 0, 0, "coordinates are plain numbers, not degrees"},
		{"--by", ARGUMENT_text, &o.by, 0, 0, "order lines: a row for each day or invoice, too"},
		{"--quiet", ARGUMENT_flag, &o.is_quiet, 0, 0, "the summary only"},
	};
	struct command_line line = {.command = "replay", .arguments = arguments, .count = COUNT_OF(arguments)};
	if (!arguments_parse(&line, argc, argv))
		return EX_USAGE;
	if (line.wants_help) {
		print_help(arguments, COUNT_OF(arguments));
		return EX_OK;
	}
	if (line.operand_count != 1) {
		fputs("trovectl: expected: replay FILE; see trovectl replay --help\n", stderr);
		return EX_USAGE;
	}
	o.track.path = line.operands[0];
	return replay_file(settings, &o);
}
