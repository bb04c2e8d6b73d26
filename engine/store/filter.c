#include "engine/store/filter.h"

#include "engine/base/cpu.h"

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
