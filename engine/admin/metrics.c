#include "engine/admin/metrics.h"

#include "engine/admin/inside.h"
#include "engine/base/check.h"

struct admin_now_metrics {
	ADMIN_NOW_METRICS(METRIC_VALUE)
};

static const char *listener_value(unsigned index) { return index == LISTENER_observe ? "observe" : "admin"; }

static const char *drop_value(unsigned index)
{
	static const char *const names[] = {
#define X(name) #name,
		ADMIN_DROPS(X)
#undef X
	};
	return names[index];
}

static const struct metric_label metric_label_listener = {"listener", METRIC_SERIES_listener, listener_value};
static const struct metric_label metric_label_drop = {"reason", METRIC_SERIES_drop, drop_value};
/* Written below. */
static const struct metric_label metric_label_answer = {.name = "listener, code"};

const struct metric_table admin_metric_tables[] = {
	METRIC_TABLE(ADMIN_METRICS(METRIC_ROW)),
	METRIC_TABLE(ADMIN_NOW_METRICS(METRIC_ROW)),
};
const size_t admin_metric_table_count = COUNT_OF(admin_metric_tables);

static void write_answers(const struct admin *admin, const struct metric *row, struct metric_page *page)
{
	static const char *const classes[] = {
#define X(name) #name,
		ADMIN_CLASSES(X)
#undef X
	};
	metric_write_head(page, row);
	for (unsigned i = 0; i < METRIC_SERIES_answer; i++)
		cursor_format(page->out, "%s{listener=\"%s\",code=\"%s\"} %llu\n", row->name, listener_value(i / CLASS_COUNT),
		              classes[i % CLASS_COUNT], (unsigned long long)metric_read(&admin->metrics.answers[i]));
}

void admin_write_metrics(struct admin *admin, struct metric_page *page)
{
	struct pool_statistics pool = {};
	if (admin->connections != NULL)
		pool_read_statistics(admin->connections, &pool);
	const struct admin_now_metrics now = {.open = {pool.in_use}};
	const struct metric_table *table = &admin_metric_tables[0];
	for (const struct metric *row = table->rows; row < table->rows + table->count; row++)
		if (row->label == &metric_label_answer)
			write_answers(admin, row, page);
		else
			metric_write_cells(page, &(struct metric_table){row, 1}, &admin->metrics);
	metric_write_values(page, &admin_metric_tables[1], &now);
}
