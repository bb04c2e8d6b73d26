/* Markdown tables and TypeScript types from the tables of events, fields and codes. */
#include "proto/generate/generate.h"

#include "engine/base/status.h"
#include "proto/effect.h"
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
	X(claimed, "id", "string", true, "the event's") \
	X(claimed, "claim", "string", true, "the claim's id: that of its event") \
	X(claimed, "reward", "string", true, "") \
	X(claimed, "remaining", "number | null", true, "what is left; null: unlimited") \
	X(claimed, "seq", "number", true, "the journal's sequence number of the change") \
	X(claimed, "replayed", "boolean", false, "true: the stored result of an earlier event with this id") \
	X(product, "id", "string", false, "the event's, when it had one") \
	X(product, "sku", "string", true, "") \
	X(product, "unit_price", "number", true, "in minor units") \
	X(product, "currency", "string", true, "") \
	X(product, "name", "string", false, "left out when there is none") \
	X(cart, "id", "string", false, "the event's, when it had one") \
	X(cart, "cart", "string", true, "") \
	X(cart, "actor", "string", false, "left out when it is nobody's") \
	X(cart, "state", "CartState", true, "after the event") \
	X(cart, "line_count", "number", true, "all lines") \
	X(cart, "lines", "Line[]", false, "with cart.get only; `{sku,quantity,unit_price,amount}`, in the order in which they came") \
	X(cart, "subtotal", "number", true, "the sum of all lines, in minor units") \
	X(cart, "discount", "number", true, "what an applied claim takes off") \
	X(cart, "total", "number", true, "subtotal - discount, never below 0") \
	X(cart, "currency", "string", true, "") \
	X(cart, "expires", "number", false, "Unix milliseconds when it ends unless it changes before; left out when it is closed") \
	X(cart, "seq", "number", false, "of a change: its journal sequence number") \
	X(cart, "replayed", "boolean", false, "true: the stored result of an earlier event with this id") \
	X(payment, "id", "string", false, "the event's, when it had one") \
	X(payment, "payment", "string", true, "") \
	X(payment, "state", "PaymentState", true, "after the event") \
	X(payment, "authorized", "number", true, "in minor units; refunded <= captured, captured + voided <= authorized") \
	X(payment, "captured", "number", true, "") \
	X(payment, "refunded", "number", true, "") \
	X(payment, "voided", "number", true, "what was held and is released") \
	X(payment, "currency", "string", true, "") \
	X(payment, "actor", "string", false, "left out when it is nobody's") \
	X(payment, "cart", "string", false, "what it is for, when that was told") \
	X(payment, "expires", "number", false, "Unix milliseconds when what is held lapses; left out when nothing is") \
	X(payment, "seq", "number", false, "of a change: its journal sequence number") \
	X(payment, "replayed", "boolean", false, "true: the stored result of an earlier event with this id") \
	X(feed, "id", "string", false, "the event's, when it had one") \
	X(feed, "publications", "Publication[]", true, "in the order of their seq") \
	X(feed, "last", "number", true, "read on with `after` of this") \
	X(feed, "more", "boolean", true, "there are more behind `last`") \
	X(error, "id", "string", false, "the event's, where it could be read") \
	X(error, "code", "Code", true, "") \
	X(error, "field", "string", false, "the field to blame, as in `box[2]` or `benefit.amount`") \
	X(error, "message", "string", false, "for people; left out only when the reply has no room for it") \
	X(error, "retry", "Retry", true, "") \
	X(error, "retry_after_ms", "number", false, "with `overloaded`: when to come again") \
	X(error, "state", "CartState | PaymentState", false, "where the cart or the payment to blame is") \
	X(error, "seq", "number", false, "the refusal is stored under the id, with this sequence number") \
	X(error, "replayed", "boolean", false, "true: the stored refusal of an earlier event with this id")

/* What each publication has behind type, seq and at: X(topic, field, TypeScript type, always there, note). */
#define PUBLICATION_FIELD_TABLE(X) \
	X(reward_claimed, "claim", "string", true, "") \
	X(reward_claimed, "reward", "string", true, "") \
	X(reward_claimed, "actor", "string", true, "") \
	X(reward_claimed, "remaining", "number | null", true, "what is left; null: unlimited") \
	X(reward_claimed, "cart", "string", false, "to which its benefit was applied at once") \
	X(reward_depleted, "reward", "string", true, "nothing of it is left") \
	X(cart_checked_out, "cart", "string", true, "") \
	X(cart_checked_out, "payment", "string", true, "its payment.authorized follows with the same seq") \
	X(cart_checked_out, "total", "number", true, "in minor units") \
	X(cart_checked_out, "currency", "string", true, "") \
	X(cart_abandoned, "cart", "string", true, "its time is over, and it holds lines") \
	X(cart_abandoned, "actor", "string", false, "") \
	X(cart_abandoned, "line_count", "number", true, "") \
	X(cart_abandoned, "total", "number", true, "in minor units") \
	X(cart_abandoned, "currency", "string", true, "") \
	PAYMENT_FIELDS(X, payment_authorized, "what is held") \
	PAYMENT_FIELDS(X, payment_captured, "what was captured now") \
	PAYMENT_FIELDS(X, payment_voided, "what was released") \
	PAYMENT_FIELDS(X, payment_refunded, "what was refunded now") \
	PAYMENT_FIELDS(X, payment_expired, "what lapsed")
#define PAYMENT_FIELDS(X, topic, amount_note) \
	X(topic, "payment", "string", true, "") \
	X(topic, "state", "PaymentState", true, "after it") \
	X(topic, "amount", "number", true, amount_note) \
	X(topic, "authorized", "number", true, "") \
	X(topic, "captured", "number", true, "") \
	X(topic, "refunded", "number", true, "") \
	X(topic, "voided", "number", true, "") \
	X(topic, "currency", "string", true, "") \
	X(topic, "actor", "string", false, "") \
	X(topic, "cart", "string", false, "")

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

static const struct {
	enum topic topic;
	const char *name, *type;
	bool is_always;
	const char *note;
} publication_fields[] = {
#define X(topic, name, type, is_always, note) {TOPIC_##topic, name, type, is_always, note},
	PUBLICATION_FIELD_TABLE(X)
#undef X
};

static const bool topic_is_of_effect[] = {
#define X(symbol, name, is_of_effect) is_of_effect,
	TOPIC_TABLE(X)
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
	static const char *const classes[] = {
		[EVENT_QUERY] = "query", [EVENT_READ] = "read in order", [EVENT_CHANGE] = "change"};
	fprintf(out, "| event | number | is a | record | result |\n|---|---|---|---|---|\n");
	for (unsigned type = 1; type <= EVENT_TYPE_MAX; type++)
		fprintf(out, "| `%s` | %u | %s | `%s`, %zu bytes | `%s` |\n", event_name((enum event_type)type), type,
		        classes[event_class_of((enum event_type)type)], records[type],
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

/* "A | B" would end a cell of the table. */
static void write_type(FILE *out, const char *type)
{
	for (; *type != '\0'; type++)
		fprintf(out, *type == '|' ? "or" : "%c", *type);
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
			write_type(out, f->type);
			fprintf(out, " | %s |\n", f->note);
		}
	}
}

/* What is not made of an effect is told by the service about itself, elsewhere. */
void documents_publications(FILE *out)
{
	bool is_first = true;
	for (unsigned topic = 0; topic < TOPIC_COUNT; topic++) {
		if (!topic_is_of_effect[topic])
			continue;
		fprintf(out, "%s**`%s`**\n\n| field | | value | |\n|---|---|---|---|\n", is_first ? "" : "\n",
		        topic_name((enum topic)topic));
		is_first = false;
		for (size_t i = 0; i < sizeof publication_fields / sizeof publication_fields[0]; i++) {
			if ((unsigned)publication_fields[i].topic != topic)
				continue;
			fprintf(out, "| `%s` | %s | ", publication_fields[i].name,
			        publication_fields[i].is_always ? "always" : "sometimes");
			write_type(out, publication_fields[i].type);
			fprintf(out, " | %s |\n", publication_fields[i].note);
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

static void write_publication_type(FILE *out, enum topic topic)
{
	fprintf(out, "\nexport interface ");
	write_type_name(out, topic_name(topic));
	fprintf(out, "Publication {\n  type: \"%s\";\n  seq: number;\n  /** Unix milliseconds */\n  at: number;\n",
	        topic_name(topic));
	for (size_t i = 0; i < sizeof publication_fields / sizeof publication_fields[0]; i++) {
		if (publication_fields[i].topic != topic)
			continue;
		if (publication_fields[i].note[0] != '\0')
			fprintf(out, "  /** %s */\n", publication_fields[i].note);
		fprintf(out, "  %s%s: %s;\n", publication_fields[i].name, publication_fields[i].is_always ? "" : "?",
		        publication_fields[i].type);
	}
	fprintf(out, "}\n");
}

static void write_publications(FILE *out)
{
	for (unsigned topic = 0; topic < TOPIC_COUNT; topic++)
		if (topic_is_of_effect[topic])
			write_publication_type(out, (enum topic)topic);
	fprintf(out, "\n/** What feed.read tells, and most of what is published. */\nexport type Publication =");
	for (unsigned topic = 0; topic < TOPIC_COUNT; topic++) {
		if (!topic_is_of_effect[topic])
			continue;
		fprintf(out, "\n  | ");
		write_type_name(out, topic_name((enum topic)topic));
		fprintf(out, "Publication");
	}
	fprintf(out, ";\n");
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

void documents_typescript(FILE *out)
{
	fprintf(out, "// Generated from proto/event.h by `make generate`; do not edit.\n"
	             "// Types of the JSON messages; nothing here exists at run time.\n\n"
	             "/** A UUID string, a decimal string below 2^128, or an integer up to 2^53. Results always have strings. */\n"
	             "export type Identifier = string | number;\n\n"
	             "export type Benefit = { percent_bp: number } | { amount: number; currency: string };\n\n"
	             "export interface Match {\n  reward: string;\n  /** geo: metres */\n  distance: number;\n"
	             "  kind: string;\n  value: number;\n  /** null: unlimited */\n  remaining: number | null;\n}\n\n"
	             "export interface Line {\n  sku: string;\n  quantity: number;\n  unit_price: number;\n"
	             "  /** unit_price times quantity */\n  amount: number;\n}\n");
	write_states(out);
	for (unsigned type = 1; type <= EVENT_TYPE_MAX; type++)
		write_event_type(out, (enum event_type)type);
	for (unsigned result = 0; result < RESULTS; result++)
		write_result_type(out, result);
	write_publications(out);
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
