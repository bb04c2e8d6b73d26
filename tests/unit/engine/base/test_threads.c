/* ring, wakeup and epoch with real threads; worth most under SAN=thread. */
#include "engine/base/clock.h"
#include "engine/base/epoch.h"
#include "engine/base/ring.h"
#include "engine/base/wakeup.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { PRODUCERS = 3, ITEMS = 20000 };

struct exchange {
	struct ring ring;
	struct wakeup wakeup;
	_Atomic unsigned refused;
};

struct item {
	unsigned producer, number;
};

struct producer {
	struct exchange *exchange;
	unsigned number;
	struct item items[ITEMS];
};

static void *produce(void *argument)
{
	struct producer *p = argument;
	for (unsigned i = 0; i < ITEMS; i++) {
		p->items[i] = (struct item){p->number, i};
		while (ring_push(&p->exchange->ring, &p->items[i]) != STATUS_ok) {
			atomic_fetch_add(&p->exchange->refused, 1);
			sched_yield();
		}
		wakeup_signal(&p->exchange->wakeup);
	}
	return NULL;
}

static void everything_arrives_once_and_in_each_producers_order(void **state)
{
	(void)state;
	static struct exchange x;
	static struct producer producers[PRODUCERS];
	pthread_t threads[PRODUCERS];
	unsigned next[PRODUCERS] = {};
	assert_int_equal(ring_init(&x.ring, 64), STATUS_ok);
	wakeup_init(&x.wakeup);
	for (unsigned i = 0; i < PRODUCERS; i++) {
		producers[i].exchange = &x;
		producers[i].number = i;
		pthread_create(&threads[i], NULL, produce, &producers[i]);
	}
	for (unsigned taken = 0; taken < PRODUCERS * ITEMS;) {
		uint32_t ticket = wakeup_prepare(&x.wakeup);
		struct item *item = ring_pop(&x.ring);
		if (item == NULL) {
			wakeup_wait(&x.wakeup, ticket, 1000);
			continue;
		}
		assert_int_equal(item->number, next[item->producer]++);
		taken++;
	}
	for (unsigned i = 0; i < PRODUCERS; i++)
		pthread_join(threads[i], NULL);
	assert_null(ring_pop(&x.ring));
	ring_deinit(&x.ring);
}

static void a_full_ring_says_so(void **state)
{
	(void)state;
	struct ring ring;
	int things[8];
	assert_int_equal(ring_init(&ring, 4), STATUS_ok);
	for (int i = 0; i < 3; i++)
		assert_int_equal(ring_push(&ring, &things[i]), STATUS_ok);
	assert_int_equal(ring_push(&ring, &things[3]), STATUS_overloaded);
	assert_int_equal(ring_size(&ring), 3);
	assert_ptr_equal(ring_pop(&ring), &things[0]);
	assert_int_equal(ring_push(&ring, &things[3]), STATUS_ok);
	ring_deinit(&ring);
}

static void a_wait_without_a_signal_ends(void **state)
{
	(void)state;
	struct wakeup w;
	wakeup_init(&w);
	int64_t start = clock_monotonic_ns();
	wakeup_wait(&w, wakeup_prepare(&w), 20);
	assert_true(clock_monotonic_ns() - start > 10000000);
	uint32_t ticket = wakeup_prepare(&w);
	wakeup_signal(&w);
	start = clock_monotonic_ns();
	wakeup_wait(&w, ticket, 10000); /* the signal came after prepare: no sleep */
	assert_true(clock_monotonic_ns() - start < 5000000000);
}

struct shared {
	struct epoch epoch;
	struct epoch_record reader, writer;
	_Atomic(int *) value;
	atomic_bool stop;
	_Atomic uint64_t seen;
};

static void *read_values(void *argument)
{
	struct shared *s = argument;
	while (!atomic_load(&s->stop)) {
		epoch_enter(&s->reader);
		int *value = atomic_load_explicit(&s->value, memory_order_acquire);
		CHECK(*value == 42, "a reader saw freed memory: %d", *value);
		epoch_leave(&s->epoch, &s->reader);
		atomic_fetch_add(&s->seen, 1);
	}
	return NULL;
}

static void memory_is_freed_only_behind_the_last_reader(void **state)
{
	(void)state;
	static struct shared s;
	pthread_t thread;
	epoch_init(&s.epoch);
	epoch_register(&s.epoch, &s.reader);
	epoch_register(&s.epoch, &s.writer);
	int *value = malloc(sizeof *value);
	*value = 42;
	atomic_store(&s.value, value);
	pthread_create(&thread, NULL, read_values, &s);
	for (int i = 0; i < 2000; i++) {
		int *newer = malloc(sizeof *newer);
		*newer = 42;
		int *older = atomic_exchange(&s.value, newer);
		epoch_wait(&s.epoch, &s.writer);
		*older = 0;
		free(older);
	}
	while (atomic_load(&s.seen) == 0)
		sched_yield();
	atomic_store(&s.stop, true);
	pthread_join(thread, NULL);
	free(atomic_load(&s.value));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_arrives_once_and_in_each_producers_order),
		cmocka_unit_test(a_full_ring_says_so),
		cmocka_unit_test(a_wait_without_a_signal_ends),
		cmocka_unit_test(memory_is_freed_only_behind_the_last_reader),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
