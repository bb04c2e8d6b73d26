/*
 * tables: what results and publications have in JSON, for the documents and the TypeScript types.
 * Constant; between the files of this folder.
 */
#ifndef PROTO_GENERATE_TABLES_H
#define PROTO_GENERATE_TABLES_H

#include "proto/effect.h"
#include "proto/field.h"
#include "proto/result.h"

#include <stdio.h>

/* A member of a result's or a publication's JSON object. */
struct json_field {
	unsigned of; /* enum result_type, or enum topic */
	const char *name, *type; /* its TypeScript type */
	bool is_always;
	const char *note;
};

extern const struct json_field result_fields[];
extern const size_t result_field_count;
/* Behind type, seq and at. */
extern const struct json_field publication_fields[];
extern const size_t publication_field_count;

enum { RESULT_COUNT = 10 };
/* By number. */
extern const char *const result_names[RESULT_COUNT];
/* Of the result of each event, by its number. */
extern const char *const event_results[EVENT_TYPE_MAX + 1];
/* Whether a topic's publications are made of effects. */
extern const bool topic_is_of_effect[TOPIC_COUNT];

const char *typescript_type(enum field_form form);
/* What a field may be: "integer, 1 to 5". */
void write_range(FILE *out, const struct field *f);

#endif
