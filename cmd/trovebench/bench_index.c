/*
 * index: finding rewards near a place, in process, one thread, beside Boost.Geometry's
 * R-tree with the same points and queries.
 *
 * Measured is "give me all exact matches, in any order": store_find here (slots; area,
 * window, kind, stock and version of each reward included), rtree.query there (ids). Hits over
 * all queries must be equal. store_locate (nearest first, distances, at most 16) is
 * printed beside it. Points are floats, so that both sides hold the same numbers; the
 * store decides in double precision all the same.
 */
#include "cmd/trovebench/bench.h"
#include "cmd/trovebench/peer_boost.h"
#include "engine/base/check.h"
#include "engine/base/csv.h"
#include "engine/base/random.h"
#include "engine/store/find.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

enum { QUERIES = 4096, CALL_QUERIES = 128, FOUND_MAX = 1 << 16 };
#define AT_MS INT64_C(1700000000000)

struct points {
	uint32_t count;
	float *x, *y;
};

struct place {
	double x, y;
};

/* One thing that answers queries of one shape. */
struct asker {
	struct store_reader *reader;
	const struct peer_boost *boost;
	const struct place *places;
	enum locate_area area;
	double size; /* half the box's side, or the radius */
	uint32_t limit;
	uint32_t next;
	struct found_slot *found;
	uint32_t *ids;
};

static void *take(size_t bytes)
{
	void *p = calloc(1, bytes);
	if (p == NULL) {
		fprintf(stderr, "trovebench: no memory for %zu bytes\n", bytes);
		exit(EX_OSERR);
	}
	return p;
}

static struct points take_points(uint32_t count)
{
	return (struct points){count, take(count * sizeof(float)), take(count * sizeof(float))};
}

static struct points uniform_points(uint32_t count)
{
	struct random r = {20260101};
	struct points p = take_points(count);
	for (uint32_t i = 0; i < count; i++) {
		p.x[i] = (float)random_between(&r, 0, 2);
		p.y[i] = (float)random_between(&r, -1, 1);
	}
	return p;
}

static bool world_points(struct points *p)
{
	const char *folder = getenv("TROVE_DATA");
	char path[512];
	snprintf(path, sizeof path, "%s/rewards_world.csv.gz", folder == NULL ? "../shared/data" : folder);
	struct csv *csv = csv_open(path);
	*p = (struct points){};
	if (csv == NULL)
		return false;
	*p = take_points(200000);
	p->count = 0;
	int lon = csv_column(csv, "lon");
	int lat = csv_column(csv, "lat");
	const char *reason;
	while (p->count < 200000 && csv_next(csv, &reason) == CSV_RECORD) {
		p->x[p->count] = strtof(csv_field(csv, lon), NULL);
		p->y[p->count++] = strtof(csv_field(csv, lat), NULL);
	}
	csv_close(&csv);
	return p->count > 0;
}

static void drop_points(struct points *p)
{
	free(p->x);
	free(p->y);
}

static struct store *load(const struct points *p, bool is_plane, struct store_reader **reader)
{
	struct store *store = NULL;
	struct store_options options = {.is_plane = is_plane, .capacity = p->count, .readers_max = 1, .kernel = "auto"};
	struct reward *rows = take((size_t)p->count * sizeof *rows);
	for (uint32_t i = 0; i < p->count; i++)
		rows[i] = (struct reward){.id = {.low = i},
		                          .x = p->x[i],
		                          .y = p->y[i],
		                          .radius = is_plane ? 0.001 : 100,
		                          .stock = STOCK_UNLIMITED,
		                          .until_ms = INT64_MAX,
		                          .per_actor = 1};
	double start = bench_now();
	if (store_setup(&store, &options) != STATUS_ok || store_load(store, rows, p->count) != STATUS_ok ||
	    store_reader_create(store, reader) != STATUS_ok) {
		fprintf(stderr, "trovebench: the store does not take %u rewards\n", p->count);
		exit(EX_OSERR);
	}
	if (getenv("TROVEBENCH_VERBOSE") != NULL)
		fprintf(stderr, "loading %u rewards: %.3f s\n", p->count, bench_now() - start);
	free(rows);
	return store;
}

static struct locate_query query_of(const struct asker *a, uint32_t i)
{
	double x = a->places[i].x;
	double y = a->places[i].y;
	return (struct locate_query){.x = x,
	                             .y = y,
	                             .area = a->area,
	                             .radius = a->size,
	                             .box = {x - a->size, y - a->size, x + a->size, y + a->size},
	                             .at_ms = AT_MS,
	                             .limit = a->limit};
}

static uint64_t find_one(const struct asker *a, uint32_t i)
{
	struct locate_query q = query_of(a, i);
	return store_find(a->reader, &q, a->found, FOUND_MAX);
}

static uint64_t boost_one(const struct asker *a, uint32_t i)
{
	double x = a->places[i].x;
	double y = a->places[i].y;
	if (a->area == LOCATE_BOX)
		return peer_boost_box(a->boost, x - a->size, y - a->size, x + a->size, y + a->size, a->ids, FOUND_MAX);
	return peer_boost_radius(a->boost, x, y, a->size, a->ids, FOUND_MAX);
}

static uint64_t locate_one(const struct asker *a, uint32_t i)
{
	struct locate_query q = query_of(a, i);
	struct locate_result result;
	store_locate(a->reader, &q, &result);
	return result.count;
}

#define WORK(name) \
	static uint64_t name##_work(void *context) \
	{ \
		struct asker *a = context; \
		uint64_t hits = 0; \
		for (uint32_t i = 0; i < CALL_QUERIES; i++) \
			hits += name##_one(a, (a->next + i) % QUERIES); \
		a->next = (a->next + CALL_QUERIES) % QUERIES; \
		bench_use(hits); \
		return CALL_QUERIES; \
	}
WORK(find)
WORK(boost)
WORK(locate)

static uint64_t all_hits(const struct asker *a, uint64_t (*one)(const struct asker *, uint32_t))
{
	uint64_t hits = 0;
	for (uint32_t i = 0; i < QUERIES; i++)
		hits += one(a, i);
	return hits;
}

/* The size at which a query has so many hits on average. */
static double calibrate(struct asker *a, double hits, double high)
{
	double low = 0;
	for (int i = 0; i < 40; i++) {
		a->size = 0.5 * (low + high);
		if ((double)all_hits(a, boost_one) / QUERIES < hits)
			low = a->size;
		else
			high = a->size;
	}
	return high;
}

static void compare(struct report *report, const char *name, const struct asker *asker, double target)
{
	struct asker ours = *asker, peer = *asker, nearest = *asker;
	uint64_t found = all_hits(&ours, find_one);
	uint64_t expected = all_hits(&peer, boost_one);
	if (found != expected || found != all_hits(&nearest, locate_one)) {
		fprintf(stderr, "trovebench: %s: %lu hits, Boost has %lu\n", name, (unsigned long)found,
		        (unsigned long)expected);
		exit(EX_SOFTWARE);
	}
	struct bench_case cases[] = {
		{.name = "boost rtree query", .work = boost_work, .context = &peer},
		{.name = "store_find", .work = find_work, .context = &ours, .reference = &cases[0], .target = target},
		{.name = "store_locate, limit 16", .work = locate_work, .context = &nearest, .reference = &cases[0]},
	};
	bench_run(report->arguments, cases, COUNT_OF(cases));
	char group[96];
	snprintf(group, sizeof group, "%s, %.1f hits", name, (double)found / QUERIES);
	report_cases(report, group, cases, COUNT_OF(cases), "query");
}

static struct asker make_asker(struct store_reader *reader, const struct peer_boost *boost, const struct place *places)
{
	return (struct asker){.reader = reader,
	                      .boost = boost,
	                      .places = places,
	                      .limit = 16,
	                      .found = take(FOUND_MAX * sizeof(struct found_slot)),
	                      .ids = take(FOUND_MAX * sizeof(uint32_t))};
}

static void drop_asker(struct asker *a)
{
	free(a->found);
	free(a->ids);
}

static void uniform_places(struct place *places)
{
	struct random r = {4096};
	for (uint32_t i = 0; i < QUERIES; i++)
		places[i] = (struct place){random_between(&r, 0.02, 1.98), random_between(&r, -0.98, 0.98)};
}

static void run_uniform(struct report *report)
{
	static const struct {
		const char *name;
		enum locate_area area;
		double size, target;
	} shapes[] = {
		{"1M uniform, box", LOCATE_BOX, 0.0031625, 4},
		{"1M uniform, radius", LOCATE_RADIUS, 0.003568, 4},
		{"1M uniform, box", LOCATE_BOX, 0.01, 5},
		{"1M uniform, radius", LOCATE_RADIUS, 0.011284, 5},
	};
	struct place places[QUERIES];
	uniform_places(places);
	struct points p = uniform_points(1000000);
	struct store_reader *reader = NULL;
	struct store *store = load(&p, true, &reader);
	struct peer_boost *boost = peer_boost_create(p.x, p.y, p.count);
	struct asker a = make_asker(reader, boost, places);
	for (unsigned i = 0; i < COUNT_OF(shapes); i++) {
		a.area = shapes[i].area;
		a.size = shapes[i].size;
		compare(report, shapes[i].name, &a, shapes[i].target);
	}
	drop_asker(&a);
	peer_boost_destroy(boost);
	store_reader_destroy(&reader);
	store_teardown(&store);
	drop_points(&p);
}

/* Ours only: the same places in metres, as the service is asked. */
static void run_world_geo(struct report *report, const struct points *p, const struct place *places)
{
	struct store_reader *reader = NULL;
	struct store *store = load(p, false, &reader);
	struct asker a = make_asker(reader, NULL, places);
	a.area = LOCATE_RADIUS;
	static const double radii[] = {12000, 42000};
	for (unsigned i = 0; i < COUNT_OF(radii); i++) {
		a.size = radii[i];
		struct bench_case c = {.name = "store_locate, limit 16", .work = locate_work, .context = &a};
		bench_run(report->arguments, &c, 1);
		char group[96];
		snprintf(group, sizeof group, "world geo radius, %.1f hits", (double)all_hits(&a, find_one) / QUERIES);
		report_cases(report, group, &c, 1, "query");
	}
	drop_asker(&a);
	store_reader_destroy(&reader);
	store_teardown(&store);
}

static void run_world(struct report *report)
{
	struct points p;
	if (!world_points(&p)) {
		drop_points(&p);
		report_note(report, "SKIP: world cities: no rewards_world.csv.gz in TROVE_DATA");
		return;
	}
	struct place places[QUERIES];
	struct random r = {99};
	for (uint32_t i = 0; i < QUERIES; i++) {
		uint64_t k = random_below(&r, p.count);
		places[i] = (struct place){p.x[k] + random_between(&r, -0.05, 0.05), p.y[k] + random_between(&r, -0.05, 0.05)};
	}
	struct store_reader *reader = NULL;
	struct store *store = load(&p, true, &reader);
	struct peer_boost *boost = peer_boost_create(p.x, p.y, p.count);
	struct asker a = make_asker(reader, boost, places);
	static const double hits[] = {10, 100};
	for (unsigned i = 0; i < 4; i++) {
		a.area = i % 2 == 0 ? LOCATE_BOX : LOCATE_RADIUS;
		a.size = calibrate(&a, hits[i / 2], 5);
		compare(report, i % 2 == 0 ? "world, box" : "world, radius", &a, 3);
	}
	drop_asker(&a);
	peer_boost_destroy(boost);
	store_reader_destroy(&reader);
	store_teardown(&store);
	run_world_geo(report, &p, places);
	drop_points(&p);
}

/* The same number of hits among ever more rewards. */
static void run_growth(struct report *report)
{
	static const uint32_t counts[] = {10000, 100000, 1000000, 10000000};
	static const char *const names[] = {"10k", "100k", "1M", "10M"};
	enum { SIZES = COUNT_OF(counts) };
	struct place places[QUERIES];
	uniform_places(places);
	struct store *stores[SIZES];
	struct asker askers[SIZES];
	struct bench_case cases[SIZES];
	for (unsigned i = 0; i < SIZES; i++) {
		struct points p = uniform_points(counts[i]);
		struct store_reader *reader = NULL;
		stores[i] = load(&p, true, &reader);
		drop_points(&p);
		askers[i] = make_asker(reader, NULL, places);
		askers[i].area = LOCATE_RADIUS;
		askers[i].size = sqrt(10 * 4 / (M_PI * counts[i]));
		cases[i] = (struct bench_case){.name = names[i], .work = find_work, .context = &askers[i]};
		if (i > 0)
			cases[i].reference = &cases[0];
	}
	bench_run(report->arguments, cases, SIZES);
	report_cases(report, "uniform, radius, 10 hits", cases, SIZES, "query");
	report_figure(report, "growth in cost", "10k to 10M rewards", 1 / cases[SIZES - 1].ratio, 3, true);
	for (unsigned i = 0; i < SIZES; i++) {
		store_reader_destroy(&askers[i].reader);
		store_teardown(&stores[i]);
		drop_asker(&askers[i]);
	}
}

int bench_index(const struct bench_arguments *arguments)
{
	struct report report;
	report_open(&report, "index", arguments);
	run_uniform(&report);
	run_world(&report);
	run_growth(&report);
	report_close(&report);
	return EX_OK;
}
