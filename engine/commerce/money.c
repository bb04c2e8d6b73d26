#include "engine/commerce/money.h"

#include <stdckdint.h>
#include <string.h>

enum { LETTERS = 26 };
static const char alphabet[LETTERS + 1] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

currency_code currency_parse(const char letters[static CURRENCY_BYTES])
{
	unsigned code = 0;
	for (int i = 0; i < CURRENCY_BYTES; i++) {
		if (letters[i] < 'A' || letters[i] > 'Z')
			return 0;
		code = code * LETTERS + (unsigned)(letters[i] - 'A');
	}
	return (currency_code)(code + 1);
}

void currency_format(currency_code code, char letters[static CURRENCY_BYTES])
{
	unsigned rest = code - 1u;
	memset(letters, '?', CURRENCY_BYTES);
	for (int i = CURRENCY_BYTES - 1; currency_is_sound(code) && i >= 0; i--, rest /= LETTERS)
		letters[i] = alphabet[rest % LETTERS];
}

static status bounded(bool is_wrapped, int64_t value, int64_t *out)
{
	if (is_wrapped || value > MONEY_MAX)
		return STATUS_amount_overflow;
	*out = value;
	return STATUS_ok;
}

status money_add(int64_t a, int64_t b, int64_t *sum)
{
	int64_t value;
	bool is_wrapped = ckd_add(&value, a, b);
	return bounded(is_wrapped, value, sum);
}

status money_times(int64_t unit, uint64_t quantity, int64_t *product)
{
	int64_t value;
	bool is_wrapped = ckd_mul(&value, unit, quantity);
	return bounded(is_wrapped, value, product);
}

status benefit_check(const struct benefit *b)
{
	bool is_sound = (b->type == BENEFIT_PERCENT && b->value >= 1 && b->value <= BASIS_POINTS) ||
	                (b->type == BENEFIT_AMOUNT && b->value >= 1 && b->value <= MONEY_MAX && b->currency != 0);
	return is_sound ? STATUS_ok : STATUS_invalid_field;
}

int64_t benefit_of(const struct benefit *b, int64_t subtotal)
{
	if (b->type == BENEFIT_PERCENT)
		return (int64_t)(((__int128)subtotal * b->value + BASIS_POINTS / 2) / BASIS_POINTS);
	return b->value < subtotal ? b->value : subtotal;
}
