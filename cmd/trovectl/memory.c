/* memory: what GET /allocator tells, as tables; with --doctor in plain sentences. */
#include "cmd/trovectl/commands.h"
#include "cmd/trovectl/http.h"
#include "engine/base/check.h"
#include "engine/base/human.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

static const char *const kinds[] = {"pools", "arenas", "snapshots", "buffers"};

static const char *text_of(const json_t *object, const char *member)
{
	const char *text = json_string_value(json_object_get(object, member));
	return text == NULL ? "" : text;
}

static long long number_of(const json_t *object, const char *member)
{
	return (long long)json_integer_value(json_object_get(object, member));
}

static void print_bytes(long long bytes)
{
	printf(" %11s", human_bytes((double)bytes).text);
}

static void print_ladder(const json_t *root)
{
	const json_t *rung;
	size_t i;
	long long sum = 0;
	printf("%-24s %11s %11s\n", "ladder", "adds", "up to here");
	json_array_foreach(json_object_get(root, "ladder"), i, rung)
	{
		sum += number_of(rung, "bytes");
		printf("%-24s", text_of(rung, "name"));
		print_bytes(number_of(rung, "bytes"));
		print_bytes(sum);
		putchar('\n');
	}
	printf("%-24s %11s", "resident set", "");
	print_bytes(number_of(json_object_get(root, "process"), "resident_bytes"));
	putchar('\n');
}

static void print_holding(const json_t *h)
{
	printf("%-24s %6lld", text_of(h, "name"), number_of(h, "count"));
	print_bytes(number_of(h, "reserved_bytes"));
	print_bytes(number_of(h, "in_use_bytes"));
	print_bytes(number_of(h, "high_water_bytes"));
	print_bytes(number_of(h, "resident_bytes"));
	char node[16] = "any";
	if (number_of(h, "node") >= 0)
		snprintf(node, sizeof node, "%lld", number_of(h, "node"));
	printf(" %5s  %-16s %s\n", node, text_of(h, "pages"), text_of(h, "option"));
}

static void print_holdings(const json_t *root)
{
	for (size_t k = 0; k < COUNT_OF(kinds); k++) {
		const json_t *list = json_object_get(root, kinds[k]);
		const json_t *holding;
		size_t i;
		if (json_array_size(list) == 0)
			continue;
		printf("\n%-24s %6s %11s %11s %11s %11s %5s  %-16s %s\n", kinds[k], "count", "reserved", "in use", "high water",
		       "resident", "node", "pages", "sized by");
		json_array_foreach(list, i, holding) print_holding(holding);
	}
}

/* What the pools count in objects: a pool that was too small shows as exhausted, a handle that outlived its object as
 * stale, borrowed without returned is in use. */
static void print_pool_counts(const json_t *root)
{
	const json_t *list = json_object_get(root, "pools");
	const json_t *pool;
	size_t i;
	if (json_array_size(list) == 0)
		return;
	printf("\n%-24s %9s %11s %11s %11s %14s %14s %11s %11s\n", "objects of pools", "each", "capacity", "in use", "high water",
	       "borrowed", "returned", "exhausted", "stale");
	json_array_foreach(list, i, pool)
		printf("%-24s %9s %11lld %11lld %11lld %14lld %14lld %11lld %11lld\n", text_of(pool, "name"),
		       human_bytes((double)number_of(pool, "object_bytes")).text, number_of(pool, "capacity"),
		       number_of(pool, "in_use"), number_of(pool, "high_water"), number_of(pool, "borrowed_total"),
		       number_of(pool, "returned_total"), number_of(pool, "exhausted_total"), number_of(pool, "stale_total"));
}

static void print_heap(const json_t *root)
{
	const json_t *a = json_object_get(root, "allocator");
	const json_t *p = json_object_get(root, "process");
	printf("\nheap: %s %s, %s resident, %s alive, %s waiting for messages, %lld allocations, "
	       "%lld of ours after the start\n", text_of(a, "name"),
	       text_of(a, "version"), human_bytes((double)number_of(a, "resident_bytes")).text,
	       human_bytes((double)number_of(a, "live_bytes")).text,
	       human_bytes((double)number_of(a, "waiting_bytes")).text, number_of(a, "allocations_total"),
	       number_of(a, "frozen_allocations_total"));
	printf("pages: %s huge", human_bytes((double)number_of(p, "huge_page_bytes")).text);
	if (number_of(p, "hugetlb_wanted_bytes") != 0)
		printf(", %s of %s wanted in hugetlb pages are missing", human_bytes((double)number_of(p, "hugetlb_missed_bytes")).text,
		       human_bytes((double)number_of(p, "hugetlb_wanted_bytes")).text);
	printf("; faults: %lld minor, %lld major; threads: %lld\n", number_of(p, "minor_faults"), number_of(p, "major_faults"),
	       number_of(p, "threads"));
}

static void print_group(const json_t *root)
{
	const json_t *g = json_object_get(json_object_get(root, "process"), "cgroup");
	if (!json_is_object(g))
		return;
	printf("cgroup %s: %s of %s, with all who are in it; limit reached: %lld times; processes ended for it: %lld\n",
	       text_of(g, "path"), human_bytes((double)number_of(g, "current_bytes")).text,
	       human_bytes((double)number_of(g, "limit_bytes")).text, number_of(g, "failures_total"),
	       number_of(g, "kills_total"));
}

static int print_tables(const struct settings *settings, const char *body)
{
	json_error_t error;
	json_t *root = json_loads(body, 0, &error);
	if (root == NULL) {
		fprintf(stderr, "trovectl: %s: /allocator is no JSON: %s\n", settings->observe, error.text);
		return EX_DATAERR;
	}
	print_ladder(root);
	print_holdings(root);
	print_pool_counts(root);
	print_heap(root);
	print_group(root);
	json_decref(root);
	return EX_OK;
}

static int print_memory(const struct settings *settings, bool doctor, struct http_answer *answer)
{
	const char *path = doctor ? "/allocator/doctor" : "/allocator";
	if (!http_get(settings->observe, path, settings->timeout_ms, answer)) {
		fprintf(stderr, "trovectl: %s\n", answer->problem);
		return EX_UNAVAILABLE;
	}
	if (answer->code != 200) {
		fprintf(stderr, "trovectl: %s: %s answers %d\n", settings->observe, path, answer->code);
		return 1;
	}
	if (doctor || settings->json) {
		fputs(answer->body, stdout);
		return EX_OK;
	}
	return print_tables(settings, answer->body);
}

int memory_main(int argc, char **argv, const struct settings *settings)
{
	bool doctor = false;
	const struct argument arguments[] = {
		{.name = "--doctor", .kind = ARGUMENT_flag, .value = &doctor,
		 .help = "say in sentences what holds the memory, what is odd, what to do"},
	};
	struct command_line line = {.command = "memory", .arguments = arguments, .count = COUNT_OF(arguments)};
	if (!arguments_parse(&line, argc, argv))
		return EX_USAGE;
	if (line.wants_help) {
		puts("usage: trovectl memory [--doctor] [--json] [--observe HOST:PORT]\n\n"
		     "Prints who holds the service's memory: the ladder from what is asked for to the resident\n"
		     "set, each pool, arena and snapshot with the option that sizes it, and the heap. Of each\n"
		     "pool also, in objects: how many were borrowed and returned, how often it was exhausted,\n"
		     "and how often a handle was stale.\n");
		arguments_print(arguments, COUNT_OF(arguments));
		puts("\nexample: trovectl memory --doctor");
		return EX_OK;
	}
	if (line.operand_count != 0) {
		fprintf(stderr, "trovectl: memory takes no operand '%s'; see trovectl memory --help\n", line.operands[0]);
		return EX_USAGE;
	}
	struct http_answer *answer = malloc(sizeof *answer);
	if (answer == NULL)
		return EX_OSERR;
	int code = print_memory(settings, doctor, answer);
	free(answer);
	return code;
}
