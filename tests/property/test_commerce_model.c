/*
 * All of commerce beside a naive model (tests/support/commerce_model): random changes, with and
 * without borrows that fail. Every change that was accepted is done once more in a second
 * instance: both must come to the same digest. Money is added up apart, from the accepted
 * events alone. The second instance is now and then saved and restored, and where borrows do not
 * fail, the first one, too: the model must not notice.
 */
#include "engine/commerce/save.h"
#include "tests/support/allocation_count.h"
#include "tests/support/commerce_model.h"

/* ---- payments ------------------------------------------------------------------------------------------- */

static bool is_resting(const struct m_payment *p) { return p->is_in_pool && !p->is_open; }

/* Puts what was planned into both instances, and who leaves out of them. */
static bool put_payment(struct model *m, unsigned n, const struct payment *after, const char *what)
{
	struct m_payment *p = &m->payment[n];
	struct victim victim;
	int gone = -1;
	bool needs = !payment_is_final(after) && !p->is_in_pool;
	commerce_prepare(&m->a, COMMERCE_NEEDS_payment);
	bool has_room = m_prepare(&m->payments);
	if (needs && !has_room)
		for (unsigned i = 0; i < m->payment_count; i++)
			if (is_resting(&m->payment[i]) && (gone < 0 || m->payment[i].touched < m->payment[gone].touched))
				gone = (int)i;
	status wanted = needs && !has_room && gone < 0 ? STATUS_pool_exhausted : STATUS_ok;
	if (!agree(m, payments_can_put(&m->a.payments, after, &victim), wanted, what))
		return false;
	assert_int_equal(victim.is_needed, gone >= 0);
	if (gone >= 0) {
		struct payment last;
		assert_int_equal(victim.id.low, gone);
		payments_evict(&m->a.payments, victim.id, &m->payment[gone].left);
		payments_evict(&m->b.payments, victim.id, &last);
		assert_memory_equal(&last, &m->payment[gone].left, sizeof last);
		m->payment[gone].is_in_pool = false;
		m_keep(&m->payments);
		m->evictions++;
	}
	if (needs)
		m_take(&m->payments);
	else if (payment_is_final(after) && p->is_in_pool)
		m->payments.in_use--;
	p->is_in_pool = !payment_is_final(after);
	p->left = *after;
	p->touched = ++m->clock;
	payments_put(&m->a.payments, after);
	payments_put(&m->b.payments, after);
	return true;
}

static void do_authorize(struct model *m)
{
	unsigned n = m->payment_count;
	if (n == PAYMENT_IDS)
		return;
	int64_t amount = 1 + below(m, 1000);
	struct payment after = {.id = id_pack(id(n)), .currency = m->eur, .flags = n % 2 ? PAYMENT_ID_IS_UUID : 0,
	                        .expires_s = (uint32_t)(m->now_ms / 1000 + 1 + below(m, 60))};
	assert_int_equal(payment_plan(NULL, PAYMENT_DO_authorize, amount, &after), STATUS_ok);
	m->payment[n] = (struct m_payment){.is_there = true, .is_open = true, .authorized = amount};
	if (!put_payment(m, n, &after, "payment.authorize"))
		return;
	m->payment_count++;
	m->sum_authorized += amount;
}

static const struct payment *record_of(struct model *m, unsigned n)
{
	const struct payment *in_pool = payments_find(&m->a.payments, id(n));
	assert_int_equal(in_pool != NULL, m->payment[n].is_in_pool);
	return in_pool != NULL ? in_pool : &m->payment[n].left;
}

/* What the event takes, or why not. */
static status m_event_on(const struct m_payment *p, enum payment_event event, int64_t amount, int64_t *taken)
{
	int64_t held = p->is_open ? p->authorized - p->captured : 0, most = 0;
	bool is_possible = p->is_open;
	if (event == PAYMENT_DO_authorize)
		return STATUS_already_exists;
	if (event == PAYMENT_DO_refund) {
		is_possible = p->was_captured && (p->is_open || p->refunded < p->captured);
		most = p->captured - p->refunded;
	} else {
		most = held;
	}
	*taken = amount == PAYMENT_ALL ? most : amount;
	return !is_possible ? STATUS_invalid_state : *taken > most ? STATUS_amount_exceeds : STATUS_ok;
}

static void pay(struct model *m, unsigned n, enum payment_event event, int64_t amount)
{
	struct m_payment *p = &m->payment[n];
	struct payment after;
	int64_t taken = 0;
	status wanted = m_event_on(p, event, amount, &taken);
	if (!agree(m, payment_plan(record_of(m, n), event, amount, &after), wanted, payment_event_name(event)) ||
	    !put_payment(m, n, &after, payment_event_name(event)))
		return;
	if (event == PAYMENT_DO_capture) {
		p->captured += taken;
		m->sum_captured += taken;
		p->was_captured = true;
		p->is_open = p->captured < p->authorized;
	} else if (event == PAYMENT_DO_refund) {
		p->refunded += taken;
		m->sum_refunded += taken;
	} else {
		p->voided += taken;
		m->sum_voided += taken;
		p->is_open = false;
	}
}

static void do_pay(struct model *m)
{
	if (m->payment_count == 0)
		return;
	unsigned reach = m->payment_count < REACH ? m->payment_count : REACH;
	enum payment_event event = (enum payment_event)below(m, PAYMENT_DO_void + 1);
	bool takes_all = event == PAYMENT_DO_void || below(m, 3) == 0;
	pay(m, m->payment_count - 1 - below(m, reach), event,
	    event != PAYMENT_DO_authorize && takes_all ? PAYMENT_ALL : 1 + below(m, event == PAYMENT_DO_authorize ? 10 : 600));
}

static void do_sweep_payments(struct model *m)
{
	struct identifier ids[PAYMENTS_MAX];
	unsigned expected = 0;
	for (unsigned n = 0; n < m->payment_count; n++)
		expected += m->payment[n].is_open && record_of(m, n)->expires_s <= m->now_ms / 1000;
	uint32_t found = payments_sweep(&m->a.payments, &m->payment_hand, m->now_ms, PAYMENTS_MAX, ids, PAYMENTS_MAX);
	assert_int_equal(found, expected);
	for (uint32_t i = 0; i < found; i++)
		pay(m, (unsigned)ids[i].low, PAYMENT_DO_expire, PAYMENT_ALL);
}

/* ---- idempotency ------------------------------------------------------------------------------------------ */

static void do_event(struct model *m)
{
	unsigned n = below(m, EVENT_IDS);
	uint64_t content = below(m, 3);
	unsigned behind = 0;
	const struct m_event *known = NULL;
	for (unsigned i = m->event_count; i-- > 0 && known == NULL && behind < WINDOW + 3 * IDEMPOTENCY_BLOCK; behind++)
		if (m->event[i].id == n)
			known = &m->event[i];
	struct idempotency_found f = idempotency_find(&m->a.idempotency, id(n), content, m->now_ms);
	if (known == NULL || behind > WINDOW + 2 * IDEMPOTENCY_BLOCK)
		assert_int_equal(f.match, IDEMPOTENCY_new);
	else if (behind <= WINDOW)
		assert_int_not_equal(f.match, IDEMPOTENCY_new);
	if (f.match == IDEMPOTENCY_new) {
		m->event[m->event_count++] = (struct m_event){n, content};
		idempotency_remember(&m->a.idempotency, id(n), content, m->event_count, m->now_ms);
		idempotency_remember(&m->b.idempotency, id(n), content, m->event_count, m->now_ms);
		return;
	}
	assert_int_equal(f.match, known->content == content ? IDEMPOTENCY_same : IDEMPOTENCY_other);
	assert_int_equal(f.position, known - m->event + 1);
}

/* ---- comparison --------------------------------------------------------------------------------------------- */

static void compare_cart(struct model *m, unsigned n)
{
	const struct m_cart *c = &m->cart[n];
	const struct cart *cart = carts_find(&m->a.carts, id(n));
	assert_int_equal(cart == NULL ? CART_none : cart->state, c->state);
	if (cart == NULL)
		return;
	assert_int_equal(cart->time_s, c->time_s);
	assert_int_equal(carts_line_count(&m->a.carts, cart), c->count);
	struct cart_cursor at;
	const struct cart_line *line = cart_first_line(&m->a.carts, cart, &at);
	for (unsigned i = 0; i < c->count; i++, line = cart_next_line(&m->a.carts, &at)) {
		struct sku sku = sku_of(c->lines[i].sku);
		assert_non_null(line);
		assert_true(sku_equal(&line->sku, &sku) && line->quantity == c->lines[i].quantity &&
		            line->unit_price == c->lines[i].price);
	}
	assert_null(line);
	struct cart_totals totals;
	carts_totals(&m->a.carts, cart, &totals);
	assert_true(totals.subtotal == model_subtotal(c) && totals.discount == model_discount(c) && totals.total >= 0);
}

static void compare_money(struct model *m)
{
	int64_t authorized = 0, captured = 0, refunded = 0, voided = 0;
	for (unsigned n = 0; n < m->payment_count; n++) {
		const struct payment *p = record_of(m, n);
		assert_true(0 <= p->refunded && p->refunded <= p->captured && p->captured + p->voided <= p->authorized);
		assert_true(p->captured == m->payment[n].captured && p->refunded == m->payment[n].refunded);
		assert_int_equal(payment_is_open(p), m->payment[n].is_open);
		authorized += p->authorized;
		captured += p->captured;
		refunded += p->refunded;
		voided += p->voided;
	}
	assert_true(authorized == m->sum_authorized && captured == m->sum_captured && refunded == m->sum_refunded &&
	            voided == m->sum_voided);
}

static void compare(struct model *m)
{
	assert_int_equal(slots_in_use(&m->a.products.slots), m->products.in_use);
	assert_int_equal(slots_in_use(&m->a.carts.slots), m->carts.in_use);
	assert_int_equal(slots_in_use(&m->a.carts.extents), m->extents.in_use);
	assert_int_equal(slots_in_use(&m->a.payments.slots), m->payments.in_use);
	assert_int_equal(slots_in_use(&m->a.claims.slots), m->claims.in_use);
	assert_int_equal(slots_in_use(&m->a.claims.tallies), m->tallies.in_use);
	assert_true(commerce_is_valid(&m->a));
	assert_true(commerce_is_valid(&m->b));
	assert_true(commerce_digest(&m->a) == commerce_digest(&m->b));
	for (unsigned n = 0; n < CART_IDS; n++)
		compare_cart(m, n);
	for (unsigned k = 1; k <= CLAIM_IDS; k++) {
		const struct claim *claim = claims_find(&m->a.claims, id(k));
		assert_int_equal(claim != NULL, m->claim[k].is_there);
		assert_true(claim == NULL || (claim->flags & CLAIM_IS_USED) / CLAIM_IS_USED == m->claim[k].is_used);
	}
}

/* ---- saving ---------------------------------------------------------------------------------------------------- */

/* Saves an instance and fills it again from that; in between another one, whose slots it then has. */
static void replace(struct model *m, struct commerce *c)
{
	struct commerce_restore r;
	uint64_t digest = commerce_digest(c);
	struct commerce *steps[] = {c, &m->spare, c};
	for (unsigned i = 1; i < COUNT_OF(steps); i++) {
		allocation_count_start();
		commerce_reset(steps[i]);
		commerce_restore_start(&r, steps[i]);
		status s = commerce_save(steps[i - 1], commerce_restore_put, &r);
		assert_int_equal(allocation_count_stop(), 0);
		if (s != STATUS_ok || commerce_restore_finish(&r) != STATUS_ok)
			fail_msg("%s: %s", status_code(s), r.text);
		assert_true(commerce_is_valid(steps[i]));
		assert_true(commerce_digest(steps[i]) == digest);
	}
	commerce_reset(&m->spare);
	assert_true(commerce_is_valid(&m->spare));
}

static void replace_first(struct model *m)
{
	replace(m, &m->a);
	m->products.has_reserve = slots_has_reserve(&m->a.products.slots);
	m->carts.has_reserve = slots_has_reserve(&m->a.carts.slots);
	m->extents.has_reserve = slots_has_reserve(&m->a.carts.extents);
	m->payments.has_reserve = slots_has_reserve(&m->a.payments.slots);
	m->claims.has_reserve = slots_has_reserve(&m->a.claims.slots);
	m->tallies.has_reserve = slots_has_reserve(&m->a.claims.tallies);
}

/* ---- the run ------------------------------------------------------------------------------------------------- */

static void step(struct model *m)
{
	m->now_ms += below(m, 40);
	unsigned draw = below(m, 100);
	if (draw < 5)
		model_product_put(m);
	else if (draw < 8)
		model_product_remove(m);
	else if (draw < 16)
		model_cart_open(m);
	else if (draw < 50)
		model_cart_add(m, draw < 20);
	else if (draw < 53)
		model_cart_remove(m);
	else if (draw < 57)
		model_cart_apply(m);
	else if (draw < 58)
		model_cart_check_out(m);
	else if (draw < 64)
		model_claim(m);
	else if (draw < 68)
		model_claim_remove(m);
	else if (draw < 74)
		do_authorize(m);
	else if (draw < 88)
		do_pay(m);
	else if (draw < 98)
		do_event(m);
	else if (below(m, 4) == 0)
		model_sweep_carts(m);
	else
		do_sweep_payments(m);
}

static struct m_pool m_pool_of(unsigned capacity, unsigned fail_one_in)
{
	return (struct m_pool){.capacity = capacity, .fail_one_in = fail_one_in};
}

static void setup(struct model *m, unsigned fail_one_in, uint64_t seed)
{
	struct commerce_options o = {
		.products_capacity = PRODUCTS_MAX, .carts_capacity = CARTS_MAX, .carts_extents = EXTENTS_MAX,
		.payments_capacity = PAYMENTS_MAX, .claims_capacity = CLAIMS_MAX, .payments_history = 1, .idempotency_capacity = WINDOW,
		.idempotency_age_ms = INT32_MAX, .seed = seed, .fail_one_in = fail_one_in,
		.pool_debug = POOL_DEBUG_poison | POOL_DEBUG_canary,
	};
	memset(m, 0, sizeof *m);
	o.carts_lines_max = m->lines_max = fail_one_in == 0 ? 0 : 30; /* the twin has none: what was allowed is never refused */
	assert_int_equal(commerce_setup(&m->a, &o), STATUS_ok);
	o.carts_lines_max = 0;
	o.fail_one_in = 0;
	o.seed = seed * 77;
	assert_int_equal(commerce_setup(&m->b, &o), STATUS_ok);
	o.seed = seed * 91;
	assert_int_equal(commerce_setup(&m->spare, &o), STATUS_ok);
	m->random.state = seed;
	m->now_ms = 1000000;
	m->products = m_pool_of(PRODUCTS_MAX, fail_one_in);
	m->carts = m_pool_of(CARTS_MAX, fail_one_in);
	m->extents = m_pool_of(EXTENTS_MAX, fail_one_in);
	m->payments = m_pool_of(PAYMENTS_MAX, fail_one_in);
	m->claims = m_pool_of(CLAIMS_MAX, fail_one_in);
	m->tallies = m_pool_of(CLAIMS_MAX, fail_one_in);
	m->eur = currency_parse("EUR");
	m->usd = currency_parse("USD");
	for (unsigned n = 0; n < SKUS; n++)
		m->product_price[n] = -1;
}

static void run(unsigned fail_one_in, uint64_t seed)
{
	static struct model model; /* too large for the stack */
	struct model *m = &model;
	static const status seen[] = {STATUS_not_found, STATUS_already_exists, STATUS_invalid_state, STATUS_already_claimed,
	                              STATUS_out_of_stock, STATUS_currency_mismatch, STATUS_amount_exceeds, STATUS_amount_overflow,
	                              STATUS_pool_exhausted};
	setup(m, fail_one_in, seed);
	uint64_t allocations = 0;
	for (unsigned i = 0; i < STEPS; i++) {
		allocation_count_start();
		step(m);
		allocations += allocation_count_stop();
		if (below(m, 500) == 0)
			replace(m, &m->b);
		if (fail_one_in == 0 && below(m, 500) == 0)
			replace_first(m);
		if (i % 200 == 0)
			compare(m);
		if (i % 20000 == 0)
			compare_money(m);
	}
	compare(m);
	compare_money(m);
	assert_int_equal(allocations, 0);
	for (size_t i = 0; i < COUNT_OF(seen); i++)
		if (m->answers[seen[i]] < 20)
			fail_msg("%s was answered only %u times", status_code(seen[i]), m->answers[seen[i]]);
	assert_true(m->evictions > 1000);
	printf("fail one in %u: %u done, %u refused for room, %u left to make room, %u payments\n", fail_one_in,
	       m->answers[STATUS_ok], m->answers[STATUS_pool_exhausted], m->evictions, m->payment_count);
	commerce_teardown(&m->a);
	commerce_teardown(&m->b);
	commerce_teardown(&m->spare);
}

static void commerce_does_what_its_model_does(void **state)
{
	(void)state;
	run(0, 1);
}

static void also_when_borrows_fail(void **state)
{
	(void)state;
	run(2, 2);
	run(7, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commerce_does_what_its_model_does),
		cmocka_unit_test(also_when_borrows_fail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
