/*
 * Snapshots of commerce as a service uses them: change, save, forget the past; killed at any
 * moment, a start from the newest whole snapshot comes, with the changes behind it, to the state of an
 * instance that saw all of them.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "engine/base/check.h"
#include "engine/base/random.h"
#include "engine/commerce/save.h"
#include "engine/journal/snapshot.h"
#include "tests/support/journal_files.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { KILLS = 60, CHANGES_BETWEEN = 40, CARTS = 40, EXTENTS = 60, PAYMENTS = 30, CLAIMS = 50 };

static const uint64_t identity[2] = {5, 6};

static void setup(struct commerce *c, uint64_t seed)
{
	struct commerce_options o = {
		.products_capacity = 10, .carts_capacity = CARTS, .carts_extents = EXTENTS, .payments_capacity = PAYMENTS,
		.claims_capacity = CLAIMS, .payments_history = 500,
		.idempotency_capacity = 500, .idempotency_age_ms = 1 << 20, .seed = seed};
	CHECK(commerce_setup(c, &o) == STATUS_ok, "no memory");
}

/* ---- the nth change: what it does follows from n and the state ------------------------------------ */

static struct identifier id(uint64_t n) { return (struct identifier){n, 9, n % 2 == 0}; }

static void evict_cart(struct commerce *c, const struct victim *victim)
{
	if (victim->is_needed)
		carts_evict(&c->carts, victim->id);
}

static void open_cart(struct commerce *c, struct random *r, int64_t now_ms)
{
	struct victim victim;
	struct cart_opening o = {.cart = id(random_below(r, 200)), .currency = currency_parse("EUR"), .ttl_ms = 9000};
	commerce_prepare(c, COMMERCE_NEEDS_cart);
	if (carts_can_open(&c->carts, &o, &victim) != STATUS_ok)
		return;
	evict_cart(c, &victim);
	carts_open(&c->carts, &o, now_ms);
}

static void add_line(struct commerce *c, struct random *r, int64_t now_ms)
{
	struct victim victim;
	struct cart_line line = {.unit_price = (int64_t)random_below(r, 900), .quantity = 1};
	struct identifier cart = id(random_below(r, 200));
	CHECK(sku_make(&line.sku, "some-sku", 5 + random_below(r, 4)), "no sku");
	commerce_prepare(c, COMMERCE_NEEDS_lines);
	if (carts_can_add(&c->carts, cart, &line, currency_parse("EUR"), &victim) != STATUS_ok)
		return;
	evict_cart(c, &victim);
	carts_add(&c->carts, cart, &line, now_ms);
}

static void close_cart(struct commerce *c, struct random *r, int64_t now_ms)
{
	struct cart_totals totals;
	struct identifier cart = id(random_below(r, 200));
	const struct cart *found = carts_find(&c->carts, cart);
	if (carts_can_check_out(&c->carts, cart, &totals) == STATUS_ok && random_below(r, 2) == 0)
		carts_check_out(&c->carts, cart, now_ms);
	else if (found != NULL && found->state == CART_open)
		commerce_expire_cart(c, cart, now_ms);
}

static void put_payment(struct commerce *c, const struct payment *after)
{
	struct victim victim;
	struct payment last;
	commerce_prepare(c, COMMERCE_NEEDS_payment);
	if (payments_can_put(&c->payments, after, &victim) != STATUS_ok)
		return;
	if (victim.is_needed)
		payments_evict(&c->payments, victim.id, &last);
	payments_put(&c->payments, after);
}

static void pay(struct commerce *c, struct random *r)
{
	uint64_t n = random_below(r, 60);
	const struct payment *before = payments_find(&c->payments, id(n));
	struct payment after = {.id = id_pack(id(n)), .currency = currency_parse("EUR"), .expires_s = 100};
	enum payment_event event = before == NULL ? PAYMENT_DO_authorize : 1 + (enum payment_event)random_below(r, 3);
	int64_t amount = event == PAYMENT_DO_void ? PAYMENT_ALL : 1 + (int64_t)random_below(r, 50);
	if (payment_plan(before, event, amount, &after) == STATUS_ok)
		put_payment(c, &after);
}

static void claim(struct commerce *c, struct random *r, int64_t now_ms)
{
	struct victim victim;
	struct claim new = {.id = id_pack(id(random_below(r, 100))), .actor = id_pack(id(random_below(r, 4))),
	                    .reward = id_pack(id(random_below(r, 4))), .benefit_value = 700, .benefit_type = BENEFIT_PERCENT};
	struct identifier cart = id(random_below(r, 200)), used = id_unpack(new.id, false);
	commerce_prepare(c, COMMERCE_NEEDS_claim | COMMERCE_NEEDS_lines);
	if (claims_can_add(&c->claims, &new, (struct claim_terms){STOCK_UNLIMITED, 8}) == STATUS_ok) {
		claims_add(&c->claims, &new);
	} else if (commerce_can_apply_claim(c, cart, used, &victim) == STATUS_ok) {
		evict_cart(c, &victim);
		commerce_apply_claim(c, cart, used, now_ms);
	} else if (claims_can_remove(&c->claims, used) == STATUS_ok && random_below(r, 3) == 0) {
		claims_remove(&c->claims, used);
	}
}

static void put_product(struct commerce *c, struct random *r)
{
	struct product p = {.unit_price = (int64_t)random_below(r, 1000), .name_bytes = 3, .name = "abc"};
	p.currency = currency_parse("EUR");
	CHECK(sku_make(&p.sku, "product-names", 1 + random_below(r, 13)), "no sku");
	commerce_prepare(c, COMMERCE_NEEDS_product);
	if (products_can_put(&c->products, &p) == STATUS_ok)
		products_put(&c->products, &p);
	else if (products_can_remove(&c->products, &p.sku) == STATUS_ok)
		products_remove(&c->products, &p.sku);
}

static void change(struct commerce *c, uint64_t n)
{
	struct random r = {.state = n * 0x2545f4914f6cdd1du};
	int64_t now_ms = 1000000 + (int64_t)n * 7;
	switch (random_below(&r, 10)) {
	case 0: put_product(c, &r); break;
	case 1:
	case 2: open_cart(c, &r, now_ms); break;
	case 3:
	case 4:
	case 5: add_line(c, &r, now_ms); break;
	case 6: close_cart(c, &r, now_ms); break;
	case 7: claim(c, &r, now_ms); break;
	default: pay(c, &r); break;
	}
	struct identifier event = id(random_below(&r, 3000));
	if (idempotency_find(&c->idempotency, event, n, now_ms).match == IDEMPOTENCY_new)
		idempotency_remember(&c->idempotency, event, n, n, now_ms);
}

/* ---- a life ------------------------------------------------------------------------------------------- */

/* The sequence of the newest snapshot, which is in the instance then; 0: there is none. */
static uint64_t load(struct snapshots *s, struct commerce *c)
{
	struct snapshot_found found;
	struct commerce_restore r;
	status result = snapshot_find(s, identity, &found);
	if (result == STATUS_not_found)
		return 0;
	CHECK(result == STATUS_ok && found.refused == 0, "%s", found.text);
	commerce_restore_start(&r, c);
	result = snapshot_read(s, found.sequence, commerce_restore_put, &r);
	CHECK(result == STATUS_ok && commerce_restore_finish(&r) == STATUS_ok, "%s: %s%s", status_code(result), r.text, s->text);
	return found.sequence;
}

static void save(struct snapshots *s, const struct commerce *c, uint64_t sequence)
{
	uint64_t needed;
	CHECK(snapshot_start(s, identity, sequence, 1) == STATUS_ok && commerce_save(c, snapshot_put, s) == STATUS_ok &&
	      snapshot_finish(s) == STATUS_ok && snapshot_drop_old(s, &needed) == STATUS_ok && needed < sequence,
	      "cannot save: %s", s->text);
}

static void open_snapshots(struct snapshots *s, const char *folder)
{
	CHECK(snapshots_open(s, &(struct snapshot_options){.directory = folder, .chunk_bytes = 4096}) == STATUS_ok, "%s", s->text);
}

/* Never returns. Says by the pipe what is saved. */
[[noreturn]] static void live(const char *folder, int pipe)
{
	static struct commerce c;
	static struct snapshots s;
	setup(&c, 0);
	open_snapshots(&s, folder);
	for (uint64_t n = load(&s, &c);;) {
		for (unsigned i = 0; i < CHANGES_BETWEEN; i++)
			change(&c, ++n);
		save(&s, &c, n);
		if (write(pipe, &n, sizeof n) != sizeof n)
			_exit(1);
	}
}

/* Kills it after a while; the last sequence that it said. */
static uint64_t live_and_die(const char *folder, struct random *random)
{
	int ends[2], code;
	uint64_t said = 0;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid_t child = fork();
	if (child == 0)
		live(folder, ends[1]);
	close(ends[1]);
	/* It saves once at least: what this process has tried out ahead is behind it then. */
	assert_int_equal(read(ends[0], &said, sizeof said), sizeof said);
	usleep((useconds_t)random_below(random, 6000));
	kill(child, SIGKILL);
	while (read(ends[0], &said, sizeof said) == sizeof said)
		;
	close(ends[0]);
	assert_int_equal(waitpid(child, &code, 0), child);
	assert_true(WIFSIGNALED(code));
	return said;
}

static void killed_at_any_moment_it_starts_from_a_whole_one(void **state)
{
	static struct commerce all, loaded;
	static struct snapshots s;
	char folder[FILES_PATH_BYTES];
	struct random random = {.state = 4};
	uint64_t seen = 0;
	(void)state;
	make_folder(folder);
	setup(&all, 1);
	for (unsigned i = 0; i < KILLS; i++) {
		uint64_t said = live_and_die(folder, &random);
		setup(&loaded, 2);
		open_snapshots(&s, folder);
		uint64_t n = load(&s, &loaded);
		assert_true(n >= said && n >= seen);
		while (seen < n)
			change(&all, ++seen);
		assert_true(commerce_is_valid(&loaded));
		assert_true(commerce_digest(&loaded) == commerce_digest(&all));
		/* And the same from here on. */
		for (uint64_t k = 1; k <= CHANGES_BETWEEN; k++) {
			change(&loaded, n + k);
			change(&all, ++seen);
		}
		assert_true(commerce_digest(&loaded) == commerce_digest(&all));
		snapshots_close(&s);
		commerce_teardown(&loaded);
	}
	printf("%u kills, %llu changes\n", KILLS, (unsigned long long)seen);
	commerce_teardown(&all);
	remove_folder(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(killed_at_any_moment_it_starts_from_a_whole_one)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
