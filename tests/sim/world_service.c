/* The service, its clock, the network before it. */
#include "tests/sim/world_inside.h"

#include <stdlib.h>
#include <string.h>

/* ---- time ------------------------------------------------------------------------------------------------ */

static int64_t unix_ms(void *context)
{
	const struct world *w = context;
	return w->now_ns / 1000000 + w->unix_offset_ms;
}

static int64_t monotonic_ns(void *context)
{
	const struct world *w = context;
	return w->now_ns;
}

void world_advance(struct world *w, int64_t ms)
{
	w->now_ns += ms * 1000000;
	w->clients.now_ms = unix_ms(w);
	if (w->latest_ms < w->clients.now_ms)
		w->latest_ms = w->clients.now_ms;
}

/* ---- the service ----------------------------------------------------------------------------------------- */

static int fault(void *context, enum journal_step step)
{
	struct world *w = context;
	return atomic_load(&w->fault[step]);
}

static void on_publication(void *context, const char *topic, const char *json)
{
	struct world *w = context;
	(void)topic;
	CHECK(w->heard_count < HEARD_MAX, "too many publications between two looks");
	w->heard[w->heard_count++] = strdup(json);
}

static void on_reply(struct shard_job *job, const void *reply, size_t bytes)
{
	struct item *item = (struct item *)job;
	CHECK(!atomic_load(&item->has_reply), "a second reply to one message");
	item->reply = malloc(bytes + 1);
	CHECK(item->reply != NULL, "no memory");
	memcpy(item->reply, reply, bytes);
	item->reply_bytes = bytes;
	atomic_store(&item->has_reply, true);
}

void world_choose_options(struct world *w)
{
	struct option_set shard = {}, commerce = {};
	option_add(&shard, shard_option_rows, shard_option_count, &w->shard_options);
	option_add(&commerce, commerce_option_rows, commerce_option_count, &w->commerce_options);
	w->shard_options.is_plane = world_one_in(w, 2);
	w->shard_options.workers = 1;
	w->shard_options.batch_max = 64;
	w->shard_options.queue = world_one_in(w, 3) ? 8 : 64;
	w->shard_options.reply_bytes_max = 256 << 10;
	w->shard_options.decode_bytes_max = 1 << 20;
	w->shard_options.message_bytes_max = MESSAGE_BYTES;
	bool is_tight = world_one_in(w, 3);
	w->commerce_options.products_capacity = 64;
	w->commerce_options.carts_capacity = is_tight ? 6 + world_below(w, 8) : 256;
	w->commerce_options.carts_extents = is_tight ? 4 + world_below(w, 8) : 512;
	w->commerce_options.payments_capacity = is_tight ? 4 + world_below(w, 8) : 256;
	w->commerce_options.payments_history = 1024;
	w->commerce_options.claims_capacity = 1024;
	w->commerce_options.idempotency_capacity = world_one_in(w, 3) ? 4096 : 64 + world_below(w, 128);
	w->commerce_options.idempotency_age_ms = world_one_in(w, 3) ? 5000 + world_below(w, 30000) : 86400000;
	w->commerce_options.carts_ttl_ms = 1000 + world_below(w, 60000);
	w->commerce_options.payments_ttl_ms = 1000 + world_below(w, 60000);
	w->commerce_options.seed = w->seed | 1;
	w->journal_options = (struct journal_options){.durability = JOURNAL_always, .interval_ms = 20,
		.segment_bytes = SEGMENT_BYTES, .segments_max = 1024, .buffer_bytes = 64 << 10, .directory = w->folder,
		.fault = fault, .fault_context = w, .retry_ms = 1};
	w->clock = (struct shard_clock){unix_ms, monotonic_ns, w};
	w->has_file = world_one_in(w, 2);
	w->commerce_options.carts_lines_max = world_one_in(w, 3) ? 2 + world_below(w, 6) : 2000;
	world_choose_snapshots(w);
}

/* Where closed payments are to be forgotten there are many of them. */
void world_choose_history(struct world *w)
{
	if (w->clients.pays)
		w->commerce_options.payments_history = 1 + world_below(w, 40);
}

bool world_start(struct world *w)
{
	struct store_options store = {.is_plane = w->shard_options.is_plane, .capacity = 256, .readers_max = SHARD_READERS(1),
	                              .kernel = "auto"};
	struct journal_report report;
	CHECK(store_setup(&w->store, &store) == STATUS_ok, "no store");
	CHECK(commerce_setup(&w->commerce, &w->commerce_options) == STATUS_ok, "no commerce");
	world_load_file(w);
	struct shard_parts parts = {.store = w->store, .commerce = &w->commerce, .commerce_options = &w->commerce_options,
		.snapshots = &w->snapshot_options,
		.carts_ttl_ms = w->commerce_options.carts_ttl_ms, .payments_ttl_ms = w->commerce_options.payments_ttl_ms,
		.journal = &w->journal_options, .publish = on_publication, .publish_context = w, .clock = &w->clock, .is_driven = true};
	status s = shard_setup(&w->shard, &w->shard_options, &parts, &report);
	if (s != STATUS_ok)
		world_fail(w, "the service does not start: %s: %s", status_code(s), report.text);
	w->swept_ns = 0;
	w->unix_offset_ms = UNIX_START_MS; /* set right: later than all that was */
	world_tell(w, "start: %llu records, torn: %d", (unsigned long long)report.records, report.is_torn);
	w->report->torn += report.is_torn;
	w->first_seq = 0;
	if (s == STATUS_ok)
		world_rest(w);
	return s == STATUS_ok;
}

void world_stop(struct world *w)
{
	if (w->shard != NULL)
		shard_teardown(&w->shard);
	commerce_teardown(&w->commerce);
	store_teardown(&w->store);
}

/* ---- messages -------------------------------------------------------------------------------------------- */

struct message *world_compose(struct world *w, const struct ask *asks, unsigned count)
{
	CHECK(w->message_count < MESSAGES_MAX, "too many messages");
	struct message *message = calloc(1, sizeof *message);
	CHECK(message != NULL, "no memory");
	memcpy(message->asks, asks, count * sizeof *asks);
	message->count = count;
	message->is_binary = world_one_in(w, 2);
	message->bytes = wire_write(message->is_binary, asks, count, message->text, sizeof message->text);
	CHECK(message->bytes != 0, "a message is too long");
	w->messages[w->message_count++] = message;
	w->report->messages++;
	return message;
}

struct message *world_draw(struct world *w, bool is_plain)
{
	struct ask asks[SIM_BATCH_MAX];
	unsigned count = w->clients.pays ? SIM_BATCH_MAX : world_one_in(w, 2) ? 1 : 1 + world_below(w, SIM_BATCH_MAX);
	for (unsigned i = 0; i < count; i++)
		asks[i] = clients_draw(&w->clients, is_plain);
	return world_compose(w, asks, count);
}

static bool needs_writer(const struct message *m)
{
	for (unsigned i = 0; i < m->count; i++)
		if (event_class_of(m->asks[i].type) != EVENT_QUERY)
			return true;
	return false;
}

struct item *world_make_item(struct world *w, struct message *message)
{
	struct item *item = calloc(1, sizeof *item);
	CHECK(item != NULL, "no memory");
	item->message = message;
	item->job = (struct shard_job){.received_ns = w->now_ns, .received_ms = unix_ms(w), .done = on_reply};
	item->done_ns = w->now_ns;
	item->done_ms = unix_ms(w);
	return item;
}

void world_free_item(struct item *item)
{
	free(item->reply);
	free(item);
}

void world_note_done(struct world *w, struct item *item)
{
	CHECK(w->done_count < ITEMS_MAX, "too much is done between two looks");
	w->done[w->done_count++] = item;
}

static unsigned changes_in(const struct message *m)
{
	unsigned count = 0;
	for (unsigned i = 0; i < m->count; i++)
		count += event_is_change(m->asks[i].type);
	return count;
}

static unsigned changes_waiting(const struct world *w)
{
	unsigned count = 0;
	for (unsigned i = 0; i < w->waiting_count; i++)
		count += changes_in(w->waiting[i]->message);
	return count;
}

/* A message arrives. Queries are answered at once, and so is what finds the queue full. */
struct item *world_deliver(struct world *w, struct message *message)
{
	struct item *item = world_make_item(w, message);
	item->job.message = message->text;
	item->job.message_bytes = message->bytes;
	shard_handle(w->shard, &item->job);
	if (!atomic_load(&item->has_reply)) {
		CHECK(w->waiting_count < ITEMS_MAX, "too many wait");
		w->waiting[w->waiting_count++] = item;
		return item;
	}
	if (needs_writer(message)) {
		item->may_refuse = true;
		if (w->waiting_count + 1 < (unsigned)w->shard_options.queue)
			world_fail(w, "answered at once though the queue had room");
	}
	world_note_done(w, item);
	return item;
}

static void take_off(struct world *w, struct message *message, int64_t delay_ms)
{
	if (w->flight_count < FLIGHTS_MAX)
		w->flights[w->flight_count++] = (struct flight){message, w->now_ns + delay_ms * 1000000};
}

void world_send(struct world *w, struct message *message)
{
	message->tries++;
	if (world_one_in(w, 12))
		w->report->lost++;
	else
		take_off(w, message, world_below(w, 60));
	if (world_one_in(w, 6))
		take_off(w, message, world_below(w, 300));
}

/* Those that are due, the first first. */
void world_deliver_due(struct world *w)
{
	for (;;) {
		unsigned first = w->flight_count;
		for (unsigned i = 0; i < w->flight_count; i++)
			if (w->flights[i].due_ns <= w->now_ns &&
			    (first == w->flight_count || w->flights[i].due_ns < w->flights[first].due_ns))
				first = i;
		if (first == w->flight_count)
			return;
		struct message *message = w->flights[first].message;
		if (changes_waiting(w) + changes_in(message) > EVENTS_MAX)
			world_turn(w, false);
		memmove(&w->flights[first], &w->flights[first + 1], (--w->flight_count - first) * sizeof *w->flights);
		world_deliver(w, message);
	}
}

/* ---- what the service does ------------------------------------------------------------------------------- */

/* What one turn may append: each change, and the end of whatever is open. */
static unsigned most_bytes(const struct world *w)
{
	unsigned changes = changes_waiting(w), open = 0;
	for (unsigned i = 1; i <= MODEL_CARTS; i++)
		open += w->model.carts[i].state == CART_open;
	for (unsigned i = 1; i <= MODEL_PAYMENTS; i++)
		open += w->model.payments[i].state == PAYMENT_authorized || w->model.payments[i].state == PAYMENT_partially_captured;
	return (changes + open + changes) * CHANGE_BYTES;
}

static void make_room(struct world *w)
{
	if (w->unsettled_bytes + most_bytes(w) > AHEAD_BYTES && !w->is_broken)
		world_settle(w);
	w->unsettled_bytes += most_bytes(w);
}

/* One turn of the writer; what it did goes into the list. */
void world_turn(struct world *w, bool is_failed)
{
	make_room(w);
	uint64_t taken = shard_step(w->shard);
	if (taken > w->waiting_count)
		world_fail(w, "%llu messages were taken, %u waited", (unsigned long long)taken, w->waiting_count);
	for (unsigned i = 0; i < taken && i < w->waiting_count; i++) {
		struct item *item = w->waiting[i];
		item->done_ns = w->now_ns;
		item->may_refuse = w->is_broken;
		world_note_done(w, item);
	}
	w->waiting_count -= (unsigned)taken;
	memmove(w->waiting, w->waiting + taken, w->waiting_count * sizeof *w->waiting);
	if (w->now_ns - w->swept_ns < SWEEP_NS)
		return;
	w->swept_ns = w->now_ns;
	struct item *look = world_make_item(w, NULL);
	look->may_refuse = is_failed; /* nothing can end then */
	world_note_done(w, look);
}
