/*
 * A binary payment command is validated and planned in the buffer in which it arrived: no byte of it is copied and
 * nothing is allocated before its effect is written.
 */
#include "engine/handler/handler.h"
#include "engine/router/dispatch.h"
#include "proto/frame.h"
#include "tests/support/allocation_count.h"
#include "tests/support/instance.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

enum { HELD = 1000, AMOUNT = 250, PAGE = 4096, ODD = 3 };
#if defined(TROVE_DEBUG) || defined(SANITIZER_ADDRESS)
enum { GUARD = 16 };
#else
enum { GUARD = 0 };
#endif

static const struct protocol_limits limits = {.batch_max = 64, .is_plane = true};

/* A message of its own mapping, which nobody may write; at an odd address, as messages come. */
struct message {
	uint8_t *page;
	const uint8_t *bytes;
	size_t count;
	struct payment_amount_record *record; /* in it */
};

static void build(struct message *m)
{
	struct payment_amount_record capture = {
		.head = {.id = {2, 0}, .flags = EVENT_HAS_ID}, .payment = {7, 0}, .amount = AMOUNT};
	struct cursor out;
	m->page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(m->page != MAP_FAILED);
	cursor_init(&out, (char *)m->page + ODD, PAGE - ODD);
	frame_build(&out, EVENT_payment_capture, 1, &capture, 1, "", 0);
	m->bytes = m->page + ODD;
	m->count = cursor_used(&out);
	m->record = (void *)(m->page + ODD + sizeof(struct frame_header));
}

static struct instance *make(struct message *m)
{
	struct instance *i = instance_create(&(struct commerce_options){.seed = 1}, false);
	static const char authorize[] =
		"{\"type\":\"payment.authorize\",\"id\":1,\"payment\":7,\"amount\":1000,\"currency\":\"EUR\"}";
	assert_int_equal(instance_do(i, authorize), STATUS_ok);
	build(m);
	return i;
}

static void discard(struct instance *i, struct message *m)
{
	munmap(m->page, PAGE);
	instance_destroy(&i);
}

static status decode(struct instance *i, const struct message *m)
{
	status s = request_open(&i->request, m->bytes, m->count, &limits, &i->arena, &i->problem);
	return s == STATUS_ok ? request_next(&i->request, &i->event, &i->problem) : s;
}

static status plan(struct instance *i, struct effect_head **effect)
{
	struct planning planning = {
		.event = &i->event, .at_ms = i->now_ms, .now_ms = i->now_ms, .arena = &i->arena, .problem = &i->problem};
	const struct handler *handler = dispatch_handler(i->event.type);
	commerce_prepare(&i->commerce, handler->needs);
	return handler->plan(&i->state, &planning, effect);
}

static void the_event_is_the_buffer(void **state)
{
	struct message m;
	struct instance *i = make(&m);
	(void)state;
	assert_int_equal(decode(i, &m), STATUS_ok);
	assert_int_equal(i->event.type, EVENT_payment_capture);
	assert_ptr_equal(i->event.payment_amount, m.record);
	assert_ptr_equal(i->event.head, m.bytes + sizeof(struct frame_header));
	assert_int_equal(arena_mark(&i->arena), 0); /* decoding took nothing */
	discard(i, &m);
}

static void nothing_is_allocated_and_the_buffer_is_only_read(void **state)
{
	struct message m;
	struct instance *i = make(&m);
	struct effect_head *effect = NULL;
	(void)state;
	assert_int_equal(mprotect(m.page, PAGE, PROT_READ), 0);
	allocation_count_start();
	status decoded = decode(i, &m);
	size_t taken_by_decoding = arena_mark(&i->arena);
	status planned = plan(i, &effect);
	uint64_t allocations = allocation_count_stop();
	assert_int_equal(decoded, STATUS_ok);
	assert_int_equal(planned, STATUS_ok);
	assert_int_equal(taken_by_decoding, 0);
	if (allocation_count_available())
		assert_int_equal(allocations, 0);
	/* What was taken is the effect, with the event packed behind it, and not a byte more (but an arena's own guard). */
	assert_in_range(arena_mark(&i->arena), effect->bytes, effect->bytes + GUARD);
	assert_int_equal(effect->bytes, sizeof(struct effect_payment) + sizeof(struct payment_amount_record));
	assert_int_equal(((const struct effect_payment *)(const void *)effect)->amount, AMOUNT);
	discard(i, &m);
}

/* A copy would still say what stood there when it was made. */
static void plan_reads_what_stands_in_the_buffer_now(void **state)
{
	struct message m;
	struct instance *i = make(&m);
	struct effect_head *effect = NULL;
	(void)state;
	for (int64_t amount = 1; amount <= HELD; amount += 333) {
		m.record->amount = AMOUNT;
		assert_int_equal(decode(i, &m), STATUS_ok);
		m.record->amount = amount;
		assert_int_equal(plan(i, &effect), STATUS_ok);
		assert_int_equal(((const struct effect_payment *)(const void *)effect)->amount, amount);
		assert_int_equal(((const struct effect_payment *)(const void *)effect)->payment.captured, amount);
		instance_forget(i);
	}
	assert_int_equal(decode(i, &m), STATUS_ok);
	m.record->payment.low = 8;
	assert_int_equal(plan(i, &effect), STATUS_not_found);
	discard(i, &m);
}

/* Nobody reads the buffer once the effect is written: it may go before apply and answer. */
static void the_effect_needs_the_buffer_no_more(void **state)
{
	struct message m;
	struct instance *i = make(&m);
	struct effect_head *effect = NULL;
	(void)state;
	assert_int_equal(decode(i, &m), STATUS_ok);
	assert_int_equal(plan(i, &effect), STATUS_ok);
	assert_int_equal(mprotect(m.page, PAGE, PROT_NONE), 0);
	instance_apply(i, effect);
	const struct payment *p = payments_find(&i->commerce.payments, (struct identifier){.low = 7});
	assert_non_null(p);
	assert_int_equal(p->captured, AMOUNT);
	discard(i, &m);
}

/* What is refused is refused there, too: each byte that may not be so is found before anything is taken. */
static void validation_reads_the_buffer(void **state)
{
	struct message m;
	struct instance *i = make(&m);
	(void)state;
	m.record->amount = -5;
	assert_int_equal(decode(i, &m), STATUS_invalid_field);
	m.record->amount = AMOUNT;
	m.record->head.flags |= 1u << 31;
	assert_int_not_equal(decode(i, &m), STATUS_ok);
	m.record->head.flags = 0;
	assert_int_equal(decode(i, &m), STATUS_missing_field);
	assert_int_equal(arena_mark(&i->arena), 0);
	discard(i, &m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_event_is_the_buffer),
		cmocka_unit_test(nothing_is_allocated_and_the_buffer_is_only_read),
		cmocka_unit_test(plan_reads_what_stands_in_the_buffer_now),
		cmocka_unit_test(the_effect_needs_the_buffer_no_more),
		cmocka_unit_test(validation_reads_the_buffer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
