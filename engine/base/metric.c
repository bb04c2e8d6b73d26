#include "engine/base/metric.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <strings.h>

const struct metric_label metric_label_none = {.count = METRIC_SERIES_none};

void metric_collect(void *sum, const void *cells, size_t bytes)
{
	metric_cell *into = sum;
	const metric_cell *from = cells;
	for (size_t i = 0; i < bytes / sizeof(metric_cell); i++)
		metric_add(&into[i], metric_read(&from[i]));
}

const char *metric_type_name(enum metric_type type)
{
	static const char *const names[] = {"counter", "gauge", "histogram"};
	return names[type];
}

/* ---- lines ------------------------------------------------------------------------------ */

static bool ends_in(const char *text, size_t bytes, const char *end)
{
	size_t end_bytes = strlen(end);
	return bytes >= end_bytes && memcmp(text + bytes - end_bytes, end, end_bytes) == 0;
}

/* OpenMetrics names a family of counters without the ending of its series. */
static int family_bytes(const struct metric_page *page, const struct metric *m)
{
	size_t bytes = strlen(m->name);
	return (int)(page->format == METRIC_OPEN && ends_in(m->name, bytes, "_total") ? bytes - strlen("_total") : bytes);
}

static void write_unit(struct metric_page *page, const char *family, int bytes)
{
	static const char *const units[] = {"bytes", "seconds"};
	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
		if (ends_in(family, (size_t)bytes, units[i]))
			cursor_format(page->out, "# UNIT %.*s %s\n", bytes, family, units[i]);
}

void metric_write_head(struct metric_page *page, const struct metric *m)
{
	int bytes = family_bytes(page, m);
	cursor_format(page->out, "# HELP %.*s %s\n# TYPE %.*s %s\n", bytes, m->name, m->help, bytes, m->name,
	              metric_type_name(m->type));
	if (page->format == METRIC_OPEN)
		write_unit(page, m->name, bytes);
}

void metric_write_end(struct metric_page *page)
{
	if (page->format == METRIC_OPEN)
		cursor_literal(page->out, "# EOF\n");
}

/* Most are counts; %g takes thrice as long. */
void metric_write_number(struct metric_page *page, double number)
{
	if (number >= 0 && number < 1e15 && number == (double)(uint64_t)number)
		cursor_format(page->out, " %" PRIu64 "\n", (uint64_t)number);
	else
		cursor_format(page->out, " %.17g\n", number);
}

/* name_suffix{label="value",le="bound"} number; what is NULL is left out. */
static void write_series(struct metric_page *page, const struct metric *m, const char *suffix, const char *value,
                         const char *bound, double number)
{
	cursor_format(page->out, "%s%s", m->name, suffix);
	if (value != NULL || bound != NULL)
		cursor_byte(page->out, '{');
	if (value != NULL)
		cursor_format(page->out, "%s=\"%s\"", m->label->name, value);
	if (bound != NULL)
		cursor_format(page->out, "%sle=\"%s\"", value != NULL ? "," : "", bound);
	if (value != NULL || bound != NULL)
		cursor_byte(page->out, '}');
	metric_write_number(page, number);
}

static void write_histogram(struct metric_page *page, const struct metric *m, const char *value,
                            const struct metric_histogram *h)
{
	uint64_t count = 0;
	char bound[32];
	for (int i = 0; i < METRIC_BUCKETS; i++) {
		count += metric_read(&h->bucket[i]);
		snprintf(bound, sizeof bound, "%.9g", (double)(1ull << (i + METRIC_BUCKET_FIRST)) * 1e-9);
		write_series(page, m, "_bucket", value, bound, (double)count);
	}
	count += metric_read(&h->bucket[METRIC_BUCKETS]);
	write_series(page, m, "_bucket", value, "+Inf", (double)count);
	write_series(page, m, "_sum", value, NULL, (double)metric_read(&h->sum_ns) * 1e-9);
	write_series(page, m, "_count", value, NULL, (double)count);
}

/* false: there is no such series. */
static bool label_value(const struct metric *m, unsigned index, const char **value)
{
	*value = m->label->name == NULL ? NULL : m->label->value(index);
	return m->label->name == NULL || *value != NULL;
}

void metric_write_cells(struct metric_page *page, const struct metric_table *table, const void *cells)
{
	for (const struct metric *m = table->rows; m < table->rows + table->count; m++) {
		const char *value, *at = (const char *)cells + m->offset;
		metric_write_head(page, m);
		for (unsigned i = 0; i < m->label->count; i++) {
			if (!label_value(m, i, &value))
				continue;
			if (m->type == METRIC_histogram)
				write_histogram(page, m, value, (const struct metric_histogram *)(const void *)at + i);
			else
				write_series(page, m, "", value, NULL, (double)metric_read((const metric_cell *)(const void *)at + i));
		}
	}
}

void metric_write_values(struct metric_page *page, const struct metric_table *table, const void *values)
{
	for (const struct metric *m = table->rows; m < table->rows + table->count; m++) {
		const char *value;
		metric_write_head(page, m);
		for (unsigned i = 0; i < m->label->count; i++)
			if (label_value(m, i, &value))
				write_series(page, m, "", value, NULL, ((const double *)(const void *)((const char *)values + m->offset))[i]);
	}
}

/* ---- what is asked for ------------------------------------------------------------------- */

const char *metric_content_type(enum metric_format format)
{
	return format == METRIC_OPEN ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
	                             : "text/plain; version=0.0.4; charset=utf-8";
}

/* One of the comma-separated ranges of an Accept header: "type/subtype; version=1.0.0; q=0.5". */
struct range {
	const char *type;
	size_t type_bytes;
	double quality;
	bool is_other_version;
};

static bool has_key(const char *at, size_t bytes, const char *key)
{
	return bytes >= strlen(key) && strncasecmp(at, key, strlen(key)) == 0;
}

static const char *read_range(const char *at, const char *version, struct range *range)
{
	at += strspn(at, " \t,");
	*range = (struct range){.type = at, .type_bytes = strcspn(at, "; \t,"), .quality = 1};
	at += strcspn(at, ";,");
	while (*at == ';') {
		at += 1 + strspn(at + 1, " \t");
		size_t bytes = strcspn(at, ";,");
		if (has_key(at, bytes, "q="))
			range->quality = strtod(at + strlen("q="), NULL);
		else if (has_key(at, bytes, "version="))
			range->is_other_version = strncmp(at + strlen("version="), version, strlen(version)) != 0;
		at += bytes;
	}
	return at;
}

static bool is_type(const struct range *range, const char *type)
{
	return range->type_bytes == strlen(type) && strncasecmp(range->type, type, range->type_bytes) == 0;
}

enum metric_format metric_format_for(const char *accept)
{
	double open = 0, text = 0;
	for (const char *at = accept == NULL ? "" : accept; *at != '\0';) {
		struct range range;
		at = read_range(at, "1.0.0", &range);
		if (is_type(&range, "application/openmetrics-text") && !range.is_other_version && range.quality > open)
			open = range.quality;
		else if (is_type(&range, "text/plain") && range.quality > text)
			text = range.quality;
	}
	return open > 0 && open >= text ? METRIC_OPEN : METRIC_TEXT;
}
