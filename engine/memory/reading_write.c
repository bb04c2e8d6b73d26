/* A reading as JSON and as Prometheus text. Names come from our own tables, paths from
 * /proc are escaped. */
#include "engine/base/metric.h"
#include "engine/memory/reading.h"

static void write_string(struct cursor *out, const char *text)
{
	cursor_byte(out, '"');
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;
		if (c == '"' || c == '\\')
			cursor_byte(out, '\\');
		if (c < 0x20)
			cursor_format(out, "\\u%04x", c);
		else
			cursor_byte(out, (char)c);
	}
	cursor_byte(out, '"');
}

static void write_group(const struct memory_group *g, struct cursor *out)
{
	if (g->limit == 0) {
		cursor_literal(out, "null");
		return;
	}
	cursor_literal(out, "{\"path\":");
	write_string(out, g->path);
	cursor_format(out,
	              ",\"limit_bytes\":%llu,\"current_bytes\":%llu,\"anonymous_bytes\":%llu,\"failures_total\":%llu,"
	              "\"kills_total\":%llu}",
	              (unsigned long long)g->limit, (unsigned long long)g->current, (unsigned long long)g->anonymous,
	              (unsigned long long)g->failures, (unsigned long long)g->kills);
}

static void write_process(const struct memory_reading *r, struct cursor *out)
{
	cursor_format(out,
	              "\"process\":{\"resident_bytes\":%zu,\"resident_peak_bytes\":%zu,\"virtual_bytes\":%zu,"
	              "\"anonymous_bytes\":%zu,\"huge_page_bytes\":%zu,\"locked_bytes\":%zu,\"threads\":%u,"
	              "\"minor_faults\":%llu,\"major_faults\":%llu,\"cgroup\":",
	              r->resident, r->resident_peak, r->size_virtual, r->anonymous, r->huge, r->locked, r->threads,
	              (unsigned long long)r->minor_faults, (unsigned long long)r->major_faults);
	write_group(&r->group, out);
	cursor_byte(out, '}');
}

static void write_allocator(const struct memory_reading *r, struct cursor *out)
{
	const struct heap_statistics *c = &r->heap.calls;
	const char *space = strchr(r->heap.description, ' ');
	char name[64];
	int name_bytes = space == NULL || !r->heap.is_mimalloc ? (int)sizeof name - 1 : (int)(space - r->heap.description);
	snprintf(name, sizeof name, "%.*s", name_bytes, r->heap.description);
	cursor_literal(out, "\"allocator\":{\"name\":");
	write_string(out, name);
	cursor_literal(out, ",\"version\":");
	write_string(out, r->heap.is_mimalloc && space != NULL ? space + 1 : "");
	cursor_format(out,
	              ",\"resident_bytes\":%zu,\"live_bytes\":%llu,\"allocations_total\":%llu,\"frees_total\":%llu,"
	              "\"frozen_allocations_total\":%llu}",
	              r->heap.resident, (unsigned long long)c->live_bytes, (unsigned long long)c->allocations_total,
	              (unsigned long long)c->frees_total, (unsigned long long)c->frozen_allocations_total);
}

static void write_pool(const struct pool_statistics *s, struct cursor *out)
{
	cursor_format(out,
	              ",\"object_bytes\":%u,\"stride_bytes\":%u,\"capacity\":%u,\"in_use\":%u,\"high_water\":%u,"
	              "\"borrowed_total\":%llu,\"returned_total\":%llu,\"exhausted_total\":%llu,\"stale_total\":%llu,"
	              "\"retired\":%u,\"extents\":%u,\"extents_max\":%u",
	              s->object_bytes, s->stride, s->capacity, s->in_use, s->high_water, (unsigned long long)s->borrowed_total,
	              (unsigned long long)s->returned_total, (unsigned long long)s->exhausted_total,
	              (unsigned long long)s->stale_total, s->retired, s->extents, s->extents_max);
}

static void write_holding(const struct reading_holding *h, struct cursor *out)
{
	cursor_literal(out, "{\"name\":");
	write_string(out, h->name);
	cursor_format(out, ",\"kind\":\"%s\",\"option\":", holding_kind_name(h->kind));
	if (h->option == NULL)
		cursor_literal(out, "null");
	else
		write_string(out, h->option);
	cursor_format(out,
	              ",\"count\":%u,\"reserved_bytes\":%zu,\"in_use_bytes\":%zu,\"high_water_bytes\":%zu,"
	              "\"resident_bytes\":%zu,\"node\":%d,\"pages\":\"%s\",\"locked\":%s",
	              h->count, h->reserved, h->in_use, h->high_water, h->resident, h->node, region_pages_text(h->pages),
	              h->locked ? "true" : "false");
	if (h->kind == HOLDING_pool)
		write_pool(&h->pool, out);
	cursor_byte(out, '}');
}

static void write_holdings(const struct memory_reading *r, const char *member, enum holding_kind kind,
                           struct cursor *out)
{
	const char *separator = "";
	cursor_format(out, "\"%s\":[", member);
	for (unsigned i = 0; i < r->holding_count; i++) {
		if (r->holdings[i].kind != kind)
			continue;
		cursor_format(out, "%s", separator);
		write_holding(&r->holdings[i], out);
		separator = ",";
	}
	cursor_byte(out, ']');
}

static void write_ladder(const struct memory_reading *r, struct cursor *out)
{
	cursor_literal(out, "\"ladder\":[");
	for (unsigned i = 0; i < RUNG_COUNT; i++)
		cursor_format(out, "%s{\"name\":\"%s\",\"bytes\":%lld}", i == 0 ? "" : ",", reading_rung_name(i),
		              (long long)r->ladder[i]);
	cursor_byte(out, ']');
}

void reading_write_json(const struct memory_reading *r, struct cursor *out)
{
	cursor_format(out, "{\"at\":%lld,", (long long)r->at_ms);
	write_process(r, out);
	cursor_byte(out, ',');
	write_allocator(r, out);
	cursor_byte(out, ',');
	write_holdings(r, "pools", HOLDING_pool, out);
	cursor_byte(out, ',');
	write_holdings(r, "arenas", HOLDING_arena, out);
	cursor_byte(out, ',');
	write_holdings(r, "snapshots", HOLDING_snapshot, out);
	cursor_byte(out, ',');
	write_holdings(r, "buffers", HOLDING_buffer, out);
	cursor_byte(out, ',');
	cursor_format(out, "\"largest_file\":{\"bytes\":%zu,\"path\":", r->largest_file_bytes);
	write_string(out, r->largest_file);
	cursor_literal(out, "},");
	write_ladder(r, out);
	cursor_literal(out, "}\n");
}

static void write_holding_series(const struct memory_reading *r, struct cursor *out, const char *name, const char *help,
                                 size_t offset)
{
	metric_write_head(out, name, "gauge", help);
	for (unsigned i = 0; i < r->holding_count; i++) {
		const struct reading_holding *h = &r->holdings[i];
		size_t bytes;
		memcpy(&bytes, (const char *)h + offset, sizeof bytes);
		cursor_format(out, "%s{kind=\"%s\",name=\"%s\"", name, holding_kind_name(h->kind), h->name);
		if (h->node >= 0)
			cursor_format(out, ",node=\"%d\"", h->node);
		cursor_format(out, "} %zu\n", bytes);
	}
}

static void write_counter(struct cursor *out, const char *name, const char *help, uint64_t value)
{
	metric_write_head(out, name, "counter", help);
	metric_write_value(out, name, (double)value);
}

static void write_group_metrics(const struct memory_group *g, struct cursor *out)
{
	if (g->limit == 0)
		return;
	metric_write_head(out, "trove_cgroup_limit_bytes", "gauge", "Limit of memory of the cgroup that trove runs in.");
	metric_write_value(out, "trove_cgroup_limit_bytes", (double)g->limit);
	metric_write_head(out, "trove_cgroup_current_bytes", "gauge",
	                  "Memory of all processes in the cgroup, with file pages that the system drops when it needs them.");
	metric_write_value(out, "trove_cgroup_current_bytes", (double)g->current);
	write_counter(out, "trove_cgroup_limit_reached_total",
	              "How often the limit of the cgroup was reached; rising: see trovectl memory --doctor.", g->failures);
	write_counter(out, "trove_cgroup_kills_total",
	              "Processes of the cgroup that were ended for want of memory; not 0: raise its limit.", g->kills);
}

void reading_write_metrics(const struct memory_reading *r, struct cursor *out)
{
	write_holding_series(r, out, "allocator_reserved_bytes",
	                     "Reserved at the start or for a snapshot; the option of this part sizes it.",
	                     offsetof(struct reading_holding, reserved));
	write_holding_series(r, out, "allocator_in_use_bytes",
	                     "In use within what is reserved; near the reserve: raise the option.",
	                     offsetof(struct reading_holding, in_use));
	write_holding_series(r, out, "allocator_high_water_bytes",
	                     "The most that was in use since the start; far below the reserve: lower the option.",
	                     offsetof(struct reading_holding, high_water));
	metric_write_head(out, "allocator_ladder_bytes", "gauge",
	                  "What adds up to the resident set, rung by rung; a large unexplained one: see trovectl memory --doctor.");
	for (unsigned i = 0; i < RUNG_COUNT; i++)
		cursor_format(out, "allocator_ladder_bytes{rung=\"%s\"} %lld\n", reading_rung_name(i), (long long)r->ladder[i]);
	metric_write_head(out, "allocator_heap_resident_bytes", "gauge",
	                  "Resident pages of the general heap; far above the live bytes: fragmentation.");
	metric_write_value(out, "allocator_heap_resident_bytes", (double)r->heap.resident);
	metric_write_head(out, "allocator_heap_live_bytes", "gauge", "Alive in the general heap; rising without end: a leak.");
	metric_write_value(out, "allocator_heap_live_bytes", (double)r->heap.calls.live_bytes);
	write_counter(out, "allocator_heap_allocations_total", "Blocks taken from the general heap, mostly by libraries.",
	              r->heap.calls.allocations_total);
	write_counter(out, "allocator_heap_frees_total", "Blocks given back to the general heap.", r->heap.calls.frees_total);
	write_counter(out, "allocator_frozen_allocations_total",
	              "Allocations of trove's own on threads that answer events, after the start; not 0: report a defect.",
	              r->heap.calls.frozen_allocations_total);
	metric_write_head(out, "process_resident_memory_bytes", "gauge", "Resident set of the process.");
	metric_write_value(out, "process_resident_memory_bytes", (double)r->resident);
	metric_write_head(out, "process_virtual_memory_bytes", "gauge",
	                  "Address space of the process; says nothing about memory.");
	metric_write_value(out, "process_virtual_memory_bytes", (double)r->size_virtual);
	write_counter(out, "trove_process_minor_faults_total",
	              "Page faults without input; rising under steady load: memory is not prefaulted.",
	              r->minor_faults);
	write_counter(out, "trove_process_major_faults_total",
	              "Page faults that read from disk; not 0: the machine is short of memory.",
	              r->major_faults);
	write_group_metrics(&r->group, out);
}
