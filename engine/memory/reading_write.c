/* A reading as JSON. Names come from our own tables, paths from /proc are escaped. */
#include "engine/memory/reading.h"

static void write_group(const struct memory_group *g, struct cursor *out)
{
	if (g->limit == 0) {
		cursor_literal(out, "null");
		return;
	}
	cursor_literal(out, "{\"path\":");
	cursor_json_string(out, g->path);
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
	              "\"anonymous_bytes\":%zu,\"huge_page_bytes\":%zu,\"hugetlb_wanted_bytes\":%zu,\"hugetlb_missed_bytes\":%zu,"
	              "\"locked_bytes\":%zu,\"threads\":%u,"
	              "\"minor_faults\":%llu,\"major_faults\":%llu,\"cgroup\":",
	              r->resident, r->resident_peak, r->size_virtual, r->anonymous, r->huge, r->hugetlb.wanted,
	              r->hugetlb.missed, r->locked, r->threads,
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
	cursor_json_string(out, name);
	cursor_literal(out, ",\"version\":");
	cursor_json_string(out, r->heap.is_mimalloc && space != NULL ? space + 1 : "");
	cursor_format(out,
	              ",\"resident_bytes\":%zu,\"live_bytes\":%llu,\"waiting_bytes\":%llu,"
	              "\"allocations_total\":%llu,\"frees_total\":%llu,"
	              "\"frozen_allocations_total\":%llu}",
	              r->heap.resident, (unsigned long long)c->live_bytes, (unsigned long long)c->waiting_bytes,
	              (unsigned long long)c->allocations_total,
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
	cursor_json_string(out, h->name);
	cursor_format(out, ",\"kind\":\"%s\",\"option\":", holding_kind_name(h->kind));
	if (h->option == NULL)
		cursor_literal(out, "null");
	else
		cursor_json_string(out, h->option);
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
	cursor_json_string(out, r->largest_file);
	cursor_literal(out, "},");
	write_ladder(r, out);
	cursor_literal(out, "}\n");
}
