#include "engine/store/filter.h"

#include "engine/base/cpu.h"

#include <float.h>
#include <math.h>
#include <string.h>

status filter_choose(const char *name, const struct filter **filter)
{
	struct cpu_features cpu = cpu_features();
	const struct filter *avx2 = cpu.avx2 ? filter_avx2 : NULL;
	const struct filter *avx512 = cpu.avx512 ? filter_avx512 : NULL;
	if (strcmp(name, "auto") == 0)
		*filter = avx512 != NULL ? avx512 : avx2 != NULL ? avx2 : &filter_scalar;
	else if (strcmp(name, "scalar") == 0)
		*filter = &filter_scalar;
	else if (strcmp(name, "avx2") == 0 && avx2 != NULL)
		*filter = avx2;
	else if (strcmp(name, "avx512") == 0 && avx512 != NULL)
		*filter = avx512;
	else
		return STATUS_invalid_field;
	return STATUS_ok;
}

static int64_t floor_seconds(int64_t ms) { return ms / 1000 - (ms % 1000 < 0); }
static int64_t ceil_seconds(int64_t ms) { return ms / 1000 + (ms % 1000 > 0); }

static int32_t clamp_seconds(int64_t seconds, int64_t low, int64_t high)
{
	int64_t offset = seconds - ((int64_t)INT32_MAX + 1);
	return (int32_t)(offset < low ? low : offset > high ? high : offset);
}

/* from and at never reach the top and until never the bottom: saturated ends keep their order. */
int32_t filter_from(int64_t from_ms) { return clamp_seconds(floor_seconds(from_ms), INT32_MIN, INT32_MAX - 1); }
int32_t filter_until(int64_t until_ms) { return clamp_seconds(ceil_seconds(until_ms), (int64_t)INT32_MIN + 1, INT32_MAX); }
int32_t filter_at(int64_t at_ms) { return clamp_seconds(floor_seconds(at_ms), INT32_MIN, INT32_MAX - 1); }

/* The neighbour of a float, as nextafterf, but a few instructions: the bits of floats
 * count up away from zero. */
static float neighbour(float f, bool is_up)
{
	uint32_t bits;
	memcpy(&bits, &f, sizeof bits);
	if ((bits << 1) == 0)
		bits = is_up ? 1 : 0x80000001;
	else
		bits += ((bits >> 31) == 0) == is_up ? 1 : UINT32_MAX;
	memcpy(&f, &bits, sizeof f);
	return f;
}

float filter_float_below(double value)
{
	float f = (float)value;
	return (double)f > value ? neighbour(f, false) : f;
}

float filter_float_above(double value)
{
	float f = (float)value;
	return (double)f < value ? neighbour(f, true) : f;
}

/* Squares are widened by 2^-20 anyway, so rounding them to the nearest float is no harm. */
#define SQUARE_SLACK 0x1p-20

float filter_radius_squared(double x, double y, double radius)
{
	/* A slot in the circle is at most |x| + radius away from 0, so its rounding and the
	 * centre's hide at most this; the slack pays for the kernel's own arithmetic. */
	double hidden = (2 * (fabs(x) + fabs(y) + radius)) * 0x1p-24 + 2 * FLT_MIN;
	double wide = (radius + hidden) * (1 + SQUARE_SLACK);
	return (float)(wide * wide + FLT_MIN);
}

float filter_inner_squared(double x, double y, double radius)
{
	double hidden = (2 * (fabs(x) + fabs(y) + radius)) * 0x1p-23 + 2 * FLT_MIN;
	double narrow = (radius - hidden) * (1 - SQUARE_SLACK);
	/* Below 1e-15 squares of floats come near their underflow. */
	return narrow < 1e-15 ? -1 : (float)(narrow * narrow);
}
