/*
 * Grisu2 (Florian Loitsch: Printing Floating-Point Numbers Quickly and Accurately
 * with Integers, PLDI 2010): 64-bit arithmetic only; the text always reads back as
 * the same double and is the shortest such text in 999 of 1000 cases.
 */
#include "proto/number.h"

#include <stdint.h>
#include <string.h>

/* significand * 2^exponent */
struct scaled {
	uint64_t significand;
	int exponent;
};

enum { POWER_FIRST = -348, POWER_STEP = 8 };

/* 10^-348, 10^-340 ... 10^340, rounded to 64 bits. */
static const struct scaled powers[] = {
	{0xfa8fd5a0081c0288, -1220}, {0xbaaee17fa23ebf76, -1193}, {0x8b16fb203055ac76, -1166},
	{0xcf42894a5dce35ea, -1140}, {0x9a6bb0aa55653b2d, -1113}, {0xe61acf033d1a45df, -1087},
	{0xab70fe17c79ac6ca, -1060}, {0xff77b1fcbebcdc4f, -1034}, {0xbe5691ef416bd60c, -1007},
	{0x8dd01fad907ffc3c, -980}, {0xd3515c2831559a83, -954}, {0x9d71ac8fada6c9b5, -927},
	{0xea9c227723ee8bcb, -901}, {0xaecc49914078536d, -874}, {0x823c12795db6ce57, -847},
	{0xc21094364dfb5637, -821}, {0x9096ea6f3848984f, -794}, {0xd77485cb25823ac7, -768},
	{0xa086cfcd97bf97f4, -741}, {0xef340a98172aace5, -715}, {0xb23867fb2a35b28e, -688},
	{0x84c8d4dfd2c63f3b, -661}, {0xc5dd44271ad3cdba, -635}, {0x936b9fcebb25c996, -608},
	{0xdbac6c247d62a584, -582}, {0xa3ab66580d5fdaf6, -555}, {0xf3e2f893dec3f126, -529},
	{0xb5b5ada8aaff80b8, -502}, {0x87625f056c7c4a8b, -475}, {0xc9bcff6034c13053, -449},
	{0x964e858c91ba2655, -422}, {0xdff9772470297ebd, -396}, {0xa6dfbd9fb8e5b88f, -369},
	{0xf8a95fcf88747d94, -343}, {0xb94470938fa89bcf, -316}, {0x8a08f0f8bf0f156b, -289},
	{0xcdb02555653131b6, -263}, {0x993fe2c6d07b7fac, -236}, {0xe45c10c42a2b3b06, -210},
	{0xaa242499697392d3, -183}, {0xfd87b5f28300ca0e, -157}, {0xbce5086492111aeb, -130},
	{0x8cbccc096f5088cc, -103}, {0xd1b71758e219652c, -77}, {0x9c40000000000000, -50},
	{0xe8d4a51000000000, -24}, {0xad78ebc5ac620000, 3}, {0x813f3978f8940984, 30},
	{0xc097ce7bc90715b3, 56}, {0x8f7e32ce7bea5c70, 83}, {0xd5d238a4abe98068, 109},
	{0x9f4f2726179a2245, 136}, {0xed63a231d4c4fb27, 162}, {0xb0de65388cc8ada8, 189},
	{0x83c7088e1aab65db, 216}, {0xc45d1df942711d9a, 242}, {0x924d692ca61be758, 269},
	{0xda01ee641a708dea, 295}, {0xa26da3999aef774a, 322}, {0xf209787bb47d6b85, 348},
	{0xb454e4a179dd1877, 375}, {0x865b86925b9bc5c2, 402}, {0xc83553c5c8965d3d, 428},
	{0x952ab45cfa97a0b3, 455}, {0xde469fbd99a05fe3, 481}, {0xa59bc234db398c25, 508},
	{0xf6c69a72a3989f5c, 534}, {0xb7dcbf5354e9bece, 561}, {0x88fcf317f22241e2, 588},
	{0xcc20ce9bd35c78a5, 614}, {0x98165af37b2153df, 641}, {0xe2a0b5dc971f303a, 667},
	{0xa8d9d1535ce3b396, 694}, {0xfb9b7cd9a4a7443c, 720}, {0xbb764c4ca7a44410, 747},
	{0x8bab8eefb6409c1a, 774}, {0xd01fef10a657842c, 800}, {0x9b10a4e5e9913129, 827},
	{0xe7109bfba19c0c9d, 853}, {0xac2820d9623bf429, 880}, {0x80444b5e7aa7cf85, 907},
	{0xbf21e44003acdd2d, 933}, {0x8e679c2f5e44ff8f, 960}, {0xd433179d9c8cb841, 986},
	{0x9e19db92b4e31ba9, 1013}, {0xeb96bf6ebadf77d9, 1039}, {0xaf87023b9bf0ee6b, 1066},
};

static const uint64_t tens[] = {
	1u,
	10u,
	100u,
	1000u,
	10000u,
	100000u,
	1000000u,
	10000000u,
	100000000u,
	1000000000u,
	10000000000u,
	100000000000u,
	1000000000000u,
	10000000000000u,
	100000000000000u,
	1000000000000000u,
	10000000000000000u,
	100000000000000000u,
	1000000000000000000u,
	10000000000000000000u,
};

enum { SIGNIFICAND_BITS = 52, EXPONENT_BIAS = 1075 };
#define HIDDEN_BIT (UINT64_C(1) << SIGNIFICAND_BITS)

struct decimal {
	char digits[20];
	int count;
	int exponent; /* digits * 10^exponent */
};

static struct scaled normalize(struct scaled v)
{
	int shift = __builtin_clzll(v.significand);
	return (struct scaled){v.significand << shift, v.exponent - shift};
}

static struct scaled multiply(struct scaled a, struct scaled b)
{
	unsigned __int128 product = (unsigned __int128)a.significand * b.significand;
	uint64_t high = (uint64_t)(product >> 64) + ((uint64_t)product >> 63);
	return (struct scaled){high, a.exponent + b.exponent + 64};
}

static struct scaled unpack(uint64_t bits)
{
	uint64_t fraction = bits & (HIDDEN_BIT - 1);
	int exponent = (int)(bits >> SIGNIFICAND_BITS & 0x7ff);
	if (exponent == 0)
		return (struct scaled){fraction, 1 - EXPONENT_BIAS};
	return (struct scaled){fraction | HIDDEN_BIT, exponent - EXPONENT_BIAS};
}

/* The power of ten that brings a number of this exponent to one between 2^-60 and
 * 2^-32, where a digit can be shifted out; *ten is the exponent taken away. */
static struct scaled power_for(int exponent, int *ten)
{
	double estimate = (-61 - exponent) * 0.30102999566398114 + (-POWER_FIRST - 1);
	int k = (int)estimate;
	k += estimate - k > 0;
	unsigned index = (unsigned)(k / POWER_STEP + 1);
	*ten = -(POWER_FIRST + (int)index * POWER_STEP);
	return powers[index];
}

/* Moves the last digit towards the number itself while that stays between the neighbours. */
static void round_last(struct decimal *d, uint64_t delta, uint64_t rest, uint64_t unit, uint64_t distance)
{
	while (rest < distance && delta - rest >= unit &&
	       (rest + unit < distance || distance - rest > rest + unit - distance)) {
		d->digits[d->count - 1]--;
		rest += unit;
	}
}

static void push(struct decimal *d, unsigned digit)
{
	if (digit != 0 || d->count != 0)
		d->digits[d->count++] = (char)('0' + digit);
}

/* Digits of `high` until what is left is smaller than delta. */
static void generate(struct decimal *d, struct scaled w, struct scaled high, uint64_t delta)
{
	const int shift = -high.exponent;
	const uint64_t one = UINT64_C(1) << shift;
	uint64_t distance = high.significand - w.significand;
	uint64_t whole = high.significand >> shift, fraction = high.significand & (one - 1);
	int kappa = 1;
	while (kappa < 10 && whole >= tens[kappa])
		kappa++;
	while (kappa > 0) {
		kappa--;
		push(d, (unsigned)(whole / tens[kappa]));
		whole %= tens[kappa];
		uint64_t rest = (whole << shift) + fraction;
		if (rest <= delta) {
			d->exponent += kappa;
			round_last(d, delta, rest, tens[kappa] << shift, distance);
			return;
		}
	}
	for (;;) {
		fraction *= 10;
		delta *= 10;
		push(d, (unsigned)(fraction >> shift));
		fraction &= one - 1;
		kappa--;
		if (fraction < delta) {
			d->exponent += kappa;
			round_last(d, delta, fraction, one, -kappa < 20 ? distance * tens[-kappa] : 0);
			return;
		}
	}
}

/* value is positive. */
static struct decimal shortest(uint64_t bits)
{
	struct decimal d = {};
	struct scaled v = unpack(bits);
	struct scaled high = normalize((struct scaled){(v.significand << 1) + 1, v.exponent - 1});
	struct scaled low = v.significand == HIDDEN_BIT
	                            ? (struct scaled){(v.significand << 2) - 1, v.exponent - 2}
	                            : (struct scaled){(v.significand << 1) - 1, v.exponent - 1};
	low = (struct scaled){low.significand << (low.exponent - high.exponent), high.exponent};
	struct scaled power = power_for(high.exponent, &d.exponent);
	struct scaled w = multiply(normalize(v), power);
	high = multiply(high, power);
	low = multiply(low, power);
	/* One unit inwards, because the products are rounded. */
	high.significand--;
	generate(&d, w, high, high.significand - (low.significand + 1));
	return d;
}

static size_t write_exponent(char *at, int exponent)
{
	char *start = at;
	*at++ = 'e';
	*at++ = exponent < 0 ? '-' : '+';
	unsigned value = (unsigned)(exponent < 0 ? -exponent : exponent);
	if (value >= 100)
		*at++ = (char)('0' + value / 100);
	if (value >= 10)
		*at++ = (char)('0' + value / 10 % 10);
	*at++ = (char)('0' + value % 10);
	return (size_t)(at - start);
}

/* Plain from 1e-6 to below 1e16, else with an exponent: a longer run of digits would be
 * an integer that many readers of JSON cannot hold. */
enum { PLAIN_DIGITS = 16 };

static size_t layout(const struct decimal *d, char *text)
{
	const size_t count = (size_t)d->count;
	const int point = d->count + d->exponent; /* digits before the decimal point */
	if (d->exponent >= 0 && point <= PLAIN_DIGITS) {
		memcpy(text, d->digits, count);
		memset(text + count, '0', (size_t)d->exponent);
		return (size_t)point;
	}
	if (point > 0 && point <= PLAIN_DIGITS) {
		memcpy(text, d->digits, (size_t)point);
		text[point] = '.';
		memcpy(text + point + 1, d->digits + point, count - (size_t)point);
		return count + 1;
	}
	if (point > -6 && point <= 0) {
		text[0] = '0';
		text[1] = '.';
		memset(text + 2, '0', (size_t)-point);
		memcpy(text + 2 - point, d->digits, count);
		return count + 2 + (size_t)-point;
	}
	size_t at = 0;
	text[at++] = d->digits[0];
	if (count > 1) {
		text[at++] = '.';
		memcpy(text + at, d->digits + 1, count - 1);
		at += count - 1;
	}
	return at + write_exponent(text + at, point - 1);
}

size_t number_format(double value, char text[NUMBER_TEXT_BYTES])
{
	uint64_t bits;
	size_t at = 0;
	memcpy(&bits, &value, sizeof bits);
	if (bits >> 63 != 0)
		text[at++] = '-';
	bits &= INT64_MAX;
	if (bits == 0) {
		/* A reader may take "-0" for the integer, which has no sign. */
		size_t bytes = at != 0 ? 3 : 1;
		memcpy(text + at, "0.0", bytes);
		return at + bytes;
	}
	struct decimal d = shortest(bits);
	return at + layout(&d, text + at);
}
