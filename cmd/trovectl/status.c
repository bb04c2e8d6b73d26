/* status and health: what the observe listener tells. */
#include "cmd/trovectl/commands.h"
#include "cmd/trovectl/http.h"
#include "engine/base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

/* ---- reading -------------------------------------------------------------------------- */

/* Value of a series without labels; 0 where there is none. */
static double value_of(const char *metrics, const char *name)
{
	size_t bytes = strlen(name);
	for (const char *at = metrics; at != NULL; at = strchr(at, '\n')) {
		at += *at == '\n';
		if (strncmp(at, name, bytes) == 0 && at[bytes] == ' ')
			return strtod(at + bytes, NULL);
	}
	return 0;
}

/* The text of label="…" on a line of the named series, or "". */
static void label_of(const char *metrics, const char *name, const char *label, char *text, size_t capacity)
{
	char series[128], key[64];
	text[0] = '\0';
	snprintf(series, sizeof series, "\n%s{", name);
	snprintf(key, sizeof key, "%s=\"", label);
	const char *line = strstr(metrics, series);
	const char *value = line == NULL ? NULL : strstr(line + 1, key);
	if (value == NULL)
		return;
	value += strlen(key);
	snprintf(text, capacity, "%.*s", (int)strcspn(value, "\"\n"), value);
}

/* Calls visit for each non-zero series of the name, with its one label's value. */
static void visit_series(const char *metrics, const char *name,
                         void (*visit)(void *context, const char *label, int label_bytes, unsigned long long value),
                         void *context)
{
	char series[128];
	snprintf(series, sizeof series, "\n%s{", name);
	for (const char *at = metrics; (at = strstr(at, series)) != NULL;) {
		at += strlen(series);
		const char *label = strchr(at, '"');
		if (label == NULL)
			return;
		label++;
		int bytes = (int)strcspn(label, "\"\n");
		const char *brace = strchr(label, '}');
		unsigned long long value = brace == NULL ? 0 : strtoull(brace + 1, NULL, 10);
		if (value != 0)
			visit(context, label, bytes, value);
	}
}

/* First of the reasons in the answer of /readyz. */
static void reason_of(const char *body, char *reason, size_t capacity)
{
	const char *at = strstr(body, "\"reasons\":[\"");
	reason[0] = '\0';
	if (at == NULL)
		return;
	at += strlen("\"reasons\":[\"");
	snprintf(reason, capacity, "%.*s", (int)strcspn(at, "\"\n"), at);
}

static bool get(const struct settings *settings, const char *path, struct http_answer *answer)
{
	if (http_get(settings->observe, path, settings->timeout_ms, answer))
		return true;
	fprintf(stderr, "trovectl: %s\n", answer->problem);
	return false;
}

/* ---- printing ------------------------------------------------------------------------- */

struct facts {
	bool is_ready;
	char reason[128], version[64], kernel[32];
	const char *metrics;
};

static const struct {
	const char *series, *title, *member;
} single[] = {
	{"trove_rewards", "rewards", "rewards"},
	{"trove_peers", "peers", "peers"},
	{"trove_requests_in_flight", "in flight", "requests_in_flight"},
	{"trove_writer_queue_messages", "writer's queue", "writer_queue_messages"},
	{"trove_matches_total", "matches", "matches"},
	{"trove_publications_total", "publications", "publications"},
};

static const struct {
	const char *series, *title, *member;
} labelled[] = {
	{"trove_messages_total", "messages", "messages"},
	{"trove_events_total", "events", "events"},
	{"trove_events_refused_total", "refused", "refused"},
};

struct series_printer {
	unsigned printed;
};

static void print_row(void *context, const char *label, int bytes, unsigned long long value)
{
	struct series_printer *p = context;
	printf("%s%.*s %llu", p->printed++ == 0 ? "" : ", ", bytes, label, value);
}

static void print_member(void *context, const char *label, int bytes, unsigned long long value)
{
	struct series_printer *p = context;
	printf("%s\"%.*s\":%llu", p->printed++ == 0 ? "" : ",", bytes, label, value);
}

static void print_table(const struct facts *f)
{
	printf("%-16s%s%s\n", "ready", f->is_ready ? "yes" : "no: ", f->reason);
	printf("%-16s%s\n%-16s%s\n", "version", f->version, "kernel", f->kernel);
	for (size_t i = 0; i < COUNT_OF(single); i++)
		printf("%-16s%.0f\n", single[i].title, value_of(f->metrics, single[i].series));
	for (size_t i = 0; i < COUNT_OF(labelled); i++) {
		struct series_printer p = {};
		printf("%-16s", labelled[i].title);
		visit_series(f->metrics, labelled[i].series, print_row, &p);
		puts(p.printed == 0 ? "none" : "");
	}
}

static void print_json(const struct facts *f)
{
	printf("{\"ready\":%s,\"reason\":%s%s%s,\"version\":\"%s\",\"kernel\":\"%s\"", f->is_ready ? "true" : "false",
	       f->reason[0] != '\0' ? "\"" : "", f->reason[0] != '\0' ? f->reason : "null", f->reason[0] != '\0' ? "\"" : "",
	       f->version, f->kernel);
	for (size_t i = 0; i < COUNT_OF(single); i++)
		printf(",\"%s\":%.0f", single[i].member, value_of(f->metrics, single[i].series));
	for (size_t i = 0; i < COUNT_OF(labelled); i++) {
		struct series_printer p = {};
		printf(",\"%s\":{", labelled[i].member);
		visit_series(f->metrics, labelled[i].series, print_member, &p);
		putchar('}');
	}
	puts("}");
}

/* ---- commands ------------------------------------------------------------------------- */

/* -1: go on. */
static int only_shared_options(const char *command, int argc, char **argv, const char *help)
{
	struct command_line line = {.command = command};
	if (!arguments_parse(&line, argc, argv))
		return EX_USAGE;
	if (line.wants_help) {
		puts(help);
		return EX_OK;
	}
	if (line.operand_count == 0)
		return -1;
	fprintf(stderr, "trovectl: %s takes no operand '%s'; see trovectl %s --help\n", command, line.operands[0], command);
	return EX_USAGE;
}

static int print_status(const struct settings *settings, struct http_answer *answer)
{
	struct facts f = {};
	if (!get(settings, "/readyz", answer))
		return EX_UNAVAILABLE;
	f.is_ready = answer->code == 200;
	reason_of(answer->body, f.reason, sizeof f.reason);
	if (!get(settings, "/metrics", answer))
		return EX_UNAVAILABLE;
	if (answer->code != 200) {
		fprintf(stderr, "trovectl: %s: /metrics answers %d\n", settings->observe, answer->code);
		return 1;
	}
	f.metrics = answer->body;
	label_of(answer->body, "trove_build_info", "version", f.version, sizeof f.version);
	label_of(answer->body, "trove_build_info", "kernel", f.kernel, sizeof f.kernel);
	if (settings->json)
		print_json(&f);
	else
		print_table(&f);
	return EX_OK;
}

static int with_answer(const struct settings *settings,
                       int (*run)(const struct settings *settings, struct http_answer *answer))
{
	struct http_answer *answer = malloc(sizeof *answer);
	if (answer == NULL)
		return EX_OSERR;
	int code = run(settings, answer);
	free(answer);
	return code;
}

int status_main(int argc, char **argv, const struct settings *settings)
{
	int code = only_shared_options("status", argc, argv,
	                               "usage: trovectl status [--json] [--observe HOST:PORT]\n\n"
	                               "Prints what the service tells about itself: readiness, rewards, events, refusals, peers.\n"
	                               "Exit code 69: nobody answers.\n\n"
	                               "example: trovectl status --json");
	return code >= 0 ? code : with_answer(settings, print_status);
}

static int print_health(const struct settings *settings, struct http_answer *answer)
{
	char reason[128];
	if (!get(settings, "/readyz", answer))
		return EX_UNAVAILABLE;
	reason_of(answer->body, reason, sizeof reason);
	if (settings->json)
		fputs(answer->body, stdout);
	else if (answer->code == 200)
		puts("ready");
	else
		printf("not ready: %s\n", reason);
	return answer->code == 200 ? EX_OK : 1;
}

int health_main(int argc, char **argv, const struct settings *settings)
{
	int code = only_shared_options("health", argc, argv,
	                               "usage: trovectl health [--json] [--observe HOST:PORT]\n\n"
	                               "Exit code 0: ready for traffic; 1: not ready (the reason is printed); 69: nobody answers.\n\n"
	                               "example: trovectl health && echo go");
	return code >= 0 ? code : with_answer(settings, print_health);
}
