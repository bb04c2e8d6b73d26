#include "engine/commerce/product.h"

#include "engine/base/check.h"

static const struct product *at(const struct products *p, uint32_t slot) { return slots_at(&p->slots, slot); }

static uint64_t hash_of(const void *owner, uint32_t slot)
{
	const struct products *p = owner;
	return sku_hash(&at(p, slot)->sku, p->seed);
}

status products_setup(struct products *p, uint32_t capacity, const struct part_options *o)
{
	*p = (struct products){.seed = o->seed};
	status s = slots_setup(&p->slots, &(struct slots_options){"products", "products.capacity", o->account,
	                       sizeof(struct product), capacity, o->fail_one_in, o->debug});
	if (s == STATUS_ok)
		s = index_setup(&p->by_sku, &(struct index_options){"products by sku", "products.capacity", o->account, capacity,
		                hash_of, p});
	if (s != STATUS_ok)
		products_teardown(p);
	return s;
}

void products_teardown(struct products *p)
{
	index_teardown(&p->by_sku);
	slots_teardown(&p->slots);
}

void products_bill(struct bill *bill, uint64_t capacity)
{
	slots_bill(bill, "products.capacity", capacity, sizeof(struct product), 1, "products");
}

static uint32_t find(const struct products *p, const struct sku *sku)
{
	uint64_t hash = sku_hash(sku, p->seed);
	for (uint32_t cell = index_home(&p->by_sku, hash), slot; index_next(&p->by_sku, hash, &cell, &slot);)
		if (sku_equal(&at(p, slot)->sku, sku))
			return slot;
	return SLOT_NONE;
}

const struct product *products_find(const struct products *p, const struct sku *sku)
{
	uint32_t slot = find(p, sku);
	return slot == SLOT_NONE ? NULL : at(p, slot);
}

status products_can_put(const struct products *p, const struct product *product)
{
	if (product->unit_price < 0 || product->unit_price > MONEY_MAX || product->currency == 0 || product->sku.bytes == 0 ||
	    product->name_bytes > PRODUCT_NAME_BYTES_MAX)
		return STATUS_invalid_field;
	bool has_room = slots_has_reserve(&p->slots) || find(p, &product->sku) != SLOT_NONE;
	return has_room ? STATUS_ok : STATUS_pool_exhausted;
}

void products_put(struct products *p, const struct product *product)
{
	uint32_t slot = find(p, &product->sku);
	if (slot == SLOT_NONE) {
		slot = slots_take(&p->slots);
		index_insert(&p->by_sku, sku_hash(&product->sku, p->seed), slot);
	}
	struct product *own = slots_at(&p->slots, slot);
	*own = (struct product){
		.sku = product->sku, .unit_price = product->unit_price, .currency = product->currency, .name_bytes = product->name_bytes};
	memcpy(own->name, product->name, product->name_bytes);
}

status products_can_remove(const struct products *p, const struct sku *sku)
{
	return find(p, sku) == SLOT_NONE ? STATUS_not_found : STATUS_ok;
}

void products_remove(struct products *p, const struct sku *sku)
{
	uint32_t slot = find(p, sku);
	CHECK(slot != SLOT_NONE, "no product %.*s", sku->bytes, sku->text);
	index_remove(&p->by_sku, sku_hash(sku, p->seed), slot);
	slots_give(&p->slots, slot);
}

void products_visit(const struct products *p, product_visitor *visit, void *context)
{
	for (uint32_t slot = 0; slot < p->slots.capacity; slot++)
		if (slots_is_live(&p->slots, slot))
			visit(context, at(p, slot));
}

void products_reset(struct products *p)
{
	index_clear(&p->by_sku);
	slots_clear(&p->slots);
}

uint64_t products_digest(const struct products *p)
{
	uint64_t sum = 0;
	for (uint32_t slot = 0; slot < p->slots.capacity; slot++)
		if (slots_is_live(&p->slots, slot)) {
			const struct product *product = at(p, slot);
			uint64_t part = hash_bytes(product->name, product->name_bytes, (uint64_t)product->unit_price);
			sum += sku_hash(&product->sku, part + product->currency);
		}
	return sum;
}

bool products_are_valid(const struct products *p)
{
	uint32_t count = 0;
	for (uint32_t slot = 0; slot < p->slots.capacity; slot++)
		if (slots_is_live(&p->slots, slot)) {
			count++;
			if (find(p, &at(p, slot)->sku) != slot)
				return false;
		}
	return count == p->by_sku.count && count == slots_in_use(&p->slots) && index_is_valid(&p->by_sku) &&
	       pool_is_valid(p->slots.pool);
}
