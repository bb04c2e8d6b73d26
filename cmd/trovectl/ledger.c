/* ledger: every change of a payment, out of the journal's files, for accountants. */
#include "cmd/trovectl/ledger.h"

#include "cmd/trovectl/commands.h"
#include "cmd/trovectl/ledger_opening.h"
#include "cmd/trovectl/ledger_sqlite.h"
#include "cmd/trovectl/time_text.h"
#include "engine/base/check.h"
#include "engine/base/folder.h"
#include "proto/json_write.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, ROW_BYTES = 1024, COPY_BYTES = 1 << 16, TRIES = 50 };

struct ledger_options {
	const char *journal, *data, *format, *output, *from, *to;
	int64_t from_ms, to_ms; /* from <= time < to */
};

struct writing {
	struct ledger_options options;
	struct ledger_books books;
	struct ledger_opening opening;
	char making[PATH_BYTES + 8]; /* of a file until it is whole */
	FILE *out;                   /* CSV and NDJSON; for standard output a temporary file, until all is read */
	struct ledger_sqlite *sqlite;
	bool is_ndjson, is_broken;            /* broken: nothing more can be written */
	uint64_t bad_seq;                     /* of a record that cannot be read */
	uint64_t written;
};

/* ---- rows ------------------------------------------------------------------------------- */

static void write_id(struct cursor *c, bool is_there, struct wire_id id, bool is_uuid)
{
	char text[IDENTIFIER_TEXT_BYTES];
	if (is_there)
		cursor_bytes(c, text, identifier_format((struct identifier){id.low, id.high, is_uuid}, text));
}

/* No field holds a comma, a quote or a line end. */
static void write_csv(struct cursor *c, const struct ledger_row *row, const char *time, const char *recorded)
{
	const struct payment_record *p = &row->payment;
	cursor_format(c, "%" PRIu64 ",%s,", row->seq, time);
	write_id(c, true, p->payment, (p->flags & EVENT_PAYMENT_IS_UUID) != 0);
	cursor_format(c, ",%s,%" PRId64 ",%.3s,%s,%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64 ",", ledger_event_name(row->event),
	              row->amount, p->currency, payment_state_name((enum payment_state)p->state), p->authorized, p->captured,
	              p->refunded, p->voided);
	write_id(c, (p->flags & EVENT_HAS_CART) != 0, p->cart, (p->flags & EVENT_CART_IS_UUID) != 0);
	cursor_literal(c, ",");
	write_id(c, (p->flags & EVENT_HAS_ACTOR) != 0, p->actor, (p->flags & EVENT_ACTOR_IS_UUID) != 0);
	cursor_literal(c, ",");
	write_id(c, row->has_id, (struct wire_id){row->id.low, row->id.high}, row->id.is_uuid);
	cursor_format(c, ",%s,%" PRIu64 "\n", recorded, row->payment_seq);
}

static void write_json(struct cursor *c, const struct ledger_row *row, const char *time, const char *recorded)
{
	const struct payment_record *p = &row->payment;
	cursor_format(c, "{\"seq\":%" PRIu64 ",\"time\":\"%s\"", row->seq, time);
	JSON_ID(c, "payment", p->payment, p->flags, EVENT_PAYMENT_IS_UUID);
	cursor_format(c, ",\"event\":\"%s\",\"amount\":%" PRId64 ",\"currency\":\"%.3s\",\"state\":\"%s\"",
	              ledger_event_name(row->event), row->amount, p->currency, payment_state_name((enum payment_state)p->state));
	JSON_INTEGER(c, "authorized", p->authorized);
	JSON_INTEGER(c, "captured", p->captured);
	JSON_INTEGER(c, "refunded", p->refunded);
	JSON_INTEGER(c, "voided", p->voided);
	if ((p->flags & EVENT_HAS_CART) != 0)
		JSON_ID(c, "cart", p->cart, p->flags, EVENT_CART_IS_UUID);
	if ((p->flags & EVENT_HAS_ACTOR) != 0)
		JSON_ID(c, "actor", p->actor, p->flags, EVENT_ACTOR_IS_UUID);
	if (row->has_id) {
		cursor_literal(c, ",\"id\":");
		json_write_identifier(c, row->id);
	}
	cursor_format(c, ",\"recorded\":\"%s\",\"payment_seq\":%" PRIu64 "}\n", recorded, row->payment_seq);
}

static bool write_text(struct writing *w, const struct ledger_row *row)
{
	char time[TIME_TEXT_BYTES], recorded[TIME_TEXT_BYTES], bytes[ROW_BYTES];
	struct cursor c;
	cursor_init(&c, bytes, sizeof bytes);
	time_format(row->time_ms, time);
	time_format(row->recorded_ms, recorded);
	(w->is_ndjson ? write_json : write_csv)(&c, row, time, recorded);
	CHECK(!c.full, "a row of more than %d bytes", ROW_BYTES);
	return fwrite(bytes, 1, cursor_used(&c), w->out) == cursor_used(&c);
}

static void see_row(struct writing *w, struct ledger_row *row)
{
	if (!ledger_enter(&w->books, row)) {
		w->is_broken = true;
		return;
	}
	if (row->time_ms < w->options.from_ms || row->time_ms >= w->options.to_ms)
		return;
	w->written++;
	w->is_broken = !(w->sqlite != NULL ? ledger_sqlite_add(w->sqlite, row) : write_text(w, row));
}

static void see_record(void *context, const struct journal_record *record)
{
	struct writing *w = context;
	struct ledger_row row;
	if (w->is_broken)
		return;
	switch (ledger_row_of(record, &row)) {
	case LEDGER_OTHER: return;
	case LEDGER_BAD:
		w->bad_seq = record->sequence;
		w->is_broken = true;
		return;
	case LEDGER_ROW: break;
	}
	see_row(w, &row);
}

static void write_openings(struct writing *w)
{
	const struct ledger_opening *o = &w->opening;
	for (uint64_t i = 0; i < o->count && !w->is_broken; i++) {
		struct ledger_row row = {.seq = o->seq, .time_ms = o->time_ms, .recorded_ms = o->time_ms, .event = LEDGER_opening,
		                         .payment = o->payments[i]};
		see_row(w, &row);
	}
}

/* ---- where it goes: a file has its name when it is whole -------------------------------------- */

static int cannot_write(const char *name, const char *problem)
{
	fprintf(stderr, "trovectl: %s: %s\n", name, problem);
	return EX_CANTCREAT;
}

static int open_output(struct writing *w)
{
	char problem[256];
	const char *output = w->options.output;
	w->is_ndjson = strcmp(w->options.format, "ndjson") == 0;
	if (output != NULL)
		(void)unlink(w->making);
	if (strcmp(w->options.format, "sqlite") == 0) {
		w->sqlite = ledger_sqlite_open(w->making, problem, sizeof problem);
		return w->sqlite != NULL ? EX_OK : cannot_write(w->making, problem);
	}
	w->out = output != NULL ? fopen(w->making, "we") : tmpfile();
	if (w->out == NULL)
		return cannot_write(output != NULL ? w->making : "a temporary file", strerror(errno));
	if (!w->is_ndjson)
		fputs("seq,time,payment,event,amount,currency,state,authorized,captured,refunded,voided,cart,actor,id,recorded,"
		      "payment_seq\n",
		      w->out);
	return EX_OK;
}

static bool copy_to_stdout(FILE *from)
{
	char bytes[COPY_BYTES];
	size_t count;
	if (fseek(from, 0, SEEK_SET) != 0)
		return false;
	while ((count = fread(bytes, 1, sizeof bytes, from)) != 0)
		if (fwrite(bytes, 1, count, stdout) != count)
			return false;
	return ferror(from) == 0 && fflush(stdout) == 0;
}

/* What was read is whole, or nothing of it may be seen. */
static bool close_text(struct writing *w, bool is_whole)
{
	FILE *out = w->out;
	w->out = NULL;
	bool is_ok = ferror(out) == 0 && fflush(out) == 0;
	if (is_ok && is_whole && w->options.output == NULL)
		is_ok = copy_to_stdout(out);
	int error = errno;
	is_ok = fclose(out) == 0 && is_ok;
	errno = error;
	return is_ok;
}

/* Synced first: else a power loss may leave the name on half a file. */
static int take_name(const struct writing *w)
{
	int file = open(w->making, O_RDONLY | O_CLOEXEC);
	int error = file >= 0 && fsync(file) == 0 ? 0 : errno;
	if (file >= 0)
		close(file);
	if (error == 0 && rename(w->making, w->options.output) != 0)
		error = errno;
	return error == 0 ? folder_sync_file_name(w->options.output) : error;
}

/* EX_OK, also where nothing was to be kept; else it cannot be written, which is said. */
static int close_output(struct writing *w, bool is_whole)
{
	char problem[256] = "";
	bool is_ok = true;
	if (w->sqlite != NULL) {
		is_ok = ledger_sqlite_close(&w->sqlite, problem, sizeof problem);
	} else if (w->out != NULL && !close_text(w, is_whole)) {
		is_ok = false;
		snprintf(problem, sizeof problem, "%s", strerror(errno));
	}
	int error = is_ok && is_whole && w->options.output != NULL ? take_name(w) : 0;
	if (error != 0) {
		is_ok = false;
		snprintf(problem, sizeof problem, "%s", strerror(error));
	}
	if (w->options.output != NULL && (!is_ok || !is_whole))
		(void)unlink(w->making);
	if (is_ok || !is_whole)
		return EX_OK;
	fprintf(stderr, "trovectl: %s: %s\n", w->options.output != NULL ? w->options.output : "standard output", problem);
	return EX_IOERR;
}

/* ---- the command --------------------------------------------------------------------------------- */

static int say(const char *directory, const char *text, int code)
{
	fprintf(stderr, "trovectl: %s: %s\n", directory, text);
	return code;
}

static int judge_journal(status s, const struct journal_report *report, const char *directory)
{
	const char *text = report->text[0] != '\0' ? report->text : status_text(s);
	if (s == STATUS_overloaded)
		text = "files are let go faster than they are read: raise data.retention_ms, or read a copy (cp -a, then --journal COPY)";
	if (s != STATUS_ok || report->is_torn)
		say(directory, text, 0);
	return s == STATUS_ok           ? EX_OK
	       : s == STATUS_not_found  ? EX_NOINPUT
	       : s == STATUS_overloaded ? EX_UNAVAILABLE
	       : s == STATUS_malformed  ? EX_DATAERR
	                                : EX_IOERR;
}

static void print_sums(const char *currency, const char *what, const struct ledger_sums *s)
{
	fprintf(stderr, "%s%s  authorized %" PRId64 "  captured %" PRId64 "  refunded %" PRId64 "  voided %" PRId64 "\n", currency,
	        what, s->authorized, s->captured, s->refunded, s->voided);
}

static void summarize(const struct writing *w, const struct journal_look *look, const struct journal_report *report,
                      const char *directory)
{
	const struct ledger_books *b = &w->books;
	if (w->opening.seq != 0)
		fprintf(stderr, "trovectl: %s: the journal goes back to seq %" PRIu64 "; %" PRIu64 " payments are older and begin with "
		                "an opening\n",
		        directory, w->opening.seq + 1, b->openings);
	if (w->opening.seq != 0 && w->opening.snapshot == 0)
		fprintf(stderr, "trovectl: %s: no snapshot goes with it: payments that did not change since are missing\n", directory);
	fprintf(stderr, "%" PRIu64 " payments, %" PRIu64 " entries, %" PRIu64 " written; payments and entries agree\n", b->payments,
	        b->entries, w->written);
	fprintf(stderr, "read up to seq %" PRIu64 "%s\n", report->last, look->is_live ? ", while the service runs" : "");
	for (uint32_t i = 0; i < b->currencies; i++) {
		const struct ledger_currency *c = &b->currency[i];
		struct ledger_sums closing = ledger_sum(&c->opening, &c->entries);
		if (w->opening.seq != 0)
			print_sums(c->name, " opening", &c->opening);
		print_sums(c->name, "", &c->entries);
		if (w->opening.seq != 0)
			print_sums(c->name, " closing", &closing);
	}
}

static int judge_books(struct writing *w, const char *directory)
{
	char text[128];
	if (w->bad_seq != 0) {
		snprintf(text, sizeof text, "record %" PRIu64 " is no effect that this program knows", w->bad_seq);
		return say(directory, text, EX_DATAERR);
	}
	if (w->books.problem[0] != '\0' || !ledger_agrees(&w->books))
		return say(directory, w->books.problem, EX_DATAERR);
	return EX_OK;
}

/* Once over everything. STATUS_overloaded: nothing of it counts. */
static status read_journal(struct writing *w, const struct journal_look *look, const char *directory,
                           struct journal_report *report)
{
	status s = ledger_opening_read(&w->opening, look, directory, report);
	if (s != STATUS_ok)
		return s;
	/* Without a snapshot nobody knows them all. */
	w->books.is_late = w->opening.seq != 0 && w->opening.snapshot == 0;
	write_openings(w);
	return journal_look_read(look, see_record, w, report);
}

static void forget(struct writing *w)
{
	(void)close_output(w, false);
	ledger_opening_free(&w->opening);
	ledger_books_free(&w->books);
	*w = (struct writing){.options = w->options};
	if (w->options.output != NULL)
		snprintf(w->making, sizeof w->making, "%s.making", w->options.output);
}

static status read_until_whole(struct writing *w, struct journal_look *look, const char *directory,
                               struct journal_report *report, int *code)
{
	status s = STATUS_overloaded;
	for (unsigned tries = 0; tries < TRIES && s == STATUS_overloaded; tries++) {
		forget(w);
		journal_look_close(look);
		*report = (struct journal_report){};
		*code = open_output(w);
		if (*code != EX_OK)
			return STATUS_ok;
		s = journal_look_open(look, directory, report->text, sizeof report->text);
		if (s == STATUS_ok)
			s = read_journal(w, look, directory, report);
	}
	return s;
}

static int run(struct writing *w, const char *directory)
{
	struct journal_report report;
	struct journal_look look = {.directory = -1};
	int code = EX_OK;
	status s = read_until_whole(w, &look, directory, &report, &code);
	if (code == EX_OK)
		code = judge_journal(s, &report, directory);
	if (code == EX_OK)
		code = judge_books(w, directory);
	if (code == EX_OK)
		code = close_output(w, true);
	if (code == EX_OK)
		summarize(w, &look, &report, directory);
	forget(w);
	journal_look_close(&look);
	return code;
}

static bool read_time(const char *name, const char *text, int64_t *ms)
{
	if (text == NULL || time_parse(text, ms))
		return true;
	fprintf(stderr, "trovectl: %s: '%s' is not allowed; expected 2026-11-21, 2026-11-21T10:00:00Z or Unix milliseconds\n", name,
	        text);
	return false;
}

static int usage(const char *text)
{
	fprintf(stderr, "trovectl: %s; see trovectl ledger --help\n", text);
	return EX_USAGE;
}

static int run_checked(struct ledger_options *o)
{
	struct writing w = {};
	char directory[PATH_BYTES];
	o->from_ms = INT64_MIN;
	o->to_ms = INT64_MAX;
	if ((o->journal == NULL) == (o->data == NULL))
		return usage("ledger takes --data DIR or --journal DIR");
	if (strcmp(o->format, "csv") != 0 && strcmp(o->format, "ndjson") != 0 && strcmp(o->format, "sqlite") != 0)
		return usage("ledger --format knows csv, ndjson and sqlite");
	if (strcmp(o->format, "sqlite") == 0 && o->output == NULL)
		return usage("ledger --format sqlite needs --output FILE");
	if (!read_time("--from", o->from, &o->from_ms) || !read_time("--to", o->to, &o->to_ms))
		return EX_USAGE;
	int bytes = snprintf(directory, sizeof directory, o->data != NULL ? "%s/journal" : "%s",
	                     o->data != NULL ? o->data : o->journal);
	if (bytes < 0 || (size_t)bytes >= sizeof directory || (o->output != NULL && strlen(o->output) >= PATH_BYTES))
		return usage("ledger: a path is too long");
	w.options = *o;
	return run(&w, directory);
}

static void print_help(const struct argument *arguments, size_t count)
{
	puts("usage: trovectl ledger --data DIR | --journal DIR [--format csv|ndjson|sqlite] [--output FILE]\n\n"
	     "Every change of a payment as one row, out of a journal; nothing is changed. Beside a running service it reads what\n"
	     "is durable up to now and says up to which seq; neither waits for the other.\n"
	     "Columns: seq, time (of the event: its `at`, or when it was done), payment, event (opening, authorized, captured,\n"
	     "refunded, voided, expired), amount (minor units), currency, state, authorized, captured, refunded, voided (the\n"
	     "payment after it), cart, actor, id (the event's; none when time did it), recorded (when it was done), payment_seq\n"
	     "(seq of the payment's first row: an id that payments.history let go may be authorized once more under the same id,\n"
	     "and is another payment then).\n"
	     "It proves itself: every entry must follow from those before it, 0 <= refunded <= captured, captured + voided <=\n"
	     "authorized, and the sums over all payments must be the sums over all entries; else exit code 65. --from and --to\n"
	     "choose what is written, all is checked. A summary goes to stderr. A file gets its name when it is whole and durable.\n"
	     "What data.retention_ms has let go is not in the journal any more: then older payments begin with a row `opening`,\n"
	     "what stood in them before the oldest record (amount 0), out of the oldest snapshot; opening + entries = closing.\n\n"
	     "--format sqlite writes a database: payments (last state), openings, entries (all changes), days (a view: sums per\n"
	     "day and currency). For example, what was taken and given back in January:\n"
	     "  sqlite3 ledger.db \"SELECT day, captured - refunded FROM days WHERE day LIKE '2011-01-%'\"\n"
	     "Exit codes: 0 ok, 65 damaged or does not add up, 66 no journal there, 69 files go too fast, 73 and 74 cannot be\n"
	     "written.\n");
	arguments_print(arguments, count);
	puts("\nexample: trovectl ledger --data /var/lib/trove --from 2026-11-01 --to 2026-12-01 >november.csv");
}

int ledger_main(int argc, char **argv, const struct settings *settings)
{
	struct ledger_options o = {.format = settings->json ? "ndjson" : "csv"};
	const struct argument arguments[] = {
		{"--data", ARGUMENT_text, &o.data, 0, 0, "the service's data directory"},
		{"--journal", ARGUMENT_text, &o.journal, 0, 0, "or its journal"},
		{"--format", ARGUMENT_text, &o.format, 0, 0, "csv, ndjson or sqlite (csv; with --json ndjson)"},
		{"--output", ARGUMENT_text, &o.output, 0, 0, "a file (standard output)"},
		{"--from", ARGUMENT_text, &o.from, 0, 0, "rows of this moment and later: a day, a time, or Unix milliseconds"},
		{"--to", ARGUMENT_text, &o.to, 0, 0, "rows before this moment"},
	};
	struct command_line line = {.command = "ledger", .arguments = arguments, .count = COUNT_OF(arguments)};
	if (!arguments_parse(&line, argc, argv))
		return EX_USAGE;
	if (line.wants_help) {
		print_help(arguments, COUNT_OF(arguments));
		return EX_OK;
	}
	return line.operand_count != 0 ? usage("ledger takes no operands") : run_checked(&o);
}
