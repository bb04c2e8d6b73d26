/* Markdown tables from the tables of events, fields, results and codes. */
#include "proto/generate/generate.h"

#include "engine/base/status.h"
#include "proto/generate/tables.h"

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
	for (unsigned result = 0; result < RESULT_COUNT; result++) {
		fprintf(out, "%s**`%s`** (number %u)\n\n| field | | value | |\n|---|---|---|---|\n", result != 0 ? "\n" : "",
		        result_names[result], result);
		for (size_t i = 0; i < result_field_count; i++) {
			const struct json_field *f = &result_fields[i];
			if (f->of != result)
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
		for (size_t i = 0; i < publication_field_count; i++) {
			if (publication_fields[i].of != topic)
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
