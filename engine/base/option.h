/*
 * option: tables of options that stand beside the code that they tune.
 *
 * A module lists its options once, as an X-macro, and gets from it the members
 * of its options struct and the rows of its table:
 *
 *   #define NET_OPTIONS(O) \
 *       O(integer, net, contexts, "events.contexts", "64", 1, 4096, "", startup, "requests in flight")
 *
 * Columns: kind, owner struct, member, key, default as text, least, greatest,
 * unit, live or startup, one sentence to the operator. For a choice the "unit"
 * column holds the allowed words, separated by '|'.
 *
 * The options struct belongs to whoever declares it (main.c); modules read it.
 * Setting is done by the main thread before traffic; live options are applied by
 * the module that owns them.
 */
#ifndef ENGINE_BASE_OPTION_H
#define ENGINE_BASE_OPTION_H

#include "engine/base/attribute.h"

#include <stddef.h>
#include <stdint.h>

#define OPTION_MASK "********"

enum option_kind { OPTION_integer, OPTION_boolean, OPTION_text, OPTION_secret, OPTION_list, OPTION_choice };
enum option_change { OPTION_startup, OPTION_live };
enum option_source {
	OPTION_FROM_default,
	OPTION_FROM_file,
	OPTION_FROM_environment,
	OPTION_FROM_command_line,
	OPTION_FROM_request, /* while it runs */
};

enum { OPTION_TEXT_BYTES = 256, OPTION_LIST_MAX = 8, OPTION_SECTIONS_MAX = 16 };

struct option_list {
	unsigned count;
	char item[OPTION_LIST_MAX][OPTION_TEXT_BYTES];
};

/* The C type of each kind, for the members of an options struct. A choice holds
 * the index of its word. */
typedef int64_t option_type_integer;
typedef bool option_type_boolean;
typedef char option_type_text[OPTION_TEXT_BYTES];
typedef char option_type_secret[OPTION_TEXT_BYTES]; /* text that nobody is shown */
typedef struct option_list option_type_list;
typedef int option_type_choice;

struct option {
	const char *key;
	enum option_kind kind;
	size_t offset;
	const char *fallback;
	int64_t least;
	int64_t greatest;
	const char *unit;
	enum option_change change;
	const char *help;
};

#define OPTION_MEMBER(kind, owner, member, ...) option_type_##kind member;
#define OPTION_ROW(kind_, owner, member, key_, fallback_, least_, greatest_, unit_, change_, help_) \
	{.key = key_, .kind = OPTION_##kind_, .offset = offsetof(struct owner##_options, member), .fallback = fallback_, \
	 .least = least_, .greatest = greatest_, .unit = unit_, .change = OPTION_##change_, .help = help_},

/* One module's table and the struct that it fills. */
struct option_section {
	const struct option *rows;
	size_t count;
	void *values;
};

struct option_set {
	struct option_section section[OPTION_SECTIONS_MAX];
	size_t count;
	/* Where each value came from, parallel to the rows, in order of the sections. */
	enum option_source source[256];
};

struct option_problem {
	char text[512];
};

/* Adds a module's table and fills its struct with the defaults. The set borrows both: they
 * stay where they are for as long as the set is used. Other text is only read during a call. */
void option_add(struct option_set *set, const struct option *rows, size_t count, void *values);

/*
 * Sets one option from text. A list is either one item, or several in brackets:
 * [a,b]. false: problem says which key, what was wrong and what was expected;
 * nothing was changed.
 */
[[nodiscard]] bool option_set_text(struct option_set *set, const char *key, const char *text, enum option_source source,
                     struct option_problem *problem);
/* Same for a list whose items are given one by one (a YAML sequence). */
[[nodiscard]] bool option_set_items(struct option_set *set, const char *key, const char *const *items, unsigned count,
                      enum option_source source, struct option_problem *problem);

/* key=value, as --set takes it. */
[[nodiscard]] bool option_set_assignment(struct option_set *set, const char *assignment, enum option_source source,
                           struct option_problem *problem);

/* Every TROVE_SECTION_KEY in the environment; one that fits no option is a problem. */
[[nodiscard]] bool option_set_environment(struct option_set *set, char *const *environment, struct option_problem *problem);

/* The row and value of a key, or NULL: the module's own, not copies. */
const struct option *option_find(const struct option_set *set, const char *key, void **value,
                                 enum option_source *source);

/* A value as text, in the form that option_set_text takes; a secret that is set as OPTION_MASK. */
[[WRITES(3, 4)]] void option_format(const struct option *row, const void *value, char *text, size_t capacity);

/* Values and sources of the live options, from a set of the same tables. */
void option_take_live(struct option_set *set, const struct option_set *newer);

/* All keys, those of one first word together, in the order of the tables: callback(context, row, value, source). */
typedef void option_visitor(void *context, const struct option *row, const void *value, enum option_source source);
void option_visit(const struct option_set *set, option_visitor *visit, void *context);

/* Static text. */
[[NEVER_NULL]] const char *option_source_name(enum option_source source);

#endif
