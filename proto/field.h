/*
 * field: the fields of each event as a table at run time (from event.h), and the
 * checks of their values. Both codecs go through field_check, so they cannot
 * disagree about what is allowed. Constant data and pure functions, any thread.
 * Records, text and problem are the caller's, borrowed for the call; tables are static.
 */
#ifndef PROTO_FIELD_H
#define PROTO_FIELD_H

#include "proto/problem.h"

/* X(form, its TypeScript type) */
#define FIELD_FORM_TABLE(X) \
	X(identifier, "Identifier") \
	X(integer, "number") \
	X(x, "number") \
	X(y, "number") \
	X(radius, "number") \
	X(area_radius, "number") \
	X(area_box, "[number, number, number, number]") \
	X(kind, "string") \
	X(kinds, "string[]") \
	X(name, "string") \
	X(benefit, "Benefit") \
	X(sku, "string") \
	X(currency, "string")

enum field_form {
#define X(form, typescript) FIELD_##form,
	FIELD_FORM_TABLE(X)
#undef X
};

enum field_need { FIELD_optional, FIELD_required };

enum { FIELDS_MAX = 16 };

struct field {
	const char *name;
	const char *note;
	enum field_form form;
	enum field_need need;
	uint16_t offset;
	uint16_t bytes;
	uint32_t has;
	uint32_t uuid;
	int64_t low, high, absent;
};

struct field_list {
	const struct field *fields;
	uint32_t count;
	uint32_t flags; /* every flag that the event may carry */
};

/* The fields of a valid type. */
const struct field_list *field_list_of(enum event_type type);

/* An integer member as the record holds it; its width is the table's. */
int64_t field_integer_load(const struct field *f, const void *record);
void field_integer_store(const struct field *f, void *record, int64_t value);
/* The range alone, for a value that may not fit the member. */
status field_check_integer(const struct field *f, int64_t value, struct problem *problem);

/*
 * Whether a record is a valid event: STATUS_missing_field or STATUS_invalid_field
 * with *problem filled. text is what its wire_text members point into.
 */
status field_check(enum event_type type, const void *record, const char *text, size_t text_bytes,
                   const struct protocol_limits *limits, struct problem *problem);

#endif
