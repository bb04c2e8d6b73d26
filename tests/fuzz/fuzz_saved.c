/*
 * Any bytes as what commerce saved: a restore refuses them with a text, or what comes out is whole.
 * Each record begins with a byte that chooses its kind; what follows are its bytes, zeros where the
 * input ends. The head's counts and the version are made possible, so that not all ends there.
 */
#include "engine/base/check.h"
#include "engine/commerce/save.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct state {
	struct commerce commerce;
	bool is_set_up;
};

static void set_up(struct state *s)
{
	struct commerce_options o = {
		.products_capacity = 4, .carts_capacity = 4, .carts_extents = 6, .payments_capacity = 4, .claims_capacity = 4,
		.payments_history = 8, .idempotency_capacity = 64, .idempotency_age_ms = 1000, .seed = 1,
		.pool_debug = POOL_DEBUG_canary};
	CHECK(commerce_setup(&s->commerce, &o) == STATUS_ok, "no memory");
	s->is_set_up = true;
}

static size_t size_of(uint32_t kind)
{
	static const size_t sizes[] = {sizeof(struct saved_head), sizeof(struct saved_product), sizeof(struct saved_cart),
	                               sizeof(struct saved_discount), sizeof(struct saved_line), sizeof(struct saved_payment),
	                               sizeof(struct saved_claim), sizeof(struct saved_block), sizeof(struct saved_block)};
	return sizes[kind - SAVED_head];
}

static void put_head(struct commerce_restore *r, const uint8_t counts[6])
{
	struct saved_head head = {.version = SAVED_VERSION, .products = counts[0] % 6, .carts = counts[1] % 6,
	                          .extents = counts[2] % 8, .payments = counts[3] % 6, .claims = counts[4] % 6,
	                          .blocks = counts[5] % 4, .history = counts[5] / 4 % 4};
	(void)commerce_restore_put(r, SAVED_head, &head, sizeof head);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct state state;
	struct commerce_restore r;
	if (!state.is_set_up)
		set_up(&state);
	if (size < 6)
		return 0;
	commerce_reset(&state.commerce);
	commerce_restore_start(&r, &state.commerce);
	put_head(&r, data);
	for (size_t at = 6; at < size;) {
		uint8_t record[sizeof(struct saved_block)] = {};
		uint32_t kind = SAVED_head + data[at++] % (SAVED_END - SAVED_head);
		size_t count = size - at < size_of(kind) ? size - at : size_of(kind);
		memcpy(record, data + at, count);
		at += count;
		if (commerce_restore_put(&r, kind, record, size_of(kind)) != STATUS_ok)
			break;
	}
	if (commerce_restore_finish(&r) == STATUS_ok)
		CHECK(commerce_is_valid(&state.commerce), "what was restored is not whole");
	else
		CHECK(r.text[0] != '\0', "refused without a word");
	return 0;
}
