/*
 * The store in the guest, where there are two nodes: each packed run has its pages on
 * both, a reader touches those of the node that it runs on and no others, and what the
 * account gives by its policy is on the writer's node.
 */
#include "engine/base/thread.h"
#include "engine/memory/arena.h"
#include "engine/memory/numa.h"
#include "engine/store/find.h"
#include "engine/store/inside.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { NODES = 2, WRITER_NODE = 1, REWARDS = 20000, CHANGES = 3000, ARENA_BYTES = 4 << 20, PAGE_BYTES = 4096 };

struct scene {
	unsigned failed;
	struct numa numa;
	struct account account;
	struct store *store;
};

[[gnu::format(printf, 3, 4)]] static void say(struct scene *s, bool is_ok, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	printf(is_ok ? "ok " : "not ok ");
	vprintf(format, arguments);
	printf("\n");
	va_end(arguments);
	s->failed += !is_ok;
}

/* Nearly all: a node that is short gives a page of the other. */
static bool is_on(const void *bytes, size_t size, unsigned node, size_t on_node[NODES])
{
	size_t absent = 0, pages = size / PAGE_BYTES;
	return numa_count_pages(bytes, size, NODES, on_node, &absent) == STATUS_ok && absent == 0 &&
	       on_node[node] >= pages - pages / 100;
}

static void holding_is_on(struct scene *s, const struct holding *h, unsigned node)
{
	size_t on_node[NODES] = {};
	bool is_there = h->node == (int)node && is_on(h->bytes, h->reserved, node, on_node);
	say(s, is_there, "%s of node %d: %zu and %zu pages on nodes 0 and 1", h->name, h->node, on_node[0], on_node[1]);
}

/* ---- what the writer has ------------------------------------------------------------------ */

static void check_writer(struct scene *s)
{
	struct arena arena = {};
	struct pool *pool = NULL;
	struct holding holding = {};
	struct pool_range ranges[POOL_RANGES];
	size_t on_node[NODES];
	status made = arena_init(&arena, ARENA_BYTES, &(struct arena_options){.name = "arena", .account = &s->account});
	if (made == STATUS_ok)
		made = account_open_pool(&s->account, &pool, &holding,
		                         &(struct pool_options){.name = "pool", .object_bytes = 512, .capacity = 8192});
	say(s, made == STATUS_ok && holding.node == WRITER_NODE, "an arena and a pool by the policy");
	if (made != STATUS_ok)
		return;
	holding_is_on(s, &arena.holding, WRITER_NODE);
	pool_ranges(pool, ranges);
	for (unsigned i = 0; i < POOL_RANGES; i++)
		say(s, is_on(ranges[i].bytes, ranges[i].size, WRITER_NODE, on_node), "part %u of the pool is on node %d", i,
		    WRITER_NODE);
	account_close_pool(&pool, &holding);
	arena_deinit(&arena);
}

/* ---- rewards --------------------------------------------------------------------------------- */

static struct reward reward_at(uint64_t id, int64_t value)
{
	return (struct reward){.id = {.low = id}, .x = (double)(id % 200), .y = (double)(id / 200), .radius = 1,
	                       .value = value, .stock = STOCK_UNLIMITED, .until_ms = INT64_MAX, .per_actor = 1};
}

static bool load(struct scene *s)
{
	struct reward *rows = calloc(REWARDS, sizeof *rows);
	for (uint64_t i = 0; rows != NULL && i < REWARDS; i++)
		rows[i] = reward_at(i, 0);
	bool is_loaded = rows != NULL && store_load(s->store, rows, REWARDS) == STATUS_ok;
	free(rows);
	return is_loaded;
}

/* So that the merger makes the runs. */
static bool change(struct scene *s)
{
	for (uint64_t i = 0; i < CHANGES; i++) {
		struct reward reward = reward_at(i, 1);
		if (store_put(s->store, &reward) != STATUS_ok)
			return false;
	}
	store_publish(s->store);
	store_settle(s->store);
	return true;
}

static void check_runs(struct scene *s, const char *made_by)
{
	unsigned on_node[NODES] = {};
	for (const struct holding *h = s->account.first; h != NULL; h = h->next) {
		if (strcmp(h->name, "open reward runs") == 0 && h->node != WRITER_NODE)
			say(s, false, "an open run is of node %d", h->node);
		if (strcmp(h->name, "reward runs") != 0 || h->node < 0 || h->node >= NODES)
			continue;
		on_node[h->node]++;
		holding_is_on(s, h, (unsigned)h->node);
	}
	say(s, on_node[0] == 1 && on_node[1] == 1, "one replica on each node, made by the %s", made_by);
}

/* ---- readers --------------------------------------------------------------------------------- */

struct reading {
	struct scene *scene;
	unsigned cpu;
	unsigned replica;
	bool is_right;
};

static void *read_pinned(void *argument)
{
	struct reading *r = argument;
	struct store_reader *reader = NULL;
	struct locate_result result;
	struct reward_view view;
	struct locate_query q = {.x = 100, .y = 50, .area = LOCATE_RADIUS, .radius = 5, .at_ms = 1, .limit = 16};
	if (thread_pin(r->cpu) != STATUS_ok || store_reader_create(r->scene->store, &reader) != STATUS_ok)
		return NULL;
	store_locate(reader, &q, &result);
	r->is_right = result.count == 81 && store_get(reader, (struct identifier){.low = 7}, &view) == STATUS_ok;
	r->replica = store_reader_replica(reader);
	store_reader_destroy(&reader);
	return NULL;
}

/* In this guest processor n belongs to node n. While it reads the other node's replica cannot be
 * read at all: who touched it would be killed. */
static void check_reader(struct scene *s, unsigned cpu)
{
	struct reading r = {.scene = s, .cpu = cpu, .replica = RUN_REPLICAS_MAX};
	const struct view *view = store_view(s->store);
	const struct run *other = NULL;
	pthread_t thread;
	for (unsigned i = 0; i < view->runs[1]->replica_count; i++)
		if (view->runs[1]->replicas[i]->region.node != (int)cpu)
			other = view->runs[1]->replicas[i];
	bool is_shut = other != NULL && mprotect(other->region.bytes, other->region.reserved, PROT_NONE) == 0;
	fflush(stdout);
	if (is_shut && pthread_create(&thread, NULL, read_pinned, &r) == 0)
		pthread_join(thread, NULL);
	if (is_shut)
		mprotect(other->region.bytes, other->region.reserved, PROT_READ | PROT_WRITE);
	bool is_near = r.replica < RUN_REPLICAS_MAX && s->store->replica_nodes[r.replica] == (int)cpu;
	say(s, r.is_right && is_near, "a reader on processor %u reads replica %u alone, that of its node", cpu, r.replica);
}

int main(void)
{
	static struct scene s;
	numa_setup(&s.numa, true);
	account_setup(&s.account, &(struct account_policy){.pages = REGION_PAGES_transparent, .prefault = true,
	                                                   .numa = &s.numa, .node = WRITER_NODE});
	struct number_set cpus;
	say(&s, thread_allowed(&cpus) == STATUS_ok && thread_pin(0) == STATUS_ok, "the writer's is made by processor 0");
	check_writer(&s);
	struct store_options options = {.is_plane = true, .capacity = REWARDS, .readers_max = NODES, .kernel = "auto",
	                                .account = &s.account, .numa = &s.numa};
	if (store_setup(&s.store, &options) != STATUS_ok || !load(&s)) {
		say(&s, false, "a store with %d rewards", REWARDS);
		return 1;
	}
	check_runs(&s, "load");
	thread_restore(&cpus); /* the readers inherit it */
	for (unsigned cpu = 0; cpu < NODES; cpu++)
		check_reader(&s, cpu);
	say(&s, change(&s), "%d rewards change", CHANGES);
	check_runs(&s, "merger");
	for (unsigned cpu = 0; cpu < NODES; cpu++)
		check_reader(&s, cpu);
	store_teardown(&s.store);
	account_teardown(&s.account);
	return s.failed == 0 ? 0 : 1;
}
