#include "tests/support/instance.h"

#include "engine/router/dispatch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ARENA_BYTES = 1 << 20, START_MS = 1700000000 };

static const struct protocol_limits limits = {.batch_max = 64, .is_plane = true};

static void setup_commerce(struct instance *i, const struct commerce_options *asked)
{
	struct commerce_options o;
	struct option_set set = {};
	option_add(&set, commerce_option_rows, commerce_option_count, &o);
	o.products_capacity = asked->products_capacity != 0 ? asked->products_capacity : o.products_capacity;
	o.carts_capacity = asked->carts_capacity != 0 ? asked->carts_capacity : o.carts_capacity;
	o.carts_extents = asked->carts_extents != 0 ? asked->carts_extents : o.carts_extents;
	o.payments_capacity = asked->payments_capacity != 0 ? asked->payments_capacity : o.payments_capacity;
	o.claims_capacity = asked->claims_capacity != 0 ? asked->claims_capacity : o.claims_capacity;
	o.account = NULL;
	o.seed = asked->seed;
	o.fail_one_in = asked->fail_one_in;
	o.pool_debug = 0;
	assert_int_equal(commerce_setup(&i->commerce, &o), STATUS_ok);
	i->state.carts_ttl_ms = o.carts_ttl_ms;
	i->state.payments_ttl_ms = o.payments_ttl_ms;
}

struct instance *instance_create(const struct commerce_options *options, bool is_replay)
{
	struct instance *i = calloc(1, sizeof *i);
	struct store_options store = {.is_plane = true, .capacity = 10000, .readers_max = 1, .kernel = "auto"};
	struct journal_report report;
	assert_non_null(i);
	assert_int_equal(arena_init(&i->arena, ARENA_BYTES, &(struct arena_options){.name = "test"}), STATUS_ok);
	setup_commerce(i, options);
	i->state.commerce = &i->commerce;
	i->state.is_plane = true;
	i->now_ms = START_MS * INT64_C(1000);
	if (is_replay)
		return i;
	assert_int_equal(store_setup(&i->state.store, &store), STATUS_ok);
	assert_int_equal(store_reader_create(i->state.store, &i->state.reader), STATUS_ok);
	make_folder(i->folder);
	struct journal_options journal = small_options(i->folder);
	journal.segment_bytes = 4 << 20;
	assert_int_equal(journal_open(&i->state.journal, &journal, 0, NULL, NULL, &report), STATUS_ok);
	return i;
}

void instance_destroy(struct instance **out)
{
	struct instance *i = *out;
	*out = NULL;
	if (i->state.journal != NULL) {
		journal_close(&i->state.journal);
		remove_folder(i->folder);
		store_reader_destroy(&i->state.reader);
		store_teardown(&i->state.store);
	}
	commerce_teardown(&i->commerce);
	arena_deinit(&i->arena);
	free(i);
}

status instance_plan(struct instance *i, const char *json, struct effect_head **effect)
{
	*effect = NULL;
	i->problem = (struct problem){};
	status s = request_open(&i->request, json, strlen(json), &limits, &i->arena, &i->problem);
	if (s == STATUS_ok)
		s = request_next(&i->request, &i->event, &i->problem);
	if (s != STATUS_ok)
		fail_msg("%s: %s", json, i->problem.message);
	const struct handler *handler = dispatch_handler(i->event.type);
	struct planning planning = {
		.event = &i->event,
		.at_ms = (i->event.head->flags & EVENT_HAS_AT) != 0 ? i->event.head->at_ms : i->now_ms,
		.now_ms = i->now_ms,
		.arena = &i->arena,
		.problem = &i->problem,
	};
	commerce_prepare(&i->commerce, handler->needs);
	s = handler->plan(&i->state, &planning, effect);
	if (s != STATUS_ok)
		*effect = NULL;
	return s;
}

void instance_apply(struct instance *i, const struct effect_head *effect)
{
	struct journal_place at = {.sequence = ++i->seq, .place = i->place + 1};
	struct journal_entry entry = {.type = effect->type, .body = effect, .body_bytes = effect->bytes, .time_ms = effect->at_ms};
	while (i->state.journal != NULL && journal_append(i->state.journal, &entry, &at) != STATUS_ok)
		(void)journal_wait(i->state.journal, i->seq - 1, 100);
	if (i->state.journal != NULL)
		journal_commit(i->state.journal);
	i->place = at.place;
	dispatch_effect((enum effect_type)effect->type)->apply(&i->state, effect, i->place);
	if (i->state.store != NULL)
		store_publish(i->state.store);
}

void instance_forget(struct instance *i) { arena_reset(&i->arena, 0); }

status instance_do(struct instance *i, const char *json)
{
	struct effect_head *effect;
	status s = instance_plan(i, json, &effect);
	if (s == STATUS_ok)
		instance_apply(i, effect);
	instance_forget(i);
	return s;
}
