#include "tests/support/crowd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void check_each(const struct crowd *c)
{
	for (unsigned i = 0; i < c->count; i++)
		if (c->shopper[i].wrong[0] != '\0')
			fail_msg("%s", c->shopper[i].wrong);
}

/* Where pools are made to fail, a connection may be closed at once: the next one is not. */
static void connect_surely(struct peer *p, const struct service *s)
{
	char reply[64];
	for (int tries = 0; tries < 10; tries++) {
		if (peer_open(p, s->port) && peer_ask(p, "{\"type\":\"ping\"}", reply, sizeof reply))
			return;
		peer_close(p);
	}
	fail_msg("no connection stays");
}

void crowd_init(struct crowd *c, const struct service *s, unsigned count, uint64_t seed)
{
	struct peer p;
	char reply[4096];
	*c = (struct crowd){.count = count, .pause_us = 2000};
	assert_true(count <= CROWD_MAX);
	connect_surely(&p, s);
	/* Some may be put off, where pools are made to fail. */
	for (int tries = 0; !shop_open(&p, reply, sizeof reply); tries++)
		if (tries == 50 || strstr(reply, "same_id") == NULL)
			fail_msg("%s", reply);
	peer_close(&p);
	for (unsigned i = 0; i < count; i++) {
		shopper_init(&c->shopper[i], i + 1, seed);
		c->shopper[i].crowd = c;
		connect_surely(&c->shopper[i].peer, s);
	}
}

void crowd_deinit(struct crowd *c)
{
	for (unsigned i = 0; i < c->count; i++)
		shopper_deinit(&c->shopper[i]);
}

static void *shop(void *argument)
{
	struct shopper *s = argument;
	struct crowd *c = s->crowd;
	while (!c->is_over && shopper_go(s))
		usleep((unsigned)random_below(&s->random, c->pause_us + 1));
	return NULL;
}

void crowd_start(struct crowd *c)
{
	c->is_over = false;
	for (unsigned i = 0; i < c->count; i++)
		assert_int_equal(pthread_create(&c->thread[i], NULL, shop, &c->shopper[i]), 0);
}

void crowd_stop(struct crowd *c)
{
	c->is_over = true;
	for (unsigned i = 0; i < c->count; i++)
		pthread_join(c->thread[i], NULL);
	check_each(c);
	for (unsigned i = 0; i < c->count; i++)
		if (c->shopper[i].is_waiting)
			fail_msg("shopper %u had no answer to %s", i + 1, c->shopper[i].batch[0].text);
}

void crowd_check(struct crowd *c, const struct service *s)
{
	char text[64], reply[1024];
	for (unsigned i = 0; i < c->count; i++) {
		struct shopper *one = &c->shopper[i];
		peer_close(&one->peer);
		connect_surely(&one->peer, s);
		(void)(shopper_come_back(one) && shopper_audit(one));
	}
	check_each(c);
	for (unsigned i = 0; i < SHOP_REWARDS; i++) {
		uint64_t claims = 0;
		for (unsigned k = 0; k < c->count; k++)
			claims += shopper_model(&c->shopper[k])->claims[i];
		snprintf(text, sizeof text, "{\"type\":\"reward.get\",\"reward\":%u}", i + 1);
		assert_true(peer_ask(&c->shopper[0].peer, text, reply, sizeof reply));
		assert_int_equal(text_number(reply, "remaining") + (int64_t)claims, SHOP_STOCK);
	}
}
