#include "cmd/troved/bill.h"

#include "engine/base/human.h"
#include "engine/base/log.h"
#include "engine/memory/heap_large.h"
#include "engine/memory/heap_profile.h"
#include "engine/memory/heap_sample.h"

#include <inttypes.h>
#include <string.h>

/* Measured on a troved without rewards after a minute of requests and HTTP, rounded up. */
enum {
	PROGRAM_BYTES = 18 << 20, /* code and data of the program and its libraries, kept in memory: 14 MiB */
	HEAP_BYTES = 8 << 20,    /* mimalloc's own, configuration, libevent, nng, jansson, zlib: 3.2 MiB after ten full minutes */
	/* Of the heap for each thread, in whole huge pages: mimalloc gives a thread pages of its own, which lie apart. 2.5 MiB
	 * with 4 threads of events, 3.2 with 16, after a minute of full load. */
	HEAP_LARGE_PAGES_BYTES = 4 << 20,
	STACK_BYTES = 128 << 10, /* of a stack: 16 KiB; what is reserved is never touched */
	OWN_THREADS = 6,         /* main, HTTP's, writer, merger, the journal's flusher, snapshots' */
};

static void add_process(const struct configuration *c, struct bill *bill)
{
	bill_add(bill, "process", "", 1, PROGRAM_BYTES, "program and libraries; measured");
	bill_add(bill, "process", "", 1, HEAP_BYTES, "heap of start-up and libraries; measured");
	if (c->memory.heap_large_pages)
		bill_add(bill, "process", "memory.heap_large_pages", net_threads(&c->net) + OWN_THREADS, HEAP_LARGE_PAGES_BYTES,
		         "the same in huge pages, some for each thread; measured");
	bill_add(bill, "process", "events.threads", net_threads(&c->net) + OWN_THREADS, STACK_BYTES,
	         "stacks of threads, as far as they are touched; measured");
}

void service_bill(const struct configuration *c, const struct numa *numa, struct bill *bill)
{
	struct store_options store = configuration_store(c);
	store.numa = numa;
	bill->line_count = 0;
	(void)memory_pool_debug(&c->memory, &bill->pool_debug, &(struct option_problem){}); /* was looked at with the rest */
	memory_limit("", &bill->limit);
	memory_limit_lower(&bill->limit, c->memory.limit_bytes);
	store_bill(&store, bill);
	commerce_bill(&c->commerce, bill);
	journal_bill(&c->journal, bill);
	shard_bill(&c->shard, bill);
	shard_snapshot_bill(&c->shard, &c->commerce, c->service.rewards_capacity, bill);
	net_bill(&c->net, bill);
	admin_bill(&c->admin, bill);
	heap_large_bill(net_waiting_bytes(&c->net), bill);
	heap_profile_bill(bill);
	heap_sample_bill((uint32_t)c->memory.heap_samples_max, bill);
	add_process(c, bill);
}

/* "rewards.capacity = 1000000", or what takes it where no option does. */
static void name_line(const struct configuration *c, const struct bill_line *line, char *text, size_t capacity)
{
	char value_text[OPTION_TEXT_BYTES];
	void *value;
	const struct option *row = line->option[0] == '\0' ? NULL : option_find(&c->set, line->option, &value, NULL);
	if (row == NULL) {
		snprintf(text, capacity, "%s", line->owner);
		return;
	}
	option_format(row, value, value_text, sizeof value_text);
	snprintf(text, capacity, "%s = %.64s", line->option, value_text);
}

bool service_bill_fits(const struct configuration *c, const struct bill *bill, struct option_problem *problem)
{
	if (bill_fits(bill))
		return true;
	const struct bill_line *line = bill_largest(bill);
	char name[128];
	name_line(c, line, name, sizeof name);
	snprintf(problem->text, sizeof problem->text,
	         "memory: the bill of %s is above the limit of %s (%.90s); the largest line is %s: %s, %.90s; "
	         "lower it or raise the limit",
	         human_bytes((double)bill_sum(bill)).text, human_bytes((double)bill->limit.bytes).text, bill->limit.source, name,
	         human_bytes((double)line->bytes).text, line->what);
	return false;
}

void service_bill_print(const struct bill *bill, FILE *out)
{
	char text[BILL_TEXT_BYTES];
	struct cursor cursor;
	cursor_init(&cursor, text, sizeof text);
	bill_write(bill, &cursor);
	fwrite(text, 1, cursor_used(&cursor), out);
}

void service_bill_log(const struct bill *bill)
{
	char text[BILL_TEXT_BYTES];
	struct cursor cursor;
	cursor_init(&cursor, text, sizeof text);
	bill_write(bill, &cursor);
	const char *end = text + cursor_used(&cursor);
	for (const char *line = text, *next; line < end; line = next + 1) {
		next = memchr(line, '\n', (size_t)(end - line));
		log_info("memory", "%.*s", (int)(next - line), line);
	}
}

uint64_t service_open_files(const struct configuration *c)
{
	enum { OWN = 64 }; /* sockets that listen, the journal's files, event loops: 34 at rest, measured */
	return (uint64_t)(c->net.peers_max + c->admin.observe_connections_max + c->admin.admin_connections_max + OWN);
}
