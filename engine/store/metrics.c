#include "engine/store/inside.h"

struct store_metrics {
	STORE_METRICS(METRIC_VALUE)
};

const struct metric_table store_metric_table = METRIC_TABLE(STORE_METRICS(METRIC_ROW));

void store_write_metrics(const struct store *store, struct metric_page *page)
{
	struct store_statistics s;
	store_statistics(store, &s);
	const struct store_metrics values = {
		.rewards = {(double)s.rewards},
		.rewards_limit = {(double)s.capacity},
		.runs = {(double)s.runs},
		.merges = {(double)s.merges_total},
		.merged_rewards = {(double)s.merged_rewards_total},
		.bytes = {(double)s.resident_bytes},
		.name_bytes = {(double)s.name_bytes},
		.name_bytes_limit = {(double)s.name_bytes_max},
	};
	metric_write_values(page, &store_metric_table, &values);
}
