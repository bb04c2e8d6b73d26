/* The catalogue: product.put, product.remove, product.get. */
#include "engine/handler/inside.h"

static struct product product_of(const struct product_record *r)
{
	struct product product = {
		.unit_price = r->unit_price,
		.currency = currency_parse(r->currency),
		.name_bytes = r->name_bytes,
	};
	(void)sku_make(&product.sku, r->sku, r->sku_bytes);
	memcpy(product.name, r->name, r->name_bytes);
	return product;
}

static void product_show(const struct product *product, struct product_record *r)
{
	*r = (struct product_record){
		.unit_price = product->unit_price,
		.sku_bytes = product->sku.bytes,
		.name_bytes = product->name_bytes,
	};
	currency_format(product->currency, r->currency);
	memcpy(r->sku, product->sku.text, sizeof r->sku);
	memcpy(r->name, product->name, product->name_bytes);
}

static status product_put_plan(const struct state *state, const struct planning *p, struct effect_head **effect)
{
	const struct event *event = p->event;
	const struct product_put_record *r = event->product_put;
	struct effect_product_put *e = (void *)effect_take(p->arena, sizeof *e, EFFECT_product_put, event, p->now_ms);
	if (e == NULL)
		return STATUS_overloaded;
	e->product.unit_price = r->unit_price;
	memcpy(e->product.currency, r->currency, sizeof e->product.currency);
	e->product.sku_bytes = (uint8_t)r->sku.bytes;
	memcpy(e->product.sku, event->text + r->sku.offset, r->sku.bytes);
	e->product.name_bytes = (uint8_t)r->name.bytes;
	memcpy(e->product.name, event->text + r->name.offset, r->name.bytes);
	*effect = &e->head;
	struct product product = product_of(&e->product);
	status s = products_can_put(&state->commerce->products, &product);
	return s == STATUS_pool_exhausted ? refuse(p, s, "", "no room for another product (products.capacity)") : s;
}

static void product_put_apply(struct state *state, const struct effect_head *effect, uint64_t place)
{
	(void)place;
	const struct effect_product_put *e = (const void *)effect;
	struct product product = product_of(&e->product);
	products_put(&state->commerce->products, &product);
}

static const char *product_put_lacks(const struct state *state, const struct effect_head *effect)
{
	struct products *products = &state->commerce->products;
	struct product product = product_of(&((const struct effect_product_put *)(const void *)effect)->product);
	bool has_place = slots_has_room(&products->slots) || products_find(products, &product.sku) != NULL;
	return has_place ? NULL : products->slots.holding.option;
}

static bool sku_of(const struct event *event, struct sku *sku)
{
	const struct wire_text *text = &event->product_key->sku;
	return sku_make(sku, event->text + text->offset, text->bytes);
}

static status product_remove_plan(const struct state *state, const struct planning *p, struct effect_head **effect)
{
	struct sku sku;
	if (!sku_of(p->event, &sku) || products_can_remove(&state->commerce->products, &sku) != STATUS_ok)
		return refuse(p, STATUS_not_found, "sku", "there is no such product");
	struct effect_product_remove *e = (void *)effect_take(p->arena, sizeof *e, EFFECT_product_remove, p->event, p->now_ms);
	if (e == NULL)
		return STATUS_overloaded;
	e->sku_bytes = sku.bytes;
	memcpy(e->sku, sku.text, sizeof e->sku);
	*effect = &e->head;
	return STATUS_ok;
}

static void product_remove_apply(struct state *state, const struct effect_head *effect, uint64_t place)
{
	(void)place;
	const struct effect_product_remove *e = (const void *)effect;
	struct sku sku;
	if (sku_make(&sku, e->sku, e->sku_bytes))
		products_remove(&state->commerce->products, &sku);
}

status read_product_get(const struct state *state, const struct event *event, struct reply *reply, struct problem *problem)
{
	struct sku sku;
	const struct product *product = sku_of(event, &sku) ? products_find(&state->commerce->products, &sku) : NULL;
	if (product == NULL)
		return refuse(&(struct planning){.problem = problem}, STATUS_not_found, "sku", "there is no such product");
	struct product_record record;
	product_show(product, &record);
	reply_product(reply, event, &record);
	return STATUS_ok;
}

const struct handler handler_product_put = {COMMERCE_NEEDS_product, product_put_plan};
const struct handler handler_product_remove = {0, product_remove_plan};
const struct effect_handler effect_handler_product_put = {product_put_apply, answer_ok, product_put_lacks};
const struct effect_handler effect_handler_product_remove = {product_remove_apply, answer_ok, NULL};
