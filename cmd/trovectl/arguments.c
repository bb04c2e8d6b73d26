#include "cmd/trovectl/arguments.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHARED_COUNT = 5 };

static void fill_shared(struct argument *table, struct settings *s)
{
	table[0] = (struct argument){"--url", ARGUMENT_text, &s->url, 0, 0,
	                             "where requests are answered (tcp://127.0.0.1:4700; TROVECTL_URL)"};
	table[1] = (struct argument){"--observe", ARGUMENT_text, &s->observe, 0, 0,
	                             "HOST:PORT of the observe listener (127.0.0.1:9090; TROVECTL_OBSERVE)"};
	table[2] = (struct argument){"--publish", ARGUMENT_text, &s->publish, 0, 0,
	                             "where publications come from (tcp://127.0.0.1:4702; TROVECTL_PUBLISH)"};
	table[3] = (struct argument){"--timeout-ms", ARGUMENT_integer, &s->timeout_ms, 1, 3600000,
	                             "patience with one request (5000)"};
	table[4] = (struct argument){"--json", ARGUMENT_flag, &s->json, 0, 0, "JSON instead of a table"};
}

static const struct argument *find(const struct argument *arguments, size_t count, const char *text, size_t bytes)
{
	for (size_t i = 0; i < count; i++)
		if (strlen(arguments[i].name) == bytes && memcmp(arguments[i].name, text, bytes) == 0)
			return &arguments[i];
	return NULL;
}

static bool set_integer(const struct argument *a, const char *text)
{
	char *end;
	errno = 0;
	long long value = strtoll(text, &end, 10);
	if (end == text || *end != '\0' || errno != 0 || (double)value < a->least || (double)value > a->greatest) {
		fprintf(stderr, "trovectl: %s: '%s' is not allowed; expected an integer from %.0f to %.0f\n", a->name, text,
		        a->least, a->greatest);
		return false;
	}
	*(int64_t *)a->value = value;
	return true;
}

static bool set_number(const struct argument *a, const char *text)
{
	char *end;
	double value = strtod(text, &end);
	if (end == text || *end != '\0' || !isfinite(value) || value < a->least || value > a->greatest) {
		fprintf(stderr, "trovectl: %s: '%s' is not allowed; expected a number from %g to %g\n", a->name, text, a->least,
		        a->greatest);
		return false;
	}
	*(double *)a->value = value;
	return true;
}

static bool set(const struct argument *a, const char *text)
{
	switch (a->kind) {
	case ARGUMENT_flag:
		*(bool *)a->value = true;
		return true;
	case ARGUMENT_integer:
		return set_integer(a, text);
	case ARGUMENT_number:
		return set_number(a, text);
	case ARGUMENT_text:
		*(const char **)a->value = text;
		return true;
	}
	return false;
}

/* Reads option *at, as "--name value" or "--name=value"; *at moves to its last word. */
static bool read_option(const struct argument *a, int argc, char **argv, int *at)
{
	const char *equals = strchr(argv[*at], '=');
	if (a->kind == ARGUMENT_flag) {
		if (equals == NULL)
			return set(a, NULL);
		fprintf(stderr, "trovectl: %s takes no value\n", a->name);
		return false;
	}
	if (equals != NULL)
		return set(a, equals + 1);
	if (*at + 1 == argc) {
		fprintf(stderr, "trovectl: %s needs a value\n", a->name);
		return false;
	}
	return set(a, argv[++*at]);
}

static const char *environment_or(const char *name, const char *fallback)
{
	const char *value = getenv(name);
	return value != NULL && value[0] != '\0' ? value : fallback;
}

int arguments_take_shared(int argc, char **argv, struct settings *settings)
{
	struct argument shared[SHARED_COUNT];
	*settings = (struct settings){
		.url = environment_or("TROVECTL_URL", "tcp://127.0.0.1:4700"),
		.observe = environment_or("TROVECTL_OBSERVE", "127.0.0.1:9090"),
		.publish = environment_or("TROVECTL_PUBLISH", "tcp://127.0.0.1:4702"),
		.timeout_ms = 5000,
	};
	fill_shared(shared, settings);
	int kept = 1;
	bool only_operands = false;
	for (int i = 1; i < argc; i++) {
		only_operands |= strcmp(argv[i], "--") == 0;
		const struct argument *a =
			only_operands ? NULL : find(shared, SHARED_COUNT, argv[i], strcspn(argv[i], "="));
		if (a == NULL)
			argv[kept++] = argv[i];
		else if (!read_option(a, argc, argv, &i))
			return -1;
	}
	return kept;
}

bool arguments_parse(struct command_line *line, int argc, char **argv)
{
	bool only_operands = false;
	line->operands = argv;
	line->operand_count = 0;
	for (int i = 0; i < argc; i++) {
		if (only_operands || argv[i][0] != '-' || argv[i][1] == '\0') {
			line->operands[line->operand_count++] = argv[i];
			continue;
		}
		if (strcmp(argv[i], "--") == 0) {
			only_operands = true;
			continue;
		}
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			line->wants_help = true;
			continue;
		}
		const struct argument *a = find(line->arguments, line->count, argv[i], strcspn(argv[i], "="));
		if (a == NULL) {
			fprintf(stderr, "trovectl: %s has no option %s; see trovectl %s --help\n", line->command, argv[i],
			        line->command);
			return false;
		}
		if (!read_option(a, argc, argv, &i))
			return false;
	}
	return true;
}

void arguments_print(const struct argument *arguments, size_t count)
{
	static const char *const values[] = {"", " N", " X", " TEXT"};
	for (size_t i = 0; i < count; i++) {
		char name[64];
		snprintf(name, sizeof name, "%s%s", arguments[i].name, values[arguments[i].kind]);
		printf("  %-20s %s\n", name, arguments[i].help);
	}
}

void arguments_print_shared(void)
{
	struct settings unused;
	struct argument shared[SHARED_COUNT];
	fill_shared(shared, &unused);
	arguments_print(shared, SHARED_COUNT);
}
