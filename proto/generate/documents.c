/* Markdown tables and TypeScript types from the tables of events, fields and codes. */
#include "proto/generate/generate.h"

#include "engine/base/status.h"
#include "proto/field.h"
#include "proto/frame.h"

#include <ctype.h>
#include <string.h>

/* What each result has in JSON: X(result, field, TypeScript type, always there, note). */
#define RESULT_FIELD_TABLE(X) \
	X(pong, "id", "string", false, "the event's, when it had one") \
	X(ok, "id", "string", true, "the event's") \
	X(ok, "seq", "number", true, "the journal's sequence number of the change") \
	X(ok, "replayed", "boolean", false, "true: the stored result of an earlier event with this id") \
	X(located, "id", "string", false, "the event's, when it had one") \
	X(located, "count", "number", true, "all matches") \
	X(located, "truncated", "boolean", true, "more matched than are listed") \
	X(located, "rewards", "Match[]", true, "nearest first, equal distances by id; `{reward,distance,kind,value,remaining}`") \
	X(reward, "id", "string", false, "the event's, when it had one") \
	X(reward, "reward", "string", true, "") \
	X(reward, "x", "number", true, "") \
	X(reward, "y", "number", true, "") \
	X(reward, "radius", "number", true, "") \
	X(reward, "kind", "string", true, "") \
	X(reward, "value", "number", true, "") \
	X(reward, "stock", "number | null", true, "null: unlimited") \
	X(reward, "remaining", "number | null", true, "null: unlimited") \
	X(reward, "per_actor", "number", true, "") \
	X(reward, "from", "number", false, "left out when it always was active") \
	X(reward, "until", "number", false, "left out when it is active for ever") \
	X(reward, "benefit", "Benefit", false, "left out when there is none") \
	X(reward, "name", "string", false, "left out when there is none") \
	X(error, "id", "string", false, "the event's, where it could be read") \
	X(error, "code", "Code", true, "") \
	X(error, "field", "string", false, "the field to blame, as in `box[2]` or `benefit.amount`") \
	X(error, "message", "string", false, "for people; left out only when the reply has no room for it") \
	X(error, "retry", "Retry", true, "") \
	X(error, "retry_after_ms", "number", false, "with `overloaded`: when to come again")

struct result_field {
	enum result_type result;
	const char *name, *type;
	bool is_always;
	const char *note;
};

static const struct result_field result_fields[] = {
#define X(result, name, type, is_always, note) {RESULT_##result, name, type, is_always, note},
	RESULT_FIELD_TABLE(X)
#undef X
};

static const char *const result_names[] = {
#define X(symbol, number, name) [number] = name,
	RESULT_TABLE(X)
#undef X
};
enum { RESULTS = sizeof result_names / sizeof result_names[0] };

static const char *const event_results[] = {
#define X(symbol, number, name, class, record, result) [number] = result,
	EVENT_TABLE(X)
#undef X
};

static const char *typescript_type(enum field_form form)
{
	static const char *const types[] = {
#define X(form, type) [FIELD_##form] = type,
		FIELD_FORM_TABLE(X)
#undef X
	};
	return types[form];
}

void documents_events(FILE *out)
{
	static const char *const records[] = {
#define X(symbol, number, name, class, record, result) [number] = #record,
		EVENT_TABLE(X)
#undef X
	};
	fprintf(out, "| event | number | is a | record | result |\n|---|---|---|---|---|\n");
	for (unsigned type = 1; type <= EVENT_TYPE_MAX; type++)
		fprintf(out, "| `%s` | %u | %s | `%s`, %zu bytes | `%s` |\n", event_name((enum event_type)type), type,
		        event_is_change((enum event_type)type) ? "change" : "query", records[type],
		        event_record_bytes((enum event_type)type), event_results[type]);
}

static void write_range(FILE *out, const struct field *f)
{
	if (f->form == FIELD_integer)
		fprintf(out, "integer, %lld to %lld", (long long)f->low, (long long)f->high);
	else if (f->form == FIELD_identifier)
		fprintf(out, "id");
	else
		fprintf(out, "%s", typescript_type(f->form));
}

void documents_fields(FILE *out)
{
	for (unsigned type = 1; type <= EVENT_TYPE_MAX; type++) {
		const struct field_list *list = field_list_of((enum event_type)type);
		fprintf(out, "%s**`%s`**\n\n| field | | value | |\n|---|---|---|---|\n", type != 1 ? "\n" : "",
		        event_name((enum event_type)type));
		for (uint32_t i = 0; i < list->count; i++) {
			const struct field *f = &list->fields[i];
			fprintf(out, "| `%s` | %s | ", f->name, f->need == FIELD_required ? "required" : "optional");
			write_range(out, f);
			fprintf(out, " | %s |\n", f->note);
		}
	}
}

void documents_results(FILE *out)
{
	for (unsigned result = 0; result < RESULTS; result++) {
		fprintf(out, "%s**`%s`** (number %u)\n\n| field | | value | |\n|---|---|---|---|\n", result != 0 ? "\n" : "",
		        result_names[result], result);
		for (size_t i = 0; i < sizeof result_fields / sizeof result_fields[0]; i++) {
			const struct result_field *f = &result_fields[i];
			if ((unsigned)f->result != result)
				continue;
			fprintf(out, "| `%s` | %s | ", f->name, f->is_always ? "always" : "sometimes");
			for (const char *at = f->type; *at != '\0'; at++)
				fprintf(out, *at == '|' ? "or" : "%c", *at);
			fprintf(out, " | %s |\n", f->note);
		}
	}
}

void documents_codes(FILE *out)
{
	fprintf(out, "| number | code | retry | says |\n|---|---|---|---|\n");
	for (int s = STATUS_ok + 1; s < STATUS_COUNT; s++)
		fprintf(out, "| %d | `%s` | `%s` | %s |\n", s, status_code((status)s), retry_name(status_retry((status)s)),
		        status_text((status)s));
}

/* "reward.put" as RewardPut. */
static void write_type_name(FILE *out, const char *name)
{
	bool is_start = true;
	for (; *name != '\0'; name++) {
		if (*name != '.')
			fputc(is_start ? toupper((unsigned char)*name) : *name, out);
		is_start = *name == '.';
	}
}

/* Results are named apart from events: reward is RewardResult. */
static void write_result_name(FILE *out, const char *name)
{
	write_type_name(out, name);
	fprintf(out, "Result");
}

static void write_event_type(FILE *out, enum event_type type)
{
	const struct field_list *list = field_list_of(type);
	fprintf(out, "\nexport interface ");
	write_type_name(out, event_name(type));
	fprintf(out, " {\n  type: \"%s\";\n", event_name(type));
	for (uint32_t i = 0; i < list->count; i++) {
		const struct field *f = &list->fields[i];
		fprintf(out, "  /** %s%s", f->note, f->form == FIELD_integer ? "; " : "");
		if (f->form == FIELD_integer)
			write_range(out, f);
		fprintf(out, " */\n  %s%s: %s;\n", f->name, f->need == FIELD_required ? "" : "?", typescript_type(f->form));
	}
	fprintf(out, "}\n");
}

static void write_result_type(FILE *out, unsigned result)
{
	fprintf(out, "\nexport interface ");
	write_result_name(out, result_names[result]);
	fprintf(out, " {\n  type: \"%s\";\n", result_names[result]);
	for (size_t i = 0; i < sizeof result_fields / sizeof result_fields[0]; i++) {
		const struct result_field *f = &result_fields[i];
		if ((unsigned)f->result != result)
			continue;
		if (f->note[0] != '\0')
			fprintf(out, "  /** %s */\n", f->note);
		fprintf(out, "  %s%s: %s;\n", f->name, f->is_always ? "" : "?", f->type);
	}
	fprintf(out, "}\n");
}

void documents_typescript(FILE *out)
{
	fprintf(out, "// Generated from proto/event.h by `make generate`; do not edit.\n"
	             "// Types of the JSON messages; nothing here exists at run time.\n\n"
	             "/** A UUID string, a decimal string below 2^128, or an integer up to 2^53. Results always have strings. */\n"
	             "export type Identifier = string | number;\n\n"
	             "export type Benefit = { percent_bp: number } | { amount: number; currency: string };\n\n"
	             "export interface Match {\n  reward: string;\n  /** geo: metres */\n  distance: number;\n"
	             "  kind: string;\n  value: number;\n  /** null: unlimited */\n  remaining: number | null;\n}\n");
	for (unsigned type = 1; type <= EVENT_TYPE_MAX; type++)
		write_event_type(out, (enum event_type)type);
	for (unsigned result = 0; result < RESULTS; result++)
		write_result_type(out, result);
	fprintf(out, "\nexport type Event =");
	for (unsigned type = 1; type <= EVENT_TYPE_MAX; type++) {
		fprintf(out, type == 1 ? " " : " | ");
		write_type_name(out, event_name((enum event_type)type));
	}
	fprintf(out, ";\n\nexport type Result =");
	for (unsigned result = 0; result < RESULTS; result++) {
		fprintf(out, result == 0 ? " " : " | ");
		write_result_name(out, result_names[result]);
	}
	fprintf(out, ";\n\n/** The result of an event that was not refused. */\nexport interface ResultOf {\n");
	for (unsigned type = 1; type <= EVENT_TYPE_MAX; type++) {
		fprintf(out, "  \"%s\": ", event_name((enum event_type)type));
		write_result_name(out, event_results[type]);
		fprintf(out, ";\n");
	}
	fprintf(out, "}\n\nexport type Retry =");
#define X(name) fprintf(out, RETRY_##name == 0 ? " \"%s\"" : " | \"%s\"", #name);
	RETRY_TABLE(X)
#undef X
	fprintf(out, ";\n\nexport type Code =");
	for (int s = STATUS_ok + 1; s < STATUS_COUNT; s++)
		fprintf(out, "\n  | \"%s\"", status_code((status)s));
	fprintf(out, ";\n");
}
