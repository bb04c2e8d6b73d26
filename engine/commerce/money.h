/*
 * money: amounts in integer minor units of an ISO 4217 currency, and what may be done to them.
 *
 * An amount is 0 to MONEY_MAX: never negative, and never more than what every JSON reader
 * takes exactly. Beyond it is STATUS_amount_overflow, nothing wraps.
 *
 * Rounding: a percentage is taken of the whole subtotal, once, and rounded to the nearest minor
 * unit, half of a unit up. That is commercial rounding (half away from zero; amounts are not
 * negative), as in DIN 1333 and in article 5 of Regulation (EC) No 1103/97. Rounding line by
 * line would let the sum of rounded discounts drift from the discount that was promised.
 *
 * Pure functions, any thread.
 */
#ifndef ENGINE_COMMERCE_MONEY_H
#define ENGINE_COMMERCE_MONEY_H

#include "engine/base/status.h"
#include "proto/event.h"

#include <stdint.h>

#define MONEY_MAX INTEGER_MAX

enum { BASIS_POINTS = 10000 };

/* Three letters A-Z in 15 bits; 0: none. */
typedef uint16_t currency_code;

/* Whether it stands for three letters. */
static inline bool currency_is_sound(currency_code code) { return code >= 1 && code <= 26 * 26 * 26; }
/* 0: not three capital letters. */
currency_code currency_parse(const char letters[static CURRENCY_BYTES]);
/* Three letters without a zero byte; "???" of a code that is none. */
void currency_format(currency_code code, char letters[static CURRENCY_BYTES]);

status money_add(int64_t a, int64_t b, int64_t *sum);
status money_times(int64_t unit, uint64_t quantity, int64_t *product);

/* What a percentage or a fixed amount takes off: never more than the subtotal. */
struct benefit {
	int64_t value; /* basis points, or minor units */
	currency_code currency;
	uint8_t type; /* enum benefit_type */
};

/* STATUS_invalid_field for what is no benefit. */
status benefit_check(const struct benefit *benefit);
/* The benefit is sound (benefit_check), and of the subtotal's currency. */
int64_t benefit_of(const struct benefit *benefit, int64_t subtotal);

#endif
