#include "cmd/troved/metrics.h"

#include "engine/admin/metrics.h"
#include "engine/base/check.h"
#include "engine/memory/heap.h"
#include "engine/memory/reading.h"
#include "engine/net/net.h"

#include <string.h>

static const char *reload_value(unsigned index) { return index == SERVICE_RELOAD_taken ? "taken" : "refused"; }
static const struct metric_label metric_label_reload = {"result", METRIC_SERIES_reload, reload_value};
/* Written below. */
static const struct metric_label metric_label_build = {.name = "version, compiler, kernel, allocator"};

static const struct metric_table service_table = METRIC_TABLE(SERVICE_METRICS(METRIC_ROW));
static const struct metric build_row = {"trove_build_info", METRIC_gauge, &metric_label_build, 0,
                                        "Constant 1; the labels say what is running: look here first after a rollout."};

#ifdef __clang__
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif

static void write_label(struct cursor *out, const char *name, const char *value)
{
	cursor_format(out, "%s=\"", name);
	for (; *value != '\0'; value++)
		if (*value == '"' || *value == '\\' || *value == '\n')
			cursor_byte(out, '_');
		else
			cursor_byte(out, *value);
	cursor_byte(out, '"');
}

void metrics_write_service(struct metric_page *page, const struct service_metrics *service, const char *version,
                           const char *kernel)
{
	char heap[64];
	heap_describe(heap, sizeof heap);
	metric_write_head(page, &build_row);
	cursor_format(page->out, "%s{", build_row.name);
	write_label(page->out, "version", version);
	write_label(page->out, ",compiler", COMPILER);
	write_label(page->out, ",kernel", kernel);
	write_label(page->out, ",allocator", heap);
	cursor_literal(page->out, "} 1\n");
	metric_write_values(page, &service_table, service);
}

/* ---- the list ------------------------------------------------------------------------ */

static void print_row(FILE *out, const struct metric *m)
{
	fprintf(out, "| `%s` | %s | %s | %s |\n", m->name, metric_type_name(m->type), m->label->name == NULL ? "" : m->label->name,
	        m->help);
}

static void print_tables(FILE *out, const struct metric_table *tables, size_t count)
{
	for (const struct metric_table *t = tables; t < tables + count; t++)
		for (const struct metric *m = t->rows; m < t->rows + t->count; m++)
			print_row(out, m);
}

void metrics_print(FILE *out)
{
	fputs("| metric | type | labels | what it says, and what to do |\n|---|---|---|---|\n", out);
	print_row(out, &build_row);
	print_tables(out, &service_table, 1);
	print_tables(out, shard_metric_tables, shard_metric_table_count);
	print_tables(out, &store_metric_table, 1);
	print_tables(out, net_metric_tables, net_metric_table_count);
	print_tables(out, admin_metric_tables, admin_metric_table_count);
	print_tables(out, reading_metric_tables, reading_metric_table_count);
}
