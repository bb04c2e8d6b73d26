/* Lines of carts, and what they come to. */
#include "engine/commerce/cart.h"

#include "engine/base/check.h"
#include "engine/commerce/cart_inside.h"

enum { ANY_PRICE = -1 };

uint32_t cart_extents_for(uint32_t line_count) { return (line_count + CART_EXTENT_LINES - 1) / CART_EXTENT_LINES; }

/* ---- reading ------------------------------------------------------------------------------------- */

uint32_t carts_line_count(const struct carts *c, const struct cart *cart)
{
	const struct cart_extent *first = cart_first_extent(c, cart);
	return first == NULL ? 0 : first->line_count;
}

bool carts_is_at_most(const struct carts *c, const struct cart *cart)
{
	return c->lines_max != 0 && carts_line_count(c, cart) >= c->lines_max;
}

const struct cart_discount *carts_discount(const struct carts *c, const struct cart *cart)
{
	const struct cart_extent *first = cart_first_extent(c, cart);
	return first == NULL || first->discount.benefit.type == BENEFIT_NONE ? NULL : &first->discount;
}

static int64_t subtotal_of(const struct carts *c, const struct cart *cart)
{
	const struct cart_extent *first = cart_first_extent(c, cart);
	return first == NULL ? 0 : first->subtotal;
}

static struct cart_totals totals_of(const struct cart *cart, int64_t subtotal, uint32_t lines, const struct benefit *benefit)
{
	int64_t off = benefit == NULL ? 0 : benefit_of(benefit, subtotal);
	return (struct cart_totals){subtotal, off, subtotal - off, cart->currency, lines};
}

static const struct benefit *benefit_in(const struct carts *c, const struct cart *cart)
{
	const struct cart_discount *discount = carts_discount(c, cart);
	return discount == NULL ? NULL : &discount->benefit;
}

void carts_totals(const struct carts *c, const struct cart *cart, struct cart_totals *totals)
{
	*totals = totals_of(cart, subtotal_of(c, cart), carts_line_count(c, cart), benefit_in(c, cart));
}

static struct cart_line *line_at(const struct carts *c, const struct cart_cursor *cursor)
{
	return &cart_extent_at(c, cursor->extent)->lines[cursor->line];
}

static struct cart_line *first_line(const struct carts *c, const struct cart *cart, struct cart_cursor *cursor)
{
	*cursor = (struct cart_cursor){cart->extent, 0, carts_line_count(c, cart)};
	return cursor->left == 0 ? NULL : line_at(c, cursor);
}

static struct cart_line *next_line(const struct carts *c, struct cart_cursor *cursor)
{
	if (cursor->left == 0 || --cursor->left == 0)
		return NULL;
	if (++cursor->line == CART_EXTENT_LINES) {
		cursor->line = 0;
		cursor->extent = cart_extent_at(c, cursor->extent)->next;
	}
	return line_at(c, cursor);
}

const struct cart_line *cart_first_line(const struct carts *c, const struct cart *cart, struct cart_cursor *cursor)
{
	return first_line(c, cart, cursor);
}

const struct cart_line *cart_next_line(const struct carts *c, struct cart_cursor *cursor) { return next_line(c, cursor); }

static struct cart_line *find_line(const struct carts *c, const struct cart *cart, const struct sku *sku, int64_t price)
{
	struct cart_cursor at;
	for (struct cart_line *line = first_line(c, cart, &at); line != NULL; line = next_line(c, &at))
		if (sku_equal(&line->sku, sku) && (price == ANY_PRICE || price == line->unit_price))
			return line;
	return NULL;
}

const struct cart_line *carts_find_line(const struct carts *c, const struct cart *cart, const struct sku *sku, int64_t price)
{
	return find_line(c, cart, sku, price);
}

/* What all lines of a sku hold. */
struct share {
	uint64_t quantity;
	int64_t amount;
	uint32_t lines;
};

static struct share share_of(const struct carts *c, const struct cart *cart, const struct sku *sku)
{
	struct share share = {};
	struct cart_cursor at;
	for (const struct cart_line *line = first_line(c, cart, &at); line != NULL; line = next_line(c, &at))
		if (sku_equal(&line->sku, sku)) {
			share.quantity += line->quantity;
			share.amount += line->unit_price * line->quantity; /* part of a subtotal that fits */
			share.lines++;
		}
	return share;
}

/* ---- foretelling: the subtotal fits, the change was allowed ------------------------------------------- */

void carts_after_add(const struct carts *c, const struct cart *cart, const struct cart_line *line, struct cart_totals *totals)
{
	uint32_t lines = carts_line_count(c, cart) + (find_line(c, cart, &line->sku, line->unit_price) == NULL);
	int64_t subtotal = subtotal_of(c, cart) + line->unit_price * line->quantity;
	*totals = totals_of(cart, subtotal, lines, benefit_in(c, cart));
}

void carts_after_set(const struct carts *c, const struct cart *cart, const struct cart_line *line, struct cart_totals *totals)
{
	struct share share = share_of(c, cart, &line->sku);
	int64_t subtotal = subtotal_of(c, cart) - share.amount + line->unit_price * line->quantity;
	*totals = totals_of(cart, subtotal, carts_line_count(c, cart) - share.lines + 1, benefit_in(c, cart));
}

void carts_after_remove(const struct carts *c, const struct cart *cart, const struct sku *sku, uint64_t quantity,
                        struct cart_totals *totals)
{
	struct share share = share_of(c, cart, sku);
	int64_t subtotal = subtotal_of(c, cart) - share.amount;
	uint32_t lines = carts_line_count(c, cart) - share.lines;
	uint64_t stays = quantity == 0 ? 0 : share.quantity - quantity;
	struct cart_cursor at;
	for (const struct cart_line *l = first_line(c, cart, &at); l != NULL && stays > 0; l = next_line(c, &at)) {
		if (!sku_equal(&l->sku, sku))
			continue;
		uint64_t kept = l->quantity < stays ? l->quantity : stays;
		subtotal += l->unit_price * (int64_t)kept;
		stays -= kept;
		lines++;
	}
	*totals = totals_of(cart, subtotal, lines, benefit_in(c, cart));
}

void carts_after_discount(const struct carts *c, const struct cart *cart, const struct benefit *benefit,
                          struct cart_totals *totals)
{
	*totals = totals_of(cart, subtotal_of(c, cart), carts_line_count(c, cart), benefit);
}

/* ---- asking ------------------------------------------------------------------------------------------ */

bool carts_needs_extent(const struct carts *c, const struct cart *cart)
{
	uint32_t lines = carts_line_count(c, cart);
	return cart->extent == SLOT_NONE || (lines > 0 && lines % CART_EXTENT_LINES == 0);
}

static status find_extent(const struct carts *c, struct victim *victim)
{
	if (slots_has_reserve(&c->extents))
		return STATUS_ok;
	if (c->filled.first == SLOT_NONE)
		return STATUS_pool_exhausted;
	*victim = (struct victim){cart_at(c, c->filled.first)->id, true};
	return STATUS_ok;
}

/* Room for a line more of this cart. */
static status find_room(const struct carts *c, const struct cart *cart, struct victim *victim)
{
	if (carts_is_at_most(c, cart))
		return STATUS_pool_exhausted;
	return carts_needs_extent(c, cart) ? find_extent(c, victim) : STATUS_ok;
}

status cart_check_line(const struct cart_line *line, const struct cart *cart, currency_code currency)
{
	if (line->sku.bytes == 0 || line->quantity == 0 || line->unit_price < 0 || line->unit_price > MONEY_MAX)
		return STATUS_invalid_field;
	return currency == cart->currency ? STATUS_ok : STATUS_currency_mismatch;
}

status cart_check_subtotal(int64_t subtotal, const struct cart_line *line)
{
	int64_t amount;
	status s = money_times(line->unit_price, line->quantity, &amount);
	return s != STATUS_ok ? s : money_add(subtotal, amount, &subtotal);
}

status carts_can_add(const struct carts *c, struct identifier id, const struct cart_line *line, currency_code currency,
                     struct victim *victim)
{
	const struct cart *cart;
	*victim = (struct victim){};
	status s = cart_find_open(c, id, &cart);
	if (s == STATUS_ok)
		s = cart_check_line(line, cart, currency);
	if (s == STATUS_ok)
		s = cart_check_subtotal(subtotal_of(c, cart), line);
	if (s != STATUS_ok)
		return s;
	const struct cart_line *same = find_line(c, cart, &line->sku, line->unit_price);
	if (same != NULL)
		return line->quantity > UINT32_MAX - same->quantity ? STATUS_amount_overflow : STATUS_ok;
	return find_room(c, cart, victim);
}

status carts_can_set(const struct carts *c, struct identifier id, const struct cart_line *line, currency_code currency,
                     struct victim *victim)
{
	const struct cart *cart;
	*victim = (struct victim){};
	status s = cart_find_open(c, id, &cart);
	if (s == STATUS_ok)
		s = cart_check_line(line, cart, currency);
	if (s != STATUS_ok)
		return s;
	struct share share = share_of(c, cart, &line->sku);
	s = cart_check_subtotal(subtotal_of(c, cart) - share.amount, line);
	if (s != STATUS_ok)
		return s;
	return share.lines == 0 ? find_room(c, cart, victim) : STATUS_ok;
}

status carts_can_remove(const struct carts *c, struct identifier id, const struct sku *sku, uint64_t quantity)
{
	const struct cart *cart;
	status s = cart_find_open(c, id, &cart);
	if (s != STATUS_ok)
		return s;
	struct share share = share_of(c, cart, sku);
	if (share.lines == 0)
		return STATUS_not_found;
	return quantity > share.quantity ? STATUS_amount_exceeds : STATUS_ok;
}

status carts_can_discount(const struct carts *c, struct identifier id, const struct benefit *benefit, struct victim *victim)
{
	const struct cart *cart;
	*victim = (struct victim){};
	status s = cart_find_open(c, id, &cart);
	if (s == STATUS_ok)
		s = benefit_check(benefit);
	if (s != STATUS_ok)
		return s;
	if (carts_discount(c, cart) != NULL)
		return STATUS_invalid_state;
	if (benefit->type == BENEFIT_AMOUNT && benefit->currency != cart->currency)
		return STATUS_currency_mismatch;
	return cart->extent == SLOT_NONE ? find_extent(c, victim) : STATUS_ok;
}

/* ---- changes ------------------------------------------------------------------------------------------ */

static struct cart *open_cart(const struct carts *c, struct identifier id)
{
	uint32_t slot = cart_find(c, id_pack(id));
	CHECK(slot != SLOT_NONE && cart_at(c, slot)->state == CART_open, "a cart that is not open is changed");
	return cart_at(c, slot);
}

void cart_add_extent(struct carts *c, struct cart *cart)
{
	uint32_t slot = slots_take(&c->extents);
	struct cart_extent *first = cart_first_extent(c, cart);
	cart_extent_at(c, slot)->next = SLOT_NONE;
	if (first == NULL) {
		cart->extent = slot;
		first = cart_extent_at(c, slot);
	} else {
		cart_extent_at(c, first->last)->next = slot;
	}
	first->last = slot;
}

void cart_append(struct carts *c, struct cart *cart, const struct cart_line *line)
{
	if (carts_needs_extent(c, cart))
		cart_add_extent(c, cart);
	struct cart_extent *first = cart_extent_at(c, cart->extent);
	cart_extent_at(c, first->last)->lines[first->line_count++ % CART_EXTENT_LINES] =
		(struct cart_line){line->sku, line->unit_price, line->quantity, 0};
}

/* Gives back what lies behind the last line. The first extent stays for a discount. */
static void trim(struct carts *c, struct cart *cart)
{
	struct cart_extent *first = cart_extent_at(c, cart->extent);
	uint32_t needed = cart_extents_for(first->line_count);
	if (needed == 0 && first->discount.benefit.type == BENEFIT_NONE) {
		cart_give_extents(c, cart->extent);
		cart->extent = SLOT_NONE;
		return;
	}
	first->last = cart->extent;
	for (uint32_t i = 1; i < needed; i++)
		first->last = cart_extent_at(c, first->last)->next;
	cart_give_extents(c, cart_extent_at(c, first->last)->next);
	cart_extent_at(c, first->last)->next = SLOT_NONE;
}

/* Drops lines of quantity 0, keeps the order of the others, and adds up anew. */
static void settle(struct carts *c, struct cart *cart)
{
	struct cart_extent *first = cart_extent_at(c, cart->extent);
	struct cart_cursor from;
	struct cart_cursor to = {.extent = cart->extent, .left = UINT32_MAX};
	uint32_t kept = 0;
	first->subtotal = 0;
	for (const struct cart_line *line = first_line(c, cart, &from); line != NULL; line = next_line(c, &from)) {
		if (line->quantity == 0)
			continue;
		first->subtotal += line->unit_price * line->quantity;
		if (kept++ > 0)
			(void)next_line(c, &to);
		*line_at(c, &to) = *line;
	}
	first->line_count = kept;
	trim(c, cart);
}

void carts_add(struct carts *c, struct identifier id, const struct cart_line *line, int64_t now_ms)
{
	struct cart *cart = open_cart(c, id);
	struct cart_line *same = find_line(c, cart, &line->sku, line->unit_price);
	if (same != NULL)
		same->quantity += line->quantity;
	else
		cart_append(c, cart, line);
	cart_extent_at(c, cart->extent)->subtotal += line->unit_price * line->quantity;
	cart_renew(cart, now_ms);
}

/* The first line of the sku becomes the line, the others go. */
void carts_set(struct carts *c, struct identifier id, const struct cart_line *line, int64_t now_ms)
{
	struct cart *cart = open_cart(c, id);
	struct cart_cursor at;
	bool is_set = false;
	for (struct cart_line *l = first_line(c, cart, &at); l != NULL; l = next_line(c, &at)) {
		if (!sku_equal(&l->sku, &line->sku))
			continue;
		l->quantity = is_set ? 0 : line->quantity;
		l->unit_price = line->unit_price;
		is_set = true;
	}
	if (!is_set)
		cart_append(c, cart, line);
	settle(c, cart);
	cart_renew(cart, now_ms);
}

void carts_remove(struct carts *c, struct identifier id, const struct sku *sku, uint64_t quantity, int64_t now_ms)
{
	struct cart *cart = open_cart(c, id);
	/* What stays is shared out from the oldest line on. */
	uint64_t stays = quantity == 0 ? 0 : share_of(c, cart, sku).quantity - quantity;
	struct cart_cursor at;
	for (struct cart_line *l = first_line(c, cart, &at); l != NULL; l = next_line(c, &at)) {
		if (!sku_equal(&l->sku, sku))
			continue;
		if (l->quantity > stays)
			l->quantity = (uint32_t)stays;
		stays -= l->quantity;
	}
	settle(c, cart);
	cart_renew(cart, now_ms);
}

void carts_apply_discount(struct carts *c, struct identifier id, const struct cart_discount *discount, int64_t now_ms)
{
	struct cart *cart = open_cart(c, id);
	if (cart->extent == SLOT_NONE)
		cart_add_extent(c, cart);
	struct cart_discount *own = &cart_extent_at(c, cart->extent)->discount;
	own->claim = discount->claim;
	own->claim_is_uuid = discount->claim_is_uuid;
	own->benefit.value = discount->benefit.value;
	own->benefit.currency = discount->benefit.type == BENEFIT_AMOUNT ? discount->benefit.currency : 0;
	own->benefit.type = discount->benefit.type;
	cart_renew(cart, now_ms);
}
