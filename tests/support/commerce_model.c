#include "tests/support/commerce_model.h"

/* ---- products -------------------------------------------------------------------------------------- */

void model_product_put(struct model *m)
{
	unsigned n = below(m, SKUS);
	struct product p = {.sku = sku_of(n), .unit_price = below(m, 10000), .currency = m->eur};
	p.name_bytes = (uint8_t)below(m, 128);
	memset(p.name, 'n', p.name_bytes);
	commerce_prepare(&m->a, COMMERCE_NEEDS_product);
	bool has_room = m_prepare(&m->products);
	bool is_new = m->product_price[n] < 0;
	if (!agree(m, products_can_put(&m->a.products, &p), is_new && !has_room ? STATUS_pool_exhausted : STATUS_ok, "product.put"))
		return;
	if (is_new)
		m_take(&m->products);
	m->product_price[n] = p.unit_price;
	products_put(&m->a.products, &p);
	products_put(&m->b.products, &p);
}

void model_product_remove(struct model *m)
{
	struct sku sku;
	unsigned n = below(m, SKUS);
	sku = sku_of(n);
	const struct product *p = products_find(&m->a.products, &sku);
	assert_true(p == NULL ? m->product_price[n] < 0 : p->unit_price == m->product_price[n]);
	status wanted = p == NULL ? STATUS_not_found : STATUS_ok;
	if (below(m, 2) == 0 || !agree(m, products_can_remove(&m->a.products, &sku), wanted, "product.remove"))
		return;
	m->products.in_use--;
	m->product_price[n] = -1;
	products_remove(&m->a.products, &sku);
	products_remove(&m->b.products, &sku);
}

/* ---- carts ------------------------------------------------------------------------------------------ */

static unsigned extents_of(const struct m_cart *c)
{
	unsigned n = (c->count + CART_EXTENT_LINES - 1) / CART_EXTENT_LINES;
	return n == 0 && c->claim != 0 ? 1 : n;
}

int64_t model_subtotal(const struct m_cart *c)
{
	int64_t sum = 0;
	for (unsigned i = 0; i < c->count; i++)
		sum += c->lines[i].price * (int64_t)c->lines[i].quantity;
	return sum;
}

/* The closed cart that goes first, -1: none. Empty ones before others, unless lines are needed. */
static int m_victim(struct model *m, bool for_lines)
{
	int best = -1;
	for (int i = 0; i < CART_IDS; i++) {
		const struct m_cart *c = &m->cart[i];
		if (c->state == CART_none || c->state == CART_open || (for_lines && c->state == CART_expired))
			continue;
		bool is_empty = c->state == CART_expired, best_is_empty = best >= 0 && m->cart[best].state == CART_expired;
		if (best < 0 || (is_empty && !best_is_empty) || (is_empty == best_is_empty && c->closed < m->cart[best].closed))
			best = i;
	}
	return best;
}

static void evict(struct model *m, const struct victim *victim, int expected)
{
	assert_int_equal(victim->is_needed, expected >= 0);
	if (!victim->is_needed)
		return;
	assert_int_equal(victim->id.low, expected);
	carts_evict(&m->a.carts, victim->id);
	carts_evict(&m->b.carts, victim->id);
	m->carts.has_reserve = true;
	m->carts.in_use--;
	unsigned extents = extents_of(&m->cart[expected]);
	if (extents > 0) {
		m->extents.in_use -= extents;
		m->extents.has_reserve = true;
	}
	m->cart[expected] = (struct m_cart){};
	m->evictions++;
}

static void m_renew(struct model *m, struct m_cart *c)
{
	c->time_s = (m->now_ms + 999) / 1000 + (c->ttl_ms + 999) / 1000;
}

void model_cart_open(struct model *m)
{
	unsigned n = below(m, CART_IDS);
	struct m_cart *c = &m->cart[n];
	struct cart_opening o = {.cart = id(n), .currency = below(m, 5) ? m->eur : m->usd, .ttl_ms = 1 + below(m, TTL_MS)};
	unsigned actor = below(m, ACTORS + 1);
	o.has_actor = actor != 0;
	o.actor = id(actor);
	commerce_prepare(&m->a, COMMERCE_NEEDS_cart);
	bool has_room = m_prepare(&m->carts);
	int gone = has_room ? -1 : m_victim(m, false);
	status wanted = c->state != CART_none ? STATUS_already_exists : !has_room && gone < 0 ? STATUS_pool_exhausted : STATUS_ok;
	struct victim victim;
	if (!agree(m, carts_can_open(&m->a.carts, &o, &victim), wanted, "cart.open"))
		return;
	evict(m, &victim, gone);
	m_take(&m->carts);
	*c = (struct m_cart){.state = CART_open, .actor = actor, .currency = o.currency, .ttl_ms = o.ttl_ms};
	m_renew(m, c);
	carts_open(&m->a.carts, &o, m->now_ms);
	carts_open(&m->b.carts, &o, m->now_ms);
}

static status m_open(const struct m_cart *c)
{
	return c->state == CART_none ? STATUS_not_found : c->state == CART_open ? STATUS_ok : STATUS_invalid_state;
}

/* Whether there is room for one more extent; gone: who leaves for it. */
static status m_extent(struct model *m, int *gone)
{
	*gone = m->extents.has_reserve ? -1 : m_victim(m, true);
	return m->extents.has_reserve || *gone >= 0 ? STATUS_ok : STATUS_pool_exhausted;
}

static int find_line(const struct m_cart *c, unsigned sku, int64_t price)
{
	for (unsigned i = 0; i < c->count; i++)
		if (c->lines[i].sku == sku && (price < 0 || c->lines[i].price == price))
			return (int)i;
	return -1;
}

static void drop_empty_lines(struct m_cart *c)
{
	unsigned kept = 0;
	for (unsigned i = 0; i < c->count; i++)
		if (c->lines[i].quantity > 0)
			c->lines[kept++] = c->lines[i];
	c->count = kept;
}

static int64_t draw_price(struct model *m)
{
	/* Few prices, so that lines merge; many at times, so that carts grow; and one that is too much. */
	return below(m, 300) == 0 ? MONEY_MAX / 2 : below(m, 3) == 0 ? below(m, 300) : below(m, 2);
}

void model_cart_add(struct model *m, bool is_set)
{
	unsigned n = below(m, CART_IDS), sku = below(m, SKUS);
	struct m_cart *c = &m->cart[n];
	struct cart_line line = {.sku = sku_of(sku), .unit_price = draw_price(m)};
	line.quantity = 1 + below(m, below(m, 50) ? 5 : UINT32_MAX - 1);
	currency_code currency = below(m, 9) ? (c->state == CART_none ? m->eur : c->currency) : m->usd;
	commerce_prepare(&m->a, COMMERCE_NEEDS_lines);
	(void)m_prepare(&m->extents);
	int64_t replaced = 0;
	for (unsigned i = 0; is_set && i < c->count; i++)
		if (c->lines[i].sku == sku)
			replaced += c->lines[i].price * (int64_t)c->lines[i].quantity;
	int same = find_line(c, sku, is_set ? -1 : line.unit_price), gone = -1;
	__int128 sum = (__int128)model_subtotal(c) - replaced + (__int128)line.unit_price * line.quantity;
	bool needs_extent = same < 0 && extents_of(c) * CART_EXTENT_LINES < c->count + 1;
	status wanted = m_open(c);
	if (wanted == STATUS_ok && currency != c->currency)
		wanted = STATUS_currency_mismatch;
	if (wanted == STATUS_ok &&
	    (sum > MONEY_MAX || (!is_set && same >= 0 && c->lines[same].quantity + line.quantity > UINT32_MAX)))
		wanted = STATUS_amount_overflow;
	if (wanted == STATUS_ok && same < 0 && m->lines_max != 0 && c->count >= m->lines_max)
		wanted = STATUS_pool_exhausted;
	if (wanted == STATUS_ok && needs_extent)
		wanted = m_extent(m, &gone);
	struct victim victim;
	status got = is_set ? carts_can_set(&m->a.carts, id(n), &line, currency, &victim)
	                    : carts_can_add(&m->a.carts, id(n), &line, currency, &victim);
	if (!agree(m, got, wanted, is_set ? "cart.set" : "cart.add"))
		return;
	evict(m, &victim, gone);
	unsigned before = extents_of(c);
	for (unsigned i = 0; is_set && i < c->count; i++)
		if (c->lines[i].sku == sku)
			c->lines[i].quantity = 0;
	if (same < 0) {
		assert_true(c->count < LINES);
		same = (int)c->count++;
		c->lines[same] = (struct m_line){sku, 0, line.unit_price};
	}
	c->lines[same].price = line.unit_price;
	c->lines[same].quantity += line.quantity;
	drop_empty_lines(c);
	if (needs_extent)
		m_take(&m->extents);
	m->extents.in_use += extents_of(c) - before - needs_extent;
	m_renew(m, c);
	(is_set ? carts_set : carts_add)(&m->a.carts, id(n), &line, m->now_ms);
	(is_set ? carts_set : carts_add)(&m->b.carts, id(n), &line, m->now_ms);
}

void model_cart_remove(struct model *m)
{
	unsigned n = below(m, CART_IDS), sku = below(m, SKUS);
	struct m_cart *c = &m->cart[n];
	struct sku key = sku_of(sku);
	uint64_t quantity = below(m, 3) == 0 ? 0 : 1 + below(m, 8), all = 0;
	for (unsigned i = 0; i < c->count; i++)
		all += c->lines[i].sku == sku ? c->lines[i].quantity : 0;
	status wanted = m_open(c);
	if (wanted == STATUS_ok)
		wanted = all == 0 ? STATUS_not_found : quantity > all ? STATUS_amount_exceeds : STATUS_ok;
	if (!agree(m, carts_can_remove(&m->a.carts, id(n), &key, quantity), wanted, "cart.remove"))
		return;
	unsigned before = extents_of(c);
	uint64_t rest = quantity == 0 ? all : quantity;
	for (unsigned i = c->count; i-- > 0;) { /* from the newest */
		uint64_t taken = c->lines[i].sku != sku ? 0 : c->lines[i].quantity < rest ? c->lines[i].quantity : rest;
		c->lines[i].quantity -= taken;
		rest -= taken;
	}
	drop_empty_lines(c);
	m->extents.in_use -= before - extents_of(c);
	m_renew(m, c);
	carts_remove(&m->a.carts, id(n), &key, quantity, m->now_ms);
	carts_remove(&m->b.carts, id(n), &key, quantity, m->now_ms);
}

void model_cart_apply(struct model *m)
{
	unsigned n = below(m, CART_IDS), k = 1 + below(m, CLAIM_IDS);
	struct m_cart *c = &m->cart[n];
	struct m_claim *claim = &m->claim[k];
	commerce_prepare(&m->a, COMMERCE_NEEDS_lines);
	(void)m_prepare(&m->extents);
	int gone = -1;
	bool is_mine = claim->is_there && (c->actor == 0 || c->actor == claim->actor);
	bool needs_extent = extents_of(c) == 0;
	status wanted = c->state == CART_none || !is_mine ? STATUS_not_found : STATUS_ok;
	if (wanted == STATUS_ok && (claim->is_used || claim->benefit.type == BENEFIT_NONE || c->state != CART_open || c->claim != 0))
		wanted = STATUS_invalid_state;
	if (wanted == STATUS_ok && claim->benefit.type == BENEFIT_AMOUNT && claim->benefit.currency != c->currency)
		wanted = STATUS_currency_mismatch;
	if (wanted == STATUS_ok && needs_extent)
		wanted = m_extent(m, &gone);
	struct victim victim;
	if (!agree(m, commerce_can_apply_claim(&m->a, id(n), id(k), &victim), wanted, "cart.apply"))
		return;
	evict(m, &victim, gone);
	if (needs_extent)
		m_take(&m->extents);
	c->claim = k;
	c->benefit = claim->benefit;
	claim->is_used = true;
	m_renew(m, c);
	commerce_apply_claim(&m->a, id(n), id(k), m->now_ms);
	commerce_apply_claim(&m->b, id(n), id(k), m->now_ms);
}

int64_t model_discount(const struct m_cart *c)
{
	int64_t subtotal = model_subtotal(c);
	if (c->claim == 0)
		return 0;
	if (c->benefit.type == BENEFIT_AMOUNT)
		return c->benefit.value < subtotal ? c->benefit.value : subtotal;
	/* Whole units and the rest of them, apart. */
	int64_t whole = subtotal / BASIS_POINTS * c->benefit.value, part = subtotal % BASIS_POINTS * c->benefit.value;
	return whole + part / BASIS_POINTS + (part % BASIS_POINTS * 2 >= BASIS_POINTS);
}

static void m_close(struct model *m, struct m_cart *c, enum cart_state state)
{
	if (state == CART_expired) {
		m->extents.in_use -= extents_of(c);
		c->claim = 0;
	}
	c->state = state;
	c->time_s = m->now_ms / 1000;
	c->closed = ++m->clock;
}

void model_cart_check_out(struct model *m)
{
	unsigned n = below(m, CART_IDS);
	struct m_cart *c = &m->cart[n];
	struct cart_totals totals;
	status wanted = m_open(c);
	if (wanted == STATUS_ok && c->count == 0)
		wanted = STATUS_invalid_state;
	if (!agree(m, carts_can_check_out(&m->a.carts, id(n), &totals), wanted, "cart.checkout"))
		return;
	assert_true(totals.total == model_subtotal(c) - model_discount(c));
	m_close(m, c, CART_checked_out);
	carts_check_out(&m->a.carts, id(n), m->now_ms);
	carts_check_out(&m->b.carts, id(n), m->now_ms);
}

void model_sweep_carts(struct model *m)
{
	struct identifier ids[CARTS_MAX];
	unsigned expected = 0;
	for (unsigned n = 0; n < CART_IDS; n++)
		expected += m->cart[n].state == CART_open && m->cart[n].time_s <= m->now_ms / 1000;
	uint32_t found = carts_sweep(&m->a.carts, &m->cart_hand, m->now_ms, CARTS_MAX, ids, CARTS_MAX);
	assert_int_equal(found, expected);
	for (uint32_t i = 0; i < found; i++) {
		struct m_cart *c = &m->cart[ids[i].low];
		assert_true(c->state == CART_open && c->time_s <= m->now_ms / 1000);
		if (c->claim != 0 && m->claim[c->claim].is_there)
			m->claim[c->claim].is_used = false;
		enum cart_state state = c->count > 0 ? CART_abandoned : CART_expired;
		m_close(m, c, state);
		assert_int_equal(commerce_expire_cart(&m->a, ids[i], m->now_ms), state);
		assert_int_equal(commerce_expire_cart(&m->b, ids[i], m->now_ms), state);
	}
}

/* ---- claims ------------------------------------------------------------------------------------------- */

static struct benefit draw_benefit(struct model *m)
{
	switch (below(m, 3)) {
	case 0: return (struct benefit){};
	case 1: return (struct benefit){1 + below(m, BASIS_POINTS), 0, BENEFIT_PERCENT};
	default: return (struct benefit){1 + below(m, 1000), below(m, 4) ? m->eur : m->usd, BENEFIT_AMOUNT};
	}
}

void model_claim(struct model *m)
{
	unsigned k = 1 + below(m, CLAIM_IDS), actor = 1 + below(m, ACTORS), reward = below(m, REWARDS), mine = 0, taken = 0;
	struct claim claim = {.id = id_pack(id(k)), .actor = id_pack(id(actor)), .reward = id_pack(id(reward))};
	struct benefit benefit = draw_benefit(m);
	claim.benefit_type = benefit.type;
	claim.benefit_value = benefit.value;
	claim.benefit_currency = benefit.currency;
	claim.flags = k % 2 ? CLAIM_ID_IS_UUID : 0;
	int64_t stock = reward == 0 ? STOCK_UNLIMITED : (int64_t)reward * 2;
	for (unsigned i = 1; i <= CLAIM_IDS; i++) {
		taken += m->claim[i].is_there && m->claim[i].reward == reward;
		mine += m->claim[i].is_there && m->claim[i].reward == reward && m->claim[i].actor == actor;
	}
	commerce_prepare(&m->a, COMMERCE_NEEDS_claim);
	bool has_room = m_prepare(&m->claims);
	has_room &= (int)m_prepare(&m->tallies) | (taken > 0);
	assert_int_equal(claims_count(&m->a.claims, id(actor), id(reward)), mine);
	assert_int_equal(claims_taken(&m->a.claims, id(reward)), taken);
	status wanted = m->claim[k].is_there ? STATUS_already_exists
	                : mine >= PER_ACTOR ? STATUS_already_claimed
	                : stock != STOCK_UNLIMITED && taken >= stock ? STATUS_out_of_stock
	                : !has_room ? STATUS_pool_exhausted : STATUS_ok;
	if (!agree(m, claims_can_add(&m->a.claims, &claim, (struct claim_terms){stock, PER_ACTOR}), wanted, "claim"))
		return;
	m_take(&m->claims);
	if (taken == 0)
		m_take(&m->tallies);
	m->claim[k] = (struct m_claim){true, false, actor, reward, benefit};
	claims_add(&m->a.claims, &claim);
	claims_add(&m->b.claims, &claim);
}

void model_claim_remove(struct model *m)
{
	unsigned k = 1 + below(m, CLAIM_IDS), taken = 0;
	status wanted = m->claim[k].is_there ? STATUS_ok : STATUS_not_found;
	if (!agree(m, claims_can_remove(&m->a.claims, id(k)), wanted, "claim taken back"))
		return;
	m->claim[k].is_there = false;
	for (unsigned i = 1; i <= CLAIM_IDS; i++)
		taken += m->claim[i].is_there && m->claim[i].reward == m->claim[k].reward;
	m->claims.in_use--;
	m->tallies.in_use -= taken == 0;
	claims_remove(&m->a.claims, id(k));
	claims_remove(&m->b.claims, id(k));
}
