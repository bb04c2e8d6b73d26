/*
 * product: the catalogue: what a sku costs and is called.
 *
 * One thread: the writer. A pointer to a product holds until the next change of the catalogue.
 * can_put reads and decides; put and remove cannot fail after a positive answer.
 */
#ifndef ENGINE_COMMERCE_PRODUCT_H
#define ENGINE_COMMERCE_PRODUCT_H

#include "engine/commerce/key.h"
#include "engine/commerce/money.h"
#include "engine/commerce/slots.h"

enum { PRODUCT_NAME_BYTES_MAX = NAME_BYTES_MAX };

struct product {
	struct sku sku;
	int64_t unit_price;
	currency_code currency;
	uint8_t name_bytes; /* 0: none */
	char name[PRODUCT_NAME_BYTES_MAX];
};

struct products {
	struct slots slots;
	struct index by_sku;
	uint64_t seed;
};

status products_setup(struct products *products, uint32_t capacity, const struct part_options *options);
void products_teardown(struct products *products);
void products_bill(struct bill *bill, uint64_t capacity);

/* NULL: there is none. */
const struct product *products_find(const struct products *products, const struct sku *sku);
/* STATUS_invalid_field, STATUS_pool_exhausted; a sku that is there is replaced. */
status products_can_put(const struct products *products, const struct product *product);
void products_put(struct products *products, const struct product *product);
/* STATUS_not_found */
status products_can_remove(const struct products *products, const struct sku *sku);
void products_remove(struct products *products, const struct sku *sku);

typedef void product_visitor(void *context, const struct product *product);
void products_visit(const struct products *products, product_visitor *visit, void *context);
/* Nothing is in it any more; the memory stays. */
void products_reset(struct products *products);

uint64_t products_digest(const struct products *products);
bool products_are_valid(const struct products *products);

#endif
