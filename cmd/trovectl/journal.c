/* journal: reads a journal, also beside the service that writes it: whether it is whole, what is in it. */
#include "cmd/trovectl/commands.h"
#include "engine/base/check.h"
#include "engine/journal/journal.h"
#include "engine/journal/look.h"
#include "engine/journal/snapshot.h"
#include "engine/router/dispatch.h"
#include "proto/effect.h"
#include "proto/identifier.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

static const struct {
	uint16_t number;
	const char *name;
} effects[] = {
#define X(symbol, number, record) {number, #symbol},
	EFFECT_TABLE(X)
#undef X
};

enum { TYPES = COUNT_OF(effects), HEX_BYTES = 4096, TRIES = 50 };

struct reading {
	int64_t limit;     /* < 0: none */
	uint64_t counts[TYPES + 1]; /* the last: unknown types */
	uint64_t bytes[TYPES + 1];
	int64_t first_ms, last_ms;
	bool is_broken; /* standard output is gone */
	journal_visitor *visit;
	uint64_t seen; /* the last record; nothing up to it is visited again */
};

static size_t place_of(uint16_t type)
{
	size_t i = 0;
	while (i < TYPES && effects[i].number != type)
		i++;
	return i;
}

/* ---- dump ------------------------------------------------------------------------------ */

static json_t *hex_of(const uint8_t *bytes, uint32_t count)
{
	static const char digits[] = "0123456789abcdef";
	char text[2 * HEX_BYTES];
	uint32_t shown = count < HEX_BYTES ? count : HEX_BYTES;
	for (uint32_t i = 0; i < shown; i++) {
		text[2 * (size_t)i] = digits[bytes[i] >> 4];
		text[2 * (size_t)i + 1] = digits[bytes[i] & 15];
	}
	return json_stringn(text, 2 * (size_t)shown);
}

static json_t *id_of(const struct wire_id *id, bool is_uuid)
{
	char text[IDENTIFIER_TEXT_BYTES];
	identifier_format((struct identifier){id->low, id->high, is_uuid}, text);
	return json_string(text);
}

static void add_put(json_t *row, const struct effect_reward_put *e)
{
	json_object_set_new(row, "reward", id_of(&e->reward, (e->head.flags & EVENT_REWARD_IS_UUID) != 0));
	json_object_set_new(row, "x", json_real(e->x));
	json_object_set_new(row, "y", json_real(e->y));
	json_object_set_new(row, "radius", json_real(e->radius));
	json_object_set_new(row, "value", json_integer(e->value));
	json_object_set_new(row, "stock", json_integer(e->stock));
	json_object_set_new(row, "from", json_integer(e->from_ms));
	json_object_set_new(row, "until", json_integer(e->until_ms));
	json_object_set_new(row, "kind", json_stringn(e->kind, e->kind_bytes < KIND_BYTES_MAX ? e->kind_bytes : KIND_BYTES_MAX));
	json_object_set_new(row, "name", json_stringn(e->name, e->name_bytes < NAME_BYTES_MAX ? e->name_bytes : NAME_BYTES_MAX));
}

/* What the peer was answered, written by the code that answered it. */
static void add_answer(json_t *row, const struct effect_head *effect, uint64_t seq)
{
	struct event event;
	char text[4096];
	const struct effect_handler *handler = dispatch_effect((enum effect_type)effect->type);
	struct request request = {.encoding = ENCODING_JSON, .count = 1};
	struct reply reply;
	if (handler->answer == NULL || !effect_event(effect, &event))
		return;
	json_object_set_new(row, "event", json_string(event_name(event.type)));
	reply_open(&reply, &request, text, sizeof text);
	handler->answer(effect, &event, (struct change_note){.seq = seq}, &reply);
	json_object_set_new(row, "answer", json_loadb(text, reply_close(&reply), 0, NULL));
}

static void add_publications(json_t *row, const struct effect_head *effect, uint64_t seq)
{
	unsigned count = effect_publications(effect);
	json_t *all = json_array();
	for (unsigned i = 0; i < count; i++) {
		char text[PUBLICATION_BYTES_MAX];
		struct cursor out;
		cursor_init(&out, text, sizeof text);
		(void)effect_publish(effect, i, seq, &out);
		json_array_append_new(all, json_loadb(text, cursor_used(&out), 0, NULL));
	}
	json_object_set_new(row, "publications", all);
}

/* What is no whole effect is shown as bytes. */
static bool add_effect(json_t *row, const struct journal_record *r)
{
	if (!effect_is_whole(r->body, r->body_bytes))
		return false;
	if (r->type == EFFECT_reward_put)
		add_put(row, r->body);
	if (r->type == EFFECT_reward_remove) {
		const struct effect_reward_remove *e = r->body;
		json_object_set_new(row, "reward", id_of(&e->reward, (e->head.flags & EVENT_REWARD_IS_UUID) != 0));
	}
	add_answer(row, r->body, r->sequence);
	add_publications(row, r->body, r->sequence);
	return true;
}

static void dump_record(void *context, const struct journal_record *r)
{
	struct reading *reading = context;
	if (reading->limit == 0 || reading->is_broken)
		return;
	reading->limit -= reading->limit > 0;
	size_t place = place_of(r->type);
	json_t *row = json_object();
	json_object_set_new(row, "sequence", json_integer((json_int_t)r->sequence));
	json_object_set_new(row, "time", json_integer(r->time_ms));
	json_object_set_new(row, "type", place < TYPES ? json_string(effects[place].name) : json_integer(r->type));
	json_object_set_new(row, "flags", json_integer(r->flags));
	json_object_set_new(row, "file", json_integer((json_int_t)r->file_number));
	json_object_set_new(row, "offset", json_integer((json_int_t)r->offset));
	json_object_set_new(row, "place", json_integer((json_int_t)r->place));
	if (!add_effect(row, r)) {
		json_object_set_new(row, "bytes", json_integer(r->body_bytes));
		json_object_set_new(row, "body", hex_of(r->body, r->body_bytes));
	}
	reading->is_broken = json_dumpf(row, stdout, JSON_COMPACT) != 0 || putchar('\n') == EOF;
	json_decref(row);
}

/* ---- stat and verify ---------------------------------------------------------------------- */

static void count_record(void *context, const struct journal_record *r)
{
	struct reading *reading = context;
	size_t place = place_of(r->type);
	reading->counts[place]++;
	reading->bytes[place] += r->body_bytes;
	if (reading->first_ms == 0)
		reading->first_ms = r->time_ms;
	reading->last_ms = r->time_ms;
}

static void print_report_json(const struct journal_report *r, const struct reading *reading, bool is_stat)
{
	json_t *row = json_pack("{s:I s:I s:I s:I s:I s:I s:s s:s}", "first", (json_int_t)r->first, "last", (json_int_t)r->last,
	                        "proven_durable", (json_int_t)r->proven, "records", (json_int_t)r->records, "record_bytes",
	                        (json_int_t)r->record_bytes, "files", (json_int_t)r->files, "verdict",
	                        r->is_damaged ? "damaged" : r->is_torn ? "torn" : "whole", "text", r->text);
	if (r->is_damaged || r->is_torn) {
		json_object_set_new(row, "file", json_integer((json_int_t)r->file_number));
		json_object_set_new(row, "offset", json_integer((json_int_t)r->offset));
		json_object_set_new(row, "sequence", json_integer((json_int_t)r->sequence));
	}
	if (is_stat) {
		json_t *types = json_object();
		for (size_t i = 0; i <= TYPES; i++)
			json_object_set_new(types, i < TYPES ? effects[i].name : "unknown", json_integer((json_int_t)reading->counts[i]));
		json_object_set_new(row, "types", types);
		json_object_set_new(row, "first_time", json_integer(reading->first_ms));
		json_object_set_new(row, "last_time", json_integer(reading->last_ms));
	}
	json_dumpf(row, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(row);
}

static void print_report(const struct journal_report *r, const struct reading *reading, bool is_stat)
{
	printf("%-16s %s\n", "verdict", r->is_damaged ? "DAMAGED" : r->is_torn ? "torn tail" : "whole");
	if (r->text[0] != '\0')
		printf("%-16s %s\n", "", r->text);
	printf("%-16s %" PRIu64 " to %" PRIu64 ", proven durable to %" PRIu64 "\n", "sequences", r->first, r->last, r->proven);
	printf("%-16s %" PRIu64 " in %" PRIu64 " files, %" PRIu64 " bytes\n", "records", r->records, r->files, r->record_bytes);
	if (!is_stat)
		return;
	printf("%-16s %" PRId64 " to %" PRId64 "\n", "times (Unix ms)", reading->first_ms, reading->last_ms);
	for (size_t i = 0; i <= TYPES; i++)
		if (reading->counts[i] != 0)
			printf("%-16s %" PRIu64 ", %" PRIu64 " bytes\n", i < TYPES ? effects[i].name : "unknown", reading->counts[i],
			       reading->bytes[i]);
}

/* ---- the command -------------------------------------------------------------------------- */

static int exit_code(status s, const struct journal_report *report, const char *directory, bool is_said)
{
	if (s == STATUS_ok && report->is_torn && !is_said)
		fprintf(stderr, "trovectl: %s: %s\n", directory, report->text);
	if (s == STATUS_ok)
		return EX_OK;
	if (!is_said || !report->is_damaged)
		fprintf(stderr, "trovectl: %s: %s\n", directory, report->text[0] != '\0' ? report->text : status_text(s));
	return s == STATUS_not_found    ? EX_NOINPUT
	       : s == STATUS_overloaded ? EX_UNAVAILABLE
	       : s == STATUS_malformed  ? EX_DATAERR
	                                : 1;
}

static void visit_new(void *context, const struct journal_record *r)
{
	struct reading *reading = context;
	if (r->sequence <= reading->seen)
		return;
	reading->visit(reading, r);
	reading->seen = r->sequence;
}

/* A process has the journal. What was printed stays printed; what was only counted is counted anew. */
static status read_beside(struct reading *reading, const char *directory, bool is_dump, struct journal_report *report)
{
	const struct reading start = *reading;
	status s = STATUS_overloaded;
	for (unsigned tries = 0; tries < TRIES && s == STATUS_overloaded; tries++) {
		struct journal_look look = {.directory = -1};
		if (!is_dump)
			*reading = start;
		*report = (struct journal_report){};
		s = journal_look_open(&look, directory, report->text, sizeof report->text);
		if (s == STATUS_ok && is_dump && look.first > reading->seen + 1)
			fprintf(stderr, "trovectl: %s: the journal goes back to sequence %" PRIu64 "\n", directory, look.first);
		if (s == STATUS_ok)
			s = journal_look_read(&look, visit_new, reading, report);
		journal_look_close(&look);
	}
	if (s == STATUS_overloaded)
		snprintf(report->text, sizeof report->text, "its files go faster than they are read");
	return s;
}

/* As a start goes about it: the newest whole snapshot must reach to where the journal begins, and not beyond its end. */
static bool is_covered(const char *directory, const struct journal_report *report, uint64_t *sequence)
{
	struct snapshots snapshots;
	struct snapshot_found found;
	uint64_t identity[2];
	status s = snapshots_open(&snapshots, &(struct snapshot_options){.directory = directory, .is_reader = true});
	if (s == STATUS_ok)
		s = snapshot_journal_identity(directory, identity);
	if (s == STATUS_ok)
		s = snapshot_find(&snapshots, identity, &found);
	snapshots_close(&snapshots);
	if (s != STATUS_ok)
		return false;
	*sequence = found.sequence;
	return found.sequence + 1 >= report->first && found.sequence <= report->last;
}

/* Nobody has it. That the first files were dropped is no damage. */
static status read_at_rest(struct reading *reading, const char *directory, uint64_t after, bool is_dump,
                           struct journal_report *report)
{
	uint64_t sequence;
	status s = journal_verify(directory, after, reading->visit, reading, report);
	if (s != STATUS_malformed || !report->begins_late)
		return s;
	if (!is_covered(directory, report, &sequence)) {
		snprintf(report->text, sizeof report->text,
		         "the journal begins with record %" PRIu64 ", and there is no whole snapshot that a start can go on from: put "
		         "the files or a snapshot back from a copy", report->first);
		return s;
	}
	report->is_damaged = false;
	if (is_dump)
		fprintf(stderr, "trovectl: %s: the journal goes back to sequence %" PRIu64 "\n", directory, report->first);
	if (!report->is_torn)
		snprintf(report->text, sizeof report->text,
		         "begins with record %" PRIu64 ": earlier files were dropped, the snapshot of seq %" PRIu64 " holds the state",
		         report->first, sequence);
	return STATUS_ok;
}

static int run(const char *verb, const char *directory, int64_t after, int64_t limit, const struct settings *settings)
{
	struct reading reading = {.limit = limit, .seen = (uint64_t)after};
	struct journal_report report;
	bool is_dump = strcmp(verb, "dump") == 0;
	bool is_stat = strcmp(verb, "stat") == 0;
	if (!is_dump && !is_stat && strcmp(verb, "verify") != 0) {
		fprintf(stderr, "trovectl: journal knows verify, dump and stat, not '%s'\n", verb);
		return EX_USAGE;
	}
	reading.visit = is_dump ? dump_record : count_record;
	status s = read_at_rest(&reading, directory, (uint64_t)after, is_dump, &report);
	if (s == STATUS_invalid_state)
		s = read_beside(&reading, directory, is_dump, &report);
	bool is_read = s == STATUS_ok || report.is_damaged;
	if (!is_dump && is_read && settings->json)
		print_report_json(&report, &reading, is_stat);
	else if (!is_dump && is_read)
		print_report(&report, &reading, is_stat);
	return exit_code(s, &report, directory, !is_dump);
}

int journal_main(int argc, char **argv, const struct settings *settings)
{
	int64_t after = 0, limit = -1;
	const struct argument arguments[] = {
		{.name = "--after", .kind = ARGUMENT_integer, .value = &after, .least = 0, .greatest = 9e15,
		 .help = "only records behind this sequence"},
		{.name = "--limit", .kind = ARGUMENT_integer, .value = &limit, .least = 0, .greatest = 9e15,
		 .help = "dump: at most so many records"},
	};
	struct command_line line = {.command = "journal", .arguments = arguments, .count = COUNT_OF(arguments)};
	if (!arguments_parse(&line, argc, argv))
		return EX_USAGE;
	if (line.wants_help) {
		puts("usage: trovectl journal verify|dump|stat DIRECTORY [--after N] [--limit N] [--json]\n\n"
		     "Reads the journal in a data directory and changes nothing. Beside a running service: what was durable\n"
		     "when it began. Earlier files that were dropped behind a snapshot are no damage.\n"
		     "  verify   reads every record: whole, a torn tail (the start will cut it), or damaged, and where\n"
		     "  dump     the records as JSON, one a line; bodies of unknown types in hexadecimal (4096 bytes)\n"
		     "  stat     verify, and how many records there are of each type\n");
		arguments_print(arguments, COUNT_OF(arguments));
		puts("\nexample: trovectl journal verify /var/lib/trove/journal\n"
		     "exit codes: 0 whole or torn, 65 damaged, 66 no journal there,\n"
		     "            69 files go faster than they are read");
		return EX_OK;
	}
	if (line.operand_count != 2) {
		fprintf(stderr, "trovectl: journal takes verify, dump or stat, and a directory; see trovectl journal --help\n");
		return EX_USAGE;
	}
	return run(line.operands[0], line.operands[1], after, limit, settings);
}
