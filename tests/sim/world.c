#include "tests/sim/world_inside.h"

#include "engine/base/hash.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

unsigned world_below(struct world *w, unsigned n) { return (unsigned)random_below(&w->random, n); }
bool world_one_in(struct world *w, unsigned n) { return world_below(w, n) == 0; }

/* The first failure counts. */
void world_fail(struct world *w, const char *format, ...)
{
	va_list arguments;
	if (w->has_failed)
		return;
	w->has_failed = true;
	va_start(arguments, format);
	vsnprintf(w->report->why, sizeof w->report->why, format, arguments);
	va_end(arguments);
}

void world_tell(const struct world *w, const char *format, ...)
{
	va_list arguments;
	if (!w->is_talkative)
		return;
	printf("%5u %9.3f ", w->step, (double)w->now_ns / 1e9);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	printf("\n");
}

/* ---- a world --------------------------------------------------------------------------------------------- */

static void repeat_one(struct world *w)
{
	if (w->message_count == 0)
		return;
	struct message *old = w->messages[world_below(w, w->message_count)];
	if (old->asks[0].type == EVENT_feed_read)
		return;
	if (!world_one_in(w, 3)) {
		world_send(w, old);
		return;
	}
	struct ask ask = old->asks[world_below(w, old->count)];
	if (clients_spoil(&w->clients, &ask))
		world_send(w, world_compose(w, &ask, 1));
}

static void one_step(struct world *w)
{
	if (world_below(w, 100) < 70)
		world_send(w, world_draw(w, false));
	if (world_one_in(w, 8))
		repeat_one(w);
	world_advance(w, world_one_in(w, 15) ? 1000 + world_below(w, 9000) : world_below(w, 25));
	if (world_one_in(w, 50)) /* the machine's clock is set back; a start sets it right */
		w->unix_offset_ms -= world_below(w, 900);
	world_deliver_due(w);
	if (!world_one_in(w, 3))
		world_turn(w, false);
	if (world_one_in(w, 3) || w->done_count > 32)
		world_settle(w);
	if (world_one_in(w, 12))
		world_snapshot(w);
	if (world_one_in(w, 40))
		world_fail_for_a_while(w);
	if (world_one_in(w, 40))
		world_crash(w);
}

/* Every client asks until it was answered. */
static void finish(struct world *w)
{
	/* What is sent again and again is done again and again where ids are forgotten. */
	unsigned rounds = w->clients.pays ? 2 : TRIES_MAX;
	for (unsigned round = 0; round < rounds && !w->has_failed; round++) {
		unsigned open = 0;
		for (unsigned i = 0; i < w->message_count; i++) {
			if (w->messages[i]->is_acknowledged || w->messages[i]->tries == 0)
				continue;
			open++;
			world_deliver(w, w->messages[i]);
			if (w->waiting_count >= BURST_MAX)
				world_settle_all(w);
		}
		world_settle_all(w);
		world_advance(w, 2000);
		if (open == 0)
			break;
	}
	world_read_everything(w);
	if (!w->has_failed)
		world_restart(w);
}

static void free_world(struct world *w)
{
	for (unsigned i = 0; i < w->message_count; i++)
		free(w->messages[i]);
	for (unsigned i = 0; i < w->done_count; i++)
		world_free_item(w->done[i]);
	for (unsigned i = 0; i < w->waiting_count; i++)
		world_free_item(w->waiting[i]);
	for (unsigned i = 0; i < w->heard_count; i++)
		free(w->heard[i]);
	free(w);
}

bool world_run(uint64_t seed, unsigned steps, bool is_talkative, struct world_report *report)
{
	struct world *w = malloc(sizeof *w);
	CHECK(w != NULL, "no memory");
	memset((void *)w, 0, offsetof(struct world, model));
	memset((uint8_t *)w + offsetof(struct world, clients), 0, sizeof *w - offsetof(struct world, clients));
	*report = (struct world_report){};
	w->random.state = hash_bytes(&seed, sizeof seed, 0);
	w->report = report;
	w->is_talkative = is_talkative;
	w->seed = seed;
	w->now_ns = 1000000000;
	w->unix_offset_ms = UNIX_START_MS;
	world_choose_options(w);
	clients_init(&w->clients, &w->random, w->shard_options.is_plane);
	world_choose_history(w);
	model_init(&w->model, &(struct model_options){.is_plane = w->shard_options.is_plane,
		.carts = (unsigned)w->commerce_options.carts_capacity, .extents = (unsigned)w->commerce_options.carts_extents,
		.lines = (unsigned)w->commerce_options.carts_lines_max,
		.payments = (unsigned)w->commerce_options.payments_capacity, .carts_ttl_ms = w->commerce_options.carts_ttl_ms,
		.payments_ttl_ms = w->commerce_options.payments_ttl_ms,
		.idempotency = (unsigned)w->commerce_options.idempotency_capacity,
		.history = (unsigned)w->commerce_options.payments_history,
		.idempotency_age_ms = w->commerce_options.idempotency_age_ms, .retention_ms = w->shard_options.retention_ms});
	disk_make(w->folder);
	disk_make(w->image);
	world_advance(w, 0);
	world_choose_file(w);
	bool is_started = world_start(w);
	model_start(&w->model, &w->file);
	if (is_started)
		for (; w->step < steps && !w->has_failed; w->step++)
			one_step(w);
	if (!w->has_failed)
		finish(w);
	world_stop(w);
	disk_remove(w->folder);
	disk_remove(w->image);
	memcpy(report->answers, w->model.answers, sizeof report->answers);
	report->expired = w->model.expired;
	report->again = w->model.again;
	report->left = w->model.left;
	bool is_right = !w->has_failed;
	free_world(w);
	return is_right;
}
