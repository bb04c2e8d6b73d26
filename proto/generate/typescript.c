/* The TypeScript types of events, results and publications. */
#include "proto/generate/generate.h"

#include "engine/base/status.h"
#include "proto/generate/tables.h"

#include <ctype.h>

/* "reward.put" as RewardPut. */
static void write_type_name(FILE *out, const char *name)
{
	bool is_start = true;
	for (; *name != '\0'; name++) {
		if (*name != '.' && *name != '_')
			fputc(is_start ? toupper((unsigned char)*name) : *name, out);
		is_start = *name == '.' || *name == '_';
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
	for (size_t i = 0; i < result_field_count; i++) {
		const struct json_field *f = &result_fields[i];
		if (f->of != result)
			continue;
		if (f->note[0] != '\0')
			fprintf(out, "  /** %s */\n", f->note);
		fprintf(out, "  %s%s: %s;\n", f->name, f->is_always ? "" : "?", f->type);
	}
	fprintf(out, "}\n");
}

static void write_publication_type(FILE *out, enum topic topic)
{
	fprintf(out, "\nexport interface ");
	write_type_name(out, topic_name(topic));
	fprintf(out, "Publication {\n  type: \"%s\";\n  seq: number;\n  /** Unix milliseconds */\n  at: number;\n",
	        topic_name(topic));
	for (size_t i = 0; i < publication_field_count; i++) {
		if (publication_fields[i].of != topic)
			continue;
		if (publication_fields[i].note[0] != '\0')
			fprintf(out, "  /** %s */\n", publication_fields[i].note);
		fprintf(out, "  %s%s: %s;\n", publication_fields[i].name, publication_fields[i].is_always ? "" : "?",
		        publication_fields[i].type);
	}
	fprintf(out, "}\n");
}

static void write_states(FILE *out)
{
	fprintf(out, "\nexport type CartState =");
	for (unsigned s = CART_none + 1; s < CART_STATE_COUNT; s++)
		fprintf(out, "%s\"%s\"", s == 1 ? " " : " | ", cart_state_name((enum cart_state)s));
	fprintf(out, ";\n\nexport type PaymentState =");
	for (unsigned s = PAYMENT_none + 1; s < PAYMENT_STATE_COUNT; s++)
		fprintf(out, "\n  | \"%s\"", payment_state_name((enum payment_state)s));
	fprintf(out, ";\n");
}

static void write_start(FILE *out, const char *from)
{
	fprintf(out, "// Generated from proto/%s by `make generate`; do not edit.\n"
	             "// Types of the JSON messages; nothing here exists at run time.\n\n", from);
}

/* export type NAME = one of the names, each with this behind it. */
static void write_union(FILE *out, const char *name, const char *const *names, size_t count, const char *suffix)
{
	fprintf(out, "\nexport type %s =", name);
	for (size_t i = 0; i < count; i++) {
		if (names[i] == NULL)
			continue;
		fprintf(out, "\n  | ");
		write_type_name(out, names[i]);
		fprintf(out, "%s", suffix);
	}
	fprintf(out, ";\n");
}

void typescript_events(FILE *out)
{
	static const char *const names[] = {
#define X(symbol, number, name, class, record, result) name,
		EVENT_TABLE(X)
#undef X
	};
	write_start(out, "event.h");
	fprintf(out, "import type * as results from \"./results.js\";\nimport type { Benefit } from \"./results.js\";\n\n"
	             "export type * from \"./results.js\";\n"
	             "export type * from \"./publications.js\";\n\n"
	             "/** A UUID string, a decimal string below 2^128, or an integer up to 2^53. Results always have strings. */\n"
	             "export type Identifier = string | number;\n");
	for (unsigned type = 1; type <= EVENT_TYPE_MAX; type++)
		write_event_type(out, (enum event_type)type);
	write_union(out, "Event", names, sizeof names / sizeof names[0], "");
	fprintf(out, "\n/** The result of an event that was not refused. */\nexport interface ResultOf {\n");
	for (unsigned type = 1; type <= EVENT_TYPE_MAX; type++) {
		fprintf(out, "  \"%s\": results.", event_name((enum event_type)type));
		write_result_name(out, event_results[type]);
		fprintf(out, ";\n");
	}
	fprintf(out, "}\n");
}

void typescript_results(FILE *out)
{
	write_start(out, "result.h");
	fprintf(out, "import type { Publication } from \"./publications.js\";\n\n"
	             "export type Benefit = { percent_bp: number } | { amount: number; currency: string };\n\n"
	             "export interface Match {\n  reward: string;\n  /** geo: metres */\n  distance: number;\n"
	             "  kind: string;\n  value: number;\n  /** null: unlimited */\n  remaining: number | null;\n}\n\n"
	             "export interface Line {\n  sku: string;\n  quantity: number;\n  unit_price: number;\n"
	             "  /** unit_price times quantity */\n  amount: number;\n}\n");
	write_states(out);
	for (unsigned result = 0; result < RESULT_COUNT; result++)
		write_result_type(out, result);
	write_union(out, "Result", result_names, RESULT_COUNT, "Result");
	fprintf(out, "\nexport type Retry =");
#define X(name) fprintf(out, RETRY_##name == 0 ? " \"%s\"" : " | \"%s\"", #name);
	RETRY_TABLE(X)
#undef X
	fprintf(out, ";\n\nexport type Code =");
	for (int s = STATUS_ok + 1; s < STATUS_COUNT; s++)
		fprintf(out, "\n  | \"%s\"", status_code((status)s));
	fprintf(out, ";\n");
}

void typescript_publications(FILE *out)
{
	const char *names[TOPIC_COUNT];
	write_start(out, "effect.h");
	fprintf(out, "import type { PaymentState } from \"./results.js\";\n");
	for (unsigned topic = 0; topic < TOPIC_COUNT; topic++) {
		names[topic] = topic_is_of_effect[topic] ? topic_name((enum topic)topic) : NULL;
		if (names[topic] != NULL)
			write_publication_type(out, (enum topic)topic);
	}
	fprintf(out, "\n/** What feed.read tells, and most of what is published. */");
	write_union(out, "Publication", names, TOPIC_COUNT, "Publication");
}
